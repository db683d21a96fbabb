//! The numbers of the game.

use std::time::Duration;

/// What a meal takes off hunger.
pub(super) const MEAL: i64 = 5;
/// What playing adds to hunger.
pub(super) const PLAY_HUNGER: i64 = 1;
/// What playing takes off energy.
pub(super) const PLAY_ENERGY: i64 = 2;
/// What lying down adds to energy at once.
pub(super) const LIE_DOWN: i64 = 5;
/// The energy of a new pet, and of one that slept its nap to the end.
pub(super) const RESTED: i64 = 10;

/// How long an egg takes: 8 s, short enough that a player sees the first job run.
pub const EGG: Duration = Duration::from_secs(8);
/// At how many game hours a hatchling becomes a kid.
pub const KID_AT: u32 = 24;
/// At how many game hours a kid is grown up.
pub const GROWN_UP_AT: u32 = 72;

/// The two durations of the game, and its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How often hunger goes up by one: the length of a game hour.
    pub hunger_every: Duration,
    /// How long after adoption it does so first.
    pub first_hunger_after: Duration,
    /// How long a pet sleeps.
    pub nap: Duration,
    /// Hunger stops here; `None`: nowhere.
    pub highest_hunger: Option<i64>,
    /// Energy stops here; `None`: nowhere.
    pub highest_energy: Option<i64>,
    /// Playing needs this much energy; `None`: none, and energy may go below zero.
    pub energy_to_play: Option<i64>,
}

impl Rules {
    /// The article's numbers with bounds: both gauges stay in 0 to 10, and the first hour is over one hour after adoption.
    #[must_use]
    pub fn game() -> Self {
        Self {
            first_hunger_after: Duration::from_secs(3600),
            highest_hunger: Some(10),
            highest_energy: Some(10),
            energy_to_play: Some(PLAY_ENERGY),
            ..Self::article()
        }
    }

    /// The article to the letter: no bounds but hunger's floor at 0, and the first hourly job runs at once.
    #[must_use]
    pub fn article() -> Self {
        Self {
            hunger_every: Duration::from_secs(3600),
            first_hunger_after: Duration::ZERO,
            nap: Duration::from_secs(20 * 60),
            highest_hunger: None,
            highest_energy: None,
            energy_to_play: None,
        }
    }

    /// The same game at another pace.
    #[must_use]
    pub fn paced(self, hunger_every: Duration, nap: Duration) -> Self {
        Self {
            hunger_every,
            first_hunger_after: if self.first_hunger_after.is_zero() {
                Duration::ZERO
            } else {
                hunger_every
            },
            nap,
            ..self
        }
    }

    pub(super) fn hunger(&self, hunger: i64) -> i64 {
        bounded(hunger, self.highest_hunger)
    }

    pub(super) fn energy(&self, energy: i64) -> i64 {
        match self.energy_to_play {
            // Without the limit on playing the article's energy goes below zero, and stays what it is.
            None => self.highest_energy.map_or(energy, |top| energy.min(top)),
            Some(_) => bounded(energy, self.highest_energy),
        }
    }
}

fn bounded(value: i64, top: Option<i64>) -> i64 {
    value.clamp(0, top.unwrap_or(i64::MAX))
}
