//! Claiming jobs, keeping and settling them.

use std::time::Duration;

use lullaby::clock::Timestamp;
use lullaby::job::{Execution, Job, Status, Token};
use lullaby::store::{Canceled, Claim, Ending, Renewed, Settled, Settlement, WorkerRecord};
use serde_json::{Value, json};

use crate::drivers::every_driver_passes;
use crate::snapshot::Snapshot;
use crate::specs::{With, job};
use crate::world::{LEASE, World, execution, failed, finished, id, ids, ms, one, queue};

every_driver_passes! {
    a_claim_writes_owner_lease_and_token,
    the_front_is_claimed_first,
    queues_are_claimed_in_the_order_asked,
    a_claim_takes_at_most_what_was_asked,
    an_empty_queue_has_nothing_to_claim,
    each_execution_has_a_higher_token,
    a_job_whose_ttl_is_over_is_dropped_unrun,
    a_ttl_counts_from_entering_the_queue,
    a_finished_job_keeps_its_result_for_its_ttl,
    a_result_that_nobody_keeps_is_gone,
    a_result_without_a_ttl_stays,
    a_failed_job_keeps_its_error_for_its_ttl,
    a_failed_job_that_nobody_keeps_is_gone,
    a_retry_waits_for_its_time_and_counts_a_failure,
    a_retry_whose_time_has_come_goes_to_the_back,
    a_snoozed_job_comes_back_and_counts_nothing,
    a_job_that_is_handed_back_is_next_and_counts_nothing,
    a_stopped_job_is_kept_for_its_failure_ttl,
    a_job_that_cannot_be_honoured_fails,
    a_job_that_was_asked_to_stop_may_still_finish,
    a_job_settles_once,
    a_batch_settles_item_by_item,
    a_stale_worker_cannot_write,
    a_made_up_token_cannot_write,
    a_lease_that_ran_out_holds_until_somebody_takes_over,
    renewing_counts_the_lease_from_now,
    renewing_tells_of_a_stop_request,
    a_stop_request_outlives_a_return_to_the_queue,
    meta_is_patched_key_by_key,
    workers_are_listed_until_they_retire,
}

async fn a_claim_writes_owner_lease_and_token(world: World) {
    world.enqueue([job("a").on("mail")]).await;
    let queued = world.job("a").await;
    world.pass(7);
    let claim = Claim {
        worker: "w1".to_owned(),
        queues: vec![queue("mail")],
        max: 1,
        lease: ms(250),
    };
    let claimed = one(world.store.claim(claim).await.expect("claimed"));
    let expected = Job {
        status: Status::Started,
        started_at: Some(world.now()),
        worker: Some("w1".to_owned()),
        lease_until: Some(world.later(250)),
        token: claimed.token,
        ..queued
    };
    assert!(claimed.token.is_some());
    assert_eq!(claimed, expected);
    assert_eq!(world.job("a").await, expected);
}

async fn the_front_is_claimed_first(world: World) {
    world
        .enqueue([job("a"), job("b"), job("c").at_front()])
        .await;
    assert_eq!(ids(&world.claim(2).await), ["c", "a"]);
    assert_eq!(ids(&world.claim(2).await), ["b"]);
}

async fn queues_are_claimed_in_the_order_asked(world: World) {
    let jobs = [job("a").on("low"), job("b").on("high"), job("c").on("low")];
    world.enqueue(jobs).await;
    world.enqueue([job("d").on("other")]).await;
    let claimed = world.claim_from(&["high", "none", "low", "high"], 9).await;
    assert_eq!(ids(&claimed), ["b", "a", "c"]);
    assert_eq!(world.status("d").await, Some(Status::Queued));
}

async fn a_claim_takes_at_most_what_was_asked(world: World) {
    world.enqueue(["a", "b", "c"].map(job)).await;
    assert!(world.claim(0).await.is_empty());
    assert_eq!(ids(&world.claim(1).await), ["a"]);
    assert!(world.claim_from(&[], 9).await.is_empty());
    assert_eq!(ids(&world.claim(usize::MAX).await), ["b", "c"]);
}

