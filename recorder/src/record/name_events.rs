//! What is recorded of names beside their messages: connections, refusals, and names without a connection.

use std::collections::{BTreeMap, VecDeque};

use linkspan::{End, Error, EventKind, Subscriber};
use linkspan_recording::Event;
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;

use super::clock::now;
use super::queue::{Item, Queue};

/// Names of which anything is kept: twice as many as a subscriber receives from at a time.
pub const NAMES: usize = 8_192;
/// Names whose events are kept together while the queue has no room for them.
const HELD: usize = 1_024;

/// The events of the names of one receiving thread, on their way into the queue.
pub struct NameEvents<'a> {
    queue: &'a Queue,
    /// Events of names that found no room in the queue: the last one of each name, and how many came before it.
    held: BTreeMap<String, (Event, u64)>,
    /// The text of the last refusal.
    refused: String,
    /// Why names could not be received from, by their endpoints.
    refusals: BTreeMap<String, Error>,
    /// The names without a connection that were reported, and since when.
    lasting: BTreeMap<String, u64>,
}

impl NameEvents<'_> {
    pub fn new(queue: &Queue) -> NameEvents<'_> {
        NameEvents {
            queue,
            held: BTreeMap::new(),
            refused: String::new(),
            refusals: BTreeMap::new(),
            lasting: BTreeMap::new(),
        }
    }

    /// Reports that a name cannot be received from. Returns whether this is another refusal than the last one, which is
    /// reported once.
    pub fn refuse(&mut self, name: &str, text: String, items: &mut VecDeque<Item>) -> bool {
        if text == self.refused {
            return false;
        }
        self.refused.clone_from(&text);
        self.add(Event::new(now(), Kind::Refused).of(name, None).with_text(text), items);
        true
    }

    /// Keeps why a name could not be received from, until it is connected.
    pub fn keep_refusal(&mut self, endpoint: &str, error: &Error) {
        if self.refusals.len() < HELD || self.refusals.contains_key(endpoint) {
            self.refusals.insert(endpoint.to_owned(), error.clone());
        }
    }

    /// Returns why one of the names that are refused still could not be received from, of those that `is_lacking`
    /// admits.
    pub fn refusal(&self, is_lacking: impl Fn(&str) -> bool) -> Option<&Error> {
        self.refusals.iter().find(|(endpoint, _)| is_lacking(endpoint)).map(|(_, error)| error)
    }

    /// Adds an event of a name. Where the queue has no room, events of the name become one.
    fn add(&mut self, event: Event, items: &mut VecDeque<Item>) {
        if self.held.is_empty() && self.queue.reserve_event(&event) {
            items.push_back(Item::PeerEvent(Box::new(event)));
            return;
        }
        if let Some((held, count)) = self.held.get_mut(&event.name) {
            *count = count.saturating_add(1);
            *held = event;
        } else if self.held.len() < HELD {
            self.held.insert(event.name.clone(), (event, 0));
        }
    }

    /// Adds the events that found no room, as far as there is some now.
    fn add_held(&mut self, items: &mut VecDeque<Item>) {
        while let Some((name, (mut event, count))) = self.held.pop_first() {
            if count > 0 {
                event.text += &format!(" ({count} events of this name before it had no room in the buffer)");
            }
            if !self.queue.reserve_event(&event) {
                self.held.insert(name, (event, 0));
                return;
            }
            items.push_back(Item::PeerEvent(Box::new(event)));
        }
    }

    /// Reports when a name lived and there was no connection to it: once it is sure, and once it has ended. At the end
    /// of the recording no connection follows whose numbers could say what was missed.
    pub fn add_unconnected(&mut self, subscriber: &Subscriber, is_end: bool, items: &mut VecDeque<Item>) {
        for gap in subscriber.gaps().into_iter().filter(|gap| gap.is_sure || is_end) {
            let name = topic(&gap.name).to_owned();
            let since = u64::try_from(gap.since.0).unwrap_or(0);
            if !gap.is_seen {
                let text = format!(
                    "{}; until {}",
                    gap.reason,
                    gap.until.map_or("the end of the recording".to_owned(), |until| until.to_string())
                );
                self.add(Event::new(since, Kind::Unaccounted).of(&name, None).with_text(text), items);
                continue;
            }
            let Some(until) = gap.until else {
                // It is reported once, however often it is returned.
                if self.lasting.len() >= NAMES || self.lasting.insert(name.clone(), since) == Some(since) {
                    continue;
                }
                let text = format!("there is no connection to the program that has the name: {}", gap.reason);
                self.add(Event::new(since, Kind::Unconnected).of(&name, None).with_text(text), items);
                continue;
            };
            if self.lasting.remove(&name) != Some(since) {
                let reason = &gap.reason;
                let text = format!(
                    "there was no connection until {until} to the program that has the name: {reason}"
                );
                self.add(Event::new(since, Kind::Unconnected).of(&name, None).with_text(text), items);
            }
        }
    }

    /// Reports the end of a publisher that did not say which message was its last.
    pub fn end_unknown(&mut self, end: &End, items: &mut VecDeque<Item>) {
        let text = "the publisher ended without saying which message was its last: those that it published last may be neither received nor counted";
        let event = Event::new(now(), Kind::Unaccounted).of(topic(&end.name), Some(end.incarnation));
        self.add(Event { source: end.source.clone(), ..event }.with_text(text), items);
    }

    /// Reports that more publishers ended between two looks than are kept.
    pub fn ends_dropped(&mut self, subscriber: &Subscriber, count: u64, items: &mut VecDeque<Item>) {
        let text = format!(
            "more publishers ended at once than are kept: what was lost with {count} of them is not counted"
        );
        let event = Event::new(now(), Kind::Unaccounted).of(topic(subscriber.endpoint()), None);
        self.add(event.with_text(text), items);
    }

    /// Adds the new events of the names. Missed messages are reported with their numbers, by the next message.
    pub fn collect(&mut self, subscriber: &Subscriber, items: &mut VecDeque<Item>) {
        self.add_held(items);
        self.add_unconnected(subscriber, false, items);
        for event in subscriber.events() {
            // An event of one of several names begins with the name: an endpoint has no `: ` in it.
            let (name, text) = event.text.split_once(": ").unwrap_or((subscriber.endpoint(), &event.text));
            let time = u64::try_from(event.at.0).unwrap_or(0);
            let (kind, source) = match event.kind {
                EventKind::Connected | EventKind::Reconnected => {
                    self.refusals.remove(name);
                    (Kind::Connected, text)
                }
                EventKind::Disconnected => (Kind::Disconnected, ""),
                EventKind::SchemaMismatch => (Kind::Schema, ""),
                EventKind::Forgotten => (Kind::Disconnected, ""),
                EventKind::Lagged => continue,
            };
            let event = Event::new(time, kind).of(topic(name), event.incarnation);
            let event = if source.is_empty() {
                event.with_text(text)
            } else {
                Event { source: source.to_owned(), ..event }
            };
            self.add(event, items);
        }
    }
}
