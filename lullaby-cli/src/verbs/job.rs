//! `lullaby job ID`

use lullaby::webhook::Method;
use lullaby::{Attempt, Job, JobId, Lullaby, Timestamp};
use serde_json::json;

use crate::print::{Out, job_json, relative, span};

/// Shows all about one job.
#[derive(clap::Args, Debug)]
pub(crate) struct ShowJob {
    /// Its id
    id: JobId,
}

impl ShowJob {
    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let handle = lullaby.job(self.id.clone());
        let Some(job) = handle.job().await? else {
            eprintln!(
                "lullaby: there is no job {} (any more): a finished one is kept for its result_ttl",
                self.id
            );
            return Ok(false);
        };
        let why = lullaby.why_job(&self.id).await?.because;
        let history = handle.history().await?;
        let mut json = job_json(&job);
        json["why"] = json!(why);
        json["history"] = history.iter().map(attempt_json).collect();
        out.show(&json, || text(&job, &history, lullaby.now(), &why))?;
        Ok(true)
    }
}

fn attempt_json(attempt: &Attempt) -> serde_json::Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "started_at": time(attempt.started_at),
        "ended_at": time(attempt.ended_at),
        "outcome": attempt.outcome,
        "worker": attempt.worker,
        "error": attempt.error,
    })
}

/// `2026-11-26T01:00:00.000Z  0.250s  failed on worker-1: no milk`
fn attempt_line(attempt: &Attempt) -> String {
    let Attempt {
        started_at,
        ended_at,
        ..
    } = attempt;
    let at = started_at
        .or(*ended_at)
        .map(|at| at.to_string())
        .unwrap_or_default();
    let took = match (started_at, ended_at) {
        (Some(started), Some(ended)) => span(ended.since(*started)),
        _ => String::new(),
    };
    let by = attempt
        .worker
        .as_ref()
        .map_or_else(String::new, |worker| format!(" on {worker}"));
    let why = attempt.headline().unwrap_or_default();
    let why = match why {
        "" => String::new(),
        line => format!(": {line}"),
    };
    format!("{at}  {took:>8}  {}{by}{why}", attempt.outcome)
}

fn text(job: &Job, history: &[Attempt], now: Timestamp, why: &str) -> String {
    let template = &job.template;
    let mut lines = vec![
        ("job", job.id.to_string()),
        ("status", format!("{}: {why}", job.status)),
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
    if !job.depends_on.is_empty() {
        let ids: Vec<_> = job.depends_on.jobs.iter().map(JobId::as_str).collect();
        let also = match job.depends_on.allow_failure {
            true => "; failed ones will do",
            false => "",
        };
        lines.push(("depends on", format!("{}{also}", ids.join(", "))));
    }
    if let Some(limit) = &template.options.rate_limit {
        let text = format!("{} of {:?} at once", limit.concurrency, limit.key);
        lines.push(("rate limit", text));
    }
    for webhook in &template.options.webhooks {
        let method = match webhook.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let text = format!("when {}: {method} {}", webhook.job_status, webhook.url);
        lines.push(("webhook", text));
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
    for (number, attempt) in history.iter().enumerate() {
        let name = if number == 0 { "history" } else { "" };
        lines.push((name, attempt_line(attempt)));
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
