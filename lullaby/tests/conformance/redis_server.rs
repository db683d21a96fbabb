//! A real redis-server for the tests: one for all of them, on a socket of its own, gone with the process that started it.
//!
//! It is the node of a Redis Cluster that has the slot of `{t}` alone, and refuses whatever touches a key outside of it, in scripts too: so
//! every test also shows that a prefix with a hash tag keeps all keys together. Elsewhere (game, benchmarks, Python's tests) the server is a
//! plain one.

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
    (
        format!("unix://{}", socket.display()),
        format!("{{t}}{place}"),
    )
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = r#"
            redis-server --port 0 --unixsocket "$1/socket" --dir "$1" --save '' --appendonly no --logfile "$1/log" \
                --cluster-enabled yes --cluster-port "$2" --bind 127.0.0.1 --cluster-require-full-coverage no &
            until slot=$(redis-cli -s "$1/socket" cluster keyslot '{t}') && [ -n "$slot" ]; do sleep 0.05; done
            until redis-cli -s "$1/socket" cluster addslots $slot | grep -q OK; do sleep 0.05; done
            # A new node takes no writes for two seconds.
            until redis-cli -s "$1/socket" set '{t}ready' 1 | grep -q OK; do sleep 0.05; done
            touch "$1/ready"
            read -r _
            kill $!
            wait
            rm -rf "$1"
        "#;
        let watch = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(folder.path())
            .arg(free_port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let ready = folder.path().join("ready");
        wait_for(|| ready.exists());
        Self {
            folder,
            _watch: watch,
        }
    }
}

/// For the talk between nodes, of which there is none.
fn free_port() -> u16 {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    probe.local_addr().expect("an address").port()
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

#[tokio::test]
async fn the_server_refuses_a_script_that_leaves_its_slot() {
    use lullaby::store::redis::{RedisOptions, RedisStore, redis};
    let (url, prefix) = place();
    let store = RedisStore::open(&url, RedisOptions::default().prefix(prefix));
    let store = store.await.expect("opens");
    let mut command = redis::cmd("EVAL");
    command
        .arg("return redis.call('EXISTS', 'rq:queues')")
        .arg(0);
    let refused = store.run_command(&command).await;
    let reason = format!("{:?}", refused.expect_err("another slot"));
    assert!(reason.contains("non local key"), "{reason}");
}
