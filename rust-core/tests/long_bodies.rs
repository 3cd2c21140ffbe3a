//! Messages of 64 KiB and more that are no arrays, over shared memory: each lies in a slot, whatever is in it, in data, requests and
//! replies, and is copied out of it before anything looks at it.

use std::thread;

use bytes::Bytes;
use linkspan::{Channel, Encoding, ErrorKind, Listener, NdArray, Options, Payload, Server, Value};

use crate::slots::is_shared;
use crate::support::{SOON, name};

/// From so many bytes on a body goes into a slot.
const LONG: usize = 64 << 10;
const MIB: usize = 1 << 20;

fn limited(limit: usize) -> Options {
    let mut options = Options::default();
    options.max_message_size = limit as u64;
    options
}

/// Both ends of a channel that is in use: the first message opens the link.
fn pair(options: &Options) -> (Channel, Channel) {
    let name = name("shm");
    let listener = Listener::listen(&name, options).unwrap();
    let one = Channel::connect(&name, options, SOON).unwrap();
    let two = listener.accept(SOON).unwrap();
    for (from, to) in [(&one, &two), (&two, &one)] {
        from.send(&Value::from(0), SOON).unwrap();
        to.recv(SOON).unwrap();
    }
    (one, two)
}

fn bodies(stats: &Value) -> (u64, u64) {
    let of = |name| stats.at(name).unwrap().as_u64().unwrap();
    (of("bodies_in_slots"), of("bodies_without_slot"))
}

/// A text, a structure of many values, bytes, and both kinds together.
fn values() -> Vec<Value> {
    let many = Value::Map((0..20_000).map(|i| (format!("key {i}"), Value::from(i))).collect());
    let text = Value::from("é".repeat(60_000));
    let bytes = Value::Bytes(Bytes::from((0..300_000).map(|i| (i / 7) as u8).collect::<Vec<u8>>()));
    let all = Value::map([("many", many.clone()), ("text", text.clone()), ("bytes", bytes.clone())]);
    vec![text, many, bytes, all]
}

#[test]
fn long_message_of_any_content_arrives_by_a_slot() {
    for encoding in [Encoding::Cbor, Encoding::Json, Encoding::Bson, Encoding::Smile] {
        let mut options = Options::default();
        options.set("encoding", &Value::from(encoding.name())).unwrap();
        let (one, two) = pair(&options);
        let mut sent = 0;
        for value in values() {
            // A document of BSON is a map; JSON has bytes as text.
            let value = Value::map([("value", value)]);
            for _ in 0..5 {
                one.send(&value, SOON).unwrap();
                sent += 1;
                let message = two.recv(SOON).unwrap();
                assert!(!is_shared(message.body()), "it is examined where the peer cannot write");
                let body = one.encode(&value).unwrap();
                assert!(message.body() == body.body());
                assert_eq!(message.value().unwrap(), &body_value(&body), "{encoding:?}");
            }
        }
        assert_eq!(bodies(&one.stats()), (sent, 0), "{encoding:?}");
        assert_eq!(bodies(&two.stats()), (0, 0));
    }
}

fn body_value(payload: &Payload) -> Value {
    linkspan::codec::decode(payload.body(), payload.encoding()).unwrap()
}

#[test]
fn opaque_bytes_of_any_length_arrive_by_each_call() {
    let (one, two) = pair(&Options::default());
    let (mut sent, mut memory) = (0, vec![0; 2 * MIB]);
    for length in [LONG - 1, LONG, LONG + 1, 100_003, MIB, 2 * MIB] {
        let bytes: Vec<u8> = (0..length).map(|i| (i / 3 + length) as u8).collect();
        let payload = Payload::from_bytes(Encoding::Raw, bytes.clone().into());
        for _ in 0..4 {
            one.send_bytes(Encoding::Raw, &bytes, SOON).unwrap();
            assert!(two.recv(SOON).unwrap().body()[..] == bytes[..]);
            one.send_payload(&payload, SOON).unwrap();
            assert_eq!(two.recv_into(&mut memory, SOON).unwrap().length, length);
            assert!(memory[..length] == bytes[..]);
            one.send_payloads(&[payload.clone(), payload.clone()], SOON).unwrap();
            for message in [two.recv(SOON).unwrap(), two.recv(SOON).unwrap()] {
                assert!(message.body()[..] == bytes[..]);
            }
            sent += if length >= LONG { 4 } else { 0 };
        }
    }
    assert_eq!(bodies(&one.stats()), (sent, 0));
}

