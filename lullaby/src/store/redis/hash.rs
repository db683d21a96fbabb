//! A job and its hash `rq:job:<id>`: RQ's fields where RQ has one, and beside them what only we know, named `lullaby_*`.
//!
//! | ours | what |
//! |---|---|
//! | `lullaby_n` | the job's number: the order in which jobs were made |
//! | `lullaby_due` `lullaby_expires` `lullaby_lease` | instants in ms: when it is due; when it goes, if it waits in line or is canceled (RQ's registries say it of others); when its lease ends, once it was renewed |
//! | `lullaby_run` | of the last execution of ours: the token, `started_at`, a mark (`scripts/claim.lua`), the lease in ms |
//! | `lullaby_failures` `lullaby_lost` `lullaby_stop` `lullaby_beat` | counts and marks |
//! | `lullaby_error` | why it failed last |
//! | `lullaby_attempts` | its earlier executions, JSON: `keep_attempt` in `scripts/shared.lua` |
//! | `lullaby_timeout` `lullaby_ttl` `lullaby_result_ttl` `lullaby_failure_ttl` | in ms, where RQ's whole seconds are too coarse |
//! | `lullaby_retry` `lullaby_retries` | our retry in JSON, and its count for a requeue |
//! | `lullaby_repeat` | the pauses of its repeat in ms, a JSON list, where RQ's whole seconds are too coarse |
//! | `lullaby_on_success` `lullaby_on_failure` `lullaby_on_stopped` | tasks for callbacks: RQ's own fields make Python import them |
//! | `lullaby_subject` `lullaby_task` `lullaby_slot` | for events and schedules |

use std::borrow::Cow;
use std::cell::OnceCell;
use std::time::Duration;

use redis::Value;
use serde_json::Map;

use super::call::{Arguments, Call, Undecodable, decode_call, encode_call};
use super::serializer::Serializer;
use crate::clock::{Timestamp, millis_up};
use crate::error::{Error, Result};
use crate::job::{
    Callbacks, DEFAULT_FAILURE_TTL, DEFAULT_RESULT_TTL, DEFAULT_TIMEOUT, Dependencies, Job, JobId,
    JobOptions, JobSpec, JobTemplate, QueueName, Status, Token,
};
use crate::payload::Payload;
use crate::python_json::python_json;
use crate::rate_limit::RateLimit;
use crate::repeat::Repeat;
use crate::retry::{Backoff, Retry};
use crate::webhook::{self, Webhook};

