//! Rate limits: at most so many jobs of a key are queued or run; the others wait for a slot, the oldest first.

use lullaby::job::{Job, JobSpec, Status};
use lullaby::store::{Ending, Enqueued, JobFilter, Requeued, Settled};
use lullaby::{RateLimit, Repeat, Timestamp};
use serde_json::json;

use crate::drivers::every_driver_passes;
use crate::specs::{With, every, job};
use crate::world::{World, failed, finished, id, ids, ms, one, queue};

every_driver_passes! {
    only_so_many_are_queued_or_run_and_the_oldest_comes_next,
    jobs_of_one_call_wait_in_its_order,
    each_ending_lets_one_in,
    who_goes_back_to_the_queue_keeps_the_slot,
    a_lost_job_keeps_its_slot_until_it_is_poison,
    what_is_withdrawn_makes_room,
    what_is_over_makes_room,
    a_ttl_counts_from_when_a_job_begins_to_wait,
    a_requeued_job_waits_for_a_slot_and_may_go_to_the_front_then,
    what_is_due_comes_by_the_limiter_in_the_order_of_its_times,
    dependents_come_by_the_limiter_behind_those_that_wait,
    slots_of_a_schedule_come_by_the_limiter,
    the_last_number_given_holds,
    queues_share_a_key_and_keys_share_nothing,
    a_replaced_job_gives_its_slot_away_and_waits_anew,
    those_that_wait_are_listed_limit_by_limit_and_counted,
    events_tell_of_the_wait_and_of_its_end,
    another_process_keeps_the_limit,
}

/// At most `concurrency` of the key at once.
fn limited(name: &str, key: &str, concurrency: u32) -> JobSpec {
    let limit = RateLimit::new(key, concurrency).expect("a limit");
    job(name).options(|options| options.rate_limit = Some(limit))
}

/// The jobs of one limit, of which one at a time may be queued or run.
fn single(name: &str) -> JobSpec {
    limited(name, "api", 1)
}

async fn waiting(world: &World) -> Vec<String> {
    world.list_status(Status::RateLimited).await
}

async fn claim_one(world: &World) -> Job {
    one(world.claim(1).await)
}

fn retry(at: Timestamp) -> Ending {
    Ending::Retry {
        error: "no milk".to_owned(),
        at,
    }
}

async fn only_so_many_are_queued_or_run_and_the_oldest_comes_next(world: World) {
    for name in ["d", "c", "b", "a"] {
        world.enqueue([limited(name, "api", 2)]).await;
        world.pass(1);
    }
    world.enqueue([job("free")]).await;
    assert_eq!(world.line().await, ["d", "c", "free"]);
    assert_eq!(waiting(&world).await, ["b", "a"]);
    let running = world.claim(2).await;
    assert_eq!(ids(&running), ["d", "c"]);
    assert_eq!(waiting(&world).await, ["b", "a"]);
    assert_eq!(world.settle(&running[1], finished()).await, Settled::Done);
    assert_eq!(world.line().await, ["free", "b"]);
    let b = world.job("b").await;
    assert_eq!(b.enqueued_at, Some(world.now()));
    // A second word of the same execution frees nothing more.
    let again = world.settle(&running[1], finished()).await;
    assert_eq!(again, Settled::TakenOver);
    assert_eq!(waiting(&world).await, ["a"]);
    let a = world.job("a").await;
    assert_eq!((a.enqueued_at, a.lease_until), (None, None));
}

async fn jobs_of_one_call_wait_in_its_order(world: World) {
    world.enqueue(["c", "a", "d", "b"].map(single)).await;
    assert_eq!(waiting(&world).await, ["a", "d", "b"]);
    for name in ["c", "a", "d", "b"] {
        let running = claim_one(&world).await;
        assert_eq!(running.id.as_str(), name);
        world.settle(&running, finished()).await;
    }
}

