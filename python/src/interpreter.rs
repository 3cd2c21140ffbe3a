//! The interpreter's main thread, and the end of the interpreter beside threads that call Python code while they wait.

use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

thread_local! {
    /// Whether this thread is the process's main one; none before the kernel was asked.
    static MAIN: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether Python delivers signals to this thread. The kernel is asked once for each thread, since every waiting call
/// needs the answer.
pub fn is_main_thread() -> bool {
    static FORKS: Once = Once::new();
    MAIN.get().unwrap_or_else(|| {
        // SAFETY: the handler lives as long as the process, and only sets a thread-local value that needs no
        // destructor.
        FORKS.call_once(|| unsafe {
            libc::pthread_atfork(None, None, Some(becomes_main));
        });
        let main = rustix::thread::gettid() == rustix::process::getpid();
        MAIN.set(Some(main));
        main
    })
}

/// In a forked child the thread that forked is the only one, and so the main one.
extern "C" fn becomes_main() {
    MAIN.set(Some(true));
    INSIDE.store(0, Ordering::SeqCst);
}

/// The threads besides the main one that run Python code within a call of the core.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// Whether none of them may begin to, because the interpreter ends.
static ENDS: AtomicBool = AtomicBool::new(false);

/// Counts a thread while it lives.
struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs Python code within a call of the core that has let the interpreter go; `None` where there is no interpreter any
/// more.
///
/// One that ends takes a thread away that runs Python code, with the Rust frames below it, which its guards do not
/// survive. So none begins to from the exit on, and [`await_callbacks`] waits for those that have begun.
pub fn attached<R>(call: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    if is_main_thread() {
        return Python::try_attach(call);
    }
    INSIDE.fetch_add(1, Ordering::SeqCst);
    let _inside = Inside;
    if ENDS.load(Ordering::SeqCst) { None } else { Python::try_attach(call) }
}

/// Waits at the exit of the interpreter until no other thread runs Python code within a call of the core, for at most a
/// second.
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
