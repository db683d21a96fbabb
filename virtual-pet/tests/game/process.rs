//! The process as a whole: where it keeps things, how it starts, how it stops.

use std::process::Command;
use std::time::Duration;

use lullaby::clock::{Clock as _, SystemClock};
use lullaby::store::sqlite::rusqlite::Connection;
use serde_json::json;

use super::server::{Server, command};
use super::survivors::Town;

#[test]
fn a_pet_and_its_jobs_are_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("deep/data");
    let server = Server::on(&data, &[]);
    let before = server.adopt("Mochi");
    server.post("/api/pets/Mochi/sleep").expect(200);
    let jobs = server.get("/api/pets/Mochi/jobs").expect(200);
    server.signal("TERM");
    assert!(server.wait().success());

    let server = Server::on(&data, &[]);
    let after = server.pet("Mochi");
    assert_eq!(after["born_at"], before["born_at"]);
    assert_eq!(after["asleep"], true);
    let kept = server.get("/api/pets/Mochi/jobs").expect(200);
    assert_eq!(kept["scheduled"], jobs["scheduled"]);
}

#[test]
fn nobody_has_to_read_what_it_prints() {
    let server = Server::unheard(&["--store", "memory:"]);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_taken_port_is_an_error_that_names_the_option() {
    let server = Server::in_memory(&[]);
    let address = server.address.to_string();
    let told = refused(&["--store", "memory:", "--listen", &address]);
    assert!(
        told.contains("--listen") && told.contains(&address),
        "{told}"
    );
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
}

#[test]
fn a_setting_that_makes_no_sense_is_refused_with_what_is_expected() {
    for (option, value, expected) in [
        ("--listen", "5000", "127.0.0.1:5000"),
        ("--listen", "localhost:5000", "127.0.0.1:5000"),
        (
            "--allowed-hosts",
            "https://pet.example.org",
            "without scheme",
        ),
        (
            "--allowed-hosts",
            "pet.example.org:443",
            "without scheme, port",
        ),
        ("--concurrency", "0", "1.."),
        ("--hunger-every", "soon", "1h, 20m or 2s"),
        ("--trusted-proxy", "nginx", "10.0.0.0/8"),
        ("--names-blocked", "none.txt", "none.txt"),
    ] {
        let told = refused(&["--store", "memory:", option, value]);
        assert!(
            told.contains(expected) && !told.contains("backtrace"),
            "{option} {value}: {told}"
        );
    }
}

#[test]
fn a_store_that_is_none_is_refused_in_one_line() {
    let told = refused(&["--store", "postgres://localhost", "--listen", "127.0.0.1:0"]);
    assert!(told.contains("redis://HOST"), "{told}");
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
}

/// What it says when it does not start.
fn refused(arguments: &[&str]) -> String {
    let ended = command(arguments)
        .env("VIRTUAL_PET_LISTEN", "127.0.0.1:0")
        .env("RUST_BACKTRACE", "1")
        .output();
    let ended = ended.expect("it ends");
    assert!(!ended.status.success(), "{arguments:?}");
    String::from_utf8(ended.stderr).expect("text")
}

#[test]
fn sigterm_ends_streams_and_lets_jobs_finish() {
    let folder = tempfile::tempdir().expect("a folder");
    let town = Town::new(folder.path(), Duration::from_secs(3600), ms(200));
    let server = town.serve(&[("VIRTUAL_PET_SLOW_JOBS", "300")]);
    server.adopt("Mochi");
    let mut events = server.events("Mochi");
    server.post("/api/pets/Mochi/sleep").expect(200);
    events.until(|frame| frame.data["kind"] == "job.started");
    let clock = SystemClock::default();
    let told = clock.now();
    server.signal("TERM");
    // The stream ends, with whatever was still to be told.
    for _ in events {}
    assert!(server.wait().success());
    let took = clock.now().since(told);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(town.running(), 0, "the wake-up was done, or given back");
    let server = town.serve(&[]);
    assert_eq!(server.pet("Mochi")["asleep"], false);
}

#[test]
fn a_locked_store_makes_it_unready_and_nothing_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let town = Town::new(folder.path(), Duration::from_secs(3600), ms(300));
    let server = town.serve(&[]);
    server.adopt("Mochi");
    server.post("/api/pets/Mochi/sleep").expect(200);
    server.get("/readyz").expect(200);

    let clock = SystemClock::default();
    let lock = Connection::open(folder.path().join("lullaby.db")).expect("the file");
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let locked = clock.now();
    while server.get("/readyz").status == 200 {
        assert!(clock.now().since(locked) < Duration::from_secs(5));
    }
    let unready_after = clock.now().since(locked);
    // Looking is still possible: readers wait for nobody.
    assert_eq!(server.pet("Mochi")["name"], "Mochi");
    let hold = if super::soak() { 10 } else { 0 };
    while clock.now().since(locked) < Duration::from_secs(hold) {
        assert_eq!(server.get("/readyz").status, 503);
    }
    lock.execute_batch("ROLLBACK").expect("given back");
    let free = clock.now();
    while server.get("/readyz").status != 200 {
        assert!(clock.now().since(free) < Duration::from_secs(2));
    }
    let ready_after = clock.now().since(free);
    println!(
        "503 after {unready_after:?} of a locked store, 200 {ready_after:?} after it was free"
    );
    server
        .events("Mochi")
        .until_pet(|pet| pet["asleep"] == false);
}

