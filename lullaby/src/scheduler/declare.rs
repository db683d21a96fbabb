//! Declared schedules: a program says at its start which schedules it wants, all of them, and the store follows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::{ScheduleBuilder, Scheduler};
use crate::error::{Error, Result};
use crate::schedule::{Owner, ScheduleRecord, ScheduleSpec};
use crate::store::Page;

/// How many schedules are read at a time.
const PAGE: usize = 1000;

/// All schedules of one program, by name.
///
/// It makes those that are missing, changes those that differ, and removes those that this program declared earlier and declares no
/// more. What others own is never touched: not what a person made, not what another program declared.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lullaby::Result<()> {
/// # use lullaby::{Lullaby, NewJob};
/// # use std::time::Duration;
/// # let lullaby = Lullaby::open("memory:").await?;
/// # let report = || NewJob::named("report", &[], &serde_json::Map::new());
/// let scheduler = lullaby.scheduler();
/// let hour = Duration::from_secs(3600);
/// let wanted = || -> lullaby::Result<_> {
///     Ok(scheduler.declare("billing").with(scheduler.schedule("report", report()?).every(hour)))
/// };
/// let done = wanted()?.apply().await?;
/// assert_eq!(done[0].to_string(), r#""report" is added"#);
/// assert!(wanted()?.apply().await?.is_empty(), "the second start changes nothing");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a declaration does nothing until it is applied"]
pub struct Declaration {
    scheduler: Scheduler,
    program: String,
    wanted: Vec<ScheduleBuilder>,
}

/// How a store differs from a declaration, for one schedule.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Difference {
    /// Declared, and not there.
    Added {
        /// The schedule's name.
        name: String,
    },
    /// There, but otherwise.
    Changed {
        /// The schedule's name.
        name: String,
        /// Field by field.
        fields: Vec<FieldChange>,
    },
    /// Declared earlier by this program, and no more.
    Removed {
        /// The schedule's name.
        name: String,
    },
    /// Declared, but somebody else owns a schedule of this name; it stays as it is.
    Foreign {
        /// The schedule's name.
        name: String,
        /// Whose it is.
        owner: Owner,
    },
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// Its path, as `missed` or `template.queue`.
    pub field: String,
    /// As it stands; null if it is not there.
    pub from: Value,
    /// As declared; null if it is not there.
    pub to: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { name } => write!(f, "{name:?} is added"),
            Self::Removed { name } => write!(f, "{name:?} is removed: it is not declared any more"),
            Self::Foreign { name, owner } => {
                write!(f, "{name:?} stays as it is: {owner} owns it")
            }
            Self::Changed { name, fields } => {
                write!(f, "{name:?} is changed:")?;
                for (n, change) in fields.iter().enumerate() {
                    let comma = if n == 0 { "" } else { "," };
                    let FieldChange { field, from, to } = change;
                    write!(f, "{comma} {field} from {from} to {to}")?;
                }
                Ok(())
            }
        }
    }
}

impl Scheduler {
    /// States all schedules of the program of this name; see [`Declaration`].
    pub fn declare(&self, program: &str) -> Declaration {
        Declaration {
            scheduler: self.clone(),
            program: program.to_owned(),
            wanted: Vec::new(),
        }
    }
}

impl Declaration {
    /// Adds a schedule; its owner is the program.
    pub fn with(mut self, schedule: ScheduleBuilder) -> Self {
        self.wanted.push(schedule.owner(self.owner()));
        self
    }

    /// What [`apply`](Self::apply) would do, without doing it.
    ///
    /// # Errors
    /// [`Error::is_invalid`] if a schedule is refused or declared twice; a store error.
    pub async fn differences(&self) -> Result<Vec<Difference>> {
        let (found, stale) = self.compare().await?;
        let removed = stale
            .into_iter()
            .map(|record| Difference::Removed { name: record.name });
        Ok(found.into_iter().flatten().chain(removed).collect())
    }

