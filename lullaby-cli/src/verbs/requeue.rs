//! `lullaby requeue ID…`

use lullaby::store::{JobFilter, Page, Requeued};
use lullaby::{JobId, Lullaby, QueueName, Status};

use crate::print::Out;

/// Puts ended or scheduled jobs back into their queue, with their failures forgotten.
#[derive(clap::Args, Debug)]
pub(crate) struct Requeue {
    /// Their ids
    #[arg(required_unless_present = "all_failed")]
    ids: Vec<String>,
    /// Every failed job
    #[arg(long, conflicts_with = "ids")]
    all_failed: bool,
    /// With --all-failed: only those of this queue
    #[arg(long, short, requires = "all_failed")]
    queue: Option<QueueName>,
    /// To the front of their queue
    #[arg(long)]
    at_front: bool,
}

impl Requeue {
    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let ids = if self.all_failed {
            self.failed(lullaby).await?
        } else {
            super::ids(&self.ids)?
        };
        let mut answers = Vec::new();
        for some in ids.chunks(1000) {
            answers.extend(lullaby.store().requeue(some, self.at_front).await?);
        }
        let lines: Vec<(&JobId, String, bool)> = ids
            .iter()
            .zip(answers)
            .map(|(id, answer)| match answer {
                Requeued::Queued => (id, "queued".into(), true),
                Requeued::Unchanged { status } => (id, format!("unchanged: it is {status}"), false),
                Requeued::NotFound => (id, "there is no such job".into(), false),
            })
            .collect();
        if lines.is_empty() {
            out.show(&[(); 0], || "No failed jobs.\n".to_owned())?;
            return Ok(true);
        }
        out.show_each("queued", &lines)
    }

    async fn failed(&self, lullaby: &Lullaby) -> anyhow::Result<Vec<JobId>> {
        let mut ids = Vec::new();
        loop {
            let filter = JobFilter {
                queue: self.queue.clone(),
                status: Some(Status::Failed),
                page: Page {
                    offset: ids.len(),
                    length: 1000,
                },
                ..JobFilter::default()
            };
            let jobs = lullaby.store().list_jobs(&filter).await?;
            if jobs.is_empty() {
                return Ok(ids);
            }
            ids.extend(jobs.into_iter().map(|job| job.id));
        }
    }
}
