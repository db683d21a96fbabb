//! Which schedules are refused, and why.

use std::time::Duration;

use super::{Missed, Overlap, ScheduleSpec};
use crate::error::{Error, Result};

/// The most jobs that one decision, or one backfill, makes at once.
pub const MOST_RUNS_AT_ONCE: u32 = 10_000;

/// The most milliseconds of jitter: a day. More than that is another schedule.
const LONGEST_JITTER: Duration = Duration::from_secs(86_400);

impl ScheduleSpec {
    /// Refuses what is out of range, and combinations that would not do what they seem to say.
    pub(super) fn check(&self) -> Result<()> {
        self.trigger.check()?;
        self.check_counts()?;
        self.check_times()?;
        self.check_together()
    }

    fn check_counts(&self) -> Result<()> {
        if self.repeat == Some(0) {
            return Err(Error::invalid(
                "expected a repeat count of at least 1, got 0: leave it out to repeat for ever",
            ));
        }
        match self.missed {
            Missed::All { cap: 0 } => {
                return Err(Error::invalid(
                    "expected a cap of at least 1 for missed slots, got 0: for none the policy is `skip`",
                ));
            }
            Missed::All { cap } if cap > MOST_RUNS_AT_ONCE => {
                return Err(Error::invalid(format!(
                    "expected a cap of at most {MOST_RUNS_AT_ONCE} for missed slots, got {cap}: so many jobs are made in one step"
                )));
            }
            _ => {}
        }
        if self.pause_after == Some(0) {
            return Err(Error::invalid(
                "expected to pause after at least 1 failure, got 0: leave it out to never pause",
            ));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<()> {
        if let Some(end) = self.end.filter(|end| *end <= self.trigger.first()) {
            return Err(Error::invalid(format!(
                "expected an end after the first slot, which is at {}, got {end}: it would never run",
                self.trigger.first()
            )));
        }
        let Some(jitter) = self.jitter else {
            return Ok(());
        };
        if jitter > LONGEST_JITTER {
            return Err(Error::invalid(format!(
                "expected a jitter of at most {LONGEST_JITTER:?}, got {jitter:?}"
            )));
        }
        if let Some(ttl) = self.template.options.ttl.filter(|ttl| *ttl < jitter) {
            return Err(Error::invalid(format!(
                "expected a ttl of at least the jitter of {jitter:?}, got {ttl:?}: other programs on the store count it from the slot and \
                 would drop the job before it starts; raise the ttl or lower the jitter"
            )));
        }
        Ok(())
    }

    fn check_together(&self) -> Result<()> {
        if let (
            Missed::All { cap: 2.. },
            Overlap::Skip | Overlap::BufferOne | Overlap::CancelOther,
        ) = (self.missed, self.overlap)
        {
            return Err(Error::invalid(
                "runs that must not overlap cannot make up for several missed slots at once: all but one of them would be lost; \
                 make up for the `latest` alone, or `allow` them to overlap",
            ));
        }
        let failure_ttl = self.template.options.failure_ttl;
        if self.pause_after.is_some() {
            let first = self.trigger.first();
            let gap = (self.trigger.next_after(first))
                .map_or(Duration::ZERO, |second| second.since(first));
            if let Some(ttl) = failure_ttl.filter(|ttl| *ttl < gap) {
                return Err(Error::invalid(format!(
                    "expected a failure_ttl of at least the {gap:?} between two slots, got {ttl:?}: a failed job would be dropped before \
                     the schedule could count it and pause itself"
                )));
            }
        }
        Ok(())
    }
}
