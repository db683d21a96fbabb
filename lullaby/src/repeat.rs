//! How often a job runs again after it has finished.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many more times a job runs after it has finished, and after which pauses: RQ's `Repeat`.
///
/// Each run that finishes puts the same job, under its id, back: scheduled for one pause later, or at the end of its queue if there is no
/// pause. A run that fails ends it, once its retries are used up (all runs share them); so does one that was asked to stop. For what
/// recurs for ever, or must keep to a grid of times, see [`Scheduler`](crate::Scheduler).
///
/// ```
/// use lullaby::Repeat;
/// use std::time::Duration;
///
/// // RQ's Repeat(times=3, interval=[20, 40]): pauses of 20, 40 and 40 s.
/// let repeat = Repeat::intervals(3, [20, 40].map(Duration::from_secs));
/// let (pause, left) = repeat.next().expect("three runs are left");
/// assert_eq!(pause, Duration::from_secs(20));
/// assert_eq!(left, Repeat::every(2, Duration::from_secs(40)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// How many runs are left after the present one.
    pub times: u32,
    /// The pauses before them. A list shorter than `times` repeats its last entry, as in RQ 3; an empty one is no pause.
    pub intervals: Vec<Duration>,
}

impl Repeat {
    /// That many more runs, each at once.
    #[must_use]
    pub fn times(times: u32) -> Self {
        Self::intervals(times, [])
    }

    /// That many more runs, each that long after the one before has finished.
    #[must_use]
    pub fn every(times: u32, pause: Duration) -> Self {
        Self::intervals(times, [pause])
    }

    /// That many more runs after these pauses.
    pub fn intervals(times: u32, intervals: impl IntoIterator<Item = Duration>) -> Self {
        Self {
            times,
            intervals: intervals.into_iter().collect(),
        }
    }

    /// The pause before the next run, and what is left after it; `None` if no run is left.
    #[must_use]
    pub fn next(&self) -> Option<(Duration, Self)> {
        let times = self.times.checked_sub(1)?;
        let pause = self.intervals.first().copied().unwrap_or_default();
        let spent = usize::from(self.intervals.len() > 1);
        let left = self.intervals.iter().skip(spent).copied();
        Some((pause, Self::intervals(times, left)))
    }
}
