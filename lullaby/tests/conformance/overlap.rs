//! Slots that come due while an earlier run has not ended.

use lullaby::job::{Job, Status};
use lullaby::schedule::{Cause, Decision, Overlap, ScheduleRecord, Verdict, decide, decide_among};
use lullaby::store::Advanced;

use crate::drivers::every_driver_passes;
use crate::specs::{HOUR, hourly};
use crate::world::{World, failed, finished, one};

every_driver_passes! {
    allowed_runs_run_beside_each_other,
    a_slot_is_skipped_while_an_earlier_run_waits_or_runs,
    skipped_slots_fold_into_one_line,
    a_decision_that_rests_on_an_ended_job_is_refused_once_it_is_back,
    a_buffered_slot_starts_when_the_earlier_run_has_ended,
    one_slot_is_buffered_and_no_second_one,
    a_buffered_slot_starts_though_its_schedule_has_ended,
    the_other_run_is_withdrawn_or_stopped,
    a_late_failure_counts_before_the_next_slot,
    a_run_by_hand_obeys_the_overlap,
}

/// Puts an hourly schedule of this overlap, and starts its first run.
async fn running(world: &World, overlap: Overlap) -> (ScheduleRecord, Job) {
    let mut record = hourly("tick", world.now());
    record.spec.overlap = overlap;
    world.put_schedule(&record).await;
    next_slot(world).await;
    let job = one(world.claim(9).await);
    (record, job)
}

async fn next_slot(world: &World) {
    world.pass(HOUR);
    assert_eq!(world.decide_due().await, [Advanced::Done]);
}

/// Newest first.
async fn verdicts(world: &World, record: &ScheduleRecord) -> Vec<Verdict> {
    let ledger = world.store.ledger(record, 9).await.expect("read");
    ledger.into_iter().map(|line| line.verdict).collect()
}

async fn now_decided(world: &World) -> Decision {
    let due = world.store.due_schedules(9).await.expect("read");
    decide_among(&due.due[0], &due.jobs, world.now()).expect("due")
}

async fn allowed_runs_run_beside_each_other(world: World) {
    running(&world, Overlap::Allow).await;
    next_slot(&world).await;
    assert_eq!(world.claim(9).await.len(), 1);
}

async fn a_slot_is_skipped_while_an_earlier_run_waits_or_runs(world: World) {
    let (record, job) = running(&world, Overlap::Skip).await;
    next_slot(&world).await;
    assert_eq!(world.line().await, [""; 0]);
    let by = job.id.clone();
    assert_eq!(verdicts(&world, &record).await[0], Verdict::Skipped { by });
    world.settle(&job, finished()).await;
    next_slot(&world).await;
    next_slot(&world).await;
    let third = record.slot_job_id(record.created_at + std::time::Duration::from_millis(3 * HOUR));
    assert_eq!(world.line().await, [third.to_string()]);
    let by = third;
    assert_eq!(verdicts(&world, &record).await[0], Verdict::Skipped { by });
}

async fn skipped_slots_fold_into_one_line(world: World) {
    let (record, _) = running(&world, Overlap::Skip).await;
    for _ in 0..5 {
        next_slot(&world).await;
    }
    let ledger = world.store.ledger(&record, 9).await.expect("read");
    let slots: Vec<_> = ledger.iter().map(|line| line.slots).collect();
    assert_eq!(slots, [5, 1]);
}

async fn a_decision_that_rests_on_an_ended_job_is_refused_once_it_is_back(world: World) {
    let (_, job) = running(&world, Overlap::Skip).await;
    world.settle(&job, failed("no")).await;
    world.pass(HOUR);
    let fires = now_decided(&world).await;
    assert_eq!(fires.jobs.len(), 1);
    world.requeue(job.id.as_str()).await;
    let answer = world.store.advance(vec![fires]).await.expect("answered");
    assert_eq!(answer, [Advanced::Conflict]);
    let skips = now_decided(&world).await;
    assert_eq!(skips.jobs, []);
    let answer = world.store.advance(vec![skips]).await.expect("answered");
    assert_eq!(answer, [Advanced::Done]);
}

