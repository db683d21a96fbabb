//! The decision about the slots of a schedule that are due.

use std::collections::BTreeMap;

use super::overlap::{Buffered, Given, Overlap, WATCHED_JOBS, is_alive};
use super::{Cause, DEFAULT_SKIP_GRACE, LedgerLine, Missed, Pause, ScheduleRecord, Slot, Verdict};
use crate::clock::Timestamp;
use crate::job::{Dependencies, JobId, JobSpec, OnExisting, Status};

/// What a store is asked to write in one step: the schedule as it stands afterwards, the jobs, the ledger's lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The schedule afterwards; its version is the old one plus one.
    pub record: ScheduleRecord,
    /// What it rests on: nothing is written unless all of it still holds.
    pub given: Vec<Given>,
    /// Jobs to withdraw or to stop, before the new ones are made.
    pub cancel: Vec<JobId>,
    /// The jobs of the slots that fire.
    pub jobs: Vec<JobSpec>,
    /// What became of each slot.
    pub ledger: Vec<LedgerLine>,
}

/// Decides every slot of `record` that is due at `now`, as if all its earlier jobs had ended; `None` if none is due.
///
/// ```
/// # use lullaby::schedule::{ScheduleRecord, decide};
/// # fn example(record: &ScheduleRecord, now: lullaby::clock::Timestamp) {
/// if let Some(decision) = decide(record, now) {
///     assert_eq!(decision.record.version, record.version + 1);
///     assert!(decision.record.next.is_none_or(|next| next > now));
/// }
/// # }
/// ```
#[must_use]
pub fn decide(record: &ScheduleRecord, now: Timestamp) -> Option<Decision> {
    decide_among(record, &BTreeMap::new(), now)
}

/// Decides every slot of `record` that is due at `now`, and starts a buffered one whose turn has come; `None` if there is neither.
///
/// `jobs` says how the schedule's watched jobs stand; one that is not in it does not exist (any more).
#[must_use]
pub fn decide_among(
    record: &ScheduleRecord,
    jobs: &BTreeMap<JobId, Status>,
    now: Timestamp,
) -> Option<Decision> {
    let due = record.next.filter(|next| *next <= now);
    let turn = (record.buffered.as_ref())
        .is_some_and(|buffered| !is_alive(jobs.get(&buffered.behind).copied()));
    if due.is_none() && !turn {
        return None;
    }
    let mut draft = Draft::new(record, jobs, now);
    draft.start_buffered();
    let next = match due {
        Some(first) => draft.decide_slots(first),
        None => record.next,
    };
    Some(draft.finish(next))
}

