//! RQ Scheduler's verbs.

use super::*;
use lullaby::store::Page;
use lullaby::testing::Sandbox;
use lullaby::{Entry, Missed, NewJob, Timestamp};

const HOUR: Duration = Duration::from_secs(3600);

fn sandbox() -> Sandbox {
    Sandbox::new(tasks(&Arc::default())).expect("builds")
}

async fn fired(sandbox: &Sandbox, name: &str) -> (u64, u64) {
    let record = sandbox
        .lullaby()
        .scheduler()
        .get(name)
        .await
        .expect("reads");
    let record = record.expect("is there");
    (record.slots, record.fired)
}

#[tokio::test]
async fn an_hourly_schedule_runs_every_hour_on_the_hour() {
    let sandbox = sandbox();
    let scheduler = sandbox.lullaby().scheduler();
    let record = scheduler
        .schedule("tick", Add { a: 1, b: 1 })
        .every(HOUR)
        .await;
    assert_eq!(record.expect("made").next, Some(sandbox.clock_now() + HOUR));
    sandbox
        .advance(HOUR - Duration::from_millis(1))
        .await
        .expect("runs");
    assert_eq!(fired(&sandbox, "tick").await, (0, 0));
    sandbox.advance(HOUR * 24).await.expect("runs");
    assert_eq!(fired(&sandbox, "tick").await, (24, 24));
}

#[tokio::test]
async fn after_an_outage_one_run_stands_for_all_missed_slots_and_the_grid_stays() {
    let sandbox = sandbox();
    let scheduler = sandbox.lullaby().scheduler();
    let start = sandbox.clock_now();
    scheduler
        .schedule("tick", Add { a: 1, b: 1 })
        .every(HOUR)
        .await
        .expect("made");
    sandbox.clock().advance(HOUR * 7 + Duration::from_secs(90));
    sandbox.run_until_idle().await.expect("runs");
    assert_eq!(fired(&sandbox, "tick").await, (7, 1));
    let record = scheduler
        .get("tick")
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(record.next, Some(start + HOUR * 8));
}

#[tokio::test]
async fn a_slot_on_time_comes_before_what_an_outage_left_to_make_up_for() {
    let sandbox = sandbox();
    let scheduler = sandbox.lullaby().scheduler();
    let add = || NewJob::new(Add { a: 1, b: 1 });
    for n in 0..20 {
        let behind = scheduler.schedule(&format!("behind {n}"), add());
        let behind = behind.every(Duration::from_secs(60));
        behind.missed(Missed::All { cap: 200 }).await.expect("made");
    }
    let due = sandbox.clock_now() + HOUR * 24;
    let on_time = scheduler.schedule("on time", add()).every(HOUR).start(due);
    let on_time = on_time.await.expect("made");
    sandbox.clock().set(due);
    sandbox.run_until_idle().await.expect("runs");
    let all = lullaby::store::JobFilter {
        page: Page {
            offset: 0,
            length: usize::MAX,
        },
        ..Default::default()
    };
    let jobs = sandbox.lullaby().store().list_jobs(&all).await;
    let jobs = jobs.expect("listed");
    assert_eq!(jobs.len(), 20 * 200 + 1);
    let first = jobs.iter().min_by_key(|job| job.token).expect("some");
    assert_eq!(first.id, on_time.slot_job_id(due));
}

/// Ten times a second each, more than any scheduler decides.
#[tokio::test]
async fn a_scheduler_that_cannot_keep_up_still_hears_of_its_shutdown() {
    let lullaby = Lullaby::open("memory:").await.expect("opens");
    let store = lullaby.store();
    let one = lullaby.scheduler().schedule("0", Add { a: 1, b: 1 });
    let one = one.every(Duration::from_millis(100)).await.expect("made");
    for n in 1..20_000 {
        let mut record = one.clone();
        record.id = lullaby::schedule::ScheduleId::random();
        record.name = n.to_string();
        store.put_schedule(record, None).await.expect("put");
    }
    let mut queued = store.signals().listen(lullaby::store::Topic::Queued);
    queued.reset();
    let worker = Worker::builder(&lullaby, Tasks::new()).queues(["elsewhere"]);
    let shutdown = Shutdown::new();
    let mut running = tokio::spawn(worker.build().expect("fits").run(shutdown.clone()));
    queued.raised().await;
    shutdown.warm();
    let clock = lullaby.clock();
    tokio::select! {
        ended = &mut running => ended.expect("no panic"),
        () = clock.sleep_until(clock.now() + PATIENCE) => panic!("it goes on for ever"),
    }
}

