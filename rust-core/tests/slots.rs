//! Long arrays over shared memory: elements lie in shared slots, and are viewed there.

use std::thread;

use linkspan::{Channel, DType, ErrorKind, Listener, Message, NdArray, Options, Order, Value};

use crate::support::{SOON, name, short_or_full};

const LONG: usize = 64 << 10;

fn options() -> Options {
    Options::default()
}

fn limited(limit: u64) -> Options {
    let mut options = options();
    options.max_message_size = limit;
    options
}

fn pair() -> (Channel, Channel) {
    pair_with(options(), options())
}

fn pair_with(one: Options, two: Options) -> (Channel, Channel) {
    let name = name("shm");
    let listener = Listener::listen(&name, &one).unwrap();
    let dialling = thread::spawn({
        let name = name.clone();
        move || Channel::connect(&name, &two, SOON).unwrap()
    });
    let accepted = listener.accept(SOON).unwrap();
    (dialling.join().unwrap(), accepted)
}

pub fn numbers(seed: u64, bytes: usize) -> Vec<u64> {
    (0..bytes as u64 / 8).map(|i| seed << 32 | i).collect()
}

fn array(seed: u64, bytes: usize) -> Value {
    Value::NdArray(NdArray::vector(&numbers(seed, bytes)))
}

fn stat(channel: &Channel, name: &str) -> u64 {
    channel.stats().at(name).unwrap().as_u64().unwrap()
}

fn elements(message: &Message, path: &str) -> NdArray {
    match message.get(path).unwrap() {
        Value::NdArray(array) => array.clone(),
        other => panic!("{other:?} is no array"),
    }
}

/// Returns whether these bytes lie in a read-only mapping of the peer's memory file.
pub fn is_shared(bytes: &[u8]) -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().any(|line| {
        let (range, rest) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| usize::from_str_radix(text, 16).unwrap());
        (from..to).contains(&bytes.as_ptr().addr())
            && rest.starts_with("r--s")
            && rest.contains("linkspan-slot")
    })
}

/// The first message opens the link; later arrays find its slots.
fn open(one: &Channel, two: &Channel) {
    one.send(&Value::from(0), SOON).unwrap();
    two.recv(SOON).unwrap();
    two.send(&Value::from(0), SOON).unwrap();
    one.recv(SOON).unwrap();
}

#[test]
fn long_array_is_viewed_where_the_sender_put_it() {
    let (one, two) = pair();
    open(&one, &two);
    for seed in 1..=50 {
        let value = Value::map([
            ("before", Value::from("é")),
            ("wave", array(seed, 1 << 20)),
            ("short", array(seed, 64)),
            ("second", array(seed + 1, LONG + 8)),
            ("after", Value::from(seed)),
        ]);
        one.send(&value, SOON).unwrap();
        let message = two.recv(SOON).unwrap();
        let wave = elements(&message, "wave");
        assert!(is_shared(&wave.data) && is_shared(&elements(&message, "second").data));
        assert!(!is_shared(&elements(&message, "short").data));
        assert_eq!(wave.elements::<u64>().unwrap(), numbers(seed, 1 << 20));
        assert_eq!(*message.value().unwrap(), value);
        // Equal to the bytes over any other transport.
        assert_eq!(linkspan::codec::decode(message.body(), message.encoding()).unwrap(), value);
    }
    assert_eq!((stat(&one, "arrays_in_slots"), stat(&one, "arrays_without_slot")), (100, 0));
}

#[test]
fn array_of_each_type_order_and_length_arrives() {
    let (one, two) = pair();
    open(&one, &two);
    for dtype in DType::ALL {
        for extra in [0, 1, 2, 7] {
            let count = (LONG / dtype.size() + extra) as u64;
            let data: Vec<u8> = (0..count * dtype.size() as u64)
                .map(|i| if dtype == DType::Bool { i as u8 & 1 } else { i as u8 })
                .collect();
            for (shape, order) in [(vec![count], Order::Row), (vec![1, count, 2], Order::Column)] {
                let data = data.repeat(if shape.len() == 1 { 1 } else { 2 });
                let array = NdArray { dtype, order, shape, data: data.into() };
                let value = Value::Array(vec![Value::NdArray(array.clone()), Value::NdArray(array)]);
                // Arrays of bool have no slot, and are sent in pieces.
                let message = thread::scope(|scope| {
                    scope.spawn(|| one.send(&value, SOON).unwrap());
                    two.recv(SOON).unwrap()
                });
                assert_eq!(*message.value().unwrap(), value, "{} {order:?}", dtype.name());
            }
        }
    }
}

