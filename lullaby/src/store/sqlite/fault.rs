//! SQLite's errors, in words that say what to do.

use rusqlite::ErrorCode;

use crate::error::Error;

/// So that `?` works in the closures given to [`SqliteStore::write`](super::SqliteStore::write) and
/// [`read`](super::SqliteStore::read). All of them are store errors; [`Error::get_ref`] gives SQLite's own.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let advice = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another process holds the lock of the SQLite file; nothing was written: try again, or see what holds it with `fuser`"
            }
            Some(ErrorCode::DiskFull) => {
                "the disk is full; nothing was written: free some space, and the store goes on by itself"
            }
            Some(ErrorCode::NotADatabase) => {
                "expected an SQLite file, found something else: give the path of another file"
            }
            Some(ErrorCode::DatabaseCorrupt) => {
                "the SQLite file is damaged: stop all that use it, and restore a backup or run `sqlite3 FILE .recover`"
            }
            Some(ErrorCode::ReadOnly) => {
                "the SQLite file cannot be written: give this user the right to write the file and its folder"
            }
            Some(ErrorCode::CannotOpen) => {
                "the SQLite file cannot be opened: see that its folder exists and that this user may write in it"
            }
            Some(ErrorCode::SystemIoFailure) => {
                "the disk of the SQLite file failed; nothing was written: see the system's log"
            }
            _ => "SQLite refused",
        };
        Self::store_because(advice, error)
    }
}

/// True if another connection holds a lock that this one needs.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}
