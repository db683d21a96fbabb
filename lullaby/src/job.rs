//! What a job is: its id, its call, its options, its status and its record.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::callback::{Callbacks, Ended};
use crate::clock::Timestamp;
pub use crate::dependency::{Dependencies, MAX_DEPENDENCIES};
use crate::error::{Error, Result};
use crate::payload::Payload;
use crate::rate_limit::RateLimit;
use crate::repeat::Repeat;
use crate::retry::Retry;
use crate::schedule::Slot;
use crate::task::Task;
use crate::webhook::{self, Webhook};

/// RQ's `Queue.DEFAULT_TIMEOUT`: a job may run for 180 s.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(180);
/// RQ's `DEFAULT_RESULT_TTL`: a result is kept for 500 s.
pub const DEFAULT_RESULT_TTL: Duration = Duration::from_secs(500);
/// RQ's `DEFAULT_FAILURE_TTL`: a failed job is kept for a year.
pub const DEFAULT_FAILURE_TTL: Duration = Duration::from_secs(31_536_000);

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// What a store of ours kept: checked when it was written.
            #[allow(dead_code, reason = "which of these a build needs depends on its drivers")]
            pub(crate) fn from_store(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                Self::new(&text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;
            fn try_from(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_type! {
    /// A job's id: 1 to 255 letters, digits, `-` and `_`, as RQ enforces since 2.8.
    JobId
}
text_type! {
    /// A queue's name: 1 to 200 bytes without control characters.
    QueueName
}

impl JobId {
    /// Checks an id that you chose.
    ///
    /// # Errors
    /// If it is empty, too long, or has other characters than ASCII letters, digits, `-` and `_`.
    pub fn new(id: &str) -> Result<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > 255 || !id.bytes().all(fits) {
            return Err(Error::invalid(format!(
                "expected a job id of 1 to 255 letters, digits, - and _, got {id:?}"
            )));
        }
        Ok(Self(id.into()))
    }

    /// A new id, unlike any other. Ids made later sort later (UUID version 7), which keeps an index on them compact.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into())
    }
}

impl From<&JobId> for JobId {
    fn from(id: &JobId) -> Self {
        id.clone()
    }
}

impl QueueName {
    /// Checks a queue's name.
    ///
    /// # Errors
    /// If it is empty, longer than 200 bytes, or has control characters.
    pub fn new(name: &str) -> Result<Self> {
        if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            return Err(Error::invalid(format!(
                "expected a queue name of 1 to 200 bytes without control characters, got {name:?}"
            )));
        }
        Ok(Self(name.into()))
    }
}

impl Default for QueueName {
    /// RQ's `default`.
    fn default() -> Self {
        Self("default".into())
    }
}

/// Where a job stands. RQ's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Known, but nowhere yet.
    Created,
    /// Waits for its time.
    Scheduled,
    /// Waits for a worker.
    Queued,
    /// A worker runs it.
    Started,
    /// Done.
    Finished,
    /// Gave up after its last try.
    Failed,
    /// Waits for other jobs.
    Deferred,
    /// Withdrawn before it ran.
    Canceled,
    /// Stopped while it ran.
    Stopped,
    /// Waits for a slot of its [`RateLimit`].
    RateLimited,
    /// What it waited for has ended, and it is about to be queued. Only on Redis, and only for as long as RQ 3 takes.
    ReadyToEnqueue,
    /// A word that this library does not know: some newer program wrote it, on a Redis that is shared with ours.
    Other(OtherStatus),
}

/// A [`Status`] that only a newer program knows. Its first 31 bytes are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OtherStatus {
    bytes: [u8; 31],
    length: u8,
}

impl OtherStatus {
    fn new(text: &str) -> Self {
        let mut bytes = [0; 31];
        let mut kept = text.len().min(bytes.len());
        while !text.is_char_boundary(kept) {
            kept -= 1;
        }
        bytes[..kept].copy_from_slice(&text.as_bytes()[..kept]);
        let length = u8::try_from(kept).unwrap_or_default();
        Self { bytes, length }
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for OtherStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Status {
    /// All that are known.
    pub const ALL: [Self; 11] = [
        Self::Created,
        Self::Scheduled,
        Self::Queued,
        Self::Started,
        Self::Finished,
        Self::Failed,
        Self::Deferred,
        Self::Canceled,
        Self::Stopped,
        Self::RateLimited,
        Self::ReadyToEnqueue,
    ];

    /// As a store has it: a word that is not known stays what it is.
    #[cfg(feature = "redis")]
    pub(crate) fn from_store(text: &str) -> Self {
        text.parse()
            .unwrap_or_else(|_| Self::Other(OtherStatus::new(text)))
    }

    /// True for finished, failed, canceled and stopped.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(
            self,
            Self::Finished | Self::Failed | Self::Canceled | Self::Stopped
        )
    }

