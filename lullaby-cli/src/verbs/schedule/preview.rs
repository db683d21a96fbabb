//! `lullaby schedule preview NAME`, `lullaby schedule preview --cron LINE --tz ZONE`

use std::time::Duration;

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
    /// Slots up to this instant, itself included
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// The slots of a year; short for an --until that is a year after --from
    #[arg(long, conflicts_with = "until")]
    year: bool,
    /// Only slots that daylight saving moves, merges or doubles
    #[arg(long)]
    moved: bool,
    /// How many at most; 10, or all with --until or --year
    #[arg(short = 'n', value_name = "N")]
    count: Option<usize>,
}

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// How many slots are looked at: a line of each minute has 525,600 in a year. More are left out, and the command says so.
const MOST_SLOTS: usize = 1_000_000;

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
        let slots = self.slots(&trigger, from, end);
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

    fn slots(&self, trigger: &Trigger, from: Timestamp, end: Option<Timestamp>) -> Vec<Foreseen> {
        let asked = if self.year {
            Some(from + YEAR)
        } else {
            self.until
        };
        let before_end = end.map(|end| Timestamp::from_millis(end.as_millis() - 1));
        let until = asked.into_iter().chain(before_end).min();
        let until = until.unwrap_or(Timestamp::MAX);
        let count = match (self.count, asked) {
            (Some(count), _) => count,
            (None, Some(_)) => usize::MAX,
            (None, None) => 10,
        };
        let mut looked_at = 0;
        let slots = trigger
            .upcoming(from)
            .take_while(|at| *at <= until)
            .take(MOST_SLOTS)
            .inspect(|_| looked_at += 1)
            .map(|at| trigger.foresee(at))
            .filter(|slot| !self.moved || slot.note.is_some())
            .take(count)
            .collect();
        if looked_at == MOST_SLOTS {
            eprintln!("lullaby: looked at {MOST_SLOTS} slots; there are more");
        }
        slots
    }
}
