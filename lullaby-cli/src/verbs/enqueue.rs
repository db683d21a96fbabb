//! `lullaby enqueue TASK [ARG…] [KEY=VALUE…]`

use std::time::Duration;

use lullaby::store::redis::serializer::Serializer;
use lullaby::{JobId, Lullaby, NewJob, RateLimit, Timestamp, Webhook};
use serde_json::json;

use crate::call::call;
use crate::duration::duration;
use crate::job_options::JobOptions;
use crate::print::Out;

/// Puts a job in; prints its id. A value is JSON if it reads as JSON, else text.
#[derive(clap::Args, Debug)]
pub(crate) struct Enqueue {
    /// The task's name; for Python's workers the function's dotted path
    task: String,
    /// Its arguments, positional ones and KEY=VALUE
    arguments: Vec<String>,
    /// The queue
    #[arg(long, short, default_value = "default")]
    queue: String,
    /// Run it after this time: 20m, 1h 30m, 90s
    #[arg(long = "in", value_name = "TIME", value_parser = duration, conflicts_with = "at")]
    delay: Option<Duration>,
    /// Run it at this time: 2026-11-23T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Its id; made up when not given
    #[arg(long)]
    id: Option<String>,
    /// To the front of its queue
    #[arg(long)]
    at_front: bool,
    /// Wait until these jobs have finished
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    depends_on: Vec<JobId>,
    /// Those that it waits for may also fail
    #[arg(long, requires = "depends_on")]
    allow_failure: bool,
    /// Let only so many jobs of this key be queued or run at once: api=3
    #[arg(long, value_name = "KEY=JOBS", value_parser = rate_limit)]
    rate_limit: Option<RateLimit>,
    /// Have its worker tell this URL, by POST, when it has finished or failed: failed=https://example.com/hook; may be given several times
    #[arg(long, value_name = "STATUS=URL", value_parser = webhook)]
    webhook: Vec<Webhook>,
    /// How the call is written in Redis: pickle, as RQ's workers expect, or json for those started with `-S json`
    #[arg(long, value_name = "FORMAT", value_parser = ["pickle", "json"])]
    serializer: Option<String>,
    #[command(flatten)]
    options: JobOptions,
}

impl Enqueue {
    pub(crate) fn serializer(&self) -> Option<Serializer> {
        self.serializer.as_deref().map(|name| match name {
            "json" => Serializer::Json,
            _ => Serializer::Pickle,
        })
    }

    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let (args, kwargs) = call(&self.arguments)?;
        let mut job = self.options.on(NewJob::named(&self.task, &args, &kwargs)?);
        if let Some(id) = &self.id {
            job = job.job_id(id).unique();
        }
        if self.at_front {
            job = job.at_front();
        }
        job = job.depends_on(&self.depends_on);
        if self.allow_failure {
            job = job.allow_failure();
        }
        if let Some(limit) = &self.rate_limit {
            job = job.rate_limit(limit.clone());
        }
        for webhook in &self.webhook {
            job = job.webhook(webhook.clone());
        }
        let queue = lullaby.queue(&self.queue)?;
        self.say_what_is_not_waited_for(lullaby).await?;
        let handle = match (self.delay, self.at) {
            (Some(delay), _) => queue.enqueue_in(delay, job).await?,
            (None, Some(at)) => {
                if at < lullaby.now() {
                    eprintln!("lullaby: that time has passed: it runs at once");
                }
                queue.enqueue_at(at, job).await?
            }
            (None, None) => queue.enqueue(job).await?,
        };
        out.show(&json!({ "id": handle.id() }), || handle.id().to_string())?;
        Ok(true)
    }

    /// An id that was mistyped would let the job run at once.
    async fn say_what_is_not_waited_for(&self, lullaby: &Lullaby) -> anyhow::Result<()> {
        let jobs = lullaby.store().jobs(&self.depends_on).await?;
        for (id, job) in self.depends_on.iter().zip(jobs) {
            if job.is_none() {
                eprintln!("lullaby: there is no job {id} (any more): it is not waited for");
            }
        }
        Ok(())
    }
}

/// `api=3`: at most 3 jobs of the key `api` at once.
fn rate_limit(text: &str) -> Result<RateLimit, String> {
    let parts = text.rsplit_once('=');
    let parts = parts.and_then(|(key, jobs)| Some((key, jobs.parse().ok()?)));
    let (key, jobs) =
        parts.ok_or_else(|| format!("expected KEY=JOBS, as in api=3, got {text:?}"))?;
    RateLimit::new(key, jobs).map_err(|error| error.to_string())
}

/// `failed=https://example.com/hook`
fn webhook(text: &str) -> Result<Webhook, String> {
    let (status, url) = text.split_once('=').ok_or_else(|| {
        format!("expected STATUS=URL, as in failed=https://example.com/hook, got {text:?}")
    })?;
    let hook = status.parse().and_then(|status| Webhook::post(url, status));
    hook.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_is_read_from_its_last_equals_sign() {
        let read = rate_limit("user=7=3").expect("read");
        assert_eq!(read, RateLimit::new("user=7", 3).expect("fine"));
        for text in ["api", "api=", "api=many", "api=-1", "api=0", "=3"] {
            assert!(rate_limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_webhook_is_read_up_to_its_first_equals_sign() {
        let read = webhook("failed=http://a/?b=c").expect("read");
        assert_eq!(read.url, "http://a/?b=c");
        assert_eq!(read.job_status, lullaby::Status::Failed);
        for text in [
            "http://a/",
            "=http://a/",
            "queued=http://a/",
            "failed=",
            "failed=a",
        ] {
            assert!(webhook(text).is_err(), "{text}");
        }
    }
}
