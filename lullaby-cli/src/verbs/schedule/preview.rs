//! `lullaby schedule preview NAME`, `lullaby schedule preview --cron LINE --tz ZONE`

use lullaby::schedule::{Foreseen, Trigger};
use lullaby::{Lullaby, Timestamp};
use serde_json::json;

use super::plan::cron;
use crate::print::{Out, table};

#[derive(clap::Args, Debug)]
pub(super) struct Preview {
    /// A schedule's name
    #[arg(required_unless_present = "cron", conflicts_with = "cron")]
    name: Option<String>,
    /// A cron line; more than one may be given
    #[arg(long, value_name = "LINE")]
    cron: Vec<String>,
    /// The time zone of the cron lines; UTC without it
    #[arg(long, value_name = "ZONE", requires = "cron")]
    tz: Option<String>,
    /// Slots after this instant, itself not included; now without it
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// How many
    #[arg(short = 'n', default_value_t = 10)]
    count: usize,
}

impl Preview {
    pub(super) fn is_about_lines(&self) -> bool {
        self.name.is_none()
    }

    pub(super) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let (trigger, end) = match (&self.name, cron(&self.cron, self.tz.as_deref())?) {
            (_, Some(cron)) => (Trigger::Cron(cron), None),
            (name, None) => {
                let name = name.as_deref().unwrap_or_default();
                let Some(record) = lullaby.scheduler().get(name).await? else {
                    eprintln!("lullaby: there is no schedule named {name:?}");
                    return Ok(false);
                };
                (record.spec.trigger, record.spec.end)
            }
        };
        let from = self.from.unwrap_or_else(|| lullaby.now());
        let until = end.map_or(Timestamp::MAX, |end| {
            Timestamp::from_millis(end.as_millis() - 1)
        });
        let slots = trigger.preview(from, until, self.count);
        let value: Vec<_> = slots
            .iter()
            .map(
                |slot| json!({ "at": slot.at.to_string(), "local": slot.local, "note": slot.note }),
            )
            .collect();
        out.show(&value, || {
            let row = |slot: &Foreseen| {
                let note = slot.note.clone().unwrap_or_default();
                vec![slot.at.to_string(), slot.local.clone(), note]
            };
            table(
                &["at", "local", "note"],
                &slots.iter().map(row).collect::<Vec<_>>(),
            )
        })?;
        Ok(true)
    }
}
