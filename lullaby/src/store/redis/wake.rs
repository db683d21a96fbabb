//! Hearing of changes: one connection on which the server itself tells which keys changed.
//!
//! `CLIENT TRACKING … BCAST` (RESP3, Redis 6) names every list and registry of RQ's that anybody touches, Python included, and takes nothing
//! out of a queue. What no such key shows is published by the scripts. Where the server refuses either, everybody looks once a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

use super::Core;
use super::answer::{array, number, text};
use super::keys::ENTRIES;
use super::scripts;
use crate::backoff::Outage;
use crate::clock::{Clock as _, until};
use crate::error::Result;
use crate::store::{POLL, Topic, WorkerCommand, WorkerRecord};

/// How often the listening connection is asked for the time: it also shows whether it still stands.
const ASK: Duration = Duration::from_secs(5);

/// What the listening connection must hear once it stands again.
#[derive(Default)]
pub(super) struct Ears {
    state: Mutex<State>,
    /// Whether every worker of this process is listened for. `false` until the connection stands.
    hears: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// The workers of this process, by their channels.
    workers: HashMap<String, Heard>,
}

struct Heard {
    /// As it was last announced.
    record: WorkerRecord,
    /// What it was told and has not asked for yet.
    told: Vec<WorkerCommand>,
}

impl Ears {
    /// Hears what Python's commands tell this worker, from now on: they are told once, to whoever listens.
    pub(super) async fn hear_worker(&self, channel: String, record: WorkerRecord) {
        let connection = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(heard) = state.workers.get_mut(&channel) {
                heard.record = record;
                return;
            }
            let told = Vec::new();
            state
                .workers
                .insert(channel.clone(), Heard { record, told });
            state.connection.clone()
        };
        match connection {
            Some(mut connection) => {
                // If it fails the connection is broken, and its successor subscribes.
                let _ = connection.subscribe(channel).await;
            }
            None => {
                // Never fails: the sender is ours.
                let _ = self.hears.subscribe().wait_for(|hears| *hears).await;
            }
        }
    }

    pub(super) fn forget_worker(&self, channel: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.workers.remove(channel);
    }

    fn tell(&self, channel: &str, command: WorkerCommand) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(heard) = state.workers.get_mut(channel) {
            heard.told.push(command);
        }
    }

    /// What this worker was told since it was last asked.
    pub(super) fn take_commands(&self, channel: &str) -> Vec<WorkerCommand> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = state.workers.get_mut(channel);
        heard
            .map(|heard| std::mem::take(&mut heard.told))
            .unwrap_or_default()
    }

    fn set(&self, connection: Option<MultiplexedConnection>) -> Vec<(String, WorkerRecord)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.hears.send_replace(false);
        state.connection = connection;
        let workers = state.workers.iter();
        workers
            .map(|(channel, heard)| (channel.clone(), heard.record.clone()))
            .collect()
    }
}

/// Listens for ever; ended by the store that started it.
pub(super) async fn listen(core: Arc<Core>) {
    let mut again = false;
    let mut outage = Outage::default();
    loop {
        if let Err(error) = listen_once(&core, again, &mut outage).await
            && outage.failed()
        {
            tracing::warn!(%error, "does not hear of changes; looks once a second until the server is back");
        }
        again = true;
        core.ears.set(None);
        core.link.suspect();
        core.signals.raise_all();
        let host = core.server.host();
        host.sleep_until(host.now() + POLL).await;
    }
}

