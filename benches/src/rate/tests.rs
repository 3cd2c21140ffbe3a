//! Tests of the open loop: stalls, late messages, lost messages.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::pace::{BYTES, Clock, Stamp, receive_round, send_at_rate};
use super::*;

const INTERVAL: u64 = 1_000_000;
const COUNT: u64 = 1000;

/// A clock that advances only while something waits or works.
#[derive(Default)]
struct Simulated(Cell<u64>);

impl Simulated {
    fn advance(&self, time: u64) {
        self.0.set(self.0.get() + time);
    }
}

impl Clock for Simulated {
    fn now(&self) -> u64 {
        self.0.get()
    }

    fn wait_until(&self, time: u64) -> u64 {
        self.0.set(self.0.get().max(time));
        self.now()
    }
}

/// Sends to a receiver that takes each message at once, but stalls the sender once for `stall`.
///
/// Later messages are received without a pause.
fn figures_with_stall(stall: u64) -> Figures {
    let clock = Simulated::default();
    let waiting = RefCell::new(VecDeque::new());
    let mut took = Vec::new();
    let mut take = || {
        let receive = || Ok(waiting.borrow_mut().pop_front().unwrap_or(Stamp::LAST));
        receive_round(&clock, receive, |latency| {
            took.push(latency as f64);
            Ok(())
        })
    };
    let send = |stamp: Stamp| {
        if stamp.number == COUNT / 2 {
            clock.advance(stall);
        }
        waiting.borrow_mut().push_back(stamp);
        take()
    };
    let late = send_at_rate(&clock, INTERVAL, COUNT, |stamp| stamp, send).unwrap();
    let mut figures = Figures::new().unwrap();
    figures.add(COUNT, late, &took);
    figures
}

#[test]
fn stall_of_a_receiver_is_in_each_message_that_was_due_meanwhile() {
    let figures = figures_with_stall(50 * INTERVAL);
    assert_eq!((figures.sent, figures.lost), (COUNT, 0));
    let slow = figures.histogram.iter_recorded().filter(|step| step.value_iterated_to() > INTERVAL / 2);
    let slow: u64 = slow.map(|step| step.count_since_last_iteration()).sum();
    assert_eq!(slow, 50, "a closed loop would have one slow message");
    assert_eq!(figures.late, 48, "the first waits by itself, the next is late by less than an interval");
    let millis = |part| figures.quantile(part).map(|ns| (ns / 1e6).round());
    assert_eq!((millis(0.5), millis(0.94)), (Some(0.0), Some(0.0)));
    assert_eq!((millis(0.97), millis(0.99)), (Some(20.0), Some(40.0)), "the queue runs down evenly");
    assert!((figures.max() / 50e6 - 1.0).abs() < 0.001, "{}", figures.max());
}

#[test]
fn receiver_without_a_stall_delays_no_message() {
    let figures = figures_with_stall(0);
    assert_eq!((figures.late, figures.lost, figures.max() as u64), (0, 0, 1));
}

#[test]
fn message_that_does_not_arrive_is_counted_as_lost() {
    let mut figures = Figures::new().unwrap();
    figures.add(10, 2, &[100.0; 7]);
    figures.add(10, 0, &[100.0; 10]);
    assert_eq!((figures.sent, figures.late, figures.lost, figures.histogram.len()), (20, 2, 3, 17));
}

#[test]
fn quantile_that_fewer_than_one_message_exceeds_is_none() {
    let mut figures = Figures::new().unwrap();
    figures.add(1000, 0, &[100.0; 1000]);
    assert!(figures.quantile(0.999).is_some());
    assert!(figures.quantile(0.9999).is_none());
}

#[test]
fn stamp_is_read_as_it_was_written_and_another_length_is_refused() {
    let stamp = Stamp { number: 3, intended: 1 << 60 };
    assert_eq!(Stamp::read(&stamp.content()).unwrap(), stamp);
    assert!(Stamp::read(&stamp.content()[..BYTES - 1]).is_err());
}

#[test]
fn each_rate_has_ours_a_floor_and_peers_and_idle_rows_at_100_khz_a_mark() {
    let rows = all();
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row.ours.len() == 2 && row.peers.len() == 2));
    let marked: Vec<&str> =
        rows.iter().filter(|row| row.mark.is_some()).map(|row| row.what.as_str()).collect();
    assert_eq!(marked, ["64 B at 100 kHz, spinning, idle", "64 B at 100 kHz, parked, idle"]);
}
