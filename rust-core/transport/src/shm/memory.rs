//! The memory of rings, as two traits: sealed memory files in production, a heap under loom and Miri.
//!
//! So loom tries every interleaving of the production code. The traits also fix the possible orderings: "store, then
//! check whether the other side sleeps" is [`OwnMemory::store_fenced`], and its counterpart [`Memory::load_fenced`].
//!
//! `copy_in` and `copy_out` copy bytes that the protocol keeps from the other side. The racing copies go word by word
//! with relaxed order: readers of the broadcast ring check afterwards whether they were overtaken.

#[cfg(any(test, fuzzing))]
pub(super) mod heap;

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Result;
use crate::sys::futex::Slept;
use crate::sys::memory::{MemoryFile, PeerMemory};

/// Memory that one process writes and this side reads.
///
/// Offsets of words are multiples of 8. An offset outside the memory panics, so callers check a peer's claims before.
pub trait Memory {
    fn load(&self, at: usize, order: Ordering) -> u64;
    /// Loads one word; ordered after every [`OwnMemory::store_fenced`] of this thread.
    fn load_fenced(&self, at: usize) -> u64;
    /// Loads `N` words, each once and in relaxed order.
    #[inline]
    fn load_words<const N: usize>(&self, at: usize) -> [u64; N] {
        let mut words = [0; N];
        for (i, word) in words.iter_mut().enumerate() {
            *word = self.load(at + i * 8, Ordering::Relaxed);
        }
        words
    }
    /// A hint that this offset will be read soon.
    fn prefetch(&self, _at: usize) {}
    /// Copies bytes that the writer has finished.
    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]);
    /// Loads a word and copies the bytes after it, which the writer has finished.
    #[inline]
    fn copy_out_behind(&self, at: usize, into: &mut [MaybeUninit<u8>]) -> u64 {
        let word = self.load(at, Ordering::Relaxed);
        self.copy_out(at + 8, into);
        word
    }
    /// Copies bytes that the writer may be overwriting; the caller validates afterwards.
    ///
    /// `at` is a multiple of 8.
    fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]);
    /// Sleeps in the futex while the low 32 bits of a word equal those of `value`, at most `at_most`.
    ///
    /// May return early.
    fn wait_while(&self, at: usize, value: u64, at_most: Duration) -> Result<Slept>;
}

/// Memory that only this side writes; the peer maps it read-only.
pub trait OwnMemory: Memory {
    fn store(&self, at: usize, value: u64, order: Ordering);
    /// Stores one word with release order, then makes a full fence.
    ///
    /// Both sides do this before they load the other's word, so at least one sees the other's store.
    fn store_fenced(&self, at: usize, value: u64);
    /// Each in relaxed order.
    #[inline]
    fn store_words<const N: usize>(&self, at: usize, words: [u64; N]) {
        for (i, word) in words.into_iter().enumerate() {
            self.store(at + i * 8, word, Ordering::Relaxed);
        }
    }
    /// Adds to a word that several threads of this side write.
    fn add(&self, at: usize, number: u64, order: Ordering);
    /// Subtracts from a word that several threads of this side write.
    fn subtract(&self, at: usize, number: u64, order: Ordering);
    /// A hint that this offset will be written soon.
    fn prefetch_own(&self, _at: usize) {}
    /// Copies bytes to a place that no one reads yet.
    fn copy_in(&self, at: usize, from: &[u8]);
    /// Writes a word, and copies bytes after it, to a place that no one reads yet.
    fn copy_in_behind(&self, at: usize, word: u64, from: &[u8]);
    /// Writes a record of `size` bytes to a place that no one reads yet, so that a reader finds it whole.
    ///
    /// Writes a zero word after the record, the prefix, the bytes, and last the header word, as
    /// [`OwnMemory::store_fenced`]. `at` and `size` are multiples of 8, and the record has room for everything.
    #[inline]
    fn store_record<const N: usize>(
        &self,
        at: usize,
        header: u64,
        size: usize,
        prefix: [u64; N],
        from: &[u8],
    ) {
        self.store_content(at, size, prefix, from);
        self.store_fenced(at, header);
    }
    /// [`OwnMemory::store_record`] without the header word: the reader does not find the record yet.
    fn store_content<const N: usize>(&self, at: usize, size: usize, prefix: [u64; N], from: &[u8]) {
        self.store(at + size, 0, Ordering::Relaxed);
        self.store_words(at + 8, prefix);
        self.copy_in(at + 8 + 8 * N, from);
    }
    /// Copies bytes to a place that others may be reading.
    ///
    /// `at` is a multiple of 8; zeros fill up the last word.
    fn copy_in_racing(&self, at: usize, from: &[u8]);
    /// Wakes at most `at_most` sleepers on a word, and returns how many. Change the word before the call.
    fn wake(&self, at: usize, at_most: u32) -> u32;
}

