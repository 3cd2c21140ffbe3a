//! What was received and is not written yet: bounded in bytes, so that a slow disk takes no more memory, and no
//! publisher's time.
//!
//! Each name has a share: with its next message, a name has at most as much in the queue as stays free of it. One name
//! alone takes half of it, of ten that flood it each takes an eleventh, and a name that has nothing in it finds as much
//! as that free. A message that is larger than the share of its name is taken beside all that, one at a time: however
//! long the messages of one name are, they leave room for those of others.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use linkspan::Message;
use linkspan_recording::Event;

use super::publisher::{Endpoint, Gap, Origin, Publisher};

/// A message as it was received. Its memory is the queue's own: the receiving thread uses that of the message again at
/// once, and no memory is freed by another thread than the one that has taken it, for which both would wait.
#[derive(Debug)]
pub struct Received {
    pub origin: Arc<Origin>,
    pub number: u64,
    /// Those directly before it that are not recorded.
    pub gap: Option<Box<Gap>>,
    /// When it was sent and received, in nanoseconds since 1970.
    pub sent: u64,
    pub received: u64,
    pub body: Bytes,
    pub room: Room,
}

/// Where there was room for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// In the share of its name.
    Share,
    /// Beside all shares.
    Beside,
}

/// Messages that are not recorded, and that no message has followed.
#[derive(Debug)]
pub struct Lost {
    pub publisher: Arc<Publisher>,
    /// The number after the last of them.
    pub until: u64,
    pub gap: Gap,
    /// When that was known, in nanoseconds since 1970.
    pub time: u64,
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
#[derive(Debug)]
pub enum Item {
    /// A message.
    Message(Received),
    /// Messages that are not recorded.
    Lost(Box<Lost>),
    /// What happened.
    Event(Box<Event>),
    /// What a program had happen, which counts.
    PeerEvent(Box<Event>),
    /// Begin another part, and report when it is done.
    Checkpoint,
    /// Put everything that was written onto the disk, and report when it is done.
    Sync,
}

/// Bytes that an item counts beside its body and its texts.
const ITEM: u64 = 256;

/// Bytes of the texts of an event.
fn texts(event: &Event) -> usize {
    [&event.name, &event.source, &event.text].into_iter().fold(0, |sum, text| sum.saturating_add(text.len()))
}

impl Item {
    /// Returns what it counts: whatever a program causes to be held.
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

/// The queue.
pub struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    /// Bytes of what is in it, and of what is reserved for it.
    bytes: AtomicU64,
    /// A message is in it beside the shares.
    beside: AtomicBool,
    /// The most bytes.
    limit: u64,
    /// What events of programs take.
    events: Arc<Endpoint>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    /// Nothing comes any more.
    ended: bool,
    /// The writer sleeps.
    sleeps: bool,
}

impl Queue {
    /// Makes an empty queue for so many bytes.
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
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves room for a message of this name with so many bytes, if there is some. `is_again` where the last one had
    /// none: then as much must be free that the next one is not the last again.
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

    /// Reserves room that there has to be: numbers that are not recorded are reported in any case, and follow each
    /// other only where there are messages between.
    fn reserve_always(&self, endpoint: &Endpoint, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        endpoint.queued.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns whether a quarter of it is in use: what the writing thread does beside writing has to wait.
    pub fn is_filling(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.limit / 4
    }

    /// Reserves room for an event of a program.
    pub fn reserve_event(&self, event: &Event) -> bool {
        self.reserve_share(&self.events, ITEM.saturating_add(texts(event) as u64), false)
    }

    /// The item of an event of a program that has to have room.
    pub fn peer_event(&self, event: Event) -> Item {
        let item = Item::PeerEvent(Box::new(event));
        self.reserve_always(&self.events, item.bytes());
        item
    }

    /// The item of messages that are not recorded.
    pub fn lost(&self, lost: Lost) -> Item {
        let endpoint = lost.publisher.endpoint.clone();
        let item = Item::Lost(Box::new(lost));
        self.reserve_always(&endpoint, item.bytes());
        item
    }

    /// Says that an item is written now: it counted until here.
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

    /// Adds items, for which room was reserved.
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

    /// Adds an item for which there is always room.
    pub fn push(&self, item: Item) {
        self.push_all(&mut VecDeque::from([item]));
    }

    /// Adds an event of the recorder itself, for which there is always room.
    pub fn event(&self, event: Event) {
        self.push(Item::Event(Box::new(event)));
    }

    /// Puts items back that were taken and are not written. Their room was not given back yet.
    pub fn put_back(&self, items: impl DoubleEndedIterator<Item = Item>) {
        let mut state = self.state();
        items.rev().for_each(|item| state.items.push_front(item));
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However much one name has, another one that has nothing in the queue finds room.
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

    /// One is taken, and another one after it; short messages of other names have the whole queue meanwhile.
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
