//! Pauses after store errors: the loops go on for ever, ever more slowly.

use std::time::Duration;

use crate::clock::Clock;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// Doubles from 50 ms up to 1 s: a store that comes back is met within a second.
#[derive(Debug)]
pub(crate) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Pause {
    pub(crate) fn reset(&mut self) {
        self.0 = FIRST;
    }

    pub(crate) async fn rest(&mut self, clock: &dyn Clock) {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        clock.sleep_until(clock.now() + pause).await;
    }
}
