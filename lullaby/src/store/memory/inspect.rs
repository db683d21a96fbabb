//! Reading.

use super::state::{Entry, Number, State};
use crate::job::{Job, Status};
use crate::store::{JobFilter, QueueInfo, WorkerRecord};

impl State {
    /// The jobs that match, in the order that the filter documents; its page is left to the caller.
    pub(super) fn matching<'a>(
        &'a self,
        filter: &'a JobFilter,
    ) -> Box<dyn Iterator<Item = &'a Job> + 'a> {
        let status = match filter.due_until {
            Some(_) => Some(Status::Scheduled),
            None => filter.status,
        };
        let entries: Box<dyn Iterator<Item = &Entry>> =
            match (&filter.subject, status) {
                (None, None) => Box::new(self.entries.values().rev()),
                (Some(subject), None) => Box::new(self.about(subject).rev()),
                (subject, Some(Status::RateLimited)) => {
                    let waiting = self.limiters.waiting();
                    let waiting = waiting.filter_map(|number| self.entries.get(&number));
                    Box::new(waiting.filter(move |one| {
                        subject.is_none() || one.job.template.subject == *subject
                    }))
                }
                (None, Some(status)) => match &filter.queue {
                    Some(queue) => in_order(status, self.of_queue(queue, status)),
                    None => in_order(status, by_queue(status, self.of_status(status).collect())),
                },
                (Some(subject), Some(status)) => {
                    let about = self.about(subject);
                    let mut found: Vec<_> = about.filter(|one| one.job.status == status).collect();
                    found.sort_by_key(|entry| (entry.rank(), entry.number));
                    in_order(status, by_queue(status, found))
                }
            };
        let fits = |job: &&Job| {
            let queue = filter.queue.as_ref();
            let until = filter.due_until;
            queue.is_none_or(|queue| *queue == job.template.queue)
                && until.is_none_or(|until| job.due_at.is_some_and(|at| at <= until))
        };
        Box::new(entries.map(|entry| &entry.job).filter(fits))
    }

    /// The jobs of a subject, oldest first.
    fn about(&self, subject: &str) -> impl DoubleEndedIterator<Item = &Entry> {
        let (from, to) = ((subject.to_owned(), 0), (subject.to_owned(), Number::MAX));
        let range = self.by_subject.range(from..=to);
        range.filter_map(|(_, number)| self.entries.get(number))
    }

    pub(super) fn queues(&self) -> Vec<QueueInfo> {
        let mut queues: Vec<QueueInfo> = Vec::new();
        for ((name, status), count) in &self.counts {
            match queues.last_mut().filter(|last| last.name == *name) {
                Some(queue) => {
                    queue.counts.insert(*status, *count);
                }
                None => queues.push(QueueInfo {
                    name: name.clone(),
                    counts: [(*status, *count)].into(),
                }),
            }
        }
        queues
    }

    pub(super) fn workers(&self) -> Vec<WorkerRecord> {
        self.workers.values().cloned().collect()
    }
}

/// Places in different queues don't compare: queued jobs stand queue by queue.
fn by_queue(status: Status, mut by_rank: Vec<&Entry>) -> std::vec::IntoIter<&Entry> {
    if status == Status::Queued {
        by_rank.sort_by_key(|entry| &entry.job.template.queue);
    }
    by_rank.into_iter()
}

/// From entries by rank: those that ended, newest first; all others as they are.
fn in_order<'a>(
    status: Status,
    by_rank: impl DoubleEndedIterator<Item = &'a Entry> + 'a,
) -> Box<dyn Iterator<Item = &'a Entry> + 'a> {
    if status.is_ended() {
        Box::new(by_rank.rev())
    } else {
        Box::new(by_rank)
    }
}
