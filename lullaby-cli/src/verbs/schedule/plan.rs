//! The options that say when and how a schedule runs.

use std::time::Duration;

use lullaby::schedule::{Cron, ScheduleSpec, Trigger};
use lullaby::{Missed, NewJob, Overlap, QueueName, ScheduleBuilder, Timestamp};

use crate::duration::duration;

/// Under `--help` of whatever reads cron lines.
pub(super) const DAYLIGHT_SAVING: &str = "\
Daylight saving: the hour field of a cron line alone decides.
  Rhythmic, if it has a `*`, `-` or `/` (`*/10 * * * *`): every real instant at which
    the local clock matches. A repeated hour has its slots both times, a skipped one none.
  Fixed, if it is a number or a list of numbers (`30 2 * * *`): each local date has each
    of its times exactly once. A time that comes twice is taken the first time; one that
    does not exist is taken at the first instant after the gap; several that fall on one
    instant are one slot; a date that does not exist has none.
`lullaby schedule preview --cron LINE --tz ZONE --year --moved` shows what it does.";

/// When and how it runs.
#[derive(clap::Args, Debug)]
pub(super) struct Plan {
    /// An interval, as 500ms, 90s, 10m, 1h30m or 7d
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "cron")]
    every: Option<Duration>,
    /// A cron line of 5 fields, or of 6 with seconds first; more than one may be given
    #[arg(long, value_name = "LINE")]
    cron: Vec<String>,
    /// A single run at this time, as 2026-11-24T09:00:00Z; more than one may be given
    #[arg(long, value_name = "TIME", conflicts_with_all = ["every", "cron", "start"])]
    at: Vec<Timestamp>,
    /// The time zone of the cron lines, as Europe/Lisbon; UTC without it
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// The first slot, as 2026-11-24T09:00:00Z; of cron lines, no slot before it
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
    /// No slot at or after this
    #[arg(long, value_name = "TIME")]
    end: Option<Timestamp>,
    /// How many runs in all
    #[arg(long, value_name = "N")]
    repeat: Option<u64>,
    /// What becomes of slots that passed while no scheduler ran: latest, all[:CAP] or skip
    #[arg(long, value_parser = missed)]
    missed: Option<Missed>,
    /// How late a slot may still start
    #[arg(long, value_name = "TIME", value_parser = duration)]
    grace: Option<Duration>,
    /// What becomes of a slot while an earlier run has not ended: allow, skip, buffer-one or cancel-other
    #[arg(long, value_parser = overlap)]
    overlap: Option<Overlap>,
    /// Start each run later than its slot, by up to this; always the same for a name
    #[arg(long, value_name = "TIME", value_parser = duration)]
    jitter: Option<Duration>,
    /// Pause by itself after so many failures in a row
    #[arg(long, value_name = "N")]
    pause_after: Option<u32>,
    /// The queue that its jobs go to
    #[arg(long)]
    queue: Option<QueueName>,
}

impl Plan {
    pub(super) fn queue(&self, job: NewJob) -> NewJob {
        match &self.queue {
            Some(queue) => job.queue(queue.clone()),
            None => job,
        }
    }

    /// All of it, for a new schedule.
    pub(super) fn state(&self, mut schedule: ScheduleBuilder) -> anyhow::Result<ScheduleBuilder> {
        schedule = match (self.every, cron(&self.cron, self.tz.as_deref())?) {
            (Some(every), None) => schedule.every(every),
            (None, Some(cron)) => schedule.trigger(cron),
            _ if !self.at.is_empty() => schedule.trigger(Trigger::at(self.at.iter().copied())),
            _ => {
                anyhow::bail!("expected --every TIME, --cron LINE or --at TIME: when is it to run?")
            }
        };
        if let Some(start) = self.start {
            schedule = schedule.start(start);
        }
        if let Some(end) = self.end {
            schedule = schedule.end(end);
        }
        if let Some(runs) = self.repeat {
            schedule = schedule.repeat(runs);
        }
        if let Some(missed) = self.missed {
            schedule = schedule.missed(missed);
        }
        if let Some(grace) = self.grace {
            schedule = schedule.grace(grace);
        }
        if let Some(overlap) = self.overlap {
            schedule = schedule.overlap(overlap);
        }
        if let Some(jitter) = self.jitter {
            schedule = schedule.jitter(jitter);
        }
        if let Some(failures) = self.pause_after {
            schedule = schedule.pause_after(failures);
        }
        Ok(schedule)
    }

