//! What must be true of the pets after a process was killed, and of what is kept in their folder.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lullaby::clock::{Clock as _, SystemClock};
use lullaby::store::JobFilter;
use lullaby::{Job, Lullaby, Status, Timestamp};
use serde_json::Value;
use virtual_pet::home;
use virtual_pet::pet::Pet;

use super::server::{Server, command};

/// How late a pet may wake, and how soon after a start all must be as if nothing had happened.
const GRACE: Duration = Duration::from_secs(1);

/// Long past any healthy recovery: a machine that runs all other tests too is slow, but not that slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// On Redis nobody sees a process die: its jobs come back when their leases have run out, and somebody looks.
const LEASE: Duration = Duration::from_secs(1);

/// A store whose servers come and go, and what their players were told.
pub(crate) struct Town {
    url: String,
    /// How late a pet may wake after a kill.
    grace: Duration,
    _redis: Option<RedisServer>,
    every: Duration,
    options: Vec<String>,
    /// The naps that were answered with 200, by name: none of them may be forgotten.
    pub(crate) naps: BTreeMap<String, u64>,
}

impl Town {
    /// In a data folder.
    pub(crate) fn new(folder: &Path, every: Duration, nap: Duration) -> Self {
        let folder = folder.to_str().expect("a path in UTF-8");
        let kept = ["--data".to_owned(), folder.to_owned()];
        let url = format!("sqlite:{folder}/lullaby.db");
        Self::kept_in(url, kept, every, nap)
    }

    /// In a redis-server of its own, whose files are in the folder.
    pub(crate) fn on_redis(folder: &Path, every: Duration, nap: Duration) -> Self {
        let redis = RedisServer::start(folder);
        let url = redis.url();
        let lease = ["--lease".to_owned(), ms(LEASE)];
        let mut town = Self::kept_in(url.clone(), ["--store".to_owned(), url], every, nap);
        town.options.extend(lease);
        // The lease; one more for which nobody is believed to be dead after a start; and the look in between.
        town.grace = GRACE + LEASE * 4;
        town._redis = Some(redis);
        town
    }

    fn kept_in(url: String, kept: [String; 2], every: Duration, nap: Duration) -> Self {
        let pace = ["--hunger-every".into(), ms(every), "--nap".into(), ms(nap)];
        Self {
            url,
            grace: GRACE,
            _redis: None,
            every,
            options: pace.into_iter().chain(kept).collect(),
            naps: BTreeMap::new(),
        }
    }

    /// Starts a server, with these environment variables.
    pub(crate) fn serve(&self, variables: &[(&str, &str)]) -> Server {
        Server::start_with(&self.arguments(), variables)
    }

    /// Starts one that serves pages and runs no job.
    pub(crate) fn serve_pages(&self) -> Server {
        Server::start(&[&["web"], &*self.arguments()].concat())
    }

    /// Starts a process that runs jobs and serves no page.
    pub(crate) fn work(&self, variables: &[(&str, &str)]) -> Child {
        let mut command = command(&[&["work"], &*self.arguments()].concat());
        command.envs(variables.iter().copied());
        command.spawn().expect("it starts")
    }

    fn arguments(&self) -> Vec<&str> {
        self.options.iter().map(String::as_str).collect()
    }

    /// Looks until nothing is amiss with any pet: each as old as the whole intervals since its adoption, and none asleep past its nap.
    ///
    /// # Panics
    /// If something is still amiss when it must not be.
    pub(crate) fn comes_to_peace(&self, server: &Server) {
        let clock = SystemClock::default();
        let ready = clock.now();
        loop {
            let before = clock.now();
            let pets = server.get("/api/pets?limit=100").expect(200);
            let after = clock.now();
            let pets = pets.as_array().expect("a list");
            let mut amiss = Vec::new();
            for pet in pets {
                let name = &pet["name"];
                let age = pet["age_hours"].as_u64().expect("a number");
                let born = time(&pet["born_at"]);
                assert!(age <= self.hours(born, after), "{name} is too old: {pet}");
                let due = self.hours(born, before);
                if age < due {
                    amiss.push(format!("{name} lived {age} of {due} hours"));
                }
                if pet["asleep"] == true {
                    let late = time(&pet["wakes_at"]).max(ready) + self.grace;
                    assert!(before <= late, "{name} sleeps on: {pet}");
                }
            }
            if amiss.is_empty() {
                // A page view wakes a pet without its job, so the jobs of the dead may still be on their way back.
                match self.running_since_before(ready) {
                    0 => return,
                    jobs => amiss.push(format!("{jobs} jobs of the dead did not come back")),
                }
            }
            assert!(clock.now() < ready + PATIENCE, "{}", amiss.join(", "));
        }
    }

    fn hours(&self, born: Timestamp, now: Timestamp) -> u64 {
        u64::try_from(now.since(born).as_millis() / self.every.as_millis()).expect("small")
    }

