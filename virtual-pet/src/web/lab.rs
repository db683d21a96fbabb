//! `/lab`: the same page in a world of the visitor's own, and what they do there.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::{Event as Frame, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use lullaby::event::EventId;
use serde::Deserialize;
use serde_json::json;

use super::assets::packed;
use super::cookies::{cookie, zone};
use super::input::{Bodies, Path, Query, Signed, caller, read};
use super::keys::secure;
use super::limits::Deed as Counted;
use super::live::{self, After};
use super::pages::{LATEST, events_and_pet, mine, view};
use super::problem::Problem;
use super::wants::Wants;
use super::{App, Client, pet_name};
use crate::game::Caller;
use crate::keeper::Key;
use crate::lab::{Deed, NoDeed, Refused, World};
use crate::page::{self, Around, Today};
use crate::pet::{Action, Colour, Newcomer, Pet, PetId, PetName, PublicPet, Species, Visitors};

const COOKIE: &str = "lab";

/// `GET /lab`: the visitor's world, or the way in.
pub(super) async fn page(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let lab = app.lab()?;
    let pets = mine(&app, &headers).await?;
    let Some(world) = key(&headers).and_then(|key| lab.use_world(&key)) else {
        return Ok(packed(&headers, page::entrance(&pets, app.shell(&headers))));
    };
    let around = Around {
        shell: app.shell(&headers),
        pets,
        ..Around::default()
    };
    let name = world.pet().clone();
    let app = app.inside(world);
    let pet = app.game.look(&name).await?;
    let (mut events, pet) = events_and_pet(&app, &pet.id, EventId(0), usize::MAX >> 1).await?;
    let today = Today::of(&events, zone(&headers), app.game.now());
    events.drain(..events.len().saturating_sub(LATEST));
    let view = view(&app, pet, events, today, &Caller::default(), &headers).await?;
    Ok(packed(&headers, page::pet(&view, &around)))
}

/// What the way in sends.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Entry {
    /// The pet to copy; without one a pet is lent.
    pet: Option<String>,
}

/// `POST /lab`: a new world with a copy of the pet.
pub(super) async fn enter(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let lab = app.lab()?;
    let entry: Entry = read(&headers, body, Bodies::JsonOrForm, app.clock()).await?;
    let pet = match entry.pet.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => app.game.look(&pet_name(name)?).await?,
        None => lent(&app)?,
    };
    app.count(client, Counted::World)?;
    let had = key(&headers);
    let key = lab.enter(&pet, had.as_ref()).await;
    let key = key.map_err(Problem::NoWorld)?;
    let cookie = format!(
        "{COOKIE}={}; Path=/lab; HttpOnly; SameSite=Lax{}",
        key.secret(),
        secure(client.encrypted)
    );
    let mut response = to_the_lab();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A pet for a visitor who has none.
fn lent(app: &App) -> Result<Pet, Problem> {
    let newcomer = Newcomer {
        name: PetName::new("Mochi")?,
        species: Species::Cat,
        colour: Colour::Peach,
        keeper_hash: None,
        visitors: Visitors::Act,
    };
    Ok(Pet::new(
        PetId::random(),
        newcomer,
        app.game.rules(),
        app.game.now(),
    ))
}

/// `GET /lab/events`: the stream of the visitor's world.
pub(super) async fn events(
    State(app): State<App>,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = key(&headers);
    let Some(world) = key.and_then(|key| app.lab.as_ref()?.world(&key)) else {
        // As a stream: a browser would take anything else for a lost connection, and ask for ever.
        let gone = Frame::default()
            .event("gone")
            .data(json!({ "to": "/lab" }).to_string());
        return Ok(Sse::new(stream::iter([Ok::<_, Infallible>(gone)])).into_response());
    };
    let name = world.pet().clone();
    let app = app.inside(world);
    let pet = app.game.look(&name).await?;
    live::stream(app, pet, query, headers).await
}

/// `GET /lab/jobs`: as `/api/pets/<name>/jobs`.
pub(super) async fn jobs(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<axum::Json<serde_json::Value>, Problem> {
    let lab = app.lab()?;
    let world = key(&headers).and_then(|key| lab.world(&key));
    let world = world.ok_or(Problem::NotInTheLab)?;
    super::api::jobs_of(world.game(), world.pet()).await
}

/// `POST /lab/pet/<action>`: what a player can do with the pet.
pub(super) async fn act(
    State(app): State<App>,
    client: Client,
    Path(action): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let action: Action = action.parse().map_err(|()| Problem::NoSuchPage)?;
    let input: Signed = read(&headers, body, Bodies::JsonOrForm, app.clock()).await?;
    let caller = Caller {
        keys: Vec::new(),
        ..caller(&headers, input.req)?
    };
    let world = used(&app, client, &headers)?;
    let (game, name) = (world.game().clone(), world.pet().clone());
    let pet = world
        .at_once(async move { game.act(&name, action, &caller).await })
        .await?;
    Ok(match Wants::of(&headers) {
        Wants::Html => to_the_lab(),
        _ => axum::Json(PublicPet::from(&pet)).into_response(),
    })
}

/// What an experiment's form sends.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Command {
    value: Option<String>,
}

/// `POST /lab/<deed>`: an experiment, the clock, a lesson; `/lab/leave` throws the world away.
pub(super) async fn command(
    State(app): State<App>,
    client: Client,
    Path(word): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let lab = app.lab()?;
    let command: Command = read(&headers, body, Bodies::JsonOrForm, app.clock()).await?;
    if word == "leave" {
        if let Some(key) = key(&headers) {
            lab.leave(&key);
        }
        return Ok((StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response());
    }
    let deed = Deed::read(&word, command.value.as_deref()).map_err(|why| match why {
        NoDeed::Unknown => Problem::NoSuchPage,
        NoDeed::Value(expected) => Problem::BadRequest(expected.to_owned()),
    })?;
    let world = used(&app, client, &headers)?;
    world.do_it(deed).await.map_err(|refused| match refused {
        Refused::NotNow(why) => Problem::NotNow(why),
        Refused::Game(error) => error.into(),
    })?;
    Ok(match Wants::of(&headers) {
        Wants::Html => to_the_lab(),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
}

fn to_the_lab() -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, "/lab")]).into_response()
}

fn key(headers: &HeaderMap) -> Option<Key> {
    cookie(headers, COOKIE).map(Key::from_text)
}

/// The world of whoever presses something.
fn used(app: &App, client: Client, headers: &HeaderMap) -> Result<Arc<World>, Problem> {
    let lab = app.lab()?;
    app.count(client, Counted::Experiment)?;
    key(headers)
        .and_then(|key| lab.use_world(&key))
        .ok_or(Problem::NotInTheLab)
}
