//! Messages of at least 64 KiB that are not arrays, over shared memory.
//!
//! Each lies in a slot, whatever its contents, and is copied out of the slot before any check.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::thread;

use bytes::Bytes;
use linkspan::{
    Channel, Encoding, ErrorKind, Listener, Message, NdArray, Options, Payload, Publisher, Server,
    Subscriber, Uncopied, Value, latest, value::ValueBuilder,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::slots::is_shared;
use crate::support::{SOON, name};

/// The slots of a publisher of messages of 1 MiB with the default ring.
const SLOTS_OF_A_PUBLISHER: usize = 4;
const LONG: usize = 64 << 10;
const MIB: usize = 1 << 20;

fn limited(limit: usize) -> Options {
    let mut options = Options::default();
    options.max_message_size = limit as u64;
    options
}

fn pair(options: &Options) -> (Channel, Channel) {
    pair_with(options, &Value::from(0))
}

fn pair_with(options: &Options, first: &Value) -> (Channel, Channel) {
    let name = name("shm");
    let listener = Listener::listen(&name, options).unwrap();
    let one = Channel::connect(&name, options, SOON).unwrap();
    let two = listener.accept(SOON).unwrap();
    for (from, to) in [(&one, &two), (&two, &one)] {
        from.send(first, SOON).unwrap();
        to.recv(SOON).unwrap();
    }
    (one, two)
}

fn bodies(stats: &Value) -> (u64, u64) {
    let of = |name| stats.at(name).unwrap().as_u64().unwrap();
    (of("bodies_in_slots"), of("bodies_without_slot"))
}

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

/// The next call gets the message, in memory that the peer cannot write.
#[test]
fn long_message_that_does_not_fit_the_memory_for_it_is_the_next_one_and_is_no_view() {
    let (one, two) = pair(&Options::default());
    let mut memory = vec![0; MIB];
    for value in values() {
        for _ in 0..2 {
            one.send(&value, SOON).unwrap();
            for _ in 0..2 {
                let refused = two.recv_into(&mut memory[..LONG / 2], SOON).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::TooLarge);
            }
            let message = two.recv(SOON).unwrap();
            assert_eq!(message.value().unwrap(), &value);
            assert!(!is_shared(message.body()), "it is examined where the peer cannot write");
            one.send(&value, SOON).unwrap();
            let received = two.recv_into(&mut memory, SOON).unwrap();
            assert!(memory[..received.length] == message.body()[..]);
        }
    }
    assert_eq!(bodies(&one.stats()), (16, 0));
}

fn viewing() -> Options {
    let mut options = Options::default();
    options.view_bodies();
    options
}

/// Returns the message as a binding gets it, with copies of its long byte strings, and their number.
fn copied(message: Message) -> (Message, usize) {
    let mut uncopied = Uncopied::new(message);
    let Some(bytes) = uncopied.bytes() else {
        uncopied.copy().unwrap();
        return (uncopied.into_message(), 0);
    };
    let copy = |(number, length)| {
        let mut copy = vec![MaybeUninit::new(0); length];
        bytes.copy_to(number, &mut copy);
        // SAFETY: all are initialised.
        Bytes::from(copy.into_iter().map(|byte| unsafe { byte.assume_init() }).collect::<Vec<u8>>())
    };
    let copies: Vec<Bytes> = bytes.lengths().into_iter().enumerate().map(copy).collect();
    (uncopied.with_copies(bytes, copies.clone()), copies.len())
}

