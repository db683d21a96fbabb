//! A folder, and the real command in it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with an empty store.
pub(crate) struct Shell(TempDir);

impl Shell {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("store.db"), "").expect("an empty file");
        Self(folder)
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        let command = Command::new(env!("CARGO_BIN_EXE_lullaby"))
            .current_dir(self.0.path())
            .env("LULLABY_STORE", "sqlite:store.db")
            .args(words)
            .output();
        command.expect("runs")
    }

    /// What it printed, after it said that all went well.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[&["--json"], words].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {error}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// What it complained of, with this exit code.
    pub(crate) fn refused(&self, code: i32, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    /// What a shell prints, errors too.
    pub(crate) fn typed(&self, command: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_lullaby"));
        let folder = program.parent().expect("a folder").display();
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .current_dir(self.0.path())
            .env("LULLABY_STORE", "sqlite:store.db")
            .env("PATH", format!("{folder}:{path}"))
            .args(["-c", &format!("exec 2>&1; {command}")])
            .output();
        String::from_utf8(output.expect("runs").stdout).expect("text")
    }
}
