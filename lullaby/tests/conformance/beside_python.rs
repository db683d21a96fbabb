//! What Python's programs leave in a Redis that they share with ours: what they break, what they have not finished yet, and what is theirs.
//! Each test writes what they write, in their order; `interop/` has the programs themselves.

use lullaby::clock::{Clock, SystemClock, Timestamp, until};
use lullaby::job::Status;
use lullaby::store::redis::RedisStore;
use lullaby::store::redis::redis::{Cmd, Value};
use lullaby::store::{
    Canceled, Deleted, Ending, JobFilter, Page, Renewed, Restored, Settled, Topic, WorkerRecord,
};
use std::time::Duration;

use crate::drivers;
use crate::specs::{With, job};
use crate::world::{LEASE, World, execution, failed, finished, id, one};

/// `demo.add(1)` by RQ's JSON serializer, not deflated: RQ reads that, too.
const CALL: &str = r#"["demo.add", null, [1], {}]"#;

/// RQ gives an execution at least this long between two signs of life.
const RQ_PATIENCE: f64 = 90.0;

/// The shared server, as Python's programs write to it.
pub(crate) struct Python {
    pub(crate) world: World,
}

impl Python {
    pub(crate) async fn new() -> Self {
        Self {
            world: drivers::redis().await,
        }
    }

    fn store(&self) -> &RedisStore {
        let store = self.world.store.as_any().downcast_ref();
        store.expect("this driver is on Redis")
    }

    /// A command; the first argument is a key without its prefix.
    pub(crate) async fn run(&self, name: &str, key: &str, args: &[&str]) -> Value {
        let own = self.store().own_prefix();
        let prefix = own.strip_suffix("lullaby:").expect("inside the prefix");
        let mut command = Cmd::new();
        command.arg(name).arg(format!("{prefix}{key}")).arg(args);
        let answer = self.store().run_command(&command).await;
        answer.expect("Redis takes it")
    }

    pub(crate) async fn text(&self, name: &str, key: &str, args: &[&str]) -> String {
        match self.run(name, key, args).await {
            Value::BulkString(bytes) => String::from_utf8(bytes).expect("text"),
            Value::Nil => String::new(),
            other => panic!("expected a text, got {other:?}"),
        }
    }

    pub(crate) async fn texts(&self, name: &str, key: &str, args: &[&str]) -> Vec<String> {
        match self.run(name, key, args).await {
            Value::Array(all) | Value::Set(all) => all.into_iter().map(text_of).collect(),
            other => panic!("expected texts, got {other:?}"),
        }
    }

    pub(crate) async fn number(&self, name: &str, key: &str, args: &[&str]) -> f64 {
        match self.run(name, key, args).await {
            Value::Int(number) => number as f64,
            Value::Double(number) => number,
            Value::BulkString(bytes) => {
                let text = String::from_utf8(bytes).expect("text");
                text.parse().expect("a number")
            }
            other => panic!("expected a number, got {other:?}"),
        }
    }

    /// A job's hash, as `Job.save` writes it.
    pub(crate) async fn saves(&self, name: &str, status: &str, more: &[&str]) {
        let now = self
            .world
            .now()
            .to_jiff()
            .strftime("%Y-%m-%dT%H:%M:%S.%6fZ");
        let now = now.to_string();
        let fields = [
            "status",
            status,
            "data",
            CALL,
            "origin",
            "default",
            "created_at",
            &now,
            "enqueued_at",
            &now,
        ];
        self.run("SADD", "queues", &[&self.key("queue:default")])
            .await;
        self.run("HSET", &format!("job:{name}"), &fields).await;
        self.sets(name, more).await;
    }

    pub(crate) async fn sets(&self, name: &str, fields: &[&str]) {
        if !fields.is_empty() {
            self.run("HSET", &format!("job:{name}"), fields).await;
        }
    }

    pub(crate) fn key(&self, key: &str) -> String {
        let own = self.store().own_prefix();
        format!("{}{key}", own.strip_suffix("lullaby:").expect("inside"))
    }

    /// A job in its queue, as `Queue.enqueue` leaves it.
    async fn enqueues(&self, name: &str) {
        self.saves(name, "queued", &[]).await;
        self.run("RPUSH", "queue:default", &[name]).await;
    }

