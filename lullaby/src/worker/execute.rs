//! One execution of one job, from its call to its ending.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use super::{Crew, Order};
use crate::clock::Timestamp;
use crate::context::Context;
use crate::job::{Execution, Job};
use crate::store::Ending;
use crate::task::{AsyncRun, BlockingRun, Failure, FailureKind, Outcome, Run};

/// How long a handler that was asked to stop has to end by itself.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// What ended an execution.
enum End {
    Returned(Outcome),
    TimedOut,
    StopIgnored,
    Killed,
    GivenBack,
    Forgotten,
}

pub(super) async fn execute(
    crew: &Crew,
    job: Job,
    execution: Execution,
    orders: watch::Sender<Order>,
    heard: watch::Receiver<Order>,
) {
    let ctx = Context::new(
        crew.lullaby.clone(),
        crew.tasks.clone(),
        job.clone(),
        execution.clone(),
        heard.clone(),
    );
    let template = &job.template;
    let settle = |end: End, stopped: bool| match ending(crew, &job, end, stopped) {
        Some(ending) => crew.end(execution.clone(), ending),
        None => crew.forget(execution.token),
    };
    let tasks = &crew.tasks;
    let mut callbacks = template.options.callbacks.names();
    if let Some(task) = callbacks.find(|task| !tasks.knows(task)) {
        let error = format!("its callback cannot be called: {}", tasks.unknown(task));
        return crew.end(execution, Ending::CannotHonour { error });
    }
    match tasks.prepare(&template.task, &template.payload, ctx) {
        None => crew.end(
            execution.clone(),
            Ending::CannotHonour {
                error: tasks.unknown(&template.task),
            },
        ),
        Some(Err(failure)) => settle(End::Returned(Err(failure)), false),
        Some(Ok(Run::Async(run))) => {
            let (end, stopped) = race(crew, &job, catch_panic(run), heard).await;
            settle(end, stopped);
        }
        Some(Ok(Run::Blocking(run))) => {
            let Some(permit) = blocking_permit(crew, heard.clone()).await else {
                let order = *heard.borrow();
                let end = if order == Order::Forget {
                    End::Forgotten
                } else {
                    End::GivenBack
                };
                settle(end, false);
                return;
            };
            let mut thread = tokio::task::spawn_blocking(move || run_blocking(run));
            let returned = async {
                (&mut thread).await.unwrap_or_else(|error| {
                    Err(Failure::fatal(format!(
                        "the handler's thread was lost: {error}"
                    )))
                })
            };
            let (end, stopped) = race(crew, &job, returned, heard).await;
            let leaves_thread = matches!(end, End::TimedOut | End::StopIgnored | End::Killed);
            if leaves_thread {
                orders.send_modify(|order| *order = (*order).max(Order::Stop));
                tracing::warn!(job = %job.id, task = %template.task, "a blocking handler is past its time; its slot is stuck until it returns");
            }
            settle(end, stopped);
            if leaves_thread {
                // A thread cannot be dropped. It keeps its slot, and the worker's count stays true.
                let mut gone = orders.subscribe();
                tokio::select! {
                    _ = thread => {}
                    _ = gone.wait_for(|order| *order >= Order::GiveBack) => {}
                }
            }
            drop(permit);
        }
    }
}

