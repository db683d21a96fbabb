//! A million jobs that wait: what they cost, and whether they slow anything down.

use std::path::Path;
use std::time::Duration;

use crate::due;
use crate::process::{Memory, memory};
use crate::workload::{fresh, noop, open, per_second, row, seconds};

const NAME: &str = "waiting";

pub(crate) async fn fill(folder: &Path, divide: usize) -> anyhow::Result<()> {
    let count = 1_000_000 / divide;
    let lullaby = fresh(folder, NAME).await?;
    let store = lullaby.store();
    let queue = lullaby.queue("default")?;
    let far = lullaby.now() + Duration::from_secs(86_400);
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
    row(
        &format!("schedule {count} jobs, 64 producers"),
        &per_second(count, took),
    );
    let waiting = store.queues().await?;
    anyhow::ensure!(!waiting.is_empty(), "the jobs are gone");
    Ok(())
}

pub(crate) async fn run(folder: &Path, divide: usize) -> anyhow::Result<()> {
    let lullaby = open(folder, NAME).await?;
    let queue = lullaby.queue("default")?;
    let count = 500 / divide;
    let start = lullaby.now() + Duration::from_millis(500);
    for n in 0..count {
        let due = start + Duration::from_millis(n as u64 * 17);
        queue.enqueue_at(due, noop(due.as_millis())).await?;
    }
    let tally = due::run(&lullaby, count).await?;
    row("due to start, 1,000,000 more waiting", &tally.lateness());
    let Memory { now, peak } = memory()?;
    row(
        "memory of the process with 1,000,000 waiting",
        &format!("{now:.1} MiB, peak {peak:.1} MiB"),
    );
    Ok(())
}
