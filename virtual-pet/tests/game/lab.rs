//! The lab over HTTP: how many worlds, whose they are, for how long, and what is answered to those who err.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use lullaby::clock::ManualClock;
use lullaby::store::memory::MemoryStore;
use lullaby::{Lullaby, Shutdown};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use virtual_pet::game::Game;
use virtual_pet::home::memory::MemoryHome;
use virtual_pet::lab::{IDLE, Lab, MOST_WORLDS};
use virtual_pet::pet::{Rules, Visitors};
use virtual_pet::web::App;
use virtual_pet::web::limits::Limits;

use super::http::{Answer, Events, Request};
use super::server::Server;
use super::town::{HOUR, MINUTE, app, serve_app};

const FORM: &str = "application/x-www-form-urlencoded";
const SECOND: Duration = Duration::from_secs(1);

/// The pages of a town in which nobody lives, on a clock that is turned by hand.
struct Host {
    address: SocketAddr,
    clock: ManualClock,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    fn start(limits: Limits) -> Self {
        let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().expect("a time"));
        let shutdown = Shutdown::new();
        let (tell, told) = std::sync::mpsc::channel();
        let (its_clock, stop) = (clock.clone(), shutdown.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                tell.send(listener.local_addr().expect("an address"))
                    .expect("somebody waits for it");
                serve_pages(listener, limits, its_clock, stop).await;
            });
        });
        Self {
            address: told.recv().expect("it starts"),
            clock,
            shutdown,
            thread: Some(thread),
        }
    }

    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    fn enter(&self) -> Answer {
        self.request("POST", "/lab").send()
    }

    /// A visitor with a world.
    fn visitor(&self) -> Visitor<'_> {
        let entered = self.enter();
        assert_eq!(entered.status, 303, "{}", entered.body);
        Visitor::with(self, &entered)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shutdown.cold();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))) || std::thread::panicking());
    }
}

async fn serve_pages(listener: TcpListener, limits: Limits, clock: ManualClock, stop: Shutdown) {
    let clock = Arc::new(clock);
    let lullaby = Lullaby::with_store(MemoryStore::new(clock.clone()));
    let home = Arc::new(MemoryHome::default());
    let game = Game::new(lullaby.clone(), home, Rules::game(), Visitors::Act).expect("a game");
    let lab = Arc::new(Lab::new(Rules::game(), clock.clone()));
    let app = App {
        lab: Some(lab.clone()),
        ..app(Arc::new(game), limits, clock, stop.clone())
    };
    tokio::join!(serve_app(listener, app), lab.run(&stop));
}

/// Who holds the key of a world.
struct Visitor<'a> {
    host: &'a Host,
    cookie: String,
}

impl<'a> Visitor<'a> {
    fn with(host: &'a Host, entered: &Answer) -> Self {
        let cookie = entered.header("set-cookie").expect("the key of a world");
        let cookie = cookie.split(';').next().expect("a name and a value");
        Self {
            host,
            cookie: cookie.to_owned(),
        }
    }

    fn request(&self, method: &str, path: &str) -> Request {
        let request = self.host.request(method, path);
        request.header("Cookie", &self.cookie)
    }

    /// Does one thing in the world.
    fn does(&self, deed: &str) -> Answer {
        self.request("POST", &format!("/lab/{deed}")).send()
    }

    fn jobs(&self) -> Answer {
        self.request("GET", "/lab/jobs").send()
    }

    fn page(&self) -> String {
        in_html(self.request("GET", "/lab")).body
    }

    fn events(&self) -> Events {
        self.request("GET", "/lab/events").stream()
    }
}

/// The last event of a stream that ends because its world was thrown away.
#[track_caller]
fn ends_with_the_world(events: Events) {
    let last = events.last().expect("an event");
    let told = (last.event.as_str(), &last.data["to"]);
    assert_eq!(told, ("gone", &json!("/lab")));
}

fn in_html(request: Request) -> Answer {
    request.header("Accept", "text/html").send()
}

fn in_json(request: Request) -> Request {
    request.header("Accept", "application/json")
}

