//! What a pet looks like: species, colour, stage and mood.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! word_type {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                let known = || Self::ALL.iter().copied();
                known().find(|one| one.as_str() == word).ok_or_else(|| UnknownWord {
                    what: $what,
                    word: word.chars().take(40).collect(),
                    known: known().map(Self::as_str).collect(),
                })
            }
        }
    };
}

/// A word that names none of the known ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    known: Vec<&'static str>,
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no {}: choose one of {}",
            self.word,
            self.what,
            self.known.join(", ")
        )
    }
}

impl std::error::Error for UnknownWord {}

word_type! {
    /// What kind of animal it is.
    Species, "species" {
        /// A cat.
        Cat = "cat",
        /// A bunny.
        Bunny = "bunny",
        /// A bear.
        Bear = "bear",
        /// An axolotl.
        Axolotl = "axolotl",
        /// A crab, a nod to Rust's.
        Crab = "crab",
    }
}

word_type! {
    /// The colour of its coat.
    Colour, "colour" {
        /// Warm.
        Peach = "peach",
        /// Warm.
        Butter = "butter",
        /// Warm.
        Cocoa = "cocoa",
        /// Warm.
        Coral = "coral",
        /// Cool.
        Mint = "mint",
        /// Cool.
        Sky = "sky",
        /// Cool.
        Lilac = "lilac",
    }
}

word_type! {
    /// How far it has grown.
    Stage, "stage" {
        /// Not hatched yet.
        Egg = "egg",
        /// Up to 24 game hours.
        Hatchling = "hatchling",
        /// Up to 72 game hours.
        Kid = "kid",
        /// From then on, for ever.
        GrownUp = "grown-up",
    }
}

word_type! {
    /// How it feels. Derived from its state, never stored.
    Mood, "mood" {
        /// In its egg.
        Egg = "egg",
        /// Asleep.
        Asleep = "asleep",
        /// Hunger is 7 or more.
        Hungry = "hungry",
        /// Energy is 3 or less.
        Tired = "tired",
        /// Hunger is 4 or more.
        Peckish = "peckish",
        /// None of these.
        Happy = "happy",
    }
}

word_type! {
    /// What others than its keeper may do with it.
    Visitors, "setting for visitors" {
        /// Feed it, play with it, put it to sleep.
        Act = "act",
        /// Look only.
        Look = "look",
    }
}

#[expect(
    clippy::derivable_impls,
    reason = "the variants of a word type bear no attributes"
)]
impl Default for Species {
    fn default() -> Self {
        Self::Cat
    }
}

#[expect(
    clippy::derivable_impls,
    reason = "the variants of a word type bear no attributes"
)]
impl Default for Colour {
    fn default() -> Self {
        Self::Peach
    }
}

/// Hunger in a word.
#[must_use]
pub fn hunger_word(hunger: i64) -> &'static str {
    match hunger {
        ..=3 => "fine",
        4..=6 => "peckish",
        7..=9 => "hungry",
        10.. => "very hungry",
    }
}

/// Energy in a word.
#[must_use]
pub fn energy_word(energy: i64) -> &'static str {
    match energy {
        ..=0 => "worn out",
        1..=3 => "tired",
        4..=7 => "fine",
        8.. => "lively",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for species in Species::ALL {
            assert_eq!(species.as_str().parse(), Ok(*species));
        }
        for stage in Stage::ALL {
            let json = serde_json::to_string(stage).expect("JSON");
            assert_eq!(json, format!("{:?}", stage.as_str()));
        }
    }

    #[test]
    fn an_unknown_species_is_answered_with_the_known_ones() {
        let error = "dragon".parse::<Species>().expect_err("no such species");
        assert_eq!(
            error.to_string(),
            r#""dragon" is no species: choose one of cat, bunny, bear, axolotl, crab"#
        );
    }

    #[test]
    fn gauges_have_the_words_of_their_ranges() {
        let hunger: Vec<_> = [0, 3, 4, 6, 7, 9, 10, 168].map(hunger_word).into();
        assert_eq!(
            hunger,
            [
                "fine",
                "fine",
                "peckish",
                "peckish",
                "hungry",
                "hungry",
                "very hungry",
                "very hungry"
            ]
        );
        let energy: Vec<_> = [-2, 0, 1, 3, 4, 7, 8, 15].map(energy_word).into();
        assert_eq!(
            energy,
            [
                "worn out", "worn out", "tired", "tired", "fine", "fine", "lively", "lively"
            ]
        );
    }
}
