//! Reading requests: paths, queries, bodies, request ids, keys.

use std::error::Error as _;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{self, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use lullaby::clock::{Clock, until};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::keys;
use super::problem::Problem;
use crate::game::Caller;
use crate::keeper::Key;

/// The largest body, in bytes.
pub(super) const LARGEST_BODY: usize = 16 * 1024;

/// How long a client may take to send its body.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest id of a request.
const LONGEST_REQUEST_ID: usize = 64;

/// The parts of a path, as axum reads them; what does not read is told in our words.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T> FromRequestParts<S> for Path<T>
where
    extract::Path<T>: FromRequestParts<S, Rejection = PathRejection>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(read)) => Ok(Self(read)),
            // Our paths hold nothing but text: it can only be no UTF-8.
            Err(_) => Err(Problem::BadRequest(
                "The address does not read: expected percent-encoded UTF-8, as %C3%A9 for é."
                    .to_owned(),
            )),
        }
    }
}

/// The fields of a query, as axum reads them; what does not read is told in our words.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T> FromRequestParts<S> for Query<T>
where
    extract::Query<T>: FromRequestParts<S, Rejection = QueryRejection>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match extract::Query::from_request_parts(parts, state).await {
            Ok(extract::Query(read)) => Ok(Self(read)),
            Err(why) => Err(Problem::BadRequest(format!(
                "What follows the question mark does not read: {}.",
                why.source()
                    .map_or_else(|| why.body_text(), ToString::to_string)
            ))),
        }
    }
}

/// Which bodies are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bodies {
    /// JSON.
    Json,
    /// JSON, and what forms send.
    JsonOrForm,
}

/// What every request that changes something may carry.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Signed {
    /// Its id: a request that is repeated acts once.
    pub(super) req: Option<String>,
}

/// Reads a whole body as `T`; an empty one is `T`'s default.
///
/// # Errors
/// If it is too large, too slow, of another type, or does not read.
pub(super) async fn read<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: Body,
    bodies: Bodies,
    clock: &dyn Clock,
) -> Result<T, Problem> {
    let too_large = || Problem::TooLarge(LARGEST_BODY);
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LARGEST_BODY as u64) {
        return Err(too_large());
    }
    let deadline = clock.now() + PATIENCE;
    let bytes = until(clock, deadline, to_bytes(body, LARGEST_BODY))
        .await
        .ok_or(Problem::TooSlow)?
        // The limit is the only thing that can be told apart here; a connection that broke hears no answer anyway.
        .map_err(|_| too_large())?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    match (essence.as_deref(), bodies) {
        (Some("application/json"), _) => serde_json::from_slice(&bytes).map_err(|error| {
            Problem::BadRequest(format!(
                "The body does not read as the JSON expected: {error}."
            ))
        }),
        (Some("application/x-www-form-urlencoded"), Bodies::JsonOrForm) => {
            serde_urlencoded::from_bytes(&bytes)
                .map_err(|error| Problem::BadRequest(format!("The form does not read: {error}.")))
        }
        (_, Bodies::Json) => Err(Problem::WrongType("application/json")),
        (_, Bodies::JsonOrForm) => Err(Problem::WrongType(
            "application/x-www-form-urlencoded or application/json",
        )),
    }
}

/// Who asks: their keys from `Authorization: Bearer` and the cookie, and the id of the request.
///
/// # Errors
/// If the request's id is none.
pub(super) fn caller(headers: &HeaderMap, request: Option<String>) -> Result<Caller, Problem> {
    if let Some(request) = &request {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let length = request.len();
        if length == 0 || length > LONGEST_REQUEST_ID || !request.bytes().all(fits) {
            return Err(Problem::BadRequest(format!(
                "Expected a request id (req) of 1 to {LONGEST_REQUEST_ID} letters, digits, - and _."
            )));
        }
    }
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .map(|key| Key::from_text(key.trim()));
    let cookie = keys::read(headers).into_iter().map(|(_, key)| key);
    Ok(Caller {
        keys: bearer.into_iter().chain(cookie).collect(),
        request,
    })
}
