//! The memory driver: one mutex, no thread, nothing on disk.
//!
//! It is the plainest telling of what a store does: the oracle that other drivers are compared with, the store for tests of
//! programs that use the library, and the store of worlds that live as long as their process. What it holds is gone with it.
//!
//! Rules that every driver shares, beyond the summary in [`store`](crate::store):
//!
//! - A batch is the same as its items one after the other. So jobs that enter at the front in one call stand there in reverse.
//! - Whatever is due, or over, at an instant is so at exactly that millisecond, and not one earlier.
//! - A job's number (the order in which jobs were made) decides between equals: of the same due time, lease, or end.
//! - A job that comes to its rate limit's limiter and passes at once writes the event of entering its queue, one that waits there another.
//! - One move of a job writes one event. A retry whose time has come is `job.retrying`, and no `job.queued` follows.
//! - A request to stop outlives a return to the queue: only `requeue` withdraws it.

mod dependents;
mod event_log;
mod inspect;
mod maintain;
mod produce;
mod rate_limits;
mod schedules;
mod state;
mod work;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use self::state::State;
use super::{
    Advanced, Canceled, Claim, Deleted, DueSchedules, Enqueued, Inspect, JobFilter, Maintain,
    Moved, Page, Produce, QueueInfo, Reaped, Recur, Renewed, Requeued, Settled, Settlement,
    Signals, Swept, Wake, Work, WorkerRecord,
};
use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::event::{Event, EventId, EventLimits, NewEvent};
use crate::history::Attempt;
use crate::job::{Execution, Job, JobId, JobSpec};
use crate::schedule::{Decision, LedgerLine, ScheduleId, ScheduleRecord};

