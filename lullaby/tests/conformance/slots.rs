//! Each slot of each schedule appears exactly once in the ledger, whichever process is killed, and its job exists exactly once if it fired.
//!
//! Three processes schedule and work on one store, a SQLite file or a real Redis. One of them after the other is killed, first at each
//! step of deciding, moving, running and settling, then at moments that nobody chose. At the end the ledgers are compared with the
//! triggers, and the jobs with the ledgers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use lullaby::clock::Timestamp;
use lullaby::job::NewJob;
use lullaby::schedule::{Cause, LEDGER_LINES, ScheduleRecord, Verdict};
use lullaby::store::JobFilter;
use lullaby::store::redis::{RedisOptions, RedisStore};
use lullaby::{Context, Lullaby, Missed, Overlap, Shutdown, Task, Tasks, Worker};
use serde::{Deserialize, Serialize};

use crate::child::{Process, orders, rest};
use crate::kills::Random;
use crate::redis_server;
use crate::soak;
use crate::world::ALL;

/// The steps between which a process is killed; the numbers let some decisions pass first.
const FAILPOINTS: [&str; 8] = [
    "slot.read",
    "slot.advanced",
    "claim.claimed",
    "settle.before:3",
    "settle.after:3",
    "renew.extended",
    "slot.advanced:7",
    "slot.read:5",
];

/// Those of the file's writer.
const COMMITS: [&str; 2] = ["commit.before:20", "commit.after:20"];

/// Short, so that leases are renewed while a process lives, and the dead are noticed on Redis, too.
const LEASE: Duration = Duration::from_secs(1);

const EVERY: Duration = Duration::from_millis(200);

#[derive(Serialize, Deserialize, Clone)]
struct Tick {
    millis: u64,
}

impl Task for Tick {
    const NAME: &'static str = "slots.tick";
    type Output = ();
}

/// A store that several processes open: its URL, and on Redis the prefix of its keys.
struct Place {
    url: String,
    prefix: Option<String>,
}

impl Place {
    fn told(orders: &str) -> Self {
        match orders.split_once('\n') {
            Some((url, prefix)) => Self {
                url: url.to_owned(),
                prefix: Some(prefix.to_owned()),
            },
            None => Self {
                url: orders.to_owned(),
                prefix: None,
            },
        }
    }

    fn orders(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("{}\n{prefix}", self.url),
            None => self.url.clone(),
        }
    }

    async fn open(&self) -> Lullaby {
        match &self.prefix {
            None => Lullaby::open(&self.url).await.expect("opens"),
            Some(prefix) => {
                let options = RedisOptions::default().prefix(prefix);
                let store = RedisStore::open(&self.url, options).await;
                Lullaby::with_store(store.expect("opens"))
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child process of the tests below"]
async fn a_process_that_schedules() {
    let Some(orders) = orders() else { return };
    let lullaby = Place::told(&orders).open().await;
    let tasks = Tasks::new().task(async |task: Tick, ctx: Context| {
        ctx.sleep(Duration::from_millis(task.millis)).await;
    });
    let worker = Worker::builder(&lullaby, tasks).concurrency(8).lease(LEASE);
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
async fn each_slot_is_in_the_ledger_once_whichever_process_on_sqlite_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let steps = [&FAILPOINTS[..], &COMMITS].concat();
    survives_kills(&Place { url, prefix: None }, &steps, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_slot_is_in_the_ledger_once_whichever_process_on_redis_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, prefix) = redis_server::place();
    let prefix = Some(prefix);
    survives_kills(&Place { url, prefix }, &FAILPOINTS, folder.path()).await;
}

async fn survives_kills(place: &Place, failpoints: &[&str], folder: &Path) {
    let lullaby = place.open().await;
    let names = state_schedules(&lullaby).await;
    let (orders, log) = (place.orders(), folder.join("log"));
    let start =
        |failpoint| Process::start("slots::a_process_that_schedules", &orders, failpoint, &log);
    let mut random = Random(soak::seed());
    let mut processes = [start(None), start(None), start(None)];
    let mut kills = 0;
    for round in 0..soak::rounds(1, 20) as usize {
        for (n, failpoint) in failpoints.iter().enumerate() {
            let one = (round + n) % processes.len();
            processes[one].kill();
            processes[one] = start(Some(failpoint));
            processes[one].dies(failpoint).await;
            kills += 1;
            // The others go on for a while.
            rest(Duration::from_millis(random.below(150))).await;
            processes[one] = start(None);
        }
    }
    for kill in 1..=soak::rounds(10, 300) {
        // Now and then long enough for the jobs of the dead to be taken over.
        let most = if kill % 20 == 0 { 4_000_000 } else { 200_000 };
        rest(Duration::from_micros(random.below(most))).await;
        let one = random.below(3) as usize;
        processes[one].kill();
        kills += 1;
        processes[one] = start(None);
    }
    drop(processes);
    println!("{kills} kills");
    for name in &names {
        let record = lullaby.scheduler().get(name).await.expect("read");
        check(&lullaby, &record.expect("kept")).await;
    }
}

async fn check(lullaby: &Lullaby, record: &ScheduleRecord) {
    let name = &record.name;
    let store = lullaby.store();
    let mut ledger = store.ledger(record, usize::MAX).await.expect("read");
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
