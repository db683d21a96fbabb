//! A week, or a year, of schedules in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::client::Lullaby;
use crate::clock::{ManualClock, Timestamp};
use crate::error::{Error, Result};
use crate::job::{IntoJob, JobId, Status};
use crate::schedule::{Decision, LedgerLine, ScheduleId, ScheduleRecord, decide_among, is_alive};
use crate::scheduler::ScheduleBuilder;
use crate::store::memory::MemoryStore;

/// Plays schedules over virtual time and gives their ledgers: what would run, what would be skipped, missed or late, with these outages,
/// so many workers and runs of this length. No handler runs, no timeout ends a run and
/// nothing is stored; the decisions are those of the real scheduler. The
/// same rehearsal gives the same ledgers each time, job ids included.
///
/// ```
/// use lullaby::schedule::Verdict;
/// use lullaby::testing::Rehearsal;
/// use lullaby::{NewJob, Overlap, Timestamp};
/// use std::time::Duration;
///
/// # fn main() -> lullaby::Result<()> {
/// const HOUR: Duration = Duration::from_secs(3600);
/// let start: Timestamp = "2026-01-01T00:00:00Z".parse()?;
/// let report = NewJob::named("report", &[], &serde_json::Map::new())?;
/// let week = Rehearsal::starting(start)
///     .schedule("report", report, |schedule| schedule.every(HOUR).overlap(Overlap::Skip))?
///     .takes("report", HOUR * 2)?
///     .outage(start + HOUR * 24..start + HOUR * 36)
///     .run(HOUR * 24 * 7)?;
/// let report = week.of("report").expect("was planned");
/// assert!(report.ledger.iter().any(|line| matches!(line.verdict, Verdict::Skipped { .. })));
/// assert_eq!(report.record.slots, 7 * 24);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is played before `run`"]
pub struct Rehearsal {
    /// Only to state schedules with.
    lullaby: Lullaby,
    start: Timestamp,
    workers: usize,
    outages: Vec<Range<Timestamp>>,
    parts: Vec<Part>,
}

/// What became of the schedules of a [`Rehearsal`].
#[derive(Clone, Debug)]
pub struct Rehearsed {
    outcomes: BTreeMap<String, Outcome>,
}

/// What became of one schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The schedule at the end.
    pub record: ScheduleRecord,
    /// Its whole ledger, oldest first.
    pub ledger: Vec<LedgerLine>,
    /// How many runs ended.
    pub ended: u64,
    /// How much later than its slot a run started at worst.
    pub worst_delay: Duration,
}

impl Rehearsed {
    /// What became of the schedule of this name.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.get(name)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Outcome)> {
        let outcomes = self.outcomes.iter();
        outcomes.map(|(name, outcome)| (name.as_str(), outcome))
    }
}

impl Rehearsal {
    /// One that begins at this instant, with a worker for every job and runs that take no time, until told otherwise.
    pub fn starting(at: impl Into<Timestamp>) -> Self {
        let start = at.into();
        let clock = ManualClock::new(start);
        Self {
            lullaby: Lullaby::with_store(MemoryStore::new(Arc::new(clock))),
            start,
            workers: usize::MAX,
            outages: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Plans a schedule, stated as [`Scheduler::schedule`](crate::Scheduler::schedule) does.
    ///
    /// # Errors
    /// [`Error::is_invalid`] if the schedule is refused, or its name was planned already.
    pub fn schedule<J: IntoJob>(
        mut self,
        name: &str,
        job: J,
        plan: impl FnOnce(ScheduleBuilder) -> ScheduleBuilder,
    ) -> Result<Self> {
        if self.parts.iter().any(|part| part.record.name == name) {
            return Err(Error::invalid(format!(
                "the schedule {name:?} is planned twice"
            )));
        }
        let schedule = plan(self.lullaby.scheduler().schedule(name, job));
        let spec = schedule.spec(None, self.start)?;
        let mut record = ScheduleRecord::new(name, spec, self.start)?;
        record.id = ScheduleId::from_store(format!("rehearsal-{}", self.parts.len()));
        self.parts.push(Part {
            record,
            takes: Duration::ZERO,
            alive: BTreeMap::new(),
            ledger: Vec::new(),
            ended: 0,
            worst_delay: Duration::ZERO,
        });
        Ok(self)
    }

    /// How long each run of a schedule takes.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if no schedule of this name was planned.
    pub fn takes(mut self, name: &str, duration: Duration) -> Result<Self> {
        let mut parts = self.parts.iter_mut();
        match parts.find(|part| part.record.name == name) {
            Some(part) => part.takes = duration,
            None => {
                return Err(Error::not_found(format!(
                    "no schedule {name:?} was planned"
                )));
            }
        }
        Ok(self)
    }

    /// How many jobs run at once.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Nothing runs meanwhile: no scheduler, no worker. What ran when it began starts anew after it.
    pub fn outage(mut self, span: Range<Timestamp>) -> Self {
        self.outages.push(span);
        self
    }

    /// Plays it for so long, the end included.
    ///
    /// # Errors
    /// [`Error::is_invalid`] if there is no worker.
    pub fn run(mut self, span: Duration) -> Result<Rehearsed> {
        if self.workers == 0 {
            return Err(Error::invalid(
                "expected at least one worker, got 0: nothing would ever run",
            ));
        }
        self.outages.sort_by_key(|outage| outage.start);
        let end = self.start + span;
        let mut stage = Stage::new(self);
        while let Some(now) = stage.next_moment().filter(|now| *now <= end) {
            stage.play(now);
        }
        Ok(stage.outcomes())
    }
}

/// A schedule with what a store and workers would know of it.
#[derive(Debug)]
struct Part {
    record: ScheduleRecord,
    takes: Duration,
    /// Its jobs that wait or run, if its decisions need to know.
    alive: BTreeMap<JobId, Status>,
    ledger: Vec<LedgerLine>,
    ended: u64,
    worst_delay: Duration,
}

/// A job that waits or runs. Ordered by its instant (when it may start, or when it ends), then as they were made.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cue {
    at: Timestamp,
    number: u64,
    part: usize,
    slot: Timestamp,
    job: JobId,
}

#[derive(Debug)]
struct Stage {
    parts: Vec<Part>,
    outages: Vec<Range<Timestamp>>,
    free: usize,
    made: u64,
    by_next: BTreeSet<(Timestamp, usize)>,
    waiting: BinaryHeap<Reverse<Cue>>,
    running: BinaryHeap<Reverse<Cue>>,
    /// Withdrawn or stopped, and still in one of the heaps.
    canceled: HashSet<JobId>,
    /// Those with a buffered slot.
    buffered: BTreeSet<usize>,
}

impl Stage {
    fn new(plan: Rehearsal) -> Self {
        let parts = plan.parts.iter().enumerate();
        let by_next = parts.filter_map(|(n, part)| Some((part.record.next?, n)));
        Self {
            by_next: by_next.collect(),
            parts: plan.parts,
            outages: plan.outages,
            free: plan.workers,
            made: 0,
            waiting: BinaryHeap::new(),
            running: BinaryHeap::new(),
            canceled: HashSet::new(),
            buffered: BTreeSet::new(),
        }
    }

