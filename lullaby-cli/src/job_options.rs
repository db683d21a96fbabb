//! How a job runs and how long what is left of it is kept: the options of `rq enqueue`, for whatever makes jobs.

use std::time::Duration;

use lullaby::{NewJob, Retry};

use crate::duration::duration;

#[derive(clap::Args, Debug, Default)]
pub(crate) struct JobOptions {
    /// How long it may run, as 90s or 2h, or none for as long as it likes; 3m when not given
    #[arg(long, value_name = "TIME", value_parser = limit)]
    timeout: Option<Limit>,
    /// Drop it unrun if it waits in its queue for longer than this
    #[arg(long, value_name = "TIME", value_parser = limit)]
    ttl: Option<Limit>,
    /// How long it is kept once it has finished, as 1h, 0s or none for ever; 500s when not given
    #[arg(long, value_name = "TIME", value_parser = limit)]
    result_ttl: Option<Limit>,
    /// How long it is kept once it has failed; a year when not given
    #[arg(long, value_name = "TIME", value_parser = limit)]
    failure_ttl: Option<Limit>,
    /// Try again up to so many times when it fails
    #[arg(long, value_name = "N")]
    retry_max: Option<u32>,
    /// Wait so long before each further try; several times (or 10s,1m,5m) for one after the other. At once when not given
    #[arg(long, value_name = "TIME", value_delimiter = ',', value_parser = duration, requires = "retry_max")]
    retry_interval: Vec<Duration>,
    /// A line for people, in place of its call
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl JobOptions {
    /// The job with what was given.
    pub(crate) fn on(&self, mut job: NewJob) -> NewJob {
        if let Some(Limit(timeout)) = self.timeout {
            job = job.timeout(timeout);
        }
        if let Some(Limit(ttl)) = self.ttl {
            job = job.ttl(ttl);
        }
        if let Some(Limit(ttl)) = self.result_ttl {
            job = job.result_ttl(ttl);
        }
        if let Some(Limit(ttl)) = self.failure_ttl {
            job = job.failure_ttl(ttl);
        }
        if let Some(max) = self.retry_max {
            let pauses = self.retry_interval.iter().copied();
            job = job.retry(Retry::intervals(max, pauses));
        }
        if let Some(text) = &self.description {
            job = job.description(text);
        }
        job
    }
}

/// A time, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit(Option<Duration>);

/// As a duration; `0s` too, for what is to go at once, and `none`.
fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit(None)),
        "0" | "0s" => Ok(Limit(Some(Duration::ZERO))),
        _ => match duration(text) {
            Ok(time) => Ok(Limit(Some(time))),
            Err(error) => Err(format!("{error}; or none for no limit")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_time_nothing_or_none() {
        assert_eq!(limit("90s"), Ok(Limit(Some(Duration::from_secs(90)))));
        assert_eq!(limit("0s"), Ok(Limit(Some(Duration::ZERO))));
        assert_eq!(limit("none"), Ok(Limit(None)));
        for wrong in ["", "-1", "90", "never"] {
            let error = limit(wrong).expect_err(wrong);
            assert!(error.contains("none"), "{error}");
        }
    }
}
