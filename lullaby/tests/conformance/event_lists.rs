//! In Redis the events of a subject are a list of ids beside the stream of all: what goes out of the stream goes out of the lists later.

use lullaby::event::{EventLimits, NewEvent};
use lullaby::store::Store;

use crate::beside_python::Python;
use crate::drivers;

/// A new place that keeps so many events in all.
async fn keeping(total: u64) -> Python {
    let limits = EventLimits {
        per_subject: 10_000,
        total,
    };
    let world = drivers::redis().await.another(limits).await;
    Python { world }
}

async fn tell(store: &dyn Store, subject: &str, count: usize) {
    let event = NewEvent {
        subject: subject.to_owned(),
        job: None,
        kind: "cheer".to_owned(),
        data: serde_json::json!({}),
    };
    let told = store.append_events(vec![event; count]).await;
    assert_eq!(told.expect("appended").len(), count);
}

#[tokio::test]
async fn the_list_of_a_subject_whose_events_are_all_gone_goes_too() {
    let python = keeping(10).await;
    let store = python.world.store.as_ref();
    tell(store, "once", 3).await;
    tell(store, "busy", 1000).await;
    store.sweep(usize::MAX).await.expect("swept");
    assert_eq!(python.world.events("once").await, []);
    // A round goes over a part of the server's keys, those of other tests among them.
    let mut rounds = 0;
    while python.number("EXISTS", "lullaby:events:once", &[]).await == 1.0 {
        python.reaps().await;
        rounds += 1;
        assert!(rounds < 1000, "the walk never comes by");
    }
    assert_eq!(python.world.events("busy").await.len(), 10);
}

#[tokio::test]
async fn a_subject_of_whom_much_is_told_keeps_few_ids_of_events_that_are_gone() {
    let python = keeping(10).await;
    for _ in 0..1000 {
        tell(python.world.store.as_ref(), "busy", 3).await;
    }
    let kept = python.number("LLEN", "lullaby:events:busy", &[]).await;
    // 10, 256 that may stand above that, a node of the stream that is not empty yet, and what came since the last look.
    assert!(kept < 10.0 + 256.0 + 100.0 + 96.0, "{kept}");
}
