//! `lullaby schedule …` and `lullaby why`, as a person types them: the real command on a real file.

use serde_json::Value;

use crate::shell::Shell;

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
        (&["--every", "100000w"], "at most 36525 days"),
        (&["--every", "-5s"], "unexpected argument"),
        (&["--cron", "0-100000000 * * * *"], "column 3"),
        (
            &["--cron", "@daily", "--tz", "Europe/Lisbn"],
            "near it are Europe/Lisbon",
        ),
        (
            &["--every", "1h", "--start", "10000-01-01T00:00:00Z"],
            "expected a time as",
        ),
        (
            &["--every", "1h", "--start", "9999-12-31T00:00:00Z"],
            "until 9999-12-30T22:00:00Z",
        ),
        (
            &["--every", "1h", "--start", "1969-07-20T20:17:00Z"],
            "from 1970",
        ),
        (
            &["--every", "1h", "--end", "2020-01-01T00:00:00Z"],
            "would never run",
        ),
        (&["--cron", "0 0 31 4 *"], "it never comes"),
    ] {
        let said = shell.refused(2, &[&["schedule", "add", "x", "task"], words].concat());
        assert!(said.contains(reason), "{words:?}: {said}");
    }
}

#[test]
fn what_an_edit_clears_is_gone_and_the_rest_stays() {
    let shell = Shell::new();
    let words = "schedule add report make_report --cron @daily --start 2030-01-01T12:00:00Z --end 2031-01-01T00:00:00Z \
                 --repeat 9 --grace 1h --jitter 10m --pause-after 3 --overlap skip";
    let added = shell.json(&words.split_whitespace().collect::<Vec<_>>());
    assert_eq!(added["next"], "2030-01-02T00:00:00Z");
    let edited = shell.json(&[
        "schedule",
        "edit",
        "report",
        "--no-end",
        "--no-repeat",
        "--no-grace",
        "--no-jitter",
        "--no-pause-after",
    ]);
    for field in ["end", "repeat", "grace", "jitter", "pause_after"] {
        assert!(!added[field].is_null(), "{field}");
        assert!(edited[field].is_null(), "{field}");
    }
    assert_eq!(edited["overlap"], "skip");
    assert_eq!(edited["next"], added["next"]);
    let edited = shell.json(&["schedule", "edit", "report", "--no-start"]);
    let next = edited["next"].as_str().expect("a time");
    assert!(next < "2030", "cron lines have slots from now on: {next}");
    let both = [
        "schedule",
        "edit",
        "report",
        "--no-end",
        "--end",
        "2031-01-01T00:00:00Z",
    ];
    assert!(shell.refused(2, &both).contains("cannot be used with"));
    shell.json(&["schedule", "edit", "report", "--every", "1h"]);
    let refused = shell.refused(2, &["schedule", "edit", "report", "--no-start"]);
    assert!(refused.contains("expected cron lines"), "{refused}");
}

#[test]
fn a_first_time_that_has_passed_runs_at_once_and_says_so() {
    let shell = Shell::new();
    let words = [
        "schedule",
        "add",
        "x",
        "task",
        "--every",
        "1h",
        "--start",
        "2020-01-01T00:00:00Z",
    ];
    let output = shell.run(&words);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("runs at once"), "{said}");
    let output = shell.run(&["enqueue", "task", "--at", "2020-01-01T00:00:00Z"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("runs at once"),
        "{said}"
    );
}

