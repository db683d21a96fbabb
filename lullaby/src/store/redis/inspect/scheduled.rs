//! A page of what is scheduled, however much that is: RQ's registries are in the order of the due times, so only their heads are read.

use std::collections::HashMap;

use redis::Value;

use super::{Core, seconds};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::job::{Job, JobId, QueueName, Status};
use crate::store::JobFilter;
use crate::store::redis::answer::{array, count, text};

/// The heads of some registries.
struct Heads {
    /// Each id, and when it is due.
    due: HashMap<JobId, Timestamp>,
    /// Before this all are known; `None` if there are no others.
    known_before: Option<Timestamp>,
}

impl Core {
    /// Those without a subject that the filter names.
    pub(super) async fn page_of_scheduled(&self, filter: &JobFilter) -> Result<Vec<JobId>> {
        let page = filter.page;
        let wanted = page.offset.saturating_add(page.length);
        let mut of_each = wanted.max(1);
        loop {
            let heads = self
                .heads(filter.queue.as_ref(), filter.due_until, of_each)
                .await?;
            let mut known: Vec<_> = heads
                .due
                .iter()
                .filter(|(_, due)| heads.known_before.is_none_or(|before| **due < before))
                .map(|(id, _)| id.clone())
                .collect();
            // By id first, so that equals stand as they did in the last page.
            known.sort_unstable();
            let mut briefs = self.briefs(&known).await?;
            briefs.retain(|one| {
                let queue = filter.queue.as_ref();
                one.status == Status::Scheduled
                    && queue.is_none_or(|queue| one.queue == queue.as_str())
            });
            // What was dropped here, or shares its instant with what is not known, is made up for by longer heads.
            if briefs.len() < wanted && heads.known_before.is_some() {
                of_each = of_each.saturating_mul(4);
                continue;
            }
            briefs.sort_by_key(|one| (heads.due.get(&one.id).copied(), one.number));
            let ids = briefs.into_iter().map(|one| one.id);
            return Ok(ids.skip(page.offset).take(page.length).collect());
        }
    }

    /// The first `of_each` of each queue's registry.
    async fn heads(
        &self,
        queue: Option<&QueueName>,
        until: Option<Timestamp>,
        of_each: usize,
    ) -> Result<Heads> {
        let until = until.map_or_else(|| "+inf".to_owned(), seconds);
        let limit = i64::try_from(of_each).unwrap_or(i64::MAX);
        let mut pipe = redis::pipe();
        for queue in self.queue_names(queue).await? {
            let key = self.list_key(Status::Scheduled, &queue);
            pipe.cmd("ZRANGEBYSCORE").arg(key).arg("-inf").arg(&until);
            pipe.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
        }
        let mut heads = Heads {
            due: HashMap::new(),
            known_before: None,
        };
        for head in self.link.pipeline(&pipe).await? {
            let (mut length, mut last) = (0, None);
            let mut members = array(head)?.into_iter();
            while let (Some(id), Some(score)) = (members.next(), members.next()) {
                let due = instant(score)?;
                heads.due.insert(JobId::from_store(&text(id)?), due);
                (length, last) = (length + 1, Some(due));
            }
            if length == of_each {
                let known = heads.known_before.into_iter().chain(last);
                heads.known_before = known.min();
            }
        }
        Ok(heads)
    }

    /// When those of Python's are due, which RQ's registries alone know.
    pub(super) async fn add_due_times(&self, jobs: &mut [Option<Job>]) -> Result<()> {
        let mut without: Vec<_> = (jobs.iter_mut().flatten())
            .filter(|job| job.status == Status::Scheduled && job.due_at.is_none())
            .collect();
        let mut pipe = redis::pipe();
        for job in &without {
            let key = self.list_key(Status::Scheduled, job.template.queue.as_str());
            pipe.cmd("ZSCORE").arg(key).arg(job.id.as_str());
        }
        let scores = self.link.pipeline(&pipe).await?;
        for (job, score) in without.iter_mut().zip(scores) {
            // It may have moved on just now.
            if score != Value::Nil {
                job.due_at = Some(instant(score)?);
            }
        }
        Ok(())
    }

    /// How many are due until then, by the registries.
    pub(super) async fn how_many_due(
        &self,
        queue: Option<&QueueName>,
        until: Timestamp,
    ) -> Result<u64> {
        let mut pipe = redis::pipe();
        for queue in self.queue_names(queue).await? {
            let key = self.list_key(Status::Scheduled, &queue);
            pipe.cmd("ZCOUNT").arg(key).arg("-inf").arg(seconds(until));
        }
        let counts = self.link.pipeline(&pipe).await?;
        counts.into_iter().map(count).sum()
    }
}

/// A score is an instant in seconds.
fn instant(score: Value) -> Result<Timestamp> {
    let seconds: f64 = text(score)?.parse().unwrap_or_default();
    Ok(Timestamp::from_millis((seconds * 1000.0).round() as i64))
}
