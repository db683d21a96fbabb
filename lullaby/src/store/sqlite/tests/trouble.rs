//! A disk that is full, and a file that somebody else holds locked.

use std::time::Duration;

use super::{PATIENCE, Place, enqueue, find};
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{Inspect, JobFilter, Maintain};

/// Lets the file have so many pages more than it has; 0 lets it grow as it likes.
async fn leave_room(store: &SqliteStore, pages: i64) {
    let limit = move |conn: &rusqlite::Connection| {
        let count: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let most = if pages == 0 {
            i64::from(i32::MAX)
        } else {
            count + pages
        };
        conn.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?;
        Ok(())
    };
    store.write(limit).await.expect("set");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_each_write_and_loses_nothing() {
    let place = Place::new();
    let store = place.open();
    enqueue(&store, "first").await.expect("enqueued");
    leave_room(&store, 2).await;
    let (mut taken, mut refused) = (vec!["first".to_owned()], 0);
    for n in 0.. {
        let name = format!("job-{n}");
        match enqueue(&store, &name).await {
            Ok(()) => taken.push(name),
            Err(error) => {
                assert!(error.to_string().contains("the disk is full"), "{error}");
                assert!(find(&store, &name).await.is_none(), "{name} was refused");
                refused += 1;
            }
        }
        assert!(n < 10_000, "two pages cannot hold so much");
        if refused == 5 {
            break;
        }
    }
    place.assert_sound();

    leave_room(&store, 0).await;
    enqueue(&store, "last").await.expect("there is room again");
    taken.push("last".to_owned());
    for name in &taken {
        assert!(find(&store, name).await.is_some(), "{name} is lost");
    }
    let all = store
        .count_jobs(&JobFilter::default())
        .await
        .expect("counted");
    assert_eq!(all, taken.len() as u64);
    place.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_process_holds_the_lock_reads_go_on_and_writes_wait() {
    let place = Place::new();
    let store = place.open_with(SqliteOptions::default().patience(PATIENCE));
    enqueue(&store, "before").await.expect("enqueued");
    store.probe(PATIENCE).await.expect("it takes writes");
    let holder = place.foreign();
    holder.execute_batch("BEGIN IMMEDIATE").expect("held");

    let writer = store.clone();
    let waiting = tokio::spawn(async move { enqueue(&writer, "waits").await });
    let error = store
        .probe(Duration::from_millis(50))
        .await
        .expect_err("it takes none");
    assert!(
        error.is_store() && error.to_string().contains("took no write"),
        "{error}"
    );
    assert!(find(&store, "before").await.is_some(), "reads go on");
    assert!(find(&store, "waits").await.is_none());
    assert!(!waiting.is_finished());

    holder.execute_batch("ROLLBACK").expect("let go");
    waiting.await.expect("no panic").expect("goes through");
    store.probe(PATIENCE).await.expect("it takes writes again");
    assert!(find(&store, "waits").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_waited_in_vain_says_why_and_wrote_nothing() {
    let place = Place::new();
    let store = place.open_with(SqliteOptions::default().patience(Duration::from_millis(50)));
    let holder = place.foreign();
    holder.execute_batch("BEGIN IMMEDIATE").expect("held");
    let error = enqueue(&store, "a").await.expect_err("it is locked");
    assert!(
        error.is_store() && error.to_string().contains("another process holds the lock"),
        "{error}"
    );
    holder.execute_batch("ROLLBACK").expect("let go");
    assert!(find(&store, "a").await.is_none());
    enqueue(&store, "a").await.expect("works again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_closed_while_the_file_is_locked_does_not_hang() {
    let place = Place::new();
    let store = place.open_with(SqliteOptions::default().patience(Duration::from_secs(3600)));
    let holder = place.foreign();
    holder.execute_batch("BEGIN IMMEDIATE").expect("held");
    let mut write = Box::pin(store.write(|_| Ok(())));
    assert!(begins_to_wait(&mut write).await, "it waits");
    drop(write);
    drop(store);
}

/// Polls it once, so that it is under way; true if it is not done.
async fn begins_to_wait(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut *future).poll(context);
        std::task::Poll::Ready(polled.is_pending())
    })
    .await
}
