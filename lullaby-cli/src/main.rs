//! The `lullaby` command: see and mend jobs.

mod call;
mod duration;
mod job_options;
mod print;
mod verbs;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lullaby::Lullaby;
use lullaby::store::redis::serializer::Serializer;
use lullaby::store::redis::{RedisOptions, RedisStore};
use tracing_subscriber::EnvFilter;

use crate::print::{Colour, Out};

/// See and mend the jobs of a Lullaby store: an SQLite file, or Redis, which Python's RQ may share.
///
/// Colours are used on a terminal only, and never if NO_COLOR is set. RUST_LOG says what is logged, to standard error.
#[derive(Parser, Debug)]
#[command(name = "lullaby", version, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    /// The store: sqlite:FILE, redis://[user:password@]host[:port][/db], rediss://… for TLS, or unix:///SOCKET[?db=N]. The game's own,
    /// sqlite:./data/lullaby.db, when not given. In Redis, names of keys begin with rq, or with what RQ_KEY_PREFIX says
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LULLABY_STORE",
        hide_env_values = true,
        help_heading = EVERYWHERE
    )]
    store: Option<String>,

    /// Short for --store; goes before it
    #[arg(long, global = true, value_name = "URL", help_heading = EVERYWHERE)]
    redis: Option<String>,

    /// Print JSON instead of text
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Queues with their counts, workers, and what comes next
    Info,
    /// List jobs
    Jobs(verbs::jobs::Jobs),
    /// All about one job: its call, times, result or error, and why it waits
    Job(verbs::job::ShowJob),
    /// Put a job in
    Enqueue(verbs::enqueue::Enqueue),
    /// Put jobs back into their queue
    Requeue(verbs::requeue::Requeue),
    /// Withdraw jobs that wait, stop those that run
    Cancel(verbs::cancel::Cancel),
    /// Stop jobs that run, and no others
    Stop(verbs::stop::Stop),
    /// What could not be run and was put aside: list, restore, drop
    Quarantine(verbs::quarantine::Quarantine),
    /// Move what is due, in the place of Python's rqscheduler
    Scheduler(verbs::scheduler::Scheduler),
    /// What recurs: add, list, show, edit, pause, resume, run, rm, preview
    Schedule(verbs::schedule::Schedule),
    /// Why a slot of a schedule ran or did not, or why a job stands where it does
    Why(verbs::why::Why),
}

/// The options that every command takes stand behind its own.
const EVERYWHERE: &str = "Options of every command";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something named does not exist, exists already, or could not be changed; the answer says what
  2  the command was not understood, or the store could not be opened or asked";

/// Where the game keeps its jobs, too.
const STORE: &str = "sqlite:./data/lullaby.db";

impl Verb {
    /// What is logged when `RUST_LOG` says nothing: a verb that answers and ends says what is wrong by its answer.
    fn log_level(&self) -> &'static str {
        match self {
            Self::Scheduler(verb) => verb.log_level(),
            _ => "error",
        }
    }

    /// How a new job is to be written, if that was said.
    fn serializer(&self) -> Option<Serializer> {
        match self {
            Self::Enqueue(verb) => verb.serializer(),
            _ => None,
        }
    }

    fn needs_no_store(&self) -> bool {
        matches!(self, Self::Schedule(verb) if verb.needs_no_store())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.verb.log_level());
    match run(&cli).await {
        Ok(done) => done,
        Err(error) => {
            eprintln!("lullaby: {error:#}");
            let answer = error
                .downcast_ref::<lullaby::Error>()
                .is_some_and(|error| error.is_not_found() || error.is_duplicate());
            ExitCode::from(if answer { 1 } else { 2 })
        }
    }
}

/// Logs to standard error: what `RUST_LOG` says, else this.
fn log(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(Colour::on(&std::io::stderr()) == Colour::Always)
        .init();
}

async fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let out = Out {
        json: cli.json,
        colour: Colour::on(&std::io::stdout()),
    };
    if let Verb::Scheduler(verb) = &cli.verb {
        let done = verb.run(cli.redis.as_deref(), cli.store.as_deref(), out);
        return Ok(exit_code(done.await?));
    }
    let named = cli.redis.as_deref().or(cli.store.as_deref());
    let url = if cli.verb.needs_no_store() {
        "memory:"
    } else {
        let url = named.unwrap_or(STORE);
        check_there(url, named.is_some())?;
        url
    };
    let lullaby = match cli.verb.serializer() {
        Some(serializer) => open_redis(url, serializer).await?,
        None => Lullaby::open(url).await?,
    };
    let done = match &cli.verb {
        Verb::Info => verbs::info::run(&lullaby, out).await?,
        Verb::Jobs(verb) => verb.run(&lullaby, out).await?,
        Verb::Job(verb) => verb.run(&lullaby, out).await?,
        Verb::Enqueue(verb) => verb.run(&lullaby, out).await?,
        Verb::Requeue(verb) => verb.run(&lullaby, out).await?,
        Verb::Cancel(verb) => verb.run(&lullaby, out).await?,
        Verb::Stop(verb) => verb.run(&lullaby, out).await?,
        Verb::Quarantine(verb) => verb.run(&lullaby, out).await?,
        Verb::Scheduler(_) => unreachable!("it opens what it needs by itself"),
        Verb::Schedule(verb) => verb.run(&lullaby, out).await?,
        Verb::Why(verb) => verb.run(&lullaby, out).await?,
    };
    Ok(exit_code(done))
}

/// Looking must not make a file where there is none, and what is put into memory is gone when this process ends.
fn check_there(url: &str, named: bool) -> anyhow::Result<()> {
    anyhow::ensure!(
        url != "memory:",
        "expected a store that others use too, as sqlite:./data/lullaby.db or redis://localhost:6379, got memory:"
    );
    let Some(path) = url.strip_prefix("sqlite:") else {
        return Ok(());
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || std::path::Path::new(path).exists() {
        return Ok(());
    }
    if named {
        anyhow::bail!(
            "there is no file {path}: the program whose jobs they are makes it when it first opens {url}"
        );
    }
    anyhow::bail!(
        "no store was named, and there is no file {path} here: name one by --store sqlite:FILE or --redis URL, or start the game first"
    )
}

/// A store in Redis, whose new jobs are written so.
async fn open_redis(url: &str, serializer: Serializer) -> anyhow::Result<Lullaby> {
    let redis = ["redis:", "rediss:", "unix:", "redis+unix:"];
    anyhow::ensure!(
        redis.iter().any(|scheme| url.starts_with(scheme)),
        "expected --serializer with a store in Redis, as --redis redis://localhost:6379: other stores have one way to write a call"
    );
    let options = RedisOptions::default().serializer(serializer);
    Ok(Lullaby::with_store(RedisStore::open(url, options).await?))
}

fn exit_code(done: bool) -> ExitCode {
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