    /// True for those that an execution ends with: finished, failed, stopped.
    pub(crate) fn ends_execution(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Stopped)
    }

    /// True for those that wait, for a time, a worker, other jobs or a slot: such a call can still be replaced or withdrawn.
    #[must_use]
    pub fn is_waiting(self) -> bool {
        matches!(
            self,
            Self::Scheduled
                | Self::Queued
                | Self::Deferred
                | Self::RateLimited
                | Self::ReadyToEnqueue
        )
    }

    /// RQ's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Deferred => "deferred",
            Self::Canceled => "canceled",
            Self::Stopped => "stopped",
            Self::RateLimited => "rate_limited",
            Self::ReadyToEnqueue => "ready_to_enqueue",
            Self::Other(word) => word.as_str(),
        }
    }
}

impl Serialize for Status {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(text
            .parse()
            .unwrap_or_else(|_| Self::Other(OtherStatus::new(&text))))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Status {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.each_ref().map(Self::as_str).join(", ");
                Error::invalid(format!("expected a status ({known}), got {text:?}"))
            })
    }
}

/// A fencing token: each execution in a store gets a higher one than every execution before it.
///
/// A handler can keep it beside its own effects and refuse to go back behind a higher one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub u64);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {}", self.0)
    }
}

/// One execution of one job: what settle, renew and progress are checked against.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Execution {
    /// The job.
    pub job: JobId,
    /// Its fencing token.
    pub token: Token,
}

/// How a job runs and how long what is left of it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobOptions {
    /// How long it may run; `None` is for ever. RQ's default of 180 s.
    pub timeout: Option<Duration>,
    /// How long it may wait in its queue before it is dropped unrun; `None`, the default, is for ever. The time counts from when the
    /// job enters its queue, not from when it was scheduled.
    pub ttl: Option<Duration>,
    /// How long a finished job and its result are kept; zero drops them at once, `None` is for ever. 500 s.
    pub result_ttl: Option<Duration>,
    /// How long a failed, canceled or stopped job is kept; zero drops it at once, `None` is for ever. One year.
    pub failure_ttl: Option<Duration>,
    /// What to do when it fails; by default nothing.
    pub retry: Option<Retry>,
    /// How often it runs again after it has finished: what is left of it.
    #[serde(default)]
    pub repeat: Option<Repeat>,
    /// What its end puts into its queue.
    #[serde(default)]
    pub callbacks: Callbacks,
    /// How many jobs like it may be queued or running at once.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    /// Who is told by HTTP how it has ended.
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
    /// Enters its queue at the front. Whoever requeues a job that has a rate limit decides it anew.
    pub at_front: bool,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            timeout: Some(DEFAULT_TIMEOUT),
            ttl: None,
            result_ttl: Some(DEFAULT_RESULT_TTL),
            failure_ttl: Some(DEFAULT_FAILURE_TTL),
            retry: None,
            repeat: None,
            callbacks: Callbacks::default(),
            rate_limit: None,
            webhooks: Vec::new(),
            at_front: false,
        }
    }
}

/// What a producer's call or a schedule's slot makes a job from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobTemplate {
    /// The queue that it goes to.
    pub queue: QueueName,
    /// The task's wire name.
    pub task: String,
    /// The arguments.
    pub payload: Payload,
    /// Timeout, times to live, retry.
    pub options: JobOptions,
    /// The application's own notes, a JSON object.
    #[serde(default)]
    pub meta: Map<String, Value>,
    /// For people; a call's text when `None`.
    #[serde(default)]
    pub description: Option<String>,
    /// Whom it is about: each move of a job with a subject writes an event.
    #[serde(default)]
    pub subject: Option<String>,
}

