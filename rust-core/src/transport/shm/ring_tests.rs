//! The two ends of a ring on a heap: random sequences of writes and reads, and memory full of
//! garbage.
//!
//! No kernel is needed here, so these run under Miri as well. Random tests print their case on
//! failure (proptest).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use proptest::prelude::*;

use super::memory::heap::Heap;
use super::memory::{Memory, OwnMemory};
use super::reader::{Reader, Step};
use super::record::{Form, PlainReply, Record, Shape};
use super::segment::{PAGE, at};
use super::tests::{data, pattern, scaled};
use super::writer::{Hidden, Writer};
use crate::codec::Encoding;
use crate::error::{ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::transport::Sent;

const RING: usize = 4096;
const LIMIT: u64 = 1 << 20;

/// One step, and the frame that it finds.
fn take(reader: &mut Reader<Arc<Heap>, Arc<Heap>>) -> Result<(Step, Option<Incoming>)> {
    let step = reader.step()?;
    let frame = match step {
        Step::Frame(record) => reader.take(record)?,
        Step::Assembled => reader.take_assembled()?,
        Step::Piece | Step::Empty => None,
    };
    Ok((step, frame))
}

/// The same through the ways for plain and for short records, where they find something: what is plain is short, has one
/// form, and is the same.
fn take_small(reader: &mut Reader<Arc<Heap>, Arc<Heap>>) -> Result<(Step, Option<Incoming>)> {
    let (data, request, reply) =
        (reader.peek_plain(Form::Data), reader.peek_plain(Form::Request), reader.peek_reply());
    let found = [data.is_some(), request.is_some(), reply.is_some()];
    assert!(found.iter().filter(|found| **found).count() <= 1, "{found:?}");
    let Some(small) = reader.peek_small() else {
        assert_eq!(found, [false; 3]);
        return take(reader);
    };
    // Looking has changed nothing.
    assert_eq!(reader.peek_small().map(|again| again.header()), Some(small.header()));
    let mut body = vec![0xEE; small.length()];
    if let Some(plain) = data.or(request) {
        let kind = if data.is_some() { Kind::Data } else { Kind::Request };
        let (length, encoding) = (plain.length() as u64, plain.encoding());
        let sequence = reader.next_sequence();
        let sent = reader.take_plain(&plain, &mut body);
        let header = Header { body: length, sequence, sent, ..Header::new(kind, encoding) };
        assert_eq!(small.header(), header);
    } else if let Some(reply) = reply {
        let PlainReply { sent, sequence, correlation, .. } = reply;
        let body_length = reply.length() as u64;
        reader.take_reply(&reply, &mut body);
        let of = Header::new(Kind::Reply, reply.encoding());
        assert_eq!(small.header(), Header { body: body_length, sequence, correlation, sent, ..of });
    } else {
        reader.take_small(&small, &mut body);
    }
    let frame = Incoming { header: small.header(), extension: Bytes::new(), body: body.into() };
    Ok((Step::Piece, Some(frame)))
}

type BothEnds = (Writer<Arc<Heap>, Arc<Heap>>, Reader<Arc<Heap>, Arc<Heap>>);

/// A writer and a reader, each with its own memory.
fn ring() -> (Arc<Heap>, Arc<Heap>, BothEnds) {
    let (writing, reading) = (Heap::new(PAGE + RING), Heap::new(PAGE));
    let writer = Writer::new(writing.clone(), reading.clone(), RING);
    let reader = Reader::new(reading.clone(), writing.clone(), RING, LIMIT);
    (writing, reading, (writer, reader))
}

/// A header that needs a compact (0, or 4 for a request), a linked (1) or a full record (2, or 3 with an extension).
fn frame_header(sequence: u64, form: u8) -> Header {
    match form {
        0 => data(sequence),
        1 => Header { sequence, correlation: 3, ..Header::new(Kind::Reply, Encoding::Json) },
        4 => Header { kind: Kind::Request, ..data(sequence) },
        2 => Header { schema: 5, ..data(sequence) },
        _ => Header { extension: 72, ..data(sequence) },
    }
}

proptest! {
    #[test]
    fn ring_random_writes_and_reads_deliver_each_frame_once_in_order(
        steps in prop::collection::vec(
            prop_oneof![
                (0usize..700, 0u8..5).prop_map(Some),
                (0usize..12_000, 0u8..5).prop_map(Some),
                Just(None), Just(None), Just(None)
            ],
            1..scaled(200)
        ),
        adopt: bool,
        in_place: bool
    ) {
        let (_, _, (mut writer, mut reader)) = ring();
        let extension = pattern(72, 3);
        let mut expected = std::collections::VecDeque::new();
        let (mut sequence, mut outstanding) = (0, 0u64);
        let mut pending: Option<(Header, Vec<u8>)> = None;
        // The end of the run reads everything.
        let steps = steps.into_iter().chain(std::iter::repeat_n(None, scaled(100_000)));
        for step in steps {
            if pending.is_none() {
                if let Some((length, form)) = step {
                    sequence += 1;
                    let header = Header { body: length as u64, ..frame_header(sequence, form) };
                    pending = Some((header, pattern(length, sequence)));
                } else if expected.is_empty() && outstanding == 0 && writer.flush().unwrap() {
                    break;
                }
            }
            if let Some((header, body)) = pending.take() {
                let frame = Outgoing { header, extension: &extension[..header.extension], body: &body, split: None };
                let Header { kind, sequence: number, correlation, sent, encoding, .. } = header;
                let form = Form::of(kind).filter(|_| in_place && header.schema == 0 && header.extension == 0);
                let is_written = form.is_some_and(|form| {
                    writer.try_write_near(form, number, correlation, sent, encoding, &body)
                        || writer.try_write_next(form, number, correlation, sent, encoding, &body).unwrap()
                });
                match if is_written { Sent::Whole } else { writer.try_write(&frame).unwrap() } {
                    Sent::Whole => { expected.push_back((header, body)); outstanding += 1; }
                    Sent::Part if adopt => {
                        writer.adopt(&frame).unwrap();
                        expected.push_back((header, body));
                        outstanding += 1;
                    }
                    Sent::Part | Sent::Blocked => pending = Some((header, body)),
                }
            } else {
                writer.flush().unwrap();
            }
            if step.is_none() {
                let taken = if in_place { take_small(&mut reader) } else { take(&mut reader) };
                match taken.unwrap() {
                    (_, Some(got)) => {
                        let (header, body) = match pending.take_if(|_| expected.is_empty()) {
                            // The record is complete in the ring before the writer knows it: the next try tells it.
                            Some(frame) => panic!("{:?} was never sent as a whole", frame.0),
                            None => expected.pop_front().unwrap(),
                        };
                        prop_assert_eq!(got.header, header);
                        prop_assert_eq!(&got.extension[..], &extension[..header.extension]);
                        prop_assert_eq!(&got.body, &body);
                        prop_assert_eq!(writer.unacknowledged().unwrap(), outstanding);
                        reader.consume();
                        outstanding -= 1;
                        prop_assert_eq!(writer.unacknowledged().unwrap(), outstanding);
                    }
                    (Step::Empty, None) => prop_assert!(expected.is_empty() || reader.is_inside_a_frame()),
                    _ => {}
                }
            }
        }
        prop_assert!(expected.is_empty() && pending.is_none());
        prop_assert!(writer.is_drained().unwrap());
    }

    #[test]
    fn ring_garbage_is_an_error_only(
        frames in prop::collection::vec((0usize..900, 0u8..5), 0..12),
        spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0u8..3), 1..30)
    ) {
        let (writing, _, (mut writer, mut reader)) = ring();
        let extension = pattern(72, 3);
        let mut spoils = spoils.into_iter();
        for (i, (length, form)) in frames.into_iter().enumerate() {
            let header = Header { body: length as u64, ..frame_header(i as u64 + 1, form) };
            let frame = Outgoing { header, extension: &extension[..header.extension], body: &pattern(length, 1), split: None };
            writer.try_write(&frame).unwrap();
            if i % 3 == 2 && take(&mut reader).is_ok_and(|(_, frame)| frame.is_some()) {
                reader.consume();
            }
            let Some((place, value, how)) = spoils.next() else { continue };
            let at = PAGE + place.index(RING / 8) * 8;
            let old = writing.load(at, Ordering::Relaxed);
            let value = match how {
                0 => value,
                1 => old ^ 1 << (value % 64),
                // Almost valid: a header of this lap with any shape and length.
                _ => Record::bare(Shape::Pad, value as u32 % 5000).to_word(0) & !(0xF << 32) | (value >> 40 & 7) << 32,
            };
            writing.store(at, value, Ordering::Relaxed);
        }
        // A ring holds at most 256 records, so reading more from an unchanging ring would be an endless loop.
        let ended = (0..300).find_map(|_| match take(&mut reader) {
            Ok((Step::Empty, _)) => Some(None),
            Ok((_, frame)) => { assert!(frame.is_none_or(|frame| frame.body.len() as u64 <= LIMIT)); None }
            Err(e) if matches!(e.kind(), ErrorKind::TooLarge | ErrorKind::OutOfMemory) => None,
            Err(e) => Some(Some(e.kind())),
        });
        let ended = ended.expect("an unchanging ring ends");
        let allowed = [None, Some(ErrorKind::Malformed), Some(ErrorKind::VersionMismatch)];
        prop_assert!(allowed.contains(&ended), "{:?}", ended);
    }

    #[test]
    fn ring_peek_small_and_step_return_the_same(
        frames in prop::collection::vec((0usize..400, 0u8..5), 1..12),
        spoils in prop::collection::vec((any::<prop::sample::Index>(), 0u32..64), 0..6),
        limit in prop_oneof![Just(LIMIT), 0u64..400]
    ) {
        let (writing, reading, (mut writer, _)) = ring();
        let extension = pattern(72, 3);
        for (i, (length, form)) in frames.into_iter().enumerate() {
            let header = Header { body: length as u64, ..frame_header(i as u64 + 1, form) };
            let frame = Outgoing { header, extension: &extension[..header.extension], body: &pattern(length, 1), split: None };
            writer.try_write(&frame).unwrap();
        }
        for (place, bit) in spoils {
            let at = PAGE + place.index(RING / 8) * 8;
            writing.store(at, writing.load(at, Ordering::Relaxed) ^ 1 << bit, Ordering::Relaxed);
        }
        let reader = || Reader::new(reading.clone(), writing.clone(), RING, limit);
        let (mut in_place, mut in_steps) = (reader(), reader());
        let mut found = 0;
        // A ring holds at most 256 records.
        for _ in 0..300 {
            let (short, long) = (take_small(&mut in_place), take(&mut in_steps));
            match (short, long) {
                (Ok((_, Some(short))), Ok((_, Some(long)))) => {
                    found += 1;
                    prop_assert_eq!((short.header, short.body.whole()), (long.header, long.body.whole()));
                }
                (Ok((short, None)), Ok((long, None))) => {
                    prop_assert_eq!(short, long);
                    if long == Step::Empty { break; }
                }
                (Err(short), Err(long)) => {
                    prop_assert_eq!(short.to_string(), long.to_string());
                    if long.kind() != ErrorKind::TooLarge { break; }
                }
                (short, long) => prop_assert!(false, "{found}: in place {short:?}, in steps {long:?}"),
            }
        }
    }
}

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

