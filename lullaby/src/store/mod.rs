//! The boundary between the library and where jobs are kept: whole, atomic, **batched** operations.
//!
//! No operation here is two that a crash could tear apart. Each takes many items at once, so that every driver is fast for
//! the same reason; each answers item by item, in the order asked. The conformance suite (`tests/conformance`) states the
//! contract; the documentation here is its summary. Drivers know `job`, `schedule`, `event` and `clock`, and nothing above.
//!
//! All operations are cancel safe in this sense: a future that is dropped either did the whole operation or none of it.

#[cfg(any(feature = "sqlite", feature = "redis"))]
mod claimed;
pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;
mod signal;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

pub use self::signal::{Signal, Signals, Topic};

use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::event::{Event, EventId, NewEvent};
use crate::history::Attempt;
use crate::job::{Execution, Job, JobId, JobSpec, QueueName, Status};
use crate::schedule::{LedgerLine, ScheduleId, ScheduleRecord};

/// After this many lost leases a job is poison: it fails instead of returning to its queue.
pub const POISON_LOSSES: u32 = 3;

/// A store: everything that the library needs of it.
pub trait Store: Produce + Work + Recur + Maintain + Inspect + Wake {}

impl<T: Produce + Work + Recur + Maintain + Inspect + Wake> Store for T {}

/// Taking jobs in, and changing those that are there.
#[async_trait]
pub trait Produce: fmt::Debug + Send + Sync + 'static {
    /// Takes jobs in: into their queue, or scheduled if their time is still to come (a time that has passed is now).
    ///
    /// An id that exists, also twice in one call, is answered `Exists` and nothing changes; with
    /// [`OnExisting::Replace`](crate::job::OnExisting) a job that waits gets the new call, options and time. All of one call are taken in
    /// one step, or none and an error.
    ///
    /// A job with dependencies of which one is not met yet ([`Dependencies::are_met_by`](crate::job::Dependencies)) is deferred. The step
    /// that ends the last of them lets it in, in the order in which the waiting were made: into its queue, or scheduled if its time is
    /// still to come. Finished parents let in all, failed ones those that allow it, canceled and stopped ones nobody; what is deleted or
    /// dropped lets in nobody, but is no longer waited for when another parent ends.
    ///
    /// A job with a [`RateLimit`](crate::RateLimit) comes into its queue, by whichever operation, only while fewer jobs of its key than its
    /// concurrency are queued or started; until then it is rate-limited, and its ttl counts. The step that ends, withdraws, drops or puts
    /// off one of those lets in the one that has waited longest. What goes from started back to queued is not asked again. The concurrency
    /// of a key is that of the last job which came to wait or passed.
    async fn enqueue(&self, jobs: Vec<JobSpec>) -> Result<Vec<Enqueued>>;

    /// Withdraws jobs: one that waits is canceled, one that runs is asked to stop. With `enqueue_dependents` those that wait for one of
    /// them alone are let in.
    async fn cancel(&self, ids: &[JobId], enqueue_dependents: bool) -> Result<Vec<Canceled>>;

    /// Puts ended, scheduled or deferred jobs back into their queue, with their failures and losses forgotten. One with a rate limit goes
    /// by its limiter, behind all that wait, and enters its queue at this end from now on.
    async fn requeue(&self, ids: &[JobId], at_front: bool) -> Result<Vec<Requeued>>;

    /// Deletes jobs with all that is kept of them. A running one is not deleted.
    async fn delete(&self, ids: &[JobId]) -> Result<Vec<Deleted>>;

    /// Changes when a scheduled job is due. False if it is not scheduled (any more).
    async fn change_time(&self, id: &JobId, at: Timestamp) -> Result<bool>;

    /// Appends events of the application.
    async fn append_events(&self, events: Vec<NewEvent>) -> Result<Vec<EventId>>;
}

/// What became of a job to enqueue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It was taken in.
    Created,
    /// A job of this id waited and has the new call now.
    Replaced,
    /// A job of this id exists; nothing changed.
    Exists {
        /// Where that job stands.
        status: Status,
    },
    /// A job of this id waits, and was to be replaced by one that waits for itself: a job that it depends on waits for this very id.
    /// Nothing changed.
    Circular,
}

/// What became of a job to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canceled {
    /// It waited and is canceled.
    Canceled,
    /// It runs and is asked to stop.
    Stopping,
    /// It had ended already.
    Ended {
        /// How.
        status: Status,
    },
    /// There is no such job.
    NotFound,
}

