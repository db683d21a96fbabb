//! Keeping the house: returning orphans, dropping what is past its time.

use std::time::Duration;

use crate::backoff::Pause;
use crate::client::Lullaby;
use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::shutdown::{Shutdown, Stop};
use crate::store::{Store, Topic};
use crate::webhook::Deliveries;

const BATCH: usize = 1000;

/// How far the time of day and the monotonic clock may part before leases are not trusted for a while.
const CLOCKS_PART: i64 = 1000;

/// Reaps and sweeps until `shutdown`. Store errors pause it and never end it.
pub(crate) async fn run(
    lullaby: &Lullaby,
    lease: Duration,
    deliveries: &Deliveries,
    shutdown: &Shutdown,
) {
    let clock = lullaby.clock().as_ref();
    let store = lullaby.store().as_ref();
    let mut orphans = store.signals().listen(Topic::Orphans);
    let mut pause = Pause::when_it_cannot("keep the house");
    let mut trust = LeaseTrust::new(clock, lease);
    while shutdown.state() == Stop::No {
        orphans.reset();
        let expired = trust.leases_count(clock, store.interruptions());
        let work =
            lullaby
                .health()
                .watch("maintenance", clock, keep_house(store, expired, deliveries));
        let wake = match work.await {
            Ok(_) => {
                pause.reset();
                clock.now() + lease
            }
            Err(error) => {
                trust.lose(clock);
                tokio::select! {
                    () = pause.rest(clock, &error) => {}
                    () = shutdown.reached(Stop::Warm) => {}
                }
                continue;
            }
        };
        tokio::select! {
            () = orphans.raised() => {}
            () = clock.sleep_until(wake) => {}
            () = shutdown.reached(Stop::Warm) => {}
        }
    }
    lullaby.health().retire("maintenance");
}

/// Returns every orphan and drops everything past its time; true if there was any.
pub(crate) async fn keep_house(
    store: &dyn Store,
    expired: bool,
    deliveries: &Deliveries,
) -> Result<bool> {
    let mut any = false;
    loop {
        let reaped = store.reap(expired, BATCH).await?;
        for id in &reaped.returned {
            tracing::warn!(job = %id, "its worker is gone: back at the front of its queue");
        }
        for id in &reaped.poisoned {
            tracing::error!(job = %id, "lost with its worker too often: failed");
        }
        deliveries.tell_of_poisoned(&reaped.poisoned).await;
        let count = reaped.returned.len() + reaped.poisoned.len();
        any |= count > 0;
        if count > 0 {
            crate::failpoint::hit("reap.returned");
        }
        if count < BATCH {
            break;
        }
    }
    loop {
        let swept = store.sweep(BATCH).await?;
        any |= swept.jobs > 0;
        if swept.jobs < BATCH {
            return Ok(any);
        }
    }
}

/// Whether expired leases may be believed. For one lease after the start, after the store was away, and after the clock was stepped, they
/// may not: their owners may not have had a chance to renew them, or the step alone made them look expired.
struct LeaseTrust {
    lease: Duration,
    /// Monotonic.
    from: Duration,
    /// Time of day minus monotonic time, in milliseconds, when last looked at.
    offset: i64,
    /// How often the store had been away by then.
    interruptions: u64,
}

impl LeaseTrust {
    fn new(clock: &dyn Clock, lease: Duration) -> Self {
        Self {
            lease,
            from: clock.monotonic() + lease,
            offset: offset(clock),
            interruptions: 0,
        }
    }

    fn lose(&mut self, clock: &dyn Clock) {
        self.from = clock.monotonic() + self.lease;
    }

    fn leases_count(&mut self, clock: &dyn Clock, interruptions: u64) -> bool {
        if interruptions != self.interruptions {
            // Between two looks of ours it may have been away for longer than a lease lasts, and nobody could renew.
            self.interruptions = interruptions;
            self.lose(clock);
        }
        let offset = offset(clock);
        if (offset - self.offset).abs() > CLOCKS_PART {
            tracing::warn!(
                "the time of day was stepped; leases are left alone for {:?}",
                self.lease
            );
            self.offset = offset;
            self.lose(clock);
        }
        clock.monotonic() >= self.from
    }
}

fn offset(clock: &dyn Clock) -> i64 {
    let monotonic = i64::try_from(clock.monotonic().as_millis()).unwrap_or(i64::MAX);
    let now: Timestamp = clock.now();
    now.as_millis().saturating_sub(monotonic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn leases_are_not_believed_for_one_lease_after_the_store_was_away() {
        let clock = ManualClock::new(Timestamp::from_millis(0));
        let lease = Duration::from_secs(15);
        let mut trust = LeaseTrust::new(&clock, lease);
        assert!(!trust.leases_count(&clock, 0));
        clock.advance(lease);
        assert!(trust.leases_count(&clock, 0));
        // It went and came back between two looks, and no call failed.
        assert!(!trust.leases_count(&clock, 1));
        clock.advance(lease);
        assert!(trust.leases_count(&clock, 1));
    }
}
