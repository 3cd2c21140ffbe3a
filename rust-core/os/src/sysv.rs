//! System V shared memory of another program, read-only, for older simulations and instruments.
//!
//! The other program writes while this one reads, so every load is atomic. Words of eight bytes are consistent; longer
//! values may be torn.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// A segment, attached for reading. Its size is fixed, and it outlives its removal while attached.
#[derive(Debug)]
pub struct Attached {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the range belongs to this object from `shmat` to `shmdt`, whichever thread reads it, only through atomics.
unsafe impl Send for Attached {}
// SAFETY: as above.
unsafe impl Sync for Attached {}

impl Attached {
    /// Attaches a key's segment.
    ///
    /// # Errors
    /// `NotFound` and `PermissionDenied`, with a hint to `ipcs -m`.
    pub fn open(key: u32) -> Result<Attached> {
        let failed = |what: &str| {
            let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
            let hint = match errno {
                libc::ENOENT => "; start the program that makes it, or see its key with ipcs -m",
                libc::EACCES => "; its owner decides who may read it, by its mode: see ipcs -m",
                _ => "",
            };
            let error = Error::os(format_args!("{what} the System V memory of key {key:#x}"), errno);
            Error::new(error.kind(), format!("{}{hint}", error.text()))
        };
        // SAFETY: plain numbers; with neither size nor flags nothing is created.
        let id = unsafe { libc::shmget(key.cast_signed(), 0, 0) };
        if id < 0 {
            return Err(failed("finding"));
        }
        // SAFETY: the kernel chooses the address, so no other mapping is replaced.
        let start = unsafe { libc::shmat(id, std::ptr::null(), libc::SHM_RDONLY) };
        if start.addr() == usize::MAX {
            return Err(failed("attaching"));
        }
        let start = NonNull::new(start.cast::<u8>()).ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the kernel attached a segment at address zero")
        })?;
        let mut attached = Attached { start, length: 0 };
        // SAFETY: all of its fields are plain numbers.
        let mut facts: libc::shmid_ds = unsafe { std::mem::zeroed() };
        // SAFETY: `facts` lives through the call. The attached segment's number is not reused.
        if unsafe { libc::shmctl(id, libc::IPC_STAT, &mut facts) } < 0 {
            return Err(failed("looking at"));
        }
        attached.length = facts.shm_segsz;
        Ok(attached)
    }

    /// Returns the length of the segment in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Copies the bytes from an offset on, each aligned word in one load; returns how many.
    pub fn copy(&self, offset: usize, into: &mut [u8]) -> usize {
        let length = into.len().min(self.length.saturating_sub(offset));
        let mut done = 0;
        while done < length {
            let at = offset + done;
            // SAFETY: `at` is below the length of the attached range.
            let from = unsafe { self.start.as_ptr().add(at) };
            if at.is_multiple_of(8) && length - done >= 8 {
                // SAFETY: eight aligned bytes inside the range. A load of this size never writes, so read-only pages
                // suffice; it is atomic, as another process writes.
                let word = unsafe { AtomicU64::from_ptr(from.cast()) }.load(Ordering::Acquire);
                // The bytes in their order in memory.
                into[done..done + 8].copy_from_slice(&u64::from_le(word).to_le_bytes());
                done += 8;
            } else {
                // SAFETY: one byte inside the range; as above.
                into[done] = unsafe { AtomicU8::from_ptr(from) }.load(Ordering::Acquire);
                done += 1;
            }
        }
        length
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: `shmat` gave the address, and no reference into the range outlives this. A forked child has its own
        // attachment.
        unsafe { libc::shmdt(self.start.as_ptr().cast()) };
    }
}
