//! The worker: claims jobs, runs them, settles them.

mod builder;
mod crew;
mod execute;

use std::time::Duration;

use tokio::task::JoinSet;

use crate::backoff::Pause;
use crate::clock::{Timestamp, until};
use crate::shutdown::{Shutdown, Stop};
use crate::store::{Signal, Topic, WorkerCommand, WorkerRecord};
use crate::{audit, maintenance, scheduler};

pub use self::builder::{QueueOrder, WorkerBuilder};
pub(crate) use self::crew::{Crew, Order};

/// The lease of a claimed job, renewed every third of it: a stalled worker's jobs are back in their queue after this.
pub const LEASE: Duration = Duration::from_secs(15);

/// How often a worker says that it is there. Others take it off the list when they have heard nothing for 90 s.
const ANNOUNCE: Duration = Duration::from_secs(30);

/// How long a worker that must go at once waits for the store to take its jobs back; after that their leases do it.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(3);

/// How many jobs are claimed in one step at most.
const BATCH: usize = 512;

/// Runs jobs from its queues, many at once, until it is told to stop.
///
/// A worker also moves what is due and keeps the house, unless told otherwise: one process is a whole system, and any number of them
/// share a store. Store errors make it pause and go on; they never end it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lullaby::Result<()> {
/// use lullaby::{Context, Lullaby, Shutdown, Task, Tasks, Worker};
/// use std::time::Duration;
///
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Feed { pet: String }
/// # impl Task for Feed { const NAME: &'static str = "feed"; type Output = (); }
/// # let lullaby = Lullaby::open("memory:").await?;
/// # lullaby.queue("low")?.enqueue(Feed { pet: "Mochi".into() }).await?;
/// let tasks = Tasks::new().task(async |task: Feed, _: Context| println!("{} eats", task.pet));
/// let worker = Worker::builder(&lullaby, tasks)
///     .queues(["high", "low"])
///     .concurrency(50)
///     .drain_within(Duration::from_secs(10))
///     .build()?;
/// let shutdown = Shutdown::new(); // a service takes Shutdown::on_signals()
/// let running = tokio::spawn(worker.run(shutdown.clone()));
/// // … and when it is to end:
/// # lullaby.queue("low")?.enqueue(Feed { pet: "Bo".into() }).await?.wait(Duration::from_secs(5)).await?;
/// shutdown.warm();
/// running.await.expect("no panic");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Worker {
    crew: std::sync::Arc<Crew>,
    burst: bool,
    with_scheduler: bool,
    drain: Option<Duration>,
}

impl Worker {
    /// A worker for these tasks on this store.
    pub fn builder(lullaby: &crate::Lullaby, tasks: crate::Tasks) -> WorkerBuilder {
        WorkerBuilder::new(lullaby.clone(), tasks)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.crew.name
    }

    pub(crate) fn into_crew(self) -> std::sync::Arc<Crew> {
        self.crew
    }

