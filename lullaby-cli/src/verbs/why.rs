//! `lullaby why SCHEDULE [SLOT]`, `lullaby why JOB`

use lullaby::{JobId, Lullaby, Timestamp};
use serde_json::json;

use crate::print::Out;

/// Says in a sentence why a slot of a schedule ran or did not, or why a job stands where it does.
#[derive(clap::Args, Debug)]
pub(crate) struct Why {
    /// A schedule's name or a job's id
    name: String,
    /// The slot's instant, as 2026-11-24T09:00:00Z; without it the one that is due, or the newest decided one
    slot: Option<Timestamp>,
}

impl Why {
    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        match lullaby.why_slot(&self.name, self.slot).await {
            Ok(why) => {
                let value = json!({
                    "schedule": why.schedule,
                    "slot": why.slot.map(|at| at.to_string()),
                    "next": why.next.map(|at| at.to_string()),
                    "why": why.to_string(),
                });
                out.show(&value, || why.to_string())?;
                return Ok(true);
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let job = match JobId::new(&self.name) {
            Ok(id) if self.slot.is_none() => lullaby.why_job(&id).await,
            _ => Err(lullaby::Error::not_found("no schedule")),
        };
        match job {
            Ok(why) => {
                let value = json!({ "job": why.id, "status": why.status, "why": why.to_string() });
                out.show(&value, || why.to_string())?;
                Ok(true)
            }
            Err(error) if error.is_not_found() => {
                let kind = match self.slot {
                    Some(_) => "schedule",
                    None => "schedule, nor a job,",
                };
                eprintln!(
                    "lullaby: there is no {kind} named {:?} (any more): a finished job is kept for its result_ttl",
                    self.name
                );
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}
