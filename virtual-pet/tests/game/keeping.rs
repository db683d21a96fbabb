//! Whose pet it is: names, visitors, keys, and the meadow.

use std::time::Duration;

use lullaby::{Lullaby, NewJob, Task};
use serde_json::{Value, json};
use virtual_pet::game::{Adopted, GameError};
use virtual_pet::pet::{Action, Pet};

use super::http::{Answer, Request};
use super::server::Server;
use super::town::{HOUR, MINUTE, Town, caller, keeper, name};

const DAY: Duration = Duration::from_secs(86_400);

async fn adopted(town: &Town, text: &str, egg: bool) -> Adopted {
    let adopted = town.try_adopt(text, egg, None).await;
    adopted.expect("adopted")
}

#[tokio::test]
async fn a_pet_that_is_let_go_takes_its_jobs_along_and_comes_back_with_them() {
    let town = Town::new();
    let Adopted { key, .. } = adopted(&town, "Mochi", true).await;
    town.advance(MINUTE).await;
    let asleep = town.act("Mochi", Action::Sleep).await.expect("awake");
    let before = town.scheduled(&asleep).await;
    assert_eq!(before, ["wake_pet", "increase_hunger", "grow_up"]);

    let released = town.release("MOCHI", &key).await.expect("its keeper");
    assert_eq!(released.id, asleep.id);
    assert!(town.scheduled(&released).await.is_empty());
    let gone = town.act("Mochi", Action::Wake).await;
    assert!(matches!(gone, Err(GameError::NoSuchPet { .. })), "{gone:?}");

    town.advance(9 * MINUTE).await;
    let (game, mochi) = (&town.game, name("Mochi"));
    let visitor = game.take_back(&mochi, &caller(None)).await;
    assert!(matches!(visitor, Err(GameError::NotKeeper { .. })));
    let back = game.take_back(&mochi, &keeper(&key)).await;
    let back = back.expect("within ten minutes");
    assert!(back.is_asleep());
    assert_eq!(town.scheduled(&back).await, before);
    town.advance(11 * MINUTE).await;
    assert!(!town.look("Mochi").await.is_asleep(), "woken on time");
    town.advance(HOUR).await;
    assert_eq!(town.look("Mochi").await.hunger, 1);
}

#[tokio::test]
async fn after_ten_minutes_it_stays_and_after_a_week_its_name_is_free() {
    let town = Town::new();
    let Adopted { pet, key } = adopted(&town, "Mochi", false).await;
    town.release("Mochi", &key).await.expect("its keeper");
    town.advance(10 * MINUTE).await;
    let late = town.game.take_back(&name("Mochi"), &keeper(&key)).await;
    assert!(matches!(late, Err(GameError::TooLate { .. })), "{late:?}");

    town.advance(7 * DAY - 11 * MINUTE).await;
    let taken = town.try_adopt("mochi", false, None).await;
    assert!(matches!(taken, Err(GameError::NameTaken { .. })));
    town.advance(MINUTE).await;
    let kept: Option<Pet> = town.game.kept(&pet.id).await.expect("an answer");
    assert_eq!(kept, None, "its job has forgotten it");
    assert_ne!(town.adopt("Mochi").await.id, pet.id);
}

#[tokio::test]
async fn a_name_is_free_after_a_week_even_if_the_job_for_it_is_gone() {
    let town = Town::new();
    let Adopted { pet, key } = adopted(&town, "Mochi", false).await;
    let released = town.release("Mochi", &key).await.expect("its keeper");
    let farewell = released.meadow.expect("a meadow").farewell.job;
    let job = town.sandbox.lullaby().job(farewell);
    job.cancel().await.expect("an answer");
    town.advance(7 * DAY).await;
    assert_ne!(town.adopt("Mochi").await.id, pet.id);
}

/// A request with a pet's key.
fn with_key(request: Request, pet: &Value) -> Request {
    let key = pet["key"].as_str().expect("a key");
    request.header("Authorization", &format!("Bearer {key}"))
}

fn deed(server: &Server, pet: &Value, deed: &str, body: &Value) -> Answer {
    let path = format!("/api/pets/Mochi/{deed}");
    with_key(server.request("POST", &path).json(body), pet).send()
}

