//! The lifetime of handles: a released handle stays for a while as a marked shell.
//!
//! A call with a stale pointer finds the mark and returns `InvalidState`. Only the last shells are kept.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use linkspan::{Error, ErrorKind, Result};

pub(crate) trait Checked {
    /// Returns `InvalidState` if the object was released.
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

struct Shell {
    at: *mut c_void,
    free: unsafe fn(*mut c_void),
}

// SAFETY: a shell has no content, and only one thread frees it.
unsafe impl Send for Shell {}

pub(crate) struct Shells {
    shells: Mutex<VecDeque<Shell>>,
    most: usize,
}

impl Shells {
    pub(crate) const fn new(most: usize) -> Shells {
        Shells { shells: Mutex::new(VecDeque::new()), most }
    }

    /// Keeps a shell, and frees the oldest one if the list is full.
    ///
    /// # Safety
    /// `shell` came from a box of a `T` whose drop only frees its memory, and no other code frees it.
    pub(crate) unsafe fn keep<T>(&self, shell: *mut T) {
        /// # Safety
        /// `shell` came from a box of a `T`.
        unsafe fn free<T>(shell: *mut c_void) {
            // SAFETY: by contract.
            drop(unsafe { Box::from_raw(shell.cast::<T>()) });
        }
        if let Some(Shell { at, free }) = self.exchange(Shell { at: shell.cast(), free: free::<T> }) {
            // SAFETY: this function added it; by contract no other code frees it.
            unsafe { free(at) };
        }
    }

    /// Adds a shell, and removes the oldest one if the list is full.
    fn exchange(&self, shell: Shell) -> Option<Shell> {
        let mut shells = self.shells.lock().unwrap_or_else(PoisonError::into_inner);
        shells.push_back(shell);
        if shells.len() > self.most { shells.pop_front() } else { None }
    }
}
