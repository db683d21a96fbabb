//! Files that cannot be opened, and what the errors say.

use super::{Place, enqueue, find, open_error};
use crate::store::sqlite::{SqliteOptions, SqliteStore};

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let place = Place::new();
    drop(place.open());
    let foreign = place.foreign();
    foreign
        .execute(
            "UPDATE lullaby_meta SET value = 99 WHERE name = 'schema'",
            [],
        )
        .expect("set");
    let error = open_error(place.path());
    assert!(
        error.contains("version 99") && error.contains("update"),
        "{error}"
    );
    let version: i64 = foreign
        .query_row(
            "SELECT value FROM lullaby_meta WHERE name = 'schema'",
            [],
            |row| row.get(0),
        )
        .expect("read");
    assert_eq!(version, 99);
}

#[tokio::test]
async fn a_file_with_a_meta_table_that_is_not_ours_is_refused() {
    let place = Place::new();
    place
        .foreign()
        .execute_batch("CREATE TABLE lullaby_meta (name, value)")
        .expect("made");
    let error = open_error(place.path());
    assert!(error.contains("without a version"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let junk = "not a database at all\n".repeat(500);
    std::fs::write(place.path(), &junk).expect("written");
    let error = open_error(place.path());
    assert!(error.contains("expected an SQLite file"), "{error}");
    assert_eq!(std::fs::read_to_string(place.path()).expect("read"), junk);
}

#[tokio::test]
async fn a_folder_and_a_file_in_a_folder_that_is_not_there_are_refused() {
    let place = Place::new();
    let error = open_error(place.0.path());
    assert!(error.contains("cannot be opened"), "{error}");
    let error = open_error(place.0.path().join("missing/store.db"));
    assert!(error.contains("make it first"), "{error}");
    // A folder that takes no files, whoever asks: permissions do not stop root.
    #[cfg(target_os = "linux")]
    {
        let error = open_error("/proc/lullaby.db");
        assert!(error.contains("cannot be opened"), "{error}");
    }
    for path in ["", ":memory:"] {
        let error = open_error(path);
        assert!(error.contains("memory:"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_the_application_s_own_gets_our_tables_beside_its_own() {
    let place = Place::new();
    let foreign = place.foreign();
    foreign
        .execute_batch(
            "CREATE TABLE pet (name); INSERT INTO pet VALUES ('Mochi'); PRAGMA user_version = 41",
        )
        .expect("made");
    let store = place.open();
    enqueue(&store, "a").await.expect("enqueued");
    drop(store);
    let (name, version): (String, i64) = foreign
        .query_row(
            "SELECT name, user_version FROM pet, pragma_user_version",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("read");
    assert_eq!((name.as_str(), version), ("Mochi", 41));
    assert!(find(&place.open(), "a").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_processes_may_make_the_same_file_at_once() {
    let place = Place::new();
    let openers: Vec<_> = (0..4)
        .map(|_| {
            let path = place.path();
            tokio::task::spawn_blocking(move || SqliteStore::open(path, SqliteOptions::default()))
        })
        .collect();
    for opener in openers {
        let store = opener.await.expect("no panic").expect("opens");
        enqueue(&store, crate::job::JobId::random().as_str())
            .await
            .expect("enqueued");
    }
    place.assert_sound();
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date_and_keeps_its_jobs() {
    let place = Place::new();
    let foreign = place.foreign();
    foreign
        .execute_batch(include_str!("../schema/0001.sql"))
        .expect("made");
    foreign
        .execute_batch("INSERT INTO lullaby_enqueue (id, task) VALUES ('old', 'greet')")
        .expect("enqueued");
    let store = place.open();
    let old = find(&store, "old").await.expect("is there");
    assert!(old.depends_on.is_empty());
    let version: i64 = foreign
        .query_row(
            "SELECT value FROM lullaby_meta WHERE name = 'schema'",
            [],
            |row| row.get(0),
        )
        .expect("read");
    assert_eq!(version, 7);
    enqueue(&store, "new").await.expect("enqueued");
}
