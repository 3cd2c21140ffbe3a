//! Published bytes of a program that are received into its memory, and calls whose answers are. That published bytes
//! arrive, on every transport, is in the suite `conformance`; channels are in `lent_bytes`.

use std::thread;
use std::time::Duration;

use linkspan::schema::Schema;
use linkspan::{
    Channel, Encoding, Error, ErrorKind, Options, Payload, Publisher, RemoteFailure, Server, Subscriber,
    Validate, Value, Wait,
};

use crate::support::{SOON, name};

/// For a time-out that is certain.
const MOMENT: Duration = Duration::from_millis(60);
const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];
/// Short, the longest of a fast path over shared memory and one more, in a slot.
const LENGTHS: [usize; 6] = [1, 64, 300, 65_535, 65_536, 300_000];

fn pair(transport: &str, options: &Options) -> (Publisher, Subscriber) {
    let endpoint = name(transport);
    let publisher = Publisher::new(&endpoint, options).unwrap();
    let subscriber = Subscriber::new(publisher.endpoint(), options).unwrap();
    (publisher, subscriber)
}

#[test]
fn published_message_longer_than_the_memory_stays_the_next_one() {
    for transport in TRANSPORTS {
        let (publisher, subscriber) = pair(transport, &Options::default());
        let mut memory = vec![0xEE; 300_001];
        for (number, length) in (1..).zip(LENGTHS.into_iter().flat_map(|length| [length; 2])) {
            let bytes = vec![number as u8; length];
            assert_eq!(publisher.send_bytes(Encoding::Raw, &bytes).unwrap(), number);
            for room in [0, length - 1, length - 1] {
                let refused = subscriber.recv_into(&mut memory[..room], SOON).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::TooLarge, "{transport}, {length}: {refused}");
                assert!(refused.text().contains(&format!("{length} bytes")), "{refused}");
            }
            assert!(subscriber.poll().unwrap(), "{transport}, {length}");
            if number % 2 == 0 {
                // A body that stayed in its slot is copied before a program reads it.
                assert!(subscriber.recv(SOON).unwrap().body()[..] == bytes, "{transport}, {length}");
                continue;
            }
            let received = subscriber.recv_into(&mut memory, SOON).unwrap();
            assert_eq!((received.length, received.sequence), (length, number), "{transport}");
            assert!(memory[..length] == bytes && memory[length] == 0xEE, "{transport}, {length}");
            memory[..length].fill(0xEE);
        }
        let empty = subscriber.recv_into(&mut memory, Duration::ZERO).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::Timeout, "{transport}: {empty}");
    }
}

#[test]
fn missed_messages_are_told_before_the_bytes_or_with_them() {
    for length in [64, 5000, 100_000] {
        let (publisher, subscriber) = pair("shm", &Options::default());
        let bytes = vec![7; length];
        let mut memory = vec![0; length];
        publisher.send_bytes(Encoding::Raw, &bytes).unwrap();
        subscriber.recv_into(&mut memory, SOON).unwrap();
        let sent = (0..40_000 * 64 / length.max(64)).map(|_| publisher.send_bytes(Encoding::Raw, &bytes));
        let last = sent.map(Result::unwrap).last().unwrap();
        let (mut next, mut missed) = (2, 0);
        while next <= last {
            match subscriber.recv_into(&mut memory, SOON) {
                Ok(received) => {
                    assert_eq!((received.sequence, received.missed), (next, 0), "{length}");
                    next += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Lagged, "{error}");
                    missed += error.missed().unwrap();
                    next += error.missed().unwrap();
                }
            }
        }
        assert!(missed > 0 && next == last + 1, "{length}: {missed}");
    }
}

#[test]
fn newest_message_has_the_number_of_those_before_it() {
    let mut latest = Options::default();
    latest.set("delivery", &Value::from("latest")).unwrap();
    for transport in TRANSPORTS {
        let (publisher, subscriber) = pair(transport, &latest);
        let mut memory = [0; 8];
        publisher.send_bytes(Encoding::Raw, &[1; 8]).unwrap();
        assert_eq!(subscriber.recv_into(&mut memory, SOON).unwrap().missed, 0);
        for number in 2..=5 {
            publisher.send_bytes(Encoding::Raw, &[number; 8]).unwrap();
        }
        let (mut sequence, mut counted) = (1, 1);
        while sequence < 5 {
            let refused = subscriber.recv_into(&mut memory[..4], SOON).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::TooLarge, "{transport}: {refused}");
            let received = subscriber.recv_into(&mut memory, SOON).unwrap();
            (sequence, counted) = (received.sequence, counted + 1 + received.missed);
            assert_eq!(memory, [sequence as u8; 8]);
        }
        assert_eq!(counted, 5, "{transport}");
    }
}

