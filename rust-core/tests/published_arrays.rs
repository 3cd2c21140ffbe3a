//! Long arrays published over shared memory: they lie in slots that all subscribers view, and no view
//! changes.

use std::time::{Duration, Instant};

use linkspan::{DType, ErrorKind, Message, NdArray, Options, Order, Publisher, Subscriber, Value, latest};

use crate::slots::{is_shared, numbers};
use crate::support::{SOON, name};

const MIB: usize = 1 << 20;
/// The most views of one publisher's slots that a subscriber has.
const SHARE: usize = 4;

fn limited(limit: usize) -> Options {
    let mut options = Options::default();
    options.max_message_size = limit as u64;
    options
}

fn stat(publisher: &Publisher, name: &str) -> u64 {
    publisher.stats().at(name).unwrap().as_u64().unwrap()
}

fn arrays(publisher: &Publisher) -> (u64, u64) {
    (stat(publisher, "arrays_in_slots"), stat(publisher, "arrays_without_slot"))
}

fn array(seed: u64, bytes: usize) -> Value {
    Value::NdArray(NdArray::vector(&numbers(seed, bytes)))
}

fn received(message: &Message) -> NdArray {
    match message.value().unwrap() {
        Value::NdArray(array) => array.clone(),
        other => panic!("{other:?} is no array"),
    }
}

fn assert_is(array: &NdArray, seed: u64, bytes: usize) {
    let elements = array.elements::<u64>().unwrap();
    assert_eq!((elements[0], elements.len()), (seed << 32, bytes / 8), "the array of {seed}");
    assert!(elements[..] == numbers(seed, bytes)[..], "the array of {seed} has elements of another");
}

fn opened(options: &Options) -> (Publisher, String) {
    let publisher = Publisher::new(&name("shm"), options).unwrap();
    let endpoint = publisher.endpoint().to_owned();
    (publisher, endpoint)
}

#[test]
fn loan_is_viewed_by_all_subscribers_where_it_was_written() {
    let (publisher, endpoint) = opened(&limited(4 * MIB));
    let subscribers: Vec<_> =
        (0..2).map(|_| Subscriber::new(&endpoint, &limited(4 * MIB)).unwrap()).collect();
    for seed in 0..20u64 {
        let mut loan = publisher.loan::<u64>(&[2, MIB as u64 / 16]).unwrap();
        assert!(loan.is_shared(), "{seed}");
        loan.copy_from_slice(&numbers(seed, MIB));
        assert_eq!(publisher.send(&Value::from(loan)).unwrap(), seed + 1);
        for subscriber in &subscribers {
            let array = received(&subscriber.recv(SOON).unwrap());
            assert_eq!((array.dtype, array.order), (DType::U64, Order::Row));
            assert_eq!(array.shape[..], [2, MIB as u64 / 16]);
            assert!(is_shared(&array.data), "{seed}");
            assert_is(&array, seed, MIB);
        }
    }
    assert_eq!(arrays(&publisher), (20, 0));
}

/// The elements of such a part begin anywhere in the slot's file, even unaligned.
#[test]
fn part_of_a_published_array_is_published_in_place_and_viewed_or_copied() {
    let (publisher, endpoint) = opened(&limited(4 * MIB));
    let subscriber = Subscriber::new(&endpoint, &limited(4 * MIB)).unwrap();
    let mut loan = publisher.loan::<u8>(&[MIB as u64]).unwrap();
    loan.iter_mut().enumerate().for_each(|(i, byte)| *byte = i as u8);
    let Value::NdArray(whole) = Value::from(loan) else { panic!("a loan is an array") };
    let mut views = Vec::new();
    for from in 1..=4 * SHARE {
        let data = whole.data.slice(from..);
        let part = NdArray { shape: vec![data.len() as u64], data: data.clone(), ..whole.clone() };
        publisher.send(&Value::NdArray(part)).unwrap();
        let array = received(&subscriber.recv(SOON).unwrap());
        assert!(array.data == data, "the elements from {from} on");
        views.push(array);
    }
    assert_eq!([0, 4 * SHARE - 1].map(|i| is_shared(&views[i].data)), [true, false], "viewed, then copied");
    assert_eq!(arrays(&publisher), (4 * SHARE as u64, 0));
}

