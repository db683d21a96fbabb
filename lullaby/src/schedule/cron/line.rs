//! One cron line as sets of numbers, and the search for the local times that it matches.

use crate::schedule::calendar::{DAY, Date, Month, at_least, at_most, weekday};

/// One cron line. A number n is in a set if bit n is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) months: u64,
    pub(super) days: Days,
    /// Whether the hour field has a `*`, `-` or `/`: see the rule at [`super::Cron`].
    pub(super) rhythmic: bool,
}

/// The two day fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Days {
    /// Days of the month.
    pub(super) numbers: u64,
    /// n: the n-th day before the last (`L-n`), 0 the last (`L`).
    pub(super) from_end: u64,
    /// n: the weekday (Monday to Friday) nearest to day n of the same month (`nW`).
    pub(super) near: u64,
    /// The last weekday of the month (`LW`).
    pub(super) last_workday: bool,
    /// Days of the week, Sunday 0.
    pub(super) weekdays: u64,
    /// For each day of the week, bit n: the n-th of the month (`#`); bit 6: the last (`L`).
    pub(super) nth: [u8; 7],
    /// Vixie's rule: both fields must match if either begins with `*` (or is `?`); else one is enough.
    pub(super) both: bool,
}

/// Where [`Days::nth`] keeps "the last of the month".
pub(super) const LAST: u8 = 6;

const EVERY_DAY: u64 = 0xffff_fffe;

impl Days {
    /// The days of `month` that match, as a set.
    fn of(&self, month: Month) -> u64 {
        let len = month.len();
        let all = (2 << len) - 2;
        // The common line names no odd day, and then the calendar is not needed.
        if self.both && self.weekdays == 0x7f {
            return self.by_number(month) & all;
        }
        let (number, week) = (self.by_number(month), self.by_weekday(month));
        let days = if self.both {
            number & week
        } else {
            number | week
        };
        days & all
    }

    fn by_number(&self, month: Month) -> u64 {
        let mut days = self.numbers;
        if self.from_end == 0 && self.near == 0 && !self.last_workday {
            return days;
        }
        let len = month.len();
        let mut from_end = self.from_end;
        while let Some(n) = at_least(from_end, 0) {
            from_end &= from_end - 1;
            days |= len.checked_sub(n).map_or(0, |day| 1 << day);
        }
        let mut near = self.near;
        while let Some(n) = at_least(near, 0) {
            near &= near - 1;
            if n <= len {
                days |= 1 << nearest_workday(month, n);
            }
        }
        if self.last_workday {
            days |= 1 << nearest_workday(month, len);
        }
        days
    }

    fn by_weekday(&self, month: Month) -> u64 {
        const WEEKLY: u64 = 1 << 1 | 1 << 8 | 1 << 15 | 1 << 22 | 1 << 29;
        let first = weekday(month.first_day());
        let mut days = if self.weekdays == 0x7f { EVERY_DAY } else { 0 };
        for (day, nth) in (0..7).zip(self.nth) {
            let shift = (day + 7 - first) % 7;
            if self.weekdays >> day & 1 == 1 {
                days |= WEEKLY << shift;
            }
            for n in 1..=5 {
                if nth >> n & 1 == 1 {
                    days |= 1 << (1 + shift + 7 * (n - 1));
                }
            }
            if nth >> LAST & 1 == 1 {
                let weeks = (month.len() - 1 - shift) / 7;
                days |= 1 << (1 + shift + 7 * weeks);
            }
        }
        days
    }
}

/// The Monday-to-Friday day nearest to `day` that is in the same month.
fn nearest_workday(month: Month, day: u32) -> u32 {
    match weekday(month.first_day() + i64::from(day) - 1) {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == month.len() => day - 2,
        0 => day + 1,
        _ => day,
    }
}

impl Line {
    /// The days of `month` that match; none if the month does not.
    pub(super) fn days_of(&self, month: Month) -> u64 {
        if self.months >> month.month & 1 == 1 {
            self.days.of(month)
        } else {
            0
        }
    }

