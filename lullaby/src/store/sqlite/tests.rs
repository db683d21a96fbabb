//! What the SQLite driver promises beyond the conformance suite: groups, locks, other processes, and a disk that is full.

mod event_log;
mod foreign;
mod groups;
mod opening;
mod owners;
mod plans;
mod trouble;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Durability, SqliteOptions, SqliteStore};
use crate::clock::{Clock, SystemClock, until};
use crate::error::Result;
use crate::job::{
    Dependencies, Job, JobId, JobOptions, JobSpec, JobTemplate, OnExisting, QueueName,
};
use crate::payload::Payload;
use crate::store::{Claim, Enqueued, Inspect, Produce, Signal, Work};

/// Long enough for any machine, short enough to end a broken test.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a file in it that any number of stores may open.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    fn open(&self) -> Arc<SqliteStore> {
        self.open_with(SqliteOptions::default())
    }

    fn open_with(&self, options: SqliteOptions) -> Arc<SqliteStore> {
        SqliteStore::open(self.path(), options.durability(Durability::Normal)).expect("opens")
    }

    /// As another program would, with a driver of its own.
    fn foreign(&self) -> Connection {
        Connection::open(self.path()).expect("opens")
    }

    fn assert_sound(&self) {
        let sound: String = self
            .foreign()
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .expect("checked");
        assert_eq!(sound, "ok");
    }
}

fn open_error(path: impl AsRef<Path>) -> String {
    let opened = SqliteStore::open(path, SqliteOptions::default());
    opened.expect_err("cannot be opened").to_string()
}

fn id(name: &str) -> JobId {
    JobId::new(name).expect("an id")
}

fn job(name: &str) -> JobSpec {
    JobSpec {
        id: id(name),
        at: None,
        on_existing: OnExisting::Keep,
        slot: None,
        depends_on: Dependencies::default(),
        template: JobTemplate {
            queue: QueueName::default(),
            task: "greet".to_owned(),
            payload: Payload::of(&("Mochi",)).expect("JSON"),
            options: JobOptions::default(),
            meta: serde_json::Map::new(),
            description: None,
            subject: None,
        },
    }
}

async fn enqueue(store: &SqliteStore, name: &str) -> Result<()> {
    let answers = store.enqueue(vec![job(name)]).await?;
    assert_eq!(answers, [Enqueued::Created]);
    Ok(())
}

async fn claim(store: &SqliteStore, max: usize) -> Vec<Job> {
    let claim = Claim {
        worker: "worker".to_owned(),
        queues: vec![QueueName::default()],
        max,
        lease: Duration::from_secs(3600),
    };
    store.claim(claim).await.expect("claimed")
}

async fn find(store: &SqliteStore, name: &str) -> Option<Job> {
    let mut jobs = store.jobs(&[id(name)]).await.expect("read");
    jobs.remove(0)
}

/// Waits for the signal; false if it does not come in this time.
async fn heard_within(signal: &mut Signal, time: Duration) -> bool {
    let clock = SystemClock::default();
    let deadline = clock.now() + time;
    until(&clock, deadline, signal.raised()).await.is_some()
}
