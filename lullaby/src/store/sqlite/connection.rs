//! Opening connections to the file.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::is_busy;
use super::schema;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};

/// Prepared statements kept by a connection: all that there are.
const STATEMENTS: usize = 128;
/// The oldest SQLite with all that the statements use (`iif`, `RETURNING`, JSON built in).
const OLDEST_SQLITE: i32 = 3_038_000;

/// The file's path, absolute and without links, so that all processes agree on the names beside it (`-wal`, `-owners`).
pub(super) fn resolve(path: &Path) -> Result<PathBuf> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(Error::invalid(format!(
            "expected the path of an SQLite file, got {:?}: a store in memory is `memory:`",
            path.display().to_string()
        )));
    }
    if let Ok(found) = path.canonicalize() {
        return Ok(found);
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|error| {
        Error::store_because(
            format!(
                "the folder {} for the SQLite file cannot be used: make it first",
                folder.display()
            ),
            error,
        )
    })?;
    match path.file_name() {
        Some(name) => Ok(folder.join(name)),
        None => Err(Error::invalid(format!(
            "expected the path of an SQLite file, got {}",
            path.display()
        ))),
    }
}

/// Opens the writer's connection; makes the file and its tables if they are not there.
pub(super) fn open_writer(path: &Path, patience: Duration) -> Result<Connection> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(Error::store(format!(
            "expected SQLite 3.38 or newer, this program is linked with {}: build it with the feature `bundled`",
            rusqlite::version()
        )));
    }
    let conn = open(path, patience)?;
    let mode = to_wal(&conn, patience)?;
    if mode != "wal" {
        return Err(Error::store(format!(
            "expected SQLite to keep a write-ahead log beside {}, it keeps {mode:?}: use a file on a local disk",
            path.display()
        )));
    }
    // 4 MiB each, however many jobs wait. The log is cut back to 64 MiB after it grew in one long transaction.
    conn.execute_batch("PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864")?;
    schema::migrate(&conn)?;
    // From here on the writer waits for locks in its own way.
    conn.busy_timeout(Duration::ZERO)?;
    Ok(conn)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    // Readers wait for nobody in WAL mode, but for a moment while another process opens or recovers the file.
    let conn = open(path, Duration::from_secs(5))?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048")?;
    Ok(conn)
}

fn open(path: &Path, patience: Duration) -> Result<Connection> {
    // No URIs: a file may be called `file:x`. No mutex: each connection is used by one thread at a time.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(patience)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // A plan must not depend on the values that are bound. Else SQLite plans some statements anew at every call, in case these values want
    // another index; the look for those who wait for a job that ends took half of the writer's time so.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(conn)
}

/// SQLite does not wait for the locks of this change by itself.
fn to_wal(conn: &Connection, patience: Duration) -> Result<String> {
    let host = SystemClock::default();
    let deadline = host.monotonic() + patience;
    loop {
        match conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(error) if is_busy(&error) && host.monotonic() < deadline => {
                thread::park_timeout(Duration::from_millis(1));
            }
            outcome => return Ok(outcome?),
        }
    }
}