async fn listen_once(core: &Core, again: bool, outage: &mut Outage) -> Result<()> {
    let (pushed, mut pushes) = unbounded_channel();
    let mut connection = core.link.listening(pushed).await?;
    core.link.hope().await;
    let hears = track(core, &mut connection).await;
    if !hears {
        tracing::warn!(
            "this server does not tell of changed keys (CLIENT TRACKING, Redis 6); looking once a second instead"
        );
    }
    let broken = |error| crate::Error::store_because("listening to Redis", error);
    connection
        .subscribe(core.keys.wake())
        .await
        .map_err(broken)?;
    for (channel, mut record) in core.ears.set(Some(connection.clone())) {
        connection.subscribe(channel).await.map_err(broken)?;
        if again {
            // The server may have lost what it knew of it.
            record.seen_at = core.clock.now();
            core.announce(&record).await?;
        }
    }
    core.ears.hears.send_replace(true);
    if let Some(failures) = outage.over() {
        tracing::info!(
            failures,
            redis = core.link.location(),
            "hears of changes again"
        );
    }
    // Whatever happened while nobody listened.
    core.signals.raise_all();
    let host = core.server.host();
    let mut ask_at = host.now();
    loop {
        if host.now() >= ask_at {
            let sent = host.now();
            let command = redis::cmd("TIME");
            let answer = connection
                .req_packed_command(&command)
                .await
                .map_err(broken)?;
            if let Some(ms) = server_ms(answer) {
                core.server.correct(sent, ms, host.now());
            }
            ask_at = host.now() + ASK;
        }
        let next_look = if hears {
            ask_at
        } else {
            ask_at.min(host.now() + POLL)
        };
        match until(host, next_look, pushes.recv()).await {
            Some(Some(push)) => {
                if push.kind == PushKind::Disconnection {
                    return Err(crate::Error::store("Redis closed the connection"));
                }
                hear(core, push, &mut pushes).await;
            }
            Some(None) => return Err(crate::Error::store("Redis closed the connection")),
            None if !hears => core.signals.raise_all(),
            None => {}
        }
    }
}

async fn track(core: &Core, connection: &mut MultiplexedConnection) -> bool {
    let mut command = redis::cmd("CLIENT");
    command.arg("TRACKING").arg("ON").arg("BCAST");
    for prefix in core.tracked() {
        command.arg("PREFIX").arg(prefix);
    }
    let answer = connection.req_packed_command(&command).await;
    answer.is_ok_and(|value| !matches!(value, Value::ServerError(_)))
}

/// Raises what this push, and all that wait behind it, tell; each topic once.
async fn hear(core: &Core, push: PushInfo, pushes: &mut UnboundedReceiver<PushInfo>) {
    let mut topics = Vec::new();
    let mut next = Some(push);
    while let Some(push) = next {
        match push.kind {
            PushKind::Invalidate => hear_keys(core, push.data, &mut topics),
            PushKind::Message => hear_message(core, push.data, &mut topics).await,
            _ => {}
        }
        next = pushes.try_recv().ok();
    }
    topics.dedup();
    for topic in topics {
        core.signals.raise(topic);
    }
}

fn hear_keys(core: &Core, data: Vec<Value>, topics: &mut Vec<Topic>) {
    let keys = data.into_iter().next().and_then(|keys| array(keys).ok());
    let watched = core.watched();
    let Some(keys) = keys.filter(|keys| !keys.is_empty()) else {
        // FLUSHALL: no key is named, and all are gone.
        core.signals.raise_all();
        return;
    };
    for key in keys {
        let Ok(key) = text(key) else { continue };
        for (prefix, topic) in &watched {
            if key.starts_with(prefix) && !topics.contains(topic) {
                topics.push(*topic);
            }
        }
    }
}