/// A fence, in loom's memory model under loom.
pub(super) fn fence(order: Ordering) {
    #[cfg(loom)]
    loom::sync::atomic::fence(order);
    #[cfg(not(loom))]
    std::sync::atomic::fence(order);
}

impl Memory for PeerMemory {
    #[inline]
    fn load_words<const N: usize>(&self, at: usize) -> [u64; N] {
        PeerMemory::load_words(self, at)
    }

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

    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        PeerMemory::copy_out(self, at, into);
    }

    #[inline]
    fn copy_out_behind(&self, at: usize, into: &mut [MaybeUninit<u8>]) -> u64 {
        PeerMemory::copy_out_behind(self, at, into)
    }

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

    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        MemoryFile::copy_out(self, at, into);
    }

    fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        MemoryFile::copy_out(self, at, into);
    }

    fn wait_while(&self, _at: usize, _value: u64, _at_most: Duration) -> Result<Slept> {
        Ok(Slept::TimedOut)
    }
}

impl OwnMemory for MemoryFile {
    #[inline]
    fn store_words<const N: usize>(&self, at: usize, words: [u64; N]) {
        MemoryFile::store_words(self, at, words);
    }

    #[inline]
    fn store(&self, at: usize, value: u64, order: Ordering) {
        self.word(at).store(value, order);
    }

    fn store_fenced(&self, at: usize, value: u64) {
        // A plain store follows the payload's at once, and the fence waits afterwards. An atomic exchange would wait
        // for the stores before it, while a polling reader takes this cache line away again.
        self.word(at).store(value, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    fn add(&self, at: usize, number: u64, order: Ordering) {
        self.word(at).fetch_add(number, order);
    }

    fn subtract(&self, at: usize, number: u64, order: Ordering) {
        self.word(at).fetch_sub(number, order);
    }

    fn prefetch_own(&self, at: usize) {
        MemoryFile::prefetch(self, at);
    }

    fn copy_in(&self, at: usize, from: &[u8]) {
        MemoryFile::copy_in(self, at, from);
    }

    fn copy_in_behind(&self, at: usize, word: u64, from: &[u8]) {
        MemoryFile::copy_in_behind(self, at, word, from);
    }

    #[inline]
    fn store_record<const N: usize>(
        &self,
        at: usize,
        header: u64,
        size: usize,
        prefix: [u64; N],
        from: &[u8],
    ) {
        MemoryFile::store_record(self, at, header, size, prefix, from);
        // As in `store_fenced`.
        fence(Ordering::SeqCst);
    }

    #[inline]
    fn store_content<const N: usize>(&self, at: usize, size: usize, prefix: [u64; N], from: &[u8]) {
        MemoryFile::store_content(self, at, size, prefix, from);
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
    fn load_words<const N: usize>(&self, at: usize) -> [u64; N] {
        (**self).load_words(at)
    }

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

    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        (**self).copy_out(at, into);
    }

    #[inline]
    fn copy_out_behind(&self, at: usize, into: &mut [MaybeUninit<u8>]) -> u64 {
        (**self).copy_out_behind(at, into)
    }

    fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        (**self).copy_out_racing(at, into);
    }

    fn wait_while(&self, at: usize, value: u64, at_most: Duration) -> Result<Slept> {
        (**self).wait_while(at, value, at_most)
    }
}

impl<M: OwnMemory> OwnMemory for Arc<M> {
    #[inline]
    fn store_words<const N: usize>(&self, at: usize, words: [u64; N]) {
        (**self).store_words(at, words);
    }

    #[inline]
    fn store(&self, at: usize, value: u64, order: Ordering) {
        (**self).store(at, value, order);
    }

    fn store_fenced(&self, at: usize, value: u64) {
        (**self).store_fenced(at, value);
    }

    fn add(&self, at: usize, number: u64, order: Ordering) {
        (**self).add(at, number, order);
    }

    fn subtract(&self, at: usize, number: u64, order: Ordering) {
        (**self).subtract(at, number, order);
    }

    fn prefetch_own(&self, at: usize) {
        (**self).prefetch_own(at);
    }

    fn copy_in(&self, at: usize, from: &[u8]) {
        (**self).copy_in(at, from);
    }

    fn copy_in_behind(&self, at: usize, word: u64, from: &[u8]) {
        (**self).copy_in_behind(at, word, from);
    }

    #[inline]
    fn store_record<const N: usize>(
        &self,
        at: usize,
        header: u64,
        size: usize,
        prefix: [u64; N],
        from: &[u8],
    ) {
        (**self).store_record(at, header, size, prefix, from);
    }

    #[inline]
    fn store_content<const N: usize>(&self, at: usize, size: usize, prefix: [u64; N], from: &[u8]) {
        (**self).store_content(at, size, prefix, from);
    }

    #[inline]
    fn copy_in_racing(&self, at: usize, from: &[u8]) {
        (**self).copy_in_racing(at, from);
    }

    fn wake(&self, at: usize, at_most: u32) -> u32 {
        (**self).wake(at, at_most)
    }
}
