//! The game over HTTP.

mod api;
mod article;
pub(crate) mod assets;
mod cookies;
mod events;
pub mod guard;
mod health;
pub mod hub;
mod input;
mod keeping;
mod keys;
mod lab;
pub mod limits;
mod live;
mod pages;
mod problem;
pub mod serve;
mod wants;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures_util::FutureExt;
use lullaby::Shutdown;
use lullaby::clock::Clock;

pub(crate) use self::article::path as action_path;
use self::guard::{Hosts, Network, client_address, is_encrypted, is_same_site};
use self::hub::Hub;
use self::input::Path;
use self::limits::{Deed, Limiter};
use self::problem::Problem;
use self::wants::Wants;
use crate::game::{Game, GameError};
use crate::lab::{Lab, World};
use crate::page::Shell;
use crate::pet::{Action, PetName};

/// Nothing but our own files, no inline script, no inline style, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
    manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What the pages share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    /// The game.
    pub game: Arc<Game>,
    /// Where streams hear of events.
    pub hub: Hub,
    /// Ends streams.
    pub shutdown: Shutdown,
    /// Who may ask how.
    pub access: Arc<Access>,
    /// The host's clock, for bodies, limits and streams. In a world of the lab the game's own clock may run faster.
    pub host_clock: Arc<dyn Clock>,
    /// The visitors' worlds; `None`: this server has no lab.
    pub lab: Option<Arc<Lab>>,
    /// The world of the lab that the game is in; `None`: the town, which everybody shares.
    pub world: Option<Arc<World>>,
}

/// Who may ask how.
#[derive(Debug)]
pub struct Access {
    /// The names that this server goes by.
    pub hosts: Hosts,
    /// How often one address may act.
    pub limiter: Limiter,
    /// Whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub proxies: Vec<Network>,
    /// How many pets one browser may look after.
    pub most_pets: usize,
}

impl App {
    fn clock(&self) -> &dyn Clock {
        self.host_clock.as_ref()
    }

    /// The same pages in a world of the lab.
    fn inside(&self, world: Arc<World>) -> Self {
        Self {
            game: world.game().clone(),
            hub: world.hub().clone(),
            world: Some(world),
            ..self.clone()
        }
    }

    /// # Errors
    /// If this server has no lab.
    fn lab(&self) -> Result<&Lab, Problem> {
        self.lab.as_deref().ok_or(Problem::NoLab)
    }

    /// What the pages of whoever asks are put into.
    fn shell(&self, headers: &HeaderMap) -> Shell {
        Shell {
            theme: cookies::theme(headers),
            has_lab: self.lab.is_some(),
        }
    }

    fn count(&self, client: Client, deed: Deed) -> Result<(), Problem> {
        let now = self.clock().monotonic();
        let counted = self.access.limiter.count(client.address, deed, now);
        counted.map_err(|wait| Problem::TooFast { deed, wait })
    }
}

/// The peer of the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// How a client came here, behind proxies or not.
#[derive(Clone, Copy, Debug)]
struct Client {
    address: IpAddr,
    /// By TLS, so that its cookies need never go another way.
    encrypted: bool,
}

impl FromRequestParts<App> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // Only a router that is called by hand has no peer.
        let unknown = Peer(IpAddr::from([0, 0, 0, 0]));
        let peer = parts.extensions.get().copied().unwrap_or(unknown);
        let proxies = &app.access.proxies;
        Ok(Self {
            address: client_address(peer.0, &parts.headers, proxies),
            encrypted: is_encrypted(peer.0, &parts.headers, proxies),
        })
    }
}

