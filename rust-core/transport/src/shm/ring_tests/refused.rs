//! Refusals of readers and writers: impossible positions and records, and too much memory.

use std::sync::atomic::Ordering;

use super::super::memory::OwnMemory;
use super::super::memory::heap::Heap;
use super::super::reader::{ReadStep, Reader};
use super::super::record::{Record, Shape};
use super::super::segment::{PAGE, at};
use super::super::tests::data;
use super::super::writer::Writer;
use super::{BothEnds, ring, take};
use crate::Sent;
use crate::error::ErrorKind;
use crate::frame::{Header, Outgoing};

#[test]
fn ring_impossible_head_is_malformed() {
    for (head, consumed) in [(8, 0), (1 << 20, 0), (u64::MAX, 0), (0, 2), (0, u64::MAX)] {
        let (_, reading, (mut writer, _reader)) = ring();
        assert_eq!(writer.try_write(&Outgoing::new(data(1), b"abc")).unwrap(), Sent::Whole);
        reading.store(at::HEAD, head, Ordering::Relaxed);
        reading.store(at::CONSUMED, consumed, Ordering::Relaxed);
        let error =
            if consumed > 0 { writer.unacknowledged().unwrap_err() } else { writer.has_room().unwrap_err() };
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
}

#[test]
fn ring_head_that_goes_back_is_malformed() {
    let (_, reading, (mut writer, mut reader)) = ring();
    writer.try_write(&Outgoing::new(data(1), b"abc")).unwrap();
    assert_eq!(take(&mut reader).unwrap().1.unwrap().body, "abc");
    assert!(reader.consume());
    assert!(!reader.consume(), "the position is published already");
    assert!(writer.is_drained().unwrap());
    reading.store(at::HEAD, 0, Ordering::Relaxed);
    assert_eq!(writer.is_drained().unwrap_err().kind(), ErrorKind::Malformed);
}

/// Records that an attacker would try first, each with its fault.
#[test]
fn ring_each_invalid_record_is_malformed() {
    let word = |shape, length| Record::bare(shape, length).to_word(0);
    let mut first = Header { body: 100, ..data(1) };
    let cases = [
        ("longer than the ring", vec![(0, word(Shape::Compact, 5000))]),
        ("as long as the ring, so the free granule is gone", vec![(0, word(Shape::Compact, 4088))]),
        ("a length near 2^32", vec![(0, word(Shape::Compact, u32::MAX))]),
        ("a pad at the beginning of a lap", vec![(0, word(Shape::Pad, 4088))]),
        (
            "a pad that ends before the lap does",
            vec![(0, word(Shape::Compact, 8)), (16, word(Shape::Pad, 8))],
        ),
        ("a piece of nothing", vec![(0, word(Shape::Piece, 8))]),
        ("another lap's record", vec![(0, Record::bare(Shape::Compact, 8).to_word(1))]),
        ("no shape", vec![(0, 8)]),
        ("all ones", vec![(0, u64::MAX)]),
        ("a first piece that is too short for its header", vec![(0, word(Shape::First, 63))]),
        ("a header of zeros", vec![(0, word(Shape::Full, 64))]),
    ];
    for (what, words) in cases {
        let (writing, _, (_, mut reader)) = ring();
        for (at, word) in words {
            writing.store(PAGE + at, word, Ordering::Relaxed);
        }
        let error =
            (0..3).find_map(|_| take(&mut reader).err()).unwrap_or_else(|| panic!("{what} was taken"));
        assert_eq!(error.kind(), ErrorKind::Malformed, "{what}");
    }
    // A header whose lengths differ from its record's, an endless large frame, and a frame with too many pieces.
    for (shape, body, length) in [(Shape::Full, 99, 164), (Shape::First, 100, 164), (Shape::First, 0, 64)] {
        let (writing, _, (_, mut reader)) = ring();
        first.body = body;
        writing.copy_in(PAGE + 8, &first.to_bytes());
        writing.store(PAGE, word(shape, length), Ordering::Relaxed);
        let error = take(&mut reader).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{shape:?} {body} {length}");
    }
    for second in
        [word(Shape::Compact, 8), word(Shape::First, 64), word(Shape::Piece, 101), word(Shape::Pad, 0)]
    {
        let (writing, _, (_, mut reader)) = ring();
        first.body = 100;
        writing.copy_in(PAGE + 8, &first.to_bytes());
        writing.store(PAGE, word(Shape::First, 64), Ordering::Relaxed);
        writing.store(PAGE + 80, second, Ordering::Relaxed);
        assert!(matches!(reader.step(), Ok(ReadStep::Piece)));
        assert_eq!(reader.step().unwrap_err().kind(), ErrorKind::Malformed, "{second:#x}");
    }
}

#[test]
fn frame_announcing_2_to_the_63_bytes_allocates_nothing() {
    let (writing, _, (_, mut reader)) = ring();
    let header = Header { body: 1 << 63, ..data(1) };
    writing.copy_in(PAGE + 8, &header.to_bytes());
    writing.store(PAGE, Record::bare(Shape::First, 64).to_word(0), Ordering::Relaxed);
    assert_eq!(reader.step().unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(matches!(reader.step(), Ok(ReadStep::Empty)));
}

#[test]
#[cfg_attr(miri, ignore = "166 MiB are too much for Miri")]
fn large_frames_received_in_part_share_one_budget() {
    const RING: usize = 1 << 20;
    const LIMIT: u64 = 64 << 20;
    // Slightly more than a quarter of each body has arrived, so memory is reserved for the whole.
    const COME: usize = 17 << 20;
    let body = vec![7; LIMIT as usize];
    let header = Header { body: LIMIT, ..data(1) };
    let frame = Outgoing { header, extension: &[], body: &body, split: None, owner: None };
    let mut ends: Vec<BothEnds> = Vec::new();
    for _ in 0..6 {
        let (writing, reading) = (Heap::new(PAGE + RING), Heap::new(PAGE));
        let mut writer = Writer::new(writing.clone(), reading.clone(), RING);
        let mut reader = Reader::new(reading, writing, RING, LIMIT);
        assert_eq!(writer.try_write(&frame).unwrap(), Sent::Started);
        while reader.received_bytes() < COME {
            assert!(!writer.flush().unwrap());
            assert_eq!(take(&mut reader).unwrap().0, ReadStep::Piece);
        }
        ends.push((writer, reader));
    }
    let mut given_up = 0;
    for (mut writer, mut reader) in ends {
        assert!(!writer.flush().unwrap());
        match take(&mut reader) {
            Ok((step, _)) => assert_eq!(step, ReadStep::Piece),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Disconnected, "{e}");
                assert!(e.text().contains("were given up"), "{e}");
                given_up += 1;
            }
        }
    }
    assert!((2..6).contains(&given_up), "{given_up}");
}
