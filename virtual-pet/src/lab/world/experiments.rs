//! What a visitor can do to a world: turn its clock, and try to break it.

use std::sync::Arc;
use std::time::Duration;

use lullaby::clock::Clock;
use lullaby::store::{JobFilter, Page};
use lullaby::{NewJob, Retry, Status, Task, Timestamp};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{Inner, KEPT, Place, Plug, Refused, WORKERS};
use crate::game::QUEUE;
use crate::lab::tasks::{Broken, LONG, LongJob, SayHello, SmallJob, Wobble};
use crate::lab::{Chime, Deed, Fact, Lesson, chimes};

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

impl Inner {
    pub(super) async fn do_it(self: Arc<Self>, deed: Deed) -> Result<(), Refused> {
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

    pub(super) fn spawn_skip(
        self: &Arc<Self>,
        at: Timestamp,
        did: Option<&'static str>,
    ) -> JoinHandle<()> {
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
