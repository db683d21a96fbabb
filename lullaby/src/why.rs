//! Why a slot ran or did not, and why a job stands where it does, in a sentence.

use std::fmt;

use crate::client::Lullaby;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::history::headline;
use crate::job::{Job, JobId, Status};
use crate::schedule::{Cause, LEDGER_LINES, LedgerLine, ScheduleRecord, Slot, Verdict};
use crate::store::{POISON_LOSSES, Page};

/// The answer to "why did it run, or not?" about one slot of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct WhySlot {
    /// The schedule's name.
    pub schedule: String,
    /// The instant asked for; if none was, the slot that is due, or else the newest decided one.
    pub slot: Option<Timestamp>,
    /// What became of it.
    pub fate: Fate,
    /// The schedule's next slot.
    pub next: Option<Timestamp>,
}

/// What became of a slot.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fate {
    /// It was decided, and this is its line in the ledger. With the job's status if it has one that is still kept.
    Decided {
        /// The line; it may be about more slots than this one.
        line: Box<LedgerLine>,
        /// The job of this slot and how it stands; `None` in it if it is not kept any more.
        job: Option<(JobId, Option<Status>)>,
    },
    /// It is still to come.
    ToCome,
    /// It is due, and nobody decided it yet.
    Overdue,
    /// No slot of the schedule is at this instant.
    NoSlot {
        /// The one before.
        before: Option<Timestamp>,
        /// The one after.
        after: Option<Timestamp>,
    },
    /// The schedule was made, or got its present trigger, after it.
    BeforeSchedule {
        /// When.
        since: Timestamp,
    },
    /// It is outside the schedule's window: at or after its end, or after its last run.
    OutsideWindow {
        /// The end; `None` if the repeat count ended it.
        end: Option<Timestamp>,
    },
    /// It is older than the ledger reaches.
    Forgotten,
    /// No slot came due yet.
    NothingYet,
    /// It should have a line and has none. The audit reports this too.
    Lost,
}

/// The answer to "why does this job stand where it does?".
#[derive(Clone, Debug, PartialEq)]
pub struct WhyJob {
    /// The job's id.
    pub id: JobId,
    /// The slot that it was made for.
    pub slot: Option<Slot>,
    /// How it stands; `None` if it does not exist (any more).
    pub status: Option<Status>,
    /// The sentence about its status.
    pub because: String,
}

impl Lullaby {
    /// What became of a slot of this schedule. Without an instant: of the one that is due, or else of the newest decided one.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if there is no such schedule; a store error.
    pub async fn why_slot(&self, schedule: &str, slot: Option<Timestamp>) -> Result<WhySlot> {
        let found = self.store().schedule(schedule).await?;
        let record = found
            .ok_or_else(|| Error::not_found(format!("there is no schedule named {schedule:?}")))?;
        let ledger = self.store().ledger(&record, LEDGER_LINES).await?;
        let newest = ledger.iter().find(|line| line.cause == Cause::Slot);
        let overdue = record.next.filter(|next| *next <= self.now());
        let slot = slot.or(overdue).or(newest.map(|line| line.last));
        let mut fate = match slot {
            Some(slot) => fate(&record, &ledger, slot, self.now()),
            None => Fate::NothingYet,
        };
        if let Fate::Decided {
            job: Some((id, status)),
            ..
        } = &mut fate
        {
            let jobs = self.store().jobs(std::slice::from_ref(id)).await?;
            *status = jobs.into_iter().flatten().next().map(|job| job.status);
        }
        Ok(WhySlot {
            schedule: record.name,
            slot,
            fate,
            next: record.next,
        })
    }

    /// Why a job stands where it does. A job that a schedule's slot made is recognised by its id even when it is not kept any more.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if nothing is known of it; a store error.
    pub async fn why_job(&self, id: &JobId) -> Result<WhyJob> {
        let jobs = self.store().jobs(std::slice::from_ref(id)).await?;
        if let Some(job) = jobs.into_iter().flatten().next() {
            let workers = self.store().workers().await?;
            let heard = (workers.iter()).any(|one| one.queues.contains(&job.template.queue));
            let because = match job.status {
                Status::Deferred => self.waits_for(&job).await?,
                _ => because(&job, self.now(), heard),
            };
            return Ok(WhyJob {
                id: id.clone(),
                slot: job.slot.clone(),
                status: Some(job.status),
                because,
            });
        }
        let Some((record, at)) = self.maker(id).await? else {
            return Err(Error::not_found(format!(
                "there is no job {id} (any more): a finished one is kept for its result_ttl"
            )));
        };
        let why = self.why_slot(&record.name, Some(at)).await?;
        Ok(WhyJob {
            id: id.clone(),
            slot: None,
            status: None,
            because: format!("it is not kept any more. {why}"),
        })
    }

