//! For your tests: a whole scheduler with a clock that you turn.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> lullaby::Result<()> {
//! use lullaby::testing::Sandbox;
//! use lullaby::{Context, NewJob, Status, Task, Tasks};
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize)]
//! struct WakePet;
//! impl Task for WakePet {
//!     const NAME: &'static str = "wake_pet";
//!     type Output = ();
//! }
//!
//! let sandbox = Sandbox::new(Tasks::new().task(async |_: WakePet, _: Context| {}))?;
//! let queue = sandbox.lullaby().queue("default")?;
//! let job = queue.enqueue_in(Duration::from_secs(20 * 60), WakePet).await?;
//!
//! sandbox.advance(Duration::from_secs(20 * 60 - 1)).await?;
//! assert_eq!(job.status().await?, Some(Status::Scheduled));
//! sandbox.advance(Duration::from_secs(1)).await?;
//! assert_eq!(job.status().await?, Some(Status::Finished));
//! # Ok(())
//! # }
//! ```

mod rehearsal;

use std::sync::Arc;
use std::time::Duration;

pub use self::rehearsal::{Outcome, Rehearsal, Rehearsed};

use crate::client::Lullaby;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::error::Result;
use crate::store::memory::MemoryStore;
use crate::task::Tasks;
use crate::worker::{Crew, Worker};
use crate::{maintenance, scheduler};

/// A store in memory, a worker and a scheduler on a [`ManualClock`]: nothing moves unless told to. It sends no [webhooks](crate::Webhook).
///
/// Use it in a current-thread runtime (`#[tokio::test]`'s default).
#[derive(Debug)]
pub struct Sandbox {
    lullaby: Lullaby,
    clock: ManualClock,
    crew: Arc<Crew>,
}

impl Sandbox {
    /// A sandbox whose clock shows 2026-01-01T00:00:00Z, with a worker on the queue `default`.
    ///
    /// # Errors
    /// None with these settings; the builder checks them all the same.
    pub fn new(tasks: Tasks) -> Result<Self> {
        Self::with_queues(tasks, ["default"])
    }

    /// With a worker on these queues, in strict order.
    ///
    /// # Errors
    /// If a queue's name is refused.
    pub fn with_queues<Q: Into<String>>(
        tasks: Tasks,
        queues: impl IntoIterator<Item = Q>,
    ) -> Result<Self> {
        let clock = ManualClock::new("2026-01-01T00:00:00Z".parse()?);
        let lullaby = Lullaby::with_store(MemoryStore::new(Arc::new(clock.clone())));
        Self::on(lullaby, clock, tasks, queues)
    }

    /// On a store of your own that was opened with `clock`.
    ///
    /// # Errors
    /// If a queue's name is refused.
    pub fn on<Q: Into<String>>(
        lullaby: Lullaby,
        clock: ManualClock,
        tasks: Tasks,
        queues: impl IntoIterator<Item = Q>,
    ) -> Result<Self> {
        let worker = Worker::builder(&lullaby, tasks)
            .queues(queues)
            .name("sandbox")
            .concurrency(1000)
            .build()?;
        Ok(Self {
            lullaby,
            clock,
            crew: worker.into_crew(),
        })
    }

    /// The opened store.
    #[must_use]
    pub fn lullaby(&self) -> &Lullaby {
        &self.lullaby
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Runs everything that is due until nothing is, and every running handler sleeps on the clock.
    ///
    /// # Errors
    /// A store error.
    pub async fn run_until_idle(&self) -> Result<()> {
        self.settle_down().await.map(|_| ())
    }

    /// Turns the clock forward by `by`, step by step: it stops at each moment at which something is due, and runs until idle there.
    ///
    /// # Errors
    /// A store error.
    pub async fn advance(&self, by: Duration) -> Result<()> {
        let target = self.clock.now() + by;
        loop {
            let next = self.settle_down().await?;
            if self.clock.now() >= target {
                return Ok(());
            }
            let next = next.unwrap_or(target).min(target);
            // What is due already and did not move would hold the clock for ever.
            self.clock
                .set(next.max(self.clock.now() + Duration::from_millis(1)));
        }
    }

    /// Answers when the next thing happens.
    async fn settle_down(&self) -> Result<Option<Timestamp>> {
        let store = self.lullaby.store().as_ref();
        // A worker that ran all the while would have renewed its leases.
        self.crew.renew().await?;
        loop {
            let due = scheduler::move_everything_due(store).await?;
            let mut moved = maintenance::keep_house(store, true, &self.crew.deliveries).await?;
            while self.crew.claim(self.crew.free()).await? > 0 {
                moved = true;
            }
            self.until_parked().await;
            moved |= self.crew.settle().await? > 0;
            if !moved {
                return Ok([due.next_due, self.clock.next_deadline()]
                    .into_iter()
                    .flatten()
                    .min());
            }
        }
    }

    /// Completes when every running handler sleeps on the clock.
    async fn until_parked(&self) {
        let mut clock_moved = self.clock.moved();
        let mut busy_changed = self.crew.busy_changes();
        loop {
            clock_moved.mark_unchanged();
            let busy = *busy_changed.borrow_and_update();
            if self.clock.parked_handlers() == Some(busy) {
                return;
            }
            // Neither fails: both senders are ours.
            tokio::select! {
                _ = clock_moved.changed() => {}
                _ = busy_changed.changed() => {}
            }
        }
    }
}
