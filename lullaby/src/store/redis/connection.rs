//! The connections to the server: one that commands share, made anew for ever after it broke.
//!
//! redis-rs' own defaults are not ours: it leaves Nagle's algorithm on, which holds small writes back for up to 40 ms, and gives up on
//! an answer after half a second, which a server that forks for its persistence exceeds.

mod fault;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, Pipeline, ProtocolVersion,
    PushInfo, RedisError, RedisResult, ServerErrorKind, Value,
};
use tokio::sync::mpsc::UnboundedSender;

use super::address;
use super::scripts::Call;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};

/// No healthy server keeps a command waiting that long.
const ANSWER: Duration = Duration::from_secs(15);
/// For the connection to stand.
const CONNECT: Duration = Duration::from_secs(5);
/// Pauses between attempts, each with up to half of it taken off by chance.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Link {
    client: Client,
    location: String,
    clock: SystemClock,
    live: Mutex<Option<MultiplexedConnection>>,
    interruptions: AtomicU64,
    /// Held while a connection is made, so that many callers make one.
    attempt: tokio::sync::Mutex<Attempt>,
}

#[derive(Default)]
struct Attempt {
    failures: u32,
    not_before: Duration,
    error: Option<Error>,
}

impl Link {
    /// Reads the URL; connects at the first command.
    ///
    /// # Errors
    /// If the URL is none of `redis://`, `rediss://`, `unix://`.
    pub(super) fn new(url: &str) -> Result<Arc<Self>> {
        let info = address::read(url)?;
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let redis = info.redis_settings().clone();
        let location = location(info.addr(), redis.username(), redis.db());
        let client = Client::open(
            info.set_tcp_settings(tcp)
                .set_redis_settings(redis.set_protocol(ProtocolVersion::RESP2)),
        )
        .map_err(|error| {
            let detail = error.detail().unwrap_or("it cannot be used");
            Error::invalid(format!("{location}: {detail}"))
        })?;
        Ok(Arc::new(Self {
            client,
            location,
            clock: SystemClock::default(),
            live: Mutex::default(),
            interruptions: AtomicU64::new(0),
            attempt: tokio::sync::Mutex::default(),
        }))
    }

    pub(super) fn location(&self) -> &str {
        &self.location
    }

