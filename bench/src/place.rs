//! Where a measurement keeps its jobs.

use std::path::PathBuf;

use lullaby::Lullaby;

use crate::figure::PerJob;
use crate::redis_server::{Look, Spent};

#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// SQLite files in this folder.
    Folder(PathBuf),
    /// The Redis server at this URL.
    Redis(String),
}

impl Place {
    /// A store with nothing in it.
    pub(crate) async fn fresh(&self, name: &str) -> anyhow::Result<Lullaby> {
        match self {
            Self::Folder(folder) => {
                for suffix in ["", "-wal", "-shm"] {
                    let _ = std::fs::remove_file(folder.join(format!("{name}.db{suffix}")));
                }
            }
            Self::Redis(url) => Look::at(url)?.empty()?,
        }
        self.open(name).await
    }

    /// A store with what is in it.
    pub(crate) async fn open(&self, name: &str) -> anyhow::Result<Lullaby> {
        let url = match self {
            Self::Folder(folder) => format!(
                "sqlite:{}",
                folder.join(name).with_extension("db").display()
            ),
            Self::Redis(url) => url.clone(),
        };
        Ok(Lullaby::open(&url).await?)
    }

    /// What a Redis server spends from now on.
    pub(crate) fn watch(&self) -> anyhow::Result<Watched> {
        Ok(Watched(match self {
            Self::Folder(_) => None,
            Self::Redis(url) => {
                let mut look = Look::at(url)?;
                let spent = look.spent()?;
                Some((look, spent))
            }
        }))
    }
}

pub(crate) struct Watched(Option<(Look, Spent)>);

impl Watched {
    /// What it was for each of so many jobs; none of SQLite.
    pub(crate) fn per_job(self, jobs: usize) -> anyhow::Result<Option<PerJob>> {
        self.0
            .map(|(mut look, before)| look.since(before, jobs))
            .transpose()
    }
}
