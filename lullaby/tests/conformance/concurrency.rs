//! Many at once, on one handle and on several, as several processes would have them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lullaby::job::{Job, Status};
use lullaby::schedule::decide_among;
use lullaby::store::{Advanced, Enqueued, JobFilter, Settled};
use tokio::task::JoinSet;

use crate::drivers::every_driver_passes;
use crate::specs::{HOUR, With, every, hourly, job};
use crate::world::{ALL, World, finished, ids, ms};

every_driver_passes! {
    each_job_is_claimed_by_one_worker,
    each_job_finishes_once_whatever_leases_run_out,
    one_of_many_producers_makes_the_job,
    each_replacement_is_whole,
    one_of_many_makes_the_schedule,
    each_slot_makes_one_job_however_many_schedulers_run,
}

/// Runs `work` in so many tasks, half of them on the store opened a second time; hands back what each made.
async fn in_tasks<F, T>(
    world: &World,
    tasks: usize,
    work: impl Fn(Arc<World>, usize) -> F,
) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let handles = [world.reopen().await, world.reopen().await].map(Arc::new);
    let mut running = JoinSet::new();
    for n in 0..tasks {
        running.spawn(work(handles[n % 2].clone(), n));
    }
    running.join_all().await
}

async fn each_job_is_claimed_by_one_worker(world: World) {
    let names: BTreeSet<_> = (0..1000).map(|n| format!("job-{n}")).collect();
    world.enqueue(names.iter().map(|name| job(name))).await;
    let claimed = in_tasks(&world, 8, |world, n| async move {
        let mut mine = Vec::new();
        loop {
            // Batches of several sizes, so that claims overlap in many ways.
            let claimed = world.claim(1 + n * 3).await;
            if claimed.is_empty() {
                return mine;
            }
            mine.extend(claimed);
        }
    })
    .await;
    let claimed: Vec<Job> = claimed.into_iter().flatten().collect();
    assert_eq!(claimed.len(), names.len(), "none twice");
    assert_eq!(ids(&claimed).into_iter().collect::<BTreeSet<_>>(), names);
    let tokens: BTreeSet<_> = claimed.iter().map(|job| job.token).collect();
    assert_eq!(tokens.len(), names.len(), "each has its own token");
}

async fn each_job_finishes_once_whatever_leases_run_out(world: World) {
    let names: Vec<_> = (0..200).map(|n| format!("job-{n}")).collect();
    world.enqueue(names.iter().map(|name| job(name))).await;
    let finished_by = in_tasks(&world, 6, |world, n| async move {
        let mut mine = Vec::new();
        let mut round = 0;
        loop {
            round += 1;
            let claimed = world.claim(5).await;
            // Lets the others in between.
            tokio::task::yield_now().await;
            let left = JobFilter {
                status: Some(Status::Started),
                ..JobFilter::default()
            };
            if claimed.is_empty() && world.store.count_jobs(&left).await.expect("read") == 0 {
                return mine;
            }
            // Now and then a worker stalls for as long as its lease, and whoever is there reaps.
            if (round + n) % 7 == 0 {
                world.pass(15_000);
            }
            world.store.reap(true, 100).await.expect("reaped");
            for job in claimed {
                if world.settle(&job, finished()).await == Settled::Done {
                    mine.push(job.id);
                }
            }
        }
    })
    .await;
    let finished_by: Vec<_> = finished_by.into_iter().flatten().collect();
    let once: BTreeSet<_> = finished_by.iter().collect();
    assert_eq!(once.len(), finished_by.len(), "none twice");
    let finished = world.list_status(Status::Finished).await.len();
    let poisoned = world.list_status(Status::Failed).await.len();
    assert_eq!(finished, once.len());
    assert_eq!(finished + poisoned, names.len());
}

async fn one_of_many_producers_makes_the_job(world: World) {
    for round in 0..20 {
        let outcomes = in_tasks(&world, 6, move |world, n| async move {
            let name = format!("job-{round}");
            world.enqueue([job(&name).task(&n.to_string())]).await[0]
        })
        .await;
        let mut expected = [Enqueued::Exists {
            status: Status::Queued,
        }; 6];
        let created = outcomes.iter().position(|one| *one == Enqueued::Created);
        expected[created.expect("one made it")] = Enqueued::Created;
        assert_eq!(outcomes, expected);
    }
    assert_eq!(world.line().await.len(), 20);
}

