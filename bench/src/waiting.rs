//! A million jobs that wait: what they cost, and whether they slow anything down.

use std::time::Duration;

use crate::due;
use crate::figure::Figure;
use crate::place::Place;
use crate::process::{Memory, memory};
use crate::workload::{noop, per_second, seconds, thousands};

const NAME: &str = "waiting";

pub(crate) async fn fill(place: &Place, divide: usize) -> anyhow::Result<()> {
    let count = 1_000_000 / divide;
    let lullaby = place.fresh(NAME).await?;
    let store = lullaby.store();
    let queue = lullaby.queue("default")?;
    let far = lullaby.now() + Duration::from_secs(86_400);
    let watched = place.watch()?;
    let (took, done) = seconds(async {
        let mut producers = tokio::task::JoinSet::new();
        for part in 0..64 {
            let queue = queue.clone();
            let share = count / 64 + usize::from(part < count % 64);
            producers.spawn(async move {
                for n in 0..share {
                    let at = far + Duration::from_millis((n * 64 + part) as u64);
                    queue.enqueue_at(at, noop(0)).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = producers.join_next().await {
            done??;
        }
        anyhow::Ok(())
    })
    .await;
    done?;
    let what = format!("schedule {} jobs, 64 producers", thousands(count as u64));
    Figure::new(what, per_second(count, took))
        .spent(watched.per_job(count)?)
        .print()?;
    let waiting = store.queues().await?;
    anyhow::ensure!(!waiting.is_empty(), "the jobs are gone");
    Ok(())
}

pub(crate) async fn run(place: &Place, divide: usize) -> anyhow::Result<()> {
    let lullaby = place.open(NAME).await?;
    let queue = lullaby.queue("default")?;
    let count = 500 / divide;
    let start = lullaby.now() + Duration::from_millis(500);
    for n in 0..count {
        let due = start + Duration::from_millis(n as u64 * 17);
        queue.enqueue_at(due, noop(due.as_millis())).await?;
    }
    let tally = due::run(&lullaby, count).await?;
    Figure::new("due to start, 1,000,000 more waiting", tally.lateness()).print()?;
    let Memory { now, peak } = memory()?;
    let text = format!("{now:.1} MiB, peak {peak:.1} MiB");
    Figure::new("memory of the process with 1,000,000 waiting", text).print()
}
