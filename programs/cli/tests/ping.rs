//! ping with the real program: servers, publishers and controllers; stopped, killed and missing ones.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;

use linkspan::{Encoding, Value, codec};
use program::{Finished, Place, on_each_transport};

fn lines(ended: &Finished) -> Vec<Value> {
    ended.out.lines().map(|line| codec::decode(line.as_bytes(), Encoding::Json).unwrap()).collect()
}

#[test]
fn ping_measures_the_query_and_the_call() {
    on_each_transport(|place, name, file| {
        let server = place.start(&["recv", &name("lab/valve"), "-n", "0", "-t", "60", "--reply", "7"]);
        place.wait_for(&file("lab/valve"));
        let valve = name("lab/valve");
        for call in [&[][..], &["--call", "null"]] {
            let words = [&["ping", &valve, "-n", "3", "--every", "0.1", "--json"][..], call].concat();
            let ended = place.run(&words);
            assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
            let lines = lines(&ended);
            assert_eq!(lines.len(), 4, "{ended:?}");
            for (number, line) in (1u64..).zip(&lines[..3]) {
                assert_eq!(line.at("number").unwrap(), &Value::from(number));
                assert!(line.at("seconds").unwrap().as_f64().unwrap() > 0.0);
                assert!(line.at("program").unwrap().as_text().unwrap().contains("linkspan"), "{line:?}");
            }
            let of = |key: &str| lines[3].at(key).unwrap().as_f64().unwrap();
            assert_eq!((of("sent"), of("answered")), (3.0, 3.0));
            assert!(0.0 < of("min") && of("min") <= of("median") && of("p90") <= of("max"), "{ended:?}");
        }
        // The query does not reach the server, and the three calls do.
        server.signal("TERM");
        assert_eq!(server.wait().out.lines().count(), 3);
    });
}

#[test]
fn ping_tells_a_stopped_server_by_its_call_alone() {
    let place = Place::new();
    // The program of this reply works longer than the call waits.
    let server = place.start(&["reply", "lab/slow", "--shell", "--command", "sleep 5; echo 1"]);
    place.wait_for("lab@slow.shm");
    let query = place.run(&["ping", "lab/slow", "-n", "1"]);
    assert_eq!(query.code, Some(0), "{query:?}");
    assert!(query.out.contains("lab/slow: 1 sent, 1 answered, 0 lost, min "), "{query:?}");
    let call = place.run(&["ping", "lab/slow", "-n", "1", "--timeout", "0.2", "--call", "1"]);
    assert_eq!(call.code, Some(3), "{call:?}");
    assert!(call.out.contains("lab/slow: 1 sent, 0 answered, 1 lost\n"), "{call:?}");
    // A stopped process does not answer the query either.
    server.signal("STOP");
    let stopped = place.run(&["ping", "lab/slow", "-n", "2", "--every", "0.1", "--timeout", "0.1"]);
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    assert!(stopped.out.contains("lab/slow #2: Stalled (121): "), "{stopped:?}");
    assert!(stopped.err.contains("doctor: shm:lab/slow is held by process "), "{stopped:?}");
    server.signal("CONT");
    server.signal("TERM");
    server.wait();
}

#[test]
fn ping_goes_on_with_the_next_server_after_a_kill() {
    let place = Place::new();
    let mut ping =
        place.start(&["ping", "unix:lab/valve", "--every", "0.1", "--call", "1", "--timeout", "0.2"]);
    assert!(ping.line().contains("NotFound (103): "));
    for _ in 0..3 {
        let server = place.start(&["recv", "unix:lab/valve", "-n", "0", "-t", "60", "--reply", "7"]);
        let is_answered = |line: &str| line.contains("s (");
        while !is_answered(&ping.line()) {}
        server.signal("KILL");
        server.wait();
        while is_answered(&ping.line()) {}
    }
    ping.signal("INT");
    let ended = ping.wait();
    assert_eq!((ended.code, ended.err.as_str()), (Some(130), ""));
    let summary = ended.out.lines().last().unwrap();
    assert!(summary.contains(" answered, ") && !summary.contains(" 0 lost"), "{summary}");
}

#[test]
fn ping_of_a_missing_name_tells_why() {
    let place = Place::new();
    let publisher = place.start(&["pub", "lab/valves", "1"]);
    place.wait_for("lab@valves.shm");
    for name in ["lab/valve", "unix:lab/valve", "tcp://127.0.0.1:1"] {
        let ended = place.run(&["ping", name, "-n", "1", "--timeout", "0.2"]);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.out.contains("NotFound (103): "), "{ended:?}");
    }
    let near = place.run(&["ping", "lab/valve", "-n", "1", "--timeout", "0.2"]);
    assert!(near.err.contains("doctor: shm:lab/valve is free: no process has it"), "{near:?}");
    let found = place.run(&["ping", "lab/valves", "-n", "1"]);
    assert_eq!(found.code, Some(0), "a publisher answers, too: {found:?}");
    publisher.signal("TERM");
    publisher.wait();
}

#[test]
fn ping_of_a_controller_goes_through_its_loop() {
    let place = Place::new();
    let controller = place.start(&["controller", "--no-tcp", "--quiet"]);
    place.wait_for("controller.unix");
    let ended = place.run(&["ping", "unix:controller", "-n", "3", "--every", "0.1"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.out.matches("(the loop of the controller)").count(), 2, "{ended:?}");
    controller.signal("TERM");
    controller.wait();
}

#[test]
fn ping_refuses_wrong_arguments() {
    let place = Place::new();
    for words in [
        &["ping"][..],
        &["ping", "a", "--every", "0"],
        &["ping", "a", "-n", "-1"],
        &["ping", "a", "--timeout", "forever"],
        &["ping", "no transport:x"],
        &["ping", "a", "--call", "{"],
        &["ping", "journal:a"],
    ] {
        let ended = place.run(words);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{words:?}: {ended:?}");
    }
}

#[test]
fn ping_fails_if_standard_output_is_full() {
    let place = Place::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = place.command(&["ping", "lab/valve", "--timeout", "0.1"]).stdout(full).output().unwrap();
    let error = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(1) && error.contains("writing to standard output"), "{error}");
}
