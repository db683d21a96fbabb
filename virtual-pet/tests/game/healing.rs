//! What goes wrong between the steps, and comes right again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use lullaby::{Result, Status};
use virtual_pet::game::{Adopted, Game, GameError};
use virtual_pet::home::memory::MemoryHome;
use virtual_pet::home::{Created, Home, Saved};
use virtual_pet::keeper::Key;
use virtual_pet::pet::{Action, Pet, PetId, PetName, RefusalCode, Rules, Stage};

use super::town::{HOUR, MINUTE, Town, adoption, caller, keeper, name};

/// A home in which somebody else is faster, once: just before the next save they do what `first` says.
#[derive(Debug, Default)]
struct Rivalry {
    home: MemoryHome,
    armed: AtomicBool,
    rival: OnceLock<(Arc<Game>, Rival)>,
}

#[derive(Clone, Debug)]
enum Rival {
    Acts(Action),
    Releases(Key),
    Adopts,
}

impl Rivalry {
    fn arm(&self, game: &Arc<Game>, rival: Rival) {
        self.rival.set((game.clone(), rival)).expect("armed once");
        self.armed.store(true, Ordering::SeqCst);
    }

    async fn give_way(&self) {
        if !self.armed.swap(false, Ordering::SeqCst) {
            return;
        }
        let Some((game, rival)) = self.rival.get() else {
            return;
        };
        let (name, caller) = (name("Mochi"), caller(None));
        match rival {
            Rival::Acts(action) => drop(game.act(&name, *action, &caller).await.expect("first")),
            Rival::Releases(key) => drop(game.release(&name, &keeper(key)).await.expect("first")),
            Rival::Adopts => {
                let adoption = adoption("Mochi", false);
                drop(game.adopt(adoption, &caller).await.expect("first"));
            }
        }
    }
}

#[async_trait]
impl Home for Rivalry {
    async fn create(&self, pet: &Pet) -> Result<Created> {
        self.give_way().await;
        self.home.create(pet).await
    }
    async fn load(&self, id: &PetId) -> Result<Option<Pet>> {
        self.home.load(id).await
    }
    async fn find(&self, name: &PetName) -> Result<Option<Pet>> {
        self.home.find(name).await
    }
    async fn save(&self, pet: &Pet) -> Result<Saved> {
        self.give_way().await;
        self.home.save(pet).await
    }
    async fn remove(&self, id: &PetId) -> Result<bool> {
        self.home.remove(id).await
    }
    async fn list(&self, after: Option<&PetName>, limit: usize) -> Result<Vec<Pet>> {
        self.home.list(after, limit).await
    }
    async fn count(&self) -> Result<u64> {
        self.home.count().await
    }
}

fn rivals() -> (Town, Arc<Rivalry>) {
    let home = Arc::new(Rivalry::default());
    (Town::with_home(Rules::game(), home.clone()), home)
}

#[tokio::test]
async fn who_loses_the_race_to_put_it_to_sleep_deletes_the_job_that_it_made() {
    let (town, home) = rivals();
    let pet = town.adopt("Mochi").await;
    home.arm(&town.game, Rival::Acts(Action::Sleep));
    let lost = town.act("Mochi", Action::Sleep).await;
    let Err(GameError::Refused { refusal, .. }) = lost else {
        panic!("expected a refusal, got {lost:?}");
    };
    assert_eq!(refusal.code, RefusalCode::AlreadyAsleep);
    let jobs = town.scheduled(&pet).await;
    assert_eq!(jobs, ["wake_pet", "increase_hunger", "grow_up"]);
    town.advance(20 * MINUTE).await;
    assert!(!town.look("Mochi").await.is_asleep());
}

#[tokio::test]
async fn who_loses_a_save_to_another_action_does_its_own_on_top() {
    let (town, home) = rivals();
    town.adopt("Mochi").await;
    home.arm(&town.game, Rival::Acts(Action::Play));
    let pet = town.act("Mochi", Action::Play).await.expect("awake");
    assert_eq!((pet.hunger, pet.energy), (2, 6));
}

