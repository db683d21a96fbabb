//! When a schedule's slots are.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SHORTEST_INTERVAL;
use crate::clock::{Timestamp, millis_up};
use crate::error::{Error, Result};

/// When a schedule's slots are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Trigger {
    /// Anchored: slot k is `start + k × every`, so that nothing ever drifts.
    Every {
        /// The interval; whole milliseconds, at least [`SHORTEST_INTERVAL`].
        every: Duration,
        /// The first slot.
        start: Timestamp,
    },
}

impl Trigger {
    pub(super) fn check(&self) -> Result<()> {
        let Self::Every { every, .. } = self;
        if *every < SHORTEST_INTERVAL {
            return Err(Error::invalid(format!(
                "expected an interval of at least {SHORTEST_INTERVAL:?}, got {every:?}"
            )));
        }
        if every.subsec_nanos() % 1_000_000 != 0 {
            return Err(Error::invalid(format!(
                "expected an interval of whole milliseconds, got {every:?}"
            )));
        }
        Ok(())
    }

    /// The first slot of all.
    #[must_use]
    pub fn first(&self) -> Timestamp {
        let Self::Every { start, .. } = self;
        *start
    }

    /// The first slot after `time`; `None` if there is none up to the year 9999.
    #[must_use]
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let Self::Every { every, start } = self;
        if time < *start {
            return Some(*start);
        }
        let step = millis_up(*every);
        let passed = (time.as_millis() - start.as_millis()) / step;
        let next = start
            .as_millis()
            .checked_add(passed.checked_add(1)?.checked_mul(step)?)?;
        (next <= Timestamp::MAX.as_millis()).then(|| Timestamp::from_millis(next))
    }

    /// The latest slot at or before `time`; `None` before the first.
    #[must_use]
    pub fn latest_until(&self, time: Timestamp) -> Option<Timestamp> {
        let Self::Every { every, start } = self;
        let since = time.as_millis() - start.as_millis();
        (since >= 0).then(|| Timestamp::from_millis(time.as_millis() - since % millis_up(*every)))
    }

    /// How many slots there are from the slot `first` up to and including the slot `last`.
    #[must_use]
    pub(super) fn count(&self, first: Timestamp, last: Timestamp) -> u64 {
        let Self::Every { every, .. } = self;
        let span = last.as_millis() - first.as_millis();
        u64::try_from(span / millis_up(*every)).map_or(0, |steps| steps + 1)
    }

    /// The slot `back` places before the slot `slot`, but none before `first`.
    #[must_use]
    pub(super) fn step_back(&self, slot: Timestamp, back: u64, first: Timestamp) -> Timestamp {
        let Self::Every { every, .. } = self;
        let back = i64::try_from(back).unwrap_or(i64::MAX);
        let at = slot
            .as_millis()
            .saturating_sub(back.saturating_mul(millis_up(*every)));
        Timestamp::from_millis(at).max(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slots_stay_on_the_grid_and_leave_none_out(
            start in 0i64..4_000_000_000_000,
            step in 100i64..10_000_000,
            time in 0i64..5_000_000_000_000,
        ) {
            let every = Duration::from_millis(step.unsigned_abs());
            let trigger = Trigger::Every { every, start: Timestamp::from_millis(start) };
            let time = Timestamp::from_millis(time);
            let next = trigger.next_after(time).expect("before the year 9999");
            prop_assert!(next > time && (next.as_millis() - start) % step == 0);
            let latest = trigger.latest_until(time);
            prop_assert_eq!(latest.is_some(), time.as_millis() >= start);
            if let Some(latest) = latest {
                prop_assert!(latest <= time);
                prop_assert_eq!(next.as_millis() - latest.as_millis(), step);
            }
        }
    }

    #[test]
    fn the_far_future_is_the_end_and_no_panic() {
        let trigger = Trigger::Every {
            every: Duration::from_secs(u64::MAX / 1000),
            start: Timestamp::from_millis(5),
        };
        assert_eq!(trigger.next_after(Timestamp::from_millis(5)), None);
        assert_eq!(trigger.next_after(Timestamp::MAX), None);
        assert!(trigger.latest_until(Timestamp::MAX).is_some());
    }
}