    /// Makes, changes and removes what differs, and answers what it did. Each schedule is a step of its own; one that is cut off in the
    /// middle is finished by the next.
    ///
    /// # Errors
    /// As [`differences`](Self::differences); nothing is done if a schedule is refused.
    pub async fn apply(self) -> Result<Vec<Difference>> {
        let (found, stale) = self.compare().await?;
        let store = self.scheduler.lullaby.store();
        let mut done = Vec::new();
        for (schedule, difference) in self.wanted.into_iter().zip(found) {
            match difference {
                None => {}
                Some(foreign @ Difference::Foreign { .. }) => done.push(foreign),
                Some(difference) => {
                    schedule.await?;
                    done.push(difference);
                }
            }
        }
        for record in stale {
            // By its id: one made anew under the name since then is not the one that we saw.
            if store
                .remove_schedule(&record.name, Some(&record.id))
                .await?
            {
                done.push(Difference::Removed { name: record.name });
            }
        }
        for difference in &done {
            tracing::info!(program = self.program, "schedule {difference}");
        }
        Ok(done)
    }

    fn owner(&self) -> Owner {
        Owner::Program(self.program.clone())
    }

    /// For each wanted schedule how it differs, and which of our own are no longer wanted.
    async fn compare(&self) -> Result<(Vec<Option<Difference>>, Vec<ScheduleRecord>)> {
        let mut names = BTreeSet::new();
        let mut found = Vec::new();
        for schedule in &self.wanted {
            if !names.insert(schedule.name()) {
                return Err(Error::invalid(format!(
                    "the schedule {:?} is declared twice: give one of the two another name",
                    schedule.name()
                )));
            }
            found.push(self.difference(schedule).await?);
        }
        let mut stale = self.owned().await?;
        stale.retain(|record| !names.contains(record.name.as_str()));
        Ok((found, stale))
    }

    async fn difference(&self, schedule: &ScheduleBuilder) -> Result<Option<Difference>> {
        let now = self.scheduler.lullaby.now();
        let name = schedule.name().to_owned();
        let stored = self.scheduler.get(&name).await?;
        let spec = schedule.spec(stored.as_ref(), now)?;
        let Some(stored) = stored else {
            ScheduleRecord::new(&name, spec, now)?;
            return Ok(Some(Difference::Added { name }));
        };
        if stored.spec.owner != self.owner() {
            let owner = stored.spec.owner;
            return Ok(Some(Difference::Foreign { name, owner }));
        }
        let fields = changes(&stored.spec, &spec)?;
        stored.edited(spec, now)?;
        Ok((!fields.is_empty()).then_some(Difference::Changed { name, fields }))
    }

    async fn owned(&self) -> Result<Vec<ScheduleRecord>> {
        let store = self.scheduler.lullaby.store();
        let mut owned = Vec::new();
        let mut page = Page {
            offset: 0,
            length: PAGE,
        };
        loop {
            let some = store.list_schedules(None, page).await?;
            let last = some.len() < PAGE;
            page.offset += some.len();
            owned.extend(
                some.into_iter()
                    .filter(|one| one.spec.owner == self.owner()),
            );
            if last {
                return Ok(owned);
            }
        }
    }
}

/// Which fields differ, by their paths in JSON.
fn changes(from: &ScheduleSpec, to: &ScheduleSpec) -> Result<Vec<FieldChange>> {
    let (from, to) = (leaves(from)?, leaves(to)?);
    let fields: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let value = |of: &BTreeMap<String, Value>, field| of.get(field).cloned().unwrap_or_default();
    let changes = fields.into_iter().map(|field| FieldChange {
        field: field.clone(),
        from: value(&from, field),
        to: value(&to, field),
    });
    Ok(changes.filter(|change| change.from != change.to).collect())
}

fn leaves(spec: &ScheduleSpec) -> Result<BTreeMap<String, Value>> {
    let json = serde_json::to_value(spec).map_err(|error| {
        Error::invalid(format!("this schedule cannot be written as JSON: {error}"))
    })?;
    let mut leaves = BTreeMap::new();
    let mut open = vec![(String::new(), json)];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(fields) if !fields.is_empty() && path != "template.payload" => {
                let dot = if path.is_empty() { "" } else { "." };
                open.extend(
                    fields
                        .into_iter()
                        .map(|(name, value)| (format!("{path}{dot}{name}"), value)),
                );
            }
            value => {
                leaves.insert(path, value);
            }
        }
    }
    Ok(leaves)
}
