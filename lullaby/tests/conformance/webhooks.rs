//! What a worker tells receivers by HTTP when jobs end.

use std::sync::Arc;
use std::time::Duration;

use lullaby::job::{JobSpec, Status};
use lullaby::store::{Ending, POISON_LOSSES, Settled};
use lullaby::webhook::Webhook;
use lullaby::worker::WorkerBuilder;
use lullaby::{Context, Failure, Lullaby, Repeat, Retry, Shutdown, Task, Tasks, Worker};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::drivers::every_driver_passes;
use crate::receiver::{Answer, Received, Receiver};
use crate::specs::{With, job};
use crate::world::{LEASE, World, ms};

every_driver_passes! {
    a_finished_job_tells_its_receivers_once,
    a_failed_job_tells_why_and_a_retry_tells_nothing,
    a_call_that_no_worker_knows_has_failed,
    a_stopped_job_tells_nobody,
    a_canceled_job_tells_nobody,
    poison_is_told_of_by_whoever_finds_it,
    each_run_of_a_repeat_is_told_of,
    a_job_that_is_not_kept_is_told_of_all_the_same,
    a_stale_worker_tells_nobody,
    a_get_has_no_body_and_headers_go_along,
    redirects_are_followed_without_the_body_and_without_headers_for_others,
    a_receiver_that_is_down_or_lies_harms_nothing,
    a_receiver_that_never_answers_is_left_after_its_timeout,
    a_receiver_that_never_answers_holds_up_no_other,
    a_worker_that_is_told_to_stop_waits_three_seconds_for_receivers,
}

#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
}

impl Task for Greet {
    const NAME: &'static str = "greet";
    type Output = ();
}

#[derive(Serialize, Deserialize)]
struct Burn {
    name: String,
}

impl Task for Burn {
    const NAME: &'static str = "burn";
    type Output = ();
}

/// Runs until it may end, or is asked to stop.
#[derive(Serialize, Deserialize)]
struct Brood {
    name: String,
}

impl Task for Brood {
    const NAME: &'static str = "brood";
    type Output = ();
}

/// A permit for each that broods, and one for each that may end.
struct Nest {
    begun: Semaphore,
    may_end: Semaphore,
}

impl Default for Nest {
    fn default() -> Self {
        Self {
            begun: Semaphore::new(0),
            may_end: Semaphore::new(0),
        }
    }
}

impl Nest {
    async fn until_begun(&self) {
        self.begun.acquire().await.expect("open").forget();
    }
}

async fn brood(_: Brood, ctx: Context) -> Result<(), Failure> {
    let nest = ctx.state::<Nest>()?;
    nest.begun.add_permits(1);
    tokio::select! {
        _ = nest.may_end.acquire() => Ok(()),
        () = ctx.canceled() => Err("stopped brooding".into()),
    }
}

fn tasks(nest: &Arc<Nest>) -> Tasks {
    Tasks::new()
        .state(nest.clone())
        .task(brood)
        .task(async |_: Greet, _: Context| {})
        .task(async |task: Burn, _: Context| Err::<(), _>(format!("{} is black", task.name)))
}

fn worker(world: &World) -> WorkerBuilder {
    worker_of(world, &Arc::default())
}

fn worker_of(world: &World, nest: &Arc<Nest>) -> WorkerBuilder {
    let lullaby = Lullaby::with_store(world.store.clone());
    Worker::builder(&lullaby, tasks(nest)).lease(LEASE)
}

/// Runs all that waits, until its receivers were told.
async fn work(world: &World) {
    let worker = worker(world).burst().build().expect("builds");
    worker.run(Shutdown::new()).await;
}

/// Both ends are told of, each at a path of its own.
fn telling(name: &str, receiver: &Receiver) -> JobSpec {
    let hook = |path: &str, status| {
        let url = format!("{}{path}", receiver.url);
        Webhook::post(&url, status).expect("fine")
    };
    job(name).options(|options| {
        options.webhooks = vec![
            hook("/finished", Status::Finished),
            hook("/failed", Status::Failed),
        ];
    })
}

fn lines(received: &[Received]) -> Vec<&str> {
    received.iter().map(|one| one.line.as_str()).collect()
}

