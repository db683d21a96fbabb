//! A producer's hold on one job.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::client::Lullaby;
use crate::clock::until;
use crate::error::{Error, Result};
use crate::event::EventId;
use crate::history::{Attempt, history};
use crate::job::{Job, JobId, Status};
use crate::store::{Canceled, Deleted, Requeued, Topic};

/// One job, by its id: its status, its result, and what can be done to it.
pub struct JobHandle<O> {
    lullaby: Lullaby,
    id: JobId,
    existing: Option<Status>,
    output: PhantomData<fn() -> O>,
}

impl<O> JobHandle<O> {
    pub(crate) fn new(lullaby: Lullaby, id: JobId, existing: Option<Status>) -> Self {
        Self {
            lullaby,
            id,
            existing,
            output: PhantomData,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// `Some` if enqueueing met a job of this id, left it as it was, and this is where it stood.
    #[must_use]
    pub fn existing(&self) -> Option<Status> {
        self.existing
    }

    /// All about it; `None` if there is no such job (any more).
    ///
    /// # Errors
    /// A store error.
    pub async fn job(&self) -> Result<Option<Job>> {
        let mut jobs = self
            .lullaby
            .store()
            .jobs(std::slice::from_ref(&self.id))
            .await?;
        Ok(jobs.pop().flatten())
    }

    /// Where it stands; `None` if there is no such job (any more).
    ///
    /// # Errors
    /// A store error.
    pub async fn status(&self) -> Result<Option<Status>> {
        Ok(self.job().await?.map(|job| job.status))
    }

    /// Its executions, oldest first: the last one and at least the [`KEPT_ATTEMPTS`](crate::KEPT_ATTEMPTS) before it, also those before a
    /// requeue; of a job with a subject all that its events tell of. Of a run of Python's as much as RQ keeps. Empty if it never ran.
    ///
    /// # Errors
    /// A store error.
    pub async fn history(&self) -> Result<Vec<Attempt>> {
        let Some(job) = self.job().await? else {
            return Ok(Vec::new());
        };
        let store = self.lullaby.store();
        let events = match &job.template.subject {
            Some(subject) => store.events(Some(subject), EventId(0), usize::MAX).await?,
            None => Vec::new(),
        };
        let kept = store.attempts(&self.id).await?;
        Ok(history(&job, &events, kept))
    }

    /// Withdraws it if it waits, asks it to stop if it runs. Jobs that depend on it go on waiting.
    ///
    /// # Errors
    /// A store error.
    pub async fn cancel(&self) -> Result<Canceled> {
        self.withdraw(false).await
    }

    /// As [`cancel`](Self::cancel), and in the same step those that wait for it alone are let in: RQ's
    /// `cancel(enqueue_dependents=True)`. Of a job that runs at once, too.
    ///
    /// # Errors
    /// A store error.
    pub async fn cancel_and_enqueue_dependents(&self) -> Result<Canceled> {
        self.withdraw(true).await
    }

    async fn withdraw(&self, enqueue_dependents: bool) -> Result<Canceled> {
        let ids = std::slice::from_ref(&self.id);
        let done = self.lullaby.store().cancel(ids, enqueue_dependents).await?;
        Ok(done.into_iter().next().unwrap_or(Canceled::NotFound))
    }

    /// Puts it back into its queue, at the end, with its failures forgotten.
    ///
    /// # Errors
    /// A store error.
    pub async fn requeue(&self) -> Result<Requeued> {
        let ids = std::slice::from_ref(&self.id);
        let done = self.lullaby.store().requeue(ids, false).await?;
        Ok(done.into_iter().next().unwrap_or(Requeued::NotFound))
    }

    /// Deletes it with all that is kept of it. One that runs is not deleted.
    ///
    /// # Errors
    /// A store error.
    pub async fn delete(&self) -> Result<Deleted> {
        let done = self
            .lullaby
            .store()
            .delete(std::slice::from_ref(&self.id))
            .await?;
        Ok(done.into_iter().next().unwrap_or(Deleted::NotFound))
    }
}

impl<O: DeserializeOwned> JobHandle<O> {
    /// Its result; `None` while it has not ended.
    ///
    /// # Errors
    /// [`Error::is_job_failed`] if it failed, was canceled or stopped; [`Error::is_not_found`] if there is no such job (any more: results are
    /// kept for the job's `result_ttl`); [`Error::is_invalid`] if the result is of another type.
    pub async fn result(&self) -> Result<Option<O>> {
        let job = self.job().await?.ok_or_else(|| {
            Error::not_found(format!(
                "there is no job {} (any more): a finished one is kept for its result_ttl",
                self.id
            ))
        })?;
        match job.status {
            Status::Finished => {
                let json = job.result.as_deref().unwrap_or("null");
                let result = serde_json::from_str(json).map_err(|error| {
                    Error::invalid(format!(
                        "the result of job {} does not read as {}: {error}",
                        self.id,
                        std::any::type_name::<O>()
                    ))
                })?;
                Ok(Some(result))
            }
            Status::Failed | Status::Canceled | Status::Stopped => Err(Error::job_failed(format!(
                "job {} is {}{}",
                self.id,
                job.status,
                job.error.map(|why| format!(": {why}")).unwrap_or_default()
            ))),
            _ => Ok(None),
        }
    }

    /// Waits for its result, at most `patience`. Cancel safe.
    ///
    /// # Errors
    /// As [`JobHandle::result`], and [`Error::is_deadline`] if it has not ended in time; it goes on then.
    pub async fn wait(&self, patience: Duration) -> Result<O> {
        let mut ended = self.lullaby.store().signals().listen(Topic::Ended);
        let waiting = async {
            loop {
                ended.reset();
                if let Some(result) = self.result().await? {
                    return Ok(result);
                }
                ended.raised().await;
            }
        };
        let clock = self.lullaby.clock();
        let deadline = clock.now() + patience;
        until(clock.as_ref(), deadline, waiting)
            .await
            .unwrap_or_else(|| {
                Err(Error::deadline(format!(
                    "job {} has not ended within {patience:?}; it goes on",
                    self.id
                )))
            })
    }
}

impl<O> From<&JobHandle<O>> for JobId {
    fn from(handle: &JobHandle<O>) -> Self {
        handle.id.clone()
    }
}

impl<O> fmt::Debug for JobHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobHandle({})", self.id)
    }
}
