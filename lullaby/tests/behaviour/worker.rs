//! Running jobs: how many at once, in which order, and every way to end.

use super::*;
use lullaby::store::Canceled;
use lullaby::worker::QueueOrder;
use lullaby::{JobHandle, NewJob, Queue, Status};

async fn start(shared: &Arc<Shared>) -> (Lullaby, Queue, Running) {
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let worker = Worker::builder(&lullaby, tasks(shared))
        .concurrency(3)
        .build();
    (lullaby, queue, Running::start(worker.expect("builds")))
}

async fn status<O>(job: &JobHandle<O>) -> Option<Status> {
    job.status().await.expect("reads")
}

#[tokio::test]
async fn no_more_jobs_run_at_once_than_allowed() {
    let shared: Arc<Shared> = Arc::default();
    let (lullaby, queue, worker) = start(&shared).await;
    let jobs = (0..9).map(|_| NewJob::new(Gate {}).untyped());
    let jobs = queue.enqueue_many(jobs).await.expect("enqueued");
    for _ in 0..9 {
        shared.until_entered().await;
        shared.gate.add_permits(1);
    }
    for job in &jobs {
        job.wait(PATIENCE).await.expect("finishes");
    }
    assert_eq!(shared.runs(), 9);
    assert!(shared.most_at_once.load(Ordering::SeqCst) <= 3);
    assert!(
        lullaby
            .health()
            .complaints(lullaby.clock().as_ref())
            .is_empty()
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_panic_is_caught_and_recorded_and_the_worker_goes_on() {
    let (_, queue, worker) = start(&Arc::default()).await;
    let panics = queue.enqueue(Panic {}).await.expect("enqueued");
    let error = panics.wait(PATIENCE).await.expect_err("fails");
    assert!(
        error.to_string().contains("panicked: on purpose"),
        "{error}"
    );
    let add = queue.enqueue(Add { a: 1, b: 1 }).await.expect("enqueued");
    assert_eq!(add.wait(PATIENCE).await.expect("finishes"), 2);
    worker.stop().await;
}

#[tokio::test]
async fn a_jobs_history_tells_of_each_run() {
    let (_, queue, worker) = start(&Arc::default()).await;
    let job = NewJob::new(Flaky { failures: 1 })
        .retry(lullaby::Retry::times(2))
        .subject("pet");
    let job = queue.enqueue(job).await.expect("enqueued");
    job.wait(PATIENCE).await.expect("finishes");
    let history = job.history().await.expect("read");
    let outcomes: Vec<_> = history.iter().map(|run| run.outcome.as_str()).collect();
    assert_eq!(outcomes, ["retrying", "finished"]);
    assert!(history[0].error.is_some() && history[1].error.is_none());
    assert!(history.iter().all(|run| run.ended_at >= run.started_at));
    worker.stop().await;
}

#[tokio::test]
async fn an_unknown_task_fails_with_its_name_and_the_known_ones() {
    let (_, queue, worker) = start(&Arc::default()).await;
    let job = queue.enqueue(Unknown {}).await.expect("enqueued");
    let error = job.wait(PATIENCE).await.expect_err("fails").to_string();
    assert!(
        error.contains("\"demo.unknown\"") && error.contains("demo.add"),
        "{error}"
    );
    worker.stop().await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_fail_at_once_however_many_tries_are_left() {
    let (_, queue, worker) = start(&Arc::default()).await;
    let job = NewJob::named("demo.add", &["x".into()], &serde_json::Map::new());
    let job = job.expect("small").retry(lullaby::Retry::times(5));
    let job = queue.enqueue(job).await.expect("enqueued");
    let error = job.wait(PATIENCE).await.expect_err("fails").to_string();
    assert!(error.contains("do not fit"), "{error}");
    assert_eq!(job.job().await.expect("reads").expect("kept").failures, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_timeout_ends_an_async_handler() {
    let (_, queue, worker) = start(&Arc::default()).await;
    let job = NewJob::new(Nap { seconds: 1000 }).timeout(Duration::from_millis(20));
    let job = queue.enqueue(job).await.expect("enqueued");
    let error = job.wait(PATIENCE).await.expect_err("fails").to_string();
    assert!(error.contains("maximum timeout value"), "{error}");
    worker.stop().await;
}

#[tokio::test]
async fn a_blocking_handler_past_its_timeout_fails_and_hears_of_it() {
    let shared: Arc<Shared> = Arc::default();
    let (_, queue, worker) = start(&shared).await;
    let job = NewJob::new(Burn {}).timeout(Duration::from_millis(20));
    let job = queue.enqueue(job).await.expect("enqueued");
    assert!(job.wait(PATIENCE).await.expect_err("fails").is_job_failed());
    // It returns only because its cancel flag is set; a warm stop waits for that.
    worker.stop().await;
}

#[tokio::test]
async fn a_waiting_job_is_canceled_and_a_running_one_is_stopped() {
    let shared: Arc<Shared> = Arc::default();
    let (_, queue, worker) = start(&shared).await;
    let later = Duration::from_secs(1000);
    let waits = queue
        .enqueue_in(later, Add { a: 1, b: 1 })
        .await
        .expect("enqueued");
    assert_eq!(waits.cancel().await.expect("canceled"), Canceled::Canceled);
    assert_eq!(status(&waits).await, Some(Status::Canceled));
    let runs = queue.enqueue(Heed {}).await.expect("enqueued");
    shared.until_entered().await;
    assert_eq!(runs.cancel().await.expect("asked"), Canceled::Stopping);
    assert!(
        runs.wait(PATIENCE)
            .await
            .expect_err("stopped")
            .is_job_failed()
    );
    assert_eq!(status(&runs).await, Some(Status::Stopped));
    assert_eq!(shared.runs(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_warm_stop_lets_running_jobs_end_and_takes_no_new_ones() {
    let shared: Arc<Shared> = Arc::default();
    let (_, queue, worker) = start(&shared).await;
    let runs = queue.enqueue(Gate {}).await.expect("enqueued");
    shared.until_entered().await;
    worker.shutdown.warm();
    let waits = queue.enqueue(Add { a: 1, b: 1 }).await.expect("enqueued");
    shared.gate.add_permits(1);
    worker.ended.await.expect("ends");
    assert_eq!(status(&runs).await, Some(Status::Finished));
    assert_eq!(status(&waits).await, Some(Status::Queued));
}

#[tokio::test]
async fn a_cold_stop_gives_running_jobs_back_uncounted() {
    let shared: Arc<Shared> = Arc::default();
    let (_, queue, worker) = start(&shared).await;
    let runs = queue.enqueue(Gate {}).await.expect("enqueued");
    shared.until_entered().await;
    worker.shutdown.cold();
    worker.ended.await.expect("ends");
    let job = runs.job().await.expect("reads").expect("is there");
    assert_eq!((job.status, job.failures, job.lost), (Status::Queued, 0, 0));
}

#[tokio::test]
async fn a_handler_that_gives_up_because_its_worker_must_go_has_not_failed() {
    let shared: Arc<Shared> = Arc::default();
    let (_, queue, worker) = start(&shared).await;
    let runs = queue.enqueue(Heed {}).await.expect("enqueued");
    shared.until_entered().await;
    worker.shutdown.cold();
    worker.ended.await.expect("ends");
    assert_eq!(status(&runs).await, Some(Status::Queued));
}

#[tokio::test]
async fn a_drain_that_takes_too_long_gives_jobs_back() {
    let shared: Arc<Shared> = Arc::default();
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let worker = Worker::builder(&lullaby, tasks(&shared))
        .drain_within(Duration::from_millis(10))
        .build();
    let worker = Running::start(worker.expect("builds"));
    let runs = queue.enqueue(Gate {}).await.expect("enqueued");
    shared.until_entered().await;
    worker.stop().await;
    assert_eq!(status(&runs).await, Some(Status::Queued));
}

#[tokio::test]
async fn a_worker_that_is_dropped_takes_its_running_handlers_along_and_settles_nothing() {
    let shared: Arc<Shared> = Arc::default();
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let (alive, dropped) = tokio::sync::oneshot::channel::<()>();
    let alive = std::sync::Mutex::new(Some(alive));
    let tasks = Tasks::new()
        .state(shared.clone())
        .task(move |_: Gate, ctx: Context| {
            let alive = alive.lock().map(|mut alive| alive.take());
            let alive = alive.expect("unpoisoned");
            async move {
                let _alive = alive;
                ctx.state::<Shared>()?.entered.add_permits(1);
                std::future::pending::<Result<(), Failure>>().await
            }
        });
    let worker = Worker::builder(&lullaby, tasks).build().expect("builds");
    let worker = Running::start(worker);
    let runs = queue.enqueue(Gate {}).await.expect("enqueued");
    shared.until_entered().await;
    worker.ended.abort();
    assert!(dropped.await.is_err(), "nobody said anything");
    assert_eq!(status(&runs).await, Some(Status::Started));
}

#[tokio::test]
async fn a_burst_worker_ends_when_its_queues_are_empty() {
    let lullaby = memory().await;
    for (queue, a) in [("low", 1), ("high", 2), ("low", 3)] {
        let queue = lullaby.queue(queue).expect("a name");
        queue.enqueue(Add { a, b: 0 }).await.expect("enqueued");
    }
    let worker = Worker::builder(&lullaby, tasks(&Arc::default()))
        .queues(["high", "low"])
        .concurrency(1)
        .burst()
        .build();
    worker.expect("builds").run(Shutdown::new()).await;
    let filter = lullaby::store::JobFilter {
        status: Some(Status::Finished),
        ..Default::default()
    };
    let mut done = lullaby.store().list_jobs(&filter).await.expect("listed");
    done.sort_by_key(|job| job.token);
    let order: Vec<_> = done.iter().map(|job| job.template.queue.as_str()).collect();
    assert_eq!(order, ["high", "low", "low"]);
}

#[tokio::test]
async fn in_round_robin_no_queue_starves_another() {
    let lullaby = memory().await;
    for (name, count) in [("a", 6), ("b", 2)] {
        let queue = lullaby.queue(name).expect("a name");
        let jobs = (0..count).map(|n| NewJob::new(Add { a: n, b: 0 }).untyped());
        queue.enqueue_many(jobs).await.expect("enqueued");
    }
    let worker = Worker::builder(&lullaby, tasks(&Arc::default()))
        .queues(["a", "b"])
        .queue_order(QueueOrder::RoundRobin)
        .concurrency(1)
        .burst()
        .build();
    worker.expect("builds").run(Shutdown::new()).await;
    let filter = lullaby::store::JobFilter {
        status: Some(Status::Finished),
        ..Default::default()
    };
    let mut done = lullaby.store().list_jobs(&filter).await.expect("listed");
    done.sort_by_key(|job| job.token);
    let order: String = done.iter().map(|job| job.template.queue.as_str()).collect();
    assert_eq!(order, "ababaaaa");
}

#[tokio::test]
async fn many_jobs_for_one_instant_all_run_and_none_early() {
    let (lullaby, queue, worker) = start(&Arc::default()).await;
    let due = lullaby.now() + Duration::from_millis(30);
    let mut jobs = Vec::new();
    for n in 0..50 {
        jobs.push(
            queue
                .enqueue_at(due, Add { a: n, b: 0 })
                .await
                .expect("enqueued"),
        );
    }
    for job in jobs {
        job.wait(PATIENCE).await.expect("finishes");
        let job = job.job().await.expect("reads").expect("kept");
        assert!(job.started_at.expect("ran") >= due);
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_job_whose_callback_nobody_knows_fails_before_it_runs() {
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let job = NewJob::new(Add { a: 1, b: 2 }).on_success("no.such.task");
    let job = queue.enqueue(job).await.expect("enqueued");
    let worker = Worker::builder(&lullaby, tasks(&Arc::default())).build();
    let worker = Running::start(worker.expect("builds"));
    let error = job.wait(PATIENCE).await.expect_err("fails").to_string();
    assert!(error.contains("its callback cannot be called"), "{error}");
    assert!(error.contains("no.such.task"), "{error}");
    worker.stop().await;
}
