//! How fast one worker runs what waits.

use std::sync::Arc;
use std::time::Duration;

use lullaby::{NewJob, Shutdown, Worker};

use crate::figure::Figure;
use crate::place::Place;
use crate::workload::{Tally, noop, per_second, seconds, thousands, with_result};

/// What is kept of an ended job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    /// It returns a value, and that is kept.
    Result,
    /// It returns nothing; that it finished is kept.
    Record,
    /// `result_ttl` is 0.
    Nothing,
}

impl Kept {
    fn job(self) -> NewJob {
        match self {
            Self::Result => with_result(),
            Self::Record => noop(0),
            Self::Nothing => noop(0).result_ttl(Duration::ZERO),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Result => "results kept",
            Self::Record => "nothing returned",
            Self::Nothing => "result_ttl 0",
        }
    }
}

/// `how` is what is special about the way to the store.
pub(crate) async fn run(place: &Place, divide: usize, kept: Kept, how: &str) -> anyhow::Result<()> {
    let count = 100_000 / divide;
    let lullaby = place.fresh("drain").await?;
    let queue = lullaby.queue("default")?;
    for _ in 0..count.div_ceil(1000) {
        queue.enqueue_many((0..1000).map(|_| kept.job())).await?;
    }
    let tally = Arc::<Tally>::default();
    let worker = Worker::builder(&lullaby, tally.tasks())
        .concurrency(512)
        .burst()
        .build()?;
    let watched = place.watch()?;
    let (took, ()) = seconds(worker.run(Shutdown::new())).await;
    let done = usize::try_from(tally.done())?;
    let what = format!(
        "drain {} jobs, {}{how}",
        thousands(done as u64),
        kept.words()
    );
    Figure::new(what, per_second(done, took))
        .spent(watched.per_job(done)?)
        .print()
}
