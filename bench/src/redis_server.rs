//! A redis-server for the measurements: on a free port, gone with this program. And what such a server says of itself.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::figure::PerJob;

/// The two ways in which it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Nothing is kept.
    None,
    /// `appendonly yes`, `appendfsync everysec`.
    EverySecond,
}

pub(crate) struct RedisServer {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl RedisServer {
    /// Starts one; its files lie under `folder`, on the disk that is measured.
    pub(crate) fn start(
        folder: &std::path::Path,
        persistence: Persistence,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let folder = tempfile::tempdir_in(folder)?;
        let appendonly = match persistence {
            Persistence::None => "no",
            Persistence::EverySecond => "yes",
        };
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", appendonly])
            .args(["--appendfsync", "everysec", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting redis-server; is it installed (apt-get install redis-server)?")?;
        let server = Self {
            process,
            port,
            _folder: folder,
        };
        for _ in 0..500 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(server);
            }
            pause(Duration::from_millis(10));
        }
        anyhow::bail!("redis-server does not come up on port {port}")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

#[expect(
    clippy::disallowed_methods,
    reason = "waits for another program's start"
)]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// A connection that only looks, and sets what a measurement wants set.
pub(crate) struct Look(redis::Connection);

/// What the server has done so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    cpu_seconds: f64,
    pub(crate) commands: f64,
}

impl Look {
    pub(crate) fn at(url: &str) -> anyhow::Result<Self> {
        Ok(Self(redis::Client::open(url)?.get_connection()?))
    }

    pub(crate) fn empty(&mut self) -> anyhow::Result<()> {
        Ok(redis::cmd("FLUSHALL").query(&mut self.0)?)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        let mut command = redis::cmd("CONFIG");
        Ok(command.arg("SET").arg(name).arg(value).query(&mut self.0)?)
    }

    /// Takes every stream of results away, to see what they took.
    pub(crate) fn drop_results(&mut self) -> anyhow::Result<()> {
        let keys: Vec<String> = redis::cmd("KEYS").arg("rq:results:*").query(&mut self.0)?;
        for keys in keys.chunks(1000) {
            let _: u64 = redis::cmd("DEL").arg(keys).query(&mut self.0)?;
        }
        Ok(())
    }

    /// Bytes of its memory, what it keeps for itself included.
    pub(crate) fn memory(&mut self) -> anyhow::Result<f64> {
        let info = self.info("memory")?;
        field(&info, "used_memory:")
    }

    pub(crate) fn spent(&mut self) -> anyhow::Result<Spent> {
        let cpu = self.info("cpu")?;
        let stats = self.info("commandstats")?;
        let calls = stats.lines().filter_map(|line| {
            let calls = line.split_once("calls=")?.1.split(',').next()?;
            calls.parse::<f64>().ok()
        });
        Ok(Spent {
            cpu_seconds: field(&cpu, "used_cpu_sys:")? + field(&cpu, "used_cpu_user:")?,
            commands: calls.sum(),
        })
    }

    /// What was spent since then, for each of so many jobs.
    pub(crate) fn since(&mut self, before: Spent, jobs: usize) -> anyhow::Result<PerJob> {
        let now = self.spent()?;
        Ok(PerJob {
            cpu_us: (now.cpu_seconds - before.cpu_seconds) * 1e6 / jobs as f64,
            commands: (now.commands - before.commands) / jobs as f64,
        })
    }

    fn info(&mut self, section: &str) -> anyhow::Result<String> {
        Ok(redis::cmd("INFO").arg(section).query(&mut self.0)?)
    }
}

fn field(info: &str, name: &str) -> anyhow::Result<f64> {
    let line = info.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok())
        .with_context(|| format!("expected {name} in Redis' INFO"))
}
