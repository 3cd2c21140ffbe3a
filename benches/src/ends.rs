//! Two processes for the two ends of a case, with memory that both see.

use std::io;
use std::ops::Deref;

use crate::Result;
use crate::cpu::{End, Placement, pin};

/// Starts the far end as a process of its own; it ends with this one, whatever happens.
///
/// To be called while the process has one thread: the far end goes on from a copy of it.
pub fn fork_far(far: impl FnOnce() -> Result<()>) -> Result<()> {
    // SAFETY: there is one thread, so the child's copy is whole; it runs on as this program does.
    match unsafe { libc::fork() } {
        -1 => Err(format!("starting the far end: {}", io::Error::last_os_error()).into()),
        0 => {
            end_with_parent();
            if let Err(error) = far() {
                eprintln!("far end: {error}");
            }
            // SAFETY: ends the process without running what belongs to the parent.
            unsafe { libc::_exit(0) }
        }
        _ => Ok(()),
    }
}

/// Leaves nothing behind: this process is killed when the one that started it ends.
pub fn end_with_parent() {
    // SAFETY: asks for a signal at the death of the parent; no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Forks the far end and pins both ends.
pub fn split(placement: Placement, far: impl FnOnce() -> Result<()>) -> Result<()> {
    fork_far(|| {
        pin(placement, End::Far)?;
        far()
    })?;
    pin(placement, End::Near)
}

/// A value in memory that stays the same memory in both processes after a fork.
pub struct Shared<T>(*mut T);

impl<T> Shared<T> {
    /// All zeros, which has to be a valid `T`: so it is for atomics and arrays of them, which is all it is used for.
    pub fn zeroed() -> Result<Shared<T>> {
        // SAFETY: a fresh anonymous mapping overlaps nothing.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<T>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(format!("mapping shared memory: {}", io::Error::last_os_error()).into());
        }
        Ok(Shared(at.cast()))
    }

    /// For what is not atomic.
    pub fn as_ptr(&self) -> *mut T {
        self.0
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared(self.0)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the mapping is never given back, is aligned to a page, and zeros are a valid T.
        unsafe { &*self.0 }
    }
}
