//! Models of spinning readers, which find a record by its first word, and mutants of the publisher.

use super::*;
use crate::codec::Encoding;
use crate::frame::{Header, Kind, Outgoing};

/// Reads all records that have a word, as long as they are whole.
fn follow(ring_reader: &RingReader<Arc<Heap>>, memory: &Heap, last: u64) {
    for number in 1..=last {
        let place = place_of(number);
        let word = memory.load(place, Ordering::Acquire);
        if word == 0 {
            return;
        }
        let ten = memory.load(place + 8, Ordering::Relaxed);
        if !ring_reader.is_intact((number - 1) * 16) {
            return;
        }
        assert_eq!((word, ten), (number, number * 10), "half a record was taken for one");
    }
}

/// A reader polls words while `step` writes records.
fn words_are_polled(step: fn(&mut RingWriter<Arc<Heap>>, &Heap, u64)) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let memory = Heap::new(PAGE + RING);
        let mut ring_writer = RingWriter::new(memory.clone(), RING);
        let ring_reader = RingReader::new(memory.clone(), RING, 100, Start::Newest);
        step(&mut ring_writer, &memory, 1);
        let writing = thread::spawn({
            let memory = memory.clone();
            move || (2..=3).for_each(|number| step(&mut ring_writer, &memory, number))
        });
        follow(&ring_reader, &memory, 4);
        writing.join().unwrap();
    });
}

#[test]
fn record_with_a_word_is_whole_and_nothing_is_behind_the_last() {
    words_are_polled(write);
}

/// A mutant without the zero after a record.
fn write_without_zero(ring_writer: &mut RingWriter<Arc<Heap>>, memory: &Heap, number: u64) {
    let (start, end) = ((number - 1) * 16, number * 16);
    ring_writer.reserve(end);
    memory.store(place_of(number) + 8, number * 10, Ordering::Relaxed);
    ring_writer.commit_range(number, start, end);
}

#[test]
#[should_panic(expected = "half a record")]
fn mutant_without_the_zero_behind_a_record_is_found() {
    words_are_polled(write_without_zero);
}

/// A mutant that stores the zero when readers may have found the record.
fn write_and_zero_late(ring_writer: &mut RingWriter<Arc<Heap>>, memory: &Heap, number: u64) {
    write_without_zero(ring_writer, memory, number);
    memory.store(place_of(number + 1), 0, Ordering::Relaxed);
}

#[test]
#[should_panic(expected = "half a record")]
fn mutant_with_a_late_zero_is_found() {
    words_are_polled(write_and_zero_late);
}

/// A mutant that stores the word without release order.
fn write_with_relaxed_word(ring_writer: &mut RingWriter<Arc<Heap>>, memory: &Heap, number: u64) {
    let (start, end) = ((number - 1) * 16, number * 16);
    ring_writer.reserve(end);
    memory.store(place_of(number + 1), 0, Ordering::Relaxed);
    memory.store(place_of(number) + 8, number * 10, Ordering::Relaxed);
    memory.store(place_of(number), number, Ordering::Relaxed);
    ring_writer.commit_range(number, start, end);
}

#[test]
#[should_panic(expected = "half a record")]
fn mutant_with_a_relaxed_word_is_found() {
    words_are_polled(write_with_relaxed_word);
}

pub(super) fn ends(memory: &Arc<Heap>, ring: usize) -> (RingWriter<Arc<Heap>>, RingReader<Arc<Heap>>) {
    let ring_writer = RingWriter::new(memory.clone(), ring);
    (ring_writer, RingReader::new(memory.clone(), ring, 100, Start::Newest))
}

/// Publishes the message of this number by the fast path, with a body of one word.
pub(super) fn publish(ring_writer: &mut RingWriter<Arc<Heap>>, sequence: u64) {
    publish_of::<8>(ring_writer, sequence);
}

fn publish_of<const N: usize>(ring_writer: &mut RingWriter<Arc<Heap>>, sequence: u64) {
    assert!(ring_writer.write_fast(sequence, -1, Encoding::Raw, &content::<N>(sequence)));
}