#[test]
fn array_that_was_not_loaned_is_written_to_a_slot_and_short_ones_are_not() {
    let (publisher, endpoint) = opened(&Options::default());
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    for seed in 0..50 {
        let message = Value::Map(
            [
                ("before".to_owned(), Value::from(seed)),
                ("long".to_owned(), array(seed, 64 << 10)),
                ("short".to_owned(), array(seed + 1, 1 << 10)),
                ("longer".to_owned(), array(seed + 2, 300_000)),
            ]
            .into_iter()
            .collect(),
        );
        publisher.send(&message).unwrap();
        let got = subscriber.recv(SOON).unwrap();
        assert_eq!(got.value().unwrap(), &message);
        let shared = |name: &str| match got.get(name).unwrap() {
            Value::NdArray(array) => is_shared(&array.data),
            other => panic!("{other:?} is no array"),
        };
        assert_eq!(["long", "short", "longer"].map(shared), [true, false, true], "{seed}");
    }
    assert_eq!(arrays(&publisher), (100, 0));
}

#[test]
fn views_stay_unchanged_while_the_publisher_continues() {
    let (publisher, endpoint) = opened(&limited(MIB));
    let subscriber = Subscriber::new(&endpoint, &limited(MIB)).unwrap();
    let mut held = Vec::new();
    for seed in 0..100 {
        publisher.send(&array(seed, 200_000)).unwrap();
        let array = received(&subscriber.recv(SOON).unwrap());
        assert_eq!(is_shared(&array.data), held.len() < SHARE, "{seed}");
        assert_is(&array, seed, 200_000);
        if held.len() < SHARE {
            held.push(array);
        }
    }
    for (seed, array) in (0..).zip(&held) {
        assert_is(array, seed, 200_000);
    }
    assert_eq!(arrays(&publisher), (100, 0), "there are more slots than one subscriber views");
    held.clear();
    publisher.send(&array(1000, 200_000)).unwrap();
    assert!(is_shared(&received(&subscriber.recv(SOON).unwrap()).data));
}

/// The larger ring has a new page without views.
#[test]
fn views_count_over_all_connections_to_a_publisher() {
    let (publisher, endpoint) = opened(&limited(4 * MIB));
    let subscriber = Subscriber::new(&endpoint, &limited(4 * MIB)).unwrap();
    let next = |seed| {
        publisher.send(&array(seed, 200_000)).unwrap();
        let array = received(&subscriber.recv(SOON).unwrap());
        assert_is(&array, seed, 200_000);
        array
    };
    let mut held: Vec<_> = (0..SHARE as u64).map(next).collect();
    assert!(held.iter().all(|array| is_shared(&array.data)));
    publisher.send(&Value::Bytes(vec![7; 2 * MIB].into())).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().sequence(), SHARE as u64 + 1);
    assert!(!is_shared(&next(100).data), "it views {SHARE} arrays already");
    held.pop();
    assert!(is_shared(&next(101).data));
    (0..).zip(&held).for_each(|(seed, array)| assert_is(array, seed, 200_000));
}

#[test]
fn overtaken_subscriber_gets_the_number_missed_and_whole_arrays() {
    let (publisher, endpoint) = opened(&limited(MIB));
    let subscriber = Subscriber::new(&endpoint, &limited(MIB)).unwrap();
    let (mut given, mut missed) = (0, 0);
    for round in 0..10 {
        for seed in round * 40..round * 40 + 40 {
            publisher.send(&array(seed, 128 << 10)).unwrap();
        }
        loop {
            match subscriber.try_recv() {
                Ok(message) => {
                    given += 1;
                    assert_eq!(message.sequence(), given + missed);
                    assert_is(&received(&message), message.sequence() - 1, 128 << 10);
                }
                Err(e) if e.kind() == ErrorKind::Lagged => missed += e.missed().unwrap(),
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::Empty, "{e}");
                    break;
                }
            }
        }
        assert_eq!(given + missed, round * 40 + 40, "the newest is always there");
    }
    assert!(given >= 10 * 7 && missed > 0, "{given} came, {missed} were missed");
}

