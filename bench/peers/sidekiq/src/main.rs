//! rusty-sidekiq doing what the benchmark measures: URL VERB COUNT; prints one line of JSON.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sidekiq::{Processor, RedisConnectionManager, RedisPool, Worker};

/// Workers of its own, as its documentation advises for small jobs.
const WORKERS: usize = 32;
/// How long jobs for later are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Serialize, Deserialize, Clone)]
struct Noop {
    due_ms: u64,
    text: String,
}

#[derive(Clone)]
struct NoopWorker(Arc<Tally>);

struct Tally {
    expected: usize,
    start: Instant,
    done: AtomicUsize,
    late_ms: Mutex<Vec<f64>>,
}

impl Tally {
    fn tell_lateness(&self) -> ! {
        let late = self.late_ms.lock().expect("no panic");
        println!("{}", json!({ "late_ms": *late, "of": self.expected }));
        std::process::exit(0)
    }
}

#[async_trait]
impl Worker<Noop> for NoopWorker {
    async fn perform(&self, task: Noop) -> sidekiq::Result<()> {
        let tally = &self.0;
        if task.due_ms > 0 {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            let late = now.as_secs_f64() * 1000.0 - task.due_ms as f64;
            tally.late_ms.lock().expect("no panic").push(late);
        }
        if tally.done.fetch_add(1, Ordering::Relaxed) + 1 == tally.expected {
            if task.due_ms > 0 {
                tally.tell_lateness();
            }
            tell_rate(tally.expected, tally.start);
            std::process::exit(0);
        }
        Ok(())
    }
}

fn tell_rate(jobs: usize, start: Instant) {
    println!("{}", json!({ "jobs": jobs, "seconds": start.elapsed().as_secs_f64() }));
}

fn noop(due_ms: u64) -> Noop {
    Noop { due_ms, text: "x".repeat(70) }
}

async fn enqueue(redis: &RedisPool, count: usize, producers: usize) -> anyhow::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..producers {
        let redis = redis.clone();
        tasks.spawn(async move {
            for _ in 0..count / producers {
                NoopWorker::perform_async(&redis, noop(0)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn work(redis: RedisPool, expected: usize) -> Arc<Tally> {
    let tally = Arc::new(Tally {
        expected,
        start: Instant::now(),
        done: AtomicUsize::new(0),
        late_ms: Mutex::default(),
    });
    let mut processor = Processor::new(redis, vec!["default".to_owned()]).with_config(
        sidekiq::ProcessorConfig::default().num_workers(WORKERS),
    );
    processor.register(NoopWorker(tally.clone()));
    tokio::spawn(processor.run());
    tally
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [_, url, verb, count] = &std::env::args().collect::<Vec<_>>()[..] else {
        anyhow::bail!("expected URL VERB COUNT");
    };
    let count: usize = count.parse()?;
    let manager = RedisConnectionManager::new(url.as_str())?;
    let redis = bb8::Pool::builder().max_size(64).build(manager).await?;
    let start = Instant::now();
    match verb.as_str() {
        "enqueue-one" => enqueue(&redis, count, 1).await?,
        "enqueue-64" | "fill" => enqueue(&redis, count, 64.min(count)).await?,
        "drain" => {
            work(redis, count / 64 * 64).await;
            std::future::pending::<()>().await;
        }
        "due-spread" => {
            for n in 0..count {
                let delay = Duration::from_millis(1000 + 500 * n as u64);
                let due = SystemTime::now().duration_since(UNIX_EPOCH)? + delay;
                NoopWorker::perform_in(&redis, delay, noop(due.as_millis() as u64)).await?;
            }
            let tally = work(redis, count).await;
            tokio::time::sleep(PATIENCE).await;
            tally.tell_lateness();
        }
        other => anyhow::bail!("expected a verb that the benchmark knows, got {other:?}"),
    }
    tell_rate(count, start);
    Ok(())
}
