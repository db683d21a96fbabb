//! Returning what was lost, dropping what is over.

use std::time::Duration;

use lullaby::job::{Job, Status};
use lullaby::store::{Ending, POISON_LOSSES, Reaped, Settled, Swept, WorkerRecord};
use serde_json::json;

use crate::drivers::every_driver_passes;
use crate::snapshot::Snapshot;
use crate::specs::{With, job};
use crate::world::{World, execution, failed, finished, id, ids, ms, one};

every_driver_passes! {
    a_lease_is_over_at_its_millisecond,
    expired_leases_wait_while_nobody_may_reap_them,
    a_reaped_job_is_next_in_line_and_counts_a_loss,
    reaping_stops_at_its_limit,
    a_job_lost_three_times_is_poison,
    poison_that_nobody_keeps_is_gone,
    failures_are_not_losses,
    the_jobs_of_a_dead_process_return_at_once,
    the_jobs_of_a_live_process_stay,
    what_ended_is_dropped_at_its_millisecond,
    sweeping_stops_at_its_limit,
    a_queued_job_whose_ttl_is_over_is_swept,
    what_waits_or_runs_is_never_swept,
    the_next_expiry_covers_queued_and_ended_jobs,
    a_swept_id_is_free_again,
    workers_unseen_for_90_s_are_dropped,
    a_healthy_store_passes_the_probe,
}

async fn reap(world: &World) -> Reaped {
    world.store.reap(true, usize::MAX).await.expect("reaped")
}

async fn sweep(world: &World) -> Swept {
    world.store.sweep(usize::MAX).await.expect("swept")
}

async fn a_lease_is_over_at_its_millisecond(world: World) {
    let started = world.start(job("a")).await;
    world.pass(14_999);
    let nothing = Reaped {
        next_expiry: started.lease_until,
        ..Reaped::default()
    };
    assert_eq!(reap(&world).await, nothing);
    assert_eq!(world.job("a").await, started);
    world.pass(1);
    let returned = Reaped {
        returned: vec![id("a")],
        ..Reaped::default()
    };
    assert_eq!(reap(&world).await, returned);
    assert_eq!(reap(&world).await, Reaped::default());
}

async fn expired_leases_wait_while_nobody_may_reap_them(world: World) {
    let started = world.start(job("a")).await;
    world.pass(60_000);
    let reaped = world.store.reap(false, 9).await.expect("looked");
    assert_eq!((reaped.returned, reaped.poisoned), (vec![], vec![]));
    assert_eq!(world.job("a").await, started);
}

async fn a_reaped_job_is_next_in_line_and_counts_a_loss(world: World) {
    let started = world.start(job("a").ttl(ms(100))).await;
    world.enqueue([job("b")]).await;
    world.pass(15_000);
    reap(&world).await;
    assert_eq!(world.line().await, ["a", "b"]);
    let expected = Job {
        status: Status::Queued,
        enqueued_at: Some(world.now()),
        expires_at: Some(world.later(100)),
        lease_until: None,
        lost: 1,
        ..started.clone()
    };
    assert_eq!(world.job("a").await, expected);
    let again = one(world.claim(1).await);
    assert!(again.token > started.token);
    assert_eq!(world.settle(&started, finished()).await, Settled::TakenOver);
}

async fn reaping_stops_at_its_limit(world: World) {
    for name in ["a", "b", "c"] {
        world.start(job(name).on("mail")).await;
        world.pass(1);
    }
    let ends = world.job("c").await.lease_until;
    world.pass(14_998);
    // The leases of `a` and `b` are over, that of `c` ends in a millisecond.
    let first = world.store.reap(true, 1).await.expect("reaped");
    assert_eq!(first.returned, [id("a")]);
    assert_eq!(first.next_expiry, Some(world.now()));
    let second = world.store.reap(true, 9).await.expect("reaped");
    assert_eq!((second.returned, second.next_expiry), (vec![id("b")], ends));
    world.pass(1);
    let none = world.store.reap(true, 0).await.expect("reaped");
    assert!(none.returned.is_empty());
    assert_eq!(reap(&world).await.returned, [id("c")]);
}

