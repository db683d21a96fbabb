//! The loop that moves what is due. Any number of processes may run it on one store.

use std::time::Duration;

use crate::backoff::Pause;
use crate::client::Lullaby;
use crate::clock::{Timestamp, until};
use crate::error::Result;
use crate::schedule::decide_among;
use crate::shutdown::{Shutdown, Stop};
use crate::store::{Store, Topic};

/// How much is moved or decided in one step: enough that a round trip costs little, little enough that nobody else waits long.
const BATCH: usize = 1000;

/// Sleeps until the next due moment, moves what is due, and so on, until `shutdown`. Store errors pause it and never end it.
pub(crate) async fn run(lullaby: &Lullaby, shutdown: &Shutdown) {
    let clock = lullaby.clock().as_ref();
    let store = lullaby.store().as_ref();
    let mut due = store.signals().listen(Topic::Due);
    let mut ended = store.signals().listen(Topic::Ended);
    let mut pause = Pause::when_it_cannot("move what is due");
    while shutdown.state() == Stop::No {
        due.reset();
        ended.reset();
        // A step at a time, so that neither a shutdown nor a readiness probe waits for a whole outage to be made up for.
        let work = (lullaby.health()).watch("scheduler", clock, move_some_due(store));
        let coming = match work.await {
            Ok(coming) => {
                pause.reset();
                coming
            }
            Err(error) => {
                tokio::select! {
                    () = pause.rest(clock, &error) => {}
                    () = shutdown.reached(Stop::Warm) => {}
                }
                continue;
            }
        };
        if coming.more {
            // A store in memory answers at once: without this nobody else on the thread would have a turn.
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            () = due.raised() => {}
            () = ended.raised(), if coming.buffered => {}
            () = async { clock.wake_at(coming.next_due.unwrap_or(Timestamp::MAX)).await } => {}
            () = shutdown.reached(Stop::Warm) => {}
        }
    }
    lullaby.health().retire("scheduler");
}

/// How long an ending scheduler waits for the store to let others' schedulers in.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// Lets others' schedulers in, at the end.
pub(crate) async fn leave(lullaby: &Lullaby) {
    let clock = lullaby.clock().as_ref();
    let farewell = lullaby.store().stop_moving();
    if let Some(Err(error)) = until(clock, clock.now() + LEAVE_WITHIN, farewell).await {
        tracing::warn!(%error, "could not give up the schedulers' locks; they lapse within a minute");
    }
}

/// What is worth waiting for once everything due was moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coming {
    /// How many jobs were moved into their queues, or made for slots.
    pub(crate) moved: usize,
    /// When the next job or slot is due.
    pub(crate) next_due: Option<Timestamp>,
    /// Whether a slot waits for a job to end.
    buffered: bool,
    /// Whether there may be more that is due already.
    more: bool,
}

/// Moves every scheduled job and decides every slot that is due.
pub(crate) async fn move_everything_due(store: &dyn Store) -> Result<Coming> {
    let mut moved = 0;
    loop {
        let coming = move_some_due(store).await?;
        moved += coming.moved;
        if !coming.more {
            return Ok(Coming { moved, ..coming });
        }
    }
}

/// Slots and jobs take turns, so that catching up after an outage keeps neither waiting for longer than a step takes.
async fn move_some_due(store: &dyn Store) -> Result<Coming> {
    // Slots first: one with jitter makes a scheduled job, whose time counts in what comes next.
    let slots = decide_some(store).await?;
    let jobs = store.move_due(BATCH).await?;
    if jobs.moved > 0 {
        crate::failpoint::hit("move.moved");
    }
    Ok(Coming {
        moved: slots.jobs + jobs.moved,
        next_due: [jobs.next_due, slots.next_due].into_iter().flatten().min(),
        buffered: slots.buffered,
        more: slots.more || jobs.moved >= BATCH,
    })
}

/// What a step of [`decide_some`] leaves.
struct Slots {
    /// How many jobs were made.
    jobs: usize,
    /// Whether there may be more that are due.
    more: bool,
    next_due: Option<Timestamp>,
    buffered: bool,
}

/// Decides slots that are due, one step's worth: those on time first, then what schedules have missed.
async fn decide_some(store: &dyn Store) -> Result<Slots> {
    let schedules = store.due_schedules(BATCH).await?;
    let mut slots = Slots {
        jobs: 0,
        more: false,
        next_due: schedules.next_due,
        buffered: schedules.buffered,
    };
    if schedules.due.is_empty() {
        return Ok(slots);
    }
    crate::failpoint::hit("slot.read");
    // The time is read after the schedules: whatever is due in them is due by it.
    let now = store.clock().now();
    let (behind, on_time): (Vec<_>, Vec<_>) =
        (schedules.due.iter()).partition(|record| record.is_behind(now));
    let mut decisions = Vec::new();
    for record in on_time.into_iter().chain(behind) {
        if slots.jobs >= BATCH {
            break;
        }
        if let Some(decision) = decide_among(record, &schedules.jobs, now) {
            slots.jobs += decision.jobs.len();
            decisions.push(decision);
        }
    }
    if decisions.is_empty() {
        // The clock went back between the two: nothing is due any more.
        slots.next_due = schedules.due.iter().filter_map(|record| record.next).min();
        return Ok(slots);
    }
    store.advance(decisions).await?;
    crate::failpoint::hit("slot.advanced");
    slots.more = true;
    Ok(slots)
}
