//! Random histories of two ends over a network that loses, repeats and delays packets.
//!
//! Everything must arrive once and in order, and the window must hold.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::order::{Order, WINDOW};
use super::packet::Packet;

/// A random number generator whose seed reproduces a history.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

struct End {
    order: Order,
    sent: u64,
    given: u64,
    /// The most bytes that waited for the program.
    waiting: usize,
}

/// Returns a unit of random length that begins with its number; the longest exceeds the window.
fn body(number: u64, chance: &mut Chance) -> Bytes {
    let length = [8, 100, 10_000, WINDOW / 2, WINDOW + 1][chance.below(5) as usize];
    let mut bytes = vec![0; length];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes.into()
}

/// Both ends send `units` units; `lost` percent of packets are lost, some repeated or reordered.
fn history(seed: u64, units: u64, lost: u64) {
    let mut chance = Chance(seed);
    let mut now = Instant::now();
    let end = || End { order: Order::new(), sent: 0, given: 0, waiting: 0 };
    let mut ends = [end(), end()];
    // The packets in transit from each end.
    let mut ways: [VecDeque<Packet>; 2] = Default::default();
    for _ in 0..1_000_000 {
        if ends.iter().all(|end| end.given == units && end.order.is_received()) {
            return;
        }
        let at = chance.below(2) as usize;
        let end = &mut ends[at];
        match chance.below(4) {
            0 if end.sent < units && end.order.has_room() => {
                end.sent += 1;
                let unit = body(end.sent, &mut chance);
                end.order.send((2, unit));
            }
            1 => {
                if let Some(packet) = ways[1 - at].pop_front() {
                    assert!(end.order.take(packet, now), "seed {seed}: an honest packet is refused");
                }
            }
            2 => {
                if let Some((_, bytes)) = end.order.pop(now) {
                    end.given += 1;
                    let number = u64::from_le_bytes(*bytes.first_chunk().unwrap());
                    assert_eq!(number, end.given, "seed {seed}: once and in order");
                }
            }
            _ => {
                // Time advances by a millisecond, or to the next timer if nothing is in transit.
                let idle = ways.iter().all(VecDeque::is_empty) && end.order.front().is_none();
                let due = end.order.deadline().filter(|_| idle);
                now = due.map_or(now + Duration::from_millis(1), |at| at.max(now));
                for packet in end.order.due(now) {
                    let is_lost = chance.below(100) < lost;
                    let repeats = chance.below(100) < lost / 4;
                    for _ in 0..usize::from(!is_lost) + usize::from(repeats) {
                        ways[at].push_back(packet.clone());
                    }
                }
                if lost > 0 && ways[at].len() > 1 && chance.below(10) == 0 {
                    let last = ways[at].len() - 1;
                    ways[at].swap(last, last - 1);
                }
            }
        }
        let waiting = ends[at].order.waiting();
        ends[at].waiting = ends[at].waiting.max(waiting);
        assert!(waiting <= 2 * WINDOW + 1, "seed {seed}: {waiting} bytes wait");
    }
    let state = ends.map(|end| (end.sent, end.given, end.order.shown()));
    panic!("seed {seed}, {lost} lost of a hundred: it did not end: {state:#?}");
}

#[test]
fn units_arrive_once_and_in_order_whatever_is_lost() {
    let seed = std::env::var("LINKSPAN_SEED").ok().and_then(|seed| seed.parse().ok());
    let first = seed.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 1);
    println!("LINKSPAN_SEED={first}");
    for history_number in 0..60 {
        for lost in [0, 5, 30, 70] {
            history(first.wrapping_add(history_number * 2), 40, lost);
        }
    }
}

#[test]
fn contradictory_acknowledgement_is_refused() {
    let mut order = Order::new();
    let state = |received, delivered| Packet {
        received,
        delivered,
        requests_answer: false,
        what: super::packet::What::State,
    };
    let now = Instant::now();
    assert!(!order.take(state(1, 0), now), "nothing was sent");
    order.send((2, Bytes::from_static(b"x")));
    assert!(!order.take(state(0, 1), now), "passed on before it was received");
    assert!(order.take(state(1, 1), now));
    assert!(order.is_received() && order.has_room());
}

#[test]
fn window_fills_and_empties_as_units_are_delivered() {
    let (mut from, mut to) = (Order::new(), Order::new());
    let now = Instant::now();
    for _ in 0..4 {
        assert!(from.has_room());
        from.send((2, vec![0; WINDOW / 4].into()));
    }
    assert!(!from.has_room(), "a whole window is on its way");
    let acknowledgements = |order: &mut Order| order.due(now + Duration::from_secs(1));
    while !from.is_received() {
        for packet in from.due(now) {
            assert!(to.take(packet, now));
        }
        for packet in acknowledgements(&mut to) {
            assert!(from.take(packet, now));
        }
    }
    assert!(from.is_received() && !from.has_room(), "received, and not passed on");
    to.pop(now).unwrap();
    for packet in acknowledgements(&mut to) {
        assert!(from.take(packet, now));
    }
    assert!(from.has_room());
}