    /// An execution, as a worker of Python's begins it.
    pub(crate) async fn starts(&self, name: &str, more: &[&str]) {
        self.saves(
            name,
            "started",
            &[
                "started_at",
                "2026-11-23T12:00:00.000001Z",
                "worker_name",
                "python",
            ],
        )
        .await;
        self.sets(name, more).await;
        let deadline = self.seconds() + RQ_PATIENCE;
        self.run(
            "ZADD",
            "wip:default",
            &[&deadline.to_string(), &format!("{name}:e1")],
        )
        .await;
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.world.now().as_millis() as f64 / 1000.0
    }

    /// What maintenance returns to queues, and what it fails.
    pub(crate) async fn reaps(&self) -> (Vec<String>, Vec<String>) {
        let reaped = self.world.store.reap(true, 100).await.expect("reaped");
        let text = |ids: Vec<_>| ids.into_iter().map(String::from).collect();
        (text(reaped.returned), text(reaped.poisoned))
    }

    /// The reasons in quarantine, by id.
    async fn quarantine(&self) -> Vec<(String, String)> {
        let page = self.world.store.quarantine(Page::default()).await;
        let all = page.expect("read").into_iter();
        all.map(|one| (one.id.to_string(), one.reason)).collect()
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).expect("text"),
        other => panic!("expected a text, got {other:?}"),
    }
}

pub(crate) fn nothing() -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}

pub(crate) fn returned(name: &str) -> (Vec<String>, Vec<String>) {
    (vec![name.to_owned()], Vec::new())
}

// What ours tells ------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn python_reads_when_our_runs_began_and_how_long_they_took_whatever_the_date() {
    let python = Python::new().await;
    let world = &python.world;
    let worker = WorkerRecord {
        name: "worker".to_owned(),
        queues: Vec::new(),
        concurrency: 1,
        running: 0,
        pid: 7,
        host: "host".to_owned(),
        started_at: world.now(),
        seen_at: world.now(),
    };
    world.store.announce_worker(worker).await.expect("told");
    let odd = [
        "2027-01-01T00:00:00.000Z",
        "2027-12-31T23:59:59.250Z",
        "2028-02-29T23:59:59.999Z",
        "2100-02-28T23:59:59.001Z",
    ];
    for (number, text) in odd.iter().enumerate() {
        let began: Timestamp = text.parse().expect("a time");
        world.clock.advance(began.since(world.now()));
        let running = world.start(job(&format!("job{number}"))).await;
        world.pass(1500);
        let ending = match number % 2 {
            0 => Ending::Finished {
                result: Some("7".to_owned()),
            },
            _ => failed("no milk"),
        };
        assert_eq!(world.settle(&running, ending).await, Settled::Done);
        let results = world.store.attempts(&running.id).await.expect("read");
        let result = one(results);
        assert_eq!(result.started_at, Some(began));
        assert_eq!(result.ended_at, Some(world.now()));
    }
    let record = async |name| python.text("HGET", "worker:worker", &[name]).await;
    assert_eq!(record("total_working_time").await, "6");
    assert_eq!(record("successful_job_count").await, "2");
    assert_eq!(record("failed_job_count").await, "2");
}

// What is broken -------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn what_can_be_neither_run_nor_given_back_is_put_aside_and_the_worker_goes_on() {
    let python = Python::new().await;
    let world = &python.world;
    for broken in ["a_no_data", "b_garbage", "d.dots:and colons"] {
        python.enqueues(broken).await;
    }
    python.run("HDEL", "job:a_no_data", &["data"]).await;
    python
        .run("HSET", "job:b_garbage", &["data", "\u{80}garbage"])
        .await;
    python.run("SET", "job:c_text", &["not a hash"]).await;
    python
        .run("RPUSH", "queue:default", &["c_text", "no_hash"])
        .await;
    python.enqueues("good").await;
    let claimed = world.claim(10).await;
    assert_eq!(crate::world::ids(&claimed), ["good"]);

    let aside = python.quarantine().await;
    let ids: Vec<_> = aside.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(
        ids,
        ["a_no_data", "b_garbage", "c_text", "d.dots:and colons"]
    );
    assert!(
        aside[0]
            .1
            .starts_with("its hash has no data; found in the queue default at "),
        "{aside:?}"
    );
    assert!(aside[1].1.contains("no call"), "{aside:?}");
    assert!(aside[2].1.contains("no hash"), "{aside:?}");
    assert!(aside[3].1.contains("other characters"), "{aside:?}");
    assert_eq!(world.store.count_quarantine().await.expect("counted"), 4);
    // RQ's tools show that one among the failed jobs, with its reason.
    assert_eq!(world.status("b_garbage").await, Some(Status::Failed));
}

