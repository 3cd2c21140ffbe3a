//! Loom models of the ring, the park protocol, acknowledgement, batches and slots: every
//! interleaving, with every stale value that the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --profile loom -p linkspan --no-default-features --lib
//! loom_tests`. A lost wake-up shows as a deadlock, a record that is read half written as a failed
//! assertion.
//!
//! Each protocol also has mutants: the same steps with one fence, check or ordering taken out.
//! Every mutant must fail, which shows that the model would find the mistake and that the step is
//! needed. The asymmetry of `membarrier` is not modelled, and not used.

mod plain;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::sync::Notify;
use loom::thread;

use super::ack_words::AckWords;
use super::memory::heap::Heap;
use super::memory::{Memory, OwnMemory};
use super::park::{Park, SHORT, Stage, Waker};
use super::reader::{Reader, Step};
use super::segment::{PAGE, at};
use super::slots::{ReferenceCounts, release};
use super::writer::Writer;
use crate::codec::Encoding;
use crate::frame::{Header, Kind, Outgoing};
use crate::sys::futex::Slept;
use crate::transport::Sent;

/// Room for one record of a word and a half: every message ends a lap or begins one.
const RING: usize = 64;

type Writing = Writer<Arc<Heap>, Arc<Heap>>;
type Reading = Reader<Arc<Heap>, Arc<Heap>>;

/// Runs a model with a bound on preemptions, which keeps the number of interleavings finite.
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

/// Writes the message of this number; false where there is no room.
fn write(writer: &mut Writing, sequence: u64) -> bool {
    let header = Header { sequence, sent: -1, ..Header::new(Kind::Data, Encoding::Raw) };
    let body = (sequence * 0x0101).to_le_bytes();
    writer.try_write(&Outgoing::new(header, &body)).unwrap() == Sent::Whole
}

