//! send, recv and call with the real program, over both transports.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

use std::io::{BufRead, BufReader, Write};

mod program;

use program::{Place, on_each_transport};

#[test]
fn sent_values_are_received() {
    on_each_transport(|place, name, _| {
        let receiver = place.start(&["recv", &name("lab/valve"), "--json"]);
        // It need not listen yet: send waits for it.
        let sent = place.run(&["send", &name("lab/valve"), r#"{"open": true, "$x": [1, 2.0, null]}"#]);
        assert_eq!((sent.code, sent.err.as_str()), (Some(0), ""));
        let received = receiver.end();
        assert_eq!(
            (received.code, received.out.as_str()),
            (Some(0), "{\"open\":true,\"$x\":[1,2.0,null]}\n"),
            "{}",
            received.err
        );
    });
}

#[test]
fn each_line_is_a_message_in_every_encoding() {
    on_each_transport(|place, name, _| {
        for encoding in ["cbor", "json", "bson", "smile"] {
            let receiver = place.start(&["recv", &name("lines"), "--count", "3", "--json", "--full"]);
            let input = "1\n\n\"two\"\n{\"three\": 3.5}";
            let sent = place.run_with(&["send", &name("lines"), "--encoding", encoding], input.as_bytes());
            assert_eq!(sent.code, Some(0), "{}", sent.err);
            let received = receiver.end();
            let lines: Vec<_> = received.out.lines().collect();
            assert_eq!(lines.len(), 3, "{received:?}");
            assert!(lines[0].starts_with("{\"sequence\":1,\"sent\":{\"$time\":\""), "{}", lines[0]);
            assert!(lines[1].contains(&format!("\"encoding\":\"{encoding}\"")), "{}", lines[1]);
            assert!(lines[2].ends_with("\"value\":{\"three\":3.5}}"), "{}", lines[2]);
        }
    });
}

#[test]
fn malformed_line_is_reported_with_its_number_and_earlier_ones_are_sent() {
    on_each_transport(|place, name, _| {
        let receiver = place.start(&["recv", &name("lines"), "--count", "2", "--json"]);
        let sent = place.run_with(&["send", &name("lines")], b"1\n\n2\n[1, oh]\n3\n");
        assert_eq!(sent.code, Some(1));
        assert!(sent.err.starts_with("linkspan: Malformed (115): standard input, line 4: "), "{}", sent.err);
        assert!(sent.err.contains("at byte 4"), "{}", sent.err);
        assert_eq!(receiver.end().out, "1\n2\n");
    });
}

#[test]
fn call_is_answered() {
    on_each_transport(|place, name, file| {
        let server =
            place.start(&["recv", &name("lab/echo"), "--count", "2", "--reply", "{\"done\": [1, 2]}"]);
        place.wait_for(&file("lab/echo"));
        let json = place.run(&["call", &name("lab/echo"), "1", "--json"]);
        assert_eq!((json.code, json.out.as_str()), (Some(0), "{\"done\":[1,2]}\n"), "{}", json.err);
        let human = place.run_with(&["call", &name("lab/echo"), "-"], b" {\"x\": 1} ");
        assert_eq!((human.code, human.out.as_str()), (Some(0), "{done: [1, 2]}\n"), "{}", human.err);
        let served = server.end();
        assert!(served.out.contains("#1 linkspan-") && served.out.ends_with(": {x: 1}\n"), "{served:?}");
    });
}

#[test]
fn call_without_a_server_fails_at_once() {
    on_each_transport(|place, name, _| {
        let server = place.start(&["recv", &name("deaf")]);
        let called = place.run(&["call", &name("deaf"), "1"]);
        assert_eq!(called.code, Some(1));
        assert!(called.err.starts_with("linkspan: Remote (122): "), "{}", called.err);
        assert_eq!(server.end().code, Some(0));
    });
}

#[test]
fn exit_codes_distinguish_outcomes() {
    on_each_transport(|place, name, file| {
        let missing = place.run(&["call", &name("nobody"), "1", "--timeout", "0.05"]);
        assert_eq!(missing.code, Some(4));
        assert!(missing.err.starts_with("linkspan: NotFound (103): "), "{}", missing.err);
        assert!(missing.err.contains(place.path().to_str().unwrap()), "{}", missing.err);
        let silence = place.run(&["recv", &name("silence"), "--timeout", "0.05"]);
        assert_eq!(silence.code, Some(3), "{}", silence.err);
        assert!(silence.err.starts_with("linkspan: Timeout (110): "), "{}", silence.err);
        let one = place.start(&["recv", &name("taken")]);
        place.wait_for(&file("taken"));
        let other = place.run(&["recv", &name("taken")]);
        assert_eq!(other.code, Some(1));
        assert!(other.err.starts_with("linkspan: AddressInUse (105): "), "{}", other.err);
        one.signal("INT");
        assert_eq!(one.wait().code, Some(130));
    });
}

#[test]
fn invalid_arguments_are_refused_before_anything_is_opened() {
    let place = Place::new();
    for (arguments, code, name) in [
        (&["send", "lab/x", "{bad"][..], 2, "Malformed (115)"),
        (&["send", "lab//x", "1"], 2, "InvalidEndpoint (107)"),
        (&["send", "bus:x", "1"], 2, "InvalidEndpoint (107)"),
        (&["send", "x", "1", "-o", "colour=red"], 2, "Unsupported (116)"),
        (&["send", "x", "1", "-o", "max_message_size"], 2, "Missing (104)"),
        (&["send", "x", "1", "-o", "max_message_size=0"], 2, "OutOfRange (123)"),
        (&["send", "x", "1", "--encoding", "xml"], 2, "xml"),
        (
            &["send", "x", "1", "--timeout", "soon"],
            2,
            "\"soon\" is not a time; give seconds (1.5), a number with us, ms, s, min, h or d (500ms) or the word forever",
        ),
        (
            &["send", "x", "1", "-t", "-1"],
            2,
            "-1 is not from 0 to a billion seconds; give such a time or the word forever",
        ),
        (&["pub", "x", "1", "-t", "-1s"], 2, "-1s is not from 0 to a billion seconds"),
        (&["pub", "spool:x", "1"], 2, "publish and subscribe (send and recv are possible)"),
        (&["send", "file:x", "1"], 2, "a channel (publish, subscribe and latest are possible)"),
        (
            &["sub", "x", "--from", "first"],
            2,
            "the option from is for journal:, which keeps what was published: first, newest, a number or a time; a subscriber over shm: begins with the newest value",
        ),
        (
            &["sub", "journal:x", "--from", "soon"],
            2,
            "write first or newest, a number, or a time such as 2026-",
        ),
        (
            &["reply", "x", "--command", "linkspan-no-such-program"],
            127,
            "linkspan-no-such-program cannot be started: No such file",
        ),
        (&["reply", "x", "--command", "echo 7"], 127, "echo 7 cannot be started: No such file"),
        (&["reply", "x", "--command", "/dev/null"], 126, "/dev/null cannot be started: Permission denied"),
        (&["call", "x"], 2, "VALUE"),
        (&["sing"], 2, "sing"),
        (&[], 2, "Usage"),
    ] {
        let finished = place.run(arguments);
        assert_eq!(finished.code, Some(code), "{arguments:?}: {}", finished.err);
        assert!(finished.err.contains(name), "{arguments:?}: {}", finished.err);
        assert_eq!(finished.out, "", "{arguments:?}");
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

#[test]
fn program_without_linkspan_exchanges_lines() {
    let place = Place::new();
    let endpoint = format!("unix:{}/plain.sock", place.path().display());
    let receiver =
        place.start(&["recv", &endpoint, "--framing", "lines", "--count", "3", "--json", "--reply", "[1]"]);
    let socket = place.path().join("plain.sock");
    place.wait_for("plain.sock");
    let mut plain_peer = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    plain_peer.write_all(b"{\"op\":\"x\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\"a\"}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(&plain_peer).read_line(&mut answer).unwrap();
    assert_eq!(answer, "{\"jsonrpc\":\"2.0\",\"result\":[1],\"id\":\"a\"}\n");
    let sent = place.run(&["send", &endpoint, "{\"last\":true}", "--framing", "lines"]);
    assert_eq!((sent.code, sent.err.as_str()), (Some(0), ""));
    let received = receiver.end();
    assert_eq!(received.out, "{\"op\":\"x\"}\n{\"method\":\"m\"}\n{\"last\":true}\n", "{}", received.err);
}

#[test]
fn call_in_lines_is_answered_by_any_program() {
    let place = Place::new();
    let socket = place.path().join("strange.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let endpoint = format!("unix:{}", socket.display());
    let calling = place.start(&[
        "call",
        &endpoint,
        "{\"method\":\"m\",\"params\":[7]}",
        "--framing",
        "lines",
        "--json",
    ]);
    let (mut plain_peer, _) = listener.accept().unwrap();
    let mut request = String::new();
    BufReader::new(&plain_peer).read_line(&mut request).unwrap();
    assert_eq!(request, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":[7],\"id\":1}\n");
    plain_peer.write_all(b"{\"jsonrpc\":\"2.0\",\"result\":{\"seven\":7},\"id\":1}\n").unwrap();
    let called = calling.end();
    assert_eq!((called.code, called.out.as_str()), (Some(0), "{\"seven\":7}\n"), "{}", called.err);
    let refused = place.run(&["call", &endpoint, "7", "--framing", "lines", "--timeout", "1"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("WrongType (109)") && refused.err.contains("method"), "{}", refused.err);
}

#[test]
fn text_needs_no_quotes_of_json_and_flags_are_short() {
    let place = Place::new();
    let mut server = place.start(&["recv", "unix:t", "-n", "3", "-j"]);
    place.wait_for("t.unix");
    for text in ["it is \"open\"", "-3.5", "null"] {
        let sent = place.run(&["send", "unix:t", "-m", text, "-t", "10"]);
        assert_eq!(sent.code, Some(0), "{sent:?}");
    }
    assert_eq!(server.line(), "\"it is \\\"open\\\"\"");
    assert_eq!(server.line(), "\"-3.5\"");
    assert_eq!(server.line(), "\"null\"");
    server.wait();
    let refused = place.run(&["send", "unix:t", "open"]);
    assert!(refused.code == Some(2) && refused.err.contains("give a text with -m"), "{refused:?}");
    // These have no -m.
    for words in [&["service", "config", "live", "open"][..], &["recv", "unix:t", "--reply", "open"]] {
        let refused = place.run(words);
        assert!(
            refused.code == Some(2) && refused.err.ends_with("give a text in JSON quotes: '\"open\"'\n"),
            "{refused:?}"
        );
    }
}

#[test]
fn times_of_options_have_units() {
    let place = Place::new();
    let server = place.start(&["recv", "unix:t"]);
    place.wait_for("t.unix");
    let sent = place.run(&["send", "unix:t", "1", "-o", "timeout=500ms", "-o", "linger=1s"]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_eq!(server.wait().code, Some(0));
    let refused = place.run(&["send", "unix:t", "1", "-o", "linger=soon"]);
    assert!(
        refused.code == Some(2) && refused.err.contains("number with us, ms, s, min, h or d"),
        "{refused:?}"
    );
}

#[test]
fn output_is_json_by_default() {
    let place = Place::new();
    let path = place.path().join("value");
    let file = format!("file:{}", path.display());
    assert_eq!(place.run(&["send", "spool:jobs", "{\"a\": 1}", "-o", "durable=true"]).code, Some(0));
    let mut files = std::fs::read_dir(place.path().join("state/jobs.spool/server")).unwrap();
    let written = files.next().unwrap().unwrap().path();
    assert_eq!(std::fs::read_to_string(written).unwrap().trim_end(), "{\"a\":1}");
    for (encoding, expected) in [(None, "json"), (Some("cbor"), "cbor")] {
        let mut arguments = vec!["pub", &file, "{\"a\": 1}"];
        arguments.extend(encoding.iter().flat_map(|encoding| ["-e", encoding]));
        assert_eq!(place.run(&arguments).code, Some(0));
        let finished = place.run(&["latest", &file, "--json", "--full"]).out;
        assert!(finished.contains(&format!("\"encoding\":\"{expected}\"")), "{finished}");
    }
}

/// Bytes are a third longer in JSON.
fn without_text() -> linkspan::Value {
    linkspan::Value::Bytes(vec![7u8; 55 << 20].into())
}

/// The first message is not printed, the second is.
fn printed_the_second(finished: &program::Finished) {
    assert!(finished.err.contains("message 1 is not printed: TooLarge"), "{}", finished.err);
    assert_eq!((finished.code, finished.out.as_str()), (Some(1), "7\n"));
}

#[test]
fn message_without_a_text_is_named_and_the_next_one_is_printed() {
    const SOON: std::time::Duration = std::time::Duration::from_secs(60);
    let place = program::Place::new();
    let endpoint = |name: &str| format!("unix:{}", place.path().join(name).display());
    let options = linkspan::Options::default();
    let receiver = place.start(&["recv", &endpoint("r"), "--json", "--count", "2"]);
    let channel = linkspan::Channel::connect(&endpoint("r"), &options, SOON).unwrap();
    channel.send(&without_text(), SOON).unwrap();
    channel.send(&linkspan::Value::from(7), SOON).unwrap();
    printed_the_second(&receiver.end());
    let publisher = linkspan::Publisher::new(&endpoint("p"), &options).unwrap();
    let subscriber = place.start(&["sub", &endpoint("p"), "--json", "--count", "2"]);
    publisher.wait_for_subscribers(1, SOON).unwrap();
    publisher.send(&without_text()).unwrap();
    publisher.flush(SOON).unwrap();
    publisher.send(&linkspan::Value::from(7)).unwrap();
    printed_the_second(&subscriber.end());
    let server = place.start(&["reply", &endpoint("c"), "--command", "cat", "-n", "2"]);
    let channel = linkspan::Channel::connect(&endpoint("c"), &options, SOON).unwrap();
    let refused = channel.call(&without_text(), SOON).unwrap_err();
    assert!(refused.to_string().contains("the request as JSON"), "{refused}");
    let answer = channel.call(&linkspan::Value::from(7), SOON).unwrap();
    assert_eq!(answer.value().unwrap().as_i64().unwrap(), 7);
    assert_eq!(server.end().code, Some(0));
}
