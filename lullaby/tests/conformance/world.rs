//! What a test is given: an empty store, a clock that stands still, and short ways to say what most tests do.

use std::sync::Arc;
use std::time::Duration;

use lullaby::clock::{Clock, ManualClock, Timestamp};
use lullaby::event::{Event, EventId, EventLimits};
use lullaby::job::{Execution, Job, JobId, JobSpec, QueueName, Status};
use lullaby::schedule::{ScheduleRecord, decide_among};
use lullaby::store::{
    Advanced, Canceled, Claim, Deleted, Ending, Enqueued, JobFilter, Page, Requeued, Settled,
    Settlement, Store,
};
use serde_json::Value;

use crate::drivers::Home;

/// The lease of the worker that `World::claim` stands for.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// The time at which every test begins.
pub(crate) fn start_of_time() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("a time")
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn id(text: &str) -> JobId {
    JobId::new(text).expect("a job id")
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).expect("a queue name")
}

pub(crate) fn execution(job: &Job) -> Execution {
    job.execution().expect("it was started once")
}

/// Every page there is.
pub(crate) const ALL: Page = Page {
    offset: 0,
    length: usize::MAX,
};

pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: ManualClock,
    home: Arc<dyn Home>,
}

impl World {
    pub(crate) async fn new(home: impl FnOnce(&ManualClock, EventLimits) -> Box<dyn Home>) -> Self {
        let clock = ManualClock::new(start_of_time());
        let home = home(&clock, EventLimits::default());
        Self::settle_in(home.into(), clock).await
    }

    async fn settle_in(home: Arc<dyn Home>, clock: ManualClock) -> Self {
        let store = home.open().await;
        Self { store, clock, home }
    }

    /// The same store, opened once more as another process would.
    pub(crate) async fn reopen(&self) -> Self {
        Self::settle_in(self.home.clone(), self.clock.clone()).await
    }

    /// Another, empty store of the same driver, on the same clock.
    pub(crate) async fn another(&self, limits: EventLimits) -> Self {
        let home = self.home.another(&self.clock, limits);
        Self::settle_in(home.into(), self.clock.clone()).await
    }

