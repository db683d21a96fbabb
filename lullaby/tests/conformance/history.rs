//! Random histories: the commands, how they are drawn, and how one is given to a store.

use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::Arc;

use lullaby::clock::{ManualClock, Timestamp};
use lullaby::event::NewEvent;
use lullaby::job::{Execution, Job, JobId, JobSpec, OnExisting, Status, Token};
use lullaby::schedule::{
    Decision, Missed, Overlap, Pause, ScheduleId, ScheduleRecord, Trigger, decide_among,
};
use lullaby::store::{Claim, Ending, JobFilter, Page, Settlement, Store, Swept, WorkerRecord};
use lullaby::{KEPT_ATTEMPTS, Lullaby, RateLimit, Repeat};
use proptest::prelude::*;
use serde_json::json;

use crate::snapshot::Snapshot;
use crate::specs::{every, job};
use crate::world::{id, ids, ms, queue};

/// Small numbers, so that commands meet each other: a job, queue, subject or schedule of this number.
type Few = u8;

/// One step of a history. Instants are milliseconds from now.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Pass(u64),
    Enqueue(Vec<Draft>),
    Cancel(Vec<Few>, bool),
    Requeue(Vec<Few>, bool),
    Delete(Vec<Few>),
    ChangeTime(Few, i64),
    AppendEvents(Vec<Few>),
    Claim {
        queues: Vec<Few>,
        max: usize,
        lease: u64,
    },
    /// Executions by how long ago they were claimed: 0 is the newest. Old ones are stale.
    Settle(Vec<(usize, How)>),
    Renew(Vec<usize>, u64),
    SaveMeta(usize, Few, Option<Few>),
    AnnounceWorker(Few),
    RetireWorker(Few),
    MoveDue(usize),
    Decide {
        limit: usize,
        twice: bool,
    },
    PutSchedule(Few, Plan),
    EditSchedule {
        name: Few,
        plan: Plan,
        stale: bool,
    },
    RemoveSchedule(Few, WhichId),
    Reap {
        expired: bool,
        limit: usize,
    },
    Sweep(usize),
    List {
        queue: Option<Few>,
        status: Option<Status>,
        subject: Option<Few>,
        due_until: Option<i64>,
        offset: usize,
        length: usize,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Draft {
    job: Few,
    task: Few,
    queue: Few,
    at: Option<i64>,
    replace: bool,
    depends_on: Vec<Few>,
    allow_failure: bool,
    /// How many more runs, and the pauses.
    repeat: Option<(u32, Vec<u64>)>,
    /// A key, and how many at once.
    limit: Option<(Few, u32)>,
    at_front: bool,
    ttl: Option<u64>,
    result_ttl: Option<u64>,
    failure_ttl: Option<u64>,
    subject: Option<Few>,
}

#[derive(Clone, Debug)]
pub(crate) enum How {
    Finished(Option<Few>),
    Failed,
    Retry(i64),
    Snoozed(i64),
    HandedBack,
    Stopped,
    CannotHonour,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    every: u64,
    missed: Missed,
    repeat: Option<u64>,
    limit: Option<(Few, u32)>,
    subject: Option<Few>,
    at_front: bool,
    overlap: Overlap,
    jitter: Option<u64>,
    pause_after: Option<u32>,
    paused: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum WhichId {
    Any,
    Right,
    Wrong,
}

fn few() -> impl Strategy<Value = Few> {
    0u8..5
}

fn two() -> impl Strategy<Value = Few> {
    0u8..2
}

/// Mostly near now, on both sides of it.
fn offset() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(1), -20i64..20, 20i64..3000]
}

/// Mostly short, so that leases, ttls and due times pass one by one.
fn span() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 1u64..20, 2 => Just(10), 2 => Just(100), 1 => Just(1000), 1 => Just(15_000)]
}

fn limit() -> impl Strategy<Value = usize> {
    prop_oneof![1 => 0usize..3, 3 => Just(1000)]
}

fn ttl() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![2 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(10)), 1 => Just(Some(1000))]
}

fn limit_of_rate() -> impl Strategy<Value = Option<(Few, u32)>> {
    prop::option::weighted(0.3, (two(), 1u32..4))
}

