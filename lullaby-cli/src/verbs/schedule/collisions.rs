//! `lullaby schedule collisions`

use std::time::Duration;

use lullaby::Lullaby;
use lullaby::schedule::{Collision, collisions};
use lullaby::store::Page;
use serde_json::json;

use crate::duration::duration;
use crate::print::Out;

/// How many schedules are read at a time.
const PAGE: usize = 1000;

#[derive(clap::Args, Debug)]
pub(super) struct Collide {
    /// How far ahead to look
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "7d")]
    within: Duration,
}

impl Collide {
    pub(super) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let until = lullaby.now() + self.within;
        let mut schedules = Vec::new();
        loop {
            let page = Page {
                offset: schedules.len(),
                length: PAGE,
            };
            let some = lullaby.store().list_schedules(Some(until), page).await?;
            let last = some.len() < PAGE;
            schedules.extend(some);
            if last {
                break;
            }
        }
        // What is paused runs nothing.
        schedules.retain(|record| record.paused.is_none());
        let found = collisions(&schedules, until);
        let worst: Vec<_> = found
            .worst
            .iter()
            .map(|one| {
                json!({
                    "at": one.at.to_string(),
                    "jobs": one.jobs,
                    "schedules": one.schedules,
                    "jitter": one.jitter.as_secs_f64(),
                })
            })
            .collect();
        let value = json!({ "looked_until": found.looked_until.to_string(), "worst": worst });
        out.show(&value, || {
            let lines: String = found.worst.iter().map(line).collect();
            if lines.is_empty() {
                return format!("no two schedules meet until {}\n", found.looked_until);
            }
            format!("{lines}looked until {}\n", found.looked_until)
        })?;
        Ok(true)
    }
}

fn line(one: &Collision) -> String {
    let more = if one.jobs > one.schedules.len() {
        ", …"
    } else {
        ""
    };
    format!("{one} ({}{more})\n", one.schedules.join(", "))
}
