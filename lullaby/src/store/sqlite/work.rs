//! Claiming jobs, keeping and settling them.

use std::sync::mpsc::Sender;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use serde_json::{Map, Value, json};

use super::row::{self, QUEUED, STARTED, job_columns, size, to_json, token_value};
use super::step::{Stand, Step, Told, due, stand, stand_columns};
use super::writer::{Message, Plan, post};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{Execution, Job, QueueName, Status, Token};
use crate::repeat::Repeat;
use crate::store::claimed::GiveBack;
use crate::store::{Claim, Ending, Renewed, Settled, Settlement, WorkerRecord};

impl GiveBack for Sender<Message> {
    fn give_back(&self, unheard: Vec<Settlement>) {
        post(self, Plan::durable(unheard.len()), move |step| {
            settle(step, &unheard).map(|_| ())
        });
    }
}

/// True if one of these queues holds a job.
pub(super) fn any_queued(step: &mut Step<'_>, queues: &[QueueName]) -> Result<bool> {
    for queue in queues {
        let Some(queue) = step.find_queue(queue)? else {
            continue;
        };
        let any: bool = step
            .conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM lullaby_job WHERE queue = ?1 AND status = ?2)",
            )?
            .query_row([queue, QUEUED], |row| row.get(0))?;
        if any {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn claim(step: &mut Step<'_>, claim: &Claim) -> Result<Vec<Job>> {
    let mut claimed = Vec::new();
    for name in &claim.queues {
        let Some(queue) = step.find_queue(name)? else {
            continue;
        };
        while claimed.len() < claim.max {
            let wanted = claim.max - claimed.len();
            let front = front_of(step, queue, wanted)?;
            let all = front.len() < wanted;
            start_or_expire(step, claim, front, &mut claimed)?;
            if all {
                break;
            }
        }
    }
    Ok(claimed)
}

/// The first jobs in line of a queue.
pub(super) const FRONT: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM lullaby_job j JOIN lullaby_queue q ON q.id = j.queue \
      WHERE j.queue = ?1 AND j.status = ?2 ORDER BY j.pos, j.key LIMIT ?3"
);

fn front_of(step: &Step<'_>, queue: i64, limit: usize) -> Result<Vec<(i64, Job)>> {
    let mut statement = step.conn.prepare_cached(FRONT)?;
    let jobs = statement.query_map(params![queue, QUEUED, size(limit)], row::job)?;
    Ok(jobs.collect::<rusqlite::Result<_>>()?)
}

/// In their order: those whose ttl is over are dropped, the others started.
fn start_or_expire(
    step: &mut Step<'_>,
    claim: &Claim,
    jobs: Vec<(i64, Job)>,
    claimed: &mut Vec<Job>,
) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let owner = step.memo.owner.hold()?;
    let last_token: i64 = step
        .conn
        .prepare_cached(
            "UPDATE lullaby_meta SET value = value + ?1 WHERE name = 'token' RETURNING value",
        )?
        .query_row([size(jobs.len())], |row| row.get(0))?;
    let mut token = last_token - size(jobs.len());
    let until = step.now + claim.lease;
    let mut statement = step.conn.prepare_cached(
        "UPDATE lullaby_job SET status = ?2, pos = ?3, started = ?4, expires = NULL, token = ?5, worker = ?6, owner = ?7 \
         WHERE key = ?1",
    )?;
    for (key, mut job) in jobs {
        if job.expires_at.is_some_and(|at| at <= step.now) {
            if let Some(job) = step.find(&job.id)? {
                step.expire(&job)?;
            }
            continue;
        }
        token += 1;
        statement.execute(params![
            key,
            STARTED,
            until.as_millis(),
            step.now.as_millis(),
            token,
            claim.worker,
            owner,
        ])?;
        job.status = Status::Started;
        job.started_at = Some(step.now);
        job.expires_at = None;
        job.token = Some(Token(token.unsigned_abs()));
        job.worker = Some(claim.worker.clone());
        job.lease_until = Some(until);
        if let Some(subject) = &job.template.subject {
            let told = Told {
                subject: subject.clone(),
                task: job.template.task.clone(),
                worker: None,
            };
            let data = [("worker", json!(claim.worker)), ("token", json!(token))];
            step.tell_of(&job.id, &told, "job.started", data)?;
        }
        claimed.push(job);
    }
    Ok(())
}

/// The job of this execution, if it still runs under that very token.
fn running(step: &Step<'_>, execution: &Execution) -> Result<Option<Stand>> {
    let mut statement = step.conn.prepare_cached(concat!(
        "SELECT ",
        stand_columns!(),
        " FROM lullaby_job WHERE id = ?1 AND token = ?2 AND status = ?3"
    ))?;
    let key = params![
        execution.job.as_str(),
        token_value(execution.token),
        STARTED
    ];
    Ok(statement.query_row(key, stand).optional()?)
}

pub(super) fn settle(step: &mut Step<'_>, settlements: &[Settlement]) -> Result<Vec<Settled>> {
    settlements
        .iter()
        .map(|settlement| settle_one(step, settlement))
        .collect()
}

