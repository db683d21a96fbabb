//! Moving what is due, and schedules.

use std::collections::BTreeMap;

use lullaby::clock::Timestamp;
use lullaby::job::{JobId, Status};
use lullaby::schedule::{
    Cause, Cron, Decision, LedgerLine, Missed, ScheduleRecord, Trigger, Verdict, decide,
};
use lullaby::store::{Advanced, DueSchedules, Moved, Page};

use crate::drivers::every_driver_passes;
use crate::snapshot::Snapshot;
use crate::specs::{HOUR, With, every, hourly, job};
use crate::world::{ALL, World, finished, id, ids, ms, one};

every_driver_passes! {
    nothing_moves_before_its_time,
    jobs_move_in_the_order_of_their_times,
    moving_stops_at_its_limit,
    five_thousand_jobs_due_at_once_move_in_order,
    thousands_with_ids_of_ours_due_at_once_move_in_order,
    what_is_withdrawn_or_put_off_among_thousands_of_one_instant_stays,
    jobs_of_all_queues_move_in_the_order_of_their_times,
    moved_jobs_go_to_the_back_unless_they_want_the_front,
    a_moved_job_remembers_when_it_was_due,
    schedules_are_due_at_their_next_slot,
    the_longest_overdue_schedule_comes_first,
    a_schedule_comes_back_as_it_was_put,
    a_name_is_taken_once,
    an_edit_needs_the_version_that_it_saw,
    an_edit_of_a_schedule_made_anew_is_refused,
    an_advance_writes_schedule_jobs_and_ledger,
    a_decision_counts_once,
    a_decision_about_an_older_version_writes_nothing,
    a_decision_about_a_removed_schedule_writes_nothing,
    decisions_stand_each_for_itself,
    decisions_about_one_schedule_in_one_call_follow_each_other,
    a_clock_set_back_and_forth_fires_nothing_twice,
    a_slot_whose_job_exists_makes_no_second_one,
    the_jobs_of_slots_enter_their_queue,
    a_schedule_that_ended_is_kept_but_never_due,
    a_removed_schedule_leaves_its_jobs,
    removing_by_id_spares_a_schedule_made_anew,
    schedules_are_listed_by_their_next_slot,
    schedules_are_listed_page_by_page,
    fired_slots_fold_into_one_line,
    what_was_missed_has_a_line_of_its_own,
    the_ledger_keeps_the_newest_lines,
    a_cron_schedule_comes_back_as_it_was_put,
    cron_slots_fire_as_the_daylight_saving_rule_says,
    one_off_times_fire_once_each_and_end_the_schedule,
}

async fn nothing_moves_before_its_time(world: World) {
    let due = world.later(1000);
    world.enqueue([job("a").at(due)]).await;
    world.pass(999);
    let early = world.store.move_due(9).await.expect("looked");
    let nothing = Moved {
        moved: 0,
        next_due: Some(due),
    };
    assert_eq!(early, nothing);
    world.pass(1);
    let moved = world.store.move_due(9).await.expect("moved");
    let all = Moved {
        moved: 1,
        next_due: None,
    };
    assert_eq!(moved, all);
    assert_eq!(world.line().await, ["a"]);
}

async fn jobs_move_in_the_order_of_their_times(world: World) {
    let (one, two, three) = (world.later(1000), world.later(2000), world.later(3000));
    world
        .enqueue([
            job("later").at(three),
            job("first-of-two").at(two),
            job("soon").at(one),
            job("second-of-two").at(two),
        ])
        .await;
    world.pass(2000);
    let moved = world.store.move_due(9).await.expect("moved");
    assert_eq!((moved.moved, moved.next_due), (3, Some(three)));
    let line = world.line().await;
    assert_eq!(line, ["soon", "first-of-two", "second-of-two"]);
}

