//! Where pets are kept: one trait, an implementation for each store.

pub mod memory;
pub mod redis;
pub mod sqlite;
#[cfg(test)]
mod tests;

use std::fmt;

use async_trait::async_trait;
use lullaby::Result;

use crate::pet::{Pet, PetId, PetName};

/// Keeps pets. Every call is one atomic step, and cancel safe: a call that is dropped did the whole step or none of it.
///
/// # Errors
/// All fail with a store error only. After a failed write the pet may have been written or not: nothing may be undone that a written
/// pet would need.
#[async_trait]
pub trait Home: fmt::Debug + Send + Sync + 'static {
    /// Takes a new pet in, unless its name is taken.
    async fn create(&self, pet: &Pet) -> Result<Created>;

    /// The pet of this id.
    async fn load(&self, id: &PetId) -> Result<Option<Pet>>;

    /// The pet of this name, whatever its case.
    async fn find(&self, name: &PetName) -> Result<Option<Pet>>;

    /// Writes `pet` if the one that is kept is one version behind it.
    async fn save(&self, pet: &Pet) -> Result<Saved>;

    /// Lets a pet go; its name is free then. False if there was none.
    async fn remove(&self, id: &PetId) -> Result<bool>;

    /// Up to `limit` pets by name, those after the name `after`.
    async fn list(&self, after: Option<&PetName>, limit: usize) -> Result<Vec<Pet>>;

    /// How many there are.
    async fn count(&self) -> Result<u64>;
}

/// What became of a pet to take in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It lives here.
    Done,
    /// Another pet has its name.
    NameTaken,
}

/// What became of a pet to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Written.
    Done,
    /// Somebody else was first: load it and try again. Nothing was written.
    Conflict,
    /// Another pet has its new name. Nothing was written.
    NameTaken,
    /// It does not live here any more. Nothing was written.
    Gone,
}

/// The home that goes with a store: pets live where their jobs do.
///
/// # Errors
/// If there is none for that kind of store; a store error.
pub async fn open(lullaby: &lullaby::Lullaby) -> Result<std::sync::Arc<dyn Home>> {
    let store = lullaby.store().as_any();
    if store.is::<lullaby::store::memory::MemoryStore>() {
        return Ok(std::sync::Arc::new(memory::MemoryHome::default()));
    }
    if store.is::<lullaby::store::sqlite::SqliteStore>() {
        return Ok(sqlite::SqliteHome::open(lullaby).await?);
    }
    if store.is::<lullaby::store::redis::RedisStore>() {
        return Ok(redis::RedisHome::open(lullaby)?);
    }
    Err(lullaby::Error::invalid(format!(
        "pets cannot be kept in {}",
        lullaby.store().location()
    )))
}