/// Long byte strings stay in the slot, wherever they are in the value. Everything else is copied.
#[test]
fn byte_strings_are_left_in_their_slot_for_a_binding_that_copies_them() {
    let bytes = |seed: u8, length| Value::Bytes(Bytes::from(vec![seed; length]));
    let frame = Value::map([("frame", bytes(1, MIB)), ("t", Value::from(1.5))]);
    let pair_of_frames = Value::Array(vec![bytes(2, 40_000), Value::from("between"), bytes(3, 50_000)]);
    for encoding in [Encoding::Cbor, Encoding::Raw, Encoding::Smile] {
        let mut options = viewing();
        options.encoding = encoding;
        let (one, two) = pair_with(&options, &Value::Bytes(Bytes::new()));
        for value in values().into_iter().rev().chain([frame.clone(), pair_of_frames.clone()]) {
            let is_bytes = matches!(value, Value::Bytes(_));
            if encoding == Encoding::Raw && !is_bytes {
                continue;
            }
            let expected = match &value {
                Value::Bytes(_) => 1,
                value if *value == frame => 1,
                value if *value == pair_of_frames => 2,
                // The fourth has more text and structure around its bytes.
                _ => 0,
            };
            for _ in 0..6 {
                one.send(&value, SOON).unwrap();
                let encoded = one.encode(&value).unwrap();
                let (message, count) = copied(two.recv(SOON).unwrap());
                assert_eq!(count, if encoding == Encoding::Smile { 0 } else { expected });
                assert_eq!(message.walk_into(ValueBuilder::new()).unwrap().finish().unwrap(), value);
                assert_eq!((message.value().unwrap(), message.get("").unwrap()), (&value, &value));
                assert!(!is_shared(message.body()) && message.body() == encoded.body());
            }
        }
        // Short messages, and messages that a copying call reads, are ordinary.
        one.send(&bytes(2, 10), SOON).unwrap();
        assert_eq!(copied(two.recv(SOON).unwrap()).1, 0);
        one.send(&bytes(4, LONG), SOON).unwrap();
        let mut into = vec![0; 2 * LONG];
        assert!(two.recv_into(&mut into, SOON).unwrap().length >= LONG && into[100] == 4);
        assert_eq!(two.try_recv().err().unwrap().kind(), ErrorKind::Empty);
        assert_eq!(bodies(&one.stats()).1, 0);
    }
}

/// The same for replies, batches, messages kept for another call, and publications.
#[test]
fn byte_strings_are_left_in_their_slot_in_every_pattern() {
    let frame = |seed: u8| {
        Value::map([("frame", Value::Bytes(Bytes::from(vec![seed; MIB]))), ("seed", Value::from(seed))])
    };
    let (one, two) = pair(&viewing());
    for seed in 0..3 {
        one.send(&frame(seed), SOON).unwrap();
    }
    let several = two.recv_many(10, SOON).unwrap();
    assert_eq!(several.len(), 3);
    for (seed, message) in (0..3).zip(several) {
        let (message, count) = copied(message);
        assert_eq!((message.value().unwrap(), count), (&frame(seed), 1));
    }
    thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let request = two.recv(SOON).unwrap();
            assert_eq!(request.value().unwrap(), &frame(4), "a request is examined by its server");
            two.send(&frame(5), SOON).unwrap();
            two.reply(&request, &frame(6), SOON).unwrap();
        });
        let (reply, count) = copied(one.call(&frame(4), SOON).unwrap());
        assert_eq!((reply.value().unwrap(), count), (&frame(6), 1));
        answering.join().unwrap();
    });
    let (kept, count) = copied(one.recv(SOON).unwrap());
    assert_eq!((kept.value().unwrap(), count), (&frame(5), 1));
    assert_eq!(bodies(&two.stats()), (2, 0));

    let publisher = Publisher::new(&name("shm"), &Options::default()).unwrap();
    let subscribers = [(); 2].map(|()| Subscriber::new(publisher.endpoint(), &viewing()).unwrap());
    let mut viewed = 0;
    for seed in 0..40 {
        publisher.send(&frame(seed)).unwrap();
        for subscriber in &subscribers {
            let message = match seed % 2 {
                0 => subscriber.recv(SOON).unwrap(),
                _ => subscriber.recv_many(3, SOON).unwrap().remove(0),
            };
            let (message, count) = copied(message);
            assert_eq!(message.value().unwrap(), &frame(seed));
            assert!(!is_shared(message.body()));
            viewed += count;
        }
        let newest = latest(publisher.endpoint(), &viewing(), SOON).unwrap();
        assert_eq!(copied(newest).0.value().unwrap(), &frame(seed));
    }
    assert_eq!((viewed, bodies(&publisher.stats()).1), (80, 0));
    // As many as may be viewed, and one more, which is a copy.
    let kept = [(); 5].map(|()| {
        publisher.send(&frame(9)).unwrap();
        subscribers[0].recv(SOON).unwrap()
    });
    let counts = kept.map(|message| copied(message).1);
    assert_eq!(counts, [1, 1, 1, 1, 0]);
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
        // A short message, which the server does not count as a body.
        client.call(&Value::from(1), SOON).unwrap();
        assert_eq!(serving.join().unwrap(), (20, 0));
    });
}