/// What became of a job to requeue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeued {
    /// It is in its queue, or waits for a slot of its rate limit.
    Queued,
    /// It is queued or running as it is; nothing changed.
    Unchanged {
        /// Where it stands.
        status: Status,
    },
    /// There is no such job.
    NotFound,
}

/// What became of a job to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Deleted,
    /// It runs; cancel it first.
    Running,
    /// There was no such job.
    NotFound,
}

/// Claiming jobs, keeping and settling them.
#[async_trait]
pub trait Work: fmt::Debug + Send + Sync + 'static {
    /// Takes up to `max` jobs, from the queues in their order, front first. Owner and lease are written in the same step, and each
    /// job gets a token higher than all before. Queued jobs whose ttl is over are dropped on the way. No job is claimed before it
    /// is due.
    async fn claim(&self, claim: Claim) -> Result<Vec<Job>>;

    /// Ends executions, or gives jobs back. A job that ends, here or as poison, puts its [callback's](crate::job::Callbacks) call into its queue in
    /// the same step. One whose job is not started under that very token is answered `TakenOver`, and nothing
    /// is written.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>>;

    /// Extends leases to `lease` from now.
    async fn renew(&self, executions: Vec<Execution>, lease: Duration) -> Result<Vec<Renewed>>;

    /// Merges `patch` into the job's meta; `null` removes a key.
    async fn save_meta(
        &self,
        execution: Execution,
        patch: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Settled>;

    /// Announces a worker, or says that it is still there.
    async fn announce_worker(&self, worker: WorkerRecord) -> Result<()>;

    /// Takes a worker off the list.
    async fn retire_worker(&self, name: &str) -> Result<()>;

    /// Jobs with [webhooks](crate::Webhook) that claims of this process have failed since it was last asked, as nobody can make sense of
    /// their calls. Only a store that other programs share has any.
    fn take_refused(&self) -> Vec<Job> {
        Vec::new()
    }

    /// What somebody told this worker since it was last asked; [`Topic::Control`] is raised when there is something. Only a store that
    /// other programs share has any.
    async fn take_commands(&self, _worker: &str) -> Result<Vec<WorkerCommand>> {
        Ok(Vec::new())
    }
}

/// What a worker may be told from outside, in RQ's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerCommand {
    /// Stop warm: nothing new, and what runs may end.
    Shutdown,
    /// Fail what runs, now; the worker goes on.
    KillHorse,
}

/// A worker's request for jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The worker's name.
    pub worker: String,
    /// Its queues, in the order of preference.
    pub queues: Vec<QueueName>,
    /// The most jobs.
    pub max: usize,
    /// How long the lease is.
    pub lease: Duration,
}

/// How an execution ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// Which execution.
    pub execution: Execution,
    /// How.
    pub ending: Ending,
}

/// How an execution ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Done: `finished`, kept for the job's `result_ttl`. A job with a [`Repeat`](crate::Repeat) that has a run left, and that nobody asked
    /// to stop, is `scheduled` for it instead, or `queued` if there is no pause; its result is not kept. Either way those that wait for it
    /// are let in.
    Finished {
        /// What the handler returned, as JSON; `None` if nothing.
        result: Option<String>,
    },
    /// Failed, and no try is left: `failed`, kept for its `failure_ttl`. Counts a failure.
    Failed {
        /// Why.
        error: String,
    },
    /// Failed, to be tried again: `scheduled`, or `queued` if that time has come. Counts a failure.
    Retry {
        /// Why it failed.
        error: String,
        /// When.
        at: Timestamp,
    },
    /// Not now: `scheduled` for later. Counts nothing.
    Snoozed {
        /// When.
        at: Timestamp,
    },
    /// Back to the front of its queue. Counts nothing.
    HandedBack,
    /// Stopped because somebody asked for it: `stopped`, kept for its `failure_ttl`.
    Stopped,
    /// This worker has no handler for the call. `failed`, unless the store knows of others who may have one.
    CannotHonour {
        /// Which task was asked for, and which are known.
        error: String,
    },
}

/// Whether a worker still owned what it settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Written.
    Done,
    /// Written, and the job goes on: others may be able to honour it. Only after [`Ending::CannotHonour`].
    LeftToOthers,
    /// Another execution owns the job by now, or nobody; nothing was written.
    TakenOver,
}

/// What a worker hears when it renews a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The lease is extended.
    Renewed,
    /// The lease is extended, and somebody asked to stop the job.
    StopRequested,
    /// Another execution owns the job by now, or nobody.
    TakenOver,
}

