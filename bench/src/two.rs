//! Two processes on one file: one only enqueues, one only works.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lullaby::{Shutdown, Worker};

use crate::figure::Figure;
use crate::place::Place;
use crate::process::WakeUps;
use crate::workload::{Tally, noop, rest};

const NAME: &str = "two";
const IDLE: Duration = Duration::from_secs(10);

/// The producer, and the parent of the worker's process.
pub(crate) async fn produce(place: &Place, divide: usize) -> anyhow::Result<()> {
    let count = 500 / divide;
    let lullaby = place.fresh(NAME).await?;
    let Place::Folder(folder) = place else {
        anyhow::bail!("expected a folder")
    };
    let queue = lullaby.queue("default")?;
    let mut worker = Command::new(std::env::current_exe()?)
        .args(["--part", "two-worker"])
        .arg("--folder")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut orders = worker.stdin.take().expect("piped");
    let mut answers = BufReader::new(worker.stdout.take().expect("piped")).lines();
    let mut answer = || answers.next().transpose().map(Option::unwrap_or_default);
    answer()?;

    // The instants are spread over ten seconds by a fixed stride that is prime to them.
    for n in 0..count {
        let due = lullaby.now() + Duration::from_millis(20 + (n as u64 * 7919) % 10_000);
        queue.enqueue_at(due, noop(due.as_millis())).await?;
    }
    for _ in 0..count {
        queue.enqueue(noop(lullaby.now().as_millis())).await?;
        rest(Duration::from_millis(15)).await;
    }
    writeln!(orders, "{}", 2 * count)?;
    let lateness = answer()?;
    let what = format!("two processes: {count} for now and {count} at instants, to start");
    Figure::new(what, lateness).print()?;
    writeln!(orders, "idle")?;
    rest(Duration::from_secs(1)).await;
    let before = WakeUps::now()?;
    rest(IDLE).await;
    let producer = WakeUps::now()?.since(&before) as f64 / IDLE.as_secs_f64();
    let worked = answer()?;
    let text = format!("producer {producer:.2} wake-ups/s, worker {worked} wake-ups/s");
    Figure::new("the two, idle", text).print()?;
    drop(orders);
    worker.wait()?;
    Ok(())
}

/// The worker: begins at once, answers by lines.
pub(crate) async fn work(place: &Place) -> anyhow::Result<()> {
    let lullaby = place.open(NAME).await?;
    let tally = Arc::<Tally>::default();
    let worker = Worker::builder(&lullaby, tally.tasks()).build()?;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    println!("ready");
    let count: u64 = order().await?.parse()?;
    tally.until(count).await;
    println!("{}", tally.lateness());
    order().await?;
    rest(Duration::from_secs(1)).await;
    let before = WakeUps::now()?;
    rest(IDLE).await;
    println!(
        "{:.2}",
        WakeUps::now()?.since(&before) as f64 / IDLE.as_secs_f64()
    );
    shutdown.warm();
    running.await?;
    Ok(())
}

async fn order() -> anyhow::Result<String> {
    let read = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        anyhow::Ok(line.trim().to_owned())
    };
    tokio::task::spawn_blocking(read).await?
}
