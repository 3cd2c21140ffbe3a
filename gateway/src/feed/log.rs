//! The log of a feed: its messages and events in order, each name with its places, bounded in bytes.
//!
//! The numbers of messages come from publishers, which may lie.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use linkspan::{Error, ErrorKind, Message};

use super::place::{ORIGIN, Place};
use super::published::{BESIDE, HeldBytes, Published};
use crate::names::Name;

/// Names that one feed knows at once, at most.
const NAMES: usize = 8_192;
/// Entries of one log, at most.
const ENTRIES: usize = 1 << 18;
/// What happened to a name.
#[derive(Clone)]
pub enum What {
    Joined,
    Ended,
    Message(Arc<Published>),
    /// The gateway could not receive the message at this place.
    Skipped(Place),
}

impl What {
    /// Returns the place of the message.
    pub fn place(&self) -> Option<Place> {
        match self {
            What::Message(message) => Some(message.place),
            What::Skipped(place) => Some(*place),
            What::Joined | What::Ended => None,
        }
    }
}

/// An entry of the log.
#[derive(Clone)]
pub struct Entry {
    /// The key of the name in [`Log::names`], which knows it as long as it has entries.
    pub name: u64,
    pub what: What,
}

/// What is known of a name.
pub struct OfName {
    pub name: Name,
    pub text: Arc<str>,
    /// Whether it has a publisher now.
    pub joined: bool,
    pub incarnation: u64,
    /// The number of the last message of this incarnation, received or missed.
    last: u64,
    /// The place of the last message, received or missed.
    pub place: Place,
    /// The place of the last message that the log has no more.
    pub evicted: Place,
    pub newest: Option<Arc<Published>>,
    /// Messages that were skipped since the last one. The next message counts them as missed.
    skipped: u64,
    /// The messages of the log: their places and positions, both in order.
    messages: VecDeque<(Place, u64)>,
    /// How many entries of the log have this name.
    entries: usize,
}

impl OfName {
    /// Returns the place of a number of this incarnation. Numbers before the first one here have places before
    /// [`ORIGIN`].
    pub fn place_of(&self, number: u64) -> Place {
        self.place.saturating_sub(self.last.saturating_sub(number).into())
    }

    /// Returns the position of the first entry with a message after a place.
    pub fn position_after(&self, place: Place) -> Option<u64> {
        let at = self.messages.partition_point(|(of, _)| *of <= place);
        self.messages.get(at).map(|(_, position)| *position)
    }
}

/// The log of a feed.
#[derive(Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    /// The position of the first entry, counted from the feed's beginning.
    pub first: u64,
    bytes: u64,
    /// The names by key. Keys grow, and a name that comes back after it was forgotten has a new one.
    pub names: BTreeMap<u64, OfName>,
    next_key: u64,
    index: HashMap<String, u64>,
    /// Why the feed has ended.
    pub failed: Option<Error>,
}