#[test]
fn subscriber_to_several_names_is_referred_to_messages() {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::of(&[&endpoint, &name("shm")], &Options::default()).unwrap();
    publisher.send_bytes(Encoding::Raw, b"abc").unwrap();
    let refused = subscriber.recv_into(&mut [0; 8], SOON).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    assert_eq!(subscriber.recv(SOON).unwrap().body()[..], *b"abc");
}

#[test]
fn closed_objects_and_bytes_above_the_limit_are_refused() {
    let options = Options::default().with_max_message_size(1000);
    for transport in TRANSPORTS {
        let (publisher, subscriber) = pair(transport, &options);
        let refused = publisher.send_bytes(Encoding::Raw, &[0; 1001]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooLarge, "{transport}: {refused}");
        publisher.send_bytes(Encoding::Raw, &[5; 1000]).unwrap();
        let mut memory = [0; 1000];
        assert_eq!(subscriber.recv_into(&mut memory, SOON).unwrap().length, 1000);
        publisher.close(SOON).unwrap();
        let closed = publisher.send_bytes(Encoding::Raw, &[1]).unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::InvalidState, "{transport}: {closed}");
        subscriber.close();
        let closed = subscriber.recv_into(&mut memory, SOON).unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::InvalidState, "{transport}: {closed}");
    }
}

#[test]
fn wait_for_bytes_ends_at_a_tick_and_at_a_close() {
    let (_publisher, subscriber) = pair("shm", &Options::default());
    let mut stops = || Err(Error::new(ErrorKind::Interrupted, "by a test"));
    let stopped = subscriber.recv_into(&mut [0; 8], Wait::new(SOON).tick(&mut stops)).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Interrupted, "{stopped}");
    thread::scope(|s| {
        let waits = s.spawn(|| subscriber.recv_into(&mut [0; 8], SOON).unwrap_err());
        thread::sleep(Duration::from_millis(20));
        subscriber.close();
        assert_eq!(waits.join().unwrap().kind(), ErrorKind::InvalidState);
    });
}

#[test]
fn published_bytes_are_checked_against_the_schema_of_the_subscriber() {
    let schema = Schema::parse("name = \"reading\"\n[fields.watts]\ntype = \"f64\"\n").unwrap();
    let options = Options::default().with_schema(schema).with_validate(Validate::Receive);
    let (publisher, subscriber) = pair("shm", &options);
    let mut memory = [0; 100];
    let good = linkspan::codec::encode(&Value::map([("watts", Value::from(1.5))]), Encoding::Cbor).unwrap();
    let bad = linkspan::codec::encode(&Value::map([("watts", "many")]), Encoding::Cbor).unwrap();
    for _ in 0..3 {
        publisher.send_bytes(Encoding::Cbor, &good).unwrap();
        publisher.send_bytes(Encoding::Cbor, &bad).unwrap();
        assert_eq!(subscriber.recv_into(&mut memory, SOON).unwrap().length, good.len());
        let refused = subscriber.recv_into(&mut memory, SOON).unwrap_err();
        assert_eq!(refused.path(), Some("watts"), "{refused}");
    }
}

fn serve(endpoint: &str) -> Server {
    Server::serve(endpoint, &Options::default()).unwrap()
}

/// Answers bytes with as many, each one more, and `fail` with a failure, until `end` comes.
fn answer(server: &Server) {
    loop {
        let request = server.next(SOON).unwrap().unwrap();
        if request.body()[..] == *b"end" {
            return request.reply_payload(&Payload::from_bytes(Encoding::Raw, "".into())).unwrap();
        }
        if request.body()[..] == *b"fail" {
            request.fail(&RemoteFailure::new(-1, "Broken", "by a test")).unwrap();
            continue;
        }
        let body: Vec<u8> = request.body().iter().map(|byte| byte.wrapping_add(1)).collect();
        request.reply_bytes(Encoding::Raw, &body).unwrap();
        assert_eq!(request.reply_bytes(Encoding::Raw, b"").unwrap_err().kind(), ErrorKind::InvalidState);
    }
}