pub(super) type Fields = Vec<(&'static str, Vec<u8>)>;

/// The fields that a job to enqueue brings; the script adds status and times.
pub(super) fn fields(spec: &JobSpec, serializer: Serializer) -> Result<Fields> {
    let template = &spec.template;
    let (args, kwargs) = template.payload.parts()?;
    let mut fields: Fields = vec![
        (
            "data",
            encode_call(&template.task, &args, &kwargs, serializer),
        ),
        ("origin", template.queue.as_str().into()),
        ("description", description(template).into_bytes()),
    ];
    let options = &template.options;
    let minus_one = || Some("-1".to_owned());
    let timeout = options.timeout;
    put_span(
        &mut fields,
        ["timeout", "lullaby_timeout"],
        timeout,
        minus_one(),
    );
    put_span(&mut fields, ["ttl", "lullaby_ttl"], options.ttl, None);
    if options.result_ttl != Some(DEFAULT_RESULT_TTL) {
        let names = ["result_ttl", "lullaby_result_ttl"];
        put_span(&mut fields, names, options.result_ttl, minus_one());
    }
    if options.failure_ttl != Some(DEFAULT_FAILURE_TTL) {
        let names = ["failure_ttl", "lullaby_failure_ttl"];
        put_span(&mut fields, names, options.failure_ttl, minus_one());
    }
    if options.at_front {
        fields.push(("enqueue_at_front", b"1".to_vec()));
    }
    if let Some(retry) = &options.retry {
        let max = retry.max.to_string().into_bytes();
        fields.push(("retries_left", max.clone()));
        fields.push(("lullaby_retries", max));
        fields.push(("retry_intervals", rq_intervals(retry)?));
        fields.push(("lullaby_retry", json(retry)?));
    }
    if let Some(repeat) = &options.repeat {
        fields.push(("repeats_left", repeat.times.to_string().into_bytes()));
        let ms: Vec<i64> = repeat.intervals.iter().copied().map(span_ms).collect();
        let seconds: Vec<i64> = ms.iter().map(|ms| (ms + 999) / 1000).collect();
        fields.push(("repeat_intervals", json(&seconds)?));
        if ms.iter().any(|ms| ms % 1000 != 0) {
            fields.push(("lullaby_repeat", json(&ms)?));
        }
    }
    let callbacks = &options.callbacks;
    for (name, task) in [
        ("lullaby_on_success", &callbacks.on_success),
        ("lullaby_on_failure", &callbacks.on_failure),
        ("lullaby_on_stopped", &callbacks.on_stopped),
    ] {
        if let Some(task) = task {
            fields.push((name, task.clone().into_bytes()));
        }
    }
    if let Some(limit) = &options.rate_limit {
        fields.push(("rate_limit_key", limit.key.clone().into_bytes()));
        let concurrency = limit.concurrency.to_string().into_bytes();
        fields.push(("rate_limit_concurrency", concurrency));
    }
    if !options.webhooks.is_empty() {
        fields.push(("webhooks", python_json(&options.webhooks)));
    }
    if !template.meta.is_empty() {
        let meta = serde_json::Value::Object(template.meta.clone());
        fields.push(("meta", serializer.encode(&meta)));
    }
    if let Some(subject) = &template.subject {
        fields.push(("lullaby_subject", subject.clone().into_bytes()));
        fields.push(("lullaby_task", template.task.clone().into_bytes()));
    }
    if let Some(slot) = &spec.slot {
        fields.push(("lullaby_slot", json(slot)?));
    }
    if let Some(first) = spec.depends_on.jobs.first() {
        if spec.depends_on.allow_failure {
            fields.push(("allow_dependency_failures", b"1".to_vec()));
        }
        fields.push(("dependency_id", first.as_str().into()));
        // The last one: the script finds it there.
        fields.push(("dependency_ids", json(&spec.depends_on.jobs)?));
    }
    Ok(fields)
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::store_because("writing JSON", error))
}

/// What RQ shows for a job without a description of its own.
fn description(template: &JobTemplate) -> String {
    match &template.description {
        Some(text) => text.clone(),
        None => format!("{}{}", template.task, template.payload),
    }
}

/// Whole seconds as RQ has them, rounded up, and the exact milliseconds beside them where they differ.
fn put_span(
    fields: &mut Fields,
    [rq, own]: [&'static str; 2],
    span: Option<Duration>,
    for_ever: Option<String>,
) {
    match span {
        Some(span) => {
            let ms = span_ms(span);
            fields.push((rq, (ms + 999).div_euclid(1000).to_string().into_bytes()));
            if ms % 1000 != 0 {
                fields.push((own, ms.to_string().into_bytes()));
            }
        }
        None => fields.extend(for_ever.map(|text| (rq, text.into_bytes()))),
    }
}

/// A span in ms; none is longer than time itself.
pub(super) fn span_ms(span: Duration) -> i64 {
    millis_up(span).min(Timestamp::MAX.as_millis())
}

/// RQ's pauses in whole seconds. Exponential ones are written out, at most 100 of them.
fn rq_intervals(retry: &Retry) -> Result<Vec<u8>> {
    let seconds: Vec<i64> = match &retry.backoff {
        Backoff::Intervals(list) => list
            .iter()
            .map(|pause| (span_ms(*pause) + 999) / 1000)
            .collect(),
        Backoff::Exponential { .. } => (1..=retry.max.min(100))
            .filter_map(|failure| retry.delay(failure, ""))
            .map(|pause| (span_ms(pause) + 999) / 1000)
            .collect(),
    };
    // As `json.dumps` writes it.
    Ok(python_json(&seconds))
}

/// What `lullaby_run` tells of the last execution of ours.
pub(super) struct Run<'a> {
    token: Token,
    started_at: &'a str,
    lease: Duration,
}

