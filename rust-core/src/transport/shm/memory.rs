//! The memory that rings live in: sealed memory files, and under loom a heap whose every interleaving is tried.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Result;
use crate::sys::futex::Slept;
use crate::sys::memory::{MemoryFile, PeerMemory};

/// Memory that somebody writes and this side reads. Positions are multiples of 8 for words; a position outside panics, so
/// callers check what a peer claims before they come here.
pub(crate) trait Memory {
    /// One word.
    fn load(&self, at: usize, order: Ordering) -> u64;
    /// One word, ordered after every [`OwnMemory::store_fenced`] of this thread.
    fn load_fenced(&self, at: usize) -> u64;
    /// A hint that this place will be read soon.
    fn prefetch(&self, _at: usize) {}
    /// Bytes that the writer has finished.
    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]);
    /// Bytes that the writer may be overwriting; `at` is a multiple of 8. To be validated afterwards.
    fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]);
    /// Sleeps while the low half of a word is that of `value`, at most so long.
    fn wait_while(&self, at: usize, value: u64, at_most: Duration) -> Result<Slept>;
}

/// Memory that this side alone writes.
pub(crate) trait OwnMemory: Memory {
    /// One word.
    fn store(&self, at: usize, value: u64, order: Ordering);
    /// One word with release order, then a full fence: no later [`Memory::load_fenced`] is answered from before it.
    /// Both sides of a "tell, then look whether the other sleeps" do this, so that one of the two sees the other.
    fn store_fenced(&self, at: usize, value: u64);
    /// A hint that this place will be written soon.
    fn prefetch_own(&self, _at: usize) {}
    /// Bytes where nobody reads yet.
    fn copy_in(&self, at: usize, from: &[u8]);
    /// Bytes where others may be reading; `at` is a multiple of 8, and the last word is filled up with zeros.
    fn copy_in_racing(&self, at: usize, from: &[u8]);
    /// Wakes at most so many that sleep on a word, and returns how many those were. Change the word before!
    fn wake(&self, at: usize, at_most: u32) -> u32;
}

/// Orders the racing copies of a broadcast ring against the words that validate them.
#[inline]
pub(super) fn fence(order: Ordering) {
    #[cfg(loom)]
    loom::sync::atomic::fence(order);
    #[cfg(not(loom))]
    std::sync::atomic::fence(order);
}

impl Memory for PeerMemory {
    #[inline]
    fn prefetch(&self, at: usize) {
        PeerMemory::prefetch(self, at);
    }

    #[inline]
    fn load(&self, at: usize, order: Ordering) -> u64 {
        PeerMemory::load(self, at, order)
    }

    #[inline]
    fn load_fenced(&self, at: usize) -> u64 {
        PeerMemory::load(self, at, Ordering::SeqCst)
    }

    #[inline]
    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        PeerMemory::copy_out(self, at, into);
    }

    #[inline]
    fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        PeerMemory::copy_out_racing(self, at, into);
    }

    fn wait_while(&self, at: usize, value: u64, at_most: Duration) -> Result<Slept> {
        PeerMemory::wait_while(self, at, value, at_most)
    }
}

impl Memory for MemoryFile {
    #[inline]
    fn load(&self, at: usize, order: Ordering) -> u64 {
        self.word(at).load(order)
    }

    #[inline]
    fn load_fenced(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::SeqCst)
    }

    #[inline]
    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        MemoryFile::copy_out(self, at, into);
    }

    #[inline]
    fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        // Nobody else writes here.
        MemoryFile::copy_out(self, at, into);
    }

    fn wait_while(&self, _at: usize, _value: u64, _at_most: Duration) -> Result<Slept> {
        // This side alone writes here, so it has nothing to wait for.
        Ok(Slept::TimedOut)
    }
}

impl OwnMemory for MemoryFile {
    #[inline]
    fn store(&self, at: usize, value: u64, order: Ordering) {
        self.word(at).store(value, order);
    }

