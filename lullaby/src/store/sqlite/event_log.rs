//! The events: appending them, and keeping to the limits.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use serde_json::Value;

use super::row::size;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::event::{Event, EventId, EventLimits};
use crate::job::JobId;

/// How many subjects are remembered to be trimmed later; above that, one is trimmed for each that comes.
const MOST_UNTRIMMED: usize = 1024;

/// How many events above the limit of all are dropped at a time, and after how many new ones. To drop one takes some 14 us, as many subjects
/// share the index: 1.3 ms, where all at once would keep every writer waiting for a second. More go than come, so all that a count found have
/// gone before the next count.
const BITE: i64 = 96;
const EVENTS_A_BITE: u32 = 64;
/// How many a sweep drops.
const SWEEP_BITE: i64 = 500;

/// Keeps the events within their limits without a count or a search for each one.
///
/// A subject is trimmed when an eighth of its limit came since its last trimming, and at each sweep. When the limit of all may be reached by
/// more than a sixteenth they are counted, and the oldest go bit by bit.
#[derive(Debug)]
pub(super) struct EventLog {
    limits: EventLimits,
    /// How many events of a subject came since it was trimmed.
    untrimmed: HashMap<String, u64>,
    /// No need to count before this id.
    count_at: i64,
    /// The events up to this id are above the limit of all, and are to go.
    surplus_until: Option<i64>,
    /// How many events came since the last bite.
    since_bite: u32,
}

impl EventLog {
    pub(super) fn new(limits: EventLimits) -> Self {
        Self {
            limits,
            untrimmed: HashMap::new(),
            count_at: 0,
            surplus_until: None,
            since_bite: 0,
        }
    }

