//! Channels that a program leaves open when it ends: no destructor runs for them, so the exit does what the release would have done.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};

use linkspan::Channel;

use crate::channel::linkspan_channel;
use crate::life::Checked;
use crate::object::{Tagged, give};

/// The addresses of the open channels of this process. Its mutex keeps a channel from being released while the exit uses it.
static OPEN: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// Gives C a channel, which the exit of the program finds unless it is released before.
pub(crate) fn give_channel(channel: Channel) -> *mut linkspan_channel {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: the handler is a function that lives as long as the library. Where the C library has no room for it, the exit
        // reports nothing.
        let _ = unsafe { libc::atexit(at_exit) };
    });
    let given = give(linkspan_channel(Tagged::new(channel)));
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(given.addr());
    given
}

/// Forgets a channel that is about to be released.
pub(crate) fn forget(channel: *mut linkspan_channel) {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&channel.addr());
}

/// Runs in `exit`.
extern "C" fn at_exit() {
    // Held by a thread of the parent where this is a forked child, whose channels are not its own.
    let Ok(open) = OPEN.try_lock() else { return };
    for address in open.iter() {
        // SAFETY: `give_channel` made it, and it is released only after `forget`, which waits for the lock.
        let channel = unsafe { &*std::ptr::with_exposed_provenance::<linkspan_channel>(*address) };
        if channel.check().is_ok() {
            // A panic must not leave this function, and nobody is left to read its error.
            drop(catch_unwind(AssertUnwindSafe(|| channel.0.linger())));
        }
    }
}
