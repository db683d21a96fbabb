//! `lullaby info`

use lullaby::store::{JobFilter, Page, QueueInfo};
use lullaby::{Entry, Lullaby, Status, Timestamp};
use serde_json::json;

use crate::print::{Out, relative, table};

const SHOWN: [Status; 6] = [
    Status::Queued,
    Status::Started,
    Status::Scheduled,
    Status::Finished,
    Status::Failed,
    Status::Canceled,
];

pub(crate) async fn run(lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
    let store = lullaby.store();
    let now = lullaby.now();
    let queues = store.queues().await?;
    let workers = store.workers().await?;
    let page = Page {
        offset: 0,
        length: 5,
    };
    let next = lullaby.scheduler().get_jobs(None, page).await?;
    let schedules = store.count_schedules(None).await?;
    let overdue = store
        .count_jobs(&JobFilter {
            due_until: Some(now),
            ..JobFilter::default()
        })
        .await?;
    let value = json!({
        "store": store.location(),
        "queues": queues,
        "schedules": schedules,
        "overdue": overdue,
        "workers": workers.iter().map(|worker| json!({
            "name": worker.name,
            "queues": worker.queues,
            "concurrency": worker.concurrency,
            "running": worker.running,
            "pid": worker.pid,
            "host": worker.host,
            "started_at": worker.started_at.to_string(),
            "seen_at": worker.seen_at.to_string(),
        })).collect::<Vec<_>>(),
        "next": next.iter().map(|entry| json!({
            "at": entry.at().map(|at| at.to_string()),
            "what": what(entry),
        })).collect::<Vec<_>>(),
    });
    out.show(&value, || {
        let mut text = format!("{}\n\n", store.location());
        text += &queue_table(&queues);
        text += "\n";
        if workers.is_empty() {
            text += "No worker is running. Jobs wait safely in their queues.\n";
        } else {
            let rows: Vec<_> = workers
                .iter()
                .map(|worker| worker_row(worker, now))
                .collect();
            text += &table(&["worker", "busy", "seen", "queues"], &rows);
        }
        if overdue > 0 && workers.is_empty() {
            text += &format!("\n{overdue} scheduled jobs are overdue: nobody is moving them.\n");
        }
        if !next.is_empty() {
            let rows: Vec<_> = next.iter().map(|entry| next_row(entry, now)).collect();
            text += "\n";
            text += &table(&["next", "", "what"], &rows);
        }
        let noun = if schedules == 1 {
            "schedule"
        } else {
            "schedules"
        };
        text += &format!("\n{schedules} {noun}\n");
        text
    })?;
    Ok(true)
}

fn queue_table(queues: &[QueueInfo]) -> String {
    if queues.is_empty() {
        return "No jobs.\n".to_owned();
    }
    let mut head = vec!["queue"];
    head.extend(SHOWN.map(Status::as_str));
    let rows: Vec<_> = queues
        .iter()
        .map(|queue| {
            let count = |status| queue.counts.get(&status).copied().unwrap_or(0).to_string();
            let mut row = vec![queue.name.to_string()];
            row.extend(SHOWN.map(count));
            row
        })
        .collect();
    table(&head, &rows)
}

fn worker_row(worker: &lullaby::store::WorkerRecord, now: Timestamp) -> Vec<String> {
    let queues: Vec<_> = worker.queues.iter().map(ToString::to_string).collect();
    vec![
        worker.name.clone(),
        format!("{} of {}", worker.running, worker.concurrency),
        relative(worker.seen_at, now),
        queues.join(", "),
    ]
}

fn next_row(entry: &Entry, now: Timestamp) -> Vec<String> {
    let at = entry.at();
    vec![
        at.map_or_else(|| "ended".to_owned(), |at| relative(at, now)),
        at.map(|at| at.to_string()).unwrap_or_default(),
        what(entry),
    ]
}

fn what(entry: &Entry) -> String {
    match entry {
        Entry::Job(job) => format!("{} ({})", job.description(), job.id),
        Entry::Schedule(schedule) => format!(
            "schedule {:?}: {}{}",
            schedule.name, schedule.spec.template.task, schedule.spec.template.payload
        ),
    }
}
