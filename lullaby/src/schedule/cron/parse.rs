//! From a cron line's text to its sets. Nothing is allocated in proportion to a number that the text names.

use super::line::{Days, LAST, Line};
use crate::error::{Error, Result};
use crate::schedule::calendar::DAY;

/// The longest line, in bytes. All sixty minutes as a list have 169.
pub(super) const LONGEST_LINE: usize = 500;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The words, and the lines that they stand for.
const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// What a field may hold.
pub(super) struct Kind {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
    allowed: &'static str,
}

pub(super) const SECOND: Kind = Kind {
    name: "second",
    low: 0,
    high: 59,
    names: &[],
    allowed: "numbers from 0 to 59, as 30, 0,30, 10-20, */15 or *",
};
pub(super) const MINUTE: Kind = Kind {
    name: "minute",
    ..SECOND
};
pub(super) const HOUR: Kind = Kind {
    name: "hour",
    high: 23,
    allowed: "numbers from 0 to 23, as 2, 8,20, 9-17, */4 or *",
    ..SECOND
};
pub(super) const DAY_OF_MONTH: Kind = Kind {
    name: "day-of-month",
    low: 1,
    high: 31,
    allowed: "numbers from 1 to 31, as 1, 1,15, 1-7, */2, * or ?; L is the last day, L-2 two days before it, 15W the weekday nearest to \
              the 15th, LW the last weekday",
    ..SECOND
};
pub(super) const MONTH: Kind = Kind {
    name: "month",
    low: 1,
    high: 12,
    names: &MONTHS,
    allowed: "numbers from 1 to 12 or names from jan to dec, as 3, mar,sep, 6-8, */3 or *",
};
pub(super) const DAY_OF_WEEK: Kind = Kind {
    name: "day-of-week",
    low: 0,
    high: 7,
    names: &WEEKDAYS,
    allowed: "numbers from 0 to 7 (0 and 7 are Sunday) or names from sun to sat, as 1, mon-fri, * or ?; 5L is the last Friday of the \
              month, 1#2 the second Monday",
};

/// A part of the line and where it begins: column 1 is the line's first character.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    column: usize,
}

impl<'a> Part<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, column: 1 }
    }

    /// The fields of a line.
    pub(super) fn words(text: &'a str) -> impl Iterator<Item = Part<'a>> {
        Self::new(text)
            .split(' ')
            .flat_map(|part| part.split('\t'))
            .filter(|part| !part.text.is_empty())
    }

    /// Splits at `separator`, each part with its own column.
    pub(super) fn split(self, separator: char) -> impl Iterator<Item = Part<'a>> {
        let mut column = self.column;
        self.text.split(separator).map(move |text| {
            let part = Part { text, column };
            column += text.chars().count() + 1;
            part
        })
    }

    fn split_once(self, separator: char) -> Option<(Part<'a>, Part<'a>)> {
        let (left, right) = self.text.split_once(separator)?;
        let column = self.column + left.chars().count() + 1;
        let left = Part { text: left, ..self };
        let right = Part {
            text: right,
            column,
        };
        Some((left, right))
    }
}

/// What is wrong, before the line is named.
pub(super) struct Wrong(pub(super) String);

impl Kind {
    pub(super) fn wrong(&self, part: Part<'_>, expected: &str) -> Wrong {
        let Part { text, column } = part;
        let got = if text.is_empty() {
            "nothing".to_owned()
        } else {
            format!("{text:?}")
        };
        Wrong(format!(
            "{} field, column {column}: expected {expected}, got {got}",
            self.name
        ))
    }

