//! Implements `--on`: writes only messages around the messages of a given name.
//!
//! Earlier messages are held in memory, limited in time and bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use linkspan_recording::event::Kind;
use linkspan_recording::{Event, Timeline};

use super::queue::Item;
use super::trigger::Trigger;

/// The held items and the current interval.
pub struct BlackBox {
    before: u64,
    after: u64,
    on: Trigger,
    /// Removes steps of the clock, which would change the length of an interval.
    timeline: Timeline,
    /// Items of each name, in order. Without space, the name with the most bytes loses its oldest items.
    held: HashMap<Arc<str>, Newest>,
    next: u64,
    bytes: u64,
    limit: u64,
    until: Option<u64>,
    looked: u64,
    /// Removed end events of publishers: no earlier message of these will be written.
    ended: Vec<Event>,
}

#[derive(Default)]
struct Newest {
    items: VecDeque<HeldItem>,
    bytes: u64,
}

struct HeldItem {
    place: u64,
    time: u64,
    item: Item,
}

impl Newest {
    fn forget_first(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?.item;
        self.bytes = self.bytes.saturating_sub(item.bytes());
        Some(item)
    }
}

/// How many times old items are removed per `before`.
const LOOKS: u64 = 8;

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the time of an item; `None` for items that are written at once.
///
/// Only the events that come with each publisher are held. Other events describe the whole recording.
fn time_of(item: &Item) -> Option<u64> {
    match item {
        Item::Message(message) => Some(message.received),
        Item::Lost(lost) => Some(lost.time),
        Item::Event(event) | Item::PeerEvent(event) => {
            let is_held = matches!(event.kind, Kind::Connected | Kind::Disconnected | Kind::Schema);
            is_held.then_some(event.time)
        }
        Item::Checkpoint | Item::Sync => None,
    }
}

impl BlackBox {
    pub fn new(on: Trigger, before: Duration, after: Duration, limit: u64) -> BlackBox {
        BlackBox {
            before: nanoseconds(before),
            after: nanoseconds(after),
            on,
            timeline: Timeline::default(),
            held: HashMap::new(),
            next: 0,
            bytes: 0,
            limit,
            until: None,
            looked: 0,
            ended: Vec::new(),
        }
    }

    /// Takes an item, and returns the items to write now, in order. A trigger within an interval extends it.
    pub fn take(&mut self, item: Item) -> VecDeque<Item> {
        if let Item::Event(event) | Item::PeerEvent(event) = &item {
            self.timeline.note(event);
        }
        let Some(clock) = time_of(&item) else { return VecDeque::from([item]) };
        let time = self.timeline.continuous(clock);
        let trigger = match &item {
            Item::Message(message) => {
                let endpoint = &message.origin.publisher.endpoint;
                self.on.fits(&endpoint.name).then(|| endpoint.topic().to_owned())
            }
            _ => None,
        };
        if let Some(name) = trigger {
            self.forget_before(time.saturating_sub(self.before));
            let mut now = self.take_all();
            self.until = Some(time.saturating_add(self.after));
            now.push_back(Item::Event(Box::new(Event::new(clock, Kind::Trigger).of(&name, None))));
            now.push_back(item);
            return now;
        }
        if self.until.is_some_and(|until| time <= until) {
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
        held.items.push_back(HeldItem { place: self.next, time, item });
        self.next = self.next.wrapping_add(1);
        if time.abs_diff(self.looked) >= self.before / LOOKS {
            self.looked = time;
            self.forget_before(time.saturating_sub(self.before));
        }
        while self.bytes > self.limit {
            let Some(most) = self.held.values_mut().max_by_key(|held| held.bytes) else { break };
            let Some(item) = most.forget_first() else { break };
            self.bytes = self.bytes.saturating_sub(item.bytes());
        }
        VecDeque::new()
    }

    /// Takes the ends of publishers that have nothing left to write.
    pub fn take_ended(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.ended)
    }

    fn take_all(&mut self) -> VecDeque<Item> {
        self.bytes = 0;
        let mut all: Vec<_> = self.held.drain().flat_map(|(_, held)| held.items).collect();
        all.sort_unstable_by_key(|held| held.place);
        all.into_iter().map(|held| held.item).collect()
    }

    fn forget_before(&mut self, time: u64) {
        for held in self.held.values_mut() {
            while held.items.front().is_some_and(|held| held.time < time)
                && let Some(item) = held.forget_first()
            {
                self.bytes = self.bytes.saturating_sub(item.bytes());
                match item {
                    Item::Event(event) | Item::PeerEvent(event) if event.kind == Kind::Disconnected => {
                        self.ended.push(*event);
                    }
                    _ => {}
                }
            }
        }
        self.held.retain(|_, held| !held.items.is_empty());
    }
}
