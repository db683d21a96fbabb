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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{NewJob, Status};
    use crate::log_lines::logged;
    use crate::webhook::Webhook;

    #[tokio::test]
    async fn a_worker_that_sends_none_says_so_once() {
        let lullaby = Lullaby::open("memory:").await.expect("opens");
        let queue = lullaby.queue("default").expect("a queue");
        let deliveries = Deliveries::new(lullaby);
        let job = async |job: NewJob| {
            let handle = queue.enqueue(job).await.expect("taken in");
            handle.job().await.expect("an answer").expect("there")
        };
        let new = || NewJob::named("bake", &[], &serde_json::Map::new()).expect("a job");
        let hook = Webhook::post("http://kitchen.example/", Status::Finished).expect("a webhook");
        let (plain, telling) = (job(new()).await, job(new().webhook(hook)).await);

        assert_eq!(logged(|| drop(deliveries.note(&plain))), "");
        let said = logged(|| drop(deliveries.note(&telling)));
        assert!(
            said.contains("feature `webhooks`") && said.contains(telling.id.as_str()),
            "{said}"
        );
        assert_eq!(
            logged(|| drop(deliveries.note(&telling))),
            "",
            "once is enough"
        );
    }
}
