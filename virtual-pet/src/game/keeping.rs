//! What only a keeper does: rename, open to visitors, hand to another device, let go and take back.

use lullaby::store::JobFilter;
use lullaby::{JobId, Status, Timestamp};

use super::adopt::SECRET_REQUEST;
use super::{Adopted, By, Caller, Change, Game, GameError, Kept, What, job};
use crate::keeper::{Code, Key};
use crate::pet::{Appointment, CODE_LASTS, Duty, NAME_KEPT, Pass, Pet, PetId, PetName, Visitors};
use crate::tasks::{HatchEgg, LeaveMeadow, WakePet};

impl Game {
    /// Gives a pet another name. Its id, and so its jobs and history, stay.
    ///
    /// # Errors
    /// [`GameError::NoSuchPet`], [`GameError::NotKeeper`], [`GameError::NameTaken`], [`GameError::NameBlocked`]; a store error.
    pub async fn rename(
        &self,
        name: &PetName,
        new: PetName,
        caller: &Caller,
    ) -> Result<Pet, GameError> {
        self.check_name(&new)?;
        // Somebody in the meadow for longer than its name is kept does not keep it.
        self.namesake(&new).await?;
        let set = |pet: &Pet| Pet {
            name: new.clone(),
            ..pet.clone()
        };
        match self.keep(name, What::Renamed, caller, set).await {
            Err(GameError::NameTaken { name, .. }) => Err(self.name_taken(name).await?),
            done => done,
        }
    }

    /// Says what visitors may do.
    ///
    /// # Errors
    /// [`GameError::NoSuchPet`], [`GameError::NotKeeper`]; a store error.
    pub async fn open_to(
        &self,
        name: &PetName,
        visitors: Visitors,
        caller: &Caller,
    ) -> Result<Pet, GameError> {
        let set = |pet: &Pet| Pet {
            visitors,
            ..pet.clone()
        };
        self.keep(name, What::Opened, caller, set).await
    }

    /// A one-time code for another device, and until when it can be used. An older code is void.
    ///
    /// # Errors
    /// [`GameError::NoSuchPet`], [`GameError::NotKeeper`]; a store error.
    pub async fn code(
        &self,
        name: &PetName,
        caller: &Caller,
    ) -> Result<(Code, Timestamp), GameError> {
        let (code, until) = (Code::random(), self.now() + CODE_LASTS);
        let pet = self.look(name).await?;
        self.change(pet, |pet| {
            check_keeper(pet, caller)?;
            Ok(Some(Pet {
                pass: Some(Pass {
                    hash: code.hash(),
                    until,
                }),
                ..pet.clone()
            }))
        })
        .await?;
        Ok((code, until))
    }

    /// Makes whoever brings the one-time code the keeper; the key of the keeper before is void.
    ///
    /// The first answer may be lost, so a request that is repeated with an id that cannot be guessed gets a new key.
    ///
    /// # Errors
    /// [`GameError::NoSuchPet`], [`GameError::WrongCode`]; a store error.
    pub async fn move_to(
        &self,
        name: &PetName,
        code: &Code,
        caller: &Caller,
    ) -> Result<Adopted, GameError> {
        let (key, now) = (Key::random(), self.now());
        let request = caller.request.as_deref();
        let request = request.filter(|request| request.len() >= SECRET_REQUEST);
        let request = request.map(|request| format!("move:{request}"));
        let pet = self.look(name).await?;
        let change = self
            .change(pet.clone(), |pet| {
                let is_repeated = request.as_deref().is_some_and(|id| pet.has_seen(id));
                if pet.is_in_meadow() || !is_repeated && !pet.lets_pass(&code.hash(), now) {
                    return Err(GameError::WrongCode {
                        name: pet.name.clone(),
                    });
                }
                let mut pet = Pet {
                    keeper_hash: Some(key.hash()),
                    pass: None,
                    ..pet.clone()
                };
                if let (Some(request), false) = (&request, is_repeated) {
                    pet.remember(request);
                }
                Ok(Some(pet))
            })
            .await?;
        let Some(change) = change else {
            return Ok(Adopted { pet, key });
        };
        let silent = Caller::default();
        self.note(&change, What::Moved, By::Keeper, &silent).await;
        Ok(Adopted {
            pet: change.after,
            key,
        })
    }