#[tokio::test]
async fn a_first_time_and_a_repeat_count_as_rq_scheduler_has_them() {
    let sandbox = sandbox();
    let scheduler = sandbox.lullaby().scheduler();
    let now = sandbox.clock_now();
    scheduler
        .schedule("thrice", Add { a: 1, b: 1 })
        .start(now)
        .every(HOUR)
        .repeat(3)
        .await
        .expect("made");
    sandbox.run_until_idle().await.expect("runs");
    assert_eq!(fired(&sandbox, "thrice").await, (1, 1));
    sandbox.advance(HOUR * 10).await.expect("runs");
    assert_eq!(fired(&sandbox, "thrice").await, (3, 3));
}

#[tokio::test]
async fn stating_a_schedule_again_changes_what_differs_and_keeps_its_anchor_and_count() {
    let sandbox = sandbox();
    let scheduler = sandbox.lullaby().scheduler();
    let first = scheduler
        .schedule("tick", Add { a: 1, b: 1 })
        .every(HOUR)
        .await
        .expect("made");
    sandbox.advance(HOUR + HOUR / 2).await.expect("runs");
    let same = scheduler
        .schedule("tick", Add { a: 1, b: 1 })
        .every(HOUR)
        .await
        .expect("same");
    assert_eq!(
        (same.version, same.next),
        (2, Some(first.created_at + HOUR * 2))
    );
    let other = scheduler
        .schedule("tick", Add { a: 2, b: 2 })
        .every(HOUR * 2)
        .await
        .expect("edited");
    assert_eq!((other.id.clone(), other.slots), (first.id, 1));
    assert_eq!(other.next, Some(first.created_at + HOUR * 3));
}

#[tokio::test]
async fn everything_to_come_is_listed_and_counted_soonest_first() {
    let sandbox = sandbox();
    let scheduler = sandbox.lullaby().scheduler();
    let queue = sandbox.lullaby().queue("default").expect("a name");
    let now = sandbox.clock_now();
    let job = NewJob::new(Add { a: 1, b: 1 }).job_id("once");
    queue.enqueue_in(HOUR * 2, job).await.expect("enqueued");
    scheduler
        .schedule("tick", Add { a: 1, b: 1 })
        .every(HOUR)
        .await
        .expect("made");
    scheduler
        .schedule("tock", Add { a: 1, b: 1 })
        .every(HOUR * 3)
        .await
        .expect("made");
    let names = async |until: Option<Timestamp>, offset, length| {
        let page = Page { offset, length };
        let entries = scheduler.get_jobs(until, page).await.expect("listed");
        let name = |entry: &Entry| match entry {
            Entry::Job(job) => job.id.to_string(),
            Entry::Schedule(schedule) => schedule.name.clone(),
        };
        entries.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 0, 10).await, ["tick", "once", "tock"]);
    assert_eq!(names(Some(now + HOUR * 2), 0, 10).await, ["tick", "once"]);
    assert_eq!(names(None, 1, 1).await, ["once"]);
    assert_eq!(scheduler.count(None).await.expect("counted"), 3);
    assert_eq!(scheduler.count(Some(now + HOUR)).await.expect("counted"), 1);

    assert!(scheduler.contains("once").await.expect("looked"));
    let sooner = now + Duration::from_secs(60);
    scheduler
        .change_execution_time("once", sooner)
        .await
        .expect("moved");
    scheduler
        .change_execution_time("tick", now + HOUR * 5)
        .await
        .expect("moved");
    assert_eq!(names(None, 0, 10).await, ["once", "tock", "tick"]);
    assert!(scheduler.cancel("once").await.expect("canceled"));
    assert!(scheduler.cancel("tick").await.expect("canceled"));
    assert!(!scheduler.cancel("tick").await.expect("looked"));
    assert_eq!(names(None, 0, 10).await, ["tock"]);
    let error = scheduler.change_execution_time("gone", now).await;
    assert!(error.expect_err("refused").is_not_found());
}

#[tokio::test]
async fn schedules_that_make_no_sense_are_refused() {
    let sandbox = sandbox();
    let scheduler = sandbox.lullaby().scheduler();
    let now = sandbox.clock_now();
    let state = |name: &str| scheduler.schedule(name, Add { a: 1, b: 1 });
    for builder in [
        state("no interval"),
        state("").every(HOUR),
        state("too short").every(Duration::from_millis(99)),
        state("never").every(HOUR).repeat(0),
        state("ended").every(HOUR).end(now),
    ] {
        let error = builder.await.expect_err("refused");
        assert!(error.is_invalid(), "{error}");
    }
    assert_eq!(scheduler.count(None).await.expect("counted"), 0);
}

trait ClockNow {
    fn clock_now(&self) -> Timestamp;
}

impl ClockNow for Sandbox {
    fn clock_now(&self) -> Timestamp {
        self.lullaby().now()
    }
}
