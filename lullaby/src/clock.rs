//! The one source of time and of sleep.
//!
//! Everything in the library asks a [`Clock`]; lints ban the standard library's and tokio's. [`SystemClock`] is the real
//! one; [`ManualClock`] stands still until a test turns it; [`PacedClock`] runs as fast as one wants.

#![allow(
    clippy::disallowed_methods,
    reason = "this file is the one place that may read the host's clocks"
)]

mod paced;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

pub use self::paced::{Hold, PacedClock};
use crate::error::{Error, Result};

/// An instant: whole milliseconds since 1970-01-01T00:00:00 UTC.
///
/// It prints as RFC 3339 and is stored as a number.
///
/// ```
/// use lullaby::clock::Timestamp;
/// use std::time::Duration;
///
/// let noon: Timestamp = "2026-11-23T12:00:00Z".parse()?;
/// assert_eq!((noon + Duration::from_secs(1200)).to_string(), "2026-11-23T12:20:00Z");
/// # Ok::<(), lullaby::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// 9999-12-30T22:00:00Z, the last instant that jiff can show in every time zone.
const LAST_MS: i64 = 253_402_207_200_000;

impl Timestamp {
    /// The latest instant there is: 9999-12-30T22:00:00Z. Adding to it stays there.
    pub const MAX: Self = Self(LAST_MS);

    /// From milliseconds since the epoch; instants past the year 9999 are cut to [`Timestamp::MAX`], those before 1970 to 1970.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        Self(if ms > LAST_MS {
            LAST_MS
        } else if ms < 0 {
            0
        } else {
            ms
        })
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// As jiff's timestamp.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

/// Whole milliseconds in a duration, rounded up, so that nothing becomes due early.
pub(crate) fn millis_up(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    /// Rounded up to the millisecond; never past [`Timestamp::MAX`].
    fn add(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis_up(duration)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(millis_up(duration)))
    }
}