#[test]
fn late_subscribers_and_latest_get_the_newest_array() {
    let (publisher, endpoint) = opened(&Options::default());
    for seed in 0..30 {
        publisher.send(&array(seed, MIB)).unwrap();
        let newest = latest(&endpoint, &Options::default(), SOON).unwrap();
        assert_is(&received(&newest), seed, MIB);
        if seed % 10 == 5 {
            let late = Subscriber::new(&endpoint, &Options::default()).unwrap();
            let first = received(&late.recv(SOON).unwrap());
            assert!(is_shared(&first.data));
            assert_is(&first, seed, MIB);
            assert_is(&received(&late.newest(SOON).unwrap()), seed, MIB);
            assert_eq!(late.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        }
    }
    assert_eq!(arrays(&publisher), (30, 0));
}

#[test]
fn views_outlive_their_subscriber_and_their_publisher() {
    let (publisher, endpoint) = opened(&limited(MIB));
    let subscriber = Subscriber::new(&endpoint, &limited(MIB)).unwrap();
    publisher.send(&array(1, 200_000)).unwrap();
    let view = received(&subscriber.recv(SOON).unwrap());
    subscriber.close();
    assert!(is_shared(&view.data));
    let deadline = Instant::now() + SOON;
    while publisher.subscribers() > 0 {
        assert!(Instant::now() < deadline, "a subscriber that has closed is counted as long as it has views");
        std::thread::sleep(Duration::from_millis(1));
    }
    for seed in 100..200 {
        publisher.send(&array(seed, 200_000)).unwrap();
    }
    assert_is(&view, 1, 200_000);
    let other = Subscriber::new(&endpoint, &limited(MIB)).unwrap();
    let newest = received(&other.recv(SOON).unwrap());
    publisher.close(SOON).unwrap();
    drop(publisher);
    for (view, seed) in [(&view, 1), (&newest, 199)] {
        assert_is(view, seed, 200_000);
    }
    let gone = other.try_recv().unwrap_err();
    assert!(matches!(gone.kind(), ErrorKind::NotFound | ErrorKind::Empty), "{gone}");
    // Its next incarnation has new slots.
    let again = Publisher::new(&endpoint, &limited(MIB)).unwrap();
    again.send(&array(7, 200_000)).unwrap();
    assert_is(&received(&other.recv(SOON).unwrap()), 7, 200_000);
    assert_is(&newest, 199, 200_000);
}

#[test]
fn publisher_that_ends_at_once_leaves_its_arrays_to_those_that_were_there() {
    let (publisher, endpoint) = opened(&limited(MIB));
    let subscriber = Subscriber::new(&endpoint, &limited(MIB)).unwrap();
    let payloads: Vec<_> = (0..3).map(|seed| array(seed, 200_000)).collect();
    assert_eq!(publisher.send_many(payloads).unwrap(), 3);
    drop(publisher);
    for seed in 0..3 {
        let array = received(&subscriber.recv(SOON).unwrap());
        assert!(is_shared(&array.data));
        assert_is(&array, seed, 200_000);
    }
}

#[test]
fn loans_and_views_that_take_all_slots_make_arrays_go_through_the_ring() {
    let (publisher, endpoint) = opened(&limited(MIB));
    let subscriber = Subscriber::new(&endpoint, &limited(MIB)).unwrap();
    let loans: Vec<_> = (0..40).map(|_| publisher.loan::<u64>(&[MIB as u64 / 16]).unwrap()).collect();
    let shared = loans.iter().filter(|loan| loan.is_shared()).count();
    assert_eq!(shared, 8, "four times the longest message");
    for seed in 0..10 {
        publisher.send(&array(seed, MIB / 2)).unwrap();
        let array = received(&subscriber.recv(SOON).unwrap());
        assert!(!is_shared(&array.data));
        assert_is(&array, seed, MIB / 2);
    }
    assert_eq!(arrays(&publisher), (0, 10));
    drop(loans);
    publisher.send(&array(11, MIB / 2)).unwrap();
    assert!(is_shared(&received(&subscriber.recv(SOON).unwrap()).data));
    assert_eq!(arrays(&publisher), (1, 10));
}

#[test]
fn slots_never_shorten_what_a_long_buffer_holds() {
    let mut options = limited(MIB);
    options.buffer = Some(16 << 20);
    let (publisher, endpoint) = opened(&options);
    let subscriber = Subscriber::new(&endpoint, &options).unwrap();
    assert!(!publisher.loan::<u8>(&[64 << 10]).unwrap().is_shared());
    for seed in 0..80 {
        publisher.send(&array(seed, 128 << 10)).unwrap();
    }
    for seed in 0..80 {
        assert_is(&received(&subscriber.recv(SOON).unwrap()), seed, 128 << 10);
    }
    assert_eq!(arrays(&publisher), (0, 80));
}

#[test]
fn elsewhere_a_loan_is_ordinary_memory() {
    let publisher = Publisher::new(&name("unix"), &Options::default()).unwrap();
    let subscriber = Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
    let mut loan = publisher.loan::<u64>(&[MIB as u64 / 8]).unwrap();
    assert!(!loan.is_shared());
    loan.copy_from_slice(&numbers(3, MIB));
    publisher.send(&Value::from(loan)).unwrap();
    assert_is(&received(&subscriber.recv(SOON).unwrap()), 3, MIB);
    assert_eq!(arrays(&publisher), (0, 0));
}
