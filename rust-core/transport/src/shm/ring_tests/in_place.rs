//! Records in place: which records take the fast path, and that they equal frames.

use super::super::record::FastKind;
use super::super::tests::{data, pattern};
use super::{RING, ring, take, take_small};
use crate::Sent;
use crate::codec::Encoding;
use crate::frame::{Header, Kind, Outgoing};

/// Nearly every fast-path record takes the fast path on both sides, in each lap of the ring.
#[test]
fn fast_records_take_the_fast_path() {
    let (_, _, (mut writer, mut reader)) = ring();
    // Three laps under Miri.
    let (mut written, mut fast, rounds) = (0, 0, if cfg!(miri) { 150 } else { 1000 });
    for number in 1..=rounds {
        let body = pattern(64, number);
        // As in calls, and data.
        let form = [FastKind::Data, FastKind::Request, FastKind::Reply][number as usize % 3];
        let is_fast = writer.try_write_fast(form, number, 7, 5, Encoding::Cbor, &body);
        written += u64::from(is_fast);
        assert!(is_fast || writer.try_write_next(form, number, 7, 5, Encoding::Cbor, &body).unwrap());
        let found = if form == FastKind::Reply {
            reader.peek_reply().is_some_and(|reply| (reply.sequence, reply.correlation) == (number, 7))
        } else {
            reader.peek_fast(form).is_some()
        };
        fast += u64::from(found);
        assert_eq!(take_small(&mut reader).unwrap().1.expect("a frame").body.whole()[..], body[..]);
        reader.consume();
    }
    // Each side takes the slow path once at the end of each lap and of the known room.
    let laps = rounds * 85 / RING as u64;
    let least = rounds - 4 * laps;
    assert!(written >= least && fast >= least, "{written} and {fast} of {rounds} in {laps} laps");
}

/// Requests and replies in place among frames with gaps in their numbers: the reader finds all.
#[test]
fn records_in_place_are_read_as_frames() {
    let (_, _, (mut writer, mut reader)) = ring();
    let mut number = 0;
    for round in 0..if cfg!(miri) { 60 } else { 200 } {
        let body = pattern(round as usize % 90, round);
        number += 1 + u64::from(round % 5 == 4);
        let header = Header { sequence: number, sent: 7, ..data(number) };
        let (kind, correlation) = match round % 3 {
            0 => (Kind::Request, 0),
            1 => (Kind::Reply, round + 1000),
            _ => (Kind::Data, 0),
        };
        let written = match kind {
            Kind::Request => {
                let Header { sent, encoding, .. } = header;
                writer.try_write_fast(FastKind::Request, number, 0, sent, encoding, &body)
                    || writer.try_write_next(FastKind::Request, number, 0, sent, encoding, &body).unwrap()
            }
            Kind::Reply => {
                let Header { sent, encoding, .. } = header;
                writer.try_write_fast(FastKind::Reply, number, correlation, sent, encoding, &body)
                    || writer
                        .try_write_next(FastKind::Reply, number, correlation, sent, encoding, &body)
                        .unwrap()
            }
            _ => false,
        };
        if !written {
            // Data, and a request after a gap.
            assert!(kind == Kind::Data || kind == Kind::Request && round % 5 == 4, "{round}");
            let header = Header { kind, ..header };
            assert_eq!(writer.try_write(&Outgoing::new(header, &body)).unwrap(), Sent::Whole);
        }
        let found = if round % 2 == 0 { take(&mut reader) } else { take_small(&mut reader) };
        let frame = found.unwrap().1.expect("a frame was written");
        let Header { kind: found_kind, sequence, correlation: found_correlation, sent, .. } = frame.header;
        assert_eq!(
            (found_kind, sequence, found_correlation, sent),
            (kind, number, correlation, 7),
            "{round}"
        );
        assert_eq!(frame.body.whole()[..], body[..], "{round}");
        reader.consume();
    }
    let body = pattern(400, 1);
    let mut count = 0;
    while writer.try_write_fast(FastKind::Reply, number + 1, 1, 7, Encoding::Cbor, &body)
        || writer.try_write_next(FastKind::Reply, number + 1, 1, 7, Encoding::Cbor, &body).unwrap()
    {
        (number, count) = (number + 1, count + 1);
    }
    assert!((5..10).contains(&count), "{count}");
    assert_eq!(writer.try_write(&Outgoing::new(data(number + 1), &body)).unwrap(), Sent::Blocked);
}