/// Runs the handler against its timeout and the orders that come. Also tells whether it had been asked to stop.
async fn race(
    crew: &Crew,
    job: &Job,
    run: impl Future<Output = Outcome>,
    mut heard: watch::Receiver<Order>,
) -> (End, bool) {
    let clock = crew.lullaby.clock().as_ref();
    let deadline = match job.template.options.timeout {
        Some(timeout) => clock.now() + timeout,
        None => Timestamp::MAX,
    };
    let mut run = pin!(run);
    let mut out_of_time = pin!(clock.sleep_until(deadline));
    let mut stop_by: Option<Timestamp> = None;
    loop {
        let level = *heard.borrow_and_update();
        match level {
            Order::Run => {}
            Order::Stop => stop_by = stop_by.or_else(|| Some(clock.now() + STOP_GRACE)),
            Order::Kill => return (End::Killed, stop_by.is_some()),
            Order::GiveBack => return (End::GivenBack, stop_by.is_some()),
            Order::Forget => return (End::Forgotten, stop_by.is_some()),
        }
        let grace = async {
            match stop_by {
                Some(by) => clock.sleep_until(by).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // The handler may have heard of an order before this loop did.
            outcome = &mut run => return returned(outcome, *heard.borrow()),
            () = &mut out_of_time => return (End::TimedOut, stop_by.is_some()),
            () = grace => return (End::StopIgnored, true),
            // The sender lives as long as the execution.
            _ = heard.changed() => {}
        }
    }
}

/// How a handler ended that had heard of this order, or of none. One that gave up because of it did not fail.
fn returned(outcome: Outcome, order: Order) -> (End, bool) {
    let end = match (outcome, order) {
        (Err(_), Order::Kill) => End::Killed,
        (Err(_), Order::GiveBack) => End::GivenBack,
        (Err(_), Order::Forget) => End::Forgotten,
        (outcome, _) => End::Returned(outcome),
    };
    (end, order >= Order::Stop)
}

/// Waits for a free thread; `None` if the job is to be given back or forgotten first.
async fn blocking_permit(
    crew: &Crew,
    mut heard: watch::Receiver<Order>,
) -> Option<tokio::sync::SemaphorePermit<'_>> {
    tokio::select! {
        permit = crew.blocking.acquire() => permit.ok(),
        _ = heard.wait_for(|order| *order >= Order::GiveBack) => None,
    }
}

/// What the store is told; `None` if nothing.
fn ending(crew: &Crew, job: &Job, end: End, stopped: bool) -> Option<Ending> {
    let now = crew.lullaby.now();
    Some(match end {
        End::Returned(Ok(result)) => Ending::Finished { result },
        // It was asked to stop, and how it ended is how it heeded that.
        End::Returned(Err(_)) | End::StopIgnored if stopped => Ending::Stopped,
        End::Returned(Err(failure)) => failed(job, now, &failure),
        End::TimedOut => {
            let timeout = job.template.options.timeout.unwrap_or_default();
            let failure =
                Failure::from(format!("Task exceeded maximum timeout value ({timeout:?})"));
            failed(job, now, &failure)
        }
        End::StopIgnored => Ending::Stopped,
        End::Killed => {
            let why = "Work-horse terminated unexpectedly; somebody told its worker to kill it";
            failed(job, now, &Failure::from(why))
        }
        End::GivenBack => Ending::HandedBack,
        End::Forgotten => return None,
    })
}

fn failed(job: &Job, now: Timestamp, failure: &Failure) -> Ending {
    let retry = job.template.options.retry.as_ref();
    let pause = retry.and_then(|retry| retry.delay(job.failures + 1, job.id.as_str()));
    let pause = match failure.kind {
        FailureKind::Snooze(pause) => return Ending::Snoozed { at: now + pause },
        FailureKind::Fatal => None,
        FailureKind::Error => pause,
        FailureKind::RetryIn(instead) => pause.map(|_| instead),
    };
    let error = failure.message.clone();
    match pause {
        Some(pause) => Ending::Retry {
            error,
            at: now + pause,
        },
        None => Ending::Failed { error },
    }
}

/// Polls `run` so that a panic in it is an outcome.
fn catch_panic(mut run: AsyncRun) -> impl Future<Output = Outcome> {
    std::future::poll_fn(move |cx| {
        catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx)))
            .unwrap_or_else(|panic| Poll::Ready(Err(panicked(panic.as_ref()))))
    })
}

fn run_blocking(run: BlockingRun) -> Outcome {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)");
    Failure::from(format!("the handler panicked: {text}"))
}
