//! rate with the real program, over both transports.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;

use linkspan::{Encoding, Value, codec};
use program::{Place, Running, on_each_transport};

/// Reads lines of JSON until a line of this name satisfies the condition.
fn line_of(running: &mut Running, name: &str, is: impl Fn(&Value) -> bool) -> Value {
    loop {
        let text = running.line();
        assert!(!text.is_empty(), "it ended");
        let line = codec::decode(text.as_bytes(), Encoding::Json).unwrap();
        if line.at("name").unwrap().as_text().unwrap() == name && is(&line) {
            return line;
        }
    }
}

fn number(line: &Value, path: &str) -> f64 {
    line.at(path).unwrap().as_f64().unwrap_or_else(|_| panic!("no number at {path} of {line:?}"))
}

#[test]
fn rate_counts_messages_bytes_and_times_of_each_name() {
    on_each_transport(|place, name, file| {
        let mut publisher = place.start(&["pub", &name("lab/t"), "--encoding", "json"]);
        place.wait_for(&file("lab/t"));
        // This value is older than the command, so it is not counted.
        publisher.write("0\n");
        assert_eq!(place.run(&["latest", &name("lab/t")]).out, "0\n");
        let transport = name("").trim_end_matches('/').to_owned();
        let mut rate =
            place.start(&["rate", &format!("{transport}lab/*"), &name("lab/t"), "--json", "--every", "0.1"]);
        let shown = if transport.is_empty() { "shm:lab/t".to_owned() } else { name("lab/t") };
        let first = line_of(&mut rate, &shown, |_| true);
        assert_eq!((number(&first, "messages"), number(&first, "total/messages")), (0.0, 0.0), "{first:?}");
        assert!(matches!(first.at("delay"), Ok(Value::Null)), "{first:?}");
        publisher.write("1\n22\n333\n");
        let all = line_of(&mut rate, &shown, |line| number(line, "total/messages") >= 3.0);
        // The name matches twice and is counted once.
        assert_eq!((number(&all, "total/messages"), number(&all, "total/bytes")), (3.0, 6.0), "{all:?}");
        assert_eq!((number(&all, "total/missed"), number(&all, "total/publishers")), (0.0, 1.0));
        assert!(number(&all, "delay/min") > 0.0 && number(&all, "messages_per_second") > 0.0, "{all:?}");
        assert!(number(&all, "size/max") == 3.0 && number(&all, "interval/jitter") >= 0.0, "{all:?}");
        rate.signal("INT");
        let ended = rate.wait();
        assert_eq!((ended.code, ended.err.as_str()), (Some(130), ""));
        assert_eq!(publisher.end().code, Some(0));
    });
}

#[test]
fn rate_ends_in_time_and_prints_totals() {
    let place = Place::new();
    let mut publisher = place.start(&["pub", "lab/t"]);
    place.wait_for("lab@t.shm");
    // The command gets this older value at once, and prints no line before.
    publisher.write("1\n");
    let mut rate = place.start(&["rate", "lab/t", "--every", "0.1", "--for", "1"]);
    let titles = rate.line();
    assert!(titles.contains("MSG/S") && titles.trim_end().ends_with("NAME"), "{titles}");
    publisher.write("2\n3\n");
    let ended = rate.wait();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(
        ended.out.contains("shm:lab/t: 2 messages, 2 bytes, 0 missed, 1 publishers in "),
        "{}",
        ended.out
    );
    assert!(ended.out.lines().count() > 3 && !ended.out.contains("MSG/S"), "titles repeat: {}", ended.out);
    assert_eq!(publisher.end().code, Some(0));
}

#[test]
fn rate_without_a_message_tells_why() {
    let place = Place::new();
    let missing = place.run(&["rate", "lab/t", "--for", "0.1"]);
    assert_eq!(missing.code, Some(4), "{missing:?}");
    assert!(missing.err.starts_with("linkspan: NotFound (103): shm:lab/t: "), "{missing:?}");
    let none = place.run(&["rate", "lab/*", "--for", "0.1", "--json"]);
    assert_eq!((none.code, none.out.as_str()), (Some(3), ""), "{none:?}");
    let publisher = place.start(&["pub", "lab/t"]);
    place.wait_for("lab@t.shm");
    let silent = place.run(&["rate", "lab/t", "--for", "0.1"]);
    assert_eq!(silent.code, Some(3), "{silent:?}");
    let server = place.start(&["recv", "lab/valve"]);
    place.wait_for("lab@valve.shm");
    let wrong = place.run(&["rate", "lab/valve", "--for", "5"]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.err.contains("shm:lab/valve"), "{wrong:?}");
    for running in [publisher, server] {
        running.signal("TERM");
        running.wait();
    }
}

#[test]
fn rate_refuses_wrong_arguments() {
    let place = Place::new();
    for words in [
        &["rate"][..],
        &["rate", "lab/t", "--every", "0"],
        &["rate", "lab/t", "--every", "soon"],
        &["rate", "lab/t", "--for", "-1"],
        &["rate", "no transport:x"],
        &["rate", "lab/t", "-o", "nothing"],
        &["rate", "lab/t", "--json=1"],
    ] {
        let ended = place.run(words);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{words:?}: {ended:?}");
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

#[test]
fn rate_fails_if_standard_output_is_full() {
    let place = Place::new();
    let publisher = place.start(&["pub", "lab/t", "1"]);
    place.wait_for("lab@t.shm");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut rate = place.command(&["rate", "lab/t", "--every", "0.1"]);
    let ended = rate.stdout(full).output().unwrap();
    let error = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(1) && error.contains("writing to standard output"), "{error}");
    publisher.signal("TERM");
    publisher.wait();
}
