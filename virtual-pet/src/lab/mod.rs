//! The lab: worlds in which visitors see a scheduler at work and try to break it.
//!
//! Each visitor has a [`World`] of their own: a store in memory, a [paced clock](lullaby::clock::PacedClock), two workers and a scheduler, and
//! a copy of their pet. Nothing in it is played: a worker that is unplugged is a worker whose loop is gone. A world is thrown away when
//! nobody has pressed anything in it for [`IDLE`]; there are at most [`MOST_WORLDS`].

mod chimes;
mod deed;
mod lessons;
pub mod tasks;
#[cfg(test)]
mod tests;
mod world;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lullaby::clock::Clock;
use lullaby::{Shutdown, Stop, Timestamp};

pub use self::chimes::{Chime, POLICIES, Policy};
pub use self::deed::{Deed, NoDeed};
pub use self::lessons::{Fact, Learned, Lesson, Progress};
pub(crate) use self::tasks::is_of_the_lab;
pub use self::world::{Bench, LEASE, Look, Plug, Refused, Twins, World};
use crate::game::GameError;
use crate::keeper::Key;
use crate::pet::{Pet, Rules};

/// The kind of the event of each thing that a visitor did in the lab. Its data: `did` and whatever goes with it.
pub const DID: &str = "lab.did";

/// The kind of the event of a lesson's goal that was reached. Its data: `lesson`, from 1.
pub const LEARNED: &str = "lab.learned";

/// How many worlds there are at most.
pub const MOST_WORLDS: usize = 200;

/// A world in which nobody has pressed anything for so long is thrown away.
pub const IDLE: Duration = Duration::from_secs(30 * 60);

/// A world of a visitor who comes is worth more than one that nobody has looked at for so long.
pub(crate) const LEFT: Duration = Duration::from_secs(60);

/// How often worlds are looked after.
const ROUND: Duration = Duration::from_secs(30);

/// The worlds.
#[derive(Debug)]
pub struct Lab {
    rules: Rules,
    /// The host's.
    clock: Arc<dyn Clock>,
    /// By the hash of their visitor's key.
    worlds: Mutex<HashMap<String, Place>>,
}

#[derive(Debug)]
struct Place {
    world: Arc<World>,
    /// When somebody last pressed something.
    used: Timestamp,
}

impl Drop for Place {
    /// Open pages still hold the world; they hear of its end.
    fn drop(&mut self) {
        self.world.end();
    }
}

/// Why there is no world.
#[derive(Clone, Debug)]
pub enum NoWorld {
    /// There are as many as may be.
    Full,
    /// The system gave no thread, or the pet could not be copied.
    Failed(String),
}

impl fmt::Display for NoWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(
                f,
                "The lab is full: all {MOST_WORLDS} worlds are in use. Try again in a few minutes."
            ),
            Self::Failed(why) => write!(f, "There is no world for you just now: {why}."),
        }
    }
}

impl Lab {
    /// A lab without worlds, whose pets live by `rules`.
    #[must_use]
    pub fn new(rules: Rules, clock: Arc<dyn Clock>) -> Self {
        Self {
            rules,
            clock,
            worlds: Mutex::default(),
        }
    }

    fn worlds(&self) -> MutexGuard<'_, HashMap<String, Place>> {
        self.worlds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many worlds there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.worlds().len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes a world with a copy of `pet`, and throws away the one that the visitor `had`. Answers the key of the new one.
    ///
    /// # Errors
    /// If the lab is full, or there is no thread for another world.
    pub async fn enter(&self, pet: &Pet, had: Option<&Key>) -> Result<Key, NoWorld> {
        if let Some(had) = had {
            self.leave(had);
        }
        self.tidy();
        if !self.has_room() {
            return Err(NoWorld::Full);
        }
        let started = World::start(pet, self.rules, self.clock.clone()).await;
        let world = started.map_err(|error: GameError| NoWorld::Failed(error.to_string()))?;
        let key = Key::random();
        let place = Place {
            world: Arc::new(world),
            used: self.clock.now(),
        };
        let mut worlds = self.worlds();
        // Others may have come in the meantime.
        if worlds.len() >= MOST_WORLDS {
            return Err(NoWorld::Full);
        }
        worlds.insert(key.hash(), place);
        Ok(key)
    }

    /// The world of this key, to look at.
    #[must_use]
    pub fn world(&self, key: &Key) -> Option<Arc<World>> {
        let worlds = self.worlds();
        worlds.get(&key.hash()).map(|place| place.world.clone())
    }

    /// The world of this key, to do something in it: it is in use from now on for [`IDLE`].
    #[must_use]
    pub fn use_world(&self, key: &Key) -> Option<Arc<World>> {
        let mut worlds = self.worlds();
        let place = worlds.get_mut(&key.hash())?;
        place.used = self.clock.now();
        Some(place.world.clone())
    }

    /// Throws a world away.
    pub fn leave(&self, key: &Key) {
        self.worlds().remove(&key.hash());
    }

    /// Makes room for one more, if it takes that and somebody has left theirs; false if there is none.
    fn has_room(&self) -> bool {
        let now = self.clock.now();
        let mut worlds = self.worlds();
        if worlds.len() < MOST_WORLDS {
            return true;
        }
        let left = |place: &Place| !place.world.is_watched() && now.since(place.used) >= LEFT;
        let longest = worlds
            .iter()
            .filter(|(_, place)| left(place))
            .min_by_key(|(_, place)| place.used)
            .map(|(key, _)| key.clone());
        longest.is_some_and(|key| worlds.remove(&key).is_some())
    }

    /// Throws away what nobody has used for [`IDLE`]; slows down what nobody looks at.
    pub fn tidy(&self) {
        let now = self.clock.now();
        let mut worlds = self.worlds();
        worlds.retain(|_, place| now.since(place.used) < IDLE);
        for place in worlds.values() {
            if !place.world.is_watched() && now.since(place.used) >= LEFT {
                place.world.slow_down();
            }
        }
    }

    /// Looks after the worlds until `shutdown`, and throws all of them away then.
    pub async fn run(&self, shutdown: &Shutdown) {
        while shutdown.state() == Stop::No {
            self.tidy();
            tokio::select! {
                () = self.clock.sleep_until(self.clock.now() + ROUND) => {}
                () = shutdown.reached(Stop::Warm) => {}
            }
        }
        self.worlds().clear();
    }
}
