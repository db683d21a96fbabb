//! The pages.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lullaby::event::{Event, EventId};
use serde::Deserialize;
use std::time::Duration;

use super::api::adopt_from;
use super::assets::packed;
use super::cookies::{last_visit, zone};
use super::guard::base_url;
use super::input::{Bodies, Path, Query, caller};
use super::problem::Problem;
use super::{App, Client, encoded, keys, pet_name};
use crate::game::{Adopted, By, Caller, GameError};
use crate::keeper::Key;
use crate::page::{self, Around, Comeback, Since, Today, View};
use crate::pet::{Pet, PetId, PetName};

/// How many pets the adopt page lists.
const LISTED: usize = 24;

/// How many of a pet's events are read: all that a store keeps of one subject, and a little more.
pub(super) const EVENTS: usize = 400;

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
        page::adopt(&residents, &mine, app.shell(&headers), minute),
    ))
}

/// `POST /adopt`: to the new pet's page, with its key in a cookie.
pub(super) async fn adopt(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let kept = app.pets_of(&headers).await?;
    app.check_room(&kept)?;
    let adopted = adopt_from(&app, client, &headers, body, Bodies::JsonOrForm, true).await?;
    let page = format!("/pet/{}", encoded(adopted.pet.name.as_str()));
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, page)]).into_response();
    remember_key(&mut response, client, kept, &adopted);
    Ok(response)
}

/// Puts a new pet's key into the browser's cookie, beside those that are still of use.
pub(super) fn remember_key(
    response: &mut Response,
    client: Client,
    kept: Vec<(Pet, Key)>,
    adopted: &Adopted,
) {
    let kept = kept.into_iter().map(|(pet, key)| (pet.id, key)).collect();
    if let Some(cookie) = keys::with(kept, &adopted.pet.id, &adopted.key, client.encrypted) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}

/// `GET /pet/<name>`.
pub(super) async fn pet(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = pet_name(&name)?;
    let caller = caller(&headers, None)?;
    let pet = match app.game.look(&name).await {
        Err(GameError::NoSuchPet { .. }) => return missing(&app, &name, &caller, &headers).await,
        found => found?,
    };
    let (mut events, pet) = events_and_pet(&app, &pet.id, EventId(0), EVENTS).await?;
    let now = app.game.now();
    let boot = app.hub.boot().at;
    let since = last_visit(&headers)
        .filter(|visit| visit.pet == pet.id && now.since(visit.at) >= AWAY)
        .map(|visit| Since {
            at: visit.at,
            comeback: (boot > visit.at).then(|| Comeback::new(&events, boot)),
            events: events
                .iter()
                .filter(|event| event.id > visit.event)
                .cloned()
                .collect(),
        });
    let today = Today::of(&events, zone(&headers), now);
    events.drain(..events.len().saturating_sub(LATEST));
    let around = Around {
        shell: app.shell(&headers),
        pets: mine(&app, &headers).await?,
        origin: base_url(&headers, &uri, client.encrypted),
        since,
    };
    let view = view(&app, pet, events, today, &caller, &headers).await?;
    Ok(packed(&headers, page::pet(&view, &around)))
}

/// Where a pet is not any more: it may be in the meadow, and its keeper may take it back for a while.
async fn missing(
    app: &App,
    name: &PetName,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let Some(pet) = app.game.in_meadow(name).await? else {
        let name = name.to_string();
        return Err(GameError::NoSuchPet { name }.into());
    };
    let is_keeper = caller.standing(&pet) == By::Keeper;
    let until = pet.returns_until(app.game.now()).filter(|_| is_keeper);
    let until = until.map(|until| zone(headers).time(until));
    let page = page::meadow(&pet, until.as_deref(), app.shell(headers));
    Ok((StatusCode::NOT_FOUND, page).into_response())
}

/// How many lines a page of history has.
const HISTORY_LINES: usize = 50;

/// Which part of the history: the events before this one.
#[derive(Debug, Deserialize)]
pub(super) struct HistoryQuery {
    before: Option<u64>,
}

