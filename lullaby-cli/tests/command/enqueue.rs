//! `lullaby enqueue …`

use serde_json::{Value, json};

use crate::shell::Shell;

#[test]
fn a_job_runs_and_is_kept_as_it_was_told() {
    let shell = Shell::new();
    let words = "enqueue send_mail to=ann --id mail --timeout 2h --ttl 5m --result-ttl none --failure-ttl 0s --retry-max 3 \
                 --retry-interval 10s,1m --description greetings";
    shell.json(&words.split_whitespace().collect::<Vec<_>>());
    let job = shell.json(&["job", "mail"]);
    for (field, value) in [
        ("timeout", json!(7200.0)),
        ("ttl", json!(300.0)),
        ("result_ttl", Value::Null),
        ("failure_ttl", json!(0.0)),
        ("description", json!("greetings")),
        ("retries", json!(3)),
    ] {
        assert_eq!(job[field], value, "{field}");
    }
}

#[test]
fn what_is_probably_a_mistake_is_done_and_said() {
    let shell = Shell::new();
    let output = shell.run(&[
        "enqueue",
        "feed",
        r#"{"pet": Mochi}"#,
        "--depends-on",
        "nobody",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("is no JSON"), "{said}");
    assert!(said.contains("there is no job nobody"), "{said}");
}

#[test]
fn an_id_that_is_taken_is_an_answer_and_changes_nothing() {
    let shell = Shell::new();
    shell.json(&["enqueue", "feed", "Mochi", "--id", "meal"]);
    let said = shell.refused(1, &["enqueue", "feed", "Bo", "--id", "meal"]);
    assert!(
        said.contains("a job meal exists already") && said.contains("queued"),
        "{said}"
    );
    assert_eq!(shell.json(&["job", "meal"])["args"], json!(["Mochi"]));
}
