//! Delivery: each message arrives whole, in order and once, up to the limit.

use std::thread;
use std::time::Duration;

use linkspan::{Encoding, ErrorKind, Value};

use crate::conformance::nature::TooLong;
use crate::conformance::sides::{Place, Rx, Tx, check_error, options, pattern, raw};
use crate::support::SOON;

pub fn messages_arrive_once_in_order(place: &Place) {
    const COUNT: i64 = 200;
    let (tx, rx) = place.pair();
    let receive = |i: i64| {
        let message = rx.recv().unwrap();
        assert_eq!((message.value().unwrap(), message.sequence()), (&Value::Int(i), i as u64));
        assert_eq!((message.source(), message.missed()), ("writer", 0));
    };
    if place.nature.is_latest_only() {
        for i in 1..=COUNT {
            assert_eq!(tx.send(&Value::Int(i)).unwrap(), i as u64);
            receive(i);
        }
        // Unread values are overwritten, and the next value reports how many.
        for i in COUNT + 1..=COUNT + 5 {
            tx.send(&Value::Int(i)).unwrap();
        }
        let last = rx.recv().unwrap();
        assert_eq!((last.value().unwrap(), last.missed()), (&Value::Int(COUNT + 5), 4));
    } else {
        thread::scope(|s| {
            s.spawn(|| {
                for i in 1..=COUNT {
                    assert_eq!(tx.send(&Value::Int(i)).unwrap(), i as u64);
                }
            });
            (1..=COUNT).for_each(receive);
        });
    }
    rx.is_empty();
}

fn carry(place: &Place, sizes: &[usize]) {
    let (tx, rx) = place.pair();
    for (i, size) in sizes.iter().enumerate() {
        let sent = raw(pattern(*size));
        thread::scope(|s| {
            let sending = s.spawn(|| tx.send_payload(&sent, SOON));
            if *size > place.nature.longest {
                let error = sending.join().unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TooLarge);
                return;
            }
            let message = rx.recv().unwrap();
            assert!(message.body() == sent.body(), "{} of {size} bytes arrived", message.body().len());
            let aligned = *size == 0 || (message.body().as_ptr() as usize).is_multiple_of(8);
            assert!(aligned, "a body of {size} bytes is aligned");
            assert_eq!(sending.join().unwrap().unwrap(), message.sequence(), "message {i}");
        });
    }
    rx.is_empty();
}

pub fn bodies_of_boundary_sizes_arrive_unchanged(place: &Place) {
    carry(
        place,
        &[0, 1, 15, 16, 17, 63, 64, 65, 4095, 4096, 32_767, 32_768, 65_535, 65_536, 262_144, 1_000_003],
    );
}

pub fn empty_bodies_and_values_arrive(place: &Place) {
    carry(place, &[0, 0, 3, 0]);
    let place = place.another();
    let (tx, rx) = place.pair();
    for value in [Value::from(""), Value::Array(Vec::new()), Value::map([("", "")]), Value::Null] {
        tx.send(&value).unwrap();
        assert_eq!(rx.recv().unwrap().value().unwrap(), &value);
    }
}

pub fn bodies_of_one_byte_arrive(place: &Place) {
    carry(place, &[1, 1, 4096, 1]);
}

const LIMIT: usize = 10_000;

pub fn message_of_exactly_the_limit_arrives(place: &Place) {
    let (tx, rx) = place.pair_with(&[("max_message_size", Value::Int(LIMIT as i64))]);
    for _ in 0..3 {
        let sent = raw(pattern(LIMIT));
        tx.send_payload(&sent, SOON).unwrap();
        assert!(rx.recv().unwrap().body() == sent.body());
    }
}

pub fn message_over_the_limit_is_refused(place: &Place) {
    let limit = ("max_message_size", Value::Int(LIMIT as i64));
    let (tx, rx) = place.pair_with(std::slice::from_ref(&limit));
    assert_eq!(tx.send(&Value::Int(1)).unwrap(), 1);
    assert_eq!(rx.number(), 1);
    for over in [1, LIMIT] {
        let error = tx.send_payload(&raw(pattern(LIMIT + over)), SOON).unwrap_err();
        check_error(&error, ErrorKind::TooLarge, place);
        for number in [LIMIT, LIMIT + over] {
            assert!(error.text().contains(&number.to_string()), "the error names limit and size: {error}");
        }
        assert!(error.text().contains("limit"), "the error names what can be changed: {error}");
    }
    // A refused message does not use a number or affect the next message.
    assert_eq!(tx.send(&Value::Int(2)).unwrap(), 2);
    assert_eq!(rx.number(), 2);
    a_receiver_with_a_smaller_limit(&place.another(), limit);
}

