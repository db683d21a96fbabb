//! What is going to happen to a pet, and what just did: its jobs.

use std::cmp::Reverse;
use std::time::Duration;

use lullaby::job::JobOptions;
use lullaby::schedule::Trigger;
use lullaby::store::{JobFilter, Page};
use lullaby::{Job, Status, Timestamp};

use super::{Game, GameError};
use crate::pet::Pet;

/// How many of its recent jobs are told.
const RECENT: usize = 20;

/// What is going to happen to a pet, and what just did.
#[derive(Clone, Debug, PartialEq)]
pub struct Agenda {
    /// What waits for its time, soonest first.
    pub scheduled: Vec<AgendaEntry>,
    /// Jobs that wait for a worker, run, or have ended: the one that moved last first.
    pub recent: Vec<Job>,
    /// Those of them that wait for a worker, in the order in which they will run, as far as they are told.
    pub queued: Vec<Job>,
    /// How many wait for a worker.
    pub waiting: u64,
    /// Those that run.
    pub started: Vec<Job>,
    /// Those that failed for good, the latest first, as far as they are told.
    pub failed: Vec<Job>,
}

/// Something that waits for its time.
#[derive(Clone, Debug, PartialEq)]
pub struct AgendaEntry {
    /// The job's id; of a schedule, the id that the job of its next slot will have.
    pub id: String,
    /// The task.
    pub task: String,
    /// When it is due.
    pub due_at: Timestamp,
    /// How often it comes back, if it is a schedule.
    pub every: Option<Duration>,
    /// Which try it will be, from 1.
    pub attempt: u32,
    /// How many tries it has at most.
    pub tries: u32,
    /// Why the try before this one failed.
    pub error: Option<String>,
}

impl Game {
    /// The jobs of a pet.
    ///
    /// # Errors
    /// A store error.
    pub async fn agenda(&self, pet: &Pet) -> Result<Agenda, GameError> {
        let store = self.lullaby.store();
        let all = JobFilter {
            subject: Some(pet.id.to_string()),
            page: Page {
                offset: 0,
                length: RECENT,
            },
            ..JobFilter::default()
        };
        let waiting = JobFilter {
            status: Some(Status::Scheduled),
            ..all.clone()
        };
        let jobs = store.list_jobs(&waiting).await?;
        let with = |status| JobFilter {
            status: Some(status),
            ..all.clone()
        };
        let queued = store.list_jobs(&with(Status::Queued)).await?;
        let waiting = if queued.len() < RECENT {
            queued.len() as u64
        } else {
            store.count_jobs(&with(Status::Queued)).await?
        };
        let started = store.list_jobs(&with(Status::Started)).await?;
        let failed = store.list_jobs(&with(Status::Failed)).await?;
        let schedule = store.schedule(&pet.id.schedule()).await?;
        let mut scheduled: Vec<_> = jobs.into_iter().filter_map(waiting_job).collect();
        scheduled.extend(schedule.and_then(|schedule| {
            let next = schedule.next?;
            Some(AgendaEntry {
                id: schedule.slot_job_id(next).to_string(),
                task: schedule.spec.template.task.clone(),
                due_at: next,
                every: match &schedule.spec.trigger {
                    Trigger::Every { every, .. } => Some(*every),
                    _ => None,
                },
                attempt: 1,
                tries: tries(&schedule.spec.template.options),
                error: None,
            })
        }));
        scheduled.sort_by_key(|entry| entry.due_at);
        let mut recent = store.list_jobs(&all).await?;
        recent.retain(|job| job.status != Status::Scheduled);
        recent.sort_by_key(|job| Reverse(job.ended_at.or(job.started_at).or(job.enqueued_at)));
        Ok(Agenda {
            scheduled,
            recent,
            queued,
            waiting,
            started,
            failed,
        })
    }
}

fn waiting_job(job: Job) -> Option<AgendaEntry> {
    Some(AgendaEntry {
        due_at: job.due_at?,
        id: job.id.to_string(),
        task: job.template.task.clone(),
        every: None,
        attempt: job.failures + 1,
        tries: tries(&job.template.options),
        error: job.error,
    })
}

fn tries(options: &JobOptions) -> u32 {
    options.retry.as_ref().map_or(1, |retry| retry.max + 1)
}
