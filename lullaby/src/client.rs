//! The front door: an opened store, and what can be asked of it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, Result};
use crate::event::{Event, EventId, EventLimits, NewEvent};
use crate::handle::JobHandle;
use crate::health::Health;
use crate::job::{JobId, QueueName};
use crate::queue::Queue;
use crate::scheduler::Scheduler;
use crate::store::Store;
use crate::store::memory::MemoryStore;

/// An opened store. Cheap to clone; all clones share one connection.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lullaby::Result<()> {
/// use lullaby::{Lullaby, NewJob};
///
/// let lullaby = Lullaby::open("memory:").await?;
/// let job = lullaby.queue("default")?.enqueue(NewJob::named("demo.echo", &["hi".into()], &Default::default())?).await?;
/// assert_eq!(job.status().await?, Some(lullaby::Status::Queued));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Lullaby(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    health: Health,
}

/// Options for opening a store.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is opened before `open`"]
pub struct LullabyBuilder {
    clock: Option<Arc<dyn Clock>>,
    event_limits: EventLimits,
}

impl LullabyBuilder {
    /// Judges all times by this clock, instead of the store's own.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How many events to keep.
    pub fn event_limits(mut self, limits: EventLimits) -> Self {
        self.event_limits = limits;
        self
    }

    /// Opens the store at `url`; see [`Lullaby::open`].
    ///
    /// # Errors
    /// If the URL is of no known kind, or the store cannot be opened.
    pub async fn open(self, url: &str) -> Result<Lullaby> {
        let clock = || {
            self.clock
                .clone()
                .unwrap_or_else(|| Arc::new(SystemClock::default()))
        };
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        match scheme {
            "memory" if rest.is_empty() => Ok(Lullaby::with_store(MemoryStore::with_limits(
                clock(),
                self.event_limits,
            ))),
            #[cfg(feature = "sqlite")]
            "sqlite" if !rest.is_empty() => {
                use crate::store::sqlite::{SqliteOptions, SqliteStore};
                let path = rest.strip_prefix("//").unwrap_or(rest);
                let options = SqliteOptions {
                    clock: clock(),
                    event_limits: self.event_limits,
                    ..SqliteOptions::default()
                };
                Ok(Lullaby::with_store(SqliteStore::open(path, options)?))
            }
            #[cfg(feature = "redis")]
            "redis" | "rediss" | "unix" | "redis+unix" => {
                use crate::store::redis::{RedisOptions, RedisStore};
                let options = RedisOptions {
                    clock: self.clock.clone(),
                    event_limits: self.event_limits,
                    ..RedisOptions::default()
                };
                Ok(Lullaby::with_store(RedisStore::open(url, options).await?))
            }
            #[cfg(not(feature = "sqlite"))]
            "sqlite" => Err(not_built("sqlite", "sqlite")),
            #[cfg(not(feature = "redis"))]
            "redis" | "rediss" | "unix" | "redis+unix" => Err(not_built(scheme, "redis")),
            _ => Err(Error::invalid(format!(
                "expected a store as sqlite:FILE, redis://HOST or memory:, got one of the kind {scheme:?}"
            ))),
        }
    }
}

#[cfg(not(all(feature = "sqlite", feature = "redis")))]
fn not_built(scheme: &str, feature: &str) -> Error {
    Error::invalid(format!(
        "this program was built without stores of the kind {scheme:?}: switch on the feature `{feature}` of lullaby"
    ))
}

impl Lullaby {
    /// Opens a store: `sqlite:./data/lullaby.db` (made if it is missing; `sqlite:///absolute/path` too), `redis://host:6379/0` (also
    /// `rediss://` and `unix:///path/to/socket`) or `memory:`.
    ///
    /// # Errors
    /// [`Error::is_invalid`] if the URL is of no known kind or of one that this program was built without; [`Error::is_store`] if the file
    /// cannot be opened or the server does not answer. Once open, a store that goes away comes back by itself.
    pub async fn open(url: &str) -> Result<Self> {
        Self::builder().open(url).await
    }

    /// Options first.
    pub fn builder() -> LullabyBuilder {
        LullabyBuilder::default()
    }

    /// On a store that is open already.
    #[must_use]
    pub fn with_store(store: Arc<dyn Store>) -> Self {
        Self(Arc::new(Inner {
            store,
            health: Health::default(),
        }))
    }

    /// The queue of this name.
    ///
    /// # Errors
    /// If the name is empty, too long, or has control characters.
    pub fn queue(&self, name: &str) -> Result<Queue> {
        Ok(Queue::new(self.clone(), QueueName::new(name)?))
    }

    /// The job of this id, whether it exists or not.
    #[must_use]
    pub fn job(&self, id: JobId) -> JobHandle<Value> {
        JobHandle::new(self.clone(), id, None)
    }

    /// What was enqueued for later, and the schedules.
    #[must_use]
    pub fn scheduler(&self) -> Scheduler {
        Scheduler::new(self.clone())
    }

    /// Up to `limit` events after `after`, oldest first; of one subject, or of all.
    ///
    /// # Errors
    /// A store error.
    pub async fn events(
        &self,
        subject: Option<&str>,
        after: EventId,
        limit: usize,
    ) -> Result<Vec<Event>> {
        self.store().events(subject, after, limit).await
    }

    /// Appends an event of the application's own.
    ///
    /// # Errors
    /// A store error.
    pub async fn append_event(&self, event: NewEvent) -> Result<EventId> {
        let ids = self.store().append_events(vec![event]).await?;
        ids.into_iter()
            .next()
            .ok_or_else(|| Error::store("the store gave no id for the event"))
    }

    /// The store itself, with all its operations.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The clock that judges due times.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        self.0.store.clock()
    }

    /// The time by that clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// How the workers and schedulers of this process are doing.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.0.health
    }
}

impl fmt::Debug for Lullaby {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lullaby({})", self.0.store.location())
    }
}
