//! The real program, as a child process.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value, json};

use super::http::{Answer, Events, Request};

/// A running `virtual-pet`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts one with these arguments on a free port, and waits until it says where it is.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// As [`Server::start`], with environment variables.
    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = command(arguments)
            .args(["--listen", "127.0.0.1:0"])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("its stdout is ours");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the program says where it is");
        let mut words = line.split_whitespace();
        let address = words.find_map(|word| word.strip_prefix("http://")?.parse().ok());
        Self {
            child,
            address: address.unwrap_or_else(|| panic!("expected an address in {line:?}")),
        }
    }

    /// One that keeps nothing.
    pub(crate) fn in_memory(arguments: &[&str]) -> Self {
        Self::start(&[arguments, &["--store", "memory:"]].concat())
    }

    /// One that keeps its data in `folder`.
    pub(crate) fn on(folder: &Path, arguments: &[&str]) -> Self {
        let folder = folder.to_str().expect("a path in UTF-8");
        Self::start(&[arguments, &["--data", folder]].concat())
    }

    /// One whose stdout nobody reads, once it answers.
    pub(crate) fn unheard(arguments: &[&str]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let mut child = command(arguments)
            .args(["--listen", &address.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let mut server = Self { child, address };
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait().expect("its state");
            assert_eq!(ended, None, "it runs");
            std::thread::yield_now();
        }
        server
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    pub(crate) fn post(&self, path: &str) -> Answer {
        self.request("POST", path).send()
    }

    /// Adopts a cat; answers the pet, with its key.
    pub(crate) fn adopt(&self, name: &str) -> Value {
        let body = json!({ "name": name, "species": "cat", "colour": "mint" });
        self.request("POST", "/api/pets")
            .json(&body)
            .send()
            .expect(201)
    }

    pub(crate) fn pet(&self, name: &str) -> Value {
        self.get(&format!("/api/pets/{name}")).expect(200)
    }

    /// The pet's events, from now on.
    pub(crate) fn events(&self, name: &str) -> Events {
        self.request("GET", &format!("/api/pets/{name}/events"))
            .stream()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .expect("kill runs");
        assert!(sent.success(), "the process is there");
    }

    /// How large a file of it may become, in bytes, as `prlimit` has it.
    pub(crate) fn limit_file_size(&self, bytes: &str) {
        let limited = Command::new("prlimit")
            .arg(format!("--pid={}", self.child.id()))
            .arg(format!("--fsize={bytes}:unlimited"))
            .status()
            .expect("prlimit runs");
        assert!(limited.success());
    }

    /// Tells it to stop, and waits until it did.
    pub(crate) fn stop(self) {
        self.signal("TERM");
        let ended = self.wait();
        assert!(ended.success(), "expected a clean stop, got {ended}");
    }

    /// Waits until somebody has killed it.
    pub(crate) fn was_killed(self) {
        let ended = self.wait();
        assert_eq!(ended.signal(), Some(9), "expected SIGKILL, got {ended}");
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("its end")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, to be started with these arguments; nothing of the caller's environment changes what it does.
pub(crate) fn command(arguments: &[&str]) -> Command {
    // A file past its limit shall be an error of the write, as on a full disk, and not a signal that ends the process.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_virtual-pet"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("VIRTUAL_PET_") || name.starts_with("LULLABY_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).env("RUST_LOG", "error");
    command
}