    /// Runs until `shutdown`: a warm one ends when the running jobs have (or the time given by
    /// [`drain_within`](WorkerBuilder::drain_within) is over), a cold one gives them back at once. In burst mode also ends when its queues
    /// are empty. [Webhooks](crate::Webhook) under way get 3 s after a stop, and all their time in burst mode.
    ///
    /// Dropping the future is as a crash: its handlers are dropped too (a blocking one goes on to its end), nothing is settled any more,
    /// and its jobs come back by their leases.
    pub async fn run(self, shutdown: Shutdown) {
        let _crash = Crash(self.crew.clone());
        self.crew.deliveries.begin();
        tracing::info!(worker = %self.crew.name, queues = ?self.crew.queues, concurrency = self.crew.concurrency, "worker started");
        // What must go on while running jobs drain ends by this second switch.
        let settled = Shutdown::new();
        let mut duties = JoinSet::new();
        let crew = self.crew.clone();
        let end = settled.clone();
        duties.spawn(async move { crew.settle_until(&end).await });
        // Before the first job, too: a stop request that nobody hears of would wait for the next renewal.
        let control = self.crew.lullaby.store().signals().listen(Topic::Control);
        let crew = self.crew.clone();
        let end = settled.clone();
        duties.spawn(async move { renew(&crew, control, &end).await });
        // Before the first job: whoever sees a worker run one may tell it something.
        let started_at = self.crew.lullaby.now();
        announce(&self.crew, started_at).await;
        let crew = self.crew.clone();
        let end = settled.clone();
        duties.spawn(async move { announce_until(&crew, started_at, &end).await });
        let crew = self.crew.clone();
        let (end, switch) = (settled.clone(), shutdown.clone());
        duties.spawn(async move { obey(&crew, &switch, &end).await });
        if self.with_scheduler {
            let lullaby = self.crew.lullaby.clone();
            let end = settled.clone();
            duties.spawn(async move { audit::run(&lullaby, &end).await });
            let lullaby = self.crew.lullaby.clone();
            let end = shutdown.clone();
            let burst = self.burst.then(|| settled.clone());
            duties.spawn(async move {
                tokio::select! {
                    () = scheduler::run(&lullaby, &end) => {}
                    () = ended(burst.as_ref()) => {}
                }
            });
        }
        let crew = self.crew.clone();
        let end = settled.clone();
        duties.spawn(async move {
            maintenance::run(&crew.lullaby, crew.lease, &crew.deliveries, &end).await;
        });

        self.claim_until(&shutdown).await;
        self.drain(&shutdown).await;
        settled.cold();
        while duties.join_next().await.is_some() {}
        if self.with_scheduler {
            scheduler::leave(&self.crew.lullaby).await;
        }
        let clock = self.crew.lullaby.clock().as_ref();
        let farewell = self.crew.lullaby.store().retire_worker(&self.crew.name);
        if let Some(Err(error)) = until(clock, clock.now() + GIVE_BACK_WITHIN, farewell).await {
            tracing::warn!(%error, "could not take this worker off the list");
        }
        self.crew.deliveries.finish(&shutdown).await;
        self.crew.lullaby.health().retire("worker");
        tracing::info!(worker = %self.crew.name, "worker stopped");
    }

    /// Claims as many jobs as it has free hands, whenever there are any.
    async fn claim_until(&self, shutdown: &Shutdown) {
        let crew = &self.crew;
        let clock = crew.lullaby.clock().as_ref();
        let mut queued = crew.lullaby.store().signals().listen(Topic::Queued);
        let mut pause = Pause::when_it_cannot("claim jobs");
        let mut settled = crew.settlements();
        let mut drained = false;
        while shutdown.state() == Stop::No {
            let free = crew.free().min(BATCH);
            if free > 0 && !drained {
                queued.reset();
                settled.mark_unchanged();
                let claim = crew
                    .lullaby
                    .health()
                    .watch("worker", clock, crew.claim(free));
                match claim.await {
                    Ok(claimed) => {
                        pause.reset();
                        // Round robin asks each queue for its share, so only nothing means empty.
                        drained = claimed == 0 || (claimed < free && !crew.shares_queues());
                    }
                    Err(error) => {
                        tokio::select! {
                            () = pause.rest(clock, &error) => {}
                            () = shutdown.reached(Stop::Warm) => {}
                        }
                    }
                }
                continue;
            }
            let idle = crew.is_idle();
            if self.burst && drained && idle {
                if !settled.has_changed().unwrap_or(false) {
                    return;
                }
                // A job that was settled since that look at the queues may have let another one in.
                drained = false;
                continue;
            }
            tokio::select! {
                () = queued.raised() => drained = false,
                () = crew.hand_freed(), if !drained => {}
                _ = settled.changed(), if self.burst && !idle => drained = false,
                () = shutdown.reached(Stop::Warm) => {}
            }
        }
    }

