//! A batch becomes visible as a whole, and ends at the end of the room.

use std::cell::RefCell;

use super::super::reader::ReadStep;
use super::super::record::FastKind;
use super::super::tests::{data, pattern, scaled};
use super::super::writer::Hidden;
use super::{RING, ring, take, take_small};
use crate::codec::Encoding;
use crate::frame::{Header, Kind, Outgoing};

/// The reader polls before each frame that the writer takes, and finds no earlier one.
#[test]
fn batch_becomes_visible_as_a_whole() {
    let (_, _, (mut writer, reader)) = ring();
    let reader = RefCell::new(reader);
    let mut sequence = 0;
    for round in 0..scaled(2000) as u64 {
        let sizes: Vec<_> = (0..1 + round % 5).map(|i| ((round * 31 + i * 17) % 90) as usize).collect();
        let frames: Vec<_> = sizes
            .iter()
            .map(|size| {
                sequence += 1;
                let header = Header { body: *size as u64, ..data(sequence) };
                (header, pattern(*size, sequence))
            })
            .collect();
        let looked = frames.iter().map(|(header, body)| {
            // At most the pad that ends a lap.
            let (step, _) = take(&mut reader.borrow_mut()).unwrap();
            assert_eq!(step, ReadStep::Empty, "part of a batch is visible");
            Outgoing::new(*header, body)
        });
        let count = writer.try_write_many(looked).unwrap();
        assert_eq!(count, frames.len(), "the ring is empty, and has room for them");
        for (header, body) in &frames {
            let (_, frame) = take(&mut reader.borrow_mut()).unwrap();
            let frame = frame.unwrap();
            assert_eq!((frame.header.sequence, frame.body.as_ref()), (header.sequence, &body[..]));
        }
        reader.borrow_mut().consume();
    }
}

/// On the fast path, a record whose place needs a check divides the batch.
#[test]
fn hidden_records_become_visible_as_a_whole() {
    let (_, _, (mut writer, mut reader)) = ring();
    let (mut sequence, mut hidden_ones, mut written) = (0, 0, 0);
    for round in 0..scaled(2000) as u64 {
        let mut hidden = Hidden::default();
        let first = sequence + 1;
        for i in 0..1 + round % 5 {
            sequence += 1;
            let body = pattern(((round * 31 + i * 17) % 90) as usize, sequence);
            let before = take(&mut reader).unwrap().0;
            if writer.try_write_hidden(&mut hidden, sequence, 7, Encoding::Cbor, &body) {
                hidden_ones += 1;
                assert_eq!(before, ReadStep::Empty, "part of a batch is visible");
                assert_eq!(take(&mut reader).unwrap().0, ReadStep::Empty, "part of a batch is visible");
                continue;
            }
            writer.publish(&mut hidden);
            assert!(writer.try_write_next(FastKind::Data, sequence, 0, 7, Encoding::Cbor, &body).unwrap());
            break;
        }
        writer.publish(&mut hidden);
        for number in first..=sequence {
            let frame = take_small(&mut reader).unwrap().1.expect("all of them are visible");
            let length = ((round * 31 + (number - first) * 17) % 90) as usize;
            let header = Header { sent: 7, body: length as u64, ..Header::new(Kind::Data, Encoding::Cbor) };
            assert_eq!(frame.header, Header { sequence: number, ..header });
            assert_eq!(frame.body.whole()[..], pattern(length, number)[..]);
            written += 1;
        }
        assert_eq!(writer.unacknowledged().unwrap(), sequence + 1 - first);
        reader.consume();
    }
    assert!(hidden_ones > written * 9 / 10, "{hidden_ones} of {written}");
    // At most an eighth of the ring is hidden.
    let (mut hidden, body) = (Hidden::default(), pattern(56, 1));
    let count = (sequence + 1..)
        .take_while(|number| writer.try_write_hidden(&mut hidden, *number, 7, Encoding::Cbor, &body))
        .count();
    assert!((1..=RING / 8 / 80).contains(&count), "{count}");
    writer.publish(&mut hidden);
    let number = sequence + count as u64 + 1;
    let mut written = 0;
    loop {
        let mut hidden = Hidden::default();
        if writer.try_write_hidden(&mut hidden, number + written, 7, Encoding::Cbor, &body) {
            writer.publish(&mut hidden);
        } else if !writer
            .try_write_next(FastKind::Data, number + written, 0, 7, Encoding::Cbor, &body)
            .unwrap()
        {
            break;
        }
        written += 1;
    }
    assert!((RING / 80 - 2..=RING / 80).contains(&(count + written as usize)), "{count} and {written}");
}

#[test]
fn batch_with_room_for_a_part_is_written_in_part() {
    let (_, _, (mut writer, mut reader)) = ring();
    let body = pattern(100, 1);
    let (mut written, mut read) = (0u64, 0u64);
    for _ in 0..scaled(500) {
        let first = written + 1;
        let frames = (first..first + 50).map(|number| Outgoing::new(data(number), &body));
        let count = writer.try_write_many(frames).unwrap() as u64;
        assert!(count <= RING as u64 / 8 / 100, "at most an eighth of the ring at once: {count}");
        written += count;
        if count == 0 {
            // After some reading, the rest has room.
            for _ in 0..=read % 20 {
                if let (_, Some(frame)) = take(&mut reader).unwrap() {
                    read += 1;
                    assert_eq!(frame.header.sequence, read);
                }
            }
            reader.consume();
        }
    }
    while let (_, Some(frame)) = take(&mut reader).unwrap() {
        read += 1;
        assert_eq!(frame.header.sequence, read);
    }
    assert_eq!(read, written);
}

#[test]
fn batch_with_a_large_first_frame_writes_nothing() {
    let (_, _, (mut writer, mut reader)) = ring();
    let (small, large) = (pattern(10, 1), pattern(2000, 2));
    let frames = [(1, &small), (2, &large), (3, &small)];
    let from = |at: usize| frames[at..].iter().map(|(number, body)| Outgoing::new(data(*number), body));
    assert_eq!(writer.try_write_many(from(0)).unwrap(), 1);
    assert_eq!(writer.try_write_many(from(1)).unwrap(), 0);
    assert_eq!(take(&mut reader).unwrap().1.unwrap().header.sequence, 1);
    assert_eq!(take(&mut reader).unwrap().0, ReadStep::Empty);
}
