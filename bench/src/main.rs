//! Lullaby, measured. Prints tables and asserts nothing: a busy machine is no failure.
//!
//! `make bench`, or `cargo run --release -p lullaby-bench -- --only drain`.

mod drain;
mod due;
mod enqueue;
mod idle;
mod process;
mod two;
mod waiting;
mod workload;

use std::path::PathBuf;

use clap::Parser;

/// Measures the embedded store in one process each: 100-byte payloads, no-op jobs, `synchronous=FULL`.
#[derive(Parser, Debug)]
struct Options {
    /// Only the measurements whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Where the files go; a real disk, for figures that mean something
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Divides every size, for a quick look
    #[arg(long, default_value_t = 1)]
    divide: usize,
    /// One part, in this very process
    #[arg(long, hide = true)]
    part: Option<String>,
}

/// The measurements, each run in a process of its own, so that memory and counts are theirs alone.
const PARTS: [&str; 8] = [
    "enqueue",
    "drain",
    "due-one",
    "due-burst",
    "waiting-fill",
    "waiting",
    "idle",
    "two-processes",
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    std::fs::create_dir_all(&options.folder)?;
    if let Some(part) = &options.part {
        let divide = options.divide.max(1);
        let folder = &options.folder;
        return match part.as_str() {
            "enqueue" => enqueue::run(folder, divide).await,
            "drain" => drain::run(folder, divide).await,
            "due-one" => due::run_spread(folder, divide).await,
            "due-burst" => due::run_burst(folder, divide).await,
            "waiting-fill" => waiting::fill(folder, divide).await,
            "waiting" => waiting::run(folder, divide).await,
            "idle" => idle::run(folder).await,
            "two-processes" => two::produce(folder, divide).await,
            "two-worker" => two::work(folder).await,
            other => anyhow::bail!("expected one of {PARTS:?}, got {other:?}"),
        };
    }
    println!("| measured | result |\n|---|---|");
    for part in PARTS {
        let wanted = options
            .only
            .as_deref()
            .is_none_or(|only| part.contains(only));
        if !wanted {
            continue;
        }
        let status = std::process::Command::new(std::env::current_exe()?)
            .args(["--part", part])
            .arg("--folder")
            .arg(&options.folder)
            .args(["--divide", &options.divide.to_string()])
            .status()?;
        anyhow::ensure!(status.success(), "{part} failed: {status}");
    }
    Ok(())
}
