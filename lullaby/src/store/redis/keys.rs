//! The names of keys that Rust code uses. The scripts build theirs from the same two prefixes; nobody else knows a key.

use crate::error::{Error, Result};

/// rq-scheduler's entries. It knows no other prefix than `rq`, whatever RQ's own is.
pub(super) const ENTRIES: &str = "rq:scheduler:scheduled_jobs";
/// Held by rq-scheduler while it does a round, and up to 70 s after it was killed in one.
pub(super) const ENTRIES_LOCK: &str = "rq:scheduler_lock";

/// RQ's prefix and our own, each with its colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// `rq:`
    pub(super) rq: String,
    /// `lullaby:`; beside another prefix than `rq`, `<prefix>:lullaby:`, so that one prefix holds everything.
    pub(super) own: String,
}

impl Keys {
    /// # Errors
    /// If the prefix is empty or has other characters than RQ's `RQ_KEY_PREFIX` may have.
    pub(super) fn new(prefix: &str) -> Result<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-{}".contains(&byte);
        if prefix.is_empty() || !prefix.bytes().all(fits) {
            return Err(Error::invalid(format!(
                "expected a key prefix of letters, digits and _ . : - {{ }}, got {prefix:?}"
            )));
        }
        let own = match prefix {
            "rq" => "lullaby:".to_owned(),
            other => format!("{other}:lullaby:"),
        };
        Ok(Self {
            rq: format!("{prefix}:"),
            own,
        })
    }

    /// The set of queues; names the slot of every script.
    pub(super) fn queues(&self) -> String {
        format!("{}queues", self.rq)
    }

    pub(super) fn queue(&self, queue: &str) -> String {
        format!("{}queue:{queue}", self.rq)
    }

    pub(super) fn job(&self, id: &str) -> String {
        format!("{}job:{id}", self.rq)
    }

    pub(super) fn results(&self, id: &str) -> String {
        format!("{}results:{id}", self.rq)
    }

    /// `wip`, `finished`, `failed`, `scheduled`, `deferred`, `ready` or `canceled`.
    pub(super) fn registry(&self, name: &str, queue: &str) -> String {
        format!("{}{name}:{queue}", self.rq)
    }

    /// Those in `rq:failed:<q>` that were stopped; RQ keeps both in one registry.
    pub(super) fn stopped(&self, queue: &str) -> String {
        format!("{}stopped:{queue}", self.own)
    }

    /// The names of RQ 3's rate limits.
    pub(super) fn rate_limits(&self) -> String {
        format!("{}rl-keys", self.rq)
    }

    /// Those that wait for a slot of this limit.
    pub(super) fn rate_limited(&self, limit: &str) -> String {
        format!("{}rl:{limit}:rate_limited", self.rq)
    }

    pub(super) fn workers(&self) -> String {
        format!("{}workers", self.rq)
    }

    pub(super) fn workers_of(&self, queue: &str) -> String {
        format!("{}workers:{queue}", self.rq)
    }

    pub(super) fn worker(&self, name: &str) -> String {
        format!("{}worker:{name}", self.rq)
    }

    /// The channel of RQ's commands to a worker.
    pub(super) fn channel(&self, worker: &str) -> String {
        format!("{}pubsub:{worker}", self.rq)
    }

    pub(super) fn worker_of_channel<'a>(&self, channel: &'a str) -> &'a str {
        channel.strip_prefix(&self.channel("")).unwrap_or_default()
    }

    pub(super) fn subject(&self, subject: &str) -> String {
        format!("{}subject:{subject}", self.own)
    }

    pub(super) fn events(&self) -> String {
        format!("{}events", self.own)
    }

    pub(super) fn last_event(&self) -> String {
        format!("{}last_event", self.own)
    }

    pub(super) fn schedules(&self) -> String {
        format!("{}schedules", self.own)
    }

    pub(super) fn schedules_state(&self) -> String {
        format!("{}schedules:state", self.own)
    }

    pub(super) fn schedules_behind(&self) -> String {
        format!("{}schedules:behind", self.own)
    }

    pub(super) fn schedules_next(&self) -> String {
        format!("{}schedules:next", self.own)
    }

    pub(super) fn ledger(&self, id: &str) -> String {
        format!("{}ledger:{id}", self.own)
    }

    pub(super) fn quarantine(&self) -> String {
        format!("{}quarantine", self.own)
    }

    /// What we wrote when an entry of rq-scheduler's last ran.
    pub(super) fn foreign(&self, id: &str) -> String {
        format!("{}foreign:{id}", self.own)
    }

    /// The channel on which scripts tell what no key of RQ's shows.
    pub(super) fn wake(&self) -> String {
        format!("{}wake", self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_keys_stand_beside_rqs_or_inside_another_prefix() {
        let keys = Keys::new("rq").expect("fits");
        assert_eq!(keys.job("a"), "rq:job:a");
        assert_eq!(keys.events(), "lullaby:events");
        let keys = Keys::new("{app}").expect("fits");
        assert_eq!(keys.queue("default"), "{app}:queue:default");
        assert_eq!(keys.events(), "{app}:lullaby:events");
    }

    #[test]
    fn a_prefix_that_rq_would_refuse_is_refused() {
        for prefix in ["", "a b", "a*", "a/b", "ä"] {
            assert!(Keys::new(prefix).is_err(), "{prefix:?}");
        }
    }
}
