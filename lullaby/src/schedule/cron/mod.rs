//! Cron lines in a time zone.

mod count;
#[cfg(feature = "redis")]
mod crontab;
mod line;
mod parse;

use serde::{Deserialize, Serialize};

#[cfg(feature = "redis")]
pub(crate) use self::crontab::Crontab;
use self::line::Line;
use super::zone::{Span, Zone};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// The most lines in one schedule.
pub const MOST_CRON_LINES: usize = 64;

/// One or more cron lines in a time zone. An instant that several lines name is one slot.
///
/// ```
/// use lullaby::schedule::{Cron, Trigger};
///
/// let cron = Cron::new("30 2 * * *")?.and("0 12 * * sat,sun")?.in_zone("Europe/Berlin")?;
/// let trigger = Trigger::from(cron);
/// let next = trigger.next_after("2026-11-23T12:00:00Z".parse()?);
/// assert_eq!(next, Some("2026-11-24T01:30:00Z".parse()?));
/// # Ok::<(), lullaby::Error>(())
/// ```
///
/// # A line
///
/// Five fields, or six with seconds first:
///
/// | field | numbers | names | more |
/// |---|---|---|---|
/// | second (only with six fields) | 0 to 59 | | |
/// | minute | 0 to 59 | | |
/// | hour | 0 to 23 | | |
/// | day of the month | 1 to 31 | | `?`, `L` the last, `L-2` two days before it, `15W` the weekday nearest to the 15th, `LW` the last weekday |
/// | month | 1 to 12 | `jan` to `dec` | |
/// | day of the week | 0 to 7, 0 and 7 are Sunday | `sun` to `sat` | `?`, `5L` the last Friday, `1#2` the second Monday |
///
/// Each field is `*` or a list (`1,15`) of numbers, ranges (`9-17`) and steps (`*/15`, `10-40/10`, `5/20`: from 5 on). Or the line is
/// a word: `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`.
///
/// The two day fields are combined as in Vixie's cron: if either begins with `*` (or is `?`), both must match; otherwise a day that
/// matches one of them is enough. So `0 0 13 * fri` is each 13th and each Friday.
///
/// # Daylight saving
///
/// The hour field alone decides.
///
/// - **Rhythmic**: the hour field has a `*`, a `-` or a `/`. A slot is every real instant whose local clock matches. When an hour is
///   repeated it has its slots both times; when it is skipped it has none. So `*/10 * * * *` comes every ten minutes, whatever the
///   clocks do.
/// - **Fixed**: the hour field is a number or a list of numbers. Each matching local date has each of its times exactly once. A time
///   that comes twice is taken the first time. A time that does not exist is taken at the first instant after the gap. Several times
///   that fall on one instant are one slot. A date that does not exist (Samoa had no 30 December 2011) has none.
///
/// So `30 2 * * *` in Europe/Berlin runs on 29 March 2026 at 03:00, because the clocks go from 02:00 to 03:00; and on 25 October 2026
/// only at the first 02:30. `30 2-2 * * *` is rhythmic: on the first of these days it does not run, on the second one it runs twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Cron {
    texts: Vec<String>,
    lines: Vec<Line>,
    zone: Zone,
    start: Option<Timestamp>,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Written {
    lines: Vec<String>,
    zone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<Timestamp>,
}

impl From<Cron> for Written {
    fn from(cron: Cron) -> Self {
        Self {
            zone: cron.zone().to_owned(),
            lines: cron.texts,
            start: cron.start,
        }
    }
}

impl TryFrom<Written> for Cron {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        let mut lines = written.lines.iter();
        let Some(first) = lines.next() else {
            return Err(Error::invalid("expected at least one cron line, got none"));
        };
        let mut cron = Self::new(first)?;
        for line in lines {
            cron = cron.and(line)?;
        }
        cron.start = written.start;
        cron.in_zone(&written.zone)
    }
}

impl Cron {
    /// One line, in UTC.
    ///
    /// # Errors
    /// [`Error::is_invalid`] with the field, the column and what is allowed if the line cannot be read, and for a line that never
    /// comes, as `0 0 30 2 *`.
    pub fn new(line: &str) -> Result<Self> {
        Ok(Self {
            texts: vec![line.trim().to_owned()],
            lines: vec![parse::parse(line)?],
            zone: Zone::utc(),
            start: None,
        })
    }

    /// One line more, up to [`MOST_CRON_LINES`].
    ///
    /// # Errors
    /// As [`Cron::new`], and if there are too many.
    pub fn and(mut self, line: &str) -> Result<Self> {
        if self.lines.len() == MOST_CRON_LINES {
            return Err(Error::invalid(format!(
                "expected at most {MOST_CRON_LINES} cron lines in one schedule, got more"
            )));
        }
        self.lines.push(parse::parse(line)?);
        self.texts.push(line.trim().to_owned());
        Ok(self)
    }

