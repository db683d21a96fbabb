//! What a worker costs that has nothing to do.

use std::sync::Arc;
use std::time::Duration;

use lullaby::{Shutdown, Worker};

use crate::figure::Figure;
use crate::place::Place;
use crate::process::{WakeUps, memory};
use crate::workload::{Tally, rest};

const WATCHED: Duration = Duration::from_secs(20);

pub(crate) async fn run(place: &Place) -> anyhow::Result<()> {
    let lullaby = place.fresh("idle").await?;
    let worker = Worker::builder(&lullaby, Arc::<Tally>::default().tasks()).build()?;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    rest(Duration::from_secs(2)).await;
    let before = WakeUps::now()?;
    let watched = place.watch()?;
    rest(WATCHED).await;
    // As if each second were a job.
    let spent = watched.per_job(usize::try_from(WATCHED.as_secs())?)?;
    let per_second = WakeUps::now()?.since(&before) as f64 / WATCHED.as_secs_f64();
    let mut text = format!("{per_second:.2} wake-ups/s, {:.1} MiB", memory()?.now);
    if let Some(spent) = spent {
        text += &format!(", {:.2} Redis commands/s", spent.commands);
    }
    Figure::new("idle worker and scheduler", text).print()?;
    shutdown.warm();
    running.await?;
    Ok(())
}
