//! Processes that are killed, between the steps and at random: no job is lost, no slot is decided twice.
//!
//! A child enqueues, works and schedules on one store, and notes each job once it was acknowledged. It is killed again and again; the
//! next one goes on with what is there. At the end the notes are compared with the store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lullaby::event::EventId;
use lullaby::job::{Job, JobId, NewJob, Status};
use lullaby::schedule::Verdict;
use lullaby::store::{JobFilter, POISON_LOSSES};
use lullaby::{Context, Lullaby, Missed, Shutdown, Task, Tasks, Worker};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::child::{Process, eventually, orders, rest};
use crate::soak;
use crate::world::{ALL, id};

/// The steps between which a process is killed.
const FAILPOINTS: [&str; 12] = [
    "enqueue.taken",
    "claim.claimed",
    // After the one before, so that there is something to return.
    "reap.returned",
    "renew.extended",
    "settle.before",
    "settle.after",
    "move.moved",
    "slot.read",
    "slot.advanced",
    "commit.before",
    "commit.after",
    // Twice in a row, so that a job which was lost before is lost again.
    "settle.before",
];

/// Short, so that leases are renewed while a child lives.
const LEASE: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize, Clone)]
struct Work {
    millis: u64,
}

impl Task for Work {
    const NAME: &'static str = "kills.work";
    type Output = ();
}

fn tasks() -> Tasks {
    Tasks::new().task(async |task: Work, ctx: Context| {
        ctx.sleep(Duration::from_millis(task.millis)).await;
    })
}

/// A job that is kept for ever, and tells of its moves under its own id.
fn work(millis: u64) -> NewJob {
    let job = NewJob::new(Work { millis });
    job.result_ttl(None).failure_ttl(None).untyped()
}

/// Where a store under test is.
struct Place {
    folder: TempDir,
    url: String,
}