    /// Lets a pet go to the meadow: its schedule is removed, its jobs are canceled. For ten minutes it can be taken back; a job forgets it
    /// after a week, and until then nobody else can have its name.
    ///
    /// The pet is saved before its jobs are canceled. A crash in between leaves jobs that clear themselves away.
    ///
    /// # Errors
    /// [`GameError::NoSuchPet`], [`GameError::NotKeeper`]; a store error.
    pub async fn release(&self, name: &PetName, caller: &Caller) -> Result<Pet, GameError> {
        let pet = self.look(name).await?;
        check_keeper(&pet, caller)?;
        let now = self.now();
        let at = now + NAME_KEPT;
        let forget = job(LeaveMeadow {
            pet: pet.id.clone(),
        });
        let farewell = self.queue.enqueue_at(at, forget).await?;
        let farewell = Appointment {
            job: farewell.id().clone(),
            at,
        };
        lullaby::failpoint::hit("release.job_made");
        let change = self
            .change(pet.clone(), |pet| {
                check_keeper(pet, caller)?;
                Ok((!pet.is_in_meadow()).then(|| pet.released(farewell.clone(), now)))
            })
            .await;
        let change = match change {
            Ok(Some(change)) => change,
            Err(GameError::Store(error)) => return Err(error.into()),
            not_needed => {
                self.discard(&farewell).await;
                return not_needed.map(|_| pet);
            }
        };
        lullaby::failpoint::hit("release.saved");
        let pet = change.after;
        if let Err(error) = self.clear_jobs(&pet.id).await {
            tracing::warn!(pet = %pet.id, %error, "the jobs of a released pet could not be canceled; they will do nothing");
        }
        self.note_release(&pet, By::Keeper).await;
        Ok(pet)
    }

    /// Puts the jobs of a pet that failed for good back into the queue, with their failures forgotten. The pet does not change by it: that is
    /// for the jobs to do.
    ///
    /// # Errors
    /// [`GameError::NoSuchPet`], [`GameError::NotKeeper`]; a store error.
    pub async fn requeue(&self, name: &PetName, caller: &Caller) -> Result<Pet, GameError> {
        let pet = self.look(name).await?;
        check_keeper(&pet, caller)?;
        let failed = JobFilter {
            subject: Some(pet.id.to_string()),
            status: Some(Status::Failed),
            ..JobFilter::default()
        };
        let store = self.lullaby.store();
        let failed = store.list_jobs(&failed).await?;
        let ids: Vec<_> = failed.into_iter().map(|job| job.id).collect();
        store.requeue(&ids, false).await?;
        Ok(pet)
    }

    /// The pet of this name, if it is in the meadow.
    ///
    /// # Errors
    /// A store error.
    pub async fn in_meadow(&self, name: &PetName) -> Result<Option<Pet>, GameError> {
        Ok(self.home.find(name).await?.filter(Pet::is_in_meadow))
    }

    /// Takes a pet back from the meadow, as it was when it was let go: its jobs are made anew for their old times, and its hours in the
    /// meadow are made up for by its next tick.
    ///
    /// # Errors
    /// [`GameError::NoSuchPet`], [`GameError::NotKeeper`], [`GameError::TooLate`]; a store error.
    pub async fn take_back(&self, name: &PetName, caller: &Caller) -> Result<Pet, GameError> {
        let found = self.home.find(name).await?;
        let pet = found.ok_or_else(|| GameError::no_such_pet(name.as_str()))?;
        check_keeper(&pet, caller)?;
        if !pet.is_in_meadow() {
            // Whoever asks again may have heard no answer because we died before the schedule was made.
            self.keep_schedule(&pet).await?;
            return Ok(pet);
        }
        if pet.returns_until(self.now()).is_none() {
            return Err(GameError::TooLate { name: pet.name });
        }
        let jobs = self.make_jobs_again(&pet).await?;
        lullaby::failpoint::hit("return.jobs_made");
        let change = self
            .change(pet.clone(), |pet| {
                Ok(pet.is_in_meadow().then(|| pet.returned(&jobs)))
            })
            .await;
        let change = match change {
            Ok(Some(change)) => change,
            Err(GameError::Store(error)) => return Err(error.into()),
            not_needed => {
                for (_, appointment) in &jobs {
                    self.discard(appointment).await;
                }
                return not_needed.map(|_| pet);
            }
        };
        lullaby::failpoint::hit("return.saved");
        if let Err(error) = self.keep_schedule(&change.after).await {
            tracing::warn!(pet = %pet.id, %error, "could not make the schedule of a pet that came back; the next look at it will");
        }
        lullaby::failpoint::hit("return.schedule_kept");
        let farewell = change.before.meadow.as_ref();
        self.withdraw(farewell.map(|meadow| &meadow.farewell)).await;
        self.note(&change, What::Returned, By::Keeper, caller).await;
        Ok(change.after)
    }