    fn number(&self, part: Part<'_>) -> Result<u32, Wrong> {
        let by_name = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(part.text))
            .and_then(|at| u32::try_from(at).ok())
            .map(|at| at + self.low);
        let digits = !part.text.is_empty() && part.text.bytes().all(|b| b.is_ascii_digit());
        let by_digits = || digits.then(|| part.text.parse().ok()).flatten();
        by_name
            .or_else(by_digits)
            .filter(|number| (self.low..=self.high).contains(number))
            .ok_or_else(|| self.wrong(part, self.allowed))
    }

    /// How many different values there are; Sunday counts once.
    fn count(&self) -> u32 {
        if self.high == 7 {
            7
        } else {
            self.high - self.low + 1
        }
    }

    /// The numbers of one element of a list: `*`, a number or a range, each with or without a step.
    pub(super) fn element(&self, part: Part<'_>) -> Result<u64, Wrong> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let highest = self.low + self.count() - 1;
        let (low, high) = if range.text == "*" {
            (self.low, highest)
        } else if let Some((low, high)) = range.split_once('-') {
            let from = self.number(low)?;
            let to = match self.number(high)? {
                // As `fri-sun`: a week's last day may be its Sunday.
                0 if self.high == 7 && from > 0 => 7,
                to => to,
            };
            if from > to {
                let turn = format!(
                    "a range that goes upwards (say {}-{highest},{}-{} to go round)",
                    low.text, self.low, high.text
                );
                return Err(self.wrong(range, &turn));
            }
            (from, to)
        } else {
            let number = self.number(range)?;
            (
                number,
                if step.is_some() {
                    highest.max(number)
                } else {
                    number
                },
            )
        };
        let step = step.map_or(Ok(1), |step| self.step(step))?;
        let mut set = 0;
        let mut number = low;
        while number <= high {
            set |= 1 << number;
            number += step;
        }
        if self.high == 7 {
            // 7 is Sunday too.
            set = set & 0x7f | set >> 7 & 1;
        }
        Ok(set)
    }

    fn step(&self, part: Part<'_>) -> Result<u32, Wrong> {
        let most = self.count();
        let digits = !part.text.is_empty() && part.text.bytes().all(|b| b.is_ascii_digit());
        let step = digits.then(|| part.text.parse().ok()).flatten();
        step.filter(|step| (1..=most).contains(step))
            .ok_or_else(|| {
                let expected = format!(
                    "a step from 1 to {most} (a step starts anew with each {})",
                    self.around()
                );
                self.wrong(part, &expected)
            })
    }

    fn around(&self) -> &'static str {
        match self.name {
            "second" => "minute",
            "minute" => "hour",
            "hour" => "day",
            "day-of-month" => "month",
            "month" => "year",
            _ => "week",
        }
    }

    pub(super) fn list(&self, field: Part<'_>) -> Result<u64, Wrong> {
        field
            .split(',')
            .try_fold(0, |set, part| Ok(set | self.element(part)?))
    }
}

/// Reads one line: five fields, six with seconds first, or a word.
pub(super) fn parse(text: &str) -> Result<Line> {
    let shown: String = text.chars().take(80).collect();
    let refuse = |why: &str| Error::invalid(format!("cannot read the cron line {shown:?}: {why}"));
    if text.len() > LONGEST_LINE {
        return Err(refuse(&format!(
            "expected at most {LONGEST_LINE} bytes, got {}",
            text.len()
        )));
    }
    let line = if text.trim_start().starts_with('@') {
        let word = text.trim();
        let known = WORDS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word));
        let Some((_, line)) = known else {
            let known: Vec<_> = WORDS.iter().map(|(name, _)| *name).collect();
            return Err(refuse(&format!(
                "column 1: expected one of the words {}, got {word:?}",
                known.join(", ")
            )));
        };
        fields(line)
    } else {
        fields(text)
    };
    let line = line.map_err(|Wrong(why)| refuse(&why))?;
    comes(&line).map_err(|Wrong(why)| refuse(&why))?;
    Ok(line)
}

