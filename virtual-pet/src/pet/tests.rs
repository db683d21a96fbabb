use std::time::Duration;

use lullaby::{JobId, Timestamp};
use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("a time")
}

fn pet(rules: &Rules) -> Pet {
    let newcomer = Newcomer {
        name: PetName::new("Mochi").expect("a name"),
        species: Species::Cat,
        colour: Colour::Peach,
        keeper_hash: None,
        visitors: Visitors::Act,
    };
    Pet::new(PetId::random(), newcomer, rules, noon())
}

fn job(id: &str, at: Timestamp) -> Appointment {
    Appointment {
        job: JobId::new(id).expect("an id"),
        at,
    }
}

fn asleep(pet: &Pet, rules: &Rules) -> Pet {
    let wake = job("wake", noon() + rules.nap);
    pet.sleep(rules, wake, noon()).expect("awake")
}

fn gauges(pet: &Pet) -> (i64, i64) {
    (pet.hunger, pet.energy)
}

#[test]
fn a_new_pet_has_the_article_s_gauges() {
    assert_eq!(gauges(&pet(&Rules::game())), (0, 10));
    assert_eq!(pet(&Rules::game()).mood(), Mood::Happy);
}

#[test]
fn the_article_s_numbers_hold_without_bounds() {
    let rules = Rules::article();
    let mut pet = pet(&rules);
    // play: hunger += 1, energy -= 2; six times takes energy below zero.
    for _ in 0..6 {
        pet = pet.play(&rules, noon()).expect("awake");
    }
    assert_eq!(gauges(&pet), (6, -2));
    // feed: hunger -= 5, floor 0.
    pet = pet.feed(&rules, noon()).expect("awake");
    assert_eq!(gauges(&pet), (1, -2));
    pet = pet.feed(&rules, noon()).expect("awake");
    assert_eq!(gauges(&pet), (0, -2));
    // sleep: energy += 5; wake_up: energy = 10.
    pet = asleep(&pet, &rules);
    assert_eq!(gauges(&pet), (0, 3));
    let wake = JobId::new("wake").expect("an id");
    pet = pet.woken_by(&wake).expect("its job");
    assert_eq!(gauges(&pet), (0, 10));
    // A rested pet that lies down has 15.
    assert_eq!(asleep(&pet, &rules).energy, 15);
    // increase_hunger: the first one at once, then every hour, for ever.
    let week: u32 = 7 * 24;
    let ticked = pet.ticked(&rules, noon() + week * HOUR).expect("due");
    assert_eq!((ticked.hunger, ticked.age_hours), (169, 169));
    assert_eq!(pet.ticked(&rules, noon()).expect("at once").hunger, 1);
}

#[test]
fn the_game_s_first_hour_is_over_one_hour_after_adoption() {
    let rules = Rules::game();
    let pet = pet(&rules);
    assert_eq!(pet.next_hour_at(), noon() + HOUR);
    assert_eq!(pet.ticked(&rules, noon()), None);
    let almost = noon() + (HOUR - Duration::from_millis(1));
    assert_eq!(pet.ticked(&rules, almost), None);
    let ticked = pet.ticked(&rules, noon() + HOUR).expect("due");
    assert_eq!((ticked.hunger, ticked.age_hours), (1, 1));
}

#[test]
fn one_tick_catches_up_on_every_hour_that_passed() {
    let rules = Rules::game();
    let ticked = pet(&rules).ticked(&rules, noon() + 7 * HOUR).expect("due");
    assert_eq!((ticked.hunger, ticked.age_hours), (7, 7));
    let later = ticked.ticked(&rules, noon() + 100 * HOUR).expect("due");
    assert_eq!((later.hunger, later.age_hours), (10, 100));
}

#[test]
fn gauges_stop_at_their_bounds() {
    let rules = Rules::game();
    let fresh = pet(&rules);
    assert_eq!(
        asleep(&fresh, &rules).energy,
        10,
        "sleeping at energy 10 is allowed"
    );
    assert_eq!(
        fresh.feed(&rules, noon()).expect("awake").hunger,
        0,
        "a full pet may be fed"
    );
    let mut hungry = fresh;
    hungry.hunger = 10;
    assert_eq!(hungry.play(&rules, noon()).expect("awake").hunger, 10);
    assert_eq!(hungry.feed(&rules, noon()).expect("awake").hunger, 5);
}

