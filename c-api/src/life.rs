//! How long a handle lives, and what is left when it has been released: a shell that is marked as released for a while.
//!
//! A handle is a pointer, so a program may use one that it has released, or release it again. The memory of what is
//! released therefore stays as a shell: its content is dropped at once, a word in it marks it as released, and the
//! last shells are kept. A stale pointer to one of them reads that word and gets `InvalidState`. Older shells are freed,
//! and a pointer to them is as wrong as a pointer to any freed memory.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use linkspan::{Error, ErrorKind, Result};

/// A struct or handle of C's that can be checked before it is used.
pub(crate) trait Checked {
    /// `InvalidState` where it was released.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Checked for [u8; 16] {}

#[cold]
pub(crate) fn released(what: &str) -> Error {
    Error::new(
        ErrorKind::InvalidState,
        format!("{what} was released before: do not use it any more, and release it once"),
    )
}

/// A shell: where it is, and how it is freed.
struct Shell {
    at: *mut c_void,
    free: unsafe fn(*mut c_void),
}

// SAFETY: a shell has no content; nothing but its freeing is done with it, on one thread.
unsafe impl Send for Shell {}

/// The last shells of one kind, oldest first.
pub(crate) struct Shells {
    shells: Mutex<VecDeque<Shell>>,
    most: usize,
}

impl Shells {
    pub(crate) const fn new(most: usize) -> Shells {
        Shells { shells: Mutex::new(VecDeque::new()), most }
    }

    /// Keeps a shell and frees the oldest where there are enough.
    ///
    /// # Safety
    /// `shell` came from a box of a `T`, which does nothing when it is dropped but free itself, and no other code frees it.
    pub(crate) unsafe fn keep<T>(&self, shell: *mut T) {
        /// # Safety
        /// `shell` came from a box of a `T`.
        unsafe fn free<T>(shell: *mut c_void) {
            // SAFETY: as the caller promises.
            drop(unsafe { Box::from_raw(shell.cast::<T>()) });
        }
        if let Some(Shell { at, free }) = self.exchange(Shell { at: shell.cast(), free: free::<T> }) {
            // SAFETY: it came in by this function, whose caller promised that it is a box that no other code frees.
            unsafe { free(at) };
        }
    }

    /// Keeps a shell, and returns the oldest where there are enough: the next object can have its memory.
    ///
    /// # Safety
    /// As for [`keep`](Self::keep), and all shells that are kept here are of a `T` and come in by this function.
    pub(crate) unsafe fn replace<T>(&self, shell: *mut T) -> Option<Box<T>> {
        /// # Safety
        /// None: a shell that is kept here comes out in the same way, or stays until the process ends.
        unsafe fn stay(_: *mut c_void) {}
        let oldest = self.exchange(Shell { at: shell.cast(), free: stay })?;
        // SAFETY: it came in by this function, whose caller promised that it is a box of a `T` that no other code frees.
        Some(unsafe { Box::from_raw(oldest.at.cast()) })
    }

    /// Puts a shell in, and takes the oldest out where there are enough.
    fn exchange(&self, shell: Shell) -> Option<Shell> {
        let mut shells = self.shells.lock().unwrap_or_else(PoisonError::into_inner);
        shells.push_back(shell);
        if shells.len() > self.most { shells.pop_front() } else { None }
    }
}
