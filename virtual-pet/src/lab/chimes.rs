//! Three hourly schedules side by side, alike but for what becomes of missed slots.

use std::time::Duration;

use lullaby::schedule::{LedgerLine, ScheduleRecord, Verdict};
use lullaby::{Lullaby, Missed, NewJob, Timestamp};

use super::tasks;
use crate::pet::PetId;

/// How often they ring.
const EVERY: Duration = Duration::from_secs(3600);

/// The first slot is half an hour ahead, so that a day later the last one is half an hour late and not just due.
const FIRST: Duration = Duration::from_secs(1800);

/// The most runs at once that `All` makes up for.
const CAP: u32 = 100;

/// Lines of a ledger that are read.
const LINES: usize = 100;

/// What becomes of missed slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// One run for all.
    Latest,
    /// Each gets its run.
    All,
    /// None is made up for.
    Skip,
}

/// All three.
pub const POLICIES: [Policy; 3] = [Policy::Latest, Policy::All, Policy::Skip];

impl Policy {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "Latest",
            Self::All => "All",
            Self::Skip => "Skip",
        }
    }

    /// The name of its schedule.
    #[must_use]
    pub fn schedule(self) -> &'static str {
        match self {
            Self::Latest => "chime-latest",
            Self::All => "chime-all",
            Self::Skip => "chime-skip",
        }
    }

    fn missed(self) -> Missed {
        match self {
            Self::Latest => Missed::Latest,
            Self::All => Missed::All { cap: CAP },
            Self::Skip => Missed::Skip,
        }
    }
}

/// One of the three, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Chime {
    /// Its policy.
    pub policy: Policy,
    /// The schedule.
    pub record: ScheduleRecord,
    /// What became of its slots, newest first.
    pub ledger: Vec<LedgerLine>,
}

impl Chime {
    /// Slots that became jobs.
    #[must_use]
    pub fn ran(&self) -> u64 {
        self.count(|verdict| matches!(verdict, Verdict::Fired { .. }))
    }

    /// Slots for which a later one's run stands.
    #[must_use]
    pub fn coalesced(&self) -> u64 {
        self.count(|verdict| matches!(verdict, Verdict::Coalesced { .. }))
    }

    /// Slots that were left out.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.count(|verdict| matches!(verdict, Verdict::Missed))
    }

    fn count(&self, is: impl Fn(&Verdict) -> bool) -> u64 {
        let lines = self.ledger.iter().filter(|line| is(&line.verdict));
        lines.map(|line| line.slots).sum()
    }
}

/// Makes the three, anew if they are there.
pub(super) async fn set(lullaby: &Lullaby, pet: &PetId, ttl: Duration) -> lullaby::Result<()> {
    let scheduler = lullaby.scheduler();
    let start: Timestamp = lullaby.now() + FIRST;
    for policy in POLICIES {
        lullaby
            .store()
            .remove_schedule(policy.schedule(), None)
            .await?;
        let task = tasks::Chime {
            policy: policy.as_str().to_owned(),
        };
        let job = NewJob::new(task).subject(pet.as_str()).result_ttl(ttl);
        scheduler
            .schedule(policy.schedule(), job)
            .every(EVERY)
            .start(start)
            .missed(policy.missed())
            .await?;
    }
    Ok(())
}

/// The three as they stand; none before they were made.
pub(super) async fn look(lullaby: &Lullaby) -> lullaby::Result<Vec<Chime>> {
    let mut chimes = Vec::new();
    for policy in POLICIES {
        let store = lullaby.store();
        if let Some(record) = store.schedule(policy.schedule()).await? {
            let ledger = store.ledger(&record, LINES).await?;
            chimes.push(Chime {
                policy,
                record,
                ledger,
            });
        }
    }
    Ok(chimes)
}
