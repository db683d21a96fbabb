//! The jobs that a worker has in hand: claimed, running, or ended and not settled yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};

use super::QueueOrder;
use super::execute::execute;
use crate::backoff::Pause;
use crate::client::Lullaby;
use crate::error::Result;
use crate::job::{Execution, Job, QueueName, Token};
use crate::shutdown::{Shutdown, Stop};
use crate::store::{Claim, Ending, Renewed, Settled, Settlement};
use crate::task::Tasks;
use crate::webhook::{Deliveries, Notice};

/// What a running job is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Order {
    /// Run.
    #[default]
    Run,
    /// Somebody asked to stop it, or its time is over: end soon.
    Stop,
    /// Somebody wants it dead: it fails, now.
    Kill,
    /// The worker must go: give it back.
    GiveBack,
    /// It is somebody else's by now: drop it.
    Forget,
}

/// See the module.
pub(crate) struct Crew {
    pub(crate) lullaby: Lullaby,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) name: String,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) blocking: Semaphore,
    pub(crate) deliveries: Deliveries,
    order: QueueOrder,
    /// Counts claims, to begin each with another queue when they take turns.
    turn: AtomicUsize,
    /// Every execution that is ours until it is settled.
    hands: Mutex<HashMap<Token, Hand>>,
    /// Handlers that run: what `concurrency` bounds. Also wakes whoever waits for fewer, or more.
    busy: watch::Sender<usize>,
    /// Endings that the store has not heard of.
    pending: Mutex<Vec<Settlement>>,
    pending_more: Notify,
    /// How many executions are ours until settled.
    unsettled: watch::Sender<usize>,
}

struct Hand {
    execution: Execution,
    orders: watch::Sender<Order>,
    notice: Option<Box<Notice>>,
}

