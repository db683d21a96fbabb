//! Reading: jobs, lists, counts.
//!
//! RQ's lists and registries say where a job stands, Python's jobs included; the order within a list comes from the jobs themselves.

mod scheduled;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use redis::Value;

use super::Core;
use super::answer::{array, count, optional_text, texts};
use super::hash::{Hash, Obstacle, Run};
use super::scripts::{self, BATCH};
use super::serializer::Serializer;
use super::zlib::{Inflated, inflate};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::event::{Event, EventId};
use crate::history::Attempt;
use crate::job::{Job, JobId, QueueName, Status, Token};
use crate::store::{JobFilter, Page, QueueInfo};

/// The statuses that have a list or registry of their own.
const LISTED: [Status; 9] = [
    Status::Scheduled,
    Status::Queued,
    Status::Started,
    Status::Finished,
    Status::Failed,
    Status::Deferred,
    Status::Canceled,
    Status::Stopped,
    Status::ReadyToEnqueue,
];

/// How the ids of our executions begin.
const OURS: &str = "000000000000000000";

/// What decides whether and where a job is listed.
struct Brief {
    id: JobId,
    status: Status,
    queue: String,
    subject: Option<String>,
    created_at: Timestamp,
    number: u64,
    rank: i64,
}

impl Core {
    pub(super) async fn read_jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let mut jobs = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let mut pipe = redis::pipe();
            for id in batch {
                pipe.cmd("HGETALL").arg(self.keys.job(id.as_str()));
            }
            let hashes = self.link.pipeline(&pipe).await?;
            let hashes: Vec<_> = hashes.into_iter().map(Hash::new).collect();
            let mut pipe = redis::pipe();
            for (id, _) in batch
                .iter()
                .zip(&hashes)
                .filter(|(_, hash)| hash.wants_result())
            {
                let key = self.keys.results(id.as_str());
                pipe.cmd("XREVRANGE")
                    .arg(key)
                    .arg("+")
                    .arg("-")
                    .arg("COUNT")
                    .arg(1);
            }
            let mut results = self.link.pipeline(&pipe).await?.into_iter();
            for (id, hash) in batch.iter().zip(&hashes) {
                if hash.is_empty() {
                    jobs.push(None);
                    continue;
                }
                let (mut job, obstacle) = hash.job(id);
                if let Some(entry) = hash.wants_result().then(|| results.next()).flatten() {
                    add_result(&mut job, entry)?;
                }
                if let Some(Obstacle::Undecodable(why) | Obstacle::PythonOnly(why)) = obstacle {
                    job.template.description.get_or_insert(why);
                }
                jobs.push(Some(job));
            }
        }
        self.add_due_times(&mut jobs).await?;
        Ok(jobs)
    }

    /// Ours are in the job's hash; those that ended for good also in RQ's stream of results, and Python's only there.
    pub(super) async fn read_attempts(&self, id: &JobId) -> Result<Vec<Attempt>> {
        let mut pipe = redis::pipe();
        let job = self.keys.job(id.as_str());
        pipe.cmd("HGET").arg(job).arg("lullaby_attempts");
        let results = self.keys.results(id.as_str());
        let stream = pipe.cmd("XREVRANGE").arg(results).arg("+").arg("-");
        stream.arg("COUNT").arg(100);
        let answers = Value::Array(self.link.pipeline(&pipe).await?);
        let [kept, results] = super::answer::tuple(answers)?;
        let mut attempts = kept_attempts(optional_text(kept)?.as_deref());
        for one in array(results)? {
            let one = attempt(one)?;
            let known = one.token.is_some() && attempts.iter().any(|kept| kept.token == one.token);
            if !known {
                attempts.push(one);
            }
        }
        attempts.sort_by_key(|one| one.ended_at);
        Ok(attempts)
    }

    async fn queue_names(&self, only: Option<&QueueName>) -> Result<Vec<String>> {
        if let Some(queue) = only {
            return Ok(vec![queue.as_str().to_owned()]);
        }
        let mut command = redis::cmd("SMEMBERS");
        command.arg(self.keys.queues());
        let prefix = self.keys.queue("");
        let keys = texts(self.link.command(&command).await?)?;
        let mut names: Vec<String> = keys
            .iter()
            .filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    fn list_key(&self, status: Status, queue: &str) -> String {
        match status {
            Status::Queued => self.keys.queue(queue),
            Status::Started => self.keys.registry("wip", queue),
            Status::Stopped => self.keys.stopped(queue),
            Status::ReadyToEnqueue => self.keys.registry("ready", queue),
            other => self.keys.registry(other.as_str(), queue),
        }
    }

    /// Those that wait for a slot of a rate limit, limit by limit. Their lists know no queues.
    async fn rate_limited_ids(&self) -> Result<Vec<JobId>> {
        let mut command = redis::cmd("SMEMBERS");
        command.arg(self.keys.rate_limits());
        let mut limits = texts(self.link.command(&command).await?)?;
        limits.sort_unstable();
        let mut pipe = redis::pipe();
        for limit in &limits {
            let key = self.keys.rate_limited(limit);
            pipe.cmd("ZRANGE").arg(key).arg(0).arg(-1);
        }
        let mut ids = Vec::new();
        for list in self.link.pipeline(&pipe).await? {
            ids.extend(texts(list)?.iter().map(|id| JobId::from_store(id)));
        }
        Ok(ids)
    }

    /// The ids in the lists of these statuses, queue by queue, each once.
    async fn ids_of(
        &self,
        statuses: &[Status],
        queues: &[String],
        filter: &JobFilter,
    ) -> Result<Vec<JobId>> {
        let mut pipe = redis::pipe();
        for queue in queues {
            for status in statuses {
                let key = self.list_key(*status, queue);
                match (status, filter.due_until) {
                    (Status::Queued, _) => pipe.cmd("LRANGE").arg(key).arg(0).arg(-1),
                    (_, Some(until)) => pipe
                        .cmd("ZRANGEBYSCORE")
                        .arg(key)
                        .arg("-inf")
                        .arg(seconds(until)),
                    _ => pipe.cmd("ZRANGE").arg(key).arg(0).arg(-1),
                };
            }
        }
        let mut seen = HashSet::new();
        let mut ids = Vec::new();
        for list in self.link.pipeline(&pipe).await? {
            for member in texts(list)? {
                // Executions are listed as `<job>:<execution>`.
                let id = member.split(':').next().unwrap_or_default();
                if seen.insert(id.to_owned()) {
                    ids.push(JobId::from_store(id));
                }
            }
        }
        Ok(ids)
    }

    async fn briefs(&self, ids: &[JobId]) -> Result<Vec<Brief>> {
        let mut briefs = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let mut pipe = redis::pipe();
            for id in batch {
                pipe.cmd("HMGET").arg(self.keys.job(id.as_str())).arg(&[
                    "status",
                    "origin",
                    "lullaby_subject",
                    "lullaby_n",
                    "created_at",
                    "lullaby_due",
                    "lullaby_lease",
                    "lullaby_run",
                    "ended_at",
                ]);
            }
            for (id, values) in batch.iter().zip(self.link.pipeline(&pipe).await?) {
                let values: Vec<_> = array(values)?
                    .into_iter()
                    .map(optional_text)
                    .collect::<Result<_>>()?;
                briefs.extend(brief(id, &values));
            }
        }
        Ok(briefs)
    }

    /// Those that match, in the order that the filter documents.
    async fn matching(&self, filter: &JobFilter) -> Result<Vec<JobId>> {
        let status = match filter.due_until {
            Some(_) => Some(Status::Scheduled),
            None => filter.status,
        };
        let queues = self.queue_names(filter.queue.as_ref()).await?;
        let statuses: Vec<Status> = match status {
            Some(status) => LISTED.into_iter().filter(|one| *one == status).collect(),
            None => LISTED.to_vec(),
        };
        let in_line = matches!(status, Some(Status::Queued | Status::RateLimited));
        let ids = match &filter.subject {
            // The order of a queue, and of those that wait for a slot, is only in its list.
            Some(subject) if !in_line => {
                let mut command = redis::cmd("ZRANGE");
                command.arg(self.keys.subject(subject)).arg(0).arg(-1);
                let ids = texts(self.link.command(&command).await?)?;
                ids.iter().map(|id| JobId::from_store(id)).collect()
            }
            _ => {
                let mut ids = self.ids_of(&statuses, &queues, filter).await?;
                if status.is_none_or(|status| status == Status::RateLimited) {
                    ids.extend(self.rate_limited_ids().await?);
                }
                ids
            }
        };
        let mut briefs = self.briefs(&ids).await?;
        briefs.retain(|one| {
            status.is_none_or(|status| one.status == status)
                && filter
                    .queue
                    .as_ref()
                    .is_none_or(|queue| one.queue == queue.as_str())
                && filter
                    .subject
                    .as_ref()
                    .is_none_or(|subject| one.subject.as_ref() == Some(subject))
                && filter
                    .due_until
                    .is_none_or(|until| one.rank <= until.as_millis())
        });
        match status {
            Some(Status::Queued | Status::RateLimited) => {}
            Some(status) if status.is_ended() => {
                briefs.sort_by_key(|one| Reverse((one.rank, one.number)));
            }
            Some(_) => briefs.sort_by_key(|one| (one.rank, one.number)),
            None => briefs.sort_by_key(|one| Reverse((one.created_at, one.number))),
        }
        Ok(briefs.into_iter().map(|one| one.id).collect())
    }

    pub(super) async fn page_of_jobs(&self, filter: &JobFilter) -> Result<Vec<Job>> {
        let status = match filter.due_until {
            Some(_) => Some(Status::Scheduled),
            None => filter.status,
        };
        let ids = match (status, &filter.subject) {
            (Some(Status::Queued), None) => {
                self.page_of_lines(filter.queue.as_ref(), filter.page)
                    .await?
            }
            (Some(Status::Scheduled), None) => self.page_of_scheduled(filter).await?,
            _ => {
                let all = self.matching(filter).await?.into_iter();
                let page = all.skip(filter.page.offset).take(filter.page.length);
                page.collect()
            }
        };
        Ok(self.read_jobs(&ids).await?.into_iter().flatten().collect())
    }

    /// A page of what waits in line: straight from the lists, however long they are.
    async fn page_of_lines(&self, queue: Option<&QueueName>, page: Page) -> Result<Vec<JobId>> {
        let mut ids = Vec::new();
        let mut skip = page.offset;
        for queue in self.queue_names(queue).await? {
            let left = page.length - ids.len();
            if left == 0 {
                break;
            }
            let key = self.keys.queue(&queue);
            let index = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            let mut pipe = redis::pipe();
            pipe.cmd("LLEN").arg(&key);
            let last = index(skip.saturating_add(left - 1));
            pipe.cmd("LRANGE").arg(&key).arg(index(skip)).arg(last);
            let [length, found]: [Value; 2] =
                super::answer::tuple(Value::Array(self.link.pipeline(&pipe).await?))?;
            skip = skip.saturating_sub(usize::try_from(count(length)?).unwrap_or(usize::MAX));
            ids.extend(texts(found)?.iter().map(|id| JobId::from_store(id)));
        }
        Ok(ids)
    }

    pub(super) async fn how_many_jobs(&self, filter: &JobFilter) -> Result<u64> {
        if filter.subject.is_some() {
            return Ok(self.matching(filter).await?.len() as u64);
        }
        if let Some(until) = filter.due_until {
            return self.how_many_due(filter.queue.as_ref(), until).await;
        }
        let infos = self.count_queues(filter.queue.as_ref()).await?;
        let counts = infos.iter().flat_map(|info| &info.counts);
        let fits =
            counts.filter(|(status, _)| filter.status.is_none_or(|wanted| wanted == **status));
        Ok(fits.map(|(_, count)| count).sum())
    }

    /// Every queue that holds a job, by name, with its counts.
    pub(super) async fn count_queues(&self, only: Option<&QueueName>) -> Result<Vec<QueueInfo>> {
        let names = self.queue_names(only).await?;
        let mut pipe = redis::pipe();
        for queue in &names {
            for status in LISTED {
                let command = if status == Status::Queued {
                    "LLEN"
                } else {
                    "ZCARD"
                };
                pipe.cmd(command).arg(self.list_key(status, queue));
            }
        }
        let mut lengths = self.link.pipeline(&pipe).await?.into_iter();
        let mut rate_limited: BTreeMap<String, u64> = BTreeMap::new();
        for one in self.briefs(&self.rate_limited_ids().await?).await? {
            let waits = one.status == Status::RateLimited;
            *rate_limited.entry(one.queue).or_default() += u64::from(waits);
        }
        let mut infos = Vec::new();
        for name in names {
            let mut counts = BTreeMap::new();
            for status in LISTED {
                counts.insert(status, count(lengths.next().unwrap_or(Value::Nil))?);
            }
            counts.insert(
                Status::RateLimited,
                rate_limited.get(&name).copied().unwrap_or(0),
            );
            // RQ keeps those that were stopped among those that failed.
            let stopped = counts.get(&Status::Stopped).copied().unwrap_or(0);
            if let Some(failed) = counts.get_mut(&Status::Failed) {
                *failed = failed.saturating_sub(stopped);
            }
            counts.retain(|_, count| *count > 0);
            if !counts.is_empty() {
                let name = QueueName::from_store(&name);
                infos.push(QueueInfo { name, counts });
            }
        }
        Ok(infos)
    }

    pub(super) async fn read_events(
        &self,
        subject: Option<&str>,
        after: EventId,
        limit: usize,
    ) -> Result<Vec<Event>> {
        let mut events: Vec<Event> = Vec::new();
        let mut after = after.0;
        // Ids are exact in Lua up to 2^53, and no store gets that far.
        while events.len() < limit && after < 1 << 53 {
            let batch = (limit - events.len()).min(BATCH);
            let found = match subject {
                Some(subject) => {
                    let call = self.script(&scripts::EVENTS).arg(subject).arg(after);
                    self.link.call(call.arg(batch)).await?
                }
                None => {
                    let mut command = redis::cmd("XRANGE");
                    command
                        .arg(self.keys.events())
                        .arg(format!("{}-0", after + 1))
                        .arg("+");
                    command.arg("COUNT").arg(batch);
                    self.link.command(&command).await?
                }
            };
            let found: Vec<Event> = array(found)?.into_iter().filter_map(event).collect();
            let Some(last) = found.last() else {
                break;
            };
            after = last.id.0;
            events.extend(found);
        }
        Ok(events)
    }

    pub(super) async fn newest_event(&self) -> Result<EventId> {
        let mut command = redis::cmd("GET");
        command.arg(self.keys.last_event());
        Ok(EventId(count(self.link.command(&command).await?)?))
    }
}

