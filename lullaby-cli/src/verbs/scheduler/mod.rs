//! `lullaby scheduler`

mod server;

use std::path::PathBuf;
use std::time::Duration;

use lullaby::store::Topic;
use lullaby::store::redis::entries::{ForeignEntries, Round};
use lullaby::store::redis::{RedisOptions, RedisStore};
use lullaby::{Lullaby, QueueName, Shutdown, Stop, Timestamp};
use serde_json::json;

use self::server::Server;
use crate::print::Out;

/// Moves what is due into its queue, on time: a Python fleet's `rqscheduler` and the scheduler inside `rq worker --with-scheduler`, in one
/// process.
///
/// It runs rq-scheduler's entries (`enqueue_in`, `enqueue_at`, `schedule`, `cron`), RQ's own `enqueue_in` and `enqueue_at`, failed jobs whose
/// time to try again has come, and Lullaby's schedules. Any number of these may run; when one dies, another goes on at once. While a Python
/// scheduler holds its lock this one stands by. An entry that it cannot read stays as it is, and the log says why.
///
/// Exit codes: 0 it was told to stop, or a burst left nothing behind; 1 a burst left entries behind, or found Python's scheduler at work;
/// 2 the command was not understood, or Redis could not be reached at the start. (Later it waits for Redis, for ever.)
#[derive(clap::Args, Debug)]
pub(crate) struct Scheduler {
    /// Run what is due now, and end
    #[arg(long, short)]
    burst: bool,
    /// Move only what goes to this queue; may be given several times. All queues when not given
    #[arg(long, value_name = "QUEUE")]
    queue: Vec<String>,
    /// Read cron lines by the clock of this zone, as Europe/Berlin; by the clock of this process (TZ) when not given
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// What the names of RQ's keys begin with
    #[arg(
        long,
        value_name = "PREFIX",
        env = "RQ_KEY_PREFIX",
        default_value = "rq"
    )]
    prefix: String,
    #[command(flatten)]
    server: Server,
    /// Look at least so often, in seconds. It wakes by itself for what is due and for what is new
    #[arg(
        long,
        short,
        value_name = "SECONDS",
        env = "RQ_SCHEDULER_INTERVAL",
        default_value_t = 60.0,
        help_heading = AS_BEFORE
    )]
    interval: f64,
    /// Write the number of this process into a file
    #[arg(long, value_name = "FILE", help_heading = AS_BEFORE)]
    pid: Option<PathBuf>,
    /// Log more
    #[arg(long, short, help_heading = AS_BEFORE, conflicts_with = "quiet")]
    verbose: bool,
    /// Log warnings only
    #[arg(long, help_heading = AS_BEFORE)]
    quiet: bool,
    /// Not needed: nothing is imported here
    #[arg(long, value_name = "PATH", help_heading = AS_BEFORE)]
    path: Option<String>,
    /// Not needed: jobs are moved as they are
    #[arg(long, short, value_name = "CLASS", help_heading = AS_BEFORE)]
    job_class: Option<String>,
    /// Not needed: jobs are moved as they are
    #[arg(long, short, value_name = "CLASS", help_heading = AS_BEFORE)]
    queue_class: Option<String>,
}

/// The options that `rqscheduler` has, too.
const AS_BEFORE: &str = "Options as in rqscheduler";

/// Locks hold for 61 s.
const HOLD_AGAIN: Duration = Duration::from_secs(20);
/// At least so long between two looks: thousands of news a second are looked at together.
const REST: Duration = Duration::from_millis(20);