    /// Waits for the running jobs, or gives them back.
    async fn drain(&self, shutdown: &Shutdown) {
        let crew = &self.crew;
        let clock = crew.lullaby.clock().as_ref();
        let patience = async {
            match self.drain {
                Some(drain) => clock.sleep_until(clock.now() + drain).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = crew.until_idle() => return,
            () = shutdown.reached(Stop::Cold) => {}
            () = patience => {}
        }
        crew.order_all(Order::GiveBack);
        let deadline = clock.now() + GIVE_BACK_WITHIN;
        if until(clock, deadline, crew.until_settled()).await.is_none() {
            tracing::warn!(
                "the store did not take back the running jobs in time; their leases will"
            );
        }
    }
}

/// Lets go of whatever is still in hand when the worker's future is dropped: handlers run in tasks of their own, and nobody would renew
/// their leases or settle them. After an orderly end there is nothing.
struct Crash(std::sync::Arc<Crew>);

impl Drop for Crash {
    fn drop(&mut self) {
        self.0.order_all(Order::Forget);
        self.0.deliveries.abandon();
    }
}

async fn ended(switch: Option<&Shutdown>) {
    match switch {
        Some(switch) => switch.reached(Stop::Cold).await,
        None => std::future::pending().await,
    }
}

/// Extends the leases of the jobs in hand, and hears who is to stop.
async fn renew(crew: &Crew, mut control: Signal, end: &Shutdown) {
    let clock = crew.lullaby.clock().as_ref();
    let mut renew_at = clock.now() + crew.lease / 3;
    loop {
        // Without jobs in hand nothing ticks.
        tokio::select! {
            () = crew.until_busy() => {}
            () = end.reached(Stop::Cold) => return,
        }
        renew_at = renew_at.min(clock.now() + crew.lease / 3);
        let looked = tokio::select! {
            () = control.raised() => {
                control.reset();
                crew.hear_orders().await
            }
            () = clock.sleep_until(renew_at) => {
                let renewed = crew.renew().await;
                renew_at = clock.now() + if renewed.is_ok() { crew.lease / 3 } else { RENEW_AGAIN };
                renewed
            }
            () = end.reached(Stop::Cold) => return,
        };
        if let Err(error) = looked {
            tracing::warn!(%error, "could not renew leases; trying again");
        }
    }
}

/// Does what somebody outside tells this worker.
async fn obey(crew: &Crew, shutdown: &Shutdown, end: &Shutdown) {
    let store = crew.lullaby.store();
    let mut control = store.signals().listen(Topic::Control);
    loop {
        control.reset();
        match store.take_commands(&crew.name).await {
            Ok(commands) => {
                for command in commands {
                    tracing::info!(?command, "told from outside");
                    match command {
                        WorkerCommand::Shutdown => shutdown.warm(),
                        WorkerCommand::KillHorse => crew.order_all(Order::Kill),
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "could not hear what this worker is told"),
        }
        tokio::select! {
            () = control.raised() => {}
            () = end.reached(Stop::Cold) => return,
        }
    }
}

/// After an error the leases are running out: soon again.
const RENEW_AGAIN: Duration = Duration::from_millis(500);

async fn announce(crew: &Crew, started_at: Timestamp) {
    let record = WorkerRecord {
        name: crew.name.clone(),
        queues: crew.queues.clone(),
        concurrency: crew.concurrency,
        running: crew.busy(),
        pid: std::process::id(),
        host: builder::host(),
        started_at,
        seen_at: crew.lullaby.now(),
    };
    if let Err(error) = crew.lullaby.store().announce_worker(record).await {
        tracing::warn!(%error, "could not announce this worker");
    }
}

async fn announce_until(crew: &Crew, started_at: Timestamp, end: &Shutdown) {
    let clock = crew.lullaby.clock().as_ref();
    loop {
        tokio::select! {
            () = clock.sleep_until(clock.now() + ANNOUNCE) => {}
            () = end.reached(Stop::Cold) => return,
        }
        announce(crew, started_at).await;
    }
}
