//! How fast jobs are taken in, each acknowledged only once it is on the disk.

use std::path::Path;

use crate::workload::{fresh, noop, per_second, row, seconds};

pub(crate) async fn run(folder: &Path, divide: usize) -> anyhow::Result<()> {
    let one = 5_000 / divide;
    let lullaby = fresh(folder, "enqueue-one").await?;
    let queue = lullaby.queue("default")?;
    let (took, done) = seconds(async {
        for _ in 0..one {
            queue.enqueue(noop(0)).await?;
        }
        anyhow::Ok(())
    })
    .await;
    done?;
    row(
        "enqueue, one producer, one at a time",
        &per_second(one, took),
    );

    let each = 3_000 / divide;
    let lullaby = fresh(folder, "enqueue-64").await?;
    let (took, done) = seconds(async {
        let mut producers = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let queue = lullaby.queue("default")?;
            producers.spawn(async move {
                for _ in 0..each {
                    queue.enqueue(noop(0)).await?;
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
    row("enqueue, 64 producers", &per_second(64 * each, took));

    let many = 200 / divide.min(200);
    let lullaby = fresh(folder, "enqueue-bulk").await?;
    let queue = lullaby.queue("default")?;
    let (took, done) = seconds(async {
        for _ in 0..many {
            queue.enqueue_many((0..1000).map(|_| noop(0))).await?;
        }
        anyhow::Ok(())
    })
    .await;
    done?;
    row("enqueue, 1,000 a call", &per_second(many * 1000, took));
    Ok(())
}
