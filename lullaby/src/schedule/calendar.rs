//! The calendar without a time zone: days, months and weekdays as plain numbers, and small sets of them in bits.
//!
//! A local time is its seconds since 1970-01-01 00:00 on the same clock. Everything here is exact for the years 1 to 9999.

/// Seconds of a day without daylight saving.
pub(super) const DAY: i64 = 86_400;

/// A date of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: u32,
    /// 1 to 31.
    pub(super) day: u32,
}

impl Date {
    /// The date `days` days after 1970-01-01. (Years begin in March here, so that the leap day comes last.)
    pub(super) fn of(days: i64) -> Self {
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self {
            year: year + era * 400 + i64::from(month <= 2),
            month: small(month),
            day: small(day),
        }
    }

    /// How many days after 1970-01-01 this date is.
    pub(super) fn days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let month = i64::from(self.month);
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let from_march = if month > 2 { month - 3 } else { month + 9 };
        let of_year = (153 * from_march + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }
}

fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

/// A month of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Month {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: u32,
}

impl Month {
    /// How many days it has.
    pub(super) fn len(self) -> u32 {
        match self.month {
            2 => 28 + u32::from(is_leap(self.year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// The number of its first day, counted from 1970-01-01.
    pub(super) fn first_day(self) -> i64 {
        let Self { year, month } = self;
        Date {
            year,
            month,
            day: 1,
        }
        .days()
    }

    pub(super) fn next(self) -> Self {
        match self.month {
            12 => Self {
                year: self.year + 1,
                month: 1,
            },
            month => Self {
                month: month + 1,
                ..self
            },
        }
    }

    pub(super) fn previous(self) -> Self {
        match self.month {
            1 => Self {
                year: self.year - 1,
                month: 12,
            },
            month => Self {
                month: month - 1,
                ..self
            },
        }
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The weekday of a day counted from 1970-01-01, a Thursday: 0 is Sunday.
pub(super) fn weekday(day: i64) -> u32 {
    small((day + 4).rem_euclid(7))
}

/// The lowest number in `set` that is at least `from`.
pub(super) fn at_least(set: u64, from: u32) -> Option<u32> {
    let rest = set.checked_shr(from)? << from;
    (rest != 0).then(|| rest.trailing_zeros())
}

/// The highest number in `set` that is at most `until`.
pub(super) fn at_most(set: u64, until: u32) -> Option<u32> {
    let rest = set & u64::MAX >> (63 - until.min(63));
    rest.checked_ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_day_numbers_agree_with_jiff_on_every_day_for_a_thousand_years() {
        let mut date = jiff::civil::date(1969, 1, 1);
        for day in -365..365_242 {
            let got = Date::of(day);
            let expected = (i64::from(date.year()), date.month(), date.day());
            let got_parts = (got.year, got.month as i8, got.day as i8);
            assert_eq!(got_parts, expected, "day {day}");
            assert_eq!(got.days(), day);
            assert_eq!(
                weekday(day),
                date.weekday().to_sunday_zero_offset() as u32,
                "{date}"
            );
            date = date.tomorrow().expect("in range");
        }
    }

    #[test]
    fn sets_are_searched_upwards_and_downwards() {
        let set = 1 << 3 | 1 << 59 | 1 << 63;
        assert_eq!(at_least(set, 0), Some(3));
        assert_eq!(at_least(set, 4), Some(59));
        assert_eq!(at_least(set, 64), None);
        assert_eq!(at_most(set, 2), None);
        assert_eq!(at_most(set, 62), Some(59));
        assert_eq!(at_most(set, 63), Some(63));
    }
}
