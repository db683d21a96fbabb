//! Rate limits: at most so many jobs of a key are queued or run; the others wait for a slot.

use rusqlite::{OptionalExtension, params};
use serde_json::json;

use super::row::{QUEUED, RATE_LIMITED, STARTED, instant_value, size};
use super::step::{Stand, Step, stand, stand_columns};
use crate::error::Result;
use crate::job::{JobId, Status};
use crate::rate_limit::RateLimit;
use crate::store::Topic;

/// The oldest that waits for a slot of a key.
pub(super) const FIRST_WAITING: &str = concat!(
    "SELECT ",
    stand_columns!(),
    " FROM lullaby_job WHERE status = ?1 AND limit_key = ?2 ORDER BY pos, key LIMIT 1"
);

/// How many slots of a key are held, counted up to `?4`. Counted and not kept: a count cannot go wrong, whoever changes a job.
pub(super) const HELD: &str = "SELECT count(*) FROM (SELECT 1 FROM lullaby_job WHERE status IN (?1, ?2) AND limit_key = ?3 LIMIT ?4)";

impl Step<'_> {
    /// The place behind all that wait for a slot of this key.
    pub(super) fn place_among_waiting(&self, key: &str) -> Result<i64> {
        let mut statement = self.conn.prepare_cached(
            "SELECT coalesce(max(pos) + 1, 0) FROM lullaby_job WHERE status = ?1 AND limit_key = ?2",
        )?;
        Ok(statement.query_row(params![RATE_LIMITED, key], |row| row.get(0))?)
    }

    /// Puts a job into its queue that holds no slot, and tells of it: by its limiter, if it has a rate limit.
    pub(super) fn enter_queue_anew(&mut self, job: &Stand, at_front: bool) -> Result<()> {
        let Some(limit) = &job.limit else {
            self.tell_queued(job)?;
            return self.enter_queue(job, at_front);
        };
        let place = self.place_among_waiting(&limit.key)?;
        self.conn
            .prepare_cached(
                "UPDATE lullaby_job SET status = ?2, pos = ?3, ended = NULL, expires = ?4, at_front = ?5 WHERE key = ?1",
            )?
            .execute(params![
                job.key,
                RATE_LIMITED,
                place,
                instant_value(self.expiry(job.ttl)),
                at_front,
            ])?;
        self.pass_limiter(&job.id, limit)
    }

    /// A job has just come to its limiter, and waits there: lets in whom there are slots for.
    pub(super) fn pass_limiter(&mut self, id: &JobId, limit: &RateLimit) -> Result<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO lullaby_rate_limit (key, concurrency) VALUES (?1, ?2) \
                 ON CONFLICT (key) DO UPDATE SET concurrency = ?2",
            )?
            .execute(params![limit.key, limit.concurrency])?;
        self.fill_slots(&limit.key)?;
        let job = self.find(id)?;
        match job.filter(|job| job.status == Status::RateLimited) {
            Some(job) => self.tell(&job, "job.rate_limited", [("limit", json!(limit.key))]),
            None => Ok(()),
        }
    }

    /// A job has left its slot, or may have: the next one that waits for it gets it.
    pub(super) fn free_slot(&mut self, job: &Stand) -> Result<()> {
        match &job.limit {
            Some(limit) => self.fill_slots(&limit.key),
            None => Ok(()),
        }
    }

    /// Lets the oldest that wait into their queues while a slot is free. Their ttl has counted since they came.
    fn fill_slots(&mut self, key: &str) -> Result<()> {
        let concurrency: Option<i64> = self
            .conn
            .prepare_cached("SELECT concurrency FROM lullaby_rate_limit WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        let Some(concurrency) = concurrency else {
            return Ok(());
        };
        let mut held: i64 = self
            .conn
            .prepare_cached(HELD)?
            .query_row(params![QUEUED, STARTED, key, concurrency], |row| row.get(0))?;
        while held < concurrency {
            let first = self
                .conn
                .prepare_cached(FIRST_WAITING)?
                .query_row(params![RATE_LIMITED, key], stand)
                .optional()?;
            let Some(job) = first else {
                return self.forget_idle(key, held);
            };
            self.tell_queued(&job)?;
            let place = self.place(job.queue, job.at_front)?;
            self.conn
                .prepare_cached(
                    "UPDATE lullaby_job SET status = ?2, pos = ?3, enqueued = ?4 WHERE key = ?1",
                )?
                .execute(params![job.key, QUEUED, place, self.now.as_millis()])?;
            self.memo.touch(Topic::Queued);
            held += 1;
        }
        Ok(())
    }

    /// Nothing is left of a limiter that nobody uses.
    fn forget_idle(&self, key: &str, held: i64) -> Result<()> {
        if held == 0 {
            self.conn
                .prepare_cached("DELETE FROM lullaby_rate_limit WHERE key = ?1")?
                .execute([key])?;
        }
        Ok(())
    }
}

/// Those that wait for a slot, key by key, the oldest first.
pub(super) const WAITING: &str = "SELECT key FROM lullaby_job WHERE status = ?1 AND limit_key IS NOT NULL \
     AND (?2 IS NULL OR +queue = ?2) AND (?3 IS NULL OR +subject = ?3) ORDER BY limit_key, pos, key LIMIT ?4 OFFSET ?5";

/// The keys of a page of them.
pub(super) fn waiting(
    conn: &rusqlite::Connection,
    queue: Option<i64>,
    subject: Option<&str>,
    page: crate::store::Page,
) -> Result<Vec<i64>> {
    let mut statement = conn.prepare_cached(WAITING)?;
    let (length, offset) = (size(page.length), size(page.offset));
    let which = params![RATE_LIMITED, queue, subject, length, offset];
    let keys = statement.query_map(which, |row| row.get(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}
