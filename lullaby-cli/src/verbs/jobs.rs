//! `lullaby jobs`

use lullaby::store::JobFilter;
use lullaby::{Job, Lullaby, QueueName, Status, Timestamp};
use serde_json::json;

use super::Paging;
use crate::print::{Out, job_json, relative, table};

/// Lists jobs: waiting ones in the order they will run, scheduled ones by due time, ended ones newest first.
#[derive(clap::Args, Debug)]
pub(crate) struct Jobs {
    /// With this status: scheduled, queued, deferred, rate_limited, started, finished, failed, canceled, stopped
    #[arg(long, short)]
    status: Option<Status>,
    /// In this queue
    #[arg(long, short)]
    queue: Option<QueueName>,
    /// About this subject
    #[arg(long)]
    subject: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

impl Jobs {
    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let filter = JobFilter {
            queue: self.queue.clone(),
            status: self.status,
            subject: self.subject.clone(),
            due_until: None,
            page: self.paging.page(),
        };
        let jobs = lullaby.store().list_jobs(&filter).await?;
        let total = lullaby.store().count_jobs(&filter).await?;
        let now = lullaby.now();
        let value =
            json!({ "total": total, "jobs": jobs.iter().map(job_json).collect::<Vec<_>>() });
        out.show(&value, || {
            let rows: Vec<_> = jobs.iter().map(|job| row(job, now)).collect();
            let mut text = table(&["id", "status", "queue", "when", "call"], &rows);
            text += &format!("{} of {total}\n", jobs.len());
            text
        })?;
        Ok(true)
    }
}

fn row(job: &Job, now: Timestamp) -> Vec<String> {
    let when = match job.status {
        Status::Scheduled => job.due_at,
        Status::Started => job.started_at,
        Status::Queued => job.enqueued_at,
        _ => job.ended_at,
    };
    vec![
        job.id.to_string(),
        job.status.to_string(),
        job.template.queue.to_string(),
        when.map(|when| relative(when, now)).unwrap_or_default(),
        job.description(),
    ]
}