    #[inline]
    fn store_fenced(&self, at: usize, value: u64) {
        // Not an exchange: that would wait for the stores before it, and a reader that polls this cache line would have
        // it back by then. A plain store follows the payload's at once, and the fence waits afterwards.
        self.word(at).store(value, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    #[inline]
    fn prefetch_own(&self, at: usize) {
        MemoryFile::prefetch(self, at);
    }

    #[inline]
    fn copy_in(&self, at: usize, from: &[u8]) {
        MemoryFile::copy_in(self, at, from);
    }

    #[inline]
    fn copy_in_racing(&self, at: usize, from: &[u8]) {
        MemoryFile::copy_in_racing(self, at, from);
    }

    fn wake(&self, at: usize, at_most: u32) -> u32 {
        MemoryFile::wake(self, at, at_most)
    }
}

impl<M: Memory> Memory for Arc<M> {
    #[inline]
    fn prefetch(&self, at: usize) {
        (**self).prefetch(at);
    }

    #[inline]
    fn load(&self, at: usize, order: Ordering) -> u64 {
        (**self).load(at, order)
    }

    #[inline]
    fn load_fenced(&self, at: usize) -> u64 {
        (**self).load_fenced(at)
    }

    #[inline]
    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        (**self).copy_out(at, into);
    }

    #[inline]
    fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        (**self).copy_out_racing(at, into);
    }

    fn wait_while(&self, at: usize, value: u64, at_most: Duration) -> Result<Slept> {
        (**self).wait_while(at, value, at_most)
    }
}

impl<M: OwnMemory> OwnMemory for Arc<M> {
    #[inline]
    fn store(&self, at: usize, value: u64, order: Ordering) {
        (**self).store(at, value, order);
    }

    #[inline]
    fn store_fenced(&self, at: usize, value: u64) {
        (**self).store_fenced(at, value);
    }

    #[inline]
    fn prefetch_own(&self, at: usize) {
        (**self).prefetch_own(at);
    }

    #[inline]
    fn copy_in(&self, at: usize, from: &[u8]) {
        (**self).copy_in(at, from);
    }

    #[inline]
    fn copy_in_racing(&self, at: usize, from: &[u8]) {
        (**self).copy_in_racing(at, from);
    }

    fn wake(&self, at: usize, at_most: u32) -> u32 {
        (**self).wake(at, at_most)
    }
}

/// A heap of words that stands for a memory file where there is no kernel: under loom and Miri, and in tests that
/// write garbage into it.
#[cfg(any(test, fuzzing))]
pub(super) mod heap {
    use super::*;

    #[cfg(loom)]
    use loom::sync::{Condvar, Mutex, atomic::AtomicU64};
    #[cfg(not(loom))]
    use std::sync::{Condvar, Mutex, atomic::AtomicU64};

    /// The words. Payload goes word by word with relaxed order, so loom shows every stale value it may have.
    pub struct Heap {
        words: Vec<AtomicU64>,
        /// The kernel's queue of those who sleep on a word, and whether their time has passed: under loom no time passes, and a
        /// thread of the model says that it has.
        sleepers: (Mutex<bool>, Condvar),
    }

    impl Heap {
        /// So many bytes, all zero.
        pub fn new(bytes: usize) -> Arc<Heap> {
            Arc::new(Heap {
                words: (0..=index(bytes - 8)).map(|_| AtomicU64::new(0)).collect(),
                sleepers: (Mutex::new(false), Condvar::new()),
            })
        }

        /// The time of every sleep on a word of this memory has passed.
        #[cfg(loom)]
        pub fn time_passes(&self) {
            *self.sleepers.0.lock().unwrap() = true;
            self.sleepers.1.notify_all();
        }

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

    /// Loom pays for every word, so only those of the header page exist that are shared: three a block.
    #[cfg(loom)]
    fn index(at: usize) -> usize {
        use crate::transport::shm::segment::PAGE;
        if at >= PAGE {
            return 18 + (at - PAGE) / 8;
        }
        assert!(at < 768 && at % 128 < 24, "not a shared word of the header page");
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

        /// As the kernel does it: the word is compared under the lock that a waker takes after having changed it.
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

        fn copy_in_racing(&self, at: usize, from: &[u8]) {
            for (i, chunk) in from.chunks(8).enumerate() {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.word(at + i * 8).store(u64::from_le_bytes(word), Ordering::Relaxed);
            }
        }

        fn wake(&self, _at: usize, at_most: u32) -> u32 {
            // Nobody comes between the look at the word and the sleep.
            drop(self.sleepers.0.lock().unwrap());
            self.sleepers.1.notify_all();
            at_most
        }
    }
}