/// All routes.
pub fn router(app: App) -> Router {
    let mut router = Router::new()
        .route("/", page(get(pages::home), "GET"))
        .route(
            "/adopt",
            page(get(pages::adopt_form).post(pages::adopt), "GET, POST"),
        )
        .route("/pet/{name}", page(get(pages::pet), "GET"))
        .route("/pet/{name}/events", page(get(live::open), "GET"))
        .route("/pet/{name}/history", page(get(pages::history), "GET"))
        .route("/pet/{name}/settings", page(get(keeping::settings), "GET"))
        .route(
            "/pet/{name}/{deed}",
            page(axum::routing::post(keeping::post), "POST"),
        )
        .route("/lab", page(get(lab::page).post(lab::enter), "GET, POST"))
        .route("/lab/events", page(get(lab::events), "GET"))
        .route("/lab/jobs", page(get(lab::jobs), "GET"))
        .route(
            "/lab/pet/{action}",
            page(axum::routing::post(lab::act), "POST"),
        )
        .route(
            "/lab/{deed}",
            page(axum::routing::post(lab::command), "POST"),
        )
        .route("/static/{hash}/{name}", page(get(assets::serve), "GET"))
        .route("/manifest.webmanifest", page(get(assets::manifest), "GET"))
        .route("/sw.js", page(get(assets::service_worker), "GET"))
        .route("/offline", page(get(assets::offline), "GET"))
        .route("/robots.txt", page(get(pages::robots), "GET"))
        .route("/healthz", page(get(health::healthz), "GET"))
        .route("/readyz", page(get(readyz), "GET"))
        .route("/metrics", page(get(metrics), "GET"))
        .route(
            "/api/pets",
            page(get(api::list).post(api::adopt), "GET, POST"),
        )
        .route(
            "/api/pets/{name}",
            page(get(api::show).delete(api::release), "GET, DELETE"),
        )
        .route("/api/pets/{name}/jobs", page(get(api::jobs), "GET"))
        .route("/api/pets/{name}/events", page(get(api::events), "GET"))
        .route(
            "/api/pets/{name}/{action}",
            page(axum::routing::post(api::act), "POST"),
        );
    for action in Action::ALL {
        let acts = get(
            move |app: State<App>, client: Client, path: Path<String>, headers: HeaderMap| {
                article::get(action, app, client, path, headers)
            },
        )
        .post(
            move |app: State<App>, client: Client, path: Path<String>, headers: HeaderMap, body| {
                article::post(action, app, client, path, headers, body)
            },
        );
        let path = format!("{}{{name}}", article::path(action));
        router = router.route(&path, page(acts, "GET, POST"));
    }
    router
        .fallback(async || Problem::NoSuchPage)
        .layer(middleware::from_fn_with_state(app.clone(), guarded))
        .with_state(app)
}

/// A page that names its methods to whoever uses another.
fn page(methods: MethodRouter<App>, allowed: &'static str) -> MethodRouter<App> {
    methods.fallback(async move || Problem::WrongMethod(allowed))
}

async fn readyz(State(app): State<App>) -> Response {
    health::readyz(&app).await
}

async fn metrics(State(app): State<App>) -> Response {
    health::metrics(&app).await
}

/// What every request goes through: the checks before, the headers after, and problems put into words.
async fn guarded(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let wants = if path.starts_with("/api/") {
        Wants::Json
    } else {
        Wants::of(request.headers())
    };
    let shell = app.shell(request.headers());
    // A supervisor asks by whatever address it knows.
    let is_probe = matches!(path, "/healthz" | "/readyz" | "/metrics");
    let refused = check(&app, &request).filter(|_| !is_probe);
    let described = format!("{} {path}", request.method());
    let response = match refused {
        Some(problem) => problem.into_response(),
        None => AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| {
                let request_id = uuid::Uuid::new_v4().simple().to_string();
                tracing::error!(request_id, request = described, "a handler panicked");
                Problem::Broken { request_id }.into_response()
            }),
    };
    let mut response = problem::tell(response, wants, shell);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn check(app: &App, request: &Request) -> Option<Problem> {
    let (headers, uri) = (request.headers(), request.uri());
    if let Err(host) = app.access.hosts.check(headers, uri) {
        return Some(Problem::ForeignHost(host));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    (!reads && !is_same_site(headers, uri)).then_some(Problem::CrossSite)
}

/// The name in a path. One that no pet can have is nobody's.
fn pet_name(text: &str) -> Result<PetName, Problem> {
    PetName::new(text).map_err(|_| {
        let name = text.chars().take(60).collect();
        Problem::Game(GameError::NoSuchPet { name })
    })
}

/// A name as part of a path or a query.
pub(crate) fn encoded(name: &str) -> String {
    use std::fmt::Write as _;
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}
