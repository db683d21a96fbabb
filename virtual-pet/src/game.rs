//! The game: rules, home and queue put together, in the order of steps that survives a crash between any two of them.
//!
//! The order is always **make the job, save the pet, cancel last**:
//!
//! - A job that is made and whose pet was never saved does nothing when it runs: a job acts only if the pet names it.
//! - A pet that is saved names a job that exists already, so it never waits for one that nobody made.
//! - A job that should have been canceled and was not does nothing either: the saved pet does not name it any more.
//!
//! Each save is a compare-and-set; whoever loses it looks again, and deletes the job that it made if it is not needed any more. After a
//! store error it is *not* deleted: the pet may have been saved all the same.

mod adopt;
mod agenda;
mod duties;
mod error;
mod journal;
mod keeping;

use std::sync::Arc;
use std::time::Duration;

use lullaby::{Lullaby, NewJob, Queue, Retry, Timestamp};

pub use self::adopt::{Adopted, Adoption};
pub use self::agenda::{Agenda, AgendaEntry};
pub use self::duties::Kept;
pub use self::error::GameError;
pub use self::journal::{By, PET_CHANGED, PET_RELEASED, What};
use crate::home::{Home, Saved};
use crate::keeper::Key;
use crate::pet::{
    Action, Appointment, BlockedNames, Duty, Pet, PetId, PetName, Refusal, Rules, Visitors,
};
use crate::tasks::WakePet;

/// The queue of the game's jobs.
pub const QUEUE: &str = "default";

/// How long jobs that failed or were canceled stay on view. Naps come and go every few minutes, so RQ's year would be a flood.
const FAILURE_TTL: Duration = Duration::from_secs(24 * 3600);

/// A game on an opened store. Cheap to share.
#[derive(Debug)]
pub struct Game {
    lullaby: Lullaby,
    queue: Queue,
    home: Arc<dyn Home>,
    rules: Rules,
    visitors: Visitors,
    blocked: BlockedNames,
    /// How long finished jobs stay on view; `None`: as the library has it.
    results_kept: Option<Duration>,
}

/// Who asks for an action.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The keys that they sent: a browser sends those of all its pets.
    pub keys: Vec<Key>,
    /// Their id for this request, if they sent one: a request that is repeated acts once.
    pub request: Option<String>,
}

impl Caller {
    /// Who they are to `pet`. Everybody is the keeper of a pet without a key.
    #[must_use]
    pub fn standing(&self, pet: &Pet) -> By {
        let is_keeper = match &pet.keeper_hash {
            None => true,
            Some(hash) => self.keys.iter().any(|key| key.hash() == *hash),
        };
        if is_keeper { By::Keeper } else { By::Visitor }
    }
}

/// A pet before and after a change that was saved.
struct Change {
    before: Pet,
    after: Pet,
}

impl Game {
    /// A game with the pets of `home` and the jobs of `lullaby`.
    ///
    /// # Errors
    /// None with the game's own queue name; it is checked all the same.
    pub fn new(
        lullaby: Lullaby,
        home: Arc<dyn Home>,
        rules: Rules,
        visitors: Visitors,
    ) -> lullaby::Result<Self> {
        let queue = lullaby.queue(QUEUE)?;
        Ok(Self {
            lullaby,
            queue,
            home,
            rules,
            visitors,
            blocked: BlockedNames::default(),
            results_kept: None,
        })
    }

    /// The same game, with names that nobody may choose.
    #[must_use]
    pub fn blocking(self, blocked: BlockedNames) -> Self {
        Self { blocked, ..self }
    }

    /// Keeps finished jobs on view for so long. In a world that runs at 600 times the speed the library's 500 s pass in a blink.
    #[must_use]
    pub fn keeping_results(self, ttl: Duration) -> Self {
        Self {
            results_kept: Some(ttl),
            ..self
        }
    }

    /// The store of the jobs.
    #[must_use]
    pub fn lullaby(&self) -> &Lullaby {
        &self.lullaby
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The time by the store's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.lullaby.now()
    }

    /// The pet of this name, as it is now: what its jobs should have done and did not is made good first.
    ///
    /// # Errors
    /// [`GameError::NoSuchPet`]; a store error.
    pub async fn look(&self, name: &PetName) -> Result<Pet, GameError> {
        let found = self
            .home
            .find(name)
            .await?
            .filter(|pet| !pet.is_in_meadow());
        let pet = found.ok_or_else(|| GameError::no_such_pet(name.as_str()))?;
        self.heal(pet).await
    }

