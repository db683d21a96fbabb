//! Taking jobs in, and changing those that are there.

use rusqlite::params;

use super::row::{
    DEFERRED, QUEUED, RATE_LIMITED, SCHEDULED, code, duration_value, instant_value, to_json,
};
use super::step::{Step, Told, due};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::event::{EventId, NewEvent};
use crate::job::{JobId, JobSpec, OnExisting, Status};
use crate::store::{Canceled, Deleted, Enqueued, Requeued, Topic};

const INSERT: &str = "INSERT INTO lullaby_job (id, queue, status, pos, expires, created, due, enqueued, timeout, ttl, \
     result_ttl, failure_ttl, at_front, task, subject, description, retry, slot, meta, payload, depends_on, repeat, callbacks, limit_key, limit_concurrency, webhooks) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26) \
     ON CONFLICT (id) DO NOTHING";

/// As `INSERT`, for a job that waits: it keeps its key and when it was made, and loses everything else.
const REPLACE: &str = "UPDATE lullaby_job SET queue = ?2, status = ?3, pos = ?4, expires = ?5, due = ?7, enqueued = ?8, \
     timeout = ?9, ttl = ?10, result_ttl = ?11, failure_ttl = ?12, at_front = ?13, task = ?14, subject = ?15, \
     description = ?16, retry = ?17, slot = ?18, meta = ?19, payload = ?20, depends_on = ?21, repeat = ?22, callbacks = ?23, limit_key = ?24, limit_concurrency = ?25, webhooks = ?26, token = NULL, owner = NULL, worker = NULL, \
     started = NULL, ended = NULL, failures = 0, lost = 0, stop = 0, result = NULL, error = NULL, attempts = NULL \
     WHERE id = ?1";

pub(super) fn enqueue(step: &mut Step<'_>, jobs: &[JobSpec]) -> Result<Vec<Enqueued>> {
    jobs.iter().map(|spec| enqueue_one(step, spec)).collect()
}

pub(super) fn enqueue_one(step: &mut Step<'_>, spec: &JobSpec) -> Result<Enqueued> {
    let queue = step.queue(&spec.template.queue)?;
    let place = place(step, spec)?;
    if write(step, INSERT, spec, queue, place)? {
        tell_new(step, spec, place)?;
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
    if step.waits_for(&spec.depends_on, &spec.id)? {
        return Ok(Enqueued::Circular);
    }
    step.forget_dependencies(&old)?;
    // Out of the line first: its old place must not count when the new one is chosen.
    step.conn
        .prepare_cached("UPDATE lullaby_job SET status = ?2, pos = 0 WHERE key = ?1")?
        .execute([old.key, code(Status::Created)])?;
    step.memo.look_afresh();
    step.free_slot(&old)?;
    write(step, REPLACE, spec, queue, place)?;
    tell_new(step, spec, place)?;
    Ok(Enqueued::Replaced)
}

/// Where a job that is taken in goes.
#[derive(Clone, Copy, Debug)]
enum Place {
    Queued,
    Scheduled(Timestamp),
    Deferred,
    /// Its limiter: waiting, or through it into its queue.
    RateLimited,
}

fn place(step: &Step<'_>, spec: &JobSpec) -> Result<Place> {
    Ok(match spec.at.filter(|at| *at > step.now) {
        _ if !step.are_met(&spec.depends_on)? => Place::Deferred,
        Some(at) => Place::Scheduled(at),
        None if spec.template.options.rate_limit.is_some() => Place::RateLimited,
        None => Place::Queued,
    })
}

/// Runs one of the two statements above; true if it changed anything.
fn write(step: &mut Step<'_>, sql: &str, spec: &JobSpec, queue: i64, place: Place) -> Result<bool> {
    let (template, options) = (&spec.template, &spec.template.options);
    let now = step.now.as_millis();
    let limit = options.rate_limit.as_ref();
    let (status, pos, enqueued) = match place {
        Place::RateLimited => {
            let key = limit.map_or("", |limit| &limit.key);
            (RATE_LIMITED, step.place_among_waiting(key)?, None)
        }
        Place::Deferred => (DEFERRED, 0, None),
        Place::Scheduled(at) => (SCHEDULED, at.as_millis(), None),
        Place::Queued => (QUEUED, step.place(queue, options.at_front)?, Some(now)),
    };
    let ttl = duration_value(options.ttl);
    let waits = matches!(place, Place::Queued | Place::RateLimited);
    let expires = step.expiry(ttl).filter(|_| waits);
    let retry = options.retry.as_ref().map(to_json).transpose()?;
    let repeat = options.repeat.as_ref().map(to_json).transpose()?;
    let callbacks = &options.callbacks;
    let callbacks = (!callbacks.is_empty()).then(|| to_json(callbacks));
    let webhooks = &options.webhooks;
    let webhooks = (!webhooks.is_empty()).then(|| to_json(webhooks));
    let slot = spec.slot.as_ref().map(to_json).transpose()?;
    let meta = (!template.meta.is_empty()).then(|| to_json(&template.meta));
    let depends_on = (!spec.depends_on.is_empty()).then(|| to_json(&spec.depends_on));
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
        depends_on.transpose()?,
        repeat,
        callbacks.transpose()?,
        limit.map(|limit| &limit.key),
        limit.map(|limit| limit.concurrency),
        webhooks.transpose()?,
    ])?;
    Ok(changed > 0)
}

