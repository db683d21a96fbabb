//! Schedules in virtual time.

use super::*;
use lullaby::schedule::Verdict;
use lullaby::testing::{Rehearsal, Rehearsed};
use lullaby::{Missed, NewJob, Overlap, ScheduleBuilder, Timestamp};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn job() -> NewJob {
    NewJob::named("tick", &[], &serde_json::Map::new()).expect("small")
}

fn planned(count: usize, plan: impl Fn(ScheduleBuilder) -> ScheduleBuilder) -> Rehearsal {
    (0..count).fold(Rehearsal::starting(start()), |all, n| {
        all.schedule(&format!("tick-{n}"), job(), &plan)
            .expect("fine")
    })
}

/// Each slot has one place in the ledger, in order, with no gap.
fn assert_all_decided(played: &Rehearsed, every: Duration, slots: u64) {
    for (name, outcome) in played.all() {
        let mut expected = start() + every;
        for line in &outcome.ledger {
            assert_eq!(line.first, expected, "{name}");
            let span = u32::try_from(line.slots).expect("small");
            expected = expected + every * span;
        }
        assert_eq!(outcome.record.slots, slots, "{name}");
    }
}

/// 1,000 minutely schedules, 24 hours in which nothing runs, and then fifty workers for runs of 100 ms.
#[test]
fn a_day_of_outage_ends_as_each_policy_says_and_delays_nothing_after_it() {
    let outage = start() + HOUR..start() + HOUR + DAY;
    for (missed, grace, runs) in [
        (Missed::Latest, None, 1),
        (Missed::All { cap: 10 }, None, 10),
        // Those up to three minutes old: the one that is due, and three before it.
        (Missed::All { cap: 10 }, Some(MINUTE * 3), 4),
        (Missed::Skip, None, 1),
    ] {
        let shape = |one: ScheduleBuilder| {
            let one = one.every(MINUTE).missed(missed);
            match grace {
                Some(grace) => one.grace(grace),
                None => one,
            }
        };
        let mut plan = planned(1000, shape).outage(outage.clone()).workers(50);
        for n in 0..1000 {
            let takes = plan.takes(&format!("tick-{n}"), Duration::from_millis(100));
            plan = takes.expect("planned");
        }
        let played = plan.run(DAY + HOUR * 2).expect("plays");
        // 59 before it, `runs` at its end, whose own slot is on time, and 60 after it.
        assert_all_decided(&played, MINUTE, 26 * 60);
        for (name, outcome) in played.all() {
            assert_eq!(outcome.record.fired, 59 + runs + 60, "{name}, {missed:?}");
            // Fifty workers need 2 s a minute; what is made up for takes them 20 s more, once.
            let oldest = MINUTE * u32::try_from(runs - 1).expect("small");
            let limit = oldest + Duration::from_secs(22);
            assert!(outcome.worst_delay <= limit, "{:?}", outcome.worst_delay);
            let fired = |line: &&lullaby::schedule::LedgerLine| {
                matches!(line.verdict, Verdict::Fired { .. })
            };
            // One decision took what had been missed; each slot since was decided at its own instant.
            let last = outcome.ledger.iter().rfind(fired).expect("fired");
            assert_eq!(
                (last.last, last.decided_at),
                (outage.end + HOUR, outage.end + HOUR)
            );
            let unfired: u64 = (outcome.ledger.iter())
                .filter(|line| !fired(line))
                .map(|line| line.slots)
                .sum();
            assert_eq!(unfired, 24 * 60 + 1 - runs, "{name}, {missed:?}");
        }
    }
}

#[test]
fn the_same_rehearsal_gives_the_same_ledger() {
    let play = || {
        planned(5, |schedule| {
            schedule
                .every(MINUTE)
                .overlap(Overlap::BufferOne)
                .jitter(MINUTE)
        })
        .takes("tick-1", MINUTE * 3)
        .expect("planned")
        .workers(2)
        .outage(start() + HOUR..start() + HOUR * 2)
        .run(DAY)
        .expect("plays")
    };
    let (one, other) = (play(), play());
    for (name, outcome) in one.all() {
        assert_eq!(Some(outcome), other.of(name));
    }
    assert_all_decided(&one, MINUTE, 24 * 60);
}

#[test]
fn runs_that_must_not_overlap_are_skipped_while_one_runs() {
    let played = planned(1, |schedule| schedule.every(HOUR).overlap(Overlap::Skip))
        .takes("tick-0", HOUR * 5 / 2)
        .expect("planned")
        .run(DAY)
        .expect("plays");
    let outcome = played.of("tick-0").expect("planned");
    let slots: Vec<_> = outcome
        .ledger
        .iter()
        .map(|line| (matches!(line.verdict, Verdict::Fired { .. }), line.slots))
        .collect();
    assert_eq!(slots, [(true, 1), (false, 2)].repeat(8));
}

#[test]
fn one_worker_makes_the_others_wait() {
    let played = planned(10, |schedule| schedule.every(HOUR))
        .takes("tick-0", MINUTE * 20)
        .expect("planned")
        .workers(1)
        .run(DAY)
        .expect("plays");
    assert_eq!(
        played.of("tick-9").expect("planned").worst_delay,
        MINUTE * 20
    );
}

/// The rehearsal decides as the real scheduler does on a store.
#[tokio::test]
async fn a_rehearsal_and_a_sandbox_agree() {
    let sandbox = lullaby::testing::Sandbox::new(tasks(&Arc::default())).expect("builds");
    let scheduler = sandbox.lullaby().scheduler();
    // Shorter than a job's timeout, which a rehearsal knows nothing of.
    let nap = || Nap { seconds: 150 };
    let mut plan = Rehearsal::starting(start());
    let overlaps = [
        Overlap::Allow,
        Overlap::Skip,
        Overlap::BufferOne,
        Overlap::CancelOther,
    ];
    for overlap in overlaps {
        let name = format!("{overlap:?}");
        let shape = |one: ScheduleBuilder| one.every(MINUTE).overlap(overlap).jitter(MINUTE / 4);
        shape(scheduler.schedule(&name, nap())).await.expect("made");
        plan = plan.schedule(&name, nap(), shape).expect("fine");
        plan = plan
            .takes(&name, Duration::from_secs(150))
            .expect("planned");
    }
    sandbox.advance(HOUR).await.expect("runs");
    let played = plan.run(HOUR).expect("plays");
    for overlap in overlaps {
        let name = format!("{overlap:?}");
        let shape = |lines: &[lullaby::schedule::LedgerLine]| -> Vec<_> {
            let kind = |verdict: &Verdict| std::mem::discriminant(verdict);
            lines
                .iter()
                .map(|one| (one.first, one.last, one.slots, kind(&one.verdict)))
                .collect()
        };
        let mut real = scheduler.ledger(&name, usize::MAX).await.expect("read");
        real.reverse();
        assert_eq!(
            shape(&real),
            shape(&played.of(&name).expect("planned").ledger),
            "{name}"
        );
    }
}

/// Prints how long it takes; `LULLABY_SOAK=1` asks for the whole year of 1,000 schedules.
#[test]
fn a_year_of_hourly_schedules_is_played_in_one_go() {
    let soak = std::env::var_os("LULLABY_SOAK").is_some();
    let (count, days) = if soak { (1000, 365) } else { (50, 60) };
    let played = planned(count, |schedule| schedule.every(HOUR))
        .outage(start() + DAY * 10..start() + DAY * 11)
        .run(DAY * days)
        .expect("plays");
    assert_all_decided(&played, HOUR, u64::from(days) * 24);
}
