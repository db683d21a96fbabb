//! One visitor's world: a thread with a store in memory, a clock, two workers, up to two schedulers.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lullaby::clock::{Clock, PacedClock};
use lullaby::event::{Event, EventId, EventLimits, NewEvent};
use lullaby::store::{JobFilter, Page, Topic, WorkerRecord};
use lullaby::{JobId, Lullaby, NewJob, Retry, Shutdown, Status, Stop, Task, Timestamp, Worker};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};

use super::tasks::{self, Broken, LONG, LongJob, SayHello, SmallJob, Wobble};
use super::{Chime, DID, Deed, Fact, LEARNED, Learned, Lesson, Progress, chimes};
use crate::game::{Game, GameError, QUEUE};
use crate::home::memory::MemoryHome;
use crate::pet::{Pet, PetId, PetName, Rules, Visitors};
use crate::web::hub::Hub;

/// How long a job of the lab is a worker's without renewal.
pub const LEASE: Duration = Duration::from_secs(5);

/// How long finished and failed jobs stay on view.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// The pauses of jobs that fail, in seconds.
const PAUSES: [u64; 3] = [5, 10, 20];

/// The lab's jobs that may wait at once.
const MOST_WAITING: u64 = 40;

/// How long after its start a long job's worker is unplugged, if one is made for that.
const INTO_THE_JOB: Duration = Duration::from_secs(1);

/// How long schedulers are away.
const OUTAGE: Duration = Duration::from_secs(24 * 3600);

/// The least that an outage has missed of each hourly schedule.
const SLOTS_MISSED: u64 = 24;

