//! Reading.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::rate_limits;
use super::row::{self, code, instant_value, job_columns, size};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{Job, JobId, QueueName, Status};
use crate::store::{JobFilter, QueueInfo, WorkerRecord};

pub(super) fn jobs(conn: &Connection, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
    let mut statement = conn.prepare_cached(concat!(
        "SELECT ",
        job_columns!(),
        " FROM lullaby_job j JOIN lullaby_queue q ON q.id = j.queue WHERE j.id = ?1"
    ))?;
    ids.iter()
        .map(|id| {
            let job = statement.query_row([id.as_str()], row::job).optional()?;
            Ok(job.map(|(_, job)| job))
        })
        .collect()
}

/// A filter with names and statuses as they are stored.
struct Sieve<'a> {
    queue: Option<i64>,
    status: Option<Status>,
    subject: Option<&'a str>,
    until: Option<i64>,
}

impl<'a> Sieve<'a> {
    /// `None` if nothing can match.
    fn new(conn: &Connection, filter: &'a JobFilter) -> Result<Option<Self>> {
        let queue = match &filter.queue {
            Some(name) => {
                let id = queue_id(conn, name)?;
                if id.is_none() {
                    return Ok(None);
                }
                id
            }
            None => None,
        };
        Ok(Some(Self {
            queue,
            status: match filter.due_until {
                Some(_) => Some(Status::Scheduled),
                None => filter.status,
            },
            subject: filter.subject.as_deref(),
            until: instant_value(filter.due_until),
        }))
    }

    fn queues(&self, conn: &Connection) -> Result<Vec<i64>> {
        match self.queue {
            Some(queue) => Ok(vec![queue]),
            None => Ok(conn
                .prepare_cached("SELECT id FROM lullaby_queue ORDER BY name")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?),
        }
    }
}

fn queue_id(conn: &Connection, name: &QueueName) -> Result<Option<i64>> {
    let mut statement = conn.prepare_cached("SELECT id FROM lullaby_queue WHERE name = ?1")?;
    Ok(statement
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?)
}

pub(super) fn list_jobs(conn: &Connection, filter: &JobFilter) -> Result<Vec<Job>> {
    let Some(sieve) = Sieve::new(conn, filter)? else {
        return Ok(Vec::new());
    };
    let page = filter.page;
    let keys = match (sieve.subject, sieve.status) {
        (subject, Some(Status::RateLimited)) => {
            rate_limits::waiting(conn, sieve.queue, subject, page)?
        }
        (Some(subject), _) => keys_of_subject(conn, subject, &sieve, filter)?,
        (None, Some(status)) => keys_of_status(conn, status, &sieve, filter)?,
        (None, None) => keys_of_all(conn, &sieve, filter)?,
    };
    let mut statement = conn.prepare_cached(concat!(
        "SELECT ",
        job_columns!(),
        " FROM lullaby_job j JOIN lullaby_queue q ON q.id = j.queue WHERE j.key = ?1"
    ))?;
    keys.into_iter()
        .take(page.length)
        .map(|key| Ok(statement.query_row([key], row::job)?.1))
        .collect()
}

