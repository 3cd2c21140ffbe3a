//! The queue between receiving and writing threads, limited in bytes: a slow disk delays no publisher.
//!
//! Each name has a share. With its next message, a name may have at most as many bytes in the queue as stay free. A
//! single name can fill half of the queue, and each of ten names an eleventh; a new name finds that much free. A
//! message that exceeds the share of its name is taken outside the shares, one at a time: long messages do not block
//! other names.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use linkspan::Message;
use linkspan_recording::Event;

use super::publisher::{Endpoint, Gap, Origin, Publisher};

/// A received message. Its memory belongs to the queue.
///
/// The receiving thread reuses the memory of the original at once. A thread that freed another's memory would make both
/// wait.
#[derive(Debug)]
pub struct Received {
    pub origin: Arc<Origin>,
    pub number: u64,
    /// The unrecorded messages directly before it.
    pub gap: Option<Box<Gap>>,
    pub sent: u64,
    pub received: u64,
    pub body: Bytes,
    pub room: Room,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// In the share of its name.
    Share,
    /// Outside the shares.
    Beside,
}

/// Unrecorded messages without a following message.
#[derive(Debug)]
pub struct Lost {
    pub publisher: Arc<Publisher>,
    pub until: u64,
    pub gap: Gap,
    pub time: u64,
}

#[derive(Default)]
pub struct Bodies(BytesMut);

/// Bodies up to this length are copied into shared memory blocks.
const SHORT: usize = 4096;
const SHARED: usize = 256 << 10;

impl Bodies {
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

#[derive(Debug)]
pub enum Item {
    Message(Received),
    Lost(Box<Lost>),
    /// An event of the recorder, without a limit.
    Event(Box<Event>),
    /// An event that a program caused, which takes space in the queue.
    PeerEvent(Box<Event>),
    /// Begins the next part, and counts a checkpoint.
    Checkpoint,
    /// Syncs all written items, and counts a sync.
    Sync,
}

/// Bytes of an item besides its body and texts.
const ITEM: u64 = 256;

fn texts(event: &Event) -> usize {
    [&event.name, &event.source, &event.text].into_iter().fold(0, |sum, text| sum.saturating_add(text.len()))
}

impl Item {
    /// Returns the bytes that count against the limit: everything that a program causes.
    pub fn bytes(&self) -> u64 {
        let length = match self {
            Item::Message(message) => message.body.len(),
            Item::Lost(lost) => lost.gap.text.len(),
            Item::PeerEvent(event) => texts(event),
            Item::Event(_) | Item::Checkpoint | Item::Sync => return 0,
        };
        ITEM.saturating_add(length as u64)
    }
}

pub struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    /// Bytes of its items and of reserved space.
    bytes: AtomicU64,
    /// Whether it has a message outside the shares.
    beside: AtomicBool,
    limit: u64,
    /// The bytes of events that programs caused.
    events: Arc<Endpoint>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    ended: bool,
    sleeps: bool,
}

