//! Pets in memory: for tests and the lab, gone with the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lullaby::Result;

use super::{Created, Home, Saved};
use crate::pet::{Pet, PetId, PetName};

/// Pets in memory.
#[derive(Debug, Default)]
pub struct MemoryHome(Mutex<Pets>);

#[derive(Debug, Default)]
struct Pets {
    by_id: HashMap<PetId, Pet>,
    by_name: BTreeMap<String, PetId>,
}

impl MemoryHome {
    fn pets(&self) -> MutexGuard<'_, Pets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Home for MemoryHome {
    async fn create(&self, pet: &Pet) -> Result<Created> {
        let mut pets = self.pets();
        let key = pet.name.key();
        if pets.by_name.contains_key(&key) {
            return Ok(Created::NameTaken);
        }
        pets.by_name.insert(key, pet.id.clone());
        pets.by_id.insert(pet.id.clone(), pet.clone());
        Ok(Created::Done)
    }

    async fn load(&self, id: &PetId) -> Result<Option<Pet>> {
        Ok(self.pets().by_id.get(id).cloned())
    }

    async fn find(&self, name: &PetName) -> Result<Option<Pet>> {
        let pets = self.pets();
        let id = pets.by_name.get(&name.key());
        Ok(id.and_then(|id| pets.by_id.get(id)).cloned())
    }

    async fn save(&self, pet: &Pet) -> Result<Saved> {
        let mut pets = self.pets();
        let Some(kept) = pets.by_id.get(&pet.id) else {
            return Ok(Saved::Gone);
        };
        if kept.version + 1 != pet.version {
            return Ok(Saved::Conflict);
        }
        let (old, new) = (kept.name.key(), pet.name.key());
        if old != new {
            if pets.by_name.contains_key(&new) {
                return Ok(Saved::NameTaken);
            }
            pets.by_name.remove(&old);
            pets.by_name.insert(new, pet.id.clone());
        }
        pets.by_id.insert(pet.id.clone(), pet.clone());
        Ok(Saved::Done)
    }

    async fn remove(&self, id: &PetId) -> Result<bool> {
        let mut pets = self.pets();
        let Some(pet) = pets.by_id.remove(id) else {
            return Ok(false);
        };
        pets.by_name.remove(&pet.name.key());
        Ok(true)
    }

    async fn list(&self, after: Option<&PetName>, limit: usize) -> Result<Vec<Pet>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let pets = self.pets();
        let after = after.map(PetName::key);
        let from = after.map_or(Unbounded, Excluded);
        let names = pets.by_name.range((from, Unbounded)).take(limit);
        Ok(names
            .filter_map(|(_, id)| pets.by_id.get(id))
            .cloned()
            .collect())
    }

    async fn count(&self) -> Result<u64> {
        Ok(self.pets().by_id.len() as u64)
    }
}