#[tokio::test]
async fn a_pet_released_while_it_is_put_to_sleep_leaves_no_job_behind() {
    let (town, home) = rivals();
    let adopted = town.try_adopt("Mochi", false, None).await;
    let Adopted { pet, key } = adopted.expect("adopted");
    home.arm(&town.game, Rival::Releases(key));
    let lost = town.act("Mochi", Action::Sleep).await;
    assert!(matches!(lost, Err(GameError::NoSuchPet { .. })), "{lost:?}");
    assert!(town.scheduled(&pet).await.is_empty());
}

#[tokio::test]
async fn of_two_who_adopt_the_same_name_one_gets_it_and_the_other_leaves_nothing() {
    let (town, home) = rivals();
    home.arm(&town.game, Rival::Adopts);
    let lost = town.try_adopt("mochi", true, None).await;
    let Err(GameError::NameTaken { free, .. }) = lost else {
        panic!("expected that the name is taken");
    };
    assert_eq!(free, Some(name("mochi-2")));
    let scheduler = town.sandbox.lullaby().scheduler();
    // The winner's hourly schedule and its job of growing; of the loser nothing.
    assert_eq!(scheduler.count(None).await.expect("the store answers"), 2);
}

#[tokio::test]
async fn a_wake_up_that_the_pet_does_not_wait_for_changes_nothing() {
    let town = Town::new();
    let pet = town.adopt("Mochi").await;
    town.act("Mochi", Action::Sleep).await.expect("awake");
    town.advance(10 * MINUTE).await;
    let [first] = &town.jobs(&pet, Status::Scheduled).await[..1] else {
        panic!("expected the wake-up");
    };
    let first = first.id.clone();
    town.act("Mochi", Action::Wake).await.expect("asleep");
    assert_eq!(town.jobs(&pet, Status::Canceled).await.len(), 1);
    town.act("Mochi", Action::Sleep).await.expect("awake");
    // Even if the canceled job were run after all.
    town.sandbox
        .lullaby()
        .job(first)
        .requeue()
        .await
        .expect("requeued");
    town.advance(15 * MINUTE).await;
    assert!(town.look("Mochi").await.is_asleep());
    town.advance(5 * MINUTE).await;
    assert!(!town.look("Mochi").await.is_asleep());
}

#[tokio::test]
async fn a_pet_whose_wake_up_is_gone_is_woken_by_the_next_look() {
    let town = Town::new();
    town.adopt("Mochi").await;
    let pet = town.act("Mochi", Action::Sleep).await.expect("awake");
    let job = pet.nap.expect("asleep").job;
    town.sandbox
        .lullaby()
        .job(job)
        .delete()
        .await
        .expect("deleted");
    town.advance(19 * MINUTE).await;
    assert!(town.look("Mochi").await.is_asleep(), "its nap is not over");
    town.advance(MINUTE).await;
    let pet = town.look("Mochi").await;
    assert_eq!((pet.is_asleep(), pet.energy), (false, 10));
}

#[tokio::test]
async fn a_pet_whose_wake_up_is_gone_is_woken_by_the_next_tick() {
    let town = Town::new();
    let pet = town.adopt("Mochi").await;
    let asleep = town.act("Mochi", Action::Sleep).await.expect("awake");
    let job = town.sandbox.lullaby().job(asleep.nap.expect("asleep").job);
    job.cancel().await.expect("canceled");
    town.advance(HOUR).await;
    let kept = town.game.list(None, 1).await.expect("the store answers");
    assert!(!kept[0].is_asleep(), "as kept, before anybody looked");
    assert_eq!(kept[0].id, pet.id);
}

#[tokio::test]
async fn growing_goes_on_when_its_job_is_gone() {
    let town = Town::new();
    let pet = town.adopt("Mochi").await;
    let job = pet.growth.expect("a hatchling grows").job;
    town.sandbox
        .lullaby()
        .job(job)
        .delete()
        .await
        .expect("deleted");
    town.advance(24 * HOUR).await;
    assert_eq!(town.look("Mochi").await.stage(), Stage::Kid);
    town.advance(48 * HOUR).await;
    assert_eq!(town.look("Mochi").await.stage(), Stage::GrownUp);
}

