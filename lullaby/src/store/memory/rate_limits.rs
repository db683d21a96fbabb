//! Rate limits: at most so many jobs of a key are queued or run; the others wait for a slot.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::state::{Entry, Number, State};
use crate::clock::Timestamp;
use crate::job::{Job, Status};
use crate::rate_limit::RateLimit;

/// The limiters by their keys.
#[derive(Debug, Default)]
pub(super) struct Limiters(BTreeMap<String, Limiter>);

#[derive(Debug, Default)]
struct Limiter {
    /// As the last job that came to it said.
    concurrency: usize,
    /// How many of its jobs are queued or run.
    held: usize,
    /// Those that wait, by when they came.
    waiting: BTreeSet<(i64, Number)>,
}

impl Limiters {
    /// A job stands somewhere now.
    pub(super) fn note(&mut self, entry: &Entry) {
        self.change(entry, |limiter, holds| {
            if holds {
                limiter.held += 1;
            } else {
                limiter.waiting.insert((entry.pos, entry.number));
            }
        });
    }

    /// It stands there no longer.
    pub(super) fn forget(&mut self, entry: &Entry) {
        self.change(entry, |limiter, holds| {
            if holds {
                limiter.held -= 1;
            } else {
                limiter.waiting.remove(&(entry.pos, entry.number));
            }
        });
    }

    fn change(&mut self, entry: &Entry, change: impl FnOnce(&mut Limiter, bool)) {
        let Some(limit) = &entry.job.template.options.rate_limit else {
            return;
        };
        let holds = match entry.job.status {
            Status::Queued | Status::Started => true,
            Status::RateLimited => false,
            _ => return,
        };
        change(self.0.entry(limit.key.clone()).or_default(), holds);
    }

    /// Those that wait, limiter by limiter, the oldest first.
    pub(super) fn waiting(&self) -> impl DoubleEndedIterator<Item = Number> {
        let all = self.0.values().flat_map(|limiter| &limiter.waiting);
        all.map(|(_, number)| *number)
    }

    /// The oldest that waits, if a slot is free for it.
    fn next(&self, key: &str) -> Option<Number> {
        let limiter = self.0.get(key)?;
        let first = limiter.waiting.first();
        let first = first.filter(|_| limiter.held < limiter.concurrency);
        first.map(|(_, number)| *number)
    }
}

impl State {
    /// Puts a job into its queue that holds no slot, and tells of it: by its limiter, if it has a rate limit.
    pub(super) fn enter_queue_anew(&mut self, mut entry: Entry, at_front: bool, now: Timestamp) {
        let Some(RateLimit { key, concurrency }) = entry.job.template.options.rate_limit.clone()
        else {
            self.tell_queued(&entry.job, now);
            return self.enter_queue(entry, at_front, now);
        };
        let limiter = self.limiters.0.entry(key.clone()).or_default();
        limiter.concurrency = usize::try_from(concurrency).unwrap_or(usize::MAX);
        entry.pos = limiter.waiting.last().map_or(0, |(last, _)| last + 1);
        let job = &mut entry.job;
        job.template.options.at_front = at_front;
        job.status = Status::RateLimited;
        job.ended_at = None;
        job.expires_at = job.template.options.ttl.map(|ttl| now + ttl);
        let number = entry.number;
        self.put(entry);
        self.fill_slots(&key, now);
        let waits = self.entries.get(&number).map(|entry| entry.job.clone());
        if let Some(job) = waits.filter(|job| job.status == Status::RateLimited) {
            self.tell(&job, "job.rate_limited", [("limit", json!(key))], now);
        }
    }

    /// A job has left its slot, or may have: the next one that waits for it gets it.
    pub(super) fn free_slot(&mut self, limit: Option<&RateLimit>, now: Timestamp) {
        if let Some(limit) = limit {
            self.fill_slots(&limit.key, now);
        }
    }

    /// Lets the oldest that wait into their queues while a slot is free. Their ttl has counted since they came.
    fn fill_slots(&mut self, key: &str, now: Timestamp) {
        while let Some(number) = self.limiters.next(key)
            && let Some(mut entry) = self.take_number(number)
        {
            self.tell_queued(&entry.job, now);
            let at_front = entry.job.template.options.at_front;
            entry.job.enqueued_at = Some(now);
            self.stand_in_line(entry, at_front);
        }
        let limiters = &mut self.limiters.0;
        if (limiters.get(key)).is_some_and(|one| one.held == 0 && one.waiting.is_empty()) {
            limiters.remove(key);
        }
    }
}

/// The limit of a job that is about to leave where it stands.
pub(super) fn limit_of(job: &Job) -> Option<RateLimit> {
    job.template.options.rate_limit.clone()
}
