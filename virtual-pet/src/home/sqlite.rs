//! Pets in the SQLite file that holds their jobs: one file to keep, to copy and to back up, and one commit for many.
//!
//! A row is the pet's record as JSON, beside it what is looked up by. The tables' names begin with `pet_`.

use std::sync::Arc;

use async_trait::async_trait;
use lullaby::store::sqlite::SqliteStore;
use lullaby::store::sqlite::rusqlite::{self, OptionalExtension as _, params};
use lullaby::{Error, Lullaby, Result};

use super::{Created, Home, Saved};
use crate::pet::{Pet, PetId, PetName};

/// The version of the tables below.
const SCHEMA: i64 = 1;

const TABLES: &str = "\
    CREATE TABLE IF NOT EXISTS pet_schema (version INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS pet_pet (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name_key TEXT NOT NULL UNIQUE,
        version INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;";

/// Pets in an SQLite file.
#[derive(Debug)]
pub struct SqliteHome {
    lullaby: Lullaby,
}

impl SqliteHome {
    /// The pets of the file that `lullaby` is opened on; makes their tables if they are not there.
    ///
    /// # Errors
    /// If it is another kind of store, the tables were made by a newer version of the game, or the file cannot be written.
    pub async fn open(lullaby: &Lullaby) -> Result<Arc<Self>> {
        let home = Self {
            lullaby: lullaby.clone(),
        };
        home.store()?
            .write(|tx| {
                tx.execute_batch(TABLES)?;
                let version: Option<i64> = tx
                    .query_row("SELECT version FROM pet_schema", [], |row| row.get(0))
                    .optional()?;
                match version {
                    None => {
                        tx.execute("INSERT INTO pet_schema (version) VALUES (?1)", [SCHEMA])?;
                    }
                    Some(SCHEMA) => {}
                    Some(other) => {
                        return Err(Error::invalid(format!(
                            "expected the tables of pets in version {SCHEMA}, found {other}: this file is kept by a newer virtual-pet, use that one"
                        )));
                    }
                }
                Ok(())
            })
            .await?;
        Ok(Arc::new(home))
    }

    fn store(&self) -> Result<&SqliteStore> {
        let store = self.lullaby.store();
        store.as_any().downcast_ref().ok_or_else(|| {
            Error::invalid(format!("expected an SQLite file, got {}", store.location()))
        })
    }

    async fn one(&self, sql: &'static str, value: String) -> Result<Option<Pet>> {
        let record: Option<String> = self
            .store()?
            .read(move |conn| {
                let mut statement = conn.prepare_cached(sql)?;
                Ok(statement.query_row([value], |row| row.get(0)).optional()?)
            })
            .await?;
        record.as_deref().map(pet).transpose()
    }
}

fn pet(record: &str) -> Result<Pet> {
    serde_json::from_str(record)
        .map_err(|error| Error::store_because("the record of a pet does not read", error))
}

fn record(pet: &Pet) -> Result<String> {
    serde_json::to_string(pet)
        .map_err(|error| Error::store_because("the record of a pet cannot be written", error))
}

/// SQLite's integers have a sign. A version past this one takes 292 million years of a million saves a second.
fn version(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

#[async_trait]
impl Home for SqliteHome {
    async fn create(&self, pet: &Pet) -> Result<Created> {
        let row = (
            pet.id.to_string(),
            pet.name.key(),
            version(pet.version),
            record(pet)?,
        );
        self.store()?
            .write(move |tx| {
                let sql = "INSERT INTO pet_pet (id, name_key, version, record) VALUES (?1, ?2, ?3, ?4) \
                    ON CONFLICT (name_key) DO NOTHING";
                let added = tx.prepare_cached(sql)?.execute(row)?;
                Ok(if added == 1 {
                    Created::Done
                } else {
                    Created::NameTaken
                })
            })
            .await
    }

    async fn load(&self, id: &PetId) -> Result<Option<Pet>> {
        let sql = "SELECT record FROM pet_pet WHERE id = ?1";
        self.one(sql, id.to_string()).await
    }

    async fn find(&self, name: &PetName) -> Result<Option<Pet>> {
        let sql = "SELECT record FROM pet_pet WHERE name_key = ?1";
        self.one(sql, name.key()).await
    }

    async fn save(&self, pet: &Pet) -> Result<Saved> {
        let (id, name_key, record) = (pet.id.to_string(), pet.name.key(), record(pet)?);
        let next = version(pet.version);
        self.store()?
            .write(move |tx| {
                // OR IGNORE: a name that another pet has is an answer, and no error that would undo what others write in this group.
                let sql = "UPDATE OR IGNORE pet_pet SET name_key = ?2, version = ?3, record = ?4 \
                    WHERE id = ?1 AND version = ?3 - 1";
                let mut statement = tx.prepare_cached(sql)?;
                if statement.execute(params![id, name_key, next, record])? == 1 {
                    return Ok(Saved::Done);
                }
                let kept: Option<i64> = tx
                    .prepare_cached("SELECT version FROM pet_pet WHERE id = ?1")?
                    .query_row([&id], |row| row.get(0))
                    .optional()?;
                Ok(match kept {
                    None => Saved::Gone,
                    Some(kept) if kept == next - 1 => Saved::NameTaken,
                    Some(_) => Saved::Conflict,
                })
            })
            .await
    }

    async fn remove(&self, id: &PetId) -> Result<bool> {
        let id = id.to_string();
        self.store()?
            .write(move |tx| {
                let sql = "DELETE FROM pet_pet WHERE id = ?1";
                Ok(tx.prepare_cached(sql)?.execute([id])? == 1)
            })
            .await
    }

    async fn list(&self, after: Option<&PetName>, limit: usize) -> Result<Vec<Pet>> {
        // No name has an empty key.
        let after = after.map(PetName::key).unwrap_or_default();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let records: Vec<String> = self
            .store()?
            .read(move |conn| {
                let sql =
                    "SELECT record FROM pet_pet WHERE name_key > ?1 ORDER BY name_key LIMIT ?2";
                let mut statement = conn.prepare_cached(sql)?;
                let rows = statement.query_map(params![after, limit], |row| row.get(0))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            })
            .await?;
        records.iter().map(|record| pet(record)).collect()
    }

    async fn count(&self) -> Result<u64> {
        self.store()?
            .read(|conn| {
                let count: i64 =
                    conn.query_row("SELECT count(*) FROM pet_pet", [], |row| row.get(0))?;
                Ok(count.unsigned_abs())
            })
            .await
    }
}