#[test]
fn single_runs_are_listed_and_come_once_each() {
    let shell = Shell::new();
    let (one, two) = ("2031-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
    let added = shell.json(&["schedule", "add", "launch", "fly", "--at", one, "--at", two]);
    assert_eq!(added["next"], two);
    let preview = shell.json(&["schedule", "preview", "launch"]);
    let times: Vec<_> = preview
        .as_array()
        .expect("a list")
        .iter()
        .map(|slot| &slot["at"])
        .collect();
    assert_eq!(times, [two, one]);
}

#[test]
fn a_past_range_is_backfilled_within_its_cap() {
    let shell = Shell::new();
    shell.json(&[
        "schedule",
        "add",
        "report",
        "make_report",
        "--cron",
        "0 0 * * *",
    ]);
    let backfill = |cap| {
        [
            "schedule",
            "backfill",
            "report",
            "--from",
            "2026-01-01T00:00:00Z",
            "--to",
            "2026-01-03T00:00:00Z",
            "--cap",
            cap,
        ]
    };
    let refused = shell.refused(2, &backfill("2"));
    assert!(refused.contains("at most 2 slots"), "{refused}");
    let done = shell.json(&backfill("10"));
    let jobs = done["jobs"].as_array().expect("a list");
    assert_eq!(jobs.len(), 3);
    let why = shell.json(&["why", jobs[0].as_str().expect("an id")]);
    let why = why["why"].as_str().expect("a sentence");
    assert!(
        why.contains(r#"a backfill of "report" for 2026-01-01T00:00:00Z"#),
        "{why}"
    );
    let unknown = [
        "schedule",
        "backfill",
        "x",
        "--from",
        "2026-01-01T00:00:00Z",
        "--to",
        "2026-01-03T00:00:00Z",
    ];
    assert!(shell.refused(1, &unknown).contains("no schedule named"));
}

#[test]
fn a_years_preview_shows_what_daylight_saving_moves_and_merges() {
    let shell = Shell::new();
    let year = |line: &str, more: &[&str]| {
        let words = [
            "schedule",
            "preview",
            "--cron",
            line,
            "--tz",
            "Europe/Berlin",
            "--from",
            "2026-01-01T00:00:00Z",
            "--year",
        ];
        shell.json(&[&words[..], more].concat())
    };
    let all = year("30 2 * * *", &[]);
    assert_eq!(all.as_array().map(Vec::len), Some(365));
    let moved = year("30 2 * * *", &["--moved"]);
    let notes: Vec<_> = moved
        .as_array()
        .expect("a list")
        .iter()
        .map(|slot| &slot["note"])
        .collect();
    assert_eq!(
        notes,
        [
            "02:30 does not exist on 2026-03-29 in Europe/Berlin: runs at 03:00",
            "02:30 comes twice on 2026-10-25 in Europe/Berlin: runs the first time",
        ]
    );
    let merged = year("0,30 2,3 * * *", &["--moved", "-n", "1"]);
    let note = merged[0]["note"].as_str().expect("a note");
    assert!(note.contains("runs once"), "{note}");
}

#[test]
fn collisions_are_shown_with_a_jitter_that_spreads_them() {
    let shell = Shell::new();
    for name in ["a", "b", "c"] {
        shell.json(&["schedule", "add", name, "task", "--cron", "0 0 * * *"]);
    }
    shell.json(&["schedule", "add", "alone", "task", "--cron", "30 11 * * *"]);
    shell.json(&["schedule", "pause", "c"]);
    let found = shell.json(&["schedule", "collisions", "--within", "1d"]);
    let worst = &found["worst"][0];
    assert_eq!((&worst["jobs"], &worst["jitter"]), (&2.into(), &1.0.into()));
    assert_eq!(worst["schedules"], serde_json::json!(["a", "b"]));
    let output = shell.run(&["schedule", "collisions"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("2 jobs are due at 00:00 UTC"), "{said}");
}

#[test]
fn the_daylight_saving_rule_is_in_the_help() {
    for verb in ["add", "edit", "preview"] {
        let output = Shell::new().run(&["schedule", verb, "--help"]);
        let said = String::from_utf8_lossy(&output.stdout);
        for part in [
            "Rhythmic",
            "Fixed",
            "both times",
            "first instant after the gap",
        ] {
            assert!(said.contains(part), "{verb}: {said}");
        }
    }
}

/// Runs the chapter's `console` blocks, one after the other on one store, as a person would in a shell.
#[test]
fn the_books_chapter_on_schedules_shows_what_the_command_prints() {
    let chapter = include_str!("../../../book/src/schedules.md");
    let shell = Shell::new();
    let mut commands = 0;
    for block in chapter.split("```console\n").skip(1) {
        let block = block.split("\n```").next().expect("a block has an end");
        for part in format!("\n{block}").split("\n$ ").skip(1) {
            let (command, expected) = part.split_once('\n').unwrap_or((part, ""));
            let printed = shell.typed(command);
            let (printed, expected) = (lines(&printed), lines(expected));
            assert!(
                matches(&expected, &printed),
                "$ {command}\nexpected:\n{}\nprinted:\n{}",
                expected.join("\n"),
                printed.join("\n")
            );
            commands += 1;
        }
    }
    assert!(commands > 20, "only {commands} commands were found");
}

fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

/// Whether lines were printed as expected: `…` is any text in a line, and alone in one it is any lines.
fn matches(expected: &[&str], printed: &[&str]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((&"…", rest)), _) => (0..=printed.len()).any(|n| matches(rest, &printed[n..])),
        (Some((one, rest)), Some((line, printed))) => {
            line_matches(one, line) && matches(rest, printed)
        }
        _ => false,
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