/// A store in this process's memory.
///
/// ```
/// use std::sync::Arc;
/// use lullaby::clock::{ManualClock, Timestamp};
/// use lullaby::store::{Inspect, memory::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lullaby::Result<()> {
/// let clock = ManualClock::new(Timestamp::from_millis(0));
/// let store = MemoryStore::new(Arc::new(clock));
/// assert!(store.queues().await?.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    signals: Signals,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store whose due times `clock` judges.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::with_limits(clock, EventLimits::default())
    }

    /// An empty store that keeps so many events.
    #[must_use]
    pub fn with_limits(clock: Arc<dyn Clock>, limits: EventLimits) -> Arc<Self> {
        Arc::new(Self {
            clock,
            signals: Signals::default(),
            state: Mutex::new(State::new(limits)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// One atomic step, at one instant; then tells those who wait what it changed.
    fn write<T>(&self, step: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let mut state = self.lock();
        let outcome = step(&mut state, self.clock.now());
        let topics = state.take_topics();
        drop(state);
        for topic in topics {
            self.signals.raise(topic);
        }
        outcome
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} jobs)", self.read(State::len))
    }
}

#[async_trait]
impl Produce for MemoryStore {
    async fn enqueue(&self, jobs: Vec<JobSpec>) -> Result<Vec<Enqueued>> {
        Ok(self.write(|state, now| {
            let each = jobs.into_iter().map(|spec| state.enqueue(spec, now));
            each.collect()
        }))
    }

    async fn cancel(&self, ids: &[JobId], enqueue_dependents: bool) -> Result<Vec<Canceled>> {
        Ok(self.write(|state, now| {
            let each = ids
                .iter()
                .map(|id| state.cancel(id, enqueue_dependents, now));
            each.collect()
        }))
    }

    async fn requeue(&self, ids: &[JobId], at_front: bool) -> Result<Vec<Requeued>> {
        Ok(self.write(|state, now| {
            let each = ids.iter().map(|id| state.requeue(id, at_front, now));
            each.collect()
        }))
    }

    async fn delete(&self, ids: &[JobId]) -> Result<Vec<Deleted>> {
        Ok(self.write(|state, now| ids.iter().map(|id| state.delete(id, now)).collect()))
    }

    async fn change_time(&self, id: &JobId, at: Timestamp) -> Result<bool> {
        Ok(self.write(|state, now| state.change_time(id, at, now)))
    }

    async fn append_events(&self, events: Vec<NewEvent>) -> Result<Vec<EventId>> {
        Ok(self.write(|state, now| {
            let each = events.into_iter().map(|event| state.append(event, now));
            each.collect()
        }))
    }
}

#[async_trait]
impl Work for MemoryStore {
    async fn claim(&self, claim: Claim) -> Result<Vec<Job>> {
        Ok(self.write(|state, now| state.claim(&claim, now)))
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        Ok(self.write(|state, now| {
            let each = settlements.into_iter().map(|one| state.settle(one, now));
            each.collect()
        }))
    }

    async fn renew(&self, executions: Vec<Execution>, lease: Duration) -> Result<Vec<Renewed>> {
        Ok(self.write(|state, now| {
            let until = now + lease;
            let each = executions.iter().map(|one| state.renew(one, until));
            each.collect()
        }))
    }

    async fn save_meta(
        &self,
        execution: Execution,
        patch: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Settled> {
        Ok(self.write(|state, _| state.save_meta(&execution, patch)))
    }

    async fn announce_worker(&self, worker: WorkerRecord) -> Result<()> {
        self.write(|state, _| state.announce_worker(worker));
        Ok(())
    }

    async fn retire_worker(&self, name: &str) -> Result<()> {
        self.write(|state, _| state.retire_worker(name));
        Ok(())
    }
}

#[async_trait]
impl Recur for MemoryStore {
    async fn move_due(&self, limit: usize) -> Result<Moved> {
        Ok(self.write(|state, now| state.move_due(limit, now)))
    }

    async fn due_schedules(&self, limit: usize) -> Result<DueSchedules> {
        Ok(self.write(|state, now| state.due_schedules(limit, now)))
    }

    async fn advance(&self, decisions: Vec<Decision>) -> Result<Vec<Advanced>> {
        Ok(self.write(|state, now| {
            let each = decisions.into_iter().map(|one| state.advance(one, now));
            each.collect()
        }))
    }

    async fn put_schedule(
        &self,
        record: ScheduleRecord,
        expected: Option<u64>,
    ) -> Result<Advanced> {
        Ok(self.write(|state, _| state.put_schedule(record, expected)))
    }

    async fn remove_schedule(&self, name: &str, id: Option<&ScheduleId>) -> Result<bool> {
        Ok(self.write(|state, _| state.remove_schedule(name, id)))
    }
}

#[async_trait]
impl Maintain for MemoryStore {
    async fn reap(&self, expired: bool, limit: usize) -> Result<Reaped> {
        // Owners live as long as this process, and so does the store: only a lease can tell of a stall.
        let limit = if expired { limit } else { 0 };
        Ok(self.write(|state, now| state.reap(limit, now)))
    }

    async fn sweep(&self, limit: usize) -> Result<Swept> {
        Ok(self.write(|state, now| state.sweep(limit, now)))
    }

    async fn probe(&self, _patience: Duration) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Inspect for MemoryStore {
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        Ok(self.read(|state| ids.iter().map(|id| state.job(id).cloned()).collect()))
    }

    async fn attempts(&self, id: &JobId) -> Result<Vec<Attempt>> {
        Ok(self.read(|state| state.attempts(id)))
    }

    async fn list_jobs(&self, filter: &JobFilter) -> Result<Vec<Job>> {
        Ok(self.read(|state| {
            let page = state.matching(filter).skip(filter.page.offset);
            page.take(filter.page.length).cloned().collect()
        }))
    }

    async fn count_jobs(&self, filter: &JobFilter) -> Result<u64> {
        Ok(self.read(|state| state.matching(filter).count() as u64))
    }

    async fn queues(&self) -> Result<Vec<QueueInfo>> {
        Ok(self.read(State::queues))
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>> {
        Ok(self.read(State::workers))
    }

    async fn schedule(&self, name: &str) -> Result<Option<ScheduleRecord>> {
        Ok(self.read(|state| state.schedules().get(name).cloned()))
    }

    async fn list_schedules(
        &self,
        until: Option<Timestamp>,
        page: Page,
    ) -> Result<Vec<ScheduleRecord>> {
        Ok(self.read(|state| {
            let page_of = state.schedules().until(until).skip(page.offset);
            page_of.take(page.length).cloned().collect()
        }))
    }

    async fn count_schedules(&self, until: Option<Timestamp>) -> Result<u64> {
        Ok(self.read(|state| state.schedules().until(until).count() as u64))
    }

    async fn ledger(&self, record: &ScheduleRecord, limit: usize) -> Result<Vec<LedgerLine>> {
        Ok(self.read(|state| state.schedules().ledger(&record.id, limit)))
    }

    async fn events(
        &self,
        subject: Option<&str>,
        after: EventId,
        limit: usize,
    ) -> Result<Vec<Event>> {
        Ok(self.read(|state| state.events().after(subject, after, limit)))
    }

    async fn last_event(&self) -> Result<EventId> {
        Ok(self.read(|state| state.events().last()))
    }
}

impl Wake for MemoryStore {
    fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }

    fn location(&self) -> String {
        "memory:".to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
