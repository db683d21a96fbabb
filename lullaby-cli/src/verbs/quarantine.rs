//! `lullaby quarantine`

use clap::Subcommand;
use lullaby::Lullaby;
use lullaby::store::{Deleted, Page, Restored};
use serde_json::json;

use super::Paging;
use crate::print::{Out, table};

/// What could neither be run nor given back, and was put aside with its reason: list it, restore it, drop it.
///
/// A job comes here when its call cannot be read, or when there is an id in a queue and no job to it. The worker that found it went on.
#[derive(clap::Args, Debug)]
pub(crate) struct Quarantine {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// What is in it; also without a verb
    List(List),
    /// Put jobs back into their queues, once what was wrong has been mended
    Restore(Ids),
    /// Delete jobs for good
    Drop(Ids),
}

#[derive(clap::Args, Debug)]
struct List {
    #[command(flatten)]
    paging: Paging,
}

#[derive(clap::Args, Debug)]
struct Ids {
    /// Their ids
    #[arg(required = true)]
    ids: Vec<String>,
}

impl Quarantine {
    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let first = List {
            paging: Paging {
                offset: 0,
                length: 20,
            },
        };
        match &self.verb {
            None => first.run(lullaby, out).await,
            Some(Verb::List(list)) => list.run(lullaby, out).await,
            Some(Verb::Restore(ids)) => ids.restore(lullaby, out).await,
            Some(Verb::Drop(ids)) => ids.delete(lullaby, out).await,
        }
    }
}

impl List {
    async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let store = lullaby.store();
        let found = store.quarantine(self.paging.page()).await?;
        let total = store.count_quarantine().await?;
        out.show(&json!({ "total": total, "quarantine": found }), || {
            if total == 0 {
                return "Nothing is in quarantine.\n".to_owned();
            }
            let rows: Vec<_> = found
                .iter()
                .map(|one| vec![one.id.to_string(), one.reason.clone()])
                .collect();
            let table = table(&["id", "reason"], &rows);
            format!("{table}{} of {total}\n", found.len())
        })?;
        Ok(true)
    }
}

impl Ids {
    async fn restore(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let ids = super::ids(&self.ids)?;
        let told = lullaby.store().restore(&ids).await?;
        let lines = told.into_iter().map(|restored| match restored {
            Restored::Queued => ("it is in its queue again", true),
            Restored::Unfit => (
                "there is no job to it, or none with a call: it stays",
                false,
            ),
            Restored::NotFound => ("it is not in quarantine", false),
        });
        self.show(out, "restored", &lines.collect::<Vec<_>>())
    }

    async fn delete(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let ids = super::ids(&self.ids)?;
        let store = lullaby.store();
        // Only what is in it: this is no way to delete other jobs by a slip of the hand.
        let total = usize::try_from(store.count_quarantine().await?).unwrap_or(usize::MAX);
        let all = Page {
            offset: 0,
            length: total,
        };
        let inside = store.quarantine(all).await?;
        let mut lines = Vec::new();
        for id in &ids {
            if !inside.iter().any(|one| one.id == *id) {
                lines.push(("it is not in quarantine", false));
                continue;
            }
            let told = store.delete(std::slice::from_ref(id)).await?;
            lines.push(match told.first() {
                Some(Deleted::Running) => ("it runs: stop it first", false),
                // One without a job leaves the quarantine, too.
                _ => ("deleted", true),
            });
        }
        self.show(out, "dropped", &lines)
    }

    fn show(&self, out: Out, verb: &str, lines: &[(&str, bool)]) -> anyhow::Result<bool> {
        let answers = self.ids.iter().zip(lines);
        let answers: Vec<_> = answers
            .map(|(id, (what, done))| (id, what, *done))
            .collect();
        out.show_each(verb, &answers)
    }
}
