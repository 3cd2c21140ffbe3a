//! Delivery: every message whole, in order, once, up to the limit, and not faster than it is read.

use std::thread;
use std::time::Duration;

use linkspan::{ErrorKind, Value};

use crate::conformance::nature::TooLong;
use crate::conformance::sides::{Place, check_error, options, pattern, raw};
use crate::support::SOON;

pub fn order(place: &Place) {
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
        // Unread values are overwritten, and the next reader gets their number.
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

/// Sends bodies of these sizes, each of which arrives as it was.
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
            assert!(message.body() == sent.body(), "{} bytes came of {size}", message.body().len());
            let aligned = *size == 0 || (message.body().as_ptr() as usize).is_multiple_of(8);
            assert!(aligned, "a body of {size} bytes is aligned");
            assert_eq!(sending.join().unwrap().unwrap(), message.sequence(), "message {i}");
        });
    }
    rx.is_empty();
}

pub fn boundaries(place: &Place) {
    carry(
        place,
        &[0, 1, 15, 16, 17, 63, 64, 65, 4095, 4096, 32_767, 32_768, 65_535, 65_536, 262_144, 1_000_003],
    );
}

pub fn empty(place: &Place) {
    carry(place, &[0, 0, 3, 0]);
    let place = place.another();
    let (tx, rx) = place.pair();
    for value in [Value::from(""), Value::Array(Vec::new()), Value::map([("", "")]), Value::Null] {
        tx.send(&value).unwrap();
        assert_eq!(rx.recv().unwrap().value().unwrap(), &value);
    }
}

pub fn one_byte(place: &Place) {
    carry(place, &[1, 1, 4096, 1]);
}

const LIMIT: usize = 10_000;

pub fn exactly_a_limit(place: &Place) {
    let (tx, rx) = place.pair_with(&[("max_message_size", Value::Int(LIMIT as i64))]);
    for _ in 0..3 {
        let sent = raw(pattern(LIMIT));
        tx.send_payload(&sent, SOON).unwrap();
        assert!(rx.recv().unwrap().body() == sent.body());
    }
}

pub fn one_over_a_limit(place: &Place) {
    let limit = ("max_message_size", Value::Int(LIMIT as i64));
    let (tx, rx) = place.pair_with(std::slice::from_ref(&limit));
    assert_eq!(tx.send(&Value::Int(1)).unwrap(), 1);
    assert_eq!(rx.number(), 1);
    for over in [1, LIMIT] {
        let error = tx.send_payload(&raw(pattern(LIMIT + over)), SOON).unwrap_err();
        check_error(&error, ErrorKind::TooLarge, place);
        for number in [LIMIT, LIMIT + over] {
            assert!(error.text().contains(&number.to_string()), "says the limit and the size: {error}");
        }
        assert!(error.text().contains("limit"), "says what can be changed: {error}");
    }
    // A refused message has no number, and the next one is not affected.
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
            let [Ok(one)] = &aside[..] else { panic!("one is kept, here are {aside:?}") };
            assert!(std::fs::read(one.path()).unwrap() == over.body()[..]);
        }
    }
    tx.send(&Value::Int(3)).unwrap();
    assert_eq!(rx.number(), 3);
}

pub fn hundred_megabytes(place: &Place) {
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
        assert_eq!(tx.send(&Value::Int(1)).unwrap(), 1, "what was refused has no number");
        assert_eq!(rx.number(), 1);
        return;
    }
    thread::scope(|s| {
        s.spawn(|| assert_eq!(tx.send_payload(&sent, SOON).unwrap(), 1));
        assert!(rx.recv().unwrap().body() == sent.body());
    });
}

pub fn back_pressure(place: &Place) {
    let (tx, rx) = place.pair();
    let payload = raw(pattern(60_000));
    if !place.nature.fills_up {
        return nobody_is_waited_for(place);
    }
    let mut sent = 0;
    // The kernel may still be moving bytes from one side's memory to the other's when it has no room for a moment.
    loop {
        if let Err(error) = tx.send_payload(&payload, Duration::ZERO) {
            check_error(&error, ErrorKind::Full, place);
            match tx.send_payload(&payload, Duration::from_millis(50)) {
                Ok(_) => {}
                Err(error) => break check_error(&error, ErrorKind::Timeout, place),
            }
        }
        sent += 1;
        assert!(sent < 10_000, "a queue that never fills");
    }
    for i in 1..=sent {
        // A part of the last one may still be buffered here: every poll flushes more of it.
        tx.look_out();
        let message = rx.recv().unwrap();
        assert_eq!(message.sequence(), i);
        assert!(message.body() == payload.body());
    }
    rx.is_empty();
    // Neither of the two that were refused has a number, and there is room again.
    assert_eq!(tx.send_payload(&payload, SOON).unwrap(), sent + 1);
    assert_eq!(rx.recv().unwrap().sequence(), sent + 1);
}

/// Where values are stored, a publisher never waits for readers: a later reader gets all of them, or the number of
/// overwritten ones.
fn nobody_is_waited_for(place: &Place) {
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

/// Several messages a call, of lengths that go together and of such that go alone.
pub fn batches(place: &Place) {
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
                "{} messages came where 1 to 7 were asked for",
                some.len()
            );
            for message in some {
                assert_eq!(message.sequence(), got as u64 + 1);
                assert!(message.body() == bodies[got].body(), "message {got} is another one");
                got += 1;
            }
        }
    });
    assert_eq!(rx.recv_many(7, Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
    check_error(&rx.recv_many(0, SOON).unwrap_err(), ErrorKind::OutOfRange, place);
}