/// `GET /pet/<name>/history?before=<event>`: all that the store still knows of a pet, the newest first.
pub(super) async fn history(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<HistoryQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let pet = app.game.look(&pet_name(&name)?).await?;
    let caller = caller(&headers, None)?;
    let (events, pet) = events_and_pet(&app, &pet.id, EventId(0), EVENTS).await?;
    let today = Today::of(&events, zone(&headers), app.game.now());
    let view = view(&app, pet, events, today, &caller, &headers).await?;
    let before = EventId(query.before.unwrap_or(u64::MAX));
    let mine = mine(&app, &headers).await?;
    let page = page::history(&view, &mine, before, HISTORY_LINES, app.shell(&headers));
    Ok(packed(&headers, page))
}

/// Up to `most` of a pet's events after `after`, the oldest first, and then the pet.
///
/// In this order: a pet is saved before its event is written, so the pet shows every change that the events tell of. It may show one
/// more, whose event is still to come and makes another patch of the live page. Read the other way round, the pet could lack a change
/// whose event the page was told already, and nothing would bring it.
pub(super) async fn events_and_pet(
    app: &App,
    id: &PetId,
    after: EventId,
    most: usize,
) -> Result<(Vec<Event>, Pet), Problem> {
    let lullaby = app.game.lullaby();
    let events = lullaby.events(Some(id.as_str()), after, most).await?;
    Ok((events, app.game.look_at(id).await?))
}

/// All that a pet's page shows, as it is now.
pub(super) async fn view(
    app: &App,
    pet: Pet,
    events: Vec<Event>,
    today: Today,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<View, Problem> {
    let agenda = app.game.agenda(&pet).await?;
    let mut workers = app.game.lullaby().store().workers().await?;
    let lab = match &app.world {
        Some(world) => Some(world.look().await?),
        None => None,
    };
    for bench in lab.iter().flat_map(|look| &look.benches) {
        if workers.iter().all(|worker| worker.name != bench.name) {
            workers.extend(bench.last_seen.clone());
        }
    }
    workers.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(View {
        lab,
        standing: caller.standing(&pet),
        rules: *app.game.rules(),
        agenda,
        workers,
        events,
        today,
        now: app.game.now(),
        zone: zone(headers),
        pet,
    })
}

/// The pets whose keys the browser has, the oldest first.
pub(super) async fn mine(app: &App, headers: &HeaderMap) -> Result<Vec<Pet>, Problem> {
    let pets = app.pets_of(headers).await?.into_iter();
    let here = pets.filter(|(pet, _)| !pet.is_in_meadow());
    Ok(here.map(|(pet, _)| pet).collect())
}

impl App {
    /// The pets whose keys the browser has, the oldest first, also those that it can still take back from the meadow.
    pub(super) async fn pets_of(&self, headers: &HeaderMap) -> Result<Vec<(Pet, Key)>, Problem> {
        let now = self.game.now();
        let mut pets = Vec::new();
        for (id, key) in keys::read(headers) {
            let kept = self.game.kept(&id).await?;
            let kept = kept
                .filter(|pet| pet.keeper_hash.as_ref() == Some(&key.hash()))
                .filter(|pet| !pet.is_in_meadow() || pet.returns_until(now).is_some());
            pets.extend(kept.map(|pet| (pet, key)));
        }
        Ok(pets)
    }

    /// # Errors
    /// If a browser with these pets looks after as many as it may.
    pub(super) fn check_room(&self, kept: &[(Pet, Key)]) -> Result<(), Problem> {
        let here = kept.iter().filter(|(pet, _)| !pet.is_in_meadow());
        let most = self.access.most_pets;
        if here.count() >= most {
            return Err(Problem::TooManyPets(most));
        }
        Ok(())
    }
}

/// `GET /robots.txt`: nobody is to follow the links that act.
pub(super) async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /feed_pet/\nDisallow: /play_with_pet/\nDisallow: /put_pet_to_sleep/\nDisallow: /wake_pet/\nDisallow: /api/\n"
}
