//! reply with the real program: a program is run for each request.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;

use program::{Finished, Place};

/// A server runs this for its one request.
fn called(command: &[&str], value: &str) -> (Finished, Finished) {
    let place = Place::new();
    let mut arguments = vec!["reply", "unix:r", "-n", "1"];
    arguments.extend(command);
    let server = place.start(&arguments);
    place.wait_for("r.unix");
    let finished = place.run(&["call", "unix:r", value, "--json"]);
    let ended = server.end();
    assert_eq!(place.leftovers(), [""; 0]);
    (finished, ended)
}

fn answered(command: &[&str], value: &str) -> String {
    let (finished, server) = called(command, value);
    assert_eq!((finished.code, finished.err.as_str(), server.code), (Some(0), "", Some(0)), "{server:?}");
    finished.out
}

fn refused(command: &[&str], value: &str) -> String {
    let (finished, server) = called(command, value);
    assert_eq!((finished.code, server.code), (Some(1), Some(0)), "{finished:?} {server:?}");
    finished.err
}

#[test]
fn program_gets_the_request_and_its_output_is_the_answer() {
    assert_eq!(answered(&["--command", "cat"], "{\"a\": [1, 2.5, null]}"), "{\"a\":[1,2.5,null]}\n");
    assert_eq!(answered(&["--command", "cat", "--text"], "[1]"), "\"[1]\"\n");
    assert_eq!(answered(&["--command", "true"], "1"), "null\n");
    // A client that does not read, with more than a pipe buffers.
    let long = format!("\"{}\"", "x".repeat(100_000));
    assert_eq!(answered(&["--command", "echo", "--", "7"], &long), "7\n");
    assert_eq!(answered(&["--command", "cat"], &long), format!("{long}\n"));
}

#[test]
fn arguments_are_passed_unchanged_unless_a_shell_is_requested() {
    let evil = "$(touch evil); `id` 'x' \"y\" *";
    assert_eq!(
        answered(&["--command", "printf", "--text", "--", "%s|", evil, "b c"], "1"),
        format!("{:?}\n", format!("{evil}|b c|"))
    );
    assert_eq!(answered(&["--shell", "--command", "echo $((3 + 4)) | cat"], "1"), "7\n");
    assert_eq!(answered(&["--shell", "--command", "echo \"$2\"", "--", "a", "8"], "1"), "8\n");
}

#[test]
fn request_is_not_on_a_command_line() {
    let evil = "\"'; touch evil; $(id)\"";
    assert_eq!(answered(&["--shell", "--command", "cat"], evil), format!("{evil}\n"));
}

#[test]
fn failure_is_an_error_with_exit_code_and_complaint() {
    let error = refused(&["--shell", "--command", "echo 1; echo it is broken >&2; exit 3"], "1");
    assert!(error.contains("Remote") && error.contains("exit status: 3"), "{error}");
    assert!(error.contains("it is broken"), "{error}");
    let error = refused(&["--shell", "--command", "kill -9 $$"], "1");
    assert!(error.contains("signal: 9"), "{error}");
    let error = refused(&["--command", "echo", "--", "no json"], "1");
    assert!(error.contains("not JSON") && error.contains("--text"), "{error}");
    // It cannot be executed, which only the kernel finds out.
    let empty = tempfile::tempdir().unwrap();
    let program = empty.path().join("program");
    std::fs::write(&program, "\x7fELF").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = refused(&["--command", program.to_str().unwrap()], "1");
    assert!(error.contains(&format!("starting {}", program.display())), "{error}");
}

#[test]
fn program_over_its_time_is_killed_with_its_descendants() {
    let place = Place::new();
    let script = format!("sleep 1000 & echo $! > '{}/child'; wait", place.path().display());
    let server =
        place.start(&["reply", "unix:r", "-n", "1", "--within", "0.5", "--shell", "--command", &script]);
    place.wait_for("r.unix");
    let finished = place.run(&["call", "unix:r", "1"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.err.contains("took longer"), "{finished:?}");
    assert_eq!(server.end().code, Some(0));
    let child = std::fs::read_to_string(place.path().join("child")).unwrap();
    let status = format!("/proc/{}/status", child.trim());
    let begun = std::time::Instant::now();
    // A zombie until its new parent reaps it.
    while std::fs::read_to_string(&status).is_ok_and(|status| !status.contains("Z (zombie)")) {
        assert!(begun.elapsed().as_secs() < 60, "the program's child {child} lives");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn output_is_bounded_and_remaining_processes_are_not_waited_for() {
    let error = refused(&["--command", "yes", "--limit", "100000"], "1");
    assert!(error.contains("more than 100000 bytes"), "{error}");
    assert_eq!(answered(&["--shell", "--command", "sleep 1000 & echo 5"], "1"), "5\n");
    let error = refused(&["--shell", "--command", "yes >&2 & sleep 0.2; exit 1"], "1");
    assert!(error.len() < 10_000, "{} bytes", error.len());
}

#[test]
fn message_runs_the_program_and_a_signal_ends_the_server() {
    let place = Place::new();
    let script = format!("cat >> '{}/got'", place.path().display());
    let server = place.start(&["reply", "unix:r", "--shell", "--command", &script]);
    place.wait_for("r.unix");
    assert_eq!(place.run(&["send", "unix:r", "-m", "first"]).code, Some(0));
    assert_eq!(place.run(&["call", "unix:r", "2", "--json"]).out, "null\n");
    assert_eq!(std::fs::read_to_string(place.path().join("got")).unwrap(), "\"first\"\n2\n");
    server.signal("TERM");
    assert_eq!(server.end().code, Some(128 + 15));
}

#[test]
fn several_share_a_name_and_each_replies() {
    let place = Place::new();
    let share = ["reply", "spool:jobs", "--shared", "-n", "1", "--command", "cat"];
    let servers = [place.start(&share), place.start(&share)];
    place.wait_for("jobs.spool");
    for value in ["1", "2"] {
        assert_eq!(place.run(&["call", "spool:jobs", value, "--json"]).out, format!("{value}\n"));
    }
    for server in servers {
        let ended = server.end();
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "each has replied once");
    }
}
