//! Time zones as spans of a constant offset.

use std::fmt;

use jiff::tz::{TimeZone, db};

use crate::error::{Error, Result};

/// Further away than any instant, with room to add offsets.
const FAR: i64 = 1 << 50;

/// A time zone of the IANA database, by its name.
#[derive(Clone)]
pub(crate) struct Zone {
    name: String,
    rules: TimeZone,
}

/// A stretch of time in which a zone's clock runs evenly. All in seconds; `end` is past the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
    /// Local time less UTC.
    pub(super) offset: i64,
    /// The offset before `start`.
    pub(super) before: i64,
}

impl Span {
    /// The first local time that was not shown before this span. (No zone has changed its clock twice within three days since 1970,
    /// which a test checks, so the span before is the only one to look at.)
    pub(super) fn fresh_from(&self) -> i64 {
        self.start + self.offset.max(self.before)
    }

    /// The local times that were skipped where the span begins: from the first up to, not including, the second. Empty if none were.
    pub(super) fn gap(&self) -> (i64, i64) {
        let from = self.start + self.before;
        (from, from.max(self.start + self.offset))
    }
}

impl Zone {
    /// Coordinated Universal Time.
    pub(crate) fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }

    /// The one that this process's clock shows, as `TZ` or the system's setting says; UTC where nothing says.
    #[cfg(feature = "redis")]
    pub(crate) fn of_process() -> Self {
        let rules = TimeZone::system();
        let name = rules.iana_name().unwrap_or("local time").to_owned();
        Self { name, rules }
    }

    /// The zone of this name; the case of letters does not matter.
    pub(crate) fn named(name: &str) -> Result<Self> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Self::utc());
        }
        let found = TimeZone::get(name)
            .ok()
            .filter(|zone| !zone.is_unknown() && zone.iana_name().is_some());
        let Some(rules) = found else {
            return Err(unknown(name));
        };
        let name = rules.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name, rules })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// For showing instants as people there would write them.
    pub(super) fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// The span that holds the instant `at`, in seconds since 1970.
    pub(super) fn span_at(&self, at: i64) -> Span {
        let Ok(instant) = jiff::Timestamp::from_second(at) else {
            return Span {
                start: -FAR,
                end: FAR,
                offset: 0,
                before: 0,
            };
        };
        let offset = i64::from(self.rules.to_offset(instant).seconds());
        let end = self
            .rules
            .following(instant)
            .next()
            .map_or(FAR, |next| next.timestamp().as_second());
        // `preceding` leaves out a change at the very instant it is asked about.
        let after = jiff::Timestamp::from_second(at + 1).unwrap_or(jiff::Timestamp::MAX);
        let start = self
            .rules
            .preceding(after)
            .next()
            .map_or(-FAR, |last| last.timestamp().as_second());
        let before = jiff::Timestamp::from_second(start - 1).map_or(offset, |instant| {
            i64::from(self.rules.to_offset(instant).seconds())
        });
        Span {
            start,
            end,
            offset,
            before,
        }
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A longer name is cut before it is compared, so that nobody's input costs more than a few milliseconds.
const LONGEST_NAME: usize = 60;

fn unknown(name: &str) -> Error {
    let shown: String = name.chars().take(LONGEST_NAME).collect();
    let wanted = shown.to_lowercase().replace(' ', "_");
    let mut near: Vec<(usize, String)> = db()
        .available()
        .map(|known| {
            (
                unlikeness(&wanted, &known.as_str().to_lowercase()),
                known.to_string(),
            )
        })
        .collect();
    near.sort();
    let near: Vec<_> = near.into_iter().take(3).map(|(_, name)| name).collect();
    let hint = if near.is_empty() {
        "this machine has no time zone database: install tzdata".to_owned()
    } else {
        format!("near it are {}", near.join(", "))
    };
    Error::invalid(format!(
        "expected the name of an IANA time zone, as Europe/Berlin or UTC, got {shown:?}: {hint}"
    ))
}

/// How far two names are apart: the letters to change, or fewer if `wanted` is close to the part after a `/` ("berlin").
fn unlikeness(wanted: &str, known: &str) -> usize {
    let city = known.rsplit('/').next().unwrap_or(known);
    let whole = 2 * distance(wanted, known);
    whole.min(2 * distance(wanted, city) + 1)
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_found_whatever_the_case_and_kept_by_its_right_name() {
        let zone = Zone::named("europe/berlin").expect("known");
        assert_eq!(zone.name(), "Europe/Berlin");
        assert_eq!(Zone::named("utc").expect("known").name(), "UTC");
    }

    #[test]
    fn an_unknown_zone_is_refused_with_the_nearest_names() {
        for (wrong, right) in [
            ("Europe/Berln", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("america/new york", "America/New_York"),
            ("Asia/Calcuta", "Asia/Calcutta"),
        ] {
            let error = Zone::named(wrong).expect_err("unknown");
            assert!(error.is_invalid());
            assert!(error.to_string().contains(right), "{error}");
        }
        for odd in [
            "",
            "../../etc/passwd",
            "+02:00",
            "\0",
            "Etc/Unknown",
            &"x".repeat(1 << 20),
        ] {
            let error = Zone::named(odd).expect_err("unknown");
            assert!(error.to_string().len() < 500, "{error}");
        }
    }

    #[test]
    fn a_span_ends_where_the_clock_is_changed() {
        let zone = Zone::named("Europe/Berlin").expect("known");
        // 2026-03-29T01:00:00Z, when 02:00 became 03:00.
        let change = 1_774_746_000;
        let winter = zone.span_at(change - 1);
        let summer = zone.span_at(change);
        assert_eq!((winter.end, winter.offset), (change, 3600));
        assert_eq!(
            (summer.start, summer.offset, summer.before),
            (change, 7200, 3600)
        );
        assert_eq!(summer.gap(), (change + 3600, change + 7200));
        assert_eq!(summer.fresh_from(), change + 7200);
        let again = zone.span_at(summer.end);
        assert_eq!(again.gap().0, again.gap().1);
        assert_eq!(again.fresh_from(), again.start + 7200);
    }

    /// What [`Span::fresh_from`] stands on.
    #[test]
    fn no_zone_changes_its_clock_twice_within_three_days() {
        let until = jiff::Timestamp::from_second(4_200_000_000).expect("the year 2103");
        let mut changes = 0;
        for name in db().available() {
            let zone = TimeZone::get(name.as_str()).expect("listed");
            let mut last = i64::MIN / 2;
            for change in zone.following(jiff::Timestamp::UNIX_EPOCH) {
                if change.timestamp() > until {
                    break;
                }
                let at = change.timestamp().as_second();
                assert!(at - last > 3 * 86_400, "{name} at {}", change.timestamp());
                last = at;
                changes += 1;
            }
        }
        assert!(changes > 30_000, "only {changes} changes seen");
    }
}
