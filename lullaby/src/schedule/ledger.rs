//! The ledger: one line for each slot, folded where nothing interesting happened.

use serde::{Deserialize, Serialize};

use super::Cause;
use crate::clock::Timestamp;
use crate::job::JobId;

/// How many lines of a schedule's ledger are kept: the newest. A run of slots that fired one after the other is one line, however long.
pub const LEDGER_LINES: usize = 200;

/// What became of one slot, or of a run of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// The first slot that the line is about.
    pub first: Timestamp,
    /// The last one; the same for a single slot.
    pub last: Timestamp,
    /// How many; 0 for a run that somebody asked for, which is no slot.
    pub slots: u64,
    /// When the last of them was decided.
    pub decided_at: Timestamp,
    /// What became of them.
    pub verdict: Verdict,
    /// What asked for it.
    #[serde(default, skip_serializing_if = "Cause::is_slot")]
    pub cause: Cause,
}

/// What became of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// It made this job; in a folded line the last of them.
    Fired {
        /// The job.
        job: JobId,
    },
    /// The run of a later slot stands for it.
    Coalesced {
        /// That slot.
        into: Timestamp,
    },
    /// It was decided later than its policy allows.
    Missed,
    /// An earlier run had not ended, and the schedule's runs must not overlap.
    Skipped {
        /// That run's job.
        by: JobId,
    },
    /// An earlier run had not ended; this one starts as soon as it has.
    Buffered {
        /// The job that it makes then.
        job: JobId,
        /// The earlier run's job.
        behind: JobId,
    },
    /// The schedule was paused.
    Paused,
}

impl LedgerLine {
    /// Takes `next` into this line if both follow each other and say the same: slots that fired, slots of a pause, slots skipped for the
    /// same job. True if it did.
    pub fn fold(&mut self, next: &Self) -> bool {
        let alike = match (&self.verdict, &next.verdict) {
            (Verdict::Fired { .. }, Verdict::Fired { .. }) | (Verdict::Paused, Verdict::Paused) => {
                true
            }
            (Verdict::Skipped { by }, Verdict::Skipped { by: other }) => by == other,
            _ => false,
        };
        let slots = self.cause.is_slot() && next.cause.is_slot();
        if !(alike && slots && next.first > self.last) {
            return false;
        }
        self.last = next.last;
        self.slots += next.slots;
        self.decided_at = next.decided_at;
        self.verdict = next.verdict.clone();
        true
    }

    /// Whether the line is about this slot.
    #[must_use]
    pub fn covers(&self, slot: Timestamp) -> bool {
        self.cause.is_slot() && self.first <= slot && slot <= self.last
    }
}
