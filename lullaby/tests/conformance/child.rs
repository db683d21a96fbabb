//! Child processes: this very test program, started again to run one of its ignored tests.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use lullaby::clock::{Clock, SystemClock};

/// Long enough for any machine, short enough to end a broken test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The variable that tells a child what it works on.
const ORDERS: &str = "LULLABY_TEST_ORDERS";

/// A process that is killed at the latest when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts the test `name`, which is told `orders`, and dies at `failpoint` if there is one. What it prints goes to `log`.
    pub(crate) fn start(name: &str, orders: &str, failpoint: Option<&str>, log: &Path) -> Self {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args([name, "--exact", "--ignored", "--nocapture"])
            .env(ORDERS, orders)
            .env_remove("LULLABY_FAILPOINT")
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle"))
            .stdout(log);
        if let Some(failpoint) = failpoint {
            command.env("LULLABY_FAILPOINT", failpoint);
        }
        Self(command.spawn().expect("starts"))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        self.0.wait().expect("it was ours");
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("it is ours")
    }

    /// Waits until it dies of SIGKILL at its failpoint.
    pub(crate) async fn dies(&mut self, of: &str) {
        let mut ended = None;
        eventually(of, || {
            ended = self.has_ended();
            ended.is_some()
        })
        .await;
        let signal = ended.and_then(|status| status.signal());
        assert_eq!(signal, Some(9), "expected SIGKILL at {of}, got {ended:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What this process was told, if it is such a child.
pub(crate) fn orders() -> Option<String> {
    std::env::var(ORDERS).ok()
}

/// Real time: other processes know no other.
pub(crate) async fn rest(time: Duration) {
    let clock = SystemClock::default();
    clock.sleep_until(clock.now() + time).await;
}

/// Looks until it is so, and fails if that takes too long.
pub(crate) async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let clock = SystemClock::default();
    let deadline = clock.monotonic() + PATIENCE;
    while !so() {
        assert!(
            clock.monotonic() < deadline,
            "waited {PATIENCE:?} in vain for {what}"
        );
        rest(Duration::from_millis(1)).await;
    }
}
