//! Signals that ask a program to stop: SIGINT and SIGTERM, where the program has not decided about them itself.

use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use crate::error::{Doing, Error, Result};

static ASKED: AtomicBool = AtomicBool::new(false);
static BELL: AtomicI32 = AtomicI32::new(-1);
static INSTALL: Mutex<bool> = Mutex::new(false);

/// From the first iteration over requests or messages on, the first SIGINT or SIGTERM lets the loop end and the
/// program leave in good order; a second one ends it at once. A program that handles or ignores a signal itself keeps
/// its way.
pub fn watch() -> Result<()> {
    let mut installed = INSTALL.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).doing("making an eventfd")?;
    BELL.store(bell.into_raw_fd(), Ordering::Release);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: `old` and `new` are sigactions that live through the calls, and the handler only touches atomics and
        // calls write, which is async-signal-safe.
        unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &mut old) != 0 || old.sa_sigaction != libc::SIG_DFL {
                continue;
            }
            let mut new: libc::sigaction = std::mem::zeroed();
            new.sa_sigaction = asked as *const () as libc::sighandler_t;
            new.sa_flags = libc::SA_RESETHAND;
            if libc::sigaction(signal, &new, std::ptr::null_mut()) != 0 {
                let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
                return Err(Error::os("watching for the signal to stop", errno));
            }
        }
    }
    *installed = true;
    Ok(())
}

extern "C" fn asked(_signal: libc::c_int) {
    ASKED.store(true, Ordering::Release);
    let one = 1u64.to_le_bytes();
    // SAFETY: write is async-signal-safe; the buffer holds eight bytes; the descriptor is never closed.
    unsafe { libc::write(BELL.load(Ordering::Acquire), one.as_ptr().cast(), one.len()) };
}

/// Whether a signal has asked the program to stop.
pub fn was_asked() -> bool {
    ASKED.load(Ordering::Acquire)
}

/// Readable from the moment a signal has asked; to be called after [`watch`].
pub fn bell() -> BorrowedFd<'static> {
    let fd: RawFd = BELL.load(Ordering::Acquire);
    // SAFETY: `watch` has stored an open descriptor, which is never closed.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
