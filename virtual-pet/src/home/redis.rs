//! Pets in the Redis that holds their jobs, so that many processes on many hosts can keep one town.
//!
//! Four keys: the records as JSON and the versions that compare-and-set compares, both by id; ids by name; and the names in order. Each change
//! is one step of one script.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use lullaby::store::redis::RedisStore;
use lullaby::store::redis::redis::{self, FromRedisValue, Script};
use lullaby::{Error, Lullaby, Result};

use super::{Created, Home, Saved};
use crate::pet::{Pet, PetId, PetName};

/// KEYS: records, versions, ids by name, names. ARGV: what to do, id, name, version, record. Answers with a word of `Saved`.
static CHANGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis.lua")));

/// Pets in Redis.
#[derive(Debug)]
pub struct RedisHome {
    lullaby: Lullaby,
}

impl RedisHome {
    /// The pets of the server that `lullaby` is opened on.
    ///
    /// # Errors
    /// If it is another kind of store.
    pub fn open(lullaby: &Lullaby) -> Result<Arc<Self>> {
        let home = Self {
            lullaby: lullaby.clone(),
        };
        home.store()?;
        Ok(Arc::new(home))
    }

    fn store(&self) -> Result<&RedisStore> {
        let store = self.lullaby.store();
        store
            .as_any()
            .downcast_ref()
            .ok_or_else(|| Error::invalid(format!("expected Redis, got {}", store.location())))
    }

    fn keys(&self) -> Result<[String; 4]> {
        let prefix = self.store()?.own_prefix();
        Ok(["records", "versions", "ids", "names"].map(|name| format!("{prefix}pet:{name}")))
    }

    async fn change(&self, what: &str, pet: &Pet) -> Result<String> {
        let record = serde_json::to_string(pet).map_err(|error| {
            Error::store_because("the record of a pet cannot be written", error)
        })?;
        let (id, version) = (pet.id.to_string(), pet.version.to_string());
        // Nothing is before the first version.
        let before = pet
            .version
            .checked_sub(1)
            .map(|version| version.to_string());
        let before = before.unwrap_or_default();
        let args = [what, &id, &pet.name.key(), &version, &record, &before];
        read(
            self.store()?
                .run_script(&CHANGE, &self.keys()?, &args)
                .await?,
        )
    }

    async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T> {
        read(self.store()?.run_command(command).await?)
    }

    async fn record(&self, id: &str) -> Result<Option<Pet>> {
        let [records, ..] = self.keys()?;
        let record: Option<String> = self.ask(redis::cmd("HGET").arg(records).arg(id)).await?;
        record.as_deref().map(pet).transpose()
    }
}

fn read<T: FromRedisValue>(answer: redis::Value) -> Result<T> {
    redis::from_redis_value(answer).map_err(|error| Error::store_because("reading pets", error))
}

fn pet(record: &str) -> Result<Pet> {
    serde_json::from_str(record)
        .map_err(|error| Error::store_because("the record of a pet does not read", error))
}

#[async_trait]
impl Home for RedisHome {
    async fn create(&self, pet: &Pet) -> Result<Created> {
        Ok(match self.change("create", pet).await?.as_str() {
            "done" => Created::Done,
            _ => Created::NameTaken,
        })
    }

    async fn load(&self, id: &PetId) -> Result<Option<Pet>> {
        self.record(&id.to_string()).await
    }

    async fn find(&self, name: &PetName) -> Result<Option<Pet>> {
        let [_, _, ids, _] = self.keys()?;
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
        Ok(match self.change("save", pet).await?.as_str() {
            "done" => Saved::Done,
            "gone" => Saved::Gone,
            "taken" => Saved::NameTaken,
            _ => Saved::Conflict,
        })
    }

    async fn remove(&self, id: &PetId) -> Result<bool> {
        let id = id.to_string();
        let args = ["remove", &id];
        let answer = self
            .store()?
            .run_script(&CHANGE, &self.keys()?, &args)
            .await?;
        Ok(read::<String>(answer)? == "done")
    }

    async fn list(&self, after: Option<&PetName>, limit: usize) -> Result<Vec<Pet>> {
        let [records, _, ids, names] = self.keys()?;
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
                self.ask(redis::cmd("HMGET").arg(&ids).arg(names)).await?;
            let ids: Vec<String> = ids.into_iter().flatten().collect();
            if ids.is_empty() {
                continue;
            }
            let found: Vec<Option<String>> = self
                .ask(redis::cmd("HMGET").arg(&records).arg(&ids))
                .await?;
            for record in found.into_iter().flatten() {
                pets.push(pet(&record)?);
            }
        }
        Ok(pets)
    }

    async fn count(&self) -> Result<u64> {
        let [records, ..] = self.keys()?;
        self.ask(redis::cmd("HLEN").arg(records)).await
    }
}
