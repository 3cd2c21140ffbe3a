//! Memory files: those of this process, sealed and writable by it alone; and a peer's, checked and
//! mapped read-only.
//!
//! Safety rests on the seals: a mapped file never shrinks (no SIGBUS) and never grows, and no
//! process but its maker can write it. A hostile peer may change bytes in its own file at any time;
//! so words are read atomically, bytes are copied out before they are interpreted, and views exist
//! only of numbers, of which every bit pattern is valid.
//!
//! A forked child does not have the mappings, except those of arrays of which its program may have
//! views.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::mm::{Advice, MapFlags, ProtFlags};

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::futex::{self, Slept};
use crate::sys::{fork, headroom};

/// The seals of every memory file: no shrinking (SIGBUS), no growing, no new writable mapping and
/// no hole punching.
const SEALS: SealFlags =
    SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);

/// The length in bytes of the shortest memory file: a page.
const LEAST: usize = 4096;

/// Whether forked children have a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Children {
    /// They have it: a program may have views of it, which have to stay readable.
    With,
    /// They do not: only the library uses it.
    Without,
}

/// A range of shared pages. Unmapped by the drop, but not in a forked child, where it may be
/// absent.
#[derive(Debug)]
struct Mapping {
    /// The first byte.
    start: NonNull<u8>,
    /// Bytes.
    length: usize,
    /// Whole words.
    words: usize,
    /// The fork generation that mapped it.
    born: u64,
}

// SAFETY: the range belongs to the mapping from `mmap` to `munmap`, whichever thread reads it, and
// is reached only through atomics and through copies whose order the protocol of the ring settles.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a whole memory file, with its pages present.
    fn map(fd: BorrowedFd<'_>, length: usize, access: ProtFlags, children: Children) -> Result<Mapping> {
        if length < LEAST {
            return Err(Error::new(
                ErrorKind::Internal,
                "a memory file of less than a page was to be mapped",
            ));
        }
        // SAFETY: the kernel chooses the address, so no other mapping is replaced.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                length,
                access,
                MapFlags::SHARED | MapFlags::POPULATE,
                fd,
                0,
            )
        }
        .doing("mapping a memory file")?;
        let start = NonNull::new(start.cast()).ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the kernel mapped a memory file at address zero")
        })?;
        let mapping = Mapping { start, length, words: length / 8, born: fork::generation() };
        if children == Children::Without {
            // SAFETY: the range was mapped just now, and no other thread has its address.
            unsafe { rustix::mm::madvise(start.as_ptr().cast(), length, Advice::LinuxDontFork) }
                .doing("keeping a memory file from forked children")?;
        }
        Ok(mapping)
    }

    /// Returns the address of `length` bytes at offset `at`. Panics outside the mapping: offsets
    /// are checked before they are passed here.
    #[inline]
    fn range(&self, at: usize, length: usize) -> *mut u8 {
        assert!(at <= self.length && length <= self.length - at, "a position outside the memory file");
        // SAFETY: the offset was checked to lie inside the mapping, whose length fits an isize.
        unsafe { self.start.as_ptr().add(at) }
    }

    /// Returns `count` words from offset `at` on, a multiple of 8.
    #[inline(always)]
    fn words(&self, at: usize, count: usize) -> &[AtomicU64] {
        assert!(at.is_multiple_of(8), "words between two words");
        // SAFETY: these bytes lie inside the mapping (a count that overflows is refused by `range`, too),
        // aligned because the mapping begins at a page; they live as long as it does. Loads never write, so
        // read-only pages are fine.
        unsafe { std::slice::from_raw_parts(self.range(at, count.saturating_mul(8)).cast(), count) }
    }

    /// Returns the word at offset `at`, a multiple of 8.
    #[inline]
    fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: `map` refuses what is shorter. So the words of the page before a ring, whose places are constants, are
        // reached without a comparison.
        unsafe { std::hint::assert_unchecked(self.words >= LEAST / 8) };
        // One comparison for both: the rotation moves the bits of a position between two words to the front.
        assert!(at.rotate_right(3) < self.words, "a position outside the memory file, or between two words");
        // SAFETY: eight bytes inside the mapping, aligned because the mapping begins at a page; they live as
        // long as the mapping does. Loads of this size never write, so read-only pages are fine for them.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(at).cast()) }
    }

    /// Copies bytes out, which no honest peer writes now.
    #[inline]
    fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        let from = self.range(at, into.len());
        // SAFETY: both ranges are valid for this length and distinct, as `into` is borrowed memory of our
        // own. The record's header was loaded with acquire, so an honest peer no longer writes here; a
        // dishonest one writes in its own process and can only spoil the bytes, every pattern of which is a
        // valid `u8`.
        unsafe { std::ptr::copy_nonoverlapping(from, into.as_mut_ptr().cast(), into.len()) }
    }

    /// Copies bytes out, word by word with atomic loads, while they may be written: the result may
    /// be torn, and the caller validates it.
    #[inline]
    fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        let places = self.words(at, into.len().div_ceil(8));
        let (words, rest) = into.as_chunks_mut::<8>();
        let copy = |word: &mut [MaybeUninit<u8>; 8], place: &AtomicU64| {
            // SAFETY: eight bytes that are borrowed for writing; no alignment is needed.
            unsafe { word.as_mut_ptr().cast::<u64>().write_unaligned(place.load(Ordering::Relaxed).to_le()) };
        };
        // The compiler does not unroll a loop of atomic loads.
        let (places_of_fours, places_of_few) = places[..words.len()].as_chunks::<4>();
        let (fours, few) = words.as_chunks_mut::<4>();
        for ([a, b, c, d], [from_a, from_b, from_c, from_d]) in fours.iter_mut().zip(places_of_fours) {
            copy(a, from_a);
            copy(b, from_b);
            copy(c, from_c);
            copy(d, from_d);
        }
        for (word, place) in few.iter_mut().zip(places_of_few) {
            copy(word, place);
        }
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
        // In a forked child the mapping is absent, and another may be at its address by now.
        if self.born != fork::generation() {
            return;
        }
        // SAFETY: the range is ours, and no reference into it outlives the mapping.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// A memory file of this process: allocated, sealed, and writable through this mapping alone.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    /// The file, to be sent to the peer.
    file: OwnedFd,
    /// Readable and writable.
    mapping: Mapping,
}

