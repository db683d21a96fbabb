//! Stating a schedule.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use crate::client::Lullaby;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{NewJob, QueueName};
use crate::schedule::{Cron, Missed, Owner, ScheduleRecord, ScheduleSpec, Trigger};
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
    when: When,
    end: Option<Timestamp>,
    repeat: Option<u64>,
    missed: Missed,
    grace: Option<Duration>,
    owner: Owner,
}

/// What was said about its times.
#[derive(Debug, Default)]
struct When {
    every: Option<Duration>,
    lines: Vec<String>,
    zone: Option<String>,
    times: Vec<Timestamp>,
    start: Option<Timestamp>,
}

impl When {
    /// The trigger that was meant. An interval without a start keeps the anchor of the schedule as it is stored.
    fn trigger(
        &self,
        name: &str,
        stored: Option<&ScheduleRecord>,
        now: Timestamp,
    ) -> Result<Trigger> {
        let refuse = |why: &str| Err(Error::invalid(format!("the schedule {name:?} {why}")));
        if self.zone.is_some() && self.lines.is_empty() {
            return refuse("has a time zone but no cron line: say .cron(…), or leave the zone out");
        }
        match (self.every, &self.lines[..], &self.times[..]) {
            (Some(every), [], []) => {
                let anchor = stored.and_then(|record| match record.spec.trigger {
                    Trigger::Every { start, .. } => Some(start),
                    _ => None,
                });
                let start = self.start.or(anchor).unwrap_or(now + every);
                Ok(Trigger::Every { every, start })
            }
            (None, [first, more @ ..], []) => {
                let mut cron = Cron::new(first)?;
                for line in more {
                    cron = cron.and(line)?;
                }
                if let Some(start) = self.start {
                    cron = cron.starting(start);
                }
                let zone = self.zone.as_deref().unwrap_or("UTC");
                Ok(cron.in_zone(zone)?.into())
            }
            (None, [], [_, ..]) => Ok(Trigger::at(self.times.iter().copied())),
            (None, [], []) => refuse("has no times: say .every(…), .cron(…) or .at(…)"),
            _ => refuse("has times of several kinds: say one of .every(…), .cron(…) and .at(…)"),
        }
    }
}

impl ScheduleBuilder {
    pub(super) fn new(lullaby: Lullaby, name: &str, job: NewJob) -> Self {
        Self {
            lullaby,
            name: name.to_owned(),
            job,
            when: When::default(),
            end: None,
            repeat: None,
            missed: Missed::default(),
            grace: None,
            owner: Owner::default(),
        }
    }

    /// Anchored: slot k is start + k × `every`. At least a tenth of a second, in whole milliseconds.
    pub fn every(mut self, every: Duration) -> Self {
        self.when.every = Some(every);
        self
    }

    /// At the times that a cron line names; said again, at those of each line. See [`Cron`] for what a line may say.
    pub fn cron(mut self, line: &str) -> Self {
        self.when.lines.push(line.to_owned());
        self
    }

    /// The time zone of the cron lines, as `Europe/Berlin`; UTC without it.
    pub fn in_zone(mut self, name: &str) -> Self {
        self.when.zone = Some(name.to_owned());
        self
    }

    /// Once at each of these times. Of those that have passed the latest runs at once.
    pub fn at(mut self, times: impl IntoIterator<Item = Timestamp>) -> Self {
        self.when.times.extend(times);
        self
    }

    /// The first slot; for cron lines the instant before which there is none. Without it a new schedule starts one interval from now. A time that has passed runs at once, and the slots stay on its
    /// grid.
    pub fn start(mut self, start: impl Into<Timestamp>) -> Self {
        self.when.start = Some(start.into());
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

    async fn put(self) -> Result<ScheduleRecord> {
        let store = self.lullaby.store().clone();
        let template = self.job.into_template(&QueueName::default())?;
        loop {
            let now = self.lullaby.now();
            let stored = store.schedule(&self.name).await?;
            let trigger = self.when.trigger(&self.name, stored.as_ref(), now)?;
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

impl IntoFuture for ScheduleBuilder {
    type Output = Result<ScheduleRecord>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.put())
    }
}
