//! Events: what happened to jobs that have a subject, and what an application adds.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::job::JobId;

/// A place in a store's order of events: each event's is higher than those of all events before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that happened to a subject.
///
/// Moves of jobs are written in the same atomic step as the move. Their kinds and data:
///
/// | kind | when | data |
/// |---|---|---|
/// | `job.scheduled` | waits for its time | `task`, `due` |
/// | `job.queued` | entered its queue | `task`, `queue`, `due` if it was scheduled |
/// | `job.started` | a worker took it | `task`, `worker`, `token` |
/// | `job.finished` | done | `task`, `worker` |
/// | `job.retrying` | failed, and will be tried again | `task`, `error`, `due` |
/// | `job.repeating` | it finished, and runs again | `task`, `worker`, `due` |
/// | `job.deferred` | it waits for other jobs | `task`, `depends_on` |
/// | `job.snoozed` | its handler asked for a later time | `task`, `due` |
/// | `job.failed` | failed for good | `task`, `error` |
/// | `job.canceled` | withdrawn before it ran | `task` |
/// | `job.stopped` | stopped while it ran | `task` |
/// | `job.returned` | its worker gave it back | `task`, `worker` |
/// | `job.lost` | its worker vanished; back at the front of its queue | `task`, `worker`, `lost` |
/// | `job.expired` | dropped unrun, its ttl over | `task` |
///
/// Instants in the data are milliseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the order.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub subject: String,
    /// By which job, if any.
    pub job: Option<JobId>,
    /// What, as `job.finished`.
    pub kind: String,
    /// More, a JSON object.
    pub data: Value,
}

/// An event to append.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// To whom it happened.
    pub subject: String,
    /// By which job, if any.
    pub job: Option<JobId>,
    /// What, as `pet.changed`. Kinds that begin with `job.` are the library's.
    pub kind: String,
    /// More, a JSON object.
    pub data: Value,
}

/// How many events a store keeps. The oldest go first, by and by: a little more may stand for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLimits {
    /// Of one subject: 200.
    pub per_subject: u64,
    /// In all: 1,000,000.
    pub total: u64,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self {
            per_subject: 200,
            total: 1_000_000,
        }
    }
}
