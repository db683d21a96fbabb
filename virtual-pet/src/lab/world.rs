//! One visitor's world: a thread with a store in memory, a clock, two workers, up to two schedulers.

mod experiments;

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lullaby::clock::{Clock, PacedClock};
use lullaby::event::{Event, EventId, EventLimits, NewEvent};
use lullaby::store::{JobFilter, Page, Topic, WorkerRecord};
use lullaby::{JobId, Lullaby, Shutdown, Status, Stop, Timestamp, Worker};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::{Chime, DID, Deed, LEARNED, Learned, Progress, chimes, tasks};
use crate::game::{Game, GameError, QUEUE};
use crate::home::memory::MemoryHome;
use crate::pet::{Pet, PetId, PetName, Rules, Visitors};
use crate::web::hub::Hub;

/// How long a job of the lab is a worker's without renewal.
pub const LEASE: Duration = Duration::from_secs(5);

/// How long finished and failed jobs stay on view.
const KEPT: Duration = Duration::from_secs(24 * 3600);

const EVENTS: EventLimits = EventLimits {
    per_subject: 400,
    total: 500,
};

/// The jobs that are kept of each way to end, give or take [`ENDED_A_ROUND`]: at 1x a day's worth of presses would be half a million.
const MOST_ENDED: usize = 500;

/// After so many jobs that ended, those past [`MOST_ENDED`] are forgotten.
const ENDED_A_ROUND: usize = 100;

/// The kinds of their events.
const ENDS: [&str; 3] = ["job.finished", "job.failed", "job.canceled"];

const WORKERS: [&str; 2] = ["worker-1", "worker-2"];

/// See the module. When it is dropped, its thread ends.
#[derive(Debug)]
pub struct World {
    inner: Arc<Inner>,
    hub: Hub,
}

#[derive(Debug)]
struct Inner {
    game: Arc<Game>,
    pet: PetId,
    name: PetName,
    clock: PacedClock,
    runtime: Handle,
    crew: Mutex<Crew>,
    progress: Mutex<Progress>,
    end: Shutdown,
}

/// Who works in a world.
#[derive(Debug, Default)]
struct Crew {
    benches: Vec<Place>,
    schedulers: Vec<AbortHandle>,
    twins: Option<Pair>,
    away: bool,
}

#[derive(Debug)]
struct Place {
    bench: Bench,
    /// The loop, and what stops it gently.
    running: Option<(AbortHandle, Shutdown)>,
}

/// Two schedulers, and what came of it.
#[derive(Debug)]
struct Pair {
    since: Timestamp,
    jobs: HashSet<JobId>,
    queued: u64,
}

/// How a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plug {
    /// It works.
    In,
    /// Its loop was ended in the middle of whatever it did.
    Pulled,
    /// It takes no jobs.
    Paused,
}

/// A worker's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bench {
    /// The worker.
    pub name: &'static str,
    /// How it is.
    pub plug: Plug,
    /// How it announced itself last, if it works no more.
    pub last_seen: Option<WorkerRecord>,
}

/// What came of two schedulers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twins {
    /// Since when there are two.
    pub since: Timestamp,
    /// How many different slots' jobs were made since.
    pub slots: usize,
    /// How many jobs entered the queue for them.
    pub jobs: u64,
}

/// A world as its page shows it.
#[derive(Clone, Debug)]
pub struct Look {
    /// How many times the host's clock its own runs.
    pub speed: u32,
    /// Whether a skip is under way.
    pub skipping: bool,
    /// The workers.
    pub benches: Vec<Bench>,
    /// How many schedulers run.
    pub schedulers: usize,
    /// What came of two schedulers, since there are two.
    pub twins: Option<Twins>,
    /// Whether no scheduler runs because a visitor stopped it for a day.
    pub away: bool,
    /// The three schedules, once they were made.
    pub chimes: Vec<Chime>,
    /// How far the visitor has come.
    pub progress: Progress,
}

