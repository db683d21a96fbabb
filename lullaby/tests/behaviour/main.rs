//! What a user of the library sees: producers, workers, schedulers, the testing kit.

mod producer;
mod rehearsal;
mod scheduler;
mod steer;
mod testing;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lullaby::{Context, Failure, Lullaby, Shutdown, Task, Tasks, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// Long enough for any machine, short enough to end a broken test.
const PATIENCE: Duration = Duration::from_secs(20);

macro_rules! task {
    ($name:ident { $($field:ident : $type:ty),* } -> $output:ty, $wire:literal) => {
        #[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
        pub(crate) struct $name { $(pub(crate) $field: $type),* }
        impl Task for $name {
            const NAME: &'static str = $wire;
            type Output = $output;
        }
    };
}

task!(Add { a: i64, b: i64 } -> i64, "demo.add");
task!(Fail { message: String } -> (), "demo.fail");
task!(Flaky { failures: u32 } -> u32, "demo.flaky");
task!(Panic {} -> (), "demo.panic");
task!(Nap { seconds: u64 } -> (), "demo.nap");
task!(Gate {} -> (), "demo.gate");
task!(Heed {} -> (), "demo.heed");
task!(Burn {} -> (), "demo.burn");
task!(Snooze {} -> u32, "demo.snooze");
task!(Unknown {} -> (), "demo.unknown");

/// What the handlers share with the test.
pub(crate) struct Shared {
    pub(crate) runs: AtomicUsize,
    pub(crate) at_once: AtomicUsize,
    pub(crate) most_at_once: AtomicUsize,
    /// A permit for each handler that has begun.
    pub(crate) entered: Semaphore,
    /// A permit for each that may end.
    pub(crate) gate: Semaphore,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            runs: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            entered: Semaphore::new(0),
            gate: Semaphore::new(0),
        }
    }
}

impl Shared {
    pub(crate) async fn until_entered(&self) {
        self.entered.acquire().await.expect("open").forget();
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

pub(crate) fn tasks(shared: &Arc<Shared>) -> Tasks {
    Tasks::new()
        .state(shared.clone())
        .task(async |task: Add, _: Context| task.a + task.b)
        .task(async |task: Fail, _: Context| Err::<(), _>(task.message))
        .task(flaky)
        .task(async |_: Panic, _: Context| -> () { panic!("on purpose") })
        .task(async |task: Nap, ctx: Context| ctx.sleep(Duration::from_secs(task.seconds)).await)
        .task(gate)
        .task(heed)
        .task(snooze)
        .blocking(|_: Burn, ctx: Context| -> Result<(), Failure> {
            let shared = ctx.state::<Shared>()?;
            shared.entered.add_permits(1);
            while !ctx.is_canceled() {
                std::thread::yield_now();
            }
            Ok(())
        })
}

async fn flaky(task: Flaky, ctx: Context) -> Result<u32, String> {
    if ctx.attempt() <= task.failures {
        return Err(format!("try {} fails", ctx.attempt()));
    }
    Ok(ctx.attempt())
}

/// Runs until the test opens the gate, and counts how many do at once.
async fn gate(_: Gate, ctx: Context) -> Result<(), Failure> {
    let shared = ctx.state::<Shared>()?;
    let now = shared.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    shared.most_at_once.fetch_max(now, Ordering::SeqCst);
    shared.entered.add_permits(1);
    shared.gate.acquire().await.map_err(Failure::from)?.forget();
    shared.at_once.fetch_sub(1, Ordering::SeqCst);
    shared.runs.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

async fn heed(_: Heed, ctx: Context) -> Result<(), Failure> {
    let shared = ctx.state::<Shared>()?;
    shared.entered.add_permits(1);
    ctx.canceled().await;
    shared.runs.fetch_add(1, Ordering::SeqCst);
    Err(Failure::from("heeded"))
}

async fn snooze(_: Snooze, ctx: Context) -> Result<u32, Failure> {
    let shared = ctx.state::<Shared>()?;
    if shared.runs.fetch_add(1, Ordering::SeqCst) == 0 {
        return Err(Failure::snooze(Duration::from_secs(60)));
    }
    Ok(ctx.attempt())
}

/// A worker that runs beside the test.
pub(crate) struct Running {
    pub(crate) shutdown: Shutdown,
    pub(crate) ended: tokio::task::JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(worker: Worker) -> Self {
        let shutdown = Shutdown::new();
        let switch = shutdown.clone();
        Self {
            shutdown,
            ended: tokio::spawn(worker.run(switch)),
        }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.warm();
        self.ended.await.expect("the worker does not panic");
    }
}

pub(crate) async fn memory() -> Lullaby {
    Lullaby::open("memory:").await.expect("opens")
}
