//! A build without the feature `webhooks`: it sends none, and says so.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::client::Lullaby;
use crate::job::{Job, JobId};
use crate::shutdown::Shutdown;
use crate::store::Ending;

/// There are none.
pub(crate) enum Notice {}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    said_so: AtomicBool,
}

impl Deliveries {
    pub(crate) fn new(_lullaby: Lullaby) -> Self {
        Self::default()
    }

    pub(crate) fn begin(&self) {}

    /// Says once that nobody will be told.
    pub(crate) fn note(&self, job: &Job) -> Option<Box<Notice>> {
        let webhooks = &job.template.options.webhooks;
        if !webhooks.is_empty() && !self.said_so.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                job = %job.id,
                "it has webhooks, which this worker does not send, nor those of other jobs: it was built without lullaby's feature `webhooks`"
            );
        }
        None
    }

    #[expect(clippy::needless_pass_by_value, reason = "whoever sends one keeps it")]
    pub(crate) fn tell(&self, notice: Notice, _ending: &Ending) {
        match notice {}
    }

    pub(crate) fn tell_of_failed(&self, _job: &Job) {}

    pub(crate) async fn tell_of_poisoned(&self, _ids: &[JobId]) {}

    pub(crate) async fn finish(&self, _shutdown: &Shutdown) {}

    pub(crate) fn abandon(&self) {}
}
