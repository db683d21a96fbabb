//! The Redis driver: Redis or Valkey, in the layout of Python's RQ.
//!
//! Where RQ reads, the keys and fields are RQ's (2.12 and 3.0), so its workers, schedulers and dashboards share the server with ours; what only we
//! know stands beside it, in keys under `lullaby:` and hash fields named `lullaby_*`. Each move of jobs is one Lua script, a file in `scripts/`,
//! that takes up to 1,000 of them and checks before it writes.

mod address;
mod answer;
mod app_script;
pub mod call;
mod check;
mod clock;
mod connection;
pub mod entries;
mod hash;
mod inspect;
mod intake;
mod keys;
mod maintain;
mod packed;
pub mod pickle;
mod produce;
mod quarantine;
mod recur;
mod scripts;
pub mod serializer;
mod small_deflate;
mod text_of;
mod under_way;
mod wake;
mod work;
mod worker_record;
mod zlib;

use std::any::Any;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
pub use redis;

pub use self::app_script::AppScript;
use self::clock::ServerClock;
use self::connection::Link;
use self::intake::Intake;
use self::keys::Keys;
use self::maintain::Walk;
use self::scripts::Call;
use self::serializer::Serializer;
use self::under_way::UnderWay;
use self::wake::Ears;
use self::work::Avoided;
use super::{
    Advanced, Canceled, Claim, Deleted, DueSchedules, Enqueued, Inspect, JobFilter, Maintain,
    Moved, Page, Produce, Quarantined, QueueInfo, Reaped, Recur, Renewed, Requeued, Restored,
    Settled, Settlement, Signals, Swept, Wake, Work, WorkerCommand, WorkerRecord,
};
use crate::clock::{Clock, Timestamp, until};
use crate::error::Result;
use crate::event::{Event, EventId, EventLimits, NewEvent};
use crate::history::Attempt;
use crate::job::{Execution, Job, JobId, JobSpec, QueueName};
use crate::schedule::{Decision, LedgerLine, ScheduleId, ScheduleRecord};

/// How long a worker that comes waits until it can hear RQ's commands.
const HEARING: Duration = Duration::from_secs(2);

/// How to open a store.
///
/// ```
/// use lullaby::store::redis::RedisOptions;
/// use lullaby::store::redis::serializer::Serializer;
///
/// // For a fleet of `rq worker -S json`, under a prefix of its own.
/// let options = RedisOptions::default().prefix("app").serializer(Serializer::Json);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisOptions {
    /// What judges due times; the server's own clock when `None`.
    pub clock: Option<Arc<dyn Clock>>,
    /// How many events are kept.
    pub event_limits: EventLimits,
    /// What every key begins with: `rq`, or what `RQ_KEY_PREFIX` says, as RQ 3 reads it. With a hash tag in it, as `{rq}`, all keys
    /// share one slot of a Redis Cluster.
    pub prefix: String,
    /// How the calls of new jobs are written: pickle, as stock RQ workers expect.
    pub serializer: Serializer,
    /// The only queues whose scheduled jobs this process moves when they are due; with none, all.
    pub moves: Vec<QueueName>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            clock: None,
            event_limits: EventLimits::default(),
            prefix: std::env::var("RQ_KEY_PREFIX").unwrap_or_else(|_| "rq".to_owned()),
            serializer: Serializer::default(),
            moves: Vec::new(),
        }
    }
}

impl RedisOptions {
    /// Judges due times by this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Keeps so many events.
    #[must_use]
    pub fn event_limits(mut self, limits: EventLimits) -> Self {
        self.event_limits = limits;
        self
    }

    /// Begins every key with this.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Writes the calls of new jobs so.
    #[must_use]
    pub fn serializer(mut self, serializer: Serializer) -> Self {
        self.serializer = serializer;
        self
    }

    /// Moves what is due in these queues only.
    #[must_use]
    pub fn moves(mut self, queues: Vec<QueueName>) -> Self {
        self.moves = queues;
        self
    }
}

/// A store on a Redis server.
pub struct RedisStore {
    core: Arc<Core>,
    listener: tokio::task::AbortHandle,
}

/// What the operations share with the tasks that outlive a call.
struct Core {
    link: Arc<Link>,
    keys: Keys,
    options: RedisOptions,
    server: Arc<ServerClock>,
    /// What judges: the clock that was set, or the server's.
    clock: Arc<dyn Clock>,
    signals: Arc<Signals>,
    ears: Ears,
    jobs: Arc<Intake>,
    events: Arc<Intake>,
    /// With what this process holds RQ's scheduler locks.
    owner: String,
    /// Whether the server is a node of a Redis Cluster, where keys of two slots cannot be in one step.
    in_cluster: AtomicBool,
    avoided: Mutex<Avoided>,
    /// Failed by claims, and to be told of.
    refused: Mutex<Vec<Job>>,
    walk: Mutex<Walk>,
    under_way: UnderWay,
}

