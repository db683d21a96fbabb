//! The JSON API.

use lullaby::Timestamp;
use serde_json::{Value, json};

use super::server::Server;

fn names(pets: &Value) -> Vec<&str> {
    let pets = pets.as_array().expect("a list");
    pets.iter().filter_map(|pet| pet["name"].as_str()).collect()
}

fn time(value: &Value) -> Timestamp {
    let text = value.as_str().expect("a time");
    assert!(text.ends_with('Z'), "in UTC: {text}");
    text.parse().expect("RFC 3339")
}

#[test]
fn a_pet_is_adopted_shown_and_listed() {
    let server = Server::in_memory(&[]);
    let body = json!({ "name": " Žofie ", "species": "axolotl", "colour": "sky" });
    let post = server.request("POST", "/api/pets").json(&body).send();
    assert_eq!(post.header("location"), Some("/api/pets/%C5%BDofie"));
    let mut adopted = post.expect(201);
    let key = adopted["key"].take();
    assert_eq!(key.as_str().map(str::len), Some(32));
    let shown = server.pet("%C5%BEOFIE");
    for (field, value) in [
        ("name", json!("Žofie")),
        ("species", json!("axolotl")),
        ("colour", json!("sky")),
        ("hunger", json!(0)),
        ("energy", json!(10)),
        ("asleep", json!(false)),
        ("wakes_at", json!(null)),
        ("age_hours", json!(0)),
        ("mood", json!("happy")),
        ("stage", json!("hatchling")),
    ] {
        assert_eq!(adopted[field], value, "{field}");
        assert_eq!(shown[field], value, "{field}");
    }
    assert!(shown.get("key").is_none() && shown.get("keeper_hash").is_none());
    let hour = time(&shown["next_hour_at"]).since(time(&shown["born_at"]));
    assert_eq!(hour.as_secs(), 3600);
    assert_eq!(names(&server.get("/api/pets").expect(200)), ["Žofie"]);
}

#[test]
fn a_name_is_taken_whatever_its_case() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    server.adopt("Mochi-2");
    let body = json!({ "name": "mOCHI" });
    let taken = server.request("POST", "/api/pets").json(&body).send();
    let taken = taken.expect(409);
    assert_eq!(taken["error"], "name_taken");
    assert_eq!(taken["message"], "mOCHI is taken. How about mOCHI-3?");
}

#[test]
fn actions_answer_with_the_pet_or_say_why_not() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    let act = |action: &str| server.post(&format!("/api/pets/Mochi/{action}"));
    let played = act("play").expect(200);
    assert_eq!(
        (&played["hunger"], &played["energy"]),
        (&json!(1), &json!(8))
    );
    assert_eq!(act("feed").expect(200)["hunger"], 0);
    let awake = act("wake").expect(409);
    assert_eq!(
        (&awake["error"], &awake["until"]),
        (&json!("already_awake"), &json!(null))
    );

    let asleep = act("sleep").expect(200);
    assert_eq!(
        (&asleep["asleep"], &asleep["energy"]),
        (&json!(true), &json!(10))
    );
    assert_eq!(asleep["mood"], "asleep");
    for (action, code) in [
        ("feed", "asleep"),
        ("play", "asleep"),
        ("sleep", "already_asleep"),
    ] {
        let refused = act(action).expect(409);
        assert_eq!(refused["error"], code);
        assert_eq!(refused["until"], asleep["wakes_at"]);
        assert!(
            refused["message"]
                .as_str()
                .is_some_and(|text| text.contains("Mochi is"))
        );
    }
    let woken = act("wake").expect(200);
    assert_eq!(
        (&woken["asleep"], &woken["wakes_at"]),
        (&json!(false), &json!(null))
    );
    assert_eq!(act("fly").status, 404);
}

