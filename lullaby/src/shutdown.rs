//! How a worker is told to stop: warm first, then cold.

use tokio::sync::watch;

/// How far stopping has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    /// Not at all.
    #[default]
    No,
    /// No new jobs; those that run may end.
    Warm,
    /// Give back what runs, now.
    Cold,
}

/// Tells workers and schedulers to stop. Clones are the same switch.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<Stop>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(Stop::No))
    }
}

impl Shutdown {
    /// A switch that is off.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A switch that SIGTERM or SIGINT turns to warm, and a second one to cold. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// If the process may not listen to signals.
    pub fn on_signals() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = Self::new();
        let switch = shutdown.clone();
        tokio::spawn(async move {
            for stop in [Stop::Warm, Stop::Cold] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!(?stop, "asked to stop");
                switch.raise(stop);
            }
        });
        Ok(shutdown)
    }

    /// No new jobs; those that run may end.
    pub fn warm(&self) {
        self.raise(Stop::Warm);
    }

    /// Give back what runs, now.
    pub fn cold(&self) {
        self.raise(Stop::Cold);
    }

    fn raise(&self, stop: Stop) {
        self.0.send_if_modified(|now| {
            let further = stop > *now;
            *now = stop.max(*now);
            further
        });
    }

    /// How far it has gone.
    #[must_use]
    pub fn state(&self) -> Stop {
        *self.0.borrow()
    }

    /// Completes once it has gone as far as `stop`. Cancel safe.
    pub async fn reached(&self, stop: Stop) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|now| *now >= stop).await;
    }
}
