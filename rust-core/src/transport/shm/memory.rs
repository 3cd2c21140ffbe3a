//! The memory that rings live in: sealed memory files, and under loom a heap whose every interleaving is tried.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
}

/// Memory that this side alone writes.
pub(crate) trait OwnMemory: Memory {
    /// One word.
    fn store(&self, at: usize, value: u64, order: Ordering);
    /// One word with release order, then a full fence: no later [`Memory::load_fenced`] is answered from before it.
    /// Both sides of a "tell, then look whether the other sleeps" do this, so that one of the two sees the other.
    fn store_fenced(&self, at: usize, value: u64);
    /// Bytes where nobody reads yet.
    fn copy_in(&self, at: usize, from: &[u8]);
    /// Bytes where others may be reading; `at` is a multiple of 8, and the last word is filled up with zeros.
    fn copy_in_racing(&self, at: usize, from: &[u8]);
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
    fn copy_in(&self, at: usize, from: &[u8]) {
        MemoryFile::copy_in(self, at, from);
    }

    #[inline]
    fn copy_in_racing(&self, at: usize, from: &[u8]) {
        MemoryFile::copy_in_racing(self, at, from);
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
    fn copy_in(&self, at: usize, from: &[u8]) {
        (**self).copy_in(at, from);
    }

    #[inline]
    fn copy_in_racing(&self, at: usize, from: &[u8]) {
        (**self).copy_in_racing(at, from);
    }
}

/// A heap of words that stands for a memory file where there is no kernel: under loom and Miri, and in tests that
/// write garbage into it.
#[cfg(any(test, fuzzing))]
pub(super) mod heap {
    use super::*;

    #[cfg(loom)]
    use loom::sync::atomic::AtomicU64;
    #[cfg(not(loom))]
    use std::sync::atomic::AtomicU64;

    /// The words. Payload goes word by word with relaxed order, so loom shows every stale value it may have.
    pub struct Heap(Vec<AtomicU64>);

    impl Heap {
        /// So many bytes, all zero.
        pub fn new(bytes: usize) -> Arc<Heap> {
            Arc::new(Heap((0..=index(bytes - 8)).map(|_| AtomicU64::new(0)).collect()))
        }

        fn word(&self, at: usize) -> &AtomicU64 {
            assert_eq!(at % 8, 0, "a word between two words");
            &self.0[index(at)]
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
            return 15 + (at - PAGE) / 8;
        }
        assert!(at < 640 && at % 128 < 24, "not a shared word of the header page");
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
    }
}
