//! A reader of TZif files (RFC 9636), with the rule at their end, written for this test alone.

use std::path::Path;

/// Where tzdata keeps its files; the library looks there too.
pub(crate) const ROOT: &str = "/usr/share/zoneinfo";

/// A zone's offsets: each from its instant on, in seconds, up to the end of 2041.
pub(crate) struct Zone(Vec<(i64, i64)>);

/// Every zone and link of the database.
pub(crate) fn names() -> Vec<String> {
    let table = std::fs::read_to_string(format!("{ROOT}/tzdata.zi")).expect("tzdata is installed");
    let mut names: Vec<_> = table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            match words.next()? {
                "Z" => words.next(),
                "L" => words.nth(1),
                _ => None,
            }
        })
        .filter(|name| Path::new(ROOT).join(name).is_file() && *name != "Factory")
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

impl Zone {
    pub(crate) fn read(name: &str) -> Self {
        let bytes = std::fs::read(Path::new(ROOT).join(name)).expect("a zone's file");
        let number =
            |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().expect("four")) as i64;
        let size = |at: usize| number(at) as usize;
        assert_eq!(&bytes[..4], b"TZif");
        // The first block has 32-bit times; the second, after it, all of them.
        let [utc, std, leap, times, types, chars] = [20, 24, 28, 32, 36, 40].map(size);
        let second = 44 + times * 5 + types * 6 + chars + leap * 8 + std + utc;
        let [utc, std, leap, times, types, chars] =
            [20, 24, 28, 32, 36, 40].map(|at| size(second + at));
        let body = second + 44;
        let offset = |kind: usize| number(body + times * 9 + kind * 6);
        let mut offsets = vec![(i64::MIN, offset(0))];
        for index in 0..times {
            let at = body + index * 8;
            let time = i64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight"));
            offsets.push((time, offset(bytes[body + times * 8 + index] as usize)));
        }
        let end = body + times * 9 + types * 6 + chars + leap * 12 + std + utc;
        let footer = String::from_utf8_lossy(&bytes[end..]).trim().to_owned();
        let last = offsets.last().map_or(i64::MIN, |(at, _)| *at);
        offsets.extend(by_rule(&footer).into_iter().filter(|(at, _)| *at > last));
        Self(offsets)
    }

    pub(crate) fn offset(&self, at: i64) -> i64 {
        let after = self.0.partition_point(|(from, _)| *from <= at);
        self.0[after - 1].1
    }

    /// How much the clock jumps at `at`.
    pub(crate) fn jump(&self, at: i64) -> i64 {
        self.offset(at) - self.offset(at - 1)
    }

    /// When the clock jumps in these years, the last one included.
    pub(crate) fn changes(&self, first: i64, last: i64) -> Vec<i64> {
        let (from, until) = (
            day_of(first, 1, 1) * 86_400,
            day_of(last + 1, 1, 1) * 86_400,
        );
        let times = self.0.iter().map(|(at, _)| *at);
        times
            .filter(|at| (from..until).contains(at) && self.jump(*at) != 0)
            .collect()
    }
}

/// The changes from 1990 to 2041 that a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3` makes.
fn by_rule(footer: &str) -> Vec<(i64, i64)> {
    let mut parts = footer.split(',');
    let zones = parts.next().unwrap_or_default();
    let (Some(start), Some(end)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (_, rest) = name(zones);
    let (standard, rest) = offset(rest);
    let (_, rest) = name(rest);
    let summer = if rest.is_empty() {
        standard + 3600
    } else {
        offset(rest).0
    };
    let mut changes = Vec::new();
    for year in 1990..2042 {
        changes.push((moment(year, start) - standard, summer));
        changes.push((moment(year, end) - summer, standard));
    }
    changes.sort_unstable();
    changes
}

fn name(text: &str) -> (&str, &str) {
    match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>').expect("a closed name"),
        None => text.split_at(
            text.find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(text.len()),
        ),
    }
}

/// Seconds east of Greenwich; POSIX counts to the west.
fn offset(text: &str) -> (i64, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || "+-:".contains(c)));
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    (-duration(number), rest)
}

/// `h`, `h:m` or `h:m:s` with a sign.
fn duration(text: &str) -> i64 {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.trim_start_matches('+')),
    };
    let parts = digits
        .split(':')
        .map(|part| part.parse::<i64>().expect("a number"));
    sign * parts
        .zip([3600, 60, 1])
        .map(|(part, unit)| part * unit)
        .sum::<i64>()
}

/// The local second of `M3.5.0/2`, `J79` or `78` in a year.
fn moment(year: i64, rule: &str) -> i64 {
    let (day, time) = rule.split_once('/').unwrap_or((rule, "2"));
    let day = if let Some(rule) = day.strip_prefix('M') {
        let numbers: Vec<i64> = rule
            .split('.')
            .map(|part| part.parse().expect("a number"))
            .collect();
        let [month, week, weekday] = numbers[..] else {
            panic!("three numbers in {rule}")
        };
        let first = day_of(year, month, 1);
        let ahead = (weekday - weekday_of(first)).rem_euclid(7);
        (0..week)
            .map(|week| ahead + week * 7)
            .filter(|ahead| *ahead < length(year, month))
            .map(|ahead| first + ahead)
            .next_back()
            .expect("one at least")
    } else if let Some(number) = day.strip_prefix('J') {
        let number: i64 = number.parse().expect("a number");
        let leap = i64::from(number > 59 && length(year, 2) == 29);
        day_of(year, 1, 1) + number - 1 + leap
    } else {
        day_of(year, 1, 1) + day.parse::<i64>().expect("a number")
    };
    day * 86_400 + duration(time)
}

pub(crate) fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970, counted year by year and month by month.
pub(crate) fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let years: i64 = (1970..year).map(|year| 337 + length(year, 2)).sum();
    let months: i64 = (1..month).map(|month| length(year, month)).sum();
    years + months + day - 1
}

/// Sunday is 0.
pub(crate) fn weekday_of(day: i64) -> i64 {
    (day + 4).rem_euclid(7)
}