    /// When the next thing happens; nothing does during an outage.
    fn next_moment(&self) -> Option<Timestamp> {
        let slot = self.by_next.first().map(|(at, _)| *at);
        let start = (self.free > 0)
            .then(|| self.waiting.peek().map(|cue| cue.0.at))
            .flatten();
        let end = self.running.peek().map(|cue| cue.0.at);
        let moment = [slot, start, end].into_iter().flatten().min()?;
        Some(self.after_outages(moment))
    }

    fn after_outages(&self, moment: Timestamp) -> Timestamp {
        let hit = |moment: Timestamp, outage: &Range<Timestamp>| {
            if outage.contains(&moment) {
                outage.end
            } else {
                moment
            }
        };
        self.outages.iter().fold(moment, hit)
    }

    fn play(&mut self, now: Timestamp) {
        self.end_runs(now);
        for part in std::mem::take(&mut self.buffered) {
            self.decide(part, now);
            if self.parts[part].record.buffered.is_some() {
                self.buffered.insert(part);
            }
        }
        while let Some((_, part)) = self.by_next.first().copied().filter(|(at, _)| *at <= now) {
            self.decide(part, now);
        }
        self.start_runs(now);
    }

    fn end_runs(&mut self, now: Timestamp) {
        while self.running.peek().is_some_and(|cue| cue.0.at <= now) {
            let Some(Reverse(cue)) = self.running.pop() else {
                return;
            };
            if self.canceled.remove(&cue.job) {
                continue;
            }
            self.free = self.free.saturating_add(1);
            let part = &mut self.parts[cue.part];
            part.ended += 1;
            part.alive.remove(&cue.job);
        }
    }

    fn start_runs(&mut self, now: Timestamp) {
        while self.free > 0 && self.waiting.peek().is_some_and(|cue| cue.0.at <= now) {
            let Some(Reverse(mut cue)) = self.waiting.pop() else {
                return;
            };
            if self.canceled.remove(&cue.job) {
                continue;
            }
            self.free -= 1;
            let part = &mut self.parts[cue.part];
            part.worst_delay = part.worst_delay.max(now.since(cue.slot));
            if let Some(status) = part.alive.get_mut(&cue.job) {
                *status = Status::Started;
            }
            let takes = part.takes;
            cue.at = self.outages.iter().fold(now + takes, |end, outage| {
                let cut_off = now < outage.start && outage.start < end;
                if cut_off { outage.end + takes } else { end }
            });
            self.running.push(Reverse(cue));
        }
    }

    fn decide(&mut self, n: usize, now: Timestamp) {
        let part = &mut self.parts[n];
        let Some(decision) = decide_among(&part.record, &part.alive, now) else {
            return;
        };
        if let Some(next) = part.record.next {
            self.by_next.remove(&(next, n));
        }
        let Decision {
            record,
            cancel,
            jobs,
            ledger,
            ..
        } = decision;
        for job in cancel {
            let status = part.alive.remove(&job);
            if status == Some(Status::Started) {
                self.free = self.free.saturating_add(1);
            }
            if is_alive(status) {
                self.canceled.insert(job);
            }
        }
        let watches = record.watches_jobs();
        for job in jobs {
            let slot = job.slot.map_or(now, |slot| slot.at);
            if watches {
                part.alive.insert(job.id.clone(), Status::Queued);
            }
            self.made += 1;
            self.waiting.push(Reverse(Cue {
                at: job.at.unwrap_or(now),
                number: self.made,
                part: n,
                slot,
                job: job.id,
            }));
        }
        for line in ledger {
            if !part.ledger.last_mut().is_some_and(|last| last.fold(&line)) {
                part.ledger.push(line);
            }
        }
        if let Some(next) = record.next {
            self.by_next.insert((next, n));
        }
        if record.buffered.is_some() {
            self.buffered.insert(n);
        }
        part.record = record;
    }

    fn outcomes(self) -> Rehearsed {
        let outcomes = self.parts.into_iter().map(|part| {
            let outcome = Outcome {
                record: part.record,
                ledger: part.ledger,
                ended: part.ended,
                worst_delay: part.worst_delay,
            };
            (outcome.record.name.clone(), outcome)
        });
        Rehearsed {
            outcomes: outcomes.collect(),
        }
    }
}