impl From<SystemTime> for Timestamp {
    /// Rounded up to the millisecond.
    fn from(time: SystemTime) -> Self {
        Self::default() + time.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl From<jiff::Timestamp> for Timestamp {
    /// Rounded up to the millisecond.
    fn from(time: jiff::Timestamp) -> Self {
        let ms = time.as_millisecond();
        let cut = time.as_nanosecond() > i128::from(ms) * 1_000_000;
        Self::from_millis(ms + i64::from(cut))
    }
}

impl std::str::FromStr for Timestamp {
    type Err = Error;

    /// Reads RFC 3339 with an offset, as `2026-11-23T12:00:00Z`; from 1970 up to [`Timestamp::MAX`].
    fn from_str(text: &str) -> Result<Self> {
        let shown: String = text.chars().take(60).collect();
        let refused = |why: &str| {
            let max = Self::MAX;
            Error::invalid(format!(
                "expected a time as 2026-11-23T12:00:00Z, from 1970 until {max}, got {shown:?}{why}"
            ))
        };
        let read = text.parse::<jiff::Timestamp>().map_err(|error| {
            let why: String = error.to_string().chars().take(200).collect();
            refused(&format!(": {why}"))
        })?;
        // What is outside would be cut, and then it is not the time that was meant.
        if !(0..=LAST_MS).contains(&read.as_millisecond()) {
            return Err(refused(""));
        }
        Ok(Self::from(read))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_jiff(), f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What [`Clock::sleep_until`] gives back.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Time and sleep, passed in wherever either is needed.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time of day. It can step when the host's clock is set.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment. It never steps back.
    fn monotonic(&self) -> Duration;

    /// Completes once `now() >= deadline`, never before. Dropping the future ends the sleep.
    fn sleep_until(&self, deadline: Timestamp) -> Sleep;

    /// As `sleep_until`, and late by less than a millisecond where the clock can: what is due waits for nothing else.
    fn wake_at(&self, deadline: Timestamp) -> Sleep {
        self.sleep_until(deadline)
    }

    /// As `sleep_until`, for a job's handler: a clock that is turned by hand tells those who sleep from those who work.
    fn handler_sleep_until(&self, deadline: Timestamp) -> Sleep {
        self.sleep_until(deadline)
    }

    /// The manual clock behind this one, if a test turns it.
    fn as_manual(&self) -> Option<&ManualClock> {
        None
    }
}

/// The host's clock. Sleeping uses the monotonic clock, with tokio's grain of 1 ms; for [`wake_at`](Clock::wake_at) a thread sleeps the last
/// of it.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

/// How long a sleeper trusts the monotonic clock before it looks at the time of day again: a clock that was set forward by hand
/// makes a sleeper late by at most this.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// How late tokio's timer may be, in milliseconds: it rounds the deadline up, and then what is left until it.
const TIMER_LATE: i64 = 2;
/// The most that a thread sleeps in its stead.
const LAST_NAP: Duration = Duration::from_millis(3);

/// Now, rounded down: a deadline has passed only when its whole millisecond has.
fn system_now() -> Timestamp {
    Timestamp::from_millis(i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX))
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        system_now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        Box::pin(async move {
            loop {
                let since = since_1970();
                let due = Duration::from_millis(deadline.as_millis().unsigned_abs());
                if since >= due {
                    return;
                }
                tokio::time::sleep((due - since).min(LONGEST_NAP)).await;
            }
        })
    }

    fn wake_at(&self, deadline: Timestamp) -> Sleep {
        let early = Timestamp::from_millis(deadline.as_millis().saturating_sub(TIMER_LATE));
        let nearly = self.sleep_until(early);
        let rest = self.sleep_until(deadline);
        Box::pin(async move {
            nearly.await;
            let due = Duration::from_millis(deadline.as_millis().unsigned_abs());
            // Not at all if it is late already; and if the clock is set back meanwhile the timer has the rest.
            let left = due.saturating_sub(since_1970()).min(LAST_NAP);
            if !left.is_zero() {
                let _ = tokio::task::spawn_blocking(move || std::thread::sleep(left)).await;
            }
            rest.await;
        })
    }
}

/// A clock that stands still until it is turned.
///
/// ```
/// use lullaby::clock::{Clock, ManualClock, Timestamp};
/// use std::time::Duration;
///
/// let clock = ManualClock::new("2026-11-23T12:00:00Z".parse()?);
/// clock.advance(Duration::from_secs(20 * 60));
/// assert_eq!(clock.now().to_string(), "2026-11-23T12:20:00Z");
/// # Ok::<(), lullaby::Error>(())
/// ```
#[derive(Clone)]
pub struct ManualClock {
    shared: Arc<ManualShared>,
}

struct ManualShared {
    state: Mutex<ManualState>,
    /// Counts parkings and wakings, so that whoever waits for idleness can sleep in between.
    moved: watch::Sender<u64>,
}

struct ManualState {
    start: Timestamp,
    now: Timestamp,
    next_id: u64,
    sleepers: BTreeMap<(Timestamp, u64), Sleeper>,
    /// Sleepers whose deadline came but who have not run since.
    woken: usize,
}

struct Sleeper {
    wake: oneshot::Sender<Woken>,
    /// A job's handler, in `Context::sleep`.
    is_handler: bool,
}

/// Travels to the sleeper that it wakes and counts as [`ManualState::woken`] until it gets there, or is dropped on the way.
struct Woken(ManualClock);

impl Drop for Woken {
    fn drop(&mut self) {
        self.0.state().woken -= 1;
        self.0.note_move();
    }
}

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self {
            shared: Arc::new(ManualShared {
                state: Mutex::new(ManualState {
                    start,
                    now: start,
                    next_id: 0,
                    sleepers: BTreeMap::new(),
                    woken: 0,
                }),
                moved: watch::Sender::new(0),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, ManualState> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns the clock forward and wakes every sleeper whose deadline has come.
    pub fn advance(&self, by: Duration) {
        let now = self.state().now;
        self.set(now + by);
    }

    /// Sets the clock, forward or back, and wakes every sleeper whose deadline has come.
    pub fn set(&self, now: Timestamp) {
        let mut state = self.state();
        state.now = now;
        let mut due = Vec::new();
        while let Some(first) = state.sleepers.first_entry() {
            if first.key().0 > now {
                break;
            }
            due.push(first.remove());
        }
        state.woken += due.len();
        drop(state);
        for sleeper in due {
            // A sleeper that was dropped meanwhile has no one to tell.
            let _ = sleeper.wake.send(Woken(self.clone()));
        }
        self.note_move();
    }

    /// The earliest deadline that anyone sleeps on.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let mut state = self.state();
        // Dropped sleepers leave their entry behind; it is cleared here, where it would mislead.
        state
            .sleepers
            .retain(|_, sleeper| !sleeper.wake.is_closed());
        state.sleepers.keys().next().map(|(at, _)| *at)
    }

    /// Goes on to `to`, but not past a deadline, and wakes nobody. Answers the time.
    fn flow(&self, to: Timestamp) -> Timestamp {
        let mut state = self.state();
        while let Some(first) = state.sleepers.first_entry() {
            if !first.get().wake.is_closed() {
                break;
            }
            first.remove();
        }
        let stop = state
            .sleepers
            .keys()
            .next()
            .map_or(to, |(at, _)| to.min(*at));
        state.now = state.now.max(stop);
        state.now
    }

    fn note_move(&self) {
        self.shared.moved.send_modify(|count| *count += 1);
    }

    pub(crate) fn moved(&self) -> watch::Receiver<u64> {
        self.shared.moved.subscribe()
    }

    /// How many handlers sleep on this clock, if nobody who was woken has yet to run.
    pub(crate) fn parked_handlers(&self) -> Option<usize> {
        let state = self.state();
        let parked = |sleeper: &&Sleeper| sleeper.is_handler && !sleeper.wake.is_closed();
        (state.woken == 0).then(|| state.sleepers.values().filter(parked).count())
    }

    fn sleep(&self, deadline: Timestamp, is_handler: bool) -> Sleep {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                let woken = {
                    let mut state = clock.state();
                    if state.now >= deadline {
                        return;
                    }
                    let (wake, woken) = oneshot::channel();
                    let id = state.next_id;
                    state.next_id += 1;
                    state
                        .sleepers
                        .insert((deadline, id), Sleeper { wake, is_handler });
                    woken
                };
                clock.note_move();
                let _ = woken.await;
            }
        })
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({})", self.now())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn monotonic(&self) -> Duration {
        let state = self.state();
        state.now.since(state.start)
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        self.sleep(deadline, false)
    }

    fn handler_sleep_until(&self, deadline: Timestamp) -> Sleep {
        self.sleep(deadline, true)
    }

    fn as_manual(&self) -> Option<&ManualClock> {
        Some(self)
    }
}