impl Place {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        Self { folder, url }
    }

    async fn open(&self) -> Lullaby {
        Lullaby::open(&self.url).await.expect("opens")
    }

    fn notes(&self) -> PathBuf {
        self.folder.path().join("acknowledged")
    }

    /// The ids that were acknowledged. A line without its end was being written when the process died.
    fn acknowledged(&self) -> Vec<JobId> {
        let text = std::fs::read_to_string(self.notes()).unwrap_or_default();
        let lines = text.split_inclusive('\n');
        let whole = lines.filter_map(|line| line.strip_suffix('\n'));
        whole.map(id).collect()
    }

    fn child(&self, failpoint: Option<&str>) -> Process {
        let orders = format!("{}\n{}", self.url, self.notes().display());
        let log = self.folder.path().join("log");
        Process::start("kills::a_process_to_be_killed", &orders, failpoint, &log)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child process of the test below"]
async fn a_process_to_be_killed() {
    let Some(orders) = orders() else { return };
    let (url, notes) = orders.split_once('\n').expect("two lines");
    let lullaby = Lullaby::open(url).await.expect("opens");
    let worker = Worker::builder(&lullaby, tasks())
        .concurrency(8)
        .lease(LEASE);
    tokio::spawn(worker.build().expect("fits").run(Shutdown::new()));
    enqueue_for_ever(&lullaby, Path::new(notes)).await;
}

async fn enqueue_for_ever(lullaby: &Lullaby, notes: &Path) {
    let queue = lullaby.queue("default").expect("a name");
    let mut notes = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(notes)
        .expect("opens");
    for n in 0_u64.. {
        let name = JobId::random();
        let job = work(1 + n % 20)
            .job_id(name.as_str())
            .subject(name.as_str());
        let enqueued = if n % 2 == 0 {
            queue.enqueue(job).await
        } else {
            let delay = Duration::from_millis(n * 7 % 50);
            queue.enqueue_in(delay, job).await
        };
        enqueued.expect("enqueued");
        // One call, so that a kill leaves the line or does not.
        let line = format!("{name}\n");
        notes.write_all(line.as_bytes()).expect("noted");
        rest(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_is_lost_and_no_slot_comes_twice_whenever_a_process_on_sqlite_is_killed() {
    let place = Place::sqlite();
    survives_kills(&place).await;
    let path = place.url.strip_prefix("sqlite:").expect("ours");
    let conn = lullaby::store::sqlite::rusqlite::Connection::open(path).expect("opens");
    let sound: String = conn
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("checked");
    assert_eq!(sound, "ok");
}

async fn survives_kills(place: &Place) {
    let lullaby = place.open().await;
    for (name, missed) in [
        ("all", Missed::All { cap: 10_000 }),
        ("latest", Missed::Latest),
    ] {
        let schedule = lullaby.scheduler().schedule(name, work(5));
        let stated = schedule.every(Duration::from_millis(100)).missed(missed);
        stated.await.expect("stated");
    }
    drop(lullaby);

    let mut random = Random(soak::seed());
    let (mut kills, mut hits) = (0, 0);
    for failpoint in FAILPOINTS {
        let time = if failpoint == "reap.returned" {
            1
        } else {
            1 + random.below(5)
        };
        let failpoint = format!("{failpoint}:{time}");
        place.child(Some(&failpoint)).dies(&failpoint).await;
        kills += 1;
        hits += u32::from(runs_a_job(place).await);
    }
    for _ in 0..soak::rounds(10, 100) {
        let before = place.acknowledged().len();
        let mut child = place.child(None);
        eventually("a job to be acknowledged", || {
            place.acknowledged().len() > before
        })
        .await;
        rest(Duration::from_micros(random.below(300_000))).await;
        child.kill();
        kills += 1;
        hits += u32::from(runs_a_job(place).await);
    }
    println!("{kills} kills, {hits} of them hit a running job");
    assert!(
        hits > 0,
        "no kill hit a running job: this test tests nothing"
    );

    let lullaby = place.open().await;
    finish_all(place, &lullaby).await;
    check_jobs(place, &lullaby).await;
    for name in ["all", "latest"] {
        check_slots(&lullaby, name).await;
    }
}

/// Whether the process that was just killed left a running job.
async fn runs_a_job(place: &Place) -> bool {
    let lullaby = place.open().await;
    let started = JobFilter {
        status: Some(Status::Started),
        ..JobFilter::default()
    };
    lullaby.store().count_jobs(&started).await.expect("counted") > 0
}

/// Works until every acknowledged job has ended.
async fn finish_all(place: &Place, lullaby: &Lullaby) {
    let acknowledged = place.acknowledged();
    let shutdown = Shutdown::new();
    let worker = Worker::builder(lullaby, tasks()).concurrency(64);
    let running = tokio::spawn(worker.build().expect("fits").run(shutdown.clone()));
    for name in &acknowledged {
        let ended = lullaby
            .job(name.clone())
            .wait(Duration::from_secs(60))
            .await;
        if let Err(error) = ended {
            assert!(error.is_job_failed(), "{name}: {error}");
        }
    }
    shutdown.warm();
    running.await.expect("no panic");
}

async fn check_jobs(place: &Place, lullaby: &Lullaby) {
    let acknowledged = place.acknowledged();
    let jobs = lullaby.store().jobs(&acknowledged).await.expect("read");
    let (mut finished, mut poisoned) = (0, 0);
    for (name, job) in acknowledged.iter().zip(jobs) {
        let job = job.unwrap_or_else(|| panic!("{name} was acknowledged and is lost"));
        match job.status {
            Status::Finished => finished += 1,
            Status::Failed if job.lost >= POISON_LOSSES => poisoned += 1,
            _ => panic!("{name} is {}: {:?}", job.status, job.error),
        }
        let events = lullaby.events(Some(name.as_str()), EventId(0), 1000);
        let kinds: Vec<_> = events
            .await
            .expect("read")
            .into_iter()
            .map(|one| one.kind)
            .collect();
        let count = |kind: &str| kinds.iter().filter(|one| *one == kind).count();
        let ends = count("job.finished") + count("job.failed");
        assert_eq!(ends, 1, "{name} ended once: {kinds:?}");
        assert_eq!(count("job.finished") == 1, job.status == Status::Finished);
        let lost = count("job.lost") + count("job.failed");
        assert_eq!(
            count("job.started"),
            lost + count("job.finished"),
            "{kinds:?}"
        );
    }
    println!("{finished} jobs finished, {poisoned} were lost {POISON_LOSSES} times");
}

async fn check_slots(lullaby: &Lullaby, name: &str) {
    let store = lullaby.store();
    let record = store.schedule(name).await.expect("read").expect("kept");
    let every = JobFilter {
        page: ALL,
        ..JobFilter::default()
    };
    let jobs = store.list_jobs(&every).await.expect("listed");
    let of_schedule = |job: &Job| {
        job.slot
            .clone()
            .filter(|slot| slot.schedule_id == record.id)
    };
    let mut decided = BTreeMap::<u64, u32>::new();
    let mut fired = BTreeSet::new();
    for job in &jobs {
        let Some(slot) = of_schedule(job) else {
            continue;
        };
        assert!(
            fired.insert(slot.number),
            "slot {} has two jobs",
            slot.number
        );
        for number in slot.number + 1 - slot.stands_for..=slot.number {
            *decided.entry(number).or_default() += 1;
        }
    }
    let all: Vec<_> = (1..=record.slots).map(|number| (number, 1)).collect();
    let decided: Vec<_> = decided.into_iter().collect();
    assert_eq!(decided, all, "{name}: each slot is decided once");
    assert_eq!(record.fired, fired.len() as u64);

    let lines = store.ledger(&record, usize::MAX).await.expect("read");
    for pair in lines.windows(2) {
        assert!(pair[1].last < pair[0].first, "lines overlap: {pair:?}");
    }
    let made = |one: &&lullaby::schedule::LedgerLine| matches!(one.verdict, Verdict::Fired { .. });
    // The ledger keeps the newest 200 lines; each kill may leave two of a schedule that coalesces.
    if lines.len() < 200 {
        let slots: u64 = lines.iter().map(|line| line.slots).sum();
        assert_eq!(
            slots, record.slots,
            "{name}: each slot is in the ledger once"
        );
        let slots: u64 = lines.iter().filter(made).map(|line| line.slots).sum();
        assert_eq!(slots, record.fired, "{name}: each fired slot has one job");
    }
    println!(
        "schedule {name}: {} slots, {} fired",
        record.slots, record.fired
    );
}

/// Small and seeded: when to kill.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// SplitMix64; below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}
