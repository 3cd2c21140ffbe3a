//! The ring and the park protocol in every interleaving, with every stale value that the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p linkspan --lib --release loom_tests`. A lost wake-up shows as a deadlock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::sync::Notify;
use loom::thread;

use super::account::Account;
use super::memory::heap::Heap;
use super::memory::{Memory, OwnMemory};
use super::park::{Park, SHORT, Stage, Waker};
use super::reader::{Reader, Step};
use super::segment::{PAGE, at};
use super::writer::Writer;
use crate::codec::Encoding;
use crate::frame::{Header, Kind, Outgoing};
use crate::sys::futex::Slept;
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
    let (writing, reading) = (Heap::new(PAGE + RING), Heap::new(at::ROOM_WAKE + 8));
    let writer = Writer::in_halves(writing.clone(), reading.clone(), RING);
    let reader = Reader::new(reading.clone(), writing.clone(), RING, 1 << 20);
    (writing, reading, writer, reader)
}

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

/// Wakes a sleeper as a link does; the byte over the socket is the notification.
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

/// Sleeps as a link does: for a moment in the futex, then until a byte comes.
fn sleep(park: &mut Park, mine: &Heap, peer: &Heap, byte: &Notify, mut there: impl FnMut() -> bool) {
    if park.sleep_briefly(mine, peer, SHORT, &mut there).unwrap() == Slept::TimedOut {
        park.park(mine, Stage::Poll);
        if !there() {
            byte.wait();
        }
    }
    park.unpark(mine);
}

/// A reader that sleeps until two messages have come, whose time in the futex may pass at any moment.
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
                writing.store(at::ROOM_WANTED, writer.wanted(), Ordering::Relaxed);
                sleep(&mut park, &writing, &reading, &byte, || writer.has_room().unwrap());
            }
        }
        receiving.join().unwrap();
        clock.join().unwrap();
    });
}

/// What a mutant leaves out of the protocol. The waker's and the sleeper's steps stand here as they are in `park`, around one
/// word of news, so that each of them can be taken out: without it a wake-up is lost, and the model deadlocks.
#[derive(Clone, Copy, PartialEq)]
enum Without {
    Nothing,
    /// The waker wakes and leaves the wake word as it was.
    WakeWord,
    /// The sleeper loads the wake word only after it has looked for the last time.
    WordBeforeParking,
    /// The sleeper sleeps right after having stored its park word.
    LastLook,
    /// The sleeper stores its park word without a fence behind it.
    SleepersFence,
    /// The waker looks at the park word without a fence behind the news.
    WakersFence,
    /// In poll the park word stays what it was in the futex, for which the waker has woken already.
    NewValue,
}

fn one_wake_up(without: Without, stage: Stage) {
    // In the place of the news stands the consumed number, which nobody else uses here.
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
    let there = || peer.load_fenced(NEWS) != 0;
    let store = |word: u64| match without {
        Without::SleepersFence => mine.store(at::DATA_PARK, word, Ordering::Release),
        _ => mine.store_fenced(at::DATA_PARK, word),
    };
    let before = peer.load(at::DATA_WAKE, Ordering::Acquire);
    if stage == Stage::Futex || without == Without::NewValue {
        store(4 | Stage::Futex as u64);
    }
    if without == Without::LastLook || !there() {
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
            if without == Without::LastLook || !there() {
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
fn one_wake_up_from_the_futex_without_the_last_look_is_lost() {
    model(3, || one_wake_up(Without::LastLook, Stage::Futex));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_wake_up_from_poll_without_the_last_look_is_lost() {
    model(3, || one_wake_up(Without::LastLook, Stage::Poll));
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

/// What a mutant leaves out of the protocol by which a sender waits for its messages to be consumed.
#[derive(Clone, Copy, PartialEq)]
enum Unsaid {
    Nothing,
    /// The receiver looks at what is wanted without a fence behind its number.
    TellersFence,
    /// The sender looks at the number without a fence behind what it wants.
    WantersFence,
    /// The sender sleeps right after having said what it wants.
    LastLook,
}

/// A sender waits until two messages have been consumed; the frame that wakes it is the notification.
fn one_acknowledgement(without: Unsaid) {
    let (mine, peer) = (Heap::new(at::ROOM_WAKE + 8), Heap::new(at::ROOM_WAKE + 8));
    let frame = Arc::new(Notify::new());
    let consuming = thread::spawn({
        let (frame, account, page) = (frame.clone(), Account::new(peer.clone(), mine.clone()), peer.clone());
        move || {
            for number in 1..=2 {
                match without {
                    Unsaid::TellersFence => page.store(at::ACKNOWLEDGED, number, Ordering::Release),
                    _ => account.tell(number),
                }
                if (1..=number).contains(&account.wanted()) {
                    frame.notify();
                }
            }
        }
    });
    let account = Account::new(mine.clone(), peer);
    match without {
        Unsaid::WantersFence => mine.store(at::ACK_WANTED, 2, Ordering::Release),
        _ => account.want(2),
    }
    if without == Unsaid::LastLook {
        frame.wait();
    }
    // A wait may end for nothing, as it does where another frame comes: each time the sender looks again.
    while account.told() < 2 {
        frame.wait();
    }
    consuming.join().unwrap();
}

#[test]
fn one_acknowledgement_that_is_waited_for_is_never_lost() {
    model(3, || one_acknowledgement(Unsaid::Nothing));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_acknowledgement_without_the_tellers_fence_is_lost() {
    model(3, || one_acknowledgement(Unsaid::TellersFence));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_acknowledgement_without_the_wanters_fence_is_lost() {
    model(3, || one_acknowledgement(Unsaid::WantersFence));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_acknowledgement_without_the_last_look_is_lost() {
    model(3, || one_acknowledgement(Unsaid::LastLook));
}

/// A receiver whose last word is that it has consumed a message, and then goes.
fn last_word(in_order: bool) {
    let (mine, peer) = (Heap::new(at::ROOM_WAKE + 8), Heap::new(at::ROOM_WAKE + 8));
    let closing = thread::spawn({
        let (account, page) = (Account::new(peer.clone(), mine.clone()), peer.clone());
        move || {
            if in_order {
                account.tell(1);
            }
            page.store(at::STATE, 1, Ordering::Release);
            if !in_order {
                account.tell(1);
            }
        }
    });
    while peer.load(at::STATE, Ordering::Acquire) == 0 {
        thread::yield_now();
    }
    assert_eq!(Account::new(mine, peer).told(), 1, "what was consumed is known after the end");
    closing.join().unwrap();
}

#[test]
fn what_was_consumed_before_the_state_says_closed_is_known_after_it() {
    model(3, || last_word(true));
}

#[test]
#[should_panic(expected = "known after the end")]
fn what_is_consumed_after_the_state_says_closed_may_be_missed() {
    model(3, || last_word(false));
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

/// What a mutant does with the header words of a batch. The writer's stores stand here in their order around two records of a header
/// and a word each, so that one of them can be made weaker or moved.
#[derive(Clone, Copy, PartialEq)]
enum Batch {
    Whole,
    /// The first header is stored without release.
    WithoutRelease,
    /// The first header is stored in its turn, before the second record.
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
