//! Records events of names: connections, refusals, and names without a connection.

use std::collections::{BTreeMap, HashMap, VecDeque};

use linkspan::{End, Error, EventKind, Subscriber};
use linkspan_recording::Event;
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;

use super::clock::now;
use super::queue::{Item, Queue};

/// The most names with any state: twice as many as a subscriber receives from at a time.
pub const NAMES: usize = 8_192;
/// The most names and kinds whose events are merged while they cannot be written.
const HELD: usize = 1_024;
/// Events of a name that are written immediately. Later events wait for `EACH` per event.
const AT_ONCE: u64 = 128;
/// The time per event, in nanoseconds.
const EACH: u64 = 1_000_000_000;
/// The time between two checks of waiting events, in nanoseconds.
const LOOK: u64 = 100_000_000;

/// The events of one receiving thread's names, on their way into the queue.
pub struct NameEvents<'a> {
    queue: &'a Queue,
    /// Waiting events: the last event per name and kind, and the count of earlier events.
    held: BTreeMap<(String, &'static str), (Event, u64)>,
    looked: u64,
    /// Events that were dropped completely.
    untold: u64,
    /// Until when the written events of a name use its rate, by name.
    paid: BTreeMap<String, u64>,
    swept: u64,
    refused: String,
    /// Errors of names that could not be received from, by endpoint.
    refusals: BTreeMap<String, Error>,
    /// Reported names without a connection, and since when.
    lasting: BTreeMap<String, u64>,
    /// The publisher of the last recorded connection of each name.
    connected: HashMap<String, u64>,
    /// Publishers whose first message came before the subscriber reported the connection.
    early: HashMap<String, u64>,
}

