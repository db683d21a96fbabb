//! `lullaby job ID`

use lullaby::{Job, JobId, Lullaby, Status, Timestamp};

use crate::print::{Out, job_json, relative, span};

/// Shows all about one job.
#[derive(clap::Args, Debug)]
pub(crate) struct ShowJob {
    /// Its id
    id: JobId,
}

impl ShowJob {
    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let Some(job) = lullaby.job(self.id.clone()).job().await? else {
            eprintln!(
                "lullaby: there is no job {} (any more): a finished one is kept for its result_ttl",
                self.id
            );
            return Ok(false);
        };
        let now = lullaby.now();
        let workers = lullaby.store().workers().await?;
        let heard = workers
            .iter()
            .any(|worker| worker.queues.contains(&job.template.queue));
        out.show(&job_json(&job), || text(&job, now, heard))?;
        Ok(true)
    }
}

fn text(job: &Job, now: Timestamp, heard: bool) -> String {
    let template = &job.template;
    let mut lines = vec![
        ("job", job.id.to_string()),
        (
            "status",
            format!("{}: {}", job.status, why(job, now, heard)),
        ),
        ("call", format!("{}{}", template.task, template.payload)),
        ("queue", template.queue.to_string()),
    ];
    if let Some(text) = &template.description {
        lines.push(("about", text.clone()));
    }
    if let Some(subject) = &template.subject {
        lines.push(("subject", subject.clone()));
    }
    if let Some(slot) = &job.slot {
        let stands_for = match slot.stands_for {
            1 => String::new(),
            many => format!(", stands for {many} slots"),
        };
        lines.push((
            "slot",
            format!(
                "number {} of schedule {:?}, due {}{stands_for}",
                slot.number, slot.schedule, slot.at
            ),
        ));
    }
    for (name, at) in [
        ("created", Some(job.created_at)),
        ("due", job.due_at),
        ("enqueued", job.enqueued_at),
        ("started", job.started_at),
        ("ended", job.ended_at),
        ("kept until", job.expires_at),
    ] {
        if let Some(at) = at {
            lines.push((name, format!("{at} ({})", relative(at, now))));
        }
    }
    if let Some(worker) = &job.worker {
        lines.push(("worker", worker.clone()));
    }
    if job.failures + job.lost > 0 {
        let retries = template.options.retry.as_ref().map_or(0, |retry| retry.max);
        lines.push((
            "tries",
            format!(
                "{} failed ({retries} retries allowed), {} lost with their worker",
                job.failures, job.lost
            ),
        ));
    }
    if !template.meta.is_empty() {
        let meta = serde_json::Value::Object(template.meta.clone());
        lines.push(("meta", meta.to_string()));
    }
    if let Some(result) = &job.result {
        lines.push(("result", result.clone()));
    }
    if let Some(error) = &job.error {
        lines.push(("error", error.replace('\n', "\n            ")));
    }
    lines
        .iter()
        .map(|(name, value)| format!("{name:10}  {value}\n"))
        .collect()
}

/// Why it stands where it does, in a sentence.
fn why(job: &Job, now: Timestamp, heard: bool) -> String {
    match job.status {
        Status::Scheduled if job.failures > 0 => {
            "failed, and will be tried again when it is due".into()
        }
        Status::Scheduled if job.due_at.is_some_and(|due| due <= now) => {
            "it is due, and no scheduler has moved it: is a worker running?".into()
        }
        Status::Scheduled => "waits for its time".into(),
        Status::Queued if heard => "waits for a free worker".into(),
        Status::Queued => "waits, and no worker listens on its queue".into(),
        Status::Started if job.stop_requested => "runs, and was asked to stop".into(),
        Status::Started => format!(
            "runs for {}",
            span(now.since(job.started_at.unwrap_or(now)))
        ),
        Status::Failed if job.lost >= lullaby::store::POISON_LOSSES => {
            "its worker vanished too often; `lullaby requeue` gives it another chance".into()
        }
        Status::Failed => "no try is left; `lullaby requeue` gives it another chance".into(),
        Status::Finished => "done".into(),
        Status::Deferred => "waits for other jobs".into(),
        Status::Canceled => "withdrawn before it ran".into(),
        Status::Stopped => "stopped while it ran".into(),
        _ => "known, but nowhere yet".into(),
    }
}