async fn a_finished_job_tells_its_receivers_once(world: World) {
    let mut receiver = Receiver::friendly().await;
    world.enqueue([telling("a", &receiver)]).await;
    world.pass(120);
    work(&world).await;
    let received = receiver.all();
    assert_eq!(lines(&received), ["POST /finished"]);
    assert_eq!(
        received[0].body,
        r#"{"job_id": "a", "func_name": "greet", "status": "finished", "enqueued_at": "2026-11-23T12:00:00+00:00", "ended_at": "2026-11-23T12:00:00.120000+00:00"}"#
    );
    let headers = &received[0].headers;
    let host = receiver.url.trim_start_matches("http://");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["accept-encoding"], "identity");
    assert_eq!(headers["connection"], "close");
    assert_eq!(headers["host"], host);
    assert!(headers["user-agent"].starts_with("lullaby/"));
    assert_eq!(headers.len(), 6, "{headers:?}");
    // No end is told of twice.
    work(&world).await;
    assert!(receiver.all().is_empty());
}

async fn a_failed_job_tells_why_and_a_retry_tells_nothing(world: World) {
    let mut receiver = Receiver::friendly().await;
    let burns = telling("a", &receiver).task("burn");
    let burns = burns.options(|options| options.retry = Some(Retry::intervals(1, [ms(9)])));
    world.enqueue([burns]).await;
    work(&world).await;
    assert_eq!(world.status("a").await, Some(Status::Scheduled));
    assert!(receiver.all().is_empty());
    world.pass(9);
    world.move_due().await;
    work(&world).await;
    let received = receiver.all();
    assert_eq!(lines(&received), ["POST /failed"]);
    let at = "2026-11-23T12:00:00.009000+00:00";
    assert_eq!(
        received[0].json(),
        json!({
            "job_id": "a", "func_name": "burn", "status": "failed", "enqueued_at": at, "ended_at": at,
            "exc_info": "Mochi is black",
        })
    );
}

async fn a_call_that_no_worker_knows_has_failed(world: World) {
    let mut receiver = Receiver::friendly().await;
    world
        .enqueue([telling("a", &receiver).task("juggle")])
        .await;
    work(&world).await;
    let received = receiver.all();
    assert_eq!(lines(&received), ["POST /failed"]);
    let why = received[0].json()["exc_info"].to_string();
    assert!(why.contains("juggle"), "{why}");
}

async fn a_stopped_job_tells_nobody(world: World) {
    let mut receiver = Receiver::friendly().await;
    world.enqueue([telling("a", &receiver).task("brood")]).await;
    let nest = Arc::default();
    let worker = worker_of(&world, &nest).burst().build().expect("builds");
    let worker = tokio::spawn(worker.run(Shutdown::new()));
    nest.until_begun().await;
    world.cancel("a").await;
    worker.await.expect("no panic");
    assert_eq!(world.status("a").await, Some(Status::Stopped));
    assert!(receiver.all().is_empty());
}

async fn a_canceled_job_tells_nobody(world: World) {
    let mut receiver = Receiver::friendly().await;
    world.enqueue([telling("a", &receiver)]).await;
    world.cancel("a").await;
    work(&world).await;
    assert!(receiver.all().is_empty());
}

async fn poison_is_told_of_by_whoever_finds_it(world: World) {
    let mut receiver = Receiver::friendly().await;
    world.enqueue([telling("a", &receiver)]).await;
    for _ in 1..POISON_LOSSES {
        world.claim(1).await;
        world.clock.advance(LEASE);
        world.store.reap(true, 10).await.expect("reaped");
    }
    world.claim(1).await;
    let shutdown = Shutdown::new();
    let running = worker(&world).build().expect("builds");
    let running = tokio::spawn(running.run(shutdown.clone()));
    // It believes in no expired lease before it has seen one go by.
    until_somebody_waits(&world, LEASE).await;
    world.clock.advance(LEASE);
    let received = receiver.next().await;
    assert_eq!(received.line, "POST /failed");
    let why = received.json()["exc_info"].to_string();
    assert!(why.contains("lost with its worker"), "{why}");
    shutdown.warm();
    running.await.expect("no panic");
    assert!(receiver.all().is_empty());
}

