//! When a schedule's slots are.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Cron, LONGEST_INTERVAL, SHORTEST_INTERVAL};
use crate::clock::{Timestamp, millis_up};
use crate::error::{Error, Result};

/// The most times in one [`Trigger::At`].
pub const MOST_TIMES: usize = 10_000;

/// When a schedule's slots are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Trigger {
    /// Anchored: slot k is `start + k × every`, so that nothing ever drifts.
    Every {
        /// The interval; whole milliseconds, from [`SHORTEST_INTERVAL`] to [`LONGEST_INTERVAL`].
        every: Duration,
        /// The first slot.
        start: Timestamp,
    },
    /// Cron lines in a time zone.
    Cron(Cron),
    /// These times and no others.
    At {
        /// In order, without doubles: [`Trigger::at`] sees to it. 1 to [`MOST_TIMES`].
        times: Vec<Timestamp>,
    },
}

impl From<Cron> for Trigger {
    fn from(cron: Cron) -> Self {
        Self::Cron(cron)
    }
}

impl Trigger {
    /// One cron line in UTC; see [`Cron`] for more lines, a zone, and what a line may say.
    ///
    /// # Errors
    /// As [`Cron::new`].
    pub fn cron(line: &str) -> Result<Self> {
        Cron::new(line).map(Self::Cron)
    }

    /// One-off times, in any order.
    #[must_use]
    pub fn at(times: impl IntoIterator<Item = Timestamp>) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        times.dedup();
        Self::At { times }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Every { every, .. } => check_interval(*every),
            Self::At { times } if times.is_empty() || times.len() > MOST_TIMES => {
                Err(Error::invalid(format!(
                    "expected 1 to {MOST_TIMES} times, got {}",
                    times.len()
                )))
            }
            Self::At { times } if !times.is_sorted_by(|one, next| one < next) => {
                Err(Error::invalid(
                    "expected the times in order and each once: make it with Trigger::at",
                ))
            }
            // A cron line was checked when it was read; whether a start far ahead leaves a slot, the schedule asks.
            Self::Cron(_) | Self::At { .. } => Ok(()),
        }
    }

    /// The first slot of all; [`Timestamp::MAX`] if there is none.
    #[must_use]
    pub fn first(&self) -> Timestamp {
        match self {
            Self::Every { start, .. } => Some(*start),
            Self::Cron(cron) => cron.next_after(just_before(cron.start().unwrap_or_default())),
            Self::At { times } => times.first().copied(),
        }
        .unwrap_or(Timestamp::MAX)
    }

    /// The first slot of a schedule that is made at `now`. A first time that has passed is due at once, as the latest one that has
    /// passed; a cron line, which has no first time, begins with its next slot.
    #[must_use]
    pub(super) fn first_from(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.next_after(just_before(now)),
            Self::Every { .. } | Self::At { .. } => {
                self.latest_until(now).or_else(|| self.next_after(now))
            }
        }
    }

    /// The first slot after `time`; `None` if there is none up to [`Timestamp::MAX`].
    #[must_use]
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every { every, start } => next_on_grid(*every, *start, time),
            Self::Cron(cron) => cron.next_after(time),
            Self::At { times } => times.get(times.partition_point(|at| *at <= time)).copied(),
        }
    }

    /// The latest slot at or before `time`; `None` before the first.
    #[must_use]
    pub fn latest_until(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every { every, start } => {
                let since = time.as_millis() - start.as_millis();
                let past = since.checked_rem(millis_up(*every))?;
                (since >= 0).then(|| Timestamp::from_millis(time.as_millis() - past))
            }
            Self::Cron(cron) => cron.latest_until(time),
            Self::At { times } => times[..times.partition_point(|at| *at <= time)]
                .last()
                .copied(),
        }
    }

    /// The slots after `time`, in order; without end, unless the trigger has one.
    ///
    /// ```
    /// use lullaby::schedule::Trigger;
    ///
    /// let mondays = Trigger::cron("0 9 * * mon")?;
    /// let next: Vec<_> = mondays.upcoming("2026-11-23T12:00:00Z".parse()?).take(2).collect();
    /// assert_eq!(next, ["2026-11-30T09:00:00Z".parse()?, "2026-12-07T09:00:00Z".parse()?]);
    /// # Ok::<(), lullaby::Error>(())
    /// ```
    pub fn upcoming(&self, time: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_after(time), |slot| self.next_after(*slot))
    }

    /// How many slots there are from the slot `first` up to and including the slot `last`. `first` counts, also where its time was
    /// changed by hand to one that the trigger does not name.
    #[must_use]
    pub(super) fn count(&self, first: Timestamp, last: Timestamp) -> u64 {
        match self {
            _ if first == last => 1,
            Self::Every { every, .. } => {
                let span = last.as_millis() - first.as_millis();
                u64::try_from(span / millis_up(*every)).map_or(0, |steps| steps + 1)
            }
            Self::Cron(cron) => 1 + cron.count_after(first, last),
            Self::At { times } => {
                let until = |end: Timestamp| times.partition_point(|at| *at <= end);
                1 + until(last).saturating_sub(until(first)) as u64
            }
        }
    }

    /// The slot `back` places before the slot `slot`, but none before `first`.
    #[must_use]
    pub(super) fn step_back(&self, slot: Timestamp, back: u64, first: Timestamp) -> Timestamp {
        if back == 0 {
            return slot.max(first);
        }
        match self {
            Self::Every { every, .. } => {
                let back = i64::try_from(back).unwrap_or(i64::MAX);
                let back = back.saturating_mul(millis_up(*every));
                Timestamp::from_millis(slot.as_millis().saturating_sub(back)).max(first)
            }
            Self::Cron(cron) => cron.step_back(slot, back, first).unwrap_or(first),
            Self::At { times } => {
                let before = times.partition_point(|at| *at < slot);
                usize::try_from(back)
                    .ok()
                    .and_then(|back| before.checked_sub(back))
                    .map_or(first, |at| times[at].max(first))
            }
        }
    }
}

