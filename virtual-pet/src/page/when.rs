//! Times for people, in the zone of whoever looks.

use std::time::Duration;

use lullaby::Timestamp;

const DAY: i64 = 86_400;

/// How far a browser's clock is ahead of UTC. It tells by a cookie; without one it is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Zone {
    minutes: i64,
}

impl Zone {
    /// From the cookie's text: minutes ahead of UTC, up to 14 hours either way.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let minutes: i64 = text.parse().ok()?;
        (-840..=840).contains(&minutes).then_some(Self { minutes })
    }

    /// Minutes ahead of UTC.
    pub(crate) fn minutes(self) -> i64 {
        self.minutes
    }

    /// Seconds since 1970 on this zone's clocks.
    fn local(self, at: Timestamp) -> i64 {
        at.as_millis().div_euclid(1000) + self.minutes * 60
    }

    /// Minutes since midnight.
    pub(crate) fn minute_of_day(self, at: Timestamp) -> i64 {
        self.local(at).rem_euclid(DAY) / 60
    }

    /// Days since 1970.
    pub(crate) fn day(self, at: Timestamp) -> i64 {
        self.local(at).div_euclid(DAY)
    }

    /// As `14:25:00`.
    pub(crate) fn time(self, at: Timestamp) -> String {
        let second = self.local(at).rem_euclid(DAY);
        format!(
            "{:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }

    /// As `25 Nov 14:25:00`.
    pub(crate) fn stamp(self, at: Timestamp) -> String {
        let shifted = Timestamp::from_millis(self.local(at) * 1000);
        let date = jiff::Timestamp::from_millisecond(shifted.as_millis())
            .map(|at| at.strftime("%-d\u{a0}%b").to_string());
        format!("{} {}", date.unwrap_or_default(), self.time(at))
    }

    /// As `due 14:25:00`, or `due tomorrow 09:36` if that is another day.
    pub(crate) fn due(self, at: Timestamp, now: Timestamp) -> String {
        if self.day(at) > self.day(now) {
            format!("due {}", self.day_and_time(at, now))
        } else {
            format!("due {}", self.time(at))
        }
    }

    /// As `at 14:25`, `tomorrow 09:36` or `in 3 days`.
    pub(crate) fn day_and_time(self, at: Timestamp, now: Timestamp) -> String {
        let time = self.time(at);
        let time = time.get(..5).unwrap_or(&time);
        let days = self.day(at) - self.day(now);
        match days {
            ..=0 => format!("at {time}"),
            1 => format!("tomorrow {time}"),
            days => format!("in {days} days, {time}"),
        }
    }
}

/// A countdown: `0:08`, `12:43`, `19 h 24 m`, `3 d 4 h`. Rounded up, so that it is zero only when it is over. `assets/clock.js` has the same words.
pub(crate) fn countdown(left: Duration) -> String {
    let seconds = left.as_millis().div_ceil(1000);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} m", minutes % 60)
    } else {
        format!("{minutes}:{:02}", seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn times_are_those_of_whoever_looks() {
        let zone = Zone::read("90").expect("a zone");
        assert_eq!(zone.time(at(0)), "01:30:00");
        assert_eq!(Zone::read("-60").expect("a zone").time(at(0)), "23:00:00");
        assert_eq!(zone.stamp(at(86_400)), "2\u{a0}Jan 01:30:00");
        assert_eq!(zone.minute_of_day(at(3600)), 150);
        assert_eq!(zone.day_and_time(at(60), at(0)), "at 01:31");
        assert_eq!(zone.day_and_time(at(86_400), at(0)), "tomorrow 01:30");
        assert_eq!(zone.day_and_time(at(3 * 86_400), at(0)), "in 3 days, 01:30");
        assert_eq!(zone.due(at(60), at(0)), "due 01:31:00");
        assert_eq!(zone.due(at(86_400), at(0)), "due tomorrow 01:30");
    }

    #[test]
    fn a_zone_that_is_none_is_not_believed() {
        for text in ["", "x", "841", "-100000", "1.5"] {
            assert_eq!(Zone::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn countdowns_are_rounded_up_and_short() {
        for (ms, text) in [
            (0, "0:00"),
            (1, "0:01"),
            (8000, "0:08"),
            (763_000, "12:43"),
            (3_600_000, "1 h 0 m"),
            (69_840_000, "19 h 24 m"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(countdown(Duration::from_millis(ms)), text);
        }
    }
}
