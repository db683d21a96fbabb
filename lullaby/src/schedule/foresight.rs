//! What is to come: the next slots with what daylight saving does to them, and where many schedules meet.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Cron, ScheduleRecord, Trigger};
use crate::clock::Timestamp;

/// A slot to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Foreseen {
    /// When.
    pub at: Timestamp,
    /// The same on the clock of the schedule's zone, as `2026-03-29T03:00:00+02:00[Europe/Berlin]`.
    pub local: String,
    /// What daylight saving did to it, in words; `None` if nothing.
    pub note: Option<String>,
}

impl Trigger {
    /// The slots after `after` and up to `until`, at most `most` of them, each with a note if daylight saving moved, merged or doubled
    /// it.
    ///
    /// ```
    /// use lullaby::schedule::{Cron, Trigger};
    ///
    /// let trigger = Trigger::from(Cron::new("30 2 * * *")?.in_zone("Europe/Berlin")?);
    /// let year = trigger.preview("2026-01-01T00:00:00Z".parse()?, "2027-01-01T00:00:00Z".parse()?, 1000);
    /// let notes: Vec<_> = year.iter().filter_map(|slot| slot.note.as_deref()).collect();
    /// assert_eq!(notes, [
    ///     "02:30 does not exist on 2026-03-29 in Europe/Berlin: runs at 03:00",
    ///     "02:30 comes twice on 2026-10-25 in Europe/Berlin: runs the first time",
    /// ]);
    /// # Ok::<(), lullaby::Error>(())
    /// ```
    #[must_use]
    pub fn preview(&self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Foreseen> {
        self.upcoming(after)
            .take_while(|at| *at <= until)
            .take(most)
            .map(|at| self.foresee(at))
            .collect()
    }

    /// The slot at this instant, as [`preview`](Self::preview) shows it.
    #[must_use]
    pub fn foresee(&self, at: Timestamp) -> Foreseen {
        let (zone, note) = match self {
            Self::Cron(cron) => (cron.rules().rules().clone(), cron.note(at)),
            Self::Every { .. } | Self::At { .. } => (TimeZone::UTC, None),
        };
        let local = at.to_jiff().to_zoned_datetime(zone).to_string();
        Foreseen { at, local, note }
    }
}

/// A note names no more skipped times than this.
const MOST_NAMED: usize = 4;

impl Cron {
    fn note(&self, at: Timestamp) -> Option<String> {
        let second = at.as_millis() / 1000;
        let span = self.rules().span_at(second);
        let local = second + span.offset;
        let mut skipped = if second == span.start {
            self.skipped(&span, MOST_NAMED + 1)
        } else {
            Vec::new()
        };
        if let Some(first) = skipped.first().copied() {
            let more = skipped.len() > MOST_NAMED;
            skipped.truncate(MOST_NAMED);
            let names: Vec<_> = skipped.iter().map(|local| time(*local)).collect();
            let others = if more { " and more" } else { "" };
            let (verb, once) = if skipped.len() == 1 {
                ("does", "")
            } else {
                ("do", "once, ")
            };
            let shared = if self.names(local) {
                format!(", as one with the slot of {}", time(local))
            } else {
                String::new()
            };
            return Some(format!(
                "{}{others} {verb} not exist on {} in {}: runs {once}at {}{shared}",
                names.join(", "),
                date(first),
                self.zone(),
                time(local),
            ));
        }
        let twice = |which| {
            format!(
                "{} comes twice on {} in {}: {which}",
                time(local),
                date(local),
                self.zone()
            )
        };
        if local < span.fresh_from() {
            return Some(twice("this is the second time"));
        }
        let next = self.rules().span_at(span.end);
        if next.start == span.end && local >= next.start + next.offset {
            return Some(twice(if self.runs_again(local) {
                "this is the first time"
            } else {
                "runs the first time"
            }));
        }
        None
    }
}

fn time(local: i64) -> String {
    let form = if local % 60 == 0 { "%H:%M" } else { "%H:%M:%S" };
    civil(local).strftime(form).to_string()
}

fn date(local: i64) -> String {
    civil(local).date().to_string()
}

fn civil(local: i64) -> DateTime {
    let shown = jiff::Timestamp::from_second(local).unwrap_or(jiff::Timestamp::MAX);
    TimeZone::UTC.to_datetime(shown)
}

/// An instant at which several schedules are due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Collision {
    /// The instant.
    pub at: Timestamp,
    /// How many jobs.
    pub jobs: usize,
    /// The names of the first few schedules.
    pub schedules: Vec<String>,
    /// The jitter that would spread them to about [`JOBS_A_SECOND`], but at most half the time to their next slots.
    pub jitter: Duration,
}

