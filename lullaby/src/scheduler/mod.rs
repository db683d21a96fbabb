//! What was enqueued for later, and schedules: RQ Scheduler's verbs, and the loop that moves what is due.

mod builder;
mod declare;
mod run;
mod steer;

use crate::client::Lullaby;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{IntoJob, Job, JobId, Status};
use crate::schedule::{Cron, ScheduleRecord};
use crate::shutdown::Shutdown;
use crate::store::{Canceled, JobFilter, Page};

pub use self::builder::ScheduleBuilder;
pub use self::declare::{Declaration, Difference, FieldChange};
pub(crate) use self::run::{leave, move_everything_due, run};

/// Something that is to happen later.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// One job, enqueued for later.
    Job(Box<Job>),
    /// A schedule, with its next slot.
    Schedule(Box<ScheduleRecord>),
}

impl Entry {
    /// When; `None` for a schedule that has ended.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Job(job) => job.due_at,
            Self::Schedule(schedule) => schedule.next,
        }
    }
}

/// What RQ Scheduler's `Scheduler` is: schedules by name, and a look at everything that is to happen later.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lullaby::Result<()> {
/// # use lullaby::{Lullaby, Task};
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// #[derive(Serialize, Deserialize)]
/// struct IncreaseHunger { pet: String }
/// impl Task for IncreaseHunger {
///     const NAME: &'static str = "increase_hunger";
///     type Output = ();
/// }
///
/// # let lullaby = Lullaby::open("memory:").await?;
/// let scheduler = lullaby.scheduler();
/// scheduler
///     .schedule("hunger of Mochi", IncreaseHunger { pet: "Mochi".into() })
///     .every(Duration::from_secs(3600))
///     .await?;
/// assert!(scheduler.contains("hunger of Mochi").await?);
/// assert_eq!(scheduler.count(None).await?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Scheduler {
    lullaby: Lullaby,
}

impl Scheduler {
    pub(crate) fn new(lullaby: Lullaby) -> Self {
        Self { lullaby }
    }

    /// Moves what is due, on time, until `shutdown`: what a worker does beside its jobs, for a process that runs none. Store errors make it
    /// pause and go on; they never end it. Dropping the future loses nothing.
    pub async fn run(&self, shutdown: &Shutdown) {
        tokio::join!(
            run(&self.lullaby, shutdown),
            crate::audit::run(&self.lullaby, shutdown)
        );
        leave(&self.lullaby).await;
    }

    /// Moves what is due now, and ends; answers how many jobs went into their queues.
    ///
    /// # Errors
    /// A store error.
    pub async fn run_burst(&self) -> Result<usize> {
        let store = self.lullaby.store().as_ref();
        let coming = move_everything_due(store).await?;
        leave(&self.lullaby).await;
        Ok(coming.moved)
    }

    /// States a schedule: makes it, or changes the one of this name. Nothing happens before `.await`.
    pub fn schedule<J: IntoJob>(&self, name: &str, job: J) -> ScheduleBuilder {
        ScheduleBuilder::new(self.lullaby.clone(), name, job.into_job().untyped())
    }

