//! The SQLite driver: one file, no server.
//!
//! The file is in WAL mode, with `synchronous = FULL` unless told otherwise. One thread writes, in groups that share a commit; readers
//! read beside it. Several processes may open the file; a commit of one wakes the others. The tables' names begin with `lullaby_`,
//! so the file may be the application's own: see [`SqliteStore::write`] and [`EnqueueStatement`].

mod attempts;
mod connection;
mod deferred_keys;
mod dependents;
mod enqueue_view;
mod event_log;
mod fault;
mod inspect;
mod looks;
mod maintain;
mod owner;
mod produce;
mod rate_limits;
mod reader;
mod recur;
mod row;
mod schema;
mod step;
#[cfg(test)]
mod tests;
mod watch;
mod work;
mod writer;

use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

pub use self::enqueue_view::{EnqueueStatement, Param};
pub use rusqlite;

use self::event_log::EventLog;
use self::owner::Owner;
use self::reader::Readers;
use self::step::Memo;
use self::watch::Watch;
use self::writer::{Plan, Writer};
use super::{
    Advanced, Canceled, Claim, Deleted, DueSchedules, Enqueued, Inspect, JobFilter, Maintain,
    Moved, Page, Produce, QueueInfo, Reaped, Recur, Renewed, Requeued, Settled, Settlement,
    Signals, Swept, Wake, Work, WorkerRecord,
};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, Result};
use crate::event::{Event, EventId, EventLimits, NewEvent};
use crate::history::Attempt;
use crate::job::{Execution, Job, JobId, JobSpec};
use crate::schedule::{Decision, LedgerLine, ScheduleId, ScheduleRecord};
use crate::store::claimed::Claimed;

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// A power cut: each commit that takes something in or settles it waits for the disk.
    #[default]
    Full,
    /// The end of the process, however it comes. After a power cut the newest commits may be missing; the file is sound.
    Normal,
}

/// How to open a store.
///
/// ```
/// use lullaby::store::sqlite::{Durability, SqliteOptions};
///
/// let options = SqliteOptions::default().durability(Durability::Normal);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// What judges due times; the host's clock.
    pub clock: Arc<dyn Clock>,
    /// How many events are kept.
    pub event_limits: EventLimits,
    /// What a commit survives; a power cut.
    pub durability: Durability,
    /// How long to wait for other processes' locks before an operation fails; 5 s.
    pub patience: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::default()),
            event_limits: EventLimits::default(),
            durability: Durability::default(),
            patience: Duration::from_secs(5),
        }
    }
}

impl SqliteOptions {
    /// Judges due times by this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Keeps so many events.
    #[must_use]
    pub fn event_limits(mut self, limits: EventLimits) -> Self {
        self.event_limits = limits;
        self
    }

    /// Makes commits survive this.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Waits so long for other processes' locks.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// A store in an SQLite file.
///
/// ```
/// use lullaby::store::Inspect;
/// use lullaby::store::sqlite::{SqliteOptions, SqliteStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lullaby::Result<()> {
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("app.db");
/// let store = SqliteStore::open(&path, SqliteOptions::default())?;
/// assert!(store.queues().await?.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct SqliteStore {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    signals: Arc<Signals>,
    readers: Arc<Readers>,
    // Dropped before the writer, to which it reports.
    _watch: Option<Watch>,
    writer: Writer,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteStore({})", self.path.display())
    }
}

impl SqliteStore {
    /// Opens the file, makes it if it is not there, and brings its tables up to date.
    ///
    /// Dropping the last reference closes it: what was already taken in is finished first.
    ///
    /// # Errors
    /// If the file's folder does not exist, the file is not an SQLite database, its tables are of a newer version, or it is locked for
    /// longer than the options' patience.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Arc<Self>> {
        let path = connection::resolve(path.as_ref())?;
        let conn = connection::open_writer(&path, options.patience).map_err(|error| {
            Error::store_because(format!("cannot open {}", path.display()), error)
        })?;
        let signals = Arc::new(Signals::default());
        let memo = Memo::new(EventLog::new(options.event_limits), Owner::new(&path));
        let writer = Writer::start(conn, memo, &options, signals.clone())?;
        Ok(Arc::new(Self {
            readers: Readers::new(&path),
            _watch: Watch::start(&path, writer.nudge()),
            writer,
            clock: options.clock,
            signals,
            path,
        }))
    }

    /// Runs statements of the application's own on the writer's thread, atomically: all of them are committed, or none and an error.
    ///
    /// They share a commit with other callers, each in a savepoint; work that can break a deferred foreign key ends its commit, so that an error
    /// there is its own. `work` blocks all writing while it runs, so it should do nothing
    /// but SQL; it must not end the transaction. Tables whose names begin with `lullaby_` are the store's, except for
    /// [`lullaby_enqueue`](EnqueueStatement). A future that is dropped leaves the work running to its end. SQLite plans without a look at
    /// bound values on this connection (`SQLITE_DBCONFIG_ENABLE_QPSG`), as on those of [`read`](Self::read).
    ///
    /// # Errors
    /// What `work` answers; if it panics; if the file is locked, full or closed.
    ///
    /// ```
    /// # use lullaby::store::sqlite::{SqliteOptions, SqliteStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lullaby::Result<()> {
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let store = SqliteStore::open(folder.path().join("app.db"), SqliteOptions::default())?;
    /// store
    ///     .write(|conn| {
    ///         conn.execute_batch("CREATE TABLE pet (name TEXT); INSERT INTO pet VALUES ('Mochi')")?;
    ///         conn.execute("INSERT INTO lullaby_enqueue (task) VALUES ('feed')", [])?;
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer
            .run(Plan::durable(1).foreign(), move |step| work(step.conn))
            .await
    }

    /// Runs queries of the application's own on one consistent state of the file, beside the writer. Long ones keep the write-ahead
    /// log from being reset.
    ///
    /// # Errors
    /// What `work` answers; if it writes.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.run(work).await
    }
}

