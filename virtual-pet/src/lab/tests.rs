//! Worlds of the lab: how many, for how long, for whom, and what comes of each experiment.

use std::sync::Arc;
use std::time::Duration;

use lullaby::clock::ManualClock;
use lullaby::event::{Event, EventId};
use lullaby::store::JobFilter;
use lullaby::{Status, Timestamp};

use super::*;
use crate::keeper::Key;
use crate::pet::{Action, Colour, Newcomer, PetId, PetName, Species, Visitors};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn noon() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().expect("a time")
}

fn mochi() -> Pet {
    let newcomer = Newcomer {
        name: PetName::new("Mochi").expect("a name"),
        species: Species::Cat,
        colour: Colour::Peach,
        keeper_hash: Some("secret".into()),
        visitors: Visitors::Look,
    };
    Pet::new(PetId::random(), newcomer, &Rules::game(), noon())
}

fn lab() -> (Lab, ManualClock) {
    let clock = ManualClock::new(noon());
    (Lab::new(Rules::game(), Arc::new(clock.clone())), clock)
}

/// A world whose clock stands unless it is skipped ahead.
async fn world() -> World {
    let host_clock = Arc::new(ManualClock::new(noon()));
    let world = World::start(&mochi(), Rules::game(), host_clock).await;
    let world = world.expect("a world");
    world.do_it(Deed::Speed(0)).await.expect("turned");
    world
}

async fn done(world: &World, deed: Deed) {
    world.do_it(deed).await.expect("done");
}

async fn skip(world: &World, by: Duration) {
    world.skip_to(world.game().now() + by).await;
    world.at_once(async { Ok(()) }).await.expect("settles");
}

async fn events(world: &World) -> Vec<Event> {
    let lullaby = world.game().lullaby();
    let events = lullaby.events(None, EventId(0), 10_000).await;
    events.expect("reads")
}

/// The moves of jobs of a task, as kind and seconds since `from`.
async fn moves(world: &World, task: &str, from: Timestamp) -> Vec<(String, f64)> {
    let of_task = events(world).await.into_iter();
    of_task
        .filter(|event| event.data["task"] == task)
        .map(|event| (event.kind, event.at.since(from).as_secs_f64()))
        .collect()
}

fn count(moves: &[(String, f64)], kind: &str) -> usize {
    moves.iter().filter(|(one, _)| one == kind).count()
}

async fn pet(world: &World) -> Pet {
    world.game().look(world.pet()).await.expect("lives here")
}

#[tokio::test]
async fn a_pet_comes_as_a_copy_that_sleeps_grows_and_hungers_on() {
    let (lab, _) = lab();
    let mut original = mochi();
    original.hunger = 6;
    original.energy = 4;
    original.age_hours = 30;
    let key = lab.enter(&original, None).await.expect("a world");
    let world = lab.world(&key).expect("there");
    done(&world, Deed::Speed(0)).await;
    let copy = pet(&world).await;
    assert_ne!(copy.id, original.id);
    assert_eq!((copy.hunger, copy.energy, copy.age_hours), (6, 4, 30));
    assert_eq!(copy.keeper_hash, None, "its visitor may do everything");
    let agenda = world.game().agenda(&copy).await.expect("reads");
    let tasks: Vec<_> = agenda.scheduled.iter().map(|one| &one.task).collect();
    assert_eq!(tasks.len(), 2, "{tasks:?}");
}

#[tokio::test]
async fn what_one_visitor_does_no_other_sees() {
    let (lab, _) = lab();
    let mine = lab.enter(&mochi(), None).await.expect("a world");
    let theirs = lab.enter(&mochi(), None).await.expect("a world");
    let (mine, theirs) = (lab.world(&mine), lab.world(&theirs));
    let (mine, theirs) = (mine.expect("there"), theirs.expect("there"));
    let before = events(&theirs).await.len();
    done(&mine, Deed::Hello).await;
    done(&mine, Deed::Speed(600)).await;
    done(&mine, Deed::Schedulers(0)).await;
    assert_eq!(events(&theirs).await.len(), before);
    let look = theirs.look().await.expect("reads");
    assert_eq!((look.speed, look.schedulers), (1, 1));
    assert!(lab.world(&Key::random()).is_none());
}

