//! Taking jobs in, and changing those that are there.

use std::time::Duration;

use lullaby::clock::Timestamp;
use lullaby::job::{Callbacks, JobOptions, Status};
use lullaby::payload::Payload;
use lullaby::schedule::{Cause, ScheduleId, Slot};
use lullaby::store::{Canceled, Deleted, Ending, Enqueued, Renewed, Requeued, Settled};
use lullaby::{RateLimit, Repeat, Retry, Webhook};
use serde_json::json;

use crate::drivers::every_driver_passes;
use crate::snapshot::Snapshot;
use crate::specs::{With, job};
use crate::world::{LEASE, World, execution, failed, finished, id, ids, ms};

every_driver_passes! {
    a_job_comes_back_as_it_was_given,
    unicode_and_odd_text_survive,
    the_largest_numbers_survive,
    a_large_payload_survives,
    a_job_for_now_is_queued,
    a_job_for_later_is_scheduled,
    a_time_that_has_come_is_now,
    jobs_stand_in_line_in_the_order_they_came,
    at_front_is_before_all_others,
    an_id_that_exists_is_answered_and_nothing_changes,
    an_id_twice_in_one_call_is_taken_once,
    ten_thousand_jobs_come_in_one_call,
    empty_batches_have_empty_answers,
    replace_gives_a_waiting_job_its_new_call_and_time,
    replace_moves_a_job_from_later_to_now_and_back,
    replace_makes_a_job_that_is_not_there,
    replace_leaves_running_and_ended_jobs_alone,
    replace_forgets_what_became_of_the_old_call,
    cancel_withdraws_what_waits,
    cancel_asks_what_runs_to_stop,
    cancel_answers_item_by_item,
    a_canceled_job_is_kept_for_its_failure_ttl,
    a_canceled_job_that_nobody_keeps_is_gone,
    requeue_brings_ended_and_scheduled_jobs_back,
    requeue_leaves_queued_and_running_jobs_alone,
    requeue_forgets_failures_losses_and_results,
    requeue_can_put_jobs_to_the_front,
    a_requeued_job_can_be_claimed_again,
    delete_removes_all_but_what_runs,
    a_deleted_id_is_free_again,
    change_time_moves_a_scheduled_job,
    change_time_to_now_makes_it_due_now,
    change_time_leaves_all_others_alone,
}

/// A job in each status that a test can bring about.
async fn one_of_each(world: &World) -> Vec<(&'static str, Status)> {
    let later = world.later(60_000);
    world.end(job("finished"), finished()).await;
    world.end(job("failed"), failed("no")).await;
    world.end(job("stopped"), Ending::Stopped).await;
    world.start(job("started")).await;
    world.enqueue([job("canceled")]).await;
    assert_eq!(world.cancel("canceled").await, Canceled::Canceled);
    world
        .enqueue([job("scheduled").at(later), job("queued")])
        .await;
    vec![
        ("finished", Status::Finished),
        ("failed", Status::Failed),
        ("stopped", Status::Stopped),
        ("started", Status::Started),
        ("canceled", Status::Canceled),
        ("scheduled", Status::Scheduled),
        ("queued", Status::Queued),
    ]
}

