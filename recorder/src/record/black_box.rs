//! A recorder that writes only what is around a message of a certain name: what came before it is held in memory,
//! bounded in time and bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use linkspan::registry;
use linkspan_recording::Event;
use linkspan_recording::event::Kind;

use super::queue::Item;

/// What is held, and until when everything is written.
pub struct BlackBox {
    before: u64,
    after: u64,
    /// The name or pattern whose messages begin an interval.
    on: String,
    /// What each name has, in order: where there is no room, the name that has most of it loses its oldest.
    held: HashMap<Arc<str>, Newest>,
    /// The place of the next item in the order of all.
    next: u64,
    bytes: u64,
    /// The most bytes that are held.
    limit: u64,
    /// The end of the interval that is written, in nanoseconds since 1970.
    until: u64,
    /// When it was last looked for what is too old.
    looked: u64,
}

/// What is held of a name.
#[derive(Default)]
struct Newest {
    items: VecDeque<(u64, Item)>,
    bytes: u64,
}

impl Newest {
    fn forget_first(&mut self) -> u64 {
        let bytes = self.items.pop_front().map_or(0, |(_, item)| item.bytes());
        self.bytes = self.bytes.saturating_sub(bytes);
        bytes
    }
}

/// So often what is too old is looked for, of the time that is held.
const LOOKS: u64 = 8;

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// When an item came; `None` for what is done at once.
fn time_of(item: &Item) -> Option<u64> {
    match item {
        Item::Message(message) => Some(message.received),
        Item::Lost(lost) => Some(lost.time),
        Item::Event(event) | Item::PeerEvent(event) => Some(event.time),
        Item::Checkpoint | Item::Sync => None,
    }
}

impl BlackBox {
    /// Makes one that holds nothing.
    pub fn new(on: String, before: Duration, after: Duration, limit: u64) -> BlackBox {
        let (before, after) = (nanoseconds(before), nanoseconds(after));
        let held = HashMap::new();
        BlackBox { before, after, on, held, next: 0, bytes: 0, limit, until: 0, looked: 0 }
    }

    /// Takes an item, and returns what is to be written now, in order: nothing outside of an interval. A trigger within
    /// an interval extends it.
    pub fn take(&mut self, item: Item) -> VecDeque<Item> {
        let Some(time) = time_of(&item) else { return VecDeque::from([item]) };
        let trigger = match &item {
            Item::Message(message) => {
                let name = message.origin.publisher.endpoint.topic();
                registry::matches(&self.on, name).then(|| name.to_owned())
            }
            _ => None,
        };
        if let Some(name) = trigger {
            self.forget_before(time.saturating_sub(self.before));
            let mut now = self.take_all();
            self.until = time.saturating_add(self.after);
            now.push_back(Item::Event(Box::new(Event::new(time, Kind::Trigger).of(&name, None))));
            now.push_back(item);
            return now;
        }
        if time <= self.until {
            return VecDeque::from([item]);
        }
        let name = match &item {
            Item::Message(message) => message.origin.publisher.endpoint.name.clone(),
            Item::Lost(lost) => lost.publisher.endpoint.name.clone(),
            _ => Arc::default(),
        };
        let bytes = item.bytes();
        self.bytes = self.bytes.saturating_add(bytes);
        let held = self.held.entry(name).or_default();
        held.bytes = held.bytes.saturating_add(bytes);
        held.items.push_back((self.next, item));
        self.next = self.next.wrapping_add(1);
        if time.saturating_sub(self.looked) >= self.before / LOOKS || time < self.looked {
            self.looked = time;
            self.forget_before(time.saturating_sub(self.before));
        }
        while self.bytes > self.limit {
            let Some(most) = self.held.values_mut().max_by_key(|held| held.bytes) else { break };
            if most.items.is_empty() {
                break;
            }
            self.bytes = self.bytes.saturating_sub(most.forget_first());
        }
        VecDeque::new()
    }

    /// Takes everything that is held, in order.
    pub fn take_all(&mut self) -> VecDeque<Item> {
        self.bytes = 0;
        let mut all: Vec<_> = self.held.drain().flat_map(|(_, held)| held.items).collect();
        all.sort_unstable_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, item)| item).collect()
    }

    fn forget_before(&mut self, time: u64) {
        for held in self.held.values_mut() {
            while held.items.front().and_then(|(_, item)| time_of(item)).is_some_and(|at| at < time) {
                self.bytes = self.bytes.saturating_sub(held.forget_first());
            }
        }
        self.held.retain(|_, held| !held.items.is_empty());
    }
}
