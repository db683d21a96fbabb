//! `/pet/<name>/events`: a pet's page, kept up to date.
//!
//! | event | data |
//! |---|---|
//! | `patch` | `sections`: HTML by id, those that changed; `look`: what the stage shows; `steps`: what happened since the last patch, and how much more than that is `untold`; `said`: a sentence for screen readers, which nothing less may interrupt if it is of a goal that was `learned`; `boot`: this life of the server; `restarted`: a sentence, if the page knew another; `now`, `speed` |
//! | `beat` | `now` and `speed`, every 5 s: the game's time, and how fast it passes |
//! | `moved` | the pet has another `name`, and so the page another address; the stream ends |
//! | `gone` | the pet was released; or, with `to`, its world was thrown away. The stream ends |
//! | `bye` | the server stops; the stream ends |
//!
//! The first patch holds every section, so that a page that missed something is right again; an event that was missed costs a picture at most.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::sse::{Event as Frame, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use lullaby::event::{Event, EventId};
use lullaby::{Stop, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::cookies::zone;
use super::hub::Seat;
use super::input::{Path, Query, caller};
use super::pages::{EVENTS, LATEST, events_and_pet, view};
use super::problem::Problem;
use super::{App, pet_name};
use crate::game::{Caller, GameError, PET_CHANGED, PET_RELEASED, What};
use crate::lab::LEARNED;
use crate::page::{Comeback, Today, View};
use crate::pet::{Pet, PetId};

/// How soon a browser tries again when the connection breaks.
const RETRY: Duration = Duration::from_secs(2);

/// Events this close together make one patch: a job's run is one picture, and a storm is no flood.
const GATHER: Duration = Duration::from_millis(25);

/// The newest of what happened are told; more at once are more than a picture can follow.
const MOST_STEPS: usize = 12;

/// The workers' heartbeats make no events: they are looked at again every so many beats.
const BEATS_A_LOOK: u32 = 3;

/// Where a page that comes back left off, if it cannot say so by `Last-Event-ID`.
#[derive(Debug, Deserialize)]
pub(super) struct After {
    after: Option<u64>,
    /// The life of the server that it knew.
    boot: Option<String>,
}

/// Opens the stream.
pub(super) async fn open(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let pet = app.game.look(&pet_name(&name)?).await?;
    stream(app, pet, query, headers).await
}

/// A stream of this pet's page, in the town or in a world of the lab.
pub(super) async fn stream(
    app: App,
    pet: Pet,
    query: After,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&headers, None)?;
    let seat = app.hub.sit(pet.id.as_str()).await;
    let subject = Some(pet.id.as_str());
    let pen = app.hub.pen().await;
    let lullaby = app.game.lullaby();
    let events = lullaby.events(subject, EventId(0), EVENTS).await?;
    let newest = events.last().map_or(EventId(0), |event| event.id);
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.trim().parse().ok());
    let told = last.or(query.after).map_or(newest, EventId);
    let boot = app.hub.boot();
    let was_restarted = query.boot.is_some_and(|known| known != boot.id);
    let comeback = was_restarted.then(|| Comeback::new(&events, boot.at));
    let today = Today::of(&events, zone(&headers), app.game.now());
    drop(pen);
    let mut page = LivePage {
        id: pet.id.clone(),
        app,
        caller,
        headers,
        seat,
        told,
        shown_from: before_latest(&events),
        sent: HashMap::new(),
        today,
        comeback,
        told_of_restart: None,
        due: None,
        beats: 0,
        ended: false,
    };
    let first = page.patch().await?.retry(RETRY);
    let frames = unfold((page, Some(first)), |(mut page, first)| async {
        let frame = match first {
            Some(frame) => frame,
            None => page.next().await?,
        };
        Some((Ok::<_, Infallible>(frame), (page, None)))
    });
    let mut response = Sse::new(frames).into_response();
    // Proxies must not hold frames back.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

struct LivePage {
    app: App,
    id: PetId,
    caller: Caller,
    headers: HeaderMap,
    seat: Seat,
    /// The newest event that the page knows of.
    told: EventId,
    /// The events after this one are read for each patch: kept, they would be 100 KB a stream.
    shown_from: EventId,
    /// The hash of what was last sent of each section: a page's HTML a stream would be 40 MB for a thousand.
    sent: HashMap<&'static str, u64>,
    today: Today,
    /// What there is to say of a restart, until nothing more can come.
    comeback: Option<Comeback>,
    told_of_restart: Option<String>,
    /// When the next patch is due, if one is.
    due: Option<Timestamp>,
    beats: u32,
    ended: bool,
}

enum Woken {
    Event(Event),
    Lagged,
    Beat,
    Due,
    Stop,
    WorldEnded,
}

