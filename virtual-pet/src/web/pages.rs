//! The pages.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::api::AdoptInput;
use super::input::{Bodies, caller, read};
use super::limits::Deed;
use super::problem::Problem;
use super::{App, Client, encoded, keys, pet_name, plain};

/// How many pets the first page lists.
const LISTED: usize = 50;

/// `GET /` and `GET /adopt`: the adopt form and the list of pets.
pub(super) async fn adopt_form(State(app): State<App>) -> Result<Markup, Problem> {
    let pets = app.game.list(None, LISTED).await?;
    Ok(plain::adopt(&pets))
}

/// `POST /adopt`: to the new pet's page, with its key in a cookie.
pub(super) async fn adopt(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let input: AdoptInput = read(&headers, body, Bodies::JsonOrForm, app.clock()).await?;
    let adoption = input.adoption(true)?;
    let caller = caller(&headers, input.req)?;
    app.count(client, Deed::Adoption)?;
    let adopted = app.game.adopt(adoption, &caller).await?;
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
) -> Result<Markup, Problem> {
    let pet = app.game.look(&pet_name(&name)?).await?;
    let agenda = app.game.agenda(&pet).await?;
    Ok(plain::pet(&pet, &agenda, app.game.now()))
}

/// `GET /plain.css`.
pub(super) async fn stylesheet() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], plain::CSS).into_response()
}

/// `GET /plain.js`.
pub(super) async fn script() -> Response {
    let kind = (CONTENT_TYPE, "text/javascript; charset=utf-8");
    ([kind], plain::SCRIPT).into_response()
}

/// `GET /robots.txt`: nobody is to follow the links that act.
pub(super) async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /feed_pet/\nDisallow: /play_with_pet/\nDisallow: /put_pet_to_sleep/\nDisallow: /wake_pet/\nDisallow: /api/\n"
}