/// Records that an attacker would try first, each with what is wrong with it.
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
    // A header whose lengths are not its record's, a large frame without an end, and one with more pieces than
    // announced.
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
        assert!(matches!(reader.step(), Ok(Step::Piece)));
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
    assert!(matches!(reader.step(), Ok(Step::Empty)));
}

#[test]
#[cfg_attr(miri, ignore = "166 MiB are too much for Miri")]
fn large_frames_received_in_part_share_one_budget() {
    const RING: usize = 1 << 20;
    const LIMIT: u64 = 64 << 20;
    // Slightly more than a quarter of each has arrived, so memory is reserved for all of it.
    const COME: usize = 17 << 20;
    let body = vec![7; LIMIT as usize];
    let header = Header { body: LIMIT, ..data(1) };
    let frame = Outgoing { header, extension: &[], body: &body, split: None };
    let mut ends: Vec<BothEnds> = Vec::new();
    for _ in 0..6 {
        let (writing, reading) = (Heap::new(PAGE + RING), Heap::new(PAGE));
        let mut writer = Writer::new(writing.clone(), reading.clone(), RING);
        let mut reader = Reader::new(reading, writing, RING, LIMIT);
        while reader.received_bytes() < COME {
            assert_eq!(writer.try_write(&frame).unwrap(), Sent::Part);
            assert_eq!(take(&mut reader).unwrap().0, Step::Piece);
        }
        ends.push((writer, reader));
    }
    let mut given_up = 0;
    for (mut writer, mut reader) in ends {
        assert_eq!(writer.try_write(&frame).unwrap(), Sent::Part);
        match take(&mut reader) {
            Ok((step, _)) => assert_eq!(step, Step::Piece),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Disconnected, "{e}");
                assert!(e.text().contains("were given up"), "{e}");
                given_up += 1;
            }
        }
    }
    assert!((2..6).contains(&given_up), "{given_up}");
}