impl RedisStore {
    /// Connects to the server at `url`: `redis://[user:password@]host[:port][/db]`, `rediss://…` (feature `redis-tls`) or
    /// `unix:///path/to/socket?db=N`.
    ///
    /// # Errors
    /// If the URL or the prefix is malformed, or the server cannot be reached. Once it is open a store outlives the server's restarts.
    pub async fn open(url: &str, options: RedisOptions) -> Result<Arc<Self>> {
        let server = Arc::new(ServerClock::default());
        let clock = match &options.clock {
            Some(clock) => clock.clone(),
            None => server.clone(),
        };
        let link = Link::new(url)?;
        let keys = Keys::new(&options.prefix)?;
        let intake = |script: &'static redis::Script| {
            let (keys, options) = (keys.clone(), options.clone());
            Intake::new(link.clone(), move || Call::new(script, &keys, &options))
        };
        let core = Arc::new(Core {
            jobs: intake(&scripts::ENQUEUE),
            events: intake(&scripts::APPEND_EVENTS),
            link,
            keys,
            options,
            server,
            clock,
            signals: Arc::default(),
            ears: Ears::default(),
            owner: format!("lullaby-{}", uuid::Uuid::new_v4().simple()),
            in_cluster: AtomicBool::new(false),
            avoided: Mutex::default(),
            refused: Mutex::default(),
            walk: Mutex::default(),
            under_way: UnderWay::default(),
        });
        core.check_server().await?;
        let listener = tokio::spawn(wake::listen(core.clone())).abort_handle();
        Ok(Arc::new(Self { core, listener }))
    }

    /// With what our own keys begin, as `lullaby:`. An application that keeps data beside its jobs begins its keys with it, too, and then
    /// everything is in one slot of a Redis Cluster.
    #[must_use]
    pub fn own_prefix(&self) -> &str {
        &self.core.keys.own
    }

    /// What makes this server a risky place for jobs (it is also logged when a store is opened), and settings that would take less memory.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn advice(&self) -> Result<Vec<String>> {
        self.core.advice().await
    }

    /// Runs a command of the application's own on the connection that the store uses. It must not block.
    ///
    /// # Errors
    /// A store error: the server cannot be reached, or refused.
    pub async fn run_command(&self, command: &redis::Cmd) -> Result<redis::Value> {
        self.core.link.command(command).await
    }

    /// Makes a script of the application's own ready to be run, on keys that begin with [`own_prefix`](Self::own_prefix).
    #[must_use]
    pub fn app_script(&self, script: &'static redis::Script, keys: Vec<String>) -> AppScript {
        AppScript::new(self.core.link.clone(), script, keys)
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Core {
    /// A call of a script, judged by this store's clock.
    fn script(&self, script: &'static redis::Script) -> Call {
        Call::new(script, &self.keys, &self.options)
    }

    fn judges_by_server(&self) -> bool {
        self.options.clock.is_none()
    }

    fn host_now(&self) -> Timestamp {
        self.server.host().now()
    }

    fn avoided(&self) -> MutexGuard<'_, Avoided> {
        self.avoided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> MutexGuard<'_, Vec<Job>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisStore({})", self.core.link.location())
    }
}

#[async_trait]
impl Produce for RedisStore {
    async fn enqueue(&self, jobs: Vec<JobSpec>) -> Result<Vec<Enqueued>> {
        self.core.take_in(jobs).await
    }

    async fn cancel(&self, ids: &[JobId], enqueue_dependents: bool) -> Result<Vec<Canceled>> {
        self.core.withdraw(ids, enqueue_dependents).await
    }

    async fn requeue(&self, ids: &[JobId], at_front: bool) -> Result<Vec<Requeued>> {
        self.core.put_back(ids, at_front).await
    }

    async fn delete(&self, ids: &[JobId]) -> Result<Vec<Deleted>> {
        self.core.remove(ids).await
    }

    async fn change_time(&self, id: &JobId, at: Timestamp) -> Result<bool> {
        self.core.set_time(id, at).await
    }

    async fn append_events(&self, events: Vec<NewEvent>) -> Result<Vec<EventId>> {
        self.core.append(&events).await
    }
}

#[async_trait]
impl Work for RedisStore {
    async fn claim(&self, claim: Claim) -> Result<Vec<Job>> {
        Ok(self.core.claim_safely(claim).await?.take())
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.core.settle_all(&settlements).await
    }

    async fn renew(&self, executions: Vec<Execution>, lease: Duration) -> Result<Vec<Renewed>> {
        self.core.extend(&executions, lease).await
    }

