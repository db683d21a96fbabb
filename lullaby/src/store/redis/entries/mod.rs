//! rq-scheduler's entries: jobs in `rq:scheduler:scheduled_jobs`, whose recurrence stands in their notes.
//!
//! This takes the place of the Python program `rqscheduler`. What differs, all for the better: an entry runs in one step, so that no
//! death in between loses or doubles it; intervals keep their grid instead of drifting by the poll; one entry that cannot be read
//! leaves the others alone. No lock is held: each step looks itself whether rq-scheduler is in a round of its own, and then stands by.

mod plan;

use std::collections::BTreeMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script};

use self::plan::{Entry, Ours, plan};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// The entries. rq-scheduler knows no other prefix than `rq`.
const ENTRIES: &str = "rq:scheduler:scheduled_jobs";
/// Held by rq-scheduler while it does a round, and up to 70 s after it was killed in one.
const LOCK: &str = "rq:scheduler_lock";
/// How many entries are read at once.
const PAGE: usize = 200;
/// A server that forks for its persistence may take seconds.
const ANSWER: Duration = Duration::from_secs(15);

/// rq-scheduler's entries in one Redis.
#[derive(Debug)]
pub struct ForeignEntries {
    client: Client,
    connection: Option<MultiplexedConnection>,
    prefix: String,
}

/// What became of the entries that were due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// How many ran.
    pub fired: usize,
    /// How many were taken out because their job's record is gone.
    pub gone: usize,
    /// Those that are due and were left as they are, by id, with the reason.
    pub unread: BTreeMap<String, String>,
    /// True if rq-scheduler is in a round of its own, or died in one less than 70 s ago.
    pub standing_by: bool,
    /// When the next entry is due.
    pub next_due: Option<Timestamp>,
    /// How many entries there are.
    pub waiting: u64,
}

/// An entry and its job, as they were read.
struct Found {
    id: String,
    score: f64,
    job: Option<Job>,
}

struct Job {
    origin: String,
    meta: Vec<u8>,
    depends: bool,
    ours: Option<Ours>,
}

impl ForeignEntries {
    /// Those at `url`, with the queues and jobs under `prefix` (`rq`, if `RQ_KEY_PREFIX` does not say otherwise). Connects at the first
    /// round.
    ///
    /// # Errors
    /// If the URL is none of Redis'.
    pub fn open(url: &str, prefix: &str) -> Result<Self> {
        let client = Client::open(url).map_err(|error| {
            Error::invalid(format!(
                "expected Redis as redis://[user:password@]host[:port][/db] or unix:///path: {}",
                error.detail().unwrap_or("it is no URL")
            ))
        })?;
        Ok(Self {
            client,
            connection: None,
            prefix: prefix.to_owned(),
        })
    }

    /// Runs every entry that is due by the server's clock. Cancel safe: each entry ran as a whole or not at all.
    ///
    /// # Errors
    /// If Redis cannot be reached; the next round connects anew.
    pub async fn run_due(&mut self) -> Result<Round> {
        let round = self.round().await;
        if round.is_err() {
            self.connection = None;
        }
        round.map_err(|error| Error::store_because("Redis", error))
    }

    async fn round(&mut self) -> Result<Round, RedisError> {
        let mut connection = self.connect().await?;
        let mut round = Round::default();
        let (seconds, micros): (f64, f64) = redis::cmd("TIME").query_async(&mut connection).await?;
        let now = seconds + micros / 1e6;
        // Entries that stay behind are paged over, so that they never hide those behind them.
        let mut stay = 0;
        loop {
            let page = self.due(&mut connection, now, stay).await?;
            let more = page.len() == PAGE;
            for found in page {
                if !self.settle(&mut connection, found, now, &mut round).await? {
                    stay += 1;
                }
                if round.standing_by {
                    round.next_due = Some(at(now + 1.0));
                    return Ok(round);
                }
            }
            if !more {
                break;
            }
        }
        let (waiting, next): (u64, Vec<(String, f64)>) = redis::pipe()
            .zcard(ENTRIES)
            .cmd("ZRANGEBYSCORE")
            .arg(ENTRIES)
            .arg(format!("({now}"))
            .arg("+inf")
            .arg("WITHSCORES")
            .arg("LIMIT")
            .arg(0)
            .arg(1)
            .query_async(&mut connection)
            .await?;
        round.waiting = waiting;
        round.next_due = next.first().map(|(_, score)| at(*score));
        Ok(round)
    }

