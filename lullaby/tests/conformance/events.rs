//! Events: what is written with each move of a job that has a subject, and what an application adds.

use std::time::Duration;

use lullaby::event::{EventId, EventLimits, NewEvent};
use lullaby::store::{Ending, Enqueued, Settled};
use serde_json::{Value, json};

use crate::drivers::every_driver_passes;
use crate::specs::{HOUR, With, hourly, job};
use crate::world::{World, failed, finished, id, ms, one};

every_driver_passes! {
    a_job_for_now_tells_that_it_is_queued,
    a_job_for_later_tells_when_it_is_due_and_that_it_came,
    a_new_time_is_told,
    a_replaced_job_tells_its_new_place,
    a_start_tells_worker_and_token,
    each_ending_is_told_once,
    a_cancel_is_told_and_a_stop_request_is_not,
    a_lost_job_tells_who_lost_it,
    a_requeue_is_told,
    a_job_that_is_dropped_at_its_end_still_tells_it,
    the_jobs_of_slots_tell_their_moves,
    events_outlive_their_job,
    a_job_without_a_subject_writes_nothing,
    what_did_not_happen_is_not_told,
    an_application_adds_its_own,
    events_are_read_in_order_from_a_place,
    the_newest_event_is_known,
    a_subject_keeps_its_newest_events,
    a_store_keeps_its_newest_events,
    a_store_that_is_not_swept_keeps_few_more,
}

type Told = Vec<(String, Value)>;

fn told(events: &[(&str, Value)]) -> Told {
    let owned = events
        .iter()
        .map(|(kind, data)| ((*kind).to_owned(), data.clone()));
    owned.collect()
}

async fn a_job_for_now_tells_that_it_is_queued(world: World) {
    world.enqueue([job("a").about("pet").on("mail")]).await;
    let event = one(world.events("pet").await);
    assert_eq!(event.at, world.now());
    assert_eq!(event.subject, "pet");
    assert_eq!(event.job, Some(id("a")));
    assert_eq!(event.kind, "job.queued");
    assert_eq!(event.data, json!({ "task": "greet", "queue": "mail" }));
}

async fn a_job_for_later_tells_when_it_is_due_and_that_it_came(world: World) {
    let at = world.later(1000);
    world.enqueue([job("a").about("pet").at(at)]).await;
    world.pass(1500);
    world.move_due().await;
    let due = at.as_millis();
    assert_eq!(
        world.told("pet").await,
        told(&[
            ("job.scheduled", json!({ "task": "greet", "due": due })),
            (
                "job.queued",
                json!({ "task": "greet", "queue": "default", "due": due })
            ),
        ])
    );
    assert_eq!(world.events("pet").await[1].at, world.now());
}

async fn a_new_time_is_told(world: World) {
    let (one, two) = (world.later(1000), world.later(2000));
    world.enqueue([job("a").about("pet").at(one)]).await;
    world.store.change_time(&id("a"), two).await.expect("done");
    let (kind, data) = world.told("pet").await.pop().expect("an event");
    assert_eq!(kind, "job.scheduled");
    assert_eq!(data, json!({ "task": "greet", "due": two.as_millis() }));
}

async fn a_replaced_job_tells_its_new_place(world: World) {
    let at = world.later(1000);
    world.enqueue([job("a").about("pet").at(at)]).await;
    let new = job("a").about("other").task("feed").replacing();
    world.enqueue([new]).await;
    assert_eq!(world.kinds("pet").await, ["job.scheduled"]);
    let expected = json!({ "task": "feed", "queue": "default" });
    assert_eq!(world.told("other").await, told(&[("job.queued", expected)]));
}

async fn a_start_tells_worker_and_token(world: World) {
    world.enqueue([job("a").about("pet")]).await;
    let started = one(world.claim_as("w1", &["default"], 1).await);
    let token = started.token.expect("it runs").0;
    let (kind, data) = world.told("pet").await.pop().expect("an event");
    assert_eq!(kind, "job.started");
    let expected = json!({ "task": "greet", "worker": "w1", "token": token });
    assert_eq!(data, expected);
}

async fn each_ending_is_told_once(world: World) {
    let (at, now) = (world.later(1000), world.now());
    let no = || "no".to_owned();
    let due = at.as_millis();
    for (n, (ending, kind, data)) in [
        (
            finished(),
            "job.finished",
            json!({ "task": "greet", "worker": "worker" }),
        ),
        (
            failed("no"),
            "job.failed",
            json!({ "task": "greet", "error": "no" }),
        ),
        (
            Ending::CannotHonour { error: no() },
            "job.failed",
            json!({ "task": "greet", "error": "no" }),
        ),
        (
            Ending::Retry { error: no(), at },
            "job.retrying",
            json!({ "task": "greet", "error": "no", "due": due }),
        ),
        (
            Ending::Retry {
                error: no(),
                at: now,
            },
            "job.retrying",
            json!({ "task": "greet", "error": "no", "due": now.as_millis() }),
        ),
        (
            Ending::Snoozed { at },
            "job.snoozed",
            json!({ "task": "greet", "due": due }),
        ),
        (
            Ending::HandedBack,
            "job.returned",
            json!({ "task": "greet", "worker": "worker" }),
        ),
        (Ending::Stopped, "job.stopped", json!({ "task": "greet" })),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("job-{n}");
        // A queue each: some of these go back to theirs.
        world.end(job(&name).on(&name).about(&name), ending).await;
        let events = world.told(&name).await;
        assert_eq!(events.len(), 3, "queued, started and one more: {events:?}");
        assert_eq!(events[2], (kind.to_owned(), data));
    }
}

