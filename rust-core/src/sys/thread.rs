//! Threads of the library. They have every signal blocked, so that signals reach the threads of the
//! program.

use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};
use std::time::Duration;

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

/// Returns for how long this thread, while it could have run, has waited for a processor since it began: the second number
/// of proc_pid_schedstat(5). `None` where the kernel does not count, or there is no `/proc`.
pub fn waited_for_processor() -> Option<Duration> {
    // The interpreter has no kernel to ask.
    if cfg!(miri) {
        return None;
    }
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    counts.split(' ').nth(1)?.parse().ok().map(Duration::from_nanos)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use rustix::thread::CpuSet;

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "the interpreter has no scheduler")]
    fn wait_for_a_processor_is_counted() {
        let processors = rustix::thread::sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|processor| processors.is_set(*processor)).unwrap();
        let stay = move || {
            let mut one = CpuSet::new();
            one.set(first);
            rustix::thread::sched_setaffinity(None, &one).unwrap();
        };
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                stay();
                while !done.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
            // Two threads that compute on one processor take turns.
            scope.spawn(|| {
                stay();
                let before = waited_for_processor().unwrap();
                while waited_for_processor().unwrap() < before + Duration::from_millis(2) {
                    std::hint::spin_loop();
                }
                done.store(true, Relaxed);
            });
        });
    }
}