async fn moving_stops_at_its_limit(world: World) {
    let (one, two) = (world.later(1), world.later(2));
    let jobs = [job("a").at(one), job("b").at(one), job("c").at(two)];
    world.enqueue(jobs).await;
    world.pass(10);
    let moved = world.store.move_due(0).await.expect("looked");
    assert_eq!((moved.moved, moved.next_due), (0, Some(one)));
    let moved = world.store.move_due(1).await.expect("moved");
    assert_eq!((moved.moved, moved.next_due), (1, Some(one)));
    let moved = world.store.move_due(2).await.expect("moved");
    assert_eq!((moved.moved, moved.next_due), (2, None));
    assert_eq!(world.line().await, ["a", "b", "c"]);
}

async fn five_thousand_jobs_due_at_once_move_in_order(world: World) {
    let due = world.later(1000);
    let names: Vec<_> = (0..5000).map(|n| format!("job-{n}")).collect();
    world
        .enqueue(names.iter().map(|name| job(name).at(due)))
        .await;
    world.pass(1000);
    assert_eq!(world.move_due().await, 5000);
    assert_eq!(world.line().await, names);
}

async fn thousands_with_ids_of_ours_due_at_once_move_in_order(world: World) {
    let due = world.later(1000);
    let names: Vec<_> = (0..2500).map(|_| JobId::random().to_string()).collect();
    world
        .enqueue(names.iter().map(|name| job(name).at(due)))
        .await;
    world.pass(1000);
    for moved in [1, 1500, 999] {
        let moving = world.store.move_due(moved).await.expect("moved");
        assert_eq!(moving.moved, moved);
    }
    assert_eq!(world.line().await, names);
}

async fn what_is_withdrawn_or_put_off_among_thousands_of_one_instant_stays(world: World) {
    let due = world.later(1000);
    let mut names: Vec<_> = (0..2500).map(|n| format!("job-{n}")).collect();
    world
        .enqueue(names.iter().map(|name| job(name).at(due)))
        .await;
    world.pass(1000);
    let moved = world.store.move_due(1).await.expect("moved");
    assert_eq!((moved.moved, moved.next_due), (1, Some(due)));
    world.cancel("job-1200").await;
    let later = world.later(1);
    let changed = world.store.change_time(&id("job-20"), later).await;
    assert!(changed.expect("changed"));
    let moved = world.store.move_due(usize::MAX).await.expect("moved");
    assert_eq!((moved.moved, moved.next_due), (2497, Some(later)));
    names.retain(|name| name != "job-1200" && name != "job-20");
    assert_eq!(world.line().await, names);
}

async fn jobs_of_all_queues_move_in_the_order_of_their_times(world: World) {
    let names: Vec<_> = (0..600).map(|n| format!("job-{n}")).collect();
    let jobs = names.iter().enumerate().map(|(n, name)| {
        // Most of them wait in one queue.
        let queue = ["a", "b", "c", "c", "c"][n % 5];
        job(name).on(queue).at(world.later(1 + n as u64 / 2))
    });
    world.enqueue(jobs).await;
    world.pass(1000);
    for moved in [101, 250] {
        world.store.move_due(moved).await.expect("moved");
    }
    assert_eq!(world.list_status(Status::Scheduled).await, names[351..]);
    assert_eq!(world.move_due().await, 249);
}

async fn moved_jobs_go_to_the_back_unless_they_want_the_front(world: World) {
    let due = world.later(1000);
    world
        .enqueue([job("waits"), job("a").at(due), job("b").at(due).at_front()])
        .await;
    world.pass(1000);
    world.move_due().await;
    assert_eq!(world.line().await, ["b", "waits", "a"]);
}

async fn a_moved_job_remembers_when_it_was_due(world: World) {
    let due = world.later(1000);
    world.enqueue([job("a").at(due)]).await;
    world.pass(1500);
    world.move_due().await;
    let moved = world.job("a").await;
    assert_eq!((moved.status, moved.due_at), (Status::Queued, Some(due)));
    assert_eq!(moved.enqueued_at, Some(world.now()));
}