#[test]
fn views_that_are_held_make_arrays_go_through_the_ring_and_nothing_waits() {
    let limit = 4 << 20;
    let (one, two) = pair_with(limited(limit), limited(limit));
    open(&one, &two);
    let mut held = Vec::new();
    for seed in 0..40 {
        // Longer than the ring: an array without a slot is sent in pieces.
        let sending = thread::scope(|scope| {
            let sending = scope.spawn(|| one.send(&array(seed, 1 << 20), SOON));
            held.push(two.recv(SOON).unwrap());
            sending.join().unwrap()
        });
        sending.unwrap();
    }
    let (slots, none) = (stat(&one, "arrays_in_slots"), stat(&one, "arrays_without_slot"));
    // Twice the longest message.
    assert_eq!((slots, none), (8, 32));
    for (seed, message) in held.iter().enumerate() {
        let Value::NdArray(array) = message.value().unwrap() else { panic!("no array") };
        assert_eq!(array.elements::<u64>().unwrap(), numbers(seed as u64, 1 << 20));
        assert_eq!(is_shared(&array.data), seed < 8);
    }
    let views: Vec<NdArray> = held.iter().map(|message| elements(message, "")).collect();
    drop(held);
    drop((one, two));
    for (seed, view) in views.iter().enumerate() {
        assert_eq!(view.elements::<u64>().unwrap(), numbers(seed as u64, 1 << 20));
    }
}

#[test]
fn slots_are_used_again_once_views_are_dropped() {
    let (one, two) = pair();
    open(&one, &two);
    let mut places = std::collections::HashSet::new();
    for seed in 0..200 {
        one.send(&array(seed, 1 << 20), SOON).unwrap();
        let message = two.recv(SOON).unwrap();
        let view = elements(&message, "");
        places.insert(view.data.as_ptr().addr());
        assert_eq!(view.elements::<u64>().unwrap(), numbers(seed, 1 << 20));
    }
    assert_eq!(stat(&one, "arrays_without_slot"), 0);
    assert!(places.len() <= 16, "{} places", places.len());
}

#[test]
fn array_that_was_sent_twice_is_freed_after_both_views() {
    let (one, two) = pair();
    open(&one, &two);
    let payload = one.encode(&array(7, 1 << 20)).unwrap();
    one.send_payload(&payload, SOON).unwrap();
    one.send_payload(&payload, SOON).unwrap();
    drop(payload);
    let first = elements(&two.recv(SOON).unwrap(), "");
    let second = elements(&two.recv(SOON).unwrap(), "");
    assert_eq!(first.data.as_ptr(), second.data.as_ptr());
    drop(first);
    for seed in 0..20 {
        one.send(&array(seed, 1 << 20), SOON).unwrap();
        two.recv(SOON).unwrap();
    }
    assert_eq!(second.elements::<u64>().unwrap(), numbers(7, 1 << 20));
}

#[test]
fn replay_over_a_new_link_brings_the_array() {
    let name = name("shm");
    let listener = Listener::listen(&name, &options()).unwrap();
    let sender = Channel::connect(&name, &options(), SOON).unwrap();
    let first = listener.accept(SOON).unwrap();
    open(&sender, &first);
    sender.send(&array(1, 1 << 20), SOON).unwrap();
    let view = elements(&first.recv(SOON).unwrap(), "");
    assert!(is_shared(&view.data));
    drop((first, listener));
    let listener = Listener::listen(&name, &options()).unwrap();
    let sending = thread::spawn(move || {
        sender.send(&array(2, 1 << 20), SOON).unwrap();
        sender
    });
    let second = listener.accept(SOON).unwrap();
    for seed in [1, 2] {
        let again = elements(&second.recv(SOON).unwrap(), "");
        assert_eq!(again.elements::<u64>().unwrap(), numbers(seed, 1 << 20));
    }
    drop(sending.join().unwrap());
    assert_eq!(view.elements::<u64>().unwrap(), numbers(1, 1 << 20));
}

