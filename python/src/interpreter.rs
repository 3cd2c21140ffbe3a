//! The main thread, and a safe exit while other threads call Python code.

use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

thread_local! {
    /// Whether this thread is the main one; `None` before the first query.
    static MAIN: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether Python delivers signals to this thread. Cached, because every wait needs it.
pub fn is_main_thread() -> bool {
    static FORKS: Once = Once::new();
    MAIN.get().unwrap_or_else(|| {
        // SAFETY: the handler lives as long as the process. It only sets a thread-local without a destructor and an
        // atomic.
        FORKS.call_once(|| unsafe {
            libc::pthread_atfork(None, None, Some(becomes_main));
        });
        let main = rustix::thread::gettid() == rustix::process::getpid();
        MAIN.set(Some(main));
        main
    })
}

extern "C" fn becomes_main() {
    MAIN.set(Some(true));
    INSIDE.store(0, Ordering::SeqCst);
}

/// The threads, except the main one, that run Python code within a call of the core.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// Whether the interpreter ends. No further thread may begin a callback then.
static ENDS: AtomicBool = AtomicBool::new(false);

struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs Python code within a detached call of the core; `None` without an interpreter.
///
/// At exit the interpreter terminates threads that run Python code, and the guards in their Rust frames are lost. So no
/// callback starts then, and [`await_callbacks`] waits for running ones.
pub fn attached<R>(call: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    if is_main_thread() {
        return Python::try_attach(call);
    }
    INSIDE.fetch_add(1, Ordering::SeqCst);
    let _inside = Inside;
    if ENDS.load(Ordering::SeqCst) { None } else { Python::try_attach(call) }
}

/// Waits at exit, for at most a second, until no other thread runs a callback.
#[pyfunction]
pub fn await_callbacks(py: Python<'_>) {
    ENDS.store(true, Ordering::SeqCst);
    py.detach(|| {
        for _ in 0..1000 {
            if INSIDE.load(Ordering::SeqCst) == 0 {
                return;
            }
            thread::park_timeout(Duration::from_millis(1));
        }
    });
}
