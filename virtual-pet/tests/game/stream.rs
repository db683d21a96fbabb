//! A pet's events as they happen.

use serde_json::{Value, json};

use super::http::Frame;
use super::server::Server;

fn move_of(frame: &Frame, task: &str, kind: &str) -> bool {
    frame.event == "job" && frame.data["task"] == task && frame.data["kind"] == kind
}

#[test]
fn the_pet_comes_first_and_then_each_change_with_its_jobs_moves() {
    let server = Server::in_memory(&["--nap", "200ms"]);
    server.adopt("Mochi");
    let mut events = server.events("Mochi");
    let first = events.next().expect("the pet");
    assert_eq!(
        (first.event.as_str(), &first.data["hunger"]),
        ("pet", &json!(0))
    );
    assert!(first.data.get("change").is_none());

    server.post("/api/pets/Mochi/play").expect(200);
    server.post("/api/pets/Mochi/sleep").expect(200);
    let mut seen = Vec::new();
    events.until(|frame| {
        seen.push(match frame.event.as_str() {
            "pet" => frame.data["change"]["what"].clone(),
            _ => json!(format!("{} {}", frame.data["task"], frame.data["kind"])),
        });
        move_of(frame, "wake_pet", "job.finished")
    });
    let expected: Vec<Value> = [
        "played",
        r#""wake_pet" "job.scheduled""#,
        "slept",
        r#""wake_pet" "job.queued""#,
        r#""wake_pet" "job.started""#,
        "woke",
        r#""wake_pet" "job.finished""#,
    ]
    .map(Value::from)
    .into();
    assert_eq!(seen, expected);
}

#[test]
fn a_stream_shows_that_it_is_alive() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    let mut events = server.events("Mochi");
    let beat = events.until(|frame| frame.event == "beat");
    assert!(beat.data["now"].is_string() && beat.id.is_empty());
}

#[test]
fn a_client_that_comes_back_hears_what_it_missed() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    let mut events = server.events("Mochi");
    server.post("/api/pets/Mochi/play").expect(200);
    let last = events.until(|frame| frame.data["energy"] == 8);
    drop(events);
    server.post("/api/pets/Mochi/play").expect(200);
    server.post("/api/pets/Mochi/feed").expect(200);

    let mut again = server
        .request("GET", "/api/pets/Mochi/events")
        .header("Last-Event-ID", &last.id)
        .stream();
    let whats: Vec<_> = again
        .by_ref()
        .take(3)
        .map(|frame| frame.data["change"]["what"].clone())
        .collect();
    assert_eq!(whats, [json!("played"), json!("fed"), json!(null)]);
    server.post("/api/pets/Mochi/play").expect(200);
    let next = again.next().expect("the next change");
    assert_eq!(next.data["change"]["what"], "played");
    assert!(next.id.parse::<u64>().expect("a number") > last.id.parse().expect("a number"));
}

#[test]
fn an_id_of_another_life_is_no_obstacle() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    for id in ["999999999", "-1", "nonsense", "18446744073709551616"] {
        let mut events = server
            .request("GET", "/api/pets/Mochi/events")
            .header("Last-Event-ID", id)
            .stream();
        assert_eq!(events.next().expect("the pet").event, "pet");
    }
}

#[test]
fn the_stream_of_a_released_pet_ends() {
    let server = Server::in_memory(&[]);
    let mochi = server.adopt("Mochi");
    let events = server.events("Mochi");
    let key = format!("Bearer {}", mochi["key"].as_str().expect("a key"));
    let release = server.request("DELETE", "/api/pets/Mochi");
    let released = release.header("Authorization", &key).send();
    assert_eq!(released.status, 200);
    let last = events.last().expect("an end");
    assert_eq!(
        (last.event.as_str(), &last.data["name"]),
        ("gone", &json!("Mochi"))
    );
}

#[test]
fn two_players_see_each_other_s_actions_and_nobody_else_s() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    server.adopt("Biscuit");
    let [mut one, mut two] = [server.events("Mochi"), server.events("Mochi")];
    server.post("/api/pets/Biscuit/play").expect(200);
    server.post("/api/pets/Mochi/play").expect(200);
    for events in [&mut one, &mut two] {
        events.until(|frame| {
            assert_eq!(frame.data["name"], "Mochi");
            frame.data["change"]["what"] == "played"
        });
    }
}

#[test]
fn twenty_clients_at_once_lose_no_action() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    let mut events = server.events("Mochi");
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for action in ["play", "feed"] {
                    let status = server.post(&format!("/api/pets/Mochi/{action}")).status;
                    assert!(matches!(status, 200 | 409), "{status}");
                }
            });
        }
    });
    // Five plays take all the energy there is; twenty meals are twenty changes.
    let pet = server.pet("Mochi");
    assert_eq!(pet["energy"], 0);
    assert_eq!(pet["version"], 1 + 5 + 20);
    let mut last = 0;
    events.until_pet(|pet| {
        let version = pet["version"].as_u64().expect("a number");
        assert!(version > last, "versions only go up");
        last = version;
        version == 26
    });
}
