//! What one run of an entry does to it. Pure: bytes and times in, bytes and times out.

use std::fmt;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::python_json::python_json;
use crate::schedule::{Crontab, Zone};
use crate::store::redis::pickle;
use crate::store::redis::serializer::Serializer;

/// An entry of rq-scheduler as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// When it is due, in seconds.
    pub(super) due: f64,
    /// The job's `meta` as it stands, empty for none.
    pub(super) meta: Vec<u8>,
    /// What we wrote when it last ran.
    pub(super) ours: Option<Ours>,
}

/// What we wrote when an entry last ran. A Python worker that read the job before and saves it after would undo our count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ours {
    pub(super) due: f64,
    pub(super) left: Option<i64>,
}

/// What to write when an entry runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// When it is due next, in seconds; `None` if this is its last run.
    pub(super) next: Option<f64>,
    /// The job's `meta` afterwards.
    pub(super) meta: Vec<u8>,
    /// How many runs are left; `None` for no end.
    pub(super) left: Option<i64>,
}

/// Why an entry is left as it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Unread {
    /// Its cron line, which `rqscheduler` may read.
    Line(String),
    /// What nobody reads.
    Other(String),
}

impl Unread {
    pub(super) fn is_line(&self) -> bool {
        matches!(self, Self::Line(_))
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(reason) | Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

/// Decides a run at `now`, in seconds. Cron lines follow the clock of `zone`.
///
/// # Errors
/// If the entry says something that we do not read; then it must be left as it is.
pub(super) fn plan(entry: &Entry, now: f64, zone: &Zone) -> Result<Run, Unread> {
    let recurrence = Recurrence::read(&entry.meta, zone)?;
    // None is left of none: as rq-scheduler does, this one still runs, and is the last.
    let counted = |read: i64| if read == 0 { 0 } else { read - 1 };
    let left = match (recurrence.left, entry.ours) {
        // At the time that we set, only a stale save can count higher than we did. A new time is the user's own doing.
        (
            Some(read),
            Some(Ours {
                due,
                left: Some(ours),
            }),
        ) if due == entry.due => Some(counted(read.min(ours))),
        (read, _) => read.map(counted),
    };
    let next = match &recurrence.rule {
        _ if left == Some(0) => None,
        Rule::Once => None,
        Rule::Every(seconds) => Some(next_on_grid(entry.due, *seconds, now)),
        Rule::Cron { line, .. } => {
            let now = Timestamp::from_millis((now * 1000.0) as i64);
            let next = line.next_after(now);
            next.map(|next| next.as_millis() as f64 / 1000.0)
        }
    };
    let meta = match left {
        Some(left) => with_count(&entry.meta, left)?,
        None => entry.meta.clone(),
    };
    Ok(Run { next, meta, left })
}

/// The first of due + k × every (k ≥ 1) after now. Runs that were missed are made up for by the one that happens now, as
/// rq-scheduler does; but the grid stays where the user put it.
fn next_on_grid(due: f64, every: f64, now: f64) -> f64 {
    let passed = ((now - due) / every).floor().max(0.0);
    due + (passed + 1.0) * every
}

/// How an entry recurs, as its meta says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recurrence {
    rule: Rule,
    left: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    Once,
    Every(f64),
    Cron { text: String, line: Box<Crontab> },
}

impl Recurrence {
    /// # Errors
    /// If it says something that we do not read.
    pub(super) fn read(meta: &[u8], zone: &Zone) -> Result<Self, Unread> {
        let [interval, left, cron] = fields(meta)?;
        let interval = match interval {
            Value::Null => None,
            value => match value.as_f64() {
                Some(0.0) => None,
                Some(seconds) if seconds > 0.0 => Some(seconds.floor().max(1.0)),
                _ => return Err(format!("expected an interval in seconds, got {value}").into()),
            },
        };
        let rule = match (interval, cron) {
            // An interval wins over a cron line, as in rq-scheduler.
            (Some(seconds), _) => Rule::Every(seconds),
            (None, Value::Null) => Rule::Once,
            (None, Value::String(text)) if text.is_empty() => Rule::Once,
            (None, Value::String(text)) => {
                let line = Crontab::new(&text, zone.clone());
                let line = Box::new(line.map_err(|error| Unread::Line(error.to_string()))?);
                Rule::Cron { text, line }
            }
            (None, other) => {
                return Err(Unread::Line(format!("expected a cron line, got {other}")));
            }
        };
        let left = match left {
            Value::Null => None,
            value => Some(
                value
                    .as_i64()
                    .ok_or_else(|| format!("expected a whole number of runs, got {value}"))?,
            ),
        };
        Ok(Self { rule, left })
    }

    pub(super) fn left(&self) -> Option<i64> {
        self.left
    }
}

impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::Once => f.write_str("once"),
            Rule::Every(seconds) => write!(f, "every {seconds}s"),
            Rule::Cron { text, .. } => f.write_str(text),
        }
    }
}

/// `interval`, `repeat` and `cron_string` of a meta that may hold objects beside them.
fn fields(meta: &[u8]) -> Result<[Value; 3], String> {
    const NAMES: [&str; 3] = ["interval", "repeat", "cron_string"];
    if meta.is_empty() {
        return Ok([Value::Null, Value::Null, Value::Null]);
    }
    if Serializer::sniff(meta) == Serializer::Json {
        let value = Serializer::decode(meta)?;
        return Ok(NAMES.map(|name| value.get(name).cloned().unwrap_or_default()));
    }
    let document = pickle::read(meta).map_err(|error| format!("its meta is {error}"))?;
    let mut values = [Value::Null, Value::Null, Value::Null];
    for (value, name) in values.iter_mut().zip(NAMES) {
        if let Some(entry) = document.entry(document.root(), name) {
            *value = document
                .to_json(entry)
                .map_err(|what| format!("its {name} is {what}"))?;
        }
    }
    Ok(values)
}

