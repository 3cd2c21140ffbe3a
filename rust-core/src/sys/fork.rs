//! What a forked child may not touch: descriptors whose being open tells others that we live.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::error::{Error, ErrorKind, Result};

/// Counts the forks between the first program and this process: an object of another generation is not ours.
static GENERATION: AtomicU64 = AtomicU64::new(0);
static GUARDED: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());
static INSTALL: Once = Once::new();

/// The generation of this process.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Refuses to work on an object that was made before a fork.
pub fn check(born: u64) -> Result<()> {
    if born == generation() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidState,
        "this was made before a fork and belongs to the parent; make one of its own in the child",
    ))
}

fn guarded() -> MutexGuard<'static, Vec<RawFd>> {
    GUARDED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A descriptor that a forked child must not keep open: a socket, a lock.
///
/// In the child it is replaced by one of /dev/null rather than closed, so that its number stays taken and a later drop
/// closes nothing else.
#[derive(Debug)]
pub struct Guarded {
    /// There until the drop.
    descriptor: ManuallyDrop<OwnedFd>,
    /// How it is closed.
    close: fn(OwnedFd),
}

impl Guarded {
    /// Guards this descriptor from now on.
    pub fn new(fd: OwnedFd) -> Guarded {
        Guarded::closed_by(fd, drop)
    }

    /// The same for one that is closed in a way of its own.
    pub fn closed_by(fd: OwnedFd, close: fn(OwnedFd)) -> Guarded {
        INSTALL.call_once(|| {
            // SAFETY: the three handlers are functions of this file that live as long as the process; they only lock
            // a mutex and call async-signal-safe functions.
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
        // SAFETY: taken here alone, and nothing looks at it after the drop.
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
    /// The list's lock while this thread forks, so that the child never sees the list half changed.
    static HELD: RefCell<Option<MutexGuard<'static, Vec<RawFd>>>> = const { RefCell::new(None) };
}

extern "C" fn before() {
    HELD.with(|held| *held.borrow_mut() = Some(guarded()));
}

extern "C" fn in_parent() {
    HELD.with(|held| *held.borrow_mut() = None);
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    let Some(mut all) = HELD.with(|held| held.borrow_mut().take()) else { return };
    // SAFETY: open, dup2 and close are async-signal-safe; the path is a C string; the numbers are descriptors that this
    // process owns.
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
