//! Closing in every state: it ends waiting calls, releases the name, and reports unconsumed messages.

use std::thread;

use linkspan::{Channel, ErrorKind, Options, Value};

use crate::conformance::nature::Unread;
use crate::conformance::sides::{MOMENT, Place, Rx, Tx, check_error, raw};
use crate::support::{self, SOON};

/// Checks that a closed sender refuses every call except another `close`.
fn tx_is_closed(place: &Place, tx: &Tx) {
    check_error(&tx.send(&Value::Null).unwrap_err(), ErrorKind::InvalidState, place);
    tx.close(SOON).unwrap();
}

fn rx_is_closed(place: &Place, rx: &Rx) {
    for error in [rx.recv().unwrap_err(), rx.try_recv().unwrap_err()] {
        check_error(&error, ErrorKind::InvalidState, place);
    }
    rx.close(SOON).unwrap();
}

pub fn close_before_any_message_releases_the_name(place: &Place) {
    let alone = place.try_hold().unwrap();
    alone.close().unwrap();
    let (tx, rx) = place.pair();
    drop(alone);
    tx.close(SOON).unwrap();
    tx_is_closed(place, &tx);
    rx.close(SOON).unwrap();
    rx_is_closed(place, &rx);
    if place.nature.channels {
        let dialled = Channel::dial(&place.endpoint, &Options::default()).unwrap();
        dialled.close(SOON).unwrap();
        check_error(&dialled.send(&Value::Null, SOON).unwrap_err(), ErrorKind::InvalidState, place);
        // A spool accepts messages with and without a server.
        let sender = place.try_tx(&[], MOMENT);
        match place.nature.unread {
            Unread::InPlace => drop(sender.unwrap()),
            _ => check_error(&sender.err().unwrap(), ErrorKind::NotFound, place),
        }
    }
    place.works();
}

pub fn close_with_unread_messages_reports_or_stores_them(place: &Place) {
    let (tx, rx) = place.pair();
    for i in 1..=3 {
        tx.send(&Value::Int(i)).unwrap();
    }
    let closed = tx.close(MOMENT);
    if place.nature.unread == Unread::WithSender {
        let error = closed.unwrap_err();
        check_error(&error, ErrorKind::Timeout, place);
        assert!(error.text().contains("3 messages"), "the error names the number: {error}");
    } else {
        closed.unwrap();
    }
    tx_is_closed(place, &tx);
    if place.nature.is_latest_only() {
        assert_eq!(rx.number(), 3);
    } else {
        (1..=3).for_each(|i| assert_eq!(rx.number(), i));
    }
    rx.is_empty();
    rx.close(SOON).unwrap();
    drop((tx, rx));
    a_reader_closes(&place.another());
}

/// The receiver closes while messages are unread: it has consumed the delivered ones.
fn a_reader_closes(place: &Place) {
    let (tx, rx) = place.pair();
    for i in 1..=3 {
        tx.send(&Value::Int(i)).unwrap();
    }
    assert_eq!(rx.number(), if place.nature.is_latest_only() { 3 } else { 1 });
    rx.close(SOON).unwrap();
    rx_is_closed(place, &rx);
    if place.nature.unread == Unread::WithSender {
        let error = tx.close(MOMENT).unwrap_err();
        assert!(error.text().contains("2 messages"), "the error names the number: {error}");
        check_error(&error, ErrorKind::Timeout, place);
    } else {
        tx.close(SOON).unwrap();
    }
    let (_tx, rx) = place.pair();
    match place.nature.unread {
        // A subscriber that closes has not acknowledged the last delivered value.
        Unread::InPlace if !place.nature.channels => (1..=3).for_each(|i| assert_eq!(rx.number(), i)),
        Unread::InPlace => (2..=3).for_each(|i| assert_eq!(rx.number(), i)),
        Unread::NewestInPlace => assert_eq!(rx.number(), 3),
        Unread::WithSender | Unread::Gone => {}
    }
    rx.is_empty();
}

pub fn close_ends_a_waiting_receive(place: &Place) {
    for alone in [false, true] {
        let (waits, waiting) = support::waiting_options();
        let holder = place.try_hold().unwrap();
        let rx = match holder.into_rx(&waits) {
            Ok(rx) => rx,
            Err(holder) => {
                let rx = place.try_rx_with(&waits).unwrap();
                if alone {
                    drop(holder);
                }
                rx
            }
        };
        let tx = (place.nature.channels && !alone).then(|| place.tx());
        thread::scope(|s| {
            let receiving = s.spawn(|| match &rx {
                Rx::Channel(channel) => channel.recv(None).unwrap_err(),
                Rx::Subscriber(subscriber) => subscriber.recv(None).unwrap_err(),
            });
            waiting.recv_timeout(SOON).unwrap();
            rx.close(SOON).unwrap();
            check_error(&receiving.join().unwrap(), ErrorKind::InvalidState, place);
        });
        rx_is_closed(place, &rx);
        drop((tx, rx));
    }
    place.works();
}

/// Only on transports whose senders wait.
pub fn close_ends_a_waiting_send(place: &Place) {
    let (waits, waiting) = support::waiting_options();
    let payload = raw(vec![7; 100_000]);
    if !place.nature.fills_up {
        let tx = place.try_tx_with(&waits, SOON).unwrap();
        // Publishing never waits, so there is no waiting call to end.
        for _ in 0..50 {
            tx.send_payload(&payload, SOON).unwrap();
        }
        assert!(waiting.try_recv().is_err(), "a publisher waited");
        tx.close(SOON).unwrap();
        return tx_is_closed(place, &tx);
    }
    let rx = place.rx();
    let tx = place.try_tx_with(&waits, SOON).unwrap();
    while waiting.try_recv().is_ok() {}
    thread::scope(|s| {
        let sending = s.spawn(|| {
            loop {
                if let Err(error) = tx.send_payload(&payload, SOON) {
                    return error;
                }
            }
        });
        waiting.recv_timeout(SOON).unwrap();
        // The sent messages are not consumed, so this may fail: another case checks the error.
        let _ = tx.close(MOMENT);
        check_error(&sending.join().unwrap(), ErrorKind::InvalidState, place);
    });
    tx_is_closed(place, &tx);
    // Accepted messages arrive whole; their number is not checked.
    while let Ok(message) = rx.recv_within(MOMENT) {
        assert_eq!(message.body().len(), 100_000);
    }
}

pub fn close_after_or_together_with_the_peer_succeeds(place: &Place) {
    for first in ["tx", "rx", "both"] {
        let (tx, rx) = place.pair();
        tx.send(&Value::from(first)).unwrap();
        while rx.recv().unwrap().value().unwrap() != &Value::from(first) {}
        thread::scope(|s| match first {
            "tx" => {
                // It waits until the peer's close has acknowledged everything.
                let closing = s.spawn(|| tx.close(SOON).unwrap());
                rx.close(SOON).unwrap();
                closing.join().unwrap();
            }
            "rx" => {
                rx.close(SOON).unwrap();
                tx.close(SOON).unwrap();
            }
            _ => {
                s.spawn(|| rx.close(SOON).unwrap());
                s.spawn(|| tx.close(SOON).unwrap());
            }
        });
        tx_is_closed(place, &tx);
        rx_is_closed(place, &rx);
    }
    place.works();
}
