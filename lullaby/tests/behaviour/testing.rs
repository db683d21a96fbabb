//! The manual clock drives delays, intervals, retries, leases, timeouts and ttls.

use super::*;
use lullaby::testing::Sandbox;
use lullaby::{NewJob, Retry, Status};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn retries_come_after_their_pauses() {
    let sandbox = Sandbox::new(tasks(&Arc::default())).expect("builds");
    let queue = sandbox.lullaby().queue("default").expect("a name");
    let job = NewJob::new(Flaky { failures: 2 }).retry(Retry::intervals(2, [secs(10), secs(60)]));
    let job = queue.enqueue(job).await.expect("enqueued");
    sandbox.run_until_idle().await.expect("runs");
    assert_eq!(job.status().await.expect("reads"), Some(Status::Scheduled));
    sandbox.advance(secs(69)).await.expect("runs");
    assert_eq!(job.job().await.expect("reads").expect("there").failures, 2);
    sandbox.advance(secs(1)).await.expect("runs");
    assert_eq!(job.result().await.expect("finished"), Some(3));
}

#[tokio::test]
async fn a_snoozed_job_runs_later_and_has_not_failed() {
    let sandbox = Sandbox::new(tasks(&Arc::default())).expect("builds");
    let queue = sandbox.lullaby().queue("default").expect("a name");
    let job = queue.enqueue(Snooze {}).await.expect("enqueued");
    sandbox.advance(secs(59)).await.expect("runs");
    assert_eq!(job.status().await.expect("reads"), Some(Status::Scheduled));
    sandbox.advance(secs(1)).await.expect("runs");
    assert_eq!(job.result().await.expect("finished"), Some(1));
}

#[tokio::test]
async fn a_handler_that_sleeps_is_idle_and_keeps_its_lease() {
    let sandbox = Sandbox::new(tasks(&Arc::default())).expect("builds");
    let queue = sandbox.lullaby().queue("default").expect("a name");
    let job = NewJob::new(Nap { seconds: 3600 }).timeout(None);
    let job = queue.enqueue(job).await.expect("enqueued");
    sandbox.run_until_idle().await.expect("idle");
    assert_eq!(job.status().await.expect("reads"), Some(Status::Started));
    sandbox.advance(secs(3599)).await.expect("runs");
    assert_eq!(job.status().await.expect("reads"), Some(Status::Started));
    sandbox.advance(secs(1)).await.expect("runs");
    let done = job.job().await.expect("reads").expect("kept");
    assert_eq!((done.status, done.lost), (Status::Finished, 0));
}

#[tokio::test]
async fn a_timeout_is_judged_by_the_manual_clock() {
    let sandbox = Sandbox::new(tasks(&Arc::default())).expect("builds");
    let queue = sandbox.lullaby().queue("default").expect("a name");
    let job = queue
        .enqueue(Nap { seconds: 3600 })
        .await
        .expect("enqueued");
    sandbox.advance(secs(179)).await.expect("runs");
    assert_eq!(job.status().await.expect("reads"), Some(Status::Started));
    sandbox.advance(secs(1)).await.expect("runs");
    assert_eq!(job.status().await.expect("reads"), Some(Status::Failed));
}

#[tokio::test]
async fn results_are_dropped_after_their_ttl_and_jobs_unrun_after_theirs() {
    let sandbox = Sandbox::with_queues(tasks(&Arc::default()), ["other"]).expect("builds");
    let other = sandbox.lullaby().queue("other").expect("a name");
    let done = other.enqueue(Add { a: 1, b: 1 }).await.expect("enqueued");
    sandbox.run_until_idle().await.expect("runs");
    let unheard = sandbox.lullaby().queue("default").expect("a name");
    let waits = NewJob::new(Add { a: 1, b: 1 }).ttl(secs(60));
    let waits = unheard.enqueue(waits).await.expect("enqueued");
    sandbox.advance(secs(59)).await.expect("runs");
    assert_eq!(waits.status().await.expect("reads"), Some(Status::Queued));
    sandbox.advance(secs(1)).await.expect("runs");
    assert_eq!(waits.status().await.expect("reads"), None);
    sandbox.advance(secs(439)).await.expect("runs");
    assert_eq!(done.status().await.expect("reads"), Some(Status::Finished));
    sandbox.advance(secs(1)).await.expect("runs");
    assert_eq!(done.status().await.expect("reads"), None);
}