async fn a_buffered_slot_starts_when_the_earlier_run_has_ended(world: World) {
    let (record, job) = running(&world, Overlap::BufferOne).await;
    next_slot(&world).await;
    let due = world.store.due_schedules(9).await.expect("read");
    assert_eq!((due.due.len(), due.buffered), (0, true));
    assert_eq!(world.line().await, [""; 0]);
    world.pass(1000);
    world.settle(&job, finished()).await;
    assert_eq!(world.decide_due().await, [Advanced::Done]);
    let started = one(world.claim(9).await);
    let slot = started.slot.expect("made for a slot");
    let second = record.created_at + std::time::Duration::from_millis(2 * HOUR);
    assert_eq!((slot.at, slot.number), (second, 2));
    let buffered = Verdict::Buffered {
        job: started.id,
        behind: job.id,
    };
    assert_eq!(verdicts(&world, &record).await[0], buffered);
    let due = world.store.due_schedules(9).await.expect("read");
    assert_eq!((due.due.len(), due.buffered), (0, false));
    let stored = world.schedule("tick").await.expect("there");
    assert_eq!((stored.slots, stored.fired), (2, 2));
}

async fn one_slot_is_buffered_and_no_second_one(world: World) {
    let (record, job) = running(&world, Overlap::BufferOne).await;
    next_slot(&world).await;
    next_slot(&world).await;
    let by = job.id.clone();
    assert_eq!(verdicts(&world, &record).await[0], Verdict::Skipped { by });
    world.settle(&job, finished()).await;
    // The buffered one goes first though the next slot is due as well, and that one is buffered behind it.
    next_slot(&world).await;
    assert_eq!(world.claim(9).await.len(), 1);
    assert!(
        world
            .schedule("tick")
            .await
            .expect("there")
            .buffered
            .is_some()
    );
}

async fn a_buffered_slot_starts_though_its_schedule_has_ended(world: World) {
    let mut record = hourly("tick", world.now());
    record.spec.overlap = Overlap::BufferOne;
    record.spec.end = Some(world.later(2 * HOUR + 1));
    world.put_schedule(&record).await;
    next_slot(&world).await;
    let job = one(world.claim(9).await);
    next_slot(&world).await;
    assert_eq!(world.schedule("tick").await.expect("kept").next, None);
    world.settle(&job, finished()).await;
    assert_eq!(world.decide_due().await, [Advanced::Done]);
    assert_eq!(world.claim(9).await.len(), 1);
}

async fn the_other_run_is_withdrawn_or_stopped(world: World) {
    let (_, job) = running(&world, Overlap::CancelOther).await;
    next_slot(&world).await;
    assert!(world.job(job.id.as_str()).await.stop_requested);
    let waiting = one(world.line().await);
    next_slot(&world).await;
    assert_eq!(world.status(&waiting).await, Some(Status::Canceled));
    assert_eq!(world.line().await.len(), 1);
}

async fn a_late_failure_counts_before_the_next_slot(world: World) {
    let mut record = hourly("tick", world.now());
    record.spec.pause_after = Some(2);
    world.put_schedule(&record).await;
    for _ in 0..2 {
        next_slot(&world).await;
        let job = one(world.claim(9).await);
        world.settle(&job, failed("no")).await;
    }
    next_slot(&world).await;
    next_slot(&world).await;
    let stored = world.schedule("tick").await.expect("there");
    let note = stored.paused.expect("paused").note.expect("a reason");
    assert!(note.contains("2 failures in a row"), "{note}");
    let ledger = world.store.ledger(&record, 9).await.expect("read");
    assert_eq!((&ledger[0].verdict, ledger[0].slots), (&Verdict::Paused, 2));
}

async fn a_run_by_hand_obeys_the_overlap(world: World) {
    let (_, job) = running(&world, Overlap::Skip).await;
    let record = world.schedule("tick").await.expect("there");
    let blind = record.run_now(&std::collections::BTreeMap::new(), world.now());
    let answer = world.store.advance(vec![blind]).await.expect("answered");
    assert_eq!(answer, [Advanced::Conflict], "the job runs");
    let jobs = [(job.id.clone(), Status::Started)].into();
    let seen = record.run_now(&jobs, world.now());
    assert_eq!((seen.jobs.len(), seen.ledger[0].cause), (0, Cause::Manual));
    let answer = world.store.advance(vec![seen]).await.expect("answered");
    assert_eq!(answer, [Advanced::Done]);
    world.settle(&job, finished()).await;
    let record = world.schedule("tick").await.expect("there");
    let run = record.run_now(&std::collections::BTreeMap::new(), world.now());
    let answer = world.store.advance(vec![run]).await.expect("answered");
    assert_eq!(answer, [Advanced::Done]);
    let stored = world.schedule("tick").await.expect("there");
    assert_eq!(
        (stored.slots, stored.fired, stored.next),
        (1, 1, record.next)
    );
    assert_eq!(world.line().await.len(), 1);
    assert_eq!(decide(&stored, world.now()), None);
}