/// What [`collisions`] takes to be an even load.
pub const JOBS_A_SECOND: usize = 10;

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.at.as_millis() / 1000;
        write!(
            f,
            "{} jobs are due at {} UTC on {}: a jitter of {} s would spread them",
            thousands(self.jobs),
            time(second),
            date(second),
            self.jitter.as_secs_f64()
        )
    }
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What [`collisions`] found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Collisions {
    /// The largest, at most ten, largest first.
    pub worst: Vec<Collision>,
    /// How far it looked: the time that was asked for, or less if there were more than a million slots before it.
    pub looked_until: Timestamp,
}

const MOST_SLOTS: usize = 1_000_000;
const MOST_COLLISIONS: usize = 10;
const MOST_SCHEDULES_NAMED: usize = 5;

/// Where these schedules meet between now and `until`: the instants at which two or more are due.
///
/// It looks at a million slots at most (a second or so), and says in the answer how far it came.
#[must_use]
pub fn collisions(schedules: &[ScheduleRecord], until: Timestamp) -> Collisions {
    let coming = |index: usize, at: Timestamp| {
        let end = schedules[index].spec.end;
        (at <= until && end.is_none_or(|end| at < end)).then_some(Reverse((at, index)))
    };
    let mut queue: BinaryHeap<_> = (0..schedules.len())
        .filter_map(|index| coming(index, schedules[index].next?))
        .collect();
    let mut worst: Vec<(Timestamp, Vec<usize>)> = Vec::new();
    let mut looked_until = until;
    let mut slots = 0;
    while let Some(Reverse((at, _))) = queue.peek().copied() {
        if slots >= MOST_SLOTS {
            looked_until = at;
            break;
        }
        let mut due = Vec::new();
        while let Some(Reverse((same, index))) = queue.peek().copied()
            && same == at
        {
            queue.pop();
            due.push(index);
            let next = schedules[index].spec.trigger.next_after(at);
            queue.extend(next.and_then(|next| coming(index, next)));
        }
        slots += due.len();
        if due.len() > 1 {
            // Behind those of the same size, so that the earliest is named first.
            let place = worst.partition_point(|(_, other)| other.len() >= due.len());
            if place < MOST_COLLISIONS {
                worst.insert(place, (at, due));
                worst.truncate(MOST_COLLISIONS);
            }
        }
    }
    let worst = worst.into_iter().map(|(at, due)| {
        let meeting: Vec<_> = due.iter().map(|index| &schedules[*index]).collect();
        collision(at, &meeting)
    });
    Collisions {
        worst: worst.collect(),
        looked_until,
    }
}

