//! top with the real program, in a separate terminal and without a terminal.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;

use program::Place;
use program::pty::{Pty, assert_given_back};

#[test]
fn terminal_is_restored_however_it_ends() {
    for (how, code) in [("q", 0), ("\x1b", 0), ("\x03", 0), ("TERM", 143), ("INT", 130)] {
        let place = Place::new();
        let mut pty = Pty::open(80, 24);
        let before = pty.settings();
        let mut child = pty.start(&mut place.command(&["top", "--every", "0.2"]));
        pty.wait_for("ENDPOINT");
        assert_ne!(pty.settings(), before);
        if how.len() == 1 {
            pty.press(how);
        } else {
            let sent = std::process::Command::new("kill").args(["-s", how, &child.id().to_string()]).status();
            assert!(sent.unwrap().success());
        }
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(code), "{how:?}: {}", pty.all());
        assert_given_back(&pty.all());
        assert_eq!(pty.settings(), before, "{how:?}");
    }
}

#[test]
fn without_a_terminal_the_error_names_an_alternative() {
    let finished = Place::new().run(&["top"]);
    assert_eq!((finished.code, finished.out.as_str()), (Some(2), ""));
    assert!(
        finished.err.contains("InvalidState (106)") && finished.err.contains("linkspan top --once"),
        "{}",
        finished.err
    );
    for wrong in ["0", "-1", "x", "nan", "1e9"] {
        assert_eq!(Place::new().run(&["top", "--once", "--every", wrong]).code, Some(2), "{wrong}");
    }
}

#[test]
fn single_sample_has_rates_and_reports_a_missing_controller() {
    let place = Place::new();
    let mut publisher = place.start(&["pub", "unix:lab/t"]);
    place.wait_for("lab@t.unix");
    let mut looks = place.start(&["top", "--json", "--every", "0.2"]);
    // The first sample is taken before the values are published; a later one counts them.
    assert!(looks.line().contains("\"messages\":0,"));
    publisher.write("1\n2\n3\n");
    let counted = loop {
        let line = looks.line();
        if line.contains("\"messages\":3,") && !line.contains("\"messages_per_second\":0.0") {
            break line;
        }
        assert!(!line.is_empty());
    };
    assert!(!counted.contains("\"messages_per_second\":null"), "{counted}");
    looks.signal("INT");
    assert_eq!(looks.wait().code, Some(130));

    let once = place.run(&["top", "--once", "--every", "0.2"]);
    assert_eq!((once.code, once.err.as_str()), (Some(0), ""));
    let lines: Vec<_> = once.out.lines().collect();
    assert!(lines[0].starts_with("ENDPOINT") && lines[0].contains("MSG/S"), "{}", once.out);
    let cells: Vec<_> = lines[1].split_whitespace().collect();
    assert_eq!(
        (cells[0], cells[1], cells[4], cells[5]),
        ("unix:lab/t", "publish", "3", "0.0"),
        "{}",
        once.out
    );
    assert!(once.out.contains("NotFound (103): no controller at unix:controller"), "{}", once.out);
    assert_eq!(publisher.end().code, Some(0));
}
