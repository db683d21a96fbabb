//! Workers as RQ keeps them, so that `rq info` and dashboards list ours, and ours list Python's.

use redis::Value;

use super::Core;
use super::answer::texts;
use super::hash::Hash;
use super::text_of::rq_text;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::job::QueueName;
use crate::store::WorkerRecord;

/// RQ's `worker_ttl` of 420 s and its margin.
const TTL: i64 = 480;

impl Core {
    pub(super) async fn announce(&self, worker: &WorkerRecord) -> Result<()> {
        let key = self.keys.worker(&worker.name);
        let queues: Vec<_> = worker.queues.iter().map(QueueName::as_str).collect();
        let state = if worker.running > 0 { "busy" } else { "idle" };
        let mut pipe = redis::pipe();
        pipe.atomic();
        let record = pipe.cmd("HSET").arg(&key);
        let fields = [
            ("birth", rq_text(worker.started_at)),
            ("last_heartbeat", rq_text(worker.seen_at)),
            ("queues", queues.join(",")),
            ("pid", worker.pid.to_string()),
            ("hostname", worker.host.clone()),
            ("ip_address", "unknown".to_owned()),
            (
                "version",
                concat!("lullaby ", env!("CARGO_PKG_VERSION")).to_owned(),
            ),
            ("python_version", "none: a Rust worker".to_owned()),
            ("state", state.to_owned()),
            ("lullaby_concurrency", worker.concurrency.to_string()),
            ("lullaby_running", worker.running.to_string()),
            ("lullaby_started", worker.started_at.as_millis().to_string()),
            ("lullaby_seen", worker.seen_at.as_millis().to_string()),
        ];
        for (name, value) in fields {
            record.arg(name).arg(value);
        }
        pipe.cmd("SADD").arg(self.keys.workers()).arg(&key);
        for queue in queues {
            pipe.cmd("SADD").arg(self.keys.workers_of(queue)).arg(&key);
        }
        if self.judges_by_server() {
            pipe.cmd("EXPIRE").arg(&key).arg(TTL);
        }
        self.link.pipeline(&pipe).await?;
        Ok(())
    }

    pub(super) async fn retire(&self, name: &str) -> Result<()> {
        let key = self.keys.worker(name);
        let mut read = redis::cmd("HGETALL");
        read.arg(&key);
        let queues = Hash::new(self.link.command(&read).await?).text("queues");
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("SREM").arg(self.keys.workers()).arg(&key);
        for queue in queues.as_deref().unwrap_or_default().split(',') {
            pipe.cmd("SREM").arg(self.keys.workers_of(queue)).arg(&key);
        }
        pipe.cmd("DEL").arg(&key).arg(format!("{key}:executions"));
        self.link.pipeline(&pipe).await?;
        Ok(())
    }

    pub(super) async fn list_workers(&self) -> Result<Vec<WorkerRecord>> {
        let mut command = redis::cmd("SMEMBERS");
        command.arg(self.keys.workers());
        let mut keys = texts(self.link.command(&command).await?)?;
        keys.sort_unstable();
        let mut pipe = redis::pipe();
        for key in &keys {
            pipe.cmd("HGETALL").arg(key);
        }
        let hashes = self.link.pipeline(&pipe).await?;
        let prefix = self.keys.worker("");
        let records = keys
            .iter()
            .zip(hashes)
            .filter_map(|(key, hash): (_, Value)| {
                let name = key.strip_prefix(&prefix)?;
                record(name, &Hash::new(hash))
            });
        Ok(records.collect())
    }
}

fn record(name: &str, hash: &Hash<'_>) -> Option<WorkerRecord> {
    if hash.is_empty() || hash.text("death").is_some() {
        return None;
    }
    let number = |name: &str| hash.text(name).and_then(|text| text.parse().ok());
    let instant = |own: &str, rq: &str| {
        let ms = hash.text(own).and_then(|text| text.parse().ok());
        ms.map(Timestamp::from_millis)
            .or_else(|| hash.text(rq)?.parse().ok())
            .unwrap_or_default()
    };
    let queues = hash.text("queues").unwrap_or_default();
    let busy = hash.text("state").as_deref() == Some("busy");
    Some(WorkerRecord {
        name: name.to_owned(),
        queues: queues
            .split(',')
            .filter(|queue| !queue.is_empty())
            .map(QueueName::from_store)
            .collect(),
        // A Python worker runs one job at a time.
        concurrency: number("lullaby_concurrency").unwrap_or(1),
        running: number("lullaby_running").unwrap_or(usize::from(busy)),
        pid: hash
            .text("pid")
            .and_then(|pid| pid.parse().ok())
            .unwrap_or(0),
        host: hash.text("hostname").unwrap_or_default(),
        started_at: instant("lullaby_started", "birth"),
        seen_at: instant("lullaby_seen", "last_heartbeat"),
    })
}
