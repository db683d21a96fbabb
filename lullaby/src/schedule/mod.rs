//! What recurs: triggers, policies, and the decision about slots that are due. Pure functions of time, no I/O.

mod calendar;
mod check;
mod cron;
mod decide;
mod foresight;
mod jitter;
mod ledger;
mod overlap;
mod steer;
mod trigger;
mod zone;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::check::MOST_RUNS_AT_ONCE;
#[cfg(feature = "redis")]
pub(crate) use self::cron::Crontab;
pub use self::cron::{Cron, MOST_CRON_LINES};
pub use self::decide::{Decision, decide, decide_among};
pub use self::foresight::{Collision, Collisions, Foreseen, JOBS_A_SECOND, collisions};
pub use self::ledger::{LEDGER_LINES, LedgerLine, Verdict};
pub use self::overlap::{Buffered, Given, Overlap, WATCHED_JOBS, is_alive};
pub use self::trigger::{MOST_TIMES, Trigger};
#[cfg(feature = "redis")]
pub(crate) use self::zone::Zone;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{JobId, JobTemplate};

/// The shortest interval: a tenth of a second.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// The longest interval: 36,525 days, a hundred years.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(36_525 * 86_400);

/// How late a slot may still start under [`Missed::Skip`] when no grace was given.
pub const DEFAULT_SKIP_GRACE: Duration = Duration::from_secs(60);

/// A schedule's internal id: new at each creation, so that a schedule made anew under an old name never meets its predecessor's jobs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScheduleId(String);

impl ScheduleId {
    /// A new id.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }

    /// What a store of ours kept.
    #[must_use]
    pub fn from_store(id: String) -> Self {
        Self(id)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The slot that a job was made for.
///
/// ```
/// # use lullaby::schedule::Slot;
/// // What the pet's hourly job does with it: apply only what was not applied yet.
/// fn hours_to_add(slot: &Slot, applied: u64) -> u64 {
///     slot.number.saturating_sub(applied)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The schedule's name.
    pub schedule: String,
    /// Its internal id.
    pub schedule_id: ScheduleId,
    /// When the slot was due.
    pub at: Timestamp,
    /// Its number since the schedule was made, from 1. No edit resets it.
    pub number: u64,
    /// How many slots the run stands for: 1, or more after an outage.
    pub stands_for: u64,
    /// What asked for the run. One that is no slot of its own bears the number of the last slot before it.
    #[serde(default, skip_serializing_if = "Cause::is_slot")]
    pub cause: Cause,
}

/// What asked for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Cause {
    /// A slot came due.
    #[default]
    Slot,
    /// Somebody wanted a run now.
    Manual,
    /// Somebody wanted a past slot's run.
    Backfill,
}

impl Cause {
    /// True for a slot.
    #[must_use]
    pub fn is_slot(&self) -> bool {
        *self == Self::Slot
    }
}

/// What becomes of slots that passed while no scheduler ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// One run, at the latest missed slot's time, stands for all of them.
    #[default]
    Latest,
    /// Each gets its run, oldest first; but only the newest `cap` of them.
    All {
        /// The most runs at once.
        cap: u32,
    },
    /// None is made up for. A slot counts as missed once it is later than the grace, or a later one is due.
    Skip,
}

/// Who put a schedule there. A program that declares its schedules prunes only its own.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Owner {
    /// A program, through the library, as it went.
    #[default]
    Code,
    /// A person, through the command.
    Person,
    /// The program of this name, which declared it at its start.
    Program(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code => f.write_str("code"),
            Self::Person => f.write_str("a person"),
            Self::Program(name) => write!(f, "the program {name:?}"),
        }
    }
}

/// A schedule that stands still: its slots pass with a line in the ledger each, and nothing is made up for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Why, for people.
    pub note: Option<String>,
}

/// What a schedule is told to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleSpec {
    /// When.
    pub trigger: Trigger,
    /// What.
    pub template: JobTemplate,
    /// What if slots were missed.
    #[serde(default)]
    pub missed: Missed,
    /// How late a slot may still start; `None` is however late.
    #[serde(default)]
    pub grace: Option<Duration>,
    /// How many runs in all; `None` is for ever.
    #[serde(default)]
    pub repeat: Option<u64>,
    /// No slot at or after this instant.
    #[serde(default)]
    pub end: Option<Timestamp>,
    /// What if an earlier run has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// Each start is later than its slot by a share of this that depends on the schedule's name alone, and is always before the next slot.
    /// `None` is not at all.
    #[serde(default)]
    pub jitter: Option<Duration>,
    /// Pauses by itself once so many runs in a row have failed; `None` never does.
    #[serde(default)]
    pub pause_after: Option<u32>,
    /// Who put it there.
    #[serde(default)]
    pub owner: Owner,
}