/// Runs `work` until `deadline` by `clock`; `None` if the deadline came first, and `work` is dropped then.
pub async fn until<T>(
    clock: &dyn Clock,
    deadline: Timestamp,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = clock.sleep_until(deadline) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_round_up_so_that_nothing_is_early() {
        let exact = jiff::Timestamp::from_nanosecond(1_000_000_001).expect("in range");
        assert_eq!(Timestamp::from(exact).as_millis(), 1001);
        assert_eq!(
            (Timestamp::from_millis(5) + Duration::from_micros(1)).as_millis(),
            6
        );
    }

    #[test]
    fn adding_past_the_year_9999_stays_in_it() {
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00Z");
    }

    #[tokio::test]
    async fn nobody_wakes_before_the_deadline() {
        let clock = SystemClock::default();
        for ms in [0, 1, 2, 3, 5] {
            let deadline = clock.now() + Duration::from_millis(ms);
            clock.wake_at(deadline).await;
            assert!(clock.now() >= deadline, "{ms} ms");
        }
    }

    #[tokio::test]
    async fn a_sleeper_on_the_manual_clock_wakes_when_its_deadline_is_turned_to() {
        let clock = ManualClock::new(Timestamp::from_millis(1000));
        let sleeper = tokio::spawn(clock.sleep_until(Timestamp::from_millis(2000)));
        let mut moved = clock.moved();
        moved
            .wait_for(|_| clock.next_deadline().is_some())
            .await
            .expect("the clock lives");
        clock.advance(Duration::from_millis(999));
        assert_eq!(clock.next_deadline(), Some(Timestamp::from_millis(2000)));
        clock.advance(Duration::from_millis(1));
        sleeper.await.expect("woken");
        assert_eq!(clock.next_deadline(), None);
    }

    #[tokio::test]
    async fn the_system_clock_never_wakes_a_sleeper_early() {
        let clock = SystemClock::default();
        for ms in [1, 2, 3, 5] {
            let deadline = clock.now() + Duration::from_millis(ms);
            clock.sleep_until(deadline).await;
            assert!(clock.now() >= deadline);
        }
    }
}