/// What to do about an id that exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnExisting {
    /// Leave the job as it is and answer `Exists`.
    #[default]
    Keep,
    /// Give a job that is still waiting the new call, options and time, in one step; any other is kept.
    Replace,
}

/// A job as a store is asked to take it in.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    /// Its id.
    pub id: JobId,
    /// When it is due; `None` is now: straight to its queue.
    pub at: Option<Timestamp>,
    /// What if the id exists.
    pub on_existing: OnExisting,
    /// The slot that it was made for.
    pub slot: Option<Slot>,
    /// The jobs that it waits for. With a time as well, it waits for both.
    pub depends_on: Dependencies,
    /// The call.
    pub template: JobTemplate,
}

/// A job to enqueue, with the type that its result will have.
///
/// ```
/// use lullaby::{NewJob, Retry, Task};
/// use serde::{Deserialize, Serialize};
/// use std::time::Duration;
///
/// #[derive(Serialize, Deserialize)]
/// struct Greet { name: String }
/// impl Task for Greet {
///     const NAME: &'static str = "greet";
///     type Output = String;
/// }
///
/// let job = NewJob::new(Greet { name: "Mochi".into() })
///     .timeout(Duration::from_secs(10))
///     .retry(Retry::times(2))
///     .subject("pet-7");
/// # let _ = job;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a job runs only once it is enqueued"]
pub struct NewJob<O = Value> {
    pub(crate) id: Option<Result<JobId>>,
    pub(crate) queue: Option<QueueName>,
    pub(crate) unique: bool,
    pub(crate) on_existing: OnExisting,
    pub(crate) depends_on: Dependencies,
    pub(crate) payload: Result<Payload>,
    pub(crate) task: String,
    pub(crate) options: JobOptions,
    pub(crate) meta: Map<String, Value>,
    pub(crate) description: Option<String>,
    pub(crate) subject: Option<String>,
    output: PhantomData<fn() -> O>,
}

impl<O> NewJob<O> {
    fn with_payload(task: &str, payload: Result<Payload>) -> Self {
        Self {
            id: None,
            queue: None,
            unique: false,
            on_existing: OnExisting::Keep,
            depends_on: Dependencies::default(),
            payload,
            task: task.to_owned(),
            options: JobOptions::default(),
            meta: Map::new(),
            description: None,
            subject: None,
            output: PhantomData,
        }
    }

