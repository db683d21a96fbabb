//! The article's routes: `/feed_pet/<name>`, `/play_with_pet/<name>`, `/put_pet_to_sleep/<name>`, and `/wake_pet/<name>` of ours.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, http};

use super::guard::is_plain_client;
use super::input::{Bodies, Path, Signed, caller, read};
use super::limits::Deed;
use super::problem::Problem;
use super::wants::Wants;
use super::{App, Client, encoded, pet_name};
use crate::pet::{Action, PublicPet};

/// The path of an action, up to the name.
#[must_use]
pub(crate) fn path(action: Action) -> &'static str {
    match action {
        Action::Feed => "/feed_pet/",
        Action::Play => "/play_with_pet/",
        Action::Sleep => "/put_pet_to_sleep/",
        Action::Wake => "/wake_pet/",
    }
}

/// The article's answer.
fn answer(action: Action) -> &'static str {
    match action {
        Action::Feed => "Fed the pet",
        Action::Play => "Played with the pet",
        Action::Sleep => "Put the pet to sleep",
        Action::Wake => "Woke the pet",
    }
}

/// Acts.
pub(super) async fn post(
    action: Action,
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let input: Signed = read(&headers, body, Bodies::JsonOrForm, app.clock()).await?;
    let caller = caller(&headers, input.req)?;
    let name = pet_name(&name)?;
    app.count(client, Deed::Action)?;
    let pet = app.game.act(&name, action, &caller).await?;
    Ok(match Wants::of(&headers) {
        Wants::Html => {
            let page = format!("/pet/{}", encoded(pet.name.as_str()));
            (StatusCode::SEE_OTHER, [(LOCATION, page)]).into_response()
        }
        Wants::Json => Json(PublicPet::from(&pet)).into_response(),
        Wants::Text => answer(action).into_response(),
    })
}

/// Acts for a plain client, as in the article; anybody else gets a page with one button that posts. Browsers fetch pages ahead of a click,
/// crawlers and previews follow links: none of them must feed a pet.
pub(super) async fn get(
    action: Action,
    State(app): State<App>,
    client: Client,
    path: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if is_plain_client(&headers) {
        return post(action, State(app), client, path, headers, Body::empty()).await;
    }
    let pet = app.game.look(&pet_name(&path.0)?).await?;
    let mut page = crate::page::confirm(&pet, action, app.shell(&headers)).into_response();
    let robots = http::HeaderName::from_static("x-robots-tag");
    page.headers_mut()
        .insert(robots, HeaderValue::from_static("noindex"));
    Ok(page)
}