async fn schedules_are_due_at_their_next_slot(world: World) {
    let record = hourly("tick", world.now());
    world.put_schedule(&record).await;
    world.pass(HOUR - 1);
    let nothing = DueSchedules {
        due: vec![],
        next_due: record.next,
        ..DueSchedules::default()
    };
    assert_eq!(world.store.due_schedules(9).await.expect("read"), nothing);
    world.pass(1);
    let all = DueSchedules {
        due: vec![record],
        next_due: None,
        ..DueSchedules::default()
    };
    assert_eq!(world.store.due_schedules(9).await.expect("read"), all);
}

async fn the_longest_overdue_schedule_comes_first(world: World) {
    let records = [("c", 3000), ("a", 1000), ("b", 2000), ("d", 4000)]
        .map(|(name, millis)| every(name, ms(millis), world.now()));
    for record in &records {
        world.put_schedule(record).await;
    }
    world.pass(3000);
    let names = |due: &DueSchedules| -> Vec<_> {
        due.due.iter().map(|record| record.name.clone()).collect()
    };
    let due = world.store.due_schedules(2).await.expect("read");
    assert_eq!(names(&due), ["a", "b"]);
    assert_eq!(due.next_due, records[0].next, "passed, but over the limit");
    let due = world.store.due_schedules(9).await.expect("read");
    assert_eq!(names(&due), ["a", "b", "c"]);
    assert_eq!(due.next_due, records[3].next);
    let due = world.store.due_schedules(0).await.expect("read");
    assert_eq!((names(&due).len(), due.next_due), (0, records[1].next));
}

async fn a_schedule_comes_back_as_it_was_put(world: World) {
    let mut record = hourly("täglich: 'feed' %_*?", world.now());
    record.spec.template = job("x").on("päts").about("pet").at_front().template;
    record.spec.missed = Missed::All { cap: 7 };
    record.spec.grace = Some(ms(1500));
    record.spec.repeat = Some(u64::MAX);
    record.spec.end = Some(Timestamp::MAX);
    world.put_schedule(&record).await;
    assert_eq!(world.schedule(&record.name).await, Some(record));
    assert_eq!(world.schedule("unknown").await, None);
}

async fn a_name_is_taken_once(world: World) {
    let record = hourly("tick", world.now());
    world.put_schedule(&record).await;
    let other = every("tick", ms(100), world.now());
    let put = world.store.put_schedule(other, None).await;
    assert_eq!(put.expect("answered"), Advanced::Conflict);
    assert_eq!(world.schedule("tick").await, Some(record));
}

async fn an_edit_needs_the_version_that_it_saw(world: World) {
    let old = hourly("tick", world.now());
    world.put_schedule(&old).await;
    let mut spec = old.spec.clone();
    spec.repeat = Some(3);
    let new = old.edited(spec, world.now()).expect("fine");
    for wrong in [0, old.version + 1, u64::MAX] {
        let put = world.store.put_schedule(new.clone(), Some(wrong)).await;
        assert_eq!(put.expect("answered"), Advanced::Conflict);
        assert_eq!(world.schedule("tick").await, Some(old.clone()));
    }
    let put = world
        .store
        .put_schedule(new.clone(), Some(old.version))
        .await;
    assert_eq!(put.expect("put"), Advanced::Done);
    assert_eq!(world.schedule("tick").await, Some(new.clone()));
    let put = world.store.put_schedule(new, Some(old.version)).await;
    assert_eq!(put.expect("answered"), Advanced::Conflict);
}

async fn an_edit_of_a_schedule_made_anew_is_refused(world: World) {
    let old = hourly("tick", world.now());
    let edit = old.edited(old.spec.clone(), world.now()).expect("fine");
    let put = world.store.put_schedule(edit.clone(), Some(1)).await;
    assert_eq!(put.expect("answered"), Advanced::Gone, "there is none");
    let new = hourly("tick", world.now());
    world.put_schedule(&new).await;
    let put = world.store.put_schedule(edit, Some(1)).await;
    assert_eq!(put.expect("answered"), Advanced::Gone, "another one");
    assert_eq!(world.schedule("tick").await, Some(new));
}

/// Puts an hourly schedule, and decides about its first slot without writing it.
async fn first_decision(world: &World) -> Decision {
    let record = hourly("tick", world.now());
    world.put_schedule(&record).await;
    world.pass(HOUR);
    decide(&record, world.now()).expect("due")
}