#[test]
fn long_message_of_any_content_is_published_by_a_slot() {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscribers = [(); 2].map(|()| Subscriber::new(&endpoint, &Options::default()).unwrap());
    let mut sent = 0;
    for value in values() {
        for _ in 0..5 {
            sent += 1;
            assert_eq!(publisher.send(&value).unwrap(), sent);
            for subscriber in &subscribers {
                let message = subscriber.recv(SOON).unwrap();
                assert!(!is_shared(message.body()), "it is examined where the publisher cannot write");
                assert_eq!((message.sequence(), message.value().unwrap()), (sent, &value));
            }
        }
        // Also late subscribers, and single readers.
        let late = Subscriber::new(&endpoint, &Options::default()).unwrap().recv(SOON).unwrap();
        assert_eq!((late.sequence(), late.value().unwrap()), (sent, &value));
        let newest = latest(&endpoint, &Options::default(), SOON).unwrap();
        assert_eq!((newest.sequence(), newest.value().unwrap()), (sent, &value));
    }
    let bytes: Vec<u8> = (0..2 * MIB).map(|i| (i / 3) as u8).collect();
    for length in [LONG, 100_003, 2 * MIB] {
        let payload = Payload::from_bytes(Encoding::Raw, Bytes::copy_from_slice(&bytes[..length]));
        // Published repeatedly, singly and in a batch.
        for _ in 0..3 {
            publisher.send_payload(&payload).unwrap();
            publisher.send_payloads(&[payload.clone(), payload.clone()]).unwrap();
            for _ in 0..3 {
                sent += 1;
                for subscriber in &subscribers {
                    let message = subscriber.recv(SOON).unwrap();
                    assert!(message.sequence() == sent && message.body()[..] == bytes[..length], "{length}");
                }
            }
        }
    }
    assert_eq!(bodies(&publisher.stats()), (sent, 0));
}

/// Subscribers keep views of arrays in all slots.
#[test]
fn published_body_without_a_free_slot_goes_through_the_ring_and_is_counted() {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &limited(MIB)).unwrap();
    let without_slot = || publisher.stats().at("arrays_without_slot").unwrap().as_u64().unwrap();
    let array = Value::NdArray(NdArray::vector(&vec![7u64; MIB / 16]));
    let mut held = Vec::new();
    while without_slot() == 0 {
        // Each views at most its share.
        let subscriber = Subscriber::new(&endpoint, &limited(MIB)).unwrap();
        for _ in 0..4 {
            publisher.send(&array).unwrap();
            let mut message = subscriber.recv(SOON).unwrap();
            while message.sequence() < publisher.stats().at("sent").unwrap().as_u64().unwrap() {
                message = subscriber.recv(SOON).unwrap();
            }
            held.push(message);
        }
        assert!(held.len() < 100);
    }
    let subscriber = Subscriber::new(&endpoint, &limited(MIB)).unwrap();
    drop(subscriber.recv(SOON).unwrap());
    let payload = Payload::from_bytes(Encoding::Raw, vec![5; MIB - 100].into());
    let (_, before) = bodies(&publisher.stats());
    publisher.send_payload(&payload).unwrap();
    assert!(subscriber.recv(SOON).unwrap().body()[..] == payload.body()[..]);
    assert_eq!(bodies(&publisher.stats()).1, before + 1);
    held.clear();
    let (in_slots, without) = bodies(&publisher.stats());
    publisher.send_payload(&payload).unwrap();
    assert!(subscriber.recv(SOON).unwrap().body()[..] == payload.body()[..]);
    assert_eq!(bodies(&publisher.stats()), (in_slots + 1, without));
}

/// A slow subscriber gets a whole message or the number of missed ones.
#[test]
fn subscriber_that_long_messages_overtake_gets_the_number_of_those_missed() {
    const MESSAGES: u64 = 300;
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=MESSAGES {
                let bytes = vec![number as u8; LONG + 8 * number as usize];
                publisher.send_payload(&Payload::from_bytes(Encoding::Raw, bytes.into())).unwrap();
            }
        });
        let mut last = 0;
        while last < MESSAGES {
            match subscriber.recv(SOON) {
                Ok(message) => {
                    last += 1;
                    assert_eq!(message.sequence(), last);
                    assert!(message.body()[..] == vec![last as u8; LONG + 8 * last as usize][..], "{last}");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Lagged, "{error}");
                    last += error.missed().unwrap();
                }
            }
        }
        assert_eq!(last, MESSAGES);
    });
}

