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
use lullaby::store::Page;

/// The ids as they were typed, checked.
fn ids(texts: &[String]) -> anyhow::Result<Vec<JobId>> {
    Ok(texts
        .iter()
        .map(|text| JobId::new(text))
        .collect::<Result<_, _>>()?)
}

/// Which part of a long list is shown.
#[derive(clap::Args, Clone, Copy, Debug)]
struct Paging {
    /// How many to leave out first
    #[arg(long, default_value_t = 0)]
    offset: usize,
    /// The most to list
    #[arg(long, short = 'n', default_value_t = 20)]
    length: usize,
}

impl Paging {
    fn page(self) -> Page {
        Page {
            offset: self.offset,
            length: self.length,
        }
    }
}