fn a_receiver_with_a_smaller_limit(place: &Place, limit: (&str, Value)) {
    let over = raw(pattern(LIMIT + 1));
    let (tx, rx) = if place.nature.channels {
        let rx = place.try_rx(&[limit]).unwrap();
        (place.tx(), rx)
    } else {
        let tx = place.tx();
        (tx, place.try_rx(&[limit]).unwrap())
    };
    let sent = tx.send_payload(&over, SOON);
    match place.nature.too_long {
        TooLong::Sender => check_error(&sent.unwrap_err(), ErrorKind::TooLarge, place),
        TooLong::Receiver => {
            sent.unwrap();
            check_error(&rx.recv().unwrap_err(), ErrorKind::TooLarge, place);
        }
        TooLong::KeptAside => {
            sent.unwrap();
            rx.is_empty();
            let aside: Vec<_> = std::fs::read_dir(place.path().join("rejected")).unwrap().collect();
            let [Ok(one)] = &aside[..] else { panic!("one rejected file is expected, found {aside:?}") };
            assert!(std::fs::read(one.path()).unwrap() == over.body()[..]);
        }
    }
    tx.send(&Value::Int(3)).unwrap();
    assert_eq!(rx.number(), 3);
}

pub fn message_of_100_mib_arrives_or_is_refused(place: &Place) {
    const SIZE: usize = 100 << 20;
    let (tx, rx) = place.pair_with(&[("max_message_size", Value::Int(200 << 20))]);
    let sent = raw(pattern(SIZE));
    if SIZE > place.nature.longest {
        for sent in [raw(pattern(2 << 20)), sent] {
            let error = tx.send_payload(&sent, SOON).unwrap_err();
            check_error(&error, ErrorKind::TooLarge, place);
            let size = sent.body().len().to_string();
            assert!(error.text().contains(&size) && error.text().contains("SO_SNDBUF"), "{error}");
        }
        assert_eq!(tx.send(&Value::Int(1)).unwrap(), 1, "a refused message has no number");
        assert_eq!(rx.number(), 1);
        return;
    }
    thread::scope(|s| {
        s.spawn(|| assert_eq!(tx.send_payload(&sent, SOON).unwrap(), 1));
        assert!(rx.recv().unwrap().body() == sent.body());
    });
}

pub fn sender_without_reader_waits_or_overwrites(place: &Place) {
    let (tx, rx) = place.pair();
    let payload = raw(pattern(60_000));
    if !place.nature.fills_up {
        return publisher_does_not_wait(place);
    }
    let mut sent = 0;
    // `Full` may pass: the kernel may still move bytes from one side's memory to the other's.
    loop {
        if let Err(error) = tx.send_payload(&payload, Duration::ZERO) {
            check_error(&error, ErrorKind::Full, place);
            match tx.send_payload(&payload, Duration::from_millis(50)) {
                Ok(_) => {}
                Err(error) => break check_error(&error, ErrorKind::Timeout, place),
            }
        }
        sent += 1;
        assert!(sent < 10_000, "the queue never fills");
    }
    for i in 1..=sent {
        // A part of the last message may still be in the sender's buffer: each poll flushes more.
        tx.look_out();
        let message = rx.recv().unwrap();
        assert_eq!(message.sequence(), i);
        assert!(message.body() == payload.body());
    }
    rx.is_empty();
    // The two refused messages did not use numbers, and room is free again.
    assert_eq!(tx.send_payload(&payload, SOON).unwrap(), sent + 1);
    assert_eq!(rx.recv().unwrap().sequence(), sent + 1);
}

/// Checks a publisher that stores values: it does not wait for readers.
///
/// A later reader gets all values, or the number of overwritten ones.
fn publisher_does_not_wait(place: &Place) {
    const COUNT: u64 = 300;
    let place = place.another();
    let (tx, rx) = place.pair();
    let payload = raw(pattern(10_000));
    for i in 1..=COUNT {
        assert_eq!(tx.send_payload(&payload, Duration::ZERO).unwrap(), i);
    }
    if place.nature.is_latest_only() {
        let strict = options(&[("delivery", "best_effort".into())]);
        let strict = place.try_rx_with(&strict).unwrap();
        assert_eq!(rx.recv().unwrap().sequence(), COUNT);
        assert_eq!(strict.recv().unwrap().sequence(), COUNT);
        for _ in 0..3 {
            tx.send_payload(&payload, Duration::ZERO).unwrap();
        }
        let lagged = strict.recv().unwrap_err();
        check_error(&lagged, ErrorKind::Lagged, &place);
        assert_eq!(lagged.missed(), Some(2));
        let newest = rx.recv().unwrap();
        assert_eq!((newest.sequence(), newest.missed()), (COUNT + 3, 2));
    } else {
        for i in 1..=COUNT {
            assert_eq!(rx.recv().unwrap().sequence(), i);
        }
    }
    rx.is_empty();
}

