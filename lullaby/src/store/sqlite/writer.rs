//! The one thread that writes: it takes what its callers want in groups, and commits each group once.
//!
//! A sync of the disk costs as much as writing forty jobs, so callers that come together share one. Each has a savepoint of its own:
//! an error of one is rolled back without harm to its neighbours. Nobody is answered before the commit.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::fault::is_busy;
use super::looks::Looks;
use super::maintain;
use super::step::{Memo, Step};
use super::{Durability, SqliteOptions};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::store::{POLL, Signals, Topic};

/// The most callers of one group. More gain nothing: a sync is then under a tenth of the group's cost.
const MOST_CALLERS: usize = 256;
/// A group takes no more callers once it holds so many items: some 20 ms of work, which the next caller has to wait for.
const ENOUGH_ITEMS: usize = 2000;
/// How long to wait before asking for a lock again.
const BUSY_STEP: Duration = Duration::from_millis(1);
/// How long this process may keep the lock, group after group, while others want it.
const LONGEST_HOLD: Duration = Duration::from_millis(20);
/// How long it leaves the lock then. A little over `BUSY_STEP`, so that whoever waits in such steps gets it.
const GAP: Duration = Duration::from_micros(1500);
/// Another process counts as writing for so long after its last commit.
const NEIGHBOUR_MEMORY: Duration = Duration::from_secs(10);
/// How far the time of day may part from the monotonic clock until somebody must have set it.
const CLOCK_LEAP: Duration = Duration::from_secs(1);

/// What the writer is told.
pub(super) enum Message {
    Run(Box<dyn Operation>),
    /// The file changed; perhaps by another process.
    Look,
    Close,
}

/// One caller's wish, whatever its answer's type.
pub(super) trait Operation: Send {
    fn plan(&self) -> Plan;
    /// True if it needs no transaction: there is nothing to do, and it has its answer.
    fn is_idle(&mut self, step: &mut Step<'_>) -> Result<bool>;
    fn run(&mut self, step: &mut Step<'_>) -> Result<()>;
    /// Answers the caller: with what `run` found, or with this error.
    fn answer(self: Box<Self>, committed: Result<()>);
}

/// How an operation is to be run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// How many items it writes.
    pub(super) items: usize,
    /// Its commit must survive a power cut.
    pub(super) durable: bool,
    /// It may find that there is nothing to do.
    pub(super) may_idle: bool,
    /// The application's own: it may change anything.
    pub(super) foreign: bool,
}

impl Plan {
    pub(super) fn durable(items: usize) -> Self {
        Self {
            items,
            durable: true,
            may_idle: false,
            foreign: false,
        }
    }

    /// A power cut would only repeat what it did.
    pub(super) fn repeatable(items: usize) -> Self {
        Self {
            durable: false,
            ..Self::durable(items)
        }
    }

    pub(super) fn may_idle(self) -> Self {
        Self {
            may_idle: true,
            ..self
        }
    }

