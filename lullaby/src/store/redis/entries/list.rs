//! Entries for people to look at.

use super::found::Found;
use super::plan::Recurrence;
use super::{ForeignEntries, at};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::store::Page;
use crate::store::redis::call::decode_call;

/// An entry of rq-scheduler's.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ForeignEntry {
    /// The id of its job, the same for all its runs.
    pub id: String,
    /// When it is due.
    pub due: Timestamp,
    /// Where its job goes; empty if it says nothing.
    pub queue: String,
    /// The function's dotted path; empty if it cannot be read.
    pub function: String,
    /// The call for people, as Python wrote it.
    pub description: String,
    /// How it recurs: `every 60s`, `*/5 * * * *`, `once`.
    pub recurs: String,
    /// How many runs are left; `None` for no end.
    pub left: Option<i64>,
    /// Why it will stay as it is when it is due, if so.
    pub unread: Option<String>,
}

impl ForeignEntries {
    /// A page of the entries, soonest first.
    ///
    /// # Errors
    /// If Redis cannot be reached.
    pub async fn list(&self, page: Page) -> Result<Vec<ForeignEntry>> {
        let found = self
            .core
            .read_entries("+inf", page.offset, page.length)
            .await?;
        Ok(found.into_iter().map(|found| self.show(found)).collect())
    }

    /// How many entries there are.
    ///
    /// # Errors
    /// If Redis cannot be reached.
    pub async fn count(&self) -> Result<u64> {
        self.core.count_entries().await
    }

    fn show(&self, found: Found) -> ForeignEntry {
        let Found { id, score, job } = found;
        let mut entry = ForeignEntry {
            due: at(score),
            queue: String::new(),
            function: String::new(),
            description: String::new(),
            recurs: String::new(),
            left: None,
            unread: None,
            id,
        };
        let Some(job) = job else {
            entry.unread = Some("its job is gone: it will be taken out".to_owned());
            return entry;
        };
        entry.unread = job.flaw(&entry.id);
        match Recurrence::read(&job.meta, &self.zone) {
            Ok(recurrence) => {
                entry.recurs = recurrence.to_string();
                entry.left = recurrence.left();
            }
            Err(unread) => entry.unread = Some(unread.to_string()),
        }
        if let Ok(call) = decode_call(&job.data) {
            entry.function = call.func;
        }
        entry.queue = job.origin;
        entry.description = job.description;
        entry
    }
}
