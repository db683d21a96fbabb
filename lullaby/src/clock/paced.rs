//! A clock that runs at a chosen speed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::{Clock, ManualClock, Sleep, Timestamp};

/// How far behind its speed the clock may be and still make up for it. What is lost beyond that is lost: a busy machine makes it slower, and
/// not wild afterwards.
const MADE_UP: Duration = Duration::from_millis(100);

/// A clock that runs at a chosen speed, and never jumps.
///
/// Time passes up to the next deadline that anybody sleeps on, and stands there until those who were woken, and all whom they woke in turn,
/// wait again. So a day at 600 times the speed, or [skipped](PacedClock::skip_to), brings the same moments in the same order as a day that
/// was lived through; when the machine is too slow for the speed, the clock is.
///
/// It knows that everybody waits because they share a thread of their own: all that sleeps on the clock runs on [its
/// runtime](PacedClock::runtime), and so does [`PacedClock::run`].
///
/// ```
/// use lullaby::clock::{Clock, PacedClock, Timestamp};
/// use std::time::Duration;
///
/// let clock = PacedClock::new("2026-11-25T12:00:00Z".parse()?);
/// let runtime = clock.runtime().expect("a runtime");
/// runtime.block_on(async {
///     let running = clock.clone();
///     tokio::spawn(async move { running.run().await });
///     clock.skip_to(clock.now() + Duration::from_secs(24 * 3600)).await;
/// });
/// assert!(clock.now() >= "2026-11-26T12:00:00Z".parse()?);
/// # Ok::<(), lullaby::Error>(())
/// ```
#[derive(Clone)]
pub struct PacedClock(Arc<Shared>);

struct Shared {
    manual: ManualClock,
    start: Instant,
    pace: Mutex<Pace>,
    /// Changes with the speed, a skip, a hold.
    changed: watch::Sender<u64>,
    /// How often the runtime has had nothing left to do.
    parked: watch::Sender<u64>,
}

struct Pace {
    /// 0: it stands.
    speed: u32,
    /// Since when it flows from where, by the host's monotonic time.
    since: (Duration, Timestamp),
    /// How many hold it.
    holds: usize,
    /// As fast as it can up to here.
    skip_to: Option<Timestamp>,
}

/// Holds the clock until it is dropped.
#[derive(Debug)]
pub struct Hold(PacedClock);

