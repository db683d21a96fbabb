//! A town of pets that all get hungry, again and again: how late they do, and what it takes.
//!
//! The pets move in by the game's own way, in this process, by a clock that is ahead: one after the other over one round, in which each gets
//! hungry once, and that round begins when all of them are there. So their ticks come evenly, as in a town that grew over years.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use lullaby::clock::{Clock as _, ManualClock, SystemClock};
use lullaby::event::EventId;
use lullaby::schedule::ScheduleRecord;
use lullaby::store::{JobFilter, Page};
use lullaby::{Lullaby, Status, Timestamp};
use tokio::task::JoinSet;
use virtual_pet::game::{Adoption, Caller, Game as Keeper};
use virtual_pet::home;
use virtual_pet::pet::{Colour, PetName, Rules, Species, Visitors};

use crate::figure::Figure;
use crate::game::Game;
use crate::place::Place;
use crate::process::{cpu_of, memory_of};
use crate::redis_server::Look;
use crate::workload::{lateness, rest, thousands};

/// How many move in at once.
const DOORS: usize = 256;
/// How long the game has to come up before the round begins.
const START: Duration = Duration::from_secs(5);
/// How many jobs the game may run at once. Most of a tick is waiting for the store.
const CONCURRENCY: &str = "256";
/// How many of the ticks are looked at, and how many of them in a row.
const LOOKED_AT: usize = 100_000;
const IN_A_ROW: usize = 500;
/// How long after its slot a tick is looked at: all but the very late ones have ended by then.
const AFTER: Duration = Duration::from_secs(10);
/// More events than a pet has.
const MANY: usize = 1000;
/// How often this looks, and tells how it goes.
const TOLD: Duration = Duration::from_secs(10);
/// A job's hash as the README advises. Its small nodes for streams are for results, of which a town keeps none; an event in a node of its own
/// costs 1 us more to add and to drop.
const SETTINGS: [(&str, &str); 1] = [("hash-max-listpack-value", "512")];

/// Lets the pets move in, `a_second` at least.
pub(crate) async fn fill(
    place: &Place,
    pets: usize,
    every: Duration,
    a_second: u32,
) -> anyhow::Result<()> {
    let url = fresh(place)?;
    let host = SystemClock::default();
    let count = u64::try_from(pets)?;
    let round = host.now() + Duration::from_secs(count / u64::from(a_second)) + START;
    let born =
        |n: usize| round - every + every * u32::try_from(n).unwrap_or(u32::MAX) / divisor(pets);
    let clock = Arc::new(ManualClock::new(born(0)));
    let lullaby = Lullaby::builder().clock(clock.clone()).open(&url).await?;
    let home = home::open(&lullaby).await?;
    let rules = Rules::game().paced(every, every);
    let keeper = Keeper::new(lullaby, home, rules, Visitors::Act)?;
    let keeper = Arc::new(keeper.keeping_results(Duration::ZERO));

    let began = host.monotonic();
    let mut tell_at = began + TOLD;
    for first in (0..pets).step_by(DOORS) {
        clock.set(born(first));
        let mut doors = JoinSet::new();
        for n in first..pets.min(first + DOORS) {
            let keeper = keeper.clone();
            doors.spawn(async move { adopt(&keeper, n).await });
        }
        while let Some(adopted) = doors.join_next().await {
            adopted??;
        }
        if host.monotonic() > tell_at {
            tell_at += TOLD;
            eprintln!("  {first} of {pets} pets have moved in");
        }
    }
    let took = host.monotonic() - began;
    let what = format!("town of {} pets: adopted", thousands(count));
    Figure::new(
        what,
        format!("{:.0} pets/s", pets as f64 / took.as_secs_f64()),
    )
    .print()?;
    if host.now() > round {
        bail!(
            "moving in took {took:.0?}, and the first ticks are late already: give a lower --pets-a-second"
        );
    }
    Ok(())
}

fn divisor(pets: usize) -> u32 {
    u32::try_from(pets.max(1)).unwrap_or(u32::MAX)
}

async fn adopt(keeper: &Keeper, n: usize) -> anyhow::Result<()> {
    let adoption = Adoption {
        name: PetName::new(&format!("P{n}"))?,
        species: Species::default(),
        colour: Colour::default(),
        egg: false,
    };
    keeper.adopt(adoption, &Caller::default()).await?;
    Ok(())
}

