//! The loop that moves what is due. Any number of processes may run it on one store.

use crate::backoff::Pause;
use crate::client::Lullaby;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::schedule::decide;
use crate::shutdown::{Shutdown, Stop};
use crate::store::{Store, Topic};

/// How much is moved or decided in one step: enough that a round trip costs little, little enough that nobody else waits long.
const BATCH: usize = 1000;

/// Sleeps until the next due moment, moves what is due, and so on, until `shutdown`. Store errors pause it and never end it.
pub(crate) async fn run(lullaby: &Lullaby, shutdown: &Shutdown) {
    let clock = lullaby.clock().as_ref();
    let store = lullaby.store().as_ref();
    let mut due = store.signals().listen(Topic::Due);
    let mut pause = Pause::default();
    while shutdown.state() == Stop::No {
        due.reset();
        let work = lullaby
            .health()
            .watch("scheduler", clock, move_everything_due(store));
        let next = match work.await {
            Ok(next) => {
                pause.reset();
                next
            }
            Err(error) => {
                tracing::warn!(%error, "the scheduler could not move what is due; trying again");
                tokio::select! {
                    () = pause.rest(clock) => {}
                    () = shutdown.reached(Stop::Warm) => {}
                }
                continue;
            }
        };
        tokio::select! {
            () = due.raised() => {}
            () = async { clock.sleep_until(next.unwrap_or(Timestamp::MAX)).await } => {}
            () = shutdown.reached(Stop::Warm) => {}
        }
    }
    lullaby.health().retire("scheduler");
}

/// Moves every scheduled job and decides every slot that is due; answers when the next one is.
pub(crate) async fn move_everything_due(store: &dyn Store) -> Result<Option<Timestamp>> {
    let jobs = loop {
        let moved = store.move_due(BATCH).await?;
        if moved.moved > 0 {
            crate::failpoint::hit("move.moved");
        }
        if moved.moved < BATCH {
            break moved.next_due;
        }
    };
    let slots = loop {
        let schedules = store.due_schedules(BATCH).await?;
        if schedules.due.is_empty() {
            break schedules.next_due;
        }
        crate::failpoint::hit("slot.read");
        // The time is read after the schedules: whatever is due in them is due by it.
        let now = store.clock().now();
        let decisions: Vec<_> = schedules
            .due
            .iter()
            .filter_map(|record| decide(record, now))
            .collect();
        if decisions.is_empty() {
            // The clock went back between the two: nothing is due any more.
            break schedules.due.iter().filter_map(|record| record.next).min();
        }
        store.advance(decisions).await?;
        crate::failpoint::hit("slot.advanced");
    };
    Ok([jobs, slots].into_iter().flatten().min())
}
