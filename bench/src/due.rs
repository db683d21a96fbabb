//! How late a job starts that was enqueued for later.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lullaby::{Shutdown, Timestamp, Worker};

use crate::workload::{Tally, fresh, noop, row};

/// Jobs at instants of their own, in a store that is otherwise empty.
pub(crate) async fn run_spread(folder: &Path, divide: usize) -> anyhow::Result<()> {
    let count = 500 / divide;
    let lullaby = fresh(folder, "due-spread").await?;
    let queue = lullaby.queue("default")?;
    let start = lullaby.now() + Duration::from_millis(500);
    let due = |n: usize| start + Duration::from_millis(n as u64 * 17);
    for n in 0..count {
        queue.enqueue_at(due(n), noop(due(n).as_millis())).await?;
    }
    let tally = run(&lullaby, count).await?;
    row("due to start, 500 instants", &tally.lateness());
    Ok(())
}

/// All for one instant.
pub(crate) async fn run_burst(folder: &Path, divide: usize) -> anyhow::Result<()> {
    let count = 10_000 / divide;
    let lullaby = fresh(folder, "due-burst").await?;
    let queue = lullaby.queue("default")?;
    let due: Timestamp = lullaby.now() + Duration::from_secs(3);
    let mut producers = tokio::task::JoinSet::new();
    for n in 0..64 {
        let queue = queue.clone();
        let share = count / 64 + usize::from(n < count % 64);
        producers.spawn(async move {
            for _ in 0..share {
                queue.enqueue_at(due, noop(due.as_millis())).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = producers.join_next().await {
        done??;
    }
    let tally = run(&lullaby, count).await?;
    row(
        &format!("{count} due in one millisecond"),
        &tally.lateness(),
    );
    Ok(())
}

pub(crate) async fn run(lullaby: &lullaby::Lullaby, count: usize) -> anyhow::Result<Arc<Tally>> {
    let tally = Arc::<Tally>::default();
    let worker = Worker::builder(lullaby, tally.tasks())
        .concurrency(512)
        .build()?;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    tally.until(count as u64).await;
    shutdown.warm();
    running.await?;
    Ok(tally)
}
