//! When a job that failed is tried again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often, and after which pauses, a failed job is tried again.
///
/// ```
/// use lullaby::Retry;
/// use std::time::Duration;
///
/// // RQ's Retry(max=3, interval=[10, 30, 60]).
/// let retry = Retry::intervals(3, [10, 30, 60].map(Duration::from_secs));
/// assert_eq!(retry.delay(1, "job"), Some(Duration::from_secs(10)));
/// assert_eq!(retry.delay(4, "job"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// How many more tries there are after the first one.
    pub max: u32,
    /// The pauses.
    pub backoff: Backoff,
}

/// The pauses between tries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Backoff {
    /// A list, as RQ has it. A list shorter than `max` repeats its **first** entry, as RQ does; an empty one is no pause.
    Intervals(Vec<Duration>),
    /// `first`, then each pause `factor` times the one before, none above `cap`.
    Exponential {
        /// The first pause.
        first: Duration,
        /// What each pause is multiplied with; at least 1.
        factor: f64,
        /// The longest pause.
        cap: Duration,
        /// 0 to 1: up to this share is taken off each pause, by a hash of job and try, so that jobs that failed together don't
        /// come back together.
        jitter: f64,
    },
}

impl Retry {
    /// Up to `max` more tries, at once.
    #[must_use]
    pub fn times(max: u32) -> Self {
        Self::intervals(max, [])
    }

    /// Up to `max` more tries after these pauses.
    pub fn intervals(max: u32, intervals: impl IntoIterator<Item = Duration>) -> Self {
        Self {
            max,
            backoff: Backoff::Intervals(intervals.into_iter().collect()),
        }
    }

    /// Up to `max` more tries: after `first`, then twice as long each time up to `cap`, with a jitter of a quarter.
    #[must_use]
    pub fn exponential(max: u32, first: Duration, cap: Duration) -> Self {
        Self {
            max,
            backoff: Backoff::Exponential {
                first,
                factor: 2.0,
                cap,
                jitter: 0.25,
            },
        }
    }

    /// The pause after the `failures`th failure (from 1) of the job `id`; `None` if no try is left.
    #[must_use]
    pub fn delay(&self, failures: u32, id: &str) -> Option<Duration> {
        let left = self
            .max
            .checked_sub(failures.max(1) - 1)
            .filter(|left| *left > 0)?;
        Some(match &self.backoff {
            Backoff::Intervals(list) => {
                // RQ's Job.get_retry_interval: the list is aligned with the last tries.
                let index = list.len().saturating_sub(left as usize);
                list.get(index).copied().unwrap_or_default()
            }
            Backoff::Exponential {
                first,
                factor,
                cap,
                jitter,
            } => {
                let exponent = f64::from(failures.max(1) - 1);
                let pause = first.as_secs_f64() * factor.max(1.0).powf(exponent);
                let pause = pause.min(cap.as_secs_f64());
                let off = jitter.clamp(0.0, 1.0) * unit_hash(&(id, failures));
                Duration::try_from_secs_f64(pause * (1.0 - off)).unwrap_or(*cap)
            }
        })
    }
}

/// A number from 0 up to 1 that depends on `seed` alone.
fn unit_hash(seed: &impl Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    // 53 bits, what a double holds exactly.
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(list: &[u64]) -> Vec<Duration> {
        list.iter().copied().map(Duration::from_secs).collect()
    }

    #[test]
    fn a_short_list_repeats_its_first_entry_as_rq_does() {
        let retry = Retry::intervals(3, secs(&[5, 60]));
        let pauses: Vec<_> = (1..=4).map(|n| retry.delay(n, "j")).collect();
        let [five, sixty] = [5, 60].map(Duration::from_secs);
        assert_eq!(pauses, [Some(five), Some(five), Some(sixty), None]);
    }

    #[test]
    fn no_list_means_at_once_and_zero_tries_means_never() {
        assert_eq!(Retry::times(1).delay(1, "j"), Some(Duration::ZERO));
        assert_eq!(Retry::times(0).delay(1, "j"), None);
    }

    proptest! {
        #[test]
        fn exponential_pauses_stay_between_their_bounds(failures in 1u32..200, max in 1u32..300, id: String) {
            let retry = Retry::exponential(max, Duration::from_secs(5), Duration::from_secs(600));
            let pause = retry.delay(failures, &id);
            prop_assert_eq!(pause.is_some(), failures <= max);
            if let Some(pause) = pause {
                prop_assert!(pause >= Duration::from_secs_f64(3.75) && pause <= Duration::from_secs(600));
                prop_assert_eq!(Some(pause), retry.delay(failures, &id));
            }
        }
    }
}
