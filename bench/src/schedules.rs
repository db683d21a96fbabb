//! Schedules: many of one second each, very many on one instant, a million that wait, and what the next slot of a cron line costs.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures finer than the library's clock of whole milliseconds"
)]

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lullaby::schedule::{Cron, ScheduleId, Trigger};
use lullaby::store::Page;
use lullaby::{Context, Failure, Lullaby, NewJob, Shutdown, Task, Tasks, Timestamp, Worker};
use serde::{Deserialize, Serialize};

use crate::figure::Figure;
use crate::place::Place;
use crate::workload::{lateness, now_us, rest, seconds, thousands};

/// How many schedules are put at a time.
const PRODUCERS: usize = 64;

/// How long schedules of one second are watched.
const WATCHED: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize)]
struct Tick;

impl Task for Tick {
    const NAME: &'static str = "bench.tick";
    type Output = ();
}

/// How much later than its slot each run started, in microseconds.
#[derive(Default)]
struct Ticks(Mutex<Vec<i64>>);

async fn tick(_: Tick, ctx: Context) -> Result<(), Failure> {
    let ticks = ctx.state::<Ticks>()?;
    let slot = ctx
        .slot()
        .ok_or_else(|| Failure::fatal("expected a job of a schedule"))?;
    let late = now_us() - slot.at.as_millis() * 1000;
    let mut all = ticks.0.lock().unwrap_or_else(PoisonError::into_inner);
    all.push(late);
    Ok(())
}

