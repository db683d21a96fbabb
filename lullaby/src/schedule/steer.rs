//! What people and programs do to a schedule: edit it, pause it, resume it, have it run now or once more.

use std::collections::BTreeMap;
use std::time::Duration;

use super::check::MOST_RUNS_AT_ONCE;
use super::decide::Draft;
use super::{Cause, Decision, Overlap, Pause, ScheduleRecord, ScheduleSpec, Trigger, WATCHED_JOBS};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{JobId, Status};

impl ScheduleRecord {
    /// The same schedule with another spec: id, counts, pause and, if the trigger stays, the next slot are kept. With another trigger the
    /// next slot is that trigger's first one after `now`; slots of the old one that are due should be decided before.
    ///
    /// # Errors
    /// If the spec is refused: a count or time out of range, or policies that do not go together.
    pub fn edited(&self, spec: ScheduleSpec, now: Timestamp) -> Result<Self> {
        spec.check()?;
        let same_trigger = spec.trigger == self.spec.trigger;
        let next = if same_trigger {
            self.next.or_else(|| spec.trigger.next_after(now))
        } else {
            spec.trigger.next_after(now)
        };
        let over = spec.repeat.is_some_and(|repeat| self.fired >= repeat);
        let next = next.filter(|next| !over && spec.end.is_none_or(|end| *next < end));
        let mut edited = Self {
            version: self.version + 1,
            spec,
            next,
            // A schedule that had ended and goes on has no slots in between; a new trigger's begin after this instant.
            since: if same_trigger && self.next.is_some() {
                self.since
            } else {
                now + Duration::from_millis(1)
            },
            ..self.clone()
        };
        if !edited.watches_jobs() {
            edited.watched.clear();
        } else if !self.watches_jobs() {
            edited.watched = self.newest_jobs(now);
        }
        Ok(edited)
    }

    /// The jobs that the newest slots up to `now` made, if they fired; oldest first.
    fn newest_jobs(&self, now: Timestamp) -> Vec<JobId> {
        let trigger = &self.spec.trigger;
        let Some(last) = trigger.latest_until(now) else {
            return Vec::new();
        };
        let mut slots = vec![last];
        while let Some(last) = slots.last().filter(|_| slots.len() < WATCHED_JOBS) {
            let before = trigger.step_back(*last, 1, trigger.first());
            if before >= *last {
                break;
            }
            slots.push(before);
        }
        let jobs = slots.into_iter().rev();
        jobs.map(|slot| self.slot_job_id(slot)).collect()
    }

    /// The same schedule with its next slot at `at`; an interval goes on from there. Slots that are due should be decided before.
    ///
    /// # Errors
    /// If it has ended, or ends at or before that time.
    pub fn moved(&self, at: Timestamp) -> Result<Self> {
        let name = &self.name;
        if self.next.is_none() {
            return Err(Error::invalid(format!(
                "the schedule {name:?} has ended: give it a later end or more repeats before its next slot can be moved"
            )));
        }
        if let Some(end) = self.spec.end.filter(|end| at >= *end) {
            return Err(Error::invalid(format!(
                "expected a time before the end of {name:?}, which is {end}, got {at}"
            )));
        }
        let mut moved = self.clone();
        moved.version += 1;
        moved.next = Some(at);
        moved.since = at;
        if let Trigger::Every { start, .. } = &mut moved.spec.trigger {
            *start = at;
        }
        Ok(moved)
    }

    /// The same schedule, paused. One that is paused already gets the new note.
    #[must_use]
    pub fn paused(&self, note: Option<String>, now: Timestamp) -> Self {
        let since = self.paused.as_ref().map_or(now, |pause| pause.since);
        Self {
            version: self.version + 1,
            paused: Some(Pause { since, note }),
            ..self.clone()
        }
    }

    /// The same schedule, going on, with its failures forgotten. Slots that are due should be decided before, or they would be made up for.
    #[must_use]
    pub fn resumed(&self) -> Self {
        Self {
            version: self.version + 1,
            paused: None,
            failures: 0,
            ..self.clone()
        }
    }

    /// A run now, beside the slots: it uses up no slot number and no repeat, and obeys the overlap. `jobs` is as for
    /// [`decide_among`](super::decide_among).
    #[must_use]
    pub fn run_now(&self, jobs: &BTreeMap<JobId, Status>, now: Timestamp) -> Decision {
        let mut draft = Draft::new(self, jobs, now);
        draft.start(now, 1, Cause::Manual);
        draft.finish_beside_slots()
    }

    /// Runs for the slots from `from` up to and including `until`, all in the past, beside those that were made then. A slot that was
    /// backfilled before and whose job is still kept is not run again.
    ///
    /// # Errors
    /// If `until` is not in the past, there is no such slot, there are more than `cap`, or the runs must not overlap.
    pub fn backfill(
        &self,
        from: Timestamp,
        until: Timestamp,
        cap: u32,
        now: Timestamp,
    ) -> Result<Decision> {
        if until > now {
            return Err(Error::invalid(format!(
                "expected a past range to backfill, got one until {until}, and it is {now}"
            )));
        }
        if self.spec.overlap != Overlap::Allow {
            return Err(Error::invalid(format!(
                "the runs of {:?} must not overlap, and a backfill makes them all at once: allow the overlap first",
                self.name
            )));
        }
        let cap = cap.min(MOST_RUNS_AT_ONCE);
        let trigger = &self.spec.trigger;
        let mut draft = Draft::new(self, &BTreeMap::new(), now);
        let before = Timestamp::from_millis(from.as_millis().saturating_sub(1));
        let end = self.spec.end.unwrap_or(Timestamp::MAX);
        let mut slot = trigger.next_after(before);
        let mut runs = 0;
        while let Some(at) = slot.filter(|at| *at <= until && *at < end) {
            runs += 1;
            if runs > cap {
                return Err(Error::invalid(format!(
                    "expected at most {cap} slots to backfill, and there are more from {from} until {until}: narrow the range, or raise \
                     the cap (at most {MOST_RUNS_AT_ONCE})"
                )));
            }
            draft.start(at, 1, Cause::Backfill);
            slot = trigger.next_after(at);
        }
        if runs == 0 {
            return Err(Error::invalid(format!(
                "{:?} has no slot from {from} until {until}",
                self.name
            )));
        }
        Ok(draft.finish_beside_slots())
    }
}
