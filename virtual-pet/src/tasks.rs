//! The game's jobs.

use std::sync::Arc;

use lullaby::{Context, Failure, Task, Tasks};
use serde::{Deserialize, Serialize};

use crate::game::{Game, Kept};
use crate::pet::{Duty, Pet, PetId, Stage};

/// Every hour, for ever: hunger +1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncreaseHunger {
    /// Whose.
    pub pet: PetId,
}

/// 20 minutes after a pet was put to sleep: awake, with energy 10.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakePet {
    /// Whom.
    pub pet: PetId,
    /// Which of its naps this ends, from 1; for people. What counts is the job's id, which the pet knows.
    pub nap: u64,
}

/// Eight seconds after an egg was adopted: a hatchling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HatchEgg {
    /// Whose.
    pub pet: PetId,
}

/// At 24 and 72 game hours: the next stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrowUp {
    /// Whom.
    pub pet: PetId,
    /// Into what.
    pub into: Stage,
}

/// A week after a pet was let go: it is forgotten, and its name is free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveMeadow {
    /// Whose.
    pub pet: PetId,
}

macro_rules! task {
    ($type:ty, $name:literal) => {
        impl Task for $type {
            const NAME: &'static str = $name;
            /// What came of it, in a few words.
            type Output = String;
        }
    };
}

task!(IncreaseHunger, "increase_hunger");
task!(WakePet, "wake_pet");
task!(HatchEgg, "hatch_egg");
task!(GrowUp, "grow_up");
task!(LeaveMeadow, "leave_meadow");

/// The game's tasks with their handlers.
#[must_use]
pub fn tasks(game: Arc<Game>) -> Tasks {
    Tasks::new()
        .state(game)
        .task(increase_hunger)
        .task(wake_pet)
        .task(hatch_egg)
        .task(grow_up)
        .task(leave_meadow)
}

async fn increase_hunger(task: IncreaseHunger, ctx: Context) -> Result<String, Failure> {
    slow_down(&ctx).await;
    let slot = ctx.slot().ok_or_else(|| {
        Failure::fatal("only a pet's schedule can make it hungry: this job was made for no slot")
    })?;
    let game = ctx.state::<Game>()?;
    let kept = game.tick(&task.pet, ctx.id(), slot).await?;
    Ok(told(kept, |pet| {
        format!("hunger is {} after {} h", pet.hunger, pet.age_hours)
    }))
}

async fn wake_pet(task: WakePet, ctx: Context) -> Result<String, Failure> {
    let kept = keep(&task.pet, Duty::Wake, &ctx).await?;
    Ok(told(kept, |pet| format!("energy is {}", pet.energy)))
}

async fn hatch_egg(task: HatchEgg, ctx: Context) -> Result<String, Failure> {
    let kept = keep(&task.pet, Duty::Hatch, &ctx).await?;
    Ok(told(kept, |_| "hatched".to_owned()))
}

async fn grow_up(task: GrowUp, ctx: Context) -> Result<String, Failure> {
    let kept = keep(&task.pet, Duty::Grow, &ctx).await?;
    Ok(told(kept, |pet| format!("is a {} now", pet.stage())))
}

async fn leave_meadow(task: LeaveMeadow, ctx: Context) -> Result<String, Failure> {
    let game = ctx.state::<Game>()?;
    let kept = game.forget(&task.pet, ctx.id()).await?;
    Ok(told(kept, |pet| format!("the name {} is free", pet.name)))
}

async fn keep(pet: &PetId, duty: Duty, ctx: &Context) -> Result<Kept, Failure> {
    slow_down(ctx).await;
    let game = ctx.state::<Game>()?;
    Ok(game.keep_appointment(pet, duty, ctx.id()).await?)
}

fn told(kept: Kept, done: impl FnOnce(&Pet) -> String) -> String {
    match kept {
        Kept::Done(pet) => done(&pet),
        Kept::Stale => "nothing to do: the pet does not wait for this job".to_owned(),
        Kept::NoSuchPet => "nothing to do: the pet does not live here any more".to_owned(),
    }
}

/// In debug builds `VIRTUAL_PET_SLOW_JOBS=20` makes each job take 20 ms before it does anything, so that a crash test hits running jobs.
async fn slow_down(ctx: &Context) {
    #[cfg(debug_assertions)]
    if let Some(ms) = std::env::var("VIRTUAL_PET_SLOW_JOBS")
        .ok()
        .and_then(|ms| ms.parse().ok())
    {
        ctx.sleep(std::time::Duration::from_millis(ms)).await;
    }
    #[cfg(not(debug_assertions))]
    let _ = ctx;
}
