//! Callers that share a commit do not share their errors.

use std::sync::mpsc;

use super::{Place, enqueue, find, job};
use crate::error::Error;
use crate::store::Produce;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_one_caller_undoes_nothing_of_its_neighbours() {
    let place = Place::new();
    let store = place.open();
    store
        .write(|conn| Ok(conn.execute_batch("CREATE TABLE note (text UNIQUE)")?))
        .await
        .expect("made");
    // The writer is kept busy until all of them wait, so that they become one group.
    let (go, wait) = mpsc::channel::<()>();
    let busy = store.write(move |_| wait.recv().map_err(|_| Error::store("nobody said go")));
    let before = store.enqueue(vec![job("before")]);
    let refused = store.write(|conn| {
        conn.execute("INSERT INTO note VALUES ('refused')", [])?;
        conn.execute(
            "INSERT INTO lullaby_enqueue (id, task) VALUES ('refused', 'greet')",
            [],
        )?;
        Err::<(), _>(Error::invalid("changed its mind"))
    });
    let doubled = store.write(|conn| {
        conn.execute("INSERT INTO note VALUES ('twice')", [])?;
        Ok(conn.execute("INSERT INTO note VALUES ('twice')", [])?)
    });
    let panics = store.write(|conn| -> crate::Result<()> {
        conn.execute("INSERT INTO note VALUES ('panicked')", [])?;
        panic!("on purpose")
    });
    let written = store.write(|conn| Ok(conn.execute("INSERT INTO note VALUES ('kept')", [])?));
    let after = store.enqueue(vec![job("after")]);
    // Polled in this order; the last one lets the writer go.
    let go = async move { go.send(()).expect("it waits") };
    let (busy, before, refused, doubled, panics, written, after, ()) =
        tokio::join!(biased; busy, before, refused, doubled, panics, written, after, go);

    busy.expect("done");
    before.expect("enqueued");
    after.expect("enqueued");
    assert_eq!(written.expect("written"), 1);
    assert!(refused.expect_err("refused").is_invalid());
    assert!(doubled.expect_err("refused").to_string().contains("UNIQUE"));
    assert!(
        panics
            .expect_err("refused")
            .to_string()
            .contains("panicked")
    );
    let notes: Vec<String> = store
        .read(|conn| {
            let mut notes = conn.prepare("SELECT text FROM note")?;
            let notes = notes.query_map([], |row| row.get(0))?;
            Ok(notes.collect::<rusqlite::Result<_>>()?)
        })
        .await
        .expect("read");
    assert_eq!(notes, ["kept"]);
    assert!(find(&store, "before").await.is_some());
    assert!(find(&store, "after").await.is_some());
    assert!(find(&store, "refused").await.is_none());
    place.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_ends_the_transaction_is_told_so_and_the_store_goes_on() {
    let place = Place::new();
    let store = place.open();
    let ended = store.write(|conn| Ok(conn.execute_batch("COMMIT")?)).await;
    let error = ended.expect_err("refused").to_string();
    assert!(error.contains("ended the transaction"), "{error}");
    enqueue(&store, "next").await.expect("goes on");
    assert!(find(&store, "next").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_key_that_breaks_at_the_commit_is_its_callers_own_error() {
    let place = Place::new();
    let store = place.open();
    let tables = "CREATE TABLE pet (id INTEGER PRIMARY KEY);
         CREATE TABLE toy (pet REFERENCES pet DEFERRABLE INITIALLY DEFERRED);
         CREATE TABLE meal (pet REFERENCES pet)";
    let made = store.write(move |conn| Ok(conn.execute_batch(tables)?));
    made.await.expect("made");
    // As above: they become one group.
    let (go, wait) = mpsc::channel::<()>();
    let busy = store.write(move |_| wait.recv().map_err(|_| Error::store("nobody said go")));
    let write = |sql: &'static str| store.write(move |conn| Ok(conn.execute_batch(sql)?));
    let before = store.enqueue(vec![job("before")]);
    let orphan = write("INSERT INTO toy VALUES (7)");
    let mended = write("INSERT INTO toy VALUES (1); INSERT INTO pet VALUES (1)");
    let deferred = write("PRAGMA defer_foreign_keys = ON; INSERT INTO meal VALUES (7)");
    let between = store.enqueue(vec![job("between")]);
    let fed = write("INSERT INTO meal VALUES (1)");
    let after = store.enqueue(vec![job("after")]);
    let go = async move { go.send(()).expect("it waits") };
    let (busy, before, orphan, mended, deferred, between, fed, after, ()) = tokio::join!(
        biased; busy, before, orphan, mended, deferred, between, fed, after, go
    );
    busy.expect("done");
    for taken in [before, between, after] {
        taken.expect("enqueued");
    }
    mended.expect("written");
    fed.expect("written");
    for refused in [orphan, deferred] {
        let error = refused.expect_err("refused").to_string();
        assert!(error.contains("FOREIGN KEY"), "{error}");
    }
    for name in ["before", "between", "after"] {
        assert!(find(&store, name).await.is_some(), "{name}");
    }
    let kept = store.read(|conn| {
        let sql =
            "SELECT (SELECT group_concat(pet) FROM toy), (SELECT group_concat(pet) FROM meal)";
        Ok(conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    });
    let kept: (String, String) = kept.await.expect("read");
    assert_eq!(kept, ("1".to_owned(), "1".to_owned()));
    place.assert_sound();
}
