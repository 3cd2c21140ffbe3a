//! Models of the fast path through a ring.

use super::super::record::FastKind;
use super::super::writer::Hidden;
use super::*;

fn form(sequence: u64) -> FastKind {
    [FastKind::Request, FastKind::Data, FastKind::Reply][sequence as usize % 3]
}

/// The fast path of both sides, for each form; at the first record each side sets the path's end.
#[test]
fn fast_records_arrive_whole_and_in_order() {
    model(3, || {
        const LONG: usize = 256;
        let (writing, reading) = (Heap::new(PAGE + LONG), Heap::new(at::ROOM_WAKE + 8));
        let mut writer = Writer::in_halves(writing.clone(), reading.clone(), LONG);
        let mut reader = Reader::new(reading, writing, LONG, 1 << 20);
        let content = |sequence: u64| (sequence * 0x0101).to_le_bytes();
        let writing = thread::spawn(move || {
            for sequence in 1..=3 {
                let (form, body) = (form(sequence), content(sequence));
                let is_fast = writer.try_write_fast(form, sequence, 9, -1, Encoding::Raw, &body);
                // At the first record the writer sets `fast_end`.
                assert_eq!(is_fast, sequence > 1);
                let written =
                    is_fast || writer.try_write_next(form, sequence, 9, -1, Encoding::Raw, &body).unwrap();
                assert!(written);
            }
        });
        for sequence in 1..=3 {
            let mut body = [0; 8];
            loop {
                if sequence == 1
                    && let Some(small) = reader.peek_small()
                {
                    reader.take_small(&small, &mut body);
                    break;
                }
                if form(sequence) == FastKind::Reply {
                    if let Some(reply) = reader.peek_reply() {
                        assert_eq!((reply.sequence, reply.correlation, reply.sent), (sequence, 9, -1));
                        reader.take_reply(&reply, &mut body);
                        break;
                    }
                } else if let Some(fast) = reader.peek_fast(form(sequence)) {
                    assert_eq!((fast.length(), reader.next_sequence()), (body.len(), sequence));
                    assert_eq!(reader.take_fast(&fast, &mut body), -1);
                    break;
                }
                thread::yield_now();
            }
            assert_eq!(body, content(sequence));
            reader.consume();
        }
        writing.join().unwrap();
    });
}

/// A batch in the fast path: a reader that finds the first record finds all.
#[test]
fn hidden_records_are_found_together() {
    hidden_records(false);
}

/// With each header stored at once, a reader finds the first record without the second.
#[test]
fn mutant_that_hides_nothing_is_found() {
    let found = std::panic::catch_unwind(|| hidden_records(true)).is_err();
    assert!(found, "records that are not hidden pass this model");
}

fn hidden_records(publishes_each: bool) {
    model(3, move || {
        const LONG: usize = 256;
        let (writing, reading) = (Heap::new(PAGE + LONG), Heap::new(at::ROOM_WAKE + 8));
        let mut writer = Writer::in_halves(writing.clone(), reading.clone(), LONG);
        let mut reader = Reader::new(reading, writing, LONG, 1 << 20);
        let content = |sequence: u64| (sequence * 0x0101).to_le_bytes();
        assert!(writer.try_write_next(FastKind::Data, 1, 0, -1, Encoding::Raw, &content(1)).unwrap());
        let small = reader.peek_small().expect("it was written before");
        reader.take_small(&small, &mut [0; 8]);
        let writing = thread::spawn(move || {
            let mut hidden = Hidden::default();
            for sequence in 2..=4 {
                let body = content(sequence);
                assert!(writer.try_write_hidden(&mut hidden, sequence, -1, Encoding::Raw, &body));
                if publishes_each {
                    writer.publish(&mut hidden);
                }
            }
            writer.publish(&mut hidden);
        });
        let mut is_first = true;
        for sequence in 2..=4 {
            let mut body = [0; 8];
            let fast = loop {
                match reader.peek_fast(FastKind::Data) {
                    Some(fast) => break fast,
                    None => assert!(is_first, "a part of the batch is visible"),
                }
                thread::yield_now();
            };
            is_first = false;
            assert_eq!(reader.next_sequence(), sequence);
            assert_eq!(reader.take_fast(&fast, &mut body), -1);
            assert_eq!(body, content(sequence));
        }
        writing.join().unwrap();
    });
}
