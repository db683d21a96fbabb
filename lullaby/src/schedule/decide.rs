//! The decision about the slots of a schedule that are due.

use super::{DEFAULT_SKIP_GRACE, LedgerLine, Missed, ScheduleRecord, Slot, Verdict};
use crate::clock::Timestamp;
use crate::job::{JobSpec, OnExisting};

/// What a store is asked to write in one step: the schedule as it stands afterwards, the jobs, the ledger's lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The schedule afterwards; its version is the old one plus one.
    pub record: ScheduleRecord,
    /// The jobs of the slots that fire.
    pub jobs: Vec<JobSpec>,
    /// What became of each slot.
    pub ledger: Vec<LedgerLine>,
}

/// Decides every slot of `record` that is due at `now`; `None` if none is.
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
    let first = record.next.filter(|next| *next <= now)?;
    let spec = &record.spec;
    let trigger = &spec.trigger;
    // `next` may stand off the grid after its time was changed by hand; then it is its own last slot.
    let mut last = trigger.latest_until(now).unwrap_or(first).max(first);
    if let Some(end) = spec.end.filter(|end| last >= *end) {
        let before = Timestamp::from_millis(end.as_millis() - 1);
        last = trigger.latest_until(before).unwrap_or(first).max(first);
    }
    let due = trigger.count(first, last).max(1);

    let grace = match spec.missed {
        Missed::Skip => Some(spec.grace.unwrap_or(DEFAULT_SKIP_GRACE)),
        Missed::Latest | Missed::All { .. } => spec.grace,
    };
    let in_time = |slot: Timestamp| grace.is_none_or(|grace| now.since(slot) <= grace);
    let mut draft = Draft::new(record, now);

    match spec.missed {
        _ if !in_time(last) => draft.line(first, last, due, Verdict::Missed),
        Missed::Latest => {
            if due > 1 {
                let before_last = trigger.step_back(last, 1, first);
                draft.line(
                    first,
                    before_last,
                    due - 1,
                    Verdict::Coalesced { into: last },
                );
            }
            draft.fire(last, due);
        }
        Missed::Skip => {
            if due > 1 {
                let before_last = trigger.step_back(last, 1, first);
                draft.line(first, before_last, due - 1, Verdict::Missed);
            }
            draft.fire(last, 1);
        }
        Missed::All { cap } => {
            let left = spec.repeat.map_or(u64::MAX, |n| n - record.fired.min(n));
            // The newest `cap` of those in time; the count is bounded, however long the outage was.
            let mut from = trigger.step_back(last, u64::from(cap).min(due) - 1, first);
            while !in_time(from) {
                from = trigger.next_after(from).unwrap_or(last);
            }
            let runs = trigger.count(from, last).max(1);
            if due > runs {
                let before = trigger.step_back(from, 1, first);
                draft.line(first, before, due - runs, Verdict::Missed);
            }
            let mut slot = from;
            for _ in 0..runs.min(left) {
                draft.fire(slot, 1);
                slot = trigger.next_after(slot).unwrap_or(last);
            }
        }
    }
    Some(draft.finish(trigger.next_after(last.max(now))))
}

struct Draft<'a> {
    old: &'a ScheduleRecord,
    now: Timestamp,
    slots: u64,
    decision: Decision,
}

impl<'a> Draft<'a> {
    fn new(old: &'a ScheduleRecord, now: Timestamp) -> Self {
        Self {
            old,
            now,
            slots: old.slots,
            decision: Decision {
                record: old.clone(),
                jobs: Vec::new(),
                ledger: Vec::new(),
            },
        }
    }

    fn line(&mut self, first: Timestamp, last: Timestamp, slots: u64, verdict: Verdict) {
        self.slots += slots;
        self.decision.ledger.push(LedgerLine {
            first,
            last,
            slots,
            decided_at: self.now,
            verdict,
        });
    }

    /// One job for the slot `at`, which stands for `stands_for` slots; the others have their lines already.
    fn fire(&mut self, at: Timestamp, stands_for: u64) {
        let id = self.old.slot_job_id(at);
        self.line(at, at, 1, Verdict::Fired { job: id.clone() });
        self.decision.jobs.push(JobSpec {
            id,
            at: None,
            on_existing: OnExisting::Keep,
            slot: Some(Slot {
                schedule: self.old.name.clone(),
                schedule_id: self.old.id.clone(),
                at,
                number: self.slots,
                stands_for,
            }),
            template: self.old.spec.template.clone(),
        });
    }

    fn finish(mut self, next: Option<Timestamp>) -> Decision {
        let record = &mut self.decision.record;
        record.version += 1;
        record.slots = self.slots;
        record.fired += self.decision.jobs.len() as u64;
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