#[test]
fn the_jobs_of_a_pet_are_told_with_their_times() {
    let server = Server::in_memory(&[]);
    let pet = server.adopt("Mochi");
    let asleep = server.post("/api/pets/Mochi/sleep").expect(200);
    let jobs = server.get("/api/pets/Mochi/jobs").expect(200);
    let scheduled = jobs["scheduled"].as_array().expect("a list");
    let told: Vec<_> = scheduled
        .iter()
        .map(|job| {
            (
                job["task"].as_str().expect("a task"),
                &job["due_at"],
                &job["every_ms"],
            )
        })
        .collect();
    let grows_at = (time(&pet["born_at"]) + std::time::Duration::from_secs(86_400)).to_string();
    assert_eq!(
        told,
        [
            ("wake_pet", &asleep["wakes_at"], &json!(null)),
            ("increase_hunger", &pet["next_hour_at"], &json!(3_600_000)),
            ("grow_up", &json!(grows_at), &json!(null)),
        ]
    );
    server.post("/api/pets/Mochi/wake").expect(200);
    let jobs = server.get("/api/pets/Mochi/jobs").expect(200);
    assert_eq!(jobs["scheduled"].as_array().map(Vec::len), Some(2));
    assert_eq!(jobs["recent"][0]["task"], "wake_pet");
    assert_eq!(jobs["recent"][0]["status"], "canceled");
}

#[test]
fn a_released_pet_is_gone_and_its_name_kept_for_a_week() {
    let server = Server::in_memory(&[]);
    let first = server.adopt("Mochi");
    let wrong = server
        .request("DELETE", "/api/pets/Mochi")
        .header("Authorization", "Bearer 0123456789abcdef0123456789abcdef");
    assert_eq!(wrong.send().expect(403)["error"], "not_keeper");
    let keyless = server.request("DELETE", "/api/pets/Mochi");
    assert_eq!(keyless.send().expect(403)["error"], "not_keeper");
    let key = format!("Bearer {}", first["key"].as_str().expect("a key"));
    let release = server
        .request("DELETE", "/api/pets/mochi")
        .header("Authorization", &key);
    assert_eq!(release.clone().send().expect(200)["released"], "Mochi");
    assert_eq!(release.send().status, 404);
    for path in [
        "/api/pets/Mochi",
        "/api/pets/Mochi/jobs",
        "/api/pets/Mochi/events",
    ] {
        assert_eq!(server.get(path).expect(404)["error"], "no_such_pet");
    }
    assert_eq!(names(&server.get("/api/pets").json()), Vec::<&str>::new());
    let again = server
        .request("POST", "/api/pets")
        .json(&json!({ "name": "mochi" }));
    assert_eq!(again.send().expect(409)["error"], "name_taken");
}

#[test]
fn the_list_goes_page_by_page() {
    let server = Server::in_memory(&[]);
    for name in ["cherry", "Apple", "banana"] {
        server.adopt(name);
    }
    let first = server.get("/api/pets?limit=2");
    assert_eq!(names(&first.json()), ["Apple", "banana"]);
    let next = "</api/pets?after=banana&limit=2>; rel=\"next\"";
    assert_eq!(first.header("link"), Some(next));
    let second = server.get("/api/pets?after=banana&limit=2");
    assert_eq!(names(&second.json()), ["cherry"]);
    assert_eq!(second.header("link"), None);
}

#[test]
fn limits_hold_per_address_behind_a_trusted_proxy() {
    let server = Server::in_memory(&["--limits", "auto", "--trusted-proxy", "127.0.0.1"]);
    server.adopt("Mochi");
    let feed = |client: &str| {
        let feed = server.request("POST", "/api/pets/Mochi/feed");
        feed.header("X-Forwarded-For", client).send()
    };
    for _ in 0..30 {
        assert_eq!(feed("192.0.2.1").status, 200);
    }
    let fast = feed("192.0.2.1");
    assert!(fast.header("retry-after").is_some());
    assert_eq!(fast.expect(429)["error"], "too_fast");
    assert_eq!(feed("192.0.2.2").status, 200);
    for _ in 0..40 {
        assert_eq!(
            server.post("/api/pets/Mochi/feed").status,
            200,
            "loopback is spared"
        );
    }
    for n in 0..6 {
        let adopt = server
            .request("POST", "/api/pets")
            .header("X-Forwarded-For", "192.0.2.3")
            .json(&json!({ "name": format!("Pet {n}") }));
        assert_eq!(adopt.send().status, if n < 5 { 201 } else { 429 });
    }
}

#[test]
fn health_and_readiness_are_told_to_whoever_asks() {
    let server = Server::in_memory(&[]);
    let elsewhere = |path| {
        server
            .request("GET", path)
            .header("Host", "10.0.0.7")
            .send()
    };
    assert_eq!(elsewhere("/healthz").status, 200);
    assert_eq!(elsewhere("/readyz").expect(200)["ready"], true);
    let metrics = elsewhere("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.contains("lullaby_schedules_overdue 0"));
}
