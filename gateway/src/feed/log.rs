//! The log of a feed: its messages and events in order, each name with its places, bounded in bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use linkspan::{Error, ErrorKind, Message};

use super::published::{BESIDE, HeldBytes, Published};
use crate::names::Name;

/// Names that one feed has known, at most.
const NAMES: usize = 8_192;
/// The place before the first one of a name. Places before it are those of messages that came before the feed.
pub const ORIGIN: u64 = 1 << 62;

/// What happened to a name.
#[derive(Clone)]
pub enum What {
    Joined,
    Ended,
    Message(Arc<Published>),
}

/// An entry of the log.
#[derive(Clone)]
pub struct Entry {
    /// The position of the name in [`Log::names`].
    pub name: usize,
    pub what: What,
}

/// What is known of a name.
pub struct OfName {
    pub name: Name,
    pub text: Arc<str>,
    /// Whether it has a publisher now.
    pub joined: bool,
    pub incarnation: u64,
    /// The number that comes next, of this incarnation.
    next: u64,
    /// The place of the last message; those that were missed have places, too.
    pub place: u64,
    /// The place of the last message that the log has no more.
    pub evicted: u64,
    pub newest: Option<Arc<Published>>,
}

impl OfName {
    /// Returns the place of a number of this incarnation. Numbers before the first one here have places before
    /// [`ORIGIN`].
    pub fn place_of(&self, number: u64) -> u64 {
        self.place.saturating_sub((self.next.saturating_sub(1)).saturating_sub(number))
    }
}

/// The log of a feed.
#[derive(Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    /// The position of the first entry, counted from the feed's beginning.
    pub first: u64,
    bytes: u64,
    pub names: Vec<OfName>,
    index: HashMap<String, usize>,
    /// Why nothing comes any more.
    pub failed: Option<Error>,
}

impl Log {
    /// Returns the position behind the last entry.
    pub fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Returns the entry at a position.
    pub fn entry(&self, position: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(position.checked_sub(self.first)?).ok()?)
    }

    /// Returns the position of the first message of a name behind a place; the end where there is none.
    pub fn position_behind(&self, name: usize, place: u64) -> u64 {
        let is_behind = |entry: &Entry| {
            entry.name == name && matches!(&entry.what, What::Message(message) if message.place > place)
        };
        self.first + self.entries.iter().position(is_behind).unwrap_or(self.entries.len()) as u64
    }

    pub(super) fn name(&mut self, endpoint: &str) -> Option<usize> {
        if let Some(at) = self.index.get(endpoint) {
            return Some(*at);
        }
        if self.names.len() >= NAMES {
            let text = format!(
                "more than {NAMES} names have come and gone under this pattern; subscribe again, or to fewer names"
            );
            self.failed = Some(Error::new(ErrorKind::Full, text));
            return None;
        }
        let name = Name::of_endpoint(endpoint);
        self.names.push(OfName {
            text: name.text().into(),
            name,
            joined: false,
            incarnation: 0,
            next: 1,
            place: ORIGIN,
            evicted: 0,
            newest: None,
        });
        self.index.insert(endpoint.to_owned(), self.names.len() - 1);
        Some(self.names.len() - 1)
    }

    fn push(&mut self, name: usize, what: What) {
        if let What::Message(message) = &what {
            self.bytes += message.body.len() as u64 + BESIDE;
        }
        self.entries.push_back(Entry { name, what });
    }

    /// Takes a message.
    pub(super) fn take(&mut self, endpoint: &str, message: &Message, held: &Arc<HeldBytes>) {
        let Some(at) = self.name(endpoint) else { return };
        let (number, incarnation) = (message.sequence(), message.incarnation());
        let name = &mut self.names[at];
        let is_other = name.incarnation != incarnation || name.newest.is_none();
        let had_ended = !name.joined;
        if is_other {
            // Of one that is new here, what it says to be missed before its first message is missed.
            name.next = number - message.missed().min(number.saturating_sub(1));
        }
        let was_joined = std::mem::replace(&mut name.joined, true);
        let was_of_another = is_other && was_joined && name.newest.is_some();
        name.incarnation = incarnation;
        name.place += number.saturating_sub(name.next) + 1;
        name.next = number.max(name.next.saturating_sub(1)) + 1;
        let body = message.body().clone();
        held.bytes.fetch_add(body.len() as u64 + BESIDE, Ordering::Relaxed);
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
            self.push(at, What::Ended);
        }
        if had_ended || was_of_another {
            self.push(at, What::Joined);
        }
        self.push(at, What::Message(published));
    }

    /// Takes what happened to names: the last of it counts.
    pub(super) fn take_events(&mut self, events: Vec<(String, bool)>) {
        let mut last = HashMap::new();
        for (endpoint, is_there) in events {
            last.insert(endpoint, is_there);
        }
        for (endpoint, is_there) in last {
            let Some(at) = self.name(&endpoint) else { return };
            if self.names[at].joined == is_there {
                continue;
            }
            // Which incarnation it is, its first message says.
            if !is_there {
                self.names[at].joined = false;
                self.push(at, What::Ended);
            }
        }
    }

    /// Drops the oldest entries beyond this many bytes of bodies, and beyond half of them while all feeds hold nearly
    /// what they may; the newest one stays.
    pub(super) fn evict(&mut self, most: u64, held: &HeldBytes) -> u64 {
        let mut dropped = 0;
        let is_too_much = |bytes| bytes > most || (bytes > most / 2 && held.is_nearly_full());
        while self.entries.len() > 1 && (is_too_much(self.bytes) || self.entries.len() > 1 << 18) {
            let Some(entry) = self.entries.pop_front() else { break };
            self.first += 1;
            if let What::Message(message) = entry.what {
                self.bytes -= message.body.len() as u64 + BESIDE;
                self.names[entry.name].evicted = message.place;
                dropped += 1;
            }
        }
        dropped
    }
}