    /// A job for `task`, with RQ's defaults.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the task is handed over, as a value on a queue"
    )]
    pub fn new<T: Task<Output = O>>(task: T) -> Self {
        Self::with_payload(T::NAME, Payload::of(&task))
    }

    /// Its id; a random one when not given. An id that exists already changes nothing: the handle says so.
    pub fn job_id(mut self, id: &str) -> Self {
        self.id = Some(JobId::new(id));
        self
    }

    /// Another queue than the one that it is enqueued through.
    pub fn queue(mut self, queue: QueueName) -> Self {
        self.queue = Some(queue);
        self
    }

    /// Refuses, with an error, an id that exists already (RQ's `unique=True`).
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// If a job of that id still waits, gives it this call and this time instead, in one step.
    pub fn replace(mut self) -> Self {
        self.on_existing = OnExisting::Replace;
        self
    }

    /// Waits, as [`Status::Deferred`], until all of these jobs have finished; the step that ends the last of them puts it into its queue.
    ///
    /// A job that has finished already, or does not exist, is not waited for. One that fails, is canceled or stopped keeps it waiting:
    /// until it finishes after all, [`requeue`](crate::JobHandle::requeue) runs this one without it, or `cancel` withdraws it; see
    /// [`allow_failure`](Self::allow_failure). With `enqueue_in` and `enqueue_at` it waits for its time, too. At most
    /// [`MAX_DEPENDENCIES`]; in one `enqueue_many` put those that are waited for first.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lullaby::Result<()> {
    /// # use lullaby::{Lullaby, NewJob, Status, Task};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Bake;
    /// # impl Task for Bake { const NAME: &'static str = "bake"; type Output = (); }
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Serve;
    /// # impl Task for Serve { const NAME: &'static str = "serve"; type Output = (); }
    /// # let queue = Lullaby::open("memory:").await?.queue("default")?;
    /// let bread = queue.enqueue(Bake).await?;
    /// let cake = queue.enqueue(Bake).await?;
    /// let tea = queue.enqueue(NewJob::new(Serve).depends_on([&bread, &cake])).await?;
    /// assert_eq!(tea.status().await?, Some(Status::Deferred));
    /// # Ok(())
    /// # }
    /// ```
    pub fn depends_on(mut self, jobs: impl IntoIterator<Item = impl Into<JobId>>) -> Self {
        for id in jobs.into_iter().map(Into::into) {
            if !self.depends_on.jobs.contains(&id) {
                self.depends_on.jobs.push(id);
            }
        }
        self
    }

    /// A job that it waits for may also fail: RQ's `Dependency(allow_failure=True)`. Canceled or stopped ones still keep it waiting.
    pub fn allow_failure(mut self) -> Self {
        self.depends_on.allow_failure = true;
        self
    }

    /// Enters its queue at the front.
    pub fn at_front(mut self) -> Self {
        self.options.at_front = true;
        self
    }

    /// How long it may run, [`DEFAULT_TIMEOUT`] (180 s) when not given; `None` is for ever. Past it the handler is dropped and the job has
    /// failed, which may be retried.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.timeout = timeout.into();
        self
    }

    /// How long it may wait in its queue before it is dropped unrun; `None`, when not given, is for ever.
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.options.ttl = ttl.into();
        self
    }

    /// How long it and its result are kept once it has finished, [`DEFAULT_RESULT_TTL`] (500 s) when not given; zero drops them at once,
    /// `None` is for ever.
    pub fn result_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.options.result_ttl = ttl.into();
        self
    }

    /// How long it is kept once it has failed, was canceled or stopped, [`DEFAULT_FAILURE_TTL`] (a year) when not given; zero drops it at
    /// once, `None` is for ever.
    pub fn failure_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.options.failure_ttl = ttl.into();
        self
    }

    /// What to do when it fails; when not given, nothing: it has failed.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// Runs it again after it has finished. Its result is then that of its last run; those that depend on it wait for its first.
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.options.repeat = Some(repeat);
        self
    }

    /// After each run that finished this task is called with [`Ended`], as a job of its own: see [`Callbacks`].
    pub fn on_success(mut self, task: impl Into<String>) -> Self {
        self.options.callbacks.on_success = Some(task.into());
        self
    }

    /// When it has failed for good this task is called with [`Ended`].
    pub fn on_failure(mut self, task: impl Into<String>) -> Self {
        self.options.callbacks.on_failure = Some(task.into());
        self
    }

    /// When it was stopped this task is called with [`Ended`].
    pub fn on_stopped(mut self, task: impl Into<String>) -> Self {
        self.options.callbacks.on_stopped = Some(task.into());
        self
    }

    /// Lets it into its queue only while fewer jobs of the limit's key than it allows are queued or running; until then it waits, as
    /// [`Status::RateLimited`].
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.options.rate_limit = Some(limit);
        self
    }

    /// Tells this receiver by HTTP when it has ended so. May be called several times, at most
    /// [`MAX_WEBHOOKS`](crate::webhook::MAX_WEBHOOKS).
    pub fn webhook(mut self, webhook: Webhook) -> Self {
        self.options.webhooks.push(webhook);
        self
    }

    /// One note of the application's own.
    pub fn meta(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.meta.insert(key.to_owned(), value.into());
        self
    }

    /// A line for people.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Whom it is about: each of its moves then writes an event under this name.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The same job, its result untyped: for one list of several tasks.
    pub fn untyped(self) -> NewJob {
        NewJob {
            id: self.id,
            queue: self.queue,
            unique: self.unique,
            on_existing: self.on_existing,
            depends_on: self.depends_on,
            payload: self.payload,
            task: self.task,
            options: self.options,
            meta: self.meta,
            description: self.description,
            subject: self.subject,
            output: PhantomData,
        }
    }

    /// Checks everything and gives the store's form.
    pub(crate) fn into_template(self, queue: &QueueName) -> Result<JobTemplate> {
        for task in self.options.callbacks.names().chain([&*self.task]) {
            if task.is_empty() || task.len() > 255 {
                return Err(Error::invalid(format!(
                    "expected a task name of 1 to 255 bytes, got {task:?}"
                )));
            }
        }
        if self.options.timeout == Some(Duration::ZERO) {
            return Err(Error::invalid(
                "expected a timeout above zero (None is for ever), got 0 s",
            ));
        }
        if self.options.ttl == Some(Duration::ZERO) {
            return Err(Error::invalid(
                "expected a ttl above zero (None is for ever), got 0 s: the job would never run",
            ));
        }
        if let Some(limit) = &self.options.rate_limit {
            limit.check()?;
        }
        webhook::check_all(&self.options.webhooks)?;
        Ok(JobTemplate {
            queue: self.queue.unwrap_or_else(|| queue.clone()),
            task: self.task,
            payload: self.payload?,
            options: self.options,
            meta: self.meta,
            description: self.description,
            subject: self.subject,
        })
    }

    pub(crate) fn into_spec(mut self, queue: &QueueName, at: Option<Timestamp>) -> Result<JobSpec> {
        let id = self.id.take().unwrap_or_else(|| Ok(JobId::random()))?;
        let on_existing = self.on_existing;
        let depends_on = std::mem::take(&mut self.depends_on);
        if depends_on.jobs.contains(&id) {
            return Err(Error::invalid(format!(
                "expected the job {id} to wait for others, got one that waits for itself"
            )));
        }
        if depends_on.jobs.len() > MAX_DEPENDENCIES {
            return Err(Error::invalid(format!(
                "expected at most {MAX_DEPENDENCIES} jobs to wait for, got {}",
                depends_on.jobs.len()
            )));
        }
        Ok(JobSpec {
            id,
            at,
            on_existing,
            slot: None,
            depends_on,
            template: self.into_template(queue)?,
        })
    }
}