#[test]
fn only_its_keeper_renames_a_pet_and_its_history_stays() {
    let server = Server::in_memory(&[]);
    let mochi = server.adopt("Mochi");
    let biscuit = server.adopt("Biscuit");
    let rename = |pet, to: &str| deed(&server, pet, "rename", &json!({ "name": to }));
    assert_eq!(rename(&biscuit, "Mine").expect(403)["error"], "not_keeper");
    let taken = rename(&mochi, "biscuit").expect(409);
    assert_eq!(taken["message"], "biscuit is taken. How about biscuit-2?");
    assert_eq!(rename(&mochi, "<b>").status, 400);
    assert_eq!(rename(&mochi, "MOCHI").expect(200)["name"], "MOCHI");
    let renamed = rename(&mochi, "Dango").expect(200);
    assert_eq!(
        (&renamed["name"], &renamed["id"]),
        (&json!("Dango"), &mochi["id"])
    );
    assert_eq!(server.get("/api/pets/Mochi").status, 404);
    let history = server.get("/pet/Dango/history");
    assert_eq!(history.status, 200);
    assert!(history.body.contains("MOCHI is called Dango now"));
    assert!(history.body.contains("Dango moved in"));
    server.adopt("Mochi");
}

#[test]
fn its_keeper_decides_what_visitors_may_do() {
    let server = Server::in_memory(&["--visitors", "look"]);
    let mochi = server.adopt("Mochi");
    let play = || server.post("/api/pets/Mochi/play");
    assert_eq!(play().expect(403)["error"], "look_only");
    let open = |to: &str| deed(&server, &mochi, "visitors", &json!({ "visitors": to }));
    assert_eq!(open("dance").status, 422);
    assert_eq!(open("act").expect(200)["visitors"], "act");
    assert_eq!(play().status, 200);
    let stranger = server.request("POST", "/api/pets/Mochi/visitors");
    let stranger = stranger.json(&json!({ "visitors": "look" })).send();
    assert_eq!(stranger.expect(403)["error"], "not_keeper");
    assert_eq!(open("look").status, 200);
    assert_eq!(play().status, 403);
    let kept = with_key(server.request("POST", "/api/pets/Mochi/feed"), &mochi);
    assert_eq!(kept.send().status, 200);
}

#[test]
fn a_one_time_code_makes_another_device_the_keeper() {
    let server = Server::in_memory(&[]);
    let mochi = server.adopt("Mochi");
    let nobody = json!({ "key": "0" });
    assert_eq!(deed(&server, &nobody, "code", &json!({})).status, 403);
    let made = deed(&server, &mochi, "code", &json!({})).expect(200);
    let code = made["code"].as_str().expect("a code");
    let bring = |code: &str, req: &str| {
        let body = json!({ "code": code, "req": req });
        deed(&server, &nobody, "move", &body)
    };
    let request = "abcdefghijklmnopqrstuvwxyz";
    assert_eq!(
        bring("AAAA-AAAA", request).expect(403)["error"],
        "wrong_code"
    );
    let first = bring(&code.to_lowercase(), request).expect(200);
    // Its answer was lost, and the browser sends it again.
    let moved = bring(code, request).expect(200);
    assert_eq!(
        bring(code, "another-request-0123456789").status,
        403,
        "used up"
    );
    let visitors = json!({ "visitors": "look" });
    for (pet, status) in [(&mochi, 403), (&first, 403), (&moved, 200)] {
        assert_eq!(deed(&server, pet, "visitors", &visitors).status, status);
    }
}

#[test]
fn a_browser_looks_after_six_pets_at_most() {
    let server = Server::in_memory(&["--max-pets", "2"]);
    let mut cookie = String::new();
    let mut adopt = |name: &str| {
        let form = format!("name={name}");
        let answer = server
            .request("POST", "/adopt")
            .header("Accept", "application/json")
            .header("Cookie", &cookie)
            .body("application/x-www-form-urlencoded", form)
            .send();
        if let Some(set) = answer.header("set-cookie") {
            cookie = set.split(';').next().expect("a pair").to_owned();
        }
        (answer.status, cookie.clone())
    };
    assert_eq!(adopt("One").0, 303);
    assert_eq!(adopt("Two").0, 303);
    assert_eq!(adopt("Three").0, 409);
    let (_, kept) = adopt("Three");
    let leave = server
        .request("POST", "/pet/One/release")
        .header("Cookie", &kept);
    assert_eq!(leave.header("Accept", "text/html").send().status, 303);
    let page = server.request("GET", "/pet/One").header("Cookie", &kept);
    let page = page.header("Accept", "text/html").send();
    assert!(page.status == 404 && page.body.contains("Take One back"));
    assert!(!server.get("/pet/One").body.contains("Take One back"));
    assert_eq!(adopt("Three").0, 303);
}

