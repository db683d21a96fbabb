//! The game, as its players meet it: the real program beside us, over HTTP.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use lullaby::clock::{Clock as _, SystemClock};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::figure::Figure;
use crate::place::Place;
use crate::process::{cpu_of, memory_of};
use crate::workload::rest;

const CONNECTIONS: usize = 64;
const ACTING: Duration = Duration::from_secs(10);
const VIEWS: usize = 500;
const STREAMS: usize = 1000;
const WATCHED: Duration = Duration::from_secs(10);

/// Actions a second, the page's first byte, and what a thousand streams cost.
pub(crate) async fn run(place: &Place, divide: usize) -> anyhow::Result<()> {
    let game = Game::start(&store(place, "game")?, &[])?;
    let mut first = Connection::open(&game).await?;
    for n in 0..CONNECTIONS {
        first.adopt(n).await?;
    }

    let done = Arc::<AtomicU64>::default();
    let mut players = Vec::new();
    for n in 0..CONNECTIONS {
        let (mut connection, done) = (Connection::open(&game).await?, done.clone());
        players.push(tokio::spawn(async move {
            loop {
                connection
                    .request("POST", &format!("/api/pets/P{n}/feed"), "")
                    .await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            #[expect(unreachable_code, reason = "names the error's type")]
            anyhow::Ok(())
        }));
    }
    rest(Duration::from_secs(1)).await;
    let before = done.load(Ordering::Relaxed);
    rest(ACTING / u32::try_from(divide)?).await;
    let acted = done.load(Ordering::Relaxed) - before;
    players.iter().for_each(tokio::task::JoinHandle::abort);
    let per_second = acted as f64 / (ACTING / u32::try_from(divide)?).as_secs_f64();
    figure(
        &format!("game: actions by HTTP, {CONNECTIONS} connections"),
        &format!("{per_second:.0} actions/s"),
    )?;

    let clock = SystemClock::default();
    let mut waits = Vec::new();
    for _ in 0..VIEWS / divide {
        let began = clock.monotonic();
        first.send("GET", "/pet/P0", "").await?;
        first.first_byte().await?;
        waits.push(clock.monotonic() - began);
        first.answer().await?;
    }
    figure("game: a pet's page, to its first byte", &spread(waits))?;

    let mut streams = Vec::new();
    for n in 0..STREAMS {
        streams
            .push(Connection::stream(&game, &format!("/pet/P{}/events", n % CONNECTIONS)).await?);
    }
    rest(Duration::from_secs(2)).await;
    let before = cpu_of(game.process())?;
    rest(WATCHED).await;
    let cpu = (cpu_of(game.process())? - before).as_secs_f64() / WATCHED.as_secs_f64();
    figure(
        &format!("game: {} idle streams", streams.len()),
        &format!(
            "{:.1} % of a core, {:.0} MiB",
            cpu * 100.0,
            memory_of(game.process())?
        ),
    )?;
    Ok(())
}

/// The program beside us.
pub(crate) struct Game {
    child: Child,
    address: String,
}

impl Game {
    pub(crate) fn start(store: &str, options: &[&str]) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("virtual-pet");
        let mut child = Command::new(&program)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--limits",
                "off",
                "--store",
                store,
            ])
            .args(options)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{}: build it first (make bench does)", program.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("its stdout is ours")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http://"));
        let address = address.with_context(|| format!("expected an address in {line:?}"))?;
        Ok(Self {
            address: address.to_owned(),
            child,
        })
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Game {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection that is kept.
struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    async fn open(game: &Game) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&game.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            host: game.address.clone(),
        })
    }

    /// Opens a stream of events, and reads up to its first one.
    async fn stream(game: &Game, path: &str) -> anyhow::Result<Self> {
        let mut connection = Self::open(game).await?;
        connection.send("GET", path, "").await?;
        while !connection.line().await?.starts_with("event:") {}
        Ok(connection)
    }

    async fn adopt(&mut self, n: usize) -> anyhow::Result<()> {
        let pet = format!("{{\"name\":\"P{n}\"}}");
        self.request("POST", "/api/pets", &pet).await
    }

    async fn request(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<()> {
        self.send(method, path, body).await?;
        self.answer().await
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<()> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        Ok(self.stream.write_all(request.as_bytes()).await?)
    }

    async fn first_byte(&mut self) -> anyhow::Result<()> {
        self.stream.fill_buf().await?;
        Ok(())
    }

    /// Reads a whole answer, which must be a good one.
    async fn answer(&mut self) -> anyhow::Result<()> {
        let status = self.line().await?;
        let mut length = 0;
        loop {
            let line = self.line().await?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        let is_good = status
            .split(' ')
            .nth(1)
            .is_some_and(|code| code.starts_with('2'));
        if !is_good {
            bail!(
                "expected a good answer, got {status}: {}",
                String::from_utf8_lossy(&body)
            );
        }
        Ok(())
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }
}

/// The URL of a store with nothing in it.
fn store(place: &Place, name: &str) -> anyhow::Result<String> {
    let folder = match place {
        Place::Redis(url) => return Ok(url.clone()),
        Place::Folder(folder) => folder.join(name),
    };
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(format!("sqlite:{}", folder.join("pets.db").display()))
}

fn figure(what: &str, result: &str) -> anyhow::Result<()> {
    Figure::new(what, result).print()
}

fn spread(mut waits: Vec<Duration>) -> String {
    waits.sort_unstable();
    let at = |part: f64| {
        let index = (waits.len() as f64 * part) as usize;
        waits.get(index.min(waits.len().saturating_sub(1)))
    };
    let ms = |part| at(part).map_or(0.0, |wait| wait.as_secs_f64() * 1000.0);
    format!(
        "p50 {:.2} ms, p99 {:.2} ms, last {:.2} ms",
        ms(0.5),
        ms(0.99),
        ms(1.0)
    )
}