    async fn connect(&mut self) -> Result<MultiplexedConnection, RedisError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let connection = made.await?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    /// A page of what is due, with what is known of each.
    async fn due(
        &self,
        connection: &mut MultiplexedConnection,
        now: f64,
        offset: usize,
    ) -> Result<Vec<Found>, RedisError> {
        let due: Vec<(String, f64)> = redis::cmd("ZRANGEBYSCORE")
            .arg(ENTRIES)
            .arg("-inf")
            .arg(now)
            .arg("WITHSCORES")
            .arg("LIMIT")
            .arg(offset)
            .arg(PAGE)
            .query_async(connection)
            .await?;
        let mut found = Vec::with_capacity(due.len());
        let mut pipe = redis::pipe();
        for (id, _) in &due {
            pipe.exists(self.job_key(id))
                .hmget(self.job_key(id), &["origin", "meta", "dependency_ids"])
                .hmget(own_key(id), &["score", "repeat"]);
        }
        if due.is_empty() {
            return Ok(found);
        }
        let answers: Vec<redis::Value> = pipe.query_async(connection).await?;
        for ((id, score), answer) in due.into_iter().zip(answers.chunks_exact(3)) {
            let exists: bool = redis::from_redis_value_ref(&answer[0])?;
            let [origin, meta, depends]: [Option<Vec<u8>>; 3] =
                redis::from_redis_value_ref(&answer[1])?;
            let [ours, left]: [Option<f64>; 2] = redis::from_redis_value_ref(&answer[2])?;
            let job = exists.then(|| Job {
                origin: String::from_utf8_lossy(&origin.unwrap_or_default()).into_owned(),
                meta: meta.unwrap_or_default(),
                depends: depends.is_some_and(|ids| !ids.is_empty() && ids != b"[]"),
                ours: ours.map(|due| Ours {
                    due,
                    left: left.map(|left| left as i64),
                }),
            });
            found.push(Found { id, score, job });
        }
        Ok(found)
    }

    /// Runs one entry, or says why not. False if it stays where it is.
    async fn settle(
        &self,
        connection: &mut MultiplexedConnection,
        found: Found,
        now: f64,
        round: &mut Round,
    ) -> Result<bool, RedisError> {
        let Found { id, score, job } = found;
        let Some(job) = job else {
            // rq-scheduler writes the job before its entry, so this one is gone for good.
            tracing::warn!(%id, "a schedule's job is gone: its record expired or was deleted");
            let () = redis::cmd("ZREM")
                .arg(ENTRIES)
                .arg(&id)
                .query_async(connection)
                .await?;
            round.gone += 1;
            return Ok(true);
        };
        if let Some(reason) = unready(&id, &job) {
            round.unread.insert(id, reason);
            return Ok(false);
        }
        let entry = Entry {
            due: score,
            meta: job.meta.clone(),
            ours: job.ours,
        };
        let run = match plan(&entry, now) {
            Ok(run) => run,
            Err(reason) => {
                round.unread.insert(id, reason);
                return Ok(false);
            }
        };
        let queue = format!("{}:queue:{}", self.prefix, job.origin);
        let answer: String = Script::new(include_str!("fire.lua"))
            .key(ENTRIES)
            .key(LOCK)
            .key(self.job_key(&id))
            .key(format!("{}:queues", self.prefix))
            .key(queue)
            .key(own_key(&id))
            .arg(&id)
            .arg(score)
            .arg(job.meta)
            .arg(run.next.map(|next| next.to_string()).unwrap_or_default())
            .arg(run.meta)
            .arg(run.left.map(|left| left.to_string()).unwrap_or_default())
            .arg(instant(now))
            .invoke_async(connection)
            .await?;
        match answer.as_str() {
            "fired" => round.fired += 1,
            "locked" => round.standing_by = true,
            // Somebody was faster. What is there now is looked at in the next round.
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn job_key(&self, id: &str) -> String {
        format!("{}:job:{id}", self.prefix)
    }
}

/// Why an entry cannot be run by us, if so.
fn unready(id: &str, job: &Job) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || !id.bytes().all(fits) {
        // Such an id in a queue ends the Python worker that takes it.
        return Some("expected an id of letters, digits, - and _".to_owned());
    }
    if job.origin.is_empty() {
        return Some("its job names no queue".to_owned());
    }
    job.depends
        .then(|| "its job waits for other jobs, which is not supported here".to_owned())
}

fn own_key(id: &str) -> String {
    format!("lullaby:foreign:{id}")
}

/// Rounded up, so that nothing is taken for due before it is.
fn at(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0).ceil() as i64)
}

/// As RQ writes instants: UTC, six digits.
fn instant(seconds: f64) -> String {
    jiff::Timestamp::from_microsecond((seconds * 1e6) as i64)
        .unwrap_or_default()
        .strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string()
}
