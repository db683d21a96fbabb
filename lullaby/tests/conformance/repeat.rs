//! Jobs that run again after they have finished.

use lullaby::Repeat;
use lullaby::job::{JobSpec, Status};
use serde_json::json;

use crate::drivers::every_driver_passes;
use crate::specs::{With, job};
use crate::world::{World, failed, finished, ms};

every_driver_passes! {
    a_finished_run_puts_the_same_job_back_for_later,
    the_pauses_come_in_their_order_and_the_last_one_again,
    without_a_pause_it_goes_to_the_end_of_its_queue_at_once,
    only_the_last_run_leaves_a_result,
    a_failed_run_ends_it,
    one_that_was_asked_to_stop_is_not_put_back,
    those_that_depend_on_it_wait_for_its_first_run,
    each_run_writes_an_event,
}

fn repeating(name: &str, repeat: Repeat) -> JobSpec {
    job(name).options(|options| options.repeat = Some(repeat))
}

/// Runs the job that is due after so many milliseconds, and ends it well; false if none is.
async fn run_after(world: &World, pause: u64) -> bool {
    world.pass(pause - 1);
    world.move_due().await;
    assert!(world.claim(1).await.is_empty(), "it came too early");
    world.pass(1);
    world.move_due().await;
    let Some(job) = world.claim(1).await.pop() else {
        return false;
    };
    world.settle(&job, finished()).await;
    true
}

async fn a_finished_run_puts_the_same_job_back_for_later(world: World) {
    let first = world.start(repeating("a", Repeat::every(1, ms(20)))).await;
    world.pass(5);
    world.settle(&first, finished()).await;
    let job = world.job("a").await;
    assert_eq!(
        (job.status, job.due_at),
        (Status::Scheduled, Some(world.later(20)))
    );
    assert_eq!((job.ended_at, job.expires_at), (None, None));
    assert_eq!(job.template.options.repeat, Some(Repeat::every(0, ms(20))));
    assert!(run_after(&world, 20).await);
    assert_eq!(world.status("a").await, Some(Status::Finished));
}

async fn the_pauses_come_in_their_order_and_the_last_one_again(world: World) {
    let pauses = [ms(20), ms(2000), ms(40)];
    let first = world
        .start(repeating("a", Repeat::intervals(4, pauses)))
        .await;
    world.settle(&first, finished()).await;
    for pause in [20, 2000, 40, 40] {
        assert!(run_after(&world, pause).await);
    }
    assert_eq!(world.status("a").await, Some(Status::Finished));
}

async fn without_a_pause_it_goes_to_the_end_of_its_queue_at_once(world: World) {
    let first = world.start(repeating("a", Repeat::times(1))).await;
    world.enqueue([job("b")]).await;
    world.settle(&first, finished()).await;
    assert_eq!(world.line().await, ["b", "a"]);
}

async fn only_the_last_run_leaves_a_result(world: World) {
    let ending = |n: u8| lullaby::store::Ending::Finished {
        result: Some(n.to_string()),
    };
    let first = world
        .start(repeating("a", Repeat::times(1)).result_ttl(ms(0)))
        .await;
    world.settle(&first, ending(1)).await;
    assert_eq!(world.job("a").await.result, None);
    let last = world.claim(1).await.remove(0);
    world.settle(&last, ending(2)).await;
    assert_eq!(world.find("a").await, None);
    let first = world.start(repeating("b", Repeat::times(1))).await;
    world.settle(&first, ending(1)).await;
    assert_eq!(world.job("b").await.result, None);
    let last = world.claim(1).await.remove(0);
    world.settle(&last, ending(2)).await;
    assert_eq!(world.job("b").await.result.as_deref(), Some("2"));
}

async fn a_failed_run_ends_it(world: World) {
    let first = world.start(repeating("a", Repeat::times(3))).await;
    world.settle(&first, failed("no milk")).await;
    assert_eq!(world.status("a").await, Some(Status::Failed));
    // Once more by hand, and it goes on with what was left.
    world.requeue("a").await;
    let next = world.claim(1).await.remove(0);
    world.settle(&next, finished()).await;
    let job = world.job("a").await;
    assert_eq!(job.status, Status::Queued);
    assert_eq!(job.template.options.repeat, Some(Repeat::times(2)));
}

async fn one_that_was_asked_to_stop_is_not_put_back(world: World) {
    let first = world.start(repeating("a", Repeat::times(3))).await;
    world.cancel("a").await;
    world.settle(&first, finished()).await;
    assert_eq!(world.status("a").await, Some(Status::Finished));
}

async fn those_that_depend_on_it_wait_for_its_first_run(world: World) {
    let first = world.start(repeating("a", Repeat::every(3, ms(10)))).await;
    world.enqueue([job("child").after(&["a"])]).await;
    world.settle(&first, finished()).await;
    assert_eq!(world.line().await, ["child"]);
}

async fn each_run_writes_an_event(world: World) {
    let repeat = Repeat::every(1, ms(10));
    let first = world.start(repeating("a", repeat).about("pet")).await;
    world.settle(&first, finished()).await;
    let due = world.later(10).as_millis();
    let told = world.told("pet").await;
    let repeating = json!({"task": "greet", "worker": "worker", "due": due});
    assert_eq!(told.last(), Some(&("job.repeating".to_owned(), repeating)));
    assert!(run_after(&world, 10).await);
    let kinds = world.kinds("pet").await;
    assert_eq!(
        kinds[2..],
        ["job.repeating", "job.queued", "job.started", "job.finished"]
    );
}