impl MemoryFile {
    /// Makes a file of `bytes` zero bytes, a multiple of the page size. `name` is visible in
    /// `/proc/PID/fd`. Forked children do not have it.
    ///
    /// # Errors
    /// `OutOfMemory` above the limit of the process or its control group, beyond which the kernel
    /// would kill it.
    pub fn create(name: &str, bytes: usize) -> Result<MemoryFile> {
        MemoryFile::create_for(name, bytes, Children::Without)
    }

    /// The same for elements of arrays, of which a program may have views: forked children have it,
    /// too.
    pub fn create_for_arrays(name: &str, bytes: usize) -> Result<MemoryFile> {
        MemoryFile::create_for(name, bytes, Children::With)
    }

    fn create_for(name: &str, bytes: usize, children: Children) -> Result<MemoryFile> {
        headroom::check(bytes as u64)?;
        let file = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .doing("making a memory file")?;
        rustix::fs::ftruncate(&file, bytes as u64).doing("sizing a memory file")?;
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes as u64).map_err(|errno| {
            let text =
                format!("no memory for a memory file of {bytes} bytes: {errno}; choose a smaller buffer");
            Error::new(ErrorKind::OutOfMemory, text)
        })?;
        let mapping = Mapping::map(file.as_fd(), bytes, ProtFlags::READ | ProtFlags::WRITE, children)?;
        // Sealed last: FUTURE_WRITE does not affect the mapping that exists already.
        rustix::fs::fcntl_add_seals(&file, SEALS).doing("sealing a memory file")?;
        Ok(MemoryFile { file, mapping })
    }

    /// A file as a hostile peer may send it: of any length, with these seals alone, still writable
    /// by it, and on demand without its last page.
    #[cfg(any(test, fuzzing))]
    pub fn forged(bytes: usize, seals: SealFlags, lacks_last_page: bool) -> Result<MemoryFile> {
        let file = rustix::fs::memfd_create("forged", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .doing("making a memory file")?;
        rustix::fs::ftruncate(&file, bytes as u64).doing("sizing a memory file")?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // The kernel maps whole pages.
        let mapping = Mapping::map(file.as_fd(), bytes.max(LEAST), access, Children::Without)?;
        if lacks_last_page {
            let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let at = (bytes as u64 - 1) & !4095;
            rustix::fs::fallocate(&file, punch, at, 4096).doing("making a hole in a memory file")?;
        }
        rustix::fs::fcntl_add_seals(&file, seals).doing("sealing a memory file")?;
        Ok(MemoryFile { file, mapping })
    }

    /// Returns the file, for the peer.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Returns the first `length` bytes. No thread writes there in the meantime: a writer claims
    /// the file exclusively.
    pub fn bytes(&self, length: usize) -> &[u8] {
        // SAFETY: these bytes lie inside the mapping and live as long as it does; other processes map it
        // read-only.
        unsafe { std::slice::from_raw_parts(self.mapping.range(0, length), length) }
    }

    /// The same bytes, for a writer that has claimed the file; other processes may read them meanwhile.
    #[inline]
    pub fn writable_bytes(&self, length: usize) -> *mut [u8] {
        std::ptr::slice_from_raw_parts_mut(self.mapping.range(0, length), length)
    }

    /// Returns the word at offset `at`, a multiple of 8.
    #[inline]
    pub fn word(&self, at: usize) -> &AtomicU64 {
        self.mapping.word(at)
    }

    /// Stores these words from offset `at` on, a multiple of 8.
    #[inline]
    pub fn store_words<const N: usize>(&self, at: usize, words: [u64; N]) {
        // One check for all of them.
        for (place, word) in self.mapping.words(at, N).iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// Wakes at most this many threads that wait for the word at `at`; returns how many it woke.
    pub fn wake(&self, at: usize, at_most: u32) -> u32 {
        futex::wake(self.mapping.word(at), at_most)
    }

    /// Copies out bytes that this side alone writes.
    #[inline]
    pub fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        self.mapping.copy_out(at, into);
    }

    /// Copies into the file, where no process reads yet.
    #[inline]
    pub fn copy_in(&self, at: usize, from: &[u8]) {
        let to = self.mapping.range(at, from.len());
        // SAFETY: both ranges are valid for this length and distinct, as `from` is ordinary memory. The
        // callers own the writing end, and the peer reads here only after a later release store.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) }
    }

    /// Copies a word and the bytes behind it into the file, where no process reads yet.
    #[inline]
    pub fn copy_in_behind(&self, at: usize, word: u64, from: &[u8]) {
        let to = self.mapping.range(at, from.len().saturating_add(8));
        // SAFETY: the range was checked for the word and the bytes; the rest is as for `copy_in`.
        unsafe {
            to.cast::<u64>().write_unaligned(word);
            std::ptr::copy_nonoverlapping(from.as_ptr(), to.add(8), from.len());
        }
    }

    /// Writes a record of `size` bytes, where no process reads yet: a zero word behind it, words and then bytes behind its
    /// header, and last, with release order, the header. `at` and `size` are multiples of 8, and the record has room
    /// for the header, the words and the bytes; panics otherwise.
    #[inline(always)]
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

    /// The same but for the header, whose place is returned.
    #[inline(always)]
    pub fn store_content<const N: usize>(
        &self,
        at: usize,
        size: usize,
        prefix: [u64; N],
        from: &[u8],
    ) -> &AtomicU64 {
        // One check for all of them.
        let words = self.mapping.words(at, (size / 8).saturating_add(1));
        let [place, content @ .., behind] = words else { unreachable!("a record without a word") };
        let content = content.first_chunk::<N>().filter(|_| from.len() <= size.saturating_sub(8 + 8 * N));
        let Some(content) = content else { panic!("words and bytes longer than their record") };
        behind.store(0, Ordering::Relaxed);
        for (place, word) in content.iter().zip(prefix) {
            place.store(word, Ordering::Relaxed);
        }
        // SAFETY: the range was checked for the header, the words and the bytes; the rest is as for `copy_in`.
        unsafe {
            let to = words.as_ptr().cast::<u8>().cast_mut().add(8 + 8 * N);
            std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len());
        }
        place
    }

    /// Copies into the file, to an offset that is a multiple of 8, while others may read: word by
    /// word, with the last word filled up with zero bytes.
    #[inline]
    pub fn copy_in_racing(&self, at: usize, from: &[u8]) {
        let (words, rest) = from.as_chunks::<8>();
        let places = self.mapping.words(at, from.len().div_ceil(8));
        let copy = |place: &AtomicU64, word: &[u8; 8]| {
            place.store(u64::from_le_bytes(*word), Ordering::Relaxed);
        };
        // The compiler does not unroll a loop of atomic stores.
        let (places_of_fours, places_of_few) = places[..words.len()].as_chunks::<4>();
        let (fours, few) = words.as_chunks::<4>();
        for ([to_a, to_b, to_c, to_d], [a, b, c, d]) in places_of_fours.iter().zip(fours) {
            copy(to_a, a);
            copy(to_b, b);
            copy(to_c, c);
            copy(to_d, d);
        }
        for (place, word) in places_of_few.iter().zip(few) {
            copy(place, word);
        }
        if let (Some(place), false) = (places.last(), rest.is_empty()) {
            // In registers: what is stored byte by byte and loaded as a word right after waits for all stores
            // before it, among them those to lines that the readers have.
            let last = match from.last_chunk::<8>() {
                Some(eight) => u64::from_le_bytes(*eight) >> (64 - 8 * rest.len()),
                None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
            };
            place.store(last, Ordering::Relaxed);
        }
    }

    /// Prefetches the cache line at `at` for writing: another processor has it now.
    #[inline]
    pub fn prefetch(&self, at: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            let line: *const i8 = self.mapping.start.as_ptr().wrapping_add(at).cast();
            // SAFETY: a hint that changes nothing and never faults, so the address need not be checked. A processor
            // without it does nothing.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(line) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at;
    }
}