    /// Whether the local time matches.
    pub(super) fn matches(&self, local: i64) -> bool {
        self.next_local(local, local + 1).is_some()
    }

    /// The first local time that matches from `from` up to, not including, `end`.
    ///
    /// It steps over months that don't match and never looks further than 400 years, after which the calendar repeats.
    pub(super) fn next_local(&self, from: i64, end: i64) -> Option<i64> {
        let day = from.div_euclid(DAY);
        let date = Date::of(day);
        let last_year = date.year + 400;
        let mut month = Month {
            year: date.year,
            month: date.month,
        };
        let mut first = day - i64::from(date.day) + 1;
        let mut days = self.days_of(month);
        if days >> date.day & 1 == 1
            && let Some(time) = self.time_from(from.rem_euclid(DAY))
        {
            let at = day * DAY + time;
            return (at < end).then_some(at);
        }
        let mut from_day = date.day + 1;
        loop {
            if let Some(day) = at_least(days, from_day) {
                let at = (first + i64::from(day) - 1) * DAY + self.time_from(0)?;
                return (at < end).then_some(at);
            }
            first += i64::from(month.len());
            month = month.next();
            if first * DAY >= end || month.year > last_year {
                return None;
            }
            (from_day, days) = (1, self.days_of(month));
        }
    }

    /// The last local time that matches at or before `until`, none before `start`.
    pub(super) fn last_local(&self, until: i64, start: i64) -> Option<i64> {
        let day = until.div_euclid(DAY);
        let date = Date::of(day);
        let first_year = date.year - 400;
        let mut month = Month {
            year: date.year,
            month: date.month,
        };
        let mut first = day - i64::from(date.day) + 1;
        let mut days = self.days_of(month);
        if days >> date.day & 1 == 1
            && let Some(time) = self.time_until(until.rem_euclid(DAY))
        {
            let at = day * DAY + time;
            return (at >= start).then_some(at);
        }
        let mut until_day = date.day - 1;
        loop {
            if let Some(day) = at_most(days, until_day) {
                let at = (first + i64::from(day) - 1) * DAY + self.time_until(DAY - 1)?;
                return (at >= start).then_some(at);
            }
            if first * DAY <= start || month.year < first_year {
                return None;
            }
            month = month.previous();
            first -= i64::from(month.len());
            (until_day, days) = (31, self.days_of(month));
        }
    }

    /// The first matching time of day from `from`, in seconds.
    fn time_from(&self, from: i64) -> Option<i64> {
        let (hour, minute, second) = clock(from);
        let first_minute = at_least(self.minutes, 0)?;
        let first_second = at_least(self.seconds, 0)?;
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = at_least(self.seconds, second)
            {
                return Some(seconds(hour, minute, second));
            }
            if let Some(minute) = at_least(self.minutes, minute + 1) {
                return Some(seconds(hour, minute, first_second));
            }
        }
        let hour = at_least(self.hours, hour + 1)?;
        Some(seconds(hour, first_minute, first_second))
    }

    /// The last matching time of day up to `until`, in seconds.
    fn time_until(&self, until: i64) -> Option<i64> {
        let (hour, minute, second) = clock(until);
        let last_minute = at_most(self.minutes, 59)?;
        let last_second = at_most(self.seconds, 59)?;
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = at_most(self.seconds, second)
            {
                return Some(seconds(hour, minute, second));
            }
            if let Some(minute) = minute.checked_sub(1).and_then(|m| at_most(self.minutes, m)) {
                return Some(seconds(hour, minute, last_second));
            }
        }
        let hour = at_most(self.hours, hour.checked_sub(1)?)?;
        Some(seconds(hour, last_minute, last_second))
    }
}

/// Hour, minute and second of a time of day.
fn clock(time: i64) -> (u32, u32, u32) {
    let time = u32::try_from(time).unwrap_or_default();
    (time / 3600, time / 60 % 60, time % 60)
}

fn seconds(hour: u32, minute: u32, second: u32) -> i64 {
    i64::from(hour * 3600 + minute * 60 + second)
}
