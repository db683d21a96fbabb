//! What only a keeper does with a pet: names it anew, lets it go and takes it back, hands it to another device.

use std::time::Duration;

use lullaby::{JobId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Appointment, Duty, Pet};

/// How long after a release it can be undone.
pub const UNDO_WITHIN: Duration = Duration::from_secs(10 * 60);

/// How long after a release nobody else can have the name: links to the old pet must not lead to a stranger the next minute.
pub const NAME_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// How long a one-time code for another device can be used.
pub const CODE_LASTS: Duration = Duration::from_secs(10 * 60);

/// Where pets go that are let go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meadow {
    /// Since when.
    pub since: Timestamp,
    /// The job that forgets the pet and frees its name.
    pub farewell: Appointment,
}

/// A one-time code that makes whoever brings it the keeper. Only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The hash of the code.
    pub hash: String,
    /// When it is too late for it.
    pub until: Timestamp,
}

impl Pet {
    /// True once it was let go.
    #[must_use]
    pub fn is_in_meadow(&self) -> bool {
        self.meadow.is_some()
    }

    /// Until when it can be taken back, if that is not over at `now`.
    #[must_use]
    pub fn returns_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.meadow.as_ref()?.since + UNDO_WITHIN;
        (now < until).then_some(until)
    }

    /// Let go; `farewell` will forget it. What it waited for stays noted, for the way back.
    #[must_use]
    pub fn released(&self, farewell: Appointment, now: Timestamp) -> Self {
        let mut pet = self.clone();
        pet.pass = None;
        pet.meadow = Some(Meadow {
            since: now,
            farewell,
        });
        pet
    }

    /// Back from the meadow, waiting for these jobs in the place of those that were canceled.
    #[must_use]
    pub fn returned(&self, jobs: &[(Duty, Appointment)]) -> Self {
        let of = |duty| {
            let found = jobs.iter().find(|(one, _)| *one == duty);
            found.map(|(_, appointment)| appointment.clone())
        };
        let mut pet = self.clone();
        pet.meadow = None;
        pet.egg = of(Duty::Hatch);
        pet.nap = of(Duty::Wake);
        pet.growth = of(Duty::Grow);
        pet
    }

    /// True if `job` is the one that forgets it.
    #[must_use]
    pub fn is_forgotten_by(&self, job: &JobId) -> bool {
        let meadow = self.meadow.as_ref();
        meadow.is_some_and(|meadow| meadow.farewell.job == *job)
    }

    /// True if `hash` is that of the code for another device, and it is not too late for it.
    #[must_use]
    pub fn lets_pass(&self, hash: &str, now: Timestamp) -> bool {
        let pass = self.pass.as_ref();
        pass.is_some_and(|pass| pass.hash == hash && now < pass.until)
    }
}
