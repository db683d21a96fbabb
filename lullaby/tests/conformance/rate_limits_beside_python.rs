//! RQ 3's rate limits on jobs that Python made: whatever puts such a job into a queue asks the limiter, whatever takes one out frees its
//! slot, and Python's programs read and write the same limiter.

use std::time::Duration;

use lullaby::job::{Job, Status};
use lullaby::store::{Ending, JobFilter, Renewed, Requeued, Settled};

use crate::beside_python::{Python, nothing, returned};
use crate::kills::Random;
use crate::soak;
use crate::specs::{With, job};
use crate::world::{LEASE, execution, failed, finished, id, one, queue};

/// The limiter that these jobs share, and what it holds.
struct Limiter {
    python: Python,
    concurrency: usize,
}

impl Limiter {
    async fn new(concurrency: usize) -> Self {
        let python = Python::new().await;
        Self {
            python,
            concurrency,
        }
    }

    /// A job with a limit that is nowhere yet.
    async fn saves(&self, name: &str, status: &str, more: &[&str]) {
        let concurrency = self.concurrency.to_string();
        let limit = [
            "rate_limit_key",
            "api",
            "rate_limit_concurrency",
            &concurrency,
        ];
        self.python.saves(name, status, &limit).await;
        self.python.sets(name, more).await;
    }

    /// As `Queue.enqueue(…, rate_limit=…)` does it, in two steps: registered and waiting, then let in if a slot is free.
    async fn enqueues(&self, name: &str, more: &[&str]) {
        self.registers(name, more).await;
        if self.allowed().await.len() < self.concurrency {
            self.lets_in(name).await;
        }
    }

    /// The first of the two steps.
    async fn registers(&self, name: &str, more: &[&str]) {
        self.saves(name, "rate_limited", more).await;
        let python = &self.python;
        python.run("SADD", "rl-keys", &["api"]).await;
        let concurrency = self.concurrency.to_string();
        python
            .run("HSET", "rl:api", &["concurrency", &concurrency])
            .await;
        let now = python.seconds().to_string();
        python
            .run("ZADD", "rl:api:rate_limited", &[&now, name])
            .await;
    }

    /// The second.
    async fn lets_in(&self, name: &str) {
        let python = &self.python;
        python.run("ZREM", "rl:api:rate_limited", &[name]).await;
        let now = python.seconds().to_string();
        python.run("ZADD", "rl:api:allowed", &[&now, name]).await;
        python.run("RPUSH", "queue:default", &[name]).await;
        python.sets(name, &["status", "queued"]).await;
    }

    /// Due at once: as `Queue.enqueue_in` leaves it.
    async fn schedules(&self, name: &str) {
        self.saves(name, "scheduled", &[]).await;
        let now = self.python.seconds().to_string();
        self.python
            .run("ZADD", "scheduled:default", &[&now, name])
            .await;
    }

    async fn allowed(&self) -> Vec<String> {
        self.members("rl:api:allowed").await
    }

    async fn waiting(&self) -> Vec<String> {
        self.members("rl:api:rate_limited").await
    }

    async fn members(&self, key: &str) -> Vec<String> {
        self.python.texts("ZRANGE", key, &["0", "-1"]).await
    }

    async fn line(&self) -> Vec<String> {
        self.python
            .texts("LRANGE", "queue:default", &["0", "-1"])
            .await
    }

    async fn status(&self, name: &str) -> String {
        self.python
            .text("HGET", &format!("job:{name}"), &["status"])
            .await
    }

    async fn claim(&self) -> Job {
        one(self.python.world.claim(1).await)
    }

    async fn settle(&self, job: &Job, ending: Ending) -> Settled {
        self.python.world.settle(job, ending).await
    }

    async fn renews(&self, job: &Job) -> Renewed {
        let store = &self.python.world.store;
        one(store
            .renew(vec![execution(job)], LEASE)
            .await
            .expect("answered"))
    }

    /// Whether Python would leave a slot to this job, whatever its hash says.
    async fn looks_alive(&self, name: &str) -> bool {
        let now = format!("({}", self.python.seconds());
        let key = format!("executions:{name}");
        self.python.number("ZCOUNT", &key, &[&now, "+inf"]).await > 0.0
    }

