//! Histories of a ring on a heap, valid and damaged, written and read by both paths.
//!
//! They need no kernel, so they run under Miri as well.

use std::mem::discriminant;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::super::super::memory::heap::Heap;
use super::super::super::memory::{Memory, OwnMemory};
use super::super::super::segment::{PAGE, at};
use super::super::super::tests::scaled;
use super::super::ring_writer::RingWriter;
use super::*;

fn alike(one: &Result<Received>, other: &Result<Received>) -> bool {
    match (one, other) {
        (Ok(Received::Frame(one)), Ok(Received::Frame(other))) => {
            one.header == other.header && one.extension == other.extension && one.body == other.body
        }
        (Ok(one), Ok(other)) => discriminant(one) == discriminant(other),
        (Err(one), Err(other)) => (one.kind(), one.text()) == (other.kind(), other.text()),
        _ => false,
    }
}

#[test]
fn fast_record_that_was_overwritten_is_reported_as_lagged() {
    let memory = Heap::new(PAGE + 4096);
    let mut ring_writer = RingWriter::new(memory.clone(), 4096);
    let mut ring_reader = RingReader::new(memory, 4096, LIMIT, Start::Newest);
    let mut write =
        |sequence| assert!(ring_writer.write(&Outgoing::new(data(sequence), &body(sequence, 100))));
    (1..=3).for_each(&mut write);
    assert_is(&frame(ring_reader.read_shortest()), 1, 100);
    assert_is(&frame(ring_reader.read_shortest()), 2, 100);
    assert!(ring_reader.peek_fast().is_some(), "all three were there");
    (4..=60).for_each(&mut write);
    let lagged = ring_reader.read_shortest().unwrap_err();
    assert_eq!(lagged.kind(), ErrorKind::Lagged);
    let next = 3 + lagged.missed().unwrap();
    assert!(next > 3 && next <= 60, "{next}");
    for sequence in next..=60 {
        assert_is(&frame(ring_reader.read_shortest()), sequence, 100);
    }
    assert!(matches!(ring_reader.read_shortest(), Ok(Received::Nothing)));
}

proptest! {
    /// Two rings get equal messages; the second by the fast path if possible.
    #[test]
    fn broadcast_short_path_writes_what_the_general_one_does(lengths in prop::collection::vec(0usize..400, 1..scaled(300))) {
        let memories = [Heap::new(PAGE + 4096), Heap::new(PAGE + 4096)];
        let [mut one, mut other] = memories.clone().map(|memory| RingWriter::new(memory, 4096));
        let last = lengths.len() as u64;
        for (sequence, length) in (1..).zip(lengths) {
            let (header, body) = (data(sequence), body(sequence, length));
            let frame = Outgoing::new(header, &body);
            prop_assert!(one.write(&frame));
            let is_short = other.write_fast(sequence, header.sent, header.encoding, &body);
            prop_assert!(is_short || other.write(&frame));
            // Under Miri, comparing every word takes some seconds: the last comparison finds any difference.
            if cfg!(miri) && sequence < last {
                continue;
            }
            let word = |memory: &Heap, at| memory.load(at, Ordering::Relaxed);
            let places = (0..PAGE + 4096).step_by(8).filter(|at| *at != at::RESTART);
            for at in places {
                prop_assert_eq!(word(&memories[0], at), word(&memories[1], at), "the word at {}", at);
            }
            // The fast path moves it ahead for a further record of the last one's length, up to the beginning of a
            // record.
            let [restart, ahead] = [0, 1].map(|ring| word(&memories[ring], at::RESTART));
            let first = word(&memories[1], PAGE + (ahead as usize & 4095));
            prop_assert!(restart <= ahead && ahead < restart + 336 + 480, "{} {}", restart, ahead);
            prop_assert_eq!(first >> 48, ahead / 4096);
        }
    }

    #[test]
    fn broadcast_random_writes_and_reads_deliver_once_or_count_missed(
        steps in prop::collection::vec((0usize..1900, 0u8..6), 1..if cfg!(miri) { 10 } else { 300 })
    ) {
        let memory = Heap::new(PAGE + 4096);
        let mut ring_writer = RingWriter::new(memory.clone(), 4096);
        let mut ring_reader = RingReader::new(memory.clone(), 4096, LIMIT, Start::Newest);
        let mut twin = RingReader::new(memory, 4096, LIMIT, Start::Newest);
        let (mut written, mut accounted) = (0, 0);
        let lengths: Vec<usize> = steps.iter().map(|(length, _)| *length).collect();
        for (length, reads) in steps {
            written += 1;
            prop_assert!(ring_writer.write(&Outgoing::new(data(written), &body(written, length))));
            for _ in 0..reads {
                let read = ring_reader.read();
                let shortest = twin.read_shortest();
                prop_assert!(alike(&read, &shortest), "{read:?}, {shortest:?}");
                match read {
                    Ok(Received::Frame(frame)) => {
                        accounted += 1;
                        prop_assert_eq!(frame.header.sequence, accounted);
                        prop_assert_eq!(&frame.body, &body(accounted, lengths[accounted as usize - 1]));
                    }
                    Ok(Received::Nothing) => prop_assert_eq!(accounted, written),
                    Ok(Received::Moved) => prop_assert!(false),
                    Err(e) => {
                        prop_assert_eq!(e.kind(), ErrorKind::Lagged);
                        accounted += e.missed().unwrap();
                        prop_assert!(accounted < written);
                    }
                }
            }
        }
    }

    #[test]
    fn broadcast_garbage_is_an_error_only(
        writes in 0u64..60,
        damages in prop::collection::vec((0usize..5, any::<prop::sample::Index>(), any::<u64>(), any::<bool>()), 1..if cfg!(miri) { 12 } else { 40 })
    ) {
        let memory = Heap::new(PAGE + 4096);
        let mut ring_writer = RingWriter::new(memory.clone(), 4096);
        let mut ring_reader = RingReader::new(memory.clone(), 4096, LIMIT, Start::Newest);
        let mut twin = RingReader::new(memory.clone(), 4096, LIMIT, Start::Newest);
        for sequence in 1..=writes {
            ring_writer.write(&Outgoing::new(data(sequence), &body(sequence, 100)));
        }
        for (what, place, value, flip) in damages {
            let at = match what {
                0 => at::RESERVED,
                1 => at::TAIL,
                2 => [at::LATEST, at::RESTART, at::COUNT, at::STATE][place.index(4)],
                _ => PAGE + place.index(512) * 8,
            };
            let value = if flip { memory.load(at, Ordering::Relaxed) ^ 1 << (value % 64) } else { value };
            memory.store(at, value, Ordering::Relaxed);
            let allowed = [ErrorKind::Malformed, ErrorKind::VersionMismatch, ErrorKind::Lagged,
                           ErrorKind::Stalled, ErrorKind::Disconnected];
            for _ in 0..3 {
                let read = ring_reader.read();
                let shortest = twin.read_shortest();
                prop_assert!(alike(&read, &shortest), "{read:?}, {shortest:?}");
                for result in [read, ring_reader.latest(),
                               RingReader::new(memory.clone(), 4096, LIMIT, Start::Newest).read(),
                               RingReader::new(memory.clone(), 4096, LIMIT, Start::After(3)).read()] {
                    match result {
                        Ok(Received::Frame(frame)) => prop_assert!(frame.body.len() <= 4096),
                        Ok(_) => {}
                        Err(e) => prop_assert!(allowed.contains(&e.kind()), "{:?}", e),
                    }
                }
            }
        }
    }
}