/// A memory file that another process writes: mapped read-only, and of a size that cannot change.
#[derive(Debug)]
pub(crate) struct PeerMemory {
    mapping: Mapping,
}

impl PeerMemory {
    /// Maps a descriptor that came from a peer. Its size has to be between the two bounds.
    ///
    /// # Errors
    /// `Malformed` where it is no sealed, allocated memory file of such a size.
    pub fn open(fd: BorrowedFd<'_>, min: usize, max: usize) -> Result<PeerMemory> {
        PeerMemory::open_for(fd, min, max, Children::Without)
    }

    /// The same for elements of arrays, of which a program may have views: forked children have it,
    /// too.
    pub fn open_for_arrays(fd: BorrowedFd<'_>, min: usize, max: usize) -> Result<PeerMemory> {
        PeerMemory::open_for(fd, min, max, Children::With)
    }

    fn open_for(fd: BorrowedFd<'_>, min: usize, max: usize, children: Children) -> Result<PeerMemory> {
        let refuse = |text: String| Err(Error::new(ErrorKind::Malformed, text));
        let Ok(seals) = rustix::fs::fcntl_get_seals(fd) else {
            return refuse("the peer's descriptor is not a memory file".into());
        };
        if !seals.contains(SEALS) {
            return refuse(format!("the peer's memory file has the seals {seals:?}, it needs {SEALS:?}"));
        }
        let stat = rustix::fs::fstat(fd).doing("looking at the peer's memory file")?;
        let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
        if size < min || size > max {
            return refuse(format!("the peer's memory file has {size} bytes, {min} to {max} are allowed"));
        }
        if u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512) < size as u64 {
            return refuse("the peer's memory file has holes, whose pages would be counted as ours".into());
        }
        Ok(PeerMemory { mapping: Mapping::map(fd, size, ProtFlags::READ, children)? })
    }

    /// Returns the length of the file in bytes.
    pub fn length(&self) -> usize {
        self.mapping.length
    }

    /// Returns the word at offset `at`, a multiple of 8.
    #[inline]
    pub fn load(&self, at: usize, order: Ordering) -> u64 {
        self.mapping.word(at).load(order)
    }

    /// Returns elements of arrays that the protocol forbids the peer to change now.
    ///
    /// A hostile peer may change them while they are read. Only numbers are ever kept here, of
    /// which every bit pattern is valid, and no code decides by them where it reads or writes: so
    /// only numbers change.
    pub fn elements(&self, at: usize, length: usize) -> &[u8] {
        // SAFETY: the range lies inside the mapping, which is not unmapped while it is borrowed,
        // and never shrinks: it is sealed. For writes by another process see above.
        unsafe { std::slice::from_raw_parts(self.mapping.range(at, length), length) }
    }

    /// Sleeps while the low half of the word at `at` is that of `value`, for at most this long.
    pub fn wait_while(&self, at: usize, value: u64, at_most: Duration) -> Result<Slept> {
        futex::wait(self.mapping.word(at), value, at_most)
    }

    /// Loads so many words from offset `at` on, a multiple of 8.
    #[inline(always)]
    pub fn load_words<const N: usize>(&self, at: usize) -> [u64; N] {
        // One check for all of them.
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
            // SAFETY: a hint that reads nothing and never faults, so the address need not be checked.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at;
    }

    /// Copies bytes that an honest peer has finished writing.
    #[inline]
    pub fn copy_out(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        self.mapping.copy_out(at, into);
    }

    /// Loads the word at `at`, a multiple of 8, and copies the bytes behind it, which an honest peer has finished writing.
    #[inline(always)]
    pub fn copy_out_behind(&self, at: usize, into: &mut [MaybeUninit<u8>]) -> u64 {
        // One check for both.
        let words = self.mapping.words(at, into.len().wrapping_add(15) / 8);
        // SAFETY: the bytes behind the word were checked to be inside the mapping; the rest is as for `copy_out`.
        unsafe {
            let from = words.as_ptr().cast::<u8>().add(8);
            std::ptr::copy_nonoverlapping(from, into.as_mut_ptr().cast(), into.len());
        }
        words[0].load(Ordering::Relaxed)
    }

    /// Copies bytes from an offset that is a multiple of 8, which the peer may be overwriting: word
    /// by word. The caller validates the result.
    #[inline]
    pub fn copy_out_racing(&self, at: usize, into: &mut [MaybeUninit<u8>]) {
        self.mapping.copy_out_racing(at, into);
    }
}

