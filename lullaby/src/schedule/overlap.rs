//! What becomes of a slot while an earlier run of its schedule has not ended.

use serde::{Deserialize, Serialize};

use super::Slot;
use crate::job::{JobId, Status};

/// How many jobs of a schedule are watched at most: the newest. More than one is alive only where an edit came from [`Overlap::Allow`].
pub const WATCHED_JOBS: usize = 16;

/// What becomes of a slot while an earlier run of the schedule waits or runs.
///
/// It is judged in the same atomic step that writes the decision, so no two schedulers can let two runs through. A job that somebody
/// requeues by hand is that person's decision and runs beside the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It runs beside the earlier one.
    #[default]
    Allow,
    /// It is skipped.
    Skip,
    /// One slot waits until the earlier run has ended, then starts at once; further ones are skipped.
    BufferOne,
    /// It runs at once, and the earlier run is withdrawn if it waits, asked to stop if it runs.
    CancelOther,
}

/// The one slot that waits for an earlier run to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffered {
    /// The slot.
    pub slot: Slot,
    /// The id that its job will have.
    pub job: JobId,
    /// The job that must end first.
    pub behind: JobId,
}

/// A fact about a job that a decision rests on; a store writes the decision only if it still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The job.
    pub job: JobId,
    /// Whether it exists and has not ended.
    pub alive: bool,
}

impl Given {
    /// Whether the fact holds for a job of this status; `None` if there is no such job.
    #[must_use]
    pub fn holds(&self, status: Option<Status>) -> bool {
        is_alive(status) == self.alive
    }
}

/// Whether a job waits or runs.
#[must_use]
pub fn is_alive(status: Option<Status>) -> bool {
    status.is_some_and(|status| !status.is_ended())
}
