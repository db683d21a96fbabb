//! How late a job starts that was enqueued for later.

use std::sync::Arc;
use std::time::Duration;

use lullaby::{Shutdown, Timestamp, Worker};

use crate::figure::Figure;
use crate::place::Place;
use crate::workload::{Tally, noop, thousands};

/// Jobs at instants of their own, in a store that is otherwise empty.
pub(crate) async fn run_spread(place: &Place, divide: usize) -> anyhow::Result<()> {
    let count = 500 / divide;
    let lullaby = place.fresh("due-spread").await?;
    let queue = lullaby.queue("default")?;
    let start = lullaby.now() + Duration::from_millis(500);
    let due = |n: usize| start + Duration::from_millis(n as u64 * 17);
    for n in 0..count {
        queue.enqueue_at(due(n), noop(due(n).as_millis())).await?;
    }
    let tally = run(&lullaby, count).await?;
    Figure::new("due to start, 500 instants", tally.lateness()).print()
}

/// All for one instant.
pub(crate) async fn run_burst(place: &Place, count: usize) -> anyhow::Result<()> {
    let lullaby = place.fresh("due-burst").await?;
    let queue = lullaby.queue("default")?;
    let patience = Duration::from_millis(3000 + count as u64 / 10);
    let due: Timestamp = lullaby.now() + patience;
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
    let what = format!(
        "{} due in one millisecond, to start",
        thousands(count as u64)
    );
    Figure::new(what, tally.lateness()).print()
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
