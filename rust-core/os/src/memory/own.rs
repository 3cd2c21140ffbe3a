//! A memory file of this process: created and sealed here, and written only here.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FallocateFlags;

use super::{Access, Children, Mapping, SEALS, racing};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::fork::Descriptor;
use crate::kernel_entry;
use crate::{descriptor, futex, headroom};

/// A memory file of this process: allocated, sealed, and writable only through this mapping.
#[derive(Debug)]
pub struct MemoryFile {
    file: Descriptor,
    mapping: Mapping,
}

impl MemoryFile {
    /// Creates a file of `bytes` zero bytes, a multiple of the page size. Forked children do not have it.
    ///
    /// `name` is visible in `/proc/PID/fd`.
    ///
    /// # Errors
    /// `OutOfMemory` above the limit of the process or its control group.
    pub fn create(name: &str, bytes: usize) -> Result<MemoryFile> {
        MemoryFile::create_for(name, bytes, Children::Without)
    }

    /// [`MemoryFile::create`] for arrays, which forked children keep.
    pub fn create_for_arrays(name: &str, bytes: usize) -> Result<MemoryFile> {
        MemoryFile::create_for(name, bytes, Children::With)
    }

    fn create_for(name: &str, bytes: usize, children: Children) -> Result<MemoryFile> {
        kernel_entry::assert_allowed();
        headroom::check(bytes as u64)?;
        let file = descriptor::memory_file(name).doing("making a memory file (memfd_create)")?;
        rustix::fs::ftruncate(&file, bytes as u64).doing("sizing a memory file")?;
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes as u64).map_err(|errno| {
            let text =
                format!("no memory for a memory file of {bytes} bytes: {errno}; choose a smaller buffer");
            Error::new(ErrorKind::OutOfMemory, text)
        })?;
        let mapping = Mapping::map(file.as_fd(), bytes, Access::Write, children)?;
        // Sealed last: FUTURE_WRITE does not affect the existing mapping.
        rustix::fs::fcntl_add_seals(&file, SEALS).doing("sealing a memory file")?;
        Ok(MemoryFile { file: file.into(), mapping })
    }

    /// A hostile peer's file, for tests: any length and seals, writable, perhaps without its last page.
    pub fn forged(bytes: usize, seals: rustix::fs::SealFlags, lacks_last_page: bool) -> Result<MemoryFile> {
        let file = descriptor::memory_file("forged").doing("making a memory file (memfd_create)")?;
        rustix::fs::ftruncate(&file, bytes as u64).doing("sizing a memory file")?;
        let access = Access::Write;
        let mapping = Mapping::map(file.as_fd(), bytes.max(super::LEAST), access, Children::Without)?;
        if lacks_last_page {
            let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let at = (bytes as u64 - 1) & !4095;
            rustix::fs::fallocate(&file, punch, at, 4096).doing("making a hole in a memory file")?;
        }
        rustix::fs::fcntl_add_seals(&file, seals).doing("sealing a memory file")?;
        Ok(MemoryFile { file: file.into(), mapping })
    }

    /// Returns the file as a peer receives it.
    #[cfg(test)]
    pub fn sent(&self) -> super::PeerFile {
        self.file.try_clone().unwrap().into()
    }

    /// Returns the file, for the peer.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Returns the first `length` bytes. A writer claims the file exclusively.
    #[inline]
    pub fn bytes(&self, length: usize) -> &[u8] {
        self.bytes_at(0, length)
    }

    /// Returns `length` bytes from offset `at` on, as [`MemoryFile::bytes`] does.
    pub fn bytes_at(&self, at: usize, length: usize) -> &[u8] {
        // SAFETY: inside the mapping, and alive as long; other processes map it read-only.
        unsafe { std::slice::from_raw_parts(self.mapping.range(at, length), length) }
    }

    /// [`MemoryFile::bytes_at`] for a writer that claimed the file; others may read the bytes.
    pub fn writable_bytes(&self, at: usize, length: usize) -> *mut [u8] {
        std::ptr::slice_from_raw_parts_mut(self.mapping.range(at, length), length)
    }

    /// Returns the word at `at`, a multiple of 8.
    pub fn word(&self, at: usize) -> &AtomicU64 {
        self.mapping.word(at)
    }

    /// Stores words from `at` on, a multiple of 8.
    pub fn store_words<const N: usize>(&self, at: usize, words: [u64; N]) {
        // One check for all.
        for (place, word) in self.mapping.words(at, N).iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// Wakes at most this many threads that wait for the word at `at`; returns how many.
    pub fn wake(&self, at: usize, at_most: u32) -> u32 {
        futex::wake(self.mapping.word(at), at_most)
    }

    /// Copies bytes that only this side writes.
    pub fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        self.mapping.copy_out(at, into);
    }

    /// Copies to a place that no process reads yet.
    pub fn copy_in(&self, at: usize, from: &[u8]) {
        let to = self.mapping.range(at, from.len());
        // SAFETY: both ranges are valid and distinct. The callers own the writing end, and the peer reads here only
        // after a later release store.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) }
    }

    /// Copies a word and the bytes after it to a place that no process reads yet.
    pub fn copy_in_behind(&self, at: usize, word: u64, from: &[u8]) {
        let to = self.mapping.range(at, from.len().saturating_add(8));
        // SAFETY: the range was checked for all; the rest as for `copy_in`.
        unsafe {
            to.cast::<u64>().write_unaligned(word);
            std::ptr::copy_nonoverlapping(from.as_ptr(), to.add(8), from.len());
        }
    }

    /// Writes a record of `size` bytes, to a place that no process reads yet.
    ///
    /// Stores a zero word after the record, then its content, and last, with release order, the header. `at` and `size`
    /// are multiples of 8. Panics if the content exceeds the record.
    #[inline]
    pub fn store_record<const N: usize>(
        &self,
        at: usize,
        header: u64,
        size: usize,
        prefix: [u64; N],
        from: &[u8],
    ) {
        self.store_content(at, size, prefix, from).store(header, Ordering::Release);
    }

    /// [`MemoryFile::store_record`] without the header, whose place is returned.
    #[inline]
    pub fn store_content<const N: usize>(
        &self,
        at: usize,
        size: usize,
        prefix: [u64; N],
        from: &[u8],
    ) -> &AtomicU64 {
        // One check for all.
        let words = self.mapping.words(at, (size / 8).saturating_add(1));
        let [place, content @ .., behind] = words else { unreachable!("a record without a word") };
        let content = content.first_chunk::<N>().filter(|_| from.len() <= size.saturating_sub(8 + 8 * N));
        let Some(content) = content else { panic!("words and bytes longer than their record") };
        behind.store(0, Ordering::Relaxed);
        for (place, word) in content.iter().zip(prefix) {
            place.store(word, Ordering::Relaxed);
        }
        // SAFETY: the range was checked for all; the rest as for `copy_in`.
        unsafe {
            let to = words.as_ptr().cast::<u8>().cast_mut().add(8 + 8 * N);
            std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len());
        }
        place
    }

    /// Copies word by word to a multiple of 8, while others may read. Zeros fill the last word.
    #[inline]
    pub fn copy_in_racing(&self, at: usize, from: &[u8]) {
        let (words, rest) = from.as_chunks::<8>();
        let places = self.mapping.words(at, from.len().div_ceil(8));
        racing::words_in(words, places);
        if let (Some(place), false) = (places.last(), rest.is_empty()) {
            // In registers: a word load right after byte stores would wait for all earlier stores.
            let last = match from.last_chunk::<8>() {
                Some(eight) => u64::from_le_bytes(*eight) >> (64 - 8 * rest.len()),
                None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
            };
            place.store(last, Ordering::Relaxed);
        }
    }

    /// Prefetches the cache line at `at` for writing.
    #[inline]
    pub fn prefetch(&self, at: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            let line: *const i8 = self.mapping.start.as_ptr().wrapping_add(at).cast();
            // SAFETY: a hint that changes nothing and never faults.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(line) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at;
    }
}