/// The reader polls before each frame that the writer takes, and finds none of those before it.
#[test]
fn batch_becomes_visible_as_a_whole() {
    use std::cell::RefCell;
    let (_, _, (mut writer, reader)) = ring();
    let reader = RefCell::new(reader);
    let mut sequence = 0;
    for round in 0..2000u64 {
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
            assert_eq!(step, Step::Empty, "part of a batch is visible");
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

/// The same for the shortest way, in which a record that needs another look at its place divides the batch.
#[test]
fn hidden_records_become_visible_as_a_whole() {
    let (_, _, (mut writer, mut reader)) = ring();
    let (mut sequence, mut hidden_ones, mut written) = (0, 0, 0);
    for round in 0..2000_u64 {
        let mut hidden = Hidden::default();
        let first = sequence + 1;
        for i in 0..1 + round % 5 {
            sequence += 1;
            let body = pattern(((round * 31 + i * 17) % 90) as usize, sequence);
            let before = take(&mut reader).unwrap().0;
            if writer.try_write_hidden(&mut hidden, sequence, 7, Encoding::Cbor, &body) {
                hidden_ones += 1;
                assert_eq!(before, Step::Empty, "part of a batch is visible");
                assert_eq!(take(&mut reader).unwrap().0, Step::Empty, "part of a batch is visible");
                continue;
            }
            writer.publish(&mut hidden);
            assert!(writer.try_write_next(Form::Data, sequence, 0, 7, Encoding::Cbor, &body).unwrap());
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
    // Without room nothing is written.
    let number = sequence + count as u64 + 1;
    let mut written = 0;
    loop {
        let mut hidden = Hidden::default();
        if writer.try_write_hidden(&mut hidden, number + written, 7, Encoding::Cbor, &body) {
            writer.publish(&mut hidden);
        } else if !writer.try_write_next(Form::Data, number + written, 0, 7, Encoding::Cbor, &body).unwrap() {
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
    for _ in 0..500 {
        let first = written + 1;
        let frames = (first..first + 50).map(|number| Outgoing::new(data(number), &body));
        let count = writer.try_write_many(frames).unwrap() as u64;
        assert!(count <= RING as u64 / 8 / 100, "at most an eighth of the ring at once: {count}");
        written += count;
        if count == 0 {
            // What is left has room once some of it was read.
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
    assert_eq!(take(&mut reader).unwrap().0, Step::Empty);
}

/// Nearly every record of a run of plain ones takes the shortest way on both sides, in each lap of the ring.
#[test]
fn plain_records_take_the_shortest_way() {
    let (_, _, (mut writer, mut reader)) = ring();
    let (mut near, mut plain, rounds) = (0, 0, 1000);
    for number in 1..=rounds {
        let body = pattern(64, number);
        // As in calls, and data.
        let form = [Form::Data, Form::Request, Form::Reply][number as usize % 3];
        let is_near = writer.try_write_near(form, number, 7, 5, Encoding::Cbor, &body);
        near += u64::from(is_near);
        assert!(is_near || writer.try_write_next(form, number, 7, 5, Encoding::Cbor, &body).unwrap());
        let found = if form == Form::Reply {
            reader.peek_reply().is_some_and(|reply| (reply.sequence, reply.correlation) == (number, 7))
        } else {
            reader.peek_plain(form).is_some()
        };
        plain += u64::from(found);
        assert_eq!(take_small(&mut reader).unwrap().1.expect("a frame").body.whole()[..], body[..]);
        reader.consume();
    }
    // At the end of each lap, and where the known room ends, each looks once.
    let laps = rounds * 85 / RING as u64;
    let least = rounds - 4 * laps;
    assert!(near >= least && plain >= least, "{near} and {plain} of {rounds} in {laps} laps");
}

/// Requests and replies in place beside frames, which may leave numbers out: the reader finds what was written.
#[test]
fn records_in_place_are_read_as_frames() {
    let (_, _, (mut writer, mut reader)) = ring();
    let mut number = 0;
    for round in 0..200_u64 {
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
                writer.try_write_near(Form::Request, number, 0, sent, encoding, &body)
                    || writer.try_write_next(Form::Request, number, 0, sent, encoding, &body).unwrap()
            }
            Kind::Reply => {
                let Header { sent, encoding, .. } = header;
                writer.try_write_near(Form::Reply, number, correlation, sent, encoding, &body)
                    || writer.try_write_next(Form::Reply, number, correlation, sent, encoding, &body).unwrap()
            }
            _ => false,
        };
        if !written {
            // Data, and a request that leaves a number out.
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
    // Without room nothing is written.
    let body = pattern(400, 1);
    let mut count = 0;
    while writer.try_write_near(Form::Reply, number + 1, 1, 7, Encoding::Cbor, &body)
        || writer.try_write_next(Form::Reply, number + 1, 1, 7, Encoding::Cbor, &body).unwrap()
    {
        (number, count) = (number + 1, count + 1);
    }
    assert!((5..10).contains(&count), "{count}");
    assert_eq!(writer.try_write(&Outgoing::new(data(number + 1), &body)).unwrap(), Sent::Blocked);
}
