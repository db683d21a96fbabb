//! What everybody may see of a pet.

use serde::{Deserialize, Serialize};

use super::{Colour, Mood, Pet, PetName, Species, Stage, Visitors, energy_word, hunger_word};

/// A pet as the JSON API and its events show it. Times are RFC 3339 in UTC, lengths of time in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublicPet {
    /// Its random id: the subject of its jobs and events.
    pub id: String,
    /// Goes up by one with each change.
    pub version: u64,
    /// Its name.
    pub name: PetName,
    /// What it is.
    pub species: Species,
    /// Its colour.
    pub colour: Colour,
    /// How far it has grown.
    pub stage: Stage,
    /// How it feels.
    pub mood: Mood,
    /// 0 is best, 10 is most.
    pub hunger: i64,
    /// Hunger in a word.
    pub hunger_word: String,
    /// 10 is best.
    pub energy: i64,
    /// Energy in a word.
    pub energy_word: String,
    /// Whether it sleeps.
    pub asleep: bool,
    /// When its nap ends, if it sleeps.
    pub wakes_at: Option<String>,
    /// When it hatches, if it is an egg.
    pub hatches_at: Option<String>,
    /// When it was adopted.
    pub born_at: String,
    /// How many game hours it has lived.
    pub age_hours: u64,
    /// When the next one is over.
    pub next_hour_at: String,
    /// How long a game hour is.
    pub hunger_every_ms: u64,
    /// How long a nap is.
    pub nap_ms: u64,
    /// What visitors may do.
    pub visitors: Visitors,
}

impl From<&Pet> for PublicPet {
    fn from(pet: &Pet) -> Self {
        let millis =
            |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: pet.id.to_string(),
            version: pet.version,
            name: pet.name.clone(),
            species: pet.species,
            colour: pet.colour,
            stage: pet.stage(),
            mood: pet.mood(),
            hunger: pet.hunger,
            hunger_word: hunger_word(pet.hunger).to_owned(),
            energy: pet.energy,
            energy_word: energy_word(pet.energy).to_owned(),
            asleep: pet.is_asleep(),
            wakes_at: pet.nap.as_ref().map(|nap| nap.at.to_string()),
            hatches_at: pet.egg.as_ref().map(|egg| egg.at.to_string()),
            born_at: pet.born_at.to_string(),
            age_hours: pet.age_hours,
            next_hour_at: pet.next_hour_at().to_string(),
            hunger_every_ms: millis(pet.hunger_every),
            nap_ms: millis(pet.nap_length),
            visitors: pet.visitors,
        }
    }
}
