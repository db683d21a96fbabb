//! A job as a row.

use std::time::Duration;

use rusqlite::types::{FromSql, Type};
use rusqlite::{Row, RowIndex};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::{Timestamp, millis_up};
use crate::error::{Error, Result};
use crate::job::{Job, JobId, JobOptions, JobTemplate, QueueName, Status, Token};
use crate::payload::Payload;
use crate::rate_limit::RateLimit;

/// A status as it is stored.
pub(super) const fn code(status: Status) -> i64 {
    match status {
        Status::Created => 0,
        Status::Scheduled => 1,
        Status::Queued => 2,
        Status::Started => 3,
        Status::Finished => 4,
        Status::Failed => 5,
        Status::Deferred => 6,
        Status::Canceled => 7,
        Status::Stopped => 8,
        Status::RateLimited => 9,
        // No job here ever stands so: who asks for them finds none.
        Status::ReadyToEnqueue => 10,
        _ => -1,
    }
}

pub(super) const SCHEDULED: i64 = code(Status::Scheduled);
pub(super) const QUEUED: i64 = code(Status::Queued);
pub(super) const STARTED: i64 = code(Status::Started);
pub(super) const DEFERRED: i64 = code(Status::Deferred);
pub(super) const RATE_LIMITED: i64 = code(Status::RateLimited);

/// The status in a column.
pub(super) fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    let stored: i64 = row.get(column)?;
    Status::ALL
        .into_iter()
        .find(|status| code(*status) == stored)
        .ok_or_else(|| {
            let error = format!("expected a status from 0 to 10, found {stored}");
            rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, error.into())
        })
}

/// What a full job is read from, for `FROM lullaby_job j JOIN lullaby_queue q ON q.id = j.queue`.
macro_rules! job_columns {
    () => {
        "j.key, j.id, j.status, j.pos, q.name, j.task, j.payload, j.timeout, j.ttl, j.result_ttl, j.failure_ttl, j.retry, j.repeat, j.callbacks, \
         j.limit_key, j.limit_concurrency, j.webhooks, j.at_front, j.meta, j.description, j.subject, j.slot, j.created, j.due, j.enqueued, j.started, j.ended, j.expires, \
         j.token, j.worker, j.failures, j.lost, j.stop, j.result, j.error, j.depends_on"
    };
}
pub(super) use job_columns;

/// A job and its key, from `job_columns`.
pub(super) fn job(row: &Row<'_>) -> rusqlite::Result<(i64, Job)> {
    // Rust evaluates the fields below in the order written, which is that of the columns.
    let mut c = Columns { row, next: 0 };
    let key = c.take()?;
    let id = JobId::from_store(c.text()?);
    let status = c.status()?;
    let pos: i64 = c.take()?;
    let job = Job {
        status,
        lease_until: (status == Status::Started).then(|| Timestamp::from_millis(pos)),
        template: JobTemplate {
            queue: QueueName::from_store(c.text()?),
            task: c.take()?,
            payload: Payload::from_store(c.take()?),
            options: JobOptions {
                timeout: c.duration()?,
                ttl: c.duration()?,
                result_ttl: c.duration()?,
                failure_ttl: c.duration()?,
                retry: c.json(&id)?,
                repeat: c.json(&id)?,
                callbacks: c.json(&id)?.unwrap_or_default(),
                rate_limit: rate_limit(c.take()?, c.take()?),
                webhooks: c.json(&id)?.unwrap_or_default(),
                at_front: c.take()?,
            },
            meta: c.json(&id)?.unwrap_or_default(),
            description: c.take()?,
            subject: c.take()?,
        },
        slot: c.json(&id)?,
        created_at: c.instant()?.unwrap_or_default(),
        due_at: c.instant()?,
        enqueued_at: c.instant()?,
        started_at: c.instant()?,
        ended_at: c.instant()?,
        expires_at: c.instant()?,
        token: c.take::<Option<i64>>()?.map(token_of),
        worker: c.take()?,
        failures: c.take()?,
        lost: c.take()?,
        stop_requested: c.take()?,
        result: c.take()?,
        error: c.take()?,
        depends_on: c.json(&id)?.unwrap_or_default(),
        id,
    };
    Ok((key, job))
}

/// From its two columns.
pub(super) fn rate_limit(key: Option<String>, concurrency: Option<u32>) -> Option<RateLimit> {
    Some(RateLimit {
        key: key?,
        concurrency: concurrency?,
    })
}

/// JSON from a column. As in a full job, what cannot be read counts as nothing.
pub(super) fn parsed<T: DeserializeOwned + Default>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<T> {
    let json = row.get_ref(column)?.as_str_or_null()?;
    Ok(json
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default())
}

/// The columns of a row, one after the other.
struct Columns<'a, 'r> {
    row: &'a Row<'r>,
    next: usize,
}

impl Columns<'_, '_> {
    fn place(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn take<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let place = self.place();
        self.row.get(place)
    }

    /// A text without a copy of its own.
    fn text(&mut self) -> rusqlite::Result<&str> {
        let place = self.place();
        Ok(self.row.get_ref(place)?.as_str()?)
    }

    fn status(&mut self) -> rusqlite::Result<Status> {
        let place = self.place();
        status(self.row, place)
    }

    fn instant(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp::from_millis))
    }

    fn duration(&mut self) -> rusqlite::Result<Option<Duration>> {
        Ok(self.take::<Option<i64>>()?.map(duration_of))
    }

    /// JSON that cannot be read counts as none, with a warning: one bad row must not keep a queue from being claimed.
    fn json<T: DeserializeOwned>(&mut self, id: &JobId) -> rusqlite::Result<Option<T>> {
        let place = self.place();
        let Some(text) = self.row.get_ref(place)?.as_str_or_null()? else {
            return Ok(None);
        };
        Ok(serde_json::from_str(text)
            .inspect_err(|error| {
                let column = self.row.as_ref().column_name(place).unwrap_or("?");
                tracing::warn!(job = %id, column, %error, "this column of a job is not as expected; it counts as empty");
            })
            .ok())
    }
}

pub(super) fn token_of(stored: i64) -> Token {
    Token(stored.unsigned_abs())
}

pub(super) fn token_value(token: Token) -> i64 {
    // Tokens count from 1; one that no column can hold was never given.
    i64::try_from(token.0).unwrap_or(-1)
}

pub(super) fn duration_of(stored: i64) -> Duration {
    Duration::from_millis(u64::try_from(stored).unwrap_or(0))
}

pub(super) fn duration_value(duration: Option<Duration>) -> Option<i64> {
    duration.map(millis_up)
}

pub(super) fn instant_value(instant: Option<Timestamp>) -> Option<i64> {
    instant.map(Timestamp::as_millis)
}

/// JSON for a column.
pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::invalid(format!("this cannot be written as JSON: {error}")))
}

/// A page's or batch's size as SQL takes it.
pub(super) fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statuses_are_numbered_as_the_schema_says() {
        for (place, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(code(status), place as i64);
        }
    }
}