/// Puts `count` schedules into the store; the n-th has its first slot at `first(n)`.
async fn put(
    lullaby: &Lullaby,
    count: usize,
    every: Duration,
    first: impl Fn(usize) -> Timestamp,
) -> anyhow::Result<()> {
    // One as everybody states it, the others like it: what is measured comes after.
    let scheduler = lullaby.scheduler();
    let stated = scheduler.schedule(&name(0), NewJob::new(Tick));
    let stated = stated.every(every).start(first(0)).await?;
    let mut producers = tokio::task::JoinSet::new();
    for part in 0..PRODUCERS {
        let (store, stated) = (lullaby.store().clone(), stated.clone());
        let starts: Vec<_> = (part..count)
            .step_by(PRODUCERS)
            .filter(|n| *n > 0)
            .map(|n| (n, first(n)))
            .collect();
        producers.spawn(async move {
            for (n, start) in starts {
                let mut record = stated.clone();
                record.id = ScheduleId::random();
                record.name = name(n);
                record.spec.trigger = Trigger::Every { every, start };
                record.next = Some(start);
                store.put_schedule(record, None).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = producers.join_next().await {
        done??;
    }
    Ok(())
}

fn name(n: usize) -> String {
    format!("tick-{n:07}")
}

/// Schedules of one second each, evenly over the second: how late their runs start.
pub(crate) async fn each_second(place: &Place, count: usize) -> anyhow::Result<()> {
    let lullaby = place.fresh("schedules").await?;
    let start = lullaby.now() + Duration::from_secs(2 + count as u64 / 2000);
    let apart = |n: usize| Duration::from_micros((n * 1_000_000 / count) as u64);
    put(&lullaby, count, Duration::from_secs(1), |n| {
        start + apart(n)
    })
    .await?;
    let ticks = Arc::<Ticks>::default();
    let worker = Worker::builder(&lullaby, Tasks::new().state(ticks.clone()).task(tick));
    let worker = worker.concurrency(512).build()?;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    rest(start.since(lullaby.now()) + WATCHED).await;
    shutdown.warm();
    running.await?;

    let page = Page {
        offset: 0,
        length: count,
    };
    let records = lullaby.store().list_schedules(None, page).await?;
    let slots: u64 = records.iter().map(|record| record.slots).sum();
    let fired: u64 = records.iter().map(|record| record.fired).sum();
    let mut late = ticks.0.lock().unwrap_or_else(PoisonError::into_inner);
    let what = format!("{} schedules of one second each", thousands(count as u64));
    let result = format!(
        "{} of {} slots fired; {}",
        thousands(fired),
        thousands(slots),
        lateness(&mut late)
    );
    Figure::new(what, result).print()
}

/// Schedules that all fall on one instant: when the last one has fired, with one scheduler and nobody to run the jobs.
pub(crate) async fn same_instant(place: &Place, count: usize) -> anyhow::Result<()> {
    let lullaby = place.fresh("schedules").await?;
    let due = lullaby.now() + Duration::from_secs(2 + count as u64 / 5000);
    put(&lullaby, count, Duration::from_secs(3600), |_| due).await?;
    anyhow::ensure!(lullaby.now() < due, "the schedules were there too late");
    let elsewhere = Worker::builder(&lullaby, Tasks::new()).queues(["elsewhere"]);
    let shutdown = Shutdown::new();
    let running = tokio::spawn(elsewhere.build()?.run(shutdown.clone()));
    rest(due.since(lullaby.now())).await;
    while lullaby.store().count_schedules(Some(due)).await? > 0 {
        rest(Duration::from_millis(5)).await;
    }
    let took = lullaby.now().since(due);
    shutdown.warm();
    running.await?;
    let what = format!("{} schedules on one instant", thousands(count as u64));
    let result = format!("the last one fired after {} ms", took.as_millis());
    Figure::new(what, result).print()
}

/// Schedules that are due tomorrow, and one that is due now.
pub(crate) async fn waiting_fill(place: &Place, count: usize) -> anyhow::Result<()> {
    let lullaby = place.fresh("schedules").await?;
    let tomorrow = lullaby.now() + Duration::from_secs(86_400);
    let apart = |n: usize| Duration::from_millis(n as u64);
    let (took, done) = seconds(put(&lullaby, count, Duration::from_secs(3600), |n| {
        tomorrow + apart(n)
    }))
    .await;
    done?;
    let due = lullaby.scheduler().schedule("due", NewJob::new(Tick));
    let due = due.every(Duration::from_secs(3600)).start(lullaby.now());
    due.await?;
    let what = format!("put {} schedules, 64 producers", thousands(count as u64));
    let rate = thousands((count as f64 / took) as u64);
    Figure::new(what, format!("{rate} schedules/s")).print()
}

/// Opens what [`waiting_fill`] left, until the first run starts.
pub(crate) async fn waiting(place: &Place, count: usize) -> anyhow::Result<()> {
    let (took, lullaby) = seconds(async {
        let lullaby = place.open("schedules").await?;
        let ticks = Arc::<Ticks>::default();
        let worker = Worker::builder(&lullaby, Tasks::new().state(ticks.clone()).task(tick));
        let shutdown = Shutdown::new();
        let running = tokio::spawn(worker.build()?.run(shutdown.clone()));
        while ticks
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
        {
            rest(Duration::from_millis(1)).await;
        }
        anyhow::Ok((lullaby, shutdown, running))
    })
    .await;
    let (lullaby, shutdown, running) = lullaby?;
    shutdown.warm();
    running.await?;
    let all = lullaby.store().count_schedules(None).await?;
    anyhow::ensure!(all == count as u64 + 1, "{all} schedules are there");
    let what = format!("first slot of a store with {} schedules", thousands(all));
    let result = format!("runs {:.0} ms after the store is opened", took * 1000.0);
    Figure::new(what, result).print()
}

/// What the next slot of a cron line costs.
pub(crate) fn next_slot() -> anyhow::Result<()> {
    for (what, line, zone) in [
        ("*/5 * * * *, Berlin", "*/5 * * * *", "Europe/Berlin"),
        ("30 2 * * *, Berlin", "30 2 * * *", "Europe/Berlin"),
        (
            "0 9 * * mon-fri, New York",
            "0 9 * * mon-fri",
            "America/New_York",
        ),
        ("every second, UTC", "* * * * * *", "UTC"),
        // The rarest line: five Mondays in a February come every 28 years, and 40 apart around 2100.
        ("0 0 ? 2 1#5, Apia", "0 0 ? 2 1#5", "Pacific/Apia"),
        ("59 23 29W 2 6L, Cairo", "59 23 29W 2 6L", "Africa/Cairo"),
    ] {
        let trigger = Trigger::from(Cron::new(line)?.in_zone(zone)?);
        let from: Timestamp = "2026-01-01T00:00:00Z".parse()?;
        let mut at = from;
        let mut slots = 0_u32;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            for _ in 0..100 {
                at = black_box(&trigger).next_after(at).unwrap_or(from);
            }
            slots += 100;
        }
        let mean = begun.elapsed().as_secs_f64() / f64::from(slots) * 1e6;
        let result = format!("{mean:.2} µs");
        Figure::new(format!("next slot of {what}"), result).print()?;
    }
    Ok(())
}
