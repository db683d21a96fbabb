//! The lab's own jobs. None of them touches the pet.

use std::time::Duration;

use lullaby::{Context, Failure, Task};
use serde::{Deserialize, Serialize};

use crate::pet::PetId;

macro_rules! task {
    ($type:ty, $name:literal) => {
        impl Task for $type {
            const NAME: &'static str = $name;
            /// What came of it, in a few words.
            type Output = String;
        }
    };
}

/// How long a job of the lab takes, unless it is a long one: long enough to be seen in a worker's hands.
pub const SHORT: Duration = Duration::from_millis(300);

/// How long a long job takes: time enough to pull a plug.
pub const LONG: Duration = Duration::from_secs(3);

/// Says hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SayHello {
    /// To whom.
    pub pet: PetId,
}

/// Fails so many times, and works then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wobble {
    /// How many tries fail.
    pub fails: u32,
}

/// Fails, however often it is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Whose nerves it gets on.
    pub pet: PetId,
}

/// Takes a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongJob {
    /// How many seconds.
    pub seconds: u64,
}

/// One of five.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallJob {
    /// Which, from 1.
    pub number: u32,
}

/// Rings, every hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chime {
    /// Which of the three schedules rings.
    pub policy: String,
}

task!(SayHello, "say_hello");
task!(Wobble, "wobble");
task!(Broken, "broken");
task!(LongJob, "long_job");
task!(SmallJob, "small_job");
task!(Chime, "chime");

/// Whether a task is one of the lab's own that a visitor enqueues.
pub(crate) fn is_of_the_lab(task: &str) -> bool {
    let own = [
        SayHello::NAME,
        Wobble::NAME,
        Broken::NAME,
        LongJob::NAME,
        SmallJob::NAME,
    ];
    own.contains(&task)
}

/// Adds the lab's tasks to the game's.
pub(super) fn add(tasks: lullaby::Tasks) -> lullaby::Tasks {
    tasks
        .task(say_hello)
        .task(wobble)
        .task(broken)
        .task(long_job)
        .task(small_job)
        .task(chime)
}

async fn say_hello(_: SayHello, ctx: Context) -> Result<String, Failure> {
    ctx.sleep(SHORT).await;
    Ok("hello".to_owned())
}

async fn wobble(task: Wobble, ctx: Context) -> Result<String, Failure> {
    ctx.sleep(SHORT).await;
    let attempt = ctx.attempt();
    if attempt <= task.fails {
        return Err(format!("it wobbled, on try {attempt}").into());
    }
    Ok(format!("worked on try {attempt}"))
}

async fn broken(_: Broken, ctx: Context) -> Result<String, Failure> {
    ctx.sleep(SHORT).await;
    Err(format!("broken, on try {}", ctx.attempt()).into())
}

async fn long_job(task: LongJob, ctx: Context) -> Result<String, Failure> {
    ctx.sleep(Duration::from_secs(task.seconds)).await;
    Ok(format!("took {} s", task.seconds))
}

async fn small_job(task: SmallJob, ctx: Context) -> Result<String, Failure> {
    ctx.sleep(SHORT).await;
    Ok(format!("number {}", task.number))
}

async fn chime(task: Chime, ctx: Context) -> Result<String, Failure> {
    ctx.sleep(SHORT).await;
    let slots = ctx.slot().map_or(1, |slot| slot.stands_for);
    Ok(format!("{}: rang for {slots}", task.policy))
}
