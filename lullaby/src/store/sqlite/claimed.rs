//! Jobs on their way from the writer to the worker that claimed them.

use std::fmt;
use std::sync::mpsc::Sender;

use super::work;
use super::writer::{Message, Plan, post};
use crate::job::Job;
use crate::store::{Ending, Settlement};

/// Claimed jobs. If the caller's future was dropped meanwhile they go back, instead of waiting for the end of a lease that nobody
/// knows of.
pub(super) struct Claimed {
    jobs: Vec<Job>,
    inbox: Sender<Message>,
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claimed({} jobs)", self.jobs.len())
    }
}

impl Claimed {
    pub(super) fn new(jobs: Vec<Job>, inbox: Sender<Message>) -> Self {
        Self { jobs, inbox }
    }

    /// The jobs have arrived.
    pub(super) fn take(mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        // Last first, so that they stand in their old order.
        let back = self.jobs.drain(..).rev();
        let back: Vec<Settlement> = back
            .filter_map(|job| {
                Some(Settlement {
                    execution: job.execution()?,
                    ending: Ending::HandedBack,
                })
            })
            .collect();
        if !back.is_empty() {
            post(&self.inbox, Plan::durable(back.len()), move |step| {
                work::settle(step, &back).map(|_| ())
            });
        }
    }
}
