//! One reader of the store's events for all open streams of this process.
//!
//! However many streams are open, new events are read once, and one timer makes all heartbeats. While no stream is open it does neither.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lullaby::clock::Clock;
use lullaby::event::{Event, EventId};
use lullaby::store::Topic;
use lullaby::{Lullaby, Shutdown, Stop, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit, broadcast, watch};

/// How often a stream says that it is alive.
pub const BEAT: Duration = Duration::from_secs(5);

/// How long the hub waits after a store error.
const PAUSE: Duration = Duration::from_millis(500);

/// Events read at once.
const BATCH: usize = 1000;

/// Events of one subject that a stream may be behind before it has to read them from the store itself.
const BACKLOG: usize = 64;

/// How many streams draw their page at once. A thousand that all did at a beat held 100 MB of events between them.
const PENS: usize = 16;

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

/// One life of this process, so that a page can tell that it was started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Another one at each start.
    pub id: String,
    /// When it began.
    pub at: Timestamp,
}

#[derive(Debug)]
struct Inner {
    boot: Boot,
    lullaby: Lullaby,
    /// For heartbeats and pauses. The host's: a world of the lab has a clock that may run faster.
    clock: Arc<dyn Clock>,
    subjects: Mutex<HashMap<String, broadcast::Sender<Arc<Event>>>>,
    /// How many streams are open.
    streams: watch::Sender<usize>,
    /// True while new events are passed on: everything that is appended from then on reaches the streams.
    listening: watch::Sender<bool>,
    beats: watch::Sender<u64>,
    pens: Semaphore,
}

/// A stream's place at the hub; it leaves when dropped.
#[derive(Debug)]
pub struct Seat {
    hub: Hub,
    subject: String,
    /// What happens to the subject from now on.
    pub events: broadcast::Receiver<Arc<Event>>,
    /// Changes every [`BEAT`].
    pub beats: watch::Receiver<u64>,
}

impl Hub {
    /// A hub; nothing passes before [`Hub::run`].
    #[must_use]
    pub fn new(lullaby: Lullaby, clock: Arc<dyn Clock>) -> Self {
        let boot = Boot {
            id: uuid::Uuid::new_v4().simple().to_string(),
            at: lullaby.now(),
        };
        Self(Arc::new(Inner {
            boot,
            lullaby,
            clock,
            subjects: Mutex::default(),
            streams: watch::Sender::new(0),
            listening: watch::Sender::new(false),
            beats: watch::Sender::new(0),
            pens: Semaphore::new(PENS),
        }))
    }

    fn subjects(&self) -> MutexGuard<'_, HashMap<String, broadcast::Sender<Arc<Event>>>> {
        let subjects = &self.0.subjects;
        subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of this process.
    #[must_use]
    pub fn boot(&self) -> &Boot {
        &self.0.boot
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        *self.0.streams.borrow()
    }

    /// Takes a seat for a subject. Every event that is appended after this returned comes by.
    pub async fn sit(&self, subject: &str) -> Seat {
        let events = {
            let mut subjects = self.subjects();
            let sender = subjects
                .entry(subject.to_owned())
                .or_insert_with(|| broadcast::Sender::new(BACKLOG));
            let events = sender.subscribe();
            // Under the lock, so that the hub cannot stop listening between the two.
            self.0.streams.send_modify(|streams| *streams += 1);
            events
        };
        let seat = Seat {
            hub: self.clone(),
            subject: subject.to_owned(),
            events,
            beats: self.0.beats.subscribe(),
        };
        let mut listening = self.0.listening.subscribe();
        // Only fails once the hub is gone, and `self` holds it.
        let _ = listening.wait_for(|listening| *listening).await;
        seat
    }

    /// Waits until it is one's turn to read events and draw; the turn is over when the pen is dropped.
    pub async fn pen(&self) -> Option<SemaphorePermit<'_>> {
        // The pens are never closed; without one a page is drawn all the same.
        self.0.pens.acquire().await.ok()
    }

    /// Passes events on until `shutdown`.
    pub async fn run(&self, shutdown: &Shutdown) {
        tokio::select! {
            () = self.pass_on_for_ever() => {}
            () = shutdown.reached(Stop::Warm) => {}
        }
    }

    async fn pass_on_for_ever(&self) {
        let store = self.0.lullaby.store();
        let clock = &self.0.clock;
        let mut streams = self.0.streams.subscribe();
        let mut signal = store.signals().listen(Topic::Events);
        loop {
            let _ = streams.wait_for(|streams| *streams > 0).await;
            let mut last = match store.last_event().await {
                Ok(last) => last,
                Err(error) => {
                    tracing::warn!(%error, "could not read the store's events; trying again");
                    clock.sleep_until(clock.now() + PAUSE).await;
                    continue;
                }
            };
            self.0.listening.send_replace(true);
            let mut next_beat = clock.now() + BEAT;
            while !self.nobody_left() {
                signal.reset();
                let pause = match self.pass_on(last).await {
                    Ok(newest) => {
                        last = newest;
                        None
                    }
                    Err(error) => {
                        tracing::warn!(%error, "could not read the store's events; trying again");
                        Some(clock.now() + PAUSE)
                    }
                };
                let retry = async {
                    match pause {
                        Some(at) => clock.sleep_until(at).await,
                        None => signal.raised().await,
                    }
                };
                tokio::select! {
                    () = retry => {}
                    () = clock.sleep_until(next_beat) => {
                        self.0.beats.send_modify(|beats| *beats += 1);
                        next_beat = clock.now() + BEAT;
                    }
                    _ = streams.wait_for(|streams| *streams == 0) => {}
                }
            }
        }
    }

    /// Reads everything after `last` and passes it on; answers the newest.
    async fn pass_on(&self, mut last: EventId) -> lullaby::Result<EventId> {
        loop {
            let events = self.0.lullaby.events(None, last, BATCH).await?;
            let read = events.len();
            let subjects = self.subjects();
            for event in events {
                last = event.id;
                if let Some(sender) = subjects.get(&event.subject) {
                    // Fails when the last one has just left.
                    let _ = sender.send(Arc::new(event));
                }
            }
            if read < BATCH {
                return Ok(last);
            }
        }
    }

    /// If no stream is open, stops listening.
    fn nobody_left(&self) -> bool {
        let _subjects = self.subjects();
        let nobody = self.streams() == 0;
        if nobody {
            self.0.listening.send_replace(false);
        }
        nobody
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut subjects = self.hub.subjects();
        self.hub.0.streams.send_modify(|streams| *streams -= 1);
        let is_last = subjects
            .get(&self.subject)
            .is_some_and(|sender| sender.receiver_count() <= 1);
        if is_last {
            subjects.remove(&self.subject);
        }
    }
}
