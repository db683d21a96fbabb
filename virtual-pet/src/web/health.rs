//! `/healthz`, `/readyz` and `/metrics`: what a supervisor asks.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;

/// How long the store may take to say that it would take a write.
const PATIENCE: Duration = Duration::from_secs(1);

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The store takes writes, and the worker and the scheduler of this process make progress: 200, else 503 with what is wrong.
pub(super) async fn readyz(app: &App) -> Response {
    let lullaby = app.game.lullaby();
    let mut complaints = lullaby.health().complaints(lullaby.clock().as_ref());
    if let Err(error) = lullaby.store().probe(PATIENCE).await {
        complaints.push(format!("store: {error}"));
    }
    let status = if complaints.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let answer = json!({ "ready": complaints.is_empty(), "complaints": complaints });
    (status, Json(answer)).into_response()
}

/// Figures for Prometheus; 503 while the store does not answer.
pub(super) async fn metrics(app: &App) -> Response {
    match app.game.lullaby().metrics().await {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}
