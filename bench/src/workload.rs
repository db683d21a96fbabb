//! What the measurements share: no-op jobs with 100 bytes of payload, and how their times are told.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures finer than the library's clock of whole milliseconds"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lullaby::{Context, Failure, NewJob, Task, Tasks};
use serde::{Deserialize, Serialize};

/// A job that does nothing. With its name it is about 100 bytes of JSON.
#[derive(Serialize, Deserialize, Clone)]
pub(crate) struct Noop {
    pub(crate) due_ms: i64,
    pub(crate) text: String,
}

impl Task for Noop {
    const NAME: &'static str = "bench.noop";
    type Output = ();
}

/// The same, but it returns something, and that is kept.
#[derive(Serialize, Deserialize, Clone)]
pub(crate) struct Measure {
    text: String,
}

impl Task for Measure {
    const NAME: &'static str = "bench.measure";
    type Output = usize;
}

fn text() -> String {
    "x".repeat(70)
}

pub(crate) fn noop(due_ms: i64) -> NewJob {
    let text = text();
    NewJob::new(Noop { due_ms, text }).untyped()
}

pub(crate) fn with_result() -> NewJob {
    NewJob::new(Measure { text: text() }).untyped()
}

/// Counts jobs, and how late each started.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) done: AtomicU64,
    late_us: Mutex<Vec<i64>>,
}

impl Tally {
    pub(crate) fn tasks(self: &Arc<Self>) -> Tasks {
        Tasks::new().state(self.clone()).task(run).task(measure)
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) async fn until(&self, count: u64) {
        while self.done() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn lateness(&self) -> String {
        lateness(&mut self.late_us.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// p50, p99 and the latest in milliseconds, and how many were early; of microseconds.
pub(crate) fn lateness(late: &mut [i64]) -> String {
    late.sort_unstable();
    let at = |share: f64| {
        let place = ((late.len().saturating_sub(1)) as f64 * share) as usize;
        late.get(place).copied().unwrap_or(0) as f64 / 1000.0
    };
    let early = late.iter().filter(|late| **late < 0).count();
    format!(
        "p50 {:.2} ms, p99 {:.2} ms, last {:.2} ms, {early} of {} early",
        at(0.5),
        at(0.99),
        at(1.0),
        late.len()
    )
}

async fn run(task: Noop, ctx: Context) -> Result<(), Failure> {
    let tally = ctx.state::<Tally>()?;
    if task.due_ms > 0 {
        let late = now_us() - task.due_ms * 1000;
        let mut all = tally.late_us.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(late);
    }
    tally.done.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn measure(task: Measure, ctx: Context) -> Result<usize, Failure> {
    let tally = ctx.state::<Tally>()?;
    tally.done.fetch_add(1, Ordering::Relaxed);
    Ok(task.text.len())
}

pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}

/// Seconds that `work` takes.
pub(crate) async fn seconds<T>(work: impl Future<Output = T>) -> (f64, T) {
    let start = Instant::now();
    let done = work.await;
    (start.elapsed().as_secs_f64(), done)
}

pub(crate) async fn rest(duration: Duration) {
    tokio::time::sleep(duration).await;
}

pub(crate) fn per_second(count: usize, seconds: f64) -> String {
    format!("{} jobs/s", thousands((count as f64 / seconds) as u64))
}

/// 1,234,567
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
