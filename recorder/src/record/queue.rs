//! What was received and is not written yet: bounded in bytes, so that a slow disk takes no more memory, and no publisher's time.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use linkspan::{Encoding, Message};
use linkspan_recording::Event;

/// A message as it was received. Its memory is the queue's own: the receiving thread uses that of the message again at once, and no memory is
/// freed by another thread than the one that has taken it, for which both would wait.
pub struct Received {
    /// The endpoint.
    pub name: Arc<str>,
    pub source: Arc<str>,
    pub incarnation: u64,
    pub number: u64,
    pub encoding: Encoding,
    /// When it was sent and received, in nanoseconds since 1970.
    pub sent: u64,
    pub received: u64,
    pub body: Bytes,
    /// The message itself, where it is the first one of its publisher.
    pub first: Option<Message>,
}

/// Memory for the bodies of short messages.
#[derive(Default)]
pub struct Bodies(BytesMut);

/// Bodies up to this length are copied into memory that they share.
const SHORT: usize = 4096;
/// Bytes of that memory.
const SHARED: usize = 256 << 10;

impl Bodies {
    /// The body of a message.
    pub fn of(&mut self, message: &Message) -> Bytes {
        let body = message.body();
        if body.len() > SHORT {
            return body.clone();
        }
        if self.0.capacity() < body.len() {
            self.0 = BytesMut::with_capacity(SHARED);
        }
        self.0.extend_from_slice(body);
        self.0.split().freeze()
    }
}

/// What goes from the receiving threads to the writing one.
pub enum Item {
    /// A message.
    Message(Received),
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
    /// Returns what it counts. Events are few and always accepted.
    pub fn bytes(&self) -> u64 {
        match self {
            Item::Message(message) => MESSAGE + message.body.len() as u64,
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

    /// Adds items from the first one on until one has no room, and leaves that and those behind it. One that is larger than the limit is taken
    /// alone.
    pub fn push_all(&self, items: &mut VecDeque<Item>) {
        if items.is_empty() {
            return;
        }
        let all: u64 = items.iter().map(Item::bytes).sum();
        let mut state = self.state();
        if state.bytes + all <= self.limit {
            state.bytes += all;
            state.items.append(items);
        }
        while let Some(item) = items.front() {
            let bytes = item.bytes();
            if bytes > 0 && state.bytes > 0 && state.bytes + bytes > self.limit {
                break;
            }
            state.bytes += bytes;
            state.items.extend(items.pop_front());
        }
        if state.sleeps && !state.items.is_empty() {
            state.sleeps = false;
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Adds an item for which there is always room.
    pub fn push(&self, item: Item) {
        let mut state = self.state();
        state.bytes += item.bytes();
        state.items.push_back(item);
        state.sleeps = false;
        drop(state);
        self.filled.notify_one();
    }

    /// Returns whether less than half of it is used: what was dropped is told then, not for each message that just fits.
    pub fn has_room(&self) -> bool {
        self.state().bytes < self.limit / 2
    }

    /// Adds an event, for which there is always room.
    pub fn event(&self, event: Event) {
        self.push(Item::Event(Box::new(event)));
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
