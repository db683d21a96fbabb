//! `lullaby schedule …` and `lullaby why`, as a person types them: the real command on a real file.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with an empty store.
struct Shell(TempDir);

impl Shell {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("store.db"), "").expect("an empty file");
        Self(folder)
    }

    fn run(&self, words: &[&str]) -> Output {
        let command = Command::new(env!("CARGO_BIN_EXE_lullaby"))
            .current_dir(self.0.path())
            .env("LULLABY_STORE", "sqlite:store.db")
            .args(words)
            .output();
        command.expect("runs")
    }

    /// What it printed, after it said that all went well.
    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[&["--json"], words].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {error}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// What it complained of, with this exit code.
    fn refused(&self, code: i32, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        String::from_utf8(output.stderr).expect("text")
    }
}

#[test]
fn a_schedule_is_added_changed_paused_run_and_removed() {
    let shell = Shell::new();
    let add = [
        "schedule",
        "add",
        "hunger",
        "feed",
        "Mochi",
        "n=3",
        "--every",
        "10m",
        "--overlap",
        "skip",
    ];
    let added = shell.json(&add);
    assert_eq!(
        (&added["args"][0], &added["kwargs"]["n"]),
        (&"Mochi".into(), &3.into())
    );
    assert!(shell.refused(1, &add).contains("already"));
    let edited = shell.json(&[
        "schedule", "edit", "hunger", "--repeat", "5", "--queue", "pets",
    ]);
    assert_eq!(
        (&edited["repeat"], &edited["overlap"]),
        (&5.into(), &"skip".into())
    );
    assert_eq!(edited["next"], added["next"], "the rest stays");
    let paused = shell.json(&["schedule", "pause", "hunger", "--note", "too loud"]);
    assert_eq!(paused["paused"]["note"], "too loud");
    let run = shell.json(&["schedule", "run", "hunger"]);
    assert_eq!(run["made"], true);
    let output = shell.run(&["schedule", "run", "hunger"]);
    assert_eq!(output.status.code(), Some(1), "the first run has not ended");
    let job = run["job"].as_str().expect("an id");
    let why = shell.json(&["why", job]);
    assert!(
        why["why"]
            .as_str()
            .expect("a sentence")
            .contains("no worker listens"),
        "{why}"
    );
    assert_eq!(
        shell.json(&["schedule", "resume", "hunger"])["paused"],
        Value::Null
    );
    let shown = shell.json(&["schedule", "show", "hunger"]);
    assert_eq!(shown["ledger"].as_array().map(Vec::len), Some(2));
    assert_eq!(shell.json(&["schedule", "list"])["total"], 1);
    shell.json(&["schedule", "rm", "hunger"]);
    assert!(
        shell
            .refused(1, &["schedule", "show", "hunger"])
            .contains("no schedule named")
    );
    assert!(shell.refused(1, &["why", "hunger"]).contains("no schedule"));
}

#[test]
fn a_preview_of_cron_lines_needs_no_store() {
    let shell = Shell::new();
    let words = [
        "schedule",
        "preview",
        "--cron",
        "30 1 * * *",
        "--tz",
        "Europe/Lisbon",
        "-n",
        "2",
    ];
    let preview = shell.json(
        &[
            &words[..],
            &[
                "--from",
                "2026-03-28T00:00:00Z",
                "--store",
                "sqlite:none.db",
            ],
        ]
        .concat(),
    );
    assert_eq!(preview[0]["at"], "2026-03-28T01:30:00Z");
    assert_eq!(
        preview[1]["at"], "2026-03-29T01:00:00Z",
        "there is no 01:30 on that day"
    );
    assert!(preview[0]["note"].is_null());
    assert!(preview[1]["note"].is_string(), "it says that it was moved");
    let after = shell.json(&[&words[..], &["--from", "2026-03-28T01:30:00Z"]].concat());
    assert_eq!(after[0], preview[1], "--from is not included");
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let shell = Shell::new();
    for (words, reason) in [
        (&["--every", "10x"][..], "expected a time as"),
        (&["--cron", "0 99 * * *"], "hour field"),
        (
            &["--every", "1h", "--cron", "@daily"],
            "cannot be used with",
        ),
        (
            &["--every", "1h", "--missed", "all:3", "--overlap", "skip"],
            "must not overlap",
        ),
        (&["--every", "1h", "--tz", "Europe/Lisbon"], "no time zone"),
        (&[], "when is it to run"),
    ] {
        let said = shell.refused(2, &[&["schedule", "add", "x", "task"], words].concat());
        assert!(said.contains(reason), "{words:?}: {said}");
    }
}
