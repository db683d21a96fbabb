//! The tables, and bringing a file up to date.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::error::{Error, Result};

/// What leads from each version to the next; the first one from an empty file to version 1.
const MIGRATIONS: [&str; 7] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
];

/// The version that this build reads and writes.
const VERSION: usize = MIGRATIONS.len();

/// Brings the tables of a file to this build's version, in one step.
///
/// The version stands in `lullaby_meta`, not in `PRAGMA user_version`: the file may be the application's own, whose migrations often
/// count there.
pub(super) fn migrate(conn: &Connection) -> Result<()> {
    if version(conn)? == VERSION {
        return Ok(());
    }
    let step = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    // Once more, now that no other process can be at it.
    let found = version(&step)?;
    if found > VERSION {
        return Err(Error::store(format!(
            "the tables in this file are of version {found}, and this build knows versions up to {VERSION}: a newer program wrote them; \
             update this one"
        )));
    }
    for migration in &MIGRATIONS[found..] {
        step.execute_batch(migration)?;
    }
    step.execute(
        "UPDATE lullaby_meta SET value = ?1 WHERE name = 'schema'",
        [VERSION as i64],
    )?;
    Ok(step.commit()?)
}

/// 0 for a file without our tables.
fn version(conn: &Connection) -> Result<usize> {
    let ours: bool = conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'lullaby_meta')",
        [],
        |row| row.get(0),
    )?;
    if !ours {
        return Ok(0);
    }
    let version: Option<i64> = conn
        .query_row(
            "SELECT value FROM lullaby_meta WHERE name = 'schema'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    version
        .and_then(|version| usize::try_from(version).ok())
        .filter(|version| *version > 0)
        .ok_or_else(|| {
            Error::store(
                "this file has a table lullaby_meta without a version in it: it is not one of ours, or damaged; \
                 use another file or restore a backup",
            )
        })
}