#[test]
fn refusals_say_why_and_for_how_long() {
    let rules = Rules::game();
    let awake = pet(&rules);
    let asleep = asleep(&awake, &rules);
    let mut tired = awake.clone();
    tired.energy = 1;
    let mut egg = awake.clone();
    egg.egg = Some(job("hatch", noon() + EGG));
    let now = noon() + Duration::from_secs(437);
    let until = Some(noon() + rules.nap);
    let hatches = Some(noon() + EGG);
    let wake = || job("other", noon() + HOUR);

    let table = [
        (
            egg.feed(&rules, noon()),
            "not_hatched",
            "Mochi has not hatched yet: 8 s to go.",
            hatches,
        ),
        (
            egg.play(&rules, noon()),
            "not_hatched",
            "Mochi has not hatched yet: 8 s to go.",
            hatches,
        ),
        (
            egg.sleep(&rules, wake(), noon()),
            "not_hatched",
            "Mochi has not hatched yet: 8 s to go.",
            hatches,
        ),
        (
            egg.wake(noon()),
            "not_hatched",
            "Mochi has not hatched yet: 8 s to go.",
            hatches,
        ),
        (
            asleep.feed(&rules, now),
            "asleep",
            "Mochi is asleep: try again in 12 min 43 s.",
            until,
        ),
        (
            asleep.play(&rules, now),
            "asleep",
            "Mochi is asleep: try again in 12 min 43 s.",
            until,
        ),
        (
            asleep.sleep(&rules, wake(), now),
            "already_asleep",
            "Mochi is already asleep: it wakes in 12 min 43 s.",
            until,
        ),
        (
            awake.wake(now),
            "already_awake",
            "Mochi is already awake.",
            None,
        ),
        (
            tired.play(&rules, now),
            "too_tired",
            "Mochi needs 2 energy to play and has 1: a nap helps.",
            None,
        ),
    ];
    for (answer, code, message, until) in table {
        let refusal = answer.expect_err(code);
        assert_eq!(refusal.code.as_str(), code);
        assert_eq!(refusal.message, message);
        assert_eq!(refusal.until, until);
    }
}

#[test]
fn a_job_acts_only_if_the_pet_waits_for_it() {
    let rules = Rules::game();
    let pet = asleep(&pet(&rules), &rules);
    let [mine, stale] = ["wake", "stale"].map(|id| JobId::new(id).expect("an id"));
    assert_eq!(pet.woken_by(&stale), None);
    let woken = pet.woken_by(&mine).expect("its job");
    assert!(!woken.is_asleep());
    assert_eq!(woken.woken_by(&mine), None, "a second run changes nothing");
    assert_eq!(pet.hatched_by(&mine), None);
    assert_eq!(pet.grown_by(&mine, None), None);
}

#[test]
fn a_pet_woken_by_hand_keeps_the_energy_that_it_has() {
    let rules = Rules::game();
    let mut pet = pet(&rules);
    pet.energy = 2;
    let woken = asleep(&pet, &rules).wake(noon()).expect("asleep");
    assert_eq!((woken.energy, woken.is_asleep()), (7, false));
}

#[test]
fn it_grows_from_egg_to_grown_up() {
    let rules = Rules::game();
    let mut pet = pet(&rules);
    pet.egg = Some(job("hatch", noon() + EGG));
    pet.growth = Some(job("kid", noon() + 24 * HOUR));
    assert_eq!((pet.stage(), pet.mood()), (Stage::Egg, Mood::Egg));
    assert_eq!(pet.next_stage(), Some((Stage::Kid, noon() + 24 * HOUR)));

    let id = |id: &str| JobId::new(id).expect("an id");
    pet = pet.hatched_by(&id("hatch")).expect("its job");
    assert_eq!(pet.stage(), Stage::Hatchling);
    pet = pet
        .grown_by(&id("kid"), Some(job("grown-up", noon() + 72 * HOUR)))
        .expect("its job");
    assert_eq!(pet.stage(), Stage::Kid);
    assert_eq!(pet.next_stage(), Some((Stage::GrownUp, noon() + 72 * HOUR)));
    pet = pet.grown_by(&id("grown-up"), None).expect("its job");
    assert_eq!((pet.stage(), pet.next_stage()), (Stage::GrownUp, None));
}