    fn live(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shared connection, made anew if there is none.
    async fn connection(&self) -> Result<MultiplexedConnection> {
        if let Some(live) = self.live().clone() {
            return Ok(live);
        }
        let mut attempt = self.attempt.lock().await;
        if let Some(live) = self.live().clone() {
            return Ok(live);
        }
        if let Some(error) = &attempt.error
            && self.clock.monotonic() < attempt.not_before
        {
            return Err(error.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        match made.await {
            Ok(connection) => {
                *attempt = Attempt::default();
                *self.live() = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                let error = self.failed(error);
                attempt.not_before = self.clock.monotonic() + pause(attempt.failures);
                attempt.failures = attempt.failures.saturating_add(1);
                attempt.error = Some(error.clone());
                Err(error)
            }
        }
    }

    /// A connection of its own that hears what the server pushes.
    pub(super) async fn listening(
        &self,
        pushed: UnboundedSender<PushInfo>,
    ) -> Result<MultiplexedConnection> {
        let info = self.client.get_connection_info().clone();
        let redis = info.redis_settings().clone();
        let client =
            Client::open(info.set_redis_settings(redis.set_protocol(ProtocolVersion::RESP3)))
                .map_err(|error| self.failed(error))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER))
            .set_push_sender(pushed);
        let made = client.get_multiplexed_async_connection_with_config(&config);
        made.await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: RedisError) -> Error {
        fault::told(&self.location, error)
    }

    /// Forgets a connection that broke; the next command makes another.
    fn judge<T>(&self, answer: RedisResult<T>) -> Result<T> {
        answer.map_err(|error| {
            if error.is_unrecoverable_error() || error.is_timeout() || error.is_io_error() {
                self.suspect();
            }
            self.failed(error)
        })
    }

    /// Connects at the next command, without a pause: somebody saw the server come back.
    pub(super) async fn hope(&self) {
        *self.attempt.lock().await = Attempt::default();
    }

    /// Forgets the connection: somebody saw the server go.
    pub(super) fn suspect(&self) {
        *self.live() = None;
        self.interruptions.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the server was seen to go.
    pub(super) fn interruptions(&self) -> u64 {
        self.interruptions.load(Ordering::Relaxed)
    }

    pub(super) async fn command(&self, command: &Cmd) -> Result<Value> {
        let mut connection = self.connection().await?;
        let answer = connection.req_packed_command(command).await;
        self.judge(answer.and_then(Value::extract_error))
    }

    pub(super) async fn pipeline(&self, pipeline: &Pipeline) -> Result<Vec<Value>> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.connection().await?;
        self.judge(pipeline.query_async(&mut connection).await)
    }

    /// Calls a script; loads it if the server does not know it (any more).
    pub(super) async fn call(&self, call: Call) -> Result<Value> {
        let mut connection = self.connection().await?;
        let answer = connection.req_packed_command(&call.command).await;
        // The server's errors come as values.
        let answer = answer.and_then(Value::extract_error);
        if !answer.as_ref().is_err_and(is_no_script) {
            return self.judge(answer);
        }
        let loaded = call.script.load_async(&mut connection).await;
        self.judge(loaded)?;
        let answer = connection.req_packed_command(&call.command).await;
        self.judge(answer.and_then(Value::extract_error))
    }

    /// Calls a script several times in one step.
    pub(super) async fn call_all(&self, calls: Vec<Call>) -> Result<Vec<Value>> {
        let mut connection = self.connection().await?;
        if let Some(call) = calls.first() {
            let loaded = call.script.load_async(&mut connection).await;
            self.judge(loaded)?;
        }
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for call in calls {
            pipeline.add_command(call.command);
        }
        self.judge(pipeline.query_async(&mut connection).await)
    }
}

fn is_no_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn pause(failures: u32) -> Duration {
    let full = FIRST_PAUSE
        .saturating_mul(1 << failures.min(5))
        .min(LONGEST_PAUSE);
    // The last byte of a random id is as good a die as any.
    let chance = uuid::Uuid::new_v4().as_bytes()[15];
    full - full.mul_f64(f64::from(chance) / 512.0)
}

/// Where it is, without a password.
fn location(addr: &ConnectionAddr, user: Option<&str>, db: i64) -> String {
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    match addr {
        ConnectionAddr::Tcp(host, port) => format!("redis://{user}{host}:{port}/{db}"),
        ConnectionAddr::TcpTls { host, port, .. } => {
            format!("rediss://{user}{host}:{port}/{db}")
        }
        ConnectionAddr::Unix(path) => format!("unix://{user}{}?db={db}", path.display()),
        _ => format!("redis:?db={db}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_never_shows_the_password() {
        for (url, expected) in [
            ("redis://h", "redis://h:6379/0"),
            ("redis://:secret@h:7000/3", "redis://h:7000/3"),
            ("redis://ann:secret@h/1", "redis://ann@h:6379/1"),
            (
                "unix:///run/redis.sock?db=2&pass=secret",
                "unix:///run/redis.sock?db=2",
            ),
        ] {
            let link = Link::new(url).expect("a URL");
            assert_eq!(link.location(), expected);
        }
    }

    #[test]
    fn pauses_grow_to_a_second_and_differ() {
        for failures in 0..40 {
            let pause = pause(failures);
            assert!(
                pause >= FIRST_PAUSE / 2 && pause <= LONGEST_PAUSE,
                "{pause:?}"
            );
        }
        assert!(pause(30) >= LONGEST_PAUSE / 2);
    }
}