async fn advance(world: &World, decision: &Decision) -> Advanced {
    let advanced = world.store.advance(vec![decision.clone()]).await;
    one(advanced.expect("answered"))
}

async fn an_advance_writes_schedule_jobs_and_ledger(world: World) {
    let decision = first_decision(&world).await;
    assert_eq!(advance(&world, &decision).await, Advanced::Done);
    assert_eq!(world.schedule("tick").await, Some(decision.record.clone()));
    let made = world.job(decision.jobs[0].id.as_str()).await;
    assert_eq!(made.status, Status::Queued);
    assert_eq!(made.slot, decision.jobs[0].slot);
    assert_eq!(made.template, decision.jobs[0].template);
    let ledger = world.store.ledger(&decision.record, 9).await;
    assert_eq!(ledger.expect("read"), decision.ledger);
}

async fn a_decision_counts_once(world: World) {
    let other = world.reopen().await;
    let decision = first_decision(&world).await;
    let twice = vec![decision.clone(), decision.clone()];
    let advanced = world.store.advance(twice).await.expect("answered");
    assert_eq!(advanced, [Advanced::Done, Advanced::Conflict]);
    let before = Snapshot::of(&*world.store).await;
    assert_eq!(advance(&other, &decision).await, Advanced::Conflict);
    assert_eq!(Snapshot::of(&*world.store).await, before);
    assert_eq!(before.jobs.len(), 1);
}

async fn a_decision_about_an_older_version_writes_nothing(world: World) {
    let decision = first_decision(&world).await;
    let old = world.schedule("tick").await.expect("put");
    let edit = old.edited(old.spec.clone(), world.now()).expect("fine");
    let put = world.store.put_schedule(edit, Some(old.version)).await;
    assert_eq!(put.expect("put"), Advanced::Done);
    let before = Snapshot::of(&*world.store).await;
    assert_eq!(advance(&world, &decision).await, Advanced::Conflict);
    let ahead = Decision {
        record: ScheduleRecord {
            version: 9,
            ..decision.record
        },
        ..decision
    };
    assert_eq!(advance(&world, &ahead).await, Advanced::Conflict);
    assert_eq!(Snapshot::of(&*world.store).await, before);
    assert!(before.jobs.is_empty());
}

async fn a_decision_about_a_removed_schedule_writes_nothing(world: World) {
    let decision = first_decision(&world).await;
    assert!(
        world
            .store
            .remove_schedule("tick", None)
            .await
            .expect("removed")
    );
    assert_eq!(advance(&world, &decision).await, Advanced::Gone);
    world.put_schedule(&hourly("tick", world.now())).await;
    let before = Snapshot::of(&*world.store).await;
    assert_eq!(advance(&world, &decision).await, Advanced::Gone);
    assert_eq!(Snapshot::of(&*world.store).await, before);
    let ledger = world.store.ledger(&decision.record, 9).await;
    assert_eq!(ledger.expect("read"), []);
}

async fn decisions_stand_each_for_itself(world: World) {
    let records = ["a", "b", "c"].map(|name| hourly(name, world.now()));
    for record in &records {
        world.put_schedule(record).await;
    }
    world.pass(HOUR);
    let decisions = records.iter().map(|one| decide(one, world.now()));
    let mut decisions: Vec<_> = decisions.map(|one| one.expect("due")).collect();
    decisions[0].record.version = 7;
    world
        .store
        .remove_schedule("b", None)
        .await
        .expect("removed");
    let advanced = world.store.advance(decisions.clone()).await;
    let expected = [Advanced::Conflict, Advanced::Gone, Advanced::Done];
    assert_eq!(advanced.expect("answered"), expected);
    assert_eq!(world.line().await, [decisions[2].jobs[0].id.to_string()]);
}

