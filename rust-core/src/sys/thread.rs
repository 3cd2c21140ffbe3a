//! Threads of the library. They have every signal blocked, so that signals reach the threads of the
//! program.

use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use crate::error::{Doing, Result};

/// Starts a thread.
///
/// # Errors
/// That of the kernel, with the thread's name.
pub fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = without_signals(|| Builder::new().name(name.to_owned()).spawn(work));
    thread.doing(format_args!("starting the thread {name}"))
}

/// Starts a thread that ends before its borrowed values.
pub fn start_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    let thread = without_signals(|| Builder::new().name(name.to_owned()).spawn_scoped(scope, work));
    thread.doing(format_args!("starting the thread {name}"))
}

/// Runs `start` with every signal blocked: a thread inherits the mask of the thread that starts it.
fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    // SAFETY: both sets live through the calls, and the mask of this thread is put back before anything else
    // runs.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let started = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        started
    }
}