fn draft() -> impl Strategy<Value = Draft> {
    let at = prop::option::weighted(0.4, offset());
    let place = (few(), few(), two(), at);
    let queue_ttl = prop_oneof![5 => Just(None), 1 => Just(Some(10))];
    let keep = (queue_ttl, ttl(), ttl());
    let replace = prop::bool::weighted(0.25);
    let parents = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(few(), 1..3)];
    let rest = (replace, any::<bool>(), prop::option::of(two()));
    let pauses = prop::collection::vec(prop_oneof![Just(0), Just(1000), span()], 0..3);
    let repeat = prop::option::weighted(0.25, (0u32..4, pauses));
    let then = (repeat, limit_of_rate());
    (place, keep, (parents, any::<bool>(), then), rest).prop_map(
        |(
            (job, task, queue, at),
            (ttl, result_ttl, failure_ttl),
            (depends_on, allow_failure, (repeat, limit)),
            (replace, at_front, subject),
        )| {
            Draft {
                job,
                task,
                queue,
                at,
                replace,
                depends_on,
                allow_failure,
                repeat,
                limit,
                at_front,
                ttl,
                result_ttl,
                failure_ttl,
                subject,
            }
        },
    )
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        3 => prop::option::of(few()).prop_map(How::Finished),
        1 => Just(How::Failed),
        2 => offset().prop_map(How::Retry),
        1 => offset().prop_map(How::Snoozed),
        1 => Just(How::HandedBack),
        1 => Just(How::Stopped),
        1 => Just(How::CannotHonour),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let missed = prop_oneof![
        Just(Missed::Latest),
        Just(Missed::Skip),
        (1u32..4).prop_map(|cap| Missed::All { cap })
    ];
    let repeat = prop_oneof![2 => Just(None), 1 => (1u64..4).prop_map(Some)];
    let overlap = prop_oneof![
        2 => Just(Overlap::Allow),
        1 => Just(Overlap::Skip),
        2 => Just(Overlap::BufferOne),
        1 => Just(Overlap::CancelOther),
    ];
    let every = prop_oneof![Just(100u64), Just(250), Just(1000)];
    (
        every,
        missed,
        (repeat, limit_of_rate()),
        prop::option::of(two()),
        any::<bool>(),
        overlap,
        prop::option::weighted(0.2, Just(150)),
        prop::option::weighted(0.2, 1u32..3),
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(
                every,
                missed,
                (repeat, limit),
                subject,
                at_front,
                overlap,
                jitter,
                pause_after,
                paused,
            )| {
                Plan {
                    every,
                    // Only one run can make up for what was missed, unless runs may overlap.
                    missed: match overlap {
                        Overlap::Allow => missed,
                        _ => Missed::Latest,
                    },
                    repeat,
                    limit,
                    subject,
                    at_front,
                    overlap,
                    jitter,
                    pause_after,
                    paused,
                }
            },
        )
}

fn filter() -> impl Strategy<Value = Command> {
    let status = prop::option::of(prop::sample::select(Status::ALL.to_vec()));
    let which = (prop::option::of(two()), status, prop::option::of(two()));
    let until = prop::option::weighted(0.2, offset());
    let offset = prop_oneof![2 => Just(0), 1 => 1usize..3];
    (which, until, offset, limit()).prop_map(
        |((queue, status, subject), due_until, offset, length)| Command::List {
            queue,
            status,
            subject,
            due_until,
            offset,
            length,
        },
    )
}

/// An execution; mostly one that still runs.
fn recent() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0usize..3, 1 => 0usize..40]
}

fn command() -> impl Strategy<Value = Command> {
    let some = || prop::collection::vec(few(), 1..4);
    let which_id = prop_oneof![
        Just(WhichId::Any),
        Just(WhichId::Right),
        Just(WhichId::Wrong)
    ];
    let queues = prop_oneof![3 => Just(vec![1, 0]), 1 => prop::collection::vec(0u8..3, 1..3)];
    let claim = (queues, prop_oneof![4 => 1usize..5, 1 => Just(0)], span());
    prop_oneof![
        12 => span().prop_map(Command::Pass),
        20 => prop::collection::vec(draft(), 1..5).prop_map(Command::Enqueue),
        4 => (some(), any::<bool>()).prop_map(|(jobs, dependents)| Command::Cancel(jobs, dependents)),
        4 => (some(), any::<bool>()).prop_map(|(jobs, front)| Command::Requeue(jobs, front)),
        3 => some().prop_map(Command::Delete),
        4 => (few(), offset()).prop_map(|(job, at)| Command::ChangeTime(job, at)),
        1 => some().prop_map(Command::AppendEvents),
        20 => claim.prop_map(|(queues, max, lease)| Command::Claim { queues, max, lease }),
        10 => prop::collection::vec((recent(), how()), 1..4).prop_map(Command::Settle),
        3 => (prop::collection::vec(recent(), 1..4), span())
            .prop_map(|(which, lease)| Command::Renew(which, lease)),
        2 => (recent(), few(), prop::option::of(few()))
            .prop_map(|(which, key, value)| Command::SaveMeta(which, key, value)),
        1 => two().prop_map(Command::AnnounceWorker),
        1 => two().prop_map(Command::RetireWorker),
        8 => limit().prop_map(Command::MoveDue),
        8 => (limit(), any::<bool>()).prop_map(|(limit, twice)| Command::Decide { limit, twice }),
        4 => (two(), plan()).prop_map(|(name, plan)| Command::PutSchedule(name, plan)),
        3 => (two(), plan(), any::<bool>())
            .prop_map(|(name, plan, stale)| Command::EditSchedule { name, plan, stale }),
        2 => (two(), which_id).prop_map(|(name, which)| Command::RemoveSchedule(name, which)),
        8 => (prop::bool::weighted(0.9), limit())
            .prop_map(|(expired, limit)| Command::Reap { expired, limit }),
        6 => limit().prop_map(Command::Sweep),
        4 => filter(),
    ]
}