async fn a_slot_whose_job_exists_makes_no_second_one(world: World) {
    let decision = first_decision(&world).await;
    let slot_id = decision.jobs[0].id.to_string();
    world.end(job(&slot_id).task("earlier"), finished()).await;
    assert_eq!(advance(&world, &decision).await, Advanced::Done);
    let kept = world.job(&slot_id).await;
    assert_eq!(kept.template.task, "earlier");
    assert_eq!(kept.status, Status::Finished);
    assert_eq!(world.schedule("tick").await, Some(decision.record));
}

async fn the_jobs_of_slots_enter_their_queue(world: World) {
    let mut record = hourly("tick", world.now());
    record.spec.template.options.at_front = true;
    record.spec.template.options.ttl = Some(ms(100));
    record.spec.missed = Missed::All { cap: 2 };
    world.put_schedule(&record).await;
    world.enqueue([job("waits")]).await;
    world.pass(3 * HOUR);
    assert_eq!(world.decide_due().await, [Advanced::Done]);
    let slot = |hour| record.slot_job_id(record.created_at + ms(hour * HOUR));
    let (second, third) = (slot(2).to_string(), slot(3).to_string());
    let line = [third.clone(), second, "waits".to_owned()];
    assert_eq!(world.line().await, line);
    let expires_at = world.job(&third).await.expires_at;
    assert_eq!(expires_at, Some(world.later(100)));
}

async fn a_schedule_that_ended_is_kept_but_never_due(world: World) {
    let mut record = hourly("tick", world.now());
    record.spec.repeat = Some(1);
    world.put_schedule(&record).await;
    world.pass(HOUR);
    assert_eq!(world.decide_due().await, [Advanced::Done]);
    world.pass(100 * HOUR);
    let nothing = DueSchedules {
        due: vec![],
        next_due: None,
        ..DueSchedules::default()
    };
    assert_eq!(world.store.due_schedules(9).await.expect("read"), nothing);
    let ended = world.schedule("tick").await.expect("kept");
    assert_eq!((ended.next, ended.fired), (None, 1));
    assert_eq!(world.store.count_schedules(None).await.expect("counted"), 1);
}

async fn a_removed_schedule_leaves_its_jobs(world: World) {
    let decision = first_decision(&world).await;
    advance(&world, &decision).await;
    let store = &world.store;
    assert!(store.remove_schedule("tick", None).await.expect("removed"));
    assert_eq!(world.schedule("tick").await, None);
    assert_eq!(
        ids(&world.claim(9).await),
        [decision.jobs[0].id.to_string()]
    );
    let ledger = store.ledger(&decision.record, 9).await;
    assert_eq!(ledger.expect("read"), []);
    let due = store.due_schedules(9).await.expect("read");
    assert_eq!((due.due.len(), due.next_due), (0, None));
    assert!(!store.remove_schedule("tick", None).await.expect("answered"));
}

async fn removing_by_id_spares_a_schedule_made_anew(world: World) {
    let old = hourly("tick", world.now());
    world.put_schedule(&old).await;
    let store = &world.store;
    let removed = store.remove_schedule("tick", Some(&old.id)).await;
    assert!(removed.expect("removed"));
    let new = hourly("tick", world.now());
    world.put_schedule(&new).await;
    let removed = store.remove_schedule("tick", Some(&old.id)).await;
    assert!(!removed.expect("answered"));
    assert_eq!(world.schedule("tick").await, Some(new));
}

/// Schedules `c`, `a`, `b` with their next slots in the order of their names, and `ended`, which has none.
async fn put_four(world: &World) {
    let mut ended = hourly("ended", world.now());
    ended.next = None;
    world.put_schedule(&ended).await;
    for (name, millis) in [("c", 3000), ("a", 1000), ("b", 2000)] {
        world
            .put_schedule(&every(name, ms(millis), world.now()))
            .await;
    }
}

async fn names(world: &World, until: Option<Timestamp>, page: Page) -> Vec<String> {
    let listed = world.store.list_schedules(until, page).await;
    let listed = listed.expect("listed").into_iter();
    listed.map(|record| record.name).collect()
}

