//! Jobs that wait for others.

use lullaby::job::{Dependencies, Status};
use lullaby::store::{Canceled, Deleted, Ending, Enqueued, Requeued, Settled, Settlement};
use serde_json::json;

use crate::drivers::every_driver_passes;
use crate::specs::{With, job};
use crate::world::{LEASE, World, execution, failed, finished, id, ms};

every_driver_passes! {
    a_job_waits_until_the_one_it_depends_on_has_finished,
    the_last_of_several_lets_it_in,
    those_that_waited_come_in_the_order_they_were_made,
    one_at_front_comes_to_the_front,
    it_comes_into_its_own_queue,
    what_has_finished_or_does_not_exist_is_not_waited_for,
    a_failed_one_keeps_it_waiting_unless_it_allows_that,
    a_failed_one_that_finishes_after_all_lets_it_in,
    a_retry_keeps_it_waiting,
    poison_counts_as_a_failure,
    a_stopped_or_canceled_one_keeps_it_waiting,
    cancel_can_let_in_who_waits,
    cancel_of_what_runs_can_let_in_who_waits_at_once,
    a_deleted_one_keeps_it_waiting_until_another_ends,
    an_id_that_is_used_again_is_waited_for_again,
    a_result_that_nobody_keeps_lets_it_in_all_the_same,
    one_that_is_dropped_unfinished_keeps_it_waiting_whatever_ended_just_before,
    with_a_time_it_waits_for_both,
    its_ttl_counts_from_when_it_enters_its_queue,
    cancel_requeue_and_delete_take_it_as_any_that_waits,
    what_was_let_in_by_hand_is_not_let_in_twice,
    replace_gives_it_others_to_wait_for,
    a_replaced_one_is_still_waited_for,
    nothing_is_made_to_wait_for_itself,
    it_is_listed_and_counted,
    its_moves_write_events,
    one_parent_lets_in_a_thousand,
}

async fn a_job_waits_until_the_one_it_depends_on_has_finished(world: World) {
    let parent = world.start(job("parent")).await;
    let answers = world.enqueue([job("child").after(&["parent"])]).await;
    assert_eq!(answers, [Enqueued::Created]);
    let child = world.job("child").await;
    assert_eq!(child.status, Status::Deferred);
    assert_eq!(child.depends_on.jobs, [id("parent")]);
    assert_eq!(child.enqueued_at, None);
    assert!(world.claim(9).await.is_empty());
    world.pass(10);
    world.settle(&parent, finished()).await;
    let child = world.job("child").await;
    assert_eq!(child.status, Status::Queued);
    assert_eq!(child.enqueued_at, Some(world.now()));
    assert_eq!(child.depends_on.jobs, [id("parent")]);
    assert_eq!(world.claim(9).await.len(), 1);
}

async fn the_last_of_several_lets_it_in(world: World) {
    let one = world.start(job("one")).await;
    let two = world.start(job("two")).await;
    world.enqueue([job("child").after(&["one", "two"])]).await;
    world.settle(&two, finished()).await;
    assert_eq!(world.status("child").await, Some(Status::Deferred));
    world.settle(&one, finished()).await;
    assert_eq!(world.status("child").await, Some(Status::Queued));
}

async fn those_that_waited_come_in_the_order_they_were_made(world: World) {
    let parent = world.start(job("parent")).await;
    let names = ["c", "b", "e", "a", "d"];
    world
        .enqueue(names.map(|name| job(name).after(&["parent"])))
        .await;
    world.settle(&parent, finished()).await;
    assert_eq!(world.line().await, names);
}

async fn one_at_front_comes_to_the_front(world: World) {
    let parent = world.start(job("parent")).await;
    world
        .enqueue([job("child").after(&["parent"]).at_front(), job("other")])
        .await;
    world.settle(&parent, finished()).await;
    assert_eq!(world.line().await, ["child", "other"]);
}

async fn it_comes_into_its_own_queue(world: World) {
    let parent = world.start(job("parent").on("low")).await;
    world
        .enqueue([job("child").after(&["parent"]).on("high")])
        .await;
    world.settle(&parent, finished()).await;
    assert_eq!(world.claim_from(&["high"], 1).await.len(), 1);
}