#[tokio::test]
async fn what_was_mended_is_restored_and_the_rest_can_be_deleted() {
    let python = Python::new().await;
    let world = &python.world;
    for broken in ["no_data", "garbage"] {
        python.enqueues(broken).await;
    }
    python.run("HDEL", "job:no_data", &["data"]).await;
    python
        .run("HSET", "job:garbage", &["data", "garbage"])
        .await;
    python.run("SET", "job:text", &["not a hash"]).await;
    python.run("RPUSH", "queue:default", &["text"]).await;
    assert!(world.claim(10).await.is_empty());

    let all = ["no_data", "garbage", "text", "never_seen"].map(id);
    let restored = world.store.restore(&all).await.expect("restored");
    assert_eq!(
        restored,
        [
            Restored::Unfit,
            Restored::Queued,
            Restored::Unfit,
            Restored::NotFound
        ]
    );
    // It is still no call.
    assert!(world.claim(10).await.is_empty());
    for mended in ["no_data", "garbage"] {
        python
            .run("HSET", &format!("job:{mended}"), &["data", CALL])
            .await;
    }
    let restored = world.store.restore(&all[..2]).await.expect("restored");
    assert_eq!(restored, [Restored::Queued, Restored::Queued]);
    assert_eq!(
        crate::world::ids(&world.claim(10).await),
        ["no_data", "garbage"]
    );
    assert_eq!(world.delete("text").await, Deleted::Deleted);
    assert_eq!(python.quarantine().await, []);
}

#[tokio::test]
async fn a_member_of_the_started_jobs_that_is_none_is_put_aside_once_it_is_overdue() {
    let python = Python::new().await;
    python.enqueues("a").await;
    // RQ's own cleanup ends at such a member.
    python
        .run("ZADD", "wip:default", &["1", "a:b:c", "1", "gone:e1"])
        .await;
    assert_eq!(python.reaps().await, nothing());
    assert_eq!(python.number("ZCARD", "wip:default", &[]).await, 0.0);
    let aside = python.quarantine().await;
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(
        aside[0].0 == "a:b:c" && aside[0].1.contains("no job and execution"),
        "{aside:?}"
    );
}

#[tokio::test]
async fn a_scheduled_id_without_a_hash_has_a_minute_to_get_one() {
    let python = Python::new().await;
    let world = &python.world;
    // RQ 2 writes the registry first, and dies.
    python
        .run("SADD", "queues", &[&python.key("queue:default")])
        .await;
    python
        .run("ZADD", "scheduled:default", &["1", "early", "1", "never"])
        .await;
    assert_eq!(world.move_due().await, 0);
    world.pass(59_999);
    assert_eq!(world.move_due().await, 0);
    assert_eq!(python.quarantine().await, []);
    python.saves("early", "scheduled", &[]).await;
    assert_eq!(world.move_due().await, 1);
    world.pass(1);
    assert_eq!(world.move_due().await, 0);
    let aside = python.quarantine().await;
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(
        aside[0].0 == "never" && aside[0].1.contains("scheduled without a hash"),
        "{aside:?}"
    );
}

#[tokio::test]
async fn a_status_of_a_newer_rq_is_shown_as_it_stands_and_left_alone() {
    let python = Python::new().await;
    let world = &python.world;
    python.enqueues("a").await;
    python.sets("a", &["status", "paused_by_rq_4"]).await;
    let job = world.job("a").await;
    assert_eq!(job.status.as_str(), "paused_by_rq_4");
    let json = serde_json::to_value(&job).expect("JSON");
    assert_eq!(json["status"], "paused_by_rq_4");
    assert!(world.claim(1).await.is_empty());
    let status = job.status;
    assert_eq!(world.cancel("a").await, Canceled::Ended { status });
    // However long it is.
    python.sets("a", &["status", &"ü".repeat(100)]).await;
    assert_eq!(world.job("a").await.status.as_str(), "ü".repeat(15));
    // What RQ 3 lets in stands so between two steps of its.
    python.sets("a", &["status", "ready_to_enqueue"]).await;
    python.run("ZADD", "ready:default", &["1", "a"]).await;
    assert_eq!(world.list_status(Status::ReadyToEnqueue).await, ["a"]);
}