pub(super) struct Draft<'a> {
    old: &'a ScheduleRecord,
    now: Timestamp,
    slots: u64,
    /// The watched jobs that have not ended, with those that this decision makes.
    alive: Vec<JobId>,
    fired: u64,
    decision: Decision,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        old: &'a ScheduleRecord,
        jobs: &BTreeMap<JobId, Status>,
        now: Timestamp,
    ) -> Self {
        let mut draft = Self {
            old,
            now,
            slots: old.slots,
            alive: Vec::new(),
            fired: 0,
            decision: Decision {
                record: old.clone(),
                given: Vec::new(),
                cancel: Vec::new(),
                jobs: Vec::new(),
                ledger: Vec::new(),
            },
        };
        if old.watches_jobs() {
            draft.see(jobs);
        }
        draft
    }

    /// Takes in how the watched jobs stand: counts the failures in a row, and pauses when they are too many.
    fn see(&mut self, jobs: &BTreeMap<JobId, Status>) {
        let record = &mut self.decision.record;
        for job in &self.old.watched {
            let status = jobs.get(job).copied();
            let alive = is_alive(status);
            self.decision.given.push(Given {
                job: job.clone(),
                alive,
            });
            match status {
                _ if alive => self.alive.push(job.clone()),
                Some(Status::Failed) => record.failures += 1,
                // Withdrawn or stopped: it says nothing about the next run.
                Some(Status::Canceled | Status::Stopped) => {}
                // One that was dropped had finished: a failed one is kept longer.
                _ => record.failures = 0,
            }
            let limit = self.old.spec.pause_after;
            if limit.is_some_and(|limit| record.failures >= limit) && record.paused.is_none() {
                let (failures, last) = (record.failures, job);
                record.paused = Some(Pause {
                    since: self.now,
                    note: Some(format!(
                        "paused by itself after {failures} failures in a row, the last of them job {last}"
                    )),
                });
            }
        }
    }

    /// Starts the buffered slot if nothing is alive any more; else it waits for what is.
    fn start_buffered(&mut self) {
        let Some(buffered) = self.decision.record.buffered.take() else {
            return;
        };
        match self.alive.last() {
            None => self.make(buffered.job, buffered.slot),
            Some(last) => {
                let behind = if self.alive.contains(&buffered.behind) {
                    buffered.behind
                } else {
                    last.clone()
                };
                self.decision.record.buffered = Some(Buffered { behind, ..buffered });
            }
        }
    }

    /// Answers the next slot.
    fn decide_slots(&mut self, first: Timestamp) -> Option<Timestamp> {
        let (spec, now) = (&self.old.spec, self.now);
        let trigger = &spec.trigger;
        // `next` may stand off the grid after its time was changed by hand; then it is its own last slot.
        let mut last = trigger.latest_until(now).unwrap_or(first).max(first);
        if let Some(end) = spec.end.filter(|end| last >= *end) {
            let before = Timestamp::from_millis(end.as_millis() - 1);
            last = trigger.latest_until(before).unwrap_or(first).max(first);
        }
        let due = trigger.count(first, last).max(1);
        let next = trigger.next_after(last.max(now));
        if self.decision.record.paused.is_some() {
            self.line(first, last, due, Verdict::Paused, Cause::Slot);
            return next;
        }

        let grace = match spec.missed {
            Missed::Skip => Some(spec.grace.unwrap_or(DEFAULT_SKIP_GRACE)),
            Missed::Latest | Missed::All { .. } => spec.grace,
        };
        let in_time = |slot: Timestamp| grace.is_none_or(|grace| now.since(slot) <= grace);
        match spec.missed {
            _ if !in_time(last) => self.line(first, last, due, Verdict::Missed, Cause::Slot),
            Missed::Latest => {
                if due > 1 {
                    let before_last = trigger.step_back(last, 1, first);
                    let verdict = Verdict::Coalesced { into: last };
                    self.line(first, before_last, due - 1, verdict, Cause::Slot);
                }
                self.start(last, due, Cause::Slot);
            }
            Missed::Skip => {
                if due > 1 {
                    let before_last = trigger.step_back(last, 1, first);
                    self.line(first, before_last, due - 1, Verdict::Missed, Cause::Slot);
                }
                self.start(last, 1, Cause::Slot);
            }
            Missed::All { cap } => {
                let left = spec.repeat.map_or(u64::MAX, |n| n - self.old.fired.min(n));
                // The newest `cap` of those in time; the count is bounded, however long the outage was.
                let mut from = trigger.step_back(last, u64::from(cap).min(due) - 1, first);
                while !in_time(from) {
                    from = trigger.next_after(from).unwrap_or(last);
                }
                let runs = trigger.count(from, last).max(1);
                if due > runs {
                    let before = trigger.step_back(from, 1, first);
                    self.line(first, before, due - runs, Verdict::Missed, Cause::Slot);
                }
                let mut slot = from;
                for _ in 0..runs.min(left) {
                    self.start(slot, 1, Cause::Slot);
                    slot = trigger.next_after(slot).unwrap_or(last);
                }
            }
        }
        next
    }

    fn line(
        &mut self,
        first: Timestamp,
        last: Timestamp,
        slots: u64,
        verdict: Verdict,
        cause: Cause,
    ) {
        let slots = if cause.is_slot() { slots } else { 0 };
        self.slots += slots;
        self.decision.ledger.push(LedgerLine {
            first,
            last,
            slots,
            decided_at: self.now,
            verdict,
            cause,
        });
    }

    /// One job for the slot `at`, which stands for `stands_for` slots, if the overlap allows it; the others have their lines already.
    pub(super) fn start(&mut self, at: Timestamp, stands_for: u64, cause: Cause) {
        let job = self.old.job_id(at, cause);
        let earlier = self.alive.last().cloned();
        let verdict = match (self.old.spec.overlap, earlier) {
            (Overlap::Allow, _) | (_, None) => Verdict::Fired { job: job.clone() },
            (Overlap::CancelOther, Some(_)) => {
                self.decision.cancel.append(&mut self.alive);
                Verdict::Fired { job: job.clone() }
            }
            (Overlap::BufferOne, Some(behind)) if self.decision.record.buffered.is_none() => {
                Verdict::Buffered {
                    job: job.clone(),
                    behind,
                }
            }
            (Overlap::Skip | Overlap::BufferOne, Some(by)) => Verdict::Skipped { by },
        };
        self.line(at, at, 1, verdict.clone(), cause);
        let slot = Slot {
            schedule: self.old.name.clone(),
            schedule_id: self.old.id.clone(),
            at,
            number: self.slots,
            stands_for,
            cause,
        };
        match verdict {
            Verdict::Fired { job } => self.make(job, slot),
            Verdict::Buffered { job, behind } => {
                self.decision.record.buffered = Some(Buffered { slot, job, behind });
            }
            _ => {}
        }
    }

    fn make(&mut self, id: JobId, slot: Slot) {
        let start = match slot.cause {
            Cause::Slot => self.old.starts_at(slot.at),
            Cause::Manual | Cause::Backfill => self.now,
        };
        if self.old.watches_jobs() {
            self.alive.push(id.clone());
        }
        self.fired += u64::from(slot.cause.is_slot());
        self.decision.jobs.push(JobSpec {
            id,
            at: (start > self.now).then_some(start),
            on_existing: OnExisting::Keep,
            slot: Some(slot),
            depends_on: Dependencies::default(),
            template: self.old.spec.template.clone(),
        });
    }

    /// For runs that are no slots: what is due stays due.
    pub(super) fn finish_beside_slots(self) -> Decision {
        let next = self.old.next;
        self.finish(next)
    }

    fn finish(mut self, next: Option<Timestamp>) -> Decision {
        let record = &mut self.decision.record;
        record.version += 1;
        record.slots = self.slots;
        record.fired += self.fired;
        let surplus = self.alive.len().saturating_sub(WATCHED_JOBS);
        record.watched = self.alive.split_off(surplus);
        let over = record.spec.repeat.is_some_and(|n| record.fired >= n);
        let end = record.spec.end;
        record.next = next.filter(|next| !over && end.is_none_or(|end| *next < end));
        self.decision
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobOptions, JobTemplate, QueueName};
    use crate::payload::Payload;
    use crate::schedule::{Owner, ScheduleSpec, Trigger};
    use proptest::prelude::*;
    use std::time::Duration;

    const HOUR: i64 = 3_600_000;

    fn hourly(missed: Missed) -> ScheduleRecord {
        let spec = ScheduleSpec {
            trigger: Trigger::Every {
                every: Duration::from_secs(3600),
                start: Timestamp::from_millis(HOUR),
            },
            template: JobTemplate {
                queue: QueueName::default(),
                task: "tick".into(),
                payload: Payload::of(&()).expect("JSON"),
                options: JobOptions::default(),
                meta: serde_json::Map::new(),
                description: None,
                subject: None,
            },
            missed,
            grace: None,
            repeat: None,
            end: None,
            overlap: Overlap::Allow,
            jitter: None,
            pause_after: None,
            owner: Owner::Code,
        };
        ScheduleRecord::new("pet", spec, Timestamp::default()).expect("fine")
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn nothing_is_decided_before_its_time() {
        assert_eq!(decide(&hourly(Missed::Latest), at(HOUR - 1)), None);
    }

    #[test]
    fn latest_makes_one_job_for_all_missed_slots_and_stays_on_the_grid() {
        let decision = decide(&hourly(Missed::Latest), at(7 * HOUR + 1234)).expect("due");
        let [job] = &decision.jobs[..] else {
            panic!("one job, got {:?}", decision.jobs)
        };
        let slot = job.slot.as_ref().expect("made for a slot");
        assert_eq!(
            (slot.at, slot.number, slot.stands_for),
            (at(7 * HOUR), 7, 7)
        );
        assert_eq!(decision.record.next, Some(at(8 * HOUR)));
        assert_eq!((decision.record.slots, decision.record.fired), (7, 1));
    }

    #[test]
    fn all_makes_a_job_for_each_of_the_newest() {
        let decision = decide(&hourly(Missed::All { cap: 3 }), at(7 * HOUR)).expect("due");
        let slots: Vec<_> = decision
            .jobs
            .iter()
            .map(|job| job.slot.as_ref().expect("made for a slot"))
            .map(|slot| (slot.at.as_millis() / HOUR, slot.number, slot.stands_for))
            .collect();
        assert_eq!(slots, [(5, 5, 1), (6, 6, 1), (7, 7, 1)]);
        assert_eq!(decision.ledger[0].slots, 4);
    }

    #[test]
    fn skip_runs_only_what_is_on_time() {
        let late = decide(&hourly(Missed::Skip), at(7 * HOUR + 60_001)).expect("due");
        assert!(late.jobs.is_empty());
        assert_eq!((late.record.slots, late.record.fired), (7, 0));
        let in_time = decide(&hourly(Missed::Skip), at(7 * HOUR + 60_000)).expect("due");
        assert_eq!(in_time.jobs.len(), 1);
        assert_eq!(in_time.jobs[0].slot.as_ref().expect("slot").stands_for, 1);
    }

    #[test]
    fn a_repeat_count_counts_runs_and_ends_the_schedule() {
        let mut record = hourly(Missed::Latest);
        record.spec.repeat = Some(2);
        let record = decide(&record, at(HOUR)).expect("due").record;
        assert_eq!(record.next, Some(at(2 * HOUR)));
        assert_eq!(
            decide(&record, at(2 * HOUR)).expect("due").record.next,
            None
        );
    }

    proptest! {
        /// Each slot has exactly one place in the ledger, whatever the policy and the outages.
        #[test]
        fn the_ledger_has_each_slot_once(
            policy in 0u8..3, cap in 1u32..5, steps in prop::collection::vec(0i64..20 * HOUR, 1..12),
        ) {
            let missed = [Missed::Latest, Missed::All { cap }, Missed::Skip][usize::from(policy)];
            let mut record = hourly(missed);
            let (mut now, mut lines) = (0, Vec::new());
            for step in steps {
                now += step;
                if let Some(decision) = decide(&record, at(now)) {
                    record = decision.record;
                    lines.extend(decision.ledger);
                }
            }
            let passed = u64::try_from(now / HOUR).expect("positive");
            prop_assert_eq!(record.slots, passed);
            prop_assert_eq!(lines.iter().map(|line| line.slots).sum::<u64>(), passed);
            let mut expected = HOUR;
            for line in lines {
                prop_assert_eq!(line.first, at(expected));
                let span = i64::try_from(line.slots).expect("small");
                expected += span * HOUR;
                prop_assert_eq!(line.last, at(expected - HOUR));
            }
        }
    }
}
