//! Steering a schedule by its name: edit, pause, resume, run now, backfill.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Scheduler;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::handle::JobHandle;
use crate::job::{IntoJob, JobId, QueueName, Status};
use crate::schedule::{Decision, LedgerLine, ScheduleRecord, ScheduleSpec, decide_among};
use crate::store::Advanced;

impl Scheduler {
    /// One job at this time, on the queue `default` unless it names another. A time that has passed is now.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lullaby::Result<()> {
    /// # use lullaby::{Lullaby, NewJob, Timestamp};
    /// # let lullaby = Lullaby::open("memory:").await?;
    /// # let greet = NewJob::named("greet", &[], &serde_json::Map::new())?;
    /// let new_year: Timestamp = "2027-01-01T00:00:00Z".parse()?;
    /// let job = lullaby.scheduler().enqueue_at(new_year, greet).await?;
    /// # let _ = job;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Queue::enqueue_at`](crate::Queue::enqueue_at).
    pub async fn enqueue_at<J: IntoJob>(
        &self,
        at: impl Into<Timestamp>,
        job: J,
    ) -> Result<JobHandle<J::Output>> {
        let queue = self.lullaby.queue(QueueName::default().as_str())?;
        queue.enqueue_at(at, job).await
    }

    /// One job after this long, on the queue `default` unless it names another.
    ///
    /// # Errors
    /// As [`Queue::enqueue_in`](crate::Queue::enqueue_in).
    pub async fn enqueue_in<J: IntoJob>(
        &self,
        after: Duration,
        job: J,
    ) -> Result<JobHandle<J::Output>> {
        let queue = self.lullaby.queue(QueueName::default().as_str())?;
        queue.enqueue_in(after, job).await
    }

    /// Changes what a schedule is told to do, and keeps its ledger and its count of slots. `change` may be called more than once.
    ///
    /// # Errors
    /// [`Error::is_not_found`]; [`Error::is_invalid`] if the result is refused; a store error.
    pub async fn edit(
        &self,
        name: &str,
        mut change: impl FnMut(&mut ScheduleSpec) + Send,
    ) -> Result<ScheduleRecord> {
        loop {
            let record = self.decided(name).await?;
            let mut spec = record.spec.clone();
            change(&mut spec);
            let edited = record.edited(spec, self.lullaby.now())?;
            if self.put(&edited, &record).await? {
                return Ok(edited);
            }
        }
    }

    /// Pauses a schedule: its slots pass with a line in the ledger each. A buffered slot still starts when its turn comes.
    ///
    /// # Errors
    /// [`Error::is_not_found`]; a store error.
    pub async fn pause(&self, name: &str, note: Option<&str>) -> Result<ScheduleRecord> {
        loop {
            let record = self.found(name).await?;
            let paused = record.paused(note.map(str::to_owned), self.lullaby.now());
            if self.put(&paused, &record).await? {
                return Ok(paused);
            }
        }
    }

    /// Lets a paused schedule go on with its next slot. Slots of the pause are not made up for, also those that nobody decided yet.
    ///
    /// # Errors
    /// [`Error::is_not_found`]; a store error.
    pub async fn resume(&self, name: &str) -> Result<ScheduleRecord> {
        loop {
            let record = self.decided(name).await?;
            if record.paused.is_none() {
                return Ok(record);
            }
            let resumed = record.resumed();
            if self.put(&resumed, &record).await? {
                return Ok(resumed);
            }
        }
    }

    /// Has a schedule run now, paused or not. It uses up no slot and no repeat; it obeys the overlap, so the answer may be that it was
    /// skipped.
    ///
    /// # Errors
    /// [`Error::is_not_found`]; a store error.
    pub async fn run_now(&self, name: &str) -> Result<LedgerLine> {
        loop {
            let record = self.found(name).await?;
            let jobs = self.standing(&record).await?;
            let decision = record.run_now(&jobs, self.lullaby.now());
            let line = decision.ledger.first().cloned();
            if self.advance(decision).await? {
                return line.ok_or_else(|| Error::store("a run by hand left no line"));
            }
        }
    }

    /// Has a schedule run for each of its slots in a past range, as if they came due now; at most `cap`. Answers their jobs.
    ///
    /// # Errors
    /// [`Error::is_not_found`]; [`Error::is_invalid`] if the range is not past, has no slot or more than `cap`, or the schedule's runs
    /// must not overlap; a store error.
    pub async fn backfill(
        &self,
        name: &str,
        slots: RangeInclusive<Timestamp>,
        cap: u32,
    ) -> Result<Vec<JobId>> {
        loop {
            let record = self.found(name).await?;
            let (from, until) = (*slots.start(), *slots.end());
            let decision = record.backfill(from, until, cap, self.lullaby.now())?;
            let jobs = decision.jobs.iter().map(|job| job.id.clone()).collect();
            if self.advance(decision).await? {
                return Ok(jobs);
            }
        }
    }

    /// The newest `limit` lines of a schedule's ledger, newest first; at most [`LEDGER_LINES`](crate::schedule::LEDGER_LINES) are kept.
    ///
    /// # Errors
    /// [`Error::is_not_found`]; a store error.
    pub async fn ledger(&self, name: &str, limit: usize) -> Result<Vec<LedgerLine>> {
        let record = self.found(name).await?;
        self.lullaby.store().ledger(&record, limit).await
    }

    pub(super) async fn found(&self, name: &str) -> Result<ScheduleRecord> {
        self.get(name)
            .await?
            .ok_or_else(|| Error::not_found(format!("there is no schedule named {name:?}")))
    }

    /// The schedule with every slot that is due decided, as a scheduler would.
    pub(super) async fn decided(&self, name: &str) -> Result<ScheduleRecord> {
        loop {
            let record = self.found(name).await?;
            let jobs = self.standing(&record).await?;
            let now = self.lullaby.now();
            if record.next.is_none_or(|next| next > now) {
                return Ok(record);
            }
            if let Some(decision) = decide_among(&record, &jobs, now) {
                self.advance(decision).await?;
            }
        }
    }

    /// How the jobs that it watches stand.
    async fn standing(&self, record: &ScheduleRecord) -> Result<BTreeMap<JobId, Status>> {
        if record.watched.is_empty() {
            return Ok(BTreeMap::new());
        }
        let jobs = self.lullaby.store().jobs(&record.watched).await?;
        let jobs = jobs.into_iter().flatten();
        Ok(jobs.map(|job| (job.id, job.status)).collect())
    }

    /// False if somebody else changed something first: look again.
    async fn advance(&self, decision: Decision) -> Result<bool> {
        let done = self.lullaby.store().advance(vec![decision]).await?;
        Ok(done.first() == Some(&Advanced::Done))
    }

    /// False if somebody else changed it first: look again.
    pub(super) async fn put(&self, record: &ScheduleRecord, over: &ScheduleRecord) -> Result<bool> {
        let store = self.lullaby.store();
        let put = store.put_schedule(record.clone(), Some(over.version)).await;
        Ok(put? == Advanced::Done)
    }
}