fn just_before(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis() - 1)
}

fn check_interval(every: Duration) -> Result<()> {
    if every < SHORTEST_INTERVAL {
        return Err(Error::invalid(format!(
            "expected an interval of at least {SHORTEST_INTERVAL:?}, got {every:?}"
        )));
    }
    if every > LONGEST_INTERVAL {
        return Err(Error::invalid(format!(
            "expected an interval of at most {} days (100 years), got {} days: use Trigger::at for a single run",
            LONGEST_INTERVAL.as_secs() / 86_400,
            every.as_secs() / 86_400
        )));
    }
    if !every.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(Error::invalid(format!(
            "expected an interval of whole milliseconds, got {every:?}"
        )));
    }
    Ok(())
}

fn next_on_grid(every: Duration, start: Timestamp, time: Timestamp) -> Option<Timestamp> {
    if time < start {
        return Some(start);
    }
    let step = millis_up(every);
    let passed = (time.as_millis() - start.as_millis()).checked_div(step)?;
    let next = start
        .as_millis()
        .checked_add(passed.checked_add(1)?.checked_mul(step)?)?;
    (next <= Timestamp::MAX.as_millis()).then(|| Timestamp::from_millis(next))
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// What [`super::super::decide`] stands on: the four ways to ask about slots agree with each other.
        #[test]
        fn steps_forward_steps_back_and_counts_agree(
            kind in 0usize..8, from in 0i64..4_000_000_000, more in 0usize..80,
        ) {
            let trigger = some_trigger(kind, from);
            let before = Timestamp::from_millis(from * 1000);
            let slots: Vec<_> = trigger.upcoming(before).take(more + 1).collect();
            let (first, last) = (slots[0], *slots.last().expect("one at least"));
            prop_assert_eq!(trigger.count(first, last), slots.len() as u64);
            for (back, slot) in slots.iter().rev().enumerate() {
                prop_assert_eq!(trigger.step_back(last, back as u64, first), *slot);
                prop_assert_eq!(trigger.latest_until(*slot), Some(*slot));
                let late = *slot + Duration::from_millis(999);
                prop_assert!(trigger.latest_until(late).is_some_and(|found| found >= *slot));
            }
            prop_assert_eq!(trigger.step_back(last, slots.len() as u64 + 5, first), first);
            for pair in slots.windows(2) {
                prop_assert_eq!(trigger.latest_until(just_before(pair[1])), Some(pair[0]));
            }
        }
    }

    fn some_trigger(kind: usize, from: i64) -> Trigger {
        let cron = |line: &str, zone| Cron::new(line).and_then(|cron| cron.in_zone(zone));
        match kind {
            0 => Trigger::Every {
                every: Duration::from_secs(7),
                start: Timestamp::from_millis(500),
            },
            1 => Trigger::at((0..300).map(|n| Timestamp::from_millis(from * 1000 + n * n * 7777))),
            2 => cron("30 2 * * *", "Europe/Berlin").expect("fine").into(),
            3 => cron("*/7 * * * * *", "Africa/Cairo").expect("fine").into(),
            4 => cron("15 */3 * * *", "Australia/Lord_Howe")
                .expect("fine")
                .into(),
            5 => cron("0 0 * * *", "Pacific/Apia")
                .and_then(|cron| cron.and("*/30 0-3 * * sun"))
                .expect("fine")
                .into(),
            6 => cron("*/20 1,2,3 * mar,oct,nov *", "America/New_York")
                .expect("fine")
                .into(),
            _ => cron("0 0 29 2 *", "Antarctica/Troll").expect("fine").into(),
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
        for trigger in (0..8).map(|kind| some_trigger(kind, 0)) {
            assert_eq!(trigger.next_after(Timestamp::MAX), None);
            assert!(trigger.latest_until(Timestamp::MAX).is_some());
            assert!(trigger.count(Timestamp::default(), Timestamp::MAX) > 1);
        }
    }

    #[test]
    fn a_trigger_is_stored_so_that_a_person_can_read_it() {
        let cron = Cron::new("30 2 * * *").and_then(|cron| cron.in_zone("Europe/Berlin"));
        let text = serde_json::to_string(&Trigger::from(cron.expect("fine"))).expect("JSON");
        assert_eq!(
            text,
            r#"{"cron":{"lines":["30 2 * * *"],"zone":"Europe/Berlin"}}"#
        );
        for kind in 0..8 {
            let trigger = some_trigger(kind, 1000);
            let text = serde_json::to_string(&trigger).expect("JSON");
            assert_eq!(
                serde_json::from_str::<Trigger>(&text).expect("read"),
                trigger
            );
        }
    }

    #[test]
    fn what_is_stored_wrongly_is_an_error_and_no_panic() {
        for text in [
            r#"{"cron":{"lines":[],"zone":"UTC"}}"#,
            r#"{"cron":{"lines":["61 * * * *"],"zone":"UTC"}}"#,
            r#"{"cron":{"lines":["* * * * *"],"zone":"Mars/Olympus"}}"#,
        ] {
            assert!(serde_json::from_str::<Trigger>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_off_times_are_put_in_order_and_each_is_kept_once() {
        let at = Timestamp::from_millis;
        let trigger = Trigger::at([at(30), at(10), at(30), at(20)]);
        assert_eq!(trigger.first(), at(10));
        assert_eq!(
            trigger.upcoming(at(10)).collect::<Vec<_>>(),
            [at(20), at(30)]
        );
        assert!(Trigger::at([]).check().is_err());
        let wrong = Trigger::At {
            times: vec![at(2), at(1)],
        };
        assert!(wrong.check().is_err());
    }
}