async fn each_ending_lets_one_in(world: World) {
    let pause = world.later(60_000);
    let endings = [
        (single("j0"), finished()),
        (single("j1").result_ttl(ms(0)), finished()),
        (
            single("j2").options(|one| one.repeat = Some(Repeat::every(1, ms(60_000)))),
            finished(),
        ),
        (
            single("j3").options(|one| one.callbacks.on_success = Some("note".to_owned())),
            finished(),
        ),
        (single("j4"), failed("no milk")),
        (single("j5").failure_ttl(ms(0)), failed("no milk")),
        (single("j6"), retry(pause)),
        (single("j7"), Ending::Snoozed { at: pause }),
        (single("j8"), Ending::Stopped),
    ];
    let jobs = endings.iter().map(|(job, _)| job.clone());
    world.enqueue(jobs).await;
    for (number, (job, ending)) in endings.into_iter().enumerate() {
        assert_eq!(waiting(&world).await.len(), 8 - number);
        let mut claimed = world.claim(9).await;
        claimed.retain(|one| one.template.options.rate_limit.is_some());
        let running = one(claimed);
        assert_eq!(running.id, job.id);
        assert_eq!(world.settle(&running, ending).await, Settled::Done);
    }
}

async fn who_goes_back_to_the_queue_keeps_the_slot(world: World) {
    let again = single("a").options(|one| one.repeat = Some(Repeat::times(1)));
    world.enqueue([again, single("b")]).await;
    let at = world.now();
    let endings = [
        Ending::HandedBack,
        retry(at),
        Ending::Snoozed { at },
        // Its repeat, without a pause.
        finished(),
    ];
    for ending in endings {
        let running = claim_one(&world).await;
        assert_eq!(running.id.as_str(), "a");
        assert_eq!(world.settle(&running, ending).await, Settled::Done);
        assert_eq!(world.line().await, ["a"]);
        assert_eq!(waiting(&world).await, ["b"]);
    }
    let running = claim_one(&world).await;
    world.settle(&running, finished()).await;
    assert_eq!(world.line().await, ["b"]);
}

async fn a_lost_job_keeps_its_slot_until_it_is_poison(world: World) {
    world.enqueue([single("a"), single("b")]).await;
    for line in [["a"], ["a"], ["b"]] {
        claim_one(&world).await;
        world.pass(15_000);
        world.store.reap(true, 10).await.expect("reaped");
        assert_eq!(world.line().await, line);
    }
    assert_eq!(world.status("a").await, Some(Status::Failed));
}

async fn what_is_withdrawn_makes_room(world: World) {
    world
        .enqueue(["a", "b", "c", "d", "e", "f"].map(single))
        .await;
    // One that waits for a slot has none to give.
    world.cancel("b").await;
    world.delete("c").await;
    assert_eq!(waiting(&world).await, ["d", "e", "f"]);
    assert_eq!(world.status("b").await, Some(Status::Canceled));
    world.cancel("a").await;
    assert_eq!(world.line().await, ["d"]);
    world.delete("d").await;
    assert_eq!(world.line().await, ["e"]);
    let running = claim_one(&world).await;
    // It holds its slot until its worker has ended it.
    world.cancel("e").await;
    assert_eq!(waiting(&world).await, ["f"]);
    world.settle(&running, Ending::Stopped).await;
    assert_eq!(world.line().await, ["f"]);
}

async fn what_is_over_makes_room(world: World) {
    world
        .enqueue([
            single("a").ttl(ms(10)),
            single("b"),
            single("c").ttl(ms(10)),
        ])
        .await;
    world.pass(10);
    // Found by who claims: the next one runs at once.
    assert_eq!(claim_one(&world).await.id.as_str(), "b");
    assert_eq!(world.store.sweep(10).await.expect("swept").jobs, 1);
    assert_eq!(waiting(&world).await, [""; 0]);
    assert!(world.find("c").await.is_none());
    let b = one(world.store.jobs(&[id("b")]).await.expect("read")).expect("it runs");
    world.settle(&b, finished()).await;
    // Found by who sweeps.
    world.enqueue([single("d").ttl(ms(10)), single("e")]).await;
    world.pass(10);
    assert_eq!(world.store.sweep(10).await.expect("swept").jobs, 1);
    assert_eq!(world.line().await, ["e"]);
}

