//! How many of a pet's jobs were finished today: counted from its events, on the day of whoever looks.

use lullaby::Timestamp;
use lullaby::event::{Event, EventId};
use serde_json::json;

use super::Zone;
use crate::game::{PET_CHANGED, What};

/// The jobs of a pet that were finished on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Today {
    zone: Zone,
    day: i64,
    finished: u64,
    /// The newest event that was looked at.
    last: EventId,
    /// Whether the store still has all events of that day: it keeps 200 of a pet.
    is_whole: bool,
}

impl Today {
    /// What the events that are kept of a pet, the oldest first, tell of the day that it is `now`.
    pub(crate) fn of(events: &[Event], zone: Zone, now: Timestamp) -> Self {
        let day = zone.day(now);
        let is_first_day =
            |event: &Event| event.kind == PET_CHANGED && event.data["what"] == json!(What::Adopted);
        let begins_before = |first: &Event| zone.day(first.at) < day;
        let is_whole = events.first().is_none_or(begins_before) || events.iter().any(is_first_day);
        let mut today = Self {
            zone,
            day,
            finished: 0,
            last: EventId(0),
            is_whole,
        };
        for event in events {
            today.take(event);
        }
        today
    }

    /// Counts an event, unless that or a newer one was counted before.
    pub(crate) fn take(&mut self, event: &Event) {
        if event.id <= self.last {
            return;
        }
        self.last = event.id;
        let day = self.zone.day(event.at);
        if day > self.day {
            (self.day, self.finished, self.is_whole) = (day, 0, true);
        }
        if day == self.day && event.kind == "job.finished" {
            self.finished += 1;
        }
    }

    /// In words: `3 today`, or `41+ today` if some were forgotten.
    pub(crate) fn words(self, now: Timestamp) -> String {
        match self {
            _ if self.zone.day(now) != self.day => "0 today".to_owned(),
            Self { is_whole: true, .. } => format!("{} today", self.finished),
            _ => format!("{}+ today", self.finished),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const HOUR: i64 = 3_600_000;

    /// One whose id goes up with its time.
    fn event(kind: &str, at: i64, data: Value) -> Event {
        Event {
            id: EventId(1 + at.unsigned_abs()),
            subject: "pet".into(),
            job: None,
            kind: kind.into(),
            at: Timestamp::from_millis(at),
            data,
        }
    }

    fn finished(at: i64) -> Event {
        event("job.finished", at, json!({}))
    }

    #[test]
    fn what_finished_since_midnight_counts() {
        let now = Timestamp::from_millis(26 * HOUR);
        let events = [
            finished(23 * HOUR),
            finished(24 * HOUR),
            event("job.started", 25 * HOUR, json!({})),
            finished(25 * HOUR + 1),
        ];
        let mut today = Today::of(&events, Zone::default(), now);
        assert_eq!(today.words(now), "2 today");
        let east = Zone::read("60").expect("a zone");
        assert_eq!(Today::of(&events, east, now).words(now), "3+ today");

        let midnight = Timestamp::from_millis(48 * HOUR);
        assert_eq!(today.words(midnight), "0 today");
        for _ in ["new", "told twice"] {
            today.take(&finished(49 * HOUR));
        }
        assert_eq!(today.words(midnight), "1 today");
    }

    #[test]
    fn events_that_were_forgotten_are_owned_up_to() {
        let now = Timestamp::from_millis(2 * HOUR);
        let adopted = event(PET_CHANGED, 0, json!({ "what": "adopted" }));
        // Its first job is made before it is told that it moved in.
        let all = [
            event("job.scheduled", 0, json!({})),
            adopted,
            finished(HOUR),
        ];
        let today = Today::of(&all, Zone::default(), now);
        assert_eq!(today.words(now), "1 today");
        let cut = &all[2..];
        assert_eq!(Today::of(cut, Zone::default(), now).words(now), "1+ today");
        assert_eq!(Today::of(&[], Zone::default(), now).words(now), "0 today");
    }
}
