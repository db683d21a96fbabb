//! Signals: "look again", by topic.

use tokio::sync::watch;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Jobs entered a queue.
    Queued,
    /// Something was scheduled, a schedule changed, or the clock was set: the next due time may be earlier.
    Due,
    /// Jobs ended, or results came.
    Ended,
    /// Somebody asked to stop a running job.
    Control,
    /// Events were appended.
    Events,
    /// Jobs of a vanished owner may wait to be returned.
    Orphans,
}

const TOPICS: [Topic; 6] = [
    Topic::Queued,
    Topic::Due,
    Topic::Ended,
    Topic::Control,
    Topic::Events,
    Topic::Orphans,
];

/// The sending side, one in each opened store.
#[derive(Debug)]
pub struct Signals([watch::Sender<u64>; TOPICS.len()]);

impl Default for Signals {
    fn default() -> Self {
        Self(std::array::from_fn(|_| watch::Sender::new(0)))
    }
}

impl Signals {
    /// Wakes whoever waits for this topic.
    pub fn raise(&self, topic: Topic) {
        self.0[topic as usize].send_modify(|count| *count += 1);
    }

    /// Wakes everybody: something changed, and nobody knows what.
    pub fn raise_all(&self) {
        for topic in TOPICS {
            self.raise(topic);
        }
    }

    /// Listens to a topic, from now on.
    #[must_use]
    pub fn listen(&self, topic: Topic) -> Signal {
        Signal(self.0[topic as usize].subscribe())
    }
}

/// The listening side. Raised signals fold into one.
#[derive(Clone, Debug)]
pub struct Signal(watch::Receiver<u64>);

impl Signal {
    /// Forgets what was raised so far. Call it **before** looking at the store: what is raised while you look then wakes you again.
    pub fn reset(&mut self) {
        self.0.mark_unchanged();
    }

    /// Completes when the topic is raised, at once if it was since the last `reset` or `raised`. Cancel safe. Never completes once the
    /// store is closed.
    pub async fn raised(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_its_own_place() {
        for (place, topic) in TOPICS.into_iter().enumerate() {
            assert_eq!(topic as usize, place);
        }
    }

    #[tokio::test]
    async fn a_signal_raised_between_reset_and_wait_is_not_lost() {
        let signals = Signals::default();
        let mut signal = signals.listen(Topic::Queued);
        signal.reset();
        signals.raise(Topic::Queued);
        signal.raised().await;
    }
}