// What Python's workers lose on the way ----------------------------------------------------------------------------------------

#[tokio::test]
async fn an_id_stranded_in_the_intermediate_list_returns_to_the_front_after_45_s() {
    let python = Python::new().await;
    let world = &python.world;
    python.enqueues("stranded").await;
    python
        .run(
            "LMOVE",
            "queue:default",
            &[&python.key("queue:default:intermediate"), "LEFT", "RIGHT"],
        )
        .await;
    python.enqueues("next").await;
    assert_eq!(python.reaps().await, nothing());
    world.pass(44_999);
    assert_eq!(python.reaps().await, nothing());
    world.pass(1);
    assert_eq!(python.reaps().await, returned("stranded"));
    assert_eq!(world.line().await, ["stranded", "next"]);
    assert_eq!(
        python
            .number("LLEN", "queue:default:intermediate", &[])
            .await,
        0.0
    );
    assert_eq!(python.reaps().await, nothing());
}

#[tokio::test]
async fn an_id_that_a_slow_worker_holds_is_left_to_it() {
    let python = Python::new().await;
    let world = &python.world;
    python.enqueues("slow").await;
    python
        .run(
            "LMOVE",
            "queue:default",
            &[&python.key("queue:default:intermediate"), "LEFT", "RIGHT"],
        )
        .await;
    assert_eq!(python.reaps().await, nothing());
    // It has begun, and forks slowly: its execution is there, its job not yet started.
    let deadline = (python.seconds() + RQ_PATIENCE).to_string();
    python
        .run("ZADD", "wip:default", &[&deadline, "slow:e1"])
        .await;
    world.pass(45_000);
    assert_eq!(python.reaps().await, nothing());
    python.starts("slow", &[]).await;
    python
        .run("LREM", "queue:default:intermediate", &["1", "slow"])
        .await;
    assert_eq!(python.reaps().await, nothing());
    assert_eq!(world.line().await, [""; 0]);
}

#[tokio::test]
async fn an_id_that_a_worker_of_several_queues_lost_is_found_by_its_status() {
    let python = Python::new().await;
    let world = &python.world;
    python.enqueues("lost").await;
    // BLPOP, and then a power cut.
    python.run("LPOP", "queue:default", &[]).await;
    world.pass(1);
    for number in 0..5 {
        python.enqueues(&format!("waits{number}")).await;
    }
    assert_eq!(python.reaps().await, nothing());
    world.pass(44_999);
    assert_eq!(python.reaps().await, nothing());
    world.pass(1);
    assert_eq!(python.reaps().await, returned("lost"));
    assert_eq!(
        world.line().await,
        ["lost", "waits0", "waits1", "waits2", "waits3", "waits4"]
    );
    assert_eq!(python.reaps().await, nothing());
}

#[tokio::test]
async fn an_id_lost_among_thousands_of_jobs_is_found_by_a_walk_that_goes_on_where_it_stopped() {
    let python = Python::new().await;
    let world = &python.world;
    python.enqueues("lost").await;
    python.run("LPOP", "queue:default", &[]).await;
    world.pass(1);
    let crowd = (0..4000).map(|number| job(&format!("waits{number}")));
    world.enqueue(crowd).await;
    // A round goes on for as long as it may, which on this machine may be one step.
    let mut rounds = 0;
    while python.number("HLEN", "lullaby:stranded", &[]).await == 0.0 {
        assert_eq!(python.reaps().await, nothing());
        rounds += 1;
        assert!(rounds < 1000, "the walk never comes by");
    }
    world.pass(45_000);
    let mut found = nothing();
    while found == nothing() {
        found = python.reaps().await;
        rounds += 1;
        assert!(rounds < 2000, "the walk never comes by again");
    }
    assert_eq!(found, returned("lost"));
}

// Two deadlines ----------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn rqs_deadline_of_a_running_job_is_always_90_s_ahead_and_ours_alone_counts() {
    let python = Python::new().await;
    let world = &python.world;
    let started = world.start(job("a")).await;
    let member = format!("a:{:032x}", started.token.expect("a token").0);
    for _ in 0..5 {
        world.pass(5000);
        let renewed = world.store.renew(vec![execution(&started)], LEASE).await;
        assert_eq!(renewed.expect("renewed"), [Renewed::Renewed]);
        let deadline = python.number("ZSCORE", "wip:default", &[&member]).await;
        assert!(deadline >= python.seconds() + RQ_PATIENCE, "{deadline}");
    }
    world.pass(14_999);
    assert_eq!(python.reaps().await, nothing());
    world.pass(1);
    assert_eq!(python.reaps().await, returned("a"));
    assert_eq!(python.number("ZCARD", "wip:default", &[]).await, 0.0);
}