async fn hear_message(core: &Core, data: Vec<Value>, topics: &mut Vec<Topic>) {
    let mut data = data.into_iter().map(text);
    let (Some(Ok(channel)), Some(Ok(message))) = (data.next(), data.next()) else {
        return;
    };
    if channel == core.keys.wake() {
        for letter in message.chars() {
            let topic = match letter {
                'd' => Topic::Due,
                'e' => Topic::Ended,
                'c' => Topic::Control,
                'v' => Topic::Events,
                _ => continue,
            };
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        return;
    }
    match Told::read(&message) {
        Some(Told::Command(command)) => core.ears.tell(&channel, command),
        // What Python tells once and forgets, we keep until the job ends.
        Some(Told::Stop { job, execution }) => {
            let worker = core.keys.worker_of_channel(&channel);
            let call = core.script(&scripts::STOP_RUNNING).arg(worker);
            let call = call.arg(job).arg(execution.unwrap_or_default());
            if let Err(error) = core.link.call(call).await {
                tracing::warn!(%error, "heard that a job is to stop, but could not note it");
            }
        }
        None => return,
    }
    topics.push(Topic::Control);
}

/// A command of RQ's, as its channel brings it.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Command(WorkerCommand),
    Stop {
        job: String,
        /// Only this one; any if `None`.
        execution: Option<String>,
    },
}

impl Told {
    /// `None` if it is no command that we know.
    fn read(message: &str) -> Option<Self> {
        let message: serde_json::Value = serde_json::from_str(message).ok()?;
        let text = |name: &str| Some(message.get(name)?.as_str()?.to_owned());
        Some(match text("command")?.as_str() {
            "shutdown" => Self::Command(WorkerCommand::Shutdown),
            "kill-horse" => Self::Command(WorkerCommand::KillHorse),
            "stop-job" => Self::Stop {
                job: text("job_id")?,
                execution: None,
            },
            "stop-execution" => Self::Stop {
                job: text("job_id")?,
                execution: Some(text("execution_id")?),
            },
            _ => return None,
        })
    }
}

fn server_ms(time: Value) -> Option<i64> {
    let mut parts = array(time).ok()?.into_iter();
    let seconds = number(parts.next()?).ok()?;
    let micros = number(parts.next()?).ok()?;
    Some(seconds * 1000 + micros / 1000)
}

impl Core {
    /// The keys whose changes tell something, by how they begin.
    fn watched(&self) -> [(String, Topic); 7] {
        let rq = &self.keys.rq;
        [
            (format!("{rq}queue:"), Topic::Queued),
            // Gone: workers may go on.
            (format!("{rq}suspended"), Topic::Queued),
            (format!("{rq}scheduled:"), Topic::Due),
            (format!("{rq}finished:"), Topic::Ended),
            (format!("{rq}failed:"), Topic::Ended),
            (format!("{rq}canceled:"), Topic::Ended),
            (ENTRIES.to_owned(), Topic::Due),
        ]
    }

    /// What the server is asked to tell of: few beginnings that cover all that is watched, because at each write to any key it looks at each of
    /// them, which with six was 6 % of what a job costs it. What else begins so is written seldom.
    fn tracked(&self) -> Vec<String> {
        let rq = &self.keys.rq;
        let mut tracked = ["queue:", "s", "f", "canceled:"]
            .map(|name| format!("{rq}{name}"))
            .to_vec();
        // No beginning may hold another one.
        if !ENTRIES.starts_with(&tracked[1]) {
            tracked.push(ENTRIES.to_owned());
        }
        tracked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rqs_commands_are_understood_and_others_are_not() {
        let stop = |execution: Option<&str>| Told::Stop {
            job: "a".to_owned(),
            execution: execution.map(str::to_owned),
        };
        for (message, told) in [
            (r#"{"command": "stop-job", "job_id": "a"}"#, stop(None)),
            (
                r#"{"command": "stop-execution", "job_id": "a", "execution_id": "b"}"#,
                stop(Some("b")),
            ),
            (
                r#"{"command": "shutdown"}"#,
                Told::Command(WorkerCommand::Shutdown),
            ),
            (
                r#"{"command": "kill-horse"}"#,
                Told::Command(WorkerCommand::KillHorse),
            ),
        ] {
            assert_eq!(Told::read(message), Some(told));
        }
        for other in [
            r#"{"command": "dance"}"#,
            r#"{"command": "stop-execution", "job_id": "a"}"#,
            "[]",
            "",
            r#"{"job_id": "a"}"#,
        ] {
            assert_eq!(Told::read(other), None, "{other}");
        }
    }
}
