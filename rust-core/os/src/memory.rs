//! Memory files: this process's, sealed and written only by it; a peer's, checked and read-only.
//!
//! Seals keep a mapped file from shrinking (no SIGBUS), growing, and writes of others. A hostile peer may change its
//! own file at any time. So words are read atomically, and bytes are copied before they are interpreted. Views contain
//! only numbers: every bit pattern is valid.
//!
//! A forked child keeps only mappings of arrays, because its program may have views.

mod copying;
mod kept_page;
mod own;
mod peer;
mod peer_file;
mod racing;
#[cfg(test)]
mod tests;

use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::SealFlags;
use rustix::mm::Advice;

pub use self::copying::{STREAMS, append, copy, copy_to_uninit, stream};
pub use self::kept_page::KeptPage;
pub use self::own::MemoryFile;
pub use self::peer::PeerMemory;
pub use self::peer_file::PeerFile;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::fork;
use crate::kernel_entry;

/// The seals of every memory file: no shrinking (SIGBUS), growing, new writable mapping or new hole.
const SEALS: SealFlags =
    SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);

const LEAST: usize = 4096;

/// Longer files of a peer get their pages at the first read.
///
/// Mapping them present would take as long as the peer likes.
const PRESENT: usize = 4 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Children {
    /// A program's views must stay readable.
    With,
    /// Only the library uses it.
    Without,
}

#[derive(Debug)]
struct Mapping {
    /// The drop unmaps it, except in a forked child, which may lack it.
    pages: ManuallyDrop<MmapRaw>,
    start: NonNull<u8>,
    length: usize,
    words: usize,
    /// The fork generation that mapped it.
    born: u64,
}

// SAFETY: the range belongs to the mapping from `mmap` to `munmap`, whichever thread reads it. Accesses are atomics,
// and copies that the ring's protocol orders.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a whole memory file, with pages present if written here or at most [`PRESENT`] long.
    fn map(fd: BorrowedFd<'_>, length: usize, access: Access, children: Children) -> Result<Mapping> {
        kernel_entry::assert_allowed();
        if length < LEAST {
            return Err(Error::new(
                ErrorKind::Internal,
                "a memory file of less than a page was to be mapped",
            ));
        }
        let mut options = MmapOptions::new();
        options.len(length);
        if access == Access::Write || length <= PRESENT {
            options.populate();
        }
        let pages = match access {
            Access::Read => options.map_raw_read_only(&fd),
            Access::Write => options.map_raw(&fd),
        }
        .doing("mapping a memory file")?;
        if children == Children::Without {
            pages.advise(memmap2::Advice::DontFork).doing("keeping a memory file from forked children")?;
        }
        let start = NonNull::new(pages.as_mut_ptr()).ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the kernel mapped a memory file at address zero")
        })?;
        let pages = ManuallyDrop::new(pages);
        Ok(Mapping { pages, start, length, words: length / 8, born: fork::generation() })
    }

    /// The address of `length` bytes at `at`. Panics outside the mapping; callers check before.
    fn range(&self, at: usize, length: usize) -> *mut u8 {
        assert!(at <= self.length && length <= self.length - at, "a position outside the memory file");
        // SAFETY: inside the mapping, whose length fits an isize.
        unsafe { self.start.as_ptr().add(at) }
    }

    /// `count` words from `at` on, a multiple of 8.
    #[inline]
    fn words(&self, at: usize, count: usize) -> &[AtomicU64] {
        assert!(at.is_multiple_of(8), "words between two words");
        // SAFETY: inside the mapping (`range` refuses an overflow), aligned to a page's beginning, and alive as long.
        // Loads never write, so read-only pages suffice.
        unsafe { std::slice::from_raw_parts(self.range(at, count.saturating_mul(8)).cast(), count) }
    }

    /// The word at `at`, a multiple of 8.
    fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: `map` refuses shorter files. Constant places in the first page then need no comparison.
        unsafe { std::hint::assert_unchecked(self.words >= LEAST / 8) };
        // One comparison for both: the rotation moves the low bits to the front.
        assert!(at.rotate_right(3) < self.words, "a position outside the memory file, or between two words");
        // SAFETY: eight bytes inside the mapping, aligned and alive as it is. Loads of this size never write, so
        // read-only pages suffice.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(at).cast()) }
    }

    /// Copies bytes that no honest peer writes now.
    #[inline]
    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        let from = self.range(at, into.len());
        // SAFETY: both ranges are valid and distinct, as `into` is our own memory. The header was loaded with acquire,
        // so an honest peer no longer writes here. A dishonest peer can only spoil bytes; every pattern is a valid
        // `u8`.
        unsafe { std::ptr::copy_nonoverlapping(from, into.as_mut_ptr().cast(), into.len()) }
    }

    /// Copies word by word with atomic loads; the result may be torn, and the caller validates it.
    #[inline]
    fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        let places = self.words(at, into.len().div_ceil(8));
        let (words, rest) = into.as_chunks_mut::<8>();
        racing::words_out(places, words);
        if let (Some(place), false) = (places.last(), rest.is_empty()) {
            let last = place.load(Ordering::Relaxed).to_le_bytes();
            for (to, from) in rest.iter_mut().zip(last) {
                to.write(from);
            }
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // A forked child lacks the mapping; another may be at its address.
        if self.born != fork::generation() {
            return;
        }
        // SAFETY: dropped once, and no reference into the pages outlives it.
        unsafe { ManuallyDrop::drop(&mut self.pages) };
    }
}

/// Requests large pages for a long block that is about to be filled.
///
/// Finding memory page by page takes the kernel longer than filling it.
pub fn prefer_large_pages(block: &mut Vec<u8>) {
    const LONG: usize = 4 << 20;
    const PAGE: usize = 4096;
    if block.capacity() < LONG {
        return;
    }
    // Advice on a part of a mapping splits it, and the allocator could then grow it only by copying.
    let skip = block.as_ptr().addr() % PAGE;
    let length = (skip + block.capacity()).next_multiple_of(PAGE);
    let first = block.as_mut_ptr().wrapping_byte_sub(skip);
    // SAFETY: each page holds a byte of this process's block, and advice changes no content. A kernel may ignore it, so
    // the result is ignored.
    let _ = unsafe { rustix::mm::madvise(first.cast(), length, Advice::LinuxHugepage) };
}
