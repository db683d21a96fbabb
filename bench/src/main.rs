//! Lullaby, measured. Prints tables and asserts nothing: a busy machine is no failure.
//!
//! `make bench`, or `cargo run --release -p lullaby-bench -- --only redis/drain`. On Redis it starts a server of its own, and runs two peers
//! on the same one: Python's RQ and the Rust crate rusty-sidekiq. The game is the program `virtual-pet` beside this one. What a peer needs is fetched and built under `--folder`.

mod drain;
mod due;
mod enqueue;
mod figure;
mod footprint;
mod game;
mod idle;
mod latency;
mod peers;
mod place;
mod process;
mod redis_server;
mod schedules;
mod town;
mod two;
mod waiting;
mod workload;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Parser;

use self::drain::Kept;
use self::figure::{Figure, print_pairs, print_table};
use self::latency::proxy_to;
use self::place::Place;
use self::redis_server::{Persistence, RedisServer};

/// How long a byte is on its way where a network is put between.
const ONE_WAY: Duration = Duration::from_micros(500);

/// Measures both stores: 100-byte payloads, no-op jobs, one worker process. SQLite with `synchronous=FULL`; Redis without and with
/// its append-only file.
#[derive(Parser, Debug)]
struct Options {
    /// Only the measurements whose name contains this, as sqlite/drain, redis/, peers
    #[arg(long)]
    only: Option<String>,
    /// Where the files go; a real disk, for figures that mean something
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Divides every size, for a quick look
    #[arg(long, default_value_t = 1)]
    divide: usize,
    /// How many pets the town has
    #[arg(long, default_value_t = 100_000)]
    pets: usize,
    /// How often each of them ticks, in seconds: how long the measured round is. 100,000 every 30 s are as many ticks as of a million
    /// every 5 minutes (`--only town --pets 1000000 --every 300`, which takes some 20 minutes a store)
    #[arg(long, default_value_t = 30)]
    every: u64,
    /// How many of them move in a second at least. The round in which their ticks are measured begins when all of them should be there
    #[arg(long, default_value_t = 1000)]
    pets_a_second: u32,
    /// Only a Redis without its append-only file
    #[arg(long)]
    no_aof: bool,
    /// One part, in this very process
    #[arg(long, hide = true)]
    part: Option<String>,
    /// The server that the part is to use
    #[arg(long, hide = true)]
    redis: Option<String>,
}

/// The measurements, each run in a process of its own, so that memory and counts are theirs alone.
const ON_SQLITE: [&str; 17] = [
    "enqueue",
    "drain-record",
    "due-one",
    "due-10000",
    "waiting-fill",
    "waiting",
    "idle",
    "two-processes",
    "schedules-1000",
    "schedules-10000",
    "schedules-instant",
    "schedules-fill",
    "schedules-waiting",
    "schedules-next",
    "game",
    "town-fill",
    "town",
];
const ON_REDIS: [&str; 15] = [
    "enqueue",
    "drain-result",
    "drain-record",
    "drain-nothing",
    FAR,
    "due-one",
    "due-100000",
    "waiting-fill",
    "idle",
    "footprint",
    "schedules-1000",
    "schedules-10000",
    "schedules-instant",
    "schedules-fill",
    "town-fill",
];
/// The one that goes through a network.
const FAR: &str = "drain-far";

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| name.contains(only))
    }

    fn every(&self) -> Duration {
        Duration::from_secs(self.every.max(1))
    }

    fn place(&self) -> Place {
        match &self.redis {
            Some(url) => Place::Redis(url.clone()),
            None => Place::Folder(self.folder.clone()),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    std::fs::create_dir_all(&options.folder)?;
    if let Some(part) = &options.part {
        return run_part(part, &options.place(), &options).await;
    }
    if let figures @ [_, ..] = &measure_sqlite(&options)?[..] {
        println!("## SQLite\n");
        print_table(figures);
    }
    measure_redis(&options)
}

async fn run_part(part: &str, place: &Place, options: &Options) -> anyhow::Result<()> {
    let divide = options.divide.max(1);
    let pets = options.pets / divide;
    match part {
        "enqueue" => enqueue::run(place, divide).await,
        "drain-result" => drain::run(place, divide, Kept::Result, "").await,
        "drain-record" => drain::run(place, divide, Kept::Record, "").await,
        "drain-nothing" => drain::run(place, divide, Kept::Nothing, "").await,
        FAR => {
            let how = ", 1 ms of network to the server and back";
            drain::run(place, divide, Kept::Result, how).await
        }
        "due-one" => due::run_spread(place, divide).await,
        "due-10000" => due::run_burst(place, 10_000 / divide).await,
        "due-100000" => due::run_burst(place, 100_000 / divide).await,
        "waiting-fill" => waiting::fill(place, divide).await,
        "waiting" => waiting::run(place, divide).await,
        "idle" => idle::run(place).await,
        "footprint" => footprint::run(place, divide).await,
        "schedules-1000" => schedules::each_second(place, 1000 / divide).await,
        "schedules-10000" => schedules::each_second(place, 10_000 / divide).await,
        "schedules-instant" => schedules::same_instant(place, 100_000 / divide).await,
        "schedules-fill" => schedules::waiting_fill(place, 1_000_000 / divide).await,
        "schedules-waiting" => schedules::waiting(place, 1_000_000 / divide).await,
        "schedules-next" => schedules::next_slot(),
        "game" => game::run(place, divide).await,
        "town-fill" => {
            let a_second = options.pets_a_second.max(1);
            town::fill(place, pets, options.every(), a_second).await
        }
        "town" => town::run(place, pets, options.every()).await,
        "two-processes" => two::produce(place, divide).await,
        "two-worker" => two::work(place).await,
        other => anyhow::bail!("expected one of {ON_SQLITE:?} or {ON_REDIS:?}, got {other:?}"),
    }
}

fn measure_sqlite(options: &Options) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for part in ON_SQLITE {
        if options.wants(&format!("sqlite/{part}")) {
            figures.extend(or_failure(part, start_part(options, part, None)));
        }
    }
    Ok(figures)
}