#[test]
fn answers_arrive_in_memory_of_the_caller() {
    for transport in TRANSPORTS {
        let endpoint = name(transport);
        let server = serve(&endpoint);
        let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let lengths = LENGTHS.into_iter().chain([0]).flat_map(|length| [length; 4]);
        thread::scope(|s| {
            s.spawn(|| answer(&server));
            let mut memory = vec![0xEE; 300_001];
            for length in lengths {
                let sent = vec![length as u8; length];
                let received = channel.call_bytes(Encoding::Raw, &sent, &mut memory, SOON).unwrap();
                assert_eq!((received.length, received.encoding), (length, Encoding::Raw), "{transport}");
                assert!(memory[..length].iter().all(|byte| *byte == (length as u8).wrapping_add(1)));
                assert_eq!(memory[length], 0xEE, "{transport}, {length}");
                memory[..length].fill(0xEE);
            }
            channel.call_bytes(Encoding::Raw, b"end", &mut memory, SOON).unwrap();
        });
    }
}

#[test]
fn answer_longer_than_the_memory_is_dropped_and_a_failure_is_told() {
    for transport in TRANSPORTS {
        let endpoint = name(transport);
        let server = serve(&endpoint);
        let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        thread::scope(|s| {
            s.spawn(|| answer(&server));
            let mut memory = vec![0; 300_000];
            for length in LENGTHS {
                let sent = vec![3; length];
                let refused = channel.call_bytes(Encoding::Raw, &sent, &mut memory[..length - 1], SOON);
                let refused = refused.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::TooLarge, "{transport}, {length}: {refused}");
                assert!(refused.text().contains("was carried out"), "{refused}");
                let failed = channel.call_bytes(Encoding::Raw, b"fail", &mut memory, SOON).unwrap_err();
                assert_eq!(failed.kind(), ErrorKind::Remote, "{transport}: {failed}");
                let received = channel.call_bytes(Encoding::Raw, &sent, &mut memory, SOON).unwrap();
                assert!(received.length == length && memory[..length] == vec![4; length], "{transport}");
            }
            channel.call_bytes(Encoding::Raw, b"end", &mut memory, SOON).unwrap();
        });
        let late = channel.call_bytes(Encoding::Raw, b"abc", &mut [0; 3], MOMENT);
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout, "{transport}");
        drop(server);
        let gone = channel.call_bytes(Encoding::Raw, b"abc", &mut [0; 3], MOMENT).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::Disconnected, "{transport}: {gone}");
        channel.close(SOON).unwrap();
        let closed = channel.call_bytes(Encoding::Raw, b"abc", &mut [0; 3], SOON).unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::InvalidState, "{transport}: {closed}");
    }
}

/// One of several calling threads receives the answers of all, and leaves long bodies in their slots.
#[test]
fn answers_of_several_threads_arrive_each_where_its_call_has_them() {
    const CALLS: usize = 40;
    let endpoint = name("shm");
    let server = serve(&endpoint);
    let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    thread::scope(|s| {
        s.spawn(|| answer(&server));
        let calls = (0..4u8).map(|thread| {
            let channel = &channel;
            s.spawn(move || {
                let (sent, mut memory) = (vec![thread; 100_000], vec![0; 100_000]);
                let expected = vec![thread + 1; sent.len()];
                for _ in 0..CALLS {
                    if thread % 2 == 0 {
                        channel.call_bytes(Encoding::Raw, &sent, &mut memory, SOON).unwrap();
                        assert!(memory == expected);
                        memory.fill(0);
                    } else {
                        let payload = Payload::from_bytes(Encoding::Raw, sent.clone().into());
                        let reply = channel.call_payload(&payload, SOON).unwrap();
                        assert!(reply.value().unwrap() == &Value::Bytes(expected.clone().into()));
                    }
                }
            })
        });
        calls.collect::<Vec<_>>().into_iter().for_each(|call| call.join().unwrap());
        channel.call_bytes(Encoding::Raw, b"end", &mut [0; 8], SOON).unwrap();
    });
}
