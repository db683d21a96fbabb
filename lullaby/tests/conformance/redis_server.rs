//! A real redis-server for the tests: one for all of them, on a socket of its own, gone with the process that started it.

use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lullaby::clock::{Clock, SystemClock};
use tempfile::TempDir;

pub(crate) struct Server {
    folder: TempDir,
    /// The shell that watches over it. It ends the server when this process lets go of the pipe, however it ends.
    _watch: Child,
}

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// The URL of the shared server, and a key prefix that nobody else has.
pub(crate) fn place() -> (String, String) {
    static PLACES: AtomicUsize = AtomicUsize::new(0);
    let place = PLACES.fetch_add(1, Ordering::Relaxed);
    let socket = SERVER.folder.path().join("socket");
    (format!("unix://{}", socket.display()), format!("t{place}"))
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = r#"
            redis-server --port 0 --unixsocket "$1/socket" --dir "$1" --save '' --appendonly no --logfile "$1/log" &
            read -r _
            kill $!
            wait
            rm -rf "$1"
        "#;
        let watch = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let socket = folder.path().join("socket");
        wait_for(|| std::os::unix::net::UnixStream::connect(&socket).is_ok());
        Self {
            folder,
            _watch: watch,
        }
    }
}

/// Waits for a server to come up; a person without one is told what to do.
fn wait_for(is_up: impl Fn() -> bool) {
    let clock = SystemClock::default();
    while !is_up() {
        assert!(
            clock.monotonic() < Duration::from_secs(20),
            "redis-server does not come up; is it installed (apt-get install redis-server)?"
        );
        std::thread::yield_now();
    }
}