fn settle_one(step: &mut Step<'_>, settlement: &Settlement) -> Result<Settled> {
    let Some(job) = running(step, &settlement.execution)? else {
        return Ok(Settled::TakenOver);
    };
    let worker = ("worker", json!(job.told.as_ref().map(|told| &told.worker)));
    match &settlement.ending {
        Ending::Finished { result } => match next_run(&job) {
            Some((pause, left)) => {
                let at = step.now + pause;
                step.tell(&job, "job.repeating", [worker, ("due", due(at))])?;
                step.keep_attempt(job.key, "repeating", None)?;
                note_repeat(step, &job, &left)?;
                step.call_back(&job, Status::Finished)?;
                come_back(step, &job, at)?;
                step.release_dependents(&job.id, Status::Finished)?;
            }
            None => {
                step.tell(&job, "job.finished", [worker])?;
                step.end(&job, Status::Finished, result.as_deref())?;
            }
        },
        Ending::Failed { error } | Ending::CannotHonour { error } => {
            count_failure(step, &job)?;
            step.fail(&job, error)?;
        }
        Ending::Retry { error, at } => {
            count_failure(step, &job)?;
            step.keep_attempt(job.key, "retrying", Some(error))?;
            step.note_error(job.key, error)?;
            let data = [("error", json!(error)), ("due", due(*at))];
            step.tell(&job, "job.retrying", data)?;
            come_back(step, &job, *at)?;
        }
        Ending::Snoozed { at } => {
            step.tell(&job, "job.snoozed", [("due", due(*at))])?;
            step.keep_attempt(job.key, "snoozed", None)?;
            come_back(step, &job, *at)?;
        }
        Ending::HandedBack => {
            step.tell(&job, "job.returned", [worker])?;
            step.keep_attempt(job.key, "returned", None)?;
            step.enter_queue(&job, true)?;
        }
        Ending::Stopped => {
            step.tell(&job, "job.stopped", [])?;
            step.end(&job, Status::Stopped, None)?;
        }
    }
    Ok(Settled::Done)
}

/// When a job that has just finished runs again, and what is left after that.
fn next_run(job: &Stand) -> Option<(Duration, Repeat)> {
    job.repeat.as_ref()?.next().filter(|_| !job.stop)
}

fn note_repeat(step: &Step<'_>, job: &Stand, left: &Repeat) -> Result<()> {
    step.conn
        .prepare_cached("UPDATE lullaby_job SET repeat = ?2 WHERE key = ?1")?
        .execute(params![job.key, to_json(left)?])?;
    Ok(())
}

fn count_failure(step: &Step<'_>, job: &Stand) -> Result<()> {
    step.conn
        .prepare_cached("UPDATE lullaby_job SET failures = failures + 1 WHERE key = ?1")?
        .execute([job.key])?;
    Ok(())
}

/// Ends an execution, but not its job: that runs again at `at`, at the back of its queue.
fn come_back(step: &mut Step<'_>, job: &Stand, at: Timestamp) -> Result<()> {
    if at > step.now {
        step.schedule(job, at)?;
        return step.free_slot(job);
    }
    step.conn
        .prepare_cached("UPDATE lullaby_job SET due = ?2 WHERE key = ?1")?
        .execute([job.key, at.as_millis()])?;
    step.enter_queue(job, false)
}

pub(super) fn renew(
    step: &mut Step<'_>,
    executions: &[Execution],
    until: Timestamp,
) -> Result<Vec<Renewed>> {
    let mut statement = step.conn.prepare_cached(
        "UPDATE lullaby_job SET pos = ?4 WHERE id = ?1 AND token = ?2 AND status = ?3 RETURNING stop",
    )?;
    executions
        .iter()
        .map(|execution| {
            let key = params![
                execution.job.as_str(),
                token_value(execution.token),
                STARTED,
                until.as_millis(),
            ];
            Ok(
                match statement.query_row(key, |row| row.get(0)).optional()? {
                    Some(true) => Renewed::StopRequested,
                    Some(false) => Renewed::Renewed,
                    None => Renewed::TakenOver,
                },
            )
        })
        .collect()
}

pub(super) fn save_meta(
    step: &mut Step<'_>,
    execution: &Execution,
    patch: Map<String, Value>,
) -> Result<Settled> {
    let Some(job) = running(step, execution)? else {
        return Ok(Settled::TakenOver);
    };
    let stored: Option<String> = step
        .conn
        .prepare_cached("SELECT meta FROM lullaby_job WHERE key = ?1")?
        .query_row([job.key], |row| row.get(0))?;
    let mut meta: Map<String, Value> = match stored {
        Some(json) => serde_json::from_str(&json).map_err(|error| {
            Error::store_because(
                format!(
                    "expected the meta of the job {} to be a JSON object",
                    job.id
                ),
                error,
            )
        })?,
        None => Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            meta.remove(&key);
        } else {
            meta.insert(key, value);
        }
    }
    let meta = (!meta.is_empty()).then(|| to_json(&meta)).transpose()?;
    step.conn
        .prepare_cached("UPDATE lullaby_job SET meta = ?2 WHERE key = ?1")?
        .execute(params![job.key, meta])?;
    Ok(Settled::Done)
}

pub(super) fn announce_worker(step: &Step<'_>, worker: &WorkerRecord) -> Result<()> {
    step.conn
        .prepare_cached(
            "INSERT INTO lullaby_worker (name, queues, concurrency, running, pid, host, started, seen) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
             ON CONFLICT (name) DO UPDATE SET queues = excluded.queues, concurrency = excluded.concurrency, \
             running = excluded.running, pid = excluded.pid, host = excluded.host, started = excluded.started, \
             seen = excluded.seen",
        )?
        .execute(params![
            worker.name,
            to_json(&worker.queues)?,
            size(worker.concurrency),
            size(worker.running),
            worker.pid,
            worker.host,
            worker.started_at.as_millis(),
            worker.seen_at.as_millis(),
        ])?;
    Ok(())
}

pub(super) fn retire_worker(step: &Step<'_>, name: &str) -> Result<()> {
    step.conn
        .prepare_cached("DELETE FROM lullaby_worker WHERE name = ?1")?
        .execute([name])?;
    Ok(())
}
