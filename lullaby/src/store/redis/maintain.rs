//! Returning what was lost, dropping what is over, and asking whether the server would take a write.

use std::sync::atomic::Ordering;
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

/// Over how many keys one round goes in search of lost jobs: a millisecond of the server's time.
const WALK: usize = 1000;

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

    /// What Python's workers lost on the way, found a few at a time.
    async fn recover(&self) -> Result<Vec<JobId>> {
        let from = self.walk.load(Ordering::Relaxed);
        let call = self.script(&scripts::RECOVER).arg(from).arg(WALK);
        let [next, returned] = tuple(self.link.call(call).await?)?;
        let next = text(next)?.parse().unwrap_or(0);
        self.walk.store(next, Ordering::Relaxed);
        let returned = texts(returned)?;
        Ok(returned.iter().map(|id| JobId::from_store(id)).collect())
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
