//! How many jobs of one kind may be queued or running at once.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The most bytes of a key.
const MAX_KEY: usize = 200;
/// What names the sets of RQ's limiters: a key that ends so would be another limiter's set.
const RESERVED_ENDS: [&str; 2] = [":allowed", ":rate_limited"];

/// At most so many jobs that share a key are in their queues or run at the same time: RQ 3's `RateLimit`.
///
/// A job with a limit enters its queue only if one of its key's slots is free; it holds the slot until it ends, is withdrawn, or is put
/// off to a later time. All others wait, as [`Status::RateLimited`](crate::Status::RateLimited), the oldest first. One that goes back to
/// its queue at once (a retry without a pause, a worker that died) keeps its slot. Jobs of several queues may share a key. The number
/// that holds for a key is that of the last job that came to its limiter.
///
/// On Redis it holds for RQ 3's programs, too; RQ 2 knows nothing of it: its workers run such a job but leave its slot taken until the
/// next sweep of ours, and its programs cannot fetch one that waits.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lullaby::Result<()> {
/// # use lullaby::{Lullaby, NewJob, RateLimit, Status, Task};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Ask { question: String }
/// # impl Task for Ask { const NAME: &'static str = "ask"; type Output = (); }
/// # let queue = Lullaby::open("memory:").await?.queue("default")?;
/// # let ask = |question: &str| Ask { question: question.to_owned() };
/// let limit = RateLimit::new("oracle", 1)?;
/// let first = queue.enqueue(NewJob::new(ask("who?")).rate_limit(limit.clone())).await?;
/// let second = queue.enqueue(NewJob::new(ask("why?")).rate_limit(limit)).await?;
/// assert_eq!(first.status().await?, Some(Status::Queued));
/// assert_eq!(second.status().await?, Some(Status::RateLimited));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// What the jobs have in common.
    pub key: String,
    /// How many of them may be queued or running at once; at least 1.
    pub concurrency: u32,
}

impl RateLimit {
    /// At most `concurrency` jobs of this key at once.
    ///
    /// # Errors
    /// If the key is empty, longer than 200 bytes, has control characters or ends as RQ names its own sets; if `concurrency` is 0.
    pub fn new(key: &str, concurrency: u32) -> Result<Self> {
        let limit = Self {
            key: key.to_owned(),
            concurrency,
        };
        limit.check()?;
        Ok(limit)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let Self { key, concurrency } = self;
        if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
            return Err(Error::invalid(format!(
                "expected a rate limit's key of 1 to {MAX_KEY} bytes without control characters, got {key:?}"
            )));
        }
        if let Some(end) = RESERVED_ENDS.iter().find(|end| key.ends_with(**end)) {
            return Err(Error::invalid(format!(
                "expected a rate limit's key that does not end with {end:?}, which RQ has for its own sets; got {key:?}"
            )));
        }
        if *concurrency == 0 {
            return Err(Error::invalid(format!(
                "expected a rate limit that lets at least 1 job run at once, got 0 for {key:?}"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_would_stop_all_or_break_anothers_sets_is_refused() {
        for (key, concurrency) in [
            ("", 1),
            ("api", 0),
            ("a\nb", 1),
            ("api:allowed", 1),
            ("api:rate_limited", 1),
            (&"x".repeat(201), 1),
        ] {
            let refused = RateLimit::new(key, concurrency).expect_err("refused");
            assert!(refused.is_invalid(), "{refused}");
        }
        assert!(RateLimit::new("user:7", 1).is_ok());
    }
}
