//! Cron lines as rq-scheduler reads them: the dialect of Python's package `crontab` (1.0.5), with our search and our daylight-saving rule.
//!
//! It differs from ours: five fields, six with the *year* last, or seven with seconds first and the year last; the two day fields must
//! both match; `l` is the month's last day, `z2` two days before it, `l5` its last Friday.

use std::collections::BTreeSet;

use super::line::{Days, LAST, Line};
use super::parse::{
    DAY_OF_MONTH, DAY_OF_WEEK, HOUR, Kind, LONGEST_LINE, MINUTE, MONTH, Part, SECOND, Wrong, comes,
};
use super::{Cron, Zone};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::schedule::calendar::{DAY, Date};

/// The years that the dialect knows.
const FIRST_YEAR: i64 = 1970;
const LAST_YEAR: i64 = 2099;

/// The words and what they stand for. Unlike ours they know neither `@midnight` nor capitals.
const WORDS: [(&str, &str); 6] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// One line of the dialect in a zone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Crontab {
    cron: Cron,
    years: BTreeSet<i64>,
}

impl Crontab {
    /// # Errors
    /// [`Error::is_invalid`] if the dialect has no such line, or it never comes.
    pub(crate) fn new(text: &str, zone: Zone) -> Result<Self> {
        let shown: String = text.chars().take(80).collect();
        let refuse = |Wrong(why): Wrong| {
            Error::invalid(format!("cannot read the cron line {shown:?}: {why}"))
        };
        if text.len() > LONGEST_LINE {
            let long = format!("expected at most {LONGEST_LINE} bytes, got {}", text.len());
            return Err(refuse(Wrong(long)));
        }
        let word = WORDS.iter().find(|(word, _)| *word == text);
        let (line, years) = fields(word.map_or(text, |(_, line)| line)).map_err(&refuse)?;
        comes(&line).map_err(&refuse)?;
        let cron = Cron {
            texts: vec![text.to_owned()],
            lines: vec![line],
            zone,
            start: None,
        };
        Ok(Self { cron, years })
    }

    /// The first time after `time`; `None` if its last year is over.
    pub(crate) fn next_after(&self, mut time: Timestamp) -> Option<Timestamp> {
        loop {
            let next = self.cron.next_after(time)?;
            let year = self.local_year(next);
            let wanted = *self.years.range(year..).next()?;
            if wanted == year {
                return Some(next);
            }
            time = next.max(self.eve(wanted));
        }
    }

    fn local_year(&self, at: Timestamp) -> i64 {
        let seconds = at.as_millis() / 1000;
        let local = seconds + self.cron.zone.span_at(seconds).offset;
        Date::of(local.div_euclid(DAY)).year
    }

    /// The last second before a year. (No zone has changed its clocks within hours of it since 1970.)
    fn eve(&self, year: i64) -> Timestamp {
        let first = Date {
            year,
            month: 1,
            day: 1,
        };
        let local = first.days() * DAY;
        let offset = self.cron.zone.span_at(local).offset;
        Timestamp::from_millis((local - offset - 1) * 1000)
    }
}

fn fields(text: &str) -> Result<(Line, BTreeSet<i64>), Wrong> {
    let lower = text.to_ascii_lowercase();
    let parts: Vec<_> = Part::words(&lower).collect();
    let zero = Part::new("0");
    let every = Part::new("*");
    let [second, minute, hour, day, month, weekday, year] = match parts[..] {
        [minute, hour, day, month, weekday] => [zero, minute, hour, day, month, weekday, every],
        [minute, hour, day, month, weekday, year] => {
            [zero, minute, hour, day, month, weekday, year]
        }
        [second, minute, hour, day, month, weekday, year] => {
            [second, minute, hour, day, month, weekday, year]
        }
        _ => {
            return Err(Wrong(format!(
                "expected 5 fields (minute, hour, day of month, month, day of week), 6 with the year last, or 7 with seconds first and \
                 the year last, got {}",
                parts.len()
            )));
        }
    };
    let mut days = Days {
        both: true,
        ..Days::default()
    };
    for part in day.split(',') {
        day_of_month(part, &mut days)?;
    }
    for part in weekday.split(',') {
        day_of_week(part, &mut days)?;
    }
    let line = Line {
        seconds: SECOND.list(second)?,
        minutes: MINUTE.list(minute)?,
        hours: HOUR.list(hour)?,
        months: MONTH.list(month)?,
        days,
        rhythmic: hour.text.contains(['*', '-', '/']),
    };
    let mut years = BTreeSet::new();
    for part in year.split(',') {
        years.extend(some_years(part.text)?);
    }
    Ok((line, years))
}

fn day_of_month(part: Part<'_>, days: &mut Days) -> Result<(), Wrong> {
    let kind = &DAY_OF_MONTH;
    match part.text {
        "?" => days.numbers = 0xffff_fffe,
        "l" => days.from_end |= 1,
        text => match text.strip_prefix('z') {
            Some(back) => {
                let (low, high) = few(kind, part, back, "z0 to z7 or a range of them")?;
                days.from_end |= (low..=high).fold(0, |set, n| set | 1 << n);
            }
            None => days.numbers |= kind.element(part)?,
        },
    }
    Ok(())
}

