//! One verb, one file. Each answers whether everything that was named exists and was changed.

pub(crate) mod cancel;
pub(crate) mod enqueue;
pub(crate) mod info;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod quarantine;
pub(crate) mod requeue;
pub(crate) mod schedule;
pub(crate) mod scheduler;
pub(crate) mod stop;
pub(crate) mod why;

use lullaby::JobId;

/// The ids as they were typed, checked.
fn ids(texts: &[String]) -> anyhow::Result<Vec<JobId>> {
    Ok(texts
        .iter()
        .map(|text| JobId::new(text))
        .collect::<Result<_, _>>()?)
}
