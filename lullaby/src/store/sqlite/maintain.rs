//! Returning what was lost, dropping what is over.

use std::time::Duration;

use rusqlite::{Connection, params};
use serde_json::json;

use super::owner::{Dead, OwnerId};
use super::recur::{first_of, keys_until};
use super::row::{STARTED, size};
use super::step::{Stand, Step, stand, stand_columns};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::job::Status;
use crate::store::{POISON_LOSSES, Reaped, Swept};

/// A worker that has not been seen for longer is gone: three of its usual 30 s heartbeats.
const WORKER_TTL: Duration = Duration::from_secs(90);

/// The owners that are gone, of those that left a lock or a job behind.
pub(super) fn dead_owners(step: &Step<'_>) -> Result<Dead> {
    let owner = &step.memo.owner;
    let mut dead = owner.dead();
    for id in owners(step.conn)? {
        owner.check(id, &mut dead);
    }
    Ok(dead)
}

/// The owners of all jobs that run. There are as many such jobs as workers run at once, so all of them are looked at.
fn owners(conn: &Connection) -> Result<Vec<OwnerId>> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT j.owner FROM lullaby_queue q CROSS JOIN lullaby_job j \
         ON j.queue = q.id AND j.status = ?1 WHERE j.owner IS NOT NULL",
    )?;
    let owners = statement.query_map([STARTED], |row| row.get(0))?;
    Ok(owners.collect::<rusqlite::Result<_>>()?)
}

/// Whether this owner runs a job.
pub(super) fn owns_jobs(conn: &Connection, owner: OwnerId) -> Result<bool> {
    Ok(owners(conn)?.contains(&owner))
}

/// The answer if nothing is to be returned now.
pub(super) fn nothing_lost(step: &Step<'_>, expired: bool, limit: usize) -> Result<Option<Reaped>> {
    let next_expiry = first_of(step.conn, STARTED)?;
    let over = expired && next_expiry.is_some_and(|at| at <= step.now);
    let idle = limit == 0 || (!over && dead_owners(step)?.is_empty());
    Ok(idle.then(|| Reaped {
        next_expiry,
        ..Reaped::default()
    }))
}

pub(super) fn reap(step: &mut Step<'_>, expired: bool, limit: usize) -> Result<Reaped> {
    let mut dead = dead_owners(step)?;
    // Only those that had left nothing behind when this step began are done with: until it is committed, the others' locks must stay
    // where every process sees that they are free.
    let still: Vec<OwnerId> = owners(step.conn)?;
    let mut reaped = Reaped::default();
    for job in lost(step, &dead, expired, limit)? {
        return_one(step, &job, &mut reaped)?;
    }
    let gone: Vec<OwnerId> = dead.ids().filter(|id| !still.contains(id)).collect();
    for id in gone {
        dead.bury(id);
    }
    reaped.next_expiry = first_of(step.conn, STARTED)?;
    Ok(reaped)
}

/// Up to `limit` jobs of owners that are gone, or whose lease is over, in the order of their leases.
fn lost(step: &Step<'_>, dead: &Dead, expired: bool, limit: usize) -> Result<Vec<Stand>> {
    // Whatever the lease says, if the owner is dead.
    let until = match (dead.is_empty(), expired) {
        (false, _) => Timestamp::MAX,
        (true, true) => step.now,
        (true, false) => return Ok(Vec::new()),
    };
    let mut statement = step.conn.prepare_cached(concat!(
        "SELECT ",
        stand_columns!(),
        ", owner, pos FROM lullaby_job WHERE key = ?1"
    ))?;
    let mut lost = Vec::new();
    for key in keys_until(step.conn, STARTED, until, usize::MAX)? {
        if lost.len() == limit {
            break;
        }
        let (job, owner, pos): (Stand, Option<OwnerId>, i64) = statement
            .query_row([key], |row| {
                Ok((stand(row)?, row.get("owner")?, row.get("pos")?))
            })?;
        let over = expired && pos <= step.now.as_millis();
        if over || owner.is_none_or(|owner| dead.contains(owner)) {
            lost.push(job);
        }
    }
    Ok(lost)
}

fn return_one(step: &mut Step<'_>, job: &Stand, reaped: &mut Reaped) -> Result<()> {
    let lost = job.lost + 1;
    step.conn
        .prepare_cached("UPDATE lullaby_job SET lost = ?2 WHERE key = ?1")?
        .execute(params![job.key, lost])?;
    if lost >= POISON_LOSSES {
        let error = format!(
            "lost with its worker {lost} times, so it may be what ends them; once that is mended, `lullaby requeue {}` runs it again",
            job.id
        );
        step.fail(job, &error)?;
        reaped.poisoned.push(job.id.clone());
    } else {
        let worker = job.told.as_ref().map(|told| &told.worker);
        let data = [("worker", json!(worker)), ("lost", json!(lost))];
        step.tell(job, "job.lost", data)?;
        step.keep_attempt(job.key, "lost", None)?;
        step.enter_queue(job, true)?;
        reaped.returned.push(job.id.clone());
    }
    Ok(())
}

/// When the next job is past its time.
fn first_expiry(conn: &Connection) -> Result<Option<Timestamp>> {
    let first: Option<i64> = conn
        .prepare_cached("SELECT min(expires) FROM lullaby_job WHERE expires IS NOT NULL")?
        .query_row([], |row| row.get(0))?;
    Ok(first.map(Timestamp::from_millis))
}

/// Workers that were seen last before this are gone.
fn silent_since(now: Timestamp) -> i64 {
    (now - WORKER_TTL).as_millis()
}

/// The answer if nothing is to be dropped now.
pub(super) fn nothing_over(step: &Step<'_>, limit: usize) -> Result<Option<Swept>> {
    let next_expiry = first_expiry(step.conn)?;
    let gone: bool = step
        .conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM lullaby_worker WHERE seen < ?1)")?
        .query_row([silent_since(step.now)], |row| row.get(0))?;
    let idle = !gone
        && (limit == 0 || next_expiry.is_none_or(|at| at > step.now))
        && !step.memo.events.needs_sweep(step.conn)?;
    Ok(idle.then_some(Swept {
        jobs: 0,
        next_expiry,
    }))
}

pub(super) fn sweep(step: &mut Step<'_>, limit: usize) -> Result<Swept> {
    step.conn
        .prepare_cached("DELETE FROM lullaby_worker WHERE seen < ?1")?
        .execute([silent_since(step.now)])?;
    let over: Vec<Stand> = {
        let mut statement = step.conn.prepare_cached(concat!(
            "SELECT ",
            stand_columns!(),
            " FROM lullaby_job WHERE expires <= ?1 ORDER BY expires, key LIMIT ?2"
        ))?;
        let over = statement.query_map(params![step.now.as_millis(), size(limit)], stand)?;
        over.collect::<rusqlite::Result<_>>()?
    };
    for job in &over {
        if matches!(job.status, Status::Queued | Status::RateLimited) {
            step.expire(job)?;
        } else {
            step.drop_job(job.key)?;
        }
    }
    step.memo.events.sweep(step.conn)?;
    Ok(Swept {
        jobs: over.len(),
        next_expiry: first_expiry(step.conn)?,
    })
}

/// Writes something that nobody reads.
pub(super) fn probe(step: &mut Step<'_>) -> Result<()> {
    let sql = "INSERT INTO lullaby_meta (name, value) VALUES ('probe', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1";
    step.conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}
