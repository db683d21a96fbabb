//! `/api/pets`: the game as JSON.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{LINK, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use lullaby::{Job, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Bodies, Path, Query, Signed, caller, read};
use super::keeping;
use super::limits::Deed;
use super::problem::Problem;
use super::{App, Client, encoded, pet_name};
use crate::game::{Adopted, Adoption, AgendaEntry, Game};
use crate::pet::{Action, PetName, PublicPet};

/// The most pets on one page of the list.
const LONGEST_PAGE: usize = 500;
const PAGE: usize = 100;

/// `POST /api/pets`, and the adopt form.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct AdoptInput {
    name: Option<String>,
    species: Option<String>,
    #[serde(alias = "color")]
    colour: Option<String>,
    egg: Option<bool>,
    pub(super) req: Option<String>,
}

impl AdoptInput {
    /// # Errors
    /// If there is no name, or one of the three is none that is known.
    pub(super) fn adoption(&self, egg: bool) -> Result<Adoption, Problem> {
        let name = self.name.as_deref().ok_or_else(|| {
            Problem::BadRequest("A pet needs a name: {\"name\":\"Mochi\"}.".to_owned())
        })?;
        let species = self.species.as_deref().map(str::parse).transpose()?;
        let colour = self.colour.as_deref().map(str::parse).transpose()?;
        Ok(Adoption {
            name: PetName::new(name)?,
            species: species.unwrap_or_default(),
            colour: colour.unwrap_or_default(),
            egg: self.egg.unwrap_or(egg),
        })
    }
}

/// `POST /api/pets`: 201 with the pet and its keeper's `key`.
pub(super) async fn adopt(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let adopted = adopt_from(&app, client, &headers, body, Bodies::Json, false).await?;
    let mut pet = json!(PublicPet::from(&adopted.pet));
    pet["key"] = json!(adopted.key.secret());
    let path = format!("/api/pets/{}", encoded(adopted.pet.name.as_str()));
    Ok((StatusCode::CREATED, [(LOCATION, path)], Json(pet)).into_response())
}

/// Reads an adoption and does it. It comes as an egg with `egg`, unless it says otherwise.
pub(super) async fn adopt_from(
    app: &App,
    client: Client,
    headers: &HeaderMap,
    body: Body,
    bodies: Bodies,
    egg: bool,
) -> Result<Adopted, Problem> {
    let input: AdoptInput = read(headers, body, bodies, app.clock()).await?;
    let adoption = input.adoption(egg)?;
    let caller = caller(headers, input.req)?;
    app.count(client, Deed::Adoption)?;
    Ok(app.game.adopt(adoption, &caller).await?)
}

/// Which part of the list.
#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/pets?after=<name>&limit=<n>`: pets by name; the header `Link` leads to the next page.
pub(super) async fn list(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let after = query.after.as_deref().map(PetName::new).transpose()?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
    let pets = app.game.list(after.as_ref(), limit).await?;
    let last = pets.last().filter(|_| pets.len() == limit);
    let next = last.map(|pet| {
        let after = encoded(pet.name.as_str());
        format!("</api/pets?after={after}&limit={limit}>; rel=\"next\"")
    });
    let pets: Vec<_> = pets.iter().map(PublicPet::from).collect();
    let mut response = Json(pets).into_response();
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        response.headers_mut().insert(LINK, next);
    }
    Ok(response)
}

/// `GET /api/pets/<name>`.
pub(super) async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<PublicPet>, Problem> {
    let pet = app.game.look(&pet_name(&name)?).await?;
    Ok(Json(PublicPet::from(&pet)))
}

/// `POST /api/pets/<name>/feed|play|sleep|wake`: the pet. What keepers do is in [`keeping`].
pub(super) async fn act(
    State(app): State<App>,
    client: Client,
    Path((name, action)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if let Some(deed) = keeping::Deed::read(&action) {
        return keeping::as_json(&app, client, &name, deed, &headers, body).await;
    }
    let action: Action = action.parse().map_err(|()| Problem::NoSuchPage)?;
    let input: Signed = read(&headers, body, Bodies::Json, app.clock()).await?;
    let caller = caller(&headers, input.req)?;
    let name = pet_name(&name)?;
    app.count(client, Deed::Action)?;
    let pet = app.game.act(&name, action, &caller).await?;
    Ok(Json(PublicPet::from(&pet)).into_response())
}

/// `DELETE /api/pets/<name>`: lets it go, with its schedule and jobs.
pub(super) async fn release(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let caller = caller(&headers, None)?;
    let name = pet_name(&name)?;
    app.count(client, Deed::Action)?;
    let pet = app.game.release(&name, &caller).await?;
    Ok(Json(json!({ "released": pet.name })))
}

/// `GET /api/pets/<name>/jobs`: `scheduled` with due times, `recent`, `counts` by status, as the page tells them, and `now`, the time by which
/// they are due.
pub(super) async fn jobs(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    jobs_of(&app.game, &pet_name(&name)?).await
}

/// The jobs of a pet of a game, and its time.
pub(super) async fn jobs_of(game: &Game, name: &PetName) -> Result<Json<Value>, Problem> {
    let pet = game.look(name).await?;
    let agenda = game.agenda(&pet).await?;
    let scheduled: Vec<_> = agenda.scheduled.iter().map(scheduled_job).collect();
    let recent: Vec<_> = agenda.recent.iter().map(recent_job).collect();
    let counts = json!({
        "scheduled": scheduled.len(),
        "queued": agenda.waiting,
        "started": agenda.started.len(),
        "failed": agenda.failed.len(),
    });
    let now = game.now().to_string();
    Ok(Json(
        json!({ "now": now, "counts": counts, "scheduled": scheduled, "recent": recent }),
    ))
}

/// `GET /api/pets/<name>/events`.
pub(super) async fn events(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    super::events::open(&app, &name, &headers).await
}

fn scheduled_job(entry: &AgendaEntry) -> Value {
    json!({
        "id": entry.id,
        "task": entry.task,
        "status": "scheduled",
        "due_at": entry.due_at.to_string(),
        "every_ms": entry.every.map(|every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX)),
        "attempt": entry.attempt,
        "error": entry.error,
    })
}

fn recent_job(job: &Job) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let result: Option<Value> = job
        .result
        .as_deref()
        .and_then(|json| serde_json::from_str(json).ok());
    json!({
        "id": job.id,
        "task": job.template.task,
        "status": job.status,
        "due_at": time(job.due_at),
        "enqueued_at": time(job.enqueued_at),
        "started_at": time(job.started_at),
        "ended_at": time(job.ended_at),
        "worker": job.worker,
        "attempt": job.failures + u32::from(job.status != lullaby::Status::Failed),
        "result": result,
        "error": job.error,
    })
}