    /// The jobs that a pet in the meadow waited for, made again.
    async fn make_jobs_again(&self, pet: &Pet) -> lullaby::Result<Vec<(Duty, Appointment)>> {
        let mut jobs = Vec::new();
        for (duty, appointment) in pet.appointments() {
            let (id, at) = (pet.id.clone(), appointment.at);
            let made = match duty {
                Duty::Hatch => Some(self.appoint(at, HatchEgg { pet: id }, pet).await?),
                Duty::Wake => {
                    let nap = pet.naps;
                    Some(self.appoint(at, WakePet { pet: id, nap }, pet).await?)
                }
                Duty::Grow => self.appoint_growth(pet).await?,
            };
            jobs.extend(made.map(|made| (duty, made)));
        }
        Ok(jobs)
    }

    /// Forgets a pet that has been in the meadow for as long as its name is kept, if `job` is the one that was made for it.
    ///
    /// # Errors
    /// A store error; then it should be tried again.
    pub async fn forget(&self, id: &PetId, job: &JobId) -> lullaby::Result<Kept> {
        let Some(pet) = self.home.load(id).await? else {
            return Ok(Kept::NoSuchPet);
        };
        if !pet.is_forgotten_by(job) {
            return Ok(Kept::Stale);
        }
        self.home.remove(id).await?;
        Ok(Kept::Done(Box::new(pet)))
    }

    /// Who has this name. A pet that should have been forgotten by now, and whose job for that is gone, is forgotten here.
    pub(super) async fn namesake(&self, name: &PetName) -> lullaby::Result<Option<Pet>> {
        let Some(pet) = self.home.find(name).await? else {
            return Ok(None);
        };
        let meadow = pet.meadow.as_ref();
        if meadow.is_some_and(|meadow| meadow.farewell.at <= self.now()) {
            self.home.remove(&pet.id).await?;
            return Ok(None);
        }
        Ok(Some(pet))
    }

    pub(super) fn check_name(&self, name: &PetName) -> Result<(), GameError> {
        if self.blocked.blocks(name) {
            return Err(GameError::NameBlocked { name: name.clone() });
        }
        Ok(())
    }

    /// Saves what the keeper sets, once for each request, and tells of it.
    async fn keep(
        &self,
        name: &PetName,
        what: What,
        caller: &Caller,
        set: impl Fn(&Pet) -> Pet + Send + Sync,
    ) -> Result<Pet, GameError> {
        let pet = self.look(name).await?;
        let change = self
            .change(pet.clone(), |pet| {
                check_keeper(pet, caller)?;
                if Self::is_done(pet, caller)? {
                    return Ok(None);
                }
                let after = set(pet);
                Ok((after != *pet).then(|| Self::signed(after, caller)))
            })
            .await?;
        let Some(change) = change else {
            return Ok(pet);
        };
        let Change { after, .. } = &change;
        self.note(&change, what, By::Keeper, caller).await;
        Ok(after.clone())
    }

    /// Removes the schedule of a pet that is gone, and cancels its jobs.
    async fn clear_jobs(&self, id: &PetId) -> lullaby::Result<()> {
        let store = self.lullaby.store();
        store.remove_schedule(&id.schedule(), None).await?;
        lullaby::failpoint::hit("release.schedule_removed");
        for status in [Status::Scheduled, Status::Queued] {
            let filter = JobFilter {
                subject: Some(id.to_string()),
                status: Some(status),
                ..JobFilter::default()
            };
            let jobs = store.list_jobs(&filter).await?;
            let ids: Vec<_> = jobs.into_iter().map(|job| job.id).collect();
            store.cancel(&ids, false).await?;
        }
        Ok(())
    }
}

fn check_keeper(pet: &Pet, caller: &Caller) -> Result<(), GameError> {
    match caller.standing(pet) {
        By::Keeper => Ok(()),
        _ => Err(GameError::NotKeeper {
            name: pet.name.clone(),
        }),
    }
}