#[tokio::test]
async fn an_execution_of_pythons_is_left_alone_until_rqs_deadline_and_then_fails() {
    let python = Python::new().await;
    let world = &python.world;
    python.starts("a", &[]).await;
    world.pass(89_999);
    assert_eq!(python.reaps().await, nothing());
    world.pass(1);
    assert_eq!(python.reaps().await, (Vec::new(), vec!["a".to_owned()]));
    assert_eq!(world.status("a").await, Some(Status::Failed));
}

#[tokio::test]
async fn an_abandoned_execution_of_pythons_is_retried_after_rqs_pause() {
    let python = Python::new().await;
    let world = &python.world;
    python
        .starts("a", &["retries_left", "1", "retry_intervals", "[5, 60]"])
        .await;
    world.pass(90_000);
    assert_eq!(python.reaps().await, returned("a"));
    assert_eq!(world.job("a").await.due_at, Some(world.later(60_000)));
    assert_eq!(python.text("HGET", "job:a", &["retries_left"]).await, "0");
    // What has ended meanwhile is only taken off the list.
    python
        .starts("b", &["status", "finished", "retries_left", "1"])
        .await;
    world.pass(90_000);
    world.move_due().await;
    assert_eq!(python.reaps().await, nothing());
    assert_eq!(world.status("b").await, Some(Status::Finished));
}

// Settling among Pythons -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn nobody_settles_what_python_started_anew_took_off_or_deleted() {
    let python = Python::new().await;
    let world = &python.world;
    let mut running = Vec::new();
    for name in ["anew", "taken_off", "deleted", "requeued"] {
        running.push(world.start(job(name)).await);
    }
    python
        .run(
            "HSET",
            "job:anew",
            &["started_at", "2026-11-23T12:00:00.000001Z"],
        )
        .await;
    let member = format!("taken_off:{:032x}", running[1].token.expect("a token").0);
    python.run("ZREM", "wip:default", &[&member]).await;
    python.run("DEL", "job:deleted", &[]).await;
    // Python's process may still write a field to what it deleted.
    python
        .run(
            "HSET",
            "job:deleted",
            &["last_heartbeat", "2026-11-23T12:00:00.000001Z"],
        )
        .await;
    python
        .run("HSET", "job:requeued", &["status", "queued"])
        .await;
    for one in &running {
        assert_eq!(
            world.settle(one, finished()).await,
            Settled::TakenOver,
            "{}",
            one.id
        );
    }
    assert_eq!(python.number("ZCARD", "finished:default", &[]).await, 0.0);
    let executions = vec![
        execution(&running[0]),
        execution(&running[2]),
        execution(&running[3]),
    ];
    let renewed = world.store.renew(executions, LEASE).await;
    assert_eq!(renewed.expect("answered"), [Renewed::TakenOver; 3]);
    // Nor does the reaper give anybody what is not ours any more.
    world.pass(15_000);
    let (back, failed) = python.reaps().await;
    assert_eq!(
        (back.as_slice(), failed.len()),
        (["taken_off".to_owned()].as_slice(), 0)
    );
}

#[tokio::test]
async fn an_execution_of_ours_that_somebody_took_off_is_lost_a_lease_after_it_is_found() {
    let python = Python::new().await;
    let world = &python.world;
    world.start(job("a")).await;
    // The registry, which is where its lease stands, too; and its worker has died.
    python.run("DEL", "wip:default", &[]).await;
    world.pass(15_000);
    assert_eq!(python.reaps().await, nothing());
    world.pass(14_999);
    assert_eq!(python.reaps().await, nothing());
    world.pass(1);
    assert_eq!(python.reaps().await, returned("a"));
}

#[tokio::test]
async fn a_queue_that_somebody_took_off_the_list_still_gets_its_running_jobs_back() {
    let python = Python::new().await;
    let world = &python.world;
    world.start(job("a")).await;
    // `Queue.delete()`
    let queue = python.key("queue:default");
    python.run("SREM", "queues", &[&queue]).await;
    world.pass(15_000);
    assert_eq!(python.reaps().await, returned("a"));
}