    /// The pet of this id, as [`Game::look`]: for whoever stays with a pet that may be renamed meanwhile.
    ///
    /// # Errors
    /// [`GameError::NoSuchPet`]; a store error.
    pub async fn look_at(&self, id: &PetId) -> Result<Pet, GameError> {
        let pet = self.resident(id).await?;
        let pet = pet.ok_or_else(|| GameError::no_such_pet(id.as_str()))?;
        self.heal(pet).await
    }

    /// The pet of this id, as it was last saved, in the meadow or not.
    ///
    /// # Errors
    /// A store error.
    pub async fn kept(&self, id: &PetId) -> Result<Option<Pet>, GameError> {
        Ok(self.home.load(id).await?)
    }

    /// The pet of this id, unless it was let go.
    async fn resident(&self, id: &PetId) -> lullaby::Result<Option<Pet>> {
        Ok(self.home.load(id).await?.filter(|pet| !pet.is_in_meadow()))
    }

    /// Up to `limit` pets by name, those after `after`, as they were last saved.
    ///
    /// # Errors
    /// A store error.
    pub async fn list(&self, after: Option<&PetName>, limit: usize) -> Result<Vec<Pet>, GameError> {
        let (mut after, mut pets) = (after.cloned(), Vec::new());
        loop {
            let page = self.home.list(after.as_ref(), limit).await?;
            let is_last = page.len() < limit;
            after = page.last().map(|pet| pet.name.clone());
            pets.extend(page.into_iter().filter(|pet| !pet.is_in_meadow()));
            pets.truncate(limit);
            if is_last || pets.len() >= limit {
                return Ok(pets);
            }
        }
    }

    /// Does what a player asks for.
    ///
    /// # Errors
    /// [`GameError::NoSuchPet`], [`GameError::Refused`], [`GameError::LookOnly`]; a store error.
    pub async fn act(
        &self,
        name: &PetName,
        action: Action,
        caller: &Caller,
    ) -> Result<Pet, GameError> {
        let pet = self.look(name).await?;
        if action == Action::Sleep {
            return self.put_to_sleep(pet, caller).await;
        }
        let change = self
            .change(pet.clone(), |pet| {
                if Self::is_done(pet, caller)? {
                    return Ok(None);
                }
                let now = self.now();
                let changed = match action {
                    Action::Feed => pet.feed(&self.rules, now),
                    Action::Play => pet.play(&self.rules, now),
                    Action::Sleep | Action::Wake => pet.wake(now),
                };
                Ok(Some(Self::signed(refused(pet, changed)?, caller)))
            })
            .await?;
        let Some(change) = change else {
            return Ok(pet);
        };
        let what = match action {
            Action::Feed => What::Fed,
            Action::Play => What::Played,
            Action::Sleep | Action::Wake => What::Woke,
        };
        if action == Action::Wake {
            lullaby::failpoint::hit("wake.saved");
            self.withdraw(change.before.appointment(Duty::Wake)).await;
        }
        self.note(&change, what, caller.standing(&change.after), caller)
            .await;
        Ok(change.after)
    }

    async fn put_to_sleep(&self, pet: Pet, caller: &Caller) -> Result<Pet, GameError> {
        if Self::is_done(&pet, caller)? {
            return Ok(pet);
        }
        let now = self.now();
        refused(&pet, pet.may_sleep(now))?;
        let wake = self
            .appoint(
                now + pet.nap_length,
                WakePet {
                    pet: pet.id.clone(),
                    nap: pet.naps + 1,
                },
                &pet,
            )
            .await?;
        lullaby::failpoint::hit("sleep.job_made");
        let change = self
            .change(pet.clone(), |pet| {
                if Self::is_done(pet, caller)? {
                    return Ok(None);
                }
                let changed = pet.sleep(&self.rules, wake.clone(), self.now());
                Ok(Some(Self::signed(refused(pet, changed)?, caller)))
            })
            .await;
        match change {
            Ok(Some(change)) => {
                lullaby::failpoint::hit("sleep.saved");
                self.note(&change, What::Slept, caller.standing(&change.after), caller)
                    .await;
                Ok(change.after)
            }
            Err(GameError::Store(error)) => Err(error.into()),
            not_needed => {
                self.discard(&wake).await;
                not_needed.map(|_| pet)
            }
        }
    }