async fn what_has_finished_or_does_not_exist_is_not_waited_for(world: World) {
    world.end(job("finished"), finished()).await;
    world.end(job("failed"), failed("no")).await;
    let children = [
        job("a").after(&["finished"]),
        job("b").after(&["nobody"]),
        job("c").after(&["failed"]).allowing_failure(),
        job("d").after(&["failed"]),
        job("e").after(&["finished", "failed"]),
    ];
    world.enqueue(children).await;
    assert_eq!(world.line().await, ["a", "b", "c"]);
    assert_eq!(world.list_status(Status::Deferred).await, ["d", "e"]);
}

async fn a_failed_one_keeps_it_waiting_unless_it_allows_that(world: World) {
    let parent = world.start(job("parent")).await;
    world
        .enqueue([
            job("strict").after(&["parent"]),
            job("lenient").after(&["parent"]).allowing_failure(),
        ])
        .await;
    world.settle(&parent, failed("no milk")).await;
    assert_eq!(world.line().await, ["lenient"]);
    assert_eq!(world.status("strict").await, Some(Status::Deferred));
}

async fn a_failed_one_that_finishes_after_all_lets_it_in(world: World) {
    let parent = world.start(job("parent")).await;
    world.enqueue([job("child").after(&["parent"])]).await;
    world.settle(&parent, failed("no milk")).await;
    world.requeue("parent").await;
    let parent = world.claim(1).await.remove(0);
    world.settle(&parent, finished()).await;
    assert_eq!(world.line().await, ["child"]);
}

async fn a_retry_keeps_it_waiting(world: World) {
    let parent = world.start(job("parent")).await;
    let child = job("child").after(&["parent"]).allowing_failure();
    world.enqueue([child]).await;
    let error = "no milk".to_owned();
    let at = world.now();
    world.settle(&parent, Ending::Retry { error, at }).await;
    assert_eq!(world.line().await, ["parent"]);
    assert_eq!(world.status("child").await, Some(Status::Deferred));
}

async fn poison_counts_as_a_failure(world: World) {
    world.start(job("parent")).await;
    world
        .enqueue([
            job("strict").after(&["parent"]),
            job("lenient").after(&["parent"]).allowing_failure(),
        ])
        .await;
    for _ in 0..lullaby::store::POISON_LOSSES {
        world.clock.advance(LEASE);
        world.store.reap(true, 10).await.expect("reaped");
        world.claim(1).await;
    }
    assert_eq!(world.status("parent").await, Some(Status::Failed));
    assert_eq!(world.status("lenient").await, Some(Status::Started));
    assert_eq!(world.status("strict").await, Some(Status::Deferred));
}

async fn a_stopped_or_canceled_one_keeps_it_waiting(world: World) {
    let stopped = world.start(job("stopped")).await;
    world.enqueue([job("canceled")]).await;
    world
        .enqueue([
            job("a").after(&["stopped"]).allowing_failure(),
            job("b").after(&["canceled"]).allowing_failure(),
        ])
        .await;
    world.settle(&stopped, Ending::Stopped).await;
    assert_eq!(world.cancel("canceled").await, Canceled::Canceled);
    assert_eq!(world.list_status(Status::Deferred).await, ["a", "b"]);
}

async fn cancel_can_let_in_who_waits(world: World) {
    let other = world.start(job("other")).await;
    world.enqueue([job("parent")]).await;
    world
        .enqueue([
            job("child").after(&["parent"]),
            job("of-two").after(&["parent", "other"]),
        ])
        .await;
    let canceled = world.store.cancel(&[id("parent")], true).await;
    assert_eq!(canceled.expect("canceled"), [Canceled::Canceled]);
    assert_eq!(world.line().await, ["child"]);
    assert_eq!(world.status("of-two").await, Some(Status::Deferred));
    // The other parent ends, and the canceled one is not met: as in RQ it was let go of once, not for ever.
    world.settle(&other, finished()).await;
    assert_eq!(world.status("of-two").await, Some(Status::Deferred));
}

async fn cancel_of_what_runs_can_let_in_who_waits_at_once(world: World) {
    world.start(job("parent")).await;
    world.enqueue([job("child").after(&["parent"])]).await;
    let canceled = world.store.cancel(&[id("parent")], true).await;
    assert_eq!(canceled.expect("canceled"), [Canceled::Stopping]);
    assert_eq!(world.line().await, ["child"]);
}