async fn schedules_are_listed_by_their_next_slot(world: World) {
    put_four(&world).await;
    assert_eq!(names(&world, None, ALL).await, ["a", "b", "c", "ended"]);
    for (until, expected) in [
        (999, &[][..]),
        (1000, &["a"]),
        (2999, &["a", "b"]),
        (3000, &["a", "b", "c"]),
    ] {
        let until = Some(world.later(until));
        assert_eq!(names(&world, until, ALL).await, expected);
        let count = world.store.count_schedules(until).await.expect("counted");
        assert_eq!(count, expected.len() as u64);
    }
    let last = names(&world, Some(Timestamp::MAX), ALL).await;
    assert_eq!(last, ["a", "b", "c"]);
    assert_eq!(world.store.count_schedules(None).await.expect("counted"), 4);
}

async fn schedules_are_listed_page_by_page(world: World) {
    put_four(&world).await;
    for (offset, length, expected) in [
        (0, 2, &["a", "b"][..]),
        (1, 2, &["b", "c"]),
        (3, 9, &["ended"]),
        (4, 9, &[]),
        (usize::MAX, usize::MAX, &[]),
        (0, 0, &[]),
    ] {
        let page = Page { offset, length };
        assert_eq!(names(&world, None, page).await, expected);
    }
    let page = Page {
        offset: 1,
        length: 9,
    };
    assert_eq!(names(&world, Some(world.later(2000)), page).await, ["b"]);
}

/// Decides hour by hour; hands back the ledger, newest line first.
async fn run_hours(world: &World, record: &ScheduleRecord, hours: u64) -> Vec<LedgerLine> {
    for _ in 0..hours {
        world.pass(HOUR);
        assert_eq!(world.decide_due().await, [Advanced::Done]);
    }
    let ledger = world.store.ledger(record, usize::MAX).await;
    ledger.expect("read")
}

async fn fired_slots_fold_into_one_line(world: World) {
    let record = hourly("tick", world.now());
    world.put_schedule(&record).await;
    let ledger = run_hours(&world, &record, 50).await;
    let line = LedgerLine {
        first: record.created_at + ms(HOUR),
        last: world.now(),
        slots: 50,
        decided_at: world.now(),
        verdict: Verdict::Fired {
            job: record.slot_job_id(world.now()),
        },
        cause: Cause::Slot,
    };
    assert_eq!(ledger, [line]);
}

async fn what_was_missed_has_a_line_of_its_own(world: World) {
    let record = hourly("tick", world.now());
    world.put_schedule(&record).await;
    run_hours(&world, &record, 2).await;
    world.pass(3 * HOUR);
    let ledger = run_hours(&world, &record, 2).await;
    let slots: Vec<_> = ledger
        .iter()
        .map(|line| (line.slots, matches!(line.verdict, Verdict::Fired { .. })))
        .collect();
    // Hours 3 to 5 were coalesced into the sixth, which folds with the seventh.
    assert_eq!(slots, [(2, true), (3, false), (2, true)]);
    let newest = world.store.ledger(&record, 1).await.expect("read");
    assert_eq!(newest, ledger[..1]);
    let none = world.store.ledger(&record, 0).await.expect("read");
    assert_eq!(none, []);
    for another in [hourly("tick", world.now()), hourly("tock", world.now())] {
        let unknown = world.store.ledger(&another, 9).await;
        assert_eq!(unknown.expect("read"), []);
    }
}

async fn the_ledger_keeps_the_newest_lines(world: World) {
    let mut record = hourly("tick", world.now());
    world.put_schedule(&record).await;
    let mut ledger = Vec::new();
    for round in 0..250 {
        // A line that never folds.
        world.pass(HOUR);
        let mut decision = decide(&record, world.now()).expect("due");
        decision.jobs.clear();
        let [line] = &mut decision.ledger[..] else {
            panic!("one slot, got {:?}", decision.ledger)
        };
        line.verdict = Verdict::Missed;
        line.slots = round;
        ledger.insert(0, line.clone());
        assert_eq!(advance(&world, &decision).await, Advanced::Done);
        record = decision.record;
    }
    let kept = world.store.ledger(&record, usize::MAX).await;
    assert_eq!(kept.expect("read"), ledger[..200]);
}