    /// True if this very request has changed the pet already.
    ///
    /// # Errors
    /// [`GameError::LookOnly`] if the caller may not change it, [`GameError::NoSuchPet`] if it was let go.
    fn is_done(pet: &Pet, caller: &Caller) -> Result<bool, GameError> {
        if pet.is_in_meadow() {
            return Err(GameError::no_such_pet(pet.name.as_str()));
        }
        if pet.visitors == Visitors::Look && caller.standing(pet) == By::Visitor {
            return Err(GameError::LookOnly {
                name: pet.name.clone(),
            });
        }
        Ok(caller.request.as_ref().is_some_and(|id| pet.has_seen(id)))
    }

    fn signed(mut pet: Pet, caller: &Caller) -> Pet {
        if let Some(request) = &caller.request {
            pet.remember(request);
        }
        pet
    }

    /// Saves what `change` makes of the pet, from as many looks at it as it takes; `None` if there is nothing to change.
    ///
    /// It ends, because each lost save is another one's won one.
    async fn change(
        &self,
        mut pet: Pet,
        mut change: impl FnMut(&Pet) -> Result<Option<Pet>, GameError> + Send,
    ) -> Result<Option<Change>, GameError> {
        loop {
            let Some(mut after) = change(&pet)? else {
                return Ok(None);
            };
            after.version = pet.version + 1;
            match self.home.save(&after).await? {
                Saved::Done => return Ok(Some(Change { before: pet, after })),
                Saved::Conflict => {
                    let gone = || GameError::no_such_pet(pet.name.as_str());
                    pet = self.home.load(&pet.id).await?.ok_or_else(gone)?;
                }
                Saved::NameTaken => {
                    return Err(GameError::NameTaken {
                        name: after.name,
                        free: None,
                    });
                }
                Saved::Gone => return Err(GameError::no_such_pet(pet.name.as_str())),
            }
        }
    }

    /// Makes the job that does something for a pet at a time.
    async fn appoint<T: lullaby::Task>(
        &self,
        at: Timestamp,
        task: T,
        pet: &Pet,
    ) -> lullaby::Result<Appointment> {
        let job = self.queue.enqueue_at(at, self.job_for(pet, task)).await?;
        Ok(Appointment {
            job: job.id().clone(),
            at,
        })
    }

    /// Deletes a job that was made for a pet and is not needed: it would do nothing, but it would be seen.
    async fn discard(&self, appointment: &Appointment) {
        let job = self.lullaby.job(appointment.job.clone());
        if let Err(error) = job.delete().await {
            tracing::warn!(job = %job.id(), %error, "a job that nobody waits for could not be deleted; it will do nothing");
        }
    }

    /// Cancels a job that a pet waited for and does not any more.
    async fn withdraw(&self, appointment: Option<&Appointment>) {
        let Some(appointment) = appointment else {
            return;
        };
        let job = self.lullaby.job(appointment.job.clone());
        if let Err(error) = job.cancel().await {
            tracing::warn!(job = %job.id(), %error, "a job that nobody waits for could not be canceled; it will do nothing");
        }
    }

    /// A job about a pet, with the game's options: store errors are tried again for about a quarter of an hour, and after that the next tick
    /// or look makes good what it should have done.
    fn job_for<T: lullaby::Task>(&self, pet: &Pet, task: T) -> NewJob<T::Output> {
        let job = job(task).subject(pet.id.as_str());
        match self.results_kept {
            Some(ttl) => job.result_ttl(ttl),
            None => job,
        }
    }
}

fn job<T: lullaby::Task>(task: T) -> NewJob<T::Output> {
    let second = Duration::from_secs(1);
    NewJob::new(task)
        .timeout(30 * second)
        .failure_ttl(FAILURE_TTL)
        .retry(Retry::exponential(20, second, 60 * second))
}

fn refused<T>(pet: &Pet, answer: Result<T, Refusal>) -> Result<T, GameError> {
    answer.map_err(|refusal| GameError::Refused {
        name: pet.name.clone(),
        refusal,
    })
}
