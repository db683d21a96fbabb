//! Pets in the Redis that holds their jobs, so that many processes on many hosts can keep one town.
//!
//! Three keys: the records by id, ids by name, and the names in order. Each change is one step of one script, which many callers share: a
//! thousand ticks at once are a few round trips.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use lullaby::store::redis::redis::{self, FromRedisValue, Script};
use lullaby::store::redis::{AppScript, RedisStore};
use lullaby::{Error, Lullaby, Result};

use super::{Created, Home, Saved};
use crate::pet::{Pet, PetId, PetName};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis.lua")));

/// Pets in Redis.
#[derive(Debug)]
pub struct RedisHome {
    lullaby: Lullaby,
    script: AppScript,
    keys: [String; 3],
}

impl RedisHome {
    /// The pets of the server that `lullaby` is opened on.
    ///
    /// # Errors
    /// If it is another kind of store.
    pub fn open(lullaby: &Lullaby) -> Result<Arc<Self>> {
        let lullaby = lullaby.clone();
        let store = store(&lullaby)?;
        let prefix = store.own_prefix();
        let keys = ["records", "ids", "names"].map(|name| format!("{prefix}pet:{name}"));
        let script = store.app_script(&SCRIPT, keys.to_vec());
        Ok(Arc::new(Self {
            lullaby,
            script,
            keys,
        }))
    }

    async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T> {
        let answer = store(&self.lullaby)?.run_command(command).await?;
        redis::from_redis_value(answer).map_err(|error| Error::store_because("reading pets", error))
    }

    async fn record(&self, id: &str) -> Result<Option<Pet>> {
        let record = self.script.run(&["load", id]).await?;
        (!record.is_empty()).then(|| pet(&record)).transpose()
    }
}

fn store(lullaby: &Lullaby) -> Result<&RedisStore> {
    let store = lullaby.store();
    store
        .as_any()
        .downcast_ref()
        .ok_or_else(|| Error::invalid(format!("expected Redis, got {}", store.location())))
}

/// The record of a pet as the script wants it: what it compares in the first line, the pet in the second.
fn record(pet: &Pet) -> Result<String> {
    let json = serde_json::to_string(pet)
        .map_err(|error| Error::store_because("the record of a pet cannot be written", error))?;
    Ok(format!("{} {}\n{json}", pet.version, pet.name.key()))
}

fn pet(record: &str) -> Result<Pet> {
    let json = record.split_once('\n').map_or(record, |(_, json)| json);
    serde_json::from_str(json)
        .map_err(|error| Error::store_because("the record of a pet does not read", error))
}

#[async_trait]
impl Home for RedisHome {
    async fn create(&self, pet: &Pet) -> Result<Created> {
        let (id, name, record) = (pet.id.to_string(), pet.name.key(), record(pet)?);
        let answer = self.script.run(&["create", &id, &name, &record]).await?;
        Ok(match answer.as_str() {
            "done" => Created::Done,
            _ => Created::NameTaken,
        })
    }

    async fn load(&self, id: &PetId) -> Result<Option<Pet>> {
        self.record(&id.to_string()).await
    }

    async fn find(&self, name: &PetName) -> Result<Option<Pet>> {
        let [_, ids, _] = &self.keys;
        let id: Option<String> = self
            .ask(redis::cmd("HGET").arg(ids).arg(name.key()))
            .await?;
        match id {
            // Between the two it may have been renamed; then it is not the one that was asked for.
            Some(id) => Ok(self
                .record(&id)
                .await?
                .filter(|pet| pet.name.key() == name.key())),
            None => Ok(None),
        }
    }

    async fn save(&self, pet: &Pet) -> Result<Saved> {
        // Nothing is before the first version.
        let before = pet.version.checked_sub(1);
        let before = before
            .map(|version| version.to_string())
            .unwrap_or_default();
        let (id, name, record) = (pet.id.to_string(), pet.name.key(), record(pet)?);
        let save = ["save", &id, &name, &record, &before];
        Ok(match self.script.run(&save).await?.as_str() {
            "done" => Saved::Done,
            "gone" => Saved::Gone,
            "taken" => Saved::NameTaken,
            _ => Saved::Conflict,
        })
    }

    async fn remove(&self, id: &PetId) -> Result<bool> {
        let answer = self.script.run(&["remove", &id.to_string()]).await?;
        Ok(answer == "done")
    }

    async fn list(&self, after: Option<&PetName>, limit: usize) -> Result<Vec<Pet>> {
        let [records, ids, names] = &self.keys;
        let from = after.map_or_else(|| "-".to_owned(), |name| format!("({}", name.key()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut command = redis::cmd("ZRANGEBYLEX");
        command
            .arg(names)
            .arg(from)
            .arg("+")
            .arg("LIMIT")
            .arg(0)
            .arg(limit);
        let names: Vec<String> = self.ask(&command).await?;
        let mut pets = Vec::new();
        // One command is never asked for more than this.
        for names in names.chunks(1000) {
            let ids: Vec<Option<String>> =
                self.ask(redis::cmd("HMGET").arg(ids).arg(names)).await?;
            let ids: Vec<String> = ids.into_iter().flatten().collect();
            if ids.is_empty() {
                continue;
            }
            let found: Vec<Option<String>> =
                self.ask(redis::cmd("HMGET").arg(records).arg(&ids)).await?;
            for record in found.into_iter().flatten() {
                pets.push(pet(&record)?);
            }
        }
        Ok(pets)
    }

    async fn count(&self) -> Result<u64> {
        let [records, ..] = &self.keys;
        self.ask(redis::cmd("HLEN").arg(records)).await
    }
}
