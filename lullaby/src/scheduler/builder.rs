//! Stating a schedule.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use crate::client::Lullaby;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{NewJob, QueueName};
use crate::schedule::{Missed, Overlap, Owner, ScheduleRecord, ScheduleSpec, Trigger};
use crate::store::Advanced;

/// A schedule to be made or changed. Await it to do so.
///
/// Stated again under the same name it changes what differs and keeps the rest: its count of slots, and without a
/// [`start`](ScheduleBuilder::start) its anchor, so a program can state its schedules at every start.
///
/// # Errors
/// Awaiting it answers [`Error::is_invalid`] if there is no trigger, or what was said is out of range or does not go together; the text says
/// which. Otherwise a store error. Cancel safe: a call that is dropped made the whole change, or none.
#[derive(Debug)]
#[must_use = "a schedule is made only when this is awaited"]
pub struct ScheduleBuilder {
    lullaby: Lullaby,
    name: String,
    job: NewJob,
    trigger: Option<Trigger>,
    every: Option<Duration>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    repeat: Option<u64>,
    missed: Missed,
    grace: Option<Duration>,
    overlap: Overlap,
    jitter: Option<Duration>,
    pause_after: Option<u32>,
    owner: Owner,
}

impl ScheduleBuilder {
    pub(super) fn new(lullaby: Lullaby, name: &str, job: NewJob) -> Self {
        Self {
            lullaby,
            name: name.to_owned(),
            job,
            trigger: None,
            every: None,
            start: None,
            end: None,
            repeat: None,
            missed: Missed::default(),
            grace: None,
            overlap: Overlap::default(),
            jitter: None,
            pause_after: None,
            owner: Owner::default(),
        }
    }

    /// When: any trigger, in place of [`every`](Self::every).
    pub fn trigger(mut self, trigger: impl Into<Trigger>) -> Self {
        self.trigger = Some(trigger.into());
        self
    }

    /// Anchored: slot k is start + k × `every`. At least a tenth of a second, in whole milliseconds.
    pub fn every(mut self, every: Duration) -> Self {
        self.every = Some(every);
        self
    }

    /// The first slot. Without it a new schedule starts one interval from now. A time that has passed runs at once, and the slots stay on its
    /// grid.
    pub fn start(mut self, start: impl Into<Timestamp>) -> Self {
        self.start = Some(start.into());
        self
    }

    /// No slot at or after this time; none when not given.
    pub fn end(mut self, end: impl Into<Timestamp>) -> Self {
        self.end = Some(end.into());
        self
    }

    /// How many runs in all, at least 1; for ever without it.
    pub fn repeat(mut self, runs: u64) -> Self {
        self.repeat = Some(runs);
        self
    }

    /// What becomes of slots that pass while no scheduler runs; [`Missed::Latest`] when not given: one run for all of them.
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// How late a slot may still start; however late when not given, and with [`Missed::Skip`] 60 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// What becomes of a slot while an earlier run has not ended; [`Overlap::Allow`] when not given: it runs beside it.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Starts each run later than its slot, by a share of `limit` that is always the same for this name; never as late as the next slot. At
    /// most a day.
    pub fn jitter(mut self, limit: Duration) -> Self {
        self.jitter = Some(limit);
        self
    }

    /// Pauses by itself once so many runs in a row have failed, at least 1; never when not given.
    pub fn pause_after(mut self, failures: u32) -> Self {
        self.pause_after = Some(failures);
        self
    }

    /// Who puts it there; the program, unless said otherwise.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    /// The trigger that was meant, for a schedule that stands as `stored` or is new.
    fn when(&self, stored: Option<&ScheduleRecord>, now: Timestamp) -> Result<Trigger> {
        match (&self.trigger, self.every) {
            (None, Some(every)) => Ok(Trigger::Every {
                every,
                start: self.start.or_else(|| anchor(stored)).unwrap_or(now + every),
            }),
            (Some(Trigger::Cron(cron)), None) => Ok(Trigger::Cron(match self.start {
                Some(start) => cron.clone().starting(start),
                None => cron.clone(),
            })),
            (Some(trigger), None) if self.start.is_none() => Ok(trigger.clone()),
            (Some(_), None) => Err(Error::invalid(format!(
                "expected no start for the schedule {:?}, whose times are given one by one",
                self.name
            ))),
            (None, None) => Err(Error::invalid(format!(
                "expected an interval for the schedule {:?}: say .every(…), or .trigger(…) with cron lines or times",
                self.name
            ))),
            (Some(_), Some(_)) => Err(Error::invalid(format!(
                "expected an interval or another trigger for the schedule {:?}, got both",
                self.name
            ))),
        }
    }

    /// What it says, for a schedule that stands as `stored` or is new.
    pub(crate) fn spec(
        &self,
        stored: Option<&ScheduleRecord>,
        now: Timestamp,
    ) -> Result<ScheduleSpec> {
        Ok(ScheduleSpec {
            trigger: self.when(stored, now)?,
            template: self.job.clone().into_template(&QueueName::default())?,
            missed: self.missed,
            grace: self.grace,
            repeat: self.repeat,
            end: self.end,
            overlap: self.overlap,
            jitter: self.jitter,
            pause_after: self.pause_after,
            owner: self.owner.clone(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    async fn put(self) -> Result<ScheduleRecord> {
        let store = self.lullaby.store().clone();
        let scheduler = self.lullaby.scheduler();
        loop {
            let now = self.lullaby.now();
            let stored = store.schedule(&self.name).await?;
            let spec = self.spec(stored.as_ref(), now)?;
            let record = match &stored {
                None => ScheduleRecord::new(&self.name, spec, now)?,
                Some(stored) if stored.spec == spec => return Ok(stored.clone()),
                Some(stored)
                    if stored.spec.trigger != spec.trigger
                        && stored.next.is_some_and(|next| next <= now) =>
                {
                    // The old trigger's slots that are due are still its own.
                    scheduler.decided(&self.name).await?;
                    continue;
                }
                Some(stored) => stored.edited(spec, now)?,
            };
            let expected = stored.map(|stored| stored.version);
            match store.put_schedule(record.clone(), expected).await? {
                Advanced::Done => return Ok(record),
                // Somebody else changed it between our look and our write: look again.
                Advanced::Conflict | Advanced::Gone => {}
            }
        }
    }
}

/// The first slot of an interval that is stated again without one.
fn anchor(stored: Option<&ScheduleRecord>) -> Option<Timestamp> {
    match &stored?.spec.trigger {
        Trigger::Every { start, .. } => Some(*start),
        _ => None,
    }
}

impl IntoFuture for ScheduleBuilder {
    type Output = Result<ScheduleRecord>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.put())
    }
}
