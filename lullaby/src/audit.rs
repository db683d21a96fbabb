//! The audit: looks, apart from the path that fires them, whether every schedule's last slot is accounted for.
//!
//! It knows nothing of how decisions are made. It takes a schedule's trigger, works out which slot was the last one, and looks for it in
//! the ledger.

use std::time::Duration;

use crate::client::Lullaby;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::schedule::{LedgerLine, ScheduleRecord};
use crate::shutdown::{Shutdown, Stop};
use crate::store::Page;

/// How long a slot may be due before the audit complains. A busy scheduler is within seconds, also after an outage.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often the audit looks; the first time that much after its start, so that a scheduler has caught up with an outage by then.
const EVERY: Duration = Duration::from_secs(60);

/// How many schedules it looks at each time. A store with more takes several rounds; overdue ones are looked at in each.
const PAGE: usize = 1000;

/// How many of the newest lines may be about the last slot: runs by hand come after it.
const LINES: usize = 50;

/// How many complaints are told at once.
const MOST_FINDINGS: usize = 10;

/// A schedule whose last slot is not accounted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The schedule's name.
    pub schedule: String,
    /// The slot.
    pub slot: Timestamp,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It has been due for longer than [`PATIENCE`], and nobody decided it.
    Overdue,
    /// The schedule went on to a later slot, and its ledger has no line about this one.
    Lost,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, slot) = (&self.schedule, self.slot);
        match self.fault {
            Fault::Overdue => write!(
                f,
                "the slot {slot} of {name:?} is due and nobody has decided it"
            ),
            Fault::Lost => write!(f, "the slot {slot} of {name:?} is in no line of its ledger"),
        }
    }
}

impl Lullaby {
    /// Looks at every schedule, whether its last slot is accounted for. Workers do this by themselves, a part at a time; what they find is
    /// in [`Health::complaints`](crate::Health::complaints).
    ///
    /// # Errors
    /// A store error.
    pub async fn audit(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let mut page = Page {
            offset: 0,
            length: PAGE,
        };
        loop {
            let (looked_at, found) = audit_page(self, None, page).await?;
            findings.extend(found);
            if looked_at < PAGE {
                return Ok(findings);
            }
            page.offset += PAGE;
        }
    }
}

/// Audits, a page at a time, until `shutdown`.
pub(crate) async fn run(lullaby: &Lullaby, shutdown: &Shutdown) {
    let clock = lullaby.clock().as_ref();
    let mut offset = 0;
    loop {
        let wake = clock.now() + EVERY;
        tokio::select! {
            () = clock.sleep_until(wake) => {}
            () = shutdown.reached(Stop::Warm) => break,
        }
        let round = round(lullaby, &mut offset);
        match lullaby.health().watch("audit", clock, round).await {
            Ok(findings) => {
                for finding in &findings {
                    tracing::warn!(schedule = finding.schedule, "{finding}");
                }
                let told = findings.iter().take(MOST_FINDINGS).map(ToString::to_string);
                lullaby.health().find("audit", told.collect());
            }
            Err(error) => tracing::warn!(%error, "the audit could not read the schedules"),
        }
    }
    lullaby.health().retire("audit");
}

async fn round(lullaby: &Lullaby, offset: &mut usize) -> Result<Vec<Finding>> {
    let page = |offset| Page {
        offset,
        length: PAGE,
    };
    let overdue = lullaby.now() - PATIENCE;
    let (_, mut findings) = audit_page(lullaby, Some(overdue), page(0)).await?;
    let (looked_at, found) = audit_page(lullaby, None, page(*offset)).await?;
    *offset = if looked_at < PAGE { 0 } else { *offset + PAGE };
    findings.extend(found);
    findings.dedup();
    Ok(findings)
}

