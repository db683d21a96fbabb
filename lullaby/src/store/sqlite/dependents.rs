//! Jobs that wait for others.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, params};
use serde_json::json;

use super::row::{self, DEFERRED, status};
use super::step::{Stand, Step, Told, due, stand, stand_columns};
use crate::error::Result;
use crate::job::{Dependencies, JobId, JobSpec, Status};

/// Those who wait for a job, in the order in which they were made.
pub(super) const DEPENDENTS: &str = concat!(
    "SELECT ",
    stand_columns!(),
    ", depends_on FROM lullaby_dependency JOIN lullaby_job ON key = child WHERE parent = ?1 ORDER BY child"
);

impl Step<'_> {
    pub(super) fn are_met(&self, dependencies: &Dependencies) -> Result<bool> {
        for job in &dependencies.jobs {
            if !dependencies.are_met_by(self.status_of(job)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn status_of(&self, id: &JobId) -> Result<Option<Status>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT status FROM lullaby_job WHERE id = ?1")?;
        Ok(statement
            .query_row([id.as_str()], |row| status(row, 0))
            .optional()?)
    }

    /// Notes whom a deferred job waits for.
    pub(super) fn note_dependencies(&self, spec: &JobSpec) -> Result<()> {
        let mut statement = self.conn.prepare_cached(
            "INSERT INTO lullaby_dependency (parent, child) \
             SELECT ?1, key FROM lullaby_job WHERE id = ?2 AND status = ?3 ON CONFLICT DO NOTHING",
        )?;
        for parent in &spec.depends_on.jobs {
            statement.execute(params![parent.as_str(), spec.id.as_str(), DEFERRED])?;
        }
        Ok(())
    }

    /// A deferred job is about to be something else.
    pub(super) fn forget_dependencies(&self, job: &Stand) -> Result<()> {
        if job.status == Status::Deferred {
            self.conn
                .prepare_cached("DELETE FROM lullaby_dependency WHERE child = ?1")?
                .execute([job.key])?;
        }
        Ok(())
    }

    /// Lets in those that waited for `parent` alone, which has ended so.
    pub(super) fn release_dependents(&mut self, parent: &JobId, ending: Status) -> Result<()> {
        let waiting = self.dependents(parent)?;
        for (child, dependencies) in waiting {
            let mut met = true;
            for one in &dependencies.jobs {
                let status = if one == parent {
                    Some(ending)
                } else {
                    self.status_of(one)?
                };
                met = met && dependencies.are_met_by(status);
            }
            if met {
                self.let_in(&child)?;
            }
        }
        Ok(())
    }

    fn dependents(&self, parent: &JobId) -> Result<Vec<(Stand, Dependencies)>> {
        let mut statement = self.conn.prepare_cached(DEPENDENTS)?;
        let waiting = statement.query_map([parent.as_str()], |row| {
            Ok((stand(row)?, row::parsed(row, "depends_on")?))
        })?;
        Ok(waiting.collect::<rusqlite::Result<_>>()?)
    }

    fn let_in(&mut self, job: &Stand) -> Result<()> {
        self.forget_dependencies(job)?;
        if let Some(at) = job.due.filter(|at| *at > self.now) {
            self.tell(job, "job.scheduled", [("due", due(at))])?;
            return self.schedule(job, at);
        }
        self.enter_queue_anew(job, job.at_front)
    }

    /// Whether one of these, or one that it waits for in turn, is `id`.
    pub(super) fn waits_for(&self, dependencies: &Dependencies, id: &JobId) -> Result<bool> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT depends_on FROM lullaby_job WHERE id = ?1 AND status = ?2")?;
        let mut seen = HashSet::new();
        let mut ahead = dependencies.jobs.clone();
        while let Some(one) = ahead.pop() {
            if one == *id {
                return Ok(true);
            }
            if seen.insert(one.clone()) {
                let key = params![one.as_str(), DEFERRED];
                let further = statement.query_row(key, |row| row::parsed(row, "depends_on"));
                let further: Option<Dependencies> = further.optional()?;
                ahead.extend(further.unwrap_or_default().jobs);
            }
        }
        Ok(false)
    }

    pub(super) fn tell_deferred(&mut self, spec: &JobSpec, told: &Told) -> Result<()> {
        let data = [("depends_on", json!(spec.depends_on.jobs))];
        self.tell_of(&spec.id, told, "job.deferred", data)
    }
}