async fn a_job_comes_back_as_it_was_given(world: World) {
    let mut spec = job("a").on("mail").about("pet-7").task("mail.send");
    spec.template.payload =
        Payload::from_json(r#"[["me",1.5],{"copies":[2,null]}]"#).expect("fits");
    spec.template.meta = json!({ "trace": { "id": 7 } })
        .as_object()
        .cloned()
        .expect("an object");
    spec.template.description = Some("a letter".to_owned());
    spec.template.options = JobOptions {
        timeout: None,
        ttl: Some(ms(90_000)),
        result_ttl: Some(ms(1)),
        failure_ttl: None,
        retry: Some(Retry::exponential(5, ms(1), ms(1000))),
        repeat: Some(Repeat::intervals(3, [ms(1), ms(2000)])),
        callbacks: Callbacks {
            on_success: Some("mail.sent".to_owned()),
            on_failure: Some("mail.lost".to_owned()),
            on_stopped: None,
        },
        rate_limit: RateLimit::new("mail: server 7", 2).ok(),
        webhooks: vec![
            Webhook::get("http://a.example/sent?id=7", Status::Finished).expect("fine"),
            Webhook::post("https://b.example/lost", Status::Failed)
                .expect("fine")
                .header("x-key", "\"7\" µ")
                .timeout(ms(60_000)),
        ],
        at_front: true,
    };
    spec.slot = Some(Slot {
        schedule: "letters".to_owned(),
        schedule_id: ScheduleId::random(),
        at: world.now(),
        number: 3,
        stands_for: 2,
        cause: Cause::Slot,
    });
    world.enqueue([spec.clone()]).await;
    let job = world.job("a").await;
    assert_eq!(job.template, spec.template);
    assert_eq!(job.slot, spec.slot);
    assert_eq!(job.id, spec.id);
}

async fn unicode_and_odd_text_survive(world: World) {
    for (n, text) in [
        "Mömchi 🐈‍⬛",
        "'; DROP TABLE jobs; --",
        "a:b*c%d_e?[f]{g}",
        "back\\slash \"quoted\"",
        "line\nbreak\tand\u{0}zero",
        "\u{202e}right to left",
        " ",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("job-{n}");
        let mut spec = job(&name).about(text).task(text);
        if !text.contains('\n') {
            spec = spec.on(text);
        }
        spec.template.payload = Payload::of(&(text,)).expect("JSON");
        spec.template.description = Some(text.to_owned());
        spec.template.meta.insert(text.to_owned(), json!(text));
        let started = world.start(spec.clone()).await;
        assert_eq!(started.template, spec.template);
        let settled = world.settle(&started, failed(text)).await;
        assert_eq!(settled, Settled::Done);
        let job = world.job(&name).await;
        assert_eq!(job.error.as_deref(), Some(text));
        assert_eq!(job.template, spec.template);
        let last = world.events(text).await.pop().expect("an event");
        assert_eq!(last.data, json!({ "task": text, "error": text }));
    }
}

async fn the_largest_numbers_survive(world: World) {
    let spec = job("a")
        .at(Timestamp::MAX)
        .ttl(Duration::MAX)
        .result_ttl(Duration::MAX)
        .failure_ttl(Duration::MAX)
        .options(|options| options.timeout = Some(Duration::MAX));
    world.enqueue([spec]).await;
    let kept = world.job("a").await;
    assert_eq!(kept.due_at, Some(Timestamp::MAX));
    // A store may keep less of them than a number of 96 bits, but nobody will see the difference.
    let century = Duration::from_secs(100 * 366 * 86_400);
    assert!(kept.template.options.timeout > Some(century));
    assert_eq!(world.requeue("a").await, Requeued::Queued);
    let started = world.claim(1).await.pop().expect("queued");
    let lease = vec![execution(&started)];
    let renewed = world.store.renew(lease, Duration::MAX).await;
    assert_eq!(renewed.expect("renewed"), [Renewed::Renewed]);
    assert_eq!(world.job("a").await.lease_until, Some(Timestamp::MAX));
    world.settle(&started, finished()).await;
    assert_eq!(world.job("a").await.expires_at, Some(Timestamp::MAX));
}

async fn a_large_payload_survives(world: World) {
    let mut spec = job("a");
    spec.template.payload = Payload::of(&("é".repeat(1024 * 1024),)).expect("2 MiB is under 16");
    let started = world.start(spec.clone()).await;
    assert!(started.template == spec.template);
}

async fn a_job_for_now_is_queued(world: World) {
    assert_eq!(world.enqueue([job("a")]).await, [Enqueued::Created]);
    let kept = world.job("a").await;
    assert_eq!(kept.status, Status::Queued);
    assert_eq!(kept.created_at, world.now());
    assert_eq!(kept.enqueued_at, Some(world.now()));
    let times = [kept.due_at, kept.started_at, kept.ended_at];
    assert_eq!(times, [None; 3]);
    assert_eq!((kept.expires_at, kept.lease_until), (None, None));
    assert_eq!((kept.token, kept.worker), (None, None));
    assert_eq!((kept.failures, kept.lost), (0, 0));
    assert_eq!((kept.result, kept.error), (None, None));
    assert!(!kept.stop_requested);
}

async fn a_job_for_later_is_scheduled(world: World) {
    let due = world.later(1);
    assert_eq!(world.enqueue([job("a").at(due)]).await, [Enqueued::Created]);
    let kept = world.job("a").await;
    assert_eq!(kept.status, Status::Scheduled);
    assert_eq!((kept.due_at, kept.enqueued_at), (Some(due), None));
    assert!(world.claim(1).await.is_empty());
}

async fn a_time_that_has_come_is_now(world: World) {
    let past = Timestamp::from_millis(5);
    let jobs = [job("now").at(world.now()), job("past").at(past)];
    world.enqueue(jobs).await;
    assert_eq!(world.line().await, ["now", "past"]);
    assert_eq!(world.job("past").await.due_at, Some(past));
    assert_eq!(world.job("now").await.enqueued_at, Some(world.now()));
}

async fn jobs_stand_in_line_in_the_order_they_came(world: World) {
    world.enqueue([job("a"), job("b")]).await;
    world.enqueue([job("c")]).await;
    assert_eq!(world.line().await, ["a", "b", "c"]);
}

async fn at_front_is_before_all_others(world: World) {
    world.enqueue([job("a"), job("b").at_front()]).await;
    world
        .enqueue([job("c").at_front(), job("d").at_front()])
        .await;
    // One after the other: the last one that came to the front stands there.
    assert_eq!(world.line().await, ["d", "c", "b", "a"]);
}

async fn an_id_that_exists_is_answered_and_nothing_changes(world: World) {
    for (name, status) in one_of_each(&world).await {
        let before = Snapshot::of(&*world.store).await;
        let again = job(name).task("other").about("subject").at_front();
        let answer = world.enqueue([again]).await;
        assert_eq!(answer, [Enqueued::Exists { status }]);
        assert_eq!(Snapshot::of(&*world.store).await, before);
    }
}

async fn an_id_twice_in_one_call_is_taken_once(world: World) {
    let twice = [job("a").task("first"), job("b"), job("a").task("second")];
    let status = Status::Queued;
    assert_eq!(
        world.enqueue(twice).await,
        [
            Enqueued::Created,
            Enqueued::Created,
            Enqueued::Exists { status }
        ]
    );
    assert_eq!(world.job("a").await.template.task, "first");
    assert_eq!(world.line().await, ["a", "b"]);
}

async fn ten_thousand_jobs_come_in_one_call(world: World) {
    let names: Vec<_> = (0..10_000).map(|n| format!("job-{n}")).collect();
    let jobs = names.iter().map(|name| job(name));
    let answers = world.enqueue(jobs).await;
    assert_eq!(answers, [Enqueued::Created; 10_000]);
    assert_eq!(ids(&world.claim(10_000).await), names);
}

async fn empty_batches_have_empty_answers(world: World) {
    let store = &world.store;
    assert_eq!(world.enqueue([]).await, []);
    assert_eq!(store.cancel(&[], false).await.expect("fine"), []);
    assert_eq!(store.requeue(&[], false).await.expect("fine"), []);
    assert_eq!(store.delete(&[]).await.expect("fine"), []);
    assert_eq!(store.settle(vec![]).await.expect("fine"), []);
    assert_eq!(store.renew(vec![], LEASE).await.expect("fine"), []);
    assert_eq!(store.advance(vec![]).await.expect("fine"), []);
    assert_eq!(store.append_events(vec![]).await.expect("fine"), []);
    assert_eq!(store.jobs(&[]).await.expect("fine"), []);
}

async fn replace_gives_a_waiting_job_its_new_call_and_time(world: World) {
    let (soon, later) = (world.later(1000), world.later(5000));
    world.enqueue([job("a").at(later).task("old")]).await;
    let created_at = world.now();
    world.pass(10);
    let new = job("a").at(soon).task("new").on("mail").replacing();
    assert_eq!(world.enqueue([new.clone()]).await, [Enqueued::Replaced]);
    let kept = world.job("a").await;
    assert_eq!(kept.template, new.template);
    assert_eq!((kept.status, kept.due_at), (Status::Scheduled, Some(soon)));
    assert_eq!(kept.created_at, created_at);
    world.pass(990);
    assert_eq!(world.move_due().await, 1);
    assert_eq!(ids(&world.claim_from(&["mail"], 9).await), ["a"]);
}

async fn replace_moves_a_job_from_later_to_now_and_back(world: World) {
    let later = world.later(1000);
    world.enqueue([job("a"), job("b")]).await;
    world.enqueue([job("a").replacing()]).await;
    assert_eq!(world.line().await, ["b", "a"], "it goes to the back");
    world.enqueue([job("a").replacing().at_front()]).await;
    assert_eq!(world.line().await, ["a", "b"]);
    world.enqueue([job("a").at(later).replacing()]).await;
    assert_eq!(world.line().await, ["b"]);
    let kept = world.job("a").await;
    assert_eq!((kept.enqueued_at, kept.due_at), (None, Some(later)));
    world.enqueue([job("a").replacing()]).await;
    assert_eq!(world.line().await, ["b", "a"]);
    assert_eq!(world.job("a").await.due_at, None);
    world.pass(1000);
    assert_eq!(world.move_due().await, 0, "its old time is forgotten");
}

async fn replace_makes_a_job_that_is_not_there(world: World) {
    let twice = [job("a").replacing(), job("a").task("second").replacing()];
    assert_eq!(
        world.enqueue(twice).await,
        [Enqueued::Created, Enqueued::Replaced]
    );
    assert_eq!(world.job("a").await.template.task, "second");
    assert_eq!(world.line().await, ["a"]);
}

async fn replace_leaves_running_and_ended_jobs_alone(world: World) {
    for (name, status) in one_of_each(&world).await {
        if status.is_waiting() {
            continue;
        }
        let before = world.job(name).await;
        let new = job(name).task("other").replacing();
        assert_eq!(world.enqueue([new]).await, [Enqueued::Exists { status }]);
        assert_eq!(world.job(name).await, before);
    }
}

async fn replace_forgets_what_became_of_the_old_call(world: World) {
    let at = world.later(1000);
    let error = "no".to_owned();
    world.end(job("a"), Ending::Retry { error, at }).await;
    assert_eq!(world.job("a").await.failures, 1);
    world.enqueue([job("a").at(at).replacing()]).await;
    let replaced = world.job("a").await;
    world.delete("a").await;
    world.enqueue([job("a").at(at)]).await;
    assert_eq!(replaced, world.job("a").await);
}

async fn cancel_withdraws_what_waits(world: World) {
    let later = world.later(1000);
    world
        .enqueue([job("queued"), job("scheduled").at(later)])
        .await;
    world.pass(5);
    for name in ["queued", "scheduled"] {
        assert_eq!(world.cancel(name).await, Canceled::Canceled);
        let kept = world.job(name).await;
        assert_eq!(kept.status, Status::Canceled);
        assert_eq!(kept.ended_at, Some(world.now()));
        let status = Status::Canceled;
        assert_eq!(world.cancel(name).await, Canceled::Ended { status });
    }
    world.pass(1000);
    assert_eq!(world.move_due().await, 0);
    assert!(world.claim(9).await.is_empty());
}

async fn cancel_asks_what_runs_to_stop(world: World) {
    let started = world.start(job("a")).await;
    assert_eq!(world.cancel("a").await, Canceled::Stopping);
    assert_eq!(world.cancel("a").await, Canceled::Stopping);
    let expected = lullaby::Job {
        stop_requested: true,
        ..started
    };
    assert_eq!(world.job("a").await, expected);
}

async fn cancel_answers_item_by_item(world: World) {
    world.end(job("ended"), failed("no")).await;
    world.start(job("running")).await;
    world.enqueue([job("waiting")]).await;
    let asked = ["unknown", "waiting", "running", "ended", "waiting"].map(id);
    assert_eq!(
        world.store.cancel(&asked, false).await.expect("canceled"),
        [
            Canceled::NotFound,
            Canceled::Canceled,
            Canceled::Stopping,
            Canceled::Ended {
                status: Status::Failed
            },
            Canceled::Ended {
                status: Status::Canceled
            },
        ]
    );
}

async fn a_canceled_job_is_kept_for_its_failure_ttl(world: World) {
    world.enqueue([job("a").failure_ttl(ms(100))]).await;
    world.enqueue([job("b").failure_ttl(None)]).await;
    world.cancel("a").await;
    world.cancel("b").await;
    assert_eq!(world.job("a").await.expires_at, Some(world.later(100)));
    assert_eq!(world.job("b").await.expires_at, None);
}

async fn a_canceled_job_that_nobody_keeps_is_gone(world: World) {
    world.enqueue([job("a").failure_ttl(Duration::ZERO)]).await;
    assert_eq!(world.cancel("a").await, Canceled::Canceled);
    assert_eq!(world.find("a").await, None);
    assert_eq!(world.cancel("a").await, Canceled::NotFound);
}

async fn requeue_brings_ended_and_scheduled_jobs_back(world: World) {
    let all = one_of_each(&world).await;
    world.pass(5);
    let mut line = vec!["queued"];
    for (name, status) in all {
        if matches!(status, Status::Queued | Status::Started) {
            continue;
        }
        assert_eq!(world.requeue(name).await, Requeued::Queued);
        line.push(name);
        let kept = world.job(name).await;
        assert_eq!(kept.status, Status::Queued);
        assert_eq!(kept.enqueued_at, Some(world.now()));
        assert_eq!((kept.ended_at, kept.expires_at), (None, None));
    }
    assert_eq!(world.line().await, line);
    assert_eq!(world.requeue("unknown").await, Requeued::NotFound);
}

async fn requeue_leaves_queued_and_running_jobs_alone(world: World) {
    world.start(job("started")).await;
    world.enqueue([job("a"), job("queued")]).await;
    let before = Snapshot::of(&*world.store).await;
    for (name, status) in [("queued", Status::Queued), ("started", Status::Started)] {
        let asked = [id(name)];
        let answer = world.store.requeue(&asked, true).await.expect("requeued");
        assert_eq!(answer, [Requeued::Unchanged { status }]);
    }
    assert_eq!(Snapshot::of(&*world.store).await, before);
}

async fn requeue_forgets_failures_losses_and_results(world: World) {
    world.start(job("a")).await;
    world.pass(15_000);
    world.store.reap(true, 9).await.expect("reaped");
    let started = world.claim(1).await.pop().expect("returned");
    world.cancel("a").await;
    world.settle(&started, failed("no")).await;
    let kept = world.job("a").await;
    assert_eq!((kept.failures, kept.lost), (1, 1));
    assert!(kept.stop_requested && kept.error.is_some());

    world.requeue("a").await;
    let kept = world.job("a").await;
    assert_eq!((kept.failures, kept.lost), (0, 0));
    assert!(!kept.stop_requested);
    assert_eq!((kept.error, kept.result), (None, None));

    let started = world.claim(1).await.pop().expect("queued");
    let result = Some("7".to_owned());
    world.settle(&started, Ending::Finished { result }).await;
    world.requeue("a").await;
    assert_eq!(world.job("a").await.result, None);
}

async fn requeue_can_put_jobs_to_the_front(world: World) {
    world.end(job("a"), failed("no")).await;
    world.end(job("b"), failed("no")).await;
    world.enqueue([job("c")]).await;
    let asked = [id("a"), id("b")];
    world.store.requeue(&asked, true).await.expect("requeued");
    assert_eq!(world.line().await, ["b", "a", "c"]);
}

async fn a_requeued_job_can_be_claimed_again(world: World) {
    let first = world.start(job("a").ttl(ms(100))).await;
    world.settle(&first, failed("no")).await;
    world.pass(1000);
    world.requeue("a").await;
    assert_eq!(world.job("a").await.expires_at, Some(world.later(100)));
    let second = world.claim(1).await.pop().expect("queued");
    assert!(second.token > first.token);
}

async fn delete_removes_all_but_what_runs(world: World) {
    for (name, status) in one_of_each(&world).await {
        let expected = if status == Status::Started {
            Deleted::Running
        } else {
            Deleted::Deleted
        };
        assert_eq!(world.delete(name).await, expected);
        let left = (status == Status::Started).then_some(status);
        assert_eq!(world.status(name).await, left);
    }
    assert_eq!(world.delete("queued").await, Deleted::NotFound);
    assert!(world.claim(9).await.is_empty());
    world.pass(60_000);
    assert_eq!(world.move_due().await, 0);
}

async fn a_deleted_id_is_free_again(world: World) {
    let old = world.start(job("a")).await;
    world.settle(&old, failed("no")).await;
    world.delete("a").await;
    let new = world.start(job("a").task("new")).await;
    assert!(new.token > old.token);
    assert_eq!(new.failures, 0);
    assert_eq!(world.settle(&old, finished()).await, Settled::TakenOver);
}

async fn change_time_moves_a_scheduled_job(world: World) {
    let (one, two, three) = (world.later(1000), world.later(2000), world.later(3000));
    world.enqueue([job("a").at(two), job("b").at(three)]).await;
    assert!(world.store.change_time(&id("b"), one).await.expect("done"));
    assert_eq!(world.list_status(Status::Scheduled).await, ["b", "a"]);
    assert_eq!(world.job("b").await.due_at, Some(one));
    world.pass(999);
    assert_eq!(world.move_due().await, 0);
    world.pass(1);
    assert_eq!(world.move_due().await, 1);
    assert_eq!(world.line().await, ["b"]);
    assert!(
        world
            .store
            .change_time(&id("a"), three)
            .await
            .expect("done")
    );
    world.pass(1000);
    assert_eq!(world.move_due().await, 0);
}

async fn change_time_to_now_makes_it_due_now(world: World) {
    world.enqueue([job("a").at(world.later(1000))]).await;
    let now = world.now();
    assert!(world.store.change_time(&id("a"), now).await.expect("done"));
    assert_eq!(world.status("a").await, Some(Status::Scheduled));
    assert_eq!(world.move_due().await, 1);
    assert_eq!(world.line().await, ["a"]);
}

async fn change_time_leaves_all_others_alone(world: World) {
    let later = world.later(1000);
    for (name, status) in one_of_each(&world).await {
        if status == Status::Scheduled {
            continue;
        }
        let before = world.job(name).await;
        let asked = id(name);
        assert!(!world.store.change_time(&asked, later).await.expect("done"));
        assert_eq!(world.job(name).await, before);
    }
    let unknown = id("unknown");
    assert!(
        !world
            .store
            .change_time(&unknown, later)
            .await
            .expect("done")
    );
}
