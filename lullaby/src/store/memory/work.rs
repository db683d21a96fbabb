//! Claiming jobs, keeping and settling them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::rate_limits::limit_of;
use super::state::{Entry, State, call_back, due};
use crate::clock::Timestamp;
use crate::job::{Execution, Job, Status, Token};
use crate::repeat::Repeat;
use crate::store::{Claim, Ending, Renewed, Settled, Settlement, WorkerRecord};

/// When a job that has just finished runs again, and what is left after that.
fn next_run(job: &Job) -> Option<(Duration, Repeat)> {
    let repeat = job.template.options.repeat.as_ref()?;
    repeat.next().filter(|_| !job.stop_requested)
}

impl State {
    pub(super) fn claim(&mut self, claim: &Claim, now: Timestamp) -> Vec<Job> {
        let mut claimed = Vec::new();
        for queue in &claim.queues {
            while claimed.len() < claim.max {
                let front = self.of_queue(queue, Status::Queued).next();
                let Some(number) = front.map(|entry| entry.number) else {
                    break;
                };
                let Some(entry) = self.take_number(number) else {
                    break;
                };
                if entry.job.expires_at.is_some_and(|at| at <= now) {
                    self.expire(&entry, now);
                } else {
                    claimed.push(self.start(entry, claim, now));
                }
            }
        }
        claimed
    }

    fn start(&mut self, mut entry: Entry, claim: &Claim, now: Timestamp) -> Job {
        self.last_token += 1;
        let job = &mut entry.job;
        job.status = Status::Started;
        job.started_at = Some(now);
        job.expires_at = None;
        job.token = Some(Token(self.last_token));
        job.worker = Some(claim.worker.clone());
        job.lease_until = Some(now + claim.lease);
        let data = [
            ("worker", json!(claim.worker)),
            ("token", json!(self.last_token)),
        ];
        self.tell(&entry.job, "job.started", data, now);
        let job = entry.job.clone();
        self.put(entry);
        job
    }

    /// Takes out the job of this execution if it still runs under that very token.
    fn take_running(&mut self, execution: &Execution) -> Option<Entry> {
        self.take_if(&execution.job, |job| {
            job.status == Status::Started && job.token == Some(execution.token)
        })
    }

    pub(super) fn settle(&mut self, settlement: Settlement, now: Timestamp) -> Settled {
        let Some(mut entry) = self.take_running(&settlement.execution) else {
            return Settled::TakenOver;
        };
        let worker = json!(entry.job.worker);
        match settlement.ending {
            Ending::Finished { result } => {
                if let Some((pause, left)) = next_run(&entry.job) {
                    let at = now + pause;
                    entry.job.template.options.repeat = Some(left);
                    let data = [("worker", worker), ("due", due(at))];
                    self.tell(&entry.job, "job.repeating", data, now);
                    entry.keep_attempt("repeating", None, now);
                    let call = call_back(&entry.job, Status::Finished);
                    if let Some(call) = call {
                        self.enqueue(call, now);
                    }
                    self.come_back(entry, at, now);
                    self.release_dependents(&settlement.execution.job, Status::Finished, now);
                } else {
                    entry.job.result = result;
                    self.tell(&entry.job, "job.finished", [("worker", worker)], now);
                    self.end(entry, Status::Finished, now);
                }
            }
            Ending::Failed { error } | Ending::CannotHonour { error } => {
                entry.job.failures += 1;
                self.fail(entry, error, now);
            }
            Ending::Retry { error, at } => {
                let data = [("error", json!(error)), ("due", due(at))];
                entry.job.failures += 1;
                entry.keep_attempt("retrying", Some(&error), now);
                entry.job.error = Some(error);
                self.tell(&entry.job, "job.retrying", data, now);
                self.come_back(entry, at, now);
            }
            Ending::Snoozed { at } => {
                self.tell(&entry.job, "job.snoozed", [("due", due(at))], now);
                entry.keep_attempt("snoozed", None, now);
                self.come_back(entry, at, now);
            }
            Ending::HandedBack => {
                self.tell(&entry.job, "job.returned", [("worker", worker)], now);
                entry.keep_attempt("returned", None, now);
                self.enter_queue(entry, true, now);
            }
            Ending::Stopped => {
                self.tell(&entry.job, "job.stopped", [], now);
                self.end(entry, Status::Stopped, now);
            }
        }
        Settled::Done
    }

    /// Ends an execution, but not its job: that runs again at `at`, at the back of its queue.
    fn come_back(&mut self, mut entry: Entry, at: Timestamp, now: Timestamp) {
        if at > now {
            let limit = limit_of(&entry.job);
            self.schedule(entry, at);
            return self.free_slot(limit.as_ref(), now);
        }
        entry.job.due_at = Some(at);
        self.enter_queue(entry, false, now);
    }

    pub(super) fn fail(&mut self, mut entry: Entry, error: String, now: Timestamp) {
        let data = [("error", json!(error))];
        entry.job.error = Some(error);
        self.tell(&entry.job, "job.failed", data, now);
        self.end(entry, Status::Failed, now);
    }

    pub(super) fn renew(&mut self, execution: &Execution, until: Timestamp) -> Renewed {
        let Some(mut entry) = self.take_running(execution) else {
            return Renewed::TakenOver;
        };
        entry.job.lease_until = Some(until);
        let stop_requested = entry.job.stop_requested;
        self.put(entry);
        if stop_requested {
            Renewed::StopRequested
        } else {
            Renewed::Renewed
        }
    }

    pub(super) fn save_meta(
        &mut self,
        execution: &Execution,
        patch: Map<String, Value>,
    ) -> Settled {
        let Some(mut entry) = self.take_running(execution) else {
            return Settled::TakenOver;
        };
        let meta = &mut entry.job.template.meta;
        for (key, value) in patch {
            if value.is_null() {
                meta.remove(&key);
            } else {
                meta.insert(key, value);
            }
        }
        self.put(entry);
        Settled::Done
    }

    pub(super) fn announce_worker(&mut self, worker: WorkerRecord) {
        self.workers.insert(worker.name.clone(), worker);
    }

    pub(super) fn retire_worker(&mut self, name: &str) {
        self.workers.remove(name);
    }
}