/// A schedule as it stands in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// Its internal id.
    pub id: ScheduleId,
    /// Its name, unique in the store.
    pub name: String,
    /// Goes up by one with each change: what compare-and-set compares.
    pub version: u64,
    /// What it is told to do.
    pub spec: ScheduleSpec,
    /// Its next slot; `None` once it has ended.
    pub next: Option<Timestamp>,
    /// How many slots were decided.
    pub slots: u64,
    /// How many jobs were made.
    pub fired: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when its slots are those of the present trigger. No slot before this is its own.
    #[serde(default)]
    pub since: Timestamp,
    /// Set while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// How many runs have failed in a row, of those whose end was seen. Counted only with a `pause_after`.
    #[serde(default)]
    pub failures: u32,
    /// Its jobs that had not ended when it was last decided, oldest first, at most [`WATCHED_JOBS`]. Only where the decision needs them:
    /// with another overlap than Allow, or with a `pause_after`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<JobId>,
    /// The slot that waits for an earlier run to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffered: Option<Buffered>,
}

impl ScheduleRecord {
    /// A new schedule, made at `now`. A first time in the past runs at once: its first slot is the latest one that has passed.
    ///
    /// # Errors
    /// If the name, the interval or the repeat count are out of range, or it would never run.
    pub fn new(name: &str, spec: ScheduleSpec, now: Timestamp) -> Result<Self> {
        check_name(name)?;
        spec.check()?;
        let next = spec.trigger.first_from(now);
        let next = next.filter(|next| spec.end.is_none_or(|end| *next < end));
        if next.is_none() {
            return Err(Error::invalid(format!(
                "the schedule {name:?} would never run: its end is at or before its first slot"
            )));
        }
        Ok(Self {
            id: ScheduleId::random(),
            name: name.to_owned(),
            version: 1,
            spec,
            next,
            slots: 0,
            fired: 0,
            created_at: now,
            since: next.map_or(now, |next| next.min(now)),
            paused: None,
            failures: 0,
            watched: Vec::new(),
            buffered: None,
        })
    }

    /// The id of the job for the slot at `at`: the same whoever makes it, so that a slot can never make two.
    #[must_use]
    pub fn slot_job_id(&self, at: Timestamp) -> JobId {
        self.job_id(at, Cause::Slot)
    }

    /// As [`slot_job_id`](Self::slot_job_id), for a run of any cause. A backfilled slot is made once too; each run asked for by hand is
    /// its own, and the version tells two of one instant apart.
    pub(crate) fn job_id(&self, at: Timestamp, cause: Cause) -> JobId {
        let (id, at, version) = (&self.id, at.as_millis(), self.version);
        JobId::from_store(&match cause {
            Cause::Slot => format!("{id}-{at}"),
            Cause::Manual => format!("{id}-m{at}-{version}"),
            Cause::Backfill => format!("{id}-b{at}"),
        })
    }

    /// When the run of the slot at `at` starts: later by the schedule's jitter, but before the slot after it.
    #[must_use]
    pub fn starts_at(&self, at: Timestamp) -> Timestamp {
        let Some(jitter) = self.spec.jitter else {
            return at;
        };
        let start = at + jitter::delay_of(&self.name, jitter);
        match self.spec.trigger.next_after(at) {
            Some(next) if start >= next => Timestamp::from_millis(next.as_millis() - 1).max(at),
            _ => start,
        }
    }

    /// Whether more than one of its slots is due.
    #[must_use]
    pub fn is_behind(&self, now: Timestamp) -> bool {
        let second = self
            .next
            .and_then(|next| self.spec.trigger.next_after(next));
        second.is_some_and(|second| second <= now)
    }

    /// Whether decisions need to know how its earlier jobs stand.
    #[must_use]
    pub fn watches_jobs(&self) -> bool {
        self.spec.overlap != Overlap::Allow || self.spec.pause_after.is_some()
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "expected a schedule name of 1 to 200 bytes without control characters, got {name:?}"
        )));
    }
    Ok(())
}