    pub(super) fn append(
        &mut self,
        conn: &Connection,
        at: Timestamp,
        subject: &str,
        job: Option<&str>,
        kind: &str,
        data: &Value,
    ) -> Result<EventId> {
        conn.prepare_cached(
            "INSERT INTO lullaby_event (at, subject, job, kind, data) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            at.as_millis(),
            subject,
            job,
            kind,
            data.to_string()
        ])?;
        let id = conn.last_insert_rowid();
        self.count_in(conn, subject)?;
        if id >= self.count_at.saturating_add(self.slack()) {
            self.find_surplus(conn)?;
            self.drop_surplus(conn, BITE)?;
        }
        self.since_bite += 1;
        if self.since_bite >= EVENTS_A_BITE {
            self.drop_surplus(conn, BITE)?;
        }
        Ok(EventId(id.unsigned_abs()))
    }

    /// How many events there may be above the limit of all: a sixteenth.
    fn slack(&self) -> i64 {
        i64::try_from(self.limits.total / 16).unwrap_or(i64::MAX)
    }

    fn count_in(&mut self, conn: &Connection, subject: &str) -> Result<()> {
        let since = match self.untrimmed.get_mut(subject) {
            Some(since) => since,
            None => {
                if self.untrimmed.len() >= MOST_UNTRIMMED
                    && let Some(any) = self.untrimmed.keys().next().cloned()
                {
                    self.trim(conn, &any)?;
                }
                self.untrimmed.entry(subject.to_owned()).or_default()
            }
        };
        *since += 1;
        if *since > self.limits.per_subject / 8 {
            self.trim(conn, subject)?;
        }
        Ok(())
    }

    /// Drops the oldest events of a subject above its limit.
    fn trim(&mut self, conn: &Connection, subject: &str) -> Result<()> {
        self.untrimmed.remove(subject);
        conn.prepare_cached(
            "DELETE FROM lullaby_event WHERE subject = ?1 AND id <= \
             (SELECT id FROM lullaby_event WHERE subject = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![
            subject,
            i64::try_from(self.limits.per_subject).unwrap_or(i64::MAX)
        ])?;
        Ok(())
    }

    /// Finds out which are above the limit of all, if any.
    fn find_surplus(&mut self, conn: &Connection) -> Result<()> {
        let total = i64::try_from(self.limits.total).unwrap_or(i64::MAX);
        let (first, last): (i64, i64) = conn
            .prepare_cached("SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM lullaby_event")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        // Ids have gaps where subjects were trimmed, so the span is only the most that there can be.
        let mut count = last - first + 1;
        if count > total {
            count = conn
                .prepare_cached("SELECT count(*) FROM lullaby_event")?
                .query_row([], |row| row.get(0))?;
        }
        if count > total {
            let last_of_surplus = conn
                .prepare_cached("SELECT id FROM lullaby_event ORDER BY id LIMIT 1 OFFSET ?1")?
                .query_row([count - total - 1], |row| row.get(0))?;
            self.surplus_until = Some(last_of_surplus);
            count = total;
        }
        self.count_at = last.saturating_add(total - count);
        Ok(())
    }

    /// Drops up to `most` of them, the oldest first. Another process may drop the same ones: by a count of its own, so none goes too many.
    fn drop_surplus(&mut self, conn: &Connection, most: i64) -> Result<()> {
        self.since_bite = 0;
        let Some(until) = self.surplus_until else {
            return Ok(());
        };
        let dropped = conn
            .prepare_cached(
                "DELETE FROM lullaby_event WHERE id <= \
                 min(?1, ifnull((SELECT id FROM lullaby_event ORDER BY id LIMIT 1 OFFSET ?2 - 1), ?1))",
            )?
            .execute([until, most])?;
        if size(dropped) < most {
            self.surplus_until = None;
        }
        Ok(())
    }

    /// True if a sweep may find events above the limits.
    pub(super) fn needs_sweep(&self, conn: &Connection) -> Result<bool> {
        Ok(!self.untrimmed.is_empty()
            || self.surplus_until.is_some()
            || last(conn)?.0.cast_signed() > self.count_at)
    }

    /// Brings the events within their limits; those above the limit of all bit by bit, so it may take several sweeps.
    pub(super) fn sweep(&mut self, conn: &Connection) -> Result<()> {
        let subjects: Vec<String> = self.untrimmed.keys().cloned().collect();
        for subject in subjects {
            self.trim(conn, &subject)?;
        }
        if last(conn)?.0.cast_signed() > self.count_at {
            self.find_surplus(conn)?;
        }
        self.drop_surplus(conn, SWEEP_BITE)
    }

    /// Forgets what may have been rolled back; at worst something is trimmed once more than needed.
    pub(super) fn doubt(&mut self) {
        self.count_at = 0;
        self.surplus_until = None;
    }
}

/// The newest event there ever was.
pub(super) fn last(conn: &Connection) -> Result<EventId> {
    let last: i64 = conn
        .prepare_cached(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'lullaby_event'",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(EventId(last.unsigned_abs()))
}

/// Events after `after`, in order.
pub(super) fn after(
    conn: &Connection,
    subject: Option<&str>,
    after: EventId,
    limit: usize,
) -> Result<Vec<Event>> {
    let after = i64::try_from(after.0).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(match subject {
        Some(_) => {
            "SELECT id, at, subject, job, kind, data FROM lullaby_event WHERE subject = ?3 AND id > ?1 ORDER BY id LIMIT ?2"
        }
        None => {
            "SELECT id, at, subject, job, kind, data FROM lullaby_event WHERE id > ?1 AND ?3 IS NULL ORDER BY id LIMIT ?2"
        }
    })?;
    let rows = statement.query_map(params![after, size(limit), subject], |row| {
        let data: String = row.get(5)?;
        Ok(Event {
            id: EventId(row.get::<_, i64>(0)?.unsigned_abs()),
            at: Timestamp::from_millis(row.get(1)?),
            subject: row.get(2)?,
            job: row
                .get::<_, Option<String>>(3)?
                .map(|id| JobId::from_store(&id)),
            kind: row.get(4)?,
            // What another program wrote there is shown as it is.
            data: serde_json::from_str(&data).unwrap_or(Value::String(data)),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