/// The receiver keeps views of arrays in all slots.
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

/// The slot for such a body has only the room of the longest message: the peer refuses a longer file.
#[test]
fn message_near_the_longest_one_arrives_however_it_is_written() {
    for limit in [MIB, 1_000_000, 1_049_576, 4 * MIB] {
        for short in [0, 1, 5, 100, 4_096, 20_000, 66_000, 80_000, 140_000, 200_000] {
            // Bytes and text have a prefix of five bytes; the map has three more entries.
            let bytes = |length| Value::Bytes(Bytes::from(vec![7; length]));
            let half = (limit - short - 40) / 2;
            let map = Value::map([("a", bytes(half)), ("b", Value::from("t".repeat(half))), ("c", 1.into())]);
            let (length, options) = (limit - short - 5, limited(limit));
            for value in [bytes(length), Value::from("t".repeat(length)), map] {
                let (one, two) = pair(&options);
                for (from, to) in [(&one, &two), (&two, &one), (&one, &two)] {
                    from.send(&value, SOON).unwrap();
                    assert_eq!(to.recv(SOON).unwrap().value().unwrap(), &value, "{short} less than {limit}");
                }
                assert_eq!(bodies(&one.stats()), (2, 0), "{short} less than {limit}");
            }
        }
    }
}

#[test]
fn request_and_reply_near_the_longest_message_arrive() {
    let options = limited(MIB);
    let name = name("shm");
    let server = Server::serve(&name, &options).unwrap();
    let lengths = || [0, 100, 4_096, 66_000].into_iter().map(|short| MIB - 5 - short);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in lengths() {
                let request = server.next(SOON).unwrap().unwrap();
                request.reply(request.value().unwrap()).unwrap();
            }
        });
        let client = Channel::connect(&name, &options, SOON).unwrap();
        for length in lengths() {
            let value = Value::Bytes(Bytes::from(vec![7; length]));
            assert_eq!(client.call(&value, SOON).unwrap().value().unwrap(), &value, "{length}");
        }
    });
}

#[test]
fn body_above_the_limit_is_refused_and_leaves_the_channel_whole() {
    let (one, two) = pair(&limited(MIB));
    let refused = one.send_bytes(Encoding::Raw, &vec![1; MIB + 1], SOON).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    one.send_bytes(Encoding::Raw, &vec![2; MIB], SOON).unwrap();
    assert!(two.recv(SOON).unwrap().body()[..] == vec![2; MIB][..]);
}

fn mapped_slots() -> usize {
    slot_files().1
}

/// Returns the bytes of all mapped slot files of this process, and the number of mappings.
fn slot_files() -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let (mut files, mut count) = (BTreeMap::new(), 0);
    for line in maps.lines().filter(|line| line.contains("linkspan-slot")) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (from, to) = fields[0].split_once('-').unwrap();
        let address = |text| usize::from_str_radix(text, 16).unwrap();
        files.insert(fields[4].to_owned(), address(to) - address(from));
        count += 1;
    }
    (files.values().sum(), count)
}

fn own_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    1024 * line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
}

/// Both sides together hold the slot, and the receiver's copy. Many messages need no more than a few.
#[test]
fn long_message_under_way_takes_its_slot_and_one_copy() {
    crate::support::alone::alone!(long_message_under_way_takes_its_slot_and_one_copy);
    let (one, two) = pair(&Options::default());
    let bytes = vec![6; MIB];
    let payload = Payload::from_bytes(Encoding::Raw, bytes.clone().into());
    let exchange = |times: usize| {
        for time in 0..times {
            match time % 2 {
                0 => one.send_bytes(Encoding::Raw, &bytes, SOON).unwrap(),
                _ => one.send_payload(&payload, SOON).unwrap(),
            };
            assert_eq!(two.recv(SOON).unwrap().body().len(), MIB);
        }
    };
    let before = own_memory();
    one.send_bytes(Encoding::Raw, &bytes, SOON).unwrap();
    let message = two.recv(SOON).unwrap();
    let held = slot_files().0 + own_memory().saturating_sub(before);
    assert!(held <= 22 * MIB / 10, "{held} bytes");
    drop(message);
    exchange(10);
    let few = (slot_files(), own_memory());
    exchange(10_000);
    let many = (slot_files(), own_memory());
    assert_eq!(many.0, few.0, "files of slots");
    // The counters of the kernel are exact to some pages for each thread.
    assert!(many.1 <= few.1 + MIB / 4, "{many:?} after many, {few:?} after a few");
}

