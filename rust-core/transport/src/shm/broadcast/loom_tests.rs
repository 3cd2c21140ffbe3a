//! Loom models of the broadcast ring: a copy that passes the check is whole, and no wake-up is lost.
//!
//! See `shm/loom_tests.rs`. Real records of ten words would take loom years, so these have two words. Header words,
//! fences and checks are those of `RingWriter` and `RingReader`.

mod words;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::sync::Notify;
use loom::thread;

use self::words::{ends, publish, take};
use super::super::memory::heap::Heap;
use super::super::memory::{Memory, OwnMemory};
use super::super::park::{Park, SHORT, Stage, Waker};
use super::super::segment::{PAGE, at};
use super::ring_reader::RingReader;
use super::ring_writer::RingWriter;
use crate::broadcast::Start;
use crate::sys::futex::Slept;

/// Two records of two words.
const RING: usize = 32;

/// The offset of the record of this number.
fn place_of(number: u64) -> usize {
    PAGE + (((number - 1) * 16) as usize & (RING - 1))
}

/// Writes record `number` as the publisher does: reserve, a zero after it, store, commit.
///
/// Its two words are the number and ten times the number, so a mixture of two records shows.
fn write(ring_writer: &mut RingWriter<Arc<Heap>>, memory: &Heap, number: u64) {
    let (start, end) = ((number - 1) * 16, number * 16);
    ring_writer.reserve(end);
    memory.store(place_of(number + 1), 0, Ordering::Relaxed);
    memory.store(place_of(number) + 8, number * 10, Ordering::Relaxed);
    ring_writer.commit_range(number, start, end);
}

/// [`write`] for two records of one batch.
fn write_both(ring_writer: &mut RingWriter<Arc<Heap>>, memory: &Heap, number: u64) {
    let other = number + 1;
    for number in [number, other] {
        ring_writer.reserve(number * 16);
        memory.store(place_of(number + 1), 0, Ordering::Relaxed);
        memory.store(place_of(number) + 8, number * 10, Ordering::Relaxed);
        if number == other {
            memory.store(place_of(number), number, Ordering::Relaxed);
        }
    }
    ring_writer.commit_range(number, number * 16, other * 16);
}

/// The first word of the record at a position, read as a subscriber does; `None` if it was overwritten.
///
/// Panics if the check accepts a mixture.
fn read(ring_reader: &RingReader<Arc<Heap>>, memory: &Heap, position: u64) -> Option<u64> {
    let place = place_of(position / 16 + 1);
    let (one, two) = (memory.load(place, Ordering::Relaxed), memory.load(place + 8, Ordering::Relaxed));
    ring_reader.is_intact(position).then(|| {
        assert_eq!(
            (one, two),
            (position / 16 + 1, (position / 16 + 1) * 10),
            "half a record was taken for one"
        );
        one
    })
}

#[test]
fn broadcast_intact_copy_is_whole() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let memory = Heap::new(PAGE + RING);
        let mut ring_writer = RingWriter::new(memory.clone(), RING);
        write(&mut ring_writer, &memory, 1);
        let ring_reader = RingReader::new(memory.clone(), RING, 100, Start::Newest);
        let writing = thread::spawn({
            let memory = memory.clone();
            move || (2..=4).for_each(|number| write(&mut ring_writer, &memory, number))
        });
        let tail = memory.load(at::TAIL, Ordering::Acquire);
        read(&ring_reader, &memory, tail - 16);
        let latest = memory.load(at::LATEST, Ordering::Acquire);
        read(&ring_reader, &memory, latest);
        writing.join().unwrap();
        assert_eq!(read(&ring_reader, &memory, 48), Some(4), "at rest it is always intact");
    });
}

/// Four records, each reserved together with its neighbor.
///
/// `step` is the publisher's or a mutant.
fn records_reserved_ahead(step: fn(&mut RingWriter<Arc<Heap>>, &Heap, u64)) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let memory = Heap::new(PAGE + RING);
        let mut ring_writer = RingWriter::with_ahead(memory.clone(), RING, 16);
        write(&mut ring_writer, &memory, 1);
        let ring_reader = RingReader::new(memory.clone(), RING, 100, Start::Newest);
        let writing = thread::spawn({
            let memory = memory.clone();
            move || (2..=4).for_each(|number| step(&mut ring_writer, &memory, number))
        });
        let tail = memory.load(at::TAIL, Ordering::Acquire);
        read(&ring_reader, &memory, tail - 16);
        let latest = memory.load(at::LATEST, Ordering::Acquire);
        read(&ring_reader, &memory, latest);
        writing.join().unwrap();
        assert_eq!(read(&ring_reader, &memory, 48), Some(4), "at rest it is always intact");
        assert_eq!(read(&ring_reader, &memory, 16), None, "the last record is in its place");
    });
}

#[test]
fn broadcast_reserved_ahead_intact_copy_is_whole() {
    records_reserved_ahead(write);
}

