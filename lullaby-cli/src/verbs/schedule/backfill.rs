//! `lullaby schedule backfill NAME --from TIME --to TIME`

use lullaby::{Lullaby, Timestamp};
use serde_json::json;

use crate::print::Out;

#[derive(clap::Args, Debug)]
pub(super) struct Backfill {
    /// Its name
    name: String,
    /// The first slot, as 2026-11-24T09:00:00Z; itself included
    #[arg(long, value_name = "TIME")]
    from: Timestamp,
    /// The last slot, itself included; not after now
    #[arg(long, value_name = "TIME")]
    to: Timestamp,
    /// Refuse if there are more slots than this
    #[arg(long, value_name = "N", default_value_t = 100)]
    cap: u32,
}

impl Backfill {
    pub(super) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        anyhow::ensure!(
            self.from <= self.to,
            "expected --from before --to, got {} and {}",
            self.from,
            self.to
        );
        let scheduler = lullaby.scheduler();
        let jobs = scheduler
            .backfill(&self.name, self.from..=self.to, self.cap)
            .await?;
        out.show(&json!({ "name": self.name, "jobs": jobs }), || {
            let ids: String = jobs.iter().map(|id| format!("{id}\n")).collect();
            format!("{ids}{} jobs for slots of {}\n", jobs.len(), self.name)
        })?;
        Ok(true)
    }
}