    /// Whom a deferred job waits for, and how they stand.
    async fn waits_for(&self, job: &Job) -> Result<String> {
        let parents = &job.depends_on;
        let found = self.store().jobs(&parents.jobs).await?;
        let stands: Vec<String> = parents
            .jobs
            .iter()
            .zip(found)
            .filter_map(|(id, found)| match found.map(|job| job.status) {
                None => Some(format!("{id}, which is not kept any more")),
                status if parents.are_met_by(status) => None,
                Some(Status::Failed) => Some(format!("{id}, which failed")),
                Some(status) => Some(format!("{id}, which is {status}")),
            })
            .collect();
        let id = &job.id;
        Ok(match stands.len() {
            0 => format!("nothing keeps it waiting; `lullaby requeue {id}` runs it"),
            _ => format!(
                "it waits for {}; `lullaby requeue {id}` runs it at once",
                stands.join(", and for ")
            ),
        })
    }

    /// The schedule that has a slot with a job of this id, and that slot.
    async fn maker(&self, id: &JobId) -> Result<Option<(ScheduleRecord, Timestamp)>> {
        let Some((schedule, at)) = id.as_str().rsplit_once('-') else {
            return Ok(None);
        };
        let Some(at) = at.parse().ok().map(Timestamp::from_millis) else {
            return Ok(None);
        };
        let mut page = Page {
            offset: 0,
            length: 1000,
        };
        loop {
            let some = self.store().list_schedules(None, page).await?;
            let last = some.len() < page.length;
            page.offset += some.len();
            if let Some(record) = some.into_iter().find(|one| one.id.as_str() == schedule) {
                return Ok(Some((record, at)));
            }
            if last {
                return Ok(None);
            }
        }
    }
}

/// `ledger` is newest first.
fn fate(record: &ScheduleRecord, ledger: &[LedgerLine], slot: Timestamp, now: Timestamp) -> Fate {
    let trigger = &record.spec.trigger;
    let on_grid = trigger.latest_until(slot) == Some(slot);
    let line = ledger.iter().find(|line| line.covers(slot));
    let exact = line.is_some_and(|line| line.first == slot || line.last == slot);
    // What was decided under an earlier trigger need not fit the present one.
    if let Some(line) = line.filter(|line| exact || on_grid || line.last < record.since) {
        let job = match &line.verdict {
            Verdict::Fired { .. } => Some(record.slot_job_id(slot)),
            Verdict::Buffered { job, .. } => Some(job.clone()),
            _ => None,
        };
        return Fate::Decided {
            line: Box::new(line.clone()),
            job: job.map(|job| (job, None)),
        };
    }
    if record.next == Some(slot) {
        return if slot > now {
            Fate::ToCome
        } else {
            Fate::Overdue
        };
    }
    let oldest = ledger.last().map(|line| line.first);
    if ledger.len() >= LEDGER_LINES && oldest.is_some_and(|oldest| slot < oldest) {
        return Fate::Forgotten;
    }
    if slot < record.since {
        return Fate::BeforeSchedule {
            since: record.since,
        };
    }
    if !on_grid {
        let just_before = Timestamp::from_millis(slot.as_millis().saturating_sub(1));
        return Fate::NoSlot {
            before: trigger.latest_until(just_before),
            after: trigger.next_after(slot),
        };
    }
    match record.next {
        _ if record.spec.end.is_some_and(|end| slot >= end) => Fate::OutsideWindow {
            end: record.spec.end,
        },
        None => Fate::OutsideWindow { end: None },
        Some(next) if slot < next => Fate::Lost,
        Some(_) if slot > now => Fate::ToCome,
        Some(_) => Fate::Overdue,
    }
}

impl fmt::Display for WhySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.schedule;
        match self.slot {
            Some(slot) => write!(f, "The slot {slot} of {name:?} {}", self.fate)?,
            None => write!(f, "{name:?} {}", self.fate)?,
        }
        match (self.next, &self.fate) {
            (Some(_), Fate::ToCome | Fate::Overdue) => Ok(()),
            (Some(next), _) => write!(f, " Its next slot is {next}."),
            (None, _) => f.write_str(" It has no further slot."),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = |at: Option<Timestamp>| at.map_or("none".to_owned(), |at| at.to_string());
        match self {
            Self::Decided { line, job } => {
                line.verdict.tell(f, job.as_ref())?;
                match line.slots {
                    0 | 1 => write!(f, ", decided at {}.", line.decided_at),
                    // Of a folded line only the last decision's time is kept.
                    slots => write!(
                        f,
                        ", one of {slots} slots in a row with this outcome, the last of them decided at {}.",
                        line.decided_at
                    ),
                }
            }
            Self::ToCome => f.write_str("is still to come."),
            Self::Overdue => {
                f.write_str("is due, and nobody has decided it yet: is a scheduler running?")
            }
            Self::NoSlot { before, after } => write!(
                f,
                "does not exist: the slot before that time is {}, the one after it {}.",
                instant(*before),
                instant(*after)
            ),
            Self::BeforeSchedule { since } => write!(
                f,
                "was before its time: the schedule has had its slots as they are since {since}."
            ),
            Self::OutsideWindow { end: Some(end) } => {
                write!(f, "is outside its window, which ends at {end}.")
            }
            Self::OutsideWindow { end: None } => {
                f.write_str("is outside its window: the schedule has made all its runs.")
            }
            Self::Forgotten => write!(
                f,
                "is older than its ledger, which keeps the newest {LEDGER_LINES} lines."
            ),
            Self::NothingYet => f.write_str("has decided no slot yet."),
            Self::Lost => f.write_str(
                "should have been decided and has no line in the ledger: please report this as an error of the scheduler.",
            ),
        }
    }
}