/// A publisher whose subscribers have read everything needs two slots, one for the newest message.
///
/// For a slow subscriber it keeps as many messages as its ring would, at least three, and one slot more. Neither more
/// messages nor more subscribers change the files.
#[test]
fn publisher_with_several_subscribers_holds_two_slots_or_its_history_and_one_slot_more() {
    crate::support::alone::alone!(
        publisher_with_several_subscribers_holds_two_slots_or_its_history_and_one_slot_more
    );
    let publisher = Publisher::new(&name("shm"), &Options::default()).unwrap();
    let subscribe = || Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
    let payload = Payload::from_bytes(Encoding::Raw, vec![6; MIB].into());
    let exchange = |subscribers: &[Subscriber], times: usize| {
        for _ in 0..times {
            publisher.send_payload(&payload).unwrap();
            for subscriber in subscribers {
                assert_eq!(subscriber.recv(SOON).unwrap().body().len(), MIB);
            }
        }
        (slot_files().0, own_memory())
    };
    let mut subscribers = vec![subscribe()];
    let (few, _) = exchange(&subscribers, 10);
    // A subscriber's position may reach the publisher a message late, which then takes slots of its history.
    assert!(few <= SLOTS_OF_A_PUBLISHER * (MIB + 4096), "{few} bytes of slots");
    subscribers.extend((0..3).map(|_| subscribe()));
    let idle = subscribe();
    let (_, before) = exchange(&subscribers, 10);
    let (many, after) = exchange(&subscribers, 300);
    assert_eq!(many, SLOTS_OF_A_PUBLISHER * (MIB + 4096), "bytes of slots");
    assert!(after <= before + MIB / 4, "{after} bytes after many messages, {before} after a few");
    assert_eq!(idle.recv(SOON).unwrap_err().kind(), ErrorKind::Lagged);
    assert_eq!(bodies(&publisher.stats()), (320, 0));
}

/// A dialogue takes one or two slots for each side.
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

#[test]
fn messages_whose_slots_were_written_again_are_one_loss() {
    const COUNT: u64 = 40;
    let long = Value::from("x".repeat(100_000));
    let array = Value::NdArray(NdArray::vector(&[0.5; 12_500]));
    for what in [long, array] {
        let name = name("shm");
        let publisher = Publisher::new(&name, &Options::default()).unwrap();
        let subscriber = Subscriber::new(&name, &Options::default()).unwrap();
        publisher.send(&Value::from(0)).unwrap();
        subscriber.recv(SOON).unwrap();
        for _ in 0..COUNT {
            publisher.send(&what).unwrap();
        }
        let (mut losses, mut got, mut last) = (Vec::new(), 0, 0);
        while last < 1 + COUNT {
            match subscriber.recv(SOON) {
                Ok(message) => (got, last) = (got + 1, message.sequence()),
                Err(e) if e.kind() == ErrorKind::Lagged => losses.push(e.missed().unwrap()),
                Err(e) => panic!("{e}"),
            }
        }
        assert!(losses.len() == 1 && got + losses[0] == COUNT, "{got} came, lost were {losses:?}");
    }
}

/// An allocator keeps no freed memory for such long blocks.
fn without_memory() -> [Value; 3] {
    let array = NdArray::vector(&vec![0.5f64; 6 * MIB]);
    let truths = NdArray { dtype: linkspan::DType::Bool, ..NdArray::vector(&vec![1u8; 48 * MIB]) };
    let texts = (0..200_000).map(|i| Value::from(format!("{i:0200}"))).collect();
    [Value::NdArray(array), Value::NdArray(truths), Value::Array(texts)]
}

fn encoded_with(room: u64, value: &Value, encoding: Encoding) -> linkspan::Result<usize> {
    let before = getrlimit(Resource::As);
    let used = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = used.split(' ').next().unwrap().parse().unwrap();
    let most = pages * 4096 + room * MIB as u64;
    setrlimit(Resource::As, Rlimit { current: Some(most), maximum: before.maximum }).unwrap();
    let encoded = Payload::new(value, encoding, &linkspan::value::Limits::default());
    setrlimit(Resource::As, before).unwrap();
    encoded.map(|payload| payload.len())
}

