//! Everything that can be read from a store, to compare before with after and one driver with another.

use std::collections::BTreeMap;

use lullaby::event::{Event, EventId};
use lullaby::job::{Job, JobId, Status};
use lullaby::schedule::{LedgerLine, ScheduleRecord};
use lullaby::store::{JobFilter, QueueInfo, Store, WorkerRecord};

use crate::world::ALL;

#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    /// Newest first.
    pub(crate) jobs: Vec<Job>,
    /// In the order of each status.
    pub(crate) lists: BTreeMap<Status, Vec<JobId>>,
    pub(crate) queues: Vec<QueueInfo>,
    pub(crate) workers: Vec<WorkerRecord>,
    pub(crate) schedules: Vec<ScheduleRecord>,
    pub(crate) ledgers: Vec<Vec<LedgerLine>>,
    pub(crate) events: Vec<Event>,
}

impl Snapshot {
    pub(crate) async fn of(store: &dyn Store) -> Self {
        let filter = |status| JobFilter {
            status,
            page: ALL,
            ..JobFilter::default()
        };
        let jobs = store.list_jobs(&filter(None)).await.expect("listed");
        let mut lists = BTreeMap::new();
        for status in Status::ALL {
            let list = store.list_jobs(&filter(Some(status))).await;
            let list = list.expect("listed").into_iter().map(|job| job.id);
            lists.insert(status, list.collect());
        }
        let schedules = store.list_schedules(None, ALL).await.expect("listed");
        let mut ledgers = Vec::new();
        for schedule in &schedules {
            let ledger = store.ledger(schedule, usize::MAX).await;
            ledgers.push(ledger.expect("read"));
        }
        let events = store.events(None, EventId(0), usize::MAX).await;
        Self {
            jobs,
            lists,
            queues: store.queues().await.expect("read"),
            workers: store.workers().await.expect("read"),
            schedules,
            ledgers,
            events: events.expect("read"),
        }
    }

    /// Each part of both, printed, with its name.
    pub(crate) fn parts(&self, other: &Self) -> Vec<(String, String, &'static str)> {
        let both = |part: fn(&Self) -> String, name| (part(self), part(other), name);
        vec![
            both(|one| format!("{:?}", one.jobs), "jobs"),
            both(|one| format!("{:?}", one.lists), "lists"),
            both(|one| format!("{:?}", one.queues), "queues"),
            both(|one| format!("{:?}", one.workers), "workers"),
            both(|one| format!("{:?}", one.schedules), "schedules"),
            both(|one| format!("{:?}", one.ledgers), "ledgers"),
            both(|one| format!("{:?}", one.events), "events"),
        ]
    }
}
