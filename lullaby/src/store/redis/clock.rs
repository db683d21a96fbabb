//! The server's time, as far as this process can tell.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Sleep, SystemClock, Timestamp};

/// The host's clock, put right by how far the server's differs. Scripts judge by the server's `TIME` itself; this clock only says when to ask.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    host: SystemClock,
    /// The server's time minus the host's, in ms.
    ahead: AtomicI64,
}

impl ServerClock {
    /// Asks were sent at `sent` and answered at `answered` by the host's clock, with `server` as the answer.
    pub(super) fn correct(&self, sent: Timestamp, server: i64, answered: Timestamp) {
        let middle = i64::midpoint(sent.as_millis(), answered.as_millis());
        let ahead = server - middle;
        // Below the grain of the measurement a correction would only be noise.
        let old = self.ahead.load(Ordering::Relaxed);
        if (ahead - old).abs() > 2 {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
    }

    pub(super) fn host(&self) -> &SystemClock {
        &self.host
    }

    fn on_host(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.as_millis().saturating_sub(self.ahead()))
    }

    fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.host.now().as_millis() + self.ahead())
    }

    fn monotonic(&self) -> Duration {
        self.host.monotonic()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        self.host.sleep_until(self.on_host(deadline))
    }

    fn wake_at(&self, deadline: Timestamp) -> Sleep {
        self.host.wake_at(self.on_host(deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_time_is_told_whatever_the_host_says() {
        let clock = ServerClock::default();
        let now = clock.host().now();
        clock.correct(now, now.as_millis() + 60_000, now);
        let told = clock.now().since(now);
        assert!(
            told >= Duration::from_secs(60) && told < Duration::from_secs(61),
            "{told:?}"
        );
    }
}
