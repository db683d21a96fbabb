//! The pages.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use lullaby::event::{Event, EventId};
use std::time::Duration;

use super::api::adopt_from;
use super::assets::packed;
use super::cookies::{last_visit, theme, zone};
use super::input::{Bodies, caller};
use super::problem::Problem;
use super::{App, Client, encoded, keys, pet_name};
use crate::game::Caller;
use crate::page::{self, Around, Since, View};
use crate::pet::Pet;

/// How many pets the adopt page lists.
const LISTED: usize = 24;

/// How many of a pet's events are read: all that a store keeps of one subject, and a little more.
const EVENTS: usize = 400;

/// How many of them the page needs to tell what just happened.
pub(super) const LATEST: usize = 40;

/// A player who was gone for less was not away.
const AWAY: Duration = Duration::from_secs(600);

/// `GET /`: to the newest pet of this browser, or to the adopt page.
pub(super) async fn home(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let seen = last_visit(&headers).map(|visit| visit.pet);
    let pets = mine(&app, &headers).await?;
    let last = pets.iter().find(|pet| Some(&pet.id) == seen.as_ref());
    match last.or(pets.last()) {
        Some(pet) => {
            let page = format!("/pet/{}", encoded(pet.name.as_str()));
            Ok((StatusCode::SEE_OTHER, [(LOCATION, page)]).into_response())
        }
        None => adopt_form(State(app), headers).await,
    }
}

/// `GET /adopt`: the form, and the list of pets.
pub(super) async fn adopt_form(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let residents = app.game.list(None, LISTED).await?;
    let mine = mine(&app, &headers).await?;
    let minute = zone(&headers).minute_of_day(app.game.now());
    Ok(packed(
        &headers,
        page::adopt(&residents, &mine, theme(&headers), minute),
    ))
}

/// `POST /adopt`: to the new pet's page, with its key in a cookie.
pub(super) async fn adopt(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let adopted = adopt_from(&app, client, &headers, body, Bodies::JsonOrForm, true).await?;
    let page = format!("/pet/{}", encoded(adopted.pet.name.as_str()));
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, page)]).into_response();
    if let Some(cookie) = keys::with(&headers, &adopted.pet.id, &adopted.key) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /pet/<name>`.
pub(super) async fn pet(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let pet = app.game.look(&pet_name(&name)?).await?;
    let caller = caller(&headers, None)?;
    let mut events = app
        .game
        .lullaby()
        .events(Some(pet.id.as_str()), EventId(0), EVENTS)
        .await?;
    let now = app.game.now();
    let since = last_visit(&headers)
        .filter(|visit| visit.pet == pet.id && now.since(visit.at) >= AWAY)
        .map(|visit| Since {
            at: visit.at,
            events: events
                .iter()
                .filter(|event| event.id > visit.event)
                .cloned()
                .collect(),
        });
    events.drain(..events.len().saturating_sub(LATEST));
    let around = Around {
        theme: theme(&headers),
        pets: mine(&app, &headers).await?,
        since,
    };
    let view = view(&app, pet, events, &caller, &headers).await?;
    Ok(packed(&headers, page::pet(&view, &around)))
}

/// All that a pet's page shows, as it is now.
pub(super) async fn view(
    app: &App,
    pet: Pet,
    events: Vec<Event>,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<View, Problem> {
    let agenda = app.game.agenda(&pet).await?;
    let workers = app.game.lullaby().store().workers().await?;
    Ok(View {
        standing: caller.standing(&pet),
        rules: *app.game.rules(),
        agenda,
        workers,
        events,
        now: app.game.now(),
        zone: zone(headers),
        pet,
    })
}

/// The pets whose keys the browser has, the oldest first.
async fn mine(app: &App, headers: &HeaderMap) -> Result<Vec<Pet>, Problem> {
    let mut pets = Vec::new();
    for (id, key) in keys::read(headers) {
        let kept = app.game.kept(&id).await?;
        pets.extend(kept.filter(|pet| pet.keeper_hash.as_ref() == Some(&key.hash())));
    }
    Ok(pets)
}

/// `GET /robots.txt`: nobody is to follow the links that act.
pub(super) async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /feed_pet/\nDisallow: /play_with_pet/\nDisallow: /put_pet_to_sleep/\nDisallow: /wake_pet/\nDisallow: /api/\n"
}
