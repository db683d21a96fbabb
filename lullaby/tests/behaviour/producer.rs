//! Enqueueing, handles and results.

use super::*;
use lullaby::{NewJob, Retry, Status};

#[tokio::test]
async fn a_typed_result_comes_back() {
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let job = queue.enqueue(Add { a: 1, b: 2 }).await.expect("enqueued");
    assert_eq!(job.result().await.expect("waits"), None);
    let worker = Worker::builder(&lullaby, tasks(&Arc::default())).build();
    let worker = Running::start(worker.expect("builds"));
    assert_eq!(job.wait(PATIENCE).await.expect("finishes"), 3);
    worker.stop().await;
}

#[tokio::test]
async fn defaults_are_rqs() {
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let job = queue.enqueue(Add { a: 1, b: 2 }).await.expect("enqueued");
    let job = job.job().await.expect("reads").expect("is there");
    let options = &job.template.options;
    assert_eq!(options.timeout, Some(Duration::from_secs(180)));
    assert_eq!(options.result_ttl, Some(Duration::from_secs(500)));
    assert_eq!(options.failure_ttl, Some(Duration::from_secs(365 * 86400)));
    assert_eq!((options.ttl, &options.retry), (None, &None));
    assert_eq!(job.description(), "demo.add(a=1, b=2)");
}

#[tokio::test]
async fn an_id_that_exists_changes_nothing_and_says_so() {
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let first = NewJob::new(Add { a: 1, b: 2 }).job_id("one");
    assert_eq!(queue.enqueue(first).await.expect("taken").existing(), None);
    let second = NewJob::new(Add { a: 5, b: 5 }).job_id("one");
    let handle = queue.enqueue(second.clone()).await.expect("answered");
    assert_eq!(handle.existing(), Some(Status::Queued));
    let error = queue.enqueue(second.clone().unique()).await;
    assert!(error.expect_err("refused").is_duplicate());
    let replaced = queue.enqueue(second.replace()).await.expect("replaced");
    assert_eq!(replaced.existing(), None);
    let job = replaced.job().await.expect("reads").expect("is there");
    assert_eq!(job.template.payload.decode::<Add>().expect("fits").a, 5);
}

#[tokio::test]
async fn many_are_taken_in_one_step_in_their_order() {
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let jobs = (0..5).map(|n| {
        let job = NewJob::new(Add { a: n, b: 0 }).untyped();
        if n == 4 { job.at_front() } else { job }
    });
    let handles = queue.enqueue_many(jobs).await.expect("taken in");
    assert_eq!(handles.len(), 5);
    let filter = lullaby::store::JobFilter {
        status: Some(Status::Queued),
        ..Default::default()
    };
    let waiting = lullaby.store().list_jobs(&filter).await.expect("listed");
    let order: Vec<_> = waiting
        .iter()
        .map(|job| job.template.payload.decode::<Add>().expect("fits").a)
        .collect();
    assert_eq!(order, [4, 0, 1, 2, 3]);
}

#[tokio::test]
async fn bad_options_are_refused_with_what_was_expected() {
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let add = || NewJob::new(Add { a: 1, b: 2 });
    for (job, part) in [
        (add().job_id("a b"), "letters, digits"),
        (add().timeout(Duration::ZERO), "timeout above zero"),
        (add().ttl(Duration::ZERO), "ttl above zero"),
    ] {
        let error = queue.enqueue(job).await.expect_err("refused");
        assert!(
            error.is_invalid() && error.to_string().contains(part),
            "{error}"
        );
    }
    assert!(lullaby.queue("").expect_err("refused").is_invalid());
    for url in ["", "redis", "sqlite:", "memory:x", "postgres://x"] {
        let error = Lullaby::open(url).await.expect_err("refused");
        assert!(error.is_invalid(), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_failed_job_says_why_and_can_be_requeued() {
    let shared = Arc::default();
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let job = NewJob::new(Fail {
        message: "no milk".into(),
    })
    .retry(Retry::times(2));
    let job = queue.enqueue(job).await.expect("enqueued");
    let worker = Worker::builder(&lullaby, tasks(&shared)).build();
    let worker = Running::start(worker.expect("builds"));
    let error = job.wait(PATIENCE).await.expect_err("fails");
    assert!(
        error.is_job_failed() && error.to_string().contains("no milk"),
        "{error}"
    );
    let failed = job.job().await.expect("reads").expect("is kept");
    assert_eq!((failed.status, failed.failures), (Status::Failed, 3));
    worker.stop().await;
    job.requeue().await.expect("requeued");
    let queued = job.job().await.expect("reads").expect("is there");
    assert_eq!(
        (queued.status, queued.failures, queued.error),
        (Status::Queued, 0, None)
    );
}