/// How many schedules there were on the page, and what is wrong with them.
async fn audit_page(
    lullaby: &Lullaby,
    until: Option<Timestamp>,
    page: Page,
) -> Result<(usize, Vec<Finding>)> {
    let store = lullaby.store();
    // Before the schedules: a slot that is decided meanwhile is not missed.
    let now = lullaby.now();
    let schedules = store.list_schedules(until, page).await?;
    let mut findings = Vec::new();
    for record in &schedules {
        let ledger = store.ledger(record, LINES).await?;
        findings.extend(examine(record, &ledger, now));
    }
    Ok((schedules.len(), findings))
}

/// Whether the last slot before `now` is accounted for. `ledger` is newest first, and was read after `record`.
fn examine(record: &ScheduleRecord, ledger: &[LedgerLine], now: Timestamp) -> Option<Finding> {
    let finding = |slot, fault| {
        Some(Finding {
            schedule: record.name.clone(),
            slot,
            fault,
        })
    };
    let trigger = &record.spec.trigger;
    if let Some(next) = record.next.filter(|next| *next <= now) {
        return if now.since(next) > PATIENCE {
            finding(next, Fault::Overdue)
        } else {
            None
        };
    }
    // An ended schedule has no slot after its end, and none after its last run, which only its ledger knows.
    let until = match (record.next, record.spec.end) {
        (Some(next), _) => next.min(now + Duration::from_millis(1)),
        (None, Some(end)) if record.spec.repeat.is_none() => end.min(now),
        (None, _) => return None,
    };
    let last = trigger.latest_until(Timestamp::from_millis(until.as_millis() - 1))?;
    if last < record.since || ledger.iter().any(|line| line.covers(last)) {
        return None;
    }
    finding(last, Fault::Lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobOptions, JobTemplate, QueueName};
    use crate::payload::Payload;
    use crate::schedule::{Missed, Overlap, Owner, ScheduleSpec, Trigger, decide};

    const HOUR: i64 = 3_600_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * HOUR)
    }

    fn hourly() -> ScheduleRecord {
        let spec = ScheduleSpec {
            trigger: Trigger::Every {
                every: Duration::from_secs(3600),
                start: at(1),
            },
            template: JobTemplate {
                queue: QueueName::default(),
                task: "tick".into(),
                payload: Payload::of(&()).expect("JSON"),
                options: JobOptions::default(),
                meta: serde_json::Map::new(),
                description: None,
                subject: None,
            },
            missed: Missed::Latest,
            grace: None,
            repeat: None,
            end: None,
            overlap: Overlap::Allow,
            jitter: None,
            pause_after: None,
            owner: Owner::Code,
        };
        ScheduleRecord::new("pet", spec, at(0)).expect("fine")
    }

    #[test]
    fn a_decided_slot_is_accounted_for() {
        let decision = decide(&hourly(), at(1)).expect("due");
        assert_eq!(examine(&decision.record, &decision.ledger, at(1)), None);
    }

    #[test]
    fn a_slot_that_nobody_decides_is_found_after_a_minute() {
        let record = hourly();
        assert_eq!(examine(&record, &[], at(1) + PATIENCE), None);
        let late = at(1) + PATIENCE + Duration::from_millis(1);
        let found = examine(&record, &[], late).expect("found");
        assert_eq!((found.slot, found.fault), (at(1), Fault::Overdue));
    }

    #[test]
    fn a_slot_without_a_line_is_found() {
        let decision = decide(&hourly(), at(1)).expect("due");
        let found = examine(&decision.record, &[], at(1)).expect("found");
        assert_eq!((found.slot, found.fault), (at(1), Fault::Lost));
        let mut skipped = decision.record;
        skipped.next = Some(at(3));
        let found = examine(&skipped, &decision.ledger, at(2) + Duration::from_secs(1));
        assert_eq!(found.map(|found| found.slot), Some(at(2)));
    }

    #[test]
    fn a_schedule_that_is_new_or_has_made_its_runs_misses_nothing() {
        assert_eq!(examine(&hourly(), &[], at(0)), None);
        let mut over = hourly();
        over.spec.repeat = Some(1);
        let decision = decide(&over, at(1)).expect("due");
        assert_eq!(examine(&decision.record, &decision.ledger, at(9)), None);
    }
}