    async fn save_meta(
        &self,
        execution: Execution,
        patch: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Settled> {
        self.core.patch_meta(&execution, patch).await
    }

    async fn announce_worker(&self, worker: WorkerRecord) -> Result<()> {
        let channel = self.core.keys.channel(&worker.name);
        let host = self.core.server.host();
        // A server that cannot be reached is for the next line to say.
        until(
            host,
            host.now() + HEARING,
            self.core.ears.hear_worker(channel, worker.clone()),
        )
        .await;
        self.core.announce(&worker).await
    }

    async fn retire_worker(&self, name: &str) -> Result<()> {
        self.core.ears.forget_worker(&self.core.keys.channel(name));
        self.core.retire(name).await
    }

    fn take_refused(&self) -> Vec<Job> {
        std::mem::take(&mut *self.core.refused())
    }

    async fn take_commands(&self, worker: &str) -> Result<Vec<WorkerCommand>> {
        Ok(self
            .core
            .ears
            .take_commands(&self.core.keys.channel(worker)))
    }
}

#[async_trait]
impl Recur for RedisStore {
    async fn move_due(&self, limit: usize) -> Result<Moved> {
        self.core.move_all_due(limit).await
    }

    async fn due_schedules(&self, limit: usize) -> Result<DueSchedules> {
        self.core.read_due_schedules(limit).await
    }

    async fn advance(&self, decisions: Vec<Decision>) -> Result<Vec<Advanced>> {
        self.core.advance_all(&decisions).await
    }

    async fn put_schedule(
        &self,
        record: ScheduleRecord,
        expected: Option<u64>,
    ) -> Result<Advanced> {
        self.core.put(&record, expected).await
    }

    async fn remove_schedule(&self, name: &str, id: Option<&ScheduleId>) -> Result<bool> {
        self.core.remove_by_name(name, id).await
    }

    async fn stop_moving(&self) -> Result<()> {
        self.core.leave_locks().await
    }
}

#[async_trait]
impl Maintain for RedisStore {
    async fn reap(&self, expired: bool, limit: usize) -> Result<Reaped> {
        self.core.reap_all(if expired { limit } else { 0 }).await
    }

    async fn sweep(&self, limit: usize) -> Result<Swept> {
        self.core.sweep_all(limit).await
    }

    async fn restore(&self, ids: &[JobId]) -> Result<Vec<Restored>> {
        self.core.restore_all(ids).await
    }

    async fn probe(&self, patience: Duration) -> Result<()> {
        self.core.probe_write(patience).await
    }
}

#[async_trait]
impl Inspect for RedisStore {
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        self.core.read_jobs(ids).await
    }

    async fn list_jobs(&self, filter: &JobFilter) -> Result<Vec<Job>> {
        self.core.page_of_jobs(filter).await
    }

    async fn count_jobs(&self, filter: &JobFilter) -> Result<u64> {
        self.core.how_many_jobs(filter).await
    }

    async fn queues(&self) -> Result<Vec<QueueInfo>> {
        self.core.count_queues(None).await
    }

    async fn attempts(&self, id: &JobId) -> Result<Vec<Attempt>> {
        self.core.read_attempts(id).await
    }

    async fn quarantine(&self, page: Page) -> Result<Vec<Quarantined>> {
        self.core.page_of_quarantine(page).await
    }

    async fn count_quarantine(&self) -> Result<u64> {
        self.core.how_much_in_quarantine().await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>> {
        self.core.list_workers().await
    }

    async fn schedule(&self, name: &str) -> Result<Option<ScheduleRecord>> {
        self.core.find_schedule(name).await
    }

    async fn list_schedules(
        &self,
        until: Option<Timestamp>,
        page: Page,
    ) -> Result<Vec<ScheduleRecord>> {
        self.core.page_of_schedules(until, page).await
    }

    async fn count_schedules(&self, until: Option<Timestamp>) -> Result<u64> {
        self.core.how_many_schedules(until).await
    }

    async fn ledger(&self, record: &ScheduleRecord, limit: usize) -> Result<Vec<LedgerLine>> {
        self.core.read_ledger(record, limit).await
    }

    async fn events(
        &self,
        subject: Option<&str>,
        after: EventId,
        limit: usize,
    ) -> Result<Vec<Event>> {
        self.core.read_events(subject, after, limit).await
    }

    async fn last_event(&self) -> Result<EventId> {
        self.core.newest_event().await
    }
}

impl Wake for RedisStore {
    fn clock(&self) -> &Arc<dyn Clock> {
        &self.core.clock
    }

    fn signals(&self) -> &Signals {
        &self.core.signals
    }

    fn interruptions(&self) -> u64 {
        self.core.link.interruptions()
    }

    fn location(&self) -> String {
        self.core.link.location().to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
