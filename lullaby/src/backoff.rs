//! Pauses after store errors: the loops go on for ever, ever more slowly, and the log tells of an outage without being flooded by it.

use std::time::Duration;

use crate::clock::Clock;
use crate::error::Error;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// Doubles from 50 ms up to 1 s: a store that comes back is met within a second.
#[derive(Debug)]
pub(crate) struct Pause {
    /// What cannot be done meanwhile, for the log.
    what: &'static str,
    next: Duration,
    outage: Outage,
}

impl Pause {
    /// Of a loop that does this: `claim jobs`.
    pub(crate) fn when_it_cannot(what: &'static str) -> Self {
        Self {
            what,
            next: FIRST,
            outage: Outage::default(),
        }
    }

    /// It went well.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
        if let Some(failures) = self.outage.over() {
            tracing::info!(failures, "can {} again", self.what);
        }
    }

    /// It failed.
    pub(crate) async fn rest(&mut self, clock: &dyn Clock, error: &Error) {
        if self.outage.failed() {
            tracing::warn!(%error, "cannot {}; trying again, and saying so once a minute", self.what);
        }
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        clock.sleep_until(clock.now() + pause).await;
    }
}

/// One failure after the other, of which the log hears the first, and then about one a minute.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    failures: u32,
}

impl Outage {
    /// Tries come a second apart at most.
    const A_MINUTE: u32 = 60;

    /// Whether this failure is one to tell of.
    pub(crate) fn failed(&mut self) -> bool {
        let told = self.failures.is_multiple_of(Self::A_MINUTE);
        self.failures = self.failures.saturating_add(1);
        told
    }

    /// How many failures there were, if there were any.
    pub(crate) fn over(&mut self) -> Option<u32> {
        let failures = std::mem::take(&mut self.failures);
        (failures > 0).then_some(failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_at_its_beginning_once_a_minute_and_at_its_end() {
        let mut outage = Outage::default();
        assert_eq!(outage.over(), None, "nothing failed yet");
        let told: Vec<_> = (0..=120).filter(|_| outage.failed()).collect();
        assert_eq!(told, [0, 60, 120]);
        assert_eq!(outage.over(), Some(121));
        assert!(outage.failed(), "the next one is another");
    }
}