/// The same meta with `repeat` counted down, by the serializer that wrote it.
fn with_count(meta: &[u8], left: i64) -> Result<Vec<u8>, String> {
    if Serializer::sniff(meta) == Serializer::Json {
        let mut value = Serializer::decode(meta)?;
        value["repeat"] = json!(left);
        return Ok(python_json(&value));
    }
    pickle::replace_int(meta, "repeat", left).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(meta: &Value) -> Entry {
        Entry {
            due: 1000.0,
            meta: Serializer::Pickle.encode(meta),
            ours: None,
        }
    }

    fn decide(entry: &Entry, now: f64) -> Result<Run, Unread> {
        plan(entry, now, &Zone::named("Europe/Berlin").expect("a zone"))
    }

    fn read(meta: &[u8]) -> Value {
        Serializer::decode(meta).expect("plain")
    }

    #[test]
    fn an_entry_without_recurrence_runs_once() {
        let once = Entry {
            due: 1000.0,
            meta: Vec::new(),
            ours: None,
        };
        let run = decide(&once, 1000.5).expect("plain");
        assert_eq!((run.next, run.meta.len(), run.left), (None, 0, None));
        let with_notes = entry(&json!({"user": "ann"}));
        let run = decide(&with_notes, 1000.5).expect("plain");
        assert_eq!(run.next, None);
        assert_eq!(run.meta, with_notes.meta);
    }

    #[test]
    fn an_interval_keeps_its_grid_and_makes_up_once() {
        let hourly = entry(&json!({"interval": 60}));
        for (now, next) in [
            (1000.0, 1060.0),
            (1059.9, 1060.0),
            (1060.0, 1120.0),
            (5000.0, 5020.0),
        ] {
            assert_eq!(
                decide(&hourly, now).expect("plain").next,
                Some(next),
                "{now}"
            );
        }
    }

    #[test]
    fn repeat_counts_down_and_ends() {
        let mut entry = entry(&json!({"interval": 60, "repeat": 2, "user": "ann"}));
        let first = decide(&entry, 1000.0).expect("plain");
        assert_eq!((first.next, first.left), (Some(1060.0), Some(1)));
        assert_eq!(
            read(&first.meta),
            json!({"interval": 60, "repeat": 1, "user": "ann"})
        );
        entry.meta = first.meta;
        entry.due = 1060.0;
        let last = decide(&entry, 1060.0).expect("plain");
        assert_eq!((last.next, last.left), (None, Some(0)));
    }

    #[test]
    fn a_stale_save_does_not_give_runs_back_but_a_new_schedule_does() {
        let mut entry = entry(&json!({"interval": 60, "repeat": 10}));
        entry.ours = Some(Ours {
            due: 1000.0,
            left: Some(3),
        });
        assert_eq!(decide(&entry, 1000.0).expect("plain").left, Some(2));
        entry.due = 1007.0;
        assert_eq!(decide(&entry, 1007.0).expect("plain").left, Some(9));
    }

    #[test]
    fn json_notes_stay_json() {
        let mut entry = entry(&json!({}));
        entry.meta = b"{\"interval\": 5, \"repeat\": 3}".to_vec();
        let run = decide(&entry, 1000.0).expect("plain");
        assert_eq!(run.meta, b"{\"interval\": 5, \"repeat\": 2}");
    }

    #[test]
    fn a_count_of_none_still_runs_once_as_in_rq_scheduler() {
        let run = decide(&entry(&json!({"interval": 60, "repeat": 0})), 1000.0).expect("plain");
        assert_eq!((run.next, run.left), (None, Some(0)));
    }

    #[test]
    fn a_cron_line_goes_on_from_now_by_the_clock_of_the_zone_and_counts_down() {
        // 1970-01-01 01:16:40 in Berlin.
        let meta = json!({"cron_string": "30 1 * * *", "use_local_timezone": false, "repeat": 2});
        let mut entry = entry(&meta);
        let first = decide(&entry, 1000.0).expect("a line");
        assert_eq!((first.next, first.left), (Some(1800.0), Some(1)));
        entry.meta = first.meta;
        // Days later: what was missed is made up for once.
        let last = decide(&entry, 300_000.0).expect("a line");
        assert_eq!((last.next, last.left), (None, Some(0)));
    }

    #[test]
    fn what_is_not_read_is_said_and_left_alone_and_a_line_is_left_for_python() {
        for (meta, part, line) in [
            (json!({"cron_string": "* * * *"}), "got 4", true),
            (json!({"cron_string": 5}), "expected a cron line", true),
            (json!({"interval": "soon"}), "interval in seconds", false),
            (json!({"repeat": 1.5}), "whole number of runs", false),
        ] {
            let unread = decide(&entry(&meta), 1000.0).expect_err("not read");
            assert!(unread.to_string().contains(part), "{unread}");
            assert_eq!(unread.is_line(), line, "{unread}");
        }
        let mut nonsense = entry(&json!({}));
        nonsense.meta = b"\xff\xff".to_vec();
        let unread = decide(&nonsense, 0.0).expect_err("no pickle");
        assert!(unread.to_string().contains("its meta is"), "{unread}");
        // An interval wins over a cron line, as in rq-scheduler.
        assert!(decide(&entry(&json!({"interval": 5, "cron_string": "x"})), 0.0).is_ok());
    }
}