impl<'a> Run<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let mut words = text.split(' ');
        let token = Token(words.next()?.parse().ok()?);
        let started_at = words.next()?;
        let lease = words.nth(1).and_then(|ms| ms.parse().ok());
        Some(Self {
            token,
            started_at,
            lease: Duration::from_millis(lease.unwrap_or_default()),
        })
    }

    /// The end of its lease: as it was claimed, if it was not renewed since then.
    pub(super) fn lease_until(&self, renewed: Option<Timestamp>) -> Timestamp {
        renewed.unwrap_or_else(|| {
            self.started_at.parse::<Timestamp>().unwrap_or_default() + self.lease
        })
    }
}

/// The fields that `start_plain` (the first eight) and `start_followed` in `scripts/claim.lua` answer, in their order.
pub(super) const USUAL_FIELDS: [&str; 16] = [
    "data",
    "origin",
    "created_at",
    "enqueued_at",
    "timeout",
    "description",
    "result_ttl",
    "lullaby_due",
    "failure_ttl",
    "retries_left",
    "lullaby_retries",
    "retry_intervals",
    "lullaby_retry",
    "lullaby_slot",
    "lullaby_task",
    "lullaby_subject",
];

/// Its name and value.
type Field<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// A hash as Redis gave it. It has a dozen fields or two, which are found faster one by one than by hashing all their names.
pub(super) struct Hash<'a> {
    fields: Vec<Field<'a>>,
    call: OnceCell<std::result::Result<Call, Undecodable>>,
}

impl Hash<'static> {
    /// From a flat list of fields and values.
    pub(super) fn new(flat: Value) -> Self {
        let mut flat = match flat {
            Value::Array(flat) => flat.into_iter(),
            _ => Vec::new().into_iter(),
        };
        let mut fields = Vec::with_capacity(flat.len() / 2);
        while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
            if let (Value::BulkString(name), Value::BulkString(value)) = (name, value) {
                fields.push((Cow::Owned(name), Cow::Owned(value)));
            }
        }
        let call = OnceCell::new();
        Self { fields, call }
    }
}

impl<'a> Hash<'a> {
    /// Of these fields; a later one replaces an earlier one.
    pub(super) fn of(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let fields = fields.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
        Self {
            fields: fields.collect(),
            call: OnceCell::new(),
        }
    }

    /// Its value, empty or not.
    fn get(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields.iter().rev();
        let (_, value) = fields.find(|(known, _)| **known == *name.as_bytes())?;
        Some(value)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// An empty value is RQ's "unset".
    fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.get(name).filter(|bytes| !bytes.is_empty())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.bytes(name)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        std::str::from_utf8(self.bytes(name)?).ok()?.parse().ok()
    }

    fn millis(&self, name: &str) -> Option<Timestamp> {
        self.number(name).map(Timestamp::from_millis)
    }

    fn instant(&self, name: &str) -> Option<Timestamp> {
        std::str::from_utf8(self.bytes(name)?).ok()?.parse().ok()
    }

