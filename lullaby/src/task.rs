//! Typed tasks, their handlers, and the registry that a worker is given.

use std::any::{Any, TypeId, type_name};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::payload::Payload;

/// A call that can travel: its arguments, a stable name on the wire, and the type of its result.
///
/// ```
/// use lullaby::Task;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Add { a: i64, b: i64 }
///
/// impl Task for Add {
///     const NAME: &'static str = "demo.add";
///     type Output = i64;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task",
    note = "a task is a serde type with a name: `impl Task for {Self} {{ const NAME: &'static str = \"…\"; type Output = (); }}`",
    note = "a job by its name alone is made by `NewJob::named`"
)]
pub trait Task: Serialize + DeserializeOwned + Send + 'static {
    /// Its name on the wire. Jobs in a store bear it: changing it orphans them.
    const NAME: &'static str;

    /// What its handler returns; `()` for nothing.
    type Output: Serialize + DeserializeOwned + Send + 'static;
}

/// How a handler ends other than well.
///
/// Any error turns into a failure by `?`, and so do `anyhow` errors and texts.
#[derive(Debug)]
pub struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Retried as the job's `retry` says.
    Error,
    /// Not retried.
    Fatal,
    /// Retried after this time, if the job's `retry` has a try left.
    RetryIn(Duration),
    /// Runs again after this time; no failure at all.
    Snooze(Duration),
}

impl Failure {
    /// No retry can help: the job fails at once.
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self {
            kind: FailureKind::Fatal,
            message: message.to_string(),
        }
    }

    /// Try again after `pause` instead of what the job's `retry` says. It uses up one of its tries all the same.
    pub fn retry_in(pause: Duration, message: impl fmt::Display) -> Self {
        Self {
            kind: FailureKind::RetryIn(pause),
            message: message.to_string(),
        }
    }

    /// Not now: run again after `pause`. Counts as no failure and uses up no try.
    #[must_use]
    pub fn snooze(pause: Duration) -> Self {
        Self {
            kind: FailureKind::Snooze(pause),
            message: String::new(),
        }
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        // The causes too, as a traceback would tell them.
        let error = error.into();
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            // Errors that print their source already would say it twice.
            if !message.ends_with(&text) {
                message.push_str("\ncaused by: ");
                message.push_str(&text);
            }
            cause = inner.source();
        }
        Self {
            kind: FailureKind::Error,
            message,
        }
    }
}

/// What a handler may return: the task's output, or a `Result` of it with any error.
#[diagnostic::on_unimplemented(
    message = "a handler of this task cannot return `{Self}`",
    label = "expected the task's `Output` `{O}`, or a `Result` of it",
    note = "the error of the `Result` may be `Failure` or anything that `?` turns into a boxed error"
)]
pub trait IntoOutcome<O>: Send {
    /// As a result.
    ///
    /// # Errors
    /// The failure that the handler returned.
    fn into_outcome(self) -> Result<O, Failure>;
}

impl<O: Send> IntoOutcome<O> for O {
    fn into_outcome(self) -> Result<O, Failure> {
        Ok(self)
    }
}

impl<O: Send, E: Into<Failure> + Send> IntoOutcome<O> for Result<O, E> {
    fn into_outcome(self) -> Result<O, Failure> {
        self.map_err(Into::into)
    }
}

/// What runs a task: an async function of the task and a [`Context`], or a type of your own that implements this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of the task `{T}`",
    note = "a handler is `async fn(task: {T}, ctx: Context) -> Result<<{T} as Task>::Output, impl Into<Failure>>`",
    note = "it and its future must be `Send`; CPU-bound or blocking work goes to `Tasks::blocking`"
)]
pub trait Handler<T: Task>: Send + Sync + 'static {
    /// Runs the task. The future is dropped at its next `.await` when the job is past its timeout, or is stopped and does not heed
    /// [`Context::canceled`].
    fn call(
        &self,
        task: T,
        ctx: Context,
    ) -> impl Future<Output = Result<T::Output, Failure>> + Send;
}

