//! What is said at the start about a server that may not keep what it is given.

use std::sync::atomic::Ordering;

use super::Core;
use super::answer::{optional_text, text, texts};
use crate::error::Result;

/// The newest RQ that all of `interop/` runs against.
const TESTED_RQ: (u32, u32) = (3, 0);
/// How many workers are asked for their version.
const LOOKED_AT: usize = 50;

/// Settings that take less memory for the same jobs, with RQ's keys as they are (measured on Redis 7.0).
const RECOMMENDED: [(&str, u64, &str); 2] = [
    (
        "hash-max-listpack-value",
        512,
        "keeps a waiting job in half the memory (720 instead of 1,450 bytes)",
    ),
    (
        "stream-node-max-bytes",
        256,
        "keeps a result in a seventh of the memory (600 instead of 4,381 bytes)",
    ),
];

/// The first is better when larger, the second when smaller.
fn setting_differs(setting: &str, now: u64, wanted: u64) -> bool {
    if setting.starts_with("hash") {
        now < wanted
    } else {
        now == 0 || now > wanted
    }
}

impl Core {
    /// Connects, and warns of whatever makes this server a risky place for jobs.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses us.
    pub(super) async fn check_server(&self) -> Result<()> {
        self.link.command(&redis::cmd("PING")).await?;
        let Ok(info) = self.link.command(&redis::cmd("INFO")).await.and_then(text) else {
            // Not everybody may ask.
            return Ok(());
        };
        let cluster = field(&info, "redis_mode") == "cluster";
        self.in_cluster.store(cluster, Ordering::Relaxed);
        for warning in self.warnings(&info).await {
            tracing::warn!(redis = self.link.location(), "{warning}");
        }
        Ok(())
    }

    /// What makes this server a risky place for jobs, and what would make it a better one.
    ///
    /// # Errors
    /// If the server cannot be reached. One that refuses to tell is asked no further.
    pub(super) async fn advice(&self) -> Result<Vec<String>> {
        self.link.command(&redis::cmd("PING")).await?;
        let Ok(info) = self.link.command(&redis::cmd("INFO")).await.and_then(text) else {
            return Ok(Vec::new());
        };
        let mut advice = self.warnings(&info).await;
        for (setting, wanted, why) in RECOMMENDED {
            let now = self
                .setting(setting)
                .await
                .and_then(|value| value.parse::<u64>().ok());
            if let Some(now) = now.filter(|now| setting_differs(setting, *now, wanted)) {
                advice.push(format!("{setting} is {now}; {wanted} {why}"));
            }
        }
        Ok(advice)
    }

    async fn warnings(&self, info: &str) -> Vec<String> {
        let saves = self.setting("save").await.map(|rules| !rules.is_empty());
        let mut warnings = warnings(info, saves);
        if let Ok(Some(version)) = self.untested_rq().await {
            warnings.push(format!(
                "a worker of RQ {version} is here; this was tested up to RQ {}.{}, and a newer one may keep its jobs otherwise",
                TESTED_RQ.0, TESTED_RQ.1
            ));
        }
        warnings
    }

    /// A setting of the server's, if it tells.
    async fn setting(&self, name: &str) -> Option<String> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg(name);
        let pair = self.link.command(&command).await.and_then(texts).ok()?;
        pair.into_iter().nth(1)
    }

    /// The newest RQ among the workers on this server, if it is newer than the ones that this driver was tested with.
    async fn untested_rq(&self) -> Result<Option<String>> {
        let mut some = redis::cmd("SRANDMEMBER");
        some.arg(self.keys.workers()).arg(LOOKED_AT);
        let mut pipe = redis::pipe();
        for key in texts(self.link.command(&some).await?)? {
            pipe.cmd("HGET").arg(key).arg("version");
        }
        let mut newest = None;
        for version in self.link.pipeline(&pipe).await? {
            // Ours say "lullaby" first, and that is no number.
            let version = optional_text(version)?.unwrap_or_default();
            if number(&version) > TESTED_RQ
                && newest
                    .as_deref()
                    .is_none_or(|known| number(known) < number(&version))
            {
                newest = Some(version);
            }
        }
        Ok(newest)
    }
}

/// A field of the answer to `INFO`; empty if there is none.
fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim()
}

/// The first two numbers of a version.
fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// `saves`: whether snapshots are configured, if the server tells.
fn warnings(info: &str, saves: Option<bool>) -> Vec<String> {
    let field = |name| field(info, name);
    let mut warnings = Vec::new();
    let policy = field("maxmemory_policy");
    if !policy.is_empty() && policy != "noeviction" {
        warnings.push(format!(
            "maxmemory-policy is {policy}: a full server throws jobs away. Set it to noeviction"
        ));
    }
    if field("aof_enabled") == "0" && saves == Some(false) {
        warnings.push(
            "neither appendonly nor save is set: a restart of the server loses every job"
                .to_owned(),
        );
    }
    let version = field("redis_version");
    if !version.is_empty() && number(version) < (6, 2) {
        warnings.push(format!("this is Redis {version}; 6.2 or newer is needed"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n";

    #[test]
    fn a_sound_server_gets_no_warning() {
        assert_eq!(warnings(SOUND, Some(false)), [""; 0]);
        assert_eq!(warnings("", None), [""; 0]);
    }

    #[test]
    fn what_loses_jobs_is_named() {
        for (from, to, expected) in [
            ("noeviction", "allkeys-lru", "allkeys-lru"),
            ("aof_enabled:1", "aof_enabled:0", "loses every job"),
            ("7.0.15", "6.0.16", "6.2 or newer"),
        ] {
            let told = warnings(&SOUND.replace(from, to), Some(false));
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(expected), "{told:?}");
        }
    }
}