/// The next frame, checked; false when there is none. Each second one is taken in place.
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
        Step::Frame(record) => {
            let frame = reader.take(record).unwrap().unwrap();
            assert_eq!((frame.header.sequence, frame.header.sent), (sequence, -1));
            assert_eq!(frame.body, (sequence * 0x0101).to_le_bytes());
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

/// Wakes a sleeper as a link does; `byte` stands for the byte over the socket.
fn wake(waker: &mut Waker, park: u64, mine: &Heap, byte: &Notify) {
    if !waker.is_due(park) {
        return;
    }
    match waker.take(park) {
        Some(Stage::Futex) => drop(waker.wake_futex(mine, 1)),
        Some(Stage::Poll) => byte.notify(),
        None => {}
    }
}

/// Sleeps as a link does: in the futex, then in poll until a byte arrives.
fn sleep(park: &mut Park, mine: &Heap, peer: &Heap, byte: &Notify, mut ready: impl FnMut() -> bool) {
    if park.sleep_briefly(mine, peer, SHORT, &mut ready).unwrap() == Slept::TimedOut {
        park.park(mine, Stage::Poll);
        if !ready() {
            byte.wait();
        }
    }
    park.unpark(mine);
}

/// A reader that sleeps until two messages have arrived; its time in the futex may end at any moment if `time_passes`.
fn reader_sleeps(time_passes: bool) {
    let (writing, reading, mut writer, mut reader) = ring();
    let byte = Arc::new(Notify::new());
    let sending = thread::spawn({
        let (byte, mine, peer) = (byte.clone(), writing.clone(), reading.clone());
        move || {
            let mut waker = Waker::new(at::DATA_WAKE);
            for sequence in 1..=2 {
                while !write(&mut writer, sequence) {
                    thread::yield_now();
                }
                wake(&mut waker, peer.load_fenced(at::DATA_PARK), &mine, &byte);
            }
        }
    });
    let clock = time_passes.then(|| {
        let peer = writing.clone();
        thread::spawn(move || peer.time_passes())
    });
    let mut park = Park::new(at::DATA_PARK, at::DATA_WAKE);
    for sequence in 1..=2 {
        while !read(&mut reader, sequence) {
            sleep(&mut park, &reading, &writing, &byte, || reader.is_ready_fenced());
        }
        reader.consume();
    }
    sending.join().unwrap();
    clock.into_iter().for_each(|clock| clock.join().unwrap());
}

#[test]
fn reader_asleep_in_the_futex_is_woken() {
    model(3, || reader_sleeps(false));
}

#[test]
fn reader_asleep_in_the_futex_or_in_poll_is_woken() {
    model(2, || reader_sleeps(true));
}

#[test]
fn writer_asleep_until_there_is_room_is_woken() {
    model(2, || {
        let (writing, reading, mut writer, mut reader) = ring();
        let byte = Arc::new(Notify::new());
        let receiving = thread::spawn({
            let (byte, mine, peer) = (byte.clone(), reading.clone(), writing.clone());
            move || {
                let mut waker = Waker::new(at::ROOM_WAKE);
                for sequence in 1..=2 {
                    while !read(&mut reader, sequence) {
                        thread::yield_now();
                    }
                    reader.consume();
                    let park = peer.load_fenced(at::ROOM_PARK);
                    if reader.head() >= peer.load(at::ROOM_WANTED, Ordering::Relaxed) {
                        wake(&mut waker, park, &mine, &byte);
                    }
                }
            }
        });
        let clock = thread::spawn({
            let peer = reading.clone();
            move || peer.time_passes()
        });
        let mut park = Park::new(at::ROOM_PARK, at::ROOM_WAKE);
        for sequence in 1..=2 {
            while !write(&mut writer, sequence) {
                writing.store(at::ROOM_WANTED, writer.wake_threshold(), Ordering::Relaxed);
                sleep(&mut park, &writing, &reading, &byte, || writer.has_room().unwrap());
            }
        }
        receiving.join().unwrap();
        clock.join().unwrap();
    });
}

/// The step that a mutant leaves out of the protocol. The steps of waker and sleeper are repeated here from `park`, around one word to wait for, so
/// that each can be left out: then a wake-up is lost, and the model deadlocks.
#[derive(Clone, Copy, PartialEq)]
enum Without {
    Nothing,
    /// The waker wakes and leaves the wake word as it was.
    WakeWord,
    /// The sleeper loads the wake word only after its last check.
    WordBeforeParking,
    /// The sleeper sleeps right after having stored its park word.
    LastCheck,
    /// The sleeper stores its park word without a fence behind it.
    SleepersFence,
    /// The waker loads the park word without a fence after its store.
    WakersFence,
    /// In poll the park word stays what it was in the futex, which the waker has answered with a wake-up already.
    NewValue,
}

/// One waker and one sleeper, without the step that the mutant leaves out.
fn one_wake_up(without: Without, stage: Stage) {
    // The consumed number stands for the word to wait for; nothing else uses it here.
    const NEWS: usize = at::CONSUMED;
    let (mine, peer) = (Heap::new(at::ROOM_WAKE + 8), Heap::new(at::ROOM_WAKE + 8));
    let byte = Arc::new(Notify::new());
    let waking = thread::spawn({
        // The waker's memory is the sleeper's peer.
        let (byte, mine, peer) = (byte.clone(), peer.clone(), mine.clone());
        move || {
            let mut waker = Waker::new(at::DATA_WAKE);
            match without {
                Without::WakersFence => mine.store(NEWS, 1, Ordering::Release),
                _ => mine.store_fenced(NEWS, 1),
            }
            let park = peer.load_fenced(at::DATA_PARK);
            match waker.is_due(park).then(|| waker.take(park)).flatten() {
                Some(Stage::Futex) if without == Without::WakeWord => drop(mine.wake(at::DATA_WAKE, 1)),
                Some(Stage::Futex) => drop(waker.wake_futex(&mine, 1)),
                Some(Stage::Poll) => byte.notify(),
                None => {}
            }
        }
    });
    let ready = || peer.load_fenced(NEWS) != 0;
    let store = |word: u64| match without {
        Without::SleepersFence => mine.store(at::DATA_PARK, word, Ordering::Release),
        _ => mine.store_fenced(at::DATA_PARK, word),
    };
    let before = peer.load(at::DATA_WAKE, Ordering::Acquire);
    if stage == Stage::Futex || without == Without::NewValue {
        store(4 | Stage::Futex as u64);
    }
    if without == Without::LastCheck || !ready() {
        if stage == Stage::Futex {
            let before = match without {
                Without::WordBeforeParking => peer.load(at::DATA_WAKE, Ordering::Acquire),
                _ => before,
            };
            peer.wait_while(at::DATA_WAKE, before, SHORT).unwrap();
        } else {
            if without != Without::NewValue {
                store(8 | Stage::Poll as u64);
            }
            if without == Without::LastCheck || !ready() {
                byte.wait();
            }
        }
    }
    waking.join().unwrap();
}

#[test]
fn one_wake_up_whole_protocol_is_never_lost() {
    for stage in [Stage::Futex, Stage::Poll] {
        model(3, move || one_wake_up(Without::Nothing, stage));
    }
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_wake_up_without_a_change_of_the_wake_word_is_lost() {
    model(3, || one_wake_up(Without::WakeWord, Stage::Futex));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_wake_up_with_the_wake_word_loaded_after_parking_is_lost() {
    model(3, || one_wake_up(Without::WordBeforeParking, Stage::Futex));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_wake_up_from_the_futex_without_the_last_check_is_lost() {
    model(3, || one_wake_up(Without::LastCheck, Stage::Futex));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_wake_up_from_poll_without_the_last_check_is_lost() {
    model(3, || one_wake_up(Without::LastCheck, Stage::Poll));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_wake_up_without_the_sleepers_fence_is_lost() {
    model(3, || one_wake_up(Without::SleepersFence, Stage::Futex));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_wake_up_without_the_wakers_fence_is_lost() {
    model(3, || one_wake_up(Without::WakersFence, Stage::Poll));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_wake_up_from_poll_with_the_park_word_of_the_futex_is_lost() {
    model(3, || one_wake_up(Without::NewValue, Stage::Poll));
}

/// The step that a mutant leaves out of the protocol by which a sender waits for its messages to be consumed.
#[derive(Clone, Copy, PartialEq)]
enum WithoutStep {
    Nothing,
    /// The receiver loads the wanted number without a fence after its store.
    ReceiversFence,
    /// The sender loads the consumed number without a fence after its store.
    SendersFence,
    /// The sender sleeps right after having stored the wanted number.
    LastCheck,
}

/// A sender waits until two messages have been consumed; the frame that wakes it is the notification.
fn one_acknowledgement(without: WithoutStep) {
    let (mine, peer) = (Heap::new(at::ROOM_WAKE + 8), Heap::new(at::ROOM_WAKE + 8));
    let frame = Arc::new(Notify::new());
    let consuming = thread::spawn({
        let (frame, ack_words, page) =
            (frame.clone(), AckWords::new(peer.clone(), mine.clone()), peer.clone());
        move || {
            for number in 1..=2 {
                match without {
                    WithoutStep::ReceiversFence => page.store(at::ACKNOWLEDGED, number, Ordering::Release),
                    _ => ack_words.publish(number),
                }
                if (1..=number).contains(&ack_words.wanted()) {
                    frame.notify();
                }
            }
        }
    });
    let ack_words = AckWords::new(mine.clone(), peer);
    match without {
        WithoutStep::SendersFence => mine.store(at::ACK_WANTED, 2, Ordering::Release),
        _ => ack_words.want(2),
    }
    if without == WithoutStep::LastCheck {
        frame.wait();
    }
    // A wait may end spuriously, as when another frame arrives: the sender checks each time.
    while ack_words.acknowledged() < 2 {
        frame.wait();
    }
    consuming.join().unwrap();
}

#[test]
fn one_acknowledgement_whole_protocol_is_never_lost() {
    model(3, || one_acknowledgement(WithoutStep::Nothing));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_acknowledgement_without_the_receivers_fence_is_lost() {
    model(3, || one_acknowledgement(WithoutStep::ReceiversFence));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_acknowledgement_without_the_senders_fence_is_lost() {
    model(3, || one_acknowledgement(WithoutStep::SendersFence));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_acknowledgement_without_the_last_check_is_lost() {
    model(3, || one_acknowledgement(WithoutStep::LastCheck));
}

/// A receiver that acknowledges a message and then closes, in this order or in the other.
fn acknowledge_and_close(in_order: bool) {
    let (mine, peer) = (Heap::new(at::ROOM_WAKE + 8), Heap::new(at::ROOM_WAKE + 8));
    let closing = thread::spawn({
        let (ack_words, page) = (AckWords::new(peer.clone(), mine.clone()), peer.clone());
        move || {
            if in_order {
                ack_words.publish(1);
            }
            page.store(at::STATE, 1, Ordering::Release);
            if !in_order {
                ack_words.publish(1);
            }
        }
    });
    while peer.load(at::STATE, Ordering::Acquire) == 0 {
        thread::yield_now();
    }
    assert_eq!(AckWords::new(mine, peer).acknowledged(), 1, "the consumed number is known after the end");
    closing.join().unwrap();
}

#[test]
fn acknowledgement_before_close_is_known_after_it() {
    model(3, || acknowledge_and_close(true));
}

#[test]
#[should_panic(expected = "known after the end")]
fn acknowledgement_after_close_may_be_missed() {
    model(3, || acknowledge_and_close(false));
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

/// What a mutant changes in the header words of a batch. The writer's stores are repeated here in their order around two records of a header and a
/// word each, so that one of them can be made weaker or moved.
#[derive(Clone, Copy, PartialEq)]
enum Batch {
    Whole,
    /// The first header is stored without release.
    WithoutRelease,
    /// The first header is stored in its turn, before the second record.
    FirstInItsTurn,
}

/// A batch of two records, with the writer's stores changed as the mutant says.
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

/// A slot of one word, all of whose elements are equal after each filling, and a consumer that
/// views it: what it reads first has to stay until it releases the reference. `is_released` and
/// `done` are the protocol's, or mutants of it.
fn slot_reuse(is_released: fn(&ReferenceCounts<Arc<Heap>>, &Heap, u64) -> bool, done: fn(&Heap)) {
    model(3, move || {
        let (page, ring, slot) = (Heap::new(at::RELEASED + 8), Heap::new(PAGE + 8), Heap::new(PAGE + 16));
        let consumer = {
            let (page, ring, slot) = (page.clone(), ring.clone(), slot.clone());
            thread::spawn(move || {
                for number in 1..=2 {
                    while ring.load(PAGE, Ordering::Acquire) < number {
                        thread::yield_now();
                    }
                    let first = slot.load(PAGE, Ordering::Relaxed);
                    let second = slot.load(PAGE + 8, Ordering::Relaxed);
                    assert_eq!((first, second), (number, number), "the slot was written while it was viewed");
                    done(&page);
                }
            })
        };
        let mut counts = ReferenceCounts::new(page.clone());
        for number in 1..=2 {
            while !is_released(&counts, &page, number - 1) {
                thread::yield_now();
            }
            slot.store(PAGE, number, Ordering::Relaxed);
            slot.store(PAGE + 8, number, Ordering::Relaxed);
            counts.reference(0);
            ring.store(PAGE, number, Ordering::Release);
        }
        consumer.join().unwrap();
    });
}

#[test]
fn slot_is_written_only_without_views() {
    slot_reuse(|counts, _, _| counts.is_released(0), |page| release(page, 0));
}

#[test]
#[should_panic(expected = "the slot was written while it was viewed")]
fn mutant_without_the_released_check_overwrites_a_view() {
    slot_reuse(|_, _, _| true, |page| release(page, 0));
}

/// The same with other orderings: of the reader's addition to its word, and of the writer's load of
/// that word.
fn reordered_reuse(release: Ordering, acquire: Ordering) {
    model(3, move || {
        let (page, slot) = (Heap::new(at::RELEASED + 8), Heap::new(PAGE + 8));
        let seen = Arc::new(loom::cell::UnsafeCell::new(1u64));
        let consumer = {
            let (page, seen) = (page.clone(), seen.clone());
            thread::spawn(move || {
                // SAFETY: loom checks that nothing accesses it concurrently, which is the purpose of the model.
                assert_eq!(seen.with(|seen| unsafe { *seen }), 1);
                page.add_one(at::RELEASED, release);
            })
        };
        if page.load(at::RELEASED, acquire) == 1 {
            // SAFETY: as above.
            seen.with_mut(|seen| unsafe { *seen = 2 });
        }
        slot.store(PAGE, 1, Ordering::Relaxed);
        consumer.join().unwrap();
    });
}

#[test]
fn slot_reads_come_before_the_next_write() {
    reordered_reuse(Ordering::Release, Ordering::Acquire);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_with_relaxed_release_is_found() {
    reordered_reuse(Ordering::Relaxed, Ordering::Acquire);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_with_relaxed_released_load_is_found() {
    reordered_reuse(Ordering::Release, Ordering::Relaxed);
}
