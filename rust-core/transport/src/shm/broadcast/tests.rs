//! Publisher and subscriber over real memory files: order, gaps, larger rings, batches, and races.

mod histories;
mod waking;

use std::os::fd::OwnedFd;

use super::super::tests::{data, pattern};
use super::publisher::Published;
use super::*;
use crate::broadcast::received::{Received, Start};
use crate::error::{ErrorKind, Result};
use crate::frame::{Header, Incoming, Outgoing, flags};

const LIMIT: u64 = 64 << 20;

/// A body that depends on the number, so that mixtures of two messages show.
fn body(sequence: u64, length: usize) -> Vec<u8> {
    pattern(length, sequence.wrapping_mul(1001))
}

fn publish(broadcast: &mut Broadcast, sequence: u64, length: usize) -> Published {
    broadcast.publish(&Outgoing::new(data(sequence), &body(sequence, length))).unwrap()
}

fn file(broadcast: &Broadcast) -> OwnedFd {
    broadcast.descriptor_for_peer().try_clone_to_owned().unwrap()
}

fn follow(broadcast: &Broadcast) -> RingReader<crate::sys::memory::PeerMemory> {
    RingReader::open(file(broadcast), 9, LIMIT, Start::Newest).unwrap()
}

fn frame(received: Result<Received>) -> Incoming {
    match received.unwrap() {
        Received::Frame(frame) => frame,
        other => panic!("no frame but {other:?}"),
    }
}

fn assert_is(frame: &Incoming, sequence: u64, length: usize) {
    assert_eq!((frame.header.sequence, frame.body.len()), (sequence, length));
    assert_eq!(frame.body, body(sequence, length));
}

#[test]
fn subscriber_starts_with_the_newest_at_admission() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    for sequence in 1..=3 {
        publish(&mut broadcast, sequence, 100);
    }
    for (admitted_at, first) in [(0, 1), (1, 1), (2, 2), (3, 3)] {
        let mut reader = RingReader::open(file(&broadcast), 9, LIMIT, Start::With(admitted_at)).unwrap();
        for sequence in first..=3 {
            let got = frame(reader.read());
            assert_is(&got, sequence, 100);
            assert_eq!(
                got.header.flags & flags::RETAINED != 0,
                sequence == admitted_at,
                "{sequence} of {admitted_at}"
            );
        }
        assert!(matches!(reader.read(), Ok(Received::Nothing)));
    }
    // Overwritten messages are reported.
    for sequence in 4..=60 {
        publish(&mut broadcast, sequence, 100);
    }
    let mut reader = RingReader::open(file(&broadcast), 9, LIMIT, Start::With(3)).unwrap();
    let lagged = reader.read().unwrap_err();
    assert_eq!(lagged.kind(), ErrorKind::Lagged);
    assert_is(&frame(reader.read()), 3 + lagged.missed().unwrap(), 100);
}

#[test]
fn subscribers_get_all_in_order_and_late_ones_start_with_the_newest() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut early = follow(&broadcast);
    assert!(matches!(early.read(), Ok(Received::Nothing)));
    assert!(matches!(early.latest(), Ok(Received::Nothing)));
    for sequence in 1..=3 {
        publish(&mut broadcast, sequence, 100);
    }
    let mut late = follow(&broadcast);
    publish(&mut broadcast, 4, 0);
    for sequence in 1..=3 {
        let got = frame(early.read());
        assert_is(&got, sequence, 100);
        assert_eq!(got.header.flags, 0);
    }
    let got = frame(late.read());
    assert_is(&got, 3, 100);
    assert_eq!(got.header.flags, flags::RETAINED);
    for ring_reader in [&mut early, &mut late] {
        let got = frame(ring_reader.read());
        assert_is(&got, 4, 0);
        assert_eq!(got.header.flags, 0);
        assert!(!ring_reader.is_ready());
        assert!(matches!(ring_reader.read(), Ok(Received::Nothing)));
    }
}