#[tokio::test]
async fn a_pet_without_a_schedule_gets_it_back_and_stays_on_its_grid() {
    let town = Town::new();
    let pet = town.adopt("Mochi").await;
    town.advance(2 * HOUR + 30 * MINUTE).await;
    let scheduler = town.sandbox.lullaby().scheduler();
    assert!(scheduler.cancel(&pet.id.schedule()).await.expect("removed"));
    town.advance(3 * HOUR).await;
    town.look("Mochi").await;
    town.sandbox
        .run_until_idle()
        .await
        .expect("the store answers");
    let pet = town.look("Mochi").await;
    assert_eq!((pet.age_hours, pet.hunger), (5, 5));
    town.advance(30 * MINUTE).await;
    assert_eq!(town.look("Mochi").await.age_hours, 6);
}

#[tokio::test]
async fn a_schedule_without_a_pet_removes_itself() {
    let town = Town::new();
    let pet = town.adopt("Mochi").await;
    // As if the process had died between making the schedule and saving the pet.
    let scheduler = town.sandbox.lullaby().scheduler();
    let orphan = PetId::random();
    let task = virtual_pet::tasks::IncreaseHunger {
        pet: orphan.clone(),
    };
    scheduler
        .schedule(&orphan.schedule(), task)
        .every(HOUR)
        .await
        .expect("made");
    town.advance(HOUR).await;
    let left = async |id: &PetId| scheduler.contains(&id.schedule()).await.expect("answered");
    assert!(!left(&orphan).await);
    assert!(left(&pet.id).await);
}

#[tokio::test]
async fn a_tick_that_runs_twice_or_out_of_order_changes_nothing() {
    let town = Town::new();
    let pet = town.adopt("Mochi").await;
    town.advance(3 * HOUR).await;
    let ticks = town.jobs(&pet, Status::Finished).await;
    assert!(!ticks.is_empty());
    let before = town.look("Mochi").await;
    for tick in ticks {
        let job = town.sandbox.lullaby().job(tick.id);
        job.requeue().await.expect("requeued");
    }
    town.sandbox
        .run_until_idle()
        .await
        .expect("the store answers");
    assert_eq!(town.look("Mochi").await, before);
}

#[tokio::test]
async fn a_request_that_is_repeated_acts_once() {
    let town = Town::new();
    town.adopt("Mochi").await;
    for (request, energy) in [("a", 8), ("a", 8), ("b", 6), ("a", 6)] {
        let pet = town.act_as("Mochi", Action::Play, request).await;
        assert_eq!(pet.energy, energy);
    }
    let slept = town.act_as("Mochi", Action::Sleep, "c").await;
    let again = town.act_as("Mochi", Action::Sleep, "c").await;
    assert_eq!(again, slept);
}

#[tokio::test]
async fn an_adoption_that_is_repeated_gives_the_same_pet_and_a_key_that_works() {
    let town = Town::new();
    let key = Key::random();
    let request = Some(key.secret());
    let first = town.try_adopt("Mochi", true, request).await;
    let second = town.try_adopt("Mochi", true, request).await;
    let [first, second] = [first, second].map(|one| one.expect("adopted"));
    assert_eq!(first.pet.id, second.pet.id);
    let kept = town.look("Mochi").await;
    assert_eq!(kept.keeper_hash, Some(second.key.hash()));
    // An id that could be guessed proves nothing.
    let first = town.try_adopt("Biscuit", true, Some("1")).await;
    let second = town.try_adopt("Biscuit", true, Some("1")).await;
    assert!(first.is_ok());
    assert!(matches!(second, Err(GameError::NameTaken { .. })));
}

#[tokio::test]
async fn many_players_at_once_lose_no_action() {
    let home = Arc::new(MemoryHome::default());
    let rules = Rules {
        highest_hunger: None,
        ..Rules::article()
    };
    let town = Town::with_home(rules, home);
    town.adopt("Mochi").await;
    let players: Vec<_> = (0..20)
        .map(|_| {
            let game = town.game.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    game.act(&name("Mochi"), Action::Play, &caller(None))
                        .await
                        .expect("awake");
                }
            })
        })
        .collect();
    for player in players {
        player.await.expect("no panic");
    }
    let pet = town.look("Mochi").await;
    assert_eq!((pet.hunger, pet.energy), (200, 10 - 400));
    assert_eq!(town.game.now().since(pet.born_at), Duration::ZERO);
}
