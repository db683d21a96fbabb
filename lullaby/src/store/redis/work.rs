//! Claiming jobs, keeping and settling them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rmpv::ValueRef;
use serde_json::Map;

use super::answer::numbers;
use super::hash::{Hash, Obstacle, USUAL_FIELDS, span_ms};
use super::scripts::{self, BATCH, Call};
use super::serializer::Serializer;
use super::under_way::{Plain, Remembered};
use super::zlib::deflate;
use super::{Core, packed};
use crate::clock::{Clock as _, Timestamp};
use crate::error::{Error, Result};
use crate::job::{Execution, Job, JobId, Token};
use crate::store::claimed::{Claimed, GiveBack};
use crate::store::{Claim, Ending, Renewed, Settled, Settlement, Topic};

/// Pauses for which this process leaves a job alone that it cannot run and others may.
const FIRST_AVOIDANCE: Duration = Duration::from_secs(1);
const LONGEST_AVOIDANCE: Duration = Duration::from_secs(30);
/// How many such jobs are remembered: each claim names them all.
const MOST_AVOIDED: usize = 500;
/// How many jobs that were refused wait for a worker to tell of them.
const MOST_REFUSED: usize = 1000;
/// How long this process pauses when it had to forget one. Else a queue with thousands of Python's jobs would go round and round.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// Jobs that this process hands back because it has no handler for them.
#[derive(Debug, Default)]
pub(super) struct Avoided {
    jobs: HashMap<JobId, (Timestamp, Duration)>,
    /// No claim before then.
    paused_until: Timestamp,
}

impl Avoided {
    /// Leaves a job alone until then, each time for twice as long.
    fn avoid(&mut self, id: JobId, now: Timestamp) -> Duration {
        if self.jobs.len() >= MOST_AVOIDED && !self.jobs.contains_key(&id) {
            let first = self.jobs.iter().min_by_key(|(_, (until, _))| *until);
            if let Some((first, until)) = first.map(|(id, (until, _))| (id.clone(), *until)) {
                self.jobs.remove(&first);
                if until > now {
                    self.paused_until = now + FULL_PAUSE;
                }
            }
        }
        let before = self.jobs.get(&id).map(|(_, pause)| *pause);
        let pause = before.map_or(FIRST_AVOIDANCE, |pause| (pause * 2).min(LONGEST_AVOIDANCE));
        self.jobs.insert(id, (now + pause, pause));
        pause
    }

    fn now(&self, now: Timestamp) -> Vec<JobId> {
        let avoided = self.jobs.iter().filter(|(_, (until, _))| *until > now);
        avoided.map(|(id, _)| id.clone()).collect()
    }
}

impl GiveBack for Arc<Core> {
    fn give_back(&self, unheard: Vec<Settlement>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let core = self.clone();
        runtime.spawn(async move {
            if let Err(error) = core.settle_all(&unheard).await {
                tracing::warn!(%error, "could not give unheard jobs back; they wait for the end of their lease");
            }
        });
    }
}

impl Core {
    /// Claims in a task of its own, so that the jobs are not lost with the caller's future.
    pub(super) async fn claim_safely(self: &Arc<Self>, claim: Claim) -> Result<Claimed<Arc<Self>>> {
        let core = self.clone();
        let task = tokio::spawn(async move {
            let mut claimed = Claimed::new(Vec::new(), core.clone());
            loop {
                let jobs = claimed.jobs();
                let max = claim.max.saturating_sub(jobs.len()).min(BATCH);
                let full = core.claim_batch(&claim, max, jobs).await?;
                if !full || jobs.len() >= claim.max {
                    return Ok(claimed);
                }
            }
        });
        task.await
            .map_err(|error| Error::store_because("the claim was cut off", error))?
    }

