//! What the rule says, minute by minute.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::tzif::{Zone, day_of, length, weekday_of};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// The minutes around a change of the clock, with what the clock shows.
pub(crate) struct Window {
    /// The first and the last second that are compared.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Instant and local time, for two days and more on either side.
    minutes: Vec<(i64, i64)>,
    /// When each local minute is shown first.
    shown: HashMap<i64, i64>,
    /// The local dates that exist, with year, month and day.
    dates: BTreeMap<i64, (i64, i64, i64)>,
}

impl Window {
    pub(crate) fn around(zone: &Zone, change: i64) -> Self {
        let mut minutes = Vec::new();
        let (mut shown, mut dates) = (HashMap::new(), BTreeMap::new());
        let mut at = change - 76 * HOUR;
        while at < change + 76 * HOUR {
            let local = at + zone.offset(at);
            minutes.push((at, local));
            shown.entry(local).or_insert(at);
            let day = local.div_euclid(DAY);
            dates.entry(day).or_insert_with(|| date_of(day));
            at += 60;
        }
        Self {
            first: change - 26 * HOUR,
            last: change + 26 * HOUR,
            minutes,
            shown,
            dates,
        }
    }

    /// The slots of a line from `first` to `last`, in seconds.
    pub(crate) fn slots(&self, line: &str) -> Vec<i64> {
        let mut fields: Vec<_> = line.split(' ').collect();
        if fields.len() == 6 {
            assert_eq!(fields.remove(0), "0", "the oracle knows whole minutes only");
        }
        let [minute, hour, day, month, weekday] = fields[..] else {
            panic!("five fields in {line}")
        };
        let minutes: Vec<_> = (0..60).map(|n| holds(minute, n, 0, 59)).collect();
        let hours: Vec<_> = (0..24).map(|n| holds(hour, n, 0, 23)).collect();
        let days: HashMap<i64, bool> = self
            .dates
            .iter()
            .map(|(number, date)| (*number, date_matches(day, month, weekday, *number, *date)))
            .collect();
        let matches = |local: i64| {
            let (hour, minute) = (local.rem_euclid(DAY) / HOUR, local.rem_euclid(HOUR) / 60);
            days[&local.div_euclid(DAY)] && hours[hour as usize] && minutes[minute as usize]
        };
        let mut slots = BTreeSet::new();
        if hour.contains(['*', '-', '/']) {
            slots.extend(
                self.minutes
                    .iter()
                    .filter(|(_, local)| matches(*local))
                    .map(|(at, _)| *at),
            );
        } else {
            for day in self.dates.keys() {
                for local in (day * DAY..(day + 1) * DAY)
                    .step_by(60)
                    .filter(|local| matches(*local))
                {
                    let first = self.shown.get(&local).copied();
                    slots.extend(first.or_else(|| self.first_after(local)));
                }
            }
        }
        slots.range(self.first..=self.last).copied().collect()
    }

    /// The first instant after the gap that swallowed this local time.
    fn first_after(&self, local: i64) -> Option<i64> {
        let pairs = self.minutes.windows(2);
        pairs
            .filter(|pair| pair[0].1 < local && local < pair[1].1)
            .map(|pair| pair[1].0)
            .next()
    }
}

fn date_of(day: i64) -> (i64, i64, i64) {
    let mut year = 1970;
    while day_of(year + 1, 1, 1) <= day {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && day_of(year, month + 1, 1) <= day {
        month += 1;
    }
    (year, month, day - day_of(year, month, 1) + 1)
}

fn date_matches(day: &str, month: &str, weekday: &str, number: i64, date: (i64, i64, i64)) -> bool {
    let (year, in_month, n) = date;
    let last = length(year, in_month);
    let of_week = weekday_of(number);
    let by_number = day.split(',').any(|part| {
        if part == "L" {
            n == last
        } else if let Some(wanted) = part.strip_suffix('W') {
            let wanted: i64 = wanted.parse().expect("a day");
            // The nearest Monday-to-Friday day of this month, found by looking at each.
            let workday = |n: &i64| !matches!(weekday_of(day_of(year, in_month, *n)), 0 | 6);
            wanted <= last
                && (1..=last)
                    .filter(workday)
                    .min_by_key(|n| (n - wanted).abs())
                    == Some(n)
        } else {
            holds(part, n, 1, 31)
        }
    });
    let by_weekday = weekday.split(',').any(|part| {
        if let Some(wanted) = part.strip_suffix('L') {
            wanted.parse() == Ok(of_week) && n + 7 > last
        } else if let Some((wanted, nth)) = part.split_once('#') {
            wanted.parse() == Ok(of_week) && nth.parse() == Ok((n - 1) / 7 + 1)
        } else {
            holds(part, of_week, 0, 6) || of_week == 0 && holds(part, 7, 0, 7)
        }
    });
    let star = |field: &str| field.starts_with('*') || field == "?";
    let day_fits = if star(day) || star(weekday) {
        by_number && by_weekday
    } else {
        by_number || by_weekday
    };
    day_fits && holds(month, in_month, 1, 12)
}

/// Whether a plain field (numbers, ranges, steps, lists) holds a number.
fn holds(field: &str, number: i64, low: i64, high: i64) -> bool {
    field.split(',').any(|part| {
        let (range, step) = part
            .split_once('/')
            .map_or((part, None), |(range, step)| (range, step.parse().ok()));
        let (from, until) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (low, high),
            Some((from, until)) => (
                from.parse().expect("a number"),
                until.parse().expect("a number"),
            ),
            None => {
                let from = range.parse().expect("a number");
                (from, if step.is_some() { high } else { from })
            }
        };
        (from..=until).contains(&number) && (number - from) % step.unwrap_or(1) == 0
    })
}
