//! Whether this process makes progress: what a readiness probe asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::error::Error;

/// What the loops of this process last told. All `Lullaby` handles on one store share it.
#[derive(Debug, Default)]
pub struct Health {
    duties: Mutex<BTreeMap<&'static str, DutyState>>,
}

#[derive(Debug, Clone, Default)]
struct DutyState {
    /// Monotonic time at which the call to the store began that has not answered yet.
    calling_since: Option<Duration>,
    error: Option<String>,
    /// What it found wrong in the store.
    findings: Vec<String>,
}

/// Longer than any healthy call to a store takes.
const STALLED: Duration = Duration::from_secs(2);

impl Health {
    fn duties(&self) -> MutexGuard<'_, BTreeMap<&'static str, DutyState>> {
        self.duties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong, a line each; none if every loop makes progress and every schedule's last slot is accounted for.
    pub fn complaints(&self, clock: &dyn Clock) -> Vec<String> {
        let now = clock.monotonic();
        self.duties()
            .iter()
            .flat_map(|(duty, state)| {
                let stalled = || {
                    let waiting = now.saturating_sub(state.calling_since?);
                    (waiting > STALLED).then(|| format!("no answer from the store for {waiting:?}"))
                };
                let trouble = state.error.clone().or_else(stalled);
                let all = trouble.into_iter().chain(state.findings.iter().cloned());
                all.map(move |complaint| format!("{duty}: {complaint}"))
            })
            .collect()
    }

    /// Runs one call to the store and notes how it went.
    pub(crate) async fn watch<T>(
        &self,
        duty: &'static str,
        clock: &dyn Clock,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.duties().entry(duty).or_default().calling_since = Some(clock.monotonic());
        let done = call.await;
        let mut duties = self.duties();
        let state = duties.entry(duty).or_default();
        state.calling_since = None;
        state.error = done.as_ref().err().map(ToString::to_string);
        done
    }

    /// What the duty found wrong in the store, in place of what it found before.
    pub(crate) fn find(&self, duty: &'static str, findings: Vec<String>) {
        self.duties().entry(duty).or_default().findings = findings;
    }

    /// The duty has ended; it has no complaints any more.
    pub(crate) fn retire(&self, duty: &'static str) {
        self.duties().remove(duty);
    }
}
