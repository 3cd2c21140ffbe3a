//! What is recorded of names beside their messages: connections, refusals, and names without a connection.

use std::collections::{BTreeMap, HashMap, VecDeque};

use linkspan::{End, Error, EventKind, Subscriber};
use linkspan_recording::Event;
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;

use super::clock::now;
use super::queue::{Item, Queue};

/// Names of which anything is kept: twice as many as a subscriber receives from at a time.
pub const NAMES: usize = 8_192;
/// Names and kinds of events that are kept together while they cannot be written one by one.
const HELD: usize = 1_024;
/// Events of a name that are written one by one at once; further ones wait until another time has passed for each.
const AT_ONCE: u64 = 128;
/// That time, in nanoseconds.
const EACH: u64 = 1_000_000_000;
/// How long events that wait are not looked at again, in nanoseconds.
const LOOK: u64 = 100_000_000;

/// The events of the names of one receiving thread, on their way into the queue.
pub struct NameEvents<'a> {
    queue: &'a Queue,
    /// Events that found no room in the queue, or of which the name has too many: the last one of each name and kind,
    /// and how many came before it.
    held: BTreeMap<(String, &'static str), (Event, u64)>,
    /// When these were looked at last.
    looked: u64,
    /// Events of which nothing is kept.
    untold: u64,
    /// When the events of a name that were written one by one are paid for, each with its time, by the name.
    paid: BTreeMap<String, u64>,
    /// When those whose time has passed were removed last.
    swept: u64,
    /// The text of the last refusal.
    refused: String,
    /// Why names could not be received from, by their endpoints.
    refusals: BTreeMap<String, Error>,
    /// The names without a connection that were reported, and since when.
    lasting: BTreeMap<String, u64>,
    /// The publisher of each name whose connection was told last.
    connected: HashMap<String, u64>,
    /// Those of which a message came before the subscriber told their connection.
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

    /// Adds an event of a name. Where the queue has no room, or the name has too many, those of one kind become one.
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

    /// Returns whether one more event of this name may be written now, and counts it.
    fn is_paid(&mut self, name: &str, now: u64) -> bool {
        // Not for each event of names that come and go.
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

    /// Adds the events that wait, as far as they may be written now; at the end of the recording all of them.
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

    /// Adds what is not told yet, at the end of the recording.
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

    /// Reports when a name lived and there was no connection to it: once it is sure, and once it has ended. At the end
    /// of the recording no connection follows whose numbers could say what was missed.
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

    /// Takes the first message of a publisher: its connection is told before it, also where the subscriber tells that
    /// later.
    pub fn meet(&mut self, name: &str, incarnation: u64, source: &str, items: &mut VecDeque<Item>) {
        if self.note_connected(name, incarnation) {
            self.early.insert(name.to_owned(), incarnation);
            let event = Event::new(now(), Kind::Connected).of(name, Some(incarnation));
            self.add(Event { source: source.to_owned(), ..event }, items);
        }
    }

    /// Notes whose connection is told; returns whether it is another one than the last of its name.
    fn note_connected(&mut self, name: &str, incarnation: u64) -> bool {
        if self.connected.len() >= NAMES && !self.connected.contains_key(name) {
            // Names that come and go.
            (self.connected, self.early) = (HashMap::new(), HashMap::new());
        }
        self.connected.insert(name.to_owned(), incarnation) != Some(incarnation)
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
        self.add_held(false, items);
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

    /// Takes the events out of items.
    fn events(items: VecDeque<Item>) -> Vec<Event> {
        let event = |item| if let Item::PeerEvent(event) = item { Some(*event) } else { None };
        items.into_iter().filter_map(event).collect()
    }

    fn event(name: &str, kind: Kind) -> Event {
        Event::new(now(), kind).of(name, None).with_text("why")
    }

    /// Each kind is told at the end, with how many there were.
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

    /// Where the queue is full all the while, they are told at the end.
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
