//! Puts one job in, with any of the options that a job has, and prints its id.
//!
//! ```sh
//! cargo run --example enqueue -- --url redis://localhost --retry 3 --retry-after 1,10 demo.add '[1, 2]'
//! ```
//!
//! On a Redis that is shared with Python the task may be any function of Python's, by its dotted path.

use std::time::Duration;

use clap::Parser;
use lullaby::store::redis::serializer::Serializer;
use lullaby::store::redis::{RedisOptions, RedisStore};
use lullaby::{Lullaby, NewJob, Retry};
use serde_json::{Map, Value};

/// Puts a job in.
#[derive(Parser, Debug)]
struct Options {
    /// The store
    #[arg(long, default_value = "sqlite:./jobs.db")]
    url: String,
    /// Write the call for a fleet of `rq worker -S json`
    #[arg(long)]
    json: bool,
    #[arg(long, default_value = "default")]
    queue: String,
    #[arg(long)]
    id: Option<String>,
    /// In how many seconds
    #[arg(long = "in")]
    delay: Option<f64>,
    #[arg(long)]
    at_front: bool,
    /// In seconds, as all times here; -1 is for ever
    #[arg(long, allow_negative_numbers = true)]
    timeout: Option<f64>,
    #[arg(long)]
    ttl: Option<f64>,
    #[arg(long, allow_negative_numbers = true)]
    result_ttl: Option<f64>,
    #[arg(long, allow_negative_numbers = true)]
    failure_ttl: Option<f64>,
    /// How often to try again
    #[arg(long)]
    retry: Option<u32>,
    #[arg(long, value_delimiter = ',', default_value = "0")]
    retry_after: Vec<f64>,
    /// Notes, a JSON object
    #[arg(long, default_value = "{}")]
    meta: String,
    #[arg(long)]
    description: Option<String>,
    task: String,
    /// A JSON list
    #[arg(default_value = "[]")]
    args: String,
    /// A JSON object
    #[arg(default_value = "{}")]
    kwargs: String,
}

async fn open(options: &Options) -> lullaby::Result<Lullaby> {
    if !options.json {
        return Lullaby::open(&options.url).await;
    }
    let json = RedisOptions::default().serializer(Serializer::Json);
    Ok(Lullaby::with_store(
        RedisStore::open(&options.url, json).await?,
    ))
}

/// Below zero is for ever.
fn span(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn job(options: &Options) -> Result<NewJob, Box<dyn std::error::Error>> {
    let args: Vec<Value> = serde_json::from_str(&options.args)?;
    let kwargs: Map<String, Value> = serde_json::from_str(&options.kwargs)?;
    let meta: Map<String, Value> = serde_json::from_str(&options.meta)?;
    let mut job = NewJob::named(&options.task, &args, &kwargs)?;
    if let Some(id) = &options.id {
        job = job.job_id(id);
    }
    if options.at_front {
        job = job.at_front();
    }
    if let Some(timeout) = options.timeout {
        job = job.timeout(span(timeout));
    }
    if let Some(ttl) = options.ttl {
        job = job.ttl(span(ttl));
    }
    if let Some(ttl) = options.result_ttl {
        job = job.result_ttl(span(ttl));
    }
    if let Some(ttl) = options.failure_ttl {
        job = job.failure_ttl(span(ttl));
    }
    if let Some(times) = options.retry {
        let pauses = options.retry_after.iter().copied().filter_map(span);
        job = job.retry(Retry::intervals(times, pauses));
    }
    if let Some(text) = &options.description {
        job = job.description(text);
    }
    for (key, value) in meta {
        job = job.meta(&key, value);
    }
    Ok(job)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let queue = open(&options).await?.queue(&options.queue)?;
    let job = job(&options)?;
    let handle = match options.delay {
        Some(delay) => {
            queue
                .enqueue_in(Duration::try_from_secs_f64(delay)?, job)
                .await?
        }
        None => queue.enqueue(job).await?,
    };
    println!("{}", handle.id());
    Ok(())
}
