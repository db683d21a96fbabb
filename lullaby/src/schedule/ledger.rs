//! The ledger: one line for each slot, folded where nothing interesting happened.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::job::JobId;

/// What became of one slot, or of a run of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// The first slot that the line is about.
    pub first: Timestamp,
    /// The last one; the same for a single slot.
    pub last: Timestamp,
    /// How many.
    pub slots: u64,
    /// When the last of them was decided.
    pub decided_at: Timestamp,
    /// What became of them.
    pub verdict: Verdict,
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
}

impl LedgerLine {
    /// Takes `next` into this line if both are fired slots and follow each other; true if it did.
    pub fn fold(&mut self, next: &Self) -> bool {
        let fired = |line: &Self| matches!(line.verdict, Verdict::Fired { .. });
        if !(fired(self) && fired(next) && next.first > self.last) {
            return false;
        }
        self.last = next.last;
        self.slots += next.slots;
        self.decided_at = next.decided_at;
        self.verdict = next.verdict.clone();
        true
    }
}
