//! What was received and is not written yet: bounded in bytes, so that a slow disk takes no more memory, and no publisher's time.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linkspan::Message;
use linkspan_recording::Event;

/// What goes from the receiving threads to the writing one.
pub enum Item {
    /// A message, when it was received in nanoseconds since 1970, and the bytes that it counts in the queue.
    Message { message: Message, received: u64, bytes: u64 },
    /// What happened.
    Event(Box<Event>),
    /// Begin another part, and report when it is done.
    Checkpoint,
    /// Put everything that was written onto the disk, and report when it is done.
    Sync,
}

/// Bytes that a message counts beside its body.
const MESSAGE: u64 = 256;

impl Item {
    /// Makes an item of a message.
    pub fn of(message: Message, received: u64) -> Item {
        let bytes = MESSAGE + message.memory().len() as u64;
        Item::Message { message, received, bytes }
    }

    /// Returns what it counts. Events are few and always accepted.
    pub fn bytes(&self) -> u64 {
        match self {
            Item::Message { bytes, .. } => *bytes,
            Item::Event(_) | Item::Checkpoint | Item::Sync => 0,
        }
    }
}

/// The queue.
pub struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    /// The most bytes.
    limit: u64,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    bytes: u64,
    /// Nothing comes any more.
    ended: bool,
    /// The writer sleeps.
    sleeps: bool,
}

impl Queue {
    /// Makes an empty queue for so many bytes.
    pub fn new(limit: u64) -> Queue {
        Queue { state: Mutex::default(), filled: Condvar::new(), limit }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item; gives it back where there is no room for it. One that is larger than the limit is taken alone.
    pub fn push(&self, item: Item) -> Result<(), Item> {
        let mut state = self.state();
        let bytes = item.bytes();
        if bytes > 0 && state.bytes > 0 && state.bytes + bytes > self.limit {
            return Err(item);
        }
        state.bytes += bytes;
        state.items.push_back(item);
        if state.sleeps {
            state.sleeps = false;
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Returns whether less than half of it is used: what was dropped is told then, not for each message that just fits.
    pub fn has_room(&self) -> bool {
        self.state().bytes < self.limit / 2
    }

    /// Adds an event, for which there is always room.
    pub fn event(&self, event: Event) {
        // Only messages are given back.
        let _ = self.push(Item::Event(Box::new(event)));
    }

    /// Says that nothing comes any more.
    pub fn end(&self) {
        self.state().ended = true;
        self.filled.notify_one();
    }

    /// Takes all items; waits for one at most for `patience`. `None` once the queue has ended and is empty.
    pub fn take(&self, patience: Duration) -> Option<VecDeque<Item>> {
        let mut state = self.state();
        if state.items.is_empty() && !state.ended {
            state.sleeps = true;
            state = self.filled.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
            state.sleeps = false;
        }
        if state.items.is_empty() && state.ended {
            return None;
        }
        Some(std::mem::take(&mut state.items))
    }

    /// Says that items of so many bytes were written: they counted until now.
    pub fn written(&self, bytes: u64) {
        self.state().bytes -= bytes;
    }
}
