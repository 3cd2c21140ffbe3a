//! Bytes that a program writes directly into their sending place: its side copies none.

use std::thread;

use bytes::Bytes;
use linkspan::{
    BytesLoan, Channel, Encoding, ErrorKind, Listener, NdArray, Options, Payload, Publisher, Server,
    Subscriber, Value,
};

use crate::slots::is_shared;
use crate::support::{SOON, name};

const MIB: usize = 1 << 20;

fn options(encoding: Encoding, limit: usize) -> Options {
    let mut options = Options::default();
    (options.encoding, options.max_message_size) = (encoding, limit as u64);
    options
}

fn pair(transport: &str, options: &Options) -> (Channel, Channel) {
    let listener = Listener::listen(&name(transport), options).unwrap();
    let endpoint = listener.endpoint();
    let one = thread::scope(|scope| {
        let connecting = scope.spawn(|| Channel::connect(&endpoint, options, SOON).unwrap());
        let two = listener.accept(SOON).unwrap();
        (connecting.join().unwrap(), two)
    });
    let first = Value::map([("first", Value::Bytes(Bytes::new()))]);
    let first = if options.encoding == Encoding::Raw { Value::Bytes(Bytes::new()) } else { first };
    one.0.send(&first, SOON).unwrap();
    one.1.recv(SOON).unwrap();
    one
}

fn filled(mut loan: BytesLoan, seed: usize, length: usize) -> BytesLoan {
    loan.truncate(length).unwrap();
    loan.copy_from_slice(&expected(seed, length));
    loan
}

fn expected(seed: usize, length: usize) -> Bytes {
    let period: Vec<u8> = (0..251).map(|i| (i + seed) as u8).collect();
    let mut bytes = period.repeat(length / period.len() + 1);
    bytes.truncate(length);
    bytes.into()
}

/// Values around the bytes: none, a few, as many as the margins hold, and more.
fn around(bytes: Value, text: usize) -> Value {
    let text = Value::from("t".repeat(text));
    Value::map([("a", text.clone()), ("image", bytes), ("time", Value::from(1.5)), ("z", text)])
}

fn place(value: &Value) -> usize {
    let Value::Bytes(bytes) = value else { panic!("{value:?} is no byte string") };
    bytes.as_ptr().addr()
}

#[test]
fn bytes_of_a_loan_are_sent_where_they_were_written_whatever_is_around_them() {
    let (one, two) = pair("shm", &Options::default());
    let mut in_place = 0;
    for text in [0, 10, 300, 4000, 5000, 70_000] {
        for length in [64 << 10, 100_001, MIB] {
            let loan = one.loan_bytes(MIB).unwrap();
            assert!(loan.is_shared());
            let bytes = Value::from(filled(loan, text, length));
            let at = place(&bytes);
            let value = around(bytes, text);
            let payload = one.encode(&value).unwrap();
            let is_in_place = payload.body().as_ptr_range().contains(&(at as *const u8));
            assert_eq!(is_in_place, text <= 4000, "{text} bytes of text");
            in_place += u64::from(is_in_place);
            assert_eq!(
                payload.body(),
                Payload::new(&value, Encoding::Cbor, &linkspan::value::Limits::default()).unwrap().body()
            );
            thread::scope(|scope| {
                scope.spawn(|| one.send_payload(&payload, SOON).unwrap());
                let message = two.recv(SOON).unwrap();
                assert!(!is_shared(message.body()), "it is examined where the peer cannot write");
                assert_eq!(message.value().unwrap(), &around(Value::Bytes(expected(text, length)), text));
            });
            // Again: the data around the first may be under way, so this is a copy with other values.
            let value = around(value.at("image").unwrap().clone(), text + 1);
            one.send(&value, SOON).unwrap();
            assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &value);
        }
    }
    assert_eq!(in_place, 12);
    let stats = one.stats();
    let of = |name| stats.at(name).unwrap().as_u64().unwrap();
    assert_eq!((of("bodies_in_slots"), of("bodies_without_slot")), (36, 0));
}

#[test]
fn loan_of_bytes_alone_is_a_message_in_raw_and_in_cbor() {
    for encoding in [Encoding::Raw, Encoding::Cbor] {
        let (one, two) = pair("shm", &options(encoding, MIB));
        // The last leaves no room for surrounding data, so only `raw` has it in place.
        for (lent, length) in [(200_000, 100_000), (MIB - 100, MIB - 100)] {
            let value = Value::from(filled(one.loan_bytes(lent).unwrap(), 4, length));
            let payload = one.encode(&value).unwrap();
            let fits = encoding == Encoding::Raw || lent < MIB - 8192;
            assert_eq!(
                payload.body().as_ptr_range().contains(&(place(&value) as *const u8)),
                fits,
                "{encoding:?}"
            );
            let bare = Payload::from_bytes(Encoding::Raw, expected(4, length));
            // If the loan and kept messages take all slots, the message goes in pieces.
            thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..3 {
                        one.send(&value, SOON).unwrap();
                    }
                    one.send_payload(&bare, SOON).unwrap();
                });
                for _ in 0..3 {
                    assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &Value::Bytes(expected(4, length)));
                }
                assert_eq!(two.recv(SOON).unwrap().body()[..], expected(4, length)[..]);
            });
        }
    }
}

