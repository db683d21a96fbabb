//! Tasks that the end of a job puts into its queue.

use lullaby::Repeat;
use lullaby::job::{Callbacks, Ended, Job, JobSpec, Status};
use lullaby::store::{Ending, POISON_LOSSES};

use crate::drivers::every_driver_passes;
use crate::specs::{With, job};
use crate::world::{LEASE, World, failed, finished, id, ms};

every_driver_passes! {
    a_finished_job_calls_back,
    a_failed_job_calls_back_and_a_retry_does_not,
    a_stopped_job_calls_back,
    poison_calls_back_as_a_failure,
    what_is_canceled_or_handed_back_calls_nobody,
    each_run_of_a_repeat_calls_back,
    a_job_that_is_not_kept_calls_back_all_the_same,
    the_call_comes_first_in_its_jobs_queue,
    a_stale_worker_calls_nobody,
}

fn calling(name: &str) -> JobSpec {
    job(name).options(|options| {
        options.callbacks = Callbacks {
            on_success: Some("cheer".to_owned()),
            on_failure: Some("mourn".to_owned()),
            on_stopped: Some("shrug".to_owned()),
        }
    })
}

/// The one job that waits: which task, and about what.
async fn called(world: &World) -> Option<(String, Ended)> {
    let line = world.line().await;
    assert!(line.len() < 2, "more than one: {line:?}");
    let job = world.claim(1).await.pop()?;
    let ended = job
        .template
        .payload
        .decode()
        .expect("the call of a callback");
    world.settle(&job, finished()).await;
    Some((job.template.task, ended))
}

fn about(task: &str, name: &str, status: Status) -> Option<(String, Ended)> {
    let job = id(name);
    Some((task.to_owned(), Ended { job, status }))
}

async fn a_finished_job_calls_back(world: World) {
    let job = world.start(calling("a")).await;
    assert_eq!(
        job.template.options.callbacks.on_stopped.as_deref(),
        Some("shrug")
    );
    world.settle(&job, finished()).await;
    assert_eq!(called(&world).await, about("cheer", "a", Status::Finished));
    assert_eq!(called(&world).await, None);
}

async fn a_failed_job_calls_back_and_a_retry_does_not(world: World) {
    let first = world.start(calling("a")).await;
    let (error, at) = ("no milk".to_owned(), world.later(1));
    world.settle(&first, Ending::Retry { error, at }).await;
    assert_eq!(called(&world).await, None);
    world.pass(1);
    world.move_due().await;
    let second = world.claim(1).await.remove(0);
    world.settle(&second, failed("no milk")).await;
    assert_eq!(called(&world).await, about("mourn", "a", Status::Failed));
}

async fn a_stopped_job_calls_back(world: World) {
    world.end(calling("a"), Ending::Stopped).await;
    assert_eq!(called(&world).await, about("shrug", "a", Status::Stopped));
}

async fn poison_calls_back_as_a_failure(world: World) {
    world.enqueue([calling("a")]).await;
    for _ in 0..POISON_LOSSES {
        world.claim(1).await;
        world.clock.advance(LEASE);
        world.store.reap(true, 10).await.expect("reaped");
    }
    assert_eq!(called(&world).await, about("mourn", "a", Status::Failed));
}

async fn what_is_canceled_or_handed_back_calls_nobody(world: World) {
    world.end(calling("a"), Ending::HandedBack).await;
    world.cancel("a").await;
    assert_eq!(world.status("a").await, Some(Status::Canceled));
    assert_eq!(called(&world).await, None);
}

async fn each_run_of_a_repeat_calls_back(world: World) {
    let repeating = calling("a").options(|options| options.repeat = Some(Repeat::every(1, ms(9))));
    let first = world.start(repeating).await;
    world.settle(&first, finished()).await;
    assert_eq!(called(&world).await, about("cheer", "a", Status::Finished));
    world.pass(9);
    world.move_due().await;
    let last = world.claim(1).await.remove(0);
    world.settle(&last, finished()).await;
    assert_eq!(called(&world).await, about("cheer", "a", Status::Finished));
}

async fn a_job_that_is_not_kept_calls_back_all_the_same(world: World) {
    world.end(calling("a").result_ttl(ms(0)), finished()).await;
    assert_eq!(world.find("a").await, None);
    assert_eq!(called(&world).await, about("cheer", "a", Status::Finished));
}

async fn the_call_comes_first_in_its_jobs_queue(world: World) {
    let parent = world.start(calling("a").on("low")).await;
    world
        .enqueue([job("child").on("low").after(&["a"]), job("b").on("low")])
        .await;
    world.settle(&parent, finished()).await;
    let jobs: Vec<Job> = world.claim_from(&["low"], 9).await;
    let tasks: Vec<_> = jobs.iter().map(|job| job.template.task.as_str()).collect();
    assert_eq!(tasks, ["cheer", "greet", "greet"]);
    assert_eq!(jobs[1].id, id("b"));
}

async fn a_stale_worker_calls_nobody(world: World) {
    let stale = world.start(calling("a")).await;
    world.clock.advance(LEASE);
    world.store.reap(true, 10).await.expect("reaped");
    world.claim(1).await;
    world.settle(&stale, finished()).await;
    assert_eq!(called(&world).await, None);
}