/// Short messages, which are written together, and long ones.
pub fn batches_arrive_once_in_order(place: &Place) {
    const COUNT: usize = 300;
    const BATCH: usize = 30;
    let (tx, rx) = place.pair();
    if place.nature.is_latest_only() {
        let values: Vec<_> = (1..=5).map(|i| raw(pattern(i * 100))).collect();
        assert_eq!(tx.send_payloads(&values, SOON).unwrap(), 5);
        let got = rx.recv_many(BATCH, SOON).unwrap();
        assert_eq!(got.iter().map(|m| m.sequence()).collect::<Vec<_>>(), [5]);
        assert!(got[0].body() == values[4].body());
        return;
    }
    let bodies: Vec<_> = (0..COUNT)
        .map(|i| match i % 50 {
            49 => raw(pattern(place.nature.longest.min(100_000))),
            _ => raw(pattern(i * 37 % 3000)),
        })
        .collect();
    thread::scope(|s| {
        s.spawn(|| {
            for batch in bodies.chunks(BATCH) {
                assert_eq!(tx.send_payloads(batch, SOON).unwrap(), batch.len() as u64);
            }
            assert_eq!(tx.send_payloads(&[], SOON).unwrap(), 0);
        });
        let mut got = 0;
        while got < COUNT {
            let some = rx.recv_many(7, SOON).unwrap();
            assert!(
                (1..=7).contains(&some.len()),
                "{} messages were returned where 1 to 7 were requested",
                some.len()
            );
            for message in some {
                assert_eq!(message.sequence(), got as u64 + 1);
                assert!(message.body() == bodies[got].body(), "message {got} has another body");
                got += 1;
            }
        }
    });
    assert_eq!(rx.recv_many(7, Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
    check_error(&rx.recv_many(0, SOON).unwrap_err(), ErrorKind::OutOfRange, place);
}

pub fn lent_bytes_arrive_in_memory_of_the_program(place: &Place) {
    let (tx, rx) = place.pair();
    let send = |bytes: &[u8]| match &tx {
        Tx::Channel(tx) => tx.send_bytes(Encoding::Raw, bytes, SOON).unwrap(),
        Tx::Publisher(tx) => tx.send_bytes(Encoding::Raw, bytes).unwrap(),
    };
    let receive = |memory: &mut [u8], within: Duration| match &rx {
        Rx::Channel(rx) => rx.recv_into(memory, within),
        Rx::Subscriber(rx) => rx.recv_into(memory, within),
    };
    let sizes = [0, 1, 63, 64, 65, 256, 257, 1000, 4096, 32_000, 40_000, 300_000];
    let sizes = sizes.into_iter().filter(|size| *size <= place.nature.longest);
    let mut memory = vec![0xEE; 300_001];
    for (number, size) in sizes.flat_map(|size| [size; 3]).enumerate() {
        let (number, sent) = (number as u64 + 1, pattern(size));
        thread::scope(|s| {
            let sending = s.spawn(|| {
                let mut lent = sent.clone();
                let sent = send(&lent);
                // The kept bytes are a copy.
                lent.fill(0xEE);
                sent
            });
            if number % 3 == 2 {
                assert!(rx.recv().unwrap().body() == &sent[..], "{size} bytes");
            } else {
                let received = receive(&mut memory, SOON).unwrap();
                assert_eq!((received.length, received.sequence, received.missed), (size, number, 0));
                assert_eq!(received.encoding, Encoding::Raw);
                assert!(memory[..size] == sent, "{size} bytes");
                assert!(
                    memory[size..].iter().all(|byte| *byte == 0xEE),
                    "nothing is written behind {size} bytes"
                );
                memory[..size].fill(0xEE);
            }
            assert_eq!(sending.join().unwrap(), number);
        });
    }
    check_error(&receive(&mut memory, Duration::ZERO).unwrap_err(), ErrorKind::Timeout, place);
}
