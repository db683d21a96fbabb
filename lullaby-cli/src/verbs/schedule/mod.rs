//! `lullaby schedule …`

mod backfill;
mod collisions;
mod plan;
mod preview;
mod show;

use clap::Subcommand;
use lullaby::schedule::{Owner, ScheduleRecord, ScheduleSpec, Verdict};
use lullaby::store::Page;
use lullaby::store::redis::RedisStore;
use lullaby::{Lullaby, NewJob, Timestamp};

use self::backfill::Backfill;
use self::collisions::Collide;
use self::plan::{Clear, DAYLIGHT_SAVING, Plan};
use self::preview::Preview;
use self::show::{entry_json, record_json, record_text, schedule_table};
use super::Paging;
use crate::call::call;
use crate::job_options::JobOptions;
use crate::print::Out;

/// What recurs: add, see, change, pause, run and remove schedules.
#[derive(clap::Args, Debug)]
pub(crate) struct Schedule {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make a schedule
    #[command(after_long_help = DAYLIGHT_SAVING)]
    Add(Box<Add>),
    /// All schedules, by their next slot; in Redis also rq-scheduler's
    List(List),
    /// All about one schedule, with the end of its ledger
    Show(Show),
    /// Change what is given, keep the rest: history and slot numbers too
    #[command(after_long_help = DAYLIGHT_SAVING)]
    Edit(Box<Edit>),
    /// Let its slots pass without a run until it is resumed
    Pause(Pause),
    /// Go on after a pause; its slots are not made up for
    Resume(Named),
    /// Run it now, beside its slots
    Run(Named),
    /// Run it for its slots of a past range, once more or for the first time
    Backfill(Backfill),
    /// Remove schedules; their jobs stay
    Rm(Rm),
    /// When the next slots are, and what daylight saving does to them
    #[command(after_long_help = DAYLIGHT_SAVING)]
    Preview(Preview),
    /// Where many schedules are due at once, and the jitter that would spread them
    Collisions(Collide),
}

#[derive(clap::Args, Debug)]
struct Add {
    /// Its name, unique in the store
    name: String,
    /// The task's wire name
    task: String,
    /// Arguments: JSON values, or text; key=value for named ones
    arguments: Vec<String>,
    #[command(flatten)]
    plan: Plan,
    #[command(flatten)]
    options: JobOptions,
}

#[derive(clap::Args, Debug)]
struct Edit {
    /// Its name
    name: String,
    #[command(flatten)]
    plan: Plan,
    #[command(flatten)]
    clear: Clear,
}

#[derive(clap::Args, Debug)]
struct List {
    #[command(flatten)]
    paging: Paging,
}

#[derive(clap::Args, Debug)]
struct Show {
    /// Its name
    name: String,
    /// How many lines of its ledger
    #[arg(long, short = 'n', default_value_t = 10)]
    length: usize,
}

#[derive(clap::Args, Debug)]
struct Pause {
    /// Its name
    name: String,
    /// Why, for whoever looks
    #[arg(long)]
    note: Option<String>,
}

#[derive(clap::Args, Debug)]
struct Named {
    /// Its name
    name: String,
}

#[derive(clap::Args, Debug)]
struct Rm {
    /// Their names
    #[arg(required = true)]
    names: Vec<String>,
}

impl Schedule {
    /// True for a preview of cron lines: nothing is asked of a store.
    pub(crate) fn needs_no_store(&self) -> bool {
        matches!(&self.verb, Verb::Preview(preview) if preview.is_about_lines())
    }

    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        match &self.verb {
            Verb::Add(verb) => verb.run(lullaby, out).await,
            Verb::List(verb) => verb.run(lullaby, out).await,
            Verb::Rm(verb) => verb.run(lullaby, out).await,
            Verb::Preview(verb) => verb.run(lullaby, out).await,
            Verb::Collisions(verb) => verb.run(lullaby, out).await,
            Verb::Backfill(verb) => verb.run(lullaby, out).await,
            Verb::Show(verb) => verb.run(lullaby, out).await,
            Verb::Edit(verb) => verb.run(lullaby, out).await,
            Verb::Pause(verb) => verb.run(lullaby, out).await,
            Verb::Resume(named) => {
                let record = lullaby.scheduler().resume(&named.name).await?;
                say(lullaby, out, &record)
            }
            Verb::Run(named) => run_now(lullaby, out, &named.name).await,
        }
    }
}

impl Add {
    async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let scheduler = lullaby.scheduler();
        if scheduler.get(&self.name).await?.is_some() {
            eprintln!(
                "lullaby: there is a schedule named {:?} already; `lullaby schedule edit` changes it",
                self.name
            );
            return Ok(false);
        }
        let (args, kwargs) = call(&self.arguments)?;
        let job = self.options.on(NewJob::named(&self.task, &args, &kwargs)?);
        let now = lullaby.now();
        let schedule = self
            .plan
            .state(scheduler.schedule(&self.name, self.plan.queue(job)))?;
        let record = schedule.owner(Owner::Person).await?;
        if record.next.is_some_and(|next| next <= now) {
            eprintln!("lullaby: its start has passed: it runs at once");
        }
        say(lullaby, out, &record)
    }
}