impl World {
    /// A world with a copy of `pet`, at the time of `host_clock` and its speed.
    ///
    /// # Errors
    /// If the system gives no thread; a store error.
    pub async fn start(
        pet: &Pet,
        rules: Rules,
        host_clock: Arc<dyn Clock>,
    ) -> Result<Self, GameError> {
        let clock = PacedClock::new(host_clock.now());
        let builder = Lullaby::builder()
            .clock(Arc::new(clock.clone()))
            .event_limits(EVENTS);
        let lullaby = builder.open("memory:").await?;
        let home = Arc::new(MemoryHome::default());
        let game = Game::new(lullaby.clone(), home, rules, Visitors::Act)?;
        let game = Arc::new(game.keeping_results(KEPT));
        let copy = game.take_in(pet).await?;
        let no_thread = |error: std::io::Error| {
            GameError::Store(lullaby::Error::store(format!(
                "there is no thread for it: {error}"
            )))
        };
        let runtime = clock.runtime().map_err(no_thread)?;
        let end = Shutdown::new();
        let hub = Hub::new(lullaby, host_clock);
        let world = Self {
            inner: Arc::new(Inner {
                game,
                pet: copy.id,
                name: copy.name,
                clock: clock.clone(),
                runtime: runtime.handle().clone(),
                crew: Mutex::default(),
                progress: Mutex::default(),
                end: end.clone(),
            }),
            hub: hub.clone(),
        };
        world.inner.staff();
        let inner = world.inner.clone();
        thread::Builder::new()
            .name("lab-world".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = clock.run() => {}
                        () = hub.run(&end) => {}
                        () = inner.witness() => {}
                        () = end.reached(Stop::Warm) => {}
                    }
                });
            })
            .map_err(no_thread)?;
        Ok(world)
    }

    /// Its game.
    #[must_use]
    pub fn game(&self) -> &Arc<Game> {
        &self.inner.game
    }

    /// Where its streams hear of events.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The name of its pet.
    #[must_use]
    pub fn pet(&self) -> &PetName {
        &self.inner.name
    }

    /// How many times the host's clock its own runs.
    #[must_use]
    pub fn speed(&self) -> u32 {
        self.inner.clock.speed()
    }

    /// Whether a page shows it.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.hub.streams() > 0
    }

    /// Back to the host's speed: nobody looks.
    pub(super) fn slow_down(&self) {
        if self.speed() > 1 {
            self.inner.clock.set_speed(1);
        }
    }

    /// Ends its thread, with all that it holds.
    pub(super) fn end(&self) {
        self.inner.end.cold();
    }

    /// Completes once it was thrown away. Cancel safe.
    pub async fn ended(&self) {
        self.inner.end.reached(Stop::Warm).await;
    }

    /// Does what a player asks for, at one instant of the world; answers once everything that follows at that instant has happened.
    ///
    /// # Errors
    /// What `work` answers; a store error if the world was thrown away.
    pub async fn at_once<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, GameError>> + Send + 'static,
    ) -> Result<T, GameError> {
        self.inner.at_once(work).await
    }

    /// Does what a visitor asks for.
    ///
    /// # Errors
    /// A sentence for the visitor if it cannot be done now; a store error.
    pub async fn do_it(&self, deed: Deed) -> Result<(), Refused> {
        let inner = self.inner.clone();
        let done = self.at_once(async move { Ok(inner.do_it(deed).await) });
        done.await.map_err(Refused::Game)?
    }

    /// Waits until the clock shows `at`, however fast it can.
    pub async fn skip_to(&self, at: Timestamp) {
        let skip = self.inner.spawn_skip(at, None);
        // It fails only if the world was thrown away.
        let _ = skip.await;
    }

    /// All that its page shows of it.
    ///
    /// # Errors
    /// A store error.
    pub async fn look(&self) -> lullaby::Result<Look> {
        let inner = &self.inner;
        let chimes = chimes::look(inner.game.lullaby()).await?;
        let crew = inner.crew();
        Ok(Look {
            speed: inner.clock.speed(),
            skipping: inner.clock.is_skipping(),
            benches: crew.benches.iter().map(|one| one.bench.clone()).collect(),
            schedulers: crew.schedulers.len(),
            twins: crew.twins.as_ref().map(|pair| Twins {
                since: pair.since,
                slots: pair.jobs.len(),
                jobs: pair.queued,
            }),
            away: crew.away,
            chimes,
            progress: inner.progress().clone(),
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why a deed was not done.
#[derive(Debug)]
pub enum Refused {
    /// Not now, and why.
    NotNow(&'static str),
    /// The game failed.
    Game(GameError),
}

impl From<lullaby::Error> for Refused {
    fn from(error: lullaby::Error) -> Self {
        Self::Game(error.into())
    }
}

impl Inner {
    fn crew(&self) -> MutexGuard<'_, Crew> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lullaby(&self) -> &Lullaby {
        self.game.lullaby()
    }

    async fn at_once<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, GameError>> + Send + 'static,
    ) -> Result<T, GameError> {
        let clock = self.clock.clone();
        let done = self.runtime.spawn(async move {
            let hold = clock.hold();
            let answer = work.await;
            clock.all_wait().await;
            drop(hold);
            answer
        });
        done.await.unwrap_or_else(|_| {
            Err(GameError::Store(lullaby::Error::store(
                "this world of the lab was thrown away",
            )))
        })
    }

    /// Everybody at work: two workers and one scheduler.
    fn staff(self: &Arc<Self>) {
        for name in WORKERS {
            let running = self.plug_in(name);
            let bench = Bench {
                name,
                plug: Plug::In,
                last_seen: None,
            };
            self.crew().benches.push(Place { bench, running });
        }
        self.set_schedulers(1);
    }

    fn plug_in(&self, name: &str) -> Option<(AbortHandle, Shutdown)> {
        let tasks = tasks::add(crate::tasks::tasks(self.game.clone()));
        let worker = Worker::builder(self.lullaby(), tasks)
            .name(name)
            .queues([QUEUE])
            .concurrency(1)
            .lease(LEASE)
            .without_scheduler()
            .build();
        match worker {
            Ok(worker) => {
                let stop = Shutdown::new();
                let run = self.runtime.spawn(worker.run(stop.clone()));
                Some((run.abort_handle(), stop))
            }
            Err(error) => {
                tracing::error!(%error, "a world of the lab could not start its worker");
                None
            }
        }
    }

    fn set_schedulers(&self, count: usize) {
        let mut crew = self.crew();
        while crew.schedulers.len() > count {
            if let Some(scheduler) = crew.schedulers.pop() {
                scheduler.abort();
            }
        }
        while crew.schedulers.len() < count {
            let scheduler = self.lullaby().scheduler();
            let run = async move { scheduler.run(&Shutdown::new()).await };
            crew.schedulers.push(self.runtime.spawn(run).abort_handle());
        }
        crew.twins = (count == 2).then(|| Pair {
            since: self.clock.now(),
            jobs: HashSet::new(),
            queued: 0,
        });
        crew.away &= count == 0;
    }

    /// Follows the world's events, for ever.
    async fn witness(&self) {
        let store = self.lullaby().store();
        let mut signal = store.signals().listen(Topic::Events);
        let mut last = EventId(0);
        let mut ended = 0;
        loop {
            signal.reset();
            let events = store.events(None, last, usize::MAX >> 1).await;
            for event in events.unwrap_or_default() {
                last = event.id;
                ended += usize::from(ENDS.contains(&event.kind.as_str()));
                self.count_twins(&event);
                let learned = self.progress().witness(&event);
                if let Some(learned) = learned {
                    self.tell_learned(&learned).await;
                }
            }
            if ended >= ENDED_A_ROUND {
                ended = 0;
                if let Err(error) = self.forget_oldest().await {
                    tracing::error!(%error, "a world's store failed");
                }
            }
            signal.raised().await;
        }
    }

    /// Forgets the jobs that ended before the latest [`MOST_ENDED`].
    async fn forget_oldest(&self) -> lullaby::Result<()> {
        let store = self.lullaby().store();
        for status in [Status::Finished, Status::Failed, Status::Canceled] {
            let filter = JobFilter {
                status: Some(status),
                page: Page {
                    offset: MOST_ENDED,
                    length: usize::MAX >> 1,
                },
                ..JobFilter::default()
            };
            let jobs = store.list_jobs(&filter).await?;
            let ids: Vec<_> = jobs.into_iter().map(|job| job.id).collect();
            store.delete(&ids).await?;
        }
        Ok(())
    }

    /// Counts the jobs that schedules made while two schedulers ran.
    fn count_twins(&self, event: &Event) {
        let of_a_schedule =
            ["increase_hunger", "chime"].contains(&event.data["task"].as_str().unwrap_or_default());
        if event.kind == "job.queued"
            && of_a_schedule
            && let Some(pair) = &mut self.crew().twins
            && let Some(job) = &event.job
        {
            pair.queued += 1;
            pair.jobs.insert(job.clone());
        }
    }

    async fn tell_learned(&self, learned: &Learned) {
        let data = json!({ "lesson": learned.lesson.number() });
        if let Err(error) = self.append(LEARNED, data).await {
            tracing::error!(%error, "a world's store failed");
        }
    }

    /// Tells of what a visitor did.
    async fn tell(&self, data: Value) -> lullaby::Result<()> {
        self.append(DID, data).await
    }

    async fn append(&self, kind: &str, data: Value) -> lullaby::Result<()> {
        let event = NewEvent {
            subject: self.pet.to_string(),
            job: None,
            kind: kind.to_owned(),
            data,
        };
        self.lullaby().append_event(event).await?;
        Ok(())
    }
}
