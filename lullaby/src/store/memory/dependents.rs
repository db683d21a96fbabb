//! Jobs that wait for others.

use std::collections::HashSet;

use serde_json::json;

use super::state::{Entry, Number, State};
use crate::clock::Timestamp;
use crate::job::{Dependencies, JobId, Status};

impl State {
    pub(super) fn are_met(&self, dependencies: &Dependencies) -> bool {
        let mut jobs = dependencies.jobs.iter();
        jobs.all(|job| dependencies.are_met_by(self.status(job)))
    }

    pub(super) fn defer(&mut self, mut entry: Entry, now: Timestamp) {
        entry.job.status = Status::Deferred;
        let data = [("depends_on", json!(entry.job.depends_on.jobs))];
        self.tell(&entry.job, "job.deferred", data, now);
        self.put(entry);
    }

    /// Lets in those that waited for `parent` alone, which has ended so.
    pub(super) fn release_dependents(&mut self, parent: &JobId, ending: Status, now: Timestamp) {
        let all = (parent.clone(), Number::MIN)..=(parent.clone(), Number::MAX);
        let waiting: Vec<Number> = self
            .dependents
            .range(all)
            .map(|(_, child)| *child)
            .collect();
        for number in waiting {
            let met = self.entries.get(&number).is_some_and(|child| {
                let dependencies = &child.job.depends_on;
                dependencies.jobs.iter().all(|one| {
                    let ended = (one == parent).then_some(ending);
                    dependencies.are_met_by(ended.or_else(|| self.status(one)))
                })
            });
            if let Some(child) = met.then(|| self.take_number(number)).flatten() {
                self.let_in(child, now);
            }
        }
    }

    /// Whether one of these, or one that it waits for in turn, is `id`.
    pub(super) fn waits_for(&self, dependencies: &Dependencies, id: &JobId) -> bool {
        let mut seen = HashSet::new();
        let mut ahead: Vec<&JobId> = dependencies.jobs.iter().collect();
        while let Some(one) = ahead.pop() {
            if one == id {
                return true;
            }
            let waiting = self.job(one).filter(|job| job.status == Status::Deferred);
            if let Some(job) = waiting.filter(|_| seen.insert(one)) {
                ahead.extend(&job.depends_on.jobs);
            }
        }
        false
    }
}