#[test]
fn array_above_the_limit_is_refused_and_leaves_the_channel_whole() {
    let (one, two) = pair_with(options(), limited(1 << 20));
    open(&two, &one);
    let refused = two.send(&array(1, 2 << 20), SOON).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    let refused = one.send(&array(1, 2 << 20), SOON).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    one.send(&array(2, 1 << 19), SOON).unwrap();
    assert_eq!(elements(&two.recv(SOON).unwrap(), "").elements::<u64>().unwrap(), numbers(2, 1 << 19));
}

/// A gigabyte with `LINKSPAN_FULL=1`, else a quarter: the kernel's clearing of pages takes the time.
#[test]
fn array_of_a_gigabyte_arrives_as_a_view() {
    let most = short_or_full(1 << 28, 1 << 30);
    let limit = most as u64 + (1 << 20);
    let left = std::fs::read_to_string("/proc/meminfo").unwrap();
    let left = left.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    let left: u64 = left.trim().trim_end_matches(" kB").trim().parse().unwrap();
    // Three times as much is needed; a smaller machine uses its free memory.
    let bytes = most.min(left as usize * 1024 / 6 / LONG * LONG);
    let mut sends = limited(limit);
    sends.replay_bytes = 2 * limit;
    let (one, two) = pair_with(limited(limit), sends);
    open(&one, &two);
    let array = NdArray::vector(&vec![3u8; bytes]);
    one.send(&Value::NdArray(array), SOON).unwrap();
    let view = elements(&two.recv(SOON).unwrap(), "");
    assert!(is_shared(&view.data));
    assert_eq!((view.data.len(), view.data[bytes - 1]), (bytes, 3));
    assert!(view.data.iter().step_by(1021).all(|byte| *byte == 3));
}

/// Arrays are found without the message's tree, with equal results.
#[test]
fn values_of_a_message_with_arrays_are_found_in_any_order() {
    let (one, two) = pair();
    open(&one, &two);
    let value = Value::map([
        ("first", array(1, LONG)),
        ("n", Value::Int(3)),
        ("second", array(2, 2 * LONG)),
        ("a/b", array(3, LONG)),
    ]);
    let paths = ["first", "n", "second", "a~1b", "", "absent", "n/2", "first"];
    for from in 0..paths.len() {
        one.send(&value, SOON).unwrap();
        let message = two.recv(SOON).unwrap();
        for at in (0..2 * paths.len()).map(|step| (from + step * (1 + from % 2)) % paths.len()) {
            let (found, expected) = (message.get(paths[at]), value.at(paths[at]));
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{}", paths[at]),
                (found, expected) => {
                    let [found, expected] = [found.unwrap_err(), expected.unwrap_err()];
                    assert_eq!((found.kind(), found.to_string()), (expected.kind(), expected.to_string()));
                }
            }
        }
        assert_eq!(message.value().unwrap(), &value);
        let kept = elements(&message, "second");
        drop(message);
        assert!(is_shared(&kept.data));
        assert_eq!(*kept.elements::<u64>().unwrap(), numbers(2, 2 * LONG));
    }
    let NdArray { dtype, data, .. } = NdArray::vector(&numbers(4, 2 * LONG));
    let flat = NdArray { dtype, order: Order::Row, shape: vec![LONG as u64 / 4], data: data.clone() };
    let square = NdArray { shape: vec![8, LONG as u64 / 32], ..flat.clone() };
    let half = NdArray { shape: vec![LONG as u64 / 8], data: data.slice(..LONG), ..flat.clone() };
    let value = Value::map([("flat", flat.clone()), ("again", flat), ("square", square), ("half", half)]);
    one.send(&value, SOON).unwrap();
    let message = two.recv(SOON).unwrap();
    for key in ["flat", "square", "again", "half", "flat"] {
        assert_eq!(message.get(key).unwrap(), value.at(key).unwrap(), "{key}");
    }
}