    /// Claims up to `max` more; true if there may be even more.
    async fn claim_batch(&self, claim: &Claim, max: usize, jobs: &mut Vec<Job>) -> Result<bool> {
        let paused_until = self.avoided().paused_until;
        if paused_until > self.host_now() {
            self.server.host().sleep_until(paused_until).await;
        }
        let mut call = self
            .script(&scripts::CLAIM)
            .arg(&claim.worker)
            .arg(span_ms(claim.lease))
            .arg(max)
            .arg(claim.queues.len());
        for queue in &claim.queues {
            call = call.arg(queue.as_str());
        }
        for id in self.avoided().now(self.host_now()) {
            call = call.arg(id.as_str());
        }
        let answer = self.link.call(call).await?;
        let answer = packed::read(&answer)?;
        let Some((now, claimed)) = packed::list(&answer)?.split_first() else {
            return Err(Error::store(
                "expected the time of a claim from Redis, got nothing",
            ));
        };
        let now = packed::text(now)?;
        let now = now.parse().map(Timestamp::from_millis).map_err(|error| {
            Error::store_because("expected the time of a claim from Redis", error)
        })?;
        let mut remembered = Vec::with_capacity(claimed.len());
        let mut kinds: Vec<Arc<Plain>> = Vec::new();
        let mut refused = Vec::new();
        for one in claimed {
            let [id, token, fields @ ..] = packed::list(one)? else {
                return Err(Error::store("expected a job and its token from Redis"));
            };
            let token = packed::text(token)?
                .parse()
                .map(Token)
                .map_err(|error| Error::store_because("expected a token from Redis", error))?;
            let id = JobId::from_store(&packed::text(id)?);
            let (hash, is_plain) = match fields {
                [fields, mark] => (
                    whole_hash(packed::list(fields)?),
                    matches!(&*packed::text(mark)?, "=" | "~"),
                ),
                values => (usual_hash(values), true),
            };
            let (mut job, obstacle) = hash.job(&id);
            job.status = crate::job::Status::Started;
            job.started_at = Some(now);
            job.worker = Some(claim.worker.clone());
            job.lease_until = Some(now + claim.lease);
            job.expires_at = None;
            job.ended_at = None;
            job.token = Some(token);
            let plain = is_plain.then(|| shared(&mut kinds, &job, claim, now));
            let of_execution = Remembered {
                serializer: hash.serializer(),
                plain,
                followed: hash.followed(),
            };
            remembered.push((token, of_execution));
            match obstacle {
                None => jobs.push(job),
                Some(obstacle) => refused.push((job, obstacle)),
            }
        }
        self.under_way.remember(remembered);
        self.refuse(refused).await?;
        Ok(max > 0 && claimed.len() == max)
    }

    /// Calls that nobody here can run: those of Python's objects are Python's, and what is no call is put aside.
    async fn refuse(&self, refused: Vec<(Job, Obstacle)>) -> Result<()> {
        let mut settlements = Vec::new();
        let mut jobs = Vec::new();
        for (mut job, obstacle) in refused {
            let Some(execution) = job.execution() else {
                continue;
            };
            let ending = match obstacle {
                Obstacle::PythonOnly(what) => Ending::CannotHonour {
                    error: format!(
                        "{} is called with {what}, which only a Python worker can make sense of; none listens on the queue {}",
                        job.template.task, job.template.queue
                    ),
                },
                Obstacle::Undecodable(why) => {
                    tracing::error!(job = %job.id, %why, "put into quarantine");
                    let mut command = redis::cmd("HSET");
                    command
                        .arg(self.keys.quarantine())
                        .arg(job.id.as_str())
                        .arg(&why);
                    self.link.command(&command).await?;
                    Ending::Failed { error: why }
                }
            };
            if let Ending::CannotHonour { error } | Ending::Failed { error } = &ending {
                job.error = Some(error.clone());
            }
            settlements.push(Settlement { execution, ending });
            jobs.push(job);
        }
        let settled = self.settle_all(&settlements).await?;
        let failed = jobs.into_iter().zip(settled);
        let failed = failed.filter(|(_, settled)| *settled == Settled::Done);
        let told_of = failed.map(|(job, _)| job);
        let told_of = told_of.filter(|job| !job.template.options.webhooks.is_empty());
        let mut waiting = self.refused();
        waiting.extend(told_of);
        // Without a worker nobody takes them.
        let surplus = waiting.len().saturating_sub(MOST_REFUSED);
        waiting.drain(..surplus);
        Ok(())
    }