pub(crate) fn histories() -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(command(), 1..120)
}

fn job_id(n: Few) -> JobId {
    id(&format!("job-{n}"))
}

fn job_ids(numbers: &[Few]) -> Vec<JobId> {
    numbers.iter().copied().map(job_id).collect()
}

fn queue_name(n: Few) -> lullaby::QueueName {
    queue(&format!("queue-{n}"))
}

fn subject_name(n: Few) -> String {
    format!("subject-{n}")
}

fn schedule_name(n: Few) -> String {
    format!("schedule-{n}")
}

fn rate_limit((key, concurrency): (Few, u32)) -> RateLimit {
    RateLimit::new(&format!("limit-{key}"), concurrency).expect("a limit")
}

fn from_now(now: Timestamp, offset: i64) -> Timestamp {
    Timestamp::from_millis(now.as_millis() + offset)
}

impl Draft {
    fn spec(&self, now: Timestamp) -> JobSpec {
        let mut spec = job(job_id(self.job).as_str());
        spec.at = self.at.map(|at| from_now(now, at));
        if self.replace {
            spec.on_existing = OnExisting::Replace;
        }
        spec.depends_on.jobs = job_ids(&self.depends_on);
        spec.depends_on.allow_failure = self.allow_failure && !self.depends_on.is_empty();
        let template = &mut spec.template;
        template.task = format!("task-{}", self.task);
        template.queue = queue_name(self.queue);
        template.subject = self.subject.map(subject_name);
        template.options.at_front = self.at_front;
        template.options.repeat = self
            .repeat
            .as_ref()
            .map(|(times, pauses)| Repeat::intervals(*times, pauses.iter().copied().map(ms)));
        template.options.rate_limit = self.limit.map(rate_limit);
        template.options.ttl = self.ttl.map(ms);
        template.options.result_ttl = self.result_ttl.map(ms);
        template.options.failure_ttl = self.failure_ttl.map(ms);
        spec
    }
}

impl How {
    fn ending(&self, now: Timestamp) -> Ending {
        let error = "no milk".to_owned();
        match self {
            Self::Finished(result) => Ending::Finished {
                result: result.map(|n| n.to_string()),
            },
            Self::Failed => Ending::Failed { error },
            Self::Retry(at) => Ending::Retry {
                error,
                at: from_now(now, *at),
            },
            Self::Snoozed(at) => Ending::Snoozed {
                at: from_now(now, *at),
            },
            Self::HandedBack => Ending::HandedBack,
            Self::Stopped => Ending::Stopped,
            Self::CannotHonour => Ending::CannotHonour { error },
        }
    }
}

impl Plan {
    fn apply(&self, record: &mut ScheduleRecord) {
        record.spec.missed = self.missed;
        record.spec.repeat = self.repeat;
        record.spec.template.subject = self.subject.map(subject_name);
        record.spec.template.options.at_front = self.at_front;
        record.spec.template.options.rate_limit = self.limit.map(rate_limit);
        record.spec.overlap = self.overlap;
        record.spec.jitter = self.jitter.map(ms);
        record.spec.pause_after = self.pause_after;
    }
}

/// A store in the course of a history.
pub(crate) struct Player {
    /// The same store opened one or more times; commands go to them in turn.
    handles: Vec<Arc<dyn Store>>,
    clock: ManualClock,
    played: usize,
    /// All executions so far.
    executions: Vec<Execution>,
    /// Drivers number their tokens as they like; compared is which execution a token belongs to.
    tokens: HashMap<Token, u64>,
}