fn measure_redis(options: &Options) -> anyhow::Result<()> {
    let mut modes = Vec::new();
    for persistence in [Persistence::None, Persistence::EverySecond] {
        let skipped = options.no_aof && persistence == Persistence::EverySecond;
        let mut figures = Vec::new();
        if !skipped {
            for part in ON_REDIS {
                if options.wants(&format!("redis/{part}")) {
                    figures.extend(or_failure(part, on_server(options, part, persistence)));
                }
            }
            let wants = |name: &str| options.wants(name);
            let (folder, divide) = (&options.folder, options.divide);
            figures.extend(peers::measure(folder, divide, persistence, wants));
        }
        modes.push(figures);
    }
    if let [left, right] = &modes[..]
        && !left.is_empty()
    {
        println!("\n## Redis\n");
        print_pairs(
            ["no persistence", "append-only file, every second"],
            [left, right],
        );
    }
    Ok(())
}

/// One part that fails takes no other with it: it says so in its place in the table.
fn or_failure(name: &str, figures: anyhow::Result<Vec<Figure>>) -> Vec<Figure> {
    let figures =
        figures.unwrap_or_else(|error| vec![Figure::new(name, format!("failed: {error:#}"))]);
    for Figure { what, result, .. } in &figures {
        eprintln!("  {what}: {result}");
    }
    figures
}

/// Each part has a server of its own.
fn on_server(
    options: &Options,
    part: &str,
    persistence: Persistence,
) -> anyhow::Result<Vec<Figure>> {
    let server = RedisServer::start(&options.folder, persistence)?;
    let port = if part == FAR {
        proxy_to(server.port(), ONE_WAY)?
    } else {
        server.port()
    };
    let url = format!("redis://127.0.0.1:{port}/0");
    let mut figures = start_part(options, part, Some(&url))?;
    // Goes on with what this one left there.
    let next = match part {
        "waiting-fill" => Some("waiting"),
        "schedules-fill" => Some("schedules-waiting"),
        "town-fill" => Some("town"),
        _ => None,
    };
    if let Some(next) = next {
        figures.extend(start_part(options, next, Some(&url))?);
    }
    Ok(figures)
}

fn start_part(options: &Options, part: &str, redis: Option<&str>) -> anyhow::Result<Vec<Figure>> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--part", part])
        .arg("--folder")
        .arg(&options.folder);
    command.args(["--divide", &options.divide.to_string()]);
    command.args(["--pets", &options.pets.to_string()]);
    command.args(["--every", &options.every.to_string()]);
    command.args(["--pets-a-second", &options.pets_a_second.to_string()]);
    if let Some(url) = redis {
        command.args(["--redis", url]);
    }
    eprintln!(
        "{} {part}",
        if redis.is_some() { "redis" } else { "sqlite" }
    );
    lines_of(&mut command, part)
}

/// What a program prints, line by line, read as JSON.
fn lines_of<T: serde::de::DeserializeOwned>(
    command: &mut Command,
    name: &str,
) -> anyhow::Result<Vec<T>> {
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "{name} failed: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// A path that another program in another folder understands.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    Ok(std::fs::canonicalize(path)?)
}
