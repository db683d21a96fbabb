//! rq-scheduler's entries: jobs in `rq:scheduler:scheduled_jobs`, whose recurrence stands in their notes.
//!
//! This takes the place of the Python program `rqscheduler`. What differs, all for the better: an entry runs in one step, so that no
//! death in between loses or doubles it; intervals keep their grid instead of drifting by the poll; one entry that cannot be read
//! leaves the others alone. `rqscheduler`'s lock is held while any scheduler of ours is at work, but let go while there is an entry that
//! only Python can run; each step looks itself whether Python is in a round, and then stands by.

mod found;
mod list;
mod plan;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::found::Found;
use self::plan::{Entry, plan};
use super::answer::{array, number, text, texts};
use super::keys::{ENTRIES, ENTRIES_LOCK};
use super::{Core, RedisStore, scripts};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::failpoint;
use crate::job::QueueName;
use crate::schedule::Zone;

pub use self::list::ForeignEntry;

/// How many entries are read at once.
const PAGE: usize = 200;
/// For how long a scheduler that was not heard of counts as live, and its locks hold: as RQ's own.
const LIVE: Duration = Duration::from_secs(61);

/// rq-scheduler's entries in one Redis, and the locks of Python's schedulers.
pub struct ForeignEntries {
    core: Arc<Core>,
    zone: Zone,
    queues: Vec<QueueName>,
    /// Whether no due entry needs Python, as far as the last round saw.
    reads_all: AtomicBool,
}

/// What became of the entries that were due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// How many ran.
    pub fired: usize,
    /// How many were taken out because their job's record is gone.
    pub gone: usize,
    /// Those that are due and were left as they are, by id, with the reason.
    pub unread: BTreeMap<String, String>,
    /// True if rq-scheduler is in a round of its own, or died in one less than 70 s ago.
    pub standing_by: bool,
    /// When the next entry is due.
    pub next_due: Option<Timestamp>,
    /// How many entries there are.
    pub waiting: u64,
}

/// What became of one entry.
enum Outcome {
    Fired,
    Gone,
    /// It stays, for this reason; with `for_python` only `rqscheduler` can run it.
    Stays {
        reason: String,
        for_python: bool,
    },
    /// Somebody was faster; what is there now is for the next round.
    Changed,
    /// It is of a queue that this scheduler does not serve.
    Elsewhere,
    Locked,
}

impl RedisStore {
    /// rq-scheduler's entries in this Redis. Their cron lines follow the clock of this process, as `rqscheduler`'s do.
    #[must_use]
    pub fn foreign_entries(&self) -> ForeignEntries {
        ForeignEntries {
            core: self.core.clone(),
            zone: Zone::of_process(),
            queues: Vec::new(),
            reads_all: AtomicBool::new(true),
        }
    }
}

impl ForeignEntries {
    /// Follows the clock of this zone of the IANA database, as `Europe/Berlin`.
    ///
    /// # Errors
    /// [`Error::is_invalid`] with the nearest names if there is no such zone.
    pub fn in_zone(mut self, name: &str) -> Result<Self> {
        self.zone = Zone::named(name)?;
        Ok(self)
    }

    /// Only those whose jobs go to these queues; with none, all.
    #[must_use]
    pub fn only(mut self, queues: Vec<QueueName>) -> Self {
        self.queues = queues;
        self
    }