    pub(super) fn foreign(self) -> Self {
        Self {
            foreign: true,
            ..self
        }
    }
}

struct Call<T, P, W> {
    plan: Plan,
    peek: Option<P>,
    work: Option<W>,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, P, W> Operation for Call<T, P, W>
where
    T: Send,
    P: FnOnce(&mut Step<'_>) -> Result<Option<T>> + Send,
    W: FnOnce(&mut Step<'_>) -> Result<T> + Send,
{
    fn plan(&self) -> Plan {
        self.plan
    }

    fn is_idle(&mut self, step: &mut Step<'_>) -> Result<bool> {
        if let Some(peek) = self.peek.take() {
            self.outcome = peek(step)?;
        }
        Ok(self.outcome.is_some())
    }

    fn run(&mut self, step: &mut Step<'_>) -> Result<()> {
        if let Some(work) = self.work.take() {
            self.outcome = Some(work(step)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let Self { outcome, reply, .. } = *self;
        let answer = committed.and_then(|()| {
            outcome.ok_or_else(|| {
                Error::store("the SQLite writer had no answer: this is a bug of Lullaby's")
            })
        });
        // A caller that is gone needs no answer; claimed jobs look after themselves (see `Claimed`).
        let _ = reply.send(answer);
    }
}

/// The callers' side.
#[derive(Debug)]
pub(super) struct Writer {
    inbox: Sender<Message>,
    thread: Option<JoinHandle<()>>,
    pace: Arc<Pace>,
}

/// What the writer's thread shows to others.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// It works, and will look for foreign changes before it rests.
    busy: AtomicBool,
    /// A `Look` is on its way.
    looking: AtomicBool,
    /// The log was written to since the last look.
    touched: AtomicBool,
    /// The store is being closed: waiting for locks ends.
    closing: AtomicBool,
}

/// Tells the writer that the file changed, unless it will look anyway.
#[derive(Clone, Debug)]
pub(super) struct Nudge {
    inbox: Sender<Message>,
    pace: Arc<Pace>,
}

impl Nudge {
    pub(super) fn look(&self) {
        self.pace.touched.store(true, Ordering::SeqCst);
        if !self.pace.busy.load(Ordering::SeqCst) && !self.pace.looking.swap(true, Ordering::SeqCst)
        {
            // A closed store has nobody to tell.
            let _ = self.inbox.send(Message::Look);
        }
    }
}

impl Writer {
    pub(super) fn start(
        conn: Connection,
        memo: Memo,
        options: &SqliteOptions,
        signals: Arc<Signals>,
    ) -> Result<Self> {
        let (sender, inbox) = mpsc::channel();
        let pace = Arc::new(Pace::default());
        let host = SystemClock::default();
        let loop_ = Loop {
            wall_offset: wall_offset(&*options.clock),
            next_tick: host.monotonic() + POLL,
            looks: Looks::default(),
            data_version: data_version(&conn)?,
            conn,
            memo,
            inbox,
            clock: options.clock.clone(),
            durability: options.durability,
            patience: options.patience,
            pace: pace.clone(),
            signals,
            synced: None,
            held: Duration::ZERO,
            neighbour_at: None,
            host,
        };
        let thread = thread::Builder::new()
            .name("lullaby-sqlite".to_owned())
            .spawn(move || loop_.run())
            .map_err(|error| Error::store_because("cannot start the writer's thread", error))?;
        Ok(Self {
            inbox: sender,
            thread: Some(thread),
            pace,
        })
    }

    pub(super) fn nudge(&self) -> Nudge {
        Nudge {
            inbox: self.inbox.clone(),
            pace: self.pace.clone(),
        }
    }

    pub(super) fn inbox(&self) -> Sender<Message> {
        self.inbox.clone()
    }

    /// Runs `work` in a group's transaction. A future that is dropped leaves it running.
    pub(super) async fn run<T, W>(&self, plan: Plan, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&mut Step<'_>) -> Result<T> + Send + 'static,
    {
        self.run_unless(plan, |_| Ok(None), work).await
    }

    /// As `run`, unless `peek` finds, outside any transaction, that there is nothing to do.
    pub(super) async fn run_unless<T, P, W>(&self, plan: Plan, peek: P, work: W) -> Result<T>
    where
        T: Send + 'static,
        P: FnOnce(&mut Step<'_>) -> Result<Option<T>> + Send + 'static,
        W: FnOnce(&mut Step<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call = Call {
            plan,
            peek: Some(peek),
            work: Some(work),
            outcome: None,
            reply,
        };
        let closed = || Error::store("the SQLite store was closed before it could answer");
        self.inbox
            .send(Message::Run(Box::new(call)))
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// Runs `work` without waiting for its answer.
pub(super) fn post(
    inbox: &Sender<Message>,
    plan: Plan,
    work: impl FnOnce(&mut Step<'_>) -> Result<()> + Send + 'static,
) {
    let (reply, _) = oneshot::channel();
    let call = Call {
        plan,
        peek: Some(|_: &mut Step<'_>| Ok(None)),
        work: Some(work),
        outcome: None,
        reply,
    };
    // A closed store lets go of its owner's lock, and others return its jobs.
    let _ = inbox.send(Message::Run(Box::new(call)));
}

impl Drop for Writer {
    /// Waits for what was already taken in; not for a lock that another process holds.
    fn drop(&mut self) {
        self.pace.closing.store(true, Ordering::SeqCst);
        let _ = self.inbox.send(Message::Close);
        if let Some(thread) = self.thread.take() {
            // The application's own work may hold the last reference to the store: then this is the writer's thread.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// The writer's thread.
struct Loop {
    conn: Connection,
    memo: Memo,
    inbox: Receiver<Message>,
    clock: Arc<dyn Clock>,
    /// Locks and polls are real, whatever clock the store goes by.
    host: SystemClock,
    durability: Durability,
    patience: Duration,
    pace: Arc<Pace>,
    signals: Arc<Signals>,
    /// Whether commits are synced at the moment, if known.
    synced: Option<bool>,
    /// How long the lock was held since others last had a chance.
    held: Duration,
    /// When another process committed last.
    neighbour_at: Option<Duration>,
    /// Changes when another connection commits.
    data_version: i64,
    next_tick: Duration,
    looks: Looks,
    /// The time of day minus the monotonic clock, in milliseconds.
    wall_offset: i128,
}

fn wall_offset(clock: &dyn Clock) -> i128 {
    i128::from(clock.now().as_millis()) - clock.monotonic().as_millis().cast_signed()
}

fn data_version(conn: &Connection) -> Result<i64> {
    let mut statement = conn.prepare_cached("PRAGMA data_version")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

impl Loop {
    fn run(mut self) {
        loop {
            // In this order: what changes from here on is told by a nudge, what changed before is seen by this look.
            self.pace.busy.store(false, Ordering::SeqCst);
            self.look();
            let wake_at = self.looks.next().unwrap_or(self.next_tick);
            let wake_at = wake_at.min(self.next_tick);
            let rest = wake_at.saturating_sub(self.host.monotonic());
            match self.inbox.recv_timeout(rest) {
                Ok(Message::Run(first)) => {
                    self.pace.busy.store(true, Ordering::SeqCst);
                    if self.run_group(first) {
                        break;
                    }
                }
                Ok(Message::Look) => self.pace.looking.store(false, Ordering::SeqCst),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.host.monotonic() >= self.next_tick {
                self.tick();
            }
        }
        self.close();
    }

    /// Raises all signals if another connection committed since the last look.
    fn look(&mut self) {
        let now = self.host.monotonic();
        if self.pace.touched.swap(false, Ordering::SeqCst) {
            self.looks.touched(now);
        } else {
            self.looks.taken(now);
        }
        // A file that cannot be read now is looked at again at the next tick.
        if let Ok(version) = data_version(&self.conn)
            && version != self.data_version
        {
            self.data_version = version;
            self.neighbour_at = Some(now);
            self.signals.raise_all();
        }
    }

    /// Once in `POLL`: what nothing else tells.
    fn tick(&mut self) {
        self.next_tick = self.host.monotonic() + POLL;
        if !self.memo.owner.dead().is_empty() {
            self.signals.raise(Topic::Orphans);
        }
        let offset = wall_offset(&*self.clock);
        if offset.abs_diff(self.wall_offset) > CLOCK_LEAP.as_millis() {
            self.signals.raise(Topic::Due);
        }
        self.wall_offset = offset;
    }

    /// Takes what waits, and runs it. True if the store is to be closed.
    fn run_group(&mut self, first: Box<dyn Operation>) -> bool {
        let mut closing = false;
        let mut items = first.plan().items;
        let mut group = vec![first];
        while group.len() < MOST_CALLERS && items < ENOUGH_ITEMS {
            match self.inbox.try_recv() {
                Ok(Message::Run(next)) => {
                    items += next.plan().items;
                    group.push(next);
                }
                Ok(Message::Look) => self.pace.looking.store(false, Ordering::SeqCst),
                Ok(Message::Close) => {
                    closing = true;
                    break;
                }
                Err(_) => break,
            }
        }
        if group.iter().all(|one| one.plan().may_idle) {
            group = self.answer_idle(group);
        }
        if !group.is_empty() {
            self.write_group(group);
        }
        closing
    }

    /// Answers those that have nothing to do, so that an idle process neither takes the lock nor writes.
    fn answer_idle(&mut self, group: Vec<Box<dyn Operation>>) -> Vec<Box<dyn Operation>> {
        let mut busy = Vec::new();
        for mut one in group {
            let mut step = Step {
                conn: &self.conn,
                now: self.clock.now(),
                memo: &mut self.memo,
            };
            match one.is_idle(&mut step) {
                Ok(true) => one.answer(Ok(())),
                Ok(false) => busy.push(one),
                Err(error) => one.answer(Err(error)),
            }
        }
        busy
    }

    fn write_group(&mut self, group: Vec<Box<dyn Operation>>) {
        let mut group = VecDeque::from(group);
        while !group.is_empty() {
            self.write_transaction(&mut group);
        }
    }

    /// Runs those of the group that share a commit, mostly all, and answers them.
    fn write_transaction(&mut self, group: &mut VecDeque<Box<dyn Operation>>) {
        self.leave_gap();
        let durable = group.iter().any(|one| one.plan().durable);
        let began = self.host.monotonic();
        let outcome = self
            .sync(durable)
            .and_then(|()| begin(&self.conn, &self.host, self.patience, &self.pace));
        let step = match outcome {
            Ok(transaction) => transaction,
            Err(error) => return refuse(group.drain(..), &error),
        };
        let mut done = Vec::with_capacity(group.len());
        self.memo.look_afresh();
        let ran = run_all(&step, &mut self.memo, &*self.clock, group, &mut done);
        match ran.and_then(|committed| {
            if committed {
                return Ok(());
            }
            crate::failpoint::hit("commit.before");
            Ok(step.commit()?)
        }) {
            Ok(()) => {
                crate::failpoint::hit("commit.after");
                for topic in self.memo.take_topics() {
                    self.signals.raise(topic);
                }
                for (one, outcome) in done {
                    one.answer(outcome);
                }
            }
            Err(error) => {
                self.memo.take_topics();
                self.memo.doubt();
                let done = done.into_iter().map(|(one, _)| one);
                refuse(done.chain(group.drain(..)), &error);
            }
        }
        self.held += self.host.monotonic().saturating_sub(began);
    }

    /// Leaves the lock free for a moment if this process had it for long and another one writes, too.
    fn leave_gap(&mut self) {
        if self.held < LONGEST_HOLD {
            return;
        }
        self.held = Duration::ZERO;
        let now = self.host.monotonic();
        if self
            .neighbour_at
            .is_some_and(|at| now < at + NEIGHBOUR_MEMORY)
        {
            thread::park_timeout(GAP);
        }
    }

    /// Sets whether the next commit is synced.
    fn sync(&mut self, durable: bool) -> Result<()> {
        let wanted = durable && self.durability == Durability::Full;
        if self.synced != Some(wanted) {
            self.conn.execute_batch(if wanted {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            })?;
            self.synced = Some(wanted);
        }
        Ok(())
    }

    fn close(mut self) {
        let owner = &mut self.memo.owner;
        if let Some(id) = owner.held() {
            // If in doubt, the file stays: others then look for jobs and remove it.
            let leaves_jobs = maintain::owns_jobs(&self.conn, id).unwrap_or(true);
            owner.release(leaves_jobs);
        }
    }
}

fn refuse(group: impl Iterator<Item = Box<dyn Operation>>, error: &Error) {
    for one in group {
        one.answer(Err(error.clone()));
    }
}

/// Takes the write lock, in steps of a millisecond, for as long as patience lasts.
fn begin<'a>(
    conn: &'a Connection,
    host: &SystemClock,
    patience: Duration,
    pace: &Pace,
) -> Result<Transaction<'a>> {
    let deadline = host.monotonic() + patience;
    loop {
        match Transaction::new_unchecked(conn, TransactionBehavior::Immediate) {
            Err(error)
                if is_busy(&error)
                    && host.monotonic() < deadline
                    && !pace.closing.load(Ordering::SeqCst) =>
            {
                thread::park_timeout(BUSY_STEP);
            }
            outcome => return Ok(outcome?),
        }
    }
}

type Done = Vec<(Box<dyn Operation>, Result<()>)>;

/// Runs each of the group in a savepoint of its own, until one has committed at once: then the answer is true, and the others are left. An
/// error means that the transaction is lost for all of them.
fn run_all(
    conn: &Transaction<'_>,
    memo: &mut Memo,
    clock: &dyn Clock,
    group: &mut VecDeque<Box<dyn Operation>>,
    done: &mut Done,
) -> Result<bool> {
    while let Some(mut one) = group.pop_front() {
        let ran = run_one(conn, memo, clock, &mut *one);
        let (outcome, committed) = match ran {
            Ok(Ran::InGroup(outcome)) => (outcome, Ok(false)),
            Ok(Ran::Committed) => (Ok(()), Ok(true)),
            Err(error) => (Ok(()), Err(error)),
        };
        done.push((one, outcome));
        if !matches!(committed, Ok(false)) {
            return committed;
        }
    }
    Ok(false)
}

/// What became of one operation.
enum Ran {
    /// Its own outcome; the commit is still to come.
    InGroup(Result<()>),
    /// It went well, and was committed with all that ran before it.
    Committed,
}

/// An error has cost the whole transaction.
fn run_one(
    conn: &Transaction<'_>,
    memo: &mut Memo,
    clock: &dyn Clock,
    one: &mut dyn Operation,
) -> Result<Ran> {
    conn.prepare_cached("SAVEPOINT caller")?.execute([])?;
    if one.plan().foreign {
        memo.look_afresh();
    }
    let mut step = Step {
        conn,
        now: clock.now(),
        memo: &mut *memo,
    };
    // A panic in the application's own work is that caller's alone.
    let mut outcome = catch_unwind(AssertUnwindSafe(|| one.run(&mut step))).unwrap_or_else(|_| {
        Err(Error::store(
            "the work given to the SQLite writer panicked; nothing of it was written",
        ))
    });
    if one.plan().foreign {
        memo.look_afresh();
    }
    if conn.is_autocommit() {
        // SQLite rolls everything back on some errors (disk full, I/O); or the application's work said COMMIT.
        return Err(outcome.err().unwrap_or_else(|| {
            Error::store("the work given to the SQLite writer ended the transaction; it must not")
        }));
    }
    if outcome.is_ok() && one.plan().foreign && memo.deferred_keys.may_be_broken(conn)? {
        crate::failpoint::hit("commit.before");
        match conn.execute_batch("COMMIT") {
            Ok(()) => return Ok(Ran::Committed),
            // It broke a key: all before it can still be committed.
            Err(error) if !conn.is_autocommit() => outcome = Err(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    if outcome.is_err() {
        memo.doubt();
        conn.prepare_cached("ROLLBACK TO caller")?.execute([])?;
    }
    conn.prepare_cached("RELEASE caller")?.execute([])?;
    Ok(Ran::InGroup(outcome))
}