async fn a_ttl_counts_from_when_a_job_begins_to_wait(world: World) {
    world.enqueue([single("a"), single("b").ttl(ms(100))]).await;
    let ends = world.later(100);
    assert_eq!(world.job("b").await.expires_at, Some(ends));
    world.pass(60);
    let a = claim_one(&world).await;
    world.settle(&a, finished()).await;
    let b = world.job("b").await;
    assert_eq!((b.status, b.expires_at), (Status::Queued, Some(ends)));
    world.pass(40);
    assert_eq!(world.claim(1).await, []);
    assert!(world.find("b").await.is_none());
}

async fn a_requeued_job_waits_for_a_slot_and_may_go_to_the_front_then(world: World) {
    world.end(single("a"), failed("no milk")).await;
    world.enqueue([single("b")]).await;
    let requeued = world.store.requeue(&[id("a")], true).await;
    assert_eq!(requeued.expect("requeued"), [Requeued::Queued]);
    assert_eq!(waiting(&world).await, ["a"]);
    world.enqueue([job("free")]).await;
    let b = claim_one(&world).await;
    world.settle(&b, finished()).await;
    assert_eq!(world.line().await, ["a", "free"]);
    // One that waits goes behind the others that do.
    world.enqueue(["c", "d"].map(single)).await;
    assert_eq!(world.requeue("c").await, Requeued::Queued);
    assert_eq!(waiting(&world).await, ["d", "c"]);
}

async fn what_is_due_comes_by_the_limiter_in_the_order_of_its_times(world: World) {
    let jobs = [("c", 1), ("b", 2), ("a", 3)];
    let jobs = jobs.map(|(name, at)| single(name).at(world.later(at)));
    world.enqueue(jobs).await;
    world.pass(3);
    assert_eq!(world.move_due().await, 3);
    assert_eq!(world.line().await, ["c"]);
    assert_eq!(waiting(&world).await, ["b", "a"]);
}

async fn dependents_come_by_the_limiter_behind_those_that_wait(world: World) {
    let parent = world.start(single("parent")).await;
    let children = ["child1", "child2"].map(|name| single(name).after(&["parent"]));
    world.enqueue(children).await;
    world.enqueue([single("first")]).await;
    world.settle(&parent, finished()).await;
    assert_eq!(world.line().await, ["first"]);
    assert_eq!(waiting(&world).await, ["child1", "child2"]);
}

async fn slots_of_a_schedule_come_by_the_limiter(world: World) {
    let mut schedule = every("tick", ms(1000), world.now());
    schedule.spec.template.options.rate_limit = RateLimit::new("api", 1).ok();
    world.put_schedule(&schedule).await;
    for _ in 0..3 {
        world.pass(1000);
        world.decide_due().await;
    }
    assert_eq!(world.line().await.len(), 1);
    assert_eq!(waiting(&world).await.len(), 2);
}

async fn the_last_number_given_holds(world: World) {
    world.enqueue(["a", "b", "c", "d"].map(single)).await;
    assert_eq!(waiting(&world).await, ["b", "c", "d"]);
    world.enqueue([limited("e", "api", 3)]).await;
    assert_eq!(world.line().await, ["a", "b", "c"]);
    // Nobody is turned away from a slot that he has.
    world.enqueue([single("f")]).await;
    let running = world.claim(3).await;
    for (number, one) in running.iter().enumerate() {
        assert_eq!(waiting(&world).await.len(), 3);
        world.settle(one, finished()).await;
        let let_in = usize::from(number == 2);
        assert_eq!(world.line().await.len(), let_in);
    }
}