#[test]
fn names_on_the_list_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("words");
    std::fs::write(&list, "rude\n").expect("written");
    let list = list.to_str().expect("a path in UTF-8");
    let server = Server::in_memory(&["--names-blocked", list]);
    let mochi = server.adopt("Mochi");
    let adopt = server.request("POST", "/api/pets");
    let refused = adopt.json(&json!({ "name": "Very Rude" })).send();
    assert_eq!(refused.expect(422)["error"], "name_blocked");
    let renamed = deed(&server, &mochi, "rename", &json!({ "name": "r_u_d_e" }));
    assert_eq!(renamed.expect(422)["error"], "name_blocked");
}

#[test]
fn the_history_goes_page_by_page_from_the_newest() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    for n in 0..40 {
        server.post(if n % 2 == 0 {
            "/feed_pet/Mochi"
        } else {
            "/api/pets/Mochi/feed"
        });
    }
    for action in ["sleep", "wake", "sleep", "wake", "sleep", "wake"] {
        server.post(&format!("/api/pets/Mochi/{action}"));
    }
    let first = server.get("/pet/Mochi/history").body;
    assert_eq!(first.matches("<li>").count(), 50);
    let older = first.split("/pet/Mochi/history?before=").nth(1);
    let before = older.and_then(|rest| rest.split('"').next());
    let path = format!("/pet/Mochi/history?before={}", before.expect("a link"));
    let second = server.get(&path).body;
    assert!(second.contains("Mochi moved in") && !first.contains("Mochi moved in"));
    assert!(!second.contains("rel=\"next\""));
}

#[test]
fn keys_that_were_given_by_tls_go_back_by_tls_only() {
    let proxied = Server::in_memory(&["--trusted-proxy", "127.0.0.1"]);
    let direct = Server::in_memory(&[]);
    let given = |server: &Server, path: &str, proto: &str| {
        let form = format!("name={proto}");
        let request = server.request("POST", path);
        let request = request.header("X-Forwarded-Proto", proto);
        let answer = request
            .body("application/x-www-form-urlencoded", form)
            .send();
        let cookie = answer.header("set-cookie").expect("a cookie");
        assert!(cookie.contains("HttpOnly"));
        cookie.contains("; Secure")
    };
    for path in ["/adopt", "/lab"] {
        assert!(given(&proxied, path, "https"), "{path}");
        assert!(!given(&proxied, path, "http"), "{path}");
        assert!(!given(&direct, path, "https"), "anybody can say so: {path}");
    }
}

#[tokio::test]
async fn jobs_that_failed_for_good_stand_on_the_shelf_until_their_keeper_requeues_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::on(folder.path(), &[]);
    let mochi = server.adopt("Mochi");
    let url = format!("sqlite:{}", folder.path().join("lullaby.db").display());
    let lullaby = Lullaby::open(&url).await.expect("the same store");
    let queue = lullaby.queue("default").expect("a queue");
    let mut events = server.events("Mochi");
    let mut until = |kind: &str| {
        events.until(|frame| frame.data["kind"] == kind);
    };
    let subject = mochi["id"].as_str().expect("an id");
    let job = NewJob::new(Unheard {}).subject(subject);
    queue.enqueue(job).await.expect("enqueued");
    until("job.failed");

    let page = |key: Option<&str>| {
        let request = server.request("GET", "/pet/Mochi");
        let cookie = key.map(|key| format!("pets={subject}~{key}"));
        let request = request.header("Cookie", cookie.as_deref().unwrap_or_default());
        request.send().body
    };
    let key = mochi["key"].as_str();
    for (page, may) in [(page(key), true), (page(None), false)] {
        assert!(page.contains("<strong>1</strong> failed"));
        assert_eq!(page.contains("/pet/Mochi/requeue"), may);
    }
    let stranger = server.post("/api/pets/Mochi/requeue");
    assert_eq!(stranger.expect(403)["error"], "not_keeper");
    assert_eq!(
        deed(&server, &mochi, "requeue", &json!({})).expect(200)["id"],
        subject
    );
    until("job.queued");
    until("job.failed");
}

/// A job that no program here knows.
#[derive(serde::Deserialize, serde::Serialize)]
struct Unheard {}

impl Task for Unheard {
    const NAME: &'static str = "unheard";
    type Output = ();
}
