//! A heap of words instead of a memory file: for loom, for Miri, and for tests that write garbage.

use super::*;

#[cfg(loom)]
use loom::sync::{Condvar, Mutex, atomic::AtomicU64};
#[cfg(not(loom))]
use std::sync::{Condvar, Mutex, atomic::AtomicU64};

/// The words. Payload is copied by relaxed words, so loom shows every possible stale value.
pub struct Heap {
    words: Vec<AtomicU64>,
    /// The kernel's queue of sleepers, and whether all sleeps end (a thread of a loom model ends them).
    sleepers: (Mutex<bool>, Condvar),
}

impl Heap {
    pub fn new(bytes: usize) -> Arc<Heap> {
        Arc::new(Heap {
            words: (0..=index(bytes - 8)).map(|_| AtomicU64::new(0)).collect(),
            sleepers: (Mutex::new(false), Condvar::new()),
        })
    }

    #[cfg(loom)]
    pub fn time_passes(&self) {
        *self.sleepers.0.lock().unwrap() = true;
        self.sleepers.1.notify_all();
    }

    /// The word at an offset; panics unless it is a multiple of 8, as the mapping does.
    fn word(&self, at: usize) -> &AtomicU64 {
        assert_eq!(at % 8, 0, "a word between two words");
        &self.words[index(at)]
    }

    fn byte(&self, at: usize) -> u8 {
        self.word(at & !7).load(Ordering::Relaxed).to_le_bytes()[at % 8]
    }
}

#[cfg(not(loom))]
fn index(at: usize) -> usize {
    at / 8
}

/// Loom is slow with every word, so only the shared words of the page exist: three in each block.
#[cfg(loom)]
fn index(at: usize) -> usize {
    use crate::shm::segment::PAGE;
    if at >= PAGE {
        return 21 + (at - PAGE) / 8;
    }
    assert!(at < 896 && at % 128 < 24, "not a shared word of the header page");
    at / 128 * 3 + at % 128 / 8
}

impl Memory for Heap {
    fn load(&self, at: usize, order: Ordering) -> u64 {
        self.word(at).load(order)
    }

    fn load_fenced(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::Acquire)
    }

    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        if at.is_multiple_of(8) {
            return self.copy_out_racing(at, into);
        }
        for (i, to) in into.iter_mut().enumerate() {
            to.write(self.byte(at + i));
        }
    }

    fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        for (i, chunk) in into.chunks_mut(8).enumerate() {
            let word = self.word(at + i * 8).load(Ordering::Relaxed).to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(word) {
                to.write(from);
            }
        }
    }

    /// Compares the word under the lock that a waker takes after its change, as the kernel does.
    fn wait_while(&self, at: usize, value: u64, at_most: Duration) -> Result<Slept> {
        let (late, woken) = &self.sleepers;
        let late = late.lock().unwrap();
        if self.load(at, Ordering::Relaxed) as u32 != value as u32 {
            return Ok(Slept::Woken);
        }
        if *late {
            return Ok(Slept::TimedOut);
        }
        #[cfg(loom)]
        let timed_out = {
            let _ = at_most;
            *woken.wait(late).unwrap()
        };
        #[cfg(not(loom))]
        let timed_out = woken.wait_timeout(late, at_most).unwrap().1.timed_out();
        Ok(if timed_out { Slept::TimedOut } else { Slept::Woken })
    }
}

impl OwnMemory for Heap {
    fn store(&self, at: usize, value: u64, order: Ordering) {
        self.word(at).store(value, order);
    }

    fn store_fenced(&self, at: usize, value: u64) {
        self.word(at).store(value, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    fn add(&self, at: usize, number: u64, order: Ordering) {
        self.word(at).fetch_add(number, order);
    }

    fn subtract(&self, at: usize, number: u64, order: Ordering) {
        self.word(at).fetch_sub(number, order);
    }

    fn copy_in(&self, at: usize, from: &[u8]) {
        if at.is_multiple_of(8) && from.len().is_multiple_of(8) {
            return self.copy_in_racing(at, from);
        }
        for (i, byte) in from.iter().enumerate() {
            let (word, within) = (self.word((at + i) & !7), (at + i) % 8);
            let mut bytes = word.load(Ordering::Relaxed).to_le_bytes();
            bytes[within] = *byte;
            word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
    }

    fn copy_in_behind(&self, at: usize, word: u64, from: &[u8]) {
        self.store(at, word, Ordering::Relaxed);
        self.copy_in(at + 8, from);
    }

    fn copy_in_racing(&self, at: usize, from: &[u8]) {
        for (i, chunk) in from.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(at + i * 8).store(u64::from_le_bytes(word), Ordering::Relaxed);
        }
    }

    fn wake(&self, _at: usize, at_most: u32) -> u32 {
        // With the lock, no other thread runs between its check of the word and its sleep.
        drop(self.sleepers.0.lock().unwrap());
        self.sleepers.1.notify_all();
        at_most
    }
}
