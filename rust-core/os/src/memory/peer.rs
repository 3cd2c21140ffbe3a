//! A memory file from a peer: checked, mapped read-only, and read as untrusted input.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Access, Children, Mapping, PeerFile, peer_file};
use crate::error::Result;
use crate::futex::{self, Slept};

/// Another process's memory file, mapped read-only; its size cannot change.
#[derive(Debug)]
pub struct PeerMemory {
    mapping: Mapping,
}

impl PeerMemory {
    /// Maps a file from a peer.
    ///
    /// # Errors
    /// `Malformed` for anything but a sealed, allocated memory file of a size within the limits.
    pub fn open(file: &PeerFile, min: usize, max: usize) -> Result<PeerMemory> {
        let size = file.examine_all(min, max)?;
        Ok(PeerMemory { mapping: Mapping::map(file.as_fd(), size, Access::Read, Children::Without)? })
    }

    /// [`PeerMemory::open`] for arrays, which forked children keep.
    pub fn open_for_arrays(fd: BorrowedFd<'_>, min: usize, max: usize) -> Result<PeerMemory> {
        let size = peer_file::examine(fd, min, max)?;
        Ok(PeerMemory { mapping: Mapping::map(fd, size, Access::Read, Children::With)? })
    }

    /// Returns the length of the file in bytes.
    pub fn length(&self) -> usize {
        self.mapping.length
    }

    /// Returns the word at `at`, a multiple of 8.
    #[inline]
    pub fn load(&self, at: usize, order: Ordering) -> u64 {
        self.mapping.word(at).load(order)
    }

    /// Returns elements of arrays that the protocol forbids the peer to change now.
    ///
    /// A hostile peer may still change them: they are only numbers, and no code derives addresses from them.
    pub fn elements(&self, at: usize, length: usize) -> &[u8] {
        // SAFETY: inside the sealed mapping, which stays while borrowed. For another process's writes see above.
        unsafe { std::slice::from_raw_parts(self.mapping.range(at, length), length) }
    }

    /// See [`futex::wait`].
    pub fn wait_while(&self, at: usize, value: u64, at_most: Duration) -> Result<Slept> {
        futex::wait(self.mapping.word(at), value, at_most)
    }

    /// Loads `N` words from `at` on, a multiple of 8.
    pub fn load_words<const N: usize>(&self, at: usize) -> [u64; N] {
        // One check for all.
        let mut words = [0; N];
        for (word, place) in words.iter_mut().zip(self.mapping.words(at, N)) {
            *word = place.load(Ordering::Relaxed);
        }
        words
    }

    /// Prefetches the cache line at `at` for reading.
    #[inline]
    pub fn prefetch(&self, at: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let line: *const i8 = self.mapping.start.as_ptr().wrapping_add(at).cast();
            // SAFETY: a hint that reads nothing and never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at;
    }

    /// Copies bytes that an honest peer has finished writing.
    pub fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        self.mapping.copy_out(at, into);
    }

    /// Loads the word at `at`, a multiple of 8, and copies the finished bytes after it.
    #[inline]
    pub fn copy_out_behind(&self, at: usize, into: &mut [MaybeUninit<u8>]) -> u64 {
        // One check for both.
        let words = self.mapping.words(at, into.len().wrapping_add(15) / 8);
        // SAFETY: the range was checked for all; the rest as for `copy_out`.
        unsafe {
            let from = words.as_ptr().cast::<u8>().add(8);
            std::ptr::copy_nonoverlapping(from, into.as_mut_ptr().cast(), into.len());
        }
        words[0].load(Ordering::Relaxed)
    }

    /// Copies word by word from a multiple of 8; the peer may write, so the caller validates the result.
    #[inline]
    pub fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        self.mapping.copy_out_racing(at, into);
    }
}
