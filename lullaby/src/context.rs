//! What a handler knows about the job that it runs, and may do meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::client::Lullaby;
use crate::error::{Error, Result};
use crate::job::{Execution, Job, JobId, Token};
use crate::schedule::Slot;
use crate::store::Settled;
use crate::task::{Failure, Tasks};
use crate::worker::Order;

/// A handler's view of its job. Cheap to clone.
///
/// ```
/// use lullaby::{Context, Failure, Task, Tasks};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Resize { pictures: Vec<String> }
/// # impl Task for Resize { const NAME: &'static str = "resize"; type Output = usize; }
///
/// async fn resize(task: Resize, ctx: Context) -> Result<usize, Failure> {
///     let all = task.pictures.len();
///     for (done, picture) in task.pictures.iter().enumerate() {
///         if ctx.is_canceled() {
///             return Err(Failure::fatal("told to stop"));
///         }
///         println!("try {} of {picture}", ctx.attempt());
///         // Others see it at once, as in `lullaby job ID`.
///         ctx.save_meta([("done", done), ("all", all)]).await?;
///     }
///     Ok(all)
/// }
/// # let _ = Tasks::new().task(resize);
/// ```
#[derive(Clone, Debug)]
pub struct Context(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lullaby: Lullaby,
    tasks: Arc<Tasks>,
    job: Job,
    execution: Execution,
    orders: watch::Receiver<Order>,
}

impl Context {
    pub(crate) fn new(
        lullaby: Lullaby,
        tasks: Arc<Tasks>,
        job: Job,
        execution: Execution,
        orders: watch::Receiver<Order>,
    ) -> Self {
        Self(Arc::new(Inner {
            lullaby,
            tasks,
            job,
            execution,
            orders,
        }))
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.0.job.id
    }

    /// The job as it was when this execution began.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.0.job
    }

    /// The execution's fencing token: higher than that of every execution before it. Keep it beside effects outside the store, and refuse
    /// to go back behind a higher one.
    #[must_use]
    pub fn token(&self) -> Token {
        self.0.execution.token
    }

    /// Which try this is, from 1. Lost leases and snoozes don't count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.job.failures + 1
    }

    /// The slot that the job was made for, if a schedule made it.
    #[must_use]
    pub fn slot(&self) -> Option<&Slot> {
        self.0.job.slot.as_ref()
    }

    /// The application's notes, as they were when this execution began.
    #[must_use]
    pub fn meta(&self) -> &Map<String, Value> {
        &self.0.job.template.meta
    }

    /// State that was shared with [`Tasks::state`].
    ///
    /// # Errors
    /// A fatal failure that names the type, if none was shared.
    pub fn state<S: Send + Sync + 'static>(&self) -> Result<Arc<S>, Failure> {
        self.0.tasks.shared_state()
    }

    /// To enqueue more jobs, or look at others.
    #[must_use]
    pub fn lullaby(&self) -> &Lullaby {
        &self.0.lullaby
    }

    /// Sleeps by the store's clock, so that a test can turn it. Cancel safe.
    pub async fn sleep(&self, duration: Duration) {
        let clock = self.0.lullaby.clock();
        clock.handler_sleep_until(clock.now() + duration).await;
    }

    /// True once somebody asked to stop the job, its time is over, or its worker must go.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        *self.0.orders.borrow() > Order::Run
    }

    /// Completes when [`Context::is_canceled`] turns true. A handler that heeds it has 5 s to end by itself. Cancel safe.
    pub fn canceled(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut orders = self.0.orders.clone();
        async move {
            if orders.wait_for(|order| *order > Order::Run).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Writes notes into the job's meta, where others see them at once; `null` removes a key. For progress:
    /// `ctx.save_meta([("progress", 0.4)])`.
    ///
    /// # Errors
    /// [`Error::is_taken_over`] if another execution owns the job by now; a store error.
    pub async fn save_meta<K: Into<String>, V: Into<Value>>(
        &self,
        notes: impl IntoIterator<Item = (K, V)>,
    ) -> Result<()> {
        let patch = notes
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        let execution = self.0.execution.clone();
        match self.0.lullaby.store().save_meta(execution, patch).await? {
            Settled::Done | Settled::LeftToOthers => Ok(()),
            Settled::TakenOver => Err(Error::taken_over(format!(
                "job {} was taken over by another execution while this one ran; its notes were not written",
                self.id()
            ))),
        }
    }
}
