//! Taking jobs in, and changing those that are there.

use rusqlite::params;

use super::row::{QUEUED, SCHEDULED, code, duration_value, instant_value, to_json};
use super::step::{Stand, Step, Told, due};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::event::{EventId, NewEvent};
use crate::job::{JobId, JobSpec, OnExisting, Status};
use crate::store::{Canceled, Deleted, Enqueued, Requeued, Topic};

const INSERT: &str = "INSERT INTO lullaby_job (id, queue, status, pos, expires, created, due, enqueued, timeout, ttl, \
     result_ttl, failure_ttl, at_front, task, subject, description, retry, slot, meta, payload) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
     ON CONFLICT (id) DO NOTHING";

/// As `INSERT`, for a job that waits: it keeps its key and when it was made, and loses everything else.
const REPLACE: &str = "UPDATE lullaby_job SET queue = ?2, status = ?3, pos = ?4, expires = ?5, due = ?7, enqueued = ?8, \
     timeout = ?9, ttl = ?10, result_ttl = ?11, failure_ttl = ?12, at_front = ?13, task = ?14, subject = ?15, \
     description = ?16, retry = ?17, slot = ?18, meta = ?19, payload = ?20, token = NULL, owner = NULL, worker = NULL, \
     started = NULL, ended = NULL, failures = 0, lost = 0, stop = 0, result = NULL, error = NULL \
     WHERE id = ?1";

pub(super) fn enqueue(step: &mut Step<'_>, jobs: &[JobSpec]) -> Result<Vec<Enqueued>> {
    jobs.iter().map(|spec| enqueue_one(step, spec)).collect()
}

pub(super) fn enqueue_one(step: &mut Step<'_>, spec: &JobSpec) -> Result<Enqueued> {
    let queue = step.queue(&spec.template.queue)?;
    if write(step, INSERT, spec, queue)? {
        tell_new(step, spec)?;
        return Ok(Enqueued::Created);
    }
    let Some(old) = step.find(&spec.id)? else {
        return Err(crate::Error::store(format!(
            "the job {} was neither taken in nor found: the file's index of ids is damaged; run `sqlite3 FILE 'REINDEX'`",
            spec.id
        )));
    };
    if spec.on_existing == OnExisting::Keep || !old.status.is_waiting() {
        return Ok(Enqueued::Exists { status: old.status });
    }
    // Out of the line first: its old place must not count when the new one is chosen.
    step.conn
        .prepare_cached("UPDATE lullaby_job SET status = ?2, pos = 0 WHERE key = ?1")?
        .execute([old.key, code(Status::Created)])?;
    step.memo.look_afresh();
    write(step, REPLACE, spec, queue)?;
    tell_new(step, spec)?;
    Ok(Enqueued::Replaced)
}

/// Runs one of the two statements above; true if it changed anything.
fn write(step: &mut Step<'_>, sql: &str, spec: &JobSpec, queue: i64) -> Result<bool> {
    let (template, options) = (&spec.template, &spec.template.options);
    let now = step.now.as_millis();
    let due_later = later(step, spec);
    let (status, pos, enqueued) = match due_later {
        Some(at) => (SCHEDULED, at.as_millis(), None),
        None => (QUEUED, step.place(queue, options.at_front)?, Some(now)),
    };
    let ttl = duration_value(options.ttl);
    let expires = enqueued.and_then(|_| step.expiry(ttl));
    let retry = options.retry.as_ref().map(to_json).transpose()?;
    let slot = spec.slot.as_ref().map(to_json).transpose()?;
    let meta = (!template.meta.is_empty()).then(|| to_json(&template.meta));
    let changed = step.conn.prepare_cached(sql)?.execute(params![
        spec.id.as_str(),
        queue,
        status,
        pos,
        instant_value(expires),
        now,
        instant_value(spec.at),
        enqueued,
        duration_value(options.timeout),
        ttl,
        duration_value(options.result_ttl),
        duration_value(options.failure_ttl),
        options.at_front,
        template.task,
        template.subject,
        template.description,
        retry,
        slot,
        meta.transpose()?,
        template.payload.as_json(),
    ])?;
    Ok(changed > 0)
}