    pub(crate) fn sees_the_dead(&self) -> bool {
        self.home.sees_the_dead()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// So many milliseconds from now.
    pub(crate) fn later(&self, millis: u64) -> Timestamp {
        self.now() + ms(millis)
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn pass(&self, millis: u64) {
        self.clock.advance(ms(millis));
    }

    pub(crate) async fn enqueue(&self, jobs: impl IntoIterator<Item = JobSpec>) -> Vec<Enqueued> {
        let jobs = jobs.into_iter().collect();
        self.store.enqueue(jobs).await.expect("enqueued")
    }

    /// Claims from the default queue.
    pub(crate) async fn claim(&self, max: usize) -> Vec<Job> {
        self.claim_from(&["default"], max).await
    }

    pub(crate) async fn claim_from(&self, queues: &[&str], max: usize) -> Vec<Job> {
        self.claim_as("worker", queues, max).await
    }

    pub(crate) async fn claim_as(&self, worker: &str, queues: &[&str], max: usize) -> Vec<Job> {
        let claim = Claim {
            worker: worker.to_owned(),
            queues: queues.iter().map(|name| queue(name)).collect(),
            max,
            lease: LEASE,
        };
        self.store.claim(claim).await.expect("claimed")
    }

    /// Enqueues this job alone and claims it.
    pub(crate) async fn start(&self, job: JobSpec) -> Job {
        let (id, queue) = (job.id.clone(), job.template.queue.clone());
        assert_eq!(self.enqueue([job]).await, [Enqueued::Created]);
        let mut claimed = self.claim_from(&[queue.as_str()], 1).await;
        let job = claimed.pop().expect("a job waits");
        assert_eq!(job.id, id, "another job was in front of it");
        job
    }

    /// Enqueues this job alone, claims it and ends it so.
    pub(crate) async fn end(&self, job: JobSpec, ending: Ending) {
        let job = self.start(job).await;
        assert_eq!(self.settle(&job, ending).await, Settled::Done);
    }

    pub(crate) async fn settle(&self, job: &Job, ending: Ending) -> Settled {
        let settlement = Settlement {
            execution: execution(job),
            ending,
        };
        let settled = self.store.settle(vec![settlement]).await;
        one(settled.expect("settled"))
    }

    pub(crate) async fn cancel(&self, id_: &str) -> Canceled {
        let canceled = self.store.cancel(&[id(id_)], false).await;
        one(canceled.expect("canceled"))
    }

    pub(crate) async fn requeue(&self, id_: &str) -> Requeued {
        let requeued = self.store.requeue(&[id(id_)], false).await;
        one(requeued.expect("requeued"))
    }

    pub(crate) async fn delete(&self, id_: &str) -> Deleted {
        one(self.store.delete(&[id(id_)]).await.expect("deleted"))
    }

    /// Moves everything that is due.
    pub(crate) async fn move_due(&self) -> usize {
        let moved = self.store.move_due(usize::MAX).await.expect("moved");
        moved.moved
    }

    /// One turn of a scheduler: decides on every schedule that is due.
    pub(crate) async fn decide_due(&self) -> Vec<Advanced> {
        let due = self.store.due_schedules(100).await.expect("read");
        let decide = |one| decide_among(one, &due.jobs, self.now());
        let decisions = due.due.iter().filter_map(decide);
        let decisions = decisions.collect();
        self.store.advance(decisions).await.expect("advanced")
    }

    pub(crate) async fn put_schedule(&self, record: &ScheduleRecord) {
        let put = self.store.put_schedule(record.clone(), None).await;
        assert_eq!(put.expect("put"), Advanced::Done);
    }

    pub(crate) async fn schedule(&self, name: &str) -> Option<ScheduleRecord> {
        self.store.schedule(name).await.expect("read")
    }

    pub(crate) async fn find(&self, id_: &str) -> Option<Job> {
        one(self.store.jobs(&[id(id_)]).await.expect("read"))
    }

    pub(crate) async fn job(&self, id_: &str) -> Job {
        self.find(id_).await.expect("the job exists")
    }

    pub(crate) async fn status(&self, id_: &str) -> Option<Status> {
        self.find(id_).await.map(|job| job.status)
    }

    pub(crate) async fn list(&self, filter: JobFilter) -> Vec<String> {
        ids(&self.store.list_jobs(&filter).await.expect("listed"))
    }

    pub(crate) async fn list_status(&self, status: Status) -> Vec<String> {
        self.list(JobFilter {
            status: Some(status),
            page: ALL,
            ..JobFilter::default()
        })
        .await
    }

    /// The ids of the default queue, front first.
    pub(crate) async fn line(&self) -> Vec<String> {
        self.list(JobFilter {
            queue: Some(queue("default")),
            status: Some(Status::Queued),
            page: ALL,
            ..JobFilter::default()
        })
        .await
    }

    pub(crate) async fn events(&self, subject: &str) -> Vec<Event> {
        let events = self.store.events(Some(subject), EventId(0), usize::MAX);
        events.await.expect("read")
    }

    /// Kind and data of a subject's events.
    pub(crate) async fn told(&self, subject: &str) -> Vec<(String, Value)> {
        let events = self.events(subject).await.into_iter();
        events.map(|event| (event.kind, event.data)).collect()
    }

    pub(crate) async fn kinds(&self, subject: &str) -> Vec<String> {
        let events = self.events(subject).await.into_iter();
        events.map(|event| event.kind).collect()
    }
}

pub(crate) fn ids(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| job.id.to_string()).collect()
}

/// The one answer to the one thing asked.
pub(crate) fn one<T>(mut answers: Vec<T>) -> T {
    assert_eq!(answers.len(), 1, "one answer for each item");
    answers.remove(0)
}

pub(crate) fn finished() -> Ending {
    Ending::Finished { result: None }
}

pub(crate) fn failed(error: &str) -> Ending {
    Ending::Failed {
        error: error.to_owned(),
    }
}