/// Refuses a line that has no slot at all.
pub(super) fn comes(line: &Line) -> Result<(), Wrong> {
    // The calendar repeats after 400 years, so a day that is not in these is in none.
    if line.next_local(0, 146_097 * DAY).is_none() {
        let never =
            "it never comes: no month that it names has a day that it names (as on February 30th)";
        return Err(Wrong(never.to_owned()));
    }
    Ok(())
}

fn fields(text: &str) -> Result<Line, Wrong> {
    let parts: Vec<_> = Part::words(text).collect();
    let zero = Part::new("0");
    let (second, [minute, hour, day, month, weekday]) = match parts[..] {
        [minute, hour, day, month, weekday] => (zero, [minute, hour, day, month, weekday]),
        [second, minute, hour, day, month, weekday] => {
            (second, [minute, hour, day, month, weekday])
        }
        _ => {
            let column = parts
                .get(6)
                .map_or(text.chars().count() + 1, |part| part.column);
            return Err(Wrong(format!(
                "column {column}: expected 5 fields (minute, hour, day of month, month, day of week) or 6 with seconds first, got {}",
                parts.len()
            )));
        }
    };
    let mut days = Days {
        both: [day, weekday]
            .iter()
            .any(|part| part.text.starts_with('*') || part.text == "?"),
        ..Days::default()
    };
    for part in day.split(',') {
        day_of_month(part, day, &mut days)?;
    }
    for part in weekday.split(',') {
        day_of_week(part, weekday, &mut days)?;
    }
    Ok(Line {
        seconds: SECOND.list(second)?,
        minutes: MINUTE.list(minute)?,
        hours: HOUR.list(hour)?,
        months: MONTH.list(month)?,
        days,
        rhythmic: hour.text.contains(['*', '-', '/']),
    })
}

/// `text` without `suffix`, a letter in either case.
fn without<'a>(part: Part<'a>, suffix: char) -> Option<Part<'a>> {
    let text = part
        .text
        .strip_suffix([suffix, suffix.to_ascii_lowercase()])?;
    Some(Part { text, ..part })
}

fn day_of_month(part: Part<'_>, field: Part<'_>, days: &mut Days) -> Result<(), Wrong> {
    let kind = &DAY_OF_MONTH;
    if part.text == "?" && field.text == "?" {
        days.numbers = 0xffff_fffe;
    } else if part.text.eq_ignore_ascii_case("LW") {
        days.last_workday = true;
    } else if part.text.eq_ignore_ascii_case("L") {
        days.from_end |= 1;
    } else if let Some((last, back)) = part.split_once('-')
        && last.text.eq_ignore_ascii_case("L")
    {
        let back = kind.number(back)?;
        if back > 30 {
            return Err(kind.wrong(part, "L-1 to L-30"));
        }
        days.from_end |= 1 << back;
    } else if let Some(number) = without(part, 'W') {
        days.near |= 1 << kind.number(number)?;
    } else {
        days.numbers |= kind.element(part)?;
    }
    Ok(())
}

fn day_of_week(part: Part<'_>, field: Part<'_>, days: &mut Days) -> Result<(), Wrong> {
    let kind = &DAY_OF_WEEK;
    let weekday = |part| Ok((kind.number(part)? % 7) as usize);
    if part.text == "?" && field.text == "?" {
        days.weekdays = 0x7f;
    } else if let Some((day, nth)) = part.split_once('#') {
        let day = weekday(day)?;
        let nth = match nth.text.as_bytes() {
            [digit @ b'1'..=b'5'] => digit - b'0',
            _ => return Err(kind.wrong(nth, "1 to 5 after #, as 1#2 for the second Monday")),
        };
        days.nth[day] |= 1 << nth;
    } else if let Some(day) = without(part, 'L') {
        if day.text.is_empty() {
            return Err(kind.wrong(
                part,
                "a day before L, as 5L for the last Friday of the month",
            ));
        }
        days.nth[weekday(day)?] |= 1 << LAST;
    } else {
        days.weekdays |= kind.element(part)?;
    }
    Ok(())
}