#[test]
fn moods_follow_the_gauges_in_their_order() {
    let awake = pet(&Rules::game());
    for (hunger, energy, mood) in [
        (0, 10, Mood::Happy),
        (3, 4, Mood::Happy),
        (4, 4, Mood::Peckish),
        (4, 3, Mood::Tired),
        (6, 0, Mood::Tired),
        (7, 0, Mood::Hungry),
        (10, 10, Mood::Hungry),
    ] {
        let mut pet = awake.clone();
        (pet.hunger, pet.energy) = (hunger, energy);
        assert_eq!(pet.mood(), mood, "hunger {hunger}, energy {energy}");
    }
}

#[test]
fn the_last_sixteen_requests_are_remembered() {
    let mut pet = pet(&Rules::game());
    for request in 0..17 {
        pet.remember(&request.to_string());
    }
    assert!(!pet.has_seen("0"));
    assert!((1..17).all(|request| pet.has_seen(&request.to_string())));
}

#[test]
fn a_pet_reads_back_from_its_record() {
    let rules = Rules::game();
    let pet = asleep(&pet(&rules), &rules);
    let json = serde_json::to_string(&pet).expect("JSON");
    assert_eq!(serde_json::from_str::<Pet>(&json).expect("a pet"), pet);
}

/// Anything that can happen to a pet.
#[derive(Clone, Debug)]
enum Happening {
    Act(usize),
    Tick(u32),
    WakeJob(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0usize..4).prop_map(Happening::Act),
        (0u32..400).prop_map(Happening::Tick),
        (0u8..4).prop_map(Happening::WakeJob),
    ]
}

proptest! {
    #[test]
    fn gauges_stay_in_their_bounds_whatever_happens(
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let rules = Rules::game();
        let mut pet = pet(&rules);
        for (step, happening) in happenings.into_iter().enumerate() {
            let now = noon() + HOUR * u32::try_from(step).expect("small");
            let wake = job(&format!("wake-{}", step % 4), now + rules.nap);
            let before = pet.clone();
            let after = match happening {
                Happening::Act(action) => match Action::ALL[action] {
                    Action::Feed => pet.feed(&rules, now).ok(),
                    Action::Play => pet.play(&rules, now).ok(),
                    Action::Sleep => pet.sleep(&rules, wake, now).ok(),
                    Action::Wake => pet.wake(now).ok(),
                },
                Happening::Tick(hours) => pet.ticked(&rules, noon() + hours * HOUR),
                Happening::WakeJob(n) => {
                    pet.woken_by(&JobId::new(&format!("wake-{n}")).expect("an id"))
                }
            };
            pet = after.unwrap_or(pet);
            prop_assert!((0..=10).contains(&pet.hunger), "{pet:?}");
            prop_assert!((0..=10).contains(&pet.energy), "{pet:?}");
            prop_assert!(pet.age_hours >= before.age_hours);
            prop_assert_eq!(&pet.id, &before.id);
        }
    }

    /// Ticks in any order, any number of times, end where the highest of them alone ends.
    #[test]
    fn ticks_are_idempotent_and_come_in_any_order(
        slots in prop::collection::vec(0u32..50, 1..30),
    ) {
        let rules = Rules { highest_hunger: None, ..Rules::game() };
        let fresh = pet(&rules);
        let mut pet = fresh.clone();
        for slot in &slots {
            pet = pet.ticked(&rules, noon() + *slot * HOUR).unwrap_or(pet);
        }
        let highest = *slots.iter().max().expect("not empty");
        let at_once = fresh.ticked(&rules, noon() + highest * HOUR).unwrap_or(fresh);
        prop_assert_eq!(&pet, &at_once);
        prop_assert_eq!(pet.age_hours, u64::from(highest));
        prop_assert_eq!(pet.hunger, i64::from(highest));
    }

    #[test]
    fn hours_are_whole_intervals_since_adoption(every_ms in 100u64..10_000_000, passed_ms in 0u64..4_000_000_000) {
        let rules = Rules::game().paced(Duration::from_millis(every_ms), Duration::from_secs(2));
        let pet = pet(&rules);
        let slot = noon() + Duration::from_millis(passed_ms);
        prop_assert_eq!(pet.hours_at(slot), passed_ms / every_ms);
    }
}