async fn each_replacement_is_whole(world: World) {
    world.enqueue([job("a")]).await;
    in_tasks(&world, 6, |world, n| async move {
        for round in 0..20 {
            let (name, at) = (format!("{n}-{round}"), world.later(round * 1000));
            let new = job("a").task(&name).about(&name).on(&name).at(at);
            world.enqueue([new.replacing()]).await;
        }
    })
    .await;
    let kept = world.job("a").await;
    let name = &kept.template.task;
    assert_eq!(kept.template.subject.as_ref(), Some(name));
    assert_eq!(kept.template.queue.as_str(), name);
    let round: u64 = name
        .split('-')
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("task-round");
    assert_eq!(kept.due_at, Some(world.later(round * 1000)));
}

async fn one_of_many_makes_the_schedule(world: World) {
    let outcomes = in_tasks(&world, 6, |world, _| async move {
        let record = hourly("tick", world.now());
        let put = world.store.put_schedule(record.clone(), None).await;
        (record, put.expect("answered"))
    })
    .await;
    let mut made = outcomes.iter().filter(|(_, put)| *put == Advanced::Done);
    let (record, _) = made.next().expect("one made it");
    assert_eq!(made.next(), None, "and one only");
    assert_eq!(world.schedule("tick").await.as_ref(), Some(record));
}

async fn each_slot_makes_one_job_however_many_schedulers_run(world: World) {
    // A day of three schedules, 20, 40 and 60 minutes apart.
    let start = world.now();
    let minutes = |n: u64| ms(n * HOUR / 60);
    let intervals = [20, 40, 60];
    let records = intervals.map(|n| every(&format!("every-{n}"), minutes(n), start));
    for record in &records {
        world.put_schedule(record).await;
    }
    let advances = in_tasks(&world, 3, move |world, _| async move {
        let mut advanced = 0;
        while world.now() < start + minutes(24 * 60) {
            let due = world.store.due_schedules(2).await.expect("read");
            if due.due.is_empty() {
                // Whoever finds nothing to do lets time pass, so the others find slots that were missed, too.
                world.clock.advance(minutes(7));
                continue;
            }
            let now = world.now();
            let decisions = due
                .due
                .iter()
                .filter_map(|one| decide_among(one, &due.jobs, now))
                .collect();
            let answers = world.store.advance(decisions).await.expect("answered");
            advanced += answers.iter().filter(|one| **one == Advanced::Done).count();
        }
        advanced
    })
    .await;
    world.decide_due().await;

    let all = JobFilter {
        page: ALL,
        ..JobFilter::default()
    };
    let jobs = world.store.list_jobs(&all).await.expect("listed");
    let mut slots: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for job in jobs.iter().rev() {
        let slot = job.slot.as_ref().expect("made for a slot");
        let numbers = slots.entry(slot.schedule.clone()).or_default();
        // A run that stands for several slots is for all of them up to its own.
        numbers.extend(slot.number + 1 - slot.stands_for..=slot.number);
    }
    for (record, interval) in records.iter().zip(intervals) {
        let kept = world.schedule(&record.name).await.expect("kept");
        let passed = world.now().since(start).as_millis() / minutes(interval).as_millis();
        assert_eq!(u128::from(kept.slots), passed, "{}", record.name);
        let all: Vec<_> = (1..=kept.slots).collect();
        assert_eq!(slots[&record.name], all, "{}", record.name);
        let made = jobs.iter().filter(|job| {
            job.slot
                .as_ref()
                .is_some_and(|slot| slot.schedule_id == record.id)
        });
        assert_eq!(kept.fired, made.count() as u64);
        let ledger = world.store.ledger(record, usize::MAX).await;
        let ledger = ledger.expect("read");
        assert_eq!(
            ledger.iter().map(|line| line.slots).sum::<u64>(),
            kept.slots
        );
    }
    assert!(advances.iter().sum::<usize>() > 0);
}
