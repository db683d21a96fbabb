//! Reading.

use std::collections::BTreeMap;

use lullaby::clock::Timestamp;
use lullaby::event::EventId;
use lullaby::job::Status;
use lullaby::store::{Ending, JobFilter, Page, QueueInfo};

use crate::drivers::every_driver_passes;
use crate::specs::{With, job};
use crate::world::{ALL, World, failed, finished, id, queue};

every_driver_passes! {
    an_empty_store_has_empty_lists,
    jobs_are_read_in_the_order_asked,
    waiting_jobs_are_listed_in_the_order_they_will_run,
    scheduled_jobs_are_listed_by_due_time,
    running_jobs_are_listed_by_their_leases,
    ended_jobs_are_listed_newest_first,
    all_jobs_are_listed_newest_first,
    filters_hold_all_at_once,
    scheduled_jobs_are_listed_until_a_time,
    lists_come_page_by_page,
    scheduled_jobs_come_page_by_page_by_their_time_from_all_queues,
    queues_are_counted_by_status,
    a_queue_without_jobs_is_not_listed,
}

async fn an_empty_store_has_empty_lists(world: World) {
    let store = &world.store;
    let filter = JobFilter::default();
    assert_eq!(store.list_jobs(&filter).await.expect("read"), []);
    assert_eq!(store.count_jobs(&filter).await.expect("read"), 0);
    assert_eq!(store.queues().await.expect("read"), []);
    assert_eq!(store.workers().await.expect("read"), []);
    assert_eq!(store.list_schedules(None, ALL).await.expect("read"), []);
    assert_eq!(store.count_schedules(None).await.expect("read"), 0);
    assert_eq!(store.last_event().await.expect("read"), EventId(0));
    assert_eq!(world.find("a").await, None);
}

async fn jobs_are_read_in_the_order_asked(world: World) {
    world.enqueue(["a", "b"].map(job)).await;
    let (a, b) = (world.job("a").await, world.job("b").await);
    let asked = ["b", "unknown", "a", "b"].map(id);
    let read = world.store.jobs(&asked).await.expect("read");
    assert_eq!(read, [Some(b.clone()), None, Some(a), Some(b)]);
}

async fn waiting_jobs_are_listed_in_the_order_they_will_run(world: World) {
    let jobs = [job("b"), job("c"), job("other").on("other")];
    world.enqueue(jobs).await;
    world.enqueue([job("a").at_front()]).await;
    assert_eq!(world.line().await, ["a", "b", "c"]);
}

async fn scheduled_jobs_are_listed_by_due_time(world: World) {
    let (one, two) = (world.later(1000), world.later(2000));
    world
        .enqueue([
            job("c").at(two).on("x"),
            job("a").at(one).on("y"),
            job("d").at(two).on("y"),
            job("b").at(one).on("x"),
        ])
        .await;
    assert_eq!(
        world.list_status(Status::Scheduled).await,
        ["a", "b", "c", "d"]
    );
    let filter = JobFilter {
        queue: Some(queue("x")),
        status: Some(Status::Scheduled),
        ..JobFilter::default()
    };
    assert_eq!(world.list(filter).await, ["b", "c"]);
}

async fn running_jobs_are_listed_by_their_leases(world: World) {
    let first = world.start(job("a")).await;
    world.pass(5);
    world.start(job("b")).await;
    assert_eq!(world.list_status(Status::Started).await, ["a", "b"]);
    world.pass(5);
    let lease = crate::world::LEASE;
    let renewed = world
        .store
        .renew(vec![crate::world::execution(&first)], lease);
    renewed.await.expect("renewed");
    assert_eq!(world.list_status(Status::Started).await, ["b", "a"]);
}

async fn ended_jobs_are_listed_newest_first(world: World) {
    world.enqueue(["a", "b", "c"].map(job)).await;
    let jobs = world.claim(3).await;
    for n in [1, 0, 2] {
        world.settle(&jobs[n], finished()).await;
        world.pass(1);
    }
    assert_eq!(world.list_status(Status::Finished).await, ["c", "a", "b"]);
    world.enqueue(["d", "e"].map(job)).await;
    for name in ["d", "e"] {
        world.cancel(name).await;
    }
    assert_eq!(world.list_status(Status::Canceled).await, ["e", "d"]);
}

async fn all_jobs_are_listed_newest_first(world: World) {
    let later = world.later(1000);
    world.end(job("a").about("pet"), failed("no")).await;
    world
        .enqueue([job("b").at(later).about("pet"), job("c")])
        .await;
    world
        .enqueue([job("d").about("pet").on("mail").at_front()])
        .await;
    world.requeue("a").await;
    let all = JobFilter::default();
    assert_eq!(world.list(all.clone()).await, ["d", "c", "b", "a"]);
    let about = JobFilter {
        subject: Some("pet".to_owned()),
        ..all.clone()
    };
    assert_eq!(world.list(about).await, ["d", "b", "a"]);
    let on = JobFilter {
        queue: Some(queue("default")),
        ..all
    };
    assert_eq!(world.list(on).await, ["c", "b", "a"]);
}