    /// `job.cancel()`, or with no status `job.delete()`, by Python on a job that runs here: it frees the slot if nobody seems to run it.
    async fn takes_away(&self, job: &Job, status: Option<&str>) {
        let (python, name) = (&self.python, job.id.as_str());
        match status {
            Some(status) => python.sets(name, &["status", status]).await,
            None => drop(python.run("DEL", &format!("job:{name}"), &[]).await),
        }
        let member = format!("{name}:{:032x}", job.token.expect("a token").0);
        python.run("ZREM", "wip:default", &[&member]).await;
        if !self.looks_alive(name).await {
            python.run("ZREM", "rl:api:allowed", &[name]).await;
        }
    }
}

// Into a queue ---------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn what_is_due_enters_its_queue_as_far_as_slots_are_free_and_waits_in_order() {
    let limit = Limiter::new(2).await;
    let world = &limit.python.world;
    for name in ["d", "c", "b", "a"] {
        limit.schedules(name).await;
        world.pass(1);
    }
    assert_eq!(world.move_due().await, 4);
    assert_eq!(limit.line().await, ["d", "c"]);
    assert_eq!(limit.allowed().await, ["c", "d"]);
    assert_eq!(limit.waiting().await, ["b", "a"]);
    assert_eq!(limit.status("d").await, "queued");
    assert_eq!(limit.status("a").await, "rate_limited");
    // What a program of Python's needs to go on.
    let python = &limit.python;
    assert_eq!(
        python.texts("SMEMBERS", "rl-keys", &[]).await,
        ["api".to_owned()]
    );
    assert_eq!(python.text("HGET", "rl:api", &["concurrency"]).await, "2");
}

#[tokio::test]
async fn dependents_are_let_in_by_the_limiter() {
    let limit = Limiter::new(1).await;
    let world = &limit.python.world;
    let parent = world.start(job("parent")).await;
    for name in ["one", "two"] {
        limit.saves(name, "deferred", &[]).await;
        let python = &limit.python;
        python.run("ZADD", "deferred:default", &["1", name]).await;
        python.run("SADD", "job:parent:dependents", &[name]).await;
        python
            .run("SADD", &format!("job::{name}:dependencies"), &["parent"])
            .await;
    }
    assert_eq!(limit.settle(&parent, finished()).await, Settled::Done);
    assert_eq!(limit.line().await, ["one"]);
    assert_eq!(limit.waiting().await, ["two"]);
}

#[tokio::test]
async fn a_requeued_job_waits_for_a_slot_and_keeps_its_place_at_the_front() {
    let limit = Limiter::new(1).await;
    let world = &limit.python.world;
    limit.enqueues("a", &[]).await;
    limit.enqueues("b", &[]).await;
    let a = limit.claim().await;
    assert_eq!(limit.settle(&a, failed("no milk")).await, Settled::Done);
    let b = limit.claim().await;
    let requeued = world.store.requeue(&[id("a")], true).await;
    assert_eq!(requeued.expect("requeued"), [Requeued::Queued]);
    assert_eq!(limit.status("a").await, "rate_limited");
    assert_eq!(limit.line().await, [""; 0]);
    world.enqueue([job("no_limit")]).await;
    assert_eq!(limit.settle(&b, finished()).await, Settled::Done);
    assert_eq!(limit.line().await, ["a", "no_limit"]);
}

#[tokio::test]
async fn who_has_a_key_but_no_number_has_no_limit() {
    let limit = Limiter::new(0).await;
    limit.schedules("a").await;
    assert_eq!(limit.python.world.move_due().await, 1);
    assert_eq!(limit.line().await, ["a"]);
    assert_eq!(limit.python.number("EXISTS", "rl-keys", &[]).await, 0.0);
}

#[tokio::test]
async fn what_waits_for_a_slot_is_listed_and_counted_as_what_it_is() {
    let limit = Limiter::new(1).await;
    let world = &limit.python.world;
    for name in ["a", "b", "c"] {
        limit.enqueues(name, &[]).await;
        world.pass(1);
    }
    let waits = Status::RateLimited;
    assert_eq!(world.status("b").await, Some(waits));
    assert_eq!(world.list_status(waits).await, ["b", "c"]);
    assert_eq!(world.list_status(Status::Queued).await, ["a"]);
    let queues = world.store.queues().await.expect("read");
    assert_eq!(one(queues).counts[&waits], 2);
    let on = |name| JobFilter {
        queue: Some(queue(name)),
        status: Some(waits),
        ..JobFilter::default()
    };
    let count = async |name| world.store.count_jobs(&on(name)).await.expect("counted");
    assert_eq!((count("default").await, count("other").await), (2, 0));
}

