//! A recorder that writes only what is around a message of a certain name: what came before it is held in memory, bounded in time and bytes.

use std::collections::VecDeque;
use std::time::Duration;

use linkspan::registry;
use linkspan_recording::Event;
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;

use super::queue::Item;

/// What is held, and until when everything is written.
pub struct BlackBox {
    before: u64,
    after: u64,
    /// The name or pattern whose messages begin an interval.
    on: String,
    held: VecDeque<Item>,
    bytes: u64,
    /// The most bytes that are held.
    limit: u64,
    /// The end of the interval that is written, in nanoseconds since 1970.
    until: u64,
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl BlackBox {
    /// Makes one that holds nothing.
    pub fn new(on: String, before: Duration, after: Duration, limit: u64) -> BlackBox {
        let (before, after) = (nanoseconds(before), nanoseconds(after));
        BlackBox { before, after, on, held: VecDeque::new(), bytes: 0, limit, until: 0 }
    }

    /// Takes an item, and returns what is to be written now, in order: nothing outside of an interval. A trigger within an interval extends
    /// it.
    pub fn take(&mut self, item: Item) -> VecDeque<Item> {
        let (time, trigger) = match &item {
            Item::Message(message) => {
                let name = topic(&message.name);
                (message.received, registry::matches(&self.on, name).then(|| name.to_owned()))
            }
            Item::Event(event) => (event.time, None),
            Item::Checkpoint | Item::Sync => return VecDeque::from([item]),
        };
        if let Some(name) = trigger {
            self.forget_before(time.saturating_sub(self.before));
            let mut now = std::mem::take(&mut self.held);
            self.bytes = 0;
            self.until = time.saturating_add(self.after);
            now.push_back(Item::Event(Box::new(Event::new(time, Kind::Trigger).of(&name, None))));
            now.push_back(item);
            return now;
        }
        if time <= self.until {
            return VecDeque::from([item]);
        }
        self.bytes += item.bytes();
        self.held.push_back(item);
        self.forget_before(time.saturating_sub(self.before));
        while self.bytes > self.limit && self.forget_first() {}
        VecDeque::new()
    }

    fn forget_before(&mut self, time: u64) {
        loop {
            match self.held.front() {
                Some(Item::Message(message)) if message.received < time => {}
                Some(Item::Event(event)) if event.time < time => {}
                _ => return,
            }
            self.forget_first();
        }
    }

    fn forget_first(&mut self) -> bool {
        let first = self.held.pop_front();
        self.bytes -= first.as_ref().map_or(0, Item::bytes);
        first.is_some()
    }
}