#[test]
fn overtaken_subscriber_gets_lagged_with_the_exact_count() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut slow = follow(&broadcast);
    for sequence in 1..=1000 {
        publish(&mut broadcast, sequence, 200);
    }
    let error = slow.read().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lagged);
    let next = error.missed().unwrap() + 1;
    // Records of 288 bytes: at least half of the ring's content is left to read.
    assert!((985..=994).contains(&next), "{next}");
    for sequence in next..=1000 {
        assert_is(&frame(slow.read()), sequence, 200);
    }
    assert!(matches!(slow.read(), Ok(Received::Nothing)));
}

#[test]
fn latest_returns_the_newest_record() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut reader = follow(&broadcast);
    for sequence in 1..=500 {
        publish(&mut broadcast, sequence, (sequence as usize * 37) % 1500);
        let got = frame(reader.latest());
        assert_is(&got, sequence, (sequence as usize * 37) % 1500);
        assert_eq!(got.header.flags, flags::RETAINED);
    }
    assert_eq!(reader.read().unwrap_err().kind(), ErrorKind::Lagged, "latest does not move the position");
}

#[test]
fn large_message_moves_the_publisher_without_loss() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut reader = follow(&broadcast);
    assert_eq!(publish(&mut broadcast, 1, 10), Published::Current);
    assert_eq!(publish(&mut broadcast, 2, 1900), Published::Current);
    assert_eq!(publish(&mut broadcast, 3, 3000), Published::Moved);
    assert_eq!(broadcast.ring(), 16384);
    assert_eq!(publish(&mut broadcast, 4, 5), Published::Current);
    assert_is(&frame(reader.read()), 1, 10);
    assert_is(&frame(reader.read()), 2, 1900);
    assert!(reader.is_ready());
    assert!(matches!(reader.read(), Ok(Received::Moved)));
    assert!(matches!(reader.latest(), Ok(Received::Moved)));
    let mut reader = RingReader::open(file(&broadcast), 9, LIMIT, reader.resume()).unwrap();
    assert_is(&frame(reader.read()), 3, 3000);
    assert_is(&frame(reader.read()), 4, 5);
    assert!(matches!(reader.read(), Ok(Received::Nothing)));
}

#[test]
fn subscriber_that_moves_late_gets_lagged() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut reader = follow(&broadcast);
    publish(&mut broadcast, 1, 10);
    publish(&mut broadcast, 2, 4000);
    for sequence in 3..=100 {
        publish(&mut broadcast, sequence, 2000);
    }
    assert_is(&frame(reader.read()), 1, 10);
    assert!(matches!(reader.read(), Ok(Received::Moved)));
    let mut reader = RingReader::open(file(&broadcast), 9, LIMIT, reader.resume()).unwrap();
    let missed = reader.read().unwrap_err().missed().unwrap();
    assert_is(&frame(reader.read()), missed + 2, 2000);
}

#[test]
fn closed_publisher_is_drained_before_disconnected() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut reader = follow(&broadcast);
    publish(&mut broadcast, 1, 10);
    drop(broadcast);
    assert_is(&frame(reader.read()), 1, 10);
    assert_eq!(reader.read().unwrap_err().kind(), ErrorKind::Disconnected);
}

#[test]
fn broadcast_message_over_the_limit_is_skipped() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut reader = RingReader::open(file(&broadcast), 9, 100, Start::Newest).unwrap();
    publish(&mut broadcast, 1, 101);
    publish(&mut broadcast, 2, 100);
    assert_eq!(reader.read().unwrap_err().kind(), ErrorKind::TooLarge);
    assert_is(&frame(reader.read()), 2, 100);
}

