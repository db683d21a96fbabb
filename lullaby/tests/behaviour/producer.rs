//! Enqueueing, handles and results.

use super::*;
use lullaby::store::Canceled;
use lullaby::{JobId, NewJob, Retry, Status};

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

#[tokio::test]
async fn a_job_that_depends_on_others_runs_after_them_and_why_says_whom_it_waits_for() {
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let add = |a| NewJob::new(Add { a, b: 0 });
    let one = queue.enqueue(add(1).job_id("one")).await.expect("taken");
    let two = queue.enqueue(add(2).job_id("two")).await.expect("taken");
    let sum = add(3).job_id("sum").depends_on([&one, &two, &one]);
    let sum = queue.enqueue(sum).await.expect("taken");
    let why = lullaby.why_job(sum.id()).await.expect("known").to_string();
    assert_eq!(
        why,
        "Job sum is deferred: it waits for one, which is queued, and for two, which is queued; `lullaby requeue sum` runs it at once."
    );
    two.cancel().await.expect("canceled");
    let why = lullaby.why_job(sum.id()).await.expect("known").to_string();
    assert!(why.contains("and for two, which is canceled"), "{why}");
    two.requeue().await.expect("requeued");
    let worker = Worker::builder(&lullaby, tasks(&Arc::default())).build();
    let worker = Running::start(worker.expect("builds"));
    assert_eq!(sum.wait(PATIENCE).await.expect("finishes"), 3);
    assert_eq!(two.status().await.expect("reads"), Some(Status::Finished));
    worker.stop().await;
}

#[tokio::test]
async fn a_canceled_job_can_let_in_those_that_depend_on_it() {
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let parent = queue.enqueue(Add { a: 1, b: 0 }).await.expect("taken");
    let child = NewJob::new(Add { a: 2, b: 0 }).depends_on([parent.id()]);
    let child = queue.enqueue(child).await.expect("taken");
    let canceled = parent.cancel_and_enqueue_dependents().await;
    assert_eq!(canceled.expect("canceled"), Canceled::Canceled);
    assert_eq!(child.status().await.expect("reads"), Some(Status::Queued));
}

#[tokio::test]
async fn a_job_that_waits_for_itself_or_for_too_many_is_refused() {
    let lullaby = memory().await;
    let queue = lullaby.queue("default").expect("a name");
    let add = || NewJob::new(Add { a: 1, b: 0 });
    let ids = |names: &[&str]| -> Vec<JobId> {
        let ids = names.iter().map(|name| JobId::new(name).expect("an id"));
        ids.collect()
    };
    let itself = add().job_id("one").depends_on(ids(&["one"]));
    let error = queue.enqueue(itself).await.expect_err("refused");
    assert!(error.to_string().contains("waits for itself"), "{error}");
    let many = (0..=lullaby::job::MAX_DEPENDENCIES).map(|n| format!("job-{n}"));
    let many = many.map(|name| JobId::new(&name).expect("an id"));
    let error = queue.enqueue(add().depends_on(many)).await;
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("at most 1000 jobs"), "{error}");
    // A circle can only be closed by replacing.
    queue.enqueue(add().job_id("one")).await.expect("taken");
    let two = add().job_id("two").depends_on(ids(&["one"]));
    queue.enqueue(two).await.expect("taken");
    let circle = add().job_id("one").depends_on(ids(&["two"])).replace();
    let error = queue.enqueue(circle).await.expect_err("refused");
    assert!(error.is_invalid(), "{error}");
}
