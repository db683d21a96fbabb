//! Taking jobs in, and changing those that are there.

use std::sync::Arc;

use super::Core;
use super::answer::{number, numbers, texts};
use super::hash::fields;
use super::intake::Items;
use super::scripts::{self, BATCH, Call};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::event::{EventId, NewEvent};
use crate::job::{JobId, JobSpec, OnExisting, Status};
use crate::store::{Canceled, Deleted, Enqueued, Requeued};

/// From so many jobs on another thread is asked to help; below, waking it takes longer than it saves.
const FOR_TWO_THREADS: usize = 200;

impl Core {
    pub(super) async fn take_in(self: &Arc<Self>, jobs: Vec<JobSpec>) -> Result<Vec<Enqueued>> {
        let items = match jobs.len() {
            0 => return Ok(Vec::new()),
            1..FOR_TWO_THREADS => self.strings_of(&jobs)?,
            FOR_TWO_THREADS..=BATCH => self.strings_by_two_threads(jobs).await?,
            _ => return self.take_in_batches(&jobs).await,
        };
        let answers = self.jobs.take_in(items).await?;
        Ok(answers.iter().map(|told| enqueued(told)).collect())
    }

    /// Several batches are one step all the same.
    async fn take_in_batches(&self, jobs: &[JobSpec]) -> Result<Vec<Enqueued>> {
        let mut calls = Vec::new();
        for batch in jobs.chunks(BATCH) {
            calls.push(self.jobs.call([&self.strings_of(batch)?]));
        }
        let mut outcomes = Vec::new();
        for answer in self.link.call_all(calls).await? {
            outcomes.extend(texts(answer)?.iter().map(|told| enqueued(told)));
        }
        Ok(outcomes)
    }

    fn strings_of(&self, jobs: &[JobSpec]) -> Result<Items> {
        let mut call = Call::strings(&scripts::ENQUEUE);
        for job in jobs {
            call = self.add_job(call, job)?.0;
        }
        Ok(Items {
            count: jobs.len(),
            strings: vec![call.command],
        })
    }

    /// Writing a call, compressing it and so on takes as long as the server takes for the job, and the server waits meanwhile.
    async fn strings_by_two_threads(self: &Arc<Self>, mut jobs: Vec<JobSpec>) -> Result<Items> {
        let (core, others) = (self.clone(), jobs.split_off(jobs.len() / 2));
        let others = tokio::task::spawn_blocking(move || core.strings_of(&others));
        let mut all = self.strings_of(&jobs)?;
        let others = others
            .await
            .map_err(|error| Error::store_because("the jobs were not written down", error))??;
        all.count += others.count;
        all.strings.extend(others.strings);
        Ok(all)
    }

    /// The job as `enqueue_job.lua` reads it, and how many strings that is.
    pub(super) fn add_job(&self, call: Call, job: &JobSpec) -> Result<(Call, usize)> {
        let template = &job.template;
        let fields = fields(job, self.options.serializer)?;
        let ttl = template.options.ttl;
        let flags: String = [
            (job.at.is_some(), 't'),
            (template.subject.is_some(), 's'),
            (ttl.is_some(), 'l'),
            (template.options.at_front, 'f'),
            (job.on_existing == OnExisting::Replace, 'r'),
            (!job.depends_on.is_empty(), 'd'),
            (job.depends_on.allow_failure, 'a'),
            (template.options.rate_limit.is_some(), 'm'),
        ]
        .into_iter()
        .filter_map(|(set, flag)| set.then_some(flag))
        .collect();
        let mut call = call
            .arg(job.id.as_str())
            .arg(template.queue.as_str())
            .arg(flags)
            .arg(2 * fields.len());
        let mut strings = 4 + 2 * fields.len();
        if let Some(at) = job.at {
            call = call.arg(at.as_millis());
            strings += 1;
        }
        if let Some(subject) = &template.subject {
            call = call.arg(subject).arg(&template.task);
            strings += 2;
        }
        if let Some(ttl) = ttl {
            call = call.arg(super::hash::span_ms(ttl));
            strings += 1;
        }
        for (name, value) in fields {
            call = call.arg(name).arg(value);
        }
        Ok((call, strings))
    }

