//! What was put aside: a hash of id and reason. Nothing in it stops a worker, a scheduler or a page.

use super::Core;
use super::answer::{count, numbers, texts};
use super::produce::with_ids;
use super::scripts::{self, BATCH};
use crate::error::Result;
use crate::job::JobId;
use crate::store::{Page, Quarantined, Restored};

impl Core {
    pub(super) async fn page_of_quarantine(&self, page: Page) -> Result<Vec<Quarantined>> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.keys.quarantine());
        let flat = texts(self.link.command(&command).await?)?;
        let pairs = flat.chunks_exact(2);
        let mut all: Vec<_> = pairs
            .map(|pair| Quarantined {
                id: JobId::from_store(&pair[0]),
                reason: pair[1].clone(),
            })
            .collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        let rest = all.into_iter().skip(page.offset);
        Ok(rest.take(page.length).collect())
    }

    pub(super) async fn how_much_in_quarantine(&self) -> Result<u64> {
        let mut command = redis::cmd("HLEN");
        command.arg(self.keys.quarantine());
        count(self.link.command(&command).await?)
    }

    pub(super) async fn restore_all(&self, ids: &[JobId]) -> Result<Vec<Restored>> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let call = with_ids(self.script(&scripts::RESTORE), batch);
            for told in numbers(self.link.call(call).await?)? {
                outcomes.push(match told {
                    1 => Restored::Queued,
                    2 => Restored::Unfit,
                    _ => Restored::NotFound,
                });
            }
        }
        Ok(outcomes)
    }
}
