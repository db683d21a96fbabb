//! The producer's side.

use std::time::Duration;

use crate::client::Lullaby;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::handle::JobHandle;
use crate::job::{IntoJob, JobSpec, NewJob, QueueName};
use crate::store::Enqueued;

/// A queue by name, to put jobs in.
///
/// A call returns once the store has the job; a job that was acknowledged is never lost (as long as the store keeps what it has). All calls
/// are cancel safe: a call that is dropped took the job in, or did not.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lullaby::Result<()> {
/// # use lullaby::{Lullaby, Task};
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// #[derive(Serialize, Deserialize)]
/// struct WakePet { name: String }
/// impl Task for WakePet {
///     const NAME: &'static str = "wake_pet";
///     type Output = ();
/// }
///
/// # let lullaby = Lullaby::open("memory:").await?;
/// let queue = lullaby.queue("default")?;
/// let job = queue.enqueue_in(Duration::from_secs(20 * 60), WakePet { name: "Mochi".into() }).await?;
/// assert_eq!(job.status().await?, Some(lullaby::Status::Scheduled));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Queue {
    lullaby: Lullaby,
    name: QueueName,
}

impl Queue {
    pub(crate) fn new(lullaby: Lullaby, name: QueueName) -> Self {
        Self { lullaby, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &QueueName {
        &self.name
    }

    /// Runs it as soon as a worker is free.
    ///
    /// # Errors
    /// If an option is out of range; [`Error::is_duplicate`] if it is `unique` and its id exists; a store error.
    pub async fn enqueue<J: IntoJob>(&self, job: J) -> Result<JobHandle<J::Output>> {
        self.put(job, None).await
    }

    /// Runs it after `delay`, rounded up to the millisecond.
    ///
    /// # Errors
    /// As [`Queue::enqueue`].
    pub async fn enqueue_in<J: IntoJob>(
        &self,
        delay: Duration,
        job: J,
    ) -> Result<JobHandle<J::Output>> {
        let now = self.lullaby.now();
        if delay > Timestamp::MAX.since(now) {
            return Err(Error::invalid(format!(
                "expected a delay that ends before {}, got {} days",
                Timestamp::MAX,
                delay.as_secs() / 86_400
            )));
        }
        self.put(job, Some(now + delay)).await
    }

    /// Runs it at `time`; a time that has passed is now.
    ///
    /// # Errors
    /// As [`Queue::enqueue`].
    pub async fn enqueue_at<J: IntoJob>(
        &self,
        time: impl Into<Timestamp>,
        job: J,
    ) -> Result<JobHandle<J::Output>> {
        self.put(job, Some(time.into())).await
    }

    /// Takes all of them in, in one step: all or none. The handles come in the same order.
    ///
    /// # Errors
    /// As [`Queue::enqueue`], for the first one that is refused. With `unique` jobs among them the others may be taken in all the same.
    pub async fn enqueue_many(
        &self,
        jobs: impl IntoIterator<Item = NewJob>,
    ) -> Result<Vec<JobHandle<serde_json::Value>>> {
        let mut specs = Vec::new();
        let mut unique = Vec::new();
        for job in jobs {
            unique.push(job.unique);
            specs.push(job.into_spec(&self.name, None)?);
        }
        let ids: Vec<_> = specs.iter().map(|spec| spec.id.clone()).collect();
        let answers = self.lullaby.store().enqueue(specs).await?;
        ids.into_iter()
            .zip(answers)
            .zip(unique)
            .map(|((id, answer), unique)| self.handle(id, answer, unique))
            .collect()
    }

    async fn put<J: IntoJob>(&self, job: J, at: Option<Timestamp>) -> Result<JobHandle<J::Output>> {
        let job = job.into_job();
        let unique = job.unique;
        let spec = job.into_spec(&self.name, at)?;
        self.check_ttl(&spec)?;
        let id = spec.id.clone();
        let answers = self.lullaby.store().enqueue(vec![spec]).await?;
        crate::failpoint::hit("enqueue.taken");
        let answer = answers
            .first()
            .ok_or_else(|| Error::store("the store gave no answer for the job"))?;
        self.handle(id, *answer, unique)
    }

    /// Ours count a ttl from when the job is in its queue. Python's programs on a shared store count it from now.
    fn check_ttl(&self, spec: &JobSpec) -> Result<()> {
        let delay = spec.at.map(|at| at.since(self.lullaby.now()));
        match (spec.template.options.ttl, delay) {
            (Some(ttl), Some(delay)) if ttl < delay => Err(Error::invalid(format!(
                "expected a ttl of at least the delay of {delay:?}, got {ttl:?}: other programs on the store count it from now and would \
                 drop the job before it starts; raise the ttl or leave it out"
            ))),
            _ => Ok(()),
        }
    }

    fn handle<O>(
        &self,
        id: crate::job::JobId,
        answer: Enqueued,
        unique: bool,
    ) -> Result<JobHandle<O>> {
        let existing = match answer {
            Enqueued::Created | Enqueued::Replaced => None,
            Enqueued::Exists { status } if unique => {
                return Err(Error::duplicate(format!(
                    "a job {id} exists already, and this one is to be unique: it is {status}"
                )));
            }
            Enqueued::Exists { status } => Some(status),
            Enqueued::Circular => {
                return Err(Error::invalid(format!(
                    "the job {id} cannot depend on a job that waits for {id} itself: neither would ever run"
                )));
            }
        };
        Ok(JobHandle::new(self.lullaby.clone(), id, existing))
    }
}