    pub(super) async fn withdraw(
        &self,
        ids: &[JobId],
        enqueue_dependents: bool,
    ) -> Result<Vec<Canceled>> {
        let mut outcomes = Vec::new();
        for batch in ids.chunks(BATCH) {
            let call = self.script(&scripts::CANCEL);
            let call = call.arg(u8::from(enqueue_dependents));
            for told in texts(self.link.call(with_ids(call, batch)).await?)? {
                outcomes.push(match first_letter(&told) {
                    ("c", _) => Canceled::Canceled,
                    ("s", _) => Canceled::Stopping,
                    ("n", _) => Canceled::NotFound,
                    (_, status) => Canceled::Ended {
                        status: Status::from_store(status),
                    },
                });
            }
        }
        Ok(outcomes)
    }

    pub(super) async fn put_back(&self, ids: &[JobId], at_front: bool) -> Result<Vec<Requeued>> {
        let mut outcomes = Vec::new();
        for batch in ids.chunks(BATCH) {
            let call = self.script(&scripts::REQUEUE).arg(u8::from(at_front));
            for told in texts(self.link.call(with_ids(call, batch)).await?)? {
                outcomes.push(match first_letter(&told) {
                    ("q", _) => Requeued::Queued,
                    ("n", _) => Requeued::NotFound,
                    (_, status) => Requeued::Unchanged {
                        status: Status::from_store(status),
                    },
                });
            }
        }
        Ok(outcomes)
    }

    pub(super) async fn remove(&self, ids: &[JobId]) -> Result<Vec<Deleted>> {
        let mut outcomes = Vec::new();
        for batch in ids.chunks(BATCH) {
            let call = with_ids(self.script(&scripts::DELETE), batch);
            for told in numbers(self.link.call(call).await?)? {
                outcomes.push(match told {
                    1 => Deleted::Deleted,
                    2 => Deleted::Running,
                    _ => Deleted::NotFound,
                });
            }
        }
        Ok(outcomes)
    }

    pub(super) async fn set_time(&self, id: &JobId, at: Timestamp) -> Result<bool> {
        let call = self.script(&scripts::CHANGE_TIME);
        let call = call.arg(id.as_str()).arg(at.as_millis());
        Ok(number(self.link.call(call).await?)? == 1)
    }

    pub(super) async fn append(&self, events: &[NewEvent]) -> Result<Vec<EventId>> {
        let mut ids = Vec::with_capacity(events.len());
        for batch in events.chunks(BATCH) {
            let mut call = Call::strings(&scripts::APPEND_EVENTS);
            for event in batch {
                call = call
                    .arg(&event.subject)
                    .arg(event.job.as_ref().map_or("", JobId::as_str))
                    .arg(&event.kind)
                    .arg(event.data.to_string());
            }
            let items = Items {
                count: batch.len(),
                strings: vec![call.command],
            };
            for id in self.events.take_in(items).await? {
                let id = id.parse().map_err(|_| {
                    Error::store(format!("expected an event's id from Redis, got {id:?}"))
                })?;
                ids.push(EventId(id));
            }
        }
        Ok(ids)
    }
}

pub(super) fn with_ids(call: Call, ids: &[JobId]) -> Call {
    ids.iter().fold(call, |call, id| call.arg(id.as_str()))
}

fn enqueued(told: &str) -> Enqueued {
    match first_letter(told) {
        ("c", _) => Enqueued::Created,
        ("r", _) => Enqueued::Replaced,
        ("o", _) => Enqueued::Circular,
        (_, status) => Enqueued::Exists {
            status: Status::from_store(status),
        },
    }
}

fn first_letter(told: &str) -> (&str, &str) {
    told.split_at_checked(1).unwrap_or_default()
}
