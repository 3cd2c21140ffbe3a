//! Long byte strings that a program views in the sender's memory (`view_bytes`), in every pattern.

use std::thread;

use bytes::Bytes;
use linkspan::{
    Channel, Encoding, Listener, Message, Options, Publisher, Server, Subscriber, Validate, Value, latest,
};

use linkspan::schema::Schema;

use crate::slots::is_shared;
use crate::support::{SOON, name};

const MIB: usize = 1 << 20;
/// The most views of one publisher's slots that a subscriber has at a time.
const SHARE: usize = 4;

fn viewing() -> Options {
    Options::default().with_view_bytes(true)
}

fn bytes(seed: usize, length: usize) -> Value {
    Value::Bytes(Bytes::from((0..length).map(|i| (i / 7 + seed) as u8).collect::<Vec<u8>>()))
}

fn frame(seed: usize) -> Value {
    Value::map([("seed", Value::from(seed as u64)), ("frame", bytes(seed, MIB)), ("lens", "wide".into())])
}

fn viewed(value: &Value) -> usize {
    match value {
        Value::Bytes(bytes) => usize::from(is_shared(bytes)),
        Value::Map(map) => map.values().map(viewed).sum(),
        Value::Array(values) => values.iter().map(viewed).sum(),
        _ => 0,
    }
}

fn assert_views(message: &Message, value: &Value, strings: usize) {
    let found = message.value().unwrap();
    assert!(found == value, "another value arrived");
    assert_eq!(viewed(found), strings);
}

/// Both ends of a channel in use; the second views.
fn pair(options: &Options) -> (Channel, Channel) {
    let name = name("shm");
    let listener = Listener::listen(&name, &options.clone().with_view_bytes(true)).unwrap();
    let one = Channel::connect(&name, options, SOON).unwrap();
    let two = listener.accept(SOON).unwrap();
    for (from, to) in [(&one, &two), (&two, &one)] {
        // Raw bytes are a value of every encoding here.
        from.send(&Value::Bytes(Bytes::from_static(b"open")), SOON).unwrap();
        to.recv(SOON).unwrap();
    }
    (one, two)
}

fn without_slot(stats: &Value) -> u64 {
    stats.at("bodies_without_slot").unwrap().as_u64().unwrap()
}

#[test]
fn long_byte_strings_stay_in_their_slot_wherever_they_are() {
    let text = || Value::from("é".repeat(40_000));
    let long_text = Value::map([("text", text()), ("bytes", bytes(1, MIB))]);
    let short = Value::map([("short", bytes(1, 9_000)), ("long", bytes(2, 90_000))]);
    let several = Value::Array(vec![bytes(1, 40_000), Value::from("between"), bytes(3, 50_000)]);
    for encoding in Encoding::ALL {
        if encoding == Encoding::Json {
            continue;
        }
        let (one, two) = pair(&Options::default().with_encoding(encoding));
        let views = |count| if matches!(encoding, Encoding::Cbor | Encoding::Raw) { count } else { 0 };
        for _ in 0..6 {
            one.send(&bytes(7, MIB), SOON).unwrap();
            let message = two.recv(SOON).unwrap();
            assert_views(&message, &bytes(7, MIB), views(1));
            assert!(!is_shared(message.body()), "a program may parse it");
            drop(message);
            if encoding == Encoding::Raw {
                continue;
            }
            // The last has too much data around the bytes for a view.
            for (value, count) in [(&frame(3), 1), (&short, 1), (&several, 2), (&long_text, 0)] {
                one.send(value, SOON).unwrap();
                let message = two.recv(SOON).unwrap();
                assert_views(&message, value, views(count));
                assert_eq!(message.body(), one.encode(value).unwrap().body());
                let mut other = 0;
                let by_path = message.get("frame").ok();
                other += by_path.map_or(0, viewed);
                assert!(other <= views(1));
            }
        }
        assert_eq!(without_slot(&one.stats()), 0, "every message has given its slot back");
    }
}