#[async_trait]
impl Produce for SqliteStore {
    async fn enqueue(&self, jobs: Vec<JobSpec>) -> Result<Vec<Enqueued>> {
        let plan = Plan::durable(jobs.len());
        self.writer
            .run(plan, move |step| produce::enqueue(step, &jobs))
            .await
    }

    async fn cancel(&self, ids: &[JobId], enqueue_dependents: bool) -> Result<Vec<Canceled>> {
        let ids = ids.to_vec();
        self.writer
            .run(Plan::durable(ids.len()), move |step| {
                produce::cancel(step, &ids, enqueue_dependents)
            })
            .await
    }

    async fn requeue(&self, ids: &[JobId], at_front: bool) -> Result<Vec<Requeued>> {
        let ids = ids.to_vec();
        self.writer
            .run(Plan::durable(ids.len()), move |step| {
                produce::requeue(step, &ids, at_front)
            })
            .await
    }

    async fn delete(&self, ids: &[JobId]) -> Result<Vec<Deleted>> {
        let ids = ids.to_vec();
        self.writer
            .run(Plan::durable(ids.len()), move |step| {
                produce::delete(step, &ids)
            })
            .await
    }

    async fn change_time(&self, id: &JobId, at: Timestamp) -> Result<bool> {
        let id = id.clone();
        self.writer
            .run(Plan::durable(1), move |step| {
                produce::change_time(step, &id, at)
            })
            .await
    }

    async fn append_events(&self, events: Vec<NewEvent>) -> Result<Vec<EventId>> {
        self.writer
            .run(Plan::durable(events.len()), move |step| {
                produce::append_events(step, &events)
            })
            .await
    }
}

#[async_trait]
impl Work for SqliteStore {
    async fn claim(&self, claim: Claim) -> Result<Vec<Job>> {
        let inbox = self.writer.inbox();
        let queues = claim.queues.clone();
        let plan = Plan::repeatable(claim.max.min(1000)).may_idle();
        let peek_inbox = inbox.clone();
        let claimed = self.writer.run_unless(
            plan,
            move |step| {
                let idle = claim.max == 0 || !work::any_queued(step, &queues)?;
                Ok(idle.then(|| Claimed::new(Vec::new(), peek_inbox)))
            },
            move |step| Ok(Claimed::new(work::claim(step, &claim)?, inbox)),
        );
        Ok(claimed.await?.take())
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.writer
            .run(Plan::durable(settlements.len()), move |step| {
                work::settle(step, &settlements)
            })
            .await
    }

    async fn renew(&self, executions: Vec<Execution>, lease: Duration) -> Result<Vec<Renewed>> {
        self.writer
            .run(Plan::repeatable(executions.len()), move |step| {
                let until = step.now + lease;
                work::renew(step, &executions, until)
            })
            .await
    }

    async fn save_meta(
        &self,
        execution: Execution,
        patch: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Settled> {
        self.writer
            .run(Plan::durable(1), move |step| {
                work::save_meta(step, &execution, patch)
            })
            .await
    }

    async fn announce_worker(&self, worker: WorkerRecord) -> Result<()> {
        self.writer
            .run(Plan::repeatable(1), move |step| {
                work::announce_worker(step, &worker)
            })
            .await
    }

    async fn retire_worker(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.writer
            .run(Plan::repeatable(1), move |step| {
                work::retire_worker(step, &name)
            })
            .await
    }
}

#[async_trait]
impl Recur for SqliteStore {
    async fn move_due(&self, limit: usize) -> Result<Moved> {
        self.writer
            .run_unless(
                Plan::repeatable(limit.min(1000)).may_idle(),
                move |step| recur::nothing_due(step, limit),
                move |step| recur::move_due(step, limit),
            )
            .await
    }

