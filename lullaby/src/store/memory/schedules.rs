//! Schedules and their ledgers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::state::State;
use crate::clock::Timestamp;
use crate::job::{JobId, Status};
use crate::schedule::{Decision, LEDGER_LINES, LedgerLine, ScheduleId, ScheduleRecord, is_alive};
use crate::store::{Advanced, DueSchedules, Topic};

/// Schedules by name, with their ledgers.
#[derive(Debug, Default)]
pub(super) struct Schedules {
    by_name: BTreeMap<String, ScheduleRecord>,
    /// Those that have a next slot, by it.
    by_next: BTreeSet<(Timestamp, String)>,
    /// Those with a buffered slot, and the job that it waits for.
    buffered: BTreeMap<String, JobId>,
    ledgers: BTreeMap<ScheduleId, VecDeque<LedgerLine>>,
}

impl Schedules {
    pub(super) fn get(&self, name: &str) -> Option<&ScheduleRecord> {
        self.by_name.get(name)
    }

    /// Those with a next slot until then, by it; all, with the ended ones at the end, for `None`.
    pub(super) fn until(&self, until: Option<Timestamp>) -> impl Iterator<Item = &ScheduleRecord> {
        let in_time = move |(at, _): &&(Timestamp, String)| until.is_none_or(|until| *at <= until);
        let waiting = self.by_next.iter().take_while(in_time);
        let all = self.by_name.values();
        let ended = all.filter(move |record| record.next.is_none() && until.is_none());
        waiting.filter_map(|(_, name)| self.get(name)).chain(ended)
    }

    /// Newest first.
    pub(super) fn ledger(&self, id: &ScheduleId, limit: usize) -> Vec<LedgerLine> {
        let lines = self.ledgers.get(id);
        let newest = lines.into_iter().flat_map(|lines| lines.iter().rev());
        newest.take(limit).cloned().collect()
    }

    fn put(&mut self, record: ScheduleRecord) {
        self.take(&record.name);
        if let Some(next) = record.next {
            self.by_next.insert((next, record.name.clone()));
        }
        if let Some(buffered) = &record.buffered {
            self.buffered
                .insert(record.name.clone(), buffered.behind.clone());
        }
        self.by_name.insert(record.name.clone(), record);
    }

    fn take(&mut self, name: &str) -> Option<ScheduleRecord> {
        let record = self.by_name.remove(name)?;
        if let Some(next) = record.next {
            self.by_next.remove(&(next, record.name.clone()));
        }
        self.buffered.remove(name);
        Some(record)
    }

    fn write_ledger(&mut self, id: &ScheduleId, lines: Vec<LedgerLine>) {
        let ledger = self.ledgers.entry(id.clone()).or_default();
        for line in lines {
            if !ledger.back_mut().is_some_and(|last| last.fold(&line)) {
                ledger.push_back(line);
            }
        }
        let surplus = ledger.len().saturating_sub(LEDGER_LINES);
        ledger.drain(..surplus);
    }

    /// Whether the schedule of this name and id stands at this version.
    fn compare(&self, name: &str, id: &ScheduleId, version: Option<u64>) -> Advanced {
        match self.get(name) {
            Some(record) if record.id != *id => Advanced::Gone,
            Some(record) if Some(record.version) == version => Advanced::Done,
            Some(_) => Advanced::Conflict,
            None => Advanced::Gone,
        }
    }
}

impl State {
    pub(super) fn due_schedules(&self, limit: usize, now: Timestamp) -> DueSchedules {
        let schedules = &self.schedules;
        let mut by_next = schedules.by_next.iter().peekable();
        let mut due = Vec::new();
        while let Some((_, name)) = by_next.next_if(|(at, _)| *at <= now && due.len() < limit) {
            due.extend(schedules.get(name).cloned());
        }
        let next_due = by_next.peek().map(|(at, _)| *at);
        let turn = |record: &&ScheduleRecord| {
            let waits_for = schedules.buffered.get(&record.name);
            let ended = waits_for.is_some_and(|job| !is_alive(self.status(job)));
            ended && record.next.is_none_or(|next| next > now)
        };
        let buffered = schedules.buffered.keys();
        let buffered = buffered.filter_map(|name| schedules.get(name));
        due.extend(buffered.filter(turn).take(limit).cloned());
        let watched = due.iter().flat_map(|record| &record.watched);
        let jobs = watched.filter_map(|job| Some((job.clone(), self.status(job)?)));
        DueSchedules {
            jobs: jobs.collect(),
            due,
            buffered: !schedules.buffered.is_empty(),
            next_due,
        }
    }

    pub(super) fn status(&self, job: &JobId) -> Option<Status> {
        self.job(job).map(|job| job.status)
    }

    pub(super) fn advance(&mut self, decision: Decision, now: Timestamp) -> Advanced {
        let record = &decision.record;
        let before = record.version.checked_sub(1);
        let outcome = self.schedules.compare(&record.name, &record.id, before);
        let holds = (decision.given.iter()).all(|given| given.holds(self.status(&given.job)));
        if outcome == Advanced::Done && !holds {
            return Advanced::Conflict;
        }
        if outcome == Advanced::Done {
            for job in &decision.cancel {
                self.cancel(job, false, now);
            }
            self.schedules.write_ledger(&record.id, decision.ledger);
            self.schedules.put(decision.record);
            for job in decision.jobs {
                self.enqueue(job, now);
            }
        }
        outcome
    }

    pub(super) fn put_schedule(
        &mut self,
        record: ScheduleRecord,
        expected: Option<u64>,
    ) -> Advanced {
        let outcome = match expected {
            None if self.schedules.get(&record.name).is_some() => Advanced::Conflict,
            None => Advanced::Done,
            Some(_) => self.schedules.compare(&record.name, &record.id, expected),
        };
        if outcome == Advanced::Done {
            self.schedules.put(record);
            self.touch(Topic::Due);
        }
        outcome
    }

    pub(super) fn remove_schedule(&mut self, name: &str, id: Option<&ScheduleId>) -> bool {
        let Some(record) = self.schedules.get(name) else {
            return false;
        };
        if id.is_some_and(|id| *id != record.id) {
            return false;
        }
        if let Some(record) = self.schedules.take(name) {
            self.schedules.ledgers.remove(&record.id);
        }
        true
    }
}
