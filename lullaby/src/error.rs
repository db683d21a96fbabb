//! The one error type of the library.

use std::fmt;
use std::sync::Arc;

/// What went wrong, in words that say what was expected, what came and what to do.
///
/// One opaque type for the whole library: callers that must choose ask its predicates, everybody else prints it.
/// It is cheap to clone, so that one failed batch can answer each of its callers.
///
/// ```
/// let error = lullaby::job::JobId::new("no spaces allowed").unwrap_err();
/// assert!(error.is_invalid());
/// assert!(error.to_string().contains("letters, digits"));
/// ```
///
/// Its text tells all of it, the error of the layer below too. So [`source`](std::error::Error::source) has nothing to add, and reports
/// that print the chain of sources, as anyhow's, say nothing twice; [`Error::get_ref`] gives the layer below to who wants to look at it.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Invalid,
    NotFound,
    Duplicate,
    Store,
    Deadline,
    JobFailed,
    TakenOver,
}

/// Shorthand for a result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// An argument was refused; nothing was changed.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// What was asked for is not in the store.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// A unique job's id is taken.
    #[must_use]
    pub fn duplicate(message: impl Into<String>) -> Self {
        Self::new(Kind::Duplicate, message)
    }

    /// The store could not do its work: not reachable, locked, full. Trying again later may help.
    #[must_use]
    pub fn store(message: impl Into<String>) -> Self {
        Self::new(Kind::Store, message)
    }

    /// As [`Error::store`], with the error of the layer below.
    #[must_use]
    pub fn store_because(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self(Arc::new(Inner {
            kind: Kind::Store,
            message: message.into(),
            source: Some(source.into()),
        }))
    }

    /// The time allowed for waiting is over.
    #[must_use]
    pub fn deadline(message: impl Into<String>) -> Self {
        Self::new(Kind::Deadline, message)
    }

    /// The job whose result was asked for did not finish.
    #[must_use]
    pub fn job_failed(message: impl Into<String>) -> Self {
        Self::new(Kind::JobFailed, message)
    }

    /// Another worker owns this job by now, so nothing was written.
    #[must_use]
    pub fn taken_over(message: impl Into<String>) -> Self {
        Self::new(Kind::TakenOver, message)
    }

    /// The error of the layer below, if there is one, as `rusqlite::Error` or `redis::RedisError`.
    #[must_use]
    pub fn get_ref(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// True if an argument was refused: asking again with the same argument cannot help.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.0.kind == Kind::Invalid
    }

    /// True if the job, schedule or file that was named does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.kind == Kind::NotFound
    }

    /// True if a job of that id exists already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.0.kind == Kind::Duplicate
    }

    /// True if the store failed; the same call may succeed later.
    #[must_use]
    pub fn is_store(&self) -> bool {
        self.0.kind == Kind::Store
    }

    /// True if a deadline passed before the answer came.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        self.0.kind == Kind::Deadline
    }

    /// True if the job that was waited for ended as failed, canceled or stopped.
    #[must_use]
    pub fn is_job_failed(&self) -> bool {
        self.0.kind == Kind::JobFailed
    }

    /// True if this execution of a job lost its lease and another one took over.
    #[must_use]
    pub fn is_taken_over(&self) -> bool {
        self.0.kind == Kind::TakenOver
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_is_told_once_and_can_be_looked_at() {
        let below = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer");
        let error = Error::store_because("reading pets", below);
        assert_eq!(error.to_string(), "reading pets: no answer");
        assert!(
            std::error::Error::source(&error).is_none(),
            "a report would say it again"
        );
        let below = error
            .get_ref()
            .and_then(|below| below.downcast_ref::<std::io::Error>());
        assert_eq!(
            below.map(std::io::Error::kind),
            Some(std::io::ErrorKind::TimedOut)
        );
    }
}
