//! Whether a commit may fail by what one caller wrote.

use rusqlite::Connection;

use crate::error::Result;

/// A foreign key that is deferred is only checked at the commit, which would then fail for all who share it.
#[derive(Debug, Default)]
pub(super) struct DeferredKeys {
    /// Whether any table has such keys, and the version of the tables that says so.
    declared: Option<(i64, bool)>,
}

impl DeferredKeys {
    /// Whether one may be broken now: SQLite enforces keys here, and a table or the caller defers them. Some 3 us.
    pub(super) fn may_be_broken(&mut self, conn: &Connection) -> Result<bool> {
        let pragma = |sql| -> Result<i64> {
            let mut statement = conn.prepare_cached(sql)?;
            Ok(statement.query_row([], |row| row.get(0))?)
        };
        if pragma("PRAGMA foreign_keys")? == 0 {
            return Ok(false);
        }
        if pragma("PRAGMA defer_foreign_keys")? == 1 {
            return Ok(true);
        }
        let version = pragma("PRAGMA schema_version")?;
        if let Some((_, declared)) = self.declared.filter(|(seen, _)| *seen == version) {
            return Ok(declared);
        }
        let declared = pragma(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND sql LIKE '%DEFERRED%')",
        )? == 1;
        self.declared = Some((version, declared));
        Ok(declared)
    }
}
