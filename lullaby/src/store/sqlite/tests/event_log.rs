//! The limit of all events is kept without a long pause for anybody.

use super::Place;
use crate::event::{EventLimits, NewEvent};
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{Maintain, Produce};

const TOTAL: u64 = 4000;
/// "A little more may stand for a while": a sixteenth.
const MOST: u64 = TOTAL + TOTAL / 16;
/// How many events come at a time.
const AT_ONCE: u64 = 50;

fn limits(total: u64) -> SqliteOptions {
    SqliteOptions::default().event_limits(EventLimits {
        per_subject: u64::MAX,
        total,
    })
}

async fn append(store: &SqliteStore) {
    let event = |number| NewEvent {
        subject: format!("pet-{}", number % 7),
        job: None,
        kind: "pet.changed".to_owned(),
        data: serde_json::Value::Null,
    };
    let events = (0..AT_ONCE).map(event).collect();
    store.append_events(events).await.expect("appended");
}

/// How many there are, and the oldest one.
async fn count(store: &SqliteStore) -> (u64, i64) {
    let read = store.read(|conn| {
        let sql = "SELECT count(*), ifnull(min(id), 0) FROM lullaby_event";
        Ok(conn.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?)
    });
    let (count, oldest) = read.await.expect("read");
    (count.unsigned_abs(), oldest)
}

#[tokio::test]
async fn the_oldest_events_go_bit_by_bit_and_no_more_are_kept_than_promised() {
    let place = Place::new();
    let store = place.open_with(limits(TOTAL));
    let mut before = 0;
    for round in 1..=3 * TOTAL / AT_ONCE {
        append(&store).await;
        let (count, oldest) = count(&store).await;
        assert!(count <= MOST, "{count} events are kept");
        assert!(count >= TOTAL.min(round * AT_ONCE), "{count} are too few");
        // A bite for what came, and one more if a count fell into this step.
        let dropped = oldest.saturating_sub(before.max(1));
        assert!(dropped <= 200, "{dropped} events were dropped in one step");
        before = oldest;
    }
    assert!(before > 1, "none was dropped");
}

#[tokio::test]
async fn a_limit_that_was_lowered_is_reached_by_sweeps_alone() {
    let place = Place::new();
    let store = place.open_with(limits(TOTAL));
    for _ in 0..TOTAL / AT_ONCE {
        append(&store).await;
    }
    drop(store);
    let store = place.open_with(limits(100));
    let mut sweeps = 0;
    while count(&store).await.0 > 100 {
        store.sweep(10).await.expect("swept");
        sweeps += 1;
        assert!(sweeps <= 10, "sweeps drop too little");
    }
    assert!(sweeps > 1, "one sweep dropped all");
    assert_eq!(count(&store).await.0, 100);
}