    /// In this zone of the IANA database, as `Europe/Berlin`.
    ///
    /// # Errors
    /// [`Error::is_invalid`] with the nearest names if there is no such zone.
    pub fn in_zone(mut self, name: &str) -> Result<Self> {
        self.zone = Zone::named(name)?;
        Ok(self)
    }

    /// No slot before `start`.
    #[must_use]
    pub fn starting(mut self, start: Timestamp) -> Self {
        self.start = Some(start);
        self
    }

    /// The lines, as they were written.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.texts
    }

    /// The zone's name.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.name()
    }

    /// No slot is before this instant.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        self.start
    }

    pub(super) fn rules(&self) -> &Zone {
        &self.zone
    }

    /// The times that the span's beginning skipped and this first instant makes up for, in order, at most `most`.
    pub(super) fn skipped(&self, span: &Span, most: usize) -> Vec<i64> {
        let fixed = self.lines.iter().filter(|line| !line.rhythmic);
        let mut times: Vec<_> = fixed
            .flat_map(|line| line.skipped(span).take(most))
            .collect();
        times.sort_unstable();
        times.dedup();
        times.truncate(most);
        times
    }

    /// Whether a line names this local time.
    pub(super) fn names(&self, local: i64) -> bool {
        self.lines.iter().any(|line| line.matches(local))
    }

    /// Whether this local time is a slot each time that the clock shows it.
    pub(super) fn runs_again(&self, local: i64) -> bool {
        self.lines
            .iter()
            .any(|line| line.rhythmic && line.matches(local))
    }

    /// The first slot after `time`; `None` if there is none up to [`Timestamp::MAX`].
    pub(super) fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let after = time.as_millis() / 1000 + 1;
        let from = self.earliest().max(after);
        let next = self
            .lines
            .iter()
            .filter_map(|line| self.next_of(line, from));
        instant(next.min()?)
    }

    /// The latest slot at or before `time`.
    pub(super) fn latest_until(&self, time: Timestamp) -> Option<Timestamp> {
        let until = time.as_millis() / 1000;
        let last = self
            .lines
            .iter()
            .filter_map(|line| self.last_of(line, until));
        instant(last.max().filter(|last| *last >= self.earliest())?)
    }

    /// The first second that may be a slot.
    fn earliest(&self) -> i64 {
        let start = self.start.unwrap_or_default().as_millis();
        start / 1000 + i64::from(start % 1000 != 0)
    }

    fn next_of(&self, line: &Line, mut from: i64) -> Option<i64> {
        loop {
            let span = self.zone.span_at(from);
            if from == span.start && line.makes_up(&span) {
                return Some(from);
            }
            let local = line.first_seen(&span).max(from + span.offset);
            if let Some(found) = line.next_local(local, span.end + span.offset) {
                return Some(found - span.offset);
            }
            if span.end > Timestamp::MAX.as_millis() / 1000 {
                return None;
            }
            from = span.end;
        }
    }

    fn last_of(&self, line: &Line, mut until: i64) -> Option<i64> {
        loop {
            let span = self.zone.span_at(until);
            let first = line.first_seen(&span);
            if let Some(found) = line.last_local(until + span.offset, first) {
                return Some(found - span.offset);
            }
            if line.makes_up(&span) {
                return Some(span.start);
            }
            if span.start <= self.earliest() {
                return None;
            }
            until = span.start - 1;
        }
    }
}

impl Line {
    /// The first local time of the span that can be a slot.
    fn first_seen(&self, span: &Span) -> i64 {
        if self.rhythmic {
            span.start + span.offset
        } else {
            span.fresh_from()
        }
    }

    /// Whether the span's first instant stands for a time of this line that was skipped just before it.
    fn makes_up(&self, span: &Span) -> bool {
        !self.rhythmic && self.skipped(span).next().is_some()
    }

    /// The times of this line that the span's beginning skipped, on dates that exist.
    fn skipped(&self, span: &Span) -> impl Iterator<Item = i64> {
        use super::calendar::DAY;
        let (mut from, end) = span.gap();
        std::iter::from_fn(move || {
            loop {
                let local = (from < end).then(|| self.next_local(from, end))??;
                from = local + 1;
                let midnight = local - local.rem_euclid(DAY);
                if midnight < span.gap().0 || midnight + DAY > end {
                    return Some(local);
                }
                // The whole date is in the gap.
                from = midnight + DAY;
            }
        })
    }
}

fn instant(seconds: i64) -> Option<Timestamp> {
    let ms = seconds.checked_mul(1000)?;
    (0..=Timestamp::MAX.as_millis())
        .contains(&ms)
        .then(|| Timestamp::from_millis(ms))
}

#[cfg(test)]
mod tests;
