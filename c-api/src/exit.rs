//! Objects that a program leaves open when it ends: no destructor runs for them, so the exit does what the release
//! would have done.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

use linkspan::fork::Own;
use linkspan::{Error, ErrorKind, Result};

/// What is done for the object at an address.
pub(crate) type AtExit = fn(usize);

/// The open objects of this process.
#[derive(Default)]
struct Open {
    /// By address, with what the exit does for each.
    objects: BTreeMap<usize, AtExit>,
    /// The one that the exit uses now, and the thread of the exit. It is not released meanwhile.
    in_use: Option<(usize, ThreadId)>,
}

/// A forked child has none of its parent's, a thread of which may have locked them at the fork.
static OPEN: Own<Mutex<Open>> = Own::new();
/// Signalled when the exit is done with an object.
static DONE: Own<Condvar> = Own::new();

fn open() -> MutexGuard<'static, Open> {
    OPEN.lock()
}

/// Has the exit of the program call `what` with this address, unless it is forgotten before.
pub(crate) fn remember(address: usize, what: AtExit) {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: the handler is a function that lives as long as the library. Where the C library has no room for it,
        // the exit reports nothing.
        let _ = unsafe { libc::atexit(at_exit) };
    });
    open().objects.insert(address, what);
}

/// Forgets an object that is about to be released, once the exit does not use it.
///
/// # Errors
/// `InvalidState` in a callback of the exit for this object: the exit goes on to use it.
pub(crate) fn forget(address: usize) -> Result<()> {
    let mut open = open();
    while let Some((_, thread)) = open.in_use.filter(|(used, _)| *used == address) {
        if thread == thread::current().id() {
            let text = "the end of the program is reporting on this object: its callback may close it, and the process frees it";
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        open = DONE.get().wait(open).unwrap_or_else(PoisonError::into_inner);
    }
    open.objects.remove(&address);
    Ok(())
}

/// Runs in `exit`.
extern "C" fn at_exit() {
    let open = self::open();
    // Not those that callbacks make meanwhile: the end of the program would have no end.
    let addresses: Vec<usize> = open.objects.keys().copied().collect();
    drop(open);
    addresses.into_iter().for_each(use_at_exit);
}

/// Does for one object what its release would have done, without the lock: it may call the program.
fn use_at_exit(address: usize) {
    let mut open = self::open();
    let Some(what) = open.objects.remove(&address) else { return };
    open.in_use = Some((address, thread::current().id()));
    drop(open);
    // A panic must not leave the exit, and nobody is left to read its error.
    drop(catch_unwind(|| what(address)));
    self::open().in_use = None;
    DONE.get().notify_all();
}
