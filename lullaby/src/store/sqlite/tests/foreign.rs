//! Other connections on the file: their commits are heard of, and they may enqueue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{PATIENCE, Place, enqueue, find, heard_within};
use crate::job::Status;
use crate::store::{Inspect, JobFilter, Topic, Wake};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_insert_in_a_foreign_transaction_enqueues_when_it_commits() {
    let place = Place::new();
    let store = place.open();
    let mut foreign = place.foreign();
    foreign
        .execute_batch("CREATE TABLE pet (name)")
        .expect("made");
    let mut queued = store.signals().listen(Topic::Queued);

    let step = foreign.transaction().expect("begun");
    step.execute("INSERT INTO pet VALUES ('Mochi')", [])
        .expect("inserted");
    step.execute(
        "INSERT INTO lullaby_enqueue (id, task) VALUES ('a', 'feed')",
        [],
    )
    .expect("inserted");
    assert!(find(&store, "a").await.is_none(), "not yet");
    queued.reset();
    step.commit().expect("committed");
    assert!(heard_within(&mut queued, PATIENCE).await, "nobody told");
    let job = find(&store, "a").await.expect("enqueued");
    assert_eq!(
        (job.status, job.template.task.as_str()),
        (Status::Queued, "feed")
    );

    let step = foreign.transaction().expect("begun");
    step.execute(
        "INSERT INTO lullaby_enqueue (id, task) VALUES ('b', 'feed')",
        [],
    )
    .expect("inserted");
    step.rollback().expect("rolled back");
    assert!(find(&store, "b").await.is_none(), "it never was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_insert_of_nonsense_names_the_column_and_changes_nothing() {
    let place = Place::new();
    let store = place.open();
    let foreign = place.foreign();
    for (column, value) in [
        ("task", "NULL"),
        ("task", "''"),
        ("task", "7"),
        ("id", "''"),
        ("id", "'a b'"),
        ("id", "7"),
        ("queue", "''"),
        ("queue", "char(7)"),
        ("payload", "'not JSON'"),
        ("payload", "'[]'"),
        ("payload", "'[{},[]]'"),
        ("payload", "x'00'"),
        ("due", "'tomorrow'"),
        ("due", "-1"),
        ("due", "1.5"),
        ("timeout", "0"),
        ("ttl", "0"),
        ("result_ttl", "-2"),
        ("failure_ttl", "'long'"),
        ("at_front", "2"),
        ("retry", "-1"),
        ("retry", "'often'"),
        ("meta", "'[]'"),
        ("subject", "7"),
        ("now", "'now'"),
    ] {
        let sql = if column == "task" {
            format!("INSERT INTO lullaby_enqueue (task) VALUES ({value})")
        } else {
            format!("INSERT INTO lullaby_enqueue (task, {column}) VALUES ('feed', {value})")
        };
        let error = foreign.execute(&sql, []).expect_err(&sql).to_string();
        assert!(
            error.contains("lullaby_enqueue: ") && error.contains(column),
            "{sql}: {error}"
        );
    }
    let all = store
        .count_jobs(&JobFilter::default())
        .await
        .expect("counted");
    assert_eq!(all, 0);
    place.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_commit_is_heard_of_about_once_and_hearing_of_it_causes_none() {
    let place = Place::new();
    let (store, other) = (place.open(), place.open());
    let heard = Arc::new(AtomicUsize::new(0));
    let mut signal = other.signals().listen(Topic::Queued);
    let count = heard.clone();
    let listening = tokio::spawn(async move {
        loop {
            signal.raised().await;
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    for n in 0..50 {
        enqueue(&store, &format!("job-{n}"))
            .await
            .expect("enqueued");
    }
    let mut signal = other.signals().listen(Topic::Queued);
    // What is on its way arrives; a loop of two stores that wake each other would never be silent.
    while heard_within(&mut signal, Duration::from_millis(1500)).await {}
    let heard = heard.load(Ordering::SeqCst);
    assert!(
        (1..=50).contains(&heard),
        "50 commits were heard of {heard} times"
    );
    listening.abort();
}