const EVENTS: EventLimits = EventLimits {
    per_subject: 400,
    total: 500,
};

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

    async fn do_it(self: Arc<Self>, deed: Deed) -> Result<(), Refused> {
        if deed.enqueues() && self.waiting().await? >= MOST_WAITING {
            return Err(Refused::NotNow(
                "Enough jobs wait already. Let the workers catch up first.",
            ));
        }
        match deed {
            Deed::Speed(speed) => {
                self.clock.set_speed(speed);
                self.tell(json!({ "did": "speed", "speed": speed })).await?;
            }
            Deed::Skip => self.skip().await?,
            Deed::Hello => {
                let task = SayHello {
                    pet: self.pet.clone(),
                };
                self.enqueue(NewJob::new(task)).await?;
            }
            Deed::Wobble => self.enqueue(again(Wobble { fails: 2 })).await?,
            Deed::Broken => {
                let pet = self.pet.clone();
                self.enqueue(again(Broken { pet })).await?;
            }
            Deed::Requeue => self.requeue().await?,
            Deed::LongJob => self.enqueue(NewJob::new(long_job())).await?,
            Deed::Unplug => self.unplug().await?,
            Deed::PlugIn => self.plug_all_in("plugged_in").await?,
            Deed::Pause => self.pause().await?,
            Deed::Resume => self.plug_all_in("resumed").await?,
            Deed::Five => {
                for number in 1..=5 {
                    let job = NewJob::new(SmallJob { number }).meta("number", number);
                    self.enqueue(job).await?;
                }
            }
            Deed::Outage => self.outage().await?,
            Deed::Schedulers(count) => {
                let was_away = self.crew().away;
                if was_away && self.clock.is_skipping() {
                    return Err(Refused::NotNow(
                        "The day is not over yet. A moment, please.",
                    ));
                }
                self.set_schedulers(count);
                self.tell(json!({ "did": "schedulers", "count": count }))
                    .await?;
                if was_away && count > 0 {
                    self.catch_up();
                }
            }
            Deed::Lesson(number) => {
                if let Some(lesson) = Lesson::ALL.get(number - 1) {
                    self.progress().open = *lesson;
                    self.tell(json!({ "did": "lesson", "lesson": number }))
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn enqueue(&self, job: NewJob<String>) -> lullaby::Result<()> {
        let job = job
            .subject(self.pet.as_str())
            .result_ttl(KEPT)
            .failure_ttl(KEPT);
        self.lullaby().queue(QUEUE)?.enqueue(job).await?;
        Ok(())
    }

    async fn waiting(&self) -> lullaby::Result<u64> {
        let mut waiting = 0;
        for status in [Status::Queued, Status::Scheduled] {
            let filter = JobFilter {
                status: Some(status),
                ..JobFilter::default()
            };
            waiting += self.lullaby().store().count_jobs(&filter).await?;
        }
        Ok(waiting)
    }

    /// Goes on to what is due next, by itself from here.
    async fn skip(self: &Arc<Self>) -> Result<(), Refused> {
        if self.crew().schedulers.is_empty() {
            return Err(Refused::NotNow(
                "No scheduler runs, so nothing would move what is due. Start one first.",
            ));
        }
        let one = Page {
            offset: 0,
            length: 1,
        };
        let next = self.lullaby().scheduler().get_jobs(None, one).await?;
        let at = next.first().and_then(lullaby::Entry::at);
        let at = at.filter(|at| *at > self.clock.now());
        let at = at.ok_or(Refused::NotNow(
            "Nothing is scheduled: there is nothing to skip to.",
        ))?;
        self.spawn_skip(at, Some("skipped"));
        Ok(())
    }

    fn spawn_skip(self: &Arc<Self>, at: Timestamp, did: Option<&'static str>) -> JoinHandle<()> {
        let world = self.clone();
        self.runtime.spawn(async move {
            world.clock.skip_to(at).await;
            if let Some(did) = did {
                let told = world.tell(json!({ "did": did })).await;
                if let Err(error) = told {
                    tracing::error!(%error, "a world's store failed");
                }
            }
        })
    }

    async fn requeue(&self) -> lullaby::Result<()> {
        let filter = JobFilter {
            status: Some(Status::Failed),
            ..JobFilter::default()
        };
        let store = self.lullaby().store();
        let failed = store.list_jobs(&filter).await?;
        let ids: Vec<_> = failed.into_iter().map(|job| job.id).collect();
        store.requeue(&ids, false).await?;
        self.tell(json!({ "did": "requeued", "count": ids.len() }))
            .await
    }

    /// Unplugs the worker that runs a long job; makes such a job first if there is none.
    async fn unplug(self: &Arc<Self>) -> Result<(), Refused> {
        let plugged = |place: &Place| place.bench.plug == Plug::In;
        if self
            .crew()
            .benches
            .iter()
            .filter(|one| plugged(one))
            .count()
            < WORKERS.len()
        {
            return Err(Refused::NotNow(
                "One worker must stay to come to the rescue. Plug the other one in first.",
            ));
        }
        if let Some(worker) = self.long_job_runs_on().await? {
            return Ok(self.pull(&worker).await?);
        }
        self.enqueue(NewJob::new(long_job())).await?;
        let world = self.clone();
        self.runtime.spawn(async move {
            let clock = &world.clock;
            clock.sleep_until(clock.now() + INTO_THE_JOB).await;
            let pulled = match world.long_job_runs_on().await {
                Ok(Some(worker)) => world.pull(&worker).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = pulled {
                tracing::error!(%error, "a world's store failed");
            }
        });
        Ok(())
    }

    async fn long_job_runs_on(&self) -> lullaby::Result<Option<String>> {
        let filter = JobFilter {
            status: Some(Status::Started),
            ..JobFilter::default()
        };
        let jobs = self.lullaby().store().list_jobs(&filter).await?;
        let long = jobs.into_iter().find(|job| job.template.task == "long_job");
        Ok(long.and_then(|job| job.worker))
    }

    async fn pull(&self, worker: &str) -> lullaby::Result<()> {
        let records = self.lullaby().store().workers().await?;
        {
            let mut crew = self.crew();
            let Some(place) = crew.benches.iter_mut().find(|one| one.bench.name == worker) else {
                return Ok(());
            };
            let Some((run, _)) = place.running.take() else {
                return Ok(());
            };
            run.abort();
            place.bench.plug = Plug::Pulled;
            place.bench.last_seen = records.into_iter().find(|one| one.name == worker);
        }
        self.tell(json!({ "did": "unplugged", "worker": worker }))
            .await
    }

    async fn pause(&self) -> lullaby::Result<()> {
        let records = self.lullaby().store().workers().await?;
        for place in &mut self.crew().benches {
            if let Some((_, stop)) = place.running.take() {
                stop.warm();
                place.bench.plug = Plug::Paused;
                let name = place.bench.name;
                place.bench.last_seen = records.iter().find(|one| one.name == name).cloned();
            }
        }
        self.tell(json!({ "did": "paused" })).await
    }

    async fn plug_all_in(&self, did: &str) -> lullaby::Result<()> {
        for place in &mut self.crew().benches {
            if place.running.is_none() {
                place.running = self.plug_in(place.bench.name);
                place.bench.plug = Plug::In;
                place.bench.last_seen = None;
            }
        }
        self.tell(json!({ "did": did })).await
    }

    /// Sets the three schedules, stops every scheduler, and lets a day pass.
    async fn outage(self: &Arc<Self>) -> Result<(), Refused> {
        if self.clock.is_skipping() || self.crew().away {
            return Err(Refused::NotNow(
                "No scheduler runs. Start one and see what it makes of the day.",
            ));
        }
        chimes::set(self.lullaby(), &self.pet, KEPT).await?;
        self.set_schedulers(0);
        self.crew().away = true;
        self.tell(json!({ "did": "outage" })).await?;
        self.spawn_skip(self.clock.now() + OUTAGE, Some("day_passed"));
        Ok(())
    }

    /// Tells what the scheduler that came back made of the day, once it has.
    fn catch_up(self: &Arc<Self>) {
        let world = self.clone();
        self.runtime.spawn(async move {
            world.clock.all_wait().await;
            match chimes::look(world.lullaby()).await {
                Ok(chimes) => world.caught_up(&chimes).await,
                Err(error) => tracing::error!(%error, "a world's store failed"),
            }
        });
    }

    async fn caught_up(&self, chimes: &[Chime]) {
        let [latest, all, skip] = chimes else {
            return;
        };
        let slots = latest.record.slots;
        if chimes.iter().any(|chime| chime.record.slots != slots) || slots < SLOTS_MISSED {
            return;
        }
        let fact = Fact::CaughtUp {
            slots,
            latest: latest.ran(),
            all: all.ran(),
            skip: skip.ran(),
        };
        let learned = self.progress().learn(Lesson::CatchUp, fact);
        if let Some(learned) = learned {
            self.tell_learned(&learned).await;
        }
    }

    /// Follows the world's events, for ever.
    async fn witness(&self) {
        let store = self.lullaby().store();
        let mut signal = store.signals().listen(Topic::Events);
        let mut last = EventId(0);
        loop {
            signal.reset();
            let events = store.events(None, last, usize::MAX >> 1).await;
            for event in events.unwrap_or_default() {
                last = event.id;
                self.count_twins(&event);
                let learned = self.progress().witness(&event);
                if let Some(learned) = learned {
                    self.tell_learned(&learned).await;
                }
            }
            signal.raised().await;
        }
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

/// A job with three more tries.
fn again<T: Task<Output = String>>(task: T) -> NewJob<String> {
    NewJob::new(task).retry(Retry::intervals(3, PAUSES.map(Duration::from_secs)))
}

fn long_job() -> LongJob {
    LongJob {
        seconds: LONG.as_secs(),
    }
}
