//! The newest value in a publisher's slot: a call that does not wait gets it whole, despite later
//! publications.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytes::Bytes;
use linkspan::{
    Encoding, ErrorKind, Message, NdArray, Options, Payload, Publisher, Result, Subscriber, Value, Wait,
    latest, latest_persistent,
};

use crate::support::{SOON, name};

const MIB: usize = 1 << 20;

fn newest(endpoint: &str) -> Message {
    latest(endpoint, &Options::default(), Wait::none()).unwrap()
}

/// A publisher that changes a few bytes of each loan rewrites all slots during one copy of a reader.
#[test]
fn latest_is_whole_beside_a_publisher_that_lends_without_a_rest() {
    const LENGTH: usize = 4 * MIB;
    let endpoint = format!("{}/lent", name("shm"));
    let pattern = format!("{endpoint}*");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let publish = |number: u64| {
        let mut loan = publisher.loan_bytes(LENGTH).unwrap();
        loan[..8].copy_from_slice(&number.to_le_bytes());
        loan[LENGTH - 8..].copy_from_slice(&number.to_le_bytes());
        publisher.send(&Value::from(loan)).unwrap();
    };
    publish(1);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 1;
            while !over.load(Ordering::Relaxed) {
                number += 1;
                publish(number);
            }
        });
        let mut last = 0;
        let results: Vec<_> = (0..20)
            .map(|turn| {
                let newest = || match turn % 4 {
                    0 => latest_persistent(&endpoint, &Options::default(), Wait::none()),
                    1 => latest(&pattern, &Options::default(), Wait::none()),
                    _ => latest(&endpoint, &Options::default(), Wait::none()),
                };
                // The publisher's answering thread may lack a processor during parallel tests.
                let stalled = |found: &Result<Message>| {
                    found.as_ref().is_err_and(|error| error.kind() == ErrorKind::Stalled)
                };
                (0..2).map(|_| newest()).find(|found| !stalled(found)).unwrap_or_else(newest)
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        for (turn, result) in results.into_iter().enumerate() {
            let message = result.unwrap_or_else(|error| panic!("turn {turn}: {error}"));
            let Value::Bytes(bytes) = message.value().unwrap() else { panic!("{message:?}") };
            let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            assert_eq!((bytes.len(), number(0)), (LENGTH, number(LENGTH - 8)), "a mixture of two messages");
            assert!(number(0) >= last, "{} after {last}", number(0));
            last = number(0);
        }
    });
}

/// The publisher's program keeps all its slots, so messages are in the ring.
#[test]
fn latest_is_there_while_the_publisher_keeps_all_loans() {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let value = |seed: u8| Value::Bytes(Bytes::from(vec![seed; MIB]));
    publisher.send(&value(1)).unwrap();
    let kept: Vec<_> = (0..20).map(|_| publisher.loan_bytes(MIB).unwrap()).collect();
    assert!(kept.iter().any(|loan| loan.is_shared()) && !kept[19].is_shared());
    for seed in 1..30 {
        assert_eq!(newest(&endpoint).value().unwrap(), &value(seed), "{seed}");
        publisher.send(&value(seed + 1)).unwrap();
    }
    drop(kept);
    publisher.send(&value(0)).unwrap();
    assert_eq!(newest(&endpoint).value().unwrap(), &value(0));
}

#[test]
fn latest_is_there_beside_subscribers_that_view_for_ever() {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let array = |seed: u64| Value::NdArray(NdArray::vector(&vec![seed; MIB / 8]));
    let mut kept = Vec::new();
    for seed in 0..24 {
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        publisher.send(&array(seed)).unwrap();
        let mut message = subscriber.recv(SOON).unwrap();
        while message.value().unwrap() != &array(seed) {
            message = subscriber.recv(SOON).unwrap();
        }
        kept.push((seed, message));
        let payload = Payload::from_bytes(Encoding::Raw, vec![seed as u8; MIB].into());
        assert_eq!(newest(&endpoint).value().unwrap(), &array(seed));
        publisher.send_payload(&payload).unwrap();
        assert!(newest(&endpoint).body()[..] == payload.body()[..], "{seed}");
    }
    for (seed, message) in kept {
        assert_eq!(message.value().unwrap(), &array(seed));
    }
}
