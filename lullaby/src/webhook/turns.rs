//! Whose turn it is to send: so many at once, and of those so many to one receiver, lest one that is slow holds up the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests are under way at once: each is a socket.
const AT_ONCE: usize = 100;
/// How many of them to one receiver. Three that never answer leave a quarter of the turns to the rest.
const AT_ONCE_EACH: usize = 25;
/// Of more receivers than this, those that nobody waits for are forgotten.
const REMEMBERED: usize = 1000;

/// See the module.
#[derive(Debug)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    each: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _of_all: OwnedSemaphorePermit,
    _of_receiver: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(AT_ONCE)),
            each: Mutex::default(),
        }
    }
}

impl Turns {
    /// Waits for a turn to speak to this receiver, first come first served. Cancel safe. `None` is never: no semaphore is closed.
    pub(super) async fn take(&self, receiver: &str) -> Option<Turn> {
        // The receiver's first: who waits for a slow one holds up nobody else.
        let of_receiver = self.of(receiver).acquire_owned().await.ok()?;
        let of_all = self.all.clone().acquire_owned().await.ok()?;
        Some(Turn {
            _of_all: of_all,
            _of_receiver: of_receiver,
        })
    }

    fn of(&self, receiver: &str) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if each.len() > REMEMBERED {
            // Whoever waits, or has a turn, holds one more.
            each.retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        let turns = each.entry(receiver.to_owned());
        turns
            .or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE_EACH)))
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A turn, if it is there at once.
    fn at_once(turns: &Turns, receiver: &str) -> Option<Turn> {
        let mut taking = pin!(turns.take(receiver));
        match taking
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(turn) => turn,
            Poll::Pending => None,
        }
    }

    #[test]
    fn receivers_that_never_answer_leave_turns_to_the_others() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for slow in ["http://a", "http://b", "http://c"] {
            held.extend((0..AT_ONCE).map_while(|_| at_once(&turns, slow)));
        }
        assert_eq!(held.len(), 3 * AT_ONCE_EACH);
        assert!(at_once(&turns, "http://d").is_some());
    }

    #[test]
    fn all_receivers_together_have_a_hundred_turns() {
        let turns = Turns::default();
        let held: Vec<_> = (0..AT_ONCE + 5)
            .filter_map(|n| at_once(&turns, &format!("http://{n}")))
            .collect();
        assert_eq!(held.len(), AT_ONCE);
        drop(held);
        assert!(at_once(&turns, "http://0").is_some());
    }

    #[test]
    fn receivers_that_nobody_speaks_to_are_forgotten() {
        let turns = Turns::default();
        let held = at_once(&turns, "http://held");
        for n in 0..3 * REMEMBERED {
            drop(at_once(&turns, &format!("http://{n}")));
        }
        let each = turns.each.lock().expect("no panic");
        assert!(each.len() <= REMEMBERED + 1 && each.contains_key("http://held"));
        drop(held);
    }
}