impl PacedClock {
    /// A clock that shows `start` and runs at the speed of the host's, once [`PacedClock::run`] does.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(Shared {
            manual: ManualClock::new(start),
            start: Instant::now(),
            pace: Mutex::new(Pace {
                speed: 1,
                since: (Duration::ZERO, start),
                holds: 0,
                skip_to: None,
            }),
            changed: watch::Sender::new(0),
            parked: watch::Sender::new(0),
        }))
    }

    /// A runtime of one thread for all that sleeps on this clock.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn runtime(&self) -> std::io::Result<Runtime> {
        let clock = self.clone();
        Builder::new_current_thread()
            .enable_time()
            .on_thread_park(move || clock.0.parked.send_modify(|count| *count += 1))
            .build()
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.0.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_change(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }

    /// The host's monotonic time.
    fn real(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// How many times the host's clock it runs.
    #[must_use]
    pub fn speed(&self) -> u32 {
        self.pace().speed
    }

    /// Runs at `speed` times the host's clock from now on; at 0 it stands.
    pub fn set_speed(&self, speed: u32) {
        let mut pace = self.pace();
        let now = self.flow(&pace);
        pace.since = (self.real(), now);
        pace.speed = speed;
        drop(pace);
        self.note_change();
    }

    /// Whether a skip is under way.
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        self.pace().skip_to.is_some()
    }

    /// Goes on to `at` as fast as it can, through every moment in between; completes there. Cancel safe: the clock goes on to `at` all the
    /// same.
    pub async fn skip_to(&self, at: Timestamp) {
        let mut changed = self.0.changed.subscribe();
        if !self.begin_skip(at) {
            return;
        }
        // Never fails: the sender is ours.
        let _ = changed
            .wait_for(|_| self.0.manual.now() >= at && !self.is_skipping())
            .await;
    }

    /// False if it shows `at` already.
    fn begin_skip(&self, at: Timestamp) -> bool {
        let mut pace = self.pace();
        if at <= self.flow(&pace) {
            return false;
        }
        pace.skip_to = pace.skip_to.max(Some(at));
        drop(pace);
        self.note_change();
        true
    }

    /// Stops the clock until the guard is dropped: whatever is done meanwhile is done at one instant.
    #[must_use]
    pub fn hold(&self) -> Hold {
        let mut pace = self.pace();
        let now = self.flow(&pace);
        pace.since = (self.real(), now);
        pace.holds += 1;
        drop(pace);
        self.note_change();
        Hold(self.clone())
    }

    /// Completes when everybody on the clock's runtime waits. Call it on that runtime.
    pub async fn all_wait(&self) {
        // Never fails: the sender is ours.
        let _ = self.0.parked.subscribe().changed().await;
    }

    /// Makes the time pass; for ever. On the clock's runtime, once.
    pub async fn run(&self) {
        let mut moved = self.0.manual.moved();
        let mut changed = self.0.changed.subscribe();
        loop {
            moved.mark_unchanged();
            changed.mark_unchanged();
            match self.next_step() {
                Step::To(deadline) => {
                    self.0.manual.set(deadline);
                    self.all_wait().await;
                    self.arrive();
                }
                Step::In(pause) => tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = moved.changed() => {}
                    _ = changed.changed() => {}
                },
                Step::Never => tokio::select! {
                    _ = moved.changed() => {}
                    _ = changed.changed() => {}
                },
            }
        }
    }

    fn next_step(&self) -> Step {
        let mut pace = self.pace();
        if pace.holds > 0 {
            return Step::Never;
        }
        let now = self.flow(&pace);
        let deadline = self.0.manual.next_deadline();
        let next = match pace.skip_to {
            Some(at) => deadline.map_or(at, |deadline| deadline.min(at)),
            None => match deadline {
                Some(deadline) if deadline <= now => deadline,
                Some(deadline) if pace.speed > 0 => {
                    return Step::In(deadline.since(now).div_f64(f64::from(pace.speed)));
                }
                _ => return Step::Never,
            },
        };
        pace.holds += 1;
        Step::To(next.max(now))
    }

    /// Lets time pass again after a step.
    fn arrive(&self) {
        let mut pace = self.pace();
        pace.holds -= 1;
        let (real, now) = (self.real(), self.0.manual.now());
        let skipped = pace.skip_to.is_some();
        let behind = self.wanted(&pace).since(now);
        if skipped || behind > MADE_UP * pace.speed {
            pace.since = (real, now);
        }
        if pace.skip_to.is_some_and(|at| now >= at) {
            pace.skip_to = None;
        }
        drop(pace);
        if skipped {
            self.note_change();
        }
    }

    /// What it would show if nobody had to be waited for.
    fn wanted(&self, pace: &Pace) -> Timestamp {
        let (real, from) = pace.since;
        let passed = self.real().saturating_sub(real) * pace.speed;
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(from.as_millis().saturating_add(passed))
    }

    /// What it shows.
    fn flow(&self, pace: &Pace) -> Timestamp {
        if pace.holds > 0 || pace.skip_to.is_some() {
            return self.0.manual.now();
        }
        self.0.manual.flow(self.wanted(pace))
    }
}

/// What [`PacedClock::run`] does next.
enum Step {
    /// Goes on to this instant, and holds the clock until it has arrived.
    To(Timestamp),
    /// Nothing for so long.
    In(Duration),
    /// Nothing, until something changes.
    Never,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let clock = &self.0;
        let mut pace = clock.pace();
        pace.holds -= 1;
        pace.since = (clock.real(), clock.0.manual.now());
        drop(pace);
        clock.note_change();
    }
}

