//! keys and TCP with the real program.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;

use program::{Finished, Place};

/// Two machines with separate keys.
fn run(place: &Place, machine: &str, words: &[&str]) -> Finished {
    let mut command = place.command(words);
    let ended = command.env("LINKSPAN_KEYS", place.path().join(machine)).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Finished { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
}

#[test]
fn keys_are_made_shown_trusted_listed_and_revoked() {
    let place = Place::new();
    let finished = run(&place, "a", &["keys", "show"]);
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.err.contains("Missing") && finished.err.contains("linkspan keys new"),
        "{}",
        finished.err
    );
    let made = run(&place, "a", &["keys", "new"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert!(made.out.starts_with("ed25519:"), "{}", made.out);
    assert_eq!(run(&place, "a", &["keys", "show"]).out, made.out);
    let again = run(&place, "a", &["keys", "new"]);
    assert!(again.code == Some(1) && again.err.contains("InvalidState"), "{}", again.err);

    let other = run(&place, "b", &["keys", "new"]).out;
    assert_eq!(run(&place, "a", &["keys", "trust", "lab2", &other]).code, Some(0));
    assert_eq!(run(&place, "a", &["keys", "list"]).out, format!("{} lab2\n", other.trim()));
    assert_eq!(run(&place, "a", &["keys", "trust", "lab3", "ed25519:short"]).code, Some(2));
    assert_eq!(run(&place, "a", &["keys", "trust", "../x", other.trim()]).code, Some(2));
    let doctor = run(&place, "a", &["doctor"]);
    assert!(doctor.out.contains("trusted are lab2"), "{}", doctor.out);
    assert_eq!(run(&place, "a", &["keys", "revoke", "lab2"]).code, Some(0));
    assert_eq!(run(&place, "a", &["keys", "revoke", "lab2"]).code, Some(1));
    assert_eq!(run(&place, "a", &["keys", "list"]).out, "");
}

#[test]
fn relative_directory_of_keys_is_refused() {
    let place = Place::new();
    for words in [&["keys", "new"][..], &["keys", "show"], &["keys", "list"]] {
        let mut command = place.command(words);
        let ended = command.env("LINKSPAN_KEYS", "keys").current_dir(place.path()).output().unwrap();
        let error = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains("the directory of keys is keys, by the environment"), "{words:?}: {error}");
    }
    assert!(!place.path().join("keys").exists());
}

#[test]
fn without_keys_tcp_stays_on_this_machine() {
    let place = Place::new();
    for words in [["recv", "tcp://0.0.0.0:0"], ["latest", "tcp://203.0.113.1:7"]] {
        let finished = run(&place, "none", &words);
        assert_eq!(finished.code, Some(1), "{}", finished.err);
        assert!(
            finished.err.contains("PermissionDenied") && finished.err.contains("linkspan keys new"),
            "{}",
            finished.err
        );
    }
}

#[test]
fn doctor_checks_the_token() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    assert!(place.run(&["doctor"]).out.contains(".token is missing"));
    let token = place.path().join(".token");
    std::fs::write(&token, [7; 32]).unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let finished = place.run(&["doctor"]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.out.contains(".token") && finished.out.contains("0644"), "{}", finished.out);
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(place.run(&["doctor"]).out.contains(".token is the token"));
}
