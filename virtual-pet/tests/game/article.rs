//! The article's routes, at exactly their paths.

use serde_json::json;

use super::http::Answer;
use super::server::Server;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body.as_str())
}

#[test]
fn a_plain_client_gets_the_article_s_answers_by_get_and_by_post() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    for (method, energy) in [("GET", 8), ("POST", 6)] {
        let fed = server.request(method, "/feed_pet/Mochi").send();
        assert_eq!(told(&fed), (200, "Fed the pet"));
        let content_type = fed.header("content-type").expect("a type");
        assert!(content_type.starts_with("text/plain"), "{content_type}");
        let played = server.request(method, "/play_with_pet/Mochi").send();
        assert_eq!(told(&played), (200, "Played with the pet"));
        assert_eq!(server.pet("Mochi")["energy"], energy);
    }
    let asleep = server.get("/put_pet_to_sleep/Mochi");
    assert_eq!(told(&asleep), (200, "Put the pet to sleep"));
    let woken = server.post("/wake_pet/Mochi");
    assert_eq!(told(&woken), (200, "Woke the pet"));
    let asleep = server.post("/put_pet_to_sleep/Mochi");
    assert_eq!(told(&asleep), (200, "Put the pet to sleep"));
}

#[test]
fn a_refusal_is_one_sentence_that_says_why_and_for_how_long() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    for _ in 0..5 {
        server.post("/play_with_pet/Mochi");
    }
    let tired = server.post("/play_with_pet/Mochi");
    let sentence = "Mochi needs 2 energy to play and has 0: a nap helps.\n";
    assert_eq!(told(&tired), (409, sentence));

    server.post("/put_pet_to_sleep/Mochi");
    for path in ["/feed_pet/Mochi", "/play_with_pet/Mochi"] {
        let answer = server.post(path);
        assert_eq!(answer.status, 409);
        let start = "Mochi is asleep: try again in ";
        assert!(answer.body.starts_with(start), "{}", answer.body);
    }
    let again = server.post("/put_pet_to_sleep/Mochi");
    assert_eq!(again.status, 409);
    let start = "Mochi is already asleep: it wakes in ";
    assert!(again.body.starts_with(start), "{}", again.body);
}

#[test]
fn an_unknown_pet_is_404_with_how_to_adopt_one() {
    let server = Server::in_memory(&[]);
    for path in [
        "/feed_pet/Nobody",
        "/play_with_pet/Nobody",
        "/put_pet_to_sleep/Nobody",
        "/pet/Nobody",
        "/feed_pet/%3Cscript%3E",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            answer.body.contains("lives here. Adopt one"),
            "{}",
            answer.body
        );
    }
    let page = server
        .request("GET", "/pet/%3Cscript%3E")
        .header("Accept", BROWSER);
    let page = page.send();
    assert_eq!(page.status, 404);
    assert!(page.body.contains("&lt;script&gt;") && !page.body.contains("<script>"));
    assert!(
        page.body.contains("lives here. Adopt one?</p>"),
        "people have no use for the API: {}",
        page.body
    );
}

#[test]
fn a_browser_s_get_changes_nothing_and_gets_a_page_with_one_button() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    server.post("/play_with_pet/Mochi");
    let before = server.pet("Mochi");
    for (name, value) in [
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Site", "none"),
        ("Referer", "http://127.0.0.1/"),
        ("Cookie", "theme=dark"),
        ("Accept-Language", "en"),
        ("Origin", "http://127.0.0.1"),
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        ),
    ] {
        let get = server.request("GET", "/feed_pet/Mochi").header(name, value);
        let page = get.send();
        assert_eq!(page.status, 200, "{name}");
        assert_eq!(page.header("x-robots-tag"), Some("noindex"));
        let (_, content) = page
            .body
            .split_once("<main")
            .expect("what is below the header");
        assert_eq!(content.matches("<button").count(), 1);
        assert!(page.body.contains(r#"method="post""#) && page.body.contains("/feed_pet/Mochi"));
    }
    assert_eq!(server.pet("Mochi"), before);
}

#[test]
fn the_answer_is_what_the_client_accepts() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi B-é_1");
    let path = "/play_with_pet/Mochi%20B-%C3%A9_1";
    let page = server
        .request("POST", path)
        .header("Accept", BROWSER)
        .send();
    assert_eq!(page.status, 303);
    assert_eq!(page.header("location"), Some("/pet/Mochi%20B-%C3%A9_1"));
    let json = server
        .request("POST", path)
        .header("Accept", "application/json")
        .send();
    assert_eq!(json.expect(200)["name"], "Mochi B-é_1");
    let nobody = server
        .request("POST", "/feed_pet/Nobody")
        .header("Accept", "application/json")
        .send();
    assert_eq!(nobody.expect(404)["error"], "no_such_pet");
}