// Out of it ------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn each_ending_frees_the_slot_and_lets_one_in() {
    let later = || Duration::from_secs(60);
    let limit = Limiter::new(1).await;
    let world = &limit.python.world;
    let retry = |at| Ending::Retry {
        error: "no milk".to_owned(),
        at,
    };
    let endings: [(&[&str], Ending); 8] = [
        (&[], finished()),
        (&["result_ttl", "0"], finished()),
        (
            &["repeats_left", "1", "repeat_intervals", "[60]"],
            finished(),
        ),
        (&["success_callback_name", "demo.note"], finished()),
        (&[], failed("no milk")),
        (&["failure_ttl", "0"], failed("no milk")),
        (&[], retry(world.now() + later())),
        (&[], Ending::Stopped),
    ];
    let count = endings.len();
    for (number, (more, _)) in endings.iter().enumerate() {
        limit.enqueues(&format!("job{number}"), more).await;
        world.pass(1);
    }
    for (number, (_, ending)) in endings.into_iter().enumerate() {
        let name = format!("job{number}");
        assert_eq!(limit.allowed().await, [&*name]);
        let running = one(world.claim_from(&["default"], 9).await);
        assert_eq!(running.id.as_str(), name);
        assert_eq!(limit.settle(&running, ending).await, Settled::Done);
        // A second word of the same execution frees nothing more.
        assert_eq!(limit.settle(&running, finished()).await, Settled::TakenOver);
        assert_eq!(
            limit.waiting().await.len(),
            (count - 1).saturating_sub(number + 1)
        );
        // The callback's call, which has no limit.
        limit
            .python
            .run("LREM", "queue:default", &["1", &callback_of(&running)])
            .await;
    }
    assert_eq!(limit.allowed().await, [""; 0]);
}

fn callback_of(job: &Job) -> String {
    format!("{}-on-finished-{}", job.id, job.token.expect("a token"))
}

#[tokio::test]
async fn who_goes_back_to_the_queue_keeps_the_slot() {
    let limit = Limiter::new(1).await;
    let world = &limit.python.world;
    limit.enqueues("a", &["repeats_left", "1"]).await;
    limit.enqueues("b", &[]).await;
    let error = "no milk".to_owned();
    let at = world.now();
    let again = [
        Ending::HandedBack,
        Ending::Retry { error, at },
        Ending::Snoozed { at },
        // Its repeat, without a pause.
        finished(),
    ];
    for ending in again {
        let running = limit.claim().await;
        assert_eq!(running.id.as_str(), "a");
        assert_eq!(limit.settle(&running, ending).await, Settled::Done);
        assert_eq!(limit.line().await, ["a"]);
        assert_eq!(limit.allowed().await, ["a"]);
        assert_eq!(limit.waiting().await, ["b"]);
    }
    let running = limit.claim().await;
    assert_eq!(limit.settle(&running, finished()).await, Settled::Done);
    assert_eq!(limit.line().await, ["b"]);
}

#[tokio::test]
async fn a_killed_worker_takes_no_slot_along() {
    let limit = Limiter::new(1).await;
    let world = &limit.python.world;
    limit.enqueues("a", &[]).await;
    limit.enqueues("b", &[]).await;
    for _ in 0..2 {
        limit.claim().await;
        world.pass(15_000);
        assert_eq!(python_reaps(&limit).await, returned("a"));
        assert_eq!(limit.line().await, ["a"]);
        assert_eq!(limit.allowed().await, ["a"]);
    }
    limit.claim().await;
    world.pass(15_000);
    assert_eq!(
        python_reaps(&limit).await,
        (Vec::new(), vec!["a".to_owned()])
    );
    // Poison: it failed, and the next one has its slot.
    assert_eq!(limit.line().await, ["b"]);
    assert_eq!(limit.allowed().await, ["b"]);
}

async fn python_reaps(limit: &Limiter) -> (Vec<String>, Vec<String>) {
    limit.python.reaps().await
}

#[tokio::test]
async fn what_a_killed_worker_of_pythons_had_begun_frees_its_slot_when_rqs_deadline_is_over() {
    let limit = Limiter::new(1).await;
    let python = &limit.python;
    limit.enqueues("a", &[]).await;
    limit.enqueues("b", &[]).await;
    python.run("LPOP", "queue:default", &[]).await;
    python
        .starts(
            "a",
            &["rate_limit_key", "api", "rate_limit_concurrency", "1"],
        )
        .await;
    let deadline = (python.seconds() + 100.0).to_string();
    python.run("ZADD", "executions:a", &[&deadline, "e1"]).await;
    python.world.pass(89_999);
    assert_eq!(python.reaps().await, nothing());
    python.world.pass(1);
    assert_eq!(python.reaps().await, (Vec::new(), vec!["a".to_owned()]));
    assert_eq!(limit.line().await, ["b"]);
}

