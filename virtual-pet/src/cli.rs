//! The command line, and what it starts.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgAction, Args, Parser, Subcommand};
use lullaby::{Lullaby, Shutdown, Stop, Worker};
use tokio::net::TcpListener;

use crate::game::{Game, QUEUE};
use crate::home;
use crate::lab::Lab;
use crate::pet::{BlockedNames, Rules, Visitors};
use crate::tasks::tasks;
use crate::web::guard::{Hosts, Network};
use crate::web::hub::Hub;
use crate::web::limits::{Limiter, Limits};
use crate::web::serve::{DRAIN, serve};
use crate::web::{Access, App, router};

/// A virtual pet, looked after by a job queue.
///
/// Every option can be given as an environment variable too: --hunger-every as VIRTUAL_PET_HUNGER_EVERY and so on.
#[derive(Debug, Parser)]
#[command(name = "virtual-pet", version, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
enum Command {
    /// Pages, worker and scheduler in one process: the default.
    Serve,
    /// The pages only: another process works.
    Web,
    /// Worker and scheduler only: another process serves the pages.
    Work,
}

#[derive(Debug, Args)]
struct Options {
    /// The address of the pages.
    #[arg(
        long,
        global = true,
        env = "VIRTUAL_PET_LISTEN",
        default_value = "127.0.0.1:5000",
        value_name = "ADDRESS:PORT",
        value_parser = address
    )]
    listen: SocketAddr,
    /// The folder in which everything is kept; made if it is missing.
    #[arg(
        long,
        global = true,
        env = "VIRTUAL_PET_DATA",
        default_value = "./data"
    )]
    data: PathBuf,
    /// Where jobs and pets are kept, as sqlite:FILE, redis://[user:password@]host[:port][/db], unix:///SOCKET or memory: [default: a SQLite
    /// file in the data folder]
    #[arg(
        long,
        global = true,
        env = "VIRTUAL_PET_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    store: Option<String>,
    /// How many jobs run at once.
    #[arg(
        long,
        global = true,
        env = "VIRTUAL_PET_CONCURRENCY",
        default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    concurrency: u16,
    /// How soon other processes take over the jobs of one that died, on Redis; at least 1s. With a file that is seen at once.
    #[arg(long, global = true, env = "VIRTUAL_PET_LEASE", default_value = "15s", value_parser = duration)]
    lease: Duration,
    /// More names that the server goes by, as behind a proxy; * allows all.
    #[arg(
        long,
        global = true,
        env = "VIRTUAL_PET_ALLOWED_HOSTS",
        value_delimiter = ',',
        value_name = "NAME",
        value_parser = host
    )]
    allowed_hosts: Vec<String>,
    /// Limits per address: 30 actions a minute, 5 adoptions an hour. auto spares clients on this machine.
    #[arg(
        long,
        global = true,
        env = "VIRTUAL_PET_LIMITS",
        default_value = "auto"
    )]
    limits: Limits,
    /// Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. Behind TLS the keeper's cookie is Secure.
    #[arg(
        long,
        global = true,
        env = "VIRTUAL_PET_TRUSTED_PROXY",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    trusted_proxy: Vec<Network>,
    /// What visitors may do with a pet whose keeper did not say: act or look.
    #[arg(
        long,
        global = true,
        env = "VIRTUAL_PET_VISITORS",
        default_value = "act"
    )]
    visitors: Visitors,
    /// A file of words that no pet's name may hold, one a line.
    #[arg(
        long,
        global = true,
        env = "VIRTUAL_PET_NAMES_BLOCKED",
        value_name = "FILE"
    )]
    names_blocked: Option<PathBuf>,
    /// How many pets one browser may look after.
    #[arg(long, global = true, env = "VIRTUAL_PET_MAX_PETS", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=24))]
    max_pets: u8,
    /// Whether visitors may take their pets to the lab, into a world of their own that takes about 200 kB; off: no door leads there.
    #[arg(long, global = true, env = "VIRTUAL_PET_LAB", default_value = "on", value_name = "on|off", action = ArgAction::Set, value_parser = on_or_off)]
    lab: bool,
    /// How often a pet gets hungrier, as 1h, 20m or 2s. Pets keep the pace at which they were adopted.
    #[arg(long, global = true, env = "VIRTUAL_PET_HUNGER_EVERY", default_value = "1h", value_parser = duration)]
    hunger_every: Duration,
    /// How long finished jobs of pets adopted from now on stay on view, as the library has it; with 0s they go when they end, and a town of
    /// hundreds of thousands costs its store a third less.
    #[arg(long, global = true, env = "VIRTUAL_PET_RESULTS_KEPT", default_value = "500s", value_parser = duration_or_none)]
    results_kept: Duration,
    /// How long a nap is.
    #[arg(long, global = true, env = "VIRTUAL_PET_NAP", default_value = "20m", value_parser = duration)]
    nap: Duration,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("expected an address and a port, as 127.0.0.1:5000, or 0.0.0.0:5000 for every network, got {text:?}")
    })
}

/// A browser sends the name alone to be compared: with more around it, none would ever match.
fn host(text: &str) -> Result<String, String> {
    let port = |text: &str| {
        text.rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    };
    let is_address = text.parse::<IpAddr>().is_ok();
    if text.contains(['/', ' ']) || (port(text) && !is_address) {
        return Err(format!(
            "expected a name without scheme, port or path, as pet.example.org, got {text:?}"
        ));
    }
    Ok(text.to_owned())
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off".into()),
    }
}

