//! Channels: lines and raw bytes both ways.

use super::*;

#[test]
fn channel_sends_each_value_as_a_line_and_receives_each_line() {
    let listener = Listener::listen(&name("unix"), &lines()).unwrap();
    let mut plain_peer = PlainPeer::connect(&listener.endpoint());
    let channel = listener.accept(SOON).unwrap();
    assert_eq!(
        channel.send(&json(r#"{"a":[1,2.0,"é\n"],"big":123456789012345678901234567890}"#), SOON).unwrap(),
        1
    );
    assert_eq!(
        plain_peer.line(),
        "{\"a\":[1,2.0,\"é\\n\"],\"big\":{\"$int\":\"123456789012345678901234567890\"}}\n"
    );
    channel.send(&Value::Bytes(b"\0\xff".as_slice().into()), SOON).unwrap();
    assert_eq!(plain_peer.line(), "{\"$bytes\":\"AP8=\"}\n");

    plain_peer.send_text("{\"op\":\"x\"}\r\n\n   \n[1, 123456789012345678901234567890]\nnot json\n7\n{\"$bytes\":\"AP8=\"}\n{\"a\":1,\"a\":2}\n\"last\"");
    plain_peer.hang_up_writing();
    let first = channel.recv(SOON).unwrap();
    assert_eq!(
        (first.value().unwrap(), first.sequence(), first.encoding()),
        (&json(r#"{"op":"x"}"#), 1, Encoding::Json)
    );
    assert_eq!(first.source().rsplit('-').next().unwrap(), std::process::id().to_string());
    let second = channel.recv(SOON).unwrap();
    assert_eq!(
        second.value().unwrap().at("1").unwrap(),
        &json(r#"{"$int":"123456789012345678901234567890"}"#)
    );
    let error = channel.recv(SOON).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::Malformed, Some(1)), "{error}");
    assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &json("7"));
    assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &Value::Bytes(b"\0\xff".as_slice().into()));
    assert_eq!(channel.recv(SOON).unwrap_err().kind(), ErrorKind::Malformed);
    let last = channel.recv(SOON).unwrap();
    assert_eq!((last.value().unwrap(), last.sequence()), (&json("\"last\""), 5));
    assert_eq!(channel.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
    channel.send(&json("true"), SOON).unwrap();
    channel.close(SOON).unwrap();
    assert_eq!((plain_peer.line().as_str(), plain_peer.line().as_str()), ("true\n", ""));
}

#[test]
fn line_over_the_limit_is_an_error_for_that_line_alone() {
    let mut options = lines();
    options.max_message_size = 100;
    let listener = Listener::listen(&name("unix"), &options).unwrap();
    let mut plain_peer = PlainPeer::connect(&listener.endpoint());
    let channel = listener.accept(SOON).unwrap();
    let long = "x".repeat(300_000);
    let writer = thread::spawn(move || {
        plain_peer.send_text(&format!("\"{}\"\n\"{long}\"\n1\n", "y".repeat(98)));
        plain_peer
    });
    assert_eq!(channel.recv(SOON).unwrap().body().len(), 100);
    assert_eq!(channel.recv(SOON).unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &json("1"));
    let mut plain_peer = writer.join().unwrap();
    assert_eq!(channel.send(&Value::from("z".repeat(99)), SOON).unwrap_err().kind(), ErrorKind::TooLarge);
    channel.send(&json("2"), SOON).unwrap();
    assert_eq!(plain_peer.line(), "2\n");
}

#[test]
fn large_lines_are_whole_in_both_directions_despite_deadlines() {
    let listener = Listener::listen(&name("unix"), &lines()).unwrap();
    let mut plain_peer = PlainPeer::connect(&listener.endpoint());
    let channel = listener.accept(SOON).unwrap();
    let long = Value::from("é".repeat(1 << 20));
    // There is no reader yet: the kernel accepts a part, and later messages flush the rest.
    channel.send(&long, std::time::Duration::from_millis(20)).unwrap();
    assert_eq!(channel.try_send(&json("1")).unwrap_err().kind(), ErrorKind::Full);
    let reader = thread::spawn(move || (plain_peer.line(), plain_peer.line(), plain_peer));
    channel.send(&json("2"), SOON).unwrap();
    let (first, second, mut plain_peer) = reader.join().unwrap();
    assert_eq!((json(&first) == long, second.as_str()), (true, "2\n"));
    let back = thread::spawn(move || plain_peer.send_text(&first));
    assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &long);
    back.join().unwrap();
}

#[test]
fn descriptor_is_readable_exactly_while_a_line_waits() {
    let listener = Listener::listen(&name("unix"), &lines()).unwrap();
    let mut plain_peer = PlainPeer::connect(&listener.endpoint());
    let channel = listener.accept(SOON).unwrap();
    let fd = channel.fileno().unwrap();
    assert!(!readable(fd, 0));
    plain_peer.send_text("1\n2\n\n3\nhalf");
    for i in 1..4i64 {
        assert!(readable(fd, 60), "line {i}");
        assert_eq!(channel.try_recv().unwrap().value().unwrap(), &Value::Int(i));
    }
    assert_eq!(channel.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    assert!(!readable(fd, 0));
    plain_peer.send_text("\n");
    assert!(readable(fd, 60));
    assert!(channel.poll().is_err(), "half is not JSON");
    assert!(!readable(fd, 0));
}

#[test]
fn raw_bytes_are_received_unchanged() {
    let listener = Listener::listen(&name("unix"), &raw()).unwrap();
    let mut plain_peer = PlainPeer::connect(&listener.endpoint());
    let channel = listener.accept(SOON).unwrap();
    channel.send(&Value::Bytes(b"\0LKSP\n\xff".as_slice().into()), SOON).unwrap();
    channel.send(&Value::Bytes(b"".as_slice().into()), SOON).unwrap();
    channel.close(SOON).unwrap();
    let mut all = Vec::new();
    plain_peer.read.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"\0LKSP\n\xff");

    let endpoint = elsewhere();
    let bound = UnixListener::bind(path(&endpoint)).unwrap();
    let channel = Channel::connect(&endpoint, &raw(), SOON).unwrap();
    let mut plain_peer = PlainPeer::over(bound.accept().unwrap().0);
    let sent: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
    let expected = sent.clone();
    let writer = thread::spawn(move || {
        plain_peer.write.write_all(&sent).unwrap();
        plain_peer
    });
    let mut got = Vec::new();
    while got.len() < expected.len() {
        let piece = channel.recv(SOON).unwrap();
        assert_eq!(
            (piece.encoding(), piece.body().is_empty(), piece.body().len() <= 65_536),
            (Encoding::Raw, false, true)
        );
        assert_eq!(piece.value().unwrap(), &Value::Bytes(piece.body().clone()));
        got.extend_from_slice(piece.body());
    }
    assert!(got == expected);
    assert_eq!(
        channel.call(&Value::Bytes(b"x".as_slice().into()), SOON).unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(channel.send(&json("{}"), SOON).unwrap_err().kind(), ErrorKind::Unsupported);
    drop(writer.join().unwrap());
    drop(channel);
}

#[test]
fn half_sent_line_is_completed_whatever_its_sender_does_next() {
    let listener = Listener::listen(&name("unix"), &lines()).unwrap();
    let mut plain_peer = PlainPeer::connect(&listener.endpoint());
    let channel = listener.accept(SOON).unwrap();
    let long = Value::from("x".repeat(1 << 20));
    channel.send(&long, std::time::Duration::from_millis(20)).unwrap();
    // The program is busy with other work, and does not call again.
    assert_eq!(plain_peer.line().len(), (1 << 20) + 3);
    drop(channel);
    assert_eq!(plain_peer.line(), "");
}
