//! How fast one worker runs what waits.

use std::path::Path;
use std::sync::Arc;

use lullaby::{Shutdown, Worker};

use crate::workload::{Tally, fresh, noop, per_second, row, seconds};

pub(crate) async fn run(folder: &Path, divide: usize) -> anyhow::Result<()> {
    let count = 100_000 / divide;
    let lullaby = fresh(folder, "drain").await?;
    let queue = lullaby.queue("default")?;
    for _ in 0..count.div_ceil(1000) {
        queue.enqueue_many((0..1000).map(|_| noop(0))).await?;
    }
    let tally = Arc::<Tally>::default();
    let worker = Worker::builder(&lullaby, tally.tasks())
        .concurrency(512)
        .burst()
        .build()?;
    let (took, ()) = seconds(worker.run(Shutdown::new())).await;
    let done = usize::try_from(tally.done())?;
    row(
        &format!("drain {done} no-op jobs, settled"),
        &per_second(done, took),
    );
    Ok(())
}
