//! Restarts: unconsumed messages are kept as the transport promises, and delivered once and in order.

use linkspan::ErrorKind;

use crate::conformance::nature::Unread;
use crate::conformance::sides::{Ends, MOMENT, Place};
use crate::support::SOON;

/// Sends three messages and receives two; the second receive consumes the first message.
fn three_of_which_one_is_consumed(place: &Place) -> Ends {
    let ends = Ends::new(place);
    if place.nature.is_latest_only() {
        ends.send([1]);
        ends.receives([1]);
        ends.send([2]);
        ends.receives([2]);
        ends.send([3]);
    } else {
        ends.send(1..=3);
        ends.receives(1..=2);
    }
    ends
}

pub fn holder_restart_keeps_unconsumed_messages_as_promised(place: &Place) {
    let mut ends = three_of_which_one_is_consumed(place);
    ends.drop_holder();
    match place.nature.unread {
        Unread::Gone => {
            // Without a peer the message is not accepted.
            let error = ends.tx().send_payload(&crate::conformance::sides::raw(vec![1]), MOMENT).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::NotFound), "{error}");
            ends.again();
        }
        Unread::WithSender => ends.again(),
        Unread::InPlace if place.nature.channels => ends.again(),
        // Stored messages are read with or without a writer.
        Unread::InPlace | Unread::NewestInPlace => {
            assert_eq!(ends.rx().number(), 3);
            ends.again();
        }
    }
    ends.send([4]);
    let expected: &[i64] = match place.nature.unread {
        Unread::WithSender => &[2, 3, 4],
        Unread::InPlace if place.nature.channels => &[2, 3, 4],
        _ => &[4],
    };
    ends.receives(expected.iter().copied());
    ends.rx().is_empty();
}

pub fn connector_restart_keeps_unconsumed_messages_as_promised(place: &Place) {
    let mut ends = three_of_which_one_is_consumed(place);
    ends.drop_guest();
    ends.again();
    if !place.nature.is_latest_only() {
        ends.send([4]);
    }
    let expected: &[i64] = match place.nature.unread {
        // The sender connected: its messages are stored.
        _ if place.nature.channels => &[3, 4],
        Unread::NewestInPlace => &[3],
        _ => &[2, 3, 4],
    };
    ends.receives(expected.iter().copied());
    ends.rx().is_empty();
    if place.nature.is_latest_only() {
        ends.send([4]);
        ends.receives([4]);
    }
}

pub fn restart_of_both_sides_keeps_stored_messages(place: &Place) {
    let mut ends = three_of_which_one_is_consumed(place);
    ends.drop_rx();
    ends.drop_tx();
    ends.again();
    match place.nature.unread {
        Unread::InPlace => ends.receives([2, 3]),
        Unread::NewestInPlace => ends.receives([3]),
        Unread::WithSender | Unread::Gone => {}
    }
    ends.rx().is_empty();
    ends.send([4]);
    ends.receives([4]);
    ends.rx().is_empty();
}

/// Each restart follows `close`: nothing is lost or repeated.
pub fn restarts_after_close_lose_and_repeat_nothing(place: &Place) {
    let mut ends = Ends::new(place);
    let mut next = 0;
    for round in 0..9 {
        for _ in 0..5 {
            ends.send([next]);
            ends.receives([next]);
            next += 1;
        }
        ends.rx().is_empty();
        let (holder, guest) = (round % 3 != 1, round % 3 != 0);
        // A side that closes has consumed the delivered messages.
        let (closes_rx, closes_tx) = if place.nature.channels { (holder, guest) } else { (guest, holder) };
        if closes_rx {
            ends.rx().close(SOON).unwrap();
            ends.drop_rx();
        }
        if closes_tx {
            ends.tx().close(SOON).unwrap();
            ends.drop_tx();
        }
        ends.again();
        if place.nature.is_latest_only() && closes_rx {
            // A new reader first receives the newest value.
            ends.receives([next - 1]);
        }
    }
    ends.send([next]);
    ends.receives([next]);
}
