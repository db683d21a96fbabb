//! Stating a schedule.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use crate::client::Lullaby;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{NewJob, QueueName};
use crate::schedule::{Missed, Owner, ScheduleRecord, ScheduleSpec, Trigger};
use crate::store::Advanced;

/// A schedule to be made or changed. Await it to do so.
///
/// Stated again under the same name it changes what differs and keeps the rest: its count of slots, and without a
/// [`start`](ScheduleBuilder::start) its anchor, so a program can state its schedules at every start.
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

    /// No slot at or after this time.
    pub fn end(mut self, end: impl Into<Timestamp>) -> Self {
        self.end = Some(end.into());
        self
    }

    /// How many runs in all; for ever without it.
    pub fn repeat(mut self, runs: u64) -> Self {
        self.repeat = Some(runs);
        self
    }

    /// What becomes of slots that pass while no scheduler runs.
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// How late a slot may still start.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
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

    async fn put(self) -> Result<ScheduleRecord> {
        let store = self.lullaby.store().clone();
        let template = self.job.clone().into_template(&QueueName::default())?;
        loop {
            let now = self.lullaby.now();
            let stored = store.schedule(&self.name).await?;
            let trigger = self.when(stored.as_ref(), now)?;
            let spec = ScheduleSpec {
                trigger,
                template: template.clone(),
                missed: self.missed,
                grace: self.grace,
                repeat: self.repeat,
                end: self.end,
                owner: self.owner,
            };
            let record = match &stored {
                None => ScheduleRecord::new(&self.name, spec, now)?,
                Some(stored) if stored.spec == spec => return Ok(stored.clone()),
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