/// Completes once the first of those who sleep on the clock does so for just that long.
async fn until_somebody_waits(world: &World, time: Duration) {
    let until = Some(world.now() + time);
    while world.clock.next_deadline() != until {
        tokio::task::yield_now().await;
    }
}

async fn each_run_of_a_repeat_is_told_of(world: World) {
    let mut receiver = Receiver::friendly().await;
    let twice = telling("a", &receiver).options(|options| {
        options.repeat = Some(Repeat::every(1, ms(9)));
    });
    world.enqueue([twice]).await;
    work(&world).await;
    world.pass(9);
    world.move_due().await;
    work(&world).await;
    let received = receiver.all();
    assert_eq!(lines(&received), ["POST /finished", "POST /finished"]);
    let ends: Vec<_> = received
        .iter()
        .map(|one| one.json()["ended_at"].clone())
        .collect();
    assert_eq!(
        ends,
        [
            "2026-11-23T12:00:00+00:00",
            "2026-11-23T12:00:00.009000+00:00"
        ]
    );
}

async fn a_job_that_is_not_kept_is_told_of_all_the_same(world: World) {
    let mut receiver = Receiver::friendly().await;
    world
        .enqueue([telling("a", &receiver).result_ttl(ms(0))])
        .await;
    work(&world).await;
    assert_eq!(world.find("a").await, None);
    assert_eq!(lines(&receiver.all()), ["POST /finished"]);
}

async fn a_stale_worker_tells_nobody(world: World) {
    let mut receiver = Receiver::friendly().await;
    world.enqueue([telling("a", &receiver).task("brood")]).await;
    let nest: Arc<Nest> = Arc::default();
    let stale = worker_of(&world, &nest).build().expect("builds");
    let shutdown = Shutdown::new();
    let stale = tokio::spawn(stale.run(shutdown.clone()));
    nest.until_begun().await;
    let job = world.job("a").await;
    // Warm first, so that it does not take the job again.
    shutdown.warm();
    assert_eq!(world.settle(&job, Ending::HandedBack).await, Settled::Done);
    let again = world.claim(1).await.remove(0);
    nest.may_end.add_permits(1);
    stale.await.expect("no panic");
    assert_eq!(world.settle(&again, Ending::Stopped).await, Settled::Done);
    assert!(receiver.all().is_empty());
}

async fn a_get_has_no_body_and_headers_go_along(world: World) {
    let mut receiver = Receiver::friendly().await;
    let url = format!("{}/done?by=greet#top", receiver.url);
    let hook = Webhook::get(&url, Status::Finished).expect("fine");
    let hook = hook.header("x-key", "7").header("user-agent", "tests");
    let job = job("a").options(|options| options.webhooks = vec![hook]);
    world.enqueue([job]).await;
    work(&world).await;
    let received = receiver.all();
    assert_eq!(lines(&received), ["GET /done?by=greet"]);
    assert_eq!(received[0].body, "");
    let headers = &received[0].headers;
    assert_eq!(headers["x-key"], "7");
    assert_eq!(headers["user-agent"], "tests");
    assert!(!headers.contains_key("content-type") && !headers.contains_key("content-length"));
}

async fn redirects_are_followed_without_the_body_and_without_headers_for_others(world: World) {
    let mut other = Receiver::friendly().await;
    let elsewhere: &'static str = format!("302 Found\r\nLocation: {}/there", other.url).leak();
    let mut receiver = Receiver::start(move |path| match path {
        "/finished" => Answer::Head("303 See Other\r\nLocation: /moved"),
        "/moved" => Answer::Head(elsewhere),
        "/kept" => Answer::Head("307 Temporary Redirect\r\nLocation: /moved"),
        _ => Answer::Head("302 Found\r\nLocation: /loop"),
    })
    .await;
    let hook = |path: &str| {
        let url = format!("{}{path}", receiver.url);
        let hook = Webhook::post(&url, Status::Finished).expect("fine");
        hook.header("authorization", "Bearer 7")
    };
    let hooks = vec![hook("/finished"), hook("/kept"), hook("/loop")];
    let job = job("a").options(|options| options.webhooks = hooks);
    world.enqueue([job]).await;
    work(&world).await;
    let received = receiver.all();
    let mut expected = vec!["POST /finished", "GET /moved", "POST /kept", "POST /loop"];
    expected.extend(["GET /loop"; 10]);
    assert_eq!(lines(&received), expected);
    assert_eq!(received[1].headers["authorization"], "Bearer 7");
    assert!(!received[1].headers.contains_key("content-type"));
    let there = other.all();
    assert_eq!(lines(&there), ["GET /there"]);
    assert!(!there[0].headers.contains_key("authorization"));
}

