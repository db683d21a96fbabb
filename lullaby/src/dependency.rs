//! What a job waits for before it enters its queue.

use serde::{Deserialize, Serialize};

use crate::job::{JobId, Status};

/// The most jobs that one may wait for.
pub const MAX_DEPENDENCIES: usize = 1000;

/// The jobs that another one waits for: RQ's `Dependency`.
///
/// One that does not exist is not waited for, as in RQ: what finished may be gone already, if its `result_ttl` is short.
///
/// ```
/// use lullaby::Status;
/// use lullaby::job::Dependencies;
///
/// let strict = Dependencies::default();
/// assert!(strict.are_met_by(Some(Status::Finished)) && strict.are_met_by(None));
/// assert!(!strict.are_met_by(Some(Status::Failed)));
/// let lenient = Dependencies { allow_failure: true, ..Dependencies::default() };
/// assert!(lenient.are_met_by(Some(Status::Failed)));
/// assert!(!lenient.are_met_by(Some(Status::Canceled)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependencies {
    /// Their ids; empty for a job that waits for none.
    pub jobs: Vec<JobId>,
    /// Whether one that failed will do, too.
    pub allow_failure: bool,
}

impl Dependencies {
    /// True for a job that waits for none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether a job that stands so will do; `None` is one that does not exist.
    #[must_use]
    pub fn are_met_by(&self, status: Option<Status>) -> bool {
        match status {
            None | Some(Status::Finished) => true,
            Some(Status::Failed) => self.allow_failure,
            Some(_) => false,
        }
    }
}
