//! The pet and its rules: pure functions of its state and the time. No I/O, no clock.

mod actions;
mod blocked;
mod keeping;
mod looks;
mod name;
mod public;
mod refusal;
mod rules;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use lullaby::{JobId, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::actions::Action;
pub use self::blocked::BlockedNames;
pub use self::keeping::{CODE_LASTS, Meadow, NAME_KEPT, Pass, UNDO_WITHIN};
pub use self::looks::{
    Colour, Mood, Species, Stage, UnknownWord, Visitors, energy_word, hunger_word,
};
pub use self::name::{BadName, LONGEST_NAME, PetName};
pub use self::public::PublicPet;
pub use self::refusal::{Refusal, RefusalCode, in_words};
pub use self::rules::{EGG, GROWN_UP_AT, KID_AT, Rules};

/// How many request ids a pet remembers, so that a double press or a repeated request acts once.
const REMEMBERED_REQUESTS: usize = 16;

/// A pet's random id. Its schedule, jobs and events bear it, never its name: a pet that is adopted under the name of a released one
/// has nothing to do with what is left of that one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PetId(String);

impl PetId {
    /// A new id.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }

    /// An id that was given out before.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its hourly schedule.
    #[must_use]
    pub fn schedule(&self) -> String {
        format!("hunger-{}", self.0)
    }
}

impl fmt::Display for PetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A job that the pet waits for, and when it is due. Only that very job has an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// The job.
    pub job: JobId,
    /// When it is due.
    pub at: Timestamp,
}

/// What a job does when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Breaks the egg.
    Hatch,
    /// Ends a nap.
    Wake,
    /// Turns a hatchling into a kid, or a kid into a grown-up.
    Grow,
}

/// A pet, as its home keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pet {
    /// Its id.
    pub id: PetId,
    /// Goes up by one with each save: what compare-and-set compares.
    pub version: u64,
    /// Its name.
    pub name: PetName,
    /// What it is.
    pub species: Species,
    /// Its colour.
    pub colour: Colour,
    /// 0 is best.
    pub hunger: i64,
    /// 10 is best.
    pub energy: i64,
    /// The job that will wake it, while it sleeps.
    pub nap: Option<Appointment>,
    /// How many naps it has begun.
    pub naps: u64,
    /// The job that will hatch it, while it is an egg.
    pub egg: Option<Appointment>,
    /// How far it has grown; what is in an egg is a hatchling.
    pub grown: Stage,
    /// The job of the next step in growing; `None` for grown-ups.
    pub growth: Option<Appointment>,
    /// When it was adopted.
    pub born_at: Timestamp,
    /// The first slot of its hourly schedule.
    pub first_hour_at: Timestamp,
    /// How often it gets hungrier: fixed at adoption, so that a server started at another pace keeps its grid.
    pub hunger_every: Duration,
    /// How long its naps are: fixed at adoption.
    pub nap_length: Duration,
    /// The highest slot of its schedule that it has lived through: whole intervals since its adoption.
    pub age_hours: u64,
    /// The hash of its keeper's key; `None`: everybody is its keeper.
    pub keeper_hash: Option<String>,
    /// What others may do.
    pub visitors: Visitors,
    /// Set once its keeper has let it go: it lives in the meadow, and only its name and the way back are left of it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meadow: Option<Meadow>,
    /// What makes another device its keeper's, if that was asked for lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Pass>,
    /// The ids of the latest requests that changed it, the newest last.
    pub requests: VecDeque<String>,
}

/// Who the newcomer is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Newcomer {
    /// Its name.
    pub name: PetName,
    /// What it is.
    pub species: Species,
    /// Its colour.
    pub colour: Colour,
    /// The hash of its keeper's key.
    pub keeper_hash: Option<String>,
    /// What others may do.
    pub visitors: Visitors,
}

