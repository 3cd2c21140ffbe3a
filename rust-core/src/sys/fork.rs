//! Protection of a forked child: against inherited descriptors by which peers take the parent for
//! alive, and against use of the parent's objects.
//!
//! A child inherits sockets and locks. If it kept them, a peer would not notice the parent's death.
//! Handlers of `pthread_atfork` replace every [`Guarded`] descriptor in the child by `/dev/null`,
//! and count the [`generation`]: objects remember the generation that made them and leave shared
//! things alone in any other.
//!
//! The child of a multi-threaded program may call async-signal-safe functions only, and the
//! handlers keep to that. The list's mutex is held across the fork, so that the child sees it in a
//! consistent state.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::error::{Error, ErrorKind, Result};

/// The number of forks between the first program and this process.
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// The descriptors to replace in a child.
static GUARDED: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());
/// Whether the handlers are installed.
static INSTALL: Once = Once::new();

/// Returns the generation of this process. Relaxed: it changes only in a child, before any other
/// thread exists there.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Refuses to work on an object of another generation.
///
/// # Errors
/// `InvalidState`.
pub fn check(born: u64) -> Result<()> {
    if born == generation() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidState,
        "this was made before a fork and belongs to the parent; make one of its own in the child",
    ))
}

/// Locks the list.
fn guarded() -> MutexGuard<'static, Vec<RawFd>> {
    GUARDED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A descriptor that a forked child must not keep open: a socket, a lock.
///
/// In the child it is replaced by one of /dev/null rather than closed: so its number stays in use,
/// and a later drop closes nothing else.
#[derive(Debug)]
pub struct Guarded {
    /// The descriptor; taken in the drop and nowhere else.
    descriptor: ManuallyDrop<OwnedFd>,
    /// How it is closed.
    close: fn(OwnedFd),
}

impl Guarded {
    /// Guards this descriptor from now on.
    pub fn new(fd: OwnedFd) -> Guarded {
        Guarded::closed_by(fd, drop)
    }

    /// The same with a function that closes it.
    pub fn closed_by(fd: OwnedFd, close: fn(OwnedFd)) -> Guarded {
        INSTALL.call_once(|| {
            // SAFETY: the three handlers are functions of this file that live as long as the process; they
            // only lock a mutex and call async-signal-safe functions.
            unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        });
        guarded().push(fd.as_raw_fd());
        Guarded { descriptor: ManuallyDrop::new(fd), close }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let number = self.descriptor.as_raw_fd();
        let mut all = guarded();
        if let Some(at) = all.iter().position(|fd| *fd == number) {
            all.swap_remove(at);
        }
        drop(all);
        // SAFETY: taken here alone, and nothing uses the field after the drop.
        (self.close)(unsafe { ManuallyDrop::take(&mut self.descriptor) });
    }
}

impl AsFd for Guarded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Guarded {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

thread_local! {
    /// The list's lock while this thread forks, so that the child never sees a half-changed list.
    static HELD: RefCell<Option<MutexGuard<'static, Vec<RawFd>>>> = const { RefCell::new(None) };
}

/// Runs before the fork.
extern "C" fn before() {
    HELD.with(|held| *held.borrow_mut() = Some(guarded()));
}

/// Runs after the fork in the parent.
extern "C" fn in_parent() {
    HELD.with(|held| *held.borrow_mut() = None);
}

/// Runs after the fork in the child.
extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    let Some(mut all) = HELD.with(|held| held.borrow_mut().take()) else { return };
    // SAFETY: open, dup2 and close are async-signal-safe; the path is a C string; the numbers are descriptors
    // that this process owns.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        for fd in all.drain(..) {
            if null < 0 || libc::dup3(null, fd, libc::O_CLOEXEC) < 0 {
                libc::close(fd);
            }
        }
        if null >= 0 {
            libc::close(null);
        }
    }
}
