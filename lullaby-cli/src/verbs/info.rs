//! `lullaby info`: reads as `rq info` does, and says what else is worth knowing.

use lullaby::store::redis::RedisStore;
use lullaby::store::{JobFilter, Page, QueueInfo, WorkerRecord};
use lullaby::{Entry, Lullaby, Status, Timestamp};
use serde_json::json;

use crate::print::{Colour, Out, relative, table};

/// The longest bar, in blocks.
const BAR: u64 = 40;

/// Beside the queued ones, as `rq info` has them; the others are named where there are any.
const ALWAYS: [(Status, &str); 3] = [
    (Status::Started, "executing"),
    (Status::Finished, "finished"),
    (Status::Failed, "failed"),
];
const SOMETIMES: [Status; 6] = [
    Status::Scheduled,
    Status::Deferred,
    Status::RateLimited,
    Status::ReadyToEnqueue,
    Status::Canceled,
    Status::Stopped,
];

struct Info {
    queues: Vec<QueueInfo>,
    workers: Vec<WorkerRecord>,
    next: Vec<Entry>,
    schedules: u64,
    foreign: u64,
    quarantine: u64,
    overdue: u64,
    advice: Vec<String>,
}

pub(crate) async fn run(lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
    let now = lullaby.now();
    let info = Info::read(lullaby, now).await?;
    let location = lullaby.store().location();
    out.show(&info.json(&location), || {
        info.text(&location, now, out.colour)
    })?;
    Ok(true)
}

impl Info {
    async fn read(lullaby: &Lullaby, now: Timestamp) -> lullaby::Result<Self> {
        let store = lullaby.store();
        let page = Page {
            offset: 0,
            length: 5,
        };
        let overdue = JobFilter {
            due_until: Some(now),
            ..JobFilter::default()
        };
        let (mut foreign, mut advice) = (0, Vec::new());
        if let Some(redis) = store.as_any().downcast_ref::<RedisStore>() {
            foreign = redis.foreign_entries().count().await?;
            advice = redis.advice().await?;
        }
        Ok(Self {
            queues: store.queues().await?,
            workers: store.workers().await?,
            next: lullaby.scheduler().get_jobs(None, page).await?,
            schedules: store.count_schedules(None).await?,
            foreign,
            quarantine: store.count_quarantine().await?,
            overdue: store.count_jobs(&overdue).await?,
            advice,
        })
    }

    fn json(&self, location: &str) -> serde_json::Value {
        json!({
            "store": location,
            "queues": self.queues,
            "schedules": self.schedules,
            "rq_scheduler_entries": self.foreign,
            "quarantine": self.quarantine,
            "overdue": self.overdue,
            "workers": self.workers.iter().map(|worker| json!({
                "name": worker.name,
                "queues": worker.queues,
                "concurrency": worker.concurrency,
                "running": worker.running,
                "pid": worker.pid,
                "host": worker.host,
                "started_at": worker.started_at.to_string(),
                "seen_at": worker.seen_at.to_string(),
            })).collect::<Vec<_>>(),
            "next": self.next.iter().map(|entry| json!({
                "at": entry.at().map(|at| at.to_string()),
                "what": what(entry),
            })).collect::<Vec<_>>(),
            "advice": self.advice,
        })
    }