async fn a_cancel_is_told_and_a_stop_request_is_not(world: World) {
    world.start(job("a").about("running")).await;
    world.enqueue([job("b").about("waiting")]).await;
    for name in ["a", "b", "b"] {
        world.cancel(name).await;
    }
    let running = world.kinds("running").await;
    assert_eq!(running, ["job.queued", "job.started"]);
    let waiting = world.told("waiting").await;
    let canceled = told(&[("job.canceled", json!({ "task": "greet" }))]);
    assert_eq!(waiting[1..], canceled);
}

async fn a_lost_job_tells_who_lost_it(world: World) {
    world.start(job("a").about("pet")).await;
    world.pass(15_000);
    world.store.reap(true, 9).await.expect("reaped");
    let expected = json!({ "task": "greet", "worker": "worker", "lost": 1 });
    assert_eq!(
        world.told("pet").await[2..],
        told(&[("job.lost", expected)])
    );
}

async fn a_requeue_is_told(world: World) {
    world.end(job("a").about("pet"), failed("no")).await;
    world.requeue("a").await;
    let expected = json!({ "task": "greet", "queue": "default" });
    assert_eq!(
        world.told("pet").await[3..],
        told(&[("job.queued", expected)])
    );
}

async fn a_job_that_is_dropped_at_its_end_still_tells_it(world: World) {
    let short = |name: &str| {
        let spec = job(name).about("pet");
        spec.result_ttl(Duration::ZERO).failure_ttl(Duration::ZERO)
    };
    world.end(short("a"), finished()).await;
    world.end(short("b"), failed("no")).await;
    world.enqueue([short("c")]).await;
    world.cancel("c").await;
    let mut kinds = world.kinds("pet").await;
    kinds.retain(|kind| kind != "job.queued" && kind != "job.started");
    assert_eq!(kinds, ["job.finished", "job.failed", "job.canceled"]);
}

async fn the_jobs_of_slots_tell_their_moves(world: World) {
    let mut record = hourly("tick", world.now());
    record.spec.template.subject = Some("pet".to_owned());
    world.put_schedule(&record).await;
    world.pass(HOUR);
    world.decide_due().await;
    let event = one(world.events("pet").await);
    assert_eq!(event.kind, "job.queued");
    assert_eq!(event.job, Some(record.slot_job_id(world.now())));
}

async fn events_outlive_their_job(world: World) {
    world.end(job("a").about("pet"), finished()).await;
    world.delete("a").await;
    let kinds = world.kinds("pet").await;
    assert_eq!(kinds, ["job.queued", "job.started", "job.finished"]);
}

async fn a_job_without_a_subject_writes_nothing(world: World) {
    let at = world.later(1000);
    world.end(job("a"), Ending::Snoozed { at }).await;
    world.enqueue([job("b").ttl(ms(1))]).await;
    world.pass(15_000);
    world.move_due().await;
    world.cancel("a").await;
    world.requeue("a").await;
    world.store.sweep(9).await.expect("swept");
    world.claim(9).await;
    world.pass(15_000);
    world.store.reap(true, 9).await.expect("reaped");
    let last = world.store.last_event().await.expect("read");
    assert_eq!(last, EventId(0));
}

async fn what_did_not_happen_is_not_told(world: World) {
    let stale = world.start(job("a").about("pet")).await;
    world.pass(15_000);
    world.store.reap(true, 9).await.expect("reaped");
    let before = world.events("pet").await;
    assert_eq!(world.settle(&stale, finished()).await, Settled::TakenOver);
    let answer = world.enqueue([job("a").about("pet")]).await;
    assert!(matches!(answer[..], [Enqueued::Exists { .. }]));
    world.requeue("a").await;
    world.delete("unknown").await;
    world.move_due().await;
    let now = world.now();
    let changed = world.store.change_time(&id("a"), now).await;
    assert!(!changed.expect("answered"));
    assert_eq!(world.events("pet").await, before);
}

fn cheer(subject: &str, n: u64) -> NewEvent {
    NewEvent {
        subject: subject.to_owned(),
        job: None,
        kind: "pet.changed".to_owned(),
        data: json!({ "hunger": n }),
    }
}