/// Claims the job and lets its lease run out, until it has been lost so often.
async fn lose(world: &World, times: u32) -> Reaped {
    let mut reaped = Reaped::default();
    for _ in 0..times {
        one(world.claim(1).await);
        world.pass(15_000);
        reaped = reap(world).await;
    }
    reaped
}

async fn a_job_lost_three_times_is_poison(world: World) {
    world
        .enqueue([job("a").failure_ttl(ms(500)).about("pet")])
        .await;
    let reaped = lose(&world, POISON_LOSSES).await;
    assert_eq!((reaped.returned, reaped.poisoned), (vec![], vec![id("a")]));
    let kept = world.job("a").await;
    assert_eq!((kept.status, kept.lost), (Status::Failed, POISON_LOSSES));
    assert_eq!(kept.failures, 0, "it never said that it failed");
    assert_eq!(kept.ended_at, Some(world.now()));
    assert_eq!(kept.expires_at, Some(world.later(500)));
    assert_eq!(kept.lease_until, None);
    let error = kept.error.expect("a reason");
    assert!(
        error.contains("3 times") && error.contains("requeue a"),
        "{error}"
    );
    let (kind, data) = world.told("pet").await.pop().expect("an event");
    assert_eq!(kind, "job.failed");
    assert_eq!(data, json!({ "task": "greet", "error": error }));
    world.requeue("a").await;
    let reaped = lose(&world, POISON_LOSSES - 1).await;
    assert_eq!(reaped.returned, [id("a")], "it starts from zero again");
}

async fn poison_that_nobody_keeps_is_gone(world: World) {
    world.enqueue([job("a").failure_ttl(Duration::ZERO)]).await;
    let reaped = lose(&world, POISON_LOSSES).await;
    assert_eq!(reaped.poisoned, [id("a")]);
    assert_eq!(world.find("a").await, None);
}

async fn failures_are_not_losses(world: World) {
    world.enqueue([job("a")]).await;
    for _ in 0..5 {
        let started = one(world.claim(1).await);
        let (error, at) = ("no".to_owned(), world.now());
        world.settle(&started, Ending::Retry { error, at }).await;
    }
    let reaped = lose(&world, 2).await;
    assert_eq!(reaped.returned, [id("a")]);
    let kept = world.job("a").await;
    assert_eq!((kept.failures, kept.lost), (5, 2));
}

async fn the_jobs_of_a_dead_process_return_at_once(world: World) {
    if !world.sees_the_dead() {
        return;
    }
    let mine = world.start(job("mine")).await;
    let other = world.reopen().await;
    other.start(job("theirs")).await;
    drop(other);
    let reaped = world.store.reap(false, 9).await.expect("reaped");
    assert_eq!(reaped.returned, [id("theirs")]);
    let kept = world.job("theirs").await;
    assert_eq!((kept.status, kept.lost), (Status::Queued, 1));
    assert_eq!(world.job("mine").await, mine);
}

async fn the_jobs_of_a_live_process_stay(world: World) {
    let other = world.reopen().await;
    let mine = world.start(job("mine")).await;
    let theirs = other.start(job("theirs")).await;
    for at in [&world, &other] {
        let reaped = at.store.reap(false, 9).await.expect("looked");
        assert!(reaped.returned.is_empty());
        assert_eq!(
            ids(&[mine.clone(), theirs.clone()]),
            at.list_status(Status::Started).await
        );
    }
}

async fn what_ended_is_dropped_at_its_millisecond(world: World) {
    world
        .end(job("result").result_ttl(ms(500)), finished())
        .await;
    world
        .end(job("error").failure_ttl(ms(500)), failed("no"))
        .await;
    world.enqueue([job("canceled").failure_ttl(ms(500))]).await;
    world.cancel("canceled").await;
    world.pass(499);
    let next_expiry = Some(world.later(1));
    let nothing = Swept {
        jobs: 0,
        next_expiry,
    };
    assert_eq!(sweep(&world).await, nothing);
    world.pass(1);
    let all = Swept {
        jobs: 3,
        next_expiry: None,
    };
    assert_eq!(sweep(&world).await, all);
    assert!(Snapshot::of(&*world.store).await.jobs.is_empty());
    assert_eq!(world.store.queues().await.expect("read"), []);
}

