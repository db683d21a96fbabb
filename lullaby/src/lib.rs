//! Durable background jobs for Rust: now, later, recurring, retried. On one SQLite file, in Redis, or in memory for tests, with RQ's words.
//!
//! ```
//! use lullaby::{Context, Lullaby, Shutdown, Task, Tasks, Worker};
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Greet {
//!     name: String,
//! }
//!
//! impl Task for Greet {
//!     const NAME: &'static str = "greet";
//!     type Output = String;
//! }
//!
//! async fn greet(task: Greet, _ctx: Context) -> String {
//!     format!("Hello, {}!", task.name)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> lullaby::Result<()> {
//! // "sqlite:./jobs.db" keeps them for ever; "memory:" is for tests.
//! let lullaby = Lullaby::open("memory:").await?;
//! let queue = lullaby.queue("default")?;
//! let job = queue.enqueue(Greet { name: "Mochi".into() }).await?;
//! queue.enqueue_in(Duration::from_millis(5), Greet { name: "Ferris".into() }).await?;
//!
//! let worker = Worker::builder(&lullaby, Tasks::new().task(greet)).burst().build()?;
//! worker.run(Shutdown::new()).await;
//! assert_eq!(job.wait(Duration::from_secs(1)).await?, "Hello, Mochi!");
//! # Ok(())
//! # }
//! ```
//!
//! Later, again when it fails, and every hour:
//!
//! ```
//! # use lullaby::{Lullaby, NewJob, Retry, Task};
//! # use std::time::Duration;
//! # #[derive(serde::Serialize, serde::Deserialize)]
//! # struct Greet { name: String }
//! # impl Task for Greet { const NAME: &'static str = "greet"; type Output = String; }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> lullaby::Result<()> {
//! # let lullaby = Lullaby::open("memory:").await?;
//! # let queue = lullaby.queue("default")?;
//! # let greet = |name: &str| Greet { name: name.to_owned() };
//! let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
//! queue.enqueue_in(minute * 20, greet("Mochi")).await?;
//! // Up to five more tries: a second after the first failure, then two, four, and so on.
//! let stubborn = NewJob::new(greet("Ferris")).retry(Retry::exponential(5, second, minute));
//! queue.enqueue(stubborn).await?;
//! // Said again at the next start of the program it changes nothing.
//! lullaby.scheduler().schedule("hello", greet("everybody")).every(minute * 60).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A job that was taken in is never lost, and runs **at least once**: one whose worker dies in the middle runs again, so what it does outside
//! of the store must bear that; [`Context::token`] and ids that you choose ([`NewJob::job_id`]) help. What happens is told to `tracing`.
//!
//! | to | see |
//! |---|---|
//! | put jobs in | [`Queue`], [`NewJob`], [`JobHandle`] |
//! | run them | [`Task`], [`Tasks`], [`Context`], [`Worker`] |
//! | have them recur | [`Scheduler`], [`schedule`] |
//! | test yours | [`testing`] |
//! | look inside | [`store`], [`event`] |
//!
//! | feature | |
//! |---|---|
//! | `sqlite` (default) | `sqlite:FILE` |
//! | `bundled` (default) | compiles SQLite into the program; without it the system's is linked, 3.38 or newer |
//! | `redis` (default) | `redis://HOST`, in the layout of Python's RQ |
//! | `redis-tls` | `rediss://HOST` |
//! | `webhooks` | workers send [webhooks](Webhook) |

pub mod audit;
mod backoff;
mod callback;
mod client;
pub mod clock;
mod context;
mod dependency;
mod error;
pub mod event;
pub mod failpoint;
mod handle;
mod health;
mod history;
pub mod job;
#[cfg(test)]
mod log_lines;
mod maintenance;
mod metrics;
pub mod payload;
#[cfg(any(feature = "redis", feature = "webhooks"))]
mod python_json;
mod queue;
mod rate_limit;
mod repeat;
mod retry;
pub mod schedule;
mod scheduler;
mod shutdown;
pub mod store;
pub mod task;
pub mod testing;
pub mod webhook;
mod why;
pub mod worker;

pub use client::{Lullaby, LullabyBuilder};
pub use clock::Timestamp;
pub use context::Context;
pub use error::{Error, Result};
pub use handle::JobHandle;
pub use health::Health;
pub use history::{Attempt, KEPT_ATTEMPTS};
pub use job::{IntoJob, Job, JobId, NewJob, QueueName, Status};
pub use queue::Queue;
pub use rate_limit::RateLimit;
pub use repeat::Repeat;
pub use retry::{Backoff, Retry};
pub use schedule::{Missed, Overlap};
pub use scheduler::{Declaration, Difference, Entry, FieldChange, ScheduleBuilder, Scheduler};
pub use shutdown::{Shutdown, Stop};
pub use task::{Failure, Handler, Task, Tasks};
pub use webhook::Webhook;
pub use why::{Fate, WhyJob, WhySlot};
pub use worker::Worker;

/// The README's first program compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The book's examples run.
#[cfg(doctest)]
#[doc = include_str!("../../book/src/schedules.md")]
struct BookOnSchedules;

/// The book's examples run.
#[cfg(doctest)]
#[doc = include_str!("../../book/src/jobs.md")]
struct BookOnJobs;
