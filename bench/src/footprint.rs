//! How much of the Redis server's memory a job takes.

use std::sync::Arc;

use lullaby::{Shutdown, Worker};

use crate::figure::Figure;
use crate::place::Place;
use crate::redis_server::Look;
use crate::workload::{Tally, noop, with_result};

/// Redis' own defaults, and what we recommend for RQ's layout.
const SETTINGS: [(&str, &str, &str); 2] = [
    ("64", "4096", "Redis' defaults"),
    (
        "512",
        "256",
        "hash-max-listpack-value 512, stream-node-max-bytes 256",
    ),
];

pub(crate) async fn run(place: &Place, divide: usize) -> anyhow::Result<()> {
    let Place::Redis(url) = place else {
        anyhow::bail!("expected a Redis server")
    };
    let count = 20_000 / divide;
    for (hash, stream, words) in SETTINGS {
        let mut look = Look::at(url)?;
        look.set("hash-max-listpack-value", hash)?;
        look.set("stream-node-max-bytes", stream)?;
        let lullaby = place.fresh("footprint").await?;
        let queue = lullaby.queue("default")?;
        let far = lullaby.now() + std::time::Duration::from_secs(86_400);

        let empty = look.memory()?;
        for n in 0..count {
            queue
                .enqueue_at(far + std::time::Duration::from_millis(n as u64), noop(0))
                .await?;
        }
        let scheduled = (look.memory()? - empty) / count as f64;

        let before = look.memory()?;
        queue
            .enqueue_many((0..count).map(|_| with_result()))
            .await?;
        let queued = (look.memory()? - before) / count as f64;

        let tally = Arc::<Tally>::default();
        let worker = Worker::builder(&lullaby, tally.tasks())
            .concurrency(512)
            .burst()
            .build()?;
        worker.run(Shutdown::new()).await;
        let before = look.memory()?;
        look.drop_results()?;
        let stream = (before - look.memory()?) / count as f64;
        let text = format!(
            "{scheduled:.0} bytes a scheduled job, {queued:.0} a queued one, {stream:.0} a result stream"
        );
        Figure::new(format!("memory of Redis: {words}"), text).print()?;
    }
    Ok(())
}
