//! What happened to pets, as events of the store: what live pages and histories are made of.

use lullaby::JobId;
use lullaby::event::NewEvent;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Caller, Change, Game};
use crate::pet::{Pet, PublicPet};

/// The kind of the event of each change of a pet. Its data: `what` ([`What`]), `by` ([`By`]), `req` (the request's id, if it had one),
/// `hours` (of a tick), `was` (both gauges before), `pet` ([`PublicPet`], afterwards).
pub const PET_CHANGED: &str = "pet.changed";

/// The kind of the last event of a pet.
pub const PET_RELEASED: &str = "pet.released";

/// What happened to a pet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words say it")]
pub enum What {
    Adopted,
    Hatched,
    Fed,
    Played,
    Slept,
    Woke,
    Ticked,
    Grew,
    Renamed,
    Opened,
    Moved,
    Returned,
}

/// Who made it happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Somebody with its key, or anybody if it has none.
    Keeper,
    /// Anybody else.
    Visitor,
    /// A job.
    Job,
    /// The game itself, for a job that is gone.
    Healing,
}

impl Game {
    /// Tells of a change that a player made.
    pub(super) async fn note(&self, change: &Change, what: What, by: By, caller: &Caller) {
        let request = caller.request.as_deref();
        self.append(changed(change, what, by, None, request)).await;
    }

    /// Tells of a change that a job made, or should have made.
    pub(super) async fn note_job(&self, change: &Change, what: What, by: By, job: &JobId) {
        self.append(changed(change, what, by, Some(job), None))
            .await;
    }

    /// Tells of a new pet.
    pub(super) async fn note_adoption(&self, pet: &Pet) {
        let data = json!({ "what": What::Adopted, "by": By::Keeper, "pet": PublicPet::from(pet) });
        self.append(event(pet, PET_CHANGED, None, data)).await;
    }

    /// Tells that a pet has left.
    pub(super) async fn note_release(&self, pet: &Pet, by: By) {
        let data = json!({ "by": by, "name": pet.name });
        self.append(event(pet, PET_RELEASED, None, data)).await;
    }

    /// An event is told after the fact: when it cannot be written, the fact stands, and pages show it at their next full drawing.
    async fn append(&self, event: NewEvent) {
        let (subject, kind) = (event.subject.clone(), event.kind.clone());
        if let Err(error) = self.lullaby.append_event(event).await {
            tracing::warn!(pet = subject, kind, %error, "the event could not be written");
        }
    }
}

fn changed(
    change: &Change,
    what: What,
    by: By,
    job: Option<&JobId>,
    request: Option<&str>,
) -> NewEvent {
    let Change { before, after } = change;
    let mut data = json!({
        "what": what,
        "by": by,
        "was": { "hunger": before.hunger, "energy": before.energy },
        "pet": PublicPet::from(after),
    });
    if before.name != after.name {
        data["was"]["name"] = json!(before.name);
    }
    if let Some(request) = request {
        data["req"] = json!(request);
    }
    if after.age_hours > before.age_hours {
        data["hours"] = json!(after.age_hours - before.age_hours);
    }
    event(after, PET_CHANGED, job, data)
}

fn event(pet: &Pet, kind: &str, job: Option<&JobId>, data: serde_json::Value) -> NewEvent {
    NewEvent {
        subject: pet.id.to_string(),
        job: job.cloned(),
        kind: kind.to_owned(),
        data,
    }
}
