//! Tasks that the end of a job puts into its queue.

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::job::{
    Dependencies, JobId, JobOptions, JobSpec, JobTemplate, OnExisting, QueueName, Status, Token,
};
use crate::payload::Payload;

/// The tasks to run when a job has ended: RQ's callbacks.
///
/// In the very step that ends a job its callback's call is put at the front of the job's queue, as a job of its own: so it is never lost,
/// runs at least once, and what becomes of it changes nothing of the job that it is about. It is called with the arguments of [`Ended`].
/// A worker runs a job only if it knows its callbacks too; otherwise it treats it as one whose task it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callbacks {
    /// After each run that finished.
    pub on_success: Option<String>,
    /// After it failed for good: not before a retry.
    pub on_failure: Option<String>,
    /// After it was stopped.
    pub on_stopped: Option<String>,
}

impl Callbacks {
    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// The tasks' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let all = [&self.on_success, &self.on_failure, &self.on_stopped];
        all.into_iter().flatten().map(String::as_str)
    }

    /// The task to run after a job has ended so.
    #[must_use]
    pub fn after(&self, status: Status) -> Option<&str> {
        match status {
            Status::Finished => self.on_success.as_deref(),
            Status::Failed => self.on_failure.as_deref(),
            Status::Stopped => self.on_stopped.as_deref(),
            _ => None,
        }
    }
}

/// What the task of a callback is called with. Its struct may leave out what it does not need; the job's result or error is read by its
/// id, as long as they are kept.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lullaby::Result<()> {
/// use lullaby::testing::Sandbox;
/// use lullaby::{Context, JobId, NewJob, Status, Task, Tasks};
/// use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct Bake;
/// # impl Task for Bake { const NAME: &'static str = "bake"; type Output = (); }
///
/// #[derive(Serialize, Deserialize)]
/// struct RingBell { job: JobId }
/// impl Task for RingBell {
///     const NAME: &'static str = "ring_bell";
///     type Output = String;
/// }
///
/// let tasks = Tasks::new()
///     .task(async |_: Bake, _: Context| {})
///     .task(async |bell: RingBell, _: Context| format!("{} is done", bell.job));
/// let sandbox = Sandbox::new(tasks)?;
/// let queue = sandbox.lullaby().queue("default")?;
/// queue.enqueue(NewJob::new(Bake).job_id("bread").on_success(RingBell::NAME)).await?;
/// sandbox.run_until_idle().await?;
/// let ended = lullaby::store::JobFilter { status: Some(Status::Finished), ..Default::default() };
/// let results = sandbox.lullaby().store().list_jobs(&ended).await?;
/// assert_eq!(results[0].result.as_deref(), Some("\"bread is done\""));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The job that has ended.
    pub job: JobId,
    /// How: finished, failed or stopped.
    pub status: Status,
}

impl Ended {
    /// The job that runs this callback. `execution` tells the runs of one job apart.
    pub(crate) fn call(&self, task: &str, queue: QueueName, execution: Token) -> JobSpec {
        let Self { job, status } = self;
        let payload = json!([[], { "job": job, "status": status }]).to_string();
        JobSpec {
            id: JobId::from_store(&format!("{job}-on-{status}-{execution}")),
            at: None,
            on_existing: OnExisting::Keep,
            slot: None,
            depends_on: Dependencies::default(),
            template: JobTemplate {
                queue,
                task: task.to_owned(),
                payload: Payload::from_store(payload),
                options: JobOptions {
                    at_front: true,
                    ..JobOptions::default()
                },
                meta: Map::new(),
                description: None,
                subject: None,
            },
        }
    }
}
