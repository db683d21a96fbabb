//! Hearing of changes without asking again and again.

use std::sync::Arc;
use std::time::Duration;

use lullaby::clock::{Clock, SystemClock, until};
use lullaby::event::NewEvent;
use lullaby::job::Job;
use lullaby::store::{Ending, Signal, Topic};
use serde_json::Value;

use crate::drivers::every_driver_passes;
use crate::specs::{HOUR, With, hourly, job};
use crate::world::{World, failed, finished, id, ms, one};

every_driver_passes! {
    whoever_waits_for_jobs_hears_of_each_that_is_queued,
    whoever_waits_for_due_times_hears_of_new_ones,
    whoever_waits_for_results_hears_of_each_end,
    whoever_runs_a_job_hears_of_a_stop_request,
    whoever_follows_events_hears_of_new_ones,
    another_process_hears_of_it_too,
    a_store_gives_its_clock,
    a_store_says_where_it_is,
}

/// Waits for the signal. A driver that never raises it fails here, instead of hanging.
async fn heard(signal: &mut Signal, of: &str) {
    let clock = SystemClock::default();
    let patience = clock.now() + Duration::from_secs(20);
    let raised = until(&clock, patience, signal.raised()).await;
    assert!(raised.is_some(), "nobody told of {of}");
}

/// Does something and waits until it is told of.
macro_rules! heard_of {
    ($signal:ident, $what:expr) => {{
        $signal.reset();
        let outcome = $what.await;
        heard(&mut $signal, stringify!($what)).await;
        outcome
    }};
}

fn retry(job: &Job) -> Ending {
    Ending::Retry {
        error: "no".to_owned(),
        at: job.created_at,
    }
}

async fn whoever_waits_for_jobs_hears_of_each_that_is_queued(world: World) {
    let mut queued = world.store.signals().listen(Topic::Queued);
    heard_of!(queued, world.enqueue([job("a")]));
    let started = one(world.claim(1).await);
    heard_of!(queued, world.settle(&started, Ending::HandedBack));
    let started = one(world.claim(1).await);
    heard_of!(queued, world.settle(&started, retry(&started)));
    let started = one(world.claim(1).await);
    world.settle(&started, failed("no")).await;
    heard_of!(queued, world.requeue("a"));
    world.claim(1).await;
    world.pass(15_000);
    let reaped = heard_of!(queued, world.store.reap(true, 9));
    assert_eq!(reaped.expect("reaped").returned, [id("a")]);
    world.enqueue([job("b").at(world.later(1))]).await;
    world.pass(1);
    heard_of!(queued, world.move_due());
    world.put_schedule(&hourly("tick", world.now())).await;
    world.pass(HOUR);
    heard_of!(queued, world.decide_due());
}

async fn whoever_waits_for_due_times_hears_of_new_ones(world: World) {
    let (soon, later) = (world.later(1000), world.later(2000));
    let mut due = world.store.signals().listen(Topic::Due);
    heard_of!(due, world.enqueue([job("a").at(later)]));
    heard_of!(due, world.store.change_time(&id("a"), soon)).expect("changed");
    let started = world.start(job("b")).await;
    heard_of!(
        due,
        world.settle(
            &started,
            Ending::Snoozed {
                at: world.now() + ms(500)
            }
        )
    );
    let record = hourly("tick", world.now());
    heard_of!(due, world.put_schedule(&record));
    let edit = record.edited(record.spec.clone(), world.now());
    let edit = edit.expect("fine");
    heard_of!(due, world.store.put_schedule(edit, Some(1))).expect("put");
}

async fn whoever_waits_for_results_hears_of_each_end(world: World) {
    let mut ended = world.store.signals().listen(Topic::Ended);
    for (name, ending) in [
        ("finished", finished()),
        ("failed", failed("no")),
        ("stopped", Ending::Stopped),
    ] {
        let started = world.start(job(name)).await;
        heard_of!(ended, world.settle(&started, ending));
    }
    let started = world.start(job("short").result_ttl(Duration::ZERO)).await;
    heard_of!(ended, world.settle(&started, finished()));
    world.enqueue([job("canceled"), job("deleted")]).await;
    heard_of!(ended, world.cancel("canceled"));
    heard_of!(ended, world.delete("deleted"));
}

async fn whoever_runs_a_job_hears_of_a_stop_request(world: World) {
    let mut control = world.store.signals().listen(Topic::Control);
    world.start(job("a")).await;
    heard_of!(control, world.cancel("a"));
}

async fn whoever_follows_events_hears_of_new_ones(world: World) {
    let mut events = world.store.signals().listen(Topic::Events);
    let event = NewEvent {
        subject: "pet".to_owned(),
        job: None,
        kind: "pet.changed".to_owned(),
        data: Value::Object(serde_json::Map::new()),
    };
    heard_of!(events, world.store.append_events(vec![event])).expect("appended");
    heard_of!(events, world.enqueue([job("a").about("pet")]));
    let started = heard_of!(events, world.claim(1));
    heard_of!(events, world.settle(&started[0], finished()));
}

async fn another_process_hears_of_it_too(world: World) {
    let other = world.reopen().await;
    let listen = |topic| other.store.signals().listen(topic);
    let mut queued = listen(Topic::Queued);
    heard_of!(queued, world.enqueue([job("a")]));
    let mut due = listen(Topic::Due);
    heard_of!(due, world.enqueue([job("b").at(world.later(1000))]));
    let started = one(other.claim(1).await);
    let mut control = listen(Topic::Control);
    heard_of!(control, world.cancel("a"));
    let mut ended = world.store.signals().listen(Topic::Ended);
    heard_of!(ended, other.settle(&started, Ending::Stopped));
    let mut events = listen(Topic::Events);
    heard_of!(events, world.enqueue([job("c").about("pet")]));
}

async fn a_store_gives_its_clock(world: World) {
    let clock: &Arc<dyn Clock> = world.store.clock();
    world.pass(1234);
    assert_eq!(clock.now(), world.now());
    assert!(clock.as_manual().is_some());
}

async fn a_store_says_where_it_is(world: World) {
    let location = world.store.location();
    assert!(location.contains(':'), "expected a URL, got {location}");
}
