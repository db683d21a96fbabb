//! `lullaby schedule preview NAME`, `lullaby schedule preview --cron LINE --tz ZONE`

use lullaby::schedule::Trigger;
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
        let slots: Vec<_> = trigger
            .upcoming(from)
            .take_while(|slot| end.is_none_or(|end| *slot < end))
            .take(self.count)
            .collect();
        let zone = match &trigger {
            Trigger::Cron(cron) => cron.zone(),
            _ => "UTC",
        };
        let local = |slot: Timestamp| slot.to_jiff().in_tz(zone).map(|local| local.to_string());
        let slots = slots
            .into_iter()
            .map(|slot| Ok((slot.to_string(), local(slot)?)));
        let slots: Vec<_> = slots.collect::<anyhow::Result<_>>()?;
        let value = slots
            .iter()
            .map(|(at, local)| json!({ "at": at, "local": local, "note": null }));
        out.show(&value.collect::<Vec<_>>(), || {
            let rows: Vec<_> = slots
                .iter()
                .map(|(at, local)| vec![at.clone(), local.clone()])
                .collect();
            table(&["at", "local"], &rows)
        })?;
        Ok(true)
    }
}