#[test]
fn byte_strings_are_viewed_in_every_pattern() {
    let (one, two) = pair(&Options::default());
    for seed in 0..3 {
        one.send(&frame(seed), SOON).unwrap();
    }
    for (seed, message) in two.recv_many(10, SOON).unwrap().iter().enumerate() {
        assert_views(message, &frame(seed), 1);
    }
    // A call that copies into memory of the program, and the next one.
    one.send(&bytes(9, MIB), SOON).unwrap();
    let mut into = vec![0; 2 * MIB];
    assert!(two.recv_into(&mut into, SOON).unwrap().length > MIB);
    one.send(&bytes(10, MIB), SOON).unwrap();
    assert_views(&two.recv(SOON).unwrap(), &bytes(10, MIB), 1);

    let server = Server::serve(&name("shm"), &viewing()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            server.next(SOON).unwrap().unwrap().reply(&Value::Null).unwrap();
            for seed in 0..8 {
                let request = server.next(SOON).unwrap().unwrap();
                assert_eq!(request.value().unwrap(), &frame(seed));
                assert_eq!(viewed(request.value().unwrap()), 1, "request {seed}");
                request.reply(&frame(seed + 1)).unwrap();
            }
        });
        let client = Channel::connect(server.endpoint(), &viewing(), SOON).unwrap();
        client.call(&Value::Null, SOON).unwrap();
        for seed in 0..8 {
            assert_views(&client.call(&frame(seed), SOON).unwrap(), &frame(seed + 1), 1);
        }
    });

    let publisher = Publisher::new(&name("shm"), &Options::default()).unwrap();
    let one = Subscriber::new(publisher.endpoint(), &viewing()).unwrap();
    let other = Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
    for seed in 0..40 {
        publisher.send(&frame(seed)).unwrap();
        assert_views(&one.recv(SOON).unwrap(), &frame(seed), 1);
        assert_views(&other.recv(SOON).unwrap(), &frame(seed), 0);
        // A single reader lacks a page for its view.
        assert_views(&latest(publisher.endpoint(), &viewing(), SOON).unwrap(), &frame(seed), 0);
    }
    assert_eq!(without_slot(&publisher.stats()), 0);
}

/// A subscriber that keeps them forever has four, and the publisher continues.
#[test]
fn kept_views_stay_as_they_are_and_further_ones_are_copies() {
    let publisher = Publisher::new(&name("shm"), &Options::default()).unwrap();
    let subscriber = Subscriber::new(publisher.endpoint(), &viewing()).unwrap();
    let mut kept = Vec::new();
    for seed in 0..60 {
        publisher.send(&frame(seed)).unwrap();
        let message = subscriber.recv(SOON).unwrap();
        assert_views(&message, &frame(seed), usize::from(seed < SHARE));
        kept.push(message.get("frame").unwrap().clone());
    }
    assert!(kept.iter().enumerate().all(|(seed, value)| *value == bytes(seed, MIB)));
    assert_eq!(without_slot(&publisher.stats()), 0);
    kept.clear();
    publisher.send(&frame(100)).unwrap();
    assert_views(&subscriber.recv(SOON).unwrap(), &frame(100), 1);
    publisher.send(&frame(101)).unwrap();
    let last = subscriber.recv(SOON).unwrap();
    publisher.close(SOON).unwrap();
    drop((publisher, subscriber));
    assert_views(&last, &frame(101), 1);
}

/// A receiver that keeps more than there are slots gets the rest in pieces: nobody waits for a slot.
#[test]
fn channel_goes_on_when_all_slots_are_viewed() {
    let (one, two) = pair(&Options::default().with_max_message_size(4 << 20));
    let mut kept: Vec<Message> = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| (0..40).for_each(|seed| assert!(one.send(&frame(seed), SOON).is_ok())));
        kept.extend((0..40).map(|_| two.recv(SOON).unwrap()));
    });
    let views: usize = kept.iter().map(|message| viewed(message.value().unwrap())).sum();
    assert!((1..40).contains(&views), "{views} of 40");
    assert!(kept.iter().enumerate().all(|(seed, message)| message.value().unwrap() == &frame(seed)));
    let without = without_slot(&one.stats());
    assert!(without > 0);
    kept.clear();
    for seed in 0..40 {
        one.send(&frame(seed), SOON).unwrap();
        assert_views(&two.recv(SOON).unwrap(), &frame(seed), 1);
    }
    assert_eq!(without_slot(&one.stats()), without);
}

/// The check against a schema decodes values, and so copies them; other transports lack slots.
#[test]
fn bytes_are_copies_where_they_are_checked_and_over_other_transports() {
    let fields = [("seed", "u64"), ("frame", "bytes"), ("lens", "text")]
        .map(|(field, of)| format!("[fields.{field}]\ntype = \"{of}\"\n"));
    let schema = Schema::parse(&format!("name = \"frame\"\n{}", fields.concat())).unwrap();
    let with_schema = |options: Options| options.with_schema(schema.clone());
    let publisher = Publisher::new(&name("shm"), &with_schema(Options::default())).unwrap();
    let checked = with_schema(viewing()).with_validate(Validate::Receive);
    let subscriber = Subscriber::new(publisher.endpoint(), &checked).unwrap();
    publisher.send(&frame(1)).unwrap();
    assert_views(&subscriber.recv(SOON).unwrap(), &frame(1), 0);
    for transport in ["unix", "tcp"] {
        let publisher = Publisher::new(&name(transport), &Options::default()).unwrap();
        let subscriber = Subscriber::new(publisher.endpoint(), &viewing()).unwrap();
        subscriber.poll().unwrap();
        publisher.wait_for_subscribers(1, SOON).unwrap();
        publisher.send(&frame(1)).unwrap();
        assert_views(&subscriber.recv(SOON).unwrap(), &frame(1), 0);
    }
}