/// A mutant that writes a part of a record before it reserves the record.
fn write_then_reserve(ring_writer: &mut RingWriter<Arc<Heap>>, memory: &Heap, number: u64) {
    let (start, end) = ((number - 1) * 16, number * 16);
    memory.store(place_of(number + 1), 0, Ordering::Relaxed);
    memory.store(place_of(number) + 8, number * 10, Ordering::Relaxed);
    ring_writer.reserve(end);
    ring_writer.commit_range(number, start, end);
}

#[test]
#[should_panic(expected = "half a record")]
fn broadcast_reserved_late_half_a_record_is_found() {
    records_reserved_ahead(write_then_reserve);
}

/// A mutant that reserves without the release fence.
fn write_unfenced(ring_writer: &mut RingWriter<Arc<Heap>>, memory: &Heap, number: u64) {
    let (start, end) = ((number - 1) * 16, number * 16);
    if memory.load(at::RESERVED, Ordering::Relaxed) < end + 16 {
        memory.store(at::RESERVED, end + 32, Ordering::Relaxed);
    }
    memory.store(place_of(number + 1), 0, Ordering::Relaxed);
    memory.store(place_of(number) + 8, number * 10, Ordering::Relaxed);
    ring_writer.commit_range(number, start, end);
}

#[test]
#[should_panic(expected = "half a record")]
fn broadcast_reserved_without_a_fence_half_a_record_is_found() {
    records_reserved_ahead(write_unfenced);
}

/// A mutant that stores the newest record's position before the record's word, without a release fence.
fn write_and_announce_unfenced(ring_writer: &mut RingWriter<Arc<Heap>>, memory: &Heap, number: u64) {
    let (start, end) = ((number - 1) * 16, number * 16);
    ring_writer.reserve(end);
    memory.store(place_of(number + 1), 0, Ordering::Relaxed);
    memory.store(place_of(number) + 8, number * 10, Ordering::Relaxed);
    memory.store(at::LATEST, start, Ordering::Relaxed);
    ring_writer.commit_range(number, start, end);
}

#[test]
#[should_panic(expected = "half a record")]
fn broadcast_newest_announced_without_a_fence_half_a_record_is_found() {
    records_reserved_ahead(write_and_announce_unfenced);
}

#[test]
fn broadcast_two_records_committed_together_intact_copy_is_whole() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let memory = Heap::new(PAGE + RING);
        let mut ring_writer = RingWriter::new(memory.clone(), RING);
        write(&mut ring_writer, &memory, 1);
        let ring_reader = RingReader::new(memory.clone(), RING, 100, Start::Newest);
        let writing = thread::spawn({
            let memory = memory.clone();
            move || write_both(&mut ring_writer, &memory, 2)
        });
        let tail = memory.load(at::TAIL, Ordering::Acquire);
        read(&ring_reader, &memory, tail - 16);
        let latest = memory.load(at::LATEST, Ordering::Acquire);
        read(&ring_reader, &memory, latest);
        writing.join().unwrap();
        assert_eq!(read(&ring_reader, &memory, 32), Some(3), "at rest it is always intact");
    });
}

/// A subscriber polls the next record's first word, and sleeps until two messages were published.
///
/// It sleeps in the futex, whose time may pass at any moment with `time_passes`, then in poll, which a `Notify` models.
fn subscriber_sleeps(time_passes: bool) {
    let (memory, page) = (Heap::new(PAGE + 128), Heap::new(at::STATE + 8));
    let (mut ring_writer, mut ring_reader) = ends(&memory, 128);
    let byte = Arc::new(Notify::new());
    let publishing = thread::spawn({
        let (memory, page, byte) = (memory.clone(), page.clone(), byte.clone());
        move || {
            // The wake word is the ring's; each subscriber has its last answered park word.
            let (mut ring, mut subscription) = (Waker::new(at::DATA_WAKE), Waker::new(at::DATA_WAKE));
            for number in 1..=2 {
                publish(&mut ring_writer, number);
                let park = page.load_fenced(at::DATA_PARK);
                match subscription.is_due(park).then(|| subscription.take(park)).flatten() {
                    Some(Stage::Futex) => drop(ring.wake_futex(&memory, u32::MAX)),
                    Some(Stage::Poll) => byte.notify(),
                    None => {}
                }
            }
        }
    });
    let clock = time_passes.then(|| {
        let memory = memory.clone();
        thread::spawn(move || memory.time_passes())
    });
    let mut park = Park::new(at::DATA_PARK, at::DATA_WAKE);
    for number in 1..=2 {
        let found = loop {
            if let Some(found) = take(&mut ring_reader) {
                break found;
            }
            let ready = || ring_reader.is_ready_fenced();
            if park.sleep_briefly(&page, &memory, SHORT, ready).unwrap() == Slept::TimedOut {
                park.park(&page, Stage::Poll);
                if !ready() {
                    byte.wait();
                }
            }
            park.unpark(&page);
        };
        assert_eq!(found, number);
    }
    publishing.join().unwrap();
    clock.into_iter().for_each(|clock| clock.join().unwrap());
}

#[test]
fn subscriber_asleep_in_the_futex_is_woken() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| subscriber_sleeps(false));
}

#[test]
fn subscriber_asleep_in_the_futex_or_in_poll_is_woken() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| subscriber_sleeps(true));
}
