//! Models of batches, whose first header comes last.

use super::*;

/// Two batches of two records through a ring that has room for one.
#[test]
fn batches_arrive_whole_and_in_order_while_the_ring_is_lapped() {
    model(2, || {
        const RING: usize = 128;
        let (writing, reading) = (Heap::new(PAGE + RING), Heap::new(at::ROOM_WAKE + 8));
        let mut writer = Writer::in_halves(writing.clone(), reading.clone(), RING);
        let mut reader = Reader::new(reading.clone(), writing.clone(), RING, 1 << 20);
        let sending = thread::spawn(move || {
            let mut next = 1;
            while next <= 4 {
                let bodies: Vec<_> = (next..=4).map(|number: u64| (number * 0x0101).to_le_bytes()).collect();
                let frames = (next..).zip(&bodies).map(|(sequence, body)| {
                    let header = Header { sequence, sent: -1, ..Header::new(Kind::Data, Encoding::Raw) };
                    Outgoing::new(header, body)
                });
                match writer.try_write_many(frames.take(2)).unwrap() {
                    0 => thread::yield_now(),
                    count => next += count as u64,
                }
            }
        });
        for sequence in 1..=4 {
            while !read(&mut reader, sequence) {
                thread::yield_now();
            }
            if sequence % 2 == 0 {
                reader.consume();
            }
        }
        sending.join().unwrap();
    });
}

/// A mutant's change in the header words of a batch.
///
/// The model repeats the writer's stores around two records of a header and a word each, because a mutant weakens or
/// moves one store.
#[derive(Clone, Copy, PartialEq)]
enum Batch {
    Whole,
    WithoutRelease,
    /// The first header is stored before the second record.
    FirstInItsTurn,
}

fn one_batch(how: Batch) {
    const FIRST: usize = PAGE;
    const SECOND: usize = PAGE + 16;
    let memory = Heap::new(PAGE + 64);
    let writing = thread::spawn({
        let memory = memory.clone();
        move || {
            memory.store(FIRST + 8, 10, Ordering::Relaxed);
            if how == Batch::FirstInItsTurn {
                memory.store_fenced(FIRST, 1);
            }
            memory.store(SECOND + 8, 20, Ordering::Relaxed);
            memory.store(SECOND, 2, Ordering::Relaxed);
            match how {
                Batch::Whole => memory.store_fenced(FIRST, 1),
                Batch::WithoutRelease => memory.store(FIRST, 1, Ordering::Relaxed),
                Batch::FirstInItsTurn => {}
            }
        }
    });
    if memory.load(FIRST, Ordering::Acquire) == 1 {
        assert_eq!(memory.load(FIRST + 8, Ordering::Relaxed), 10, "half a record was read");
        if memory.load(SECOND, Ordering::Acquire) == 2 {
            assert_eq!(memory.load(SECOND + 8, Ordering::Relaxed), 20, "half a record was read");
        }
    }
    writing.join().unwrap();
}

#[test]
fn batch_whose_first_header_comes_last_is_read_whole() {
    model(3, || one_batch(Batch::Whole));
}

#[test]
#[should_panic(expected = "half a record was read")]
fn batch_without_release_of_its_first_header_may_be_read_in_part() {
    model(3, || one_batch(Batch::WithoutRelease));
}

#[test]
#[should_panic(expected = "half a record was read")]
fn batch_whose_first_header_comes_in_its_turn_may_be_read_in_part() {
    model(3, || one_batch(Batch::FirstInItsTurn));
}