    pub(super) async fn settle_all(&self, settlements: &[Settlement]) -> Result<Vec<Settled>> {
        let mut outcomes = Vec::with_capacity(settlements.len());
        for batch in settlements.chunks(BATCH) {
            let tokens = || batch.iter().map(|one| one.execution.token);
            let known = self.under_way.recall(tokens());
            let mut call = self.script(&scripts::SETTLE);
            let mut plain: Option<&Arc<Plain>> = None;
            for (one, known) in batch.iter().zip(&known) {
                let serializer = self.serializer_of(known.as_ref());
                let its_plain = known.as_ref().and_then(|known| known.plain.as_ref());
                call = match (&one.ending, its_plain) {
                    (Ending::Finished { result }, Some(its)) => {
                        if plain.is_none_or(|plain| !Arc::ptr_eq(plain, its)) {
                            call = plain_args(call, its);
                            plain = Some(its);
                        }
                        let member =
                            format!("{}:{:032x}", one.execution.job, one.execution.token.0);
                        let followed = known.as_ref().and_then(|known| known.followed.as_ref());
                        let kind = if followed.is_some() { "T" } else { "P" };
                        call = call.arg(kind).arg(member).arg(one.execution.token.0);
                        call = call.arg(return_value(result.as_deref(), serializer));
                        match followed {
                            Some((subject, task)) => call.arg(subject).arg(task),
                            None => call,
                        }
                    }
                    _ => ending_args(call, one, serializer),
                };
            }
            for (one, told) in batch.iter().zip(numbers(self.link.call(call).await?)?) {
                if told == 2 {
                    self.leave_alone(one.execution.job.clone());
                }
                outcomes.push(match told {
                    0 => Settled::TakenOver,
                    2 => Settled::LeftToOthers,
                    _ => Settled::Done,
                });
            }
            self.under_way.forget(tokens());
        }
        Ok(outcomes)
    }

    /// How what is added to a job is written: as its call, or as new ones are if another process claimed it.
    fn serializer_of(&self, known: Option<&Remembered>) -> Serializer {
        known.map_or(self.options.serializer, |known| known.serializer)
    }

    /// Somebody else may be able to run it: this process looks away for a while, then looks again.
    fn leave_alone(&self, id: JobId) {
        let pause = self.avoided().avoid(id, self.host_now());
        let (clock, signals) = (self.server.clone(), self.signals.clone());
        tokio::spawn(async move {
            let host = clock.host();
            host.sleep_until(host.now() + pause).await;
            signals.raise(Topic::Queued);
        });
    }

    pub(super) async fn extend(
        &self,
        executions: &[Execution],
        lease: Duration,
    ) -> Result<Vec<Renewed>> {
        let mut outcomes = Vec::with_capacity(executions.len());
        for batch in executions.chunks(BATCH) {
            let mut call = self.script(&scripts::RENEW).arg(span_ms(lease));
            let known = self.under_way.recall(batch.iter().map(|one| one.token));
            for (one, known) in batch.iter().zip(known) {
                let pickled = self.serializer_of(known.as_ref()) == Serializer::Pickle;
                call = call.arg(one.job.as_str()).arg(one.token.0);
                call = call.arg(if pickled { "p" } else { "" });
            }
            let mut lost = Vec::new();
            for (one, told) in batch.iter().zip(numbers(self.link.call(call).await?)?) {
                outcomes.push(match told {
                    1 => Renewed::Renewed,
                    2 => Renewed::StopRequested,
                    _ => {
                        lost.push(one.token);
                        Renewed::TakenOver
                    }
                });
            }
            self.under_way.forget(lost);
        }
        Ok(outcomes)
    }

    /// Meta is one serialized value, so a patch is read, changed and written back if nobody wrote meanwhile.
    pub(super) async fn patch_meta(
        &self,
        execution: &Execution,
        patch: Map<String, serde_json::Value>,
    ) -> Result<Settled> {
        loop {
            let mut command = redis::cmd("HGETALL");
            command.arg(self.keys.job(execution.job.as_str()));
            let hash = Hash::new(self.link.command(&command).await?);
            let old = hash.meta().unwrap_or_default().to_vec();
            let meta = match old.as_slice() {
                [] => Some(Map::new()),
                bytes => match Serializer::decode(bytes) {
                    Ok(serde_json::Value::Object(meta)) => Some(meta),
                    _ => None,
                },
            };
            let Some(mut meta) = meta else {
                return Err(Error::invalid(format!(
                    "the meta of {} holds objects of Python's, so it cannot be changed here",
                    execution.job
                )));
            };
            for (key, value) in &patch {
                if value.is_null() {
                    meta.remove(key);
                } else {
                    meta.insert(key.clone(), value.clone());
                }
            }
            let new = if meta.is_empty() {
                Vec::new()
            } else {
                hash.serializer().encode(&serde_json::Value::Object(meta))
            };
            let call = self.script(&scripts::SAVE_META);
            let call = call.arg(execution.job.as_str()).arg(execution.token.0);
            match super::answer::number(self.link.call(call.arg(old).arg(new)).await?)? {
                0 => return Ok(Settled::TakenOver),
                1 => return Ok(Settled::Done),
                _ => {}
            }
        }
    }
}

