//! What jobs do for pets, and what is done for a pet whose job is gone.

use std::time::Duration;

use lullaby::JobId;
use lullaby::schedule::Slot;

use super::{By, Game, GameError, What};
use crate::pet::{Duty, Pet, PetId};

/// How late the hourly job may be before a look at the pet asks whether its schedule is still there.
const LATE: Duration = Duration::from_secs(1);

/// What came of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// It changed the pet into this.
    Done(Box<Pet>),
    /// The pet has had it, or does not wait for this job any more: nothing was changed.
    Stale,
    /// The pet does not live here any more.
    NoSuchPet,
}

impl Game {
    /// Lets a pet live through its hours up to a slot of its schedule. A pet that is not there (any more) needs no schedule.
    ///
    /// # Errors
    /// A store error; then it should be tried again.
    pub async fn tick(&self, id: &PetId, job: &JobId, slot: &Slot) -> lullaby::Result<Kept> {
        let Some(pet) = self.resident(id).await? else {
            let store = self.lullaby.store();
            store
                .remove_schedule(&slot.schedule, Some(&slot.schedule_id))
                .await?;
            // It may have been saved, or taken back, since we looked: see `adopt`.
            if let Some(pet) = self.resident(id).await? {
                self.keep_schedule(&pet).await?;
            }
            return Ok(Kept::NoSuchPet);
        };
        let changed = self
            .change(pet.clone(), |pet| Ok(pet.ticked(&self.rules, slot.at)))
            .await;
        let (kept, pet) = match changed {
            Ok(Some(change)) => {
                lullaby::failpoint::hit("tick.saved");
                self.note_job(&change, What::Ticked, By::Job, job).await;
                (Kept::Done(Box::new(change.after.clone())), change.after)
            }
            Ok(None) => (Kept::Stale, pet),
            Err(GameError::Store(error)) => return Err(error),
            // It left while we ticked; the next tick removes the schedule if the release did not.
            Err(_) => return Ok(Kept::NoSuchPet),
        };
        match self.heal(pet).await {
            Err(GameError::Store(error)) => Err(error),
            _ => Ok(kept),
        }
    }

    /// Does what `job` was made for, if the pet waits for that very job.
    ///
    /// # Errors
    /// A store error; then it should be tried again.
    pub async fn keep_appointment(
        &self,
        id: &PetId,
        duty: Duty,
        job: &JobId,
    ) -> lullaby::Result<Kept> {
        self.fulfil(id, duty, job, By::Job).await
    }

    async fn fulfil(&self, id: &PetId, duty: Duty, job: &JobId, by: By) -> lullaby::Result<Kept> {
        let Some(pet) = self.resident(id).await? else {
            return Ok(Kept::NoSuchPet);
        };
        let awaited = pet.appointment(duty).filter(|awaited| awaited.job == *job);
        if awaited.is_none() {
            return Ok(Kept::Stale);
        }
        let next = match (duty, pet.grown_by(job, None)) {
            (Duty::Grow, Some(grown)) => self.appoint_growth(&grown).await?,
            _ => None,
        };
        lullaby::failpoint::hit("duty.job_made");
        let changed = self
            .change(pet, |pet| {
                Ok(match duty {
                    Duty::Hatch => pet.hatched_by(job),
                    Duty::Wake => pet.woken_by(job),
                    Duty::Grow => pet.grown_by(job, next.clone()),
                })
            })
            .await;
        let kept = match changed {
            Ok(Some(change)) => {
                lullaby::failpoint::hit("duty.saved");
                let what = match duty {
                    Duty::Hatch => What::Hatched,
                    Duty::Wake => What::Woke,
                    Duty::Grow => What::Grew,
                };
                self.note_job(&change, what, by, job).await;
                return Ok(Kept::Done(Box::new(change.after)));
            }
            Ok(None) => Kept::Stale,
            Err(GameError::Store(error)) => return Err(error),
            Err(_) => Kept::NoSuchPet,
        };
        if let Some(next) = next {
            self.discard(&next).await;
        }
        Ok(kept)
    }

    /// Does what the pet's jobs should have done by now if they are gone, and makes its schedule anew if that is gone. Jobs go when somebody
    /// cancels or deletes them by hand, when they failed for good, or when a store came back from an old backup.
    ///
    /// Costs nothing while everything is on time.
    pub(super) async fn heal(&self, pet: Pet) -> Result<Pet, GameError> {
        let now = self.now();
        if pet.next_hour_at() + LATE < now {
            self.keep_schedule(&pet).await?;
        }
        let overdue: Vec<_> = pet
            .appointments()
            .into_iter()
            .filter(|(_, appointment)| appointment.at <= now)
            .collect();
        if overdue.is_empty() {
            return Ok(pet);
        }
        let ids: Vec<_> = overdue.iter().map(|(_, one)| one.job.clone()).collect();
        let jobs = self.lullaby.store().jobs(&ids).await?;
        let mut healed = false;
        for ((duty, appointment), job) in overdue.into_iter().zip(jobs) {
            if job.is_none_or(|job| job.status.is_ended()) {
                tracing::warn!(pet = %pet.id, job = %appointment.job, ?duty, "the job that the pet waits for is gone; doing its work");
                self.fulfil(&pet.id, duty, &appointment.job, By::Healing)
                    .await?;
                healed = true;
            }
        }
        if !healed {
            return Ok(pet);
        }
        let gone = || GameError::no_such_pet(pet.name.as_str());
        self.home.load(&pet.id).await?.ok_or_else(gone)
    }
}
