//! Malformed frames, false lengths and invalid bodies on an admitted connection.

use super::*;

fn admitted(endpoint: &str) -> Box<dyn Connection> {
    let mut stream = raw(endpoint);
    stream.write_all(&hello(hello_map())).unwrap();
    support::read_hello(&mut stream);
    stream
}

fn frames_that_are_none(transport: &str) {
    beside_a_good_client(transport, |endpoint, server| {
        let mut wrong_check = frame(Kind::Request, b"\x01");
        wrong_check[20] ^= 4;
        for bytes in [vec![0xaa; 200], wrong_check, frame(Kind::Request, b"")[..40].to_vec()] {
            let mut stream = admitted(endpoint);
            stream.write_all(&bytes).unwrap();
            stream.end_of_words();
            assert!(answer(&mut stream).is_empty(), "the connection was ended");
        }
        let events = server.events();
        assert!(
            events.iter().any(|e| e.text.contains("begins with LKSP") && e.text.contains("at byte 0")),
            "{events:?}"
        );
        assert!(
            events.iter().any(|e| e.text.contains("check sum") && e.text.contains("at byte 12")),
            "{events:?}"
        );
        assert!(events.iter().any(|e| e.text.contains("in the middle of a message")), "{events:?}");
    });
}

#[test]
fn frames_that_are_none_over_unix() {
    frames_that_are_none("unix");
}

#[test]
fn frames_that_are_none_over_tcp() {
    frames_that_are_none("tcp");
    // Bodies carry a checksum here: a wrong one shows damage on the way.
    beside_a_good_client("tcp", |endpoint, server| {
        let mut stream = admitted(endpoint);
        let header = Header {
            body: 1,
            sequence: 1,
            flags: linkspan::frame::flags::BODY_CHECKED,
            body_check: 7,
            ..Header::new(Kind::Request, Encoding::Cbor)
        };
        stream.write_all(&[&header.to_bytes()[..], b"\x01"].concat()).unwrap();
        assert!(answer(&mut stream).is_empty(), "the connection was ended");
        let events = server.events();
        assert!(events.iter().any(|e| e.text.contains("does not give its check sum")), "{events:?}");
    });
}

fn claimed_length_is_not_trusted(transport: &str) {
    beside_a_good_client(transport, |endpoint, server| {
        let before = resident();
        let mut stream = admitted(endpoint);
        let header = Header { body: 1 << 50, sequence: 1, ..Header::new(Kind::Request, Encoding::Cbor) };
        stream.write_all(&header.to_bytes()).unwrap();
        stream.write_all(&vec![0; 1 << 20]).unwrap();
        while server.stats().at("dropped").unwrap().as_u64().unwrap() == 0 {
            thread::yield_now();
        }
        assert!(resident() < before + (64 << 20), "memory was reserved for a claim");
    });
}

#[test]
fn claimed_length_is_not_trusted_over_unix() {
    alone!(claimed_length_is_not_trusted_over_unix);
    claimed_length_is_not_trusted("unix");
}

#[test]
fn claimed_length_is_not_trusted_over_tcp() {
    alone!(claimed_length_is_not_trusted_over_tcp);
    claimed_length_is_not_trusted("tcp");
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn bodies_that_are_no_values_over_unix() {
    bodies_that_are_no_values("unix");
}

#[test]
fn bodies_that_are_no_values_over_tcp() {
    bodies_that_are_no_values("tcp");
}

fn bodies_that_are_no_values(transport: &str) {
    beside_a_good_client(transport, |endpoint, _| {
        let mut stream = admitted(endpoint);
        let deep = [vec![0x81; 100], vec![0xf6]].concat();
        for (i, (body, kind, offset)) in [
            (&b"\xa2\x61a\x01\x61a\x02"[..], "Malformed", Some(4)),
            (b"\x82\x01", "Malformed", Some(0)),
            (b"\x01\x01", "Malformed", Some(1)),
            (b"\x62\xc3\x28", "Malformed", None),
            (&deep, "TooLarge", Some(64)),
        ]
        .into_iter()
        .enumerate()
        {
            let header = Header {
                body: body.len() as u64,
                sequence: i as u64 + 1,
                ..Header::new(Kind::Request, Encoding::Cbor)
            };
            stream.write_all(&[&header.to_bytes()[..], body].concat()).unwrap();
            let mut head = [0; HEADER];
            stream.read_exact(&mut head).unwrap();
            let header = Header::from_bytes(&head).unwrap();
            assert_eq!((header.kind, header.correlation), (Kind::Error, i as u64 + 1));
            let mut answer = vec![0; header.body as usize];
            stream.read_exact(&mut answer).unwrap();
            let failure = decode(&answer, Encoding::Cbor).unwrap();
            assert_eq!(failure.at("type").unwrap().as_text().unwrap(), kind);
            if let Some(offset) = offset {
                let text = failure.at("text").unwrap().as_text().unwrap();
                assert!(text.contains(&format!("at byte {offset}")), "{text}");
            }
        }
    });
}

/// The source of a message is the proven identity of its connection, despite any claim in a frame.
#[test]
fn sender_that_a_frame_names_does_not_count_on_a_connection() {
    let endpoint = name("unix");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let mut stream = admitted(&endpoint);
    let named = Value::map([("session", Value::from(1i64)), ("source", Value::from("the-controller"))]);
    let mut extension = encode(&named, Encoding::Cbor).unwrap();
    extension.resize(extension.len().next_multiple_of(8), 0);
    for (sequence, extension) in [(1, Vec::new()), (2, extension)] {
        let new = Header::new(Kind::Request, Encoding::Cbor);
        let header = Header { body: 1, sequence, extension: extension.len(), ..new };
        let mut head = [&header.to_bytes()[..], &extension].concat();
        head.resize(header.body_offset(), 0);
        stream.write_all(&[&head[..], b"\x01"].concat()).unwrap();
        let request = server.next(SOON).unwrap().unwrap();
        assert_eq!((request.source(), request.sequence()), ("hostile-1", sequence));
    }
}
