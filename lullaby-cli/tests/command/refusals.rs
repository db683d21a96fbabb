//! What the command says when it is given something that it cannot use: each thing once, and what to do.

use crate::shell::Shell;

/// What it says when it is given this store.
fn with_store(store: &str) -> String {
    let said = Shell::new().refused(2, &["--store", store, "info"]);
    let lines = said.trim_end().lines().count();
    assert_eq!(lines, 1, "{said}");
    said
}

#[test]
fn a_store_that_is_not_there_is_named_with_what_makes_it() {
    let said = with_store("sqlite:none.db");
    assert!(said.contains("there is no file none.db"), "{said}");
    let said = with_store("sqlite:");
    assert!(said.contains("sqlite:FILE"), "{said}");
    let said = with_store("localhost:6379");
    assert!(said.contains("redis://HOST"), "{said}");
    // Gone with the command.
    let said = with_store("memory:");
    assert!(said.contains("a store that others use too"), "{said}");
}

#[test]
fn a_file_that_is_no_store_is_told_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("letter.txt");
    std::fs::write(&file, "Dear Mochi, ".repeat(100)).expect("writes");
    let said = with_store(&format!("sqlite:{}", file.display()));
    assert_eq!(said.matches("expected an SQLite file").count(), 1, "{said}");
    assert_eq!(said.matches("file is not a database").count(), 1, "{said}");
}

#[test]
fn a_server_that_does_not_listen_is_told_once_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("redis.sock");
    let said = with_store(&format!("unix://{}", socket.display()));
    assert!(said.contains("no server listens there"), "{said}");
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
}

#[test]
fn a_url_that_does_not_read_says_what_is_expected_and_no_password() {
    for url in [
        "redis://:secret@localhost:99999",
        "redis://:secret@localhost/two",
    ] {
        let said = with_store(url);
        assert!(said.contains("a number up to 65535"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn a_name_that_does_not_exist_is_an_answer() {
    let shell = Shell::new();
    for words in [
        "job none",
        "why none",
        "schedule show none",
        "schedule run none",
        "schedule preview none",
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let said = shell.refused(1, &words);
        assert!(said.contains("there is no"), "{words:?}: {said}");
    }
}
