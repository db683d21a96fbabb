//! What became of a job's earlier executions.

use rusqlite::{Connection, OptionalExtension, params};

use super::row::{parsed, to_json, token_of};
use super::step::Step;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::history::Attempt;
use crate::job::{JobId, Status};

impl Step<'_> {
    /// Notes how an execution ended, before the job forgets it. Only of one that is not the job's last: most jobs run once, and cost nothing
    /// here.
    pub(super) fn keep_attempt(&self, key: i64, outcome: &str, error: Option<&str>) -> Result<()> {
        let (attempt, mut kept) = self
            .conn
            .prepare_cached(
                "SELECT token, started, ended, worker, error, attempts FROM lullaby_job WHERE key = ?1",
            )?
            .query_row([key], |row| {
                let instant = |column| -> rusqlite::Result<_> {
                    let ms: Option<i64> = row.get(column)?;
                    Ok(ms.map(Timestamp::from_millis))
                };
                let stored: Option<String> = row.get(4)?;
                let failed = outcome == Status::Failed.as_str();
                let error = error.or(stored.as_deref().filter(|_| failed));
                let attempt = Attempt {
                    token: row.get::<_, Option<i64>>(0)?.map(token_of),
                    started_at: instant(1)?,
                    ended_at: instant(2)?.or(Some(self.now)),
                    outcome: outcome.to_owned(),
                    worker: row.get(3)?,
                    error: error.map(Attempt::brief),
                };
                Ok((attempt, parsed::<Vec<Attempt>>(row, 5)?))
            })?;
        attempt.keep(&mut kept);
        self.conn
            .prepare_cached("UPDATE lullaby_job SET attempts = ?2 WHERE key = ?1")?
            .execute(params![key, to_json(&kept)?])?;
        Ok(())
    }
}

/// A job's earlier executions, oldest first.
pub(super) fn attempts(conn: &Connection, id: &JobId) -> Result<Vec<Attempt>> {
    let mut statement = conn.prepare_cached("SELECT attempts FROM lullaby_job WHERE id = ?1")?;
    let kept = statement.query_row([id.as_str()], |row| parsed(row, 0));
    Ok(kept.optional()?.unwrap_or_default())
}
