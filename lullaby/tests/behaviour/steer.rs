//! Pause, resume, edit, run now, backfill, declare, and why.

use super::*;
use lullaby::schedule::{Cause, Owner, Verdict};
use lullaby::store::Page;
use lullaby::testing::Sandbox;
use lullaby::{Difference, Missed, NewJob, Overlap, Scheduler, Status, Timestamp};

const HOUR: Duration = Duration::from_secs(3600);

async fn hourly() -> (Sandbox, Scheduler) {
    let sandbox = Sandbox::new(tasks(&Arc::default())).expect("builds");
    let scheduler = sandbox.lullaby().scheduler();
    let tick = scheduler.schedule("tick", Add { a: 1, b: 1 });
    tick.every(HOUR).await.expect("made");
    (sandbox, scheduler)
}

#[tokio::test]
async fn slots_of_a_pause_are_in_the_ledger_and_never_made_up_for() {
    let (sandbox, scheduler) = hourly().await;
    sandbox.advance(HOUR).await.expect("runs");
    scheduler
        .pause("tick", Some("too loud"))
        .await
        .expect("paused");
    sandbox.advance(HOUR * 3).await.expect("runs");
    // Nobody decides on these two before it goes on.
    sandbox.clock().advance(HOUR * 2);
    let resumed = scheduler.resume("tick").await.expect("resumed");
    assert_eq!((resumed.slots, resumed.fired), (6, 1));
    sandbox.advance(HOUR).await.expect("runs");
    let ledger = scheduler.ledger("tick", 9).await.expect("read");
    let kinds: Vec<_> = ledger
        .iter()
        .map(|line| (line.verdict == Verdict::Paused, line.slots))
        .collect();
    assert_eq!(kinds, [(false, 1), (true, 5), (false, 1)]);
}

#[tokio::test]
async fn a_schedule_pauses_itself_after_failures_in_a_row() {
    let sandbox = Sandbox::new(tasks(&Arc::default())).expect("builds");
    let scheduler = sandbox.lullaby().scheduler();
    let fails = scheduler.schedule(
        "fails",
        Fail {
            message: "no".into(),
        },
    );
    fails.every(HOUR).pause_after(3).await.expect("made");
    sandbox.advance(HOUR * 10).await.expect("runs");
    let record = scheduler.get("fails").await.expect("read").expect("there");
    assert_eq!((record.fired, record.slots), (3, 10));
    let note = record.paused.expect("paused").note.expect("says why");
    assert!(note.contains("3 failures in a row"), "{note}");
    scheduler.resume("fails").await.expect("resumed");
    sandbox.advance(HOUR).await.expect("runs");
    let record = scheduler.get("fails").await.expect("read").expect("there");
    assert_eq!((record.fired, record.paused), (4, None));
}

#[tokio::test]
async fn an_edit_keeps_ledger_and_slot_numbers() {
    let (sandbox, scheduler) = hourly().await;
    sandbox.advance(HOUR * 3).await.expect("runs");
    // Two slots are due when the trigger changes: they are still decided.
    sandbox.clock().advance(HOUR * 2);
    let tick = scheduler.schedule("tick", Add { a: 1, b: 1 });
    let edited = tick.every(HOUR / 2).await.expect("edited");
    assert_eq!((edited.slots, edited.fired), (5, 4));
    sandbox.advance(HOUR).await.expect("runs");
    let ledger = scheduler.ledger("tick", 9).await.expect("read");
    assert_eq!(ledger.iter().map(|line| line.slots).sum::<u64>(), 7);
    let edited = scheduler
        .edit("tick", |spec| spec.overlap = Overlap::Skip)
        .await;
    assert_eq!(edited.expect("edited").slots, 7);
}

#[tokio::test]
async fn a_run_by_hand_uses_up_no_slot() {
    let (sandbox, scheduler) = hourly().await;
    sandbox.advance(HOUR).await.expect("runs");
    let ids = [
        scheduler.run_now("tick").await,
        scheduler.run_now("tick").await,
    ]
    .map(|line| {
        let line = line.expect("ran");
        assert_eq!((line.cause, line.slots), (Cause::Manual, 0));
        let Verdict::Fired { job } = line.verdict else {
            panic!("fired, got {:?}", line.verdict)
        };
        job
    });
    assert_ne!(ids[0], ids[1]);
    sandbox.run_until_idle().await.expect("runs");
    let job = sandbox.lullaby().job(ids[0].clone());
    assert_eq!(job.status().await.expect("read"), Some(Status::Finished));
    let record = scheduler.get("tick").await.expect("read").expect("there");
    assert_eq!((record.slots, record.fired), (1, 1));
    sandbox.advance(HOUR).await.expect("runs");
    let ledger = scheduler.ledger("tick", 9).await.expect("read");
    assert_eq!(ledger.len(), 4, "two slots and two runs by hand");
}

