//! Statements keep the plan that they were prepared with.

use rusqlite::StatementStatus;

use super::super::{dependents, work};
use super::*;
use crate::store::{Ending, Settled, Settlement};

#[tokio::test]
async fn claiming_and_settling_plan_no_statement_anew() {
    let place = Place::new();
    let store = place.open();
    for name in ["one", "two", "three", "four"] {
        enqueue(&store, name).await.expect("taken in");
    }
    for max in 1..=2 {
        let settlements = (claim(&store, max).await.into_iter())
            .map(|job| Settlement {
                execution: job.execution().expect("claimed"),
                ending: Ending::Finished { result: None },
            })
            .collect();
        let settled = store.settle(settlements).await.expect("settled");
        assert_eq!(settled, vec![Settled::Done; max]);
    }
    for sql in [work::FRONT, dependents::DEPENDENTS] {
        let status =
            move |conn: &Connection, which| Ok(conn.prepare_cached(sql)?.get_status(which));
        let runs = (store.write(move |conn| status(conn, StatementStatus::Run))).await;
        assert!(
            runs.expect("read") >= 2,
            "it is not the statement that runs: {sql}"
        );
        let anew = (store.write(move |conn| status(conn, StatementStatus::RePrepare))).await;
        assert_eq!(anew.expect("read"), 0, "{sql}");
    }
}