async fn an_empty_queue_has_nothing_to_claim(world: World) {
    assert!(world.claim(9).await.is_empty());
}

async fn each_execution_has_a_higher_token(world: World) {
    let other = world.reopen().await;
    let mut last = None;
    for round in 0..5 {
        for at in [&world, &other] {
            let names = [format!("a{round}"), format!("b{round}")];
            at.enqueue(names.iter().map(|name| job(name).on("mail")))
                .await;
            for claimed in at.claim_from(&["mail"], 2).await {
                assert!(claimed.token > last, "{:?} after {last:?}", claimed.token);
                last = claimed.token;
                at.settle(&claimed, Ending::HandedBack).await;
            }
        }
    }
}

async fn a_job_whose_ttl_is_over_is_dropped_unrun(world: World) {
    let jobs = ["a", "b", "c"].map(|name| job(name).ttl(ms(100)).about("pet"));
    world.enqueue(jobs).await;
    world.enqueue([job("d")]).await;
    world.pass(99);
    assert_eq!(
        ids(&world.claim(1).await),
        ["a"],
        "one ms before it is over"
    );
    world.pass(1);
    // Those dropped on the way don't count.
    assert_eq!(ids(&world.claim(1).await), ["d"]);
    assert_eq!(world.find("b").await, None);
    assert_eq!(world.find("c").await, None);
    assert_eq!(world.status("a").await, Some(Status::Started));
    let expired = |event: &&lullaby::event::Event| event.kind == "job.expired";
    assert_eq!(world.events("pet").await.iter().filter(expired).count(), 2);
}

async fn a_ttl_counts_from_entering_the_queue(world: World) {
    let due = world.later(1000);
    world.enqueue([job("a").at(due).ttl(ms(100))]).await;
    assert_eq!(world.job("a").await.expires_at, None);
    world.pass(5000);
    assert_eq!(world.move_due().await, 1);
    assert_eq!(world.job("a").await.expires_at, Some(world.later(100)));
    world.pass(99);
    let claimed = one(world.claim(1).await);
    assert_eq!(claimed.expires_at, None, "what runs does not expire");
    world.settle(&claimed, Ending::HandedBack).await;
    assert_eq!(world.job("a").await.expires_at, Some(world.later(100)));
}

