//! Objects that a program leaves open when it ends: no destructor runs for them, so the exit does what the release would have done.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::{Mutex, Once, PoisonError};

/// What is done for the object at an address.
pub(crate) type AtExit = fn(usize);

/// The addresses of the open objects of this process. Its mutex keeps an object from being released while the exit uses it.
static OPEN: Mutex<BTreeMap<usize, AtExit>> = Mutex::new(BTreeMap::new());

/// Has the exit of the program call `what` with this address, unless it is forgotten before.
pub(crate) fn remember(address: usize, what: AtExit) {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: the handler is a function that lives as long as the library. Where the C library has no room for it, the exit
        // reports nothing.
        let _ = unsafe { libc::atexit(at_exit) };
    });
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(address, what);
}

/// Forgets an object that is about to be released.
pub(crate) fn forget(address: usize) {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
}

/// Runs in `exit`.
extern "C" fn at_exit() {
    // Held by a thread of the parent where this is a forked child, whose objects are not its own.
    let Ok(open) = OPEN.try_lock() else { return };
    for (address, what) in open.iter() {
        // A panic must not leave this function, and nobody is left to read its error.
        drop(catch_unwind(|| what(*address)));
    }
}
