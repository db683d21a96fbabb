//! What must be true of the pets after a process was killed, and of what is kept in their folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lullaby::clock::{Clock as _, SystemClock};
use lullaby::store::JobFilter;
use lullaby::{Lullaby, Status, Timestamp};
use serde_json::Value;
use virtual_pet::home;
use virtual_pet::pet::Pet;

use super::server::Server;

/// How late a pet may wake, and how soon after a start all must be as if nothing had happened.
const GRACE: Duration = Duration::from_secs(1);

/// Long past any healthy recovery: a machine that runs all other tests too is slow, but not that slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// A data folder whose servers come and go, and what their players were told.
pub(crate) struct Town {
    folder: PathBuf,
    every: Duration,
    options: Vec<String>,
    /// The naps that were answered with 200, by name: none of them may be forgotten.
    pub(crate) naps: BTreeMap<String, u64>,
}

impl Town {
    pub(crate) fn new(folder: &Path, every: Duration, nap: Duration) -> Self {
        let options = ["--hunger-every".into(), ms(every), "--nap".into(), ms(nap)];
        Self {
            folder: folder.to_owned(),
            every,
            options: options.into(),
            naps: BTreeMap::new(),
        }
    }

    /// Starts a server on the folder, with these environment variables.
    pub(crate) fn serve(&self, variables: &[(&str, &str)]) -> Server {
        let folder = self.folder.to_str().expect("a path in UTF-8");
        let options = self.options.iter().map(String::as_str);
        let arguments: Vec<_> = options.chain(["--data", folder]).collect();
        Server::start_with(&arguments, variables)
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
                    let late = time(&pet["wakes_at"]).max(ready) + GRACE;
                    assert!(before <= late, "{name} sleeps on: {pet}");
                }
            }
            if amiss.is_empty() {
                return;
            }
            assert!(clock.now() < ready + PATIENCE, "{}", amiss.join(", "));
        }
    }

    fn hours(&self, born: Timestamp, now: Timestamp) -> u64 {
        u64::try_from(now.since(born).as_millis() / self.every.as_millis()).expect("small")
    }

    /// How many jobs were running when the last process was killed. Nobody may have started one since.
    pub(crate) fn running(&self) -> u64 {
        block_on(async {
            let started = JobFilter {
                status: Some(Status::Started),
                ..JobFilter::default()
            };
            let store = self.open().await;
            store.store().count_jobs(&started).await.expect("an answer")
        })
    }

    async fn open(&self) -> Lullaby {
        let url = format!("sqlite:{}", self.folder.join("lullaby.db").display());
        Lullaby::open(&url).await.expect("the file opens")
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
            .ledger(&schedule.id, usize::MAX)
            .await
            .expect("the ledger");
        ledger.reverse();
        let mut expected = pet.first_hour_at;
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