#[tokio::test]
async fn canceled_deleted_and_expired_jobs_make_room() {
    let limit = Limiter::new(1).await;
    let world = &limit.python.world;
    for name in ["a", "b", "c", "d", "e", "f"] {
        limit.enqueues(name, &[]).await;
        world.pass(1);
    }
    // One that waits for a slot has none to give.
    world.cancel("b").await;
    world.delete("c").await;
    assert_eq!(limit.waiting().await, ["d", "e", "f"]);
    assert_eq!(limit.status("b").await, "canceled");
    world.cancel("a").await;
    assert_eq!(limit.line().await, ["d"]);
    world.delete("d").await;
    assert_eq!(limit.line().await, ["e"]);
    // Its time to live is over: Redis dropped the hash, and told nobody.
    limit.python.run("DEL", "job:e", &[]).await;
    assert!(world.claim(1).await.is_empty());
    world.store.sweep(10).await.expect("swept");
    assert_eq!(limit.line().await, ["f"]);
    let running = limit.claim().await;
    assert_eq!(limit.settle(&running, finished()).await, Settled::Done);
    // Nothing is left of a limiter that nobody uses.
    world.store.sweep(10).await.expect("swept");
    for key in ["rl-keys", "rl:api", "rl:api:allowed", "rl:api:rate_limited"] {
        assert_eq!(limit.python.number("EXISTS", key, &[]).await, 0.0, "{key}");
    }
}

#[tokio::test]
async fn what_waits_for_a_slot_longer_than_its_time_to_live_is_dropped() {
    let limit = Limiter::new(1).await;
    let world = &limit.python.world;
    limit.enqueues("a", &[]).await;
    limit.saves("b", "scheduled", &["ttl", "60"]).await;
    let now = limit.python.seconds().to_string();
    let due = [now.as_str(), "b"];
    limit.python.run("ZADD", "scheduled:default", &due).await;
    assert_eq!(world.move_due().await, 1);
    assert_eq!(limit.waiting().await, ["b"]);
    world.pass(60_000);
    assert_eq!(world.store.sweep(10).await.expect("swept").jobs, 1);
    assert_eq!(limit.waiting().await, [""; 0]);
    assert!(world.find("b").await.is_none());
}

#[tokio::test]
async fn what_cannot_be_read_makes_room() {
    let limit = Limiter::new(1).await;
    limit.enqueues("a", &[]).await;
    limit.enqueues("b", &[]).await;
    limit.python.run("HDEL", "job:a", &["data"]).await;
    assert_eq!(limit.claim().await.id.as_str(), "b");
}

#[tokio::test]
async fn a_replaced_job_gives_its_slot_away() {
    let limit = Limiter::new(1).await;
    let world = &limit.python.world;
    limit.enqueues("a", &[]).await;
    limit.enqueues("b", &[]).await;
    limit.enqueues("c", &[]).await;
    world
        .enqueue([job("a").replacing(), job("b").replacing()])
        .await;
    // Ours have no limit.
    assert_eq!(limit.line().await, ["a", "c", "b"]);
    assert_eq!(limit.allowed().await, ["c"]);
}

// Among Pythons --------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn what_python_cancels_while_it_runs_here_holds_its_slot_until_its_worker_knows() {
    for status in [Some("canceled"), None] {
        let limit = Limiter::new(1).await;
        limit.enqueues("a", &[]).await;
        limit.enqueues("b", &[]).await;
        // In its first seconds, before any renewal.
        let running = limit.claim().await;
        limit.takes_away(&running, status).await;
        assert_eq!(limit.allowed().await, ["a"]);
        let world = &limit.python.world;
        world.store.sweep(10).await.expect("swept");
        assert_eq!(limit.line().await, [""; 0]);
        assert_eq!(limit.renews(&running).await, Renewed::TakenOver);
        assert_eq!(limit.line().await, ["b"]);
        // Exactly once: the next ones wait for b.
        limit.enqueues("c", &[]).await;
        assert_eq!(limit.settle(&running, finished()).await, Settled::TakenOver);
        assert_eq!(limit.renews(&running).await, Renewed::TakenOver);
        assert_eq!(limit.allowed().await, ["b"]);
        assert_eq!(limit.waiting().await, ["c"]);
    }
}