    /// What is given, on top of a schedule that is there.
    pub(super) fn change(&self, spec: &mut ScheduleSpec, now: Timestamp) -> anyhow::Result<()> {
        let cron = match (cron(&self.cron, self.tz.as_deref()), &spec.trigger) {
            (Ok(cron), _) => cron,
            // Another zone for the lines that are there.
            (Err(_), Trigger::Cron(old)) if self.cron.is_empty() => {
                let zone = self.tz.as_deref().unwrap_or_else(|| old.zone());
                Some(old.clone().in_zone(zone)?)
            }
            (Err(error), _) => return Err(error),
        };
        match (self.every, cron, &mut spec.trigger) {
            (None, None, trigger) if !self.at.is_empty() => {
                *trigger = Trigger::at(self.at.iter().copied());
            }
            (Some(every), _, Trigger::Every { every: old, start }) => {
                *old = every;
                *start = self.start.unwrap_or(*start);
            }
            (Some(every), _, other) => {
                let start = self.start.unwrap_or(now + every);
                *other = Trigger::Every { every, start };
            }
            (None, Some(cron), other) => {
                *other = Trigger::Cron(match self.start {
                    Some(start) => cron.starting(start),
                    None => cron,
                });
            }
            (None, None, Trigger::Every { start, .. }) => *start = self.start.unwrap_or(*start),
            (None, None, Trigger::Cron(cron)) => {
                if let Some(start) = self.start {
                    *cron = cron.clone().starting(start);
                }
            }
            (None, None, _) => anyhow::ensure!(
                self.start.is_none(),
                "expected no --start for a schedule whose times are given one by one"
            ),
        }
        spec.end = self.end.or(spec.end);
        spec.repeat = self.repeat.or(spec.repeat);
        spec.missed = self.missed.unwrap_or(spec.missed);
        spec.grace = self.grace.or(spec.grace);
        spec.overlap = self.overlap.unwrap_or(spec.overlap);
        spec.jitter = self.jitter.or(spec.jitter);
        spec.pause_after = self.pause_after.or(spec.pause_after);
        if let Some(queue) = &self.queue {
            spec.template.queue = queue.clone();
        }
        Ok(())
    }
}

/// What `edit` takes away.
#[derive(clap::Args, Debug)]
pub(super) struct Clear {
    /// Cron lines have slots from now on
    #[arg(long, conflicts_with = "start")]
    no_start: bool,
    /// It goes on for ever
    #[arg(long, conflicts_with = "end")]
    no_end: bool,
    /// As many runs as come
    #[arg(long, conflicts_with = "repeat")]
    no_repeat: bool,
    /// A slot may start however late
    #[arg(long, conflicts_with = "grace")]
    no_grace: bool,
    /// Runs start on their slots
    #[arg(long, conflicts_with = "jitter")]
    no_jitter: bool,
    /// It does not pause by itself
    #[arg(long, conflicts_with = "pause_after")]
    no_pause_after: bool,
}

impl Clear {
    pub(super) fn change(&self, spec: &mut ScheduleSpec) -> anyhow::Result<()> {
        if self.no_start {
            let Trigger::Cron(old) = &spec.trigger else {
                anyhow::bail!(
                    "expected cron lines for --no-start: an interval has its first slot, and --start moves it"
                );
            };
            if let Some(cron) = cron(old.lines(), Some(old.zone()))? {
                spec.trigger = cron.into();
            }
        }
        spec.grace = spec.grace.filter(|_| !self.no_grace);
        spec.jitter = spec.jitter.filter(|_| !self.no_jitter);
        spec.end = spec.end.filter(|_| !self.no_end);
        spec.repeat = spec.repeat.filter(|_| !self.no_repeat);
        spec.pause_after = spec.pause_after.filter(|_| !self.no_pause_after);
        Ok(())
    }
}

/// `None` for no lines.
pub(super) fn cron(lines: &[String], zone: Option<&str>) -> anyhow::Result<Option<Cron>> {
    let Some((first, more)) = lines.split_first() else {
        anyhow::ensure!(
            zone.is_none(),
            "expected --cron LINE with --tz: an interval knows no time zone"
        );
        return Ok(None);
    };
    let mut cron = Cron::new(first)?;
    for line in more {
        cron = cron.and(line)?;
    }
    Ok(Some(match zone {
        Some(zone) => cron.in_zone(zone)?,
        None => cron,
    }))
}

/// How many slots `all` makes up for when no cap is given.
const DEFAULT_CAP: u32 = 100;

fn missed(text: &str) -> Result<Missed, String> {
    match text.split_once(':') {
        None if text == "latest" => Ok(Missed::Latest),
        None if text == "skip" => Ok(Missed::Skip),
        None if text == "all" => Ok(Missed::All { cap: DEFAULT_CAP }),
        Some(("all", cap)) => cap
            .parse()
            .map(|cap| Missed::All { cap })
            .map_err(|_| format!("expected all:CAP with a number, got {text:?}")),
        _ => Err(format!(
            "expected latest, all, all:CAP or skip, got {text:?}"
        )),
    }
}

fn overlap(text: &str) -> Result<Overlap, String> {
    match text {
        "allow" => Ok(Overlap::Allow),
        "skip" => Ok(Overlap::Skip),
        "buffer-one" => Ok(Overlap::BufferOne),
        "cancel-other" => Ok(Overlap::CancelOther),
        _ => Err(format!(
            "expected allow, skip, buffer-one or cancel-other, got {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_may_have_a_cap() {
        assert_eq!(missed("all:7"), Ok(Missed::All { cap: 7 }));
        assert_eq!(missed("all"), Ok(Missed::All { cap: 100 }));
        for wrong in ["all:", "all:x", "latest:3", "some"] {
            assert!(missed(wrong).is_err(), "{wrong}");
        }
    }
}