impl Edit {
    async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let now = lullaby.now();
        let scheduler = lullaby.scheduler();
        // Read once before, so that what is wrong is said before anything changes.
        let Some(record) = scheduler.get(&self.name).await? else {
            return Err(lullaby::Error::not_found(format!(
                "there is no schedule named {:?}",
                self.name
            ))
            .into());
        };
        self.change(&mut record.spec.clone(), now)?;
        let change = |spec: &mut _| {
            // It was checked just now; only the trigger underneath can have changed since.
            let _ = self.change(spec, now);
        };
        let record = scheduler.edit(&self.name, change).await?;
        say(lullaby, out, &record)
    }

    fn change(&self, spec: &mut ScheduleSpec, now: Timestamp) -> anyhow::Result<()> {
        self.plan.change(spec, now)?;
        self.clear.change(spec)
    }
}

impl List {
    async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let page = self.paging.page();
        let schedules = lullaby.store().list_schedules(None, page).await?;
        let ours = lullaby.store().count_schedules(None).await?;
        let all: Vec<_> = schedules
            .iter()
            .map(|record| record_json(record, &[]))
            .collect();
        // Behind ours, as if they were one list.
        let (mut entries, mut foreign) = (Vec::new(), 0);
        if let Some(redis) = lullaby.store().as_any().downcast_ref::<RedisStore>() {
            let found = redis.foreign_entries();
            let page = Page {
                offset: page.offset.saturating_sub(usize::try_from(ours)?),
                length: page.length - schedules.len(),
            };
            entries = found.list(page).await?;
            foreign = found.count().await?;
        }
        let total = ours + foreign;
        let others: Vec<_> = entries.iter().map(entry_json).collect();
        let value = serde_json::json!({ "total": total, "schedules": all, "foreign": others });
        out.show(&value, || {
            let table = schedule_table(&schedules, &entries, lullaby.now());
            let shown = schedules.len() + entries.len();
            format!("{table}{shown} of {total}\n")
        })?;
        Ok(true)
    }
}

impl Show {
    async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let scheduler = lullaby.scheduler();
        let ledger = scheduler.ledger(&self.name, self.length).await?;
        let Some(record) = scheduler.get(&self.name).await? else {
            return Ok(false);
        };
        out.show(&record_json(&record, &ledger), || {
            record_text(&record, &ledger, lullaby.now())
        })?;
        Ok(true)
    }
}

impl Pause {
    async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let note = self.note.as_deref();
        let record = lullaby.scheduler().pause(&self.name, note).await?;
        say(lullaby, out, &record)
    }
}

impl Rm {
    async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let mut lines = Vec::new();
        for name in &self.names {
            let removed = lullaby.store().remove_schedule(name, None).await?;
            let said = if removed {
                "removed"
            } else {
                "there is no such schedule"
            };
            lines.push((name, removed, said));
        }
        let value = lines.iter().map(|(name, removed, said)| {
            serde_json::json!({ "name": name, "removed": removed, "message": said })
        });
        out.show(&value.collect::<Vec<_>>(), || {
            lines
                .iter()
                .map(|(name, _, said)| format!("{name}  {said}\n"))
                .collect()
        })?;
        Ok(lines.iter().all(|(_, removed, _)| *removed))
    }
}

/// True if a job was made, or will be once an earlier one has ended.
async fn run_now(lullaby: &Lullaby, out: Out, name: &str) -> anyhow::Result<bool> {
    let line = lullaby.scheduler().run_now(name).await?;
    let (made, job, said) = match &line.verdict {
        Verdict::Fired { job } => (true, job, format!("runs as job {job}")),
        Verdict::Buffered { job, behind } => (
            true,
            job,
            format!("runs as job {job} once job {behind} has ended"),
        ),
        Verdict::Skipped { by } => (
            false,
            by,
            format!("does not run: job {by} has not ended, and its runs must not overlap"),
        ),
        other => anyhow::bail!("expected a run by hand to fire or to be skipped, got {other:?}"),
    };
    let value = serde_json::json!({ "name": name, "made": made, "job": job, "message": said });
    out.show(&value, || format!("{name}  {said}\n"))?;
    Ok(made)
}

fn say(lullaby: &Lullaby, out: Out, record: &ScheduleRecord) -> anyhow::Result<bool> {
    out.show(&record_json(record, &[]), || {
        record_text(record, &[], lullaby.now())
    })?;
    Ok(true)
}
