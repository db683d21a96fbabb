//! A week of a pet's life, hour by hour.

use lullaby::Status;
use virtual_pet::pet::{Action, Mood, Stage};

use super::town::{HOUR, MINUTE, Town};

/// What the rules say a pet's gauges are, kept apart from the code under test.
struct Expected {
    hunger: i64,
    energy: i64,
}

#[tokio::test]
async fn a_week_goes_by_the_rules_hour_by_hour() {
    let town = Town::new();
    let newborn = town.adopt("Mochi").await;
    let mut expected = Expected {
        hunger: 0,
        energy: 10,
    };
    for hour in 1..=7 * 24 {
        if town.look("Mochi").await.is_asleep() {
            town.advance(19 * MINUTE).await;
            assert_eq!(town.look("Mochi").await.mood(), Mood::Asleep);
            town.advance(MINUTE).await;
            expected.energy = 10;
            assert!(!town.look("Mochi").await.is_asleep());
            town.advance(39 * MINUTE).await;
        } else {
            town.advance(59 * MINUTE).await;
        }
        assert_eq!(town.look("Mochi").await.age_hours, hour - 1);
        town.advance(MINUTE).await;
        expected.hunger = (expected.hunger + 1).min(10);

        let pet = town.look("Mochi").await;
        assert_eq!(pet.age_hours, hour);
        let gauges = (pet.hunger, pet.energy);
        assert_eq!(gauges, (expected.hunger, expected.energy), "hour {hour}");
        let stage = match hour {
            ..24 => Stage::Hatchling,
            24..72 => Stage::Kid,
            72.. => Stage::GrownUp,
        };
        assert_eq!(pet.stage(), stage, "hour {hour}");
        care(&town, hour, &mut expected).await;
    }
    // Every hour was one job, and no job is left but the next hour's.
    assert_eq!(town.scheduled(&newborn).await, ["increase_hunger"]);
    assert!(town.jobs(&newborn, Status::Failed).await.is_empty());
    assert!(town.jobs(&newborn, Status::Queued).await.is_empty());
}

/// Fed each 7 hours, played with each 2, put to sleep each 24.
async fn care(town: &Town, hour: u64, expected: &mut Expected) {
    if hour.is_multiple_of(7) {
        town.act("Mochi", Action::Feed).await.expect("awake");
        expected.hunger = (expected.hunger - 5).max(0);
    }
    if hour.is_multiple_of(2) {
        let played = town.act("Mochi", Action::Play).await;
        assert_eq!(played.is_ok(), expected.energy >= 2, "hour {hour}");
        if played.is_ok() {
            expected.hunger = (expected.hunger + 1).min(10);
            expected.energy -= 2;
        }
    }
    if hour % 24 == 22 {
        let pet = town.act("Mochi", Action::Sleep).await.expect("awake");
        expected.energy = (expected.energy + 5).min(10);
        assert_eq!(pet.energy, expected.energy);
        assert!(town.act("Mochi", Action::Feed).await.is_err());
        assert!(town.act("Mochi", Action::Play).await.is_err());
    }
}

#[tokio::test]
async fn seven_hours_without_a_server_are_made_good_by_one_job_on_the_grid() {
    let town = Town::new();
    let pet = town.adopt("Mochi").await;
    // The clock jumps while nothing runs, as over a stop and a start.
    let now = town.game.now() + 7 * HOUR + 20 * MINUTE;
    town.sandbox.clock().set(now);
    town.sandbox
        .run_until_idle()
        .await
        .expect("the store answers");

    let late = town.look("Mochi").await;
    assert_eq!((late.hunger, late.age_hours), (7, 7));
    let [tick] = &town.jobs(&pet, Status::Finished).await[..] else {
        panic!("expected one job for all seven hours");
    };
    assert_eq!(tick.slot.as_ref().map(|slot| slot.stands_for), Some(7));
    town.advance(40 * MINUTE).await;
    assert_eq!(town.look("Mochi").await.age_hours, 8);
}

#[tokio::test]
async fn a_nap_that_ended_while_no_server_ran_is_over_before_the_hour_after_it() {
    let town = Town::new();
    town.adopt("Mochi").await;
    town.advance(30 * MINUTE).await;
    town.act("Mochi", Action::Sleep).await.expect("awake");
    town.sandbox.clock().set(town.game.now() + 2 * HOUR);
    town.sandbox
        .run_until_idle()
        .await
        .expect("the store answers");
    let pet = town.look("Mochi").await;
    assert_eq!((pet.is_asleep(), pet.energy, pet.hunger), (false, 10, 2));
}

#[tokio::test]
async fn an_egg_hatches_after_eight_seconds_by_a_job() {
    let town = Town::new();
    let egg = town.adopt_as("Mochi", true).await;
    assert_eq!(egg.stage(), Stage::Egg);
    let jobs = town.scheduled(&egg).await;
    assert_eq!(jobs, ["hatch_egg", "increase_hunger", "grow_up"]);
    assert!(town.act("Mochi", Action::Feed).await.is_err());
    town.advance(MINUTE / 60 * 7).await;
    assert_eq!(town.look("Mochi").await.stage(), Stage::Egg);
    town.advance(MINUTE / 60).await;
    assert_eq!(town.look("Mochi").await.stage(), Stage::Hatchling);
    town.act("Mochi", Action::Feed).await.expect("hatched");
}
