//! Threads of our own, which never see the program's signals.

use std::thread::JoinHandle;

use crate::error::{Doing, Result};

/// Starts a thread with every signal blocked: they are for the program's threads.
pub fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    // SAFETY: both sets live through the calls, and the mask of this thread is put back before anything else runs.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        thread.doing(format_args!("starting the thread {name}"))
    }
}