#[test]
fn the_201st_visitor_is_told_that_the_lab_is_full_until_somebody_leaves() {
    let host = Host::start(Limits::Off);
    let first = host.visitor();
    for _ in 1..MOST_WORLDS {
        host.visitor();
    }
    let refused = in_json(host.request("POST", "/lab")).send();
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(refused.header("set-cookie"), None);
    let told = refused.expect(503);
    assert_eq!(told["error"], "no_world");
    let words = "The lab is full: all 200 worlds are in use. Try again in a few minutes.";
    assert_eq!(told["message"], words);
    let page = in_html(host.request("POST", "/lab"));
    assert_eq!(page.status, 503);
    assert!(page.body.contains(words), "{}", page.body);

    assert_eq!(first.jobs().status, 200, "who is in stays in");
    assert_eq!(first.does("leave").status, 303);
    let next = host.visitor();
    assert_eq!(host.enter().status, 503, "full again");

    // Whoever has not pressed anything for a minute, and has closed the page, makes room.
    host.clock.advance(MINUTE);
    assert_eq!(next.does("hello").status, 204);
    host.visitor();
    assert_eq!(next.jobs().status, 200);
}

#[test]
fn a_world_is_thrown_away_half_an_hour_after_the_last_press_and_its_open_page_is_told() {
    let host = Host::start(Limits::Off);
    let visitor = host.visitor();
    host.clock.advance(IDLE - SECOND);
    assert_eq!(visitor.does("hello").status, 204);
    let mut events = visitor.events();
    events.until(|frame| frame.event == "patch");
    host.clock.advance(IDLE - SECOND);
    assert_eq!(visitor.jobs().status, 200, "to look at it is no press");
    host.clock.advance(MINUTE);
    ends_with_the_world(events);
    let jobs = visitor.jobs();
    assert_eq!(jobs.status, 404);
    assert!(jobs.body.contains("it was thrown away"), "{}", jobs.body);
    // A page that asks again is told again, and as a stream, or its browser would never give up.
    ends_with_the_world(visitor.events());
    assert!(visitor.page().contains("A world of your own"), "the way in");
}

#[test]
fn the_pages_of_a_world_that_is_left_or_entered_anew_are_told_that_it_is_gone() {
    let host = Host::start(Limits::Off);
    let visitor = host.visitor();
    let (page, tab) = (visitor.events(), visitor.events());
    assert_eq!(visitor.does("leave").status, 303);
    ends_with_the_world(page);
    ends_with_the_world(tab);
    assert_eq!(visitor.does("leave").status, 303, "as good as left");

    let visitor = host.visitor();
    let page = visitor.events();
    let entered = visitor.request("POST", "/lab").send();
    ends_with_the_world(page);
    assert_eq!(visitor.jobs().status, 404, "the old key opens nothing");
    let again = Visitor::with(&host, &entered);
    assert_eq!(again.jobs().status, 200);
}

#[test]
fn open_pages_of_worlds_end_when_the_server_stops() {
    let host = Host::start(Limits::Off);
    let visitor = host.visitor();
    let mut events = visitor.events();
    events.until(|frame| frame.event == "patch");
    host.shutdown.warm();
    let last = events.last().expect("a word at the end").event;
    assert!(["bye", "gone"].contains(&last.as_str()), "{last}");
}