/// The array is viewed, and the bytes are copied.
#[test]
fn loans_of_bytes_beside_arrays_and_other_loans_arrive_whole() {
    let (one, two) = pair("shm", &Options::default());
    let array = Value::NdArray(NdArray::vector(&vec![2.5f64; 20_000]));
    for order in [["a", "b", "c", "d"], ["d", "c", "b", "a"], ["b", "a", "d", "c"]] {
        let lent = |seed| Value::from(filled(one.loan_bytes(100_000).unwrap(), seed, 80_000));
        let values = [array.clone(), lent(1), array.clone(), lent(2)];
        let value = Value::map(order.into_iter().zip(values));
        one.send(&value, SOON).unwrap();
        assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &value);
    }
}

#[test]
fn loan_of_bytes_without_slots_is_ordinary_memory_for_the_same_program() {
    let cases = [
        ("unix", Encoding::Cbor, MIB),
        ("shm", Encoding::Cbor, 1000),
        ("shm", Encoding::Cbor, 0),
        ("shm", Encoding::Bson, MIB),
    ];
    for (transport, encoding, length) in cases {
        let (one, two) = pair(transport, &options(encoding, 16 * MIB));
        let loan = one.loan_bytes(length).unwrap();
        assert!(!loan.is_shared(), "{transport}, {encoding:?}, {length}");
        let value = Value::map([("image", Value::from(filled(loan, 9, length / 2)))]);
        thread::scope(|scope| {
            scope.spawn(|| one.send(&value, SOON).unwrap());
            let wanted = Value::map([("image", Value::Bytes(expected(9, length / 2)))]);
            assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &wanted);
        });
    }
}

#[test]
fn loan_of_more_bytes_than_a_message_or_than_it_has_is_refused() {
    let (one, _two) = pair("shm", &options(Encoding::Cbor, MIB));
    let refused = one.loan_bytes(MIB + 1).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(refused.to_string().contains("1048577 bytes asked, 1048576 allowed"), "{refused}");
    let mut loan = one.loan_bytes(100_000).unwrap();
    let refused = loan.truncate(100_001).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidState);
    assert!(refused.to_string().contains("the loan has 100000 bytes, and 100001 of them"), "{refused}");
    assert_eq!(loan.len(), 100_000);
    loan.truncate(0).unwrap();
    assert!(loan.into_bytes().is_empty());
}

#[test]
fn loan_of_bytes_that_is_dropped_gives_its_slot_back() {
    let (one, _two) = pair("shm", &options(Encoding::Cbor, 4 * MIB));
    for round in 0..100 {
        let loan = one.loan_bytes(MIB).unwrap();
        assert!(loan.is_shared());
        let value = Value::from(loan);
        if round % 2 == 0 {
            drop(one.encode(&value).unwrap());
        }
    }
}

#[test]
fn bytes_of_a_loan_are_published_and_answer_a_request() {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscribers = [(); 2].map(|()| Subscriber::new(&endpoint, &Options::default()).unwrap());
    for seed in 0..20 {
        let loan = publisher.loan_bytes(MIB).unwrap();
        assert!(loan.is_shared());
        let bytes = Value::from(filled(loan, seed, MIB - seed));
        let at = place(&bytes);
        let payload = publisher.encode(&around(bytes, seed)).unwrap();
        assert!(payload.body().as_ptr_range().contains(&(at as *const u8)));
        publisher.send_payload(&payload).unwrap();
        for subscriber in &subscribers {
            let message = subscriber.recv(SOON).unwrap();
            assert!(!is_shared(message.body()));
            assert_eq!(message.value().unwrap(), &around(Value::Bytes(expected(seed, MIB - seed)), seed));
        }
    }
    let stats = publisher.stats();
    assert_eq!(stats.at("bodies_in_slots").unwrap().as_u64().unwrap(), 20);

    let server = Server::serve(&name("shm"), &Options::default()).unwrap();
    let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
    thread::scope(|scope| {
        let serving = scope.spawn(|| {
            for seed in 0..5 {
                let request = server.next(SOON).unwrap().unwrap();
                let loan = request.loan_bytes(MIB).unwrap();
                assert!(loan.is_shared());
                request.reply(&around(filled(loan, seed, MIB - 7).into(), seed)).unwrap();
            }
        });
        for seed in 0..5 {
            let reply = client.call(&Value::Null, SOON).unwrap();
            assert_eq!(reply.value().unwrap(), &around(Value::Bytes(expected(seed, MIB - 7)), seed));
        }
        serving.join().unwrap();
    });
}

/// Unconsumed bytes are sent again from the slot, with the data around them.
#[test]
fn bytes_of_a_loan_that_were_not_consumed_come_again_over_the_next_link() {
    let name = name("shm");
    let options = Options::default();
    let listener = Listener::listen(&name, &options).unwrap();
    let sender = Channel::connect(&name, &options, SOON).unwrap();
    let first = listener.accept(SOON).unwrap();
    sender.send(&Value::from(0), SOON).unwrap();
    first.recv(SOON).unwrap();
    let value = around(filled(sender.loan_bytes(MIB).unwrap(), 3, MIB - 1).into(), 20);
    sender.send(&value, SOON).unwrap();
    drop((first, listener));
    let listener = Listener::listen(&name, &options).unwrap();
    let sending = thread::spawn(move || {
        sender.send(&Value::from(2), SOON).unwrap();
        sender
    });
    let second = listener.accept(SOON).unwrap();
    let mut messages = Vec::new();
    while messages.last() != Some(&Value::from(2)) {
        messages.push(second.recv(SOON).unwrap().value().unwrap().clone());
    }
    assert!(messages.contains(&value));
    drop(sending.join().unwrap());
}