impl Player {
    pub(crate) fn new(handles: Vec<Arc<dyn Store>>, clock: &ManualClock) -> Self {
        Self {
            handles,
            clock: clock.clone(),
            played: 0,
            executions: Vec::new(),
            tokens: HashMap::new(),
        }
    }

    /// Plays one command and says what came of it.
    pub(crate) async fn play(&mut self, command: &Command) -> String {
        self.played += 1;
        let store = self.handles[self.played % self.handles.len()].clone();
        let now = lullaby::clock::Clock::now(&self.clock);
        match command {
            // The clock is turned once for all players.
            Command::Pass(_) => String::new(),
            Command::Enqueue(drafts) => {
                let specs = drafts.iter().map(|draft| draft.spec(now)).collect();
                said(store.enqueue(specs).await)
            }
            Command::Cancel(jobs, dependents) => {
                said(store.cancel(&job_ids(jobs), *dependents).await)
            }
            Command::Requeue(jobs, front) => said(store.requeue(&job_ids(jobs), *front).await),
            Command::Delete(jobs) => said(store.delete(&job_ids(jobs)).await),
            Command::ChangeTime(job, at) => {
                let at = from_now(now, *at);
                said(store.change_time(&job_id(*job), at).await)
            }
            Command::AppendEvents(numbers) => {
                let event = |n: &Few| NewEvent {
                    subject: subject_name(n % 2),
                    job: n.is_multiple_of(3).then(|| job_id(*n)),
                    kind: "pet.changed".to_owned(),
                    data: json!({ "hunger": n }),
                };
                let ids = store.append_events(numbers.iter().map(event).collect());
                said(ids.await.map(|ids| ids.len()))
            }
            Command::Claim { queues, max, lease } => {
                let claim = Claim {
                    worker: format!("worker-{}", self.played % 3),
                    queues: queues.iter().copied().map(queue_name).collect(),
                    max: *max,
                    lease: ms(*lease),
                };
                let claimed = store.claim(claim).await;
                said(claimed.map(|jobs| self.note_claimed(jobs)))
            }
            Command::Settle(which) => {
                let one = |(ago, how): &(usize, How)| {
                    Some(Settlement {
                        execution: self.execution(*ago)?,
                        ending: how.ending(now),
                    })
                };
                let settlements = which.iter().filter_map(one).collect();
                said(store.settle(settlements).await)
            }
            Command::Renew(which, lease) => {
                let which = which.iter().filter_map(|ago| self.execution(*ago));
                said(store.renew(which.collect(), ms(*lease)).await)
            }
            Command::SaveMeta(ago, key, value) => match self.execution(*ago) {
                Some(execution) => {
                    let patch = [(format!("key-{key}"), json!(value))];
                    said(
                        store
                            .save_meta(execution, patch.into_iter().collect())
                            .await,
                    )
                }
                None => String::new(),
            },
            Command::AnnounceWorker(name) => {
                let worker = WorkerRecord {
                    name: format!("worker-{name}"),
                    queues: vec![queue_name(*name)],
                    concurrency: 3,
                    running: usize::from(*name),
                    pid: 7,
                    host: "host".to_owned(),
                    started_at: now,
                    seen_at: now,
                };
                said(store.announce_worker(worker).await)
            }
            Command::RetireWorker(name) => {
                said(store.retire_worker(&format!("worker-{name}")).await)
            }
            Command::MoveDue(limit) => said(store.move_due(*limit).await),
            Command::Decide { limit, twice } => self.decide(&*store, *limit, *twice, now).await,
            Command::PutSchedule(name, plan) => {
                let mut record = every(&schedule_name(*name), ms(plan.every), now);
                record.id = ScheduleId::from_store(format!("id-{}", self.played));
                plan.apply(&mut record);
                said(store.put_schedule(record, None).await)
            }
            Command::EditSchedule { name, plan, stale } => {
                self.edit(&*store, *name, plan, *stale, now).await
            }
            Command::RemoveSchedule(name, which) => {
                let name = schedule_name(*name);
                let right = store.schedule(&name).await.expect("read");
                let id = match which {
                    WhichId::Any => None,
                    WhichId::Right => right.map(|record| record.id),
                    WhichId::Wrong => Some(ScheduleId::from_store("another".to_owned())),
                };
                said(store.remove_schedule(&name, id.as_ref()).await)
            }
            Command::Reap { expired, limit } => said(store.reap(*expired, *limit).await),
            Command::Sweep(limit) => said(sweep_in_steps(&*store, *limit).await),
            Command::List {
                queue,
                status,
                subject,
                due_until,
                offset,
                length,
            } => {
                let filter = JobFilter {
                    queue: queue.map(queue_name),
                    status: *status,
                    subject: subject.map(subject_name),
                    due_until: due_until.map(|at| from_now(now, at)),
                    page: Page {
                        offset: *offset,
                        length: *length,
                    },
                };
                let listed = store.list_jobs(&filter).await.map(|jobs| ids(&jobs));
                let count = store.count_jobs(&filter).await;
                said(listed.and_then(|listed| Ok((listed, count?))))
            }
        }
    }