#[tokio::test]
async fn executions_of_pythons_stand_before_and_behind_ours_and_each_is_lost_by_its_own_deadline() {
    let python = Python::new().await;
    let world = &python.world;
    python.starts("sooner", &["retries_left", "1"]).await;
    world.start(job("ours")).await;
    let lease = world.job("ours").await.lease_until;
    world.pass(14_999);
    let looked = world.store.reap(true, 9).await.expect("looked");
    assert_eq!((looked.returned, looked.next_expiry), (vec![], lease));
    world.pass(1);
    python.starts("later", &["retries_left", "1"]).await;
    assert_eq!(python.reaps().await, returned("ours"));
    world.pass(74_999);
    assert_eq!(python.reaps().await, nothing());
    world.pass(1);
    assert_eq!(python.reaps().await, returned("sooner"));
    world.pass(15_000);
    assert_eq!(python.reaps().await, returned("later"));
}

#[tokio::test]
async fn a_stale_worker_of_pythons_writes_over_a_newer_run_and_breaks_nothing_else() {
    let python = Python::new().await;
    let world = &python.world;
    // It stalls for longer than RQ's deadline; its job is retried, and runs here.
    python.starts("a", &["retries_left", "1"]).await;
    world.pass(90_000);
    assert_eq!(python.reaps().await, returned("a"));
    let newer = one(world.claim(1).await);
    // It comes back and ends what it believes to be its own: no step of RQ's looks at who owns a job.
    let fields = [
        "status",
        "finished",
        "started_at",
        "2026-11-23T12:00:00.000001Z",
        "worker_name",
        "python",
    ];
    python.run("HSET", "job:a", &fields).await;
    let score = (python.seconds() + 500.0).to_string();
    python.run("ZADD", "finished:default", &[&score, "a"]).await;
    python.run("ZREM", "wip:default", &["a:e1"]).await;
    // The newer run is told, and its lease gives nobody a finished job.
    let renewed = world.store.renew(vec![execution(&newer)], LEASE).await;
    assert_eq!(renewed.expect("answered"), [Renewed::TakenOver]);
    assert_eq!(world.settle(&newer, finished()).await, Settled::TakenOver);
    world.pass(200_000);
    assert_eq!(python.reaps().await, nothing());
    assert_eq!(world.status("a").await, Some(Status::Finished));
    assert_eq!(world.list_status(Status::Finished).await, ["a"]);
    assert_eq!(world.list_status(Status::Started).await, [""; 0]);
}

#[tokio::test]
async fn a_run_whose_call_python_changes_meanwhile_ends_as_it_began() {
    let python = Python::new().await;
    let world = &python.world;
    python.enqueues("a").await;
    let started = one(world.claim(1).await);
    // `job.args = …; job.save()`, by a program that keeps pickles. The result is written as the call was that ran.
    python.run("HSET", "job:a", &["data", "garbage"]).await;
    let result = Some("3".to_owned());
    let settled = world.settle(&started, Ending::Finished { result }).await;
    assert_eq!(settled, Settled::Done);
    assert_eq!(world.job("a").await.result.as_deref(), Some("3"));
}

#[tokio::test]
async fn the_result_of_a_job_that_python_deleted_does_not_speak_for_a_new_one_of_its_id() {
    let python = Python::new().await;
    let world = &python.world;
    // `Job.delete` leaves the stream: 7, as JSON in base64.
    let old = ["*", "type", "1", "return_value", "Nw=="];
    python.run("XADD", "results:a", &old).await;
    let started = world.start(job("a")).await;
    assert_eq!(world.settle(&started, finished()).await, Settled::Done);
    assert_eq!(world.job("a").await.result, None);
    world.delete("a").await;
    python.run("XADD", "results:b", &old).await;
    let started = world.start(job("b").result_ttl(Duration::ZERO)).await;
    assert_eq!(world.settle(&started, finished()).await, Settled::Done);
    assert_eq!(python.number("EXISTS", "results:b", &[]).await, 0.0);
}

