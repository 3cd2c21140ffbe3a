//! A memory file from a peer, before mapping: it must be sealed, and each of its pages must exist.
//!
//! A missing page would be charged to the reader, whose control group may be killed for it. The total of pages says
//! nothing, because a peer may allocate some after the end of the file. So each page is looked up.
//!
//! No call here waits for the inode's lock, which a peer may hold forever by a write: `lseek` does, `cachestat` and
//! `mincore` do not.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use memmap2::MmapOptions;
use rustix::io::Errno;

use super::SEALS;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::fork::Descriptor;

/// A memory file of a peer, examined to some length.
#[derive(Debug)]
pub struct PeerFile {
    fd: Descriptor,
    examined: Examined,
}

#[derive(Clone, Copy, Debug, Default)]
struct Examined {
    /// Whether the file is sealed; checked before everything else.
    sealed: bool,
    /// All pages below this offset exist.
    bytes: u64,
}

impl From<OwnedFd> for PeerFile {
    fn from(fd: OwnedFd) -> PeerFile {
        PeerFile { fd: fd.into(), examined: Examined::default() }
    }
}

impl AsFd for PeerFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl PeerFile {
    /// Bytes examined at a time while others wait.
    pub const SLICE: u64 = 4 << 20;

    /// Examines the next [`PeerFile::SLICE`]; returns whether that was the rest.
    ///
    /// # Errors
    /// `Malformed` for anything but a sealed memory file without holes.
    pub fn examine(&mut self) -> Result<bool> {
        self.examined.advance(self.fd.as_fd(), PeerFile::SLICE)
    }

    pub(super) fn examine_all(&self, min: usize, max: usize) -> Result<usize> {
        examine_rest(self.fd.as_fd(), self.examined, min, max)
    }
}

/// Examines a whole file; returns its size.
///
/// # Errors
/// `Malformed` for anything but a sealed memory file within the limits without holes.
pub(super) fn examine(fd: BorrowedFd<'_>, min: usize, max: usize) -> Result<usize> {
    examine_rest(fd, Examined::default(), min, max)
}

fn examine_rest(fd: BorrowedFd<'_>, mut examined: Examined, min: usize, max: usize) -> Result<usize> {
    examined.check_seals(fd)?;
    let size = usize::try_from(size_of(fd)?).unwrap_or(usize::MAX);
    if size < min || size > max {
        return refuse(format!("the peer's memory file has {size} bytes, {min} to {max} are allowed"));
    }
    examined.advance(fd, u64::MAX)?;
    Ok(size)
}

impl Examined {
    /// Checks the seals and the file system, which must be tmpfs.
    fn check_seals(&mut self, fd: BorrowedFd<'_>) -> Result<()> {
        if self.sealed {
            return Ok(());
        }
        let Ok(seals) = rustix::fs::fcntl_get_seals(fd) else {
            return refuse("the peer's descriptor is not a memory file".into());
        };
        if !seals.contains(SEALS) {
            return refuse(format!("the peer's memory file has the seals {seals:?}, it needs {SEALS:?}"));
        }
        /// Files of huge pages have another file system.
        const TMPFS: u64 = 0x0102_1994;
        let kept = rustix::fs::fstatfs(fd).doing("looking at the file system of the peer's memory file")?;
        if kept.f_type as u64 != TMPFS {
            return refuse("the peer's memory file has huge pages, which are refused".into());
        }
        self.sealed = true;
        Ok(())
    }

    /// Examines at most this many further bytes. Returns whether they were the rest.
    fn advance(&mut self, fd: BorrowedFd<'_>, most: u64) -> Result<bool> {
        self.check_seals(fd)?;
        let size = size_of(fd)?;
        while self.bytes < size {
            let length = (size - self.bytes).min(most).min(1 << 30);
            if !all_exist(fd, self.bytes, length)? {
                return refuse(
                    "the peer's memory file has holes, whose pages would be counted as ours".into(),
                );
            }
            self.bytes += length;
            if most != u64::MAX {
                break;
            }
        }
        Ok(self.bytes >= size)
    }
}

fn size_of(fd: BorrowedFd<'_>) -> Result<u64> {
    let stat = rustix::fs::fstat(fd).doing("looking at the peer's memory file")?;
    Ok(u64::try_from(stat.st_size).unwrap_or(u64::MAX))
}

fn refuse<T>(text: String) -> Result<T> {
    Err(Error::new(ErrorKind::Malformed, text))
}

fn all_exist(fd: BorrowedFd<'_>, at: u64, length: u64) -> Result<bool> {
    let pages = length.div_ceil(rustix::param::page_size() as u64);
    match cached(fd, at, length) {
        Ok(found) => Ok(found >= pages),
        // A kernel before 6.5, or a sandbox without this call.
        Err(Errno::NOSYS | Errno::PERM) => resident(fd, at, length),
        Err(errno) => Err(errno).doing("counting the pages of the peer's memory file"),
    }
}

/// How many pages of a range are in memory or swapped out. A missing call is tried once.
fn cached(fd: BorrowedFd<'_>, at: u64, length: u64) -> std::result::Result<u64, Errno> {
    /// The number of the call, which every processor shares.
    const CACHESTAT: libc::c_long = 451;
    static IS_MISSING: AtomicBool = AtomicBool::new(false);
    if IS_MISSING.load(Ordering::Relaxed) {
        return Err(Errno::NOSYS);
    }
    let range = [at, length];
    // Pages in memory, dirty, being written, evicted, recently evicted.
    let mut counts = [0u64; 5];
    // SAFETY: the kernel reads two 64-bit numbers and writes five.
    let done = unsafe { libc::syscall(CACHESTAT, fd.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr(), 0) };
    match done {
        0 => Ok(counts[0].saturating_add(counts[3])),
        _ => {
            let errno = Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO);
            IS_MISSING.fetch_or(errno == Errno::NOSYS, Ordering::Relaxed);
            Err(errno)
        }
    }
}

/// Whether all pages are in memory and written, by `mincore`; swapped or untouched pages are missing.
pub(super) fn resident(fd: BorrowedFd<'_>, at: u64, length: u64) -> Result<bool> {
    let stat = rustix::fs::fstat(fd).doing("looking at the peer's memory file")?;
    // The kernel tells a process without write access that every page is there.
    if stat.st_uid != rustix::process::geteuid().as_raw() && stat.st_mode & 0o002 == 0 {
        return refuse("the peer's memory file has a mode that hides its pages; it needs 0777".into());
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut pages = vec![0u8; length.div_ceil(rustix::param::page_size())];
    let mapped = MmapOptions::new()
        .offset(at)
        .len(length)
        .map_raw_read_only(&fd)
        .doing("mapping the peer's memory file")?;
    // SAFETY: the range is mapped, and the vector has a byte for each page.
    if unsafe { libc::mincore(mapped.as_mut_ptr().cast(), length, pages.as_mut_ptr()) } != 0 {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        return Err(Error::os("looking up the pages of the peer's memory file", errno));
    }
    Ok(pages.iter().all(|page| page & 1 == 1))
}