#[tokio::test]
async fn a_world_is_thrown_away_after_half_an_hour_without_a_press() {
    let (lab, clock) = lab();
    let key = lab.enter(&mochi(), None).await.expect("a world");
    clock.advance(IDLE - SECOND);
    lab.tidy();
    let world = lab.use_world(&key).expect("not yet");
    clock.advance(IDLE - SECOND);
    lab.tidy();
    assert!(lab.world(&key).is_some(), "it was used meanwhile");
    clock.advance(SECOND);
    lab.tidy();
    assert!(lab.world(&key).is_none());
    assert!(lab.is_empty());
    // An open page holds the world, and hears all the same that it was thrown away.
    world.ended().await;
}

#[tokio::test]
async fn a_world_that_nobody_looks_at_goes_back_to_the_speed_of_the_host() {
    let (lab, clock) = lab();
    let key = lab.enter(&mochi(), None).await.expect("a world");
    let world = lab.use_world(&key).expect("there");
    done(&world, Deed::Speed(600)).await;
    clock.advance(59 * SECOND);
    lab.tidy();
    assert_eq!(world.speed(), 600);
    clock.advance(SECOND);
    lab.tidy();
    assert_eq!(world.speed(), 1);
}

#[tokio::test]
async fn a_world_that_is_left_ends_with_its_thread() {
    let (lab, _) = lab();
    let key = lab.enter(&mochi(), None).await.expect("a world");
    let world = lab.world(&key).expect("there");
    let another = lab.enter(&mochi(), Some(&key)).await.expect("a world");
    assert_eq!(lab.len(), 1, "one world a visitor");
    let game = Arc::downgrade(world.game());
    drop(world);
    lab.leave(&another);
    assert!(lab.is_empty());
    // The thread lets go of the game when it ends.
    while game.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).expect("a second number");
    pages.parse::<u64>().expect("a number") * 4096
}

#[tokio::test]
async fn two_hundred_worlds_take_little_memory_and_the_next_visitor_has_to_wait() {
    let (lab, clock) = lab();
    let before = resident();
    let mut keys = Vec::new();
    for _ in 0..MOST_WORLDS {
        keys.push(lab.enter(&mochi(), None).await.expect("a world"));
    }
    for key in &keys {
        let world = lab.world(key).expect("there");
        done(&world, Deed::Five).await;
        skip(&world, HOUR).await;
    }
    let each = (resident() - before) / MOST_WORLDS as u64;
    println!(
        "{MOST_WORLDS} worlds that have lived an hour: {} kB each",
        each / 1024
    );
    assert!(each < 3 << 20, "{each} bytes a world");
    let full = lab.enter(&mochi(), None).await;
    assert!(matches!(full, Err(NoWorld::Full)));
    clock.advance(LEFT);
    lab.use_world(&keys[0]).expect("there");
    lab.enter(&mochi(), None)
        .await
        .expect("the one longest left gives way");
    assert_eq!(lab.len(), MOST_WORLDS);
    assert!(lab.world(&keys[0]).is_some());
}

#[tokio::test]
async fn a_wobbly_job_fails_twice_waits_longer_each_time_and_works() {
    let world = world().await;
    let from = world.game().now();
    done(&world, Deed::Wobble).await;
    skip(&world, 60 * SECOND).await;
    let told = moves(&world, "wobble", from).await;
    let told: Vec<_> = told.iter().map(|(kind, at)| (kind.as_str(), *at)).collect();
    assert_eq!(
        told,
        [
            ("job.queued", 0.0),
            ("job.started", 0.0),
            ("job.retrying", 0.3),
            ("job.queued", 5.3),
            ("job.started", 5.3),
            ("job.retrying", 5.6),
            ("job.queued", 15.6),
            ("job.started", 15.6),
            ("job.finished", 15.9),
        ]
    );
}