#[tokio::test]
async fn a_past_range_is_backfilled_once_and_within_its_cap() {
    let (sandbox, scheduler) = hourly().await;
    sandbox.advance(HOUR * 5).await.expect("runs");
    let now = sandbox.lullaby().now();
    let range = now - HOUR * 3..=now - HOUR;
    let refused = scheduler.backfill("tick", range.clone(), 2).await;
    let refused = refused.expect_err("three slots").to_string();
    assert!(refused.contains("at most 2 slots"), "{refused}");
    let jobs = scheduler
        .backfill("tick", range.clone(), 10)
        .await
        .expect("made");
    assert_eq!(jobs.len(), 3);
    assert_eq!(
        scheduler.backfill("tick", range, 10).await.expect("made"),
        jobs
    );
    let all = lullaby::store::JobFilter::default();
    let count = sandbox.lullaby().store().count_jobs(&all);
    assert_eq!(
        count.await.expect("counted"),
        3 + 1,
        "results of the older slots are dropped"
    );
    let future = scheduler.backfill("tick", now..=now + HOUR, 10).await;
    assert!(future.expect_err("not past").is_invalid());
}

#[tokio::test]
async fn dangerous_combinations_are_refused_with_the_reason() {
    let (sandbox, scheduler) = hourly().await;
    let tick = || scheduler.schedule("x", Add { a: 1, b: 1 }).every(HOUR);
    let now = sandbox.lullaby().now();
    let short_lived = NewJob::new(Add { a: 1, b: 1 }).ttl(Duration::from_secs(5));
    let forgotten = NewJob::new(Add { a: 1, b: 1 }).failure_ttl(Duration::ZERO);
    for (refused, reason) in [
        (
            tick().start(now + HOUR * 2).end(now + HOUR),
            "an end after the first slot",
        ),
        (
            tick().overlap(Overlap::Skip).missed(Missed::All { cap: 3 }),
            "must not overlap",
        ),
        (tick().missed(Missed::All { cap: 10_001 }), "at most 10000"),
        (tick().pause_after(0), "at least 1 failure"),
        (tick().jitter(HOUR * 25), "at most 86400s"),
        (
            scheduler
                .schedule("x", short_lived)
                .every(HOUR)
                .jitter(HOUR / 2),
            "before it starts",
        ),
        (
            scheduler
                .schedule("x", forgotten)
                .every(HOUR)
                .pause_after(2),
            "a failed job would be dropped",
        ),
    ] {
        let error = refused.await.expect_err("refused").to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(scheduler.get("x").await.expect("read"), None);
    let short_lived = NewJob::new(Add { a: 1, b: 1 }).ttl(Duration::from_secs(5));
    let refused = scheduler.enqueue_in(HOUR, short_lived).await;
    let error = refused.expect_err("refused").to_string();
    assert!(error.contains("at least the delay"), "{error}");
}

#[tokio::test]
async fn times_without_sense_are_refused_and_cut_nothing_short() {
    let (_sandbox, scheduler) = hourly().await;
    let add = || Add { a: 1, b: 1 };
    for delay in [Duration::MAX, HOUR * 24 * 366 * 8000] {
        let error = scheduler
            .enqueue_in(delay, add())
            .await
            .expect_err("refused");
        assert!(
            error.to_string().contains("ends before 9999-12-30"),
            "{error}"
        );
        let error = scheduler.schedule("x", add()).every(delay).await;
        let error = error.expect_err("refused").to_string();
        assert!(error.contains("at most 36525 days"), "{error}");
    }
    for text in [
        "-0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T00:00:00Z",
    ] {
        let error = text.parse::<Timestamp>().expect_err("refused");
        assert!(error.is_invalid(), "{error}");
    }
}

#[tokio::test]
async fn a_slot_that_is_due_is_decided_before_the_next_one_is_moved() {
    let (sandbox, scheduler) = hourly().await;
    sandbox.clock().advance(HOUR);
    let later = sandbox.lullaby().now() + HOUR / 2;
    scheduler
        .change_execution_time("tick", later)
        .await
        .expect("moved");
    sandbox.advance(HOUR / 2).await.expect("runs");
    let ledger = scheduler.ledger("tick", 9).await.expect("read");
    assert_eq!(ledger.iter().map(|line| line.slots).sum::<u64>(), 2);
    let once = scheduler
        .schedule("once", Add { a: 1, b: 1 })
        .every(HOUR)
        .repeat(1);
    once.await.expect("made");
    sandbox.advance(HOUR).await.expect("runs");
    let over = scheduler
        .change_execution_time("once", later + HOUR * 9)
        .await;
    assert!(over.expect_err("refused").to_string().contains("has ended"));
    scheduler
        .edit("tick", |spec| spec.end = Some(later + HOUR * 5))
        .await
        .expect("edited");
    let outside = scheduler
        .change_execution_time("tick", later + HOUR * 5)
        .await;
    assert!(
        outside
            .expect_err("refused")
            .to_string()
            .contains("before the end")
    );
}

#[tokio::test]
async fn a_declaration_follows_the_program_and_spares_what_others_own() {
    let (sandbox, scheduler) = hourly().await;
    let person = scheduler
        .schedule("by hand", Add { a: 1, b: 1 })
        .every(HOUR);
    person.owner(Owner::Person).await.expect("made");
    let add = || Add { a: 1, b: 1 };
    let first = scheduler
        .declare("billing")
        .with(scheduler.schedule("report", add()).every(HOUR))
        .with(scheduler.schedule("old", add()).every(HOUR));
    assert_eq!(first.differences().await.expect("read").len(), 2);
    assert_eq!(first.apply().await.expect("applied").len(), 2);
    sandbox.advance(HOUR).await.expect("runs");

    let second = || {
        scheduler
            .declare("billing")
            .with(scheduler.schedule("report", add()).every(HOUR).repeat(9))
            .with(scheduler.schedule("by hand", add()).every(HOUR / 2))
    };
    let done = second().apply().await.expect("applied");
    let told: Vec<_> = done.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            r#""report" is changed: repeat from null to 9"#,
            r#""by hand" stays as it is: a person owns it"#,
            r#""old" is removed: it is not declared any more"#,
        ]
    );
    let report = scheduler.get("report").await.expect("read").expect("there");
    assert_eq!((report.slots, report.spec.repeat), (1, Some(9)));
    let again = second().apply().await.expect("applied");
    assert!(
        matches!(&again[..], [Difference::Foreign { .. }]),
        "{again:?}"
    );
    let other = scheduler.declare("another").apply().await.expect("applied");
    assert_eq!(other, []);
    let left = scheduler
        .get_jobs(None, Page::default())
        .await
        .expect("read");
    assert_eq!(left.len(), 3);
}