impl Pet {
    /// A new pet: hunger 0, energy 10, awake.
    #[must_use]
    pub fn new(id: PetId, newcomer: Newcomer, rules: &Rules, now: Timestamp) -> Self {
        Self {
            id,
            version: 1,
            name: newcomer.name,
            species: newcomer.species,
            colour: newcomer.colour,
            hunger: 0,
            energy: rules::RESTED,
            nap: None,
            naps: 0,
            egg: None,
            grown: Stage::Hatchling,
            growth: None,
            born_at: now,
            first_hour_at: now + rules.first_hunger_after,
            hunger_every: rules.hunger_every,
            nap_length: rules.nap,
            age_hours: 0,
            keeper_hash: newcomer.keeper_hash,
            visitors: newcomer.visitors,
            meadow: None,
            pass: None,
            requests: VecDeque::new(),
        }
    }

    /// True while it sleeps.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.nap.is_some()
    }

    /// How far it has grown.
    #[must_use]
    pub fn stage(&self) -> Stage {
        if self.egg.is_some() {
            Stage::Egg
        } else {
            self.grown
        }
    }

    /// How it feels: the first that fits.
    #[must_use]
    pub fn mood(&self) -> Mood {
        if self.egg.is_some() {
            Mood::Egg
        } else if self.is_asleep() {
            Mood::Asleep
        } else if self.hunger >= 7 {
            Mood::Hungry
        } else if self.energy <= 3 {
            Mood::Tired
        } else if self.hunger >= 4 {
            Mood::Peckish
        } else {
            Mood::Happy
        }
    }

    /// How many slots of its schedule there are up to and including `slot`.
    ///
    /// Counted on the pet's own grid and not by the schedule's count: a schedule that was lost and made anew counts from one again.
    #[must_use]
    pub fn hours_at(&self, slot: Timestamp) -> u64 {
        if slot < self.first_hour_at {
            return 0;
        }
        let every = self.hunger_every.as_millis().max(1);
        let passed = slot.since(self.first_hour_at).as_millis() / every;
        u64::try_from(passed).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// When it gets hungrier next, if its schedule is on time.
    #[must_use]
    pub fn next_hour_at(&self) -> Timestamp {
        let hours = u32::try_from(self.age_hours).unwrap_or(u32::MAX);
        self.first_hour_at + self.hunger_every.saturating_mul(hours)
    }

    /// When it will be `hours` game hours old.
    fn aged(&self, hours: u32) -> Timestamp {
        self.born_at + self.hunger_every.saturating_mul(hours)
    }

    /// What it becomes next by growing, and when.
    #[must_use]
    pub fn next_stage(&self) -> Option<(Stage, Timestamp)> {
        match self.grown {
            Stage::Egg | Stage::Hatchling => Some((Stage::Kid, self.aged(KID_AT))),
            Stage::Kid => Some((Stage::GrownUp, self.aged(GROWN_UP_AT))),
            Stage::GrownUp => None,
        }
    }

    /// The jobs that it waits for.
    #[must_use]
    pub fn appointments(&self) -> Vec<(Duty, &Appointment)> {
        let all = [
            (Duty::Hatch, &self.egg),
            (Duty::Wake, &self.nap),
            (Duty::Grow, &self.growth),
        ];
        all.into_iter()
            .filter_map(|(duty, appointment)| Some((duty, appointment.as_ref()?)))
            .collect()
    }

    /// The job that it waits for to do this.
    #[must_use]
    pub fn appointment(&self, duty: Duty) -> Option<&Appointment> {
        match duty {
            Duty::Hatch => self.egg.as_ref(),
            Duty::Wake => self.nap.as_ref(),
            Duty::Grow => self.growth.as_ref(),
        }
    }

    /// True if the request of this id has changed it already.
    #[must_use]
    pub fn has_seen(&self, request: &str) -> bool {
        self.requests.iter().any(|seen| seen == request)
    }

    /// Remembers a request that changed it.
    pub fn remember(&mut self, request: &str) {
        while self.requests.len() >= REMEMBERED_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request.to_owned());
    }
}

#[cfg(test)]
mod tests;