#[test]
fn value_grows_by_what_it_needs_without_memory_for_twice_its_length() {
    crate::support::alone::alone!(value_grows_by_what_it_needs_without_memory_for_twice_its_length);
    let [array, _, texts] = without_memory();
    assert!(encoded_with(60, &array, Encoding::Cbor).unwrap() > 48 * MIB);
    for encoding in [Encoding::Cbor, Encoding::Json, Encoding::Bson, Encoding::Smile] {
        assert!(encoded_with(56, &texts, encoding).unwrap() > 40_000_000);
    }
}

#[test]
fn value_without_memory_for_its_encoding_is_an_error_and_ends_no_program() {
    crate::support::alone::alone!(value_without_memory_for_its_encoding_is_an_error_and_ends_no_program);
    let [array, truths, texts] = without_memory();
    let cases = [
        (40, &array, Encoding::Cbor),
        (40, &truths, Encoding::Cbor),
        (20, &texts, Encoding::Cbor),
        (20, &texts, Encoding::Json),
        (20, &texts, Encoding::Bson),
        (20, &texts, Encoding::Smile),
        (40, &array, Encoding::Bson),
        (40, &array, Encoding::Smile),
    ];
    for (room, value, encoding) in cases {
        let refused = encoded_with(room, value, encoding).expect_err(encoding.name());
        assert_eq!(refused.kind(), ErrorKind::OutOfMemory, "{refused}");
        assert!(refused.to_string().contains("no memory for"), "{refused}");
    }
}

/// The memory taken for a body of the previous length is too short: the body moves once.
#[test]
fn body_much_shorter_than_the_two_before_it_is_encoded_as_any_other() {
    let text =
        |bytes: usize| Value::map([("text", Value::from("t".repeat(bytes))), ("behind", Value::from(1))]);
    for encoding in [Encoding::Cbor, Encoding::Json, Encoding::Bson, Encoding::Smile] {
        let mut options = Options::default();
        options.encoding = encoding;
        let (one, two) = pair(&options);
        for bytes in [900_000, 900_000, 120_000, 900_000, 900_000, 100_000, 70_000, 900_000] {
            let value = text(bytes);
            one.send(&value, SOON).unwrap();
            let message = two.recv(SOON).unwrap();
            let plain = Payload::new(&value, encoding, &linkspan::value::Limits::default()).unwrap();
            assert!(message.body() == plain.body(), "{encoding:?}, {bytes}: {} bytes", message.body().len());
        }
        assert_eq!(bodies(&one.stats()), (8, 0));
    }
}

/// Growing, shrinking and constant lengths; an array after a long structure is still viewed.
#[test]
fn bodies_that_are_encoded_into_slots_are_those_of_any_other_memory() {
    let array = Value::NdArray(NdArray::vector(&vec![0.5f64; 20_000]));
    for encoding in [Encoding::Cbor, Encoding::Json, Encoding::Bson, Encoding::Smile] {
        let mut options = Options::default();
        options.encoding = encoding;
        let (one, two) = pair(&options);
        let mut arrays = 0;
        let counts =
            [3_000, 30_000, 30_000, 30_100, 30_200, 60_000, 30_000, 3_000, 3_000, 60_000, 60_000, 61_000];
        for (round, count) in counts.into_iter().enumerate() {
            let items = (0..count).map(|i| Value::from(format!("item {i}"))).collect();
            let text = Value::from("é".repeat(if round % 3 == 0 { 50_000 } else { 30 }));
            let mut entries =
                vec![("items", Value::Array(items)), ("text", text), ("more", Value::from(round as u64))];
            if round % 4 == 3 && encoding == Encoding::Cbor {
                entries.push(("array", array.clone()));
                arrays += 1;
            }
            let value = Value::map(entries);
            let plain = Payload::new(&value, encoding, &linkspan::value::Limits::default()).unwrap();
            let payload = one.encode(&value).unwrap();
            assert!(payload.body() == plain.body(), "{encoding:?}, {round}");
            drop(payload);
            one.send(&value, SOON).unwrap();
            assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &value, "{encoding:?}, {round}");
        }
        let stats = one.stats();
        let counted = |name| stats.at(name).unwrap().as_u64().unwrap();
        assert_eq!((counted("arrays_in_slots"), counted("arrays_without_slot")), (2 * arrays, 0));
    }
}
