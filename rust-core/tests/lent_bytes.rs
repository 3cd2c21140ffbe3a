//! Bytes lent for sending, and memory lent for receiving. The suite `conformance` covers their arrival.

use std::time::Duration;

use linkspan::schema::Schema;
use linkspan::{Channel, Encoding, ErrorKind, Listener, Options, ReceivedBytes, Timestamp, Validate, Value};

use crate::support::{SOON, name};

const PATIENCE: Duration = Duration::from_millis(60);
const LINKS: [&str; 4] = ["shm", "unix", "tcp", "fifo"];

fn pair(endpoint: &str, options: &Options) -> (Channel, Channel) {
    let receiver = Channel::open(endpoint, options, SOON).unwrap();
    (receiver, Channel::connect(endpoint, options, SOON).unwrap())
}

fn called(client_id: &str) -> Options {
    let mut options = Options::default();
    options.set("client_id", &Value::from(client_id)).unwrap();
    options
}

/// Receives while the sender polls: the sender then notices its new reader.
fn received_while_polled(reader: &Channel, writer: &Channel, memory: &mut [u8]) -> ReceivedBytes {
    loop {
        match reader.recv_into(memory, Duration::from_millis(10)) {
            Ok(received) => return received,
            Err(e) => assert!(matches!(e.kind(), ErrorKind::Timeout | ErrorKind::NotFound), "{e}"),
        }
        assert!(!writer.poll().unwrap());
    }
}

#[test]
fn message_longer_than_the_memory_stays_the_next_one() {
    for transport in LINKS {
        let (receiver, sender) = pair(&name(transport), &Options::default());
        for (number, length) in [(1, 1), (2, 64), (3, 300), (4, 5000), (5, 100_000)] {
            let bytes = vec![number as u8; length];
            std::thread::scope(|s| {
                s.spawn(|| assert_eq!(sender.send_bytes(Encoding::Raw, &bytes, SOON).unwrap(), number));
                let mut memory = vec![0xEE; length + 1];
                for room in [0, length - 1, length - 1] {
                    let refused = receiver.recv_into(&mut memory[..room], SOON).unwrap_err();
                    assert_eq!(refused.kind(), ErrorKind::TooLarge, "{transport}, {length}: {refused}");
                    assert!(refused.text().contains(&format!("{length} bytes")), "{refused}");
                    assert!(memory.iter().all(|byte| *byte == 0xEE), "nothing was written");
                }
                assert!(receiver.poll().unwrap(), "{transport}, {length}");
                let received = receiver.recv_into(&mut memory, SOON).unwrap();
                assert_eq!((received.length, received.sequence), (length, number), "{transport}");
                assert!(memory[..length] == bytes && memory[length] == 0xEE, "{transport}, {length}");
            });
        }
        let empty = receiver.recv_into(&mut [0; 8], Duration::ZERO).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::Timeout, "{transport}: {empty}");
    }
}

#[test]
fn request_stays_the_next_message_for_a_call_that_can_reply() {
    for transport in ["shm", "unix", "tcp"] {
        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let b = listener.accept(SOON).unwrap();
        let pending = a.start_call(&a.encode(&Value::Int(1)).unwrap(), SOON).unwrap();
        for _ in 0..2 {
            let refused = b.recv_into(&mut [0; 100], SOON).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidState, "{transport}: {refused}");
        }
        let request = b.recv(SOON).unwrap();
        b.reply(&request, &Value::Int(2), SOON).unwrap();
        assert_eq!(a.finish_call(&pending, SOON).unwrap().value().unwrap(), &Value::Int(2), "{transport}");
    }
}

/// The link was read past a request, to find its withdrawal.
#[test]
fn bytes_that_were_read_behind_a_request_come_before_those_that_arrive_later() {
    for (transport, length) in [("shm", 64), ("shm", 300), ("unix", 64), ("tcp", 300)] {
        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let b = listener.accept(SOON).unwrap();
        let mut memory = vec![0; length];
        for round in 0..20 {
            let _asked = a.start_call(&a.encode(&Value::Int(1)).unwrap(), SOON).unwrap();
            for number in 1..=4 {
                a.send_bytes(Encoding::Raw, &vec![number; length], SOON).unwrap();
            }
            let request = b.recv(SOON).unwrap();
            for number in 5..=8 {
                a.send_bytes(Encoding::Raw, &vec![number; length], SOON).unwrap();
            }
            for number in 1..=8 {
                if number % 4 == 3 {
                    assert!(
                        b.recv(SOON).unwrap().body()[..] == vec![number; length],
                        "{transport}, {length}"
                    );
                    continue;
                }
                assert_eq!(b.recv_into(&mut memory, SOON).unwrap().length, length);
                assert!(memory == vec![number; length], "{transport}, {length}, {round}: {number}");
            }
            b.reply(&request, &Value::Int(2), SOON).unwrap();
        }
    }
}