async fn queues_share_a_key_and_keys_share_nothing(world: World) {
    world
        .enqueue([
            single("a"),
            single("b").on("mail"),
            limited("c", "disk", 1).on("mail"),
            limited("d", "disk", 1),
        ])
        .await;
    assert_eq!(world.line().await, ["a"]);
    let mail = one(world.claim_from(&["mail"], 9).await);
    assert_eq!(mail.id.as_str(), "c");
    let a = claim_one(&world).await;
    world.settle(&a, finished()).await;
    world.settle(&mail, finished()).await;
    assert_eq!(ids(&world.claim_from(&["mail"], 9).await), ["b"]);
    assert_eq!(world.line().await, ["d"]);
}

async fn a_replaced_job_gives_its_slot_away_and_waits_anew(world: World) {
    world.enqueue(["a", "b", "c"].map(single)).await;
    let again = [single("a").replacing(), single("b").replacing()];
    let replaced = world.enqueue(again).await;
    assert_eq!(replaced, [Enqueued::Replaced; 2]);
    assert_eq!(world.line().await, ["c"]);
    assert_eq!(waiting(&world).await, ["a", "b"]);
    world.enqueue([job("c").replacing()]).await;
    assert_eq!(world.line().await, ["a", "c"]);
    assert_eq!(world.job("c").await.template.options.rate_limit, None);
}

async fn those_that_wait_are_listed_limit_by_limit_and_counted(world: World) {
    let mut jobs = ["a", "d"].map(single).to_vec();
    jobs.extend(["x", "c", "b"].map(|name| limited(name, "aaa", 1).about("pet").on("mail")));
    world.enqueue(jobs).await;
    world.enqueue([single("e").about("pet")]).await;
    assert_eq!(waiting(&world).await, ["c", "b", "d", "e"]);
    let waits = JobFilter {
        status: Some(Status::RateLimited),
        ..JobFilter::default()
    };
    let of_pet = JobFilter {
        subject: Some("pet".to_owned()),
        ..waits.clone()
    };
    assert_eq!(world.list(of_pet.clone()).await, ["c", "b", "e"]);
    let mut second = of_pet.clone();
    (second.page.offset, second.page.length) = (1, 1);
    assert_eq!(world.list(second).await, ["b"]);
    let on_mail = JobFilter {
        queue: Some(queue("mail")),
        ..waits.clone()
    };
    assert_eq!(world.list(on_mail.clone()).await, ["c", "b"]);
    for (filter, many) in [(waits, 4), (of_pet, 3), (on_mail, 2)] {
        let count = world.store.count_jobs(&filter).await.expect("counted");
        assert_eq!(count, many, "{filter:?}");
    }
    let queues = world.store.queues().await.expect("read");
    let counts = queues.iter().map(|one| one.counts[&Status::RateLimited]);
    assert_eq!(counts.collect::<Vec<_>>(), [2, 2]);
}

async fn events_tell_of_the_wait_and_of_its_end(world: World) {
    world.enqueue([single("a").about("one")]).await;
    assert_eq!(world.kinds("one").await, ["job.queued"]);
    world.enqueue([single("b").about("two")]).await;
    let waits = json!({ "task": "greet", "limit": "api" });
    let told = world.told("two").await;
    assert_eq!(told, [("job.rate_limited".to_owned(), waits)]);
    world.delete("a").await;
    assert_eq!(world.kinds("two").await, ["job.rate_limited", "job.queued"]);
}

async fn another_process_keeps_the_limit(world: World) {
    world.enqueue([single("a")]).await;
    let other = world.reopen().await;
    other.enqueue([single("b")]).await;
    assert_eq!(waiting(&world).await, ["b"]);
    let a = claim_one(&other).await;
    other.settle(&a, finished()).await;
    assert_eq!(world.line().await, ["b"]);
}
