//! Two processes on one store: one that only enqueues with one that only works, and two that do everything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lullaby::clock::{Clock, SystemClock, Timestamp};
use lullaby::job::{NewJob, Status};
use lullaby::store::JobFilter;
use lullaby::{Context, Failure, Lullaby, Shutdown, Task, Tasks, Worker};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::child::{PATIENCE, Process, orders, rest};
use crate::soak;
use crate::world::ALL;

/// Answers how many milliseconds after its time it started.
#[derive(Serialize, Deserialize)]
struct Late {
    due: i64,
}

impl Task for Late {
    const NAME: &'static str = "processes.late";
    type Output = i64;
}

async fn late(task: Late, _: Context) -> Result<i64, Failure> {
    let now = SystemClock::default().now();
    Ok(now.as_millis() - task.due)
}

fn job(due: Timestamp) -> NewJob<i64> {
    NewJob::new(Late {
        due: due.as_millis(),
    })
    .result_ttl(None)
}

/// On the disk that the build is on: a file in memory has no sync that takes time, and that is what wake-ups have to cope with.
fn place() -> (TempDir, String) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    (folder, url)
}

fn start(folder: &Path, url: &str) -> Process {
    let log = folder.join("log");
    Process::start("processes::a_process_that_works", url, None, &log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child process of the tests below"]
async fn a_process_that_works() {
    let Some(url) = orders() else { return };
    let lullaby = Lullaby::open(&url).await.expect("opens");
    let worker = Worker::builder(&lullaby, Tasks::new().task(late)).concurrency(16);
    worker.build().expect("fits").run(Shutdown::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child process of the tests below"]
async fn a_process_that_rests() {
    let Some(url) = orders() else { return };
    let _lullaby = Lullaby::open(&url).await.expect("opens");
    std::future::pending::<()>().await;
}

/// Waits until so many processes have announced their workers.
async fn until_there(lullaby: &Lullaby, workers: usize) {
    let clock = SystemClock::default();
    let deadline = clock.monotonic() + PATIENCE;
    while lullaby.store().workers().await.expect("read").len() < workers {
        assert!(clock.monotonic() < deadline, "no worker came");
        rest(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_only_works_runs_what_another_enqueues_in_time() {
    let (folder, url) = place();
    let lullaby = Lullaby::open(&url).await.expect("opens");
    let worker = start(folder.path(), &url);
    until_there(&lullaby, 1).await;
    let count = soak::rounds(100, 500);
    let queue = lullaby.queue("default").expect("a name");

    let (mut now, mut later) = (Vec::new(), Vec::new());
    for n in 0..count {
        let due = lullaby.now() + Duration::from_millis(u64::from(20 + n * 7919 % (count * 15)));
        later.push(queue.enqueue_at(due, job(due)).await.expect("enqueued"));
        now.push(queue.enqueue(job(lullaby.now())).await.expect("enqueued"));
        // Apart, so that no job's commit tells of the one before.
        rest(Duration::from_millis(15)).await;
    }
    for (what, handles) in [("for now", now), ("at instants", later)] {
        let mut late = Vec::new();
        for handle in handles {
            late.push(handle.wait(PATIENCE).await.expect("ran"));
        }
        late.sort_unstable();
        assert!(late[0] >= 0, "one started {} ms early", -late[0]);
        let at = |share: usize| late[(late.len() - 1) * share / 100];
        println!(
            "{count} jobs {what}: started p50 {} ms, p99 {} ms, at most {} ms late",
            at(50),
            at(99),
            at(100)
        );
    }
    let finished = JobFilter {
        status: Some(Status::Finished),
        page: ALL,
        ..JobFilter::default()
    };
    let jobs = lullaby.store().list_jobs(&finished).await.expect("read");
    assert_eq!(jobs.len(), 2 * count as usize);
    assert!(jobs.iter().all(|job| job.failures + job.lost == 0));
    // A token for each execution: as many as jobs means that each ran once.
    let last = jobs.iter().filter_map(|job| job.token).max();
    assert_eq!(last.map(|token| token.0), Some(u64::from(2 * count)));
    // Left alone for a moment, to see how often they wake up by themselves; the store is opened in a process that does nothing else.
    let producer = Process::start(
        "processes::a_process_that_rests",
        &url,
        None,
        &folder.path().join("log"),
    );
    rest(Duration::from_secs(2)).await;
    let before = [wake_ups(producer.id()), wake_ups(worker.id())];
    rest(Duration::from_secs(4)).await;
    let after = [wake_ups(producer.id()), wake_ups(worker.id())];
    let per_second = |n: usize| after[n].saturating_sub(before[n]) as f64 / 4.0;
    println!(
        "idle: the producer wakes {:.1} times a second, the worker {:.1} times",
        per_second(0),
        per_second(1)
    );
}

/// How often any thread of the process went to sleep so far: as often as it was woken. 0 where there is no `/proc`.
fn wake_ups(process: u32) -> u64 {
    let threads = PathBuf::from(format!("/proc/{process}/task"));
    let threads = std::fs::read_dir(threads).into_iter().flatten().flatten();
    let of_thread = |status: String| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<u64>().ok()
    };
    threads
        .filter_map(|thread| of_thread(std::fs::read_to_string(thread.path().join("status")).ok()?))
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_do_everything_never_double_a_slot() {
    let (folder, url) = place();
    let lullaby = Lullaby::open(&url).await.expect("opens");
    // Ten, some milliseconds apart, so that slots come alone and together.
    let names: Vec<_> = (0..10).map(|n| format!("tick {n}")).collect();
    for (name, apart) in names.iter().zip((0..).step_by(7)) {
        let start = lullaby.now() + Duration::from_millis(apart);
        let schedule = lullaby.scheduler().schedule(name, job(start).untyped());
        let stated = schedule.every(Duration::from_millis(100)).start(start);
        stated.await.expect("stated");
    }
    let workers = [start(folder.path(), &url), start(folder.path(), &url)];
    until_there(&lullaby, workers.len()).await;

    let store = lullaby.store();
    let wanted = u64::from(soak::rounds(20, 1000));
    let kept = async |name: &str| store.schedule(name).await.expect("read").expect("kept");
    while kept(&names[9]).await.slots < wanted {
        rest(Duration::from_millis(20)).await;
    }
    drop(workers);

    let filter = JobFilter {
        page: ALL,
        ..JobFilter::default()
    };
    let jobs = store.list_jobs(&filter).await.expect("listed");
    let mut slots = BTreeMap::<String, BTreeSet<u64>>::new();
    let mut workers = BTreeSet::new();
    for job in &jobs {
        let slot = job.slot.as_ref().expect("there are no others");
        let slots = slots.entry(slot.schedule.clone()).or_default();
        for number in slot.number + 1 - slot.stands_for..=slot.number {
            assert!(slots.insert(number), "slot {number} came twice");
        }
        workers.extend(job.worker.clone());
    }
    let (mut decided, mut fired) = (0, 0);
    for name in &names {
        let record = kept(name).await;
        assert_eq!(slots[name], (1..=record.slots).collect(), "{name}");
        decided += record.slots;
        fired += record.fired;
    }
    assert_eq!(fired, jobs.len() as u64, "each fired slot has one job");
    println!(
        "{decided} slots, {fired} jobs, run by {} processes",
        workers.len()
    );
}
