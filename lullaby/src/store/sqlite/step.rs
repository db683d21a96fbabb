//! One atomic step of the store, and the moves of a job that several operations share.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::deferred_keys::DeferredKeys;
use super::event_log::EventLog;
use super::owner::Owner;
use super::row::{QUEUED, SCHEDULED, code, duration_of, instant_value, rate_limit, status};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::event::EventId;
use crate::job::{Callbacks, Ended, JobId, QueueName, Status, Token};
use crate::rate_limit::RateLimit;
use crate::repeat::Repeat;
use crate::store::Topic;

/// What the writer remembers from step to step.
#[derive(Debug)]
pub(super) struct Memo {
    pub(super) events: EventLog,
    pub(super) owner: Owner,
    pub(super) deferred_keys: DeferredKeys,
    /// Queues' numbers; they never change.
    queues: HashMap<QueueName, i64>,
    /// Both ends of queues, during one transaction.
    lines: HashMap<i64, Line>,
    /// What the transaction has changed so far, for those who wait.
    topics: Vec<Topic>,
}

/// The free places at both ends of a queue.
#[derive(Clone, Copy, Debug)]
struct Line {
    front: i64,
    back: i64,
}

impl Memo {
    pub(super) fn new(events: EventLog, owner: Owner) -> Self {
        Self {
            events,
            owner,
            deferred_keys: DeferredKeys::default(),
            queues: HashMap::new(),
            lines: HashMap::new(),
            topics: Vec::new(),
        }
    }

    /// A transaction begins, or the application changed what it liked in this one.
    pub(super) fn look_afresh(&mut self) {
        self.lines.clear();
    }

    /// Something was rolled back: what was remembered of it is no longer so.
    pub(super) fn doubt(&mut self) {
        self.queues.clear();
        self.lines.clear();
        self.events.doubt();
    }

    pub(super) fn touch(&mut self, topic: Topic) {
        if !self.topics.contains(&topic) {
            self.topics.push(topic);
        }
    }

    /// Whom to wake for what was committed, or nobody if it was not.
    pub(super) fn take_topics(&mut self) -> Vec<Topic> {
        std::mem::take(&mut self.topics)
    }
}

/// One atomic step: what an operation works with, on the writer's thread and inside its transaction.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) conn: &'a Connection,
    pub(super) now: Timestamp,
    pub(super) memo: &'a mut Memo,
}

/// What a move needs to know of a job.
#[derive(Debug)]
pub(super) struct Stand {
    pub(super) key: i64,
    pub(super) id: JobId,
    pub(super) queue: i64,
    pub(super) status: Status,
    pub(super) due: Option<Timestamp>,
    pub(super) ttl: Option<i64>,
    pub(super) result_ttl: Option<i64>,
    pub(super) failure_ttl: Option<i64>,
    pub(super) at_front: bool,
    pub(super) lost: u32,
    pub(super) stop: bool,
    pub(super) repeat: Option<Repeat>,
    pub(super) callbacks: Option<Callbacks>,
    pub(super) token: Option<i64>,
    pub(super) limit: Option<RateLimit>,
    pub(super) told: Option<Told>,
}

/// What the events of a job say; there are none about a job without a subject.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) subject: String,
    pub(super) task: String,
    pub(super) worker: Option<String>,
}

/// What a `Stand` is read from, for `FROM lullaby_job`.
macro_rules! stand_columns {
    () => {
        "key, id, queue, status, due, ttl, result_ttl, failure_ttl, at_front, lost, subject, task, worker, stop, repeat, callbacks, token, \
         limit_key, limit_concurrency"
    };
}
pub(super) use stand_columns;

/// From `stand_columns`.
pub(super) fn stand(row: &Row<'_>) -> rusqlite::Result<Stand> {
    let subject: Option<String> = row.get(10)?;
    Ok(Stand {
        key: row.get(0)?,
        id: JobId::from_store(row.get_ref(1)?.as_str()?),
        queue: row.get(2)?,
        status: status(row, 3)?,
        due: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        ttl: row.get(5)?,
        result_ttl: row.get(6)?,
        failure_ttl: row.get(7)?,
        at_front: row.get(8)?,
        lost: row.get(9)?,
        stop: row.get(13)?,
        repeat: rare(row, 14)?,
        callbacks: rare(row, 15)?,
        token: row.get(16)?,
        limit: rate_limit(row.get(17)?, row.get(18)?),
        told: match subject {
            Some(subject) => Some(Told {
                subject,
                task: row.get(11)?,
                worker: row.get(12)?,
            }),
            None => None,
        },
    })
}

