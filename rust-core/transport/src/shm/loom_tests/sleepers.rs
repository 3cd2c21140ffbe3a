//! Models of parking and waking: a reader and a writer that sleep, and mutants without one step.

use loom::sync::Notify;

use super::super::park::{Park, SHORT, Stage, Waker};
use super::*;
use crate::sys::futex::Slept;

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

/// A reader sleeps until two messages have arrived; with `time_passes` its futex sleep may time out.
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

/// The omitted step of the protocol; without it a wake-up is lost, and the model deadlocks.
///
/// The model repeats the steps of `park` around one word, so that each step can be omitted.
#[derive(Clone, Copy, PartialEq)]
enum Without {
    Nothing,
    /// The waker wakes without changing the wake word.
    WakeWord,
    /// The sleeper loads the wake word only after its last check.
    WordBeforeParking,
    /// The sleeper sleeps right after storing its park word.
    LastCheck,
    /// The sleeper stores its park word without a fence.
    SleepersFence,
    /// The waker loads the park word without a fence after its store.
    WakersFence,
    /// In poll the park word keeps its value from the futex, which the waker has answered already.
    NewValue,
}

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
