//! Random histories of a ring, valid and damaged, through both paths of reading.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::super::memory::{Memory, OwnMemory};
use super::super::reader::{ReadStep, Reader};
use super::super::record::{FastKind, Record, Shape};
use super::super::segment::PAGE;
use super::super::tests::{pattern, scaled};
use super::{LIMIT, RING, frame_header, ring, take, take_small};
use crate::Sent;
use crate::error::ErrorKind;
use crate::frame::{Header, Outgoing};

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
                let frame = Outgoing { header, extension: &extension[..header.extension], body: &body, split: None, owner: None };
                let Header { kind, sequence: number, correlation, sent, encoding, .. } = header;
                let form = FastKind::of(kind).filter(|_| in_place && header.schema == 0 && header.extension == 0);
                let is_written = form.is_some_and(|form| {
                    writer.try_write_fast(form, number, correlation, sent, encoding, &body)
                        || writer.try_write_next(form, number, correlation, sent, encoding, &body).unwrap()
                });
                match if is_written { Sent::Whole } else { writer.try_write(&frame).unwrap() } {
                    Sent::Whole | Sent::Started => { expected.push_back((header, body)); outstanding += 1; }
                    Sent::Blocked => pending = Some((header, body)),
                }
            } else {
                writer.flush().unwrap();
            }
            if step.is_none() {
                let taken = if in_place { take_small(&mut reader) } else { take(&mut reader) };
                match taken.unwrap() {
                    (_, Some(got)) => {
                        let (header, body) = match pending.take_if(|_| expected.is_empty()) {
                            // The ring has the whole record before the writer knows; the next try reports it.
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
                    (ReadStep::Empty, None) => prop_assert!(expected.is_empty() || reader.is_inside_a_frame()),
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
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0u8..3), 1..30)
    ) {
        let (writing, _, (mut writer, mut reader)) = ring();
        let extension = pattern(72, 3);
        let mut damages = damages.into_iter();
        for (i, (length, form)) in frames.into_iter().enumerate() {
            let header = Header { body: length as u64, ..frame_header(i as u64 + 1, form) };
            let frame = Outgoing { header, extension: &extension[..header.extension], body: &pattern(length, 1), split: None, owner: None };
            writer.try_write(&frame).unwrap();
            if i % 3 == 2 && take(&mut reader).is_ok_and(|(_, frame)| frame.is_some()) {
                reader.consume();
            }
            let Some((place, value, how)) = damages.next() else { continue };
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
            Ok((ReadStep::Empty, _)) => Some(None),
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
        damages in prop::collection::vec((any::<prop::sample::Index>(), 0u32..64), 0..6),
        limit in prop_oneof![Just(LIMIT), 0u64..400]
    ) {
        let (writing, reading, (mut writer, _)) = ring();
        let extension = pattern(72, 3);
        for (i, (length, form)) in frames.into_iter().enumerate() {
            let header = Header { body: length as u64, ..frame_header(i as u64 + 1, form) };
            let frame = Outgoing { header, extension: &extension[..header.extension], body: &pattern(length, 1), split: None, owner: None };
            writer.try_write(&frame).unwrap();
        }
        for (place, bit) in damages {
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
                    if long == ReadStep::Empty { break; }
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
