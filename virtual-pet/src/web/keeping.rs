//! What keepers do: `POST /pet/<name>/<deed>` by form, `POST /api/pets/<name>/<deed>` as JSON.
//!
//! | deed | takes | does |
//! |---|---|---|
//! | `rename` | `name` | another name; the link changes with it |
//! | `visitors` | `visitors`: `act` or `look` | what others may do |
//! | `code` | | a one-time code for another device |
//! | `move` | `code` | makes the one who brings the code the keeper: the answer holds the new key |
//! | `release` | | lets it go to the meadow |
//! | `undo` | | takes it back, within ten minutes |
//! | `requeue` | | puts its jobs that failed for good back into the queue |

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lullaby::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::assets::packed;
use super::cookies::zone;
use super::guard::base_url;
use super::input::{Bodies, Path, Query, caller, read};
use super::limits;
use super::pages::{mine, remember_key};
use super::problem::Problem;
use super::{App, Client, encoded, pet_name};
use crate::game::{Adopted, Caller};
use crate::keeper::Code;
use crate::page::{self, Settings};
use crate::pet::{Pet, PetName, PublicPet};

/// What a keeper does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Rename,
    Visitors,
    Code,
    Move,
    Release,
    Undo,
    Requeue,
}

impl Deed {
    pub(super) fn read(word: &str) -> Option<Self> {
        Some(match word {
            "rename" => Self::Rename,
            "visitors" => Self::Visitors,
            "code" => Self::Code,
            "move" => Self::Move,
            "release" => Self::Release,
            "undo" => Self::Undo,
            "requeue" => Self::Requeue,
            _ => return None,
        })
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Input {
    name: Option<String>,
    visitors: Option<String>,
    code: Option<String>,
    req: Option<String>,
}

/// What came of it.
enum Done {
    Changed(Pet),
    Coded(Pet, Code, Timestamp),
    Taken(Adopted),
}

/// `POST /api/pets/<name>/<deed>`.
pub(super) async fn as_json(
    app: &App,
    client: Client,
    name: &str,
    deed: Deed,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let input: Input = read(headers, body, Bodies::Json, app.clock()).await?;
    let caller = caller(headers, input.req.clone())?;
    let done = perform(app, client, &pet_name(name)?, deed, input, &caller).await?;
    Ok(match done {
        Done::Changed(pet) => Json(PublicPet::from(&pet)).into_response(),
        Done::Coded(_, code, until) => {
            Json(json!({ "code": code.to_string(), "until": until.to_string() })).into_response()
        }
        Done::Taken(Adopted { pet, key }) => {
            let mut told = json!(PublicPet::from(&pet));
            told["key"] = json!(key.secret());
            Json(told).into_response()
        }
    })
}

/// `POST /pet/<name>/<deed>`.
pub(super) async fn post(
    State(app): State<App>,
    client: Client,
    Path((name, deed)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let deed = Deed::read(&deed).ok_or(Problem::NoSuchPage)?;
    let input: Input = read(&headers, body, Bodies::JsonOrForm, app.clock()).await?;
    let caller = caller(&headers, input.req.clone())?;
    let kept = app.pets_of(&headers).await?;
    if deed == Deed::Move {
        app.check_room(&kept)?;
    }
    let done = perform(&app, client, &pet_name(&name)?, deed, input, &caller).await?;
    let to = |pet: &Pet, page: &str| {
        let path = format!("/pet/{}{page}", encoded(pet.name.as_str()));
        (StatusCode::SEE_OTHER, [(LOCATION, path)]).into_response()
    };
    Ok(match done {
        Done::Changed(pet) => match deed {
            Deed::Rename | Deed::Visitors => to(&pet, "/settings?saved=yes"),
            _ => to(&pet, ""),
        },
        Done::Coded(pet, code, until) => {
            let code = code.to_string();
            let origin = base_url(&headers, &uri, client.encrypted);
            let settings = Settings {
                standing: caller.standing(&pet),
                made: Some((&code, zone(&headers).time(until))),
                given: "",
                saved: false,
                pets: &mine(&app, &headers).await?,
                origin: origin.as_deref(),
                shell: app.shell(&headers),
                pet: &pet,
            };
            packed(&headers, page::settings(&settings))
        }
        Done::Taken(adopted) => {
            let mut response = to(&adopted.pet, "");
            remember_key(&mut response, client, kept, &adopted);
            response
        }
    })
}

async fn perform(
    app: &App,
    client: Client,
    name: &PetName,
    deed: Deed,
    input: Input,
    caller: &Caller,
) -> Result<Done, Problem> {
    let missing = |what: &str| Problem::BadRequest(format!("Expected the field {what}."));
    app.count(client, limits::Deed::Action)?;
    let game = &app.game;
    Ok(match deed {
        Deed::Rename => {
            let new = PetName::new(&input.name.ok_or_else(|| missing("name"))?)?;
            Done::Changed(game.rename(name, new, caller).await?)
        }
        Deed::Visitors => {
            let visitors = input.visitors.ok_or_else(|| missing("visitors"))?;
            Done::Changed(game.open_to(name, visitors.parse()?, caller).await?)
        }
        Deed::Code => {
            let (code, until) = game.code(name, caller).await?;
            Done::Coded(game.look(name).await?, code, until)
        }
        Deed::Move => {
            let code = Code::from_text(&input.code.ok_or_else(|| missing("code"))?);
            Done::Taken(game.move_to(name, &code, caller).await?)
        }
        Deed::Release => Done::Changed(game.release(name, caller).await?),
        Deed::Undo => Done::Changed(game.take_back(name, caller).await?),
        Deed::Requeue => Done::Changed(game.requeue(name, caller).await?),
    })
}

/// What came by a link.
#[derive(Debug, Deserialize)]
pub(super) struct Given {
    /// A code for this device.
    code: Option<String>,
    /// Whatever it says: a form was sent from here.
    saved: Option<String>,
}

/// `GET /pet/<name>/settings`: the forms; `?code=` fills in the code for another device.
pub(super) async fn settings(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(given): Query<Given>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let pet = app.game.look(&pet_name(&name)?).await?;
    let caller = caller(&headers, None)?;
    let settings = Settings {
        standing: caller.standing(&pet),
        made: None,
        given: given.code.as_deref().unwrap_or_default(),
        saved: given.saved.is_some(),
        pets: &mine(&app, &headers).await?,
        origin: None,
        shell: app.shell(&headers),
        pet: &pet,
    };
    Ok(packed(&headers, page::settings(&settings)))
}
