//! What became of a job, execution by execution, as far as anybody still knows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::event::Event;
use crate::job::{Job, Status, Token};

/// One execution of a job: see [`JobHandle::history`](crate::JobHandle::history).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which execution; `None` if a Python worker ran it.
    pub token: Option<Token>,
    /// When it began; `None` if only its end is known.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` while it runs, or if nobody wrote it down.
    pub ended_at: Option<Timestamp>,
    /// `running`, or how it ended: `finished`, `repeating`, `failed`, `retrying`, `snoozed`, `stopped`, `returned` or `lost`, as events have it.
    pub outcome: String,
    /// Who ran it.
    pub worker: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How many of a job's earlier executions a store keeps at least.
pub const KEPT_ATTEMPTS: usize = 10;
/// How many bytes of the error of an earlier one are kept.
const KEPT_ERROR: usize = 1000;

/// The line of an error that says what went wrong: the first, but of a traceback of Python's the last.
pub(crate) fn headline(error: &str) -> &str {
    let mut lines = error.trim().lines();
    let first = lines.next().unwrap_or_default();
    match first.starts_with("Traceback (most recent call last)") {
        true => lines.last().unwrap_or(first),
        false => first,
    }
}

impl Attempt {
    /// The line of its error that says what went wrong.
    #[must_use]
    pub fn headline(&self) -> Option<&str> {
        self.error.as_deref().map(headline)
    }

    /// The execution of `job` that has just ended so, or ended last.
    #[must_use]
    pub(crate) fn of(job: &Job, outcome: &str, error: Option<&str>, now: Timestamp) -> Self {
        Self {
            token: job.token,
            started_at: job.started_at,
            ended_at: job.ended_at.or(Some(now)),
            outcome: outcome.to_owned(),
            worker: job.worker.clone(),
            error: error.map(Self::brief),
        }
    }

    /// As much of an error as is kept of an earlier execution.
    pub(crate) fn brief(error: &str) -> String {
        let mut length = error.len().min(KEPT_ERROR);
        while !error.is_char_boundary(length) {
            length -= 1;
        }
        error[..length].to_owned()
    }

    /// Adds it to those that a store keeps, oldest first; drops the oldest above the limit.
    pub(crate) fn keep(self, kept: &mut Vec<Self>) {
        kept.push(self);
        let surplus = kept.len().saturating_sub(KEPT_ATTEMPTS);
        kept.drain(..surplus);
    }

    fn at(&self) -> Option<Timestamp> {
        self.started_at.or(self.ended_at)
    }
}

/// How far two notes of the same instant may lie apart: RQ's are in microseconds, ours in milliseconds.
const SAME_MS: u64 = 1;

fn is_same(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    let apart = |one: Timestamp, other| one.as_millis().abs_diff(other);
    one.zip(other)
        .is_some_and(|(one, other)| apart(one, other.as_millis()) <= SAME_MS)
}

/// Whether these can be one execution, as far as tokens say.
fn may_be_same(one: Option<Token>, other: Option<Token>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

/// The executions of `job`, oldest first: those that its subject's events tell of, those that `kept` lists beside it, and the last one, which the
/// job itself tells of.
pub(crate) fn history(job: &Job, events: &[Event], kept: Vec<Attempt>) -> Vec<Attempt> {
    let mut attempts = told(job, events);
    let known = |one: &Attempt| {
        let mut told = attempts.iter();
        told.any(|known| {
            may_be_same(known.token, one.token) && is_same(known.ended_at, one.ended_at)
        })
    };
    let untold: Vec<_> = kept.into_iter().filter(|one| !known(one)).collect();
    attempts.extend(untold);
    attempts.sort_by_key(Attempt::at);
    if let Some(last) = last_of(job) {
        let mut newest_first = attempts.iter_mut().rev().enumerate();
        let known = newest_first.find(|(age, known)| {
            // Of the newest one, which has ended, the job may be all that knows its beginning.
            let is_its_end = *age == 0 && known.started_at.is_none() && last.ended_at.is_none();
            may_be_same(known.token, last.token)
                && (is_same(known.started_at, last.started_at)
                    || is_same(known.ended_at, last.ended_at)
                    || (is_its_end && known.ended_at >= last.started_at))
        });
        match known.map(|(_, known)| known) {
            Some(known) => {
                known.started_at = known.started_at.or(last.started_at);
                // The job knows better than RQ's results, which don't tell stopped from failed.
                if job.status.ends_execution() {
                    known.outcome = last.outcome;
                    let failed = job.status == Status::Failed;
                    known.error = last.error.or(known.error.take().filter(|_| failed));
                }
                known.worker.get_or_insert(last.worker.unwrap_or_default());
            }
            None => attempts.push(last),
        }
    }
    attempts.sort_by_key(Attempt::at);
    attempts
}

fn told(job: &Job, events: &[Event]) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = Vec::new();
    for event in events
        .iter()
        .filter(|event| event.job.as_ref() == Some(&job.id))
    {
        let text = |name| event.data.get(name)?.as_str().map(str::to_owned);
        match event.kind.strip_prefix("job.") {
            Some("started") => attempts.push(Attempt {
                token: event.data.get("token").and_then(Value::as_u64).map(Token),
                started_at: Some(event.at),
                ended_at: None,
                outcome: "running".to_owned(),
                worker: text("worker"),
                error: None,
            }),
            Some(
                outcome @ ("finished" | "repeating" | "failed" | "retrying" | "snoozed" | "stopped"
                | "returned" | "lost"),
            ) => {
                // Its beginning may be among the events that are not kept any more.
                let open = attempts.pop_if(|one| one.ended_at.is_none());
                attempts.push(Attempt {
                    token: open.as_ref().and_then(|one| one.token),
                    started_at: open.as_ref().and_then(|one| one.started_at),
                    ended_at: Some(event.at),
                    outcome: outcome.to_owned(),
                    worker: text("worker").or_else(|| open?.worker),
                    error: text("error"),
                });
            }
            _ => {}
        }
    }
    attempts
}

