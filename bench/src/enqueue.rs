//! How fast jobs are taken in, each acknowledged only once the store has it.

use lullaby::Lullaby;

use crate::figure::Figure;
use crate::place::Place;
use crate::workload::{noop, per_second, seconds};

pub(crate) async fn run(place: &Place, divide: usize) -> anyhow::Result<()> {
    let one = 5_000 / divide;
    let lullaby = place.fresh("enqueue-one").await?;
    let queue = lullaby.queue("default")?;
    measure(place, "enqueue, one producer, one at a time", one, async {
        for _ in 0..one {
            queue.enqueue(noop(0)).await?;
        }
        anyhow::Ok(())
    })
    .await?;

    let each = 3_000 / divide;
    let lullaby = place.fresh("enqueue-64").await?;
    let all = producers(&lullaby, each);
    measure(place, "enqueue, 64 producers", 64 * each, all).await?;

    let many = 200 / divide.min(200);
    let lullaby = place.fresh("enqueue-bulk").await?;
    let queue = lullaby.queue("default")?;
    measure(place, "enqueue, 1,000 a call", many * 1000, async {
        for _ in 0..many {
            queue.enqueue_many((0..1000).map(|_| noop(0))).await?;
        }
        anyhow::Ok(())
    })
    .await
}

async fn producers(lullaby: &Lullaby, each: usize) -> anyhow::Result<()> {
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
    Ok(())
}

async fn measure(
    place: &Place,
    what: &str,
    jobs: usize,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let watched = place.watch()?;
    let (took, done) = seconds(work).await;
    done?;
    Figure::new(what, per_second(jobs, took))
        .spent(watched.per_job(jobs)?)
        .print()
}