fn day_of_week(part: Part<'_>, days: &mut Days) -> Result<(), Wrong> {
    let kind = &DAY_OF_WEEK;
    match part.text {
        "?" => days.weekdays = 0x7f,
        text => match text.strip_prefix('l') {
            Some(last) => {
                let (low, high) = few(kind, part, last, "l0 to l7 or a range of them")?;
                for day in low..=high {
                    days.nth[(day % 7) as usize] |= 1 << LAST;
                }
            }
            None => days.weekdays |= kind.element(part)?,
        },
    }
    Ok(())
}

/// A number from 0 to 7 or a range of such.
fn few(kind: &Kind, part: Part<'_>, text: &str, expected: &str) -> Result<(u32, u32), Wrong> {
    let digit = |text: &str| match text.as_bytes() {
        [digit @ b'0'..=b'7'] => Some(u32::from(digit - b'0')),
        _ => None,
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    digit(low)
        .zip(digit(high))
        .filter(|(low, high)| low <= high)
        .ok_or_else(|| kind.wrong(part, expected))
}

/// The years of one element of a list: `*`, a year or a range, each with or without a step.
fn some_years(text: &str) -> Result<impl Iterator<Item = i64> + use<>, Wrong> {
    let wrong = || {
        Wrong(format!(
            "year field: expected years from {FIRST_YEAR} to {LAST_YEAR}, as 2026, 2026-2028, */4 or *, got {text:?}"
        ))
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<i64>().ok()).flatten()
    };
    let year = |text| number(text).filter(|year| (FIRST_YEAR..=LAST_YEAR).contains(year));
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (
            range,
            Some(number(step).filter(|step| *step > 0).ok_or_else(wrong)?),
        ),
        None => (text, None),
    };
    let (low, high) = match range.split_once('-') {
        _ if range == "*" => (FIRST_YEAR, LAST_YEAR),
        Some((low, high)) => (year(low).ok_or_else(wrong)?, year(high).ok_or_else(wrong)?),
        None => {
            let low = year(range).ok_or_else(wrong)?;
            (low, if step.is_some() { LAST_YEAR } else { low })
        }
    };
    if low > high {
        return Err(wrong());
    }
    // No step takes more than all years, so it fits.
    let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
    Ok((low..=high).step_by(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(line: &str, zone: &str, after: &str) -> Option<String> {
        let zone = Zone::named(zone).expect("a zone");
        let crontab = Crontab::new(line, zone).expect(line);
        let next = crontab.next_after(after.parse().expect("a time"))?;
        Some(next.to_string())
    }

    #[test]
    fn the_dialect_is_pythons_and_not_ours() {
        for (line, expected) in [
            ("*/5 * * * *", "2026-11-25T22:05:00Z"),
            ("0 9 * * *", "2026-11-26T09:00:00Z"),
            // Both day fields must match: Friday the 13th.
            ("0 0 13 * 5", "2027-08-13T00:00:00Z"),
            // Six fields: the year is last.
            ("0 0 1 1 * 2030", "2030-01-01T00:00:00Z"),
            ("*/20 0 0 1 1 ? 2031-2040/3", "2031-01-01T00:00:00Z"),
            // Seven: seconds first.
            ("30 0 22 * * * *", "2026-11-26T22:00:30Z"),
            ("0 0 l * *", "2026-11-30T00:00:00Z"),
            ("0 0 Z2 * *", "2026-11-28T00:00:00Z"),
            ("0 0 * * l5", "2026-11-27T00:00:00Z"),
            ("0 0 ? dec SAT-SUN", "2026-12-05T00:00:00Z"),
            ("@hourly", "2026-11-25T23:00:00Z"),
        ] {
            let next = next(line, "UTC", "2026-11-25T22:01:00Z");
            assert_eq!(next.as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_line_follows_the_local_clock_of_its_zone() {
        let tokyo = next("0 9 * * *", "Asia/Tokyo", "2026-11-25T22:01:00Z");
        assert_eq!(tokyo.as_deref(), Some("2026-11-26T00:00:00Z"));
        // In the hour that comes twice rq-scheduler falls back into the past, and runs at each look.
        let berlin = next("*/5 * * * *", "Europe/Berlin", "2026-10-25T01:31:00Z");
        assert_eq!(berlin.as_deref(), Some("2026-10-25T01:35:00Z"));
        // The year is the local one.
        let auckland = next("0 0 1 1 * 2027", "Pacific/Auckland", "2026-11-25T22:01:00Z");
        assert_eq!(auckland.as_deref(), Some("2026-12-31T11:00:00Z"));
    }

    #[test]
    fn a_line_ends_with_its_last_year_and_skips_years_without_visiting_each_second() {
        assert_eq!(next("0 0 1 1 * 2020", "UTC", "2026-01-01T00:00:00Z"), None);
        let far = next("* * * * * * 2099", "Asia/Tokyo", "2026-01-01T00:00:00Z");
        assert_eq!(far.as_deref(), Some("2098-12-31T15:00:00Z"));
    }

    #[test]
    fn what_the_dialect_does_not_have_is_refused() {
        for line in [
            "",
            "* * * *",
            "* * * * * * * *",
            "60 * * * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "0 0 LW * *",
            "0 0 15W * *",
            "0 0 * * 5L",
            "0 0 * * 1#2",
            "0 0 z8 * *",
            "0 0 * * l8",
            "@midnight",
            "@reboot",
            "0 0 1 1 * 1969",
            "0 0 1 1 * 2030/0",
            "0 0 30 2 *",
            "0 0 ? ? *",
        ] {
            let error = Crontab::new(line, Zone::utc()).expect_err(line);
            assert!(error.is_invalid(), "{line}");
        }
    }
}
