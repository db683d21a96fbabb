//! How answers look: tables for people, JSON for programs.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use lullaby::{Job, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    pub(crate) json: bool,
    pub(crate) colour: Colour,
}

/// Whether colours may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Always,
    Never,
}

impl Colour {
    /// Only for a person at a terminal who does not mind: <https://no-color.org>.
    pub(crate) fn on(stream: &impl IsTerminal) -> Self {
        let said = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let plain = said("NO_COLOR").is_some() || said("TERM").is_some_and(|term| term == "dumb");
        if stream.is_terminal() && !plain {
            Self::Always
        } else {
            Self::Never
        }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Always => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Never => text.to_owned(),
        }
    }
}

impl Out {
    /// Prints `value` as JSON, or what `text` says.
    ///
    /// A reader that went away (`lullaby jobs | head`) is no error.
    pub(crate) fn show(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let answer = if self.json {
            serde_json::to_string_pretty(value)?
        } else {
            text()
        };
        match writeln!(io::stdout(), "{}", answer.trim_end()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Prints what became of each id, and whether it is what was asked for; JSON says that under `asked`. True if all of it was done.
    pub(crate) fn show_each(
        self,
        asked: &str,
        answers: &[(impl Display, impl Display, bool)],
    ) -> anyhow::Result<bool> {
        let value: Vec<_> = answers
            .iter()
            .map(|(id, what, done)| json!({ "id": id.to_string(), asked: done, "message": what.to_string() }))
            .collect();
        self.show(&value, || {
            answers
                .iter()
                .map(|(id, what, _)| format!("{id}  {what}\n"))
                .collect()
        })?;
        Ok(answers.iter().all(|(_, _, done)| *done))
    }
}

/// Columns as wide as their widest cell; the last one is left as it is.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// `in 12m 43s`, `3h 5m ago`, `now`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let (ahead, behind) = (at.since(now), now.since(at));
    if ahead.as_millis() > 0 {
        format!("in {}", span(ahead))
    } else if behind.as_secs() > 0 {
        format!("{} ago", span(behind))
    } else {
        "now".to_owned()
    }
}

/// The two largest units of a duration; under ten seconds with milliseconds.
pub(crate) fn span(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 10 {
        return format!("{}.{:03}s", seconds, duration.subsec_millis());
    }
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let parts: Vec<String> = units
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    parts.join(" ")
}

/// A job as programs read it: times in RFC 3339, durations in seconds, the call decoded.
pub(crate) fn job_json(job: &Job) -> Value {
    let (args, kwargs) = job.template.payload.parts().unwrap_or_default();
    let options = &job.template.options;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let seconds = |duration: Option<std::time::Duration>| duration.map(|d| d.as_secs_f64());
    let result: Option<Value> = job
        .result
        .as_deref()
        .and_then(|json| serde_json::from_str(json).ok());
    json!({
        "id": job.id,
        "status": job.status,
        "queue": job.template.queue,
        "task": job.template.task,
        "args": args,
        "kwargs": kwargs,
        "description": job.description(),
        "meta": job.template.meta,
        "subject": job.template.subject,
        "slot": job.slot.as_ref().map(|slot| json!({
            "schedule": slot.schedule,
            "at": slot.at.to_string(),
            "number": slot.number,
            "stands_for": slot.stands_for,
        })),
        "created_at": job.created_at.to_string(),
        "due_at": time(job.due_at),
        "enqueued_at": time(job.enqueued_at),
        "started_at": time(job.started_at),
        "ended_at": time(job.ended_at),
        "expires_at": time(job.expires_at),
        "lease_until": time(job.lease_until),
        "worker": job.worker,
        "token": job.token,
        "failures": job.failures,
        "lost": job.lost,
        "retries": options.retry.as_ref().map(|retry| retry.max),
        "timeout": seconds(options.timeout),
        "ttl": seconds(options.ttl),
        "result_ttl": seconds(options.result_ttl),
        "failure_ttl": seconds(options.failure_ttl),
        "webhooks": options.webhooks,
        "stop_requested": job.stop_requested,
        "result": result,
        "error": job.error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn durations_read_as_people_say_them() {
        for (ms, text) in [
            (0, "0.000s"),
            (1_250, "1.250s"),
            (59_000, "59s"),
            (763_000, "12m 43s"),
            (3_600_000, "1h"),
            (90_061_000, "1d 1h"),
        ] {
            assert_eq!(span(Duration::from_millis(ms)), text);
        }
        let at = Timestamp::from_millis;
        assert_eq!(relative(at(20_000), at(5_000)), "in 15s");
        assert_eq!(relative(at(5_000), at(20_000)), "15s ago");
        assert_eq!(relative(at(5_000), at(5_000)), "now");
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["default".into(), "3".into()],
            vec!["q".into(), "12".into()],
        ];
        assert_eq!(
            table(&["queue", "n"], &rows),
            "queue    n\ndefault  3\nq        12\n"
        );
    }
}
