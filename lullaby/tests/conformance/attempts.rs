//! What became of a job, run by run.

use lullaby::job::Job;
use lullaby::store::{Ending, Enqueued};
use lullaby::{Attempt, KEPT_ATTEMPTS, Lullaby, Repeat};

use crate::drivers::every_driver_passes;
use crate::specs::{With, job};
use crate::world::{World, failed, finished, id, ms, one};

every_driver_passes! {
    each_run_is_told_with_its_times_its_worker_and_its_error,
    a_subject_adds_nothing_twice,
    runs_of_one_instant_are_told_apart,
    a_requeued_job_keeps_what_became_of_it,
    the_newest_runs_are_kept,
    a_replaced_call_has_no_past,
    a_long_error_of_an_earlier_run_is_cut_between_letters,
}

async fn history(world: &World, name: &str) -> Vec<Attempt> {
    let lullaby = Lullaby::with_store(world.store.clone());
    let history = lullaby.job(id(name)).history().await;
    history.expect("read")
}

async fn outcomes(world: &World, name: &str) -> Vec<String> {
    let history = history(world, name).await.into_iter();
    history.map(|one| one.outcome).collect()
}

async fn claim_one(world: &World) -> Job {
    one(world.claim(1).await)
}

fn retry(world: &World) -> Ending {
    Ending::Retry {
        error: "no milk".to_owned(),
        at: world.now(),
    }
}

/// Runs the job through all ways to come back, each run a second long; answers the outcomes.
async fn run_through_all(world: &World) -> Vec<&'static str> {
    let at = world.now();
    let endings = [
        ("retrying", retry(world)),
        ("snoozed", Ending::Snoozed { at }),
        ("returned", Ending::HandedBack),
        ("repeating", finished()),
    ];
    let mut told = Vec::new();
    for (outcome, ending) in endings {
        let running = claim_one(world).await;
        world.pass(1000);
        world.settle(&running, ending).await;
        world.pass(10);
        told.push(outcome);
    }
    claim_one(world).await;
    world.pass(15_000);
    world.store.reap(true, 10).await.expect("reaped");
    told.push("lost");
    world.pass(10);
    let running = claim_one(world).await;
    world.pass(1000);
    world.settle(&running, finished()).await;
    told.push("finished");
    told
}

async fn each_run_is_told_with_its_times_its_worker_and_its_error(world: World) {
    let began = world.now();
    let again = job("a").options(|one| one.repeat = Some(Repeat::times(1)));
    world.enqueue([again]).await;
    let told = run_through_all(&world).await;
    let history = history(&world, "a").await;
    let outcomes: Vec<_> = history.iter().map(|one| &*one.outcome).collect();
    assert_eq!(outcomes, told);
    assert_eq!(history[0].started_at, Some(began));
    assert!(history.is_sorted_by(|one, next| one.token < next.token));
    for attempt in &history {
        let took = match &*attempt.outcome {
            "lost" => 15_000,
            _ => 1000,
        };
        let times = attempt.started_at.zip(attempt.ended_at);
        assert_eq!(
            times.map(|(began, ended)| ended.since(began)),
            Some(ms(took))
        );
        assert_eq!(attempt.worker.as_deref(), Some("worker"));
        let failed = attempt.outcome == "retrying";
        assert_eq!(attempt.error.as_deref(), failed.then_some("no milk"));
    }
}

async fn a_subject_adds_nothing_twice(world: World) {
    let again = job("a").options(|one| one.repeat = Some(Repeat::times(1)));
    world.enqueue([again.about("pet")]).await;
    let told = run_through_all(&world).await;
    assert_eq!(outcomes(&world, "a").await, told);
}

async fn runs_of_one_instant_are_told_apart(world: World) {
    world.enqueue([job("a")]).await;
    for _ in 0..3 {
        let running = claim_one(&world).await;
        world.settle(&running, retry(&world)).await;
    }
    let running = claim_one(&world).await;
    assert_eq!(
        outcomes(&world, "a").await,
        ["retrying", "retrying", "retrying", "running"]
    );
    world.settle(&running, failed("no milk")).await;
    assert_eq!(
        outcomes(&world, "a").await,
        ["retrying", "retrying", "retrying", "failed"]
    );
}

async fn a_requeued_job_keeps_what_became_of_it(world: World) {
    let endings = [
        ("failed", failed("no milk")),
        ("stopped", Ending::Stopped),
        ("finished", finished()),
        (
            "finished",
            Ending::Finished {
                result: Some("7".to_owned()),
            },
        ),
    ];
    world.enqueue([job("a")]).await;
    let mut told = Vec::new();
    for (outcome, ending) in endings {
        let running = claim_one(&world).await;
        world.pass(1000);
        world.settle(&running, ending).await;
        told.push(outcome);
        assert_eq!(outcomes(&world, "a").await, told);
        world.pass(10);
        world.requeue("a").await;
        assert_eq!(outcomes(&world, "a").await, told);
    }
    let errors = history(&world, "a").await.into_iter();
    let errors: Vec<_> = errors.map(|one| one.error).collect();
    assert_eq!(errors, [Some("no milk".to_owned()), None, None, None]);
}

async fn the_newest_runs_are_kept(world: World) {
    world.enqueue([job("a")]).await;
    let mut began = Vec::new();
    for _ in 0..KEPT_ATTEMPTS + 5 {
        began.push(Some(world.now()));
        let running = claim_one(&world).await;
        world.settle(&running, Ending::HandedBack).await;
        world.pass(10);
    }
    began.push(Some(world.now()));
    claim_one(&world).await;
    let history = history(&world, "a").await;
    let known: Vec<_> = history.iter().map(|one| one.started_at).collect();
    assert_eq!(known[known.len() - 1 - KEPT_ATTEMPTS..], began[5..]);
    assert!(known.len() <= 101, "{} are kept", known.len());
}

async fn a_replaced_call_has_no_past(world: World) {
    world.enqueue([job("a")]).await;
    let running = claim_one(&world).await;
    world.settle(&running, retry(&world)).await;
    let replaced = world.enqueue([job("a").replacing()]).await;
    assert_eq!(replaced, [Enqueued::Replaced]);
    assert_eq!(history(&world, "a").await, []);
}

async fn a_long_error_of_an_earlier_run_is_cut_between_letters(world: World) {
    world.enqueue([job("a")]).await;
    let running = claim_one(&world).await;
    let (error, at) = (format!("x{}", "é".repeat(2000)), world.now());
    world.settle(&running, Ending::Retry { error, at }).await;
    world.pass(10);
    claim_one(&world).await;
    let error = history(&world, "a").await.remove(0).error;
    let error = error.expect("it failed");
    let letters = error.strip_prefix('x').expect("its beginning");
    assert!((900..=1000).contains(&error.len()), "{}", error.len());
    assert!(letters.chars().all(|letter| letter == 'é'), "{error}");
}