async fn an_application_adds_its_own(world: World) {
    world.enqueue([job("a").about("pet")]).await;
    let fed = NewEvent {
        job: Some(id("a")),
        data: json!({ "name": "Mömchi", "energy": 7.5, "moods": ["glad", null] }),
        ..cheer("pet", 0)
    };
    let events = vec![fed.clone(), cheer("other", 1)];
    let ids = world.store.append_events(events).await.expect("appended");
    assert!(ids[0] < ids[1]);
    let events = world.events("pet").await;
    assert_eq!(events.len(), 2);
    let event = &events[1];
    assert_eq!((event.id, event.at), (ids[0], world.now()));
    assert_eq!((&event.kind, &event.data), (&fed.kind, &fed.data));
    assert_eq!(event.job, fed.job);
    assert_eq!(one(world.events("other").await).id, ids[1]);
}

async fn events_are_read_in_order_from_a_place(world: World) {
    let other = world.reopen().await;
    let mut all = Vec::new();
    for n in 0..6 {
        let at = if n % 2 == 0 { &world } else { &other };
        let subject = if n % 3 == 0 { "three" } else { "rest" };
        let events = vec![cheer(subject, n)];
        all.extend(at.store.append_events(events).await.expect("appended"));
    }
    assert!(all.is_sorted_by(|one, next| one < next), "{all:?}");
    for (subject, after, limit, expected) in [
        (None, EventId(0), 9, &[0, 1, 2, 3, 4, 5][..]),
        (None, all[1], 3, &[2, 3, 4]),
        (None, all[5], 9, &[]),
        (None, EventId(u64::MAX), usize::MAX, &[]),
        (None, EventId(0), 0, &[]),
        (Some("three"), EventId(0), 9, &[0, 3]),
        (Some("three"), all[0], 9, &[3]),
        (Some("rest"), all[0], 2, &[1, 2]),
        (Some("rest"), EventId(u64::MAX), usize::MAX, &[]),
        (Some("nobody"), EventId(0), 9, &[]),
    ] {
        let read = world.store.events(subject, after, limit).await;
        let read: Vec<_> = read.expect("read").iter().map(|event| event.id).collect();
        let expected: Vec<_> = expected.iter().map(|n| all[*n]).collect();
        assert_eq!(read, expected, "{subject:?} after {after}, {limit}");
    }
}

async fn the_newest_event_is_known(world: World) {
    let store = &world.store;
    assert_eq!(store.last_event().await.expect("read"), EventId(0));
    let ids = store
        .append_events(vec![cheer("a", 1), cheer("b", 2)])
        .await;
    let last = ids.expect("appended")[1];
    assert_eq!(store.last_event().await.expect("read"), last);
    world.enqueue([job("a").about("pet")]).await;
    assert!(store.last_event().await.expect("read") > last);
}

async fn a_subject_keeps_its_newest_events(world: World) {
    let limits = EventLimits {
        per_subject: 3,
        total: 1000,
    };
    let world = world.another(limits).await;
    let mut events = vec![cheer("quiet", 0)];
    events.extend((0..500).map(|n| cheer("busy", n)));
    let ids = world.store.append_events(events).await.expect("appended");
    // A little more may stand until the next sweep.
    world.store.sweep(usize::MAX).await.expect("swept");
    let kept = world.events("busy").await;
    let kept: Vec<_> = kept.iter().map(|event| event.id).collect();
    assert_eq!(kept, ids[498..]);
    assert_eq!(world.events("quiet").await.len(), 1);
}

async fn a_store_keeps_its_newest_events(world: World) {
    let limits = EventLimits {
        per_subject: 1000,
        total: 5,
    };
    let world = world.another(limits).await;
    let subjects = ["a", "b", "c"];
    let events = (0..300).map(|n| cheer(subjects[n % 3], 0)).collect();
    let ids = world.store.append_events(events).await.expect("appended");
    world.store.sweep(usize::MAX).await.expect("swept");
    let kept = world.store.events(None, EventId(0), usize::MAX).await;
    let kept: Vec<_> = kept.expect("read").iter().map(|event| event.id).collect();
    assert_eq!(kept, ids[295..]);
    let last = world.store.last_event().await.expect("read");
    assert_eq!(last, ids[299]);
    assert_eq!(world.events("a").await.len(), 1);
}

async fn a_store_that_is_not_swept_keeps_few_more(world: World) {
    let limits = EventLimits {
        per_subject: 1000,
        total: 50,
    };
    let world = world.another(limits).await;
    let subjects = ["a", "b", "c"];
    for _ in 0..4 {
        let events = (0..300).map(|n| cheer(subjects[n % 3], 0)).collect();
        world.store.append_events(events).await.expect("appended");
    }
    let kept = world.store.events(None, EventId(0), usize::MAX).await;
    let kept = kept.expect("read");
    assert!((50..=400).contains(&kept.len()), "{} stand", kept.len());
    for subject in subjects {
        let mut of_subject = kept.clone();
        of_subject.retain(|event| event.subject == subject);
        assert_eq!(world.events(subject).await, of_subject);
    }
}
