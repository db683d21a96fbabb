//! The scripts, and how a call of one is put together.

use std::sync::LazyLock;

use redis::{Arg, Cmd, Script, ToRedisArgs};

use super::RedisOptions;
use super::keys::Keys;

/// The most items that one call of a script is given: enough that a round trip costs little, little enough that nobody waits long.
pub(super) const BATCH: usize = 1000;

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)+) => {
        $(
            pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
                Script::new(concat!(include_str!("scripts/shared.lua"), $("\n", include_str!(concat!("scripts/", $file)),)+))
            });
        )+
    };
}

scripts! {
    ENQUEUE = "dependencies.lua" "enqueue_job.lua" "enqueue.lua";
    CANCEL = "cancel_job.lua" "cancel.lua";
    STOP_RUNNING = "cancel_job.lua" "stop_running.lua";
    REQUEUE = "requeue_job.lua" "requeue.lua";
    RESTORE = "requeue_job.lua" "restore.lua";
    DELETE = "delete.lua";
    CHANGE_TIME = "change_time.lua";
    APPEND_EVENTS = "append_events.lua";
    EVENTS = "events.lua";
    CLAIM = "show_execution.lua" "claim.lua";
    SETTLE = "settle.lua";
    RENEW = "show_execution.lua" "renew.lua";
    SAVE_META = "save_meta.lua";
    MOVE_DUE = "move_due.lua";
    REAP = "reap.lua";
    RECOVER = "recover.lua";
    SWEEP = "sweep.lua";
    PUT_SCHEDULE = "schedule_record.lua" "put_schedule.lua";
    REMOVE_SCHEDULE = "schedule_record.lua" "remove_schedule.lua";
    RUN_ENTRY = "dependencies.lua" "run_entry.lua";
    DROP_ENTRY = "drop_entry.lua";
    HOLD_LOCKS = "hold_locks.lua";
    LEAVE_LOCKS = "leave_locks.lua";
    ADVANCE = "dependencies.lua" "enqueue_job.lua" "cancel_job.lua" "schedule_record.lua" "advance.lua";
}

/// One call of a script.
pub(super) struct Call {
    pub(super) script: &'static Script,
    pub(super) command: Cmd,
}

impl Call {
    /// A call of one of the store's own, with the arguments that all of them share.
    pub(super) fn new(script: &'static Script, keys: &Keys, options: &RedisOptions) -> Self {
        // Lua's numbers are exact up to 2^53.
        let bounded = |limit: u64| limit.min(1 << 53);
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.get_hash()).arg(1).arg(keys.queues());
        command.arg(&keys.rq).arg(&keys.own);
        match &options.clock {
            Some(clock) => command.arg(clock.now().as_millis()),
            // The server's own time judges.
            None => command.arg(""),
        };
        command.arg(bounded(options.event_limits.per_subject));
        command.arg(bounded(options.event_limits.total));
        Self { script, command }
    }

    /// A script of the application's, which has keys of its own.
    pub(super) fn foreign(script: &'static Script, keys: &[String]) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.get_hash()).arg(keys.len()).arg(keys);
        Self { script, command }
    }

    /// Only a list of arguments, to be appended to a call.
    pub(super) fn strings(script: &'static Script) -> Self {
        let command = Cmd::new();
        Self { script, command }
    }

    /// With all arguments of another one behind its own.
    pub(super) fn append(mut self, strings: &Cmd) -> Self {
        for arg in strings.args_iter() {
            if let Arg::Simple(bytes) = arg {
                self.command.arg(bytes);
            }
        }
        self
    }

    pub(super) fn arg(mut self, value: impl ToRedisArgs) -> Self {
        self.command.arg(value);
        self
    }
}