/// A worker as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkerRecord {
    /// Its name, unique among those alive.
    pub name: String,
    /// Its queues.
    pub queues: Vec<QueueName>,
    /// How many jobs it runs at once.
    pub concurrency: usize,
    /// How many it runs now.
    pub running: usize,
    /// Its process.
    pub pid: u32,
    /// Its host.
    pub host: String,
    /// When it came.
    pub started_at: Timestamp,
    /// When it last said so.
    pub seen_at: Timestamp,
}

/// Moving what is due, and schedules.
#[async_trait]
pub trait Recur: fmt::Debug + Send + Sync + 'static {
    /// Moves up to `limit` scheduled jobs that are due into their queues, in the order of their times.
    async fn move_due(&self, limit: usize) -> Result<Moved>;

    /// Up to `limit` schedules whose next slot is due, the longest overdue first; and after them up to `limit` others whose buffered slot
    /// waits for a job that has ended or does not exist. With them how their watched jobs stand.
    async fn due_schedules(&self, limit: usize) -> Result<DueSchedules>;

    /// Writes decisions: the schedule, its slots' jobs and its ledger in one step each, and only if the schedule still has the version
    /// before the decision's, and all that the decision takes as given still holds; else the answer is `Conflict`. The jobs to cancel are
    /// canceled as [`Produce::cancel`] does, before the new ones are made. A job whose id exists is not made again.
    async fn advance(&self, decisions: Vec<crate::schedule::Decision>) -> Result<Vec<Advanced>>;

    /// Stores a schedule: a new one if `expected` is `None`, else the next version of that one.
    async fn put_schedule(&self, record: ScheduleRecord, expected: Option<u64>)
    -> Result<Advanced>;

    /// Removes the schedule of this name, with its ledger; its jobs stay. False if there is none. If `id` is given, only that one.
    async fn remove_schedule(&self, name: &str, id: Option<&ScheduleId>) -> Result<bool>;

    /// This process ends moving what is due: a store that keeps others' schedulers out for as long as ours are at work lets them in.
    async fn stop_moving(&self) -> Result<()> {
        Ok(())
    }
}

/// What was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// How many jobs.
    pub moved: usize,
    /// When the next scheduled job is due; may have passed already if the limit was reached.
    pub next_due: Option<Timestamp>,
}

/// Schedules to decide on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DueSchedules {
    /// Those due.
    pub due: Vec<ScheduleRecord>,
    /// How the jobs that they watch ([`ScheduleRecord::watched`]) stand; one that is not here does not exist.
    pub jobs: BTreeMap<JobId, Status>,
    /// Whether some schedule, of those above or another, has a buffered slot: then the end of a job is worth a look.
    pub buffered: bool,
    /// When the next one after them is due; may have passed already if the limit was reached.
    pub next_due: Option<Timestamp>,
}

/// Whether a compare-and-set held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// Written.
    Done,
    /// Somebody else was first; nothing was written.
    Conflict,
    /// There is no such schedule (any more); nothing was written.
    Gone,
}

/// Keeping the house.
#[async_trait]
pub trait Maintain: fmt::Debug + Send + Sync + 'static {
    /// Returns up to `limit` jobs of owners that are gone to the front of their queues; those lost [`POISON_LOSSES`] times fail. A store
    /// that can tell that a process has died returns its jobs at once. Expired leases count only with `expired`.
    async fn reap(&self, expired: bool, limit: usize) -> Result<Reaped>;

    /// Drops up to `limit` jobs and results that are past their time, workers that are gone, events past their limits.
    async fn sweep(&self, limit: usize) -> Result<Swept>;

    /// Puts what is in quarantine back into its queue, as [`Produce::requeue`] does; it leaves the quarantine with that.
    async fn restore(&self, ids: &[JobId]) -> Result<Vec<Restored>> {
        Ok(vec![Restored::NotFound; ids.len()])
    }

    /// Fails if the store would not take a write right now, and answers within `patience`.
    async fn probe(&self, patience: Duration) -> Result<()>;
}

/// What became of something to restore from quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It is in its queue again.
    Queued,
    /// There is no job to it, or one without a call: it stays in quarantine. Deleting it takes it out.
    Unfit,
    /// It is not in quarantine.
    NotFound,
}

/// What was returned to queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Back at the front of their queues.
    pub returned: Vec<JobId>,
    /// Failed: lost too often.
    pub poisoned: Vec<JobId>,
    /// When the next lease ends.
    pub next_expiry: Option<Timestamp>,
}

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many jobs.
    pub jobs: usize,
    /// When the next one is past its time; may have passed already if the limit was reached.
    pub next_expiry: Option<Timestamp>,
}

