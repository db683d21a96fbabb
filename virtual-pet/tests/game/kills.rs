//! The real program is killed between its steps and at random, started again, and nothing is missing.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::http::Request;
use super::server::Server;
use super::survivors::Town;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What makes the process reach a failpoint.
#[derive(Clone, Copy, Debug)]
enum Provoke {
    Adopt,
    Sleep,
    Wake,
    Release,
    /// Letting go of a pet that sleeps; its keeper regrets that once the server is back.
    Regret,
    /// Taking back a pet that sleeps.
    Return,
    /// Only time.
    Nothing,
}

/// Every named failpoint, with what leads there. The count passes over the steps of Mochi's own adoption.
const STEPS: [(&str, Provoke); 22] = [
    ("adopt.schedule_made:2", Provoke::Adopt),
    ("adopt.jobs_made:2", Provoke::Adopt),
    ("adopt.saved:2", Provoke::Adopt),
    ("sleep.job_made", Provoke::Sleep),
    ("sleep.saved", Provoke::Sleep),
    ("wake.saved", Provoke::Wake),
    ("release.job_made", Provoke::Release),
    ("release.saved", Provoke::Release),
    ("release.schedule_removed", Provoke::Release),
    ("release.saved", Provoke::Regret),
    ("release.schedule_removed", Provoke::Regret),
    ("return.jobs_made", Provoke::Return),
    ("return.saved", Provoke::Return),
    ("return.schedule_kept", Provoke::Return),
    ("duty.job_made", Provoke::Sleep),
    ("duty.saved", Provoke::Sleep),
    ("tick.saved:2", Provoke::Nothing),
    ("slot.read:3", Provoke::Nothing),
    ("slot.advanced:2", Provoke::Nothing),
    ("claim.claimed:2", Provoke::Nothing),
    ("settle.before:2", Provoke::Nothing),
    ("settle.after:2", Provoke::Nothing),
];

/// Does it; the answer, if any came before the kill.
fn provoke(what: Provoke, server: &Server, key: &str) -> Option<u16> {
    let release = server.request("DELETE", "/api/pets/Mochi");
    let request = match what {
        Provoke::Adopt => server
            .request("POST", "/api/pets")
            .json(&json!({ "name": "Newton", "species": "cat", "colour": "mint" })),
        Provoke::Sleep => server.request("POST", "/api/pets/Mochi/sleep"),
        Provoke::Wake => {
            server.post("/api/pets/Mochi/sleep").expect(200);
            server.request("POST", "/api/pets/Mochi/wake")
        }
        Provoke::Release => by_keeper(release, key),
        Provoke::Regret => {
            server.post("/api/pets/Mochi/sleep").expect(200);
            by_keeper(release, key)
        }
        Provoke::Return => {
            server.post("/api/pets/Mochi/sleep").expect(200);
            by_keeper(release, key).send().expect(200);
            undo(server, key)
        }
        Provoke::Nothing => return None,
    };
    request.try_send().ok().map(|answer| answer.status)
}

fn by_keeper(request: Request, key: &str) -> Request {
    request.header("Authorization", &format!("Bearer {key}"))
}

/// Takes Mochi back from the meadow.
fn undo(server: &Server, key: &str) -> Request {
    by_keeper(server.request("POST", "/api/pets/Mochi/undo"), key)
}

fn is_killed_and_comes_back(mut town: Town, step: &str, what: Provoke) {
    let server = town.serve(&[("LULLABY_FAILPOINT", step)]);
    let mochi = server.adopt("Mochi");
    let key = mochi["key"].as_str().expect("a key");
    let answer = provoke(what, &server, key);
    if let (Provoke::Sleep, Some(200)) | (Provoke::Regret | Provoke::Return, _) = (what, answer) {
        town.naps.insert("Mochi".to_owned(), 1);
    }
    assert!(matches!(answer, None | Some(200)), "{what:?}: {answer:?}");
    server.was_killed();

    let server = town.serve(&[]);
    if let Provoke::Regret | Provoke::Return = what {
        let in_town = server.get("/api/pets").expect(200);
        let is_back = ["return.saved", "return.schedule_kept"].contains(&step);
        assert_eq!(in_town.as_array().map(Vec::len), Some(is_back.into()));
        // Whoever heard no answer asks again.
        undo(&server, key).send().expect(200);
    }
    town.comes_to_peace(&server);
    let mochi = server.get("/api/pets/Mochi").status;
    let newton = server.get("/api/pets/Newton").status;
    let expected = match (what, step) {
        (Provoke::Release, "release.job_made") => (200, 404),
        // Released is released, even if nobody heard the answer.
        (Provoke::Release, _) => (404, 404),
        (_, "adopt.saved:2") => (200, 200),
        _ => (200, 404),
    };
    assert_eq!((mochi, newton), expected);
    let survivor = if mochi == 404 { "Pascal" } else { "Mochi" };
    if mochi == 404 {
        server.adopt(survivor);
    }
    // Two ticks of whoever lives here: by then a schedule without a pet has removed itself.
    let mut events = server.events(survivor);
    for _ in 0..2 {
        events.until_pet(|pet| pet["change"]["what"] == "ticked");
    }
    town.comes_to_peace(&server);
    drop(events);
    server.stop();
    town.audit();
}