impl LivePage {
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if self.ended {
                return None;
            }
            match self.woken().await {
                Woken::Event(event) if event.kind == PET_RELEASED => {
                    self.ended = true;
                    return Some(frame("gone", &json!({})));
                }
                Woken::WorldEnded => {
                    self.ended = true;
                    return Some(frame("gone", &json!({ "to": "/lab" })));
                }
                Woken::Event(event) if event.data["what"] == json!(What::Renamed) => {
                    self.ended = true;
                    let name = &event.data["pet"]["name"];
                    return Some(frame("moved", &json!({ "name": name })));
                }
                Woken::Event(event) => self.take(&event),
                Woken::Lagged => self.due = Some(self.app.clock().now()),
                Woken::Beat => {
                    self.beats += 1;
                    if self.beats.is_multiple_of(BEATS_A_LOOK) {
                        self.due = Some(self.app.clock().now());
                    }
                    return Some(frame("beat", &self.time()));
                }
                Woken::Due => {
                    self.due = None;
                    match self.patch().await {
                        Ok(patch) => return Some(patch),
                        Err(Problem::Game(GameError::NoSuchPet { .. })) => self.ended = true,
                        Err(problem) => {
                            tracing::warn!(pet = %self.id, %problem, "a page could not be drawn anew; its stream ends, and the browser asks again");
                            self.ended = true;
                        }
                    }
                }
                Woken::Stop => {
                    self.ended = true;
                    let delay = u64::try_from(RETRY.as_millis()).unwrap_or(u64::MAX);
                    return Some(frame("bye", &json!({ "retry_ms": delay })));
                }
            }
        }
    }

    async fn woken(&mut self) -> Woken {
        let clock = self.app.host_clock.clone();
        let world_ended = async {
            match &self.app.world {
                Some(world) => world.ended().await,
                None => std::future::pending().await,
            }
        };
        let due = async {
            match self.due {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.seat.events.recv() => match event {
                Ok(event) => Woken::Event((*event).clone()),
                Err(RecvError::Lagged(_)) => Woken::Lagged,
                Err(RecvError::Closed) => Woken::Stop,
            },
            () = due => Woken::Due,
            // Fails only once the hub is gone, and the seat holds it.
            _ = self.seat.beats.changed() => Woken::Beat,
            () = self.app.shutdown.reached(Stop::Warm) => Woken::Stop,
            () = world_ended => Woken::WorldEnded,
        }
    }

    fn take(&mut self, event: &Event) {
        self.today.take(event);
        // The last patch may have read it already.
        if event.id > self.told {
            self.due.get_or_insert(self.app.clock().now() + GATHER);
        }
    }

    /// What has changed since the last one.
    async fn patch(&mut self) -> Result<Frame, Problem> {
        let hub = self.app.hub.clone();
        let _pen = hub.pen().await;
        let after = self.shown_from.min(self.told);
        let (mut events, pet) = events_and_pet(&self.app, &self.id, after, EVENTS).await?;
        for event in &events {
            self.today.take(event);
            if let Some(comeback) = &mut self.comeback {
                comeback.take(event);
            }
        }
        let news: Vec<_> = events.iter().filter(|one| one.id > self.told).collect();
        let untold = news.len().saturating_sub(MOST_STEPS);
        let steps: Vec<_> = news.iter().skip(untold).map(|event| step(event)).collect();
        let said = worth_saying(&news).cloned();
        self.told = events.last().map_or(self.told, |event| event.id);
        self.shown_from = self.shown_from.max(before_latest(&events));
        events.drain(..events.len().saturating_sub(LATEST));
        let (app, today) = (&self.app, self.today);
        let view = view(app, pet, events, today, &self.caller, &self.headers).await?;
        let mut data = self.time();
        data["sections"] = json!(self.changed_sections(&view));
        data["look"] = view.look();
        data["steps"] = json!(steps);
        data["untold"] = json!(untold);
        data["learned"] = json!(said.as_ref().is_some_and(|event| event.kind == LEARNED));
        data["said"] = json!(said.and_then(|event| view.said(&event)));
        data["boot"] = json!(self.app.hub.boot().id);
        data["restarted"] = json!(self.news_of_restart(&view));
        Ok(frame("patch", &data).id(self.told.to_string()))
    }

    /// The sentence about a restart, if the page has not heard it: once, and again when what was late has been moved.
    fn news_of_restart(&mut self, view: &View) -> Option<String> {
        let comeback = self.comeback.as_ref()?;
        let sentence = Some(view.restarted(comeback));
        if view.overdue(comeback) == 0 {
            self.comeback = None;
        }
        let is_news = sentence != self.told_of_restart;
        self.told_of_restart.clone_from(&sentence);
        sentence.filter(|_| is_news)
    }

    /// The game's time, and how fast it passes.
    fn time(&self) -> Value {
        let speed = self.app.world.as_ref().map_or(1, |world| world.speed());
        json!({ "now": self.app.game.now().as_millis(), "speed": speed })
    }

    fn changed_sections(&mut self, view: &View) -> Map<String, Value> {
        let mut changed = Map::new();
        for (id, html) in view.sections() {
            let html = html.into_string();
            let mut hasher = DefaultHasher::new();
            html.hash(&mut hasher);
            let hash = hasher.finish();
            if self.sent.insert(id, hash) != Some(hash) {
                changed.insert(id.to_owned(), html.into());
            }
        }
        changed
    }
}

/// The event before those that are shown.
fn before_latest(events: &[Event]) -> EventId {
    let mut older = events.iter().rev().skip(LATEST);
    older.next().map_or(EventId(0), |event| event.id)
}

/// What a screen reader says of all this: the latest goal that was reached, or else the latest change of the pet.
fn worth_saying<'a>(news: &[&'a Event]) -> Option<&'a Event> {
    let latest = |kind| news.iter().rfind(|event| event.kind == kind).copied();
    latest(LEARNED).or_else(|| latest(PET_CHANGED))
}

/// A move for the picture: what the page needs to let a token fly.
fn step(event: &Event) -> Value {
    let data = &event.data;
    json!({
        "id": event.id,
        "kind": event.kind,
        "job": event.job,
        "task": data["task"],
        "due": data["due"],
        "worker": data["worker"],
        "what": data["what"],
        "req": data["req"],
    })
}

fn frame(name: &str, data: &Value) -> Frame {
    // JSON on one line: it cannot break the frame.
    Frame::default().event(name).data(data.to_string())
}
