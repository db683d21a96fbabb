//! Entries as they stand in Redis.

use redis::Value;

use super::plan::Ours;
use crate::error::{Error, Result};
use crate::store::redis::Core;
use crate::store::redis::answer::{array, optional_text, text, tuple};
use crate::store::redis::keys::ENTRIES;

/// An entry and its job, as they were read.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) score: f64,
    /// `None` if its record is gone.
    pub(super) job: Option<Job>,
}

pub(super) struct Job {
    pub(super) origin: String,
    pub(super) data: Vec<u8>,
    pub(super) meta: Vec<u8>,
    pub(super) description: String,
    pub(super) ours: Option<Ours>,
}

impl Job {
    /// Why nobody could run it, if so.
    pub(super) fn flaw(&self, id: &str) -> Option<String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || !id.bytes().all(fits) {
            // Such an id in a queue ends the Python worker that takes it.
            return Some("expected an id of letters, digits, - and _".to_owned());
        }
        self.origin
            .is_empty()
            .then(|| "its job names no queue".to_owned())
    }
}

impl Core {
    /// A page of the entries that are due at `now`, the longest overdue first.
    pub(super) async fn due_entries(
        &self,
        now: f64,
        offset: usize,
        length: usize,
    ) -> Result<Vec<Found>> {
        self.read_entries(&now.to_string(), offset, length).await
    }

    /// A page of the entries with a score of at most `until`, with what is known of each.
    pub(super) async fn read_entries(
        &self,
        until: &str,
        offset: usize,
        length: usize,
    ) -> Result<Vec<Found>> {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command.arg(ENTRIES).arg("-inf").arg(until);
        command
            .arg("WITHSCORES")
            .arg("LIMIT")
            .arg(offset)
            .arg(length);
        let mut pairs = array(self.link.command(&command).await?)?.into_iter();
        let mut due = Vec::new();
        while let (Some(id), Some(value)) = (pairs.next(), pairs.next()) {
            due.push((text(id)?, score(value)?));
        }
        let mut pipe = redis::pipe();
        for (id, _) in &due {
            pipe.cmd("HMGET").arg(self.keys.job(id));
            pipe.arg(&["data", "origin", "meta", "description"]);
            pipe.cmd("HMGET").arg(self.keys.foreign(id));
            pipe.arg(&["score", "repeat"]);
        }
        let mut answers = self.link.pipeline(&pipe).await?.into_iter();
        let mut found = Vec::with_capacity(due.len());
        for (id, score) in due {
            let (Some(job), Some(ours)) = (answers.next(), answers.next()) else {
                return Err(Error::store(
                    "Redis answered fewer commands than it was given",
                ));
            };
            let job = job_of(job, ours)?;
            found.push(Found { id, score, job });
        }
        Ok(found)
    }
}

fn job_of(job: Value, ours: Value) -> Result<Option<Job>> {
    let [data, origin, meta, description] = tuple(job)?;
    let [due, left] = tuple(ours)?;
    let Some(data) = bytes(data) else {
        return Ok(None);
    };
    let due = optional_text(due)?.and_then(|due| due.parse().ok());
    let left = optional_text(left)?.and_then(|left| left.parse().ok());
    Ok(Some(Job {
        data,
        origin: optional_text(origin)?.unwrap_or_default(),
        meta: bytes(meta).unwrap_or_default(),
        description: optional_text(description)?.unwrap_or_default(),
        ours: due.map(|due| Ours { due, left }),
    }))
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// A score as Redis tells it: a number in text.
pub(super) fn score(value: Value) -> Result<f64> {
    let told = match value {
        Value::Double(score) => return Ok(score),
        other => text(other)?,
    };
    told.parse()
        .map_err(|_| Error::store(format!("expected a score from Redis, got {told:?}")))
}
