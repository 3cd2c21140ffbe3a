//! Channels in lockstep: the listener sends each message after the previous one is consumed.
//!
//! The listener announces this in its hello (`Options::with_lockstep`). A program of several inputs gets a message
//! from one input and asks another input next. If only a call on the first input consumed the message, the program
//! would wait without end.
//!
//! So a thread consumes the messages that it was given over all channels when it asks any of them again. It asks by a
//! call that receives, by `fileno` and `poll`, or by its end. The calls of one thread consume nothing for another
//! thread.
//!
//! Messages that arrived but were not given stay unconsumed, so that a program that looks at all inputs gets messages
//! in the order of sending. A thread that keeps asking one input would block that order forever. After [`PATIENCE`]
//! looks it therefore consumes the messages of its other channels, and gets them later.
//!
//! Every call that receives from such a channel takes the general path (`Receiving::is_lockstep`).

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};

use super::session_state::SessionState;
use crate::sys::fork;

/// How often a thread looks at its other channels before it consumes their messages unasked.
///
/// Each look follows a pause of some milliseconds. This is a count, because a stopped program looks at nothing while
/// time passes.
const PATIENCE: u32 = 50;

pub trait Paced: Send + Sync {
    fn session_state(&self) -> &SessionState;

    /// Records the given messages as consumed, and tells the listener.
    fn consume_given(&self);

    /// Records all sent messages as consumed, including those that the program has not been given.
    fn consume_what_was_sent(&self);
}

struct Entry {
    channel: Weak<dyn Paced>,
    /// The thread that connected the channel or asked it last.
    thread: ThreadId,
    /// Whether that thread was given the channel's last message, and has asked nothing since.
    given: bool,
    /// How often that thread has looked for other messages since it asked this channel.
    looks: u32,
}

impl Entry {
    fn is_of(&self, session_state: &SessionState) -> bool {
        self.channel.upgrade().is_some_and(|channel| std::ptr::eq(channel.session_state(), session_state))
    }
}

static CHANNELS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// A thread that was given messages. The end of the thread consumes them.
struct Given {
    thread: ThreadId,
    generation: u64,
}

impl Drop for Given {
    fn drop(&mut self) {
        // After a fork, another thread of the parent may have held the lock.
        if fork::check(self.generation).is_ok() {
            consume_given_to(self.thread, None);
        }
    }
}

thread_local! {
    static GIVEN: Given = Given { thread: thread::current().id(), generation: fork::generation() };

    /// Whether this thread is already looking at its other channels.
    static READS_OTHERS: Cell<bool> = const { Cell::new(false) };
}

fn channels() -> MutexGuard<'static, Vec<Entry>> {
    CHANNELS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a channel of this thread.
pub fn connected<C: Paced + 'static>(channel: &Arc<C>) {
    entry(channel, |_| {});
}

/// Records that this thread is given a message of this channel.
pub fn gives<C: Paced + 'static>(channel: &Arc<C>) {
    // If the thread's variables are gone, `Given` has been dropped already.
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

/// Consumes what this thread was given over its other channels.
///
/// The caller itself consumes the messages of this session.
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

/// Looks at the other channels of this thread, which waits for a message of this session.
///
/// Consumes the messages of channels that were not asked for long. Returns whether other channels exist, which the
/// caller then looks at again.
pub fn waits(session_state: &SessionState) -> bool {
    if READS_OTHERS.replace(true) {
        return false;
    }
    // The first call on a channel makes the link, and could not know before that the channel is in lockstep.
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
