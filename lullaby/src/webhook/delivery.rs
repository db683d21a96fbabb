//! Sends what jobs ask for when they end, beside the work: a receiver that is slow or down holds up no job, and the end of a worker for a
//! few seconds only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::notice::{End, Notice};
use super::turns::Turns;
use super::{MAX_TIMEOUT, Method, Webhook, request};
use crate::client::Lullaby;
use crate::clock::{Timestamp, until};
use crate::job::{Execution, Job, JobId};
use crate::shutdown::{Shutdown, Stop};
use crate::store::Ending;

/// How many jobs' webhooks wait or are under way, at some 500 bytes each. Beyond that receivers are slower than jobs end, and some are not
/// told.
const MOST: usize = 10_000;
/// How long a worker that was told to stop waits for them.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// See the module.
pub(crate) struct Deliveries {
    lullaby: Lullaby,
    turns: Arc<Turns>,
    /// `None` while no worker runs: then nothing is sent.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl Deliveries {
    pub(crate) fn new(lullaby: Lullaby) -> Self {
        Self {
            lullaby,
            turns: Arc::default(),
            tasks: Mutex::new(None),
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker runs from now on.
    pub(crate) fn begin(&self) {
        *self.tasks() = Some(JoinSet::new());
    }

    /// What to keep of a job that was claimed, if anybody is to hear of its end.
    pub(crate) fn note(&self, job: &Job) -> Option<Box<Notice>> {
        Notice::of(job).map(Box::new)
    }

    /// The store has taken note that a run of the job ended so.
    pub(crate) fn tell(&self, notice: Notice, ending: &Ending) {
        if let Some(end) = End::of(ending) {
            self.send(notice, end);
        }
    }

    /// The store itself has failed this job.
    pub(crate) fn tell_of_failed(&self, job: &Job) {
        if let Some(notice) = Notice::of(job) {
            let error = job.error.clone().unwrap_or_default();
            self.send(notice, End::Failed { error });
        }
    }

    /// The store has failed these jobs, whose workers are gone.
    pub(crate) async fn tell_of_poisoned(&self, ids: &[JobId]) {
        if ids.is_empty() {
            return;
        }
        match self.lullaby.store().jobs(ids).await {
            Ok(jobs) => {
                let jobs = jobs.iter().flatten();
                jobs.for_each(|job| self.tell_of_failed(job));
            }
            Err(error) => {
                tracing::warn!(%error, "could not read the webhooks of jobs that were lost too often; none are sent");
            }
        }
    }

    fn send(&self, notice: Notice, end: End) {
        if notice.webhooks(&end).next().is_none() {
            return;
        }
        let mut tasks = self.tasks();
        let Some(tasks) = tasks.as_mut() else {
            return;
        };
        while tasks.try_join_next().is_some() {}
        let job = &notice.execution.job;
        if tasks.len() >= MOST {
            tracing::warn!(%job, "its webhooks are not sent: those of {MOST} other jobs wait for their receivers");
            return;
        }
        let (lullaby, turns) = (self.lullaby.clone(), self.turns.clone());
        tasks.spawn(async move { deliver(&lullaby, &turns, &notice, &end).await });
    }

    /// Waits for what is under way; after `shutdown` for 3 s at most. What is left is not sent.
    pub(crate) async fn finish(&self, shutdown: &Shutdown) {
        let Some(mut tasks) = self.tasks().take() else {
            return;
        };
        let clock = self.lullaby.clock();
        let patience = async {
            shutdown.reached(Stop::Warm).await;
            clock.sleep_until(clock.now() + FINISH_WITHIN).await;
        };
        let all = async { while tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = all => return,
            () = patience => {}
        }
        let jobs = tasks.len();
        tracing::warn!(
            jobs,
            "ended before the webhooks of these many jobs had been sent"
        );
    }

    /// Drops what is under way: the worker's future was dropped.
    pub(crate) fn abandon(&self) {
        *self.tasks() = None;
    }
}

/// One after the other, as RQ does.
async fn deliver(lullaby: &Lullaby, turns: &Turns, notice: &Notice, end: &End) {
    let mut body = None;
    let clock = lullaby.clock().as_ref();
    for webhook in notice.webhooks(end) {
        let Some(_turn) = turns.take(webhook.receiver()).await else {
            return;
        };
        // Only now: of thousands that wait for a turn nobody asks the store, nor keeps the text.
        if webhook.method == Method::Post && body.is_none() {
            body = Some(notice.body(end, ended_at(lullaby, &notice.execution).await));
        }
        let body = body.clone().filter(|_| webhook.method == Method::Post);
        let timeout = webhook.timeout.min(MAX_TIMEOUT);
        let sent = until(clock, clock.now() + timeout, request::send(webhook, body)).await;
        report(&notice.execution.job, webhook, sent);
    }
}

/// As the store has it: its record, and what a receiver hears, say the same. A job that is not kept, or runs again already, ended just now.
async fn ended_at(lullaby: &Lullaby, execution: &Execution) -> Timestamp {
    let now = lullaby.now();
    let id = std::slice::from_ref(&execution.job);
    let jobs = lullaby.store().jobs(id).await.unwrap_or_default();
    let job = jobs.into_iter().flatten().next();
    job.filter(|job| job.token == Some(execution.token))
        .and_then(|job| job.ended_at)
        .unwrap_or(now)
}

/// `sent` is `None` if it took too long.
fn report(job: &JobId, webhook: &Webhook, sent: Option<Result<(), String>>) {
    // Paths of URLs are secrets at some receivers.
    let receiver = webhook.receiver();
    match sent {
        Some(Ok(())) => tracing::debug!(%job, receiver, "sent a webhook"),
        Some(Err(error)) => {
            tracing::warn!(%job, receiver, error, "a webhook did not arrive; it is not sent again");
        }
        None => {
            tracing::warn!(%job, receiver, timeout = ?webhook.timeout, "a webhook was not answered in time; it is not sent again");
        }
    }
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let under_way = self.tasks().as_ref().map(JoinSet::len);
        write!(f, "Deliveries({under_way:?})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{NewJob, Status, Token};
    use crate::log_lines::logged;

    /// A notice of a job that has a webhook for its failure.
    async fn notice(lullaby: &Lullaby) -> Notice {
        let hook = Webhook::post("http://127.0.0.1:9/", Status::Failed).expect("a webhook");
        let job = NewJob::named("bake", &[], &serde_json::Map::new()).expect("a job");
        let queue = lullaby.queue("default").expect("a queue");
        let handle = queue.enqueue(job.webhook(hook)).await.expect("taken in");
        let mut job = handle.job().await.expect("an answer").expect("there");
        job.token = Some(Token(1));
        Notice::of(&job).expect("it has a webhook")
    }

    /// Nothing is sent before this test waits, which it never does.
    #[tokio::test]
    async fn ten_thousand_jobs_webhooks_wait_and_no_more() {
        let lullaby = Lullaby::open("memory:").await.expect("opens");
        let deliveries = Deliveries::new(lullaby.clone());
        let notice = notice(&lullaby).await;
        let failed = Ending::Failed {
            error: "no milk".to_owned(),
        };
        deliveries.begin();
        let said = logged(|| {
            for _ in 0..MOST {
                deliveries.tell(notice.clone(), &failed);
            }
        });
        assert_eq!(said, "", "all of these wait");
        let said = logged(|| deliveries.tell(notice.clone(), &failed));
        assert!(
            said.contains("its webhooks are not sent") && said.contains("10000"),
            "{said}"
        );
        assert!(said.contains(notice.execution.job.as_str()), "{said}");
        let waiting = deliveries.tasks().as_ref().map(JoinSet::len);
        assert_eq!(waiting, Some(MOST));
        deliveries.abandon();
    }
}
