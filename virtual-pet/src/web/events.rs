//! `/api/pets/<name>/events`: a pet's life as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event as Frame, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use lullaby::event::{Event, EventId};
use lullaby::{Lullaby, Shutdown, Stop};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::hub::Seat;
use super::problem::Problem;
use super::{App, pet_name};
use crate::game::{PET_CHANGED, PET_RELEASED};
use crate::pet::{Pet, PublicPet};

/// How soon a browser tries again when the connection breaks.
const RETRY: Duration = Duration::from_secs(2);

/// The most events that are told again to a client that comes back.
const RESUMED: usize = 200;

/// Opens a stream. The first frame is the pet as it is, or, with `Last-Event-ID`, what the client missed and then the pet. From then on:
///
/// | event | data |
/// |---|---|
/// | `pet` | the pet, and `change` (what, by whom) if it has changed |
/// | `job` | a job's move: `kind`, `job`, `at` and more |
/// | `beat` | the time, every 5 s |
/// | `gone` | the pet was released; the stream ends |
/// | `bye` | the server stops; the stream ends |
pub(super) async fn open(app: &App, name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let pet = app.game.look(&pet_name(name)?).await?;
    let seat = app.hub.sit(pet.id.as_str()).await;
    let lullaby = app.game.lullaby().clone();
    // In this order: everything up to `newest` was saved before, so the pet that is read after it shows it.
    let newest = lullaby.store().last_event().await?;
    let pet = app.game.look(&pet.name).await?;
    let resumed = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.trim().parse().ok())
        .map(EventId)
        // An id from before the store was emptied tells nothing.
        .filter(|after| *after <= newest);

    let mut stream = PetStream {
        lullaby,
        shutdown: app.shutdown.clone(),
        subject: pet.id.to_string(),
        seat,
        frames: VecDeque::new(),
        last: newest,
        version: 0,
        ended: false,
    };
    if let Some(after) = resumed {
        stream.last = after;
        stream.read_missed(newest).await?;
    }
    stream.last = newest.max(stream.last);
    stream.tell_pet(&pet);
    if let Some(first) = stream.frames.pop_front() {
        stream.frames.push_front(first.retry(RETRY));
    }
    let frames = stream::unfold(stream, |mut stream| async {
        let frame = stream.next().await?;
        Some((Ok::<_, Infallible>(frame), stream))
    });
    let mut response = Sse::new(frames).into_response();
    // Proxies must not hold frames back.
    let no = axum::http::HeaderValue::from_static("no");
    response.headers_mut().insert("x-accel-buffering", no);
    Ok(response)
}

struct PetStream {
    lullaby: Lullaby,
    shutdown: Shutdown,
    subject: String,
    seat: Seat,
    /// Ready to be sent.
    frames: VecDeque<Frame>,
    /// The newest event that was told.
    last: EventId,
    /// The newest version of the pet that was told. Two processes may write their events in another order than their saves.
    version: u64,
    ended: bool,
}

impl PetStream {
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                event = self.seat.events.recv() => match event {
                    Ok(event) => self.tell(&event),
                    Err(RecvError::Lagged(_)) => {
                        if let Err(error) = self.read_missed(EventId(u64::MAX)).await {
                            tracing::warn!(subject = self.subject, %error, "a slow stream could not read what it missed; it ends");
                            self.ended = true;
                        }
                    }
                    Err(RecvError::Closed) => self.ended = true,
                },
                // Fails only once the hub is gone, and the seat holds it.
                _ = self.seat.beats.changed() => {
                    let now = self.lullaby.now().to_string();
                    self.frames.push_back(frame("beat", &json!({ "now": now })));
                }
                () = self.shutdown.reached(Stop::Warm) => {
                    let delay = u64::try_from(RETRY.as_millis()).unwrap_or(u64::MAX);
                    self.frames.push_back(frame("bye", &json!({ "retry_ms": delay })));
                    self.ended = true;
                }
            }
        }
    }

    /// Tells what happened after the last event that was told, up to `newest`.
    async fn read_missed(&mut self, newest: EventId) -> lullaby::Result<()> {
        let subject = Some(self.subject.as_str());
        let events = self.lullaby.events(subject, self.last, RESUMED).await?;
        for event in events.iter().take_while(|event| event.id <= newest) {
            self.tell(event);
        }
        Ok(())
    }

    fn tell_pet(&mut self, pet: &Pet) {
        self.version = pet.version;
        let data = json!(PublicPet::from(pet));
        let frame = frame("pet", &data).id(self.last.to_string());
        self.frames.push_back(frame);
    }

    fn tell(&mut self, event: &Event) {
        if event.id <= self.last {
            return;
        }
        self.last = event.id;
        let told = match event.kind.as_str() {
            PET_CHANGED => {
                let version = event.data["pet"]["version"].as_u64().unwrap_or(0);
                if version <= self.version {
                    return;
                }
                self.version = version;
                frame("pet", &changed_pet(event))
            }
            PET_RELEASED => {
                self.ended = true;
                frame("gone", &json!({ "name": event.data["name"] }))
            }
            _ => frame("job", &moved_job(event)),
        };
        self.frames.push_back(told.id(event.id.to_string()));
    }
}

/// The pet as it was after the change, and the rest of the event under `change`.
fn changed_pet(event: &Event) -> Value {
    let mut change = event.data.clone();
    let mut pet = change["pet"].take();
    if let Some(change) = change.as_object_mut() {
        change.remove("pet");
        change.insert("at".into(), json!(event.at.to_string()));
        change.insert("job".into(), json!(event.job));
    }
    if let Some(pet) = pet.as_object_mut() {
        pet.insert("change".into(), change);
    }
    pet
}

/// The move, its data beside it; instants as RFC 3339, as everywhere else.
fn moved_job(event: &Event) -> Value {
    let mut told = json!({
        "kind": event.kind,
        "job": event.job,
        "at": event.at.to_string(),
    });
    if let (Some(told), Some(data)) = (told.as_object_mut(), event.data.as_object()) {
        for (key, value) in data {
            let value = match (key.as_str(), value.as_i64()) {
                ("due", Some(ms)) => json!(lullaby::Timestamp::from_millis(ms).to_string()),
                _ => value.clone(),
            };
            told.entry(key).or_insert(value);
        }
    }
    told
}

fn frame(name: &str, data: &Value) -> Frame {
    // JSON on one line: it cannot break the frame.
    Frame::default().event(name).data(data.to_string())
}