impl NameEvents<'_> {
    pub fn new(queue: &Queue) -> NameEvents<'_> {
        NameEvents {
            queue,
            held: BTreeMap::new(),
            looked: 0,
            untold: 0,
            paid: BTreeMap::new(),
            swept: 0,
            refused: String::new(),
            refusals: BTreeMap::new(),
            lasting: BTreeMap::new(),
            connected: HashMap::new(),
            early: HashMap::new(),
        }
    }

    /// Reports that a name cannot be received from. Returns false if the last refusal had this text.
    pub fn refuse(&mut self, name: &str, text: String, items: &mut VecDeque<Item>) -> bool {
        if text == self.refused {
            return false;
        }
        self.refused.clone_from(&text);
        self.add(Event::new(now(), Kind::Refused).of(name, None).with_text(text), items);
        true
    }

    /// Keeps the error of a name until it is connected.
    pub fn keep_refusal(&mut self, endpoint: &str, error: &Error) {
        if self.refusals.len() < HELD || self.refusals.contains_key(endpoint) {
            self.refusals.insert(endpoint.to_owned(), error.clone());
        }
    }

    /// Returns the error of an unconnected name that `is_lacking` accepts.
    pub fn refusal(&self, is_lacking: impl Fn(&str) -> bool) -> Option<&Error> {
        self.refusals.iter().find(|(endpoint, _)| is_lacking(endpoint)).map(|(_, error)| error)
    }

    /// Adds an event. If the queue is full or the name has too many events, merges events of one kind.
    fn add(&mut self, event: Event, items: &mut VecDeque<Item>) {
        let key = (event.name.clone(), event.kind.name());
        if let Some((held, count)) = self.held.get_mut(&key) {
            *count = count.saturating_add(1);
            *held = event;
        } else if self.is_paid(&event.name, now()) && self.queue.reserve_event(&event) {
            items.push_back(Item::PeerEvent(Box::new(event)));
        } else if self.held.len() < HELD {
            self.held.insert(key, (event, 0));
        } else {
            self.untold = self.untold.saturating_add(1);
        }
    }

    /// Returns whether the rate of this name permits an event now, and counts the event.
    fn is_paid(&mut self, name: &str, now: u64) -> bool {
        // Expired names are removed at intervals, because many names may come and go.
        if self.paid.len() >= NAMES && now.abs_diff(self.swept) >= LOOK {
            self.swept = now;
            self.paid.retain(|_, paid| *paid > now);
        }
        let is_full = self.paid.len() >= NAMES;
        match self.paid.get_mut(name) {
            Some(paid) if *paid > now.saturating_add(AT_ONCE.saturating_mul(EACH)) => false,
            Some(paid) => {
                *paid = now.max(*paid).saturating_add(EACH);
                true
            }
            None if is_full => false,
            None => {
                self.paid.insert(name.to_owned(), now.saturating_add(EACH));
                true
            }
        }
    }

    /// Adds the waiting events that may be written now; at the end of the recording, all of them.
    fn add_held(&mut self, is_end: bool, items: &mut VecDeque<Item>) {
        let now = now();
        if self.held.is_empty() || !is_end && now.abs_diff(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        for (key, (mut event, count)) in std::mem::take(&mut self.held) {
            let is_due = is_end || self.is_paid(&key.0, now);
            let bare = event.text.len();
            if count > 0 {
                event.text += &format!(
                    " ({count} more of this kind and name before it, which are not told one by one)"
                );
            }
            if is_due && (is_end || self.queue.reserve_event(&event)) {
                items.push_back(if is_end {
                    self.queue.peer_event(event)
                } else {
                    Item::PeerEvent(Box::new(event))
                });
            } else {
                event.text.truncate(bare);
                self.held.insert(key, (event, count));
            }
        }
    }

    pub fn end(&mut self, subscriber: &Subscriber, items: &mut VecDeque<Item>) {
        self.add_unconnected(subscriber, true, items);
        self.add_held(true, items);
        if self.untold > 0 {
            let text = format!(
                "there was no room to keep {} events of names: what they told is not known",
                self.untold
            );
            let event =
                Event::new(now(), Kind::Unaccounted).of(topic(subscriber.endpoint()), None).with_text(text);
            items.push_back(self.queue.peer_event(event));
        }
    }

    /// Reports ended times in which a name certainly existed without a connection.
    ///
    /// At the end of the recording, no later connection can count the losses.
    fn add_unconnected(&mut self, subscriber: &Subscriber, is_end: bool, items: &mut VecDeque<Item>) {
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
                // The subscriber returns a gap repeatedly, but one report suffices.
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

    /// Handles the first message of a publisher: its connection is recorded before it.
    ///
    /// The subscriber may report that connection later.
    pub fn meet(&mut self, name: &str, incarnation: u64, source: &str, items: &mut VecDeque<Item>) {
        if self.note_connected(name, incarnation) {
            self.early.insert(name.to_owned(), incarnation);
            let event = Event::new(now(), Kind::Connected).of(name, Some(incarnation));
            self.add(Event { source: source.to_owned(), ..event }, items);
        }
    }

    /// Notes a recorded connection; returns whether the name had another publisher before.
    fn note_connected(&mut self, name: &str, incarnation: u64) -> bool {
        if self.connected.len() >= NAMES && !self.connected.contains_key(name) {
            // Many names come and go.
            (self.connected, self.early) = (HashMap::new(), HashMap::new());
        }
        self.connected.insert(name.to_owned(), incarnation) != Some(incarnation)
    }

    /// Reports a publisher that ended without stating its last message.
    pub fn end_unknown(&mut self, end: &End, items: &mut VecDeque<Item>) {
        let text = "the publisher ended without saying which message was its last: those that it published last may be neither received nor counted";
        let event = Event::new(now(), Kind::Unaccounted).of(topic(&end.name), Some(end.incarnation));
        self.add(Event { source: end.source.clone(), ..event }.with_text(text), items);
    }

    pub fn ends_dropped(&mut self, subscriber: &Subscriber, count: u64, items: &mut VecDeque<Item>) {
        let text = format!(
            "more publishers ended at once than are kept: what was lost with {count} of them is not counted"
        );
        let event = Event::new(now(), Kind::Unaccounted).of(topic(subscriber.endpoint()), None);
        self.add(event.with_text(text), items);
    }

    /// Adds the new events of the names. The next message reports missed messages with their numbers.
    pub fn collect(&mut self, subscriber: &Subscriber, items: &mut VecDeque<Item>) {
        self.add_held(false, items);
        self.add_unconnected(subscriber, false, items);
        for event in subscriber.events() {
            // With several names, an event's text begins with the name. An endpoint never contains `: `.
            let (name, text) = event.text.split_once(": ").unwrap_or((subscriber.endpoint(), &event.text));
            let time = u64::try_from(event.at.0).unwrap_or(0);
            let (kind, source) = match event.kind {
                EventKind::Connected | EventKind::Reconnected => {
                    self.refusals.remove(name);
                    (Kind::Connected, text)
                }
                EventKind::Disconnected | EventKind::Unseen => (Kind::Disconnected, ""),
                EventKind::SchemaMismatch => (Kind::Schema, ""),
                EventKind::Forgotten => (Kind::Disconnected, ""),
                EventKind::Lagged => continue,
            };
            if let (Kind::Connected, Some(incarnation)) = (kind, event.incarnation) {
                if self.early.get(topic(name)) == Some(&incarnation) {
                    self.early.remove(topic(name));
                    continue;
                }
                self.note_connected(topic(name), incarnation);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn events(items: VecDeque<Item>) -> Vec<Event> {
        let event = |item| if let Item::PeerEvent(event) = item { Some(*event) } else { None };
        items.into_iter().filter_map(event).collect()
    }

    fn event(name: &str, kind: Kind) -> Event {
        Event::new(now(), kind).of(name, None).with_text("why")
    }

    #[test]
    fn events_that_alternate_become_one_of_each_kind() {
        const TURNS: usize = 10_000;
        const KINDS: [Kind; 3] = [Kind::Connected, Kind::Disconnected, Kind::Unconnected];
        let queue = Queue::new(64 << 20);
        let (mut all, mut items) = (NameEvents::new(&queue), VecDeque::new());
        for _ in 0..TURNS {
            KINDS.into_iter().for_each(|kind| all.add(event("lab/a", kind), &mut items));
            all.add_held(false, &mut items);
        }
        let before = items.len();
        assert!(before < 2 * AT_ONCE as usize, "{before}");
        all.add(event("lab/b", Kind::Connected), &mut items);
        assert_eq!(items.len(), before + 1, "another name has events of its own");
        all.add_held(true, &mut items);
        let last = events(items).split_off(before + 1);
        assert_eq!(last.len(), KINDS.len(), "{last:?}");
        let more = |event: &Event| -> usize {
            let (_, text) = event.text.split_once('(').unwrap();
            text.split_once(' ').unwrap().0.parse().unwrap()
        };
        let told: usize = last.iter().map(|event| more(event) + 1).sum();
        assert_eq!(told + before, KINDS.len() * TURNS);
    }

    #[test]
    fn events_without_room_are_told_at_the_end() {
        let queue = Queue::new(0);
        let (mut all, mut items) = (NameEvents::new(&queue), VecDeque::new());
        for n in 0..HELD + 3 {
            all.add(event(&format!("lab/{n}"), Kind::Unconnected), &mut items);
        }
        all.add_held(false, &mut items);
        assert!(items.is_empty());
        all.add_held(true, &mut items);
        assert_eq!((events(items).len(), all.untold), (HELD, 3));
    }
}