/// Messages without a schema take the fast path, except the first of each lap.
#[test]
fn fast_records_take_the_fast_path_but_for_the_first_of_a_lap() {
    let memory = Heap::new(PAGE + 4096);
    let mut ring_writer = RingWriter::new(memory.clone(), 4096);
    let mut ring_reader = RingReader::new(memory, 4096, LIMIT, Start::Newest);
    let mut fast = 0;
    for sequence in 1..=1000 {
        assert!(
            ring_writer.write_fast(sequence, -5, data(sequence).encoding, &body(sequence, 64))
                || ring_writer.write(&Outgoing::new(data(sequence), &body(sequence, 64)))
        );
        fast += u32::from(ring_reader.peek_fast().is_some());
        assert_is(&frame(ring_reader.read_shortest()), sequence, 64);
    }
    // 42 records of 96 bytes, and a pad, are a lap.
    assert_eq!(fast, 1000 - 1000 / 42);
    let with_schema = Header { schema: 9, ..data(1001) };
    assert!(ring_writer.write(&Outgoing::new(with_schema, &body(1001, 64))));
    assert!(ring_reader.peek_fast().is_none());
    let got = frame(ring_reader.read_shortest());
    assert_is(&got, 1001, 64);
    assert_eq!(got.header.schema, 9);
}

/// The publisher stores the word of a record before the positions in its page, and may end in between.
#[test]
fn record_is_read_before_the_page_names_it() {
    let memory = Heap::new(PAGE + 4096);
    let mut ring_writer = RingWriter::new(memory.clone(), 4096);
    let mut readers = [0; 2].map(|_| RingReader::new(memory.clone(), 4096, LIMIT, Start::Newest));
    for sequence in 1..=100 {
        let page = [at::TAIL, at::LATEST, at::RESTART, at::COUNT];
        let before = page.map(|at| memory.load(at, Ordering::Relaxed));
        // Some of the lengths take the fast path, the others the general one.
        let length = 60 * (sequence as usize % 7);
        assert!(ring_writer.write(&Outgoing::new(data(sequence), &body(sequence, length))));
        let after = page.map(|at| memory.load(at, Ordering::Relaxed));
        let set = |words: [u64; 4]| {
            page.iter().zip(words).for_each(|(at, word)| memory.store(*at, word, Ordering::Relaxed));
        };
        set(before);
        assert_is(&frame(readers[0].read()), sequence, length);
        assert_is(&frame(readers[1].read_shortest()), sequence, length);
        for reader in &mut readers {
            assert!(!reader.is_ready() && !reader.is_ready_fenced());
            assert_is(&frame(reader.latest()), sequence, length);
            assert!(matches!(reader.read(), Ok(Received::Nothing)));
        }
        set(after);
        assert!(readers.iter().all(|reader| !reader.is_ready_fenced()), "all was read");
    }
}

/// A tail after a place without a record: no reader waits for the word forever.
#[test]
fn tail_without_a_record_is_malformed() {
    let memory = Heap::new(PAGE + 4096);
    let mut ring_reader = RingReader::new(memory.clone(), 4096, LIMIT, Start::Newest);
    memory.store(at::TAIL, 96, Ordering::Relaxed);
    assert!(ring_reader.is_ready_fenced());
    for error in [ring_reader.read_shortest().unwrap_err(), ring_reader.read().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }
}
