//! Jobs on their way from a store to the worker that claimed them.

use std::fmt;

use super::{Ending, Settlement};
use crate::job::Job;

/// Takes back claimed jobs that nobody heard of.
pub(super) trait GiveBack {
    /// Puts these at the front of their queues, in this order, without waiting for it.
    fn give_back(&self, unheard: Vec<Settlement>);
}

/// Claimed jobs. If the caller's future was dropped meanwhile they go back, instead of waiting for the end of a lease that nobody
/// knows of.
pub(super) struct Claimed<S: GiveBack> {
    jobs: Vec<Job>,
    store: S,
}

impl<S: GiveBack> fmt::Debug for Claimed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claimed({} jobs)", self.jobs.len())
    }
}

impl<S: GiveBack> Claimed<S> {
    pub(super) fn new(jobs: Vec<Job>, store: S) -> Self {
        Self { jobs, store }
    }

    /// The jobs so far, to add to.
    #[cfg(feature = "redis")]
    pub(super) fn jobs(&mut self) -> &mut Vec<Job> {
        &mut self.jobs
    }

    /// The jobs have arrived.
    pub(super) fn take(mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }
}

impl<S: GiveBack> Drop for Claimed<S> {
    fn drop(&mut self) {
        // Last first, so that they stand in their old order.
        let unheard: Vec<Settlement> = (self.jobs.drain(..).rev())
            .filter_map(|job| {
                Some(Settlement {
                    execution: job.execution()?,
                    ending: Ending::HandedBack,
                })
            })
            .collect();
        if !unheard.is_empty() {
            self.store.give_back(unheard);
        }
    }
}