impl Verdict {
    fn tell(
        &self,
        f: &mut fmt::Formatter<'_>,
        job: Option<&(JobId, Option<Status>)>,
    ) -> fmt::Result {
        match self {
            Self::Fired { .. } => f.write_str("fired")?,
            Self::Coalesced { into } => {
                write!(
                    f,
                    "was missed, and the run of the slot {into} stands for it"
                )?;
            }
            Self::Missed => f.write_str("was missed: it was found later than its policy allows")?,
            Self::Skipped { by } => {
                write!(f, "was skipped: job {by} of an earlier run had not ended")?;
            }
            Self::Buffered { behind, .. } => write!(
                f,
                "was to start when job {behind} of an earlier run had ended"
            )?,
            Self::Paused => f.write_str("passed while the schedule was paused")?,
        }
        match job {
            Some((id, Some(status))) => write!(f, "; its job {id} is {status}"),
            Some((id, None)) => write!(f, "; its job {id} is not in the store"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for WhyJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job {}", self.id)?;
        if let Some(slot) = &self.slot {
            let (schedule, at) = (&slot.schedule, slot.at);
            match slot.cause {
                Cause::Manual => write!(f, ", a run of {schedule:?} asked for at {at}")?,
                Cause::Backfill => write!(f, ", a backfill of {schedule:?} for {at}")?,
                Cause::Slot => {
                    write!(f, ", made for slot {} of {schedule:?} at {at}", slot.number)?;
                    if slot.stands_for > 1 {
                        write!(f, " and the {} slots missed before it", slot.stands_for - 1)?;
                    }
                }
            }
        }
        match self.status {
            Some(status) => {
                let comma = if self.slot.is_some() { "," } else { "" };
                write!(f, "{comma} is {status}: {}.", self.because)
            }
            None => write!(f, ": {}", self.because),
        }
    }
}

fn waits_for_slot(job: &Job) -> String {
    let which = job.template.options.rate_limit.as_ref();
    let which = which.map_or_else(String::new, |limit| {
        format!(
            " {:?}, which lets {} of its jobs be queued or run at once",
            limit.key, limit.concurrency
        )
    });
    format!("it waits for a free slot of its rate limit{which}")
}

/// Why a job stands where it does; `heard` says whether a worker listens on its queue.
fn because(job: &Job, now: Timestamp, heard: bool) -> String {
    let due = job
        .due_at
        .map_or_else(String::new, |due| format!(" at {due}"));
    let error = job.error.as_deref().unwrap_or("unknown");
    let error = headline(error);
    match job.status {
        Status::Scheduled if job.due_at.is_some_and(|due| due <= now) => {
            "it is due, and no scheduler has moved it; is a worker running?".to_owned()
        }
        Status::Scheduled if job.failures > 0 => {
            format!("it failed ({error}), and is tried again{due}")
        }
        Status::Scheduled => format!("it waits for its time{due}"),
        Status::Queued if heard => "it waits for a free worker".to_owned(),
        Status::Queued => format!(
            "it waits, and no worker listens on its queue {:?}",
            job.template.queue.as_str()
        ),
        Status::Started if job.stop_requested => "it runs, and was asked to stop".to_owned(),
        Status::Started => format!("it runs since {}", job.started_at.unwrap_or(job.created_at)),
        Status::Failed if job.lost >= POISON_LOSSES => {
            "its worker vanished too often; `lullaby requeue` gives it another chance".to_owned()
        }
        Status::Failed => format!(
            "no try is left, and the last one ended with: {error}; `lullaby requeue` gives it another chance"
        ),
        Status::Finished => "it is done".to_owned(),
        // What it waits for stands in the store: see `waits_for`.
        Status::Deferred => "it waits for other jobs".to_owned(),
        Status::Canceled => "it was withdrawn before it ran".to_owned(),
        Status::Stopped => "it was stopped while it ran".to_owned(),
        Status::Created => "it is known, but nowhere yet".to_owned(),
        Status::RateLimited => waits_for_slot(job),
        Status::ReadyToEnqueue => {
            "what it waited for has ended, and it is about to enter its queue".to_owned()
        }
        Status::Other(_) => {
            "a newer program than this one set that, and this one leaves it alone".to_owned()
        }
    }
}
