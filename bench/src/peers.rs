//! Others, on the same server: Python's RQ with rq-scheduler, and rusty-sidekiq. Each is a small program under `peers/` that is told a server,
//! a verb and a count, and prints one line of JSON.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::Deserialize;

use crate::figure::Figure;
use crate::redis_server::{Look, Persistence, RedisServer};
use crate::workload::{lateness, per_second, thousands};
use crate::{absolute, lines_of, or_failure};

/// What a peer says of one task.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
enum Answer {
    Rate { jobs: usize, seconds: f64 },
    Lateness { late_ms: Vec<f64>, of: usize },
}

/// A verb, how many jobs, and how the table puts it.
type Task = (&'static str, usize, &'static str);

struct Peer {
    name: &'static str,
    tasks: &'static [Task],
    make: fn(&Path) -> anyhow::Result<Command>,
}

const PEERS: [Peer; 2] = [
    Peer {
        name: "rq 2.12.0, SimpleWorker",
        tasks: &[
            ("enqueue-one", 1_000, "enqueue, one at a time"),
            ("enqueue-many", 10_000, "enqueue, 1,000 a call"),
            ("drain", 1_000, "drain, results kept"),
            (
                "due-spread",
                100,
                "rq-scheduler 0.14.0, due to start, instants",
            ),
            (
                "due-burst",
                500,
                "rq-scheduler 0.14.0, due in one instant, to start",
            ),
        ],
        make: python,
    },
    Peer {
        name: "rusty-sidekiq 0.15.2",
        tasks: &[
            ("enqueue-one", 2_000, "enqueue, one at a time"),
            ("enqueue-64", 64_000, "enqueue, 64 producers"),
            ("drain", 50_000, "drain, nothing returned"),
            ("due-spread", 20, "due to start, instants, within 30 s"),
        ],
        make: sidekiq,
    },
];

/// Runs those that can be made here; says why another one is left out.
pub(crate) fn measure(
    folder: &Path,
    divide: usize,
    persistence: Persistence,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Figure> {
    let mut figures = Vec::new();
    let wanted = |peer: &&Peer| wanted(&format!("peers/{}", peer.name));
    for peer in PEERS.iter().filter(wanted) {
        if let Err(reason) = (peer.make)(folder) {
            figures.push(Figure::new(peer.name, format!("left out: {reason:#}")));
            continue;
        }
        for task in peer.tasks {
            let (verb, count, words) = *task;
            eprintln!("{} {verb}", peer.name);
            let task = (verb, count / divide, words);
            let done = run(peer, task, folder, persistence);
            figures.extend(or_failure(&format!("{}: {words}", peer.name), done));
        }
    }
    figures
}

/// One task on a server of its own.
fn run(
    peer: &Peer,
    (verb, count, words): Task,
    folder: &Path,
    persistence: Persistence,
) -> anyhow::Result<Vec<Figure>> {
    let server = RedisServer::start(folder, persistence)?;
    let url = server.url();
    let mut look = Look::at(&url)?;
    let ask = |verb: &str| -> anyhow::Result<Vec<Answer>> {
        let mut command = (peer.make)(folder)?;
        command.args([&url, verb, &count.to_string()]);
        lines_of(&mut command, peer.name)
    };
    if verb == "drain" {
        ask("fill")?;
    }
    let before = look.spent()?;
    let mut figures = Vec::new();
    for answer in ask(verb)? {
        let what = format!("{}: {words}", peer.name);
        figures.push(match answer {
            Answer::Rate { jobs, seconds } => {
                let what = format!("{what} ({})", thousands(jobs as u64));
                Figure::new(what, per_second(jobs, seconds)).spent(Some(look.since(before, jobs)?))
            }
            Answer::Lateness { late_ms, of } => {
                let mut late_us: Vec<_> = late_ms.iter().map(|ms| (ms * 1000.0) as i64).collect();
                let ran = late_us.len();
                let late = lateness(&mut late_us);
                Figure::new(what, format!("{late}; {ran} of {of} ran"))
            }
        });
    }
    Ok(figures)
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// RQ in an environment of its own, made if it is missing.
fn python(folder: &Path) -> anyhow::Result<Command> {
    let venv = absolute(folder)?.join("rq");
    let python = venv.join("bin/python");
    let made_from = venv.join("made-from.txt");
    let wanted = std::fs::read(sources().join("requirements.txt"))?;
    if std::fs::read(&made_from).ok() != Some(wanted.clone()) {
        succeed(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&venv),
        )?;
        let mut install = Command::new(&python);
        install.args([
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "-r",
        ]);
        succeed(install.arg(sources().join("requirements.txt")))?;
        std::fs::write(&made_from, wanted)?;
    }
    let mut command = Command::new(python);
    command.arg(sources().join("rq_peer.py"));
    Ok(command)
}

/// A program of its own, so that what it stands on is no dependency of ours.
fn sidekiq(folder: &Path) -> anyhow::Result<Command> {
    let target = absolute(folder)?.join("sidekiq");
    let mut build = Command::new("cargo");
    build.args(["build", "-q", "--release", "--locked", "--manifest-path"]);
    build.arg(sources().join("sidekiq/Cargo.toml"));
    succeed(build.arg("--target-dir").arg(&target))?;
    Ok(Command::new(target.join("release/sidekiq-peer")))
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let started = command.stdout(Stdio::null()).status();
    let status = started.with_context(|| format!("starting {}", program.display()))?;
    anyhow::ensure!(status.success(), "{} failed: {status}", program.display());
    Ok(())
}