    /// The name of the zone that cron lines follow.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.name()
    }

    /// Runs every entry that is due by the server's clock, and holds the locks of Python's schedulers for the next 61 s. Cancel safe: each
    /// entry ran as a whole or not at all. In a Redis Cluster it only holds the locks: there an entry and its job are in two slots.
    ///
    /// # Errors
    /// If Redis cannot be reached.
    pub async fn run_due(&self) -> Result<Round> {
        let mut round = Round::default();
        let mut reads_all = true;
        let held = self.hold(self.reads_all.load(Ordering::Relaxed)).await?;
        failpoint::hit("entries.held");
        if !self.core.reaches_entries() {
            return Ok(round);
        }
        let now = self.core.server_now().await?;
        round.standing_by = held == "python's";
        // Entries that stay behind are paged over, so that they never hide those behind them.
        let mut stay = 0;
        while !round.standing_by {
            let page = self.core.due_entries(now, stay, PAGE).await?;
            failpoint::hit("entries.read");
            let more = page.len() == PAGE;
            for found in page {
                let id = found.id.clone();
                match self.run(found, now).await? {
                    Outcome::Fired => round.fired += 1,
                    Outcome::Gone => round.gone += 1,
                    Outcome::Stays { reason, for_python } => {
                        round.unread.insert(id, reason);
                        reads_all &= !for_python;
                        stay += 1;
                    }
                    Outcome::Elsewhere => {
                        reads_all = false;
                        stay += 1;
                    }
                    Outcome::Changed => stay += 1,
                    Outcome::Locked => {
                        round.standing_by = true;
                        break;
                    }
                }
            }
            if !more {
                break;
            }
        }
        if !round.standing_by && reads_all != self.reads_all.swap(reads_all, Ordering::Relaxed) {
            self.hold(reads_all).await?;
            failpoint::hit("entries.let_go");
        }
        round.waiting = self.core.count_entries().await?;
        round.next_due = if round.standing_by {
            Some(at(now + 1.0))
        } else {
            self.core.next_entry(now).await?
        };
        Ok(round)
    }

    /// Gives up the locks, if no other scheduler of ours is at work. For an orderly end; after any other the locks lapse, and a successor of
    /// ours need not wait for that.
    ///
    /// # Errors
    /// If Redis cannot be reached.
    pub async fn leave(&self) -> Result<()> {
        self.core.leave_locks().await
    }

    /// How rq-scheduler's lock stands: `ours`, `python's` or `free`.
    async fn hold(&self, entries_too: bool) -> Result<String> {
        let mut call = self
            .core
            .script(&scripts::HOLD_LOCKS)
            .arg(&self.core.owner)
            .arg(LIVE.as_secs())
            .arg(self.core.entries_lock())
            .arg(u8::from(entries_too));
        for queue in &self.queues {
            call = call.arg(queue.as_str());
        }
        text(self.core.link.call(call).await?)
    }

    /// Runs one entry, or says why not.
    async fn run(&self, found: Found, now: f64) -> Result<Outcome> {
        let Found { id, score, job } = found;
        let Some(job) = job else {
            let call = self.core.script(&scripts::DROP_ENTRY).arg(ENTRIES).arg(&id);
            let dropped = number(self.core.link.call(call).await?)? == 1;
            failpoint::hit("entries.dropped");
            if !dropped {
                return Ok(Outcome::Changed);
            }
            tracing::warn!(%id, "a schedule's job is gone: its record expired or was deleted");
            return Ok(Outcome::Gone);
        };
        if let Some(reason) = job.flaw(&id) {
            return Ok(Outcome::Stays {
                reason,
                for_python: false,
            });
        }
        if !self.queues.is_empty()
            && !self
                .queues
                .iter()
                .any(|queue| *queue.as_str() == *job.origin)
        {
            return Ok(Outcome::Elsewhere);
        }
        let entry = Entry {
            due: score,
            meta: job.meta,
            ours: job.ours,
        };
        let run = match plan(&entry, now, &self.zone) {
            Ok(run) => run,
            Err(unread) => {
                return Ok(Outcome::Stays {
                    for_python: unread.is_line(),
                    reason: unread.to_string(),
                });
            }
        };
        failpoint::hit("entries.planned");
        let call = self
            .core
            .script(&scripts::RUN_ENTRY)
            .arg(ENTRIES)
            .arg(ENTRIES_LOCK)
            .arg(&id)
            .arg(score)
            .arg(entry.meta)
            .arg(run.next.map(|next| next.to_string()).unwrap_or_default())
            .arg(run.meta)
            .arg(run.left.map(|left| left.to_string()).unwrap_or_default());
        let answer = text(self.core.link.call(call).await?)?;
        failpoint::hit("entries.ran");
        Ok(match answer.as_str() {
            "fired" => Outcome::Fired,
            "locked" => Outcome::Locked,
            _ => Outcome::Changed,
        })
    }
}

impl fmt::Debug for ForeignEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignEntries({})", self.core.link.location())
    }
}

impl Core {
    /// What entries are judged by, in seconds.
    async fn server_now(&self) -> Result<f64> {
        if !self.judges_by_server() {
            return Ok(self.clock.now().as_millis() as f64 / 1000.0);
        }
        let parts = texts(self.link.command(&redis::cmd("TIME")).await?)?;
        match parts
            .iter()
            .map(|part| part.parse::<f64>())
            .collect::<Result<Vec<_>, _>>()
            .as_deref()
        {
            Ok([seconds, micros]) => Ok(seconds + micros / 1e6),
            _ => Err(Error::store(format!(
                "expected the time from Redis, got {parts:?}"
            ))),
        }
    }

    /// Whether rq-scheduler's entries can be run here: in a Redis Cluster they are in another slot than the jobs.
    fn reaches_entries(&self) -> bool {
        !self.in_cluster.load(Ordering::Relaxed)
    }

    /// rq-scheduler's lock; empty where it must not be touched.
    fn entries_lock(&self) -> &'static str {
        if self.reaches_entries() {
            ENTRIES_LOCK
        } else {
            ""
        }
    }

    async fn count_entries(&self) -> Result<u64> {
        let mut command = redis::cmd("ZCARD");
        super::answer::count(self.link.command(command.arg(ENTRIES)).await?)
    }

    /// When the first entry after `now` is due.
    async fn next_entry(&self, now: f64) -> Result<Option<Timestamp>> {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command.arg(ENTRIES).arg(format!("({now}")).arg("+inf");
        command.arg("WITHSCORES").arg("LIMIT").arg(0).arg(1);
        let mut found = array(self.link.command(&command).await?)?.into_iter();
        found
            .nth(1)
            .map(found::score)
            .transpose()
            .map(|due| due.map(at))
    }

    /// See [`ForeignEntries::leave`].
    pub(super) async fn leave_locks(&self) -> Result<()> {
        let call = self.script(&scripts::LEAVE_LOCKS);
        let call = call.arg(&self.owner).arg(self.entries_lock());
        self.link.call(call).await?;
        failpoint::hit("entries.left");
        Ok(())
    }
}

/// Rounded up, so that nothing is taken for due before it is.
fn at(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0).ceil() as i64)
}
