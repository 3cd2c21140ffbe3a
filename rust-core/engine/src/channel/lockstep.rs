//! Channels in lockstep: their listener sends each message once the one before is consumed (`Options::with_lockstep`), and says so in
//! its hello. A program of several inputs takes a message from one of them and waits for another; it calls the first one only when it
//! has that, so the first one's message would never be consumed.
//!
//! So while a thread waits for a message of one such channel, what the listeners of its others have sent is consumed: what the thread
//! was given, and what waits to be received, because the thread's own order decides which message is used when.
//!
//! Every call that receives from such a channel takes the general path (`Receiving::is_lockstep`), and comes by here.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};

use super::session_state::SessionState;

/// A channel in lockstep.
pub trait Paced: Send + Sync {
    /// Returns the state of its session.
    fn session_state(&self) -> &SessionState;

    /// Records that everything that was sent over it is consumed, also what the program has not been given.
    fn consume_what_was_sent(&self);
}

/// A channel, and the thread that has connected it, or received from it last.
type Entry = (Weak<dyn Paced>, ThreadId);

/// The channels in lockstep of this process.
static CHANNELS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this thread reads other channels for the one that it waits for.
    static READS_OTHERS: Cell<bool> = const { Cell::new(false) };
}

fn channels() -> MutexGuard<'static, Vec<Entry>> {
    CHANNELS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records that this thread uses this channel.
pub fn receives<C: Paced + 'static>(channel: &Arc<C>) {
    let here = thread::current().id();
    let mut channels = channels();
    channels.retain(|(other, _)| other.strong_count() > 0);
    let is_same = |other: &Weak<dyn Paced>| other.as_ptr().cast::<()>() == Arc::as_ptr(channel).cast::<()>();
    match channels.iter_mut().find(|(other, _)| is_same(other)) {
        Some((_, thread)) => *thread = here,
        None => {
            let channel: Weak<dyn Paced> = Arc::<C>::downgrade(channel);
            channels.push((channel, here));
        }
    }
}

/// Consumes what was sent over the other channels of this thread, which waits for a message of this session. Returns
/// whether there are any: what comes over them later is to be consumed, too.
pub fn waits(session_state: &SessionState) -> bool {
    if READS_OTHERS.replace(true) {
        return false;
    }
    let here = thread::current().id();
    let of_thread = |(channel, thread): &Entry| channel.upgrade().filter(|_| *thread == here);
    let mut others: Vec<_> = channels().iter().filter_map(of_thread).collect();
    others.retain(|other| !std::ptr::eq(other.session_state(), session_state));
    others.iter().for_each(|other| other.consume_what_was_sent());
    READS_OTHERS.set(false);
    !others.is_empty()
}
