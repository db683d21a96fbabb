//! What the kernel says of this process.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Duration;

use anyhow::Context as _;

/// Resident memory, in MiB.
pub(crate) struct Memory {
    pub(crate) now: f64,
    pub(crate) peak: f64,
}

pub(crate) fn memory() -> anyhow::Result<Memory> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = |name: &str| field(&status, name).map(|kib| kib as f64 / 1024.0);
    Ok(Memory {
        now: kib("VmRSS:")?,
        peak: kib("VmHWM:")?,
    })
}

/// Resident memory of another process, in MiB.
pub(crate) fn memory_of(process: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    Ok(field(&status, "VmRSS:")? as f64 / 1024.0)
}

/// The time that the processors have spent on another process.
pub(crate) fn cpu_of(process: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in brackets may hold spaces; times are the 12th and 13th field after it, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let hundredths: u64 = ticks.map(|ticks| ticks.parse().unwrap_or(0_u64)).sum();
    Ok(Duration::from_millis(hundredths * 10))
}

/// How often each thread of this process went to sleep so far: as often as it was woken.
pub(crate) struct WakeUps(HashMap<OsString, u64>);

impl WakeUps {
    pub(crate) fn now() -> anyhow::Result<Self> {
        let mut threads = HashMap::new();
        for thread in std::fs::read_dir("/proc/self/task")? {
            let thread = thread?;
            // A thread may end while we look.
            if let Ok(status) = std::fs::read_to_string(thread.path().join("status")) {
                threads.insert(
                    thread.file_name(),
                    field(&status, "voluntary_ctxt_switches:")?,
                );
            }
        }
        Ok(Self(threads))
    }

    /// How many there were since `before`; those of threads that have ended since are not known.
    pub(crate) fn since(&self, before: &Self) -> u64 {
        let threads = self.0.iter();
        threads
            .map(|(thread, count)| count - before.0.get(thread).copied().unwrap_or(0).min(*count))
            .sum()
    }
}

fn field(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    value
        .and_then(|value| value.parse().ok())
        .with_context(|| format!("expected {name} in /proc/self/status"))
}