/// JSON that few jobs have. As in a full job, what cannot be read counts as none.
fn rare<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let json = row.get_ref(column)?.as_str_or_null()?;
    Ok(json.and_then(|json| serde_json::from_str(json).ok()))
}

impl Step<'_> {
    pub(super) fn find(&self, id: &JobId) -> Result<Option<Stand>> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT ",
            stand_columns!(),
            " FROM lullaby_job WHERE id = ?1"
        ))?;
        Ok(statement.query_row([id.as_str()], stand).optional()?)
    }

    /// A queue's number; `None` if no job ever entered it.
    pub(super) fn find_queue(&mut self, name: &QueueName) -> Result<Option<i64>> {
        if let Some(id) = self.memo.queues.get(name) {
            return Ok(Some(*id));
        }
        let mut statement = self
            .conn
            .prepare_cached("SELECT id FROM lullaby_queue WHERE name = ?1")?;
        let id = statement
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(id) = id {
            self.memo.queues.insert(name.clone(), id);
        }
        Ok(id)
    }

    /// A queue's number; a new one for a new queue.
    pub(super) fn queue(&mut self, name: &QueueName) -> Result<i64> {
        if let Some(id) = self.find_queue(name)? {
            return Ok(id);
        }
        self.conn
            .prepare_cached("INSERT INTO lullaby_queue (name) VALUES (?1)")?
            .execute([name.as_str()])?;
        let id = self.conn.last_insert_rowid();
        self.memo.queues.insert(name.clone(), id);
        Ok(id)
    }

    fn queue_name(&self, queue: i64) -> Result<String> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT name FROM lullaby_queue WHERE id = ?1")?;
        Ok(statement.query_row([queue], |row| row.get(0))?)
    }

    /// The next free place at one end of a queue.
    pub(super) fn place(&mut self, queue: i64, at_front: bool) -> Result<i64> {
        let line = match self.memo.lines.get_mut(&queue) {
            Some(line) => line,
            None => {
                // Two searches: SQLite answers both ends in one statement only by reading the whole queue.
                let (first, last): (Option<i64>, Option<i64>) = self
                    .conn
                    .prepare_cached(
                        "SELECT (SELECT min(pos) FROM lullaby_job WHERE queue = ?1 AND status = ?2), \
                                (SELECT max(pos) FROM lullaby_job WHERE queue = ?1 AND status = ?2)",
                    )?
                    .query_row([queue, QUEUED], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let line = match (first, last) {
                    (Some(first), Some(last)) => Line {
                        front: first - 1,
                        back: last + 1,
                    },
                    _ => Line { front: 0, back: 0 },
                };
                self.memo.lines.entry(queue).or_insert(line)
            }
        };
        // In an empty queue both ends are one place.
        let (front, back) = (line.front, line.back);
        let place = if at_front {
            line.front -= 1;
            line.back = back.max(front + 1);
            front
        } else {
            line.back += 1;
            line.front = front.min(back - 1);
            back
        };
        Ok(place)
    }

    /// When something kept for `ttl` from now is over.
    pub(super) fn expiry(&self, ttl: Option<i64>) -> Option<Timestamp> {
        ttl.map(|ttl| self.now + duration_of(ttl))
    }

    /// Puts a job into its queue that has no rate limit or has its slot. Its ttl counts from here.
    pub(super) fn enter_queue(&mut self, job: &Stand, at_front: bool) -> Result<()> {
        let place = self.place(job.queue, at_front)?;
        self.conn
            .prepare_cached(
                "UPDATE lullaby_job SET status = ?2, pos = ?3, enqueued = ?4, ended = NULL, expires = ?5 WHERE key = ?1",
            )?
            .execute(params![
                job.key,
                QUEUED,
                place,
                self.now.as_millis(),
                instant_value(self.expiry(job.ttl)),
            ])?;
        self.memo.touch(Topic::Queued);
        Ok(())
    }

    /// Makes a job wait for its time.
    pub(super) fn schedule(&mut self, job: &Stand, at: Timestamp) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE lullaby_job SET status = ?2, pos = ?3, due = ?3, ended = NULL, expires = NULL WHERE key = ?1",
            )?
            .execute(params![job.key, SCHEDULED, at.as_millis()])?;
        self.memo.touch(Topic::Due);
        Ok(())
    }

    /// Ends a job, and lets in who waited for it. One that is kept for no time at all is dropped.
    pub(super) fn end(&mut self, job: &Stand, status: Status, result: Option<&str>) -> Result<()> {
        let finished = status == Status::Finished;
        let ttl = if finished {
            job.result_ttl
        } else {
            job.failure_ttl
        };
        if ttl == Some(0) {
            self.drop_job(job.key)?;
        } else {
            self.conn
                .prepare_cached(
                    "UPDATE lullaby_job SET status = ?2, pos = ?3, ended = ?3, expires = ?4, result = iif(?5, ?6, result) \
                     WHERE key = ?1",
                )?
                .execute(params![
                    job.key,
                    code(status),
                    self.now.as_millis(),
                    instant_value(self.expiry(ttl)),
                    finished,
                    result,
                ])?;
        }
        self.memo.touch(Topic::Ended);
        self.call_back(job, status)?;
        self.free_slot(job)?;
        self.release_dependents(&job.id, status)
    }

    /// Puts the call of a job's callback into its queue, if there is one for such an end of the job, or of one of its runs.
    pub(super) fn call_back(&mut self, job: &Stand, status: Status) -> Result<()> {
        let callbacks = job.callbacks.as_ref();
        if let Some(task) = callbacks.and_then(|callbacks| callbacks.after(status)) {
            let queue = QueueName::from_store(&self.queue_name(job.queue)?);
            let ended = Ended {
                job: job.id.clone(),
                status,
            };
            let token = Token(job.token.unwrap_or_default().unsigned_abs());
            super::produce::enqueue_one(self, &ended.call(task, queue, token))?;
        }
        Ok(())
    }

    /// Fails a job for good.
    pub(super) fn fail(&mut self, job: &Stand, error: &str) -> Result<()> {
        self.note_error(job.key, error)?;
        self.tell(job, "job.failed", [("error", json!(error))])?;
        self.end(job, Status::Failed, None)
    }

    pub(super) fn note_error(&self, key: i64, error: &str) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE lullaby_job SET error = ?2 WHERE key = ?1")?
            .execute(params![key, error])?;
        Ok(())
    }

    /// Drops a job whose ttl is over, queued or waiting for a slot.
    pub(super) fn expire(&mut self, job: &Stand) -> Result<()> {
        self.tell(job, "job.expired", [])?;
        self.drop_job(job.key)?;
        self.memo.touch(Topic::Ended);
        self.free_slot(job)
    }

    pub(super) fn drop_job(&self, key: i64) -> Result<()> {
        self.conn
            .prepare_cached("DELETE FROM lullaby_job WHERE key = ?1")?
            .execute([key])?;
        Ok(())
    }

    /// Writes the event of a move, if anybody follows this job. `data` comes after the task's name.
    pub(super) fn tell<const N: usize>(
        &mut self,
        job: &Stand,
        kind: &str,
        data: [(&str, Value); N],
    ) -> Result<()> {
        match &job.told {
            Some(told) => self.tell_of(&job.id, told, kind, data),
            None => Ok(()),
        }
    }

    pub(super) fn tell_of<const N: usize>(
        &mut self,
        id: &JobId,
        told: &Told,
        kind: &str,
        data: [(&str, Value); N],
    ) -> Result<()> {
        let mut object = json!({ "task": told.task });
        for (key, value) in data {
            object[key] = value;
        }
        self.append(&told.subject, Some(id), kind, &object)?;
        Ok(())
    }

    /// Writes that a job enters its queue.
    pub(super) fn tell_queued(&mut self, job: &Stand) -> Result<()> {
        let Some(told) = &job.told else {
            return Ok(());
        };
        let queue = ("queue", json!(self.queue_name(job.queue)?));
        match job.due {
            Some(at) => self.tell_of(&job.id, told, "job.queued", [queue, ("due", due(at))]),
            None => self.tell_of(&job.id, told, "job.queued", [queue]),
        }
    }

    pub(super) fn append(
        &mut self,
        subject: &str,
        job: Option<&JobId>,
        kind: &str,
        data: &Value,
    ) -> Result<EventId> {
        self.memo.touch(Topic::Events);
        let job = job.map(JobId::as_str);
        let (conn, now) = (self.conn, self.now);
        self.memo.events.append(conn, now, subject, job, kind, data)
    }
}

/// An instant as events carry it.
pub(super) fn due(at: Timestamp) -> Value {
    json!(at.as_millis())
}
