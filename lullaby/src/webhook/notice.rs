//! What the receivers of a job's webhooks are told, and after which ends.
//!
//! | a run of the job | RQ 2.12.0 | RQ 3.0.0 | ours |
//! |---|---|---|---|
//! | finished; also each of a repeat's | sends (`Worker.perform_job`) | sends (`_finalize_success`) | sends |
//! | failed, no retry left | sends, with the traceback (`handle_job_failure`) | the same | sends, with the error |
//! | failed, to be tried again | nothing (`if not retry and not job_is_stopped`) | the same | nothing |
//! | stopped by `stop-job` | nothing (the same line) | the same | nothing |
//! | abandoned by its worker, no try left | nothing (`StartedJobRegistry.cleanup`) | sends, with what the cleanup says | as RQ 3: whoever fails it sends, with the error |
//! | canceled before it ran | nothing | nothing | nothing |

use serde::Serialize;

use super::Webhook;
use crate::clock::Timestamp;
use crate::job::{Execution, Job, Status};
use crate::python_json::python_json;
use crate::store::Ending;

/// What a worker keeps of a job that has webhooks, from its claim until they are sent.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(super) execution: Execution,
    task: String,
    enqueued_at: Option<Timestamp>,
    webhooks: Vec<Webhook>,
}

/// How a run of it ended, if its receivers are to hear of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Finished,
    Failed { error: String },
}

impl End {
    /// `None` after an ending that nobody is told of.
    pub(super) fn of(ending: &Ending) -> Option<Self> {
        match ending {
            Ending::Finished { .. } => Some(Self::Finished),
            Ending::Failed { error } | Ending::CannotHonour { error } => Some(Self::Failed {
                error: error.clone(),
            }),
            Ending::Retry { .. }
            | Ending::Snoozed { .. }
            | Ending::HandedBack
            | Ending::Stopped => None,
        }
    }

    fn status(&self) -> Status {
        match self {
            Self::Finished => Status::Finished,
            Self::Failed { .. } => Status::Failed,
        }
    }
}

impl Notice {
    /// `None` of a job without webhooks, as most are.
    pub(super) fn of(job: &Job) -> Option<Self> {
        let webhooks = &job.template.options.webhooks;
        if webhooks.is_empty() {
            return None;
        }
        Some(Self {
            execution: job.execution()?,
            task: job.template.task.clone(),
            enqueued_at: job.enqueued_at,
            webhooks: webhooks.clone(),
        })
    }

    /// The webhooks for this end, in their order.
    pub(super) fn webhooks(&self, end: &End) -> impl Iterator<Item = &Webhook> {
        let status = end.status();
        let all = self.webhooks.iter();
        all.filter(move |webhook| webhook.job_status == status)
    }

    /// The body of a request by POST, byte for byte as RQ's `Webhook.get_payload` and `json.dumps` make it.
    pub(super) fn body(&self, end: &End, ended_at: Timestamp) -> String {
        let exc_info = match end {
            End::Finished => None,
            End::Failed { error } => Some(error.as_str()),
        };
        let body = Body {
            job_id: self.execution.job.as_str(),
            func_name: &self.task,
            status: end.status(),
            enqueued_at: self.enqueued_at.map(isoformat),
            ended_at: isoformat(ended_at),
            exc_info,
        };
        String::from_utf8(python_json(&body)).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    job_id: &'a str,
    func_name: &'a str,
    status: Status,
    enqueued_at: Option<String>,
    ended_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exc_info: Option<&'a str>,
}

/// As Python's `datetime.isoformat` writes an instant in UTC: six digits of a second, or none if it is a whole one.
fn isoformat(at: Timestamp) -> String {
    let form = match at.as_millis() % 1000 {
        0 => "%Y-%m-%dT%H:%M:%S+00:00",
        _ => "%Y-%m-%dT%H:%M:%S.%6f+00:00",
    };
    at.to_jiff().strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobId, Token};
    use crate::webhook::Method;

    fn notice() -> Notice {
        let hook = |method, url: &str, status| Webhook::new(method, url, status).expect("fine");
        Notice {
            execution: Execution {
                job: JobId::new("bread").expect("an id"),
                token: Token(7),
            },
            task: "bakery.bake".to_owned(),
            enqueued_at: Some(Timestamp::from_millis(1_796_083_200_000)),
            webhooks: vec![
                hook(Method::Post, "http://a/", Status::Finished),
                hook(Method::Get, "http://b/", Status::Failed),
                hook(Method::Post, "http://c/", Status::Failed),
            ],
        }
    }

    fn failed(error: &str) -> End {
        let error = error.to_owned();
        End::Failed { error }
    }

    #[test]
    fn a_body_is_what_json_dumps_makes_of_it() {
        let ended_at = Timestamp::from_millis(1_796_083_200_120);
        assert_eq!(
            notice().body(&End::Finished, ended_at),
            r#"{"job_id": "bread", "func_name": "bakery.bake", "status": "finished", "enqueued_at": "2026-12-01T00:00:00+00:00", "ended_at": "2026-12-01T00:00:00.120000+00:00"}"#
        );
        let mut never_queued = notice();
        never_queued.enqueued_at = None;
        assert_eq!(
            never_queued.body(&failed("no \"é\"\n"), ended_at),
            r#"{"job_id": "bread", "func_name": "bakery.bake", "status": "failed", "enqueued_at": null, "ended_at": "2026-12-01T00:00:00.120000+00:00", "exc_info": "no \"\u00e9\"\n"}"#
        );
    }

    #[test]
    fn each_end_has_its_own_receivers() {
        let notice = notice();
        let urls = |end: &End| -> Vec<String> {
            let urls = notice.webhooks(end).map(|webhook| webhook.url.clone());
            urls.collect()
        };
        assert_eq!(urls(&End::Finished), ["http://a/"]);
        assert_eq!(urls(&failed("")), ["http://b/", "http://c/"]);
    }

    #[test]
    fn nobody_is_told_of_what_is_no_end() {
        let (error, at) = ("no milk".to_owned(), Timestamp::from_millis(1));
        for ending in [
            Ending::Retry { error, at },
            Ending::Snoozed { at },
            Ending::HandedBack,
            Ending::Stopped,
        ] {
            assert_eq!(End::of(&ending), None, "{ending:?}");
        }
    }
}
