//! `lullaby scheduler`

use std::time::Duration;

use lullaby::store::redis::entries::{ForeignEntries, Round};
use lullaby::{Shutdown, Stop, Timestamp};
use serde_json::json;

use crate::print::Out;

/// Takes the place of Python's `rqscheduler`: runs its entries, with their intervals and repeats, on time.
///
/// Any number of these may run. It stands by while `rqscheduler` itself is in a round. What it cannot read (cron lines, for now) it
/// leaves as it is, and says so.
#[derive(clap::Args, Debug)]
pub(crate) struct Scheduler {
    /// Run what is due now, and end
    #[arg(long, short)]
    burst: bool,
    /// Look at least this often, in seconds
    #[arg(
        long,
        short,
        value_name = "SECONDS",
        env = "RQ_SCHEDULER_INTERVAL",
        default_value_t = 1.0
    )]
    interval: f64,
    /// In front of every key of RQ's
    #[arg(long, env = "RQ_KEY_PREFIX", default_value = "rq", hide = true)]
    prefix: String,
}

impl Scheduler {
    pub(crate) async fn run(&self, url: &str, out: Out) -> anyhow::Result<bool> {
        anyhow::ensure!(
            ["redis://", "rediss://", "unix://", "redis+unix://"]
                .iter()
                .any(|scheme| url.starts_with(scheme)),
            "expected Python's Redis, as --redis redis://localhost:6379, got {url}"
        );
        anyhow::ensure!(
            self.interval >= 0.05 && self.interval <= 3600.0,
            "expected an interval of 0.05 to 3600 seconds, got {}",
            self.interval
        );
        let mut entries = ForeignEntries::open(url, &self.prefix)?;
        if self.burst {
            let round = entries.run_due().await?;
            out.show(&as_json(&round), || as_text(&round))?;
            return Ok(!round.standing_by && round.unread.is_empty());
        }
        self.watch(&mut entries).await?;
        Ok(true)
    }

    /// Runs entries until it is told to stop. Errors pause it and never end it.
    async fn watch(&self, entries: &mut ForeignEntries) -> anyhow::Result<()> {
        let shutdown = Shutdown::on_signals()?;
        let poll = Duration::from_secs_f64(self.interval);
        // Only to sleep by; what is due is judged by the server's clock.
        let memory = lullaby::Lullaby::open("memory:").await?;
        let clock = memory.clock();
        let mut before = Round::default();
        while shutdown.state() == Stop::No {
            let mut until = clock.now() + poll;
            match entries.run_due().await {
                Ok(round) => {
                    if let Some(next) = round.next_due {
                        until = until.min(next);
                    }
                    tell(&before, &round);
                    before = round;
                }
                Err(error) => tracing::warn!(%error, "could not look at the entries; trying again"),
            }
            // At least a moment, should this host's clock run ahead of the server's.
            let until = until.max(clock.now() + Duration::from_millis(5));
            tokio::select! {
                () = clock.sleep_until(until) => {}
                () = shutdown.reached(Stop::Warm) => {}
            }
        }
        Ok(())
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

fn as_json(round: &Round) -> serde_json::Value {
    json!({
        "fired": round.fired,
        "gone": round.gone,
        "standing_by": round.standing_by,
        "unread": round.unread,
        "waiting": round.waiting,
        "next_due": round.next_due.map(|at: Timestamp| at.to_string()),
    })
}

fn as_text(round: &Round) -> String {
    let mut text = format!("{} run, {} wait", round.fired, round.waiting);
    if round.standing_by {
        text += "; rqscheduler holds its lock, so nothing was touched";
    }
    for (id, reason) in &round.unread {
        text += &format!("\n{id}  left as it is: {reason}");
    }
    text
}
