//! A worker on any store, with a few tasks to try things out with.
//!
//! ```sh
//! cargo run --example worker -- --url sqlite:./jobs.db --queues high,default
//! ```
//!
//! Python programs may put its jobs in, when the store is a Redis that they share: `q.enqueue("demo.add", 1, b=2)`.

use std::time::Duration;

use clap::Parser;
use lullaby::store::redis::{RedisStore, redis};
use lullaby::{Context, Failure, Lullaby, Shutdown, Task, Tasks, Worker};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Runs the demo tasks.
#[derive(Parser, Debug)]
struct Options {
    /// The store
    #[arg(long, default_value = "sqlite:./jobs.db")]
    url: String,
    /// Its queues, the most urgent first
    #[arg(long, value_delimiter = ',', default_value = "default")]
    queues: Vec<String>,
    /// How many jobs at once
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// How many seconds a job stays this worker's without a sign of life
    #[arg(long, default_value_t = 15.0)]
    lease: f64,
    /// End when the queues are empty
    #[arg(long)]
    burst: bool,
    /// Also move jobs that are due, and fire schedules
    #[arg(long)]
    scheduler: bool,
}

/// `demo.add(a, b)`
#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

impl Task for Add {
    const NAME: &'static str = "demo.add";
    type Output = i64;
}

async fn add(task: Add, _ctx: Context) -> Result<i64, Failure> {
    task.a
        .checked_add(task.b)
        .ok_or_else(|| Failure::fatal("the sum is beyond 64 bits"))
}

/// `demo.echo(value)`
#[derive(Serialize, Deserialize)]
struct Echo {
    value: Value,
}

impl Task for Echo {
    const NAME: &'static str = "demo.echo";
    type Output = Value;
}

async fn echo(task: Echo, _ctx: Context) -> Value {
    task.value
}

/// `demo.sleep(seconds)`
#[derive(Serialize, Deserialize)]
struct Sleep {
    seconds: f64,
}

impl Task for Sleep {
    const NAME: &'static str = "demo.sleep";
    type Output = ();
}

async fn sleep(task: Sleep, ctx: Context) -> Result<(), Failure> {
    // Dropped here when its timeout is over. Who asks it to stop gets an answer at once; without this it would be dropped after 5 s.
    tokio::select! {
        () = ctx.sleep(Duration::try_from_secs_f64(task.seconds)?) => Ok(()),
        () = ctx.canceled() => Err("asked to stop".into()),
    }
}

/// `demo.ended(job, status)`: a callback
#[derive(Serialize, Deserialize)]
struct Ended {
    job: String,
    status: String,
}

impl Task for Ended {
    const NAME: &'static str = "demo.ended";
    type Output = ();
}

async fn ended(task: Ended, _ctx: Context) {
    tracing::info!(job = task.job, status = task.status, "a job has ended");
}

/// `demo.fail(message)`
#[derive(Serialize, Deserialize)]
struct Fail {
    message: String,
}

impl Task for Fail {
    const NAME: &'static str = "demo.fail";
    type Output = ();
}

async fn fail(task: Fail, _ctx: Context) -> Result<(), Failure> {
    Err(task.message.into())
}

/// `demo.flaky(failures)`: fails that many times, then answers at which try it did well. Needs a `retry` to get that far.
#[derive(Serialize, Deserialize)]
struct Flaky {
    failures: u32,
}

impl Task for Flaky {
    const NAME: &'static str = "demo.flaky";
    type Output = u32;
}

async fn flaky(task: Flaky, ctx: Context) -> Result<u32, Failure> {
    if ctx.attempt() <= task.failures {
        return Err(format!("failure {} of {}", ctx.attempt(), task.failures).into());
    }
    Ok(ctx.attempt())
}

/// `demo.burn(ms)`: keeps a core busy.
#[derive(Serialize, Deserialize)]
struct Burn {
    ms: u64,
}

impl Task for Burn {
    const NAME: &'static str = "demo.burn";
    type Output = u64;
}

/// Answers how many rounds it made. Blocking work cannot be dropped, so it looks itself whether it should go on.
fn burn(task: &Burn, ctx: &Context) -> u64 {
    let clock = ctx.lullaby().clock();
    let end = clock.now() + Duration::from_millis(task.ms);
    let mut rounds = 0;
    while clock.now() < end && !ctx.is_canceled() {
        rounds += 1;
        std::hint::spin_loop();
    }
    rounds
}

/// `demo.count(name, seconds=0)`: on Redis only. Counts its runs under `demo:count:<name>`, where everybody can see them, and takes its time.
#[derive(Serialize, Deserialize)]
struct Count {
    name: String,
    #[serde(default)]
    seconds: f64,
}

impl Task for Count {
    const NAME: &'static str = "demo.count";
    type Output = ();
}

async fn count(task: Count, ctx: Context) -> Result<(), Failure> {
    let store = ctx.lullaby().store();
    let Some(redis) = store.as_any().downcast_ref::<RedisStore>() else {
        let why = format!("expected a store on Redis, got {}", store.location());
        return Err(Failure::fatal(why));
    };
    let mut command = redis::cmd("INCR");
    command.arg(format!("demo:count:{}", task.name));
    redis.run_command(&command).await?;
    ctx.sleep(Duration::try_from_secs_f64(task.seconds)?).await;
    Ok(())
}

/// `demo.note(key, value)`: notes something on its own job.
#[derive(Serialize, Deserialize)]
struct Note {
    key: String,
    value: Value,
}

impl Task for Note {
    const NAME: &'static str = "demo.note";
    type Output = ();
}

async fn note(task: Note, ctx: Context) -> Result<(), Failure> {
    ctx.save_meta([(task.key.as_str(), task.value)]).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let lullaby = Lullaby::open(&options.url).await?;
    let tasks = Tasks::new()
        .task(add)
        .task(ended)
        .task(echo)
        .task(sleep)
        .task(fail)
        .task(flaky)
        .task(count)
        .task(note)
        .blocking(|task: Burn, ctx: Context| burn(&task, &ctx));
    let mut worker = Worker::builder(&lullaby, tasks)
        .queues(options.queues)
        .concurrency(options.concurrency)
        .lease(Duration::try_from_secs_f64(options.lease)?);
    if options.burst {
        worker = worker.burst();
    }
    if !options.scheduler {
        worker = worker.without_scheduler();
    }
    // SIGTERM lets running jobs end; a second one gives them back to their queue.
    worker.build()?.run(Shutdown::on_signals()?).await;
    Ok(())
}
