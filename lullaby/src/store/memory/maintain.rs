//! Moving what is due, returning what was lost, dropping what is over.

use std::time::Duration;

use serde_json::json;

use super::state::State;
use crate::clock::Timestamp;
use crate::job::Status;
use crate::store::{Moved, POISON_LOSSES, Reaped, Swept};

/// A worker that has not been seen for longer is gone: three of its usual 30 s heartbeats.
const WORKER_TTL: Duration = Duration::from_secs(90);

impl State {
    pub(super) fn move_due(&mut self, limit: usize, now: Timestamp) -> Moved {
        let mut moved = 0;
        loop {
            let first = self.first_of(Status::Scheduled);
            let Some((_, number)) = first.filter(|(at, _)| *at <= now && moved < limit) else {
                let next_due = first.map(|(at, _)| at);
                return Moved { moved, next_due };
            };
            if let Some(entry) = self.take_number(number) {
                let at_front = entry.job.template.options.at_front;
                self.enter_queue_anew(entry, at_front, now);
                moved += 1;
            }
        }
    }

    /// Returns up to `limit` jobs whose lease is over.
    pub(super) fn reap(&mut self, limit: usize, now: Timestamp) -> Reaped {
        let mut reaped = Reaped::default();
        loop {
            let found = reaped.returned.len() + reaped.poisoned.len();
            let first = self.first_of(Status::Started);
            let Some((_, number)) = first.filter(|(at, _)| *at <= now && found < limit) else {
                reaped.next_expiry = first.map(|(at, _)| at);
                return reaped;
            };
            let Some(mut entry) = self.take_number(number) else {
                continue;
            };
            entry.job.lost += 1;
            let lost = entry.job.lost;
            if lost >= POISON_LOSSES {
                reaped.poisoned.push(entry.job.id.clone());
                let error = format!(
                    "lost with its worker {lost} times, so it may be what ends them; once that is mended, `lullaby requeue {}` runs it again",
                    entry.job.id
                );
                self.fail(entry, error, now);
            } else {
                reaped.returned.push(entry.job.id.clone());
                let data = [("worker", json!(entry.job.worker)), ("lost", json!(lost))];
                self.tell(&entry.job, "job.lost", data, now);
                entry.keep_attempt("lost", None, now);
                self.enter_queue(entry, true, now);
            }
        }
    }

    /// Drops up to `limit` jobs that are past their time: queued ones that were never run, and what was kept of ended ones.
    pub(super) fn sweep(&mut self, limit: usize, now: Timestamp) -> Swept {
        self.workers
            .retain(|_, worker| worker.seen_at + WORKER_TTL >= now);
        let mut jobs = 0;
        loop {
            let first = self.by_expiry.first().copied();
            let Some((_, number)) = first.filter(|(at, _)| *at <= now && jobs < limit) else {
                let next_expiry = first.map(|(at, _)| at);
                return Swept { jobs, next_expiry };
            };
            if let Some(entry) = self.take_number(number) {
                jobs += 1;
                if matches!(entry.job.status, Status::Queued | Status::RateLimited) {
                    self.expire(&entry, now);
                }
            }
        }
    }
}