impl NewJob {
    /// A job by its task's wire name, for programs that don't know the task's type.
    ///
    /// # Errors
    /// If the arguments are over [`MAX_PAYLOAD`](crate::payload::MAX_PAYLOAD).
    pub fn named(task: &str, args: &[Value], kwargs: &Map<String, Value>) -> Result<Self> {
        Ok(Self::with_payload(task, Ok(Payload::call(args, kwargs)?)))
    }
}

/// What can be enqueued: a task as it is, or a [`NewJob`] with options.
pub trait IntoJob {
    /// The type of the job's result.
    type Output;

    /// The job.
    fn into_job(self) -> NewJob<Self::Output>;
}

impl<T: Task> IntoJob for T {
    type Output = T::Output;
    fn into_job(self) -> NewJob<T::Output> {
        NewJob::new(self)
    }
}

impl<O> IntoJob for NewJob<O> {
    type Output = O;
    fn into_job(self) -> Self {
        self
    }
}

/// A job as it stands in the store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub status: Status,
    /// Its call, options and notes.
    #[serde(flatten)]
    pub template: JobTemplate,
    /// The slot that it was made for.
    pub slot: Option<Slot>,
    /// The jobs that it waits for while it is deferred; that it waited for, after that.
    pub depends_on: Dependencies,
    /// When it was taken in.
    pub created_at: Timestamp,
    /// When it is due, while it is scheduled; when it was due, after that.
    pub due_at: Option<Timestamp>,
    /// When it last entered its queue.
    pub enqueued_at: Option<Timestamp>,
    /// When it last started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When what is left of it is dropped; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// The execution that runs it, or ran it last.
    pub token: Option<Token>,
    /// The worker that runs it, or ran it last.
    pub worker: Option<String>,
    /// Until when that worker's word holds.
    pub lease_until: Option<Timestamp>,
    /// How many executions failed. Uses up `retry`.
    pub failures: u32,
    /// How many executions vanished with their worker. Three make it poison.
    pub lost: u32,
    /// Someone asked to stop it while it runs.
    pub stop_requested: bool,
    /// What its handler returned, as JSON.
    pub result: Option<String>,
    /// Why it failed last.
    pub error: Option<String>,
}

impl Job {
    /// A line for people: its description, or its call.
    #[must_use]
    pub fn description(&self) -> String {
        match &self.template.description {
            Some(text) => text.clone(),
            None => format!("{}{}", self.template.task, self.template.payload),
        }
    }

    /// The execution that runs it, or ran it last.
    #[must_use]
    pub fn execution(&self) -> Option<Execution> {
        Some(Execution {
            job: self.id.clone(),
            token: self.token?,
        })
    }
}