impl Queue {
    pub fn new(limit: u64) -> Queue {
        Queue {
            state: Mutex::default(),
            filled: Condvar::new(),
            bytes: AtomicU64::new(0),
            beside: AtomicBool::new(false),
            limit,
            events: Endpoint::new(""),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves space for a message of this name, if there is enough.
    ///
    /// `is_again` means that the previous message found none. More must then be free, so that not every second message
    /// fails.
    pub fn reserve(&self, endpoint: &Endpoint, bytes: u64, is_again: bool) -> Option<Room> {
        let bytes = ITEM.saturating_add(bytes);
        if self.reserve_share(endpoint, bytes, is_again) {
            return Some(Room::Share);
        }
        let is_beside = endpoint.bytes() == 0 && !self.beside.swap(true, Ordering::Relaxed);
        is_beside.then_some(Room::Beside)
    }

    fn reserve_share(&self, endpoint: &Endpoint, bytes: u64, is_again: bool) -> bool {
        let free = self.limit.saturating_sub(self.bytes.load(Ordering::Relaxed));
        let own = endpoint.bytes().saturating_mul(if is_again { 2 } else { 1 });
        let is_free = own.saturating_add(bytes.saturating_mul(2)) <= free;
        if is_free {
            self.reserve_always(endpoint, bytes);
        }
        is_free
    }

    /// Reserves space without a limit: losses are reported in any case, and only messages separate them.
    fn reserve_always(&self, endpoint: &Endpoint, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        endpoint.queued.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns whether more than a quarter is in use. The writing thread then postpones other work.
    pub fn is_filling(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.limit / 4
    }

    /// Reserves space for an event that a program caused.
    pub fn reserve_event(&self, event: &Event) -> bool {
        self.reserve_share(&self.events, ITEM.saturating_add(texts(event) as u64), false)
    }

    /// Makes an item of an event that a program caused, without a limit.
    pub fn peer_event(&self, event: Event) -> Item {
        let item = Item::PeerEvent(Box::new(event));
        self.reserve_always(&self.events, item.bytes());
        item
    }

    pub fn lost(&self, lost: Lost) -> Item {
        let endpoint = lost.publisher.endpoint.clone();
        let item = Item::Lost(Box::new(lost));
        self.reserve_always(&endpoint, item.bytes());
        item
    }

    /// Frees the space of an item that is being written.
    pub fn release(&self, item: &Item) {
        let endpoint = match item {
            Item::Message(message) if message.room == Room::Beside => {
                return self.beside.store(false, Ordering::Relaxed);
            }
            Item::Message(message) => &message.origin.publisher.endpoint,
            Item::Lost(lost) => &lost.publisher.endpoint,
            Item::PeerEvent(_) => &self.events,
            Item::Event(_) | Item::Checkpoint | Item::Sync => return,
        };
        self.bytes.fetch_sub(item.bytes(), Ordering::Relaxed);
        endpoint.queued.fetch_sub(item.bytes(), Ordering::Relaxed);
    }

    /// Adds items that have reserved space.
    pub fn push_all(&self, items: &mut VecDeque<Item>) {
        if items.is_empty() {
            return;
        }
        let mut state = self.state();
        state.items.append(items);
        if std::mem::take(&mut state.sleeps) {
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Adds an item that needs no space.
    pub fn push(&self, item: Item) {
        self.push_all(&mut VecDeque::from([item]));
    }

    pub fn event(&self, event: Event) {
        self.push(Item::Event(Box::new(event)));
    }

    /// Returns taken but unwritten items to the queue. Their space was not freed yet.
    pub fn put_back(&self, items: impl DoubleEndedIterator<Item = Item>) {
        let mut state = self.state();
        items.rev().for_each(|item| state.items.push_front(item));
    }

    pub fn end(&self) {
        self.state().ended = true;
        self.filled.notify_one();
    }

    /// Takes all items after waiting up to `patience` for one. `None` after the end of an empty queue.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_that_floods_the_queue_leaves_room_for_others() {
        let queue = Queue::new(1 << 20);
        let floods: Vec<_> = (0..10).map(|n| Endpoint::new(&format!("shm:flood/{n}"))).collect();
        let mut is_taken = true;
        while is_taken {
            is_taken =
                floods.iter().filter(|one| queue.reserve(one, 1_000, false) == Some(Room::Share)).count() > 0;
        }
        let all: u64 = floods.iter().map(|one| one.bytes()).sum();
        assert!(all > 900_000 && all < 1 << 20, "{all}");
        let honest = Endpoint::new("shm:lab/a");
        for n in 0..30 {
            assert_eq!(queue.reserve(&honest, 1_000, false), Some(Room::Share), "message {n}");
        }
    }

    /// The queue takes one long message at a time, and other names keep the whole queue.
    #[test]
    fn message_longer_than_the_queue_leaves_room_for_others() {
        let queue = Queue::new(100_000);
        let (large, other, small) =
            (Endpoint::new("shm:large"), Endpoint::new("shm:other"), Endpoint::new("shm:small"));
        for _ in 0..3 {
            assert_eq!(queue.reserve(&large, 1 << 30, false), Some(Room::Beside));
            assert_eq!(queue.reserve(&large, 1 << 30, true), None);
            assert_eq!(queue.reserve(&other, 60_000, false), None);
            assert_eq!(queue.reserve(&other, 40_000, false), Some(Room::Share));
            assert_eq!(queue.reserve(&small, 8, false), Some(Room::Share));
            for (endpoint, length, room) in
                [(&large, 1 << 10, Room::Beside), (&other, 40_000, Room::Share), (&small, 8, Room::Share)]
            {
                queue.release(&message_of(endpoint, length, room));
            }
            assert_eq!((other.bytes(), small.bytes()), (0, 0));
        }
    }

    fn message_of(endpoint: &Arc<Endpoint>, length: usize, room: Room) -> Item {
        let publisher = Publisher::new(endpoint, "", 1, false, false);
        let origin = Arc::new(Origin {
            publisher: Arc::new(publisher),
            encoding: linkspan::Encoding::Cbor,
            first: Mutex::default(),
            schema_id: None,
            channel: std::sync::OnceLock::new(),
            schema: std::sync::OnceLock::new(),
            without_viewers: std::sync::OnceLock::new(),
        });
        let body = Bytes::from(vec![0; length]);
        Item::Message(Received { origin, number: 1, gap: None, sent: 0, received: 0, body, room })
    }
}