#[tokio::test]
async fn a_broken_job_is_given_up_after_four_tries_and_requeued_it_tries_again() {
    let world = world().await;
    let from = world.game().now();
    done(&world, Deed::Broken).await;
    skip(&world, 60 * SECOND).await;
    let told = moves(&world, "broken", from).await;
    assert_eq!(
        (count(&told, "job.started"), count(&told, "job.failed")),
        (4, 1)
    );
    let agenda = world
        .game()
        .agenda(&pet(&world).await)
        .await
        .expect("reads");
    assert_eq!(agenda.failed.len(), 1);
    done(&world, Deed::Requeue).await;
    let agenda = world
        .game()
        .agenda(&pet(&world).await)
        .await
        .expect("reads");
    assert_eq!(agenda.failed.len(), 0);
    skip(&world, 60 * SECOND).await;
    let told = moves(&world, "broken", from).await;
    assert_eq!(
        (count(&told, "job.started"), count(&told, "job.failed")),
        (8, 2)
    );
}

#[tokio::test]
async fn a_job_whose_worker_is_unplugged_is_rescued_once_by_the_other() {
    let world = world().await;
    let from = world.game().now();
    done(&world, Deed::Unplug).await;
    skip(&world, SECOND).await;
    let look = world.look().await.expect("reads");
    let pulled: Vec<_> = look
        .benches
        .iter()
        .filter(|one| one.plug == Plug::Pulled)
        .collect();
    let [bench] = pulled[..] else {
        panic!("one worker is unplugged, got {pulled:?}")
    };
    skip(&world, 20 * SECOND).await;
    let told = moves(&world, "long_job", from).await;
    let kinds: Vec<_> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    let expected = [
        "job.queued",
        "job.started",
        "job.lost",
        "job.started",
        "job.finished",
    ];
    assert_eq!(kinds, expected);
    let lost = told[2].1;
    assert!(
        (5.0..=10.0).contains(&lost),
        "its lease is 5 s: lost after {lost} s"
    );
    let last = events(&world)
        .await
        .into_iter()
        .rfind(|event| event.kind == "job.finished");
    assert_ne!(last.expect("finished").data["worker"], bench.name);

    let refused = world.do_it(Deed::Unplug).await;
    assert!(
        matches!(refused, Err(Refused::NotNow(_))),
        "one worker stays"
    );
    done(&world, Deed::PlugIn).await;
    let look = world.look().await.expect("reads");
    assert!(look.benches.iter().all(|one| one.plug == Plug::In));
}