impl Log {
    /// Returns the position behind the last entry.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.entries.len() as u64)
    }

    /// Returns the entry at a position.
    pub fn entry(&self, position: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(position.checked_sub(self.first)?).ok()?)
    }

    /// Returns the key of a name, which the log then knows. `None` if it has no room for another name.
    pub(super) fn key(&mut self, endpoint: &str) -> Option<u64> {
        if let Some(key) = self.index.get(endpoint) {
            return Some(*key);
        }
        if self.names.len() >= NAMES && !self.forget() {
            let text = format!(
                "more than {NAMES} names have publishers under this pattern; subscribe to fewer names"
            );
            self.failed = Some(Error::new(ErrorKind::Full, text));
            return None;
        }
        let name = Name::of_endpoint(endpoint);
        let of = OfName {
            text: name.text().into(),
            name,
            joined: false,
            incarnation: 0,
            last: 0,
            place: ORIGIN,
            evicted: 0,
            newest: None,
            skipped: 0,
            messages: VecDeque::new(),
            entries: 0,
        };
        let key = self.next_key;
        self.next_key = key.saturating_add(1);
        self.names.insert(key, of);
        self.index.insert(endpoint.to_owned(), key);
        Some(key)
    }

    /// Forgets names without a publisher. Drops the oldest entries as long as all of these names have some; returns
    /// whether any name was forgotten.
    fn forget(&mut self) -> bool {
        loop {
            let before = self.names.len();
            self.names.retain(|_, of| of.joined || of.entries > 0);
            if self.names.len() < before {
                let names = &self.names;
                self.index.retain(|_, key| names.contains_key(key));
                return true;
            }
            if self.names.values().all(|of| of.joined) || self.drop_oldest().is_none() {
                return false;
            }
            // A scan for each dropped entry would take too long.
            for _ in 0..self.entries.len() / 8 {
                self.drop_oldest();
            }
        }
    }

    fn push(&mut self, key: u64, what: What) {
        let position = self.end();
        let Some(of) = self.names.get_mut(&key) else { return };
        of.entries = of.entries.saturating_add(1);
        of.messages.extend(what.place().map(|place| (place, position)));
        if let What::Message(message) = &what {
            self.bytes = self.bytes.saturating_add(message.body.len() as u64).saturating_add(BESIDE);
        }
        self.entries.push_back(Entry { name: key, what });
    }

    /// Drops the oldest entry; returns whether it was a message.
    fn drop_oldest(&mut self) -> Option<bool> {
        let entry = self.entries.pop_front()?;
        self.first = self.first.saturating_add(1);
        if let Some(of) = self.names.get_mut(&entry.name) {
            of.entries = of.entries.saturating_sub(1);
            if let Some(place) = entry.what.place() {
                of.messages.pop_front();
                of.evicted = place;
            }
        }
        let What::Message(message) = &entry.what else { return Some(false) };
        self.bytes = self.bytes.saturating_sub(message.body.len() as u64).saturating_sub(BESIDE);
        Some(true)
    }

    /// Takes a message.
    pub(super) fn take(&mut self, endpoint: &str, message: &Message, held: &Arc<HeldBytes>) {
        let Some(key) = self.key(endpoint) else { return };
        let Some(name) = self.names.get_mut(&key) else { return };
        let (number, incarnation) = (message.sequence(), message.incarnation());
        let is_other = name.incarnation != incarnation || name.newest.is_none();
        let had_ended = !name.joined;
        if is_other {
            // The first message of an incarnation says how many messages before it are missed.
            let missed = message.missed().saturating_sub(name.skipped);
            name.last = number.saturating_sub(1).saturating_sub(missed);
        }
        name.skipped = 0;
        let was_joined = std::mem::replace(&mut name.joined, true);
        let was_of_another = is_other && was_joined && name.newest.is_some();
        name.incarnation = incarnation;
        name.place = name.place.saturating_add(number.saturating_sub(name.last).max(1).into());
        name.last = number.max(name.last);
        let body = message.body().clone();
        held.add((body.len() as u64).saturating_add(BESIDE));
        let published = Arc::new(Published {
            number,
            incarnation,
            sent: message.sent(),
            place: name.place,
            schema: message.schema_id(),
            encoding: message.encoding(),
            body,
            values: Default::default(),
            viewed: OnceLock::new(),
            held: held.clone(),
        });
        name.newest = Some(published.clone());
        if was_of_another {
            self.push(key, What::Ended);
        }
        if had_ended || was_of_another {
            self.push(key, What::Joined);
        }
        self.push(key, What::Message(published));
    }

    /// Takes what happened to names: the last of it counts.
    pub(super) fn take_events(&mut self, events: Vec<(String, bool)>) {
        let mut last = HashMap::new();
        for (endpoint, is_there) in events {
            last.insert(endpoint, is_there);
        }
        for (endpoint, is_there) in last {
            let Some(key) = self.key(&endpoint) else { return };
            // Its first message says which incarnation a publisher is.
            if let Some(of) = self.names.get_mut(&key).filter(|of| of.joined && !is_there) {
                of.joined = false;
                self.push(key, What::Ended);
            }
        }
    }

    /// Counts a message of a name that could not be received, so that clients learn of it before the next message.
    pub(super) fn skip(&mut self, endpoint: &str) {
        let Some(key) = self.key(endpoint) else { return };
        let Some(of) = self.names.get_mut(&key) else { return };
        of.last = of.last.saturating_add(1);
        of.skipped = of.skipped.saturating_add(1);
        of.place = of.place.saturating_add(1);
        let place = of.place;
        self.push(key, What::Skipped(place));
    }

    /// Drops the oldest entries beyond this many bytes of bodies, and beyond half of them while all feeds hold nearly
    /// what they may; the newest one stays.
    pub(super) fn evict(&mut self, most: u64, held: &HeldBytes) -> u64 {
        let mut dropped: u64 = 0;
        let is_too_much = |bytes| bytes > most || (bytes > most / 2 && held.is_nearly_full());
        while self.entries.len() > 1 && (is_too_much(self.bytes) || self.entries.len() > ENTRIES) {
            dropped = dropped.saturating_add(self.drop_oldest().into_iter().filter(|of| *of).count() as u64);
        }
        dropped
    }
}