#[tokio::test]
async fn what_python_deletes_and_makes_anew_while_it_runs_is_another_job() {
    let python = Python::new().await;
    let world = &python.world;
    let old = world.start(job("a")).await;
    // `job.delete()`, and the same id enqueued again.
    python.run("DEL", "job:a", &[]).await;
    let member = format!("a:{:032x}", old.token.expect("a token").0);
    python.run("ZREM", "wip:default", &[&member]).await;
    python.enqueues("a").await;
    world.pass(10_000);
    let new = one(world.claim(1).await);
    assert_eq!(world.settle(&old, finished()).await, Settled::TakenOver);
    assert_eq!(world.status("a").await, Some(Status::Started));
    // The lease of the old one is over, that of the new one is not.
    world.pass(5_000);
    assert_eq!(python.reaps().await, nothing());
    assert_eq!(world.settle(&new, finished()).await, Settled::Done);
    assert_eq!(python.number("ZCARD", "wip:default", &[]).await, 0.0);
    world.pass(15_000);
    assert_eq!(python.reaps().await, nothing());
    assert_eq!(world.status("a").await, Some(Status::Finished));
}

#[tokio::test]
async fn a_run_whose_data_python_deletes_meanwhile_ends_as_it_began_and_only_its_next_run_lacks_it()
{
    let python = Python::new().await;
    let world = &python.world;
    python.enqueues("a").await;
    python.enqueues("b").await;
    let claimed = world.claim(2).await;
    for name in ["a", "b"] {
        python.run("HDEL", &format!("job:{name}"), &["data"]).await;
    }
    assert_eq!(world.settle(&claimed[0], finished()).await, Settled::Done);
    assert_eq!(world.status("a").await, Some(Status::Finished));
    let settled = world.settle(&claimed[1], Ending::HandedBack).await;
    assert_eq!(settled, Settled::Done);
    assert!(world.claim(1).await.is_empty());
    assert_eq!(python.quarantine().await.len(), 1);
}

#[tokio::test]
async fn what_python_finished_is_not_dropped_by_a_time_to_live_of_ours() {
    let python = Python::new().await;
    let world = &python.world;
    world.enqueue([job("a").ttl(Duration::from_secs(60))]).await;
    // A worker of Python's, in 10 s.
    python.run("LPOP", "queue:default", &[]).await;
    world.pass(10_000);
    python
        .run(
            "HSET",
            "job:a",
            &[
                "status",
                "finished",
                "ended_at",
                "2026-11-23T12:00:10.000001Z",
            ],
        )
        .await;
    let score = (python.seconds() + 500.0).to_string();
    python.run("ZADD", "finished:default", &[&score, "a"]).await;
    world.pass(60_000);
    assert_eq!(world.store.sweep(10).await.expect("swept").jobs, 0);
    assert_eq!(world.status("a").await, Some(Status::Finished));
}

#[tokio::test]
async fn failures_of_pythons_count_and_their_reason_is_the_last_one() {
    let python = Python::new().await;
    let world = &python.world;
    let retry = lullaby::Retry::times(3);
    world
        .enqueue([job("a").options(|options| options.retry = Some(retry))])
        .await;
    let started = one(world.claim(1).await);
    let error = "ours".to_owned();
    let at = world.now();
    assert_eq!(
        world.settle(&started, Ending::Retry { error, at }).await,
        Settled::Done
    );
    let job = world.job("a").await;
    assert_eq!((job.failures, job.error.as_deref()), (1, Some("ours")));
    // A worker of Python's takes it, fails, and puts it back.
    python.run("LPOP", "queue:default", &[]).await;
    let fields = [
        "started_at",
        "2026-11-23T12:00:00.000001Z",
        "retries_left",
        "1",
    ];
    python.run("HSET", "job:a", &fields).await;
    let job = world.job("a").await;
    assert_eq!((job.failures, job.error.as_deref()), (2, None));
}

// Schedulers -----------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn what_is_due_is_left_to_a_scheduler_of_pythons_while_it_holds_rqs_lock() {
    let python = Python::new().await;
    let world = &python.world;
    python.saves("theirs", "scheduled", &[]).await;
    python
        .run("ZADD", "scheduled:default", &["1", "theirs"])
        .await;
    world.enqueue([job("ours").at(world.later(1))]).await;
    python
        .run("SET", "scheduler-lock:default", &["vm.4711"])
        .await;
    world.pass(1);
    let moved = world.store.move_due(10).await.expect("moved");
    assert_eq!(moved.moved, 0);
    // It looks again in a second, in case that one has died.
    assert_eq!(moved.next_due, Some(world.later(1000)));
    python.run("DEL", "scheduler-lock:default", &[]).await;
    assert_eq!(world.move_due().await, 2);
    let holder = python.text("GET", "scheduler-lock:default", &[]).await;
    assert!(holder.starts_with("lullaby"), "{holder}");
}

