//! The drivers under test. This file alone knows which there are.

use std::sync::Arc;

use async_trait::async_trait;
use lullaby::clock::ManualClock;
use lullaby::event::EventLimits;
use lullaby::store::Store;
use lullaby::store::memory::MemoryStore;
use lullaby::store::redis::{RedisOptions, RedisStore};
use lullaby::store::sqlite::{Durability, SqliteOptions, SqliteStore};
use tempfile::TempDir;

use crate::redis_server;
use crate::world::World;

/// Where a driver keeps one store.
#[async_trait]
pub(crate) trait Home: Send + Sync {
    /// Opens that store: the first time, or once more as another process would.
    async fn open(&self) -> Arc<dyn Store>;

    /// A new, empty home of the same driver.
    fn another(&self, clock: &ManualClock, limits: EventLimits) -> Box<dyn Home>;

    /// Whether the store can tell that the process which owned a job is gone, before the lease is over.
    fn sees_the_dead(&self) -> bool;
}

struct MemoryHome(Arc<MemoryStore>);

impl MemoryHome {
    fn new(clock: &ManualClock, limits: EventLimits) -> Self {
        Self(MemoryStore::with_limits(Arc::new(clock.clone()), limits))
    }
}

#[async_trait]
impl Home for MemoryHome {
    async fn open(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    fn another(&self, clock: &ManualClock, limits: EventLimits) -> Box<dyn Home> {
        Box::new(Self::new(clock, limits))
    }

    fn sees_the_dead(&self) -> bool {
        false
    }
}

/// A new, empty memory store.
pub(crate) async fn memory() -> World {
    World::new(|clock, limits| Box::new(MemoryHome::new(clock, limits))).await
}

struct SqliteHome {
    folder: TempDir,
    clock: ManualClock,
    limits: EventLimits,
}

impl SqliteHome {
    fn new(clock: &ManualClock, limits: EventLimits) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            clock: clock.clone(),
            limits,
        }
    }
}

#[async_trait]
impl Home for SqliteHome {
    async fn open(&self) -> Arc<dyn Store> {
        // Without a sync for each commit: what a power cut leaves is not what these tests are about.
        let options = SqliteOptions::default()
            .clock(Arc::new(self.clock.clone()))
            .event_limits(self.limits)
            .durability(Durability::Normal);
        SqliteStore::open(self.folder.path().join("store.db"), options).expect("opens")
    }

    fn another(&self, clock: &ManualClock, limits: EventLimits) -> Box<dyn Home> {
        Box::new(Self::new(clock, limits))
    }

    fn sees_the_dead(&self) -> bool {
        true
    }
}

/// A new SQLite file.
pub(crate) async fn sqlite() -> World {
    World::new(|clock, limits| Box::new(SqliteHome::new(clock, limits))).await
}

/// A key prefix of its own on a server that all tests share.
struct RedisHome {
    url: String,
    prefix: String,
    clock: ManualClock,
    limits: EventLimits,
}

impl RedisHome {
    fn new(clock: &ManualClock, limits: EventLimits) -> Self {
        let (url, prefix) = redis_server::place();
        Self {
            url,
            prefix,
            clock: clock.clone(),
            limits,
        }
    }
}

#[async_trait]
impl Home for RedisHome {
    async fn open(&self) -> Arc<dyn Store> {
        let options = RedisOptions::default()
            .clock(Arc::new(self.clock.clone()))
            .event_limits(self.limits)
            .prefix(&self.prefix);
        RedisStore::open(&self.url, options).await.expect("opens")
    }

    fn another(&self, clock: &ManualClock, limits: EventLimits) -> Box<dyn Home> {
        Box::new(Self::new(clock, limits))
    }

    fn sees_the_dead(&self) -> bool {
        false
    }
}

/// A new, empty place in Redis.
pub(crate) async fn redis() -> World {
    World::new(|clock, limits| Box::new(RedisHome::new(clock, limits))).await
}

/// Makes each case (an `async fn` that is given a new [`World`]) a test of each driver.
macro_rules! every_driver_passes {
    ($($case:ident,)+) => {
        mod memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::drivers::memory().await).await;
                }
            )+
        }
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::drivers::sqlite().await).await;
                }
            )+
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::drivers::redis().await).await;
                }
            )+
        }
    };
}
pub(crate) use every_driver_passes;