/// As scores have instants: seconds, the milliseconds behind the point.
fn seconds(at: Timestamp) -> String {
    let ms = at.as_millis();
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn brief(id: &JobId, values: &[Option<String>]) -> Option<Brief> {
    let [
        status,
        queue,
        subject,
        number,
        created_at,
        due,
        renewed,
        run,
        ended,
    ] = values
    else {
        return None;
    };
    // Without any of these there is no such job (any more).
    if status.is_none() && created_at.is_none() {
        return None;
    }
    let status = status
        .as_ref()
        .map_or(Status::Created, |text| Status::from_store(text));
    let ms = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
    let instant = |text: &Option<String>| {
        let at: Option<Timestamp> = text.as_ref().and_then(|text| text.parse().ok());
        at.unwrap_or_default()
    };
    let rank = match status {
        Status::Scheduled => ms(due).unwrap_or(0),
        Status::Started => run.as_deref().and_then(Run::read).map_or(0, |run| {
            let renewed = ms(renewed).map(Timestamp::from_millis);
            run.lease_until(renewed).as_millis()
        }),
        _ => instant(ended).as_millis(),
    };
    Some(Brief {
        id: id.clone(),
        status,
        queue: queue.clone().unwrap_or_default(),
        subject: subject.clone(),
        created_at: instant(created_at),
        number: number
            .as_ref()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        rank,
    })
}

/// The last entry of a stream of results.
fn add_result(job: &mut Job, stream: Value) -> Result<()> {
    let Some(entry) = array(stream)?.into_iter().next() else {
        return Ok(());
    };
    let [_, fields] = super::answer::tuple(entry)?;
    let fields = Hash::new(fields);
    if job.status == Status::Finished {
        let value = fields.text("return_value").map(|text| BASE64.decode(text));
        job.result = value.map(
            |bytes| match bytes.map(|bytes| Serializer::decode(&bytes)) {
                Ok(Ok(value)) => value.to_string(),
                // What JSON cannot say is shown as a text that says so.
                Ok(Err(what)) => {
                    serde_json::Value::String(format!("(unreadable: {what})")).to_string()
                }
                Err(_) => "\"(unreadable)\"".to_owned(),
            },
        );
    } else if let Some(traceback) = traceback(&fields) {
        job.error = Some(traceback);
    }
    Ok(())
}

fn traceback(fields: &Hash<'_>) -> Option<String> {
    let text = fields.text("exc_string")?;
    let text = BASE64.decode(text).map(|bytes| inflate(&bytes));
    Some(match text {
        Ok(Inflated::Whole(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => "(unreadable)".to_owned(),
    })
}

/// Those that `keep_attempt` in `shared.lua` wrote. What cannot be read counts as none.
fn kept_attempts(json: Option<&str>) -> Vec<Attempt> {
    type Kept = (String, String, String, String, String, String);
    let kept: Vec<Kept> = json
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default();
    let ms = |text: &str| Some(Timestamp::from_millis(text.parse().ok()?));
    let present = |text: String| (!text.is_empty()).then_some(text);
    let attempts = kept
        .into_iter()
        .map(|(token, began, ended, outcome, worker, error)| Attempt {
            token: token.parse().ok().map(Token),
            started_at: ms(&began),
            ended_at: ms(&ended),
            outcome,
            worker: present(worker),
            error: present(error),
        });
    attempts.collect()
}

/// The token of an execution of ours, from the id that RQ knows it by. Python's are random.
fn token_of(execution: &str) -> Option<Token> {
    let digits = execution.strip_prefix(OURS)?;
    u64::from_str_radix(digits, 16).ok().map(Token)
}

/// One entry of a stream of results: how one execution ended.
fn attempt(entry: Value) -> Result<Attempt> {
    let [id, fields] = super::answer::tuple(entry)?;
    let (id, fields) = (super::answer::text(id)?, Hash::new(fields));
    let seconds = |name: &str| {
        let seconds: f64 = fields.text(name)?.parse().ok()?;
        Some(Timestamp::from_millis((seconds * 1000.0).round() as i64))
    };
    let written_at = || {
        let ms = id.split('-').next()?.parse().ok()?;
        Some(Timestamp::from_millis(ms))
    };
    // RQ's `Result.Type`.
    let outcome = match fields.text("type").as_deref() {
        Some("1") => "finished",
        Some("3") => "stopped",
        Some("4") => "retrying",
        _ => "failed",
    };
    Ok(Attempt {
        token: fields.text("execution_id").as_deref().and_then(token_of),
        started_at: seconds("execution_started_at"),
        ended_at: seconds("execution_ended_at").or_else(written_at),
        outcome: outcome.to_owned(),
        worker: fields.text("worker_name"),
        error: traceback(&fields),
    })
}

fn event(entry: Value) -> Option<Event> {
    let [id, fields] = super::answer::tuple(entry).ok()?;
    let id = super::answer::text(id).ok()?;
    let fields = Hash::new(fields);
    Some(Event {
        id: EventId(id.split('-').next()?.parse().ok()?),
        at: Timestamp::from_millis(fields.text("t")?.parse().ok()?),
        subject: fields.text("s").unwrap_or_default(),
        job: fields.text("j").map(|id| JobId::from_store(&id)),
        kind: fields.text("k").unwrap_or_default(),
        data: serde_json::from_str(&fields.text("d")?).ok()?,
    })
}
