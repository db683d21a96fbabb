//! Bad input: a clear 4xx, and nothing changed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use super::server::Server;

#[test]
fn bad_adoptions_are_refused_and_nobody_moves_in() {
    let server = Server::in_memory(&[]);
    let long = "a".repeat(25);
    let huge = format!(r#"{{"name":"Mochi","x":"{}"}}"#, "a".repeat(17 * 1024));
    let deep = "[".repeat(8000);
    let named = |name: &str| json!({ "name": name }).to_string();
    let table: &[(&str, &str, u16, &str)] = &[
        ("application/json", "", 400, "needs a name"),
        ("application/json", "{}", 400, "needs a name"),
        ("application/json", "{", 400, "JSON"),
        ("application/json", &deep, 400, "JSON"),
        ("application/json", "[1]", 400, "JSON"),
        ("application/json", r#"{"name":7}"#, 400, "JSON"),
        ("application/json", "\u{feff}{}", 400, "JSON"),
        ("application/json", &named(""), 400, "1 to 24"),
        ("application/json", &named("   "), 400, "1 to 24"),
        ("application/json", &named(&long), 400, "at most 24"),
        ("application/json", &named("a/b"), 400, "letters"),
        ("application/json", &named("a\u{0}b"), 400, "letters"),
        ("application/json", &named("\u{202e}abc"), 400, "letters"),
        (
            "application/json",
            &named("<img src=x onerror=a()>"),
            400,
            "letters",
        ),
        (
            "application/json",
            r#"{"name":"M","species":"dragon"}"#,
            422,
            "cat, bunny, bear, axolotl, crab",
        ),
        (
            "application/json",
            r#"{"name":"M","colour":"pink"}"#,
            422,
            "peach",
        ),
        (
            "application/json",
            r#"{"name":"M","req":"a b"}"#,
            400,
            "req",
        ),
        ("application/json", &huge, 413, "16384"),
        ("text/plain", r#"{"name":"Mochi"}"#, 415, "application/json"),
        (
            "application/x-www-form-urlencoded",
            "name=Mochi",
            415,
            "application/json",
        ),
        (
            "multipart/form-data; boundary=x",
            "--x--",
            415,
            "application/json",
        ),
    ];
    for (content_type, body, status, words) in table {
        let post = server
            .request("POST", "/api/pets")
            .body(content_type, *body);
        let answer = post.send().expect(*status);
        let message = answer["message"].as_str().expect("a message");
        assert!(message.contains(words), "expected {words:?} in {message:?}");
    }
    assert_eq!(server.get("/api/pets").expect(200), json!([]));
}

#[test]
fn bad_requests_to_a_pet_change_nothing() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    let before = server.pet("Mochi");
    let large = "a".repeat(17 * 1024);
    let form = "application/x-www-form-urlencoded";
    let table: &[(&str, &str, &str, &str, u16)] = &[
        ("POST", "/api/pets/Mochi/play", "application/json", "{", 400),
        ("POST", "/api/pets/Mochi/play", "text/plain", "x", 415),
        (
            "POST",
            "/api/pets/Mochi/play",
            "application/json",
            &large,
            413,
        ),
        ("POST", "/play_with_pet/Mochi", form, &large, 413),
        ("POST", "/play_with_pet/Mochi", "text/plain", "x", 415),
        ("POST", "/play_with_pet/Mochi", form, "req=%20", 400),
        ("POST", "/play_with_pet/%FF", form, "", 400),
        ("POST", "/play_with_pet/", form, "", 404),
        ("POST", "/api/pets/Mochi/../Mochi/play", form, "", 404),
        ("PUT", "/api/pets/Mochi", "application/json", "{}", 405),
        ("DELETE", "/feed_pet/Mochi", form, "", 405),
        ("POST", "/nowhere", form, "", 404),
        ("GET", "/api/pets?limit=x", form, "", 400),
        ("GET", "/api/pets?after=%00", form, "", 400),
    ];
    for (method, path, content_type, body, status) in table {
        let request = server.request(method, path).body(content_type, *body);
        let answer = request.send();
        assert_eq!(answer.status, *status, "{method} {path}: {}", answer.body);
    }
    assert_eq!(server.pet("Mochi"), before);
}

#[test]
fn floods_of_headers_are_cut_off() {
    let server = Server::in_memory(&[]);
    let mut many = server.request("GET", "/healthz");
    for n in 0..200 {
        many = many.header(&format!("X-{n}"), "a");
    }
    assert_eq!(many.send().status, 431);
    let large = server
        .request("GET", "/healthz")
        .header("X-Large", &"a".repeat(64 * 1024));
    // It may stop reading before we stop writing; then there is no answer to read.
    if let Ok(answer) = large.try_send() {
        assert_eq!(answer.status, 431);
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn nonsense_on_the_wire_harms_nobody() {
    let server = Server::in_memory(&[]);
    server.adopt("Mochi");
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET\r\n\r\n",
        b"POST /api/pets HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/pets HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /feed_pet/Mochi HTTP/1.1\r\nContent-Length: 5\r\n\r\nab",
    ] {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.write_all(bytes).expect("sent");
        stream
            .shutdown(std::net::Shutdown::Write)
            .expect("our side is done");
        let mut answer = Vec::new();
        // Whatever it answers, if anything: it is no success.
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{bytes:?}");
    }
    assert_eq!(server.pet("Mochi")["version"], 1);
}

#[test]
fn every_page_bears_a_strict_content_policy() {
    let server = Server::in_memory(&[]);
    server.adopt("A B-é_1");
    for path in [
        "/",
        "/pet/A%20B-%C3%A9_1",
        "/pet/Nobody",
        "/nowhere",
        "/api/pets",
    ] {
        let page = server
            .request("GET", path)
            .header("Accept", "text/html")
            .send();
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
        for banned in ["<style", " style=", "javascript:", " onclick=", " onload="] {
            assert!(!page.body.contains(banned), "{path} has {banned}");
        }
    }
}

#[test]
fn an_address_that_does_not_read_is_told_of_in_our_words_and_in_the_form_that_is_wanted() {
    let server = Server::in_memory(&[]);
    let no_text = "The address does not read: expected percent-encoded UTF-8, as %C3%A9 for é.";
    for path in [
        "/pet/%FF",
        "/pet/Mochi%C3/history",
        "/feed_pet/%FF",
        "/static/%FF/x",
    ] {
        let page = server
            .request("GET", path)
            .header("Accept", "text/html")
            .send();
        assert_eq!(page.status, 400, "{path}");
        assert!(
            page.body.contains("<main") && page.body.contains(no_text),
            "{}",
            page.body
        );
        assert!(page.header("content-security-policy").is_some());
    }
    let told = server.get("/api/pets/%FF").expect(400);
    assert_eq!(
        (&told["error"], &told["message"]),
        (&json!("bad_request"), &json!(no_text))
    );

    let told = server.get("/api/pets?limit=many").expect(400);
    let message = told["message"].as_str().expect("a message");
    let words = "What follows the question mark does not read: limit: ";
    assert!(message.starts_with(words), "{message}");
    server.adopt("Mochi");
    let page = server.request("GET", "/pet/Mochi/history?before=noon");
    let page = page.header("Accept", "text/html").send();
    assert_eq!(page.status, 400);
    assert!(
        page.body.contains("does not read: before: "),
        "{}",
        page.body
    );
}
