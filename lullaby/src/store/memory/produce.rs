//! Taking jobs in, and changing those that are there.

use super::rate_limits::limit_of;
use super::state::{Entry, State, due};
use crate::clock::Timestamp;
use crate::job::{Job, JobId, JobSpec, OnExisting, Status};
use crate::store::{Canceled, Deleted, Enqueued, Requeued, Topic};

impl State {
    pub(super) fn enqueue(&mut self, spec: JobSpec, now: Timestamp) -> Enqueued {
        let replaces =
            |job: &Job| spec.on_existing == OnExisting::Replace && job.status.is_waiting();
        if self.job(&spec.id).is_some_and(replaces) && self.waits_for(&spec.depends_on, &spec.id) {
            return Enqueued::Circular;
        }
        let (number, created_at, outcome) = match self.take_if(&spec.id, replaces) {
            Some(old) => {
                self.free_slot(limit_of(&old.job).as_ref(), now);
                (old.number, old.job.created_at, Enqueued::Replaced)
            }
            None => match self.job(&spec.id).map(|job| job.status) {
                Some(status) => return Enqueued::Exists { status },
                None => (self.next_number(), now, Enqueued::Created),
            },
        };
        let entry = Entry {
            number,
            pos: 0,
            job: new_job(spec, created_at),
            attempts: Vec::new(),
        };
        if self.are_met(&entry.job.depends_on) {
            self.let_in(entry, now);
        } else {
            self.defer(entry, now);
        }
        outcome
    }

    /// Puts a job into its queue, or schedules it if its time is still to come.
    pub(super) fn let_in(&mut self, entry: Entry, now: Timestamp) {
        match entry.job.due_at.filter(|at| *at > now) {
            Some(at) => {
                self.tell(&entry.job, "job.scheduled", [("due", due(at))], now);
                self.schedule(entry, at);
            }
            None => {
                let at_front = entry.job.template.options.at_front;
                self.enter_queue_anew(entry, at_front, now);
            }
        }
    }

    pub(super) fn cancel(
        &mut self,
        id: &JobId,
        enqueue_dependents: bool,
        now: Timestamp,
    ) -> Canceled {
        let Some(mut entry) = self.take(id) else {
            return Canceled::NotFound;
        };
        let status = entry.job.status;
        if status.is_ended() {
            self.put(entry);
            return Canceled::Ended { status };
        }
        if status == Status::Started {
            entry.job.stop_requested = true;
            self.put(entry);
            self.touch(Topic::Control);
        } else {
            self.tell(&entry.job, "job.canceled", [], now);
            self.end(entry, Status::Canceled, now);
        }
        if enqueue_dependents {
            self.release_dependents(id, Status::Finished, now);
        }
        if status == Status::Started {
            Canceled::Stopping
        } else {
            Canceled::Canceled
        }
    }

    pub(super) fn requeue(&mut self, id: &JobId, at_front: bool, now: Timestamp) -> Requeued {
        let Some(mut entry) = self.take(id) else {
            return Requeued::NotFound;
        };
        let status = entry.job.status;
        if matches!(status, Status::Queued | Status::Started) {
            self.put(entry);
            return Requeued::Unchanged { status };
        }
        if status.ends_execution() {
            let error = (entry.job.error.take()).filter(|_| status == Status::Failed);
            entry.keep_attempt(status.as_str(), error.as_deref(), now);
        }
        let job = &mut entry.job;
        job.failures = 0;
        job.lost = 0;
        job.result = None;
        job.error = None;
        job.stop_requested = false;
        self.enter_queue_anew(entry, at_front, now);
        Requeued::Queued
    }

    pub(super) fn delete(&mut self, id: &JobId, now: Timestamp) -> Deleted {
        if let Some(entry) = self.take_if(id, |job| job.status != Status::Started) {
            self.touch(Topic::Ended);
            self.free_slot(limit_of(&entry.job).as_ref(), now);
            return Deleted::Deleted;
        }
        match self.job(id) {
            Some(_) => Deleted::Running,
            None => Deleted::NotFound,
        }
    }

    pub(super) fn change_time(&mut self, id: &JobId, at: Timestamp, now: Timestamp) -> bool {
        let Some(mut entry) = self.take_if(id, |job| job.status == Status::Scheduled) else {
            return false;
        };
        // It stays scheduled, even if its time has come: the scheduler moves it, in the order of the times.
        entry.job.due_at = Some(at);
        self.tell(&entry.job, "job.scheduled", [("due", due(at))], now);
        self.put(entry);
        self.touch(Topic::Due);
        true
    }
}

fn new_job(spec: JobSpec, created_at: Timestamp) -> Job {
    Job {
        id: spec.id,
        status: Status::Created,
        template: spec.template,
        slot: spec.slot,
        depends_on: spec.depends_on,
        created_at,
        due_at: spec.at,
        enqueued_at: None,
        started_at: None,
        ended_at: None,
        expires_at: None,
        token: None,
        worker: None,
        lease_until: None,
        failures: 0,
        lost: 0,
        stop_requested: false,
        result: None,
        error: None,
    }
}
