//! Jobs and schedules for tests, with a short way to say how they differ from the plainest one.

use std::time::Duration;

use lullaby::clock::Timestamp;
use lullaby::job::{Dependencies, JobOptions, JobSpec, JobTemplate, OnExisting, QueueName};
use lullaby::payload::Payload;
use lullaby::schedule::{Missed, Overlap, Owner, ScheduleRecord, ScheduleSpec, Trigger};

use crate::world::{id, queue};

/// A job for now on the default queue, with RQ's defaults.
pub(crate) fn job(name: &str) -> JobSpec {
    JobSpec {
        id: id(name),
        at: None,
        on_existing: OnExisting::Keep,
        slot: None,
        depends_on: Dependencies::default(),
        template: template(),
    }
}

pub(crate) fn template() -> JobTemplate {
    JobTemplate {
        queue: QueueName::default(),
        task: "greet".to_owned(),
        payload: Payload::of(&("Mochi",)).expect("JSON"),
        options: JobOptions::default(),
        meta: serde_json::Map::new(),
        description: None,
        subject: None,
    }
}

/// How a job differs from the plainest one.
pub(crate) trait With: Sized {
    fn at(self, at: Timestamp) -> Self;
    fn on(self, name: &str) -> Self;
    fn about(self, subject: &str) -> Self;
    fn replacing(self) -> Self;
    fn after(self, parents: &[&str]) -> Self;
    fn allowing_failure(self) -> Self;
    fn task(self, task: &str) -> Self;
    fn options(self, change: impl FnOnce(&mut JobOptions)) -> Self;

    fn at_front(self) -> Self {
        self.options(|options| options.at_front = true)
    }
    fn ttl(self, ttl: Duration) -> Self {
        self.options(|options| options.ttl = Some(ttl))
    }
    fn result_ttl(self, ttl: impl Into<Option<Duration>>) -> Self {
        self.options(|options| options.result_ttl = ttl.into())
    }
    fn failure_ttl(self, ttl: impl Into<Option<Duration>>) -> Self {
        self.options(|options| options.failure_ttl = ttl.into())
    }
}

impl With for JobSpec {
    fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }
    fn on(mut self, name: &str) -> Self {
        self.template.queue = queue(name);
        self
    }
    fn about(mut self, subject: &str) -> Self {
        self.template.subject = Some(subject.to_owned());
        self
    }
    fn replacing(mut self) -> Self {
        self.on_existing = OnExisting::Replace;
        self
    }
    fn after(mut self, parents: &[&str]) -> Self {
        self.depends_on.jobs = parents.iter().map(|parent| id(parent)).collect();
        self
    }
    fn allowing_failure(mut self) -> Self {
        self.depends_on.allow_failure = true;
        self
    }
    fn task(mut self, task: &str) -> Self {
        task.clone_into(&mut self.template.task);
        self
    }
    fn options(mut self, change: impl FnOnce(&mut JobOptions)) -> Self {
        change(&mut self.template.options);
        self
    }
}

pub(crate) const HOUR: u64 = 3_600_000;

/// A schedule whose first slot is one hour after `now`, and then one every hour.
pub(crate) fn hourly(name: &str, now: Timestamp) -> ScheduleRecord {
    every(name, Duration::from_millis(HOUR), now)
}

/// A schedule whose first slot is one interval after `now`.
pub(crate) fn every(name: &str, every: Duration, now: Timestamp) -> ScheduleRecord {
    let spec = ScheduleSpec {
        trigger: Trigger::Every {
            every,
            start: now + every,
        },
        template: template(),
        missed: Missed::Latest,
        grace: None,
        repeat: None,
        end: None,
        overlap: Overlap::Allow,
        jitter: None,
        pause_after: None,
        owner: Owner::Code,
    };
    ScheduleRecord::new(name, spec, now).expect("a schedule")
}