impl Crew {
    #[expect(
        clippy::too_many_arguments,
        reason = "the builder is the public face; this is its one caller"
    )]
    pub(super) fn new(
        lullaby: Lullaby,
        tasks: Arc<Tasks>,
        name: String,
        queues: Vec<QueueName>,
        order: QueueOrder,
        concurrency: usize,
        blocking_threads: usize,
        lease: Duration,
    ) -> Self {
        Self {
            deliveries: Deliveries::new(lullaby.clone()),
            lullaby,
            tasks,
            name,
            queues,
            concurrency,
            lease,
            blocking: Semaphore::new(blocking_threads),
            order,
            turn: AtomicUsize::new(0),
            hands: Mutex::default(),
            busy: watch::Sender::new(0),
            pending: Mutex::default(),
            pending_more: Notify::new(),
            unsettled: watch::Sender::new(0),
        }
    }

    fn hands(&self) -> MutexGuard<'_, HashMap<Token, Hand>> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, Vec<Settlement>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn busy(&self) -> usize {
        *self.busy.borrow()
    }

    pub(crate) fn free(&self) -> usize {
        self.concurrency.saturating_sub(self.busy())
    }

    pub(crate) fn shares_queues(&self) -> bool {
        self.order == QueueOrder::RoundRobin && self.queues.len() > 1
    }

    /// Claims up to `free` jobs and sets them running; answers how many. Cancel safe once the store is: a claim whose answer nobody
    /// hears is the store's to give back.
    pub(crate) async fn claim(self: &Arc<Self>, free: usize) -> Result<usize> {
        let mut queues = self.queues.clone();
        let mut max = free;
        if self.shares_queues() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            queues.rotate_left(turn % self.queues.len());
            max = free.div_ceil(queues.len());
        }
        let claim = Claim {
            worker: self.name.clone(),
            queues,
            max,
            lease: self.lease,
        };
        let jobs = self.lullaby.store().claim(claim).await?;
        let count = jobs.len();
        if count > 0 {
            crate::failpoint::hit("claim.claimed");
        }
        for job in jobs {
            self.start(job);
        }
        for job in self.lullaby.store().take_refused() {
            self.deliveries.tell_of_failed(&job);
        }
        Ok(count)
    }

    fn start(self: &Arc<Self>, job: Job) {
        let Some(execution) = job.execution() else {
            tracing::error!(job = %job.id, "the store gave a job without a token; left to its lease");
            return;
        };
        let (orders, heard) = watch::channel(Order::Run);
        let hand = Hand {
            execution: execution.clone(),
            orders: orders.clone(),
            notice: self.deliveries.note(&job),
        };
        self.hands().insert(execution.token, hand);
        self.unsettled.send_modify(|count| *count += 1);
        self.busy.send_modify(|busy| *busy += 1);
        let crew = self.clone();
        tokio::spawn(async move {
            execute(&crew, job, execution, orders, heard).await;
            crew.busy.send_modify(|busy| *busy -= 1);
        });
    }

    /// Notes how an execution ended; the settler takes it from here.
    pub(super) fn end(&self, execution: Execution, ending: Ending) {
        self.pending().push(Settlement { execution, ending });
        self.pending_more.notify_one();
    }

    /// The execution is not ours any more; there is nothing to settle.
    pub(super) fn forget(&self, token: Token) {
        self.let_go(token);
    }

    /// Answers who is to hear of its end.
    fn let_go(&self, token: Token) -> Option<Box<Notice>> {
        let hand = self.hands().remove(&token)?;
        self.unsettled.send_modify(|count| *count -= 1);
        hand.notice
    }

    /// Tells the store of every ending that it has not heard of, in one step; answers how many. On an error they are kept.
    pub(crate) async fn settle(&self) -> Result<usize> {
        let batch = std::mem::take(&mut *self.pending());
        if batch.is_empty() {
            return Ok(0);
        }
        crate::failpoint::hit("settle.before");
        match self.lullaby.store().settle(batch.clone()).await {
            Ok(answers) => {
                crate::failpoint::hit("settle.after");
                for (settlement, answer) in batch.iter().zip(answers) {
                    if answer == Settled::TakenOver {
                        tracing::warn!(job = %settlement.execution.job, "ended, but another execution had taken over; nothing was written");
                    }
                    let notice = self.let_go(settlement.execution.token);
                    if let Some(notice) = notice.filter(|_| answer == Settled::Done) {
                        self.deliveries.tell(*notice, &settlement.ending);
                    }
                }
                Ok(batch.len())
            }
            Err(error) => {
                let mut pending = self.pending();
                let newer = std::mem::replace(&mut *pending, batch);
                pending.extend(newer);
                Err(error)
            }
        }
    }

    /// Settles whatever ends. What ends while one settlement is under way goes into the next one together.
    pub(super) async fn settle_until(&self, end: &Shutdown) {
        let clock = self.lullaby.clock().as_ref();
        let mut pause = Pause::when_it_cannot("settle jobs");
        loop {
            let health = self.lullaby.health();
            match health.watch("settling", clock, self.settle()).await {
                Ok(0) => {
                    tokio::select! {
                        () = self.pending_more.notified() => {}
                        () = end.reached(Stop::Cold) => break,
                    }
                }
                Ok(_) => pause.reset(),
                Err(error) => {
                    tokio::select! {
                        () = pause.rest(clock, &error) => {}
                        () = end.reached(Stop::Cold) => break,
                    }
                }
            }
        }
        self.lullaby.health().retire("settling");
    }

    fn executions(&self) -> Vec<Execution> {
        self.hands()
            .values()
            .map(|hand| hand.execution.clone())
            .collect()
    }

    /// Extends every lease.
    pub(crate) async fn renew(&self) -> Result<()> {
        let executions = self.executions();
        if executions.is_empty() {
            return Ok(());
        }
        let answers = self
            .lullaby
            .store()
            .renew(executions.clone(), self.lease)
            .await?;
        crate::failpoint::hit("renew.extended");
        for (execution, answer) in executions.iter().zip(answers) {
            match answer {
                Renewed::Renewed => {}
                Renewed::StopRequested => self.order(execution.token, Order::Stop),
                Renewed::TakenOver => self.order(execution.token, Order::Forget),
            }
        }
        Ok(())
    }

    /// Reads, without writing, who is to stop: foreign commits cause this, and must not cause commits in turn.
    pub(super) async fn hear_orders(&self) -> Result<()> {
        let executions = self.executions();
        let ids: Vec<_> = executions.iter().map(|one| one.job.clone()).collect();
        let jobs = self.lullaby.store().jobs(&ids).await?;
        for (execution, job) in executions.iter().zip(jobs) {
            let stop =
                job.is_some_and(|job| job.stop_requested && job.token == Some(execution.token));
            if stop {
                self.order(execution.token, Order::Stop);
            }
        }
        Ok(())
    }

    fn order(&self, token: Token, order: Order) {
        if let Some(hand) = self.hands().get(&token) {
            raise(&hand.orders, order);
        }
    }

    pub(super) fn order_all(&self, order: Order) {
        for hand in self.hands().values() {
            raise(&hand.orders, order);
        }
    }

    /// Nothing runs and nothing is unsettled.
    pub(super) fn is_idle(&self) -> bool {
        self.busy() == 0 && *self.unsettled.borrow() == 0
    }

    /// Completes when a handler ends.
    pub(super) async fn hand_freed(&self) {
        let concurrency = self.concurrency;
        wait_for(&self.busy, |busy| busy < concurrency).await;
    }

    /// Changes whenever an execution begins or is settled.
    pub(super) fn settlements(&self) -> watch::Receiver<usize> {
        self.unsettled.subscribe()
    }

    /// Completes when there is something in hand.
    pub(super) async fn until_busy(&self) {
        wait_for(&self.unsettled, |count| count > 0).await;
    }

    /// Completes when nothing runs and nothing is unsettled.
    pub(super) async fn until_idle(&self) {
        self.until_settled().await;
        wait_for(&self.busy, |busy| busy == 0).await;
    }

    /// Completes when nothing is unsettled; a stuck blocking handler may still run.
    pub(super) async fn until_settled(&self) {
        wait_for(&self.unsettled, |count| count == 0).await;
    }

    /// To wait for handlers to end.
    pub(crate) fn busy_changes(&self) -> watch::Receiver<usize> {
        self.busy.subscribe()
    }
}

async fn wait_for(count: &watch::Sender<usize>, reached: impl Fn(usize) -> bool) {
    // Never fails: the sender outlives the call.
    let _ = count.subscribe().wait_for(|count| reached(*count)).await;
}

/// Orders only get stronger.
fn raise(orders: &watch::Sender<Order>, order: Order) {
    orders.send_if_modified(|now| {
        let stronger = order > *now;
        *now = order.max(*now);
        stronger
    });
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Crew({}, {} of {} busy)",
            self.name,
            self.busy(),
            self.concurrency
        )
    }
}