/// Reading.
#[async_trait]
pub trait Inspect: fmt::Debug + Send + Sync + 'static {
    /// Jobs by id.
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>>;

    /// A job's earlier executions, of which the job itself no longer tells: the newest [`KEPT_ATTEMPTS`](crate::KEPT_ATTEMPTS) at least and
    /// some hundred at most, oldest first. A store may also list the last one there. Kept for as long as the job is, also when it is
    /// requeued.
    async fn attempts(&self, id: &JobId) -> Result<Vec<Attempt>>;

    /// A page of the jobs that match.
    async fn list_jobs(&self, filter: &JobFilter) -> Result<Vec<Job>>;

    /// How many jobs match, whatever the page.
    async fn count_jobs(&self, filter: &JobFilter) -> Result<u64>;

    /// Every queue that holds a job, by name, with its counts.
    async fn queues(&self) -> Result<Vec<QueueInfo>>;

    /// A page of what was put aside because it could neither be run nor given back, by id. A store that no other program writes to has
    /// nothing there.
    async fn quarantine(&self, _page: Page) -> Result<Vec<Quarantined>> {
        Ok(Vec::new())
    }

    /// How much was put aside.
    async fn count_quarantine(&self) -> Result<u64> {
        Ok(0)
    }

    /// The workers, by name.
    async fn workers(&self) -> Result<Vec<WorkerRecord>>;

    /// The schedule of this name.
    async fn schedule(&self, name: &str) -> Result<Option<ScheduleRecord>>;

    /// A page of the schedules with a next slot until `until` (`None`: all, ended ones too, at the end), by their next slot.
    async fn list_schedules(
        &self,
        until: Option<Timestamp>,
        page: Page,
    ) -> Result<Vec<ScheduleRecord>>;

    /// How many schedules have a next slot until `until` (`None`: all there are).
    async fn count_schedules(&self, until: Option<Timestamp>) -> Result<u64>;

    /// The newest `limit` lines of a schedule's ledger, newest first; none if it was removed.
    async fn ledger(&self, record: &ScheduleRecord, limit: usize) -> Result<Vec<LedgerLine>>;

    /// Up to `limit` events after `after`, in order; of one subject, or of all.
    async fn events(
        &self,
        subject: Option<&str>,
        after: EventId,
        limit: usize,
    ) -> Result<Vec<Event>>;

    /// The newest event there is.
    async fn last_event(&self) -> Result<EventId>;
}

/// Something that was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// The job's id, or what stood where an id should.
    pub id: JobId,
    /// What is wrong with it, and where it was found.
    pub reason: String,
}

/// A page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many to leave out first.
    pub offset: usize,
    /// The most to give.
    pub length: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            offset: 0,
            length: 100,
        }
    }
}

/// Which jobs to list.
///
/// The order is that of the status: queued ones queue by queue in the order they will run, rate-limited ones limit by limit in the order
/// they will be let in, scheduled ones by due time, started ones by lease, ended ones newest first. Without a status: the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In this queue.
    pub queue: Option<QueueName>,
    /// With this status.
    pub status: Option<Status>,
    /// About this subject.
    pub subject: Option<String>,
    /// Scheduled ones due until then; implies the status.
    pub due_until: Option<Timestamp>,
    /// Which of them.
    pub page: Page,
}

/// A queue and its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueInfo {
    /// Its name.
    pub name: QueueName,
    /// How many jobs in each status; none for zero.
    pub counts: BTreeMap<Status, u64>,
}

/// Hearing of changes without asking again and again.
pub trait Wake: fmt::Debug + Send + Sync + 'static {
    /// The clock that judges this store's due times.
    fn clock(&self) -> &Arc<dyn Clock>;

    /// Where the store tells of changes, also those that other processes made. A signal may come without a change; a change never comes
    /// without a signal, at most [`POLL`] late.
    fn signals(&self) -> &Signals;

    /// How often the store has been away, as far as this process saw: for one lease after each time nobody's expired lease is believed,
    /// because its owner may not have had a chance to renew it.
    fn interruptions(&self) -> u64 {
        0
    }

    /// Where it is, for people: `sqlite:./data/lullaby.db`. No passwords.
    fn location(&self) -> String;

    /// This driver, for those who know which one it is.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// The fall-back: how late a store may hear of a change in another process when nothing tells it.
pub const POLL: Duration = Duration::from_secs(1);
