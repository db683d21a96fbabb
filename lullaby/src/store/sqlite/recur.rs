//! Moving what is due, and schedules.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::produce;
use super::row::{SCHEDULED, code, instant_value, size, status, to_json};
use super::step::{Step, stand, stand_columns};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{JobId, Status};
use crate::schedule::{Decision, LEDGER_LINES, LedgerLine, ScheduleId, ScheduleRecord};
use crate::store::{Advanced, DueSchedules, Moved, Page, Topic};

/// The lowest `pos` of a status over all queues: when the first of its jobs is due, or the first lease ends.
pub(super) fn first_of(conn: &Connection, status: i64) -> Result<Option<Timestamp>> {
    let mut statement = conn.prepare_cached(
        "SELECT min((SELECT min(pos) FROM lullaby_job WHERE queue = q.id AND status = ?1)) FROM lullaby_queue q",
    )?;
    let first: Option<i64> = statement.query_row([status], |row| row.get(0))?;
    Ok(first.map(Timestamp::from_millis))
}

/// The keys of up to `limit` jobs of a status whose `pos` is at most `until`, lowest first, over all queues.
pub(super) fn keys_until(
    conn: &Connection,
    status: i64,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<i64>> {
    let queues: Vec<i64> = conn
        .prepare_cached("SELECT id FROM lullaby_queue")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut statement = conn.prepare_cached(
        "SELECT pos, key FROM lullaby_job WHERE queue = ?1 AND status = ?2 AND pos <= ?3 ORDER BY pos, key LIMIT ?4",
    )?;
    let mut found: Vec<(i64, i64)> = Vec::new();
    for queue in queues {
        let range = params![queue, status, until.as_millis(), size(limit)];
        let rows = statement.query_map(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
        for row in rows {
            found.push(row?);
        }
    }
    found.sort_unstable();
    found.truncate(limit);
    Ok(found.into_iter().map(|(_, key)| key).collect())
}

/// The answer if nothing is to be moved now.
pub(super) fn nothing_due(step: &Step<'_>, limit: usize) -> Result<Option<Moved>> {
    let next_due = first_of(step.conn, SCHEDULED)?;
    let idle = limit == 0 || next_due.is_none_or(|at| at > step.now);
    Ok(idle.then_some(Moved { moved: 0, next_due }))
}

pub(super) fn move_due(step: &mut Step<'_>, limit: usize) -> Result<Moved> {
    let keys = keys_until(step.conn, SCHEDULED, step.now, limit)?;
    let mut statement = step.conn.prepare_cached(concat!(
        "SELECT ",
        stand_columns!(),
        " FROM lullaby_job WHERE key = ?1"
    ))?;
    for key in &keys {
        let job = statement.query_row([key], stand)?;
        step.enter_queue_anew(&job, job.at_front)?;
    }
    Ok(Moved {
        moved: keys.len(),
        next_due: first_of(step.conn, SCHEDULED)?,
    })
}

pub(super) fn advance(step: &mut Step<'_>, decisions: &[Decision]) -> Result<Vec<Advanced>> {
    decisions
        .iter()
        .map(|decision| advance_one(step, decision))
        .collect()
}

fn advance_one(step: &mut Step<'_>, decision: &Decision) -> Result<Advanced> {
    let record = &decision.record;
    let outcome = compare(step.conn, record, record.version.checked_sub(1))?;
    if outcome == Advanced::Done {
        for given in &decision.given {
            if !given.holds(job_status(step.conn, &given.job)?) {
                return Ok(Advanced::Conflict);
            }
        }
        produce::cancel(step, &decision.cancel, false)?;
        write_ledger(step.conn, &record.id, &decision.ledger)?;
        write_record(step.conn, record)?;
        for job in &decision.jobs {
            produce::enqueue_one(step, job)?;
        }
    }
    Ok(outcome)
}

fn job_status(conn: &Connection, id: &JobId) -> Result<Option<Status>> {
    let mut statement = conn.prepare_cached("SELECT status FROM lullaby_job WHERE id = ?1")?;
    Ok(statement
        .query_row([id.as_str()], |row| status(row, 0))
        .optional()?)
}

/// Whether the schedule of this record's name and id stands at this version.
fn compare(conn: &Connection, record: &ScheduleRecord, version: Option<u64>) -> Result<Advanced> {
    let stored: Option<(String, i64)> = conn
        .prepare_cached("SELECT id, version FROM lullaby_schedule WHERE name = ?1")?
        .query_row([&record.name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match stored {
        Some((id, stored)) if id == record.id.as_str() => {
            if version == Some(stored.unsigned_abs()) {
                Advanced::Done
            } else {
                Advanced::Conflict
            }
        }
        _ => Advanced::Gone,
    })
}

fn write_record(conn: &Connection, record: &ScheduleRecord) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO lullaby_schedule (name, id, version, next, behind, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (name) DO UPDATE SET id = ?2, version = ?3, next = ?4, behind = ?5, record = ?6",
    )?
    .execute(params![
        record.name,
        record.id.as_str(),
        size(usize::try_from(record.version).unwrap_or(usize::MAX)),
        instant_value(record.next),
        record.buffered.as_ref().map(|one| one.behind.as_str()),
        to_json(record)?,
    ])?;
    Ok(())
}

fn write_ledger(conn: &Connection, id: &ScheduleId, lines: &[LedgerLine]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let newest: Option<(i64, String)> = conn
        .prepare_cached(
            "SELECT line, record FROM lullaby_ledger WHERE schedule = ?1 ORDER BY line DESC LIMIT 1",
        )?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (mut number, mut open) = match newest {
        Some((number, record)) => (
            number,
            Some(from_json::<LedgerLine>(&record, "ledger line")?),
        ),
        None => (0, None),
    };
    let mut statement = conn.prepare_cached(
        "INSERT INTO lullaby_ledger (schedule, line, record) VALUES (?1, ?2, ?3) \
         ON CONFLICT (schedule, line) DO UPDATE SET record = ?3",
    )?;
    let mut write = |number: i64, line: &LedgerLine| -> Result<()> {
        statement.execute(params![id.as_str(), number, to_json(line)?])?;
        Ok(())
    };
    for line in lines {
        if !open.as_mut().is_some_and(|open| open.fold(line)) {
            if let Some(open) = &open {
                write(number, open)?;
            }
            number += 1;
            open = Some(line.clone());
        }
    }
    if let Some(open) = &open {
        write(number, open)?;
    }
    conn.prepare_cached("DELETE FROM lullaby_ledger WHERE schedule = ?1 AND line <= ?2")?
        .execute(params![id.as_str(), number - size(LEDGER_LINES)])?;
    Ok(())
}

pub(super) fn put_schedule(
    step: &mut Step<'_>,
    record: &ScheduleRecord,
    expected: Option<u64>,
) -> Result<Advanced> {
    let outcome = match expected {
        None if schedule(step.conn, &record.name)?.is_some() => Advanced::Conflict,
        None => Advanced::Done,
        Some(_) => compare(step.conn, record, expected)?,
    };
    if outcome == Advanced::Done {
        write_record(step.conn, record)?;
        step.memo.touch(Topic::Due);
    }
    Ok(outcome)
}

pub(super) fn remove_schedule(
    step: &Step<'_>,
    name: &str,
    id: Option<&ScheduleId>,
) -> Result<bool> {
    let removed: Option<String> = step
        .conn
        .prepare_cached(
            "DELETE FROM lullaby_schedule WHERE name = ?1 AND (?2 IS NULL OR id = ?2) RETURNING id",
        )?
        .query_row(params![name, id.map(ScheduleId::as_str)], |row| row.get(0))
        .optional()?;
    if let Some(id) = &removed {
        step.conn
            .prepare_cached("DELETE FROM lullaby_ledger WHERE schedule = ?1")?
            .execute([id])?;
    }
    Ok(removed.is_some())
}

pub(super) fn due_schedules(
    conn: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<DueSchedules> {
    let mut statement = conn.prepare_cached(
        "SELECT record FROM lullaby_schedule WHERE next <= ?1 ORDER BY next, name LIMIT ?2",
    )?;
    let mut due = records(statement.query_map(params![now.as_millis(), size(limit)], record)?)?;
    let after = (due.last()).and_then(|last| Some((last.next?.as_millis(), last.name.clone())));
    let next_due: Option<i64> = match after {
        Some((next, name)) => conn
            .prepare_cached(
                "SELECT next FROM lullaby_schedule WHERE (next, name) > (?1, ?2) AND next IS NOT NULL ORDER BY next, name LIMIT 1",
            )?
            .query_row(params![next, name], |row| row.get(0))
            .optional()?,
        None => conn
            .prepare_cached("SELECT min(next) FROM lullaby_schedule WHERE next IS NOT NULL")?
            .query_row([], |row| row.get(0))?,
    };
    let buffered = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM lullaby_schedule WHERE behind IS NOT NULL)")?
        .query_row([], |row| row.get(0))?;
    if buffered {
        due.extend(buffered_turns(conn, now, limit)?);
    }
    let mut jobs = BTreeMap::new();
    for job in due.iter().flat_map(|record| &record.watched) {
        if let Some(status) = job_status(conn, job)? {
            jobs.insert(job.clone(), status);
        }
    }
    Ok(DueSchedules {
        due,
        jobs,
        buffered,
        next_due: next_due.map(Timestamp::from_millis),
    })
}

/// Schedules with nothing else due whose buffered slot waits for a job that has ended or is gone.
fn buffered_turns(conn: &Connection, now: Timestamp, limit: usize) -> Result<Vec<ScheduleRecord>> {
    let mut statement = conn.prepare_cached(
        "SELECT s.record FROM lullaby_schedule s \
         WHERE s.behind IS NOT NULL AND (s.next IS NULL OR s.next > ?1) \
           AND NOT EXISTS (SELECT 1 FROM lullaby_job j WHERE j.id = s.behind AND j.status NOT IN (?2, ?3, ?4, ?5)) \
         ORDER BY s.name LIMIT ?6",
    )?;
    let [finished, failed, canceled, stopped] = [
        Status::Finished,
        Status::Failed,
        Status::Canceled,
        Status::Stopped,
    ]
    .map(code);
    let which = params![
        now.as_millis(),
        finished,
        failed,
        canceled,
        stopped,
        size(limit)
    ];
    records(statement.query_map(which, record)?)
}

pub(super) fn schedule(conn: &Connection, name: &str) -> Result<Option<ScheduleRecord>> {
    let json = conn
        .prepare_cached("SELECT record FROM lullaby_schedule WHERE name = ?1")?
        .query_row([name], record)
        .optional()?;
    json.map(|json| from_json(&json, "schedule")).transpose()
}

pub(super) fn list_schedules(
    conn: &Connection,
    until: Option<Timestamp>,
    page: Page,
) -> Result<Vec<ScheduleRecord>> {
    // By the index alone, whatever the number of schedules. Those that have ended are not in it: they come after it.
    let mut statement = conn.prepare_cached(
        "SELECT record FROM lullaby_schedule WHERE next <= ?1 ORDER BY next, name LIMIT ?2 OFFSET ?3",
    )?;
    let last = instant_value(Some(until.unwrap_or(Timestamp::MAX)));
    let (length, offset) = (size(page.length), size(page.offset));
    let mut found = records(statement.query_map(params![last, length, offset], record)?)?;
    if until.is_none() && found.len() < page.length {
        let coming = count_schedules(conn, Some(Timestamp::MAX))?;
        let passed = page
            .offset
            .saturating_sub(usize::try_from(coming).unwrap_or(usize::MAX));
        let mut ended = conn.prepare_cached(
            "SELECT record FROM lullaby_schedule WHERE next IS NULL ORDER BY name LIMIT ?1 OFFSET ?2",
        )?;
        let left = size(page.length - found.len());
        found.extend(records(
            ended.query_map(params![left, size(passed)], record)?,
        )?);
    }
    Ok(found)
}

pub(super) fn count_schedules(conn: &Connection, until: Option<Timestamp>) -> Result<u64> {
    let count: i64 = match until {
        Some(until) => conn
            .prepare_cached("SELECT count(*) FROM lullaby_schedule WHERE next <= ?1")?
            .query_row([until.as_millis()], |row| row.get(0))?,
        None => conn
            .prepare_cached("SELECT count(*) FROM lullaby_schedule")?
            .query_row([], |row| row.get(0))?,
    };
    Ok(count.unsigned_abs())
}

pub(super) fn ledger(conn: &Connection, id: &ScheduleId, limit: usize) -> Result<Vec<LedgerLine>> {
    let mut statement = conn.prepare_cached(
        "SELECT record FROM lullaby_ledger WHERE schedule = ?1 ORDER BY line DESC LIMIT ?2",
    )?;
    let lines = statement.query_map(params![id.as_str(), size(limit)], record)?;
    lines.map(|json| from_json(&json?, "ledger line")).collect()
}

fn record(row: &Row<'_>) -> rusqlite::Result<String> {
    row.get(0)
}

fn records(rows: impl Iterator<Item = rusqlite::Result<String>>) -> Result<Vec<ScheduleRecord>> {
    rows.map(|json| from_json(&json?, "schedule")).collect()
}

fn from_json<T: serde::de::DeserializeOwned>(json: &str, what: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| {
        Error::store_because(
            format!(
                "expected a {what} of this build's making in the SQLite file, found {json:.200}"
            ),
            error,
        )
    })
}
