//! Why the game did not do what it was asked for.

use std::fmt;

use crate::pet::{PetName, Refusal};

/// Why the game did not do what it was asked for. Except after a store error, nothing was changed.
#[derive(Clone, Debug)]
pub enum GameError {
    /// Nobody of that name lives here.
    NoSuchPet {
        /// As asked for.
        name: String,
    },
    /// The rules do not allow it now.
    Refused {
        /// Whose.
        name: PetName,
        /// Why.
        refusal: Refusal,
    },
    /// Its keeper lets visitors look only.
    LookOnly {
        /// Whose.
        name: PetName,
    },
    /// That takes the keeper's key.
    NotKeeper {
        /// Whose.
        name: PetName,
    },
    /// Another pet has that name.
    NameTaken {
        /// Which.
        name: PetName,
        /// One near it that nobody has.
        free: Option<PetName>,
    },
    /// Its name is on the list of names that nobody may choose.
    NameBlocked {
        /// Which.
        name: PetName,
    },
    /// The one-time code is wrong, used up or too old.
    WrongCode {
        /// For which pet.
        name: PetName,
    },
    /// It was let go too long ago to be taken back.
    TooLate {
        /// Who.
        name: PetName,
    },
    /// The store failed; what was asked for may have been done or not.
    Store(lullaby::Error),
}

impl GameError {
    pub(super) fn no_such_pet(name: &str) -> Self {
        Self::NoSuchPet {
            name: name.to_owned(),
        }
    }
}

impl From<lullaby::Error> for GameError {
    fn from(error: lullaby::Error) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for GameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPet { name } => write!(f, "Nobody called {name} lives here."),
            Self::Refused { refusal, .. } => refusal.fmt(f),
            Self::LookOnly { name } => write!(f, "Only {name}'s keeper can do that."),
            Self::NotKeeper { name } => {
                write!(f, "That takes the key that {name}'s keeper was given.")
            }
            Self::NameTaken { name, free } => {
                write!(f, "{name} is taken.")?;
                match free {
                    Some(free) => write!(f, " How about {free}?"),
                    None => Ok(()),
                }
            }
            Self::NameBlocked { name } => {
                write!(f, "{name} is no name for a pet here: choose another one.")
            }
            Self::WrongCode { name } => write!(
                f,
                "This code is not the one for {name}, was used already, or is more than ten minutes old: make a new one."
            ),
            Self::TooLate { name } => {
                write!(f, "{name} is at home in the meadow by now and stays there.")
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for GameError {}
