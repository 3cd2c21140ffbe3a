//! Channels in lockstep: their listener sends each message once the one before is consumed (`Options::with_lockstep`),
//! and says so in its hello. A program of several inputs is given a message by one of them and asks another one next;
//! it asks the first one only when it needs more of that, so the first one's message would never be consumed.
//!
//! So a thread consumes what it was given over all of them when it asks any of them again: by a call that receives, by
//! `fileno` and `poll`, or by its end. Another thread's calls consume nothing for it: with a thread for each input, a
//! message is consumed by the thread that computes with it.
//!
//! What has arrived and was not given stays unconsumed, so that a program that looks at all of its inputs is given the
//! messages in the order in which they were sent. A thread that keeps asking for one of them alone has an order of its
//! own, which would never be fulfilled: after [`PATIENCE`] looks it consumes what comes over those that it does not
//! ask, and is given that later.
//!
//! Every call that receives from such a channel takes the general path (`Receiving::is_lockstep`), and comes by here.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};

use super::session_state::SessionState;
use crate::sys::fork;

/// How often a thread looks at its other channels, with a pause of some milliseconds in between, before it consumes
/// what it has not asked for: a count and no time, because a program that is stopped meanwhile looks at nothing.
const PATIENCE: u32 = 50;

/// A channel in lockstep.
pub trait Paced: Send + Sync {
    /// Returns the state of its session.
    fn session_state(&self) -> &SessionState;

    /// Records that what the program was given is consumed, and tells the listener.
    fn consume_given(&self);

    /// Records that everything that was sent over it is consumed, also what the program has not been given.
    fn consume_what_was_sent(&self);
}

/// A channel.
struct Entry {
    channel: Weak<dyn Paced>,
    /// The thread that has connected it, or asked it last.
    thread: ThreadId,
    /// Whether that thread was given its last message, and has asked nothing since.
    given: bool,
    /// How often that thread has looked for something else since it asked this one.
    looks: u32,
}

impl Entry {
    fn is_of(&self, session_state: &SessionState) -> bool {
        self.channel.upgrade().is_some_and(|channel| std::ptr::eq(channel.session_state(), session_state))
    }
}

/// The channels in lockstep of this process.
static CHANNELS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// A thread that was given messages: its end consumes them.
struct Given {
    thread: ThreadId,
    generation: u64,
}

impl Drop for Given {
    fn drop(&mut self) {
        // In a forked child another thread of the parent may have held the lock.
        if fork::check(self.generation).is_ok() {
            consume_given_to(self.thread, None);
        }
    }
}

thread_local! {
    static GIVEN: Given = Given { thread: thread::current().id(), generation: fork::generation() };

    /// Whether this thread reads other channels for the one that it waits for.
    static READS_OTHERS: Cell<bool> = const { Cell::new(false) };
}

fn channels() -> MutexGuard<'static, Vec<Entry>> {
    CHANNELS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a channel, which this thread uses.
pub fn connected<C: Paced + 'static>(channel: &Arc<C>) {
    entry(channel, |_| {});
}

/// Records that this thread is given a message of this channel.
pub fn gives<C: Paced + 'static>(channel: &Arc<C>) {
    // Where the thread's variables are gone, its end has come already.
    let _ = GIVEN.try_with(|given| given.thread);
    entry(channel, |entry| (entry.given, entry.looks) = (true, 0));
}

fn entry<C: Paced + 'static>(channel: &Arc<C>, change: impl FnOnce(&mut Entry)) {
    let here = thread::current().id();
    let mut channels = channels();
    channels.retain(|entry| entry.channel.strong_count() > 0);
    let place = Arc::as_ptr(channel).cast::<()>();
    let at = channels.iter().position(|entry| entry.channel.as_ptr().cast::<()>() == place);
    let at = at.unwrap_or_else(|| {
        let channel: Weak<dyn Paced> = Arc::<C>::downgrade(channel);
        channels.push(Entry { channel, thread: here, given: false, looks: 0 });
        channels.len() - 1
    });
    channels[at].thread = here;
    change(&mut channels[at]);
}

/// Consumes what this thread was given over its other channels: the program asks for a message of this session, whose
/// own messages the call consumes.
pub fn asks(session_state: &SessionState) {
    consume_given_to(thread::current().id(), Some(session_state));
}

fn consume_given_to(thread: ThreadId, asked: Option<&SessionState>) {
    let mut given = Vec::new();
    for entry in &mut *channels() {
        if asked.is_some_and(|asked| entry.is_of(asked)) {
            (entry.thread, entry.given, entry.looks) = (thread, false, 0);
        } else if entry.thread == thread && std::mem::take(&mut entry.given) {
            given.extend(entry.channel.upgrade());
        }
    }
    given.iter().for_each(|channel| channel.consume_given());
}

/// Looks at the other channels of this thread, which waits for a message of this session, and consumes what was sent
/// over those that it has not asked for long. Returns whether there are any: they are to be looked at again.
pub fn waits(session_state: &SessionState) -> bool {
    if READS_OTHERS.replace(true) {
        return false;
    }
    // The first call on a channel makes the link, and has not known before that it is in lockstep.
    asks(session_state);
    let here = thread::current().id();
    let (mut has_others, mut unasked) = (false, Vec::new());
    for entry in &mut *channels() {
        if entry.thread == here && entry.channel.strong_count() > 0 && !entry.is_of(session_state) {
            has_others = true;
            entry.looks = entry.looks.saturating_add(1);
            if entry.looks > PATIENCE {
                unasked.extend(entry.channel.upgrade());
            }
        }
    }
    unasked.iter().for_each(|channel| channel.consume_what_was_sent());
    READS_OTHERS.set(false);
    has_others
}
