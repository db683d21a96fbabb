//! Everything that the store holds, and the moves of a job that several operations share.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::event_log::EventLog;
use super::rate_limits::{Limiters, limit_of};
use super::schedules::Schedules;
use crate::clock::Timestamp;
use crate::event::{EventId, EventLimits, NewEvent};
use crate::history::Attempt;
use crate::job::{Ended, Job, JobId, JobSpec, QueueName, Status};
use crate::store::{Topic, WorkerRecord};

/// The order in which jobs were made; decides between equals.
pub(super) type Number = u64;

/// A job with what only the store knows of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: Number,
    /// Its place in line, while it is queued or waits for a slot: lower runs first.
    pub(super) pos: i64,
    pub(super) job: Job,
    /// Its earlier executions, oldest first.
    pub(super) attempts: Vec<Attempt>,
}

impl Entry {
    /// Notes how an execution ended, before the job forgets it.
    pub(super) fn keep_attempt(&mut self, outcome: &str, error: Option<&str>, now: Timestamp) {
        Attempt::of(&self.job, outcome, error, now).keep(&mut self.attempts);
    }

    /// Its place among the jobs of its status: in line, by due time, by lease, or by end.
    pub(super) fn rank(&self) -> i64 {
        let ms = |at: Option<Timestamp>| at.map_or(0, Timestamp::as_millis);
        match self.job.status {
            Status::Queued | Status::RateLimited => self.pos,
            Status::Scheduled => ms(self.job.due_at),
            Status::Started => ms(self.job.lease_until),
            status if status.is_ended() => ms(self.job.ended_at),
            _ => 0,
        }
    }
}

/// Everything that the store holds. Its functions are the store's operations at an instant `now`.
#[derive(Debug)]
pub(super) struct State {
    pub(super) entries: BTreeMap<Number, Entry>,
    numbers: HashMap<JobId, Number>,
    /// Each job by queue, status, rank.
    pub(super) by_queue: BTreeSet<(QueueName, Status, i64, Number)>,
    /// Each job by status and rank, over all queues.
    pub(super) by_status: BTreeSet<(Status, i64, Number)>,
    pub(super) by_subject: BTreeSet<(String, Number)>,
    pub(super) by_expiry: BTreeSet<(Timestamp, Number)>,
    /// The deferred jobs, by each that they wait for.
    pub(super) dependents: BTreeSet<(JobId, Number)>,
    pub(super) limiters: Limiters,
    pub(super) counts: BTreeMap<(QueueName, Status), u64>,
    last_number: Number,
    pub(super) last_token: u64,
    pub(super) workers: BTreeMap<String, WorkerRecord>,
    pub(super) schedules: Schedules,
    events: EventLog,
    /// What the operation under way has changed so far.
    topics: Vec<Topic>,
}

