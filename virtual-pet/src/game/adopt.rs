//! How pets come and go.

use std::collections::VecDeque;

use lullaby::Timestamp;

use super::{Caller, Game, GameError};
use crate::home::Created;
use crate::keeper::Key;
use crate::pet::{Appointment, Colour, Duty, EGG, Newcomer, Pet, PetId, PetName, Species};
use crate::tasks::{GrowUp, HatchEgg, IncreaseHunger, WakePet};

/// Requests with ids this long cannot be guessed: 22 letters and digits hold 128 bits. Only they may ask for the answer of an
/// adoption again, since that answer holds the keeper's key.
pub(super) const SECRET_REQUEST: usize = 22;

/// How many numbered names are tried for somebody who finds theirs taken.
const NAMES_TO_TRY: u32 = 20;

/// Who is to be adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Its name.
    pub name: PetName,
    /// What it is.
    pub species: Species,
    /// Its colour.
    pub colour: Colour,
    /// Comes as an egg, which a job hatches 8 s later.
    pub egg: bool,
}

/// A pet that was adopted, and the key of its keeper, which is told this once.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// The pet.
    pub pet: Pet,
    /// Its keeper's key.
    pub key: Key,
}

impl Game {
    /// Takes a new pet in.
    ///
    /// Its jobs come first, the pet last. A crash in between leaves jobs without a pet, and those clear themselves away: the hourly job
    /// removes its schedule when it finds no pet, the others do nothing. Nobody was told of the pet, and its name is still free.
    /// The other way round would leave a pet that never gets hungry, until somebody looks at it.
    ///
    /// # Errors
    /// [`GameError::NameTaken`], [`GameError::NameBlocked`]; a store error.
    pub async fn adopt(&self, adoption: Adoption, caller: &Caller) -> Result<Adopted, GameError> {
        let key = Key::random();
        self.check_name(&adoption.name)?;
        if let Some(namesake) = self.namesake(&adoption.name).await? {
            return self
                .adopted_before(namesake, adoption.name, key, caller)
                .await;
        }
        let newcomer = Newcomer {
            name: adoption.name.clone(),
            species: adoption.species,
            colour: adoption.colour,
            keeper_hash: Some(key.hash()),
            visitors: self.visitors,
        };
        let mut pet = Pet::new(PetId::random(), newcomer, &self.rules, self.now());
        if let Some(request) = &caller.request {
            pet.remember(&adoption_request(request));
        }
        let made = self.make_jobs(&mut pet, adoption.egg).await;
        lullaby::failpoint::hit("adopt.jobs_made");
        let created = match made {
            Ok(()) => self.home.create(&pet).await?,
            Err(error) => {
                self.discard_jobs(&pet).await;
                return Err(error.into());
            }
        };
        if created == Created::NameTaken {
            self.discard_jobs(&pet).await;
            let namesake = self.home.find(&adoption.name).await?;
            return match namesake {
                Some(namesake) => {
                    self.adopted_before(namesake, adoption.name, key, caller)
                        .await
                }
                None => Err(self.name_taken(adoption.name).await?),
            };
        }
        lullaby::failpoint::hit("adopt.saved");
        // The hourly job may have come due before the pet was saved, found nobody, and removed its schedule. It looks for the pet once more after
        // that, and we look for the schedule after the save: whichever of the two comes last sees what the other did.
        if let Err(error) = self.keep_schedule(&pet).await {
            tracing::warn!(pet = %pet.id, %error, "could not make sure of the new pet's schedule; the next look at it will");
        }
        self.note_adoption(&pet).await;
        Ok(Adopted { pet, key })
    }

    /// Takes in a copy of a pet that lives elsewhere: a pet of its own, as old, as hungry and as tired, and whatever that one waits for is
    /// awaited here too. Everybody is its keeper.
    ///
    /// # Errors
    /// [`GameError::NameTaken`]; a store error.
    pub async fn take_in(&self, original: &Pet) -> Result<Pet, GameError> {
        let mut pet = Pet {
            id: PetId::random(),
            version: 1,
            keeper_hash: None,
            visitors: self.visitors,
            egg: None,
            nap: None,
            growth: None,
            meadow: None,
            pass: None,
            requests: VecDeque::new(),
            ..original.clone()
        };
        let awaited = |duty| original.appointment(duty).map(|awaited| awaited.at);
        if let Some(at) = awaited(Duty::Hatch) {
            let pet_id = pet.id.clone();
            pet.egg = Some(self.appoint(at, HatchEgg { pet: pet_id }, &pet).await?);
        }
        if let Some(at) = awaited(Duty::Wake) {
            let task = WakePet {
                pet: pet.id.clone(),
                nap: pet.naps,
            };
            pet.nap = Some(self.appoint(at, task, &pet).await?);
        }
        pet.growth = self.appoint_growth(&pet).await?;
        if self.home.create(&pet).await? == Created::NameTaken {
            self.discard_jobs(&pet).await;
            return Err(self.name_taken(pet.name).await?);
        }
        // After the pet, since its first slot may have passed, and whoever runs it looks for the pet.
        self.state_schedule(&pet, pet.next_hour_at()).await?;
        self.note_adoption(&pet).await;
        Ok(pet)
    }

