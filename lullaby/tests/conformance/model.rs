//! Random histories on a driver and on the memory store side by side: after each command, the same answer and the same state.

use std::collections::BTreeSet;
use std::sync::Arc;

use lullaby::clock::ManualClock;
use lullaby::event::EventLimits;
use lullaby::job::{Job, Status};
use lullaby::store::Store;
use lullaby::store::memory::MemoryStore;
use proptest::test_runner::{TestCaseError, TestError};
use tokio::runtime::Handle;

use crate::drivers::every_driver_passes;
use crate::history::{Command, Player, histories};
use crate::snapshot::Snapshot;
use crate::soak;
use crate::world::World;

every_driver_passes! {
    random_histories_go_as_they_do_in_memory,
}

/// No event is dropped, so that all can be compared.
const LIMITS: EventLimits = EventLimits {
    per_subject: u64::MAX,
    total: u64::MAX,
};

async fn random_histories_go_as_they_do_in_memory(world: World) {
    let mut runner = soak::runner(soak::rounds(60, 1000), soak::seed());
    let outcome = tokio::task::block_in_place(|| {
        let play = |history: Vec<Command>| Handle::current().block_on(compare(&world, history));
        runner.run(&histories(), play)
    });
    match outcome {
        Ok(()) => (),
        Err(TestError::Fail(reason, history)) => {
            let steps: Vec<_> = history.iter().map(|step| format!("    {step:?}")).collect();
            panic!("{reason}\nafter this history:\n{}", steps.join("\n"));
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

async fn compare(world: &World, history: Vec<Command>) -> Result<(), TestCaseError> {
    let world = world.another(LIMITS).await;
    let again = world.reopen().await;
    let clock: &ManualClock = &world.clock;
    let oracle: Arc<dyn Store> = MemoryStore::with_limits(Arc::new(clock.clone()), LIMITS);
    let mut expected = Player::new(vec![oracle], clock);
    let mut actual = Player::new(vec![world.store.clone(), again.store.clone()], clock);
    for command in &history {
        if let Command::Pass(millis) = command {
            world.pass(*millis);
            continue;
        }
        let answers = (expected.play(command).await, actual.play(command).await);
        same(&answers.0, &answers.1, command, "answered")?;
        let seen = (expected.look().await, actual.look().await);
        check(&seen.1).map_err(|broken| fail(command, &broken))?;
        for (one, other, what) in seen.0.parts(&seen.1) {
            same(&one, &other, command, what)?;
        }
    }
    let (expected, actual) = (expected.runs().await, actual.runs().await);
    match history.last() {
        Some(last) => same(&expected, &actual, last, "told of its runs"),
        None => Ok(()),
    }
}

fn same(expected: &str, actual: &str, command: &Command, what: &str) -> Result<(), TestCaseError> {
    if expected == actual {
        return Ok(());
    }
    let message = format!("{what}\n  in memory: {expected}\n  here:      {actual}");
    Err(fail(command, &message))
}

fn fail(command: &Command, message: &str) -> TestCaseError {
    TestCaseError::fail(format!("{command:?}: {message}"))
}

/// What holds after every history, whatever the commands.
fn check(seen: &Snapshot) -> Result<(), String> {
    for job in &seen.jobs {
        let listed = seen.lists.iter().filter(|(_, ids)| ids.contains(&job.id));
        let statuses: Vec<Status> = listed.map(|(status, _)| *status).collect();
        if statuses != [job.status] {
            return Err(format!("{} is listed as {statuses:?}: {job:?}", job.id));
        }
        if !is_sound(job) {
            return Err(format!("this job contradicts itself: {job:?}"));
        }
    }
    check_rate_limits(&seen.jobs)?;
    let listed: usize = seen.lists.values().map(Vec::len).sum();
    let counts = seen.queues.iter().flat_map(|queue| queue.counts.values());
    let counted: u64 = counts.sum();
    if listed != seen.jobs.len() || counted != listed as u64 {
        let jobs = seen.jobs.len();
        return Err(format!("{jobs} jobs, {listed} listed, {counted} counted"));
    }
    let finished = |kind: &str| seen.events.iter().filter(|one| one.kind == kind).count();
    if finished("job.started") < finished("job.finished") {
        return Err("more jobs finished than started".to_owned());
    }
    Ok(())
}

/// The most slots that any job of these histories gives its limit.
const MOST_SLOTS: usize = 3;

/// No limit lets more in than any of its jobs ever allowed, and nobody waits for a limit of which no slot is taken.
fn check_rate_limits(jobs: &[Job]) -> Result<(), String> {
    let limit = |job: &Job| Some(job.template.options.rate_limit.as_ref()?.key.clone());
    let limits: BTreeSet<String> = jobs.iter().filter_map(limit).collect();
    for key in limits {
        let its = jobs.iter().filter(|job| limit(job).as_ref() == Some(&key));
        let (mut held, mut waits) = (0, 0);
        for job in its {
            held += usize::from(matches!(job.status, Status::Queued | Status::Started));
            waits += usize::from(job.status == Status::RateLimited);
        }
        if held > MOST_SLOTS || (held == 0 && waits > 0) {
            return Err(format!("{held} hold a slot of {key}, and {waits} wait"));
        }
    }
    Ok(())
}

/// Whether a job's fields fit its status.
fn is_sound(job: &Job) -> bool {
    let runs = job.status == Status::Started;
    let waits_in_line = job.status == Status::Queued;
    let waits = waits_in_line || job.status == Status::RateLimited;
    job.lease_until.is_some() == runs
        && job.ended_at.is_some() == job.status.is_ended()
        && (!runs || (job.token.is_some() && job.worker.is_some() && job.started_at.is_some()))
        && (!waits_in_line || job.enqueued_at.is_some())
        && (job.status != Status::Scheduled || job.due_at.is_some())
        && (job.expires_at.is_none() || waits || job.status.is_ended())
}