async fn a_finished_job_keeps_its_result_for_its_ttl(world: World) {
    let started = world.start(job("a").result_ttl(ms(500))).await;
    world.pass(7);
    let result = Some(r#"{"hunger":3}"#.to_owned());
    let ending = Ending::Finished {
        result: result.clone(),
    };
    assert_eq!(world.settle(&started, ending).await, Settled::Done);
    let expected = Job {
        status: Status::Finished,
        ended_at: Some(world.now()),
        expires_at: Some(world.later(500)),
        lease_until: None,
        result,
        ..started
    };
    assert_eq!(world.job("a").await, expected);
}

async fn a_result_that_nobody_keeps_is_gone(world: World) {
    world
        .end(job("a").result_ttl(Duration::ZERO), finished())
        .await;
    assert_eq!(world.find("a").await, None);
}

async fn a_result_without_a_ttl_stays(world: World) {
    world.end(job("a").result_ttl(None), finished()).await;
    assert_eq!(world.job("a").await.expires_at, None);
    world.clock.set(Timestamp::MAX);
    world.store.sweep(9).await.expect("swept");
    assert_eq!(world.status("a").await, Some(Status::Finished));
}

async fn a_failed_job_keeps_its_error_for_its_ttl(world: World) {
    let started = world.start(job("a").failure_ttl(ms(500))).await;
    assert_eq!(
        world.settle(&started, failed("no milk")).await,
        Settled::Done
    );
    let expected = Job {
        status: Status::Failed,
        ended_at: Some(world.now()),
        expires_at: Some(world.later(500)),
        lease_until: None,
        failures: 1,
        error: Some("no milk".to_owned()),
        ..started
    };
    assert_eq!(world.job("a").await, expected);
}

async fn a_failed_job_that_nobody_keeps_is_gone(world: World) {
    world
        .end(job("a").failure_ttl(Duration::ZERO), failed("no"))
        .await;
    assert_eq!(world.find("a").await, None);
}

async fn a_retry_waits_for_its_time_and_counts_a_failure(world: World) {
    let started = world.start(job("a").ttl(ms(100))).await;
    let at = world.later(5000);
    let error = "no milk".to_owned();
    world.settle(&started, Ending::Retry { error, at }).await;
    let expected = Job {
        status: Status::Scheduled,
        due_at: Some(at),
        lease_until: None,
        failures: 1,
        error: Some("no milk".to_owned()),
        ..started
    };
    assert_eq!(world.job("a").await, expected);
    world.pass(4999);
    assert_eq!(world.move_due().await, 0);
    world.pass(1);
    assert_eq!(world.move_due().await, 1);
    assert_eq!(one(world.claim(1).await).failures, 1);
}

async fn a_retry_whose_time_has_come_goes_to_the_back(world: World) {
    let started = world.start(job("a").at_front()).await;
    world.enqueue([job("b")]).await;
    let at = world.now();
    let error = "no milk".to_owned();
    world.settle(&started, Ending::Retry { error, at }).await;
    assert_eq!(world.line().await, ["b", "a"]);
    let kept = world.job("a").await;
    assert_eq!((kept.failures, kept.due_at), (1, Some(at)));
    assert_eq!(kept.enqueued_at, Some(world.now()));
}

async fn a_snoozed_job_comes_back_and_counts_nothing(world: World) {
    let (a, b) = (world.start(job("a")).await, world.start(job("b")).await);
    world.enqueue([job("c")]).await;
    let (at, now) = (world.later(1), world.now());
    world.settle(&a, Ending::Snoozed { at }).await;
    world.settle(&b, Ending::Snoozed { at: now }).await;
    let kept = world.job("a").await;
    assert_eq!((kept.status, kept.due_at), (Status::Scheduled, Some(at)));
    assert_eq!((kept.failures, kept.lost, kept.error), (0, 0, None));
    assert_eq!(world.line().await, ["c", "b"]);
    world.pass(1);
    assert_eq!(world.move_due().await, 1);
}

async fn a_job_that_is_handed_back_is_next_and_counts_nothing(world: World) {
    let started = world.start(job("a")).await;
    world.enqueue([job("b")]).await;
    world.pass(7);
    world.settle(&started, Ending::HandedBack).await;
    assert_eq!(world.line().await, ["a", "b"]);
    let expected = Job {
        status: Status::Queued,
        enqueued_at: Some(world.now()),
        lease_until: None,
        ..started
    };
    assert_eq!(world.job("a").await, expected);
}

async fn a_stopped_job_is_kept_for_its_failure_ttl(world: World) {
    let started = world.start(job("a").failure_ttl(ms(500))).await;
    world.cancel("a").await;
    assert_eq!(world.settle(&started, Ending::Stopped).await, Settled::Done);
    let kept = world.job("a").await;
    assert_eq!(kept.status, Status::Stopped);
    assert_eq!(kept.expires_at, Some(world.later(500)));
    assert_eq!((kept.failures, kept.error), (0, None));
    world
        .end(job("b").failure_ttl(Duration::ZERO), Ending::Stopped)
        .await;
    assert_eq!(world.find("b").await, None);
}

async fn a_job_that_cannot_be_honoured_fails(world: World) {
    let error = "no handler for greet".to_owned();
    world.end(job("a"), Ending::CannotHonour { error }).await;
    let kept = world.job("a").await;
    assert_eq!(kept.status, Status::Failed);
    assert_eq!(kept.error.as_deref(), Some("no handler for greet"));
}

async fn a_job_that_was_asked_to_stop_may_still_finish(world: World) {
    let started = world.start(job("a")).await;
    world.cancel("a").await;
    assert_eq!(world.settle(&started, finished()).await, Settled::Done);
    assert_eq!(world.status("a").await, Some(Status::Finished));
}

/// Every way to end an execution.
fn endings(at: Timestamp) -> Vec<Ending> {
    let error = || "too late".to_owned();
    vec![
        finished(),
        failed("too late"),
        Ending::Retry { error: error(), at },
        Ending::Snoozed { at },
        Ending::HandedBack,
        Ending::Stopped,
        Ending::CannotHonour { error: error() },
    ]
}

async fn a_job_settles_once(world: World) {
    let at = world.later(1000);
    for (n, ending) in endings(at).into_iter().enumerate() {
        let started = world.start(job(&format!("job-{n}")).on("mail")).await;
        assert_eq!(world.settle(&started, ending).await, Settled::Done);
        let before = Snapshot::of(&*world.store).await;
        for again in endings(at) {
            assert_eq!(world.settle(&started, again).await, Settled::TakenOver);
        }
        assert_eq!(Snapshot::of(&*world.store).await, before);
        world.delete(&format!("job-{n}")).await;
    }
}

async fn a_batch_settles_item_by_item(world: World) {
    world.enqueue(["a", "b", "c"].map(job)).await;
    let jobs = world.claim(3).await;
    world.settle(&jobs[1], finished()).await;
    let settle = |n: usize, ending| Settlement {
        execution: execution(&jobs[n]),
        ending,
    };
    let batch = vec![
        settle(2, finished()),
        settle(1, failed("no")),
        settle(0, failed("no")),
        settle(2, failed("no")),
    ];
    assert_eq!(
        world.store.settle(batch).await.expect("settled"),
        [
            Settled::Done,
            Settled::TakenOver,
            Settled::Done,
            Settled::TakenOver
        ]
    );
    assert_eq!(world.list_status(Status::Failed).await, ["a"]);
    assert_eq!(world.list_status(Status::Finished).await, ["c", "b"]);
}

/// Tries everything that an execution may write, and asserts that nothing is.
async fn cannot_write(world: &World, execution: &Execution) {
    let before = Snapshot::of(&*world.store).await;
    for ending in endings(world.later(1000)) {
        let settlement = Settlement {
            execution: execution.clone(),
            ending,
        };
        let settled = world.store.settle(vec![settlement]).await;
        assert_eq!(settled.expect("answered"), [Settled::TakenOver]);
    }
    let renewed = world.store.renew(vec![execution.clone()], LEASE).await;
    assert_eq!(renewed.expect("answered"), [Renewed::TakenOver]);
    let patch = [("key".to_owned(), json!("value"))].into_iter().collect();
    let saved = world.store.save_meta(execution.clone(), patch).await;
    assert_eq!(saved.expect("answered"), Settled::TakenOver);
    assert_eq!(Snapshot::of(&*world.store).await, before);
}

async fn a_stale_worker_cannot_write(world: World) {
    let stale = world.start(job("a").about("pet")).await;
    world.pass(15_000);
    world.store.reap(true, 9).await.expect("reaped");
    cannot_write(&world, &execution(&stale)).await;
    let current = one(world.claim_as("other", &["default"], 1).await);
    cannot_write(&world, &execution(&stale)).await;
    assert_eq!(world.settle(&current, finished()).await, Settled::Done);
    cannot_write(&world, &execution(&stale)).await;
    world.delete("a").await;
    cannot_write(&world, &execution(&current)).await;
}

async fn a_made_up_token_cannot_write(world: World) {
    let started = world.start(job("a").about("pet")).await;
    world.enqueue([job("b").about("pet")]).await;
    let token = execution(&started).token.0;
    for (name, token) in [
        ("a", 0),
        ("a", token - 1),
        ("a", token + 1),
        ("a", u64::MAX),
        ("b", token),
        ("unknown", token),
    ] {
        let (job, token) = (id(name), Token(token));
        cannot_write(&world, &Execution { job, token }).await;
    }
}

async fn a_lease_that_ran_out_holds_until_somebody_takes_over(world: World) {
    let started = world.start(job("a")).await;
    world.pass(60_000);
    let renewed = world.store.renew(vec![execution(&started)], LEASE).await;
    assert_eq!(renewed.expect("renewed"), [Renewed::Renewed]);
    let reaped = world.store.reap(true, 9).await.expect("reaped");
    assert!(reaped.returned.is_empty());
    world.pass(60_000);
    assert_eq!(world.settle(&started, finished()).await, Settled::Done);
}

async fn renewing_counts_the_lease_from_now(world: World) {
    let started = world.start(job("a")).await;
    world.pass(10_000);
    let renewed = world
        .store
        .renew(vec![execution(&started)], ms(20_000))
        .await;
    assert_eq!(renewed.expect("renewed"), [Renewed::Renewed]);
    assert_eq!(world.job("a").await.lease_until, Some(world.later(20_000)));
    world.pass(19_999);
    let reaped = world.store.reap(true, 9).await.expect("reaped");
    assert!(reaped.returned.is_empty());
    let renewed = world.store.renew(vec![execution(&started)], ms(1)).await;
    assert_eq!(renewed.expect("renewed"), [Renewed::Renewed]);
    assert_eq!(world.job("a").await.lease_until, Some(world.later(1)));
}

async fn renewing_tells_of_a_stop_request(world: World) {
    world.enqueue(["a", "b", "c"].map(job)).await;
    let jobs = world.claim(3).await;
    assert_eq!(world.cancel("b").await, Canceled::Stopping);
    world.settle(&jobs[2], finished()).await;
    world.pass(5);
    let renewed = world
        .store
        .renew(jobs.iter().map(execution).collect(), LEASE)
        .await;
    assert_eq!(
        renewed.expect("renewed"),
        [Renewed::Renewed, Renewed::StopRequested, Renewed::TakenOver]
    );
    let lease = Some(world.now() + LEASE);
    assert_eq!(world.job("b").await.lease_until, lease, "it is extended");
}

async fn a_stop_request_outlives_a_return_to_the_queue(world: World) {
    let started = world.start(job("a")).await;
    world.cancel("a").await;
    world.settle(&started, Ending::HandedBack).await;
    let again = one(world.claim(1).await);
    assert!(again.stop_requested);
    let renewed = world.store.renew(vec![execution(&again)], LEASE).await;
    assert_eq!(renewed.expect("renewed"), [Renewed::StopRequested]);
}

async fn meta_is_patched_key_by_key(world: World) {
    let mut spec = job("a");
    spec.template.meta = object(json!({ "keep": 1, "change": { "a": 1, "b": 2 }, "drop": 3 }));
    let started = world.start(spec).await;
    let patch = object(json!({ "change": { "a": 9 }, "drop": null, "new": "né", "none": null }));
    let saved = world.store.save_meta(execution(&started), patch).await;
    assert_eq!(saved.expect("saved"), Settled::Done);
    let mut expected = started.clone();
    expected.template.meta = object(json!({ "keep": 1, "change": { "a": 9 }, "new": "né" }));
    assert_eq!(world.job("a").await, expected);
    world.settle(&started, finished()).await;
    let kept = world.job("a").await.template.meta;
    assert_eq!(kept, expected.template.meta);
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("expected an object, got {other}"),
    }
}

async fn workers_are_listed_until_they_retire(world: World) {
    let record = |name: &str, running| WorkerRecord {
        name: name.to_owned(),
        queues: vec![queue("mail"), queue("default")],
        concurrency: 8,
        running,
        pid: 4711,
        host: "höst".to_owned(),
        started_at: world.now(),
        seen_at: world.later(5),
    };
    let (store, other) = (&world.store, world.reopen().await.store);
    for worker in [record("b", 1), record("a", 2), record("b", 3)] {
        store.announce_worker(worker).await.expect("announced");
    }
    let listed = other.workers().await.expect("listed");
    assert_eq!(listed, [record("a", 2), record("b", 3)]);
    other.retire_worker("b").await.expect("retired");
    other.retire_worker("unknown").await.expect("nothing to do");
    let listed = store.workers().await.expect("listed");
    assert_eq!(listed, [record("a", 2)]);
}