impl State {
    pub(super) fn new(limits: EventLimits) -> Self {
        Self {
            entries: BTreeMap::new(),
            numbers: HashMap::new(),
            by_queue: BTreeSet::new(),
            by_status: BTreeSet::new(),
            by_subject: BTreeSet::new(),
            by_expiry: BTreeSet::new(),
            dependents: BTreeSet::new(),
            limiters: Limiters::default(),
            counts: BTreeMap::new(),
            last_number: 0,
            last_token: 0,
            workers: BTreeMap::new(),
            schedules: Schedules::default(),
            events: EventLog::new(limits),
            topics: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn schedules(&self) -> &Schedules {
        &self.schedules
    }

    pub(super) fn events(&self) -> &EventLog {
        &self.events
    }

    pub(super) fn job(&self, id: &JobId) -> Option<&Job> {
        let number = self.numbers.get(id)?;
        self.entries.get(number).map(|entry| &entry.job)
    }

    pub(super) fn attempts(&self, id: &JobId) -> Vec<Attempt> {
        let number = self.numbers.get(id);
        let entry = number.and_then(|number| self.entries.get(number));
        entry.map_or_else(Vec::new, |entry| entry.attempts.clone())
    }

    /// Whom to wake for the operation that just ended.
    pub(super) fn take_topics(&mut self) -> Vec<Topic> {
        std::mem::take(&mut self.topics)
    }

    pub(super) fn touch(&mut self, topic: Topic) {
        if !self.topics.contains(&topic) {
            self.topics.push(topic);
        }
    }

    pub(super) fn next_number(&mut self) -> Number {
        self.last_number += 1;
        self.last_number
    }

    /// Takes a job out of the store and all its indexes. A change is: take it out, change it, put it back; so no index is ever stale.
    pub(super) fn take(&mut self, id: &JobId) -> Option<Entry> {
        let number = *self.numbers.get(id)?;
        self.take_number(number)
    }

    /// As `take`, if the job is as wanted.
    pub(super) fn take_if(&mut self, id: &JobId, fits: impl FnOnce(&Job) -> bool) -> Option<Entry> {
        self.job(id).filter(|job| fits(job))?;
        self.take(id)
    }

    pub(super) fn take_number(&mut self, number: Number) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        self.limiters.forget(&entry);
        let (job, rank) = (&entry.job, entry.rank());
        let queue = &job.template.queue;
        self.numbers.remove(&job.id);
        self.by_queue
            .remove(&(queue.clone(), job.status, rank, number));
        self.by_status.remove(&(job.status, rank, number));
        if let Some(subject) = &job.template.subject {
            self.by_subject.remove(&(subject.clone(), number));
        }
        if let Some(at) = job.expires_at {
            self.by_expiry.remove(&(at, number));
        }
        if job.status == Status::Deferred {
            for parent in &job.depends_on.jobs {
                self.dependents.remove(&(parent.clone(), number));
            }
        }
        let count_key = (queue.clone(), job.status);
        if let Some(count) = self.counts.get_mut(&count_key) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&count_key);
            }
        }
        Some(entry)
    }

    pub(super) fn put(&mut self, entry: Entry) {
        self.limiters.note(&entry);
        let (job, rank, number) = (&entry.job, entry.rank(), entry.number);
        let queue = &job.template.queue;
        self.numbers.insert(job.id.clone(), number);
        self.by_queue
            .insert((queue.clone(), job.status, rank, number));
        self.by_status.insert((job.status, rank, number));
        if let Some(subject) = &job.template.subject {
            self.by_subject.insert((subject.clone(), number));
        }
        if let Some(at) = job.expires_at {
            self.by_expiry.insert((at, number));
        }
        if job.status == Status::Deferred {
            let parents = job.depends_on.jobs.iter().cloned();
            self.dependents
                .extend(parents.map(|parent| (parent, number)));
        }
        let count_key = (queue.clone(), job.status);
        *self.counts.entry(count_key).or_default() += 1;
        self.entries.insert(number, entry);
    }

    /// The job of the lowest rank in this status, over all queues, and that rank as an instant.
    pub(super) fn first_of(&self, status: Status) -> Option<(Timestamp, Number)> {
        let first = self.of_status(status).next()?;
        Some((Timestamp::from_millis(first.rank()), first.number))
    }

    /// The jobs of a queue in this status, by rank.
    pub(super) fn of_queue(
        &self,
        queue: &QueueName,
        status: Status,
    ) -> impl DoubleEndedIterator<Item = &Entry> {
        let first = (queue.clone(), status, i64::MIN, Number::MIN);
        let last = (queue.clone(), status, i64::MAX, Number::MAX);
        let numbers = self.by_queue.range(first..=last).map(|key| key.3);
        numbers.filter_map(|number| self.entries.get(&number))
    }

    /// The jobs in this status, by rank, over all queues.
    pub(super) fn of_status(&self, status: Status) -> impl DoubleEndedIterator<Item = &Entry> {
        let first = (status, i64::MIN, Number::MIN);
        let last = (status, i64::MAX, Number::MAX);
        let numbers = self.by_status.range(first..=last).map(|key| key.2);
        numbers.filter_map(|number| self.entries.get(&number))
    }

    /// Puts a job into its queue that has no rate limit or has its slot. Its ttl counts from here.
    pub(super) fn enter_queue(&mut self, mut entry: Entry, at_front: bool, now: Timestamp) {
        let job = &mut entry.job;
        job.enqueued_at = Some(now);
        job.lease_until = None;
        job.ended_at = None;
        job.expires_at = job.template.options.ttl.map(|ttl| now + ttl);
        self.stand_in_line(entry, at_front);
    }

    pub(super) fn stand_in_line(&mut self, mut entry: Entry, at_front: bool) {
        let queue = &entry.job.template.queue;
        entry.pos = if at_front {
            self.of_queue(queue, Status::Queued)
                .next()
                .map_or(0, |front| front.pos - 1)
        } else {
            self.of_queue(queue, Status::Queued)
                .next_back()
                .map_or(0, |back| back.pos + 1)
        };
        entry.job.status = Status::Queued;
        self.put(entry);
        self.touch(Topic::Queued);
    }

    /// Makes a job wait for its time.
    pub(super) fn schedule(&mut self, mut entry: Entry, at: Timestamp) {
        let job = &mut entry.job;
        job.due_at = Some(at);
        job.status = Status::Scheduled;
        job.lease_until = None;
        job.ended_at = None;
        job.expires_at = None;
        self.put(entry);
        self.touch(Topic::Due);
    }

    /// Ends a job, and lets in who waited for it. One that is kept for no time at all is dropped.
    pub(super) fn end(&mut self, mut entry: Entry, status: Status, now: Timestamp) {
        let job = &mut entry.job;
        let options = &job.template.options;
        let ttl = if status == Status::Finished {
            options.result_ttl
        } else {
            options.failure_ttl
        };
        let call = call_back(job, status);
        job.status = status;
        job.ended_at = Some(now);
        job.lease_until = None;
        job.expires_at = ttl.map(|ttl| now + ttl);
        let (id, limit) = (job.id.clone(), limit_of(job));
        if ttl.is_none_or(|ttl| !ttl.is_zero()) {
            self.put(entry);
        }
        self.touch(Topic::Ended);
        if let Some(call) = call {
            self.enqueue(call, now);
        }
        self.free_slot(limit.as_ref(), now);
        self.release_dependents(&id, status, now);
    }

    /// Drops a job whose ttl is over, queued or waiting for a slot.
    pub(super) fn expire(&mut self, entry: &Entry, now: Timestamp) {
        self.tell(&entry.job, "job.expired", [], now);
        self.touch(Topic::Ended);
        self.free_slot(limit_of(&entry.job).as_ref(), now);
    }

    /// Writes the event of a move, if anybody follows this job. `data` comes after the task's name.
    pub(super) fn tell<const N: usize>(
        &mut self,
        job: &Job,
        kind: &str,
        data: [(&str, Value); N],
        now: Timestamp,
    ) {
        let Some(subject) = &job.template.subject else {
            return;
        };
        let mut object = json!({ "task": job.template.task });
        for (key, value) in data {
            object[key] = value;
        }
        let event = NewEvent {
            subject: subject.clone(),
            job: Some(job.id.clone()),
            kind: kind.to_owned(),
            data: object,
        };
        self.append(event, now);
    }

    /// Writes that a job enters its queue.
    pub(super) fn tell_queued(&mut self, job: &Job, now: Timestamp) {
        let queue = ("queue", json!(job.template.queue));
        match job.due_at {
            Some(at) => self.tell(job, "job.queued", [queue, ("due", due(at))], now),
            None => self.tell(job, "job.queued", [queue], now),
        }
    }

    pub(super) fn append(&mut self, event: NewEvent, now: Timestamp) -> EventId {
        self.touch(Topic::Events);
        self.events.append(event, now)
    }
}

/// The call of a job's callback, if there is one for such an end.
pub(super) fn call_back(job: &Job, status: Status) -> Option<JobSpec> {
    let task = job.template.options.callbacks.after(status)?;
    let ended = Ended {
        job: job.id.clone(),
        status,
    };
    Some(ended.call(task, job.template.queue.clone(), job.token?))
}

/// An instant as events carry it.
pub(super) fn due(at: Timestamp) -> Value {
    json!(at.as_millis())
}