/// Requests large pages for a long block that is about to be filled. Page by page, the kernel
/// would take longer to find memory for it than filling it takes.
pub(crate) fn prefer_large_pages(block: &mut Vec<u8>) {
    const LONG: usize = 4 << 20;
    const PAGE: usize = 4096;
    if block.capacity() < LONG {
        return;
    }
    // Whole pages around it: advice on a part of a mapping splits it, and the allocator can then grow it by
    // copying only.
    let skip = block.as_ptr().addr() % PAGE;
    let length = (skip + block.capacity()).next_multiple_of(PAGE);
    let first = block.as_mut_ptr().wrapping_byte_sub(skip);
    // SAFETY: each of these pages holds a byte of a block of this process, and the advice does not change
    // what is in a page. A kernel that ignores it gives small pages, so the result is ignored.
    let _ = unsafe { rustix::mm::madvise(first.cast(), length, Advice::LinuxHugepage) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(memory: &PeerMemory, at: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![MaybeUninit::new(0xEE); length];
        memory.copy_out(at, &mut bytes);
        // SAFETY: every byte was initialised above.
        bytes.into_iter().map(|b| unsafe { b.assume_init() }).collect()
    }

    #[test]
    fn bytes_written_by_one_side_are_read_by_the_other() {
        let own = MemoryFile::create("linkspan-test", 8192).unwrap();
        let peer = PeerMemory::open(own.fd(), 4096, 8192).unwrap();
        assert_eq!(peer.length(), 8192);
        own.copy_in(5, b"hello");
        own.copy_in_racing(4096, b"eleven bytes");
        own.word(8184).store(7, Ordering::Relaxed);
        assert_eq!(bytes_of(&peer, 4, 7), b"\0hello\0");
        let mut racing = [MaybeUninit::new(0); 12];
        peer.copy_out_racing(4096, &mut racing);
        // SAFETY: initialised above.
        assert_eq!(racing.map(|b| unsafe { b.assume_init() }), *b"eleven bytes");
        assert_eq!(peer.load(8184, Ordering::Relaxed), 7);
    }

    #[test]
    fn others_cannot_write_shrink_or_unseal_the_file() {
        let own = MemoryFile::create("linkspan-test", 4096).unwrap();
        assert!(rustix::fs::ftruncate(own.fd(), 0).is_err());
        assert!(rustix::fs::ftruncate(own.fd(), 8192).is_err());
        assert!(rustix::io::write(own.fd(), b"x").is_err());
        assert!(Mapping::map(own.fd(), 4096, ProtFlags::READ | ProtFlags::WRITE, Children::Without).is_err());
        assert!(rustix::fs::fcntl_add_seals(own.fd(), SealFlags::WRITE).is_err());
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        assert!(rustix::fs::fallocate(own.fd(), punch, 0, 4096).is_err());
    }

    #[test]
    fn advice_on_large_pages_leaves_a_block_as_it_was() {
        for length in [0, 100, (4 << 20) - 1, 4 << 20, (5 << 20) + 17] {
            let mut block = vec![0xA5u8; length];
            prefer_large_pages(&mut block);
            assert!(block.iter().all(|byte| *byte == 0xA5));
        }
    }

    #[test]
    fn foreign_descriptor_is_refused_with_its_kind() {
        let refused = |fd: BorrowedFd<'_>| PeerMemory::open(fd, 4096, 8192).unwrap_err();
        let unsealed =
            rustix::fs::memfd_create("t", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&unsealed, 4096).unwrap();
        assert_eq!(refused(unsealed.as_fd()).kind(), ErrorKind::Malformed);
        rustix::fs::fcntl_add_seals(&unsealed, SEALS).unwrap();
        assert!(refused(unsealed.as_fd()).text().contains("holes"));
        let small = MemoryFile::create("t", 4096).unwrap();
        assert!(PeerMemory::open(small.fd(), 8192, 8192).unwrap_err().text().contains("4096"));
        assert!(PeerMemory::open(small.fd(), 512, 1024).is_err());
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(refused(socket.as_fd()).kind(), ErrorKind::Malformed);
    }
}
