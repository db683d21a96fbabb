//! Returning what was lost, dropping what is over, and asking whether the server would take a write.

use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Core;
use super::answer::{instant, number, text, texts, tuple};
use super::scripts::{self, BATCH};
use super::zlib::deflate;
use crate::clock::{Clock, until};
use crate::error::{Error, Result};
use crate::job::JobId;
use crate::store::{POISON_LOSSES, Reaped, Swept};

/// A worker that has not been seen for longer is gone: three of its usual 30 s heartbeats.
const WORKER_TTL: Duration = Duration::from_secs(90);

/// Over how many keys the search for lost jobs goes in one step: 2 to 4 ms of the server's time.
const WALK: usize = 1000;

/// The search takes one part in so many of this process's time, and so at most as much of the server's: over a million jobs it
/// took four minutes on a busy machine.
const WALK_SHARE: u32 = 50;

/// The most that it takes in one round, however long the last one is ago.
const WALK_ROUND: Duration = Duration::from_millis(500);

/// Where the search for jobs that Python lost goes on.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// As `SCAN` counts; 0 is the beginning.
    cursor: u64,
    /// When the last round ended, on the monotonic clock.
    rested_since: Duration,
}

impl Walk {
    /// How long a round may take that begins now.
    fn budget(&self, now: Duration) -> Duration {
        (now.saturating_sub(self.rested_since) / WALK_SHARE).min(WALK_ROUND)
    }
}

impl Core {
    pub(super) async fn reap_all(&self, limit: usize) -> Result<Reaped> {
        // What RQ's tools show; the job itself says it with its id.
        let exc = |text: &str| BASE64.encode(deflate(text.as_bytes()));
        let poison = exc("lost with its worker too often, so it may be what ends them");
        let abandoned = exc("abandoned: its worker stopped beating");
        let mut reaped = Reaped::default();
        loop {
            let found = reaped.returned.len() + reaped.poisoned.len();
            let batch = limit.saturating_sub(found).min(BATCH);
            let call = self.script(&scripts::REAP).arg(batch).arg(POISON_LOSSES);
            let call = call.arg(&poison).arg(&abandoned);
            let [next, returned, failed] = tuple(self.link.call(call).await?)?;
            let ids = |value| -> Result<Vec<JobId>> {
                Ok(texts(value)?
                    .iter()
                    .map(|id| JobId::from_store(id))
                    .collect())
            };
            let (returned, failed) = (ids(returned)?, ids(failed)?);
            let count = returned.len() + failed.len();
            reaped.returned.extend(returned);
            reaped.poisoned.extend(failed);
            reaped.next_expiry = instant(next)?;
            if batch == 0 {
                return Ok(reaped);
            }
            if count < batch {
                reaped.returned.extend(self.recover().await?);
                return Ok(reaped);
            }
        }
    }

    /// What Python's workers lost on the way: by a walk over all jobs, in short steps, that goes on in the next round if it takes long.
    async fn recover(&self) -> Result<Vec<JobId>> {
        let clock = self.server.host();
        let begun = clock.monotonic();
        let (mut cursor, budget) = {
            let walk = self.walk.lock().unwrap_or_else(PoisonError::into_inner);
            (walk.cursor, walk.budget(begun))
        };
        let mut found = Vec::new();
        loop {
            let call = self.script(&scripts::RECOVER).arg(cursor).arg(WALK);
            let [next, returned] = tuple(self.link.call(call).await?)?;
            cursor = text(next)?.parse().unwrap_or(0);
            let returned = texts(returned)?;
            found.extend(returned.iter().map(|id| JobId::from_store(id)));
            let ended = clock.monotonic();
            let mut walk = self.walk.lock().unwrap_or_else(PoisonError::into_inner);
            walk.cursor = cursor;
            walk.rested_since = ended;
            if cursor == 0 || ended.saturating_sub(begun) >= budget {
                return Ok(found);
            }
        }
    }

    pub(super) async fn sweep_all(&self, limit: usize) -> Result<Swept> {
        let mut jobs = 0;
        loop {
            let batch = limit.saturating_sub(jobs).min(BATCH);
            let call = self.script(&scripts::SWEEP).arg(batch);
            let call = call.arg(WORKER_TTL.as_millis() as u64);
            let [count, next] = tuple(self.link.call(call).await?)?;
            let count = usize::try_from(number(count)?).unwrap_or(0);
            jobs += count;
            if batch == 0 || count < batch {
                let next_expiry = instant(next)?;
                return Ok(Swept { jobs, next_expiry });
            }
        }
    }

    /// A write of a key that is gone again at once: a full or read-only server refuses it.
    pub(super) async fn probe_write(&self, patience: Duration) -> Result<()> {
        let key = format!("{}probe", self.keys.own);
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("SET").arg(&key).arg(1).arg("PX").arg(1);
        pipe.cmd("DEL").arg(&key);
        let clock = self.server.host();
        let answer = until(clock, clock.now() + patience, self.link.pipeline(&pipe)).await;
        let Some(answer) = answer else {
            return Err(Error::deadline(format!(
                "Redis at {} did not take a write within {patience:?}",
                self.link.location()
            )));
        };
        answer.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_takes_a_small_part_of_the_time_however_often_it_is_asked() {
        let walk = Walk {
            cursor: 7,
            rested_since: Duration::from_secs(100),
        };
        let after = |rest| walk.budget(Duration::from_secs(100) + rest);
        assert_eq!(after(Duration::ZERO), Duration::ZERO);
        assert_eq!(after(Duration::from_secs(15)), Duration::from_millis(300));
        assert_eq!(after(Duration::from_secs(3600)), WALK_ROUND);
    }
}
