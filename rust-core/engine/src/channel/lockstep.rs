//! Channels in lockstep: the listener sends each message after the previous one is consumed.
//!
//! The listener announces this in its hello (`Options::with_lockstep`). A program of several inputs gets a message
//! from one input and asks another next. If only a call on the first input consumed the message, the program would
//! wait without end.
//!
//! So a thread that asks any of its channels consumes the given messages of all its channels. It asks by a call that
//! receives, by `fileno` and `poll`, or by its end. Other threads' calls consume nothing for it.
//!
//! Other messages stay unconsumed. A program that looks at all inputs thus gets messages in the order of sending. A
//! thread that asks only one input would block that order. After [`PATIENCE`] looks it therefore consumes the
//! messages of its other channels, and gets them later.
//!
//! Every call that receives from such a channel takes the general path (`Receiving::is_lockstep`).

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};

use super::session_state::SessionState;
use crate::sys::fork;

/// The looks at other channels before their messages are consumed unasked.
///
/// A count, because a time would also pass while the program is stopped. The looks are some milliseconds apart.
const PATIENCE: u32 = 50;

pub trait Paced: Send + Sync {
    fn session_state(&self) -> &SessionState;

    fn consume_given(&self);

    /// Also consumes messages that the program has not been given.
    fn consume_what_was_sent(&self);
}

struct Entry {
    channel: Weak<dyn Paced>,
    /// The thread that connected the channel or asked it last.
    thread: ThreadId,
    /// Whether that thread was given the channel's last message, and has asked nothing since.
    given: bool,
    /// That thread's looks for other messages since it asked this channel.
    looks: u32,
}

impl Entry {
    fn is_of(&self, session_state: &SessionState) -> bool {
        self.channel.upgrade().is_some_and(|channel| std::ptr::eq(channel.session_state(), session_state))
    }
}

static CHANNELS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// The end of the thread consumes the messages that it was given.
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

pub fn connected<C: Paced + 'static>(channel: &Arc<C>) {
    entry(channel, |_| {});
}

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

/// Consumes this thread's given messages of other channels; the caller consumes its own.
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
/// Consumes the messages of channels that were not asked for long. Returns whether the caller must look again.
pub fn waits(session_state: &SessionState) -> bool {
    if READS_OTHERS.replace(true) {
        return false;
    }
    // The first call on a channel makes the link, and only then knows of lockstep.
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