#[tokio::test]
async fn what_python_deletes_while_it_runs_here_and_ends_before_its_worker_knows_frees_its_slot() {
    let limit = Limiter::new(1).await;
    limit.enqueues("a", &[]).await;
    limit.enqueues("b", &[]).await;
    let running = limit.claim().await;
    limit.takes_away(&running, None).await;
    assert_eq!(limit.settle(&running, finished()).await, Settled::TakenOver);
    assert_eq!(limit.line().await, ["b"]);
}

#[tokio::test]
async fn a_worker_that_dies_with_what_python_canceled_frees_the_slot_in_the_end() {
    let limit = Limiter::new(1).await;
    limit.enqueues("a", &[]).await;
    limit.enqueues("b", &[]).await;
    let running = limit.claim().await;
    limit.takes_away(&running, Some("canceled")).await;
    let world = &limit.python.world;
    world.pass(180_001);
    world.store.sweep(10).await.expect("swept");
    assert_eq!(limit.line().await, ["b"]);
}

#[tokio::test]
async fn a_producer_that_dies_between_its_two_steps_leaves_nothing_to_wait_for_ever() {
    let limit = Limiter::new(1).await;
    limit.registers("a", &[]).await;
    let world = &limit.python.world;
    world.store.sweep(10).await.expect("swept");
    assert_eq!(limit.line().await, ["a"]);
}

#[tokio::test]
async fn a_job_whose_earlier_run_has_not_ended_gets_no_second_slot_for_the_same_one() {
    let limit = Limiter::new(2).await;
    let world = &limit.python.world;
    limit.enqueues("tick", &[]).await;
    let running = limit.claim().await;
    // A recurring entry fires again with the id that it has.
    limit.schedules("tick").await;
    assert_eq!(world.move_due().await, 1);
    limit.schedules("other").await;
    assert_eq!(world.move_due().await, 1);
    assert_eq!(limit.line().await, ["other"]);
    assert_eq!(limit.waiting().await, ["tick"]);
    assert_eq!(limit.settle(&running, finished()).await, Settled::TakenOver);
    assert_eq!(limit.line().await, ["other", "tick"]);
}

#[tokio::test]
async fn whatever_happens_no_more_than_the_limit_run_and_all_end() {
    const JOBS: u64 = 12;
    let mut random = Random(soak::seed());
    for _ in 0..soak::rounds(3, 100) {
        let limit = Limiter::new(2).await;
        let world = &limit.python.world;
        let mut running: Vec<Job> = Vec::new();
        for number in 0..JOBS {
            limit.schedules(&format!("j{number}")).await;
        }
        for _ in 0..120 {
            let name = format!("j{}", random.below(JOBS));
            match random.below(9) {
                0 => drop(world.move_due().await),
                1..=2 => running.extend(world.claim(1).await),
                3..=5 if !running.is_empty() => {
                    let at = random.below(running.len() as u64);
                    let one = running.swap_remove(usize::try_from(at).expect("small"));
                    let error = "no milk".to_owned();
                    let at = world.later(random.below(3) * 1000);
                    let ending = match random.below(5) {
                        0 => finished(),
                        1 => Ending::HandedBack,
                        2 => Ending::Retry { error, at },
                        3 => Ending::Snoozed { at },
                        _ => Ending::Stopped,
                    };
                    limit.settle(&one, ending).await;
                }
                6 => drop(world.requeue(&name).await),
                7 => drop(world.cancel(&name).await),
                _ => {
                    world.pass(random.below(8) * 1000);
                    limit.python.reaps().await;
                }
            }
            let allowed = limit.allowed().await;
            let mut inside = 0;
            for number in 0..JOBS {
                let name = format!("j{number}");
                let status = limit.status(&name).await;
                if status == "queued" || status == "started" {
                    inside += 1;
                    assert!(allowed.contains(&name), "{name} is {status} without a slot");
                }
                if status == "rate_limited" {
                    assert!(limit.waiting().await.contains(&name), "{name} is lost");
                    assert_eq!(allowed.len(), limit.concurrency, "{name} waits for nothing");
                }
            }
            assert_eq!((inside, allowed.len()), (allowed.len(), inside));
            assert!(allowed.len() <= limit.concurrency);
        }
        world.pass(60_000);
        limit.python.reaps().await;
        for _ in 0..10 * JOBS {
            world.move_due().await;
            for one in world.claim(9).await {
                limit.settle(&one, finished()).await;
            }
        }
        assert_eq!(limit.allowed().await, [""; 0]);
        assert_eq!(limit.waiting().await, [""; 0]);
    }
}