#[test]
fn a_world_is_its_visitors_alone() {
    let host = Host::start(Limits::Off);
    let entered = host.enter();
    let cookie = entered.header("set-cookie").expect("a cookie");
    for part in ["; Path=/lab", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let (mine, theirs) = (Visitor::with(&host, &entered), host.visitor());
    assert_ne!(mine.cookie, theirs.cookie);
    assert_eq!(mine.does("pause").status, 204);
    assert_eq!(mine.does("five").status, 204);
    assert!(mine.page().contains("5 waiting"));
    assert!(theirs.page().contains("0 waiting"));
    assert_eq!(theirs.does("leave").status, 303);
    assert!(mine.page().contains("5 waiting"), "left by nobody else");

    let secret = mine.cookie.strip_prefix("lab=").expect("its name");
    let almost = secret.replace(|letter: char| letter.is_ascii_digit(), "0");
    for cookie in [
        String::new(),
        "lab=".into(),
        format!("lab={almost}"),
        format!("lab={}", secret.to_uppercase()),
        format!("lab={secret}x"),
        format!("lab={}", "a".repeat(4000)),
        format!("other={secret}"),
    ] {
        let stranger = Visitor {
            host: &host,
            cookie,
        };
        let cookie = &stranger.cookie;
        assert_eq!(stranger.jobs().status, 404, "{cookie}");
        for path in ["/lab/hello", "/lab/pet/feed"] {
            let done = in_json(stranger.request("POST", path)).send();
            assert_eq!(done.expect(404)["error"], "not_in_the_lab", "{cookie}");
        }
        ends_with_the_world(stranger.events());
    }
    // A page of another site has the browser send the key along; it is refused all the same.
    let foreign = mine.request("POST", "/lab/five");
    let foreign = foreign.header("Origin", "https://evil.example").send();
    assert_eq!(foreign.status, 403);
    assert!(mine.page().contains("5 waiting"));
}

#[test]
fn bad_input_to_each_route_of_the_lab_gets_a_clear_error_and_changes_nothing() {
    let host = Host::start(Limits::Off);
    let visitor = host.visitor();
    assert_eq!(visitor.does("pause").status, 204);
    let shown = |jobs: Answer| {
        let mut jobs = jobs.expect(200);
        jobs.as_object_mut().map(|fields| fields.remove("now"));
        jobs
    };
    let before = shown(visitor.jobs());
    let json = "application/json";
    let large = format!("value={}", "1".repeat(17 * 1024));
    let table: &[(&str, &str, &str, &str, u16, &str)] = &[
        ("POST", "/lab", FORM, "pet=Nobody", 404, "Nobody"),
        ("POST", "/lab", FORM, "pet=%00", 404, "lives here"),
        ("POST", "/lab", json, r#"{"pet":7}"#, 400, "JSON"),
        ("POST", "/lab", json, "[", 400, "JSON"),
        (
            "POST",
            "/lab",
            "text/plain",
            "Mochi",
            415,
            "Expected a body of type",
        ),
        ("POST", "/lab", FORM, &large, 413, "16384"),
        ("PUT", "/lab", FORM, "", 405, "GET, POST"),
        ("POST", "/lab/speed", FORM, "value=61", 400, "1, 60 or 600"),
        ("POST", "/lab/speed", FORM, "value=-1", 400, "1, 60 or 600"),
        ("POST", "/lab/speed", FORM, "", 400, "1, 60 or 600"),
        ("POST", "/lab/schedulers", FORM, "value=3", 400, "0, 1 or 2"),
        (
            "POST",
            "/lab/schedulers",
            FORM,
            "value=4294967297",
            400,
            "0, 1 or 2",
        ),
        ("POST", "/lab/lesson", FORM, "value=0", 400, "1 to 6"),
        (
            "POST",
            "/lab/lesson",
            json,
            r#"{"value":"seven"}"#,
            400,
            "1 to 6",
        ),
        ("POST", "/lab/lesson", json, r#"{"value":{}}"#, 400, "JSON"),
        (
            "POST",
            "/lab/hello",
            "text/plain",
            "x",
            415,
            "Expected a body of type",
        ),
        ("POST", "/lab/hello", FORM, &large, 413, "16384"),
        ("POST", "/lab/explode", FORM, "", 404, "no such page"),
        ("POST", "/lab/%FF", FORM, "", 400, "UTF-8"),
        ("GET", "/lab/hello", FORM, "", 405, "POST"),
        ("POST", "/lab/pet/dance", FORM, "", 404, "no such page"),
        ("POST", "/lab/pet/feed", FORM, "req=a%20b", 400, "req"),
        ("POST", "/lab/pet/feed", json, r#"{"req":[]}"#, 400, "JSON"),
        ("POST", "/lab/pet/wake", FORM, "", 409, "awake"),
        ("GET", "/lab/pet/feed", FORM, "", 405, "POST"),
        ("POST", "/lab/jobs", FORM, "", 405, "GET"),
        ("POST", "/lab/events", FORM, "", 405, "GET"),
        ("GET", "/lab/events?after=soon", FORM, "", 400, "after"),
    ];
    for (method, path, content_type, body, status, words) in table {
        let request = visitor.request(method, path).body(content_type, *body);
        let answer = in_json(request).send();
        let described = format!("{method} {path} {:.40}: {}", body, answer.body);
        assert_eq!(answer.status, *status, "{described}");
        assert!(answer.body.contains(words), "no {words:?} in {described}");
    }
    assert_eq!(shown(visitor.jobs()), before);
}

#[test]
fn worlds_and_experiments_are_limited_for_each_address_and_time_gives_them_back() {
    let host = Host::start(Limits::On);
    let from = |request: Request, address: &str| request.header("X-Forwarded-For", address).send();
    let enter = |address: &str| from(in_json(host.request("POST", "/lab")), address);
    let entered = enter("192.0.2.1");
    for _ in 1..20 {
        assert_eq!(enter("192.0.2.1").status, 303);
    }
    let refused = enter("192.0.2.1");
    assert_eq!(refused.header("retry-after"), Some("3600"));
    let refused = refused.expect(429);
    let words = "Easy, that is enough new worlds for one hour. Try again in 1 h.";
    assert_eq!(
        (&refused["error"], &refused["message"]),
        (&json!("too_fast"), &json!(words))
    );
    assert_eq!(enter("192.0.2.2").status, 303, "somebody else");
    // Looking around is free.
    let visitor = Visitor::with(&host, &entered);
    for _ in 0..150 {
        assert_eq!(
            from(visitor.request("GET", "/lab/jobs"), "192.0.2.1").status,
            200
        );
    }

    let press = |address: &str| {
        let lesson = visitor.request("POST", "/lab/lesson").body(FORM, "value=1");
        from(in_json(lesson), address)
    };
    for _ in 0..119 {
        assert_eq!(press("192.0.2.1").status, 204);
    }
    let feed = visitor.request("POST", "/lab/pet/feed");
    assert_eq!(from(feed, "192.0.2.1").status, 200, "the 120th");
    let refused: Value = press("192.0.2.1").expect(429);
    let message = refused["message"].as_str().expect("a message");
    let words = "Easy, that is enough for your world in one minute. Try again in 1 min";
    assert!(message.starts_with(words), "{message}");
    assert_eq!(press("192.0.2.2").status, 204);
    host.clock.advance(MINUTE);
    assert_eq!(press("192.0.2.1").status, 204);
    host.clock.advance(HOUR - MINUTE);
    assert_eq!(enter("192.0.2.1").status, 303);
}

#[test]
fn a_game_without_the_lab_has_no_door_to_it_and_says_so_to_whoever_knocks() {
    let server = Server::in_memory(&["--lab=off"]);
    server.adopt("Mochi");
    for page in ["/adopt", "/pet/Mochi", "/pet/Mochi/history", "/pet/Nobody"] {
        let page = in_html(server.request("GET", page)).body;
        assert!(page.contains("<nav"), "{page}");
        assert!(!page.contains("/lab\""), "{page}");
    }
    let told = "There is no lab here: this server was started with --lab=off.";
    let page = in_html(server.request("GET", "/lab"));
    assert_eq!(page.status, 404);
    assert!(page.body.contains(told), "{}", page.body);
    assert!(page.body.contains("<h1>The lab is closed</h1>"));
    assert!(
        page.body
            .contains(r#"<a class="primary" href="/">Go home</a>"#)
    );
    for (method, path) in [
        ("POST", "/lab"),
        ("GET", "/lab/jobs"),
        ("POST", "/lab/hello"),
        ("POST", "/lab/leave"),
        ("POST", "/lab/pet/feed"),
    ] {
        let answer = in_json(server.request(method, path)).send().expect(404);
        assert_eq!(
            (&answer["error"], &answer["message"]),
            (&json!("no_lab"), &json!(told))
        );
    }
    // A page of a world from before a restart is sent to where it says so.
    ends_with_the_world(server.request("GET", "/lab/events").stream());
    let open = Server::in_memory(&[]);
    open.adopt("Mochi");
    let page = in_html(open.request("GET", "/pet/Mochi")).body;
    assert!(page.contains("Take Mochi to the lab"), "{page}");
}