impl Clock for PacedClock {
    fn now(&self) -> Timestamp {
        self.flow(&self.pace())
    }

    fn monotonic(&self) -> Duration {
        // It never steps back, and neither does the time of day.
        let _ = self.now();
        self.0.manual.monotonic()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        // First to where the time has come by now: a sleep cannot begin in the past.
        let clock = self.clone();
        Box::pin(async move {
            if clock.now() < deadline {
                clock.0.manual.sleep_until(deadline).await;
            }
        })
    }

    fn handler_sleep_until(&self, deadline: Timestamp) -> Sleep {
        self.sleep_until(deadline)
    }
}

impl fmt::Debug for PacedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacedClock({} at {}x)", self.now(), self.speed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn noon() -> Timestamp {
        "2026-11-25T12:00:00Z".parse().expect("a time")
    }

    /// Runs `test` on the runtime of a clock that stands at noon.
    fn on_a_clock<F: Future>(test: impl FnOnce(PacedClock) -> F) {
        let clock = PacedClock::new(noon());
        clock.set_speed(0);
        let runtime = clock.runtime().expect("a runtime");
        runtime.block_on(async {
            let running = clock.clone();
            tokio::spawn(async move { running.run().await });
            test(clock.clone()).await
        });
    }

    #[test]
    fn a_skip_goes_through_every_moment_in_order_and_waits_at_each() {
        on_a_clock(async |clock| {
            let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
            for first in [20, 50] {
                let (clock, told) = (clock.clone(), told.clone());
                tokio::spawn(async move {
                    for n in 0..3u32 {
                        let at = noon() + Duration::from_secs(60) * (first + 60 * n);
                        clock.sleep_until(at).await;
                        // What is woken by the sleeper runs at the same instant.
                        let (clock, told) = (clock.clone(), told.clone());
                        let woken = tokio::spawn(async move { told.send((at, clock.now())) });
                        woken.await.expect("runs").expect("is heard");
                    }
                });
            }
            clock.all_wait().await;
            clock.skip_to(noon() + HOUR * 2).await;
            assert_eq!(clock.now(), noon() + HOUR * 2);
            let mut minutes = Vec::new();
            while let Ok((at, shown)) = heard.try_recv() {
                assert_eq!(at, shown, "nobody is woken early or late");
                minutes.push(at.since(noon()).as_secs() / 60);
            }
            assert_eq!(minutes, [20, 50, 80, 110]);
        });
    }

    #[test]
    fn a_clock_that_stands_or_is_held_shows_one_instant() {
        on_a_clock(async |clock| {
            assert_eq!(clock.now(), noon());
            let hold = clock.hold();
            clock.set_speed(600);
            let before = clock.now();
            clock.all_wait().await;
            assert_eq!(clock.now(), before);
            drop(hold);
            clock.sleep_until(noon() + Duration::from_secs(1)).await;
            assert!(clock.now() >= noon() + Duration::from_secs(1));
        });
    }

    #[test]
    fn at_its_speed_an_hour_takes_a_fraction_of_one() {
        on_a_clock(async |clock| {
            let began = clock.real();
            clock.set_speed(100_000);
            clock.sleep_until(noon() + HOUR).await;
            let took = clock.real() - began;
            assert!(took >= Duration::from_millis(36), "{took:?} is too fast");
            assert!(clock.now() >= noon() + HOUR);
        });
    }

    #[test]
    fn time_never_goes_past_a_deadline_before_its_sleeper_was_woken() {
        on_a_clock(async |clock| {
            let deadline = noon() + Duration::from_secs(1);
            let sleeper = {
                let clock = clock.clone();
                tokio::spawn(async move {
                    clock.sleep_until(deadline).await;
                    clock.now()
                })
            };
            clock.all_wait().await;
            clock.set_speed(1_000_000);
            assert_eq!(sleeper.await.expect("woken"), deadline);
        });
    }
}