#[test]
fn long_requests_and_replies_go_by_slots() {
    let name = name("shm");
    let server = Server::serve(&name, &Options::default()).unwrap();
    thread::scope(|scope| {
        let serving = scope.spawn(|| {
            for _ in 0..21 {
                let request = server.next(SOON).unwrap().unwrap();
                request.reply(request.value().unwrap()).unwrap();
            }
            bodies(&server.stats())
        });
        let client = Channel::connect(&name, &Options::default(), SOON).unwrap();
        for _ in 0..5 {
            for value in values() {
                assert_eq!(client.call(&value, SOON).unwrap().value().unwrap(), &value);
            }
        }
        assert_eq!(bodies(&client.stats()), (20, 0));
        // A short one, for which the server counts no body.
        client.call(&Value::from(1), SOON).unwrap();
        assert_eq!(serving.join().unwrap(), (20, 0));
    });
}

/// The receiver keeps views of arrays in all slots: bodies go in pieces, and none waits for a slot.
#[test]
fn body_without_a_free_slot_goes_in_pieces_and_is_counted() {
    let (one, two) = pair(&limited(MIB));
    let mut held = Vec::new();
    let without_slot = || one.stats().at("arrays_without_slot").unwrap().as_u64().unwrap();
    while without_slot() == 0 {
        let array = Value::NdArray(NdArray::vector(&vec![7u64; MIB / 16]));
        thread::scope(|scope| {
            scope.spawn(|| one.send(&array, SOON).unwrap());
            held.push(two.recv(SOON).unwrap());
        });
    }
    let bytes = vec![5; MIB - 100];
    for (in_slots, without) in [(0, 1), (0, 1), (1, 0)] {
        if in_slots == 1 {
            held.clear();
        }
        let before = bodies(&one.stats());
        thread::scope(|scope| {
            scope.spawn(|| one.send_bytes(Encoding::Raw, &bytes, SOON).unwrap());
            assert!(two.recv(SOON).unwrap().body()[..] == bytes[..]);
        });
        let after = bodies(&one.stats());
        assert_eq!((after.0 - before.0, after.1 - before.1), (in_slots, without));
    }
}

#[test]
fn body_that_was_not_consumed_comes_again_over_the_next_link() {
    let name = name("shm");
    let options = Options::default();
    let listener = Listener::listen(&name, &options).unwrap();
    let sender = Channel::connect(&name, &options, SOON).unwrap();
    let first = listener.accept(SOON).unwrap();
    let value = values().pop().unwrap();
    let bytes = vec![8; MIB];
    sender.send(&value, SOON).unwrap();
    sender.send_bytes(Encoding::Raw, &bytes, SOON).unwrap();
    assert_eq!(first.recv(SOON).unwrap().value().unwrap(), &value);
    // Ended before it has consumed any of them.
    drop((first, listener));
    let listener = Listener::listen(&name, &options).unwrap();
    let sending = thread::spawn(move || {
        sender.send(&Value::from(2), SOON).unwrap();
        sender
    });
    let second = listener.accept(SOON).unwrap();
    assert_eq!(second.recv(SOON).unwrap().value().unwrap(), &value);
    assert!(second.recv(SOON).unwrap().body()[..] == bytes[..]);
    assert_eq!(second.recv(SOON).unwrap().value().unwrap(), &Value::from(2));
    drop(sending.join().unwrap());
}

#[test]
fn body_above_the_limit_is_refused_and_leaves_the_channel_whole() {
    let (one, two) = pair(&limited(MIB));
    let refused = one.send_bytes(Encoding::Raw, &vec![1; MIB + 1], SOON).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    one.send_bytes(Encoding::Raw, &vec![2; MIB], SOON).unwrap();
    assert!(two.recv(SOON).unwrap().body()[..] == vec![2; MIB][..]);
}

/// The mappings of slots that this process has.
fn mapped_slots() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("linkspan-slot")).count()
}

/// After many messages there are no more files than after a few: a dialogue takes one or two slots for each side.
#[test]
fn many_long_messages_take_no_more_slots_than_a_few() {
    crate::support::alone::alone!(many_long_messages_take_no_more_slots_than_a_few);
    let (one, two) = pair(&Options::default());
    let bytes = vec![6; MIB];
    let mut memory = vec![0; MIB];
    let mut exchange = |times: usize| {
        for _ in 0..times {
            for (from, to) in [(&one, &two), (&two, &one)] {
                from.send_bytes(Encoding::Raw, &bytes, SOON).unwrap();
                assert_eq!(to.recv_into(&mut memory, SOON).unwrap().length, MIB);
            }
        }
        mapped_slots()
    };
    let few = exchange(10);
    assert_eq!(exchange(300), few);
    assert_eq!(bodies(&one.stats()), (310, 0));
}