#[tokio::test]
async fn paused_workers_take_nothing_and_five_jobs_run_in_their_order_afterwards() {
    let world = world().await;
    let from = world.game().now();
    done(&world, Deed::Pause).await;
    done(&world, Deed::Five).await;
    skip(&world, 60 * SECOND).await;
    let agenda = world
        .game()
        .agenda(&pet(&world).await)
        .await
        .expect("reads");
    assert_eq!(agenda.waiting, 5);
    let order = |job: &lullaby::Job| job.template.meta["number"].as_u64().expect("a number");
    assert_eq!(
        agenda.queued.iter().map(order).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    done(&world, Deed::Resume).await;
    skip(&world, 10 * SECOND).await;
    let finished = moves(&world, "small_job", from).await;
    let finished = finished.iter().filter(|(kind, _)| kind == "job.finished");
    let times: Vec<_> = finished.map(|(_, at)| *at).collect();
    assert_eq!(times, [60.3, 60.3, 60.6, 60.6, 60.9], "two at a time");
}

#[tokio::test]
async fn two_schedulers_make_each_hours_job_once() {
    let world = world().await;
    let from = world.game().now();
    done(&world, Deed::Schedulers(2)).await;
    skip(&world, 12 * HOUR).await;
    let told = moves(&world, "increase_hunger", from).await;
    assert_eq!(
        (count(&told, "job.queued"), count(&told, "job.finished")),
        (12, 12)
    );
    let twins = world.look().await.expect("reads").twins.expect("two run");
    assert_eq!((twins.slots, twins.jobs), (12, 12));
    assert_eq!(pet(&world).await.hunger, 10);
}

#[tokio::test]
async fn after_a_day_without_a_scheduler_each_schedule_catches_up_as_its_policy_says() {
    let world = world().await;
    let from = world.game().now();
    done(&world, Deed::Outage).await;
    world.skip_to(from + 24 * HOUR).await;
    assert_eq!(pet(&world).await.hunger, 0, "nobody moved what was due");
    assert!(world.look().await.expect("reads").away);
    done(&world, Deed::Schedulers(1)).await;
    skip(&world, 60 * SECOND).await;
    let look = world.look().await.expect("reads");
    let told: Vec<_> = look
        .chimes
        .iter()
        .map(|one| {
            (
                one.policy,
                one.record.slots,
                one.ran(),
                one.coalesced(),
                one.missed(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Policy::Latest, 24, 1, 23, 0),
            (Policy::All, 24, 24, 0, 0),
            (Policy::Skip, 24, 0, 0, 24),
        ]
    );
    let rung = moves(&world, "chime", from).await;
    assert_eq!(count(&rung, "job.finished"), 25);
    let ticks = moves(&world, "increase_hunger", from).await;
    assert_eq!(
        count(&ticks, "job.finished"),
        1,
        "the pet catches up in one run"
    );
    assert_eq!(pet(&world).await.hunger, 10);
    assert!(look.progress.fact(Lesson::CatchUp).is_some());
}

#[tokio::test]
async fn the_goals_of_all_six_lessons_are_reached_by_what_really_happens() {
    let world = world().await;
    let reached = async |lesson: Lesson| {
        let look = world.look().await.expect("reads");
        look.progress.fact(lesson).cloned()
    };
    done(&world, Deed::Hello).await;
    assert_eq!(reached(Lesson::Now).await, None, "it has not run yet");
    skip(&world, SECOND).await;
    let ran = reached(Lesson::Now).await.expect("reached");
    assert!(
        matches!(ran, Fact::Ran { waited, took, .. } if waited.is_zero() && took == tasks::SHORT)
    );

    let (game, name) = (world.game().clone(), world.pet().clone());
    let slept = world.at_once(async move {
        let caller = crate::game::Caller::default();
        game.act(&name, Action::Sleep, &caller).await
    });
    assert!(slept.await.expect("sleeps").is_asleep());
    done(&world, Deed::Skip).await;
    skip(&world, 1200 * SECOND).await;
    assert!(!pet(&world).await.is_asleep());
    assert!(reached(Lesson::Later).await.is_some());

    assert_eq!(reached(Lesson::EveryHour).await, None);
    skip(&world, 2 * HOUR).await;
    let recurred = reached(Lesson::EveryHour).await.expect("reached");
    assert!(matches!(recurred, Fact::Recurred { first, second } if second.since(first) == HOUR));

    done(&world, Deed::Wobble).await;
    skip(&world, 60 * SECOND).await;
    assert!(reached(Lesson::Retry).await.is_some());
    done(&world, Deed::Unplug).await;
    skip(&world, 60 * SECOND).await;
    assert!(reached(Lesson::Crash).await.is_some());
    done(&world, Deed::Outage).await;
    skip(&world, 25 * HOUR).await;
    assert_eq!(reached(Lesson::CatchUp).await, None);
    done(&world, Deed::Schedulers(1)).await;
    world.at_once(async { Ok(()) }).await.expect("settles");
    assert_eq!(world.look().await.expect("reads").progress.count(), 6);
}

#[tokio::test]
async fn a_queue_that_is_long_enough_takes_no_more_of_the_labs_jobs() {
    let world = world().await;
    done(&world, Deed::Pause).await;
    for _ in 0..8 {
        done(&world, Deed::Five).await;
    }
    let refused = world.do_it(Deed::Five).await;
    assert!(matches!(refused, Err(Refused::NotNow(_))));
    let agenda = world
        .game()
        .agenda(&pet(&world).await)
        .await
        .expect("reads");
    assert_eq!(agenda.waiting, 40);
    assert!(agenda.queued.iter().all(|job| job.status == Status::Queued));
}

#[tokio::test]
async fn however_much_is_pressed_a_world_keeps_the_latest_jobs_and_events_only() {
    let world = world().await;
    for _ in 0..16 {
        for _ in 0..8 {
            done(&world, Deed::Five).await;
        }
        skip(&world, 10 * SECOND).await;
    }
    let store = world.game().lullaby().store();
    let filter = JobFilter {
        status: Some(Status::Finished),
        ..JobFilter::default()
    };
    let finished = store.count_jobs(&filter).await.expect("reads");
    assert!((500..=600).contains(&finished), "{finished} of 640");
    assert!(events(&world).await.len() <= 500);
    let latest = store.list_jobs(&filter).await.expect("reads");
    assert_eq!(latest[0].template.meta["number"], 5, "the latest are kept");
}