#[tokio::test]
async fn why_answers_in_a_sentence() {
    let (sandbox, scheduler) = hourly().await;
    let lullaby = sandbox.lullaby();
    let why = async |slot| {
        lullaby
            .why_slot("tick", slot)
            .await
            .expect("read")
            .to_string()
    };
    assert!(why(None).await.contains("has decided no slot yet"));
    sandbox.advance(HOUR * 2).await.expect("runs");
    sandbox.clock().advance(HOUR * 3);
    sandbox.run_until_idle().await.expect("runs");
    let record = scheduler.get("tick").await.expect("read").expect("there");
    let id = record.slot_job_id(lullaby.now());
    let said = lullaby.why_job(&id).await.expect("read").to_string();
    assert!(said.contains(r#"made for slot 5 of "tick""#), "{said}");
    assert!(
        said.contains("the 2 slots missed before it, is finished"),
        "{said}"
    );
    scheduler.pause("tick", None).await.expect("paused");
    sandbox.advance(HOUR).await.expect("runs");
    let slot = |hour: u32| Some(sandbox.lullaby().now() - HOUR * (6 - hour));
    for (asked, part) in [
        (slot(1), "fired; its job"),
        (
            slot(3),
            "was missed, and the run of the slot 2026-01-01T05:00:00",
        ),
        (
            slot(5),
            "is not in the store, decided at 2026-01-01T05:00:00",
        ),
        (slot(6), "passed while the schedule was paused"),
        (None, "passed while the schedule was paused"),
        (slot(0), "does not exist: the slot before that time is none"),
        (slot(0).map(|at| at - HOUR), "was before its time"),
        (slot(6).map(|at| at + HOUR), "is still to come."),
        (
            slot(6).map(|at| at - HOUR / 2),
            "does not exist: the slot before that time is 2026-01-01T05:00:00",
        ),
    ] {
        let said = why(asked).await;
        assert!(said.contains(part), "{said}");
    }
    let gone = record.slot_job_id(slot(1).expect("given"));
    let said = lullaby.why_job(&gone).await.expect("read").to_string();
    assert!(
        said.contains("it is not kept any more") && said.contains("fired"),
        "{said}"
    );
    assert_eq!(lullaby.audit().await.expect("read"), []);
}

#[tokio::test]
async fn the_audit_finds_a_slot_that_nobody_decides() {
    let (sandbox, _) = hourly().await;
    sandbox.clock().advance(HOUR + Duration::from_secs(61));
    let findings = sandbox.lullaby().audit().await.expect("read");
    assert_eq!(findings.len(), 1);
    assert!(findings[0].to_string().contains("nobody has decided it"));
}

#[tokio::test]
async fn a_clock_that_steps_fires_nothing_twice() {
    let (sandbox, scheduler) = hourly().await;
    sandbox.advance(HOUR * 3).await.expect("runs");
    let now = sandbox.lullaby().now();
    sandbox.clock().set(now - HOUR);
    sandbox.run_until_idle().await.expect("runs");
    sandbox.advance(HOUR).await.expect("runs");
    let record = scheduler.get("tick").await.expect("read").expect("there");
    assert_eq!((record.slots, record.fired), (3, 3));
    sandbox.clock().set(now + HOUR);
    sandbox.run_until_idle().await.expect("runs");
    sandbox.clock().set(now);
    sandbox.advance(HOUR).await.expect("runs");
    let record = scheduler.get("tick").await.expect("read").expect("there");
    assert_eq!((record.slots, record.fired), (4, 4));
}