    fn text(&self, location: &str, now: Timestamp, colour: Colour) -> String {
        let mut text = format!("{location}\n\n");
        text += &queue_lines(&self.queues, colour);
        let jobs: u64 = self
            .queues
            .iter()
            .map(|queue| count(queue, Status::Queued))
            .sum();
        text += &format!(
            "{}, {} total\n\n",
            many(self.queues.len(), "queue"),
            many(jobs, "job")
        );
        for worker in &self.workers {
            text += &worker_line(worker, now);
        }
        text += &format!(
            "{}, {}\n",
            many(self.workers.len(), "worker"),
            many(self.queues.len(), "queue")
        );
        if self.workers.is_empty() {
            text += "No worker is running. Jobs wait safely in their queues.\n";
        }
        if self.overdue > 0 && self.workers.is_empty() {
            text += &colour.warning(&format!(
                "{} overdue: nobody is moving them.\n",
                many(self.overdue, "scheduled job")
            ));
        }
        if !self.next.is_empty() {
            let rows: Vec<_> = self.next.iter().map(|entry| next_row(entry, now)).collect();
            text += "\n";
            text += &table(&["next", "", "what"], &rows);
        }
        text += &format!("\n{}\n", many(self.schedules, "schedule"));
        if self.foreign > 0 {
            text += &format!(
                "{} of rq-scheduler's (lullaby schedule list)\n",
                self.foreign
            );
        }
        if self.quarantine > 0 {
            let aside = many(self.quarantine, "job");
            text += &colour.warning(&format!("{aside} in quarantine (lullaby quarantine)\n"));
        }
        for advice in &self.advice {
            text += &colour.warning(&format!("! {advice}\n"));
        }
        text
    }
}

fn count(queue: &QueueInfo, status: Status) -> u64 {
    queue.counts.get(&status).copied().unwrap_or(0)
}

/// A line for each queue: a bar as long as what waits in it, and the counts.
fn queue_lines(queues: &[QueueInfo], colour: Colour) -> String {
    let width = queues
        .iter()
        .map(|queue| queue.name.as_str().chars().count())
        .max();
    let width = width.unwrap_or(0);
    let most = queues
        .iter()
        .map(|queue| count(queue, Status::Queued))
        .max();
    let scale = most.unwrap_or(0).max(BAR);
    let line = |queue: &QueueInfo| {
        let queued = count(queue, Status::Queued);
        // Something always shows, however little it is beside the longest queue.
        let bar = "█".repeat(usize::try_from((queued * BAR).div_ceil(scale)).unwrap_or(0));
        let mut counts = vec![format!("{queued}")];
        for (status, name) in ALWAYS {
            let text = format!("{} {name}", count(queue, status));
            let failed = status == Status::Failed && count(queue, status) > 0;
            counts.push(if failed { colour.bad(&text) } else { text });
        }
        for status in SOMETIMES {
            if count(queue, status) > 0 {
                counts.push(format!("{} {status}", count(queue, status)));
            }
        }
        let name = format!("{:width$}", queue.name.as_str());
        format!("{name} |{} {}\n", colour.good(&bar), counts.join(", "))
    };
    queues.iter().map(line).collect()
}

fn worker_line(worker: &WorkerRecord, now: Timestamp) -> String {
    let queues: Vec<_> = worker.queues.iter().map(ToString::to_string).collect();
    let state = match worker.running {
        0 => "idle".to_owned(),
        running => format!("busy, {running} of {}", worker.concurrency),
    };
    format!(
        "{} ({} {}): {state}; {}; seen {}\n",
        worker.name,
        worker.host,
        worker.pid,
        queues.join(", "),
        relative(worker.seen_at, now)
    )
}

fn many(count: impl TryInto<u64>, noun: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use lullaby::QueueName;

    fn queue(name: &str, counts: &[(Status, u64)]) -> QueueInfo {
        QueueInfo {
            name: QueueName::new(name).expect("a name"),
            counts: counts.iter().copied().collect(),
        }
    }

    #[test]
    fn queues_read_as_in_rq_info() {
        let queues = [
            queue("high", &[(Status::Queued, 2), (Status::Failed, 1)]),
            queue("low", &[(Status::Scheduled, 7)]),
        ];
        assert_eq!(
            queue_lines(&queues, Colour::Never),
            "high |██ 2, 0 executing, 0 finished, 1 failed\n\
             low  | 0, 0 executing, 0 finished, 0 failed, 7 scheduled\n"
        );
    }

    #[test]
    fn bars_are_short_and_never_vanish() {
        let queues = [
            queue("a", &[(Status::Queued, 1_000_000)]),
            queue("b", &[(Status::Queued, 1)]),
        ];
        let text = queue_lines(&queues, Colour::Never);
        let bars: Vec<_> = text.lines().map(|line| line.matches('█').count()).collect();
        assert_eq!(bars, [40, 1]);
    }
}
