//! Owners' locks: the jobs of a process that is gone come back at once, those of a live one never.

use super::{PATIENCE, Place, claim, enqueue, heard_within, id};
use crate::store::{Maintain, Topic, Wake};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_an_owner_that_is_gone_come_back_long_before_their_lease_ends() {
    let place = Place::new();
    let (owner, other) = (place.open(), place.open());
    enqueue(&owner, "a").await.expect("enqueued");
    assert_eq!(claim(&owner, 1).await.len(), 1);
    let reaped = other.reap(false, 10).await.expect("reaped");
    assert!(reaped.returned.is_empty(), "its owner lives");
    assert!(reaped.next_expiry.is_some(), "its lease is known");

    let mut orphans = other.signals().listen(Topic::Orphans);
    drop(owner);
    assert!(heard_within(&mut orphans, PATIENCE).await, "nobody told");
    let reaped = other.reap(false, 10).await.expect("reaped");
    assert_eq!(reaped.returned, [id("a")]);
    assert_eq!(claim(&other, 1).await[0].lost, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_free_lock_stays_in_sight_until_its_jobs_are_surely_back() {
    let place = Place::new();
    let (owner, other) = (place.open(), place.open());
    for name in ["a", "b", "c"] {
        enqueue(&owner, name).await.expect("enqueued");
    }
    assert_eq!(claim(&owner, 3).await.len(), 3);
    drop(owner);
    let locks = || {
        let folder = place.0.path().join("store.db-owners");
        std::fs::read_dir(folder).expect("a folder").count()
    };
    for returned in [2, 1] {
        let reaped = other.reap(false, 2).await.expect("reaped");
        assert_eq!(reaped.returned.len(), returned);
        // A process that dies before this step's commit leaves the jobs as they were, and others must see that at once.
        assert_eq!(locks(), 1);
    }
    other.reap(false, 2).await.expect("reaped");
    assert_eq!(locks(), 0, "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_leaves_nothing_behind_takes_its_lock_with_it() {
    let place = Place::new();
    let owner = place.open();
    enqueue(&owner, "a").await.expect("enqueued");
    assert_eq!(claim(&owner, 1).await.len(), 1);
    owner
        .write(|conn| Ok(conn.execute("DELETE FROM lullaby_job", [])?))
        .await
        .expect("deleted");
    drop(owner);
    let folder = place.0.path().join("store.db-owners");
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 0);
}