/// A year: longer is a slip of the pen.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = |why: String| format!("expected a duration as 1h, 20m or 2s: {why}");
    let span: jiff::SignedDuration = text.parse().map_err(|error| wrong(format!("{error}")))?;
    let span = Duration::try_from(span).map_err(|_| wrong("it is negative".into()))?;
    if span < lullaby::schedule::SHORTEST_INTERVAL || span > LONGEST {
        return Err(wrong("it is under 100 ms or over a year".into()));
    }
    if span.subsec_nanos() % 1_000_000 != 0 {
        return Err(wrong("it is not in whole milliseconds".into()));
    }
    Ok(span)
}

/// As `duration`, or none at all.
fn duration_or_none(text: &str) -> Result<Duration, String> {
    if text == "0" || text == "0s" {
        return Ok(Duration::ZERO);
    }
    duration(text)
}

impl Cli {
    /// Runs until it is told to stop by SIGTERM or SIGINT.
    ///
    /// # Errors
    /// If it cannot start.
    pub async fn run(self) -> anyhow::Result<()> {
        let command = self.command.unwrap_or(Command::Serve);
        let options = self.options;
        let shutdown = Shutdown::on_signals().context("could not listen to signals")?;
        let listener = match command {
            Command::Serve | Command::Web => Some(listen(options.listen).await?),
            Command::Work => None,
        };
        let lullaby = open(&options).await?;
        let home = home::open(&lullaby).await?;
        let rules = Rules::game().paced(options.hunger_every, options.nap);
        let game = Game::new(lullaby.clone(), home, rules, options.visitors)?;
        let game = game
            .blocking(blocked_names(&options)?)
            .keeping_results(options.results_kept);
        let game = Arc::new(game);

        let work = match command {
            Command::Serve | Command::Work => Some(
                Worker::builder(&lullaby, tasks(game.clone()))
                    .queues([QUEUE])
                    .concurrency(options.concurrency.into())
                    .lease(options.lease)
                    .drain_within(DRAIN)
                    .build()?,
            ),
            Command::Web => None,
        };
        let working = async {
            if let Some(worker) = work {
                worker.run(shutdown.clone()).await;
            }
        };
        let serving = async {
            if let Some(listener) = listener {
                serve_pages(listener, game, &options, &shutdown).await?;
            }
            anyhow::Ok(())
        };
        let served = async { tokio::join!(working, serving).1 }.await;
        tracing::info!("stopped");
        served
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "{address} is in use by another program: stop that one, or choose another address with --listen, as --listen {}:{}",
            address.ip(),
            address.port().wrapping_add(1).max(1024)
        ),
        Err(error) => Err(error).with_context(|| {
            format!("could not listen on {address}: choose another address with --listen")
        }),
    }
}

fn blocked_names(options: &Options) -> anyhow::Result<BlockedNames> {
    let Some(file) = &options.names_blocked else {
        return Ok(BlockedNames::default());
    };
    let list = std::fs::read_to_string(file).with_context(|| {
        format!(
            "could not read the words that names may not hold from {} (--names-blocked)",
            file.display()
        )
    })?;
    Ok(BlockedNames::read(&list))
}

async fn open(options: &Options) -> anyhow::Result<Lullaby> {
    let url = match &options.store {
        Some(url) => url.clone(),
        None => {
            std::fs::create_dir_all(&options.data).with_context(|| {
                format!(
                    "could not make the data folder {}: choose another with --data",
                    options.data.display()
                )
            })?;
            format!("sqlite:{}", options.data.join("lullaby.db").display())
        }
    };
    // The error says where it is; the URL may hold a password.
    Lullaby::open(&url)
        .await
        .context("could not open the store")
}

async fn serve_pages(
    listener: TcpListener,
    game: Arc<Game>,
    options: &Options,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let clock = game.lullaby().clock().clone();
    let hub = Hub::new(game.lullaby().clone(), clock.clone());
    let lab = options
        .lab
        .then(|| Arc::new(Lab::new(*game.rules(), clock.clone())));
    let app = App {
        game: game.clone(),
        hub: hub.clone(),
        shutdown: shutdown.clone(),
        access: Arc::new(Access {
            hosts: Hosts::new(address.ip(), &options.allowed_hosts),
            limiter: Limiter::new(options.limits),
            proxies: options.trusted_proxy.clone(),
            most_pets: options.max_pets.into(),
        }),
        host_clock: clock.clone(),
        lab: lab.clone(),
        world: None,
    };
    welcome(address, game.lullaby());
    let pages = serve(listener, router(app), shutdown.clone(), clock.as_ref());
    let experiments = async {
        if let Some(lab) = lab {
            lab.run(shutdown).await;
        }
    };
    tokio::join!(pages, hub.run(shutdown), experiments);
    debug_assert!(shutdown.state() >= Stop::Warm);
    Ok(())
}

/// Tells where the pages are and how to begin. On stdout: logs go to stderr.
fn welcome(address: SocketAddr, lullaby: &Lullaby) {
    let host: IpAddr = if address.ip().is_unspecified() {
        [127, 0, 0, 1].into()
    } else {
        address.ip()
    };
    let url = format!("http://{}", SocketAddr::new(host, address.port()));
    let text = format!(
        "Virtual Pet is at {url} (kept in {})\n\
        Adopt a pet there, or here:\n  \
        curl {url}/api/pets -H 'Content-Type: application/json' -d '{{\"name\":\"Mochi\"}}'\n  \
        curl {url}/feed_pet/Mochi\n",
        lullaby.store().location()
    );
    // Whoever started us may not listen, as `virtual-pet | head -1`: no reason to stop.
    let mut stdout = std::io::stdout();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}