    /// `None` is for ever.
    fn span(&self, rq: &str, own: &str, default: Option<Duration>) -> Option<Duration> {
        if let Some(ms) = self.number(own) {
            return Some(Duration::from_millis(ms));
        }
        match self.number::<i64>(rq) {
            Some(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
            None => default,
        }
    }

    pub(super) fn serializer(&self) -> Serializer {
        match self.decoded() {
            Some(Ok(call)) => call.serializer,
            _ => Serializer::default(),
        }
    }

    /// Its call; `None` without data.
    fn decoded(&self) -> Option<&std::result::Result<Call, Undecodable>> {
        let data = self.bytes("data")?;
        Some(self.call.get_or_init(|| decode_call(data)))
    }

    pub(super) fn meta(&self) -> Option<&[u8]> {
        self.bytes("meta")
    }

    fn status(&self) -> Status {
        self.text("status")
            .map_or(Status::Created, |text| Status::from_store(&text))
    }

    pub(super) fn subject(&self) -> Option<String> {
        self.text("lullaby_subject")
    }

    /// Its subject, and its task as events name it.
    pub(super) fn followed(&self) -> Option<(String, String)> {
        let task = self.text("lullaby_task").unwrap_or_default();
        Some((self.subject()?, task))
    }

    /// Whether an ended job's stream of results is worth reading.
    pub(super) fn wants_result(&self) -> bool {
        match self.status() {
            Status::Finished => true,
            Status::Failed => self.error().is_none(),
            _ => false,
        }
    }

    /// What can run of it, and what stands in the way.
    pub(super) fn job(&self, id: &JobId) -> (Job, Option<Obstacle>) {
        let (task, payload, obstacle) = self.call();
        let status = self.status();
        let options = self.options(id);
        let meta = self.meta().and_then(|bytes| Serializer::decode(bytes).ok());
        let mut template = JobTemplate {
            queue: QueueName::from_store(&self.text("origin").unwrap_or_default()),
            task,
            payload,
            options,
            meta: match meta {
                Some(serde_json::Value::Object(meta)) => meta,
                _ => Map::new(),
            },
            description: None,
            subject: self.subject(),
        };
        if let Some(text) = self.get("description") {
            let text = String::from_utf8_lossy(text).into_owned();
            template.description = (text != description(&template)).then_some(text);
        }
        let run = self.text("lullaby_run");
        let run = run.as_deref().and_then(Run::read);
        let runs = status == Status::Started;
        let ended_at = self.instant("ended_at").filter(|_| status.is_ended());
        let kept_for = match status {
            Status::Finished => template.options.result_ttl,
            _ => template.options.failure_ttl,
        };
        let expires_at = match status {
            Status::Queued | Status::RateLimited | Status::Canceled => {
                self.millis("lullaby_expires")
            }
            _ => ended_at.zip(kept_for).map(|(ended, ttl)| ended + ttl),
        };
        let renewed = self.millis("lullaby_lease");
        let job = Job {
            id: id.clone(),
            status,
            template,
            slot: self
                .bytes("lullaby_slot")
                .and_then(|json| serde_json::from_slice(json).ok()),
            depends_on: self.dependencies(),
            created_at: self.instant("created_at").unwrap_or_default(),
            due_at: self.millis("lullaby_due"),
            enqueued_at: self.instant("enqueued_at"),
            started_at: self.instant("started_at"),
            ended_at,
            expires_at,
            token: run.as_ref().map(|run| run.token),
            worker: self.text("worker_name"),
            lease_until: run.map(|run| run.lease_until(renewed)).filter(|_| runs),
            failures: self.failures(),
            lost: self.number("lullaby_lost").unwrap_or(0),
            stop_requested: self.bytes("lullaby_stop").is_some(),
            result: None,
            error: self.error(),
        };
        (job, obstacle)
    }

    /// Why it failed last. Ours does not speak for a run of Python's after it.
    fn error(&self) -> Option<String> {
        let error = self.get("lullaby_error")?;
        let run = self.text("lullaby_run")?;
        let started_at = Run::read(&run)?.started_at;
        let ours = self.text("started_at").is_none_or(|at| at == started_at);
        ours.then(|| String::from_utf8_lossy(error).into_owned())
    }

    /// How often it failed: as we counted, or as RQ's count of what is left says.
    fn failures(&self) -> u32 {
        let counted: u32 = self.number("lullaby_failures").unwrap_or(0);
        let all: Option<u32> = self.number("lullaby_retries");
        let left = self.number("retries_left");
        let used = all.zip(left).map(|(all, left)| all.saturating_sub(left));
        counted.max(used.unwrap_or(0))
    }

    fn dependencies(&self) -> Dependencies {
        let ids: Vec<String> = self
            .bytes("dependency_ids")
            .and_then(|json| serde_json::from_slice(json).ok())
            .unwrap_or_else(|| self.text("dependency_id").into_iter().collect());
        Dependencies {
            jobs: ids.iter().map(|id| JobId::from_store(id)).collect(),
            allow_failure: self.bytes("allow_dependency_failures") == Some(b"1"),
        }
    }

    fn call(&self) -> (String, Payload, Option<Obstacle>) {
        let nothing = || Payload::from_store("[[],{}]".to_owned());
        let unreadable = |why: String| {
            let obstacle = Obstacle::Undecodable(why);
            ("(undecodable)".to_owned(), nothing(), Some(obstacle))
        };
        let call = match self.decoded() {
            None => return unreadable("its hash has no data".to_owned()),
            Some(Err(error)) => return unreadable(error.to_string()),
            Some(Ok(call)) => call,
        };
        match &call.arguments {
            Arguments::Plain { args, kwargs } => match Payload::call(args, kwargs) {
                Ok(payload) => (call.func.clone(), payload, None),
                Err(error) => unreadable(error.to_string()),
            },
            Arguments::Opaque { reason } => {
                let obstacle = Obstacle::PythonOnly(reason.clone());
                (call.func.clone(), nothing(), Some(obstacle))
            }
        }
    }

    /// Ours, or RQ's.
    fn callbacks(&self) -> Callbacks {
        let either = |own, rq| self.text(own).or_else(|| self.text(rq));
        Callbacks {
            on_success: either("lullaby_on_success", "success_callback_name"),
            on_failure: either("lullaby_on_failure", "failure_callback_name"),
            on_stopped: either("lullaby_on_stopped", "stopped_callback_name"),
        }
    }

    fn rate_limit(&self) -> Option<RateLimit> {
        Some(RateLimit {
            key: self.text("rate_limit_key")?,
            concurrency: self.number("rate_limit_concurrency")?,
        })
    }

    fn webhooks(&self, id: &JobId) -> Vec<Webhook> {
        let read = self.bytes("webhooks").map(webhook::read_all);
        read.unwrap_or(Ok(Vec::new())).unwrap_or_else(|why| {
            tracing::warn!(job = %id, why, "its webhooks cannot be read; none of them is sent");
            Vec::new()
        })
    }

    fn repeat(&self) -> Option<Repeat> {
        let list = |name| -> Vec<u64> {
            let list = self.bytes(name);
            list.and_then(|json| serde_json::from_slice(json).ok())
                .unwrap_or_default()
        };
        let times = self.number("repeats_left")?;
        let (seconds, ms) = (list("repeat_intervals"), list("lullaby_repeat"));
        // A Python worker shortens only its own.
        let spent = ms.len().saturating_sub(seconds.len());
        let pauses = seconds.iter().map(|pause| Duration::from_secs(*pause));
        let exact = ms.iter().skip(spent).copied().map(Duration::from_millis);
        Some(if ms.is_empty() {
            Repeat::intervals(times, pauses)
        } else {
            Repeat::intervals(times, exact)
        })
    }

    fn options(&self, id: &JobId) -> JobOptions {
        let failures = self.failures();
        let retry = self
            .bytes("lullaby_retry")
            .and_then(|json| serde_json::from_slice(json).ok())
            .or_else(|| {
                let left: u32 = self.number("retries_left")?;
                let seconds: Vec<u64> = self
                    .bytes("retry_intervals")
                    .and_then(|json| serde_json::from_slice(json).ok())
                    .unwrap_or_default();
                let pauses = seconds.into_iter().map(Duration::from_secs);
                Some(Retry::intervals(left.saturating_add(failures), pauses))
            });
        JobOptions {
            timeout: self.span("timeout", "lullaby_timeout", Some(DEFAULT_TIMEOUT)),
            ttl: self.span("ttl", "lullaby_ttl", None),
            result_ttl: self.span("result_ttl", "lullaby_result_ttl", Some(DEFAULT_RESULT_TTL)),
            failure_ttl: self.span(
                "failure_ttl",
                "lullaby_failure_ttl",
                Some(DEFAULT_FAILURE_TTL),
            ),
            retry,
            repeat: self.repeat(),
            callbacks: self.callbacks(),
            rate_limit: self.rate_limit(),
            webhooks: self.webhooks(id),
            at_front: self.bytes("enqueue_at_front") == Some(b"1"),
        }
    }
}

/// Why a job of somebody else's cannot be run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It is no call.
    Undecodable(String),
    /// It is a call, but its arguments are objects of Python's.
    PythonOnly(String),
}