#[test]
fn a_full_disk_refuses_each_write_and_is_forgotten_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let town = Town::new(folder.path(), Duration::from_secs(3600), ms(300));
    let server = town.serve(&[]);
    server.adopt("Mochi");
    // No file of the process may grow any more: what a full disk does, without a disk to fill.
    server.limit_file_size("4096");
    let refused = server.post("/api/pets/Mochi/play");
    assert_eq!(refused.status, 503, "{}", refused.body);
    let answer = refused.json();
    assert!(answer["message"].is_string(), "{answer}");
    let adopted = server
        .request("POST", "/api/pets")
        .json(&json!({ "name": "Newton", "species": "cat", "colour": "mint" }))
        .send();
    assert_eq!(adopted.status, 503, "{}", adopted.body);
    assert_eq!(server.pet("Mochi")["energy"], 10, "nothing was changed");
    server.get("/readyz").expect(503);

    server.limit_file_size("unlimited");
    let played = server.post("/api/pets/Mochi/play").expect(200);
    assert_eq!(played["energy"], 8);
    server.adopt("Newton");
    server.stop();
    town.audit();
}

#[test]
fn two_full_processes_on_one_folder_never_double_a_tick() {
    let folder = tempfile::tempdir().expect("a folder");
    let town = Town::new(folder.path(), ms(100), ms(300));
    let (one, other) = (town.serve(&[]), town.serve(&[]));
    let pets = 8;
    for number in 0..pets {
        let server = [&one, &other][number % 2];
        server.adopt(&format!("Pet{number}"));
    }
    // A change made in one process is heard in the other.
    let mut events = other.events("Pet0");
    one.post("/api/pets/Pet0/sleep").expect(200);
    events.until_pet(|pet| pet["asleep"] == true);
    let mut last = 0;
    for _ in 0..20 {
        let pet = events.until_pet(|pet| pet["change"]["what"] == "ticked");
        let age = pet["age_hours"].as_u64().expect("a number");
        assert!(age > last, "{age} after {last}");
        last = age;
    }
    town.comes_to_peace(&one);
    town.comes_to_peace(&other);
    drop(events);
    one.stop();
    other.stop();
    town.audit();
}

#[test]
fn pages_and_work_can_be_two_processes() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a path in UTF-8");
    let web = Server::start(&["web", "--data", data, "--nap", "200ms"]);
    web.adopt("Mochi");
    let mut events = web.events("Mochi");
    web.post("/api/pets/Mochi/sleep").expect(200);
    let mut work = command(&["work", "--data", data])
        .spawn()
        .expect("it starts");
    events.until_pet(|pet| pet["asleep"] == true);
    events.until_pet(|pet| pet["asleep"] == false);
    let stopped = Command::new("kill").arg(work.id().to_string()).status();
    assert!(stopped.expect("kill runs").success());
    assert!(work.wait().expect("its end").success());
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