    /// A name is taken: by this very request, which is repeated, or by another pet.
    ///
    /// The first answer may be lost, so a repeated request gets a new key, and the first one's is void.
    async fn adopted_before(
        &self,
        namesake: Pet,
        name: PetName,
        key: Key,
        caller: &Caller,
    ) -> Result<Adopted, GameError> {
        let is_repeated = caller.request.as_ref().is_some_and(|request| {
            !namesake.is_in_meadow()
                && request.len() >= SECRET_REQUEST
                && namesake.has_seen(&adoption_request(request))
        });
        if !is_repeated {
            return Err(self.name_taken(name).await?);
        }
        let change = self
            .change(namesake.clone(), |pet| {
                Ok(Some(Pet {
                    keeper_hash: Some(key.hash()),
                    ..pet.clone()
                }))
            })
            .await?;
        let pet = change.map_or(namesake, |change| change.after);
        Ok(Adopted { pet, key })
    }

    pub(super) async fn name_taken(&self, name: PetName) -> lullaby::Result<GameError> {
        for number in 2..2 + NAMES_TO_TRY {
            let free = name.numbered(number);
            if self.home.find(&free).await?.is_none() {
                return Ok(GameError::NameTaken {
                    name,
                    free: Some(free),
                });
            }
        }
        Ok(GameError::NameTaken { name, free: None })
    }

    /// Makes the jobs of a new pet and notes them in it.
    async fn make_jobs(&self, pet: &mut Pet, egg: bool) -> lullaby::Result<()> {
        self.state_schedule(pet, pet.first_hour_at).await?;
        lullaby::failpoint::hit("adopt.schedule_made");
        if egg {
            let task = HatchEgg {
                pet: pet.id.clone(),
            };
            pet.egg = Some(self.appoint(pet.born_at + EGG, task, pet).await?);
        }
        pet.growth = self.appoint_growth(pet).await?;
        Ok(())
    }

    /// Makes the job of the pet's next step in growing.
    pub(super) async fn appoint_growth(&self, pet: &Pet) -> lullaby::Result<Option<Appointment>> {
        let Some((into, at)) = pet.next_stage() else {
            return Ok(None);
        };
        let task = GrowUp {
            pet: pet.id.clone(),
            into,
        };
        self.appoint(at, task, pet).await.map(Some)
    }

    async fn discard_jobs(&self, pet: &Pet) {
        if let Err(error) = self.lullaby.scheduler().cancel(&pet.id.schedule()).await {
            tracing::warn!(pet = %pet.id, %error, "the schedule of a pet that was not adopted could not be removed; its first job will remove it");
        }
        for (_, appointment) in pet.appointments() {
            self.discard(appointment).await;
        }
    }

    /// States the hourly schedule of a pet, on the pet's own grid.
    async fn state_schedule(&self, pet: &Pet, start: Timestamp) -> lullaby::Result<()> {
        let task = IncreaseHunger {
            pet: pet.id.clone(),
        };
        self.lullaby
            .scheduler()
            .schedule(&pet.id.schedule(), self.job_for(pet, task))
            .every(pet.hunger_every)
            .start(start)
            .await?;
        Ok(())
    }

    /// Makes the pet's schedule anew if it is gone. Its first slot is the latest one that has passed, and stands for all before it.
    pub(super) async fn keep_schedule(&self, pet: &Pet) -> lullaby::Result<()> {
        let name = pet.id.schedule();
        if self.lullaby.scheduler().get(&name).await?.is_none() {
            self.state_schedule(pet, pet.first_hour_at).await?;
        }
        Ok(())
    }
}

/// As a pet remembers it: apart from the ids of other requests, which its events make public.
fn adoption_request(request: &str) -> String {
    format!("adopt:{request}")
}
