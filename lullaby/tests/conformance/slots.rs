//! Each slot of each schedule appears exactly once in the ledger, whichever process is killed, and its job exists exactly once if it fired.
//!
//! Three processes schedule and work on one SQLite file, and one of them after the other is killed at each step of deciding. At the end the ledgers are compared with the triggers, and the jobs with the ledgers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lullaby::clock::Timestamp;
use lullaby::job::NewJob;
use lullaby::schedule::{Cause, LEDGER_LINES, ScheduleRecord, Verdict};
use lullaby::store::JobFilter;
use lullaby::{Context, Lullaby, Missed, Overlap, Shutdown, Task, Tasks, Worker};
use serde::{Deserialize, Serialize};

use crate::child::{Process, orders, rest};
use crate::soak;
use crate::world::ALL;

/// The steps between which a process is killed; the numbers let some decisions pass first.
const FAILPOINTS: [&str; 6] = [
    "slot.read",
    "slot.advanced",
    "commit.before:20",
    "commit.after:20",
    "slot.advanced:7",
    "slot.read:5",
];

const EVERY: Duration = Duration::from_millis(200);

#[derive(Serialize, Deserialize, Clone)]
struct Tick {
    millis: u64,
}

impl Task for Tick {
    const NAME: &'static str = "slots.tick";
    type Output = ();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child process of the test below"]
async fn a_process_that_schedules() {
    let Some(url) = orders() else { return };
    let lullaby = Lullaby::open(&url).await.expect("opens");
    let tasks = Tasks::new().task(async |task: Tick, ctx: Context| {
        ctx.sleep(Duration::from_millis(task.millis)).await;
    });
    let worker = Worker::builder(&lullaby, tasks).concurrency(8);
    worker.build().expect("fits").run(Shutdown::new()).await;
}

/// One schedule of each kind of overlap and of missed, some of them with runs longer than their interval.
async fn state_schedules(lullaby: &Lullaby) -> Vec<String> {
    let kinds = [
        (Overlap::Allow, Missed::Latest, 1),
        (Overlap::Allow, Missed::All { cap: 3 }, 1),
        (Overlap::Allow, Missed::Skip, 1),
        (Overlap::Skip, Missed::Latest, 300),
        (Overlap::BufferOne, Missed::Latest, 300),
        (Overlap::CancelOther, Missed::Latest, 300),
    ];
    let mut names = Vec::new();
    for (n, (overlap, missed, millis)) in kinds.into_iter().enumerate() {
        let name = format!("{n} {overlap:?} {missed:?}");
        let job = NewJob::new(Tick { millis })
            .result_ttl(None)
            .failure_ttl(None);
        let schedule = lullaby.scheduler().schedule(&name, job);
        let schedule = schedule.every(EVERY).overlap(overlap).missed(missed);
        schedule.await.expect("stated");
        names.push(name);
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_slot_is_in_the_ledger_once_whichever_process_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let lullaby = Lullaby::open(&url).await.expect("opens");
    let names = state_schedules(&lullaby).await;
    let log = folder.path().join("log");
    let start =
        |failpoint| Process::start("slots::a_process_that_schedules", &url, failpoint, &log);
    let mut processes = [start(None), start(None), start(None)];
    for round in 0..soak::rounds(2, 10) as usize {
        for (n, failpoint) in FAILPOINTS.into_iter().enumerate() {
            let place = (round + n) % processes.len();
            processes[place].kill();
            processes[place] = start(Some(failpoint));
            processes[place].dies(failpoint).await;
            // The others go on for a while that is never the same.
            rest(Duration::from_millis(
                (n as u64 * 37 + round as u64 * 91) % 150,
            ))
            .await;
            processes[place] = start(None);
        }
    }
    drop(processes);
    for name in &names {
        // What a process had to leave undone is caught up with, as the next one would.
        let record = lullaby.scheduler().pause(name, None).await.expect("paused");
        check(&lullaby, &record).await;
    }
}

async fn check(lullaby: &Lullaby, record: &ScheduleRecord) {
    let name = &record.name;
    let store = lullaby.store();
    let mut ledger = store.ledger(&record.id, usize::MAX).await.expect("read");
    ledger.reverse();
    assert!(ledger.iter().all(|line| line.cause == Cause::Slot));
    let first = record.spec.trigger.first();
    let mut expected = first;
    if ledger.len() < LEDGER_LINES {
        let slots: u64 = ledger.iter().map(|line| line.slots).sum();
        assert_eq!(slots, record.slots, "{name}");
    } else {
        expected = ledger[0].first;
    }
    let mut fired = BTreeSet::new();
    for line in &ledger {
        assert_eq!(
            line.first, expected,
            "{name}: a gap or a double in {ledger:?}"
        );
        let span = EVERY * u32::try_from(line.slots).expect("small");
        expected = expected + span;
        assert_eq!(
            line.last,
            Timestamp::from_millis(expected.as_millis()) - EVERY
        );
        let slots = (0..line.slots).map(|n| line.first + EVERY * u32::try_from(n).expect("small"));
        match &line.verdict {
            Verdict::Fired { .. } => fired.extend(slots.map(|slot| record.slot_job_id(slot))),
            Verdict::Buffered { job, .. } => {
                let waits = record.buffered.as_ref().map(|one| &one.job) == Some(job);
                fired.extend((!waits).then(|| job.clone()));
            }
            _ => {}
        }
    }
    assert_eq!(record.next, Some(expected), "{name}");

    let filter = JobFilter {
        page: ALL,
        ..JobFilter::default()
    };
    let jobs = store.list_jobs(&filter).await.expect("listed");
    let mut made = BTreeMap::new();
    for job in jobs {
        let slot = job.slot.expect("there are no others");
        if slot.schedule_id == record.id && slot.at >= ledger[0].first {
            assert_eq!(made.insert(job.id, slot.at), None);
        }
    }
    let made: BTreeSet<_> = made.into_keys().collect();
    assert_eq!(
        made, fired,
        "{name}: the jobs are those of the slots that fired"
    );
    println!("{name}: {} slots, {} jobs", record.slots, made.len());
}
