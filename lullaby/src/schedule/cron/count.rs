//! How many slots there are in a stretch of time, without visiting each: a line each second has 31 million a year.
//!
//! Whole days are counted by their date, one table look-up each; only the days at the ends and around a change of the clocks are
//! looked at by the minute. A year costs well under a millisecond.

use std::collections::HashMap;

use super::line::Line;
use super::{Cron, instant};
use crate::clock::Timestamp;
use crate::schedule::calendar::{DAY, Date, Month};

/// Up to this many slots are stepped over one by one; more are found by counting.
const FEW: u64 = 64;

impl Cron {
    /// How many slots there are after `first` up to and including `last`.
    pub(crate) fn count_after(&self, first: Timestamp, last: Timestamp) -> u64 {
        let from = self.earliest().max(first.as_millis() / 1000 + 1);
        self.count(from, last.as_millis() / 1000)
    }

    /// The slot `back` places before the slot `slot`; `None` if it would be at or before `first`.
    pub(crate) fn step_back(
        &self,
        slot: Timestamp,
        back: u64,
        first: Timestamp,
    ) -> Option<Timestamp> {
        if back <= FEW {
            return (0..back).try_fold(slot, |slot, _| {
                let before = Timestamp::from_millis(slot.as_millis().checked_sub(1)?);
                self.latest_until(before).filter(|found| *found > first)
            });
        }
        let last = slot.as_millis() / 1000;
        // The latest second from which on there are more than `back` slots.
        let (mut low, mut high) = (self.earliest().max(first.as_millis() / 1000 + 1), last);
        if self.count(low, last) <= back {
            return None;
        }
        while low < high {
            let middle = low + (high - low + 1) / 2;
            if self.count(middle, last) > back {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        instant(low)
    }

    /// How many slots there are from `from` to `until`, both in seconds and both included.
    fn count(&self, mut from: i64, until: i64) -> u64 {
        let mut slots = 0;
        while from <= until {
            let span = self.zone.span_at(from);
            let offset = span.offset;
            let (low, high) = (from + offset, until.min(span.end - 1) + offset);
            let fresh = span.fresh_from();
            let again = low..fresh.min(high + 1);
            slots += self.count_local(again.start, again.end, |line| line.rhythmic);
            slots += self.count_local(fresh.max(low), high + 1, |_| true);
            if from == span.start
                && self.lines.iter().any(|line| line.makes_up(&span))
                && !self.lines.iter().any(|line| line.matches(low))
            {
                slots += 1;
            }
            from = span.end;
        }
        slots
    }

    /// How many local times from `from` up to, not including, `end` match one of the lines that are `meant`.
    fn count_local(&self, from: i64, end: i64, meant: impl Fn(&Line) -> bool) -> u64 {
        if from >= end {
            return 0;
        }
        let lines: Vec<_> = self.lines.iter().filter(|line| meant(line)).collect();
        // By the set of lines that a day matches: how many slots such a day has.
        let mut whole_days: HashMap<u64, u64> = HashMap::new();
        let (first_day, last_day) = (from.div_euclid(DAY), (end - 1).div_euclid(DAY));
        let mut slots = 0;
        let date = Date::of(first_day);
        let mut month = Month {
            year: date.year,
            month: date.month,
        };
        let mut before_month = first_day - i64::from(date.day);
        while before_month < last_day {
            let days: Vec<_> = lines.iter().map(|line| line.days_of(month)).collect();
            let busy = days.iter().any(|days| *days != 0);
            for number in (1..=month.len()).take_while(|_| busy) {
                let day = before_month + i64::from(number);
                if !(first_day..=last_day).contains(&day) {
                    continue;
                }
                let matching = (0..)
                    .zip(&days)
                    .fold(0, |set, (line, days)| set | (days >> number & 1) << line);
                let low = (from - day * DAY).max(0);
                let high = (end - day * DAY).min(DAY);
                slots += if (low, high) == (0, DAY) {
                    *whole_days
                        .entry(matching)
                        .or_insert_with(|| count_day(&lines, matching, low, high))
                } else {
                    count_day(&lines, matching, low, high)
                };
            }
            before_month += i64::from(month.len());
            month = month.next();
        }
        slots
    }
}

/// How many seconds of a day, from `low` up to, not including, `high`, match one of the lines in the set `matching`.
fn count_day(lines: &[&Line], matching: u64, low: i64, high: i64) -> u64 {
    let lines: Vec<_> = (0..)
        .zip(lines)
        .filter(|(number, _)| matching >> number & 1 == 1)
        .map(|(_, line)| line)
        .collect();
    let mut slots = 0;
    for minute in low / 60..(high + 59) / 60 {
        let seconds = lines
            .iter()
            .filter(|line| {
                line.hours >> (minute / 60) & 1 == 1 && line.minutes >> (minute % 60) & 1 == 1
            })
            .fold(0, |set, line| set | line.seconds);
        let from = (low - minute * 60).max(0);
        let until = (high - minute * 60).min(60);
        let inside = (1 << until) - (1u64 << from);
        slots += u64::from((seconds & inside).count_ones());
    }
    slots
}