/// Lets the game run for one round, in which each pet ticks once.
pub(crate) async fn run(place: &Place, pets: usize, every: Duration) -> anyhow::Result<()> {
    let url = url(place);
    let host = SystemClock::default();
    let lullaby = Lullaby::open(&url).await?;
    let first = Page {
        offset: 0,
        length: 1,
    };
    let schedules = lullaby.store().list_schedules(None, first).await?;
    let round = schedules.first().and_then(|first| first.next);
    let round = round.context("expected a town, found no pet: let them move in first")?;
    if host.now() > round {
        bail!("the round began at {round}, before the game");
    }
    let hunger_every = format!("{}s", every.as_secs());
    let rest_until = |at: Timestamp| rest(at.since(host.now()));
    rest_until(round - START).await;
    let game = Game::start(
        &url,
        &[
            "--hunger-every",
            &hunger_every,
            "--results-kept",
            "0s",
            "--concurrency",
            CONCURRENCY,
        ],
    )?;
    rest_until(round).await;
    let cpu = cpu_of(game.process())?;
    let mut seen = Seen::default();
    let mut from = round;
    while from < round + every {
        let to = from + TOLD;
        rest_until(to + AFTER).await;
        seen.look(&lullaby, Town { pets, every }, (from, to), host.now())
            .await?;
        let memory = memory_of(game.process())?;
        let waiting = lullaby
            .store()
            .count_jobs(&jobs(Status::Queued, first))
            .await?;
        let since = to.since(round);
        eprintln!(
            "  {since:.0?} of {every:?}: {waiting} ticks wait for a worker, the game takes {memory:.0} MiB"
        );
        from = to;
    }
    let took = host.now().since(round);
    let cpu = (cpu_of(game.process())? - cpu).as_secs_f64() / took.as_secs_f64();
    let memory = memory_of(game.process())?;
    drop(game);

    let town = format!("town of {} pets", thousands(pets as u64));
    Figure::new(
        format!("{town}, ticks every {every:?}: their end after their slot"),
        seen.told(),
    )
    .print()?;
    let store = match place {
        Place::Redis(url) => format!("Redis {:.0} MiB", mebibytes(Look::at(url)?.memory()?)),
        Place::Folder(folder) => {
            format!("{:.0} MiB on disk", mebibytes(size_of(&folder.join(NAME))?))
        }
    };
    Figure::new(
        format!("{town}: what it takes"),
        format!("{memory:.0} MiB, {:.0} % of a core, {store}", cpu * 100.0),
    )
    .print()
}

/// How many live there, and how often each of them ticks.
#[derive(Clone, Copy)]
struct Town {
    pets: usize,
    every: Duration,
}

impl Town {
    fn ticks_in(self, span: Duration) -> usize {
        (self.pets as f64 * span.as_secs_f64() / self.every.as_secs_f64()) as usize
    }
}

/// When the tick of this slot ended, as its pet's events tell: the job itself is not kept.
async fn end_of_tick(
    lullaby: &Lullaby,
    schedule: &ScheduleRecord,
    slot: Timestamp,
) -> anyhow::Result<Option<Timestamp>> {
    let pet = schedule.spec.template.subject.as_deref();
    let job = schedule.slot_job_id(slot);
    let events = lullaby.store().events(pet, EventId(0), MANY).await?;
    let end = events
        .into_iter()
        .rfind(|event| event.kind == "job.finished" && event.job.as_ref() == Some(&job));
    Ok(end.map(|event| event.at))
}

/// What was seen of ticks.
#[derive(Default)]
struct Seen {
    /// How late each ended, in microseconds; of one that has not ended, how late it was when it was looked at.
    late: Vec<i64>,
    not_ended: u64,
    /// At most so many slots at once had not fired [`AFTER`] their time.
    not_fired: u64,
}

impl Seen {
    /// Looks at ticks of slots between two instants: some in a row, in evenly spread places.
    async fn look(
        &mut self,
        lullaby: &Lullaby,
        town: Town,
        (from, to): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> anyhow::Result<()> {
        // Schedules stand in the order of their next slots, so those that fired last stand last.
        let first = town.pets.saturating_sub(town.ticks_in(now.since(from)));
        let fired = town.ticks_in(to.since(from));
        let parts = (LOOKED_AT * fired / town.pets / IN_A_ROW).max(1);
        for part in 0..parts {
            let page = Page {
                offset: first + fired / parts * part,
                length: IN_A_ROW.min(fired),
            };
            let schedules = lullaby.store().list_schedules(None, page).await?;
            for schedule in schedules {
                let Some(slot) = schedule.next.map(|next| next - town.every) else {
                    continue;
                };
                if slot >= from && slot < to {
                    let ended = end_of_tick(lullaby, &schedule, slot).await?;
                    self.not_ended += u64::from(ended.is_none());
                    self.late
                        .push((ended.unwrap_or(now).as_millis() - slot.as_millis()) * 1000);
                }
            }
        }
        let behind = lullaby.store().count_schedules(Some(now - AFTER)).await?;
        self.not_fired = self.not_fired.max(behind);
        Ok(())
    }

    fn told(mut self) -> String {
        format!(
            "{}; of those {} had not ended {AFTER:?} after their slot, and at most {} slots had not fired then",
            lateness(&mut self.late),
            self.not_ended,
            self.not_fired
        )
    }
}

fn jobs(status: Status, page: Page) -> JobFilter {
    JobFilter {
        status: Some(status),
        page,
        ..JobFilter::default()
    }
}

const NAME: &str = "town";

fn url(place: &Place) -> String {
    match place {
        Place::Redis(url) => url.clone(),
        Place::Folder(folder) => format!("sqlite:{}", folder.join(NAME).join("pets.db").display()),
    }
}

/// The URL of a town with nobody in it.
fn fresh(place: &Place) -> anyhow::Result<String> {
    match place {
        Place::Redis(url) => {
            let mut look = Look::at(url)?;
            look.empty()?;
            for (name, value) in SETTINGS {
                look.set(name, value)?;
            }
        }
        Place::Folder(folder) => {
            let folder = folder.join(NAME);
            if folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
            std::fs::create_dir_all(&folder)?;
        }
    }
    Ok(url(place))
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / 1_048_576.0
}

fn size_of(folder: &Path) -> anyhow::Result<f64> {
    let mut bytes = 0;
    for file in std::fs::read_dir(folder)? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes as f64)
}