/// When a job is due, if that is still to come.
fn later(step: &Step<'_>, spec: &JobSpec) -> Option<Timestamp> {
    spec.at.filter(|at| *at > step.now)
}

fn tell_new(step: &mut Step<'_>, spec: &JobSpec) -> Result<()> {
    let later = later(step, spec);
    step.memo.touch(match later {
        Some(_) => Topic::Due,
        None => Topic::Queued,
    });
    let template = &spec.template;
    let Some(subject) = &template.subject else {
        return Ok(());
    };
    let told = Told {
        subject: subject.clone(),
        task: template.task.clone(),
        worker: None,
    };
    let queue = ("queue", serde_json::json!(template.queue));
    match (later, spec.at) {
        (Some(at), _) => step.tell_of(&spec.id, &told, "job.scheduled", [("due", due(at))]),
        (None, Some(at)) => step.tell_of(&spec.id, &told, "job.queued", [queue, ("due", due(at))]),
        (None, None) => step.tell_of(&spec.id, &told, "job.queued", [queue]),
    }
}

pub(super) fn cancel(step: &mut Step<'_>, ids: &[JobId]) -> Result<Vec<Canceled>> {
    ids.iter().map(|id| cancel_one(step, id)).collect()
}

fn cancel_one(step: &mut Step<'_>, id: &JobId) -> Result<Canceled> {
    let Some(job) = step.find(id)? else {
        return Ok(Canceled::NotFound);
    };
    let status = job.status;
    if status.is_ended() {
        return Ok(Canceled::Ended { status });
    }
    if status == Status::Started {
        step.conn
            .prepare_cached("UPDATE lullaby_job SET stop = 1 WHERE key = ?1")?
            .execute([job.key])?;
        step.memo.touch(Topic::Control);
        return Ok(Canceled::Stopping);
    }
    step.tell(&job, "job.canceled", [])?;
    step.end(&job, Status::Canceled, None)?;
    Ok(Canceled::Canceled)
}

pub(super) fn requeue(step: &mut Step<'_>, ids: &[JobId], at_front: bool) -> Result<Vec<Requeued>> {
    ids.iter()
        .map(|id| requeue_one(step, id, at_front))
        .collect()
}

fn requeue_one(step: &mut Step<'_>, id: &JobId, at_front: bool) -> Result<Requeued> {
    let Some(job) = step.find(id)? else {
        return Ok(Requeued::NotFound);
    };
    let status = job.status;
    if matches!(status, Status::Queued | Status::Started) {
        return Ok(Requeued::Unchanged { status });
    }
    step.conn
        .prepare_cached(
            "UPDATE lullaby_job SET failures = 0, lost = 0, stop = 0, result = NULL, error = NULL WHERE key = ?1",
        )?
        .execute([job.key])?;
    step.tell_queued(&job)?;
    step.enter_queue(&job, at_front)?;
    Ok(Requeued::Queued)
}

pub(super) fn delete(step: &mut Step<'_>, ids: &[JobId]) -> Result<Vec<Deleted>> {
    ids.iter()
        .map(|id| {
            Ok(
                match step
                    .find(id)?
                    .map(|Stand { key, status, .. }| (key, status))
                {
                    None => Deleted::NotFound,
                    Some((_, Status::Started)) => Deleted::Running,
                    Some((key, _)) => {
                        step.drop_job(key)?;
                        step.memo.touch(Topic::Ended);
                        Deleted::Deleted
                    }
                },
            )
        })
        .collect()
}

pub(super) fn change_time(step: &mut Step<'_>, id: &JobId, at: Timestamp) -> Result<bool> {
    let Some(job) = step.find(id)?.filter(|job| job.status == Status::Scheduled) else {
        return Ok(false);
    };
    // It stays scheduled, even if its time has come: the scheduler moves it, in the order of the times.
    step.tell(&job, "job.scheduled", [("due", due(at))])?;
    step.schedule(&job, at)?;
    Ok(true)
}

pub(super) fn append_events(step: &mut Step<'_>, events: &[NewEvent]) -> Result<Vec<EventId>> {
    events
        .iter()
        .map(|event| step.append(&event.subject, event.job.as_ref(), &event.kind, &event.data))
        .collect()
}