fn collision(at: Timestamp, due: &[&ScheduleRecord]) -> Collision {
    const ROUND: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
    let wanted = due.len().div_ceil(JOBS_A_SECOND) as u64;
    let round = ROUND.into_iter().find(|seconds| *seconds >= wanted);
    let shortest = due
        .iter()
        .filter_map(|schedule| schedule.spec.trigger.next_after(at))
        .map(|next| next.since(at) / 2)
        .min();
    let jitter = Duration::from_secs(round.unwrap_or(3600));
    let names = due.iter().take(MOST_SCHEDULES_NAMED);
    Collision {
        at,
        jobs: due.len(),
        schedules: names.map(|schedule| schedule.name.clone()).collect(),
        jitter: shortest.map_or(jitter, |shortest| jitter.min(shortest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobOptions, JobTemplate, QueueName};
    use crate::payload::Payload;
    use crate::schedule::ScheduleSpec;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn notes(lines: &[&str], zone: &str, from: &str, until: &str) -> Vec<String> {
        let first = Cron::new(lines[0]).expect("a line");
        let cron = lines[1..]
            .iter()
            .try_fold(first, |cron, line| cron.and(line));
        let cron = cron.and_then(|cron| cron.in_zone(zone)).expect("fine");
        let slots = Trigger::from(cron).preview(at(from), at(until), 100_000);
        slots.into_iter().filter_map(|slot| slot.note).collect()
    }

    #[test]
    fn merged_and_doubled_slots_are_marked_and_no_others() {
        let (from, until) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        assert_eq!(
            notes(&["0,30 2,3 * * *"], "Europe/Berlin", from, until),
            [
                "02:00, 02:30 do not exist on 2026-03-29 in Europe/Berlin: runs once, at 03:00, as one with the slot of 03:00",
                "02:00 comes twice on 2026-10-25 in Europe/Berlin: runs the first time",
                "02:30 comes twice on 2026-10-25 in Europe/Berlin: runs the first time",
            ]
        );
        assert_eq!(
            notes(&["0 * * * *"], "Europe/Berlin", from, until),
            [
                "02:00 comes twice on 2026-10-25 in Europe/Berlin: this is the first time",
                "02:00 comes twice on 2026-10-25 in Europe/Berlin: this is the second time",
            ]
        );
        assert_eq!(
            notes(
                &["*/5 0 * * *"],
                "Africa/Cairo",
                "2026-04-01T00:00:00Z",
                "2026-05-01T00:00:00Z"
            ),
            [
                "00:00, 00:05, 00:10, 00:15 and more do not exist on 2026-04-24 in Africa/Cairo: runs once, at 01:00"
            ]
        );
        let none: [&str; 0] = [];
        assert_eq!(notes(&["30 2 * * *"], "UTC", from, until), none);
        assert_eq!(
            notes(&["0 12 * * *", "@hourly"], "Asia/Tokyo", from, until),
            none
        );
    }

    #[test]
    fn a_slot_is_shown_on_the_clock_of_its_zone() {
        let cron = Cron::new("0 9 * * *").and_then(|cron| cron.in_zone("Asia/Kolkata"));
        let slots =
            Trigger::from(cron.expect("fine")).preview(Timestamp::default(), Timestamp::MAX, 1);
        assert_eq!(slots[0].local, "1970-01-01T09:00:00+05:30[Asia/Kolkata]");
        assert_eq!(slots[0].at, at("1970-01-01T03:30:00Z"));
    }

    fn record(name: &str, line: &str) -> ScheduleRecord {
        let template = JobTemplate {
            queue: QueueName::default(),
            task: "tick".into(),
            payload: Payload::of(&()).expect("JSON"),
            options: JobOptions::default(),
            meta: serde_json::Map::new(),
            description: None,
            subject: None,
        };
        let trigger = Trigger::cron(line).expect("a line");
        let spec = serde_json::json!({ "trigger": trigger, "template": template });
        let spec: ScheduleSpec = serde_json::from_value(spec).expect("the rest has defaults");
        ScheduleRecord::new(name, spec, at("2026-11-24T12:00:00Z")).expect("fine")
    }

    #[test]
    fn schedules_that_meet_are_counted_and_told_how_to_part() {
        let mut all: Vec<_> = (0..1240)
            .map(|n| record(&format!("daily {n}"), "@daily"))
            .collect();
        all.push(record("hourly", "30 * * * *"));
        let found = collisions(&all, at("2026-11-25T12:00:00Z"));
        let [midnight] = &found.worst[..] else {
            panic!("one, got {found:?}")
        };
        assert_eq!(
            midnight.to_string(),
            "1,240 jobs are due at 00:00 UTC on 2026-11-25: a jitter of 300 s would spread them"
        );
        assert_eq!(midnight.schedules.len(), 5);
        assert_eq!(found.looked_until, at("2026-11-25T12:00:00Z"));
    }

    #[test]
    fn a_suggested_jitter_stays_within_half_the_interval() {
        let all: Vec<_> = (0..500)
            .map(|n| record(&format!("busy {n}"), "*/10 * * * * *"))
            .collect();
        let found = collisions(&all, at("2026-11-24T12:01:00Z"));
        assert_eq!(found.worst[0].jitter, Duration::from_secs(5));
        assert_eq!(found.worst[0].at, at("2026-11-24T12:00:00Z"));
    }
}