/// A schedule with this trigger, made at `now`.
fn following(trigger: impl Into<Trigger>, now: Timestamp) -> ScheduleRecord {
    let mut spec = hourly("any", now).spec;
    spec.trigger = trigger.into();
    ScheduleRecord::new("tick", spec, now).expect("a schedule")
}

fn nightly_in_berlin() -> Cron {
    let cron = Cron::new("30 2 * * *").and_then(|cron| cron.in_zone("Europe/Berlin"));
    cron.expect("a good line")
}

async fn a_cron_schedule_comes_back_as_it_was_put(world: World) {
    let start = world.later(HOUR);
    let cron = nightly_in_berlin()
        .and("0 12 L * mon#1")
        .expect("a good line");
    let record = following(cron.starting(start), world.now());
    world.put_schedule(&record).await;
    assert_eq!(world.schedule("tick").await, Some(record));
}

async fn cron_slots_fire_as_the_daylight_saving_rule_says(world: World) {
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");
    world.clock.set(time("2026-03-28T00:00:00Z"));
    let record = following(nightly_in_berlin(), world.now());
    world.put_schedule(&record).await;
    let mut fired = Vec::new();
    for _ in 0..3 * 24 {
        world.pass(HOUR / 2);
        world.decide_due().await;
        let jobs = world.claim(9).await;
        fired.extend(jobs.into_iter().filter_map(|job| Some(job.slot?.at)));
    }
    // At 02:30, at 03:00 for the 02:30 that does not exist.
    let expected = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z"];
    assert_eq!(fired, expected.map(time));
}

async fn one_off_times_fire_once_each_and_end_the_schedule(world: World) {
    let (one, two) = (world.later(1000), world.later(5000));
    let record = following(Trigger::at([two, one]), world.now());
    world.put_schedule(&record).await;
    world.pass(999);
    assert!(world.decide_due().await.is_empty());
    world.pass(1);
    assert_eq!(world.decide_due().await, [Advanced::Done]);
    world.pass(4000);
    assert_eq!(world.decide_due().await, [Advanced::Done]);
    let record = world.schedule("tick").await.expect("kept");
    assert_eq!((record.next, record.slots, record.fired), (None, 2, 2));
}

async fn decisions_about_one_schedule_in_one_call_follow_each_other(world: World) {
    let mut record = hourly("tick", world.now());
    record.spec.repeat = Some(1);
    world.put_schedule(&record).await;
    world.pass(HOUR);
    let slot = decide(&record, world.now()).expect("due");
    let by_hand = slot.record.run_now(&BTreeMap::new(), world.now());
    let stale = record.run_now(&BTreeMap::new(), world.now());
    let done = world.store.advance(vec![slot, by_hand.clone(), stale]);
    let done = done.await.expect("advanced");
    assert_eq!(done, [Advanced::Done, Advanced::Done, Advanced::Conflict]);
    assert_eq!(world.schedule("tick").await, Some(by_hand.record));
    assert_eq!(world.claim(9).await.len(), 2);
    let due = world.store.due_schedules(9).await.expect("read");
    assert_eq!((due.due, due.next_due), (Vec::new(), None), "it has ended");
}

async fn a_clock_set_back_and_forth_fires_nothing_twice(world: World) {
    world.put_schedule(&hourly("tick", world.now())).await;
    world.pass(3 * HOUR);
    assert_eq!(world.decide_due().await, [Advanced::Done]);
    let third = world.now();
    world.clock.set(third - ms(HOUR));
    assert_eq!(world.decide_due().await, []);
    world.pass(HOUR);
    assert_eq!(world.decide_due().await, [], "it had this slot already");
    world.clock.set(third + ms(HOUR));
    assert_eq!(world.decide_due().await, [Advanced::Done]);
    world.clock.set(third);
    world.pass(HOUR);
    assert_eq!(world.decide_due().await, []);
    let record = world.schedule("tick").await.expect("kept");
    assert_eq!((record.slots, record.fired), (4, 2));
    assert_eq!(world.claim(9).await.len(), 2);
}
