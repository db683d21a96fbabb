//! Setting up a worker.

use std::sync::Arc;
use std::time::Duration;

use super::{Crew, LEASE, Worker};
use crate::client::Lullaby;
use crate::error::{Error, Result};
use crate::job::QueueName;
use crate::task::Tasks;

/// In which order a worker looks at its queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum QueueOrder {
    /// A later queue only when all earlier ones are empty, as RQ's default.
    #[default]
    Strict,
    /// Each queue in turn.
    RoundRobin,
}

/// A worker to be.
#[derive(Debug)]
#[must_use = "nothing runs before `build` and `run`"]
pub struct WorkerBuilder {
    lullaby: Lullaby,
    tasks: Tasks,
    name: Option<String>,
    queues: Vec<String>,
    order: QueueOrder,
    concurrency: usize,
    blocking_threads: usize,
    lease: Duration,
    burst: bool,
    with_scheduler: bool,
    drain: Option<Duration>,
}

impl WorkerBuilder {
    pub(super) fn new(lullaby: Lullaby, tasks: Tasks) -> Self {
        Self {
            lullaby,
            tasks,
            name: None,
            queues: vec!["default".to_owned()],
            order: QueueOrder::default(),
            concurrency: 16,
            blocking_threads: std::thread::available_parallelism().map_or(4, usize::from),
            lease: LEASE,
            burst: false,
            with_scheduler: true,
            drain: None,
        }
    }

    /// Its name, unique among those alive; made of host and process when not given.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Its queues; `default` when not given.
    pub fn queues<Q: Into<String>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        self.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// In which order it looks at them.
    pub fn queue_order(mut self, order: QueueOrder) -> Self {
        self.order = order;
        self
    }

    /// How many jobs it runs at once: 16 when not given.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs;
        self
    }

    /// How many of them may block a thread: as many as there are cores when not given.
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.blocking_threads = threads;
        self
    }

    /// How long a claimed job is this worker's without renewal: [`LEASE`] when not given, at least 1 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Ends when its queues are empty.
    pub fn burst(mut self) -> Self {
        self.burst = true;
        self
    }

    /// Does not move what is due: another process does.
    pub fn without_scheduler(mut self) -> Self {
        self.with_scheduler = false;
        self
    }

    /// After a warm stop, gives back what still runs after this time; without it a warm stop waits for ever.
    pub fn drain_within(mut self, time: Duration) -> Self {
        self.drain = Some(time);
        self
    }

    /// Checks it all. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// If there is no queue, a queue's name is refused, a number is zero, or the lease is under 1 s.
    pub fn build(self) -> Result<Worker> {
        if self.queues.is_empty() {
            return Err(Error::invalid("expected at least one queue for the worker"));
        }
        if self.concurrency == 0 || self.blocking_threads == 0 {
            return Err(Error::invalid(
                "expected a concurrency and blocking threads of at least 1, got 0",
            ));
        }
        if self.lease < Duration::from_secs(1) {
            return Err(Error::invalid(format!(
                "expected a lease of at least 1 s, got {:?}",
                self.lease
            )));
        }
        let queues = self
            .queues
            .iter()
            .map(|queue| QueueName::new(queue))
            .collect::<Result<Vec<_>>>()?;
        let name = self.name.unwrap_or_else(|| {
            let random = uuid::Uuid::new_v4().simple().to_string();
            format!("{}-{}-{}", host(), std::process::id(), &random[..6])
        });
        let crew = Crew::new(
            self.lullaby,
            Arc::new(self.tasks),
            name,
            queues,
            self.order,
            self.concurrency,
            self.blocking_threads,
            self.lease,
        );
        Ok(Worker {
            crew: Arc::new(crew),
            burst: self.burst,
            with_scheduler: self.with_scheduler,
            drain: self.drain,
        })
    }
}

pub(super) fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