impl Scheduler {
    /// What is logged when `RUST_LOG` says nothing.
    pub(crate) fn log_level(&self) -> &'static str {
        match (self.verbose, self.quiet) {
            (true, _) => "info,lullaby=debug",
            (_, true) => "warn",
            _ => "info",
        }
    }

    /// `redis` and `store` as they were given, if they were.
    pub(crate) async fn run(
        &self,
        redis: Option<&str>,
        store: Option<&str>,
        out: Out,
    ) -> anyhow::Result<bool> {
        anyhow::ensure!(
            self.interval >= 0.05 && self.interval <= 86_400.0,
            "expected an interval of 0.05 to 86400 seconds, got {}",
            self.interval
        );
        let url = self.server.url(redis, store)?;
        let queues = self.queue.iter().map(|name| QueueName::new(name));
        let queues = queues.collect::<lullaby::Result<Vec<_>>>()?;
        let options = RedisOptions::default()
            .prefix(&self.prefix)
            .moves(queues.clone());
        let redis = RedisStore::open(&url, options).await?;
        let mut entries = redis.foreign_entries().only(queues);
        if let Some(zone) = &self.tz {
            entries = entries.in_zone(zone)?;
        }
        let lullaby = Lullaby::with_store(redis);
        if let Some(path) = &self.pid {
            std::fs::write(path, std::process::id().to_string())
                .map_err(|error| anyhow::anyhow!("could not write {}: {error}", path.display()))?;
        }
        if self.burst {
            let round = entries.run_due().await?;
            let moved = lullaby.scheduler().run_burst().await?;
            out.show(&as_json(&round, moved), || as_text(&round, moved))?;
            return Ok(!round.standing_by && round.unread.is_empty());
        }
        tracing::info!(zone = entries.zone(), "the scheduler is at work");
        let shutdown = Shutdown::on_signals()?;
        let scheduler = lullaby.scheduler();
        tokio::join!(
            scheduler.run(&shutdown),
            self.watch(&lullaby, &entries, &shutdown)
        );
        entries.leave().await?;
        Ok(true)
    }

    /// Runs rq-scheduler's entries until it is told to stop. Errors pause it and never end it.
    async fn watch(&self, lullaby: &Lullaby, entries: &ForeignEntries, shutdown: &Shutdown) {
        let clock = lullaby.clock();
        let mut news = lullaby.store().signals().listen(Topic::Due);
        let longest = Duration::from_secs_f64(self.interval).min(HOLD_AGAIN);
        let mut before = Round::default();
        let mut reachable = true;
        while shutdown.state() == Stop::No {
            news.reset();
            let mut until = clock.now() + longest;
            match entries.run_due().await {
                Ok(round) => {
                    if let Some(next) = round.next_due {
                        until = until.min(next);
                    }
                    tell(&before, &round);
                    before = round;
                    reachable = true;
                }
                Err(error) => {
                    if std::mem::take(&mut reachable) {
                        tracing::warn!(%error, "could not look at rq-scheduler's entries; trying again");
                    }
                    until = clock.now() + Duration::from_millis(500);
                }
            }
            let rested = clock.now() + REST;
            tokio::select! {
                () = clock.sleep_until(until.max(rested)) => {}
                () = async { news.raised().await; clock.sleep_until(rested).await } => {}
                () = shutdown.reached(Stop::Warm) => {}
            }
        }
    }
}

/// Logs what is new since the last round.
fn tell(before: &Round, round: &Round) {
    if round.fired > 0 {
        tracing::info!(entries = round.fired, "put jobs into their queues");
    }
    if round.standing_by && !before.standing_by {
        tracing::info!(
            "rqscheduler is in a round of its own, or died in one less than 70 s ago; standing by"
        );
    }
    for (id, reason) in &round.unread {
        if before.unread.get(id) != Some(reason) {
            tracing::warn!(%id, %reason, "left an entry of rq-scheduler's as it is");
        }
    }
}

fn as_json(round: &Round, moved: usize) -> serde_json::Value {
    json!({
        "fired": round.fired,
        "moved": moved,
        "gone": round.gone,
        "standing_by": round.standing_by,
        "unread": round.unread,
        "waiting": round.waiting,
        "next_due": round.next_due.map(|at: Timestamp| at.to_string()),
    })
}

fn as_text(round: &Round, moved: usize) -> String {
    let mut text = format!("{} run, {} wait", round.fired, round.waiting);
    if moved > 0 {
        text += &format!("; {moved} scheduled jobs moved");
    }
    if round.standing_by {
        text += "; rqscheduler holds its lock, so no entry was touched";
    }
    for (id, reason) in &round.unread {
        text += &format!("\n{id}  left as it is: {reason}");
    }
    text
}