    /// The execution claimed so long ago.
    fn execution(&self, ago: usize) -> Option<Execution> {
        let place = self.executions.len().checked_sub(ago + 1)?;
        self.executions.get(place).cloned()
    }

    fn note_claimed(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        for job in &jobs {
            let execution = job.execution().expect("it was claimed");
            let newest = self.executions.last();
            assert!(newest.is_none_or(|newest| newest.token < execution.token));
            self.executions.push(execution.clone());
            let number = self.executions.len() as u64;
            self.tokens.insert(execution.token, number);
        }
        jobs.into_iter().map(|job| self.renumber(job)).collect()
    }

    fn renumber(&self, mut job: Job) -> Job {
        job.token = job.token.map(|token| Token(self.tokens[&token]));
        job
    }

    async fn decide(&self, store: &dyn Store, limit: usize, twice: bool, now: Timestamp) -> String {
        let due = store.due_schedules(limit).await.expect("read");
        let decisions = due
            .due
            .iter()
            .filter_map(|record| decide_among(record, &due.jobs, now));
        let mut decisions: Vec<Decision> = decisions.collect();
        if twice {
            decisions.extend(decisions.clone());
        }
        said(store.advance(decisions).await.map(|done| (due, done)))
    }

    async fn edit(
        &self,
        store: &dyn Store,
        name: Few,
        plan: &Plan,
        stale: bool,
        now: Timestamp,
    ) -> String {
        let old = store.schedule(&schedule_name(name)).await.expect("read");
        let (old, expected) = match old {
            Some(old) => (old.clone(), old.version + u64::from(stale)),
            None => (every(&schedule_name(name), ms(100), now), 1),
        };
        let mut changed = old.clone();
        plan.apply(&mut changed);
        changed.spec.trigger = Trigger::Every {
            every: ms(plan.every),
            start: now,
        };
        let mut edited = old.edited(changed.spec, now).expect("fine");
        edited.paused = plan.paused.then_some(Pause {
            since: now,
            note: None,
        });
        let put = store.put_schedule(edited, Some(expected)).await;
        said(put)
    }

    /// What became of each job, as far as every store knows it, with tokens numbered from 1.
    pub(crate) async fn runs(&self) -> String {
        let store = &self.handles[0];
        let lullaby = Lullaby::with_store(store.clone());
        let jobs = Snapshot::of(&**store).await.jobs;
        let mut all = String::new();
        for job in jobs {
            let history = lullaby.job(job.id.clone()).history().await;
            let mut runs = history.expect("read");
            runs.drain(..runs.len().saturating_sub(KEPT_ATTEMPTS));
            for run in &mut runs {
                run.token = run.token.map(|token| Token(self.tokens[&token]));
            }
            writeln!(all, "{}: {runs:?}", job.id).expect("written");
        }
        all
    }

    /// Everything that can be read, with tokens and events numbered from 1.
    pub(crate) async fn look(&self) -> Snapshot {
        let store = &self.handles[(self.played + 1) % self.handles.len()];
        let mut seen = Snapshot::of(&**store).await;
        let jobs = seen.jobs.into_iter();
        seen.jobs = jobs.map(|job| self.renumber(job)).collect();
        assert!(seen.events.is_sorted_by(|one, next| one.id < next.id));
        for (number, event) in (1u64..).zip(&mut seen.events) {
            event.id.0 = number;
            if let Some(token) = event.data.get("token").and_then(serde_json::Value::as_u64) {
                event.data["token"] = json!(self.tokens[&Token(token)]);
            }
        }
        seen
    }
}

/// Sweeps so many at a time until nothing is left: which go first is no promise. Answers how many went, and when the next one does.
async fn sweep_in_steps(store: &dyn Store, limit: usize) -> lullaby::Result<Swept> {
    let mut all = store.sweep(limit).await?;
    let mut last = all;
    while limit > 0 && last.jobs == limit {
        last = store.sweep(limit).await?;
        all.jobs += last.jobs;
        all.next_expiry = last.next_expiry;
    }
    Ok(all)
}

fn said<T: Debug>(outcome: lullaby::Result<T>) -> String {
    format!("{:?}", outcome.expect("no command here can fail"))
}