#[test]
fn manual_acknowledgement_leaves_out_a_message_that_was_longer_than_the_memory() {
    for transport in ["shm", "unix", "tcp"] {
        let endpoint = name(transport);
        let mut manual = Options::default();
        manual.set("ack", &"manual".into()).unwrap();
        let listener = Listener::listen(&endpoint, &manual).unwrap();
        let sender = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let receiver = listener.accept(SOON).unwrap();
        let mut memory = [0; 300];
        for length in [64, 300] {
            sender.send_bytes(Encoding::Raw, &memory[..length], SOON).unwrap();
            let refused = receiver.recv_into(&mut memory[..10], SOON).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::TooLarge, "{transport}: {refused}");
            receiver.ack().unwrap();
            assert_eq!(sender.flush(PATIENCE).unwrap_err().kind(), ErrorKind::Timeout, "{transport}");
            assert_eq!(receiver.recv_into(&mut memory, SOON).unwrap().length, length, "{transport}");
            receiver.ack().unwrap();
            sender.flush(SOON).unwrap();
        }
    }
}

/// The kept bytes are a copy.
#[test]
fn lent_bytes_are_sent_again_to_the_next_incarnation_as_they_were() {
    const LENGTHS: [usize; 5] = [0, 64, 65, 300, 5000];
    for transport in LINKS {
        let endpoint = name(transport);
        let open = || Channel::open(&endpoint, &called("reader"), SOON).unwrap();
        let reader = open();
        let writer = Channel::connect(&endpoint, &called("writer"), SOON).unwrap();
        let mut memory = [0; 5000];
        for (i, length) in LENGTHS.into_iter().enumerate() {
            memory[..length].fill(i as u8 + 1);
            writer.send_bytes(Encoding::Raw, &memory[..length], SOON).unwrap();
            memory.fill(0xEE);
        }
        // The second call consumes the first message; the second stays unconsumed.
        for number in 1..=2 {
            assert_eq!(reader.recv_into(&mut memory, SOON).unwrap().sequence, number, "{transport}");
        }
        drop(reader);
        let reader = open();
        for (i, length) in LENGTHS.into_iter().enumerate().skip(1) {
            let received = received_while_polled(&reader, &writer, &mut memory);
            assert_eq!((received.length, received.sequence), (length, i as u64 + 1), "{transport}");
            assert!(memory[..length].iter().all(|byte| *byte == i as u8 + 1), "{transport}, {length}");
        }
    }
}

#[test]
fn received_bytes_have_the_encoding_and_time_of_their_message() {
    for transport in LINKS {
        let (receiver, sender) = pair(&name(transport), &Options::default());
        let before = Timestamp::now();
        let mut memory = [0; 400];
        for text in ["[1]".to_owned(), format!("[{}1]", " ".repeat(300))] {
            sender.send_bytes(Encoding::Json, text.as_bytes(), SOON).unwrap();
            let received = receiver.recv_into(&mut memory, SOON).unwrap();
            assert_eq!((received.encoding, &memory[..received.length]), (Encoding::Json, text.as_bytes()));
            assert!(received.sent >= before && received.sent <= Timestamp::now(), "{transport}");
            sender.send_bytes(Encoding::Json, text.as_bytes(), SOON).unwrap();
            let message = receiver.recv(SOON).unwrap();
            assert_eq!(message.value().unwrap(), &Value::Array(vec![Value::Int(1)]), "{transport}");
        }
    }
}

#[test]
fn received_bytes_are_checked_against_the_schema_of_the_channel() {
    let schema = Schema::parse("name = \"reading\"\n[fields.watts]\ntype = \"f64\"\n").unwrap();
    let options = Options::default().with_schema(schema).with_validate(Validate::Receive);
    let (receiver, sender) = pair(&name("shm"), &options);
    let mut memory = [0; 100];
    let good = linkspan::codec::encode(&Value::map([("watts", Value::from(1.5))]), Encoding::Cbor).unwrap();
    let bad = linkspan::codec::encode(&Value::map([("watts", "many")]), Encoding::Cbor).unwrap();
    for _ in 0..3 {
        sender.send_bytes(Encoding::Cbor, &good, SOON).unwrap();
        sender.send_bytes(Encoding::Cbor, &bad, SOON).unwrap();
        assert_eq!(receiver.recv_into(&mut memory, SOON).unwrap().length, good.len());
        let refused = receiver.recv_into(&mut memory, SOON).unwrap_err();
        assert_eq!(refused.path(), Some("watts"), "{refused}");
    }
}