async fn a_receiver_that_is_down_or_lies_harms_nothing(world: World) {
    let mut receiver = Receiver::start(|path| match path {
        "/broken" => Answer::Head("500 Internal Server Error"),
        "/hang-up" => Answer::HangUp,
        "/endless" => Answer::EndlessHead,
        "/nonsense" => Answer::Head("nonsense"),
        _ => Answer::Head("200 OK"),
    })
    .await;
    // Nobody listens there any more.
    let down = Receiver::friendly().await.url.clone();
    let here = |path: &str| format!("{}{path}", receiver.url);
    let urls = [
        down,
        "http://no-such-host.invalid/".to_owned(),
        here("/broken"),
        here("/hang-up"),
        here("/endless"),
        here("/nonsense"),
        here("/well"),
    ];
    let hooks = urls.map(|url| Webhook::post(&url, Status::Finished).expect("fine"));
    let job = job("a").options(|options| options.webhooks = hooks.into());
    world.enqueue([job]).await;
    work(&world).await;
    assert_eq!(world.status("a").await, Some(Status::Finished));
    let received = receiver.all();
    assert_eq!(lines(&received).last(), Some(&"POST /well"));
}

fn silent(name: &str, receiver: &Receiver) -> JobSpec {
    let hook = Webhook::post(&receiver.url, Status::Finished).expect("fine");
    job(name).options(|options| options.webhooks = vec![hook])
}

async fn a_receiver_that_never_answers_is_left_after_its_timeout(world: World) {
    let mut receiver = Receiver::start(|_| Answer::Silence).await;
    world.enqueue([silent("a", &receiver)]).await;
    let running = worker(&world).burst().build().expect("builds");
    let running = tokio::spawn(running.run(Shutdown::new()));
    receiver.next().await;
    // It has not held up the end of the job.
    assert_eq!(world.status("a").await, Some(Status::Finished));
    until_somebody_waits(&world, Duration::from_secs(10)).await;
    world.pass(10_000);
    running.await.expect("no panic");
}

async fn a_receiver_that_never_answers_holds_up_no_other(world: World) {
    let mut slow = Receiver::start(|_| Answer::Silence).await;
    let mut well = Receiver::friendly().await;
    let slow_ones = (0..120).map(|n| silent(&format!("slow-{n}"), &slow));
    world.enqueue(slow_ones).await;
    world.enqueue([telling("well", &well)]).await;
    let running = worker(&world).build().expect("builds");
    let running = tokio::spawn(running.run(Shutdown::new()));
    slow.next().await;
    // The clock stands still, so nobody's time is over.
    assert_eq!(well.next().await.line, "POST /finished");
    running.abort();
}

async fn a_worker_that_is_told_to_stop_waits_three_seconds_for_receivers(world: World) {
    let mut receiver = Receiver::start(|_| Answer::Silence).await;
    world.enqueue([silent("a", &receiver)]).await;
    let shutdown = Shutdown::new();
    let running = worker(&world).without_scheduler().build().expect("builds");
    let running = tokio::spawn(running.run(shutdown.clone()));
    receiver.next().await;
    shutdown.warm();
    let (stopped, patience) = (world.now(), Duration::from_secs(3));
    while !running.is_finished() {
        // It says goodbye to the store before, and has as much patience with that.
        if world.clock.next_deadline() == Some(world.now() + patience) {
            world.clock.advance(patience);
        }
        tokio::task::yield_now().await;
    }
    running.await.expect("no panic");
    let waited = world.now().since(stopped);
    assert!(waited == patience || waited == patience * 2, "{waited:?}");
}
