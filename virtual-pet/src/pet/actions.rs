//! What can happen to a pet. Each function gives the changed pet, or says why not.

use std::fmt;
use std::str::FromStr;

use lullaby::{JobId, Timestamp};

use super::refusal::{Refusal, RefusalCode, in_words};
use super::rules::{LIE_DOWN, MEAL, PLAY_ENERGY, PLAY_HUNGER, RESTED, Rules};
use super::{Appointment, Pet, Stage};

/// What a player can do with a pet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Hunger −5.
    Feed,
    /// Hunger +1, energy −2.
    Play,
    /// Energy +5, and a job that wakes it when its nap is over.
    Sleep,
    /// Awake at once, and that job is canceled.
    Wake,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Feed, Self::Play, Self::Sleep, Self::Wake];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Play => "play",
            Self::Sleep => "sleep",
            Self::Wake => "wake",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Action {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        let mut all = Self::ALL.into_iter();
        all.find(|action| action.as_str() == word).ok_or(())
    }
}

impl Pet {
    /// Fed: hunger −5, not below 0.
    ///
    /// # Errors
    /// A refusal if it is an egg or asleep.
    pub fn feed(&self, rules: &Rules, now: Timestamp) -> Result<Self, Refusal> {
        self.check_hatched(now)?;
        self.check_awake(now)?;
        let mut pet = self.clone();
        pet.hunger = rules.hunger((self.hunger - MEAL).max(0));
        Ok(pet)
    }

    /// Played with: hunger +1, energy −2.
    ///
    /// # Errors
    /// A refusal if it is an egg, asleep, or has too little energy.
    pub fn play(&self, rules: &Rules, now: Timestamp) -> Result<Self, Refusal> {
        self.check_hatched(now)?;
        self.check_awake(now)?;
        if let Some(needed) = rules.energy_to_play.filter(|needed| self.energy < *needed) {
            return Err(Refusal {
                code: RefusalCode::TooTired,
                message: format!(
                    "{} needs {needed} energy to play and has {}: a nap helps.",
                    self.name, self.energy
                ),
                until: None,
            });
        }
        let mut pet = self.clone();
        pet.hunger = rules.hunger(self.hunger + PLAY_HUNGER);
        pet.energy = rules.energy(self.energy - PLAY_ENERGY);
        Ok(pet)
    }

    /// Put to sleep: energy +5 at once, and the job `wake` will wake it.
    ///
    /// # Errors
    /// A refusal if it is an egg, or asleep.
    pub fn sleep(&self, rules: &Rules, wake: Appointment, now: Timestamp) -> Result<Self, Refusal> {
        self.may_sleep(now)?;
        let mut pet = self.clone();
        pet.energy = rules.energy(self.energy + LIE_DOWN);
        pet.nap = Some(wake);
        pet.naps += 1;
        Ok(pet)
    }

    /// Whether it could be put to sleep; asked before the job is made.
    ///
    /// # Errors
    /// As [`Pet::sleep`].
    pub fn may_sleep(&self, now: Timestamp) -> Result<(), Refusal> {
        self.check_hatched(now)?;
        let Some(nap) = &self.nap else {
            return Ok(());
        };
        Err(Refusal {
            code: RefusalCode::AlreadyAsleep,
            message: format!(
                "{} is already asleep: it wakes in {}.",
                self.name,
                in_words(nap.at.since(now))
            ),
            until: Some(nap.at),
        })
    }

    /// Woken by hand, with the energy that it has.
    ///
    /// # Errors
    /// A refusal if it is an egg, or awake.
    pub fn wake(&self, now: Timestamp) -> Result<Self, Refusal> {
        self.check_hatched(now)?;
        if self.nap.is_none() {
            return Err(Refusal {
                code: RefusalCode::AlreadyAwake,
                message: format!("{} is already awake.", self.name),
                until: None,
            });
        }
        let mut pet = self.clone();
        pet.nap = None;
        Ok(pet)
    }

    /// Woken by its job, with energy 10; `None` if `job` is not the job that it waits for.
    #[must_use]
    pub fn woken_by(&self, job: &JobId) -> Option<Self> {
        self.awaited(&self.nap, job)?;
        let mut pet = self.clone();
        pet.nap = None;
        pet.energy = RESTED;
        Some(pet)
    }

    /// Hatched by its job; `None` if `job` is not the job that it waits for.
    #[must_use]
    pub fn hatched_by(&self, job: &JobId) -> Option<Self> {
        self.awaited(&self.egg, job)?;
        let mut pet = self.clone();
        pet.egg = None;
        Some(pet)
    }

    /// Grown by its job into its next stage; `next` is the job of the stage after that. `None` if `job` is not the job that it
    /// waits for.
    #[must_use]
    pub fn grown_by(&self, job: &JobId, next: Option<Appointment>) -> Option<Self> {
        self.awaited(&self.growth, job)?;
        let mut pet = self.clone();
        pet.grown = self.next_stage().map_or(Stage::GrownUp, |(stage, _)| stage);
        pet.growth = next;
        Some(pet)
    }

    /// Lives through its hours up to `slot`, a slot of its schedule; `None` if it has already. What is applied is the difference, so a
    /// tick that runs twice, late or out of order changes nothing.
    #[must_use]
    pub fn ticked(&self, rules: &Rules, slot: Timestamp) -> Option<Self> {
        if self.is_in_meadow() {
            return None;
        }
        let hours = self.hours_at(slot);
        let passed = hours.checked_sub(self.age_hours).filter(|n| *n > 0)?;
        let mut pet = self.clone();
        pet.age_hours = hours;
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        pet.hunger = rules.hunger(self.hunger.saturating_add(passed));
        Some(pet)
    }

    /// The appointment, if it is with this job. In the meadow nobody waits for anything.
    fn awaited<'a>(&self, with: &'a Option<Appointment>, job: &JobId) -> Option<&'a Appointment> {
        let with = with.as_ref().filter(|with| with.job == *job);
        with.filter(|_| !self.is_in_meadow())
    }

    fn check_hatched(&self, now: Timestamp) -> Result<(), Refusal> {
        let Some(egg) = &self.egg else {
            return Ok(());
        };
        Err(Refusal {
            code: RefusalCode::NotHatched,
            message: format!(
                "{} has not hatched yet: {} to go.",
                self.name,
                in_words(egg.at.since(now))
            ),
            until: Some(egg.at),
        })
    }

    fn check_awake(&self, now: Timestamp) -> Result<(), Refusal> {
        let Some(nap) = &self.nap else {
            return Ok(());
        };
        Err(Refusal {
            code: RefusalCode::Asleep,
            message: format!(
                "{} is asleep: try again in {}.",
                self.name,
                in_words(nap.at.since(now))
            ),
            until: Some(nap.at),
        })
    }
}