async fn a_deleted_one_keeps_it_waiting_until_another_ends(world: World) {
    let two = world.start(job("two")).await;
    world.enqueue([job("one")]).await;
    world
        .enqueue([
            job("of-one").after(&["one"]),
            job("of-both").after(&["one", "two"]),
        ])
        .await;
    assert_eq!(world.delete("one").await, Deleted::Deleted);
    assert_eq!(
        world.list_status(Status::Deferred).await,
        ["of-one", "of-both"]
    );
    world.settle(&two, finished()).await;
    assert_eq!(world.line().await, ["of-both"]);
}

async fn an_id_that_is_used_again_is_waited_for_again(world: World) {
    world.enqueue([job("parent")]).await;
    world.enqueue([job("child").after(&["parent"])]).await;
    world.delete("parent").await;
    world.end(job("parent"), finished()).await;
    assert_eq!(world.line().await, ["child"]);
}

async fn a_result_that_nobody_keeps_lets_it_in_all_the_same(world: World) {
    let parent = world.start(job("parent").result_ttl(ms(0))).await;
    world.enqueue([job("child").after(&["parent"])]).await;
    world.settle(&parent, finished()).await;
    assert_eq!(world.find("parent").await, None);
    assert_eq!(world.line().await, ["child"]);
}

async fn one_that_is_dropped_unfinished_keeps_it_waiting_whatever_ended_just_before(world: World) {
    let fine = world.start(job("fine")).await;
    let gone = world.start(job("gone").failure_ttl(ms(0))).await;
    world.enqueue([job("child").after(&["fine", "gone"])]).await;
    let batch = [(&fine, finished()), (&gone, Ending::Stopped)];
    let batch = batch.map(|(job, ending)| Settlement {
        execution: execution(job),
        ending,
    });
    let settled = world.store.settle(batch.to_vec()).await.expect("settled");
    assert_eq!(settled, [Settled::Done; 2]);
    assert_eq!(world.status("gone").await, None);
    assert_eq!(world.status("child").await, Some(Status::Deferred));
}

async fn with_a_time_it_waits_for_both(world: World) {
    let parent = world.start(job("parent")).await;
    let due = world.later(100);
    let children = ["soon", "late"].map(|name| job(name).after(&["parent"]).at(due));
    world.enqueue(children).await;
    assert_eq!(world.status("soon").await, Some(Status::Deferred));
    assert_eq!(world.job("soon").await.due_at, Some(due));
    world.settle(&parent, finished()).await;
    assert_eq!(world.list_status(Status::Scheduled).await, ["soon", "late"]);
    world.pass(100);
    assert_eq!(world.move_due().await, 2);
    // The other way round: its time comes first.
    let parent = world.start(job("parent2").at_front()).await;
    let due = world.later(50);
    world
        .enqueue([job("child").after(&["parent2"]).at(due)])
        .await;
    world.pass(60);
    assert_eq!(world.move_due().await, 0);
    world.settle(&parent, finished()).await;
    assert_eq!(world.status("child").await, Some(Status::Queued));
}

async fn its_ttl_counts_from_when_it_enters_its_queue(world: World) {
    let parent = world.start(job("parent")).await;
    world
        .enqueue([job("child").after(&["parent"]).ttl(ms(100))])
        .await;
    world.pass(1000);
    world.store.sweep(10).await.expect("swept");
    assert_eq!(world.job("child").await.expires_at, None);
    world.settle(&parent, finished()).await;
    assert_eq!(
        world.job("child").await.expires_at,
        Some(world.now() + ms(100))
    );
}

async fn cancel_requeue_and_delete_take_it_as_any_that_waits(world: World) {
    let parent = world.start(job("parent")).await;
    let names = ["canceled", "requeued", "deleted"];
    world
        .enqueue(names.map(|name| job(name).after(&["parent"])))
        .await;
    assert_eq!(world.cancel("canceled").await, Canceled::Canceled);
    assert_eq!(world.requeue("requeued").await, Requeued::Queued);
    assert_eq!(world.delete("deleted").await, Deleted::Deleted);
    assert_eq!(world.line().await, ["requeued"]);
    world.settle(&parent, finished()).await;
    assert_eq!(world.line().await, ["requeued"]);
    assert_eq!(world.status("canceled").await, Some(Status::Canceled));
    assert_eq!(world.find("deleted").await, None);
}

