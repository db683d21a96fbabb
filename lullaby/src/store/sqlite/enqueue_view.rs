//! Enqueueing inside the application's own transaction, by any driver: one INSERT into the view `lullaby_enqueue`.

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::job::{JobSpec, OnExisting};

use super::row::{duration_value, instant_value, to_json};

/// A value of an [`EnqueueStatement`], to be bound by whatever driver the application has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A text.
    Text(String),
}

impl rusqlite::ToSql for Param {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Null => rusqlite::types::Null.to_sql(),
            Self::Integer(value) => value.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

/// One INSERT that enqueues a job, to be run in a transaction of the application's own: if that commits, the job is there; if it is
/// rolled back, it never was. Open stores hear of it as of any commit.
///
/// The same can be written by hand, in any language: `INSERT INTO lullaby_enqueue (task, payload) VALUES ('feed',
/// '[[],{"pet":"Mochi"}]')`. Its columns, all but `task` may be left out or NULL:
///
/// | column | meaning | NULL |
/// |---|---|---|
/// | `id` | the job's id; one that exists already changes nothing | a random one |
/// | `queue` | its queue | `default` |
/// | `task` | the task's wire name | refused |
/// | `payload` | `[[positional],{named}]`, JSON | no arguments |
/// | `due` | when, in ms since 1970 UTC | now |
/// | `timeout`, `ttl`, `result_ttl`, `failure_ttl` | ms; -1 is for ever | 180 s, for ever, 500 s, 1 year |
/// | `at_front` | 1: enters its queue at the front | 0 |
/// | `retry` | how many more tries, at once; or what this type writes there | none |
/// | `meta` | a JSON object | empty |
/// | `description`, `subject` | texts | none |
/// | `now` | the time, in ms since 1970 UTC, if the store goes by a manual clock | SQLite's clock |
///
/// Anything else is refused with an error that names the column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnqueueStatement {
    /// The statement, with parameters `?1` to `?15`.
    pub sql: &'static str,
    /// Their values, in order.
    pub params: Vec<Param>,
}

impl EnqueueStatement {
    /// The statement that enqueues this job.
    ///
    /// # Errors
    /// If the job is made for a slot, is to replace another, depends on others, repeats, has callbacks, webhooks or a rate limit: an INSERT can only take
    /// in a plain new one.
    pub fn new(job: &JobSpec, clock: &dyn Clock) -> Result<Self> {
        let options = &job.template.options;
        let more = !job.depends_on.is_empty()
            || options.repeat.is_some()
            || !options.callbacks.is_empty()
            || !options.webhooks.is_empty()
            || options.rate_limit.is_some();
        if job.slot.is_some() || job.on_existing == OnExisting::Replace || more {
            return Err(Error::invalid(
                "expected a plain new job: one for a slot, one that replaces another, depends on others, repeats, has callbacks, webhooks or a rate limit cannot be enqueued by an INSERT",
            ));
        }
        let (template, options) = (&job.template, &job.template.options);
        let text = |text: &str| Param::Text(text.to_owned());
        let or_null = |value: Option<i64>| value.map_or(Param::Null, Param::Integer);
        let or_ever = |ttl| Param::Integer(duration_value(ttl).unwrap_or(-1));
        let meta = (!template.meta.is_empty()).then(|| to_json(&template.meta));
        let retry = options.retry.as_ref().map(to_json);
        let json = |json: Option<Result<String>>| -> Result<Param> {
            Ok(json.transpose()?.map_or(Param::Null, Param::Text))
        };
        let optional = |value: &Option<String>| value.as_deref().map_or(Param::Null, text);
        // Only a clock that is turned by hand: any other is SQLite's own, a transaction later.
        let now = clock.as_manual().map(|_| clock.now());
        Ok(Self {
            sql: "INSERT INTO lullaby_enqueue (id, queue, task, payload, due, timeout, ttl, result_ttl, failure_ttl, at_front, \
                  retry, meta, description, subject, now) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            params: vec![
                text(job.id.as_str()),
                text(template.queue.as_str()),
                text(&template.task),
                text(template.payload.as_json()),
                or_null(instant_value(job.at)),
                or_ever(options.timeout),
                or_ever(options.ttl),
                or_ever(options.result_ttl),
                or_ever(options.failure_ttl),
                Param::Integer(options.at_front.into()),
                json(retry)?,
                json(meta)?,
                optional(&template.description),
                optional(&template.subject),
                or_null(instant_value(now)),
            ],
        })
    }
}