#[test]
fn racing_readers_get_whole_messages_or_lagged() {
    const MESSAGES: u64 = 50_000;
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut readers: Vec<_> = (0..2).map(|_| follow(&broadcast)).collect();
    std::thread::scope(|s| {
        let reading: Vec<_> = readers
            .iter_mut()
            .zip([RingReader::read, RingReader::read_shortest])
            .map(|(reader, read)| {
                s.spawn(move || {
                    let (mut next, mut got) = (1, 0u64);
                    while next <= MESSAGES {
                        match read(reader) {
                            Ok(Received::Frame(frame)) => {
                                assert_is(&frame, next, (next % 300) as usize);
                                next += 1;
                                got += 1;
                            }
                            Ok(Received::Nothing) => std::hint::spin_loop(),
                            Ok(Received::Moved) => panic!("the ring has not moved"),
                            Err(e) if e.kind() == ErrorKind::Lagged => next += e.missed().unwrap(),
                            Err(e) if e.kind() == ErrorKind::Stalled => {}
                            Err(e) => panic!("{e:?}"),
                        }
                    }
                    got
                })
            })
            .collect();
        for sequence in 1..=MESSAGES {
            let length = (sequence % 300) as usize;
            let Header { sent, encoding, .. } = data(sequence);
            let is_short = sequence % 3 > 0;
            if !is_short
                || !broadcast.ring_writer.write_fast(sequence, sent, encoding, &body(sequence, length))
            {
                publish(&mut broadcast, sequence, length);
            }
        }
        for reading in reading {
            // The last message is never overwritten, so every reader gets at least that.
            assert!(reading.join().unwrap() >= 1);
        }
    });
}

/// The subscriber polls before each frame that the publisher takes, and finds no earlier one.
#[test]
fn broadcast_batch_is_visible_as_a_whole_and_moves_with_a_large_message() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut ring_reader = follow(&broadcast);
    let mut number = 0;
    for round in 0..200u64 {
        let bodies: Vec<_> = (0..1 + round % 3)
            .map(|_| {
                number += 1;
                body(number, (number % 50) as usize)
            })
            .collect();
        let first = number + 1 - bodies.len() as u64;
        let frames = (first..).zip(&bodies).map(|(number, body)| {
            assert!(!ring_reader.is_ready(), "part of a batch is visible");
            Outgoing::new(data(number), body)
        });
        frames.for_each(|frame| broadcast.append(&frame).unwrap());
        broadcast.commit();
        for number in first..first + bodies.len() as u64 {
            assert_is(&frame(ring_reader.read()), number, (number % 50) as usize);
        }
    }
    let first = number + 1;
    let bodies = [body(first, 10), body(first + 1, 10_000), body(first + 2, 20)];
    let frames = (first..).zip(&bodies).map(|(number, body)| Outgoing::new(data(number), body));
    frames.for_each(|frame| broadcast.append(&frame).unwrap());
    broadcast.commit();
    assert_is(&frame(ring_reader.read()), first, 10);
    assert!(matches!(ring_reader.read(), Ok(Received::Moved)));
}

#[test]
fn ring_that_grows_keeps_its_records_for_a_subscriber_that_continues() {
    // Short, long and of several laps, with a pad at the end of each.
    for (count, length) in [(0, 0), (3, 100), (40, 100), (200, 100), (20, 1500), (3, 8000)] {
        let mut broadcast = Broadcast::create(9, 4096).unwrap();
        for sequence in 1..=count {
            publish(&mut broadcast, sequence, length);
        }
        let mut before = RingReader::open(file(&broadcast), 9, LIMIT, Start::After(0)).unwrap();
        broadcast.grow(1 << 20).unwrap();
        assert_eq!(broadcast.ring(), 1 << 20);
        publish(&mut broadcast, count + 1, length);
        let mut after = RingReader::open(file(&broadcast), 9, LIMIT, Start::After(0)).unwrap();
        // Both find equal messages, and the reader of the new ring finds the next one.
        loop {
            match (before.read(), after.read()) {
                (Err(one), Err(other)) => assert_eq!(one.missed(), other.missed(), "{count} {length}"),
                (Ok(Received::Frame(one)), Ok(Received::Frame(other))) => {
                    assert_eq!((&one.header, &one.body), (&other.header, &other.body));
                }
                (Ok(Received::Moved), next) => break assert_is(&frame(next), count + 1, length),
                other => panic!("{count} {length}: {other:?}"),
            }
        }
        let mut latest = RingReader::open(file(&broadcast), 9, LIMIT, Start::Newest).unwrap();
        assert_is(&frame(latest.read()), count + 1, length);
        broadcast.grow(4096).unwrap();
        assert_eq!(broadcast.ring(), 1 << 20, "no smaller one takes its place");
    }
}
