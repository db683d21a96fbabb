//! What a worker costs that has nothing to do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lullaby::{Shutdown, Worker};

use crate::process::{WakeUps, memory};
use crate::workload::{Tally, fresh, rest, row};

const WATCHED: Duration = Duration::from_secs(20);

pub(crate) async fn run(folder: &Path) -> anyhow::Result<()> {
    let lullaby = fresh(folder, "idle").await?;
    let worker = Worker::builder(&lullaby, Arc::<Tally>::default().tasks()).build()?;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    rest(Duration::from_secs(2)).await;
    let before = WakeUps::now()?;
    rest(WATCHED).await;
    let per_second = WakeUps::now()?.since(&before) as f64 / WATCHED.as_secs_f64();
    row(
        "idle worker and scheduler",
        &format!("{per_second:.2} wake-ups/s, {:.1} MiB", memory()?.now),
    );
    shutdown.warm();
    running.await?;
    Ok(())
}