async fn sweeping_stops_at_its_limit(world: World) {
    for name in ["a", "b", "c"] {
        world.end(job(name).result_ttl(ms(500)), finished()).await;
        world.pass(1);
    }
    world.pass(1000);
    let first_ended = world.job("a").await.expires_at;
    let swept = world.store.sweep(0).await.expect("swept");
    assert_eq!((swept.jobs, swept.next_expiry), (0, first_ended));
    let swept = world.store.sweep(2).await.expect("swept");
    assert_eq!(swept.jobs, 2);
    assert_eq!(swept.next_expiry, world.job("c").await.expires_at);
    assert_eq!(world.list_status(Status::Finished).await, ["c"]);
}

async fn a_queued_job_whose_ttl_is_over_is_swept(world: World) {
    world.enqueue([job("a").ttl(ms(100)).about("pet")]).await;
    world.pass(99);
    assert_eq!(sweep(&world).await.jobs, 0);
    world.pass(1);
    assert_eq!(sweep(&world).await.jobs, 1);
    assert_eq!(world.find("a").await, None);
    let (kind, data) = world.told("pet").await.pop().expect("an event");
    assert_eq!(kind, "job.expired");
    assert_eq!(data, json!({ "task": "greet" }));
}

async fn what_waits_or_runs_is_never_swept(world: World) {
    world
        .start(job("started").ttl(ms(1)).result_ttl(ms(1)))
        .await;
    let later = world.later(60_000);
    let scheduled = job("scheduled").at(later).ttl(ms(1));
    world
        .enqueue([scheduled, job("queued").result_ttl(ms(1))])
        .await;
    world.pass(1000);
    let nothing = Swept::default();
    assert_eq!(sweep(&world).await, nothing);
    assert_eq!(Snapshot::of(&*world.store).await.jobs.len(), 3);
}

async fn the_next_expiry_covers_queued_and_ended_jobs(world: World) {
    assert_eq!(sweep(&world).await.next_expiry, None);
    world.end(job("a").result_ttl(ms(500)), finished()).await;
    assert_eq!(sweep(&world).await.next_expiry, Some(world.later(500)));
    world.enqueue([job("b").ttl(ms(200))]).await;
    assert_eq!(sweep(&world).await.next_expiry, Some(world.later(200)));
    world.claim(1).await;
    assert_eq!(sweep(&world).await.next_expiry, Some(world.later(500)));
    world.delete("a").await;
    assert_eq!(sweep(&world).await.next_expiry, None);
}

async fn a_swept_id_is_free_again(world: World) {
    let old = world.start(job("a").result_ttl(ms(1))).await;
    world.settle(&old, finished()).await;
    world.pass(1);
    sweep(&world).await;
    let new = world.start(job("a")).await;
    assert!(new.token > old.token);
    let stale = world.store.renew(vec![execution(&old)], ms(1)).await;
    assert_eq!(
        stale.expect("answered"),
        [lullaby::store::Renewed::TakenOver]
    );
}

async fn workers_unseen_for_90_s_are_dropped(world: World) {
    let record = |name: &str| WorkerRecord {
        name: name.to_owned(),
        queues: vec![],
        concurrency: 1,
        running: 0,
        pid: 1,
        host: "host".to_owned(),
        started_at: world.now(),
        seen_at: world.now(),
    };
    let store = &world.store;
    store
        .announce_worker(record("old"))
        .await
        .expect("announced");
    world.pass(1);
    store
        .announce_worker(record("new"))
        .await
        .expect("announced");
    world.pass(89_999);
    sweep(&world).await;
    assert_eq!(store.workers().await.expect("listed").len(), 2);
    world.pass(1);
    sweep(&world).await;
    let left = one(store.workers().await.expect("listed"));
    assert_eq!(left.name, "new");
}

async fn a_healthy_store_passes_the_probe(world: World) {
    let patience = Duration::from_secs(10);
    world.store.probe(patience).await.expect("it takes writes");
    assert_eq!(Snapshot::of(&*world.store).await.jobs, []);
}