    async fn due_schedules(&self, limit: usize) -> Result<DueSchedules> {
        let now = self.clock.now();
        self.readers
            .run(move |conn| recur::due_schedules(conn, now, limit))
            .await
    }

    async fn advance(&self, decisions: Vec<Decision>) -> Result<Vec<Advanced>> {
        let jobs = decisions.iter().map(|one| 1 + one.jobs.len()).sum();
        self.writer
            .run(Plan::durable(jobs), move |step| {
                recur::advance(step, &decisions)
            })
            .await
    }

    async fn put_schedule(
        &self,
        record: ScheduleRecord,
        expected: Option<u64>,
    ) -> Result<Advanced> {
        self.writer
            .run(Plan::durable(1), move |step| {
                recur::put_schedule(step, &record, expected)
            })
            .await
    }

    async fn remove_schedule(&self, name: &str, id: Option<&ScheduleId>) -> Result<bool> {
        let (name, id) = (name.to_owned(), id.cloned());
        self.writer
            .run(Plan::durable(1), move |step| {
                recur::remove_schedule(step, &name, id.as_ref())
            })
            .await
    }
}

#[async_trait]
impl Maintain for SqliteStore {
    async fn reap(&self, expired: bool, limit: usize) -> Result<Reaped> {
        self.writer
            .run_unless(
                Plan::durable(limit.min(1000)).may_idle(),
                move |step| maintain::nothing_lost(step, expired, limit),
                move |step| maintain::reap(step, expired, limit),
            )
            .await
    }

    async fn sweep(&self, limit: usize) -> Result<Swept> {
        self.writer
            .run_unless(
                Plan::durable(limit.min(1000)).may_idle(),
                move |step| maintain::nothing_over(step, limit),
                move |step| maintain::sweep(step, limit),
            )
            .await
    }

    async fn probe(&self, patience: Duration) -> Result<()> {
        // The lock is a real one, and so is this time, whatever clock the store goes by.
        let host = SystemClock::default();
        let deadline = host.now() + patience;
        tokio::select! {
            // It does write: a full disk lets an empty transaction pass. No sync; only whether the write is taken counts.
            outcome = self.writer.run(Plan::repeatable(1), maintain::probe) => outcome,
            () = host.sleep_until(deadline) => Err(Error::store(format!(
                "the SQLite file {} took no write for {patience:?}: another process holds its lock, or the disk is slow; \
                 see what holds it with `fuser`",
                self.path.display()
            ))),
        }
    }
}

#[async_trait]
impl Inspect for SqliteStore {
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let ids = ids.to_vec();
        self.readers
            .run(move |conn| inspect::jobs(conn, &ids))
            .await
    }

    async fn attempts(&self, id: &JobId) -> Result<Vec<Attempt>> {
        let id = id.clone();
        self.readers
            .run(move |conn| attempts::attempts(conn, &id))
            .await
    }

    async fn list_jobs(&self, filter: &JobFilter) -> Result<Vec<Job>> {
        let filter = filter.clone();
        self.readers
            .run(move |conn| inspect::list_jobs(conn, &filter))
            .await
    }

    async fn count_jobs(&self, filter: &JobFilter) -> Result<u64> {
        let filter = filter.clone();
        self.readers
            .run(move |conn| inspect::count_jobs(conn, &filter))
            .await
    }

    async fn queues(&self) -> Result<Vec<QueueInfo>> {
        self.readers.run(inspect::queues).await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>> {
        self.readers.run(inspect::workers).await
    }

    async fn schedule(&self, name: &str) -> Result<Option<ScheduleRecord>> {
        let name = name.to_owned();
        self.readers
            .run(move |conn| recur::schedule(conn, &name))
            .await
    }

    async fn list_schedules(
        &self,
        until: Option<Timestamp>,
        page: Page,
    ) -> Result<Vec<ScheduleRecord>> {
        self.readers
            .run(move |conn| recur::list_schedules(conn, until, page))
            .await
    }

    async fn count_schedules(&self, until: Option<Timestamp>) -> Result<u64> {
        self.readers
            .run(move |conn| recur::count_schedules(conn, until))
            .await
    }

    async fn ledger(&self, record: &ScheduleRecord, limit: usize) -> Result<Vec<LedgerLine>> {
        let id = record.id.clone();
        self.readers
            .run(move |conn| recur::ledger(conn, &id, limit))
            .await
    }

    async fn events(
        &self,
        subject: Option<&str>,
        after: EventId,
        limit: usize,
    ) -> Result<Vec<Event>> {
        let subject = subject.map(str::to_owned);
        self.readers
            .run(move |conn| event_log::after(conn, subject.as_deref(), after, limit))
            .await
    }

    async fn last_event(&self) -> Result<EventId> {
        self.readers.run(event_log::last).await
    }
}

impl Wake for SqliteStore {
    fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }

    fn location(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