#[test]
fn a_browser_of_another_site_may_change_nothing() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    let before = server.pet("Mochi");
    let port = server.address.port();
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Host", "evil.example"),
        ("Host", ""),
    ] {
        for (method, path) in [
            ("POST", "/play_with_pet/Mochi"),
            ("POST", "/api/pets/Mochi/play"),
            ("DELETE", "/api/pets/Mochi"),
            ("POST", "/adopt"),
        ] {
            let answer = server.request(method, path).header(name, value).send();
            assert_eq!(answer.status, 403, "{method} {path} with {name}: {value}");
        }
    }
    assert_eq!(server.pet("Mochi"), before);
    for (name, value) in [
        ("Sec-Fetch-Site", "same-origin".to_owned()),
        ("Sec-Fetch-Site", "none".to_owned()),
        ("Origin", format!("http://127.0.0.1:{port}")),
        ("Host", format!("localhost:{port}")),
    ] {
        let post = server
            .request("POST", "/feed_pet/Mochi")
            .header(name, &value);
        assert_eq!(post.send().status, 200, "{name}: {value}");
    }
}

#[test]
fn forms_work_without_a_script() {
    let server = Server::in_memory(&[]);
    let form = server.get("/adopt");
    assert!(form.body.contains(r#"<form method="post" action="/adopt""#));
    let body = "name=Mochi&species=bunny&colour=lilac&req=abcdefghijklmnopqrstuvwxyz";
    let post = || {
        server
            .request("POST", "/adopt")
            .header("Accept", BROWSER)
            .header("Sec-Fetch-Site", "same-origin")
            .body("application/x-www-form-urlencoded", body)
            .send()
    };
    let adopted = post();
    assert_eq!(adopted.status, 303);
    assert_eq!(adopted.header("location"), Some("/pet/Mochi"));
    let cookie = adopted.header("set-cookie").expect("the keeper's key");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
    // Pressed twice: the same pet.
    assert_eq!(post().status, 303);
    let pet = server.pet("Mochi");
    assert_eq!(pet["stage"], "egg");
    assert_eq!(
        (&pet["species"], &pet["colour"]),
        (&json!("bunny"), &json!("lilac"))
    );
    let mut events = server.events("Mochi");
    events.until_pet(|pet| pet["stage"] == "hatchling");

    let feed = server
        .request("POST", "/play_with_pet/Mochi")
        .header("Accept", BROWSER)
        .body("application/x-www-form-urlencoded", "req=press-1");
    assert_eq!(feed.clone().send().status, 303);
    assert_eq!(feed.send().status, 303);
    assert_eq!(server.pet("Mochi")["energy"], 8, "a double press acts once");
    let page = server.get("/pet/Mochi");
    assert_eq!(page.status, 200);
    for path in ["/feed_pet/", "/play_with_pet/", "/put_pet_to_sleep/"] {
        assert!(page.body.contains(&format!("action=\"{path}Mochi\"")));
    }
}

#[test]
fn crawlers_are_told_to_leave_the_acting_paths_alone() {
    let server = Server::in_memory(&[]);
    let robots = server.get("/robots.txt");
    for path in ["/feed_pet/", "/play_with_pet/", "/put_pet_to_sleep/"] {
        assert!(robots.body.contains(&format!("Disallow: {path}")));
    }
}