    /// States a schedule that follows cron lines: `schedule(name, job).trigger(cron)`, in RQ Scheduler's word.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lullaby::Result<()> {
    /// # use lullaby::{Lullaby, Task};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Backup;
    /// # impl Task for Backup { const NAME: &'static str = "backup"; type Output = (); }
    /// # let lullaby = Lullaby::open("memory:").await?;
    /// use lullaby::schedule::Cron;
    ///
    /// let scheduler = lullaby.scheduler();
    /// let nightly = Cron::new("30 2 * * *")?.in_zone("Europe/Berlin")?;
    /// let stated = scheduler.cron("nightly backup", nightly, Backup).await?;
    /// assert!(stated.next.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cron<J: IntoJob>(&self, name: &str, cron: Cron, job: J) -> ScheduleBuilder {
        self.schedule(name, job).trigger(cron)
    }

    /// Removes the schedule of this name, or cancels the scheduled job of this id. False if there is neither.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lullaby::Result<()> {
    /// # use lullaby::{Lullaby, NewJob};
    /// # use std::time::Duration;
    /// # let lullaby = Lullaby::open("memory:").await?;
    /// # let wake_up = NewJob::named("wake_up", &[], &serde_json::Map::new())?;
    /// let scheduler = lullaby.scheduler();
    /// let nap = scheduler.enqueue_in(Duration::from_secs(20 * 60), wake_up).await?;
    /// assert!(scheduler.contains(nap.id().as_str()).await?);
    /// assert!(scheduler.cancel(nap.id().as_str()).await?);
    /// assert!(!scheduler.contains(nap.id().as_str()).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A store error.
    pub async fn cancel(&self, name_or_id: &str) -> Result<bool> {
        let store = self.lullaby.store();
        if store.remove_schedule(name_or_id, None).await? {
            return Ok(true);
        }
        let Some(id) = self.scheduled_job(name_or_id).await? else {
            return Ok(false);
        };
        let done = store.cancel(&[id], false).await?;
        Ok(done.first() == Some(&Canceled::Canceled))
    }

    /// Whether there is a schedule of this name, or a scheduled job of this id.
    ///
    /// # Errors
    /// A store error.
    pub async fn contains(&self, name_or_id: &str) -> Result<bool> {
        Ok(
            self.get(name_or_id).await?.is_some()
                || self.scheduled_job(name_or_id).await?.is_some(),
        )
    }

    /// The schedule of this name.
    ///
    /// # Errors
    /// A store error.
    pub async fn get(&self, name: &str) -> Result<Option<ScheduleRecord>> {
        self.lullaby.store().schedule(name).await
    }

    /// Changes when a scheduled job is due, or a schedule's next slot; an interval goes on from there, a cron line as its fields say. Slots
    /// of the schedule that are due already are decided first. A time that has passed is due at once.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lullaby::Result<()> {
    /// # use lullaby::{Lullaby, NewJob};
    /// # use std::time::Duration;
    /// # let lullaby = Lullaby::open("memory:").await?;
    /// # let wake_up = NewJob::named("wake_up", &[], &serde_json::Map::new())?;
    /// let scheduler = lullaby.scheduler();
    /// let nap = scheduler.enqueue_in(Duration::from_secs(20 * 60), wake_up).await?;
    /// let sooner = lullaby.now() + Duration::from_secs(60);
    /// scheduler.change_execution_time(nap.id().as_str(), sooner).await?;
    /// assert_eq!(scheduler.count(Some(sooner)).await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::is_not_found`] if there is neither a schedule of this name nor a scheduled job of this id; [`Error::is_invalid`] if the
    /// schedule has ended, or would end before that time; a store error.
    pub async fn change_execution_time(
        &self,
        name_or_id: &str,
        at: impl Into<Timestamp>,
    ) -> Result<()> {
        let at = at.into();
        while self.get(name_or_id).await?.is_some() {
            let record = self.decided(name_or_id).await?;
            if self.put(&record.moved(at)?, &record).await? {
                return Ok(());
            }
        }
        if let Some(id) = self.scheduled_job(name_or_id).await?
            && self.lullaby.store().change_time(&id, at).await?
        {
            return Ok(());
        }
        Err(Error::not_found(format!(
            "there is no schedule named {name_or_id:?}, nor a scheduled job of that id"
        )))
    }

    /// What is to happen until `until` (`None`: all), soonest first, with offset and length. Each entry knows its time: RQ Scheduler's
    /// `with_times` is [`Entry::at`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lullaby::Result<()> {
    /// # use lullaby::{Lullaby, NewJob};
    /// # use std::time::Duration;
    /// # let lullaby = Lullaby::open("memory:").await?;
    /// # let job = || NewJob::named("wake_up", &[], &serde_json::Map::new());
    /// use lullaby::Entry;
    /// use lullaby::store::Page;
    ///
    /// let scheduler = lullaby.scheduler();
    /// let hour = Duration::from_secs(3600);
    /// scheduler.schedule("hunger of Mochi", job()?).every(hour).await?;
    /// scheduler.enqueue_at(lullaby.now() + hour * 2, job()?).await?;
    ///
    /// let entries = scheduler.get_jobs(None, Page { offset: 0, length: 10 }).await?;
    /// assert!(matches!(&entries[0], Entry::Schedule(tick) if tick.name == "hunger of Mochi"));
    /// assert!(matches!(&entries[1], Entry::Job(_)));
    /// assert!(entries[0].at() < entries[1].at());
    /// assert_eq!(scheduler.count(Some(lullaby.now() + hour)).await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A store error.
    pub async fn get_jobs(&self, until: Option<Timestamp>, page: Page) -> Result<Vec<Entry>> {
        let store = self.lullaby.store();
        // Each list may fill the whole page, so both are read from the start.
        let both = Page {
            offset: 0,
            length: page.offset.saturating_add(page.length),
        };
        let filter = JobFilter {
            page: both,
            ..scheduled_until(until)
        };
        let jobs = store.list_jobs(&filter).await?;
        let schedules = store.list_schedules(until, both).await?;
        let jobs = jobs.into_iter().map(|job| Entry::Job(Box::new(job)));
        let schedules = schedules
            .into_iter()
            .map(|schedule| Entry::Schedule(Box::new(schedule)));
        let mut entries: Vec<_> = jobs.chain(schedules).collect();
        entries.sort_by_key(|entry| entry.at().unwrap_or(Timestamp::MAX));
        Ok(entries
            .into_iter()
            .skip(page.offset)
            .take(page.length)
            .collect())
    }

    /// How much is to happen until `until` (`None`: all).
    ///
    /// # Errors
    /// A store error.
    pub async fn count(&self, until: Option<Timestamp>) -> Result<u64> {
        let store = self.lullaby.store();
        let jobs = store.count_jobs(&scheduled_until(until)).await?;
        Ok(jobs + store.count_schedules(until).await?)
    }

    async fn scheduled_job(&self, id: &str) -> Result<Option<JobId>> {
        let Ok(id) = JobId::new(id) else {
            return Ok(None);
        };
        let jobs = self.lullaby.store().jobs(std::slice::from_ref(&id)).await?;
        let scheduled = |job: &Job| job.status == Status::Scheduled;
        Ok(jobs.iter().flatten().any(scheduled).then_some(id))
    }
}

fn scheduled_until(until: Option<Timestamp>) -> JobFilter {
    JobFilter {
        status: Some(Status::Scheduled),
        due_until: until,
        ..JobFilter::default()
    }
}
