//! What one run of an entry does to it. Pure: bytes and times in, bytes and times out.

use serde_json::{Value, json};

use crate::store::redis::pickle;
use crate::store::redis::serializer::{Serializer, python_json};

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

/// Decides a run at `now`, in seconds.
///
/// # Errors
/// If the entry says something that we do not read; then it must be left as it is.
pub(super) fn plan(entry: &Entry, now: f64) -> Result<Run, String> {
    let recurrence = Recurrence::read(&entry.meta)?;
    let left = match (recurrence.left, entry.ours) {
        // At the time that we set, only a stale save can count higher than we did. A new time is the user's own doing.
        (
            Some(read),
            Some(Ours {
                due,
                left: Some(ours),
            }),
        ) if due == entry.due => Some(read.min(ours) - 1),
        (read, _) => read.map(|read| read - 1),
    };
    let next = match recurrence.interval {
        Some(every) if left != Some(0) => Some(next_on_grid(entry.due, every, now)),
        _ => None,
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

#[derive(Debug, Default, PartialEq)]
struct Recurrence {
    interval: Option<f64>,
    left: Option<i64>,
}

impl Recurrence {
    fn read(meta: &[u8]) -> Result<Self, String> {
        let [interval, left, cron] = fields(meta)?;
        let interval = match interval {
            Value::Null => None,
            value => match value.as_f64() {
                Some(0.0) => None,
                Some(seconds) if seconds > 0.0 => Some(seconds.floor().max(1.0)),
                _ => return Err(format!("expected an interval in seconds, got {value}")),
            },
        };
        if interval.is_none() && !matches!(&cron, Value::Null) && cron != json!("") {
            return Err(format!(
                "its recurrence is the cron line {cron}, which is not read yet"
            ));
        }
        let left = match left {
            Value::Null => None,
            value => Some(
                value
                    .as_i64()
                    .ok_or_else(|| format!("expected a whole number of runs, got {value}"))?,
            ),
        };
        Ok(Self { interval, left })
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
        let run = plan(&once, 1000.5).expect("plain");
        assert_eq!((run.next, run.meta.len(), run.left), (None, 0, None));
        let with_notes = entry(&json!({"user": "ann"}));
        let run = plan(&with_notes, 1000.5).expect("plain");
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
            assert_eq!(plan(&hourly, now).expect("plain").next, Some(next), "{now}");
        }
    }

    #[test]
    fn repeat_counts_down_and_ends() {
        let mut entry = entry(&json!({"interval": 60, "repeat": 2, "user": "ann"}));
        let first = plan(&entry, 1000.0).expect("plain");
        assert_eq!((first.next, first.left), (Some(1060.0), Some(1)));
        assert_eq!(
            read(&first.meta),
            json!({"interval": 60, "repeat": 1, "user": "ann"})
        );
        entry.meta = first.meta;
        entry.due = 1060.0;
        let last = plan(&entry, 1060.0).expect("plain");
        assert_eq!((last.next, last.left), (None, Some(0)));
    }

    #[test]
    fn a_stale_save_does_not_give_runs_back_but_a_new_schedule_does() {
        let mut entry = entry(&json!({"interval": 60, "repeat": 10}));
        entry.ours = Some(Ours {
            due: 1000.0,
            left: Some(3),
        });
        assert_eq!(plan(&entry, 1000.0).expect("plain").left, Some(2));
        entry.due = 1007.0;
        assert_eq!(plan(&entry, 1007.0).expect("plain").left, Some(9));
    }

    #[test]
    fn json_notes_stay_json() {
        let mut entry = entry(&json!({}));
        entry.meta = b"{\"interval\": 5, \"repeat\": 3}".to_vec();
        let run = plan(&entry, 1000.0).expect("plain");
        assert_eq!(run.meta, b"{\"interval\": 5, \"repeat\": 2}");
    }

    #[test]
    fn what_is_not_read_is_said_and_left_alone() {
        for (meta, part) in [
            (json!({"cron_string": "*/5 * * * *"}), "cron line"),
            (json!({"interval": "soon"}), "interval in seconds"),
            (
                json!({"interval": 5, "repeat": 1.5}),
                "whole number of runs",
            ),
        ] {
            let error = plan(&entry(&meta), 1000.0).expect_err("not read");
            assert!(error.contains(part), "{error}");
        }
        let mut nonsense = entry(&json!({}));
        nonsense.meta = b"\xff\xff".to_vec();
        assert!(
            plan(&nonsense, 0.0)
                .expect_err("no pickle")
                .contains("its meta is")
        );
        // An interval wins over a cron line, as in rq-scheduler.
        assert!(plan(&entry(&json!({"interval": 5, "cron_string": "x"})), 0.0).is_ok());
    }
}
