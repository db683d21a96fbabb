//! Reading beside the writer: WAL lets readers see the last commit while the next one is being written.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Semaphore;

use super::connection;
use crate::error::{Error, Result};

/// The most connections that read at once: enough that a long list does not keep short reads waiting.
const CONNECTIONS: usize = 2;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    free: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_owned(),
            free: Mutex::new(Vec::new()),
            places: Arc::new(Semaphore::new(CONNECTIONS)),
        })
    }

    /// Runs `work` on one consistent state of the file, on a thread where it may block.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let closed = || Error::store("the SQLite store is closed");
        let place = self.places.clone().acquire_owned().await;
        let place = place.map_err(|_| closed())?;
        let readers = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let outcome = readers.read(work);
            drop(place);
            outcome
        });
        match read.await {
            Ok(outcome) => outcome,
            Err(stopped) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
            Err(_) => Err(closed()),
        }
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut conn = match self.free().pop() {
            Some(conn) => conn,
            None => connection::open_reader(&self.path)?,
        };
        let state = conn.transaction_with_behavior(TransactionBehavior::Deferred)?;
        let outcome = work(&state);
        // Nothing was written; ending it lets the writer reset the WAL.
        drop(state);
        if conn.is_autocommit() {
            self.free().push(conn);
        }
        outcome
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