/// From a flat list of fields and values.
fn whole_hash<'v>(flat: &'v [ValueRef<'_>]) -> Hash<'v> {
    let pairs = flat.chunks_exact(2);
    Hash::of(pairs.filter_map(|pair| packed::bytes(&pair[0]).zip(packed::bytes(&pair[1]))))
}

/// From the values of the first of the usual fields, or of all; without their names they are read in two thirds of the time.
fn usual_hash<'v>(values: &'v [ValueRef<'_>]) -> Hash<'v> {
    let named = USUAL_FIELDS.iter().zip(values);
    Hash::of(named.filter_map(|(name, value)| Some((name.as_bytes(), packed::bytes(value)?))))
}

/// What this plain job has in common with others of its claim; the first of its kind adds it to them.
fn shared(kinds: &mut Vec<Arc<Plain>>, job: &Job, claim: &Claim, now: Timestamp) -> Arc<Plain> {
    let (queue, result_ttl) = (&job.template.queue, job.template.options.result_ttl);
    let is_its = |kind: &&Arc<Plain>| kind.queue == *queue && kind.result_ttl == result_ttl;
    if let Some(kind) = kinds.iter().find(is_its) {
        return kind.clone();
    }
    let kind = Arc::new(Plain {
        queue: queue.clone(),
        worker: claim.worker.clone(),
        started_at: now,
        lease: claim.lease,
        result_ttl,
    });
    kinds.push(kind.clone());
    kind
}

/// What the plain jobs that follow have in common.
fn plain_args(call: Call, plain: &Plain) -> Call {
    let kept = plain.result_ttl.map(|ttl| span_ms(ttl).to_string());
    let call = call.arg("G").arg(plain.queue.as_str()).arg(&plain.worker);
    let call = call
        .arg(plain.started_at.as_millis())
        .arg(span_ms(plain.lease));
    call.arg(kept.unwrap_or_default())
}

fn ending_args(call: Call, settlement: &Settlement, serializer: Serializer) -> Call {
    let at = |at: Timestamp| at.as_millis().to_string();
    let exc = |error: &str| BASE64.encode(deflate(error.as_bytes()));
    let Execution { job, token } = &settlement.execution;
    let begin = |kind| call.arg(kind).arg(job.as_str()).arg(token.0);
    match &settlement.ending {
        Ending::Finished { result } => begin("F").arg(return_value(result.as_deref(), serializer)),
        Ending::Failed { error } => begin("X").arg(error).arg(exc(error)),
        Ending::CannotHonour { error } => begin("H").arg(error).arg(exc(error)),
        Ending::Retry { error, at: when } => begin("R").arg(error).arg(at(*when)),
        Ending::Snoozed { at: when } => begin("Z").arg(at(*when)),
        Ending::HandedBack => begin("B"),
        Ending::Stopped => begin("S").arg(exc("Job stopped by user, work-horse terminated.")),
    }
}

/// Empty for none.
fn return_value(json: Option<&str>, serializer: Serializer) -> String {
    let Some(json) = json else {
        return String::new();
    };
    let value = serde_json::from_str(json).unwrap_or(serde_json::Value::Null);
    BASE64.encode(serializer.encode(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_left_alone_for_ever_longer() {
        let mut avoided = Avoided::default();
        let id = JobId::from_store("a");
        let now = Timestamp::from_millis(0);
        let pauses: Vec<_> = (0..7)
            .map(|_| avoided.avoid(id.clone(), now).as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(avoided.now(Timestamp::from_millis(29_999)), [id]);
        assert!(avoided.now(Timestamp::from_millis(30_000)).is_empty());
    }

    #[test]
    fn too_many_jobs_to_leave_alone_make_a_pause() {
        let mut avoided = Avoided::default();
        let now = Timestamp::from_millis(0);
        for n in 0..=MOST_AVOIDED {
            assert_eq!(avoided.paused_until, now);
            avoided.avoid(JobId::from_store(&n.to_string()), now);
        }
        assert_eq!(avoided.paused_until, now + FULL_PAUSE);
        assert_eq!(avoided.now(now).len(), MOST_AVOIDED);
    }
}