fn content<const N: usize>(sequence: u64) -> [u8; N] {
    let mut body = [0; N];
    body.as_chunks_mut().0.fill((sequence * 0x0101).to_le_bytes());
    body
}

/// Takes the next record; `None` if it is absent, or if the publisher has begun to overwrite it.
pub(super) fn take(ring_reader: &mut RingReader<Arc<Heap>>) -> Option<u64> {
    take_of::<8>(ring_reader)
}

fn take_of<const N: usize>(ring_reader: &mut RingReader<Arc<Heap>>) -> Option<u64> {
    let fast = ring_reader.peek_fast()?;
    // The record may be a mixture until it is taken.
    let mut body = [0; N];
    if !ring_reader.take_fast(&fast, &mut body) {
        return None;
    }
    assert_eq!((body, fast.sent), (content(fast.sequence), -1), "half a record was taken for one");
    Some(fast.sequence)
}

/// The fast paths, in a ring with room for all messages: each is found by its word.
#[test]
fn fast_records_are_found_by_their_words_in_order() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let (mut ring_writer, mut ring_reader) = ends(&Heap::new(PAGE + 128), 128);
        let writing = thread::spawn(move || (1..=2).for_each(|sequence| publish(&mut ring_writer, sequence)));
        for sequence in 1..=2 {
            let found = loop {
                match take(&mut ring_reader) {
                    Some(found) => break found,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(found, sequence);
        }
        assert_eq!(take(&mut ring_reader), None);
        writing.join().unwrap();
    });
}

/// A ring of two records of 64 bytes: each record is whole, or was overwritten.
#[test]
fn fast_records_that_are_overwritten_are_not_taken() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let (mut ring_writer, mut ring_reader) = ends(&Heap::new(PAGE + 128), 128);
        publish_of::<32>(&mut ring_writer, 1);
        let writing =
            thread::spawn(move || (2..=4).for_each(|sequence| publish_of::<32>(&mut ring_writer, sequence)));
        let mut last = 0;
        while let Some(found) = take_of::<32>(&mut ring_reader) {
            last += 1;
            assert_eq!(found, last);
        }
        writing.join().unwrap();
    });
}

/// A batch of two: a reader that finds the first finds both.
fn batch_is_found_as_a_whole(commits_each: bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let (mut ring_writer, mut ring_reader) = ends(&Heap::new(PAGE + 256), 256);
        let writing = thread::spawn(move || {
            for sequence in 1..=2 {
                let header = Header { sequence, sent: -1, ..Header::new(Kind::Data, Encoding::Raw) };
                assert!(ring_writer.append(&Outgoing::new(header, &content::<8>(sequence))));
                if commits_each {
                    ring_writer.commit();
                }
            }
            ring_writer.commit();
        });
        let first = take(&mut ring_reader);
        assert!(first.is_none() || take(&mut ring_reader) == Some(2), "a part of the batch is visible");
        writing.join().unwrap();
    });
}

#[test]
fn records_committed_together_are_found_together() {
    batch_is_found_as_a_whole(false);
}

#[test]
#[should_panic(expected = "a part of the batch")]
fn mutant_that_commits_each_record_of_a_batch_is_found() {
    batch_is_found_as_a_whole(true);
}

/// The publisher names the newest record after storing its word; `latest` finds it by the word.
#[test]
fn latest_is_not_older_than_what_was_read() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let (mut ring_writer, mut ring_reader) = ends(&Heap::new(PAGE + 128), 128);
        let writing = thread::spawn(move || (1..=2).for_each(|sequence| publish(&mut ring_writer, sequence)));
        let read = (0..2).filter_map(|_| take(&mut ring_reader)).last().unwrap_or(0);
        let newest = ring_reader.newest_sequence();
        assert!(newest >= read, "{newest} is older than {read}");
        writing.join().unwrap();
    });
}