    /// How many jobs were running when the last process was killed. Nobody may have started one since.
    pub(crate) fn running(&self) -> u64 {
        self.running_since_before(Timestamp::MAX)
    }

    fn running_since_before(&self, then: Timestamp) -> u64 {
        block_on(async {
            let started = JobFilter {
                status: Some(Status::Started),
                ..JobFilter::default()
            };
            let store = self.open().await;
            let jobs = store.store().list_jobs(&started).await.expect("an answer");
            let before = |job: &&Job| job.started_at.is_some_and(|at| at < then);
            jobs.iter().filter(before).count() as u64
        })
    }

    /// Asks a worker to end, and waits until it has. It is at work by then: a process that has only begun would end by the signal itself.
    ///
    /// # Panics
    /// If it ends otherwise than well.
    pub(crate) fn stop_worker(&self, mut worker: Child) {
        let pid = worker.id();
        block_on(async {
            let lullaby = self.open().await;
            let clock = SystemClock::default();
            loop {
                let workers = lullaby.store().workers().await.expect("an answer");
                if workers.iter().any(|one| one.pid == pid) {
                    return;
                }
                assert!(clock.monotonic() < PATIENCE, "the worker {pid} comes up");
                tokio::task::yield_now().await;
            }
        });
        let told = Command::new("kill").arg(pid.to_string()).status();
        assert!(told.expect("kill runs").success());
        let end = worker.wait().expect("its end");
        assert!(end.success(), "{end}");
    }

    async fn open(&self) -> Lullaby {
        Lullaby::open(&self.url).await.expect("the store opens")
    }

    /// Looks into the file of a server that has stopped: no job is lost, none is left over, each slot was decided once.
    pub(crate) fn audit(&self) {
        block_on(async {
            let lullaby = self.open().await;
            let home = home::open(&lullaby).await.expect("a home");
            let mut pets = home.list(None, 1000).await.expect("the pets");
            pets.retain(|pet| !pet.is_in_meadow());
            for pet in &pets {
                self.audit_pet(&lullaby, pet).await;
                let answered = self.naps.get(pet.name.as_str()).copied();
                assert!(pet.naps >= answered.unwrap_or_default(), "{pet:?}");
            }
            for status in [Status::Started, Status::Failed] {
                let filter = JobFilter {
                    status: Some(status),
                    ..JobFilter::default()
                };
                let left = lullaby.store().list_jobs(&filter).await.expect("jobs");
                assert!(left.is_empty(), "{left:?}");
            }
            // Whatever a kill left of a pet that nobody was told of has cleared itself away, or will at its first slot.
            let schedules = lullaby
                .store()
                .count_schedules(None)
                .await
                .expect("a count");
            let pets = pets.len() as u64;
            assert_eq!(schedules, pets, "a schedule for each pet");
        });
    }

    async fn audit_pet(&self, lullaby: &Lullaby, pet: &Pet) {
        let store = lullaby.store();
        for (duty, appointment) in pet.appointments() {
            let job = lullaby.job(appointment.job.clone());
            let status = job.status().await.expect("an answer");
            let waits = status.is_some_and(|status| !status.is_ended());
            assert!(
                waits,
                "{duty:?} of {pet:?} waits for a job that is {status:?}"
            );
        }
        let name = pet.id.schedule();
        let schedule = store.schedule(&name).await.expect("an answer");
        let schedule = schedule.unwrap_or_else(|| panic!("{pet:?} has no schedule"));
        let mut ledger = store
            .ledger(&schedule, usize::MAX)
            .await
            .expect("the ledger");
        ledger.reverse();
        // A schedule that was made late, by whoever finished the adoption after a kill, begins with the latest slot that had passed.
        let mut expected = pet.first_hour_at.max(schedule.since);
        for line in &ledger {
            assert_eq!(line.first, expected, "{ledger:?}");
            let slots = u32::try_from(line.slots).expect("few");
            expected = line.first + self.every * slots;
            assert_eq!(
                line.last,
                line.first + self.every * (slots - 1),
                "{ledger:?}"
            );
        }
        let slots: u64 = ledger.iter().map(|line| line.slots).sum();
        assert_eq!(schedule.slots, slots);
    }
}

/// A real redis-server, killed when dropped.
struct RedisServer {
    child: Child,
    socket: PathBuf,
}

impl RedisServer {
    fn start(folder: &Path) -> Self {
        let socket = folder.join("socket");
        let child = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "yes",
                "--unixsocket",
            ])
            .arg(&socket)
            .arg("--dir")
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (apt-get install redis-server)");
        let clock = SystemClock::default();
        while UnixStream::connect(&socket).is_err() {
            assert!(clock.monotonic() < PATIENCE, "redis-server comes up");
            std::thread::yield_now();
        }
        Self { child, socket }
    }

    fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ms(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn time(value: &Value) -> Timestamp {
    let text = value.as_str().expect("a time");
    text.parse().expect("a time in RFC 3339")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
