//! Style sheets, scripts, icons and fonts: built into the program, compressed once, and served under a path that holds their hash, so that a
//! browser may keep them for ever.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::extract::State;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::App;
use super::input::Path;
use super::problem::Problem;
use crate::page::{Trouble, WayOn};

macro_rules! assets {
    ($($name:literal)+) => {
        &[$(Asset { name: $name, bytes: include_bytes!(concat!("../../assets/", $name)) },)+]
    };
}

struct Asset {
    name: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn content_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            Some("woff2") => "font/woff2",
            _ => "application/octet-stream",
        }
    }
}

const ASSETS: &[Asset] = assets! {
    "base.css"
    "pet.css"
    "room.css"
    "page.css"
    "panel.css"
    "lab.css"
    "app.js"
    "actions.js"
    "adopt.js"
    "calm.js"
    "clock.js"
    "flow.js"
    "forms.js"
    "gauges.js"
    "hints.js"
    "lab.js"
    "live.js"
    "morph.js"
    "pet.js"
    "settings.js"
    "sound.js"
    "tab.js"
    "tell.js"
    "icon.svg"
    "icon-asleep.svg"
    "icon-hungry.svg"
    "icon-tired.svg"
    "icon-192.png"
    "icon-512.png"
    "portrait-cat.png"
    "portrait-bunny.png"
    "portrait-bear.png"
    "portrait-axolotl.png"
    "portrait-crab.png"
    "nunito.woff2"
    "jetbrains-mono.woff2"
};

/// One hash for all: scripts and style sheets name each other by relative paths.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let mut all = Sha256::new();
    for asset in ASSETS {
        all.update(asset.name);
        all.update(asset.bytes);
    }
    let digest = all.finalize();
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
});

/// Each asset, compressed; `None` if that makes it no smaller.
static COMPRESSED: LazyLock<Vec<Option<Vec<u8>>>> = LazyLock::new(|| {
    let compressed = ASSETS.iter().map(|asset| {
        let gzip = gzip(asset.bytes, Compression::best())?;
        (gzip.len() < asset.bytes.len() * 9 / 10).then_some(gzip)
    });
    compressed.collect()
});

/// Where a page finds an asset.
pub(crate) fn path(name: &str) -> String {
    debug_assert!(
        ASSETS.iter().any(|asset| asset.name == name),
        "no asset {name}"
    );
    format!("/static/{}/{name}", *HASH)
}

/// `GET /static/<hash>/<name>`. Under another hash it is the same file, not to be kept: a page from before an update may still ask.
pub(super) async fn serve(
    Path((hash, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let at = ASSETS.iter().position(|asset| asset.name == name);
    let at = at.ok_or(Problem::NoSuchPage)?;
    let asset = &ASSETS[at];
    let keep = if hash == *HASH {
        "public, max-age=31536000, immutable"
    } else {
        "no-store"
    };
    let common = [
        (CONTENT_TYPE, asset.content_type()),
        (CACHE_CONTROL, keep),
        (VARY, "accept-encoding"),
    ];
    Ok(match &COMPRESSED[at] {
        Some(gzip) if takes_gzip(&headers) => {
            (common, [(CONTENT_ENCODING, "gzip")], gzip.as_slice()).into_response()
        }
        _ => (common, asset.bytes).into_response(),
    })
}

/// `GET /manifest.webmanifest`: what a phone needs to install the page.
pub(super) async fn manifest() -> Response {
    let manifest = serde_json::json!({
        "id": "/",
        "name": "Virtual Pet",
        "short_name": "Pet",
        "description": "A virtual pet, looked after by a job queue.",
        "start_url": "/",
        "display": "standalone",
        "background_color": "#FBF3E7",
        "theme_color": "#6A3FC4",
        "icons": [
            { "src": path("icon.svg"), "sizes": "any", "type": "image/svg+xml" },
            { "src": path("icon-192.png"), "sizes": "192x192", "type": "image/png", "purpose": "any" },
            { "src": path("icon-512.png"), "sizes": "512x512", "type": "image/png", "purpose": "any" },
            { "src": path("icon-512.png"), "sizes": "512x512", "type": "image/png", "purpose": "maskable" },
        ],
    });
    (
        [(CONTENT_TYPE, "application/manifest+json")],
        manifest.to_string(),
    )
        .into_response()
}

/// `GET /sw.js`: at the root, since it may only look after pages below its own path.
pub(super) async fn service_worker() -> Response {
    let script = include_str!("../../assets/sw.js").replace("HASH", &HASH);
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, script).into_response()
}

/// `GET /offline`: what the service worker keeps for a lost connection.
pub(super) async fn offline(State(app): State<App>, headers: HeaderMap) -> Response {
    let trouble = Trouble {
        status: 503,
        title: "One moment",
        words: "There is no connection just now. Your pet is safe on the server.",
        way_on: WayOn::Again,
    };
    crate::page::problem(&trouble, app.shell(&headers)).into_response()
}

/// A page, compressed if the client takes that.
pub(super) fn packed(headers: &HeaderMap, page: maud::Markup) -> Response {
    let html = page.into_string();
    let gzip = takes_gzip(headers).then(|| gzip(html.as_bytes(), Compression::fast()));
    let content_type = (CONTENT_TYPE, "text/html; charset=utf-8");
    let vary: (HeaderName, &str) = (VARY, "accept-encoding");
    match gzip.flatten() {
        Some(gzip) => ([content_type, vary, (CONTENT_ENCODING, "gzip")], gzip).into_response(),
        None => ([content_type, vary], html).into_response(),
    }
}

fn gzip(bytes: &[u8], level: Compression) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing to memory does not fail.
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| {
        accepted.split(',').any(|one| {
            one.split(';')
                .next()
                .is_some_and(|one| one.trim() == "gzip")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_visit_is_light() {
        let fonts = |asset: &&Asset| !asset.content_type().starts_with("font/");
        let icons = |asset: &&Asset| !asset.content_type().starts_with("image/png");
        let weight: usize = ASSETS
            .iter()
            .zip(COMPRESSED.iter())
            .filter(|(asset, _)| fonts(asset) && icons(asset))
            .map(|(asset, gzip)| gzip.as_ref().map_or(asset.bytes.len(), Vec::len))
            .sum();
        assert!(
            weight <= 60_000,
            "{weight} bytes of scripts and style sheets"
        );
    }
}