fn tell_new(step: &mut Step<'_>, spec: &JobSpec, place: Place) -> Result<()> {
    match place {
        Place::Deferred => step.note_dependencies(spec)?,
        Place::Scheduled(_) => step.memo.touch(Topic::Due),
        Place::Queued => step.memo.touch(Topic::Queued),
        Place::RateLimited => {
            let limit = spec.template.options.rate_limit.as_ref();
            return limit.map_or(Ok(()), |limit| step.pass_limiter(&spec.id, limit));
        }
    }
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
    match (place, spec.at) {
        (Place::Deferred, _) => step.tell_deferred(spec, &told),
        (Place::Scheduled(at), _) => {
            step.tell_of(&spec.id, &told, "job.scheduled", [("due", due(at))])
        }
        (_, Some(at)) => step.tell_of(&spec.id, &told, "job.queued", [queue, ("due", due(at))]),
        (_, None) => step.tell_of(&spec.id, &told, "job.queued", [queue]),
    }
}

pub(super) fn cancel(
    step: &mut Step<'_>,
    ids: &[JobId],
    enqueue_dependents: bool,
) -> Result<Vec<Canceled>> {
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        let answer = cancel_one(step, id)?;
        if enqueue_dependents && matches!(answer, Canceled::Canceled | Canceled::Stopping) {
            step.release_dependents(id, Status::Finished)?;
        }
        answers.push(answer);
    }
    Ok(answers)
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
    step.forget_dependencies(&job)?;
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
    if status.ends_execution() {
        step.keep_attempt(job.key, status.as_str(), None)?;
    }
    step.conn
        .prepare_cached(
            "UPDATE lullaby_job SET failures = 0, lost = 0, stop = 0, result = NULL, error = NULL WHERE key = ?1",
        )?
        .execute([job.key])?;
    step.forget_dependencies(&job)?;
    step.enter_queue_anew(&job, at_front)?;
    Ok(Requeued::Queued)
}

pub(super) fn delete(step: &mut Step<'_>, ids: &[JobId]) -> Result<Vec<Deleted>> {
    ids.iter()
        .map(|id| {
            Ok(match step.find(id)? {
                None => Deleted::NotFound,
                Some(job) if job.status == Status::Started => Deleted::Running,
                Some(job) => {
                    step.forget_dependencies(&job)?;
                    step.drop_job(job.key)?;
                    step.memo.touch(Topic::Ended);
                    step.free_slot(&job)?;
                    Deleted::Deleted
                }
            })
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