/// A subject has few jobs: they are sorted. The `+` keeps SQLite from walking a whole queue instead.
fn keys_of_subject(
    conn: &Connection,
    subject: &str,
    sieve: &Sieve<'_>,
    filter: &JobFilter,
) -> Result<Vec<i64>> {
    let mut statement = conn.prepare_cached(match sieve.status {
        None => {
            "SELECT key FROM lullaby_job WHERE subject = ?1 AND (?2 IS NULL OR +queue = ?2) AND ?3 IS NULL AND ?4 IS NULL \
             ORDER BY key DESC LIMIT ?5 OFFSET ?6"
        }
        Some(status) if status.is_ended() => {
            "SELECT key FROM lullaby_job WHERE subject = ?1 AND (?2 IS NULL OR +queue = ?2) AND +status = ?3 AND ?4 IS NULL \
             ORDER BY pos DESC, key DESC LIMIT ?5 OFFSET ?6"
        }
        Some(Status::Queued) => {
            "SELECT key FROM lullaby_job WHERE subject = ?1 AND (?2 IS NULL OR +queue = ?2) AND +status = ?3 AND ?4 IS NULL \
             ORDER BY (SELECT name FROM lullaby_queue WHERE id = queue), pos, key LIMIT ?5 OFFSET ?6"
        }
        Some(_) => {
            "SELECT key FROM lullaby_job WHERE subject = ?1 AND (?2 IS NULL OR +queue = ?2) AND +status = ?3 \
             AND (?4 IS NULL OR +pos <= ?4) ORDER BY pos, key LIMIT ?5 OFFSET ?6"
        }
    })?;
    let values = params![
        subject,
        sieve.queue,
        sieve.status.map(code),
        sieve.until,
        size(filter.page.length),
        size(filter.page.offset),
    ];
    let keys = statement.query_map(values, |row| row.get(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

/// The page of each queue, merged: so each is read in the order of its index, and no queue is sorted.
fn keys_of_status(
    conn: &Connection,
    status: Status,
    sieve: &Sieve<'_>,
    filter: &JobFilter,
) -> Result<Vec<i64>> {
    let newest_first = status.is_ended();
    let mut statement = conn.prepare_cached(if newest_first {
        "SELECT pos, key FROM lullaby_job WHERE queue = ?1 AND status = ?2 AND pos <= ?3 ORDER BY pos DESC, key DESC LIMIT ?4"
    } else {
        "SELECT pos, key FROM lullaby_job WHERE queue = ?1 AND status = ?2 AND pos <= ?3 ORDER BY pos, key LIMIT ?4"
    })?;
    let page = filter.page;
    let reach = page.offset.saturating_add(page.length);
    let mut found: Vec<(i64, i64)> = Vec::new();
    for queue in sieve.queues(conn)? {
        let until = sieve.until.unwrap_or(i64::MAX);
        let range = params![queue, code(status), until, size(reach)];
        let rows = statement.query_map(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
        for row in rows {
            found.push(row?);
        }
    }
    // Places in different queues don't compare: queued jobs stand queue by queue.
    if status != Status::Queued {
        found.sort_unstable();
    }
    if newest_first {
        found.reverse();
    }
    Ok(found
        .into_iter()
        .skip(page.offset)
        .take(page.length)
        .map(|(_, key)| key)
        .collect())
}

/// Newest first. The `+` makes SQLite walk the jobs backwards instead of sorting a queue.
fn keys_of_all(conn: &Connection, sieve: &Sieve<'_>, filter: &JobFilter) -> Result<Vec<i64>> {
    let mut statement = conn.prepare_cached(
        "SELECT key FROM lullaby_job WHERE ?1 IS NULL OR +queue = ?1 ORDER BY key DESC LIMIT ?2 OFFSET ?3",
    )?;
    let page = params![
        sieve.queue,
        size(filter.page.length),
        size(filter.page.offset)
    ];
    let keys = statement.query_map(page, |row| row.get(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn count_jobs(conn: &Connection, filter: &JobFilter) -> Result<u64> {
    let Some(sieve) = Sieve::new(conn, filter)? else {
        return Ok(0);
    };
    if let Some(subject) = sieve.subject {
        let count: i64 = conn
            .prepare_cached(
                "SELECT count(*) FROM lullaby_job WHERE subject = ?1 AND (?2 IS NULL OR +queue = ?2) \
                 AND (?3 IS NULL OR +status = ?3) AND (?4 IS NULL OR +pos <= ?4)",
            )?
            .query_row(
                params![subject, sieve.queue, sieve.status.map(code), sieve.until],
                |row| row.get(0),
            )?;
        return Ok(count.unsigned_abs());
    }
    let mut count = 0;
    for queue in sieve.queues(conn)? {
        let of_queue: i64 = match sieve.status {
            Some(status) => conn
                .prepare_cached(
                    "SELECT count(*) FROM lullaby_job WHERE queue = ?1 AND status = ?2 AND pos <= ?3",
                )?
                .query_row(
                    params![queue, code(status), sieve.until.unwrap_or(i64::MAX)],
                    |row| row.get(0),
                )?,
            None => conn
                .prepare_cached("SELECT count(*) FROM lullaby_job WHERE queue = ?1")?
                .query_row([queue], |row| row.get(0))?,
        };
        count += of_queue.unsigned_abs();
    }
    Ok(count)
}

pub(super) fn queues(conn: &Connection) -> Result<Vec<QueueInfo>> {
    let mut statement = conn.prepare_cached(
        "SELECT q.name, j.status, j.count FROM (SELECT queue, status, count(*) AS count FROM lullaby_job GROUP BY queue, status) j \
         JOIN lullaby_queue q ON q.id = j.queue",
    )?;
    let rows = statement.query_map([], |row| {
        let name = QueueName::from_store(row.get_ref(0)?.as_str()?);
        let count: i64 = row.get(2)?;
        Ok((name, row::status(row, 1)?, count.unsigned_abs()))
    })?;
    let mut queues: BTreeMap<QueueName, BTreeMap<Status, u64>> = BTreeMap::new();
    for row in rows {
        let (name, status, count) = row?;
        queues.entry(name).or_default().insert(status, count);
    }
    Ok(queues
        .into_iter()
        .map(|(name, counts)| QueueInfo { name, counts })
        .collect())
}

pub(super) fn workers(conn: &Connection) -> Result<Vec<WorkerRecord>> {
    let mut statement = conn.prepare_cached(
        "SELECT name, queues, concurrency, running, pid, host, started, seen FROM lullaby_worker ORDER BY name",
    )?;
    let mut rows = statement.query([])?;
    let mut workers = Vec::new();
    while let Some(row) = rows.next()? {
        let queues: String = row.get(1)?;
        let count = |column| -> rusqlite::Result<usize> {
            let count: i64 = row.get(column)?;
            Ok(usize::try_from(count).unwrap_or(0))
        };
        workers.push(WorkerRecord {
            name: row.get(0)?,
            queues: serde_json::from_str(&queues).map_err(|error| {
                Error::store_because("expected a worker's queues to be a JSON list", error)
            })?,
            concurrency: count(2)?,
            running: count(3)?,
            pid: row.get(4)?,
            host: row.get(5)?,
            started_at: Timestamp::from_millis(row.get(6)?),
            seen_at: Timestamp::from_millis(row.get(7)?),
        });
    }
    Ok(workers)
}
