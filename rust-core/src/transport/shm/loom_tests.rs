//! The ring and the park protocol in every interleaving, with every stale value that the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p linkspan --lib --release loom_tests`. A lost wake-up shows as a deadlock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::sync::Notify;
use loom::thread;

use super::memory::heap::Heap;
use super::memory::{Memory, OwnMemory};
use super::park::{Bell, Park};
use super::reader::{Reader, Step};
use super::segment::{PAGE, at};
use super::writer::Writer;
use crate::codec::Encoding;
use crate::frame::{Header, Kind, Outgoing};
use crate::transport::Sent;

/// Room for one record of a word and a half: every message ends a lap or begins one.
const RING: usize = 64;

type Writing = Writer<Arc<Heap>, Arc<Heap>>;
type Reading = Reader<Arc<Heap>, Arc<Heap>>;

fn model(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

fn ring() -> (Arc<Heap>, Arc<Heap>, Writing, Reading) {
    let (writing, reading) = (Heap::new(PAGE + RING), Heap::new(at::STATE + 8));
    let writer = Writer::in_halves(writing.clone(), reading.clone(), RING);
    let reader = Reader::new(reading.clone(), writing.clone(), RING, 1 << 20);
    (writing, reading, writer, reader)
}

fn write(writer: &mut Writing, sequence: u64) -> bool {
    let header = Header { sequence, sent: -1, ..Header::new(Kind::Data, Encoding::Raw) };
    let body = (sequence * 0x0101).to_le_bytes();
    writer.try_write(&Outgoing::new(header, &body)).unwrap() == Sent::Whole
}

/// The next frame, checked; false when there is none.
fn read(reader: &mut Reading, sequence: u64) -> bool {
    match reader.step().unwrap() {
        Step::Frame(record) => {
            let frame = reader.take(record).unwrap().unwrap();
            assert_eq!((frame.header.sequence, frame.header.sent), (sequence, -1));
            assert_eq!(frame.body[..], (sequence * 0x0101).to_le_bytes());
            true
        }
        Step::Empty => false,
        other => panic!("{other:?} was never written"),
    }
}

#[test]
fn records_arrive_whole_and_in_order_while_the_ring_is_lapped() {
    model(3, || {
        let (_, _, mut writer, mut reader) = ring();
        let writing = thread::spawn(move || {
            for sequence in 1..=3 {
                while !write(&mut writer, sequence) {
                    thread::yield_now();
                }
            }
        });
        for sequence in 1..=3 {
            while !read(&mut reader, sequence) {
                thread::yield_now();
            }
            reader.consume();
        }
        writing.join().unwrap();
    });
}

#[test]
fn a_reader_that_goes_to_sleep_is_woken() {
    model(3, || {
        let (_, reading, mut writer, mut reader) = ring();
        let event = Arc::new(Notify::new());
        let writing = thread::spawn({
            let (event, peer) = (event.clone(), reading.clone());
            move || {
                let mut bell = Bell::default();
                for sequence in 1..=2 {
                    while !write(&mut writer, sequence) {
                        thread::yield_now();
                    }
                    let word = peer.load_fenced(at::DATA_PARK);
                    if bell.is_due(word) {
                        bell.rung(word);
                        event.notify();
                    }
                }
            }
        });
        let mut park = Park::new(at::DATA_PARK);
        for sequence in 1..=2 {
            while !read(&mut reader, sequence) {
                park.lie_down(&reading);
                if !reader.is_ready_fenced() {
                    event.wait();
                }
                park.get_up(&reading);
            }
            reader.consume();
        }
        writing.join().unwrap();
    });
}

#[test]
fn a_writer_that_waits_for_room_is_woken() {
    model(3, || {
        let (writing, _, mut writer, mut reader) = ring();
        let event = Arc::new(Notify::new());
        let receiving = thread::spawn({
            let (event, peer) = (event.clone(), writing.clone());
            move || {
                let mut bell = Bell::default();
                for sequence in 1..=2 {
                    while !read(&mut reader, sequence) {
                        thread::yield_now();
                    }
                    reader.consume();
                    let word = peer.load_fenced(at::ROOM_PARK);
                    if bell.is_due(word) && reader.head() >= peer.load(at::ROOM_WANTED, Ordering::Relaxed) {
                        bell.rung(word);
                        event.notify();
                    }
                }
            }
        });
        let mut park = Park::new(at::ROOM_PARK);
        for sequence in 1..=2 {
            while !write(&mut writer, sequence) {
                writing.store(at::ROOM_WANTED, writer.wanted(), Ordering::Relaxed);
                park.lie_down(&writing);
                if !writer.has_room().unwrap() {
                    event.wait();
                }
                park.get_up(&writing);
            }
        }
        receiving.join().unwrap();
    });
}

#[test]
fn what_was_written_before_the_state_says_closed_is_found_after_it() {
    model(3, || {
        let (writing, _, mut writer, mut reader) = ring();
        let closing = thread::spawn({
            let writing = writing.clone();
            move || {
                assert!(write(&mut writer, 1));
                writing.store(at::STATE, 1, Ordering::Release);
            }
        });
        while writing.load(at::STATE, Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        assert!(read(&mut reader, 1));
        closing.join().unwrap();
    });
}
