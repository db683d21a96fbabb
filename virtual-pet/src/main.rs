//! The `virtual-pet` command.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;
use virtual_pet::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,virtual_pet=info,lullaby=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match cli.run().await {
        Ok(()) => ExitCode::SUCCESS,
        // One line: a trace of calls, if RUST_BACKTRACE is set, helps nobody whose port is taken.
        Err(error) => {
            eprintln!("virtual-pet: {error:#}");
            ExitCode::FAILURE
        }
    }
}