async fn filters_hold_all_at_once(world: World) {
    for on in ["x", "y"] {
        for about in ["cat", "dog"] {
            let name = |status: &str| format!("{on}-{about}-{status}");
            let new = |status: &str| job(&name(status)).on(on).about(about);
            world.end(new("failed"), failed("no")).await;
            world.end(new("failed-2"), failed("no")).await;
            world.end(new("stopped"), Ending::Stopped).await;
            world.start(new("started")).await;
        }
    }
    for on in ["x", "y"] {
        for about in ["cat", "dog"] {
            let waits = job(&format!("{on}-{about}-queued"));
            world.enqueue([waits.on(on).about(about)]).await;
        }
    }
    let filter = JobFilter {
        queue: Some(queue("x")),
        status: Some(Status::Failed),
        subject: Some("dog".to_owned()),
        ..JobFilter::default()
    };
    let expected = ["x-dog-failed-2", "x-dog-failed"];
    assert_eq!(world.list(filter.clone()).await, expected);
    assert_eq!(world.store.count_jobs(&filter).await.expect("read"), 2);
    let queued = JobFilter {
        status: Some(Status::Queued),
        ..filter.clone()
    };
    assert_eq!(world.list(queued).await, ["x-dog-queued"]);
    let nobody = JobFilter {
        subject: Some("do".to_owned()),
        ..filter
    };
    assert!(world.list(nobody).await.is_empty());
}

async fn scheduled_jobs_are_listed_until_a_time(world: World) {
    let (one, two) = (world.later(1000), world.later(2000));
    let jobs = [job("b").at(two), job("a").at(one), job("queued")];
    world.enqueue(jobs).await;
    for (until, expected) in [
        (999, &[][..]),
        (1000, &["a"]),
        (1999, &["a"]),
        (2000, &["a", "b"]),
    ] {
        let filter = JobFilter {
            due_until: Some(world.later(until)),
            ..JobFilter::default()
        };
        assert_eq!(world.list(filter.clone()).await, expected);
        let count = world.store.count_jobs(&filter).await.expect("counted");
        assert_eq!(count, expected.len() as u64);
    }
    let for_ever = JobFilter {
        due_until: Some(Timestamp::MAX),
        subject: Some("nobody".to_owned()),
        ..JobFilter::default()
    };
    assert!(world.list(for_ever).await.is_empty());
}

async fn lists_come_page_by_page(world: World) {
    let names: Vec<_> = (0..10).map(|n| format!("job-{n}")).collect();
    world.enqueue(names.iter().map(|name| job(name))).await;
    for (offset, length, expected) in [
        (0, 3, &names[0..3]),
        (3, 3, &names[3..6]),
        (9, 3, &names[9..]),
        (10, 3, &[]),
        (0, 0, &[]),
        (2, usize::MAX, &names[2..]),
        (usize::MAX, usize::MAX, &[]),
    ] {
        let filter = JobFilter {
            status: Some(Status::Queued),
            page: Page { offset, length },
            ..JobFilter::default()
        };
        assert_eq!(world.list(filter.clone()).await, expected);
        let count = world.store.count_jobs(&filter).await.expect("counted");
        assert_eq!(count, 10, "whatever the page");
    }
}

async fn scheduled_jobs_come_page_by_page_by_their_time_from_all_queues(world: World) {
    // Ten instants, three jobs at each, on two queues in turn.
    let due = |n: u64| n * 7 % 10;
    let name = |n: u64| format!("job-{n}");
    let jobs = (0..30).map(|n| {
        let queue = if n % 2 == 0 { "default" } else { "mail" };
        job(&name(n)).on(queue).at(world.later(1000 + due(n)))
    });
    world.enqueue(jobs).await;
    let mut expected: Vec<_> = (0..30).collect();
    expected.sort_by_key(|n| (due(*n), *n));
    let expected: Vec<_> = expected.into_iter().map(name).collect();
    for length in [1, 4, 7, 30, usize::MAX] {
        let mut listed = Vec::new();
        while listed.len() < expected.len() {
            let filter = JobFilter {
                status: Some(Status::Scheduled),
                page: Page {
                    offset: listed.len(),
                    length,
                },
                ..JobFilter::default()
            };
            let page = world.list(filter).await;
            assert!(!page.is_empty(), "behind {listed:?}");
            listed.extend(page);
        }
        assert_eq!(listed, expected, "{length} a page");
    }
    let of_mail = JobFilter {
        status: Some(Status::Scheduled),
        queue: Some(queue("mail")),
        page: Page {
            offset: 1,
            length: 2,
        },
        ..JobFilter::default()
    };
    let mail: Vec<_> = (expected.iter())
        .filter(|name| name.ends_with(['1', '3', '5', '7', '9']))
        .collect();
    assert_eq!(world.list(of_mail).await, [mail[1].as_str(), mail[2]]);
}

async fn queues_are_counted_by_status(world: World) {
    let later = world.later(1000);
    world.end(job("a"), finished()).await;
    world.end(job("b"), finished()).await;
    world.start(job("c")).await;
    world
        .enqueue([job("d"), job("e").on("mail"), job("f").on("mail").at(later)])
        .await;
    let info = |name, counts: &[(Status, u64)]| QueueInfo {
        name: queue(name),
        counts: counts.iter().copied().collect::<BTreeMap<_, _>>(),
    };
    let expected = [
        info(
            "default",
            &[
                (Status::Finished, 2),
                (Status::Started, 1),
                (Status::Queued, 1),
            ],
        ),
        info("mail", &[(Status::Queued, 1), (Status::Scheduled, 1)]),
    ];
    assert_eq!(world.store.queues().await.expect("read"), expected);
}

async fn a_queue_without_jobs_is_not_listed(world: World) {
    world.enqueue([job("a"), job("b").on("mail")]).await;
    world.delete("b").await;
    let queues = world.store.queues().await.expect("read");
    let names: Vec<_> = queues.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["default"]);
}