#[test]
fn a_kill_between_any_two_steps_leaves_nothing_undone() {
    every_step_is_survived(|folder| Town::new(folder, ms(500), ms(700)));
}

#[test]
fn a_kill_between_any_two_steps_leaves_nothing_undone_on_redis() {
    every_step_is_survived(|folder| Town::on_redis(folder, ms(500), ms(700)));
}

fn every_step_is_survived(town: impl Fn(&Path) -> Town + Sync) {
    // A few at a time: each has two processes, which should be on time.
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((step, what)) = usize::try_from(next.fetch_add(1, Ordering::SeqCst))
                    .ok()
                    .and_then(|index| STEPS.get(index))
                {
                    println!("killed at {step}");
                    let folder = tempfile::tempdir().expect("a folder");
                    is_killed_and_comes_back(town(folder.path()), step, *what);
                }
            });
        }
    });
}

/// The state of a small generator; the tests need no better chance than this one (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// One action of a player on a random pet; false if the server is gone.
fn play(town: &mut Town, server: &Server, chance: &mut Chance) -> bool {
    let name = format!("Pet {}", chance.below(PETS));
    let action = ["feed", "play", "sleep", "sleep", "wake"]
        [usize::try_from(chance.below(5)).expect("small")];
    let path = format!("/api/pets/{}/{action}", name.replace(' ', "%20"));
    match server.request("POST", &path).try_send() {
        Ok(answer) => {
            assert!([200, 404, 409].contains(&answer.status), "{answer:?}");
            if (action, answer.status) == ("sleep", 200) {
                *town.naps.entry(name).or_default() += 1;
            }
            true
        }
        Err(_) => false,
    }
}

const PETS: u64 = 20;

#[test]
fn kills_at_random_under_load_lose_nothing() {
    let kills = if super::soak() { 100 } else { 6 };
    let mut chance = Chance(super::seed());
    let folder = tempfile::tempdir().expect("a folder");
    let mut town = Town::new(folder.path(), ms(1000), ms(2000));
    let slow = [("VIRTUAL_PET_SLOW_JOBS", "40")];
    let mut server = town.serve(&slow);
    for number in 0..PETS {
        server.adopt(&format!("Pet {number}"));
        // Not all in one moment: their hours would come at one moment too, and a kill would seldom find a job running.
        for _ in 0..50 {
            assert!(play(&mut town, &server, &mut chance), "it is there");
        }
    }
    let mut hits = 0;
    for _ in 0..kills {
        for _ in 0..20 + chance.below(600) {
            assert!(play(&mut town, &server, &mut chance), "it is there");
        }
        server.signal("KILL");
        server.was_killed();
        hits += u64::from(town.running() > 0);
        server = town.serve(&slow);
        town.comes_to_peace(&server);
    }
    server.stop();
    town.audit();
    println!(
        "{kills} kills, {hits} of them hit a running job ({}%)",
        hits * 100 / kills
    );
}

#[test]
fn two_page_servers_and_two_workers_share_a_redis_and_no_pet_misses_or_doubles_anything() {
    let kills = if super::soak() { 50 } else { 3 };
    let mut chance = Chance(super::seed());
    let folder = tempfile::tempdir().expect("a folder");
    let mut town = Town::on_redis(folder.path(), ms(500), ms(900));
    let pages = [town.serve_pages(), town.serve_pages()];
    let slow = [("VIRTUAL_PET_SLOW_JOBS", "40")];
    let mut workers = [town.work(&slow), town.work(&slow)];
    for number in 0..PETS {
        pages[(number % 2) as usize].adopt(&format!("Pet {number}"));
    }
    let mut hits = 0;
    for kill in 0..kills {
        for action in 0..20 + chance.below(200) {
            let server = &pages[(action % 2) as usize];
            assert!(play(&mut town, server, &mut chance), "it is there");
        }
        let worker = &mut workers[kill % 2];
        worker.kill().expect("SIGKILL");
        worker.wait().expect("its end");
        hits += u64::from(town.running() > 0);
        *worker = town.work(&slow);
    }
    // What was done by one page server is known to the other.
    for server in &pages {
        town.comes_to_peace(server);
    }
    for worker in workers {
        town.stop_worker(worker);
    }
    for server in pages {
        server.stop();
    }
    town.audit();
    println!("{kills} kills of workers, a job was running at {hits} of them");
}