async fn what_was_let_in_by_hand_is_not_let_in_twice(world: World) {
    let parent = world.start(job("parent")).await;
    world.enqueue([job("child").after(&["parent"])]).await;
    world.requeue("child").await;
    let child = world.claim(1).await.remove(0);
    world.settle(&child, finished()).await;
    world.settle(&parent, finished()).await;
    assert_eq!(world.status("child").await, Some(Status::Finished));
    assert!(world.line().await.is_empty());
}

async fn replace_gives_it_others_to_wait_for(world: World) {
    let one = world.start(job("one")).await;
    let two = world.start(job("two")).await;
    world.enqueue([job("child").after(&["one"])]).await;
    let replaced = world.enqueue([job("child").after(&["two"]).replacing()]);
    assert_eq!(replaced.await, [Enqueued::Replaced]);
    world.settle(&one, finished()).await;
    assert_eq!(world.status("child").await, Some(Status::Deferred));
    world.settle(&two, finished()).await;
    assert_eq!(world.status("child").await, Some(Status::Queued));
    // And back to one that waits for nobody, and from there to one that waits.
    world.start(job("three").at_front()).await;
    world
        .enqueue([job("child").after(&["three"]).replacing()])
        .await;
    assert_eq!(world.status("child").await, Some(Status::Deferred));
    world.enqueue([job("child").replacing()]).await;
    let child = world.job("child").await;
    assert_eq!(child.status, Status::Queued);
    assert_eq!(child.depends_on, Dependencies::default());
}

async fn a_replaced_one_is_still_waited_for(world: World) {
    world
        .enqueue([job("parent"), job("child").after(&["parent"])])
        .await;
    let parent = job("parent").at(world.later(10)).replacing();
    assert_eq!(world.enqueue([parent]).await, [Enqueued::Replaced]);
    assert_eq!(world.status("child").await, Some(Status::Deferred));
    world.pass(10);
    world.move_due().await;
    let parent = world.claim(1).await.remove(0);
    assert_eq!(world.settle(&parent, finished()).await, Settled::Done);
    assert_eq!(world.line().await, ["child"]);
}

async fn nothing_is_made_to_wait_for_itself(world: World) {
    world
        .enqueue([job("a"), job("b").after(&["a"]), job("c").after(&["b"])])
        .await;
    for parents in [["c"], ["b"], ["a"]] {
        let circle = job("a").after(&parents).replacing();
        assert_eq!(world.enqueue([circle]).await, [Enqueued::Circular]);
    }
    assert_eq!(world.line().await, ["a"]);
    assert!(world.job("a").await.depends_on.is_empty());
}

async fn it_is_listed_and_counted(world: World) {
    world.start(job("parent")).await;
    let names = ["one", "two", "three"];
    world
        .enqueue(names.map(|name| job(name).after(&["parent"])))
        .await;
    assert_eq!(world.list_status(Status::Deferred).await, names);
    let queues = world.store.queues().await.expect("read");
    assert_eq!(queues[0].counts[&Status::Deferred], 3);
}

async fn its_moves_write_events(world: World) {
    let parent = world.start(job("parent")).await;
    let due = world.later(100);
    let child = || job("child").after(&["parent"]).about("pet").on("low");
    world
        .enqueue([
            child(),
            job("later").after(&["parent"]).about("later").at(due),
        ])
        .await;
    world.settle(&parent, finished()).await;
    let event = |kind: &str, data| (kind.to_owned(), data);
    assert_eq!(
        world.told("pet").await,
        [
            event(
                "job.deferred",
                json!({"task": "greet", "depends_on": ["parent"]})
            ),
            event("job.queued", json!({"task": "greet", "queue": "low"})),
        ]
    );
    let kinds = ["job.deferred", "job.scheduled"];
    assert_eq!(world.kinds("later").await, kinds);
}

async fn one_parent_lets_in_a_thousand(world: World) {
    let parent = world.start(job("parent")).await;
    let children = (0..1500).map(|n| job(&format!("child-{n}")).after(&["parent"]));
    world.enqueue(children).await;
    world.settle(&parent, finished()).await;
    let line = world.line().await;
    assert_eq!(line.len(), 1500);
    assert_eq!((&*line[0], &*line[1499]), ("child-0", "child-1499"));
}