#[tokio::test]
async fn what_is_scheduled_for_a_queue_that_python_deleted_moves_all_the_same() {
    let python = Python::new().await;
    let world = &python.world;
    world.enqueue([job("a").at(world.later(1))]).await;
    python
        .run("SREM", "queues", &[&python.key("queue:default")])
        .await;
    world.pass(1);
    assert_eq!(world.move_due().await, 1);
    assert_eq!(world.line().await, ["a"]);
}

#[tokio::test]
async fn pythons_jobs_and_ours_of_one_instant_move_together() {
    let python = Python::new().await;
    let world = &python.world;
    world.pass(1000 - world.now().as_millis().unsigned_abs() % 1000);
    let due = world.later(1000);
    world.enqueue([job("b").at(due), job("a").at(due)]).await;
    python.saves("theirs", "scheduled", &[]).await;
    let seconds = (due.as_millis() / 1000).to_string();
    python
        .run("ZADD", "scheduled:default", &[&seconds, "theirs"])
        .await;
    world.pass(1000);
    assert_eq!(world.move_due().await, 3);
    assert_eq!(world.line().await, ["theirs", "b", "a"]);
}

#[tokio::test]
async fn a_scheduled_job_of_pythons_is_listed_among_ours_by_its_time() {
    let python = Python::new().await;
    let world = &python.world;
    world.pass(1000 - world.now().as_millis().unsigned_abs() % 1000);
    let (sooner, due, later) = (world.later(999), world.later(1000), world.later(1001));
    world
        .enqueue([job("late").at(later), job("soon").at(sooner)])
        .await;
    python.saves("theirs", "scheduled", &[]).await;
    let seconds = (due.as_millis() / 1000).to_string();
    python
        .run("ZADD", "scheduled:default", &[&seconds, "theirs"])
        .await;
    assert_eq!(
        world.list_status(Status::Scheduled).await,
        ["soon", "theirs", "late"]
    );
    assert_eq!(world.job("theirs").await.due_at, Some(due));
    let until = JobFilter {
        due_until: Some(due),
        ..JobFilter::default()
    };
    assert_eq!(world.list(until.clone()).await, ["soon", "theirs"]);
    assert_eq!(world.store.count_jobs(&until).await.expect("counted"), 2);
}

// Waiting --------------------------------------------------------------------------------------------------------------------

async fn heard(signal: &mut lullaby::store::Signal) {
    let clock = SystemClock::default();
    let patience = clock.now() + Duration::from_secs(20);
    let raised = until(&clock, patience, signal.raised()).await;
    assert!(raised.is_some(), "nobody told");
}

#[tokio::test]
async fn waiting_hears_of_pythons_jobs_and_takes_nothing_out_of_a_queue() {
    let python = Python::new().await;
    let world = &python.world;
    let mut queued = world.store.signals().listen(Topic::Queued);
    python.run("SET", "suspended", &["1"]).await;
    queued.reset();
    python.enqueues("a").await;
    heard(&mut queued).await;
    assert!(world.claim(1).await.is_empty());
    assert_eq!(python.number("LLEN", "queue:default", &[]).await, 1.0);
    queued.reset();
    // Workers may go on: `rq resume`.
    python.run("DEL", "suspended", &[]).await;
    heard(&mut queued).await;
    assert_eq!(python.number("LLEN", "queue:default", &[]).await, 1.0);
    assert_eq!(world.claim(1).await.len(), 1);
}

#[tokio::test]
async fn a_job_pushed_into_another_queue_than_its_own_settles_where_it_was_found() {
    let python = Python::new().await;
    let world = &python.world;
    python.saves("moved", "queued", &[]).await;
    python.run("RPUSH", "queue:urgent", &["moved"]).await;
    let job = one(world.claim_from(&["urgent"], 1).await);
    assert_eq!(world.settle(&job, finished()).await, Settled::Done);
    assert_eq!(python.number("ZCARD", "wip:urgent", &[]).await, 0.0);
    assert_eq!(python.number("ZCARD", "finished:urgent", &[]).await, 1.0);
}