fn last_of(job: &Job) -> Option<Attempt> {
    let started_at = Some(job.started_at?);
    let outcome = match job.status {
        Status::Started => "running",
        Status::Finished => "finished",
        Status::Failed => "failed",
        Status::Stopped => "stopped",
        _ if job.failures > 0 => "retrying",
        _ if job.lost > 0 => "lost",
        _ => "returned",
    };
    Some(Attempt {
        token: job.token,
        started_at,
        ended_at: job.ended_at,
        outcome: outcome.to_owned(),
        worker: job.worker.clone(),
        error: (job.error.clone()).filter(|_| matches!(outcome, "failed" | "retrying")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::job::{JobSpec, NewJob, QueueName};
    use serde_json::json;

    #[test]
    fn an_errors_headline_is_what_went_wrong() {
        for (error, line) in [
            ("no milk", "no milk"),
            ("cannot bake\ncaused by: no milk", "cannot bake"),
            (
                "Traceback (most recent call last):\n  File \"a.py\", line 3, in boom\nValueError: no milk\n",
                "ValueError: no milk",
            ),
            (
                "Traceback (most recent call last):",
                "Traceback (most recent call last):",
            ),
            ("", ""),
        ] {
            assert_eq!(headline(error), line, "{error:?}");
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn job(status: Status, started: Option<i64>, ended: Option<i64>) -> Job {
        let new = NewJob::named("greet", &[], &serde_json::Map::new()).and_then(|job| {
            job.job_id("a")
                .subject("pet")
                .into_spec(&QueueName::default(), None)
        });
        let JobSpec { id, template, .. } = new.expect("a job");
        Job {
            id,
            status,
            template,
            slot: None,
            depends_on: crate::job::Dependencies::default(),
            created_at: at(0),
            due_at: None,
            enqueued_at: None,
            started_at: started.map(at),
            ended_at: ended.map(at),
            expires_at: None,
            token: None,
            worker: Some("w".to_owned()),
            lease_until: None,
            failures: 0,
            lost: 0,
            stop_requested: false,
            result: None,
            error: None,
        }
    }

    fn event(ms: i64, kind: &str, data: serde_json::Value) -> Event {
        Event {
            id: EventId(u64::try_from(ms).expect("after 1970")),
            at: at(ms),
            subject: "pet".to_owned(),
            job: Some(job(Status::Queued, None, None).id),
            kind: kind.to_owned(),
            data,
        }
    }

    fn brief(attempts: &[Attempt]) -> Vec<(Option<i64>, Option<i64>, &str)> {
        let ms = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
        let brief = attempts
            .iter()
            .map(|one| (ms(one.started_at), ms(one.ended_at), one.outcome.as_str()));
        brief.collect()
    }

    #[test]
    fn each_execution_comes_once_whoever_tells_of_it() {
        let events = [
            event(1, "job.queued", json!({})),
            event(10, "job.started", json!({ "worker": "w1" })),
            event(20, "job.retrying", json!({ "error": "no milk" })),
            event(30, "job.started", json!({ "worker": "w2" })),
            event(40, "job.finished", json!({ "worker": "w2" })),
        ];
        let kept = |ended| Attempt {
            token: None,
            started_at: None,
            ended_at: Some(at(ended)),
            outcome: "finished".to_owned(),
            worker: None,
            error: None,
        };
        // Python ran it in between; its clock has microseconds.
        let all = history(
            &job(Status::Finished, Some(30), Some(40)),
            &events,
            vec![kept(41), kept(25)],
        );
        assert_eq!(
            brief(&all),
            [
                (Some(10), Some(20), "retrying"),
                (None, Some(25), "finished"),
                (Some(30), Some(40), "finished")
            ]
        );
        assert_eq!(all[0].error.as_deref(), Some("no milk"));
        assert_eq!(all[2].worker.as_deref(), Some("w2"));
    }

    #[test]
    fn without_events_the_job_tells_of_its_last_one() {
        let none = history(&job(Status::Queued, None, None), &[], Vec::new());
        assert_eq!(none, []);
        let running = history(&job(Status::Started, Some(5), None), &[], Vec::new());
        assert_eq!(brief(&running), [(Some(5), None, "running")]);
        let kept = Attempt {
            token: None,
            started_at: None,
            ended_at: Some(at(9)),
            outcome: "finished".to_owned(),
            worker: None,
            error: None,
        };
        let ended = history(&job(Status::Finished, Some(5), Some(9)), &[], vec![kept]);
        assert_eq!(brief(&ended), [(Some(5), Some(9), "finished")]);
    }

    #[test]
    fn an_end_whose_beginning_no_event_tells_is_that_of_the_jobs_last_run() {
        let events = [event(20, "job.lost", json!({ "worker": "w1", "lost": 1 }))];
        let all = history(&job(Status::Queued, Some(7), None), &events, Vec::new());
        assert_eq!(brief(&all), [(Some(7), Some(20), "lost")]);
    }
}
