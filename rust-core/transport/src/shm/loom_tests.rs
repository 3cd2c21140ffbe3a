//! Loom models of the ring, the park protocol, acknowledgement, batches and slots.
//!
//! They cover every interleaving with every stale value that the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --profile loom -p linkspan --no-default-features --lib loom_tests`. A lost
//! wake-up shows as a deadlock, an incomplete record as a failed assertion.
//!
//! Each protocol also has mutants, which lack one fence, check or ordering. Every mutant must fail, which shows that
//! the step is needed and the model finds its loss. The asymmetry of `membarrier` is neither modelled nor used.

mod acknowledgements;
mod batches;
mod fast;
mod sleepers;
mod slots;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::thread;

use super::memory::heap::Heap;
use super::memory::{Memory, OwnMemory};
use super::reader::{ReadStep, Reader};
use super::segment::{PAGE, at};
use super::writer::Writer;
use crate::Sent;
use crate::codec::Encoding;
use crate::frame::{Header, Kind, Outgoing};

/// Room for one record of a word and a half: every message ends a lap or begins one.
const RING: usize = 64;

type Writing = Writer<Arc<Heap>, Arc<Heap>>;
type Reading = Reader<Arc<Heap>, Arc<Heap>>;

/// Runs a model with a limit on preemptions, which keeps the number of interleavings finite.
fn model(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

/// Both sides' memories, and the two ends of one ring over them.
fn ring() -> (Arc<Heap>, Arc<Heap>, Writing, Reading) {
    let (writing, reading) = (Heap::new(PAGE + RING), Heap::new(at::ROOM_WAKE + 8));
    let writer = Writer::in_halves(writing.clone(), reading.clone(), RING);
    let reader = Reader::new(reading.clone(), writing.clone(), RING, 1 << 20);
    (writing, reading, writer, reader)
}

/// Writes the message of this number; false without room.
fn write(writer: &mut Writing, sequence: u64) -> bool {
    let header = Header { sequence, sent: -1, ..Header::new(Kind::Data, Encoding::Raw) };
    let body = (sequence * 0x0101).to_le_bytes();
    writer.try_write(&Outgoing::new(header, &body)).unwrap() == Sent::Whole
}

/// The next frame, checked; false without one. Every second one is taken in place.
fn read(reader: &mut Reading, sequence: u64) -> bool {
    if sequence % 2 == 0 {
        let Some(small) = reader.peek_small() else { return false };
        let mut body = [0; 8];
        assert_eq!((small.sequence, small.sent(), small.length()), (sequence, -1, body.len()));
        reader.take_small(&small, &mut body);
        assert_eq!(body, (sequence * 0x0101).to_le_bytes());
        return true;
    }
    match reader.step().unwrap() {
        ReadStep::Frame(record) => {
            let frame = reader.take(record).unwrap().unwrap();
            assert_eq!((frame.header.sequence, frame.header.sent), (sequence, -1));
            assert_eq!(frame.body, (sequence * 0x0101).to_le_bytes());
            true
        }
        ReadStep::Empty => false,
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
fn record_written_before_close_is_found_after_it() {
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
