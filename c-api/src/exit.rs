//! Work for objects that are open when the program ends: no destructor runs for them.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

use linkspan::fork::Own;
use linkspan::{Error, ErrorKind, Result};

pub(crate) type AtExit = fn(usize);

#[derive(Default)]
struct Open {
    objects: BTreeMap<usize, AtExit>,
    /// The object that the exit uses, and the thread of the exit.
    ///
    /// A release of the object waits for the exit.
    in_use: Option<(usize, ThreadId)>,
}

/// A forked child starts empty, because a thread of the parent may hold the lock.
static OPEN: Own<Mutex<Open>> = Own::new();
static DONE: Own<Condvar> = Own::new();

fn open() -> MutexGuard<'static, Open> {
    OPEN.lock()
}

/// Makes the exit call `what` with this address. `forget` cancels the call.
pub(crate) fn remember(address: usize, what: AtExit) {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: the handler lives as long as the library. If `atexit` fails for lack of room, the exit reports
        // nothing.
        let _ = unsafe { libc::atexit(at_exit) };
    });
    open().objects.insert(address, what);
}

/// Forgets an object before its release; waits while the exit uses it.
///
/// # Errors
/// `InvalidState` in a callback of the exit for this object.
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

extern "C" fn at_exit() {
    let open = self::open();
    // Only these: objects that callbacks make could prolong the exit for ever.
    let addresses: Vec<usize> = open.objects.keys().copied().collect();
    drop(open);
    addresses.into_iter().for_each(use_at_exit);
}

/// Does the work without the lock, because it may call the program.
fn use_at_exit(address: usize) {
    let mut open = self::open();
    let Some(what) = open.objects.remove(&address) else { return };
    open.in_use = Some((address, thread::current().id()));
    drop(open);
    // A panic must not leave the exit, and nothing would read an error.
    drop(catch_unwind(|| what(address)));
    self::open().in_use = None;
    DONE.get().notify_all();
}
