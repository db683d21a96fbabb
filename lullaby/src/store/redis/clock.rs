//! The server's time, as far as this process can tell.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Sleep, SystemClock, Timestamp};

/// By how much two clocks that agree can seem to differ: the server's milliseconds are cut, and ours are rounded up.
const GRAIN: i64 = 2;
/// An answer after so many ms says little more than that clocks agree, if they may.
const QUICK: i64 = 3;

/// The host's clock, put right by how far the server's differs. It says when scripts are to be asked, which judge by the server's `TIME`
/// itself; but slots of schedules are decided by it, so it may be late and never ahead.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    host: SystemClock,
    /// The server's time minus the host's, in ms.
    ahead: AtomicI64,
    is_measured: AtomicBool,
}

impl ServerClock {
    /// Asks were sent at `sent` and answered at `answered` by the host's clock, with `server` as the answer.
    ///
    /// All that is known then is that the server looked at its clock in between. Where it does not matter much, half way is a good guess; but
    /// an ask that waited 400 ms behind a server's other work was answered at the end of them, and a clock put right by half of that is 200 ms
    /// ahead: of a million pets in five minutes a thousand ticks came before their time.
    pub(super) fn correct(&self, sent: Timestamp, server: i64, answered: Timestamp) {
        let least = server - answered.as_millis();
        let most = server - sent.as_millis() + GRAIN;
        let possible = least..=most;
        let was_measured = self.is_measured.swap(true, Ordering::Relaxed);
        let is_quick = most - least <= QUICK + GRAIN;
        let old = self.ahead();
        let ahead = if is_quick && possible.contains(&0) {
            0
        } else if was_measured && possible.contains(&old) {
            old
        } else {
            least
        };
        self.ahead.store(ahead, Ordering::Relaxed);
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

    /// Asks at the host's `sent`, of a server that is `ahead` and looks at its clock after `waited`; the answer takes no time.
    fn ask(clock: &ServerClock, sent: i64, ahead: i64, waited: i64) {
        let instant = Timestamp::from_millis;
        clock.correct(instant(sent), sent + waited + ahead, instant(sent + waited));
    }

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

    #[test]
    fn an_ask_that_waited_long_puts_no_clock_ahead() {
        for ahead in [-500, -1, 0, 1, 500] {
            for waits in [[0, 400, 900], [400, 0, 300], [400, 400, 1]] {
                let clock = ServerClock::default();
                for (n, waited) in (0..).zip(waits) {
                    ask(&clock, 1_000_000 + 5_000 * n, ahead, waited);
                    assert!(clock.ahead() <= ahead + GRAIN, "{waits:?}: {clock:?}");
                    assert!(clock.ahead() >= ahead - 400, "{waits:?}: {clock:?}");
                }
            }
        }
    }

    #[test]
    fn on_one_host_both_clocks_are_one_whatever_is_cut_and_rounded() {
        let clock = ServerClock::default();
        for (n, cut) in (0..).zip([-1, -2, 0, -1]) {
            let sent = Timestamp::from_millis(1_000_000 + 5_000 * n);
            clock.correct(sent, sent.as_millis() + cut, sent);
            assert_eq!(clock.ahead(), 0, "{cut}");
        }
        ask(&clock, 2_000_000, 0, 700);
        assert_eq!(clock.ahead(), 0);
    }

    #[test]
    fn a_clock_that_was_set_is_followed() {
        let clock = ServerClock::default();
        for ahead in [0, 3_600_000, 3_599_000, -20, 0] {
            ask(&clock, 1_000_000, ahead, 1);
            assert!((clock.ahead() - ahead).abs() <= GRAIN, "{ahead}: {clock:?}");
        }
    }
}