impl<T, F, Fut, R> Handler<T> for F
where
    T: Task,
    F: Fn(T, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send,
    R: IntoOutcome<T::Output>,
{
    async fn call(&self, task: T, ctx: Context) -> Result<T::Output, Failure> {
        self(task, ctx).await.into_outcome()
    }
}

/// What came out of a handler: its result as JSON, `None` for nothing.
pub(crate) type Outcome = Result<Option<String>, Failure>;
pub(crate) type AsyncRun = Pin<Box<dyn Future<Output = Outcome> + Send>>;
pub(crate) type BlockingRun = Box<dyn FnOnce() -> Outcome + Send>;

/// A call that is ready to run.
pub(crate) enum Run {
    Async(AsyncRun),
    Blocking(BlockingRun),
}

type MakeRun = Arc<dyn Fn(&Payload, Context) -> Result<Run, Failure> + Send + Sync>;

/// The tasks that a worker knows, with their handlers and the state that those share.
///
/// ```
/// use lullaby::{Context, Task, Tasks};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Add { a: i64, b: i64 }
/// impl Task for Add {
///     const NAME: &'static str = "demo.add";
///     type Output = i64;
/// }
///
/// async fn add(task: Add, _ctx: Context) -> Result<i64, std::io::Error> {
///     Ok(task.a + task.b)
/// }
///
/// let tasks = Tasks::new().task(add);
/// assert_eq!(tasks.names(), ["demo.add"]);
/// ```
///
/// A handler that does not fit is a compile error that says what one looks like:
///
/// ```compile_fail,E0277
/// # use lullaby::{Context, Task, Tasks};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct Add { a: i64, b: i64 }
/// # impl Task for Add {
/// #     const NAME: &'static str = "demo.add";
/// #     type Output = i64;
/// # }
/// // error: a handler of this task cannot return `&str`; expected the task's `Output` `i64`, or a `Result` of it
/// Tasks::new().task(async |task: Add, _ctx: Context| "three");
/// ```
#[derive(Clone, Default)]
pub struct Tasks {
    handlers: BTreeMap<&'static str, MakeRun>,
    state: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Tasks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task with an async handler. A second handler under the same name replaces the first.
    #[must_use]
    pub fn task<T: Task, H: Handler<T>>(mut self, handler: H) -> Self {
        let handler = Arc::new(handler);
        let make: MakeRun = Arc::new(move |payload, ctx| {
            let task: T = decode(payload)?;
            let handler = handler.clone();
            Ok(Run::Async(Box::pin(async move {
                encode(&handler.call(task, ctx).await?)
            })))
        });
        self.handlers.insert(T::NAME, make);
        self
    }

    /// Adds a task whose handler blocks or computes: it runs on a thread of its own, at most
    /// [`blocking_threads`](crate::worker::WorkerBuilder::blocking_threads) of them at once. It cannot be dropped, so it should look at
    /// [`Context::is_canceled`] now and then.
    #[must_use]
    pub fn blocking<T, R, F>(mut self, handler: F) -> Self
    where
        T: Task,
        R: IntoOutcome<T::Output>,
        F: Fn(T, Context) -> R + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        let make: MakeRun = Arc::new(move |payload, ctx| {
            let task: T = decode(payload)?;
            let handler = handler.clone();
            Ok(Run::Blocking(Box::new(move || {
                encode(&handler(task, ctx).into_outcome()?)
            })))
        });
        self.handlers.insert(T::NAME, make);
        self
    }

    /// Shares a value with all handlers: they get it by [`Context::state`]. One of each type.
    #[must_use]
    pub fn state<S: Send + Sync + 'static>(mut self, state: Arc<S>) -> Self {
        self.state.insert(TypeId::of::<S>(), state);
        self
    }

    /// The names of the tasks, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.handlers.keys().copied().collect()
    }

    pub(crate) fn shared_state<S: Send + Sync + 'static>(&self) -> Result<Arc<S>, Failure> {
        self.state
            .get(&TypeId::of::<S>())
            .and_then(|state| state.clone().downcast().ok())
            .ok_or_else(|| {
                Failure::fatal(format!(
                    "no state of type {} was shared: add it with Tasks::state",
                    type_name::<S>()
                ))
            })
    }

    /// The call as it runs, `None` if the task is unknown.
    pub(crate) fn prepare(
        &self,
        task: &str,
        payload: &Payload,
        ctx: Context,
    ) -> Option<Result<Run, Failure>> {
        self.handlers.get(task).map(|make| make(payload, ctx))
    }

    pub(crate) fn knows(&self, task: &str) -> bool {
        self.handlers.contains_key(task)
    }

    /// Says that `task` is unknown, and which are known.
    pub(crate) fn unknown(&self, task: &str) -> String {
        let known = if self.handlers.is_empty() {
            "none".to_owned()
        } else {
            self.names().join(", ")
        };
        format!("this worker has no handler for the task {task:?}; it knows: {known}")
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.handlers.keys()).finish()
    }
}

fn decode<T: Task>(payload: &Payload) -> Result<T, Failure> {
    // The same arguments will not fit the next time either.
    payload
        .decode()
        .map_err(|error| Failure::fatal(format!("{}: {error}", T::NAME)))
}

fn encode<O: Serialize>(output: &O) -> Outcome {
    let json = serde_json::to_string(output).map_err(|error| {
        Failure::fatal(format!("the result cannot be written as JSON: {error}"))
    })?;
    Ok((json != "null").then_some(json))
}
