//! What recurs: triggers, policies, and the decision about slots that are due. Pure functions of time, no I/O.

mod calendar;
mod cron;
mod decide;
mod foresight;
mod ledger;
mod trigger;
mod zone;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::cron::{Cron, MOST_CRON_LINES};
pub use self::decide::{Decision, decide};
pub use self::foresight::{Collision, Collisions, Foreseen, JOBS_A_SECOND, collisions};
pub use self::ledger::{LedgerLine, Verdict};
pub use self::trigger::{MOST_TIMES, Trigger};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{JobId, JobTemplate};

/// The shortest interval: a tenth of a second.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

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

/// Who put a schedule there. A program that declares its schedules prunes only what code owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Owner {
    /// The program, through the library.
    #[default]
    Code,
    /// A person, through the command.
    Person,
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
        })
    }

    /// The same schedule with another spec: id, counts and, if the trigger stays, the next slot are kept. With another trigger the
    /// next slot is that trigger's first one after `now`.
    ///
    /// # Errors
    /// If the interval or the repeat count are out of range.
    pub fn edited(&self, spec: ScheduleSpec, now: Timestamp) -> Result<Self> {
        spec.check()?;
        let next = if spec.trigger == self.spec.trigger {
            self.next.or_else(|| spec.trigger.next_after(now))
        } else {
            spec.trigger.next_after(now)
        };
        let over = spec.repeat.is_some_and(|repeat| self.fired >= repeat);
        let next = next.filter(|next| !over && spec.end.is_none_or(|end| *next < end));
        Ok(Self {
            version: self.version + 1,
            spec,
            next,
            ..self.clone()
        })
    }

    /// The id of the job for the slot at `at`: the same whoever makes it, so that a slot can never make two.
    #[must_use]
    pub fn slot_job_id(&self, at: Timestamp) -> JobId {
        JobId::from_store(&format!("{}-{}", self.id, at.as_millis()))
    }
}

impl ScheduleSpec {
    fn check(&self) -> Result<()> {
        self.trigger.check()?;
        if self.repeat == Some(0) {
            return Err(Error::invalid(
                "expected a repeat count of at least 1 (None repeats for ever), got 0",
            ));
        }
        if let Missed::All { cap: 0 } = self.missed {
            return Err(Error::invalid(
                "expected a cap of at least 1 for missed slots, got 0: use Missed::Skip for none",
            ));
        }
        Ok(())
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
