//! The log of a name: its messages and events in order, with a limit of bytes.
//!
//! Message numbers come from publishers, which may be malicious.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use linkspan::Message;

use super::place::{ORIGIN, Place};
use super::published::{BESIDE, HeldBytes, Published};

#[derive(Clone)]
pub enum What {
    Ended,
    Message(Arc<Published>),
    /// The gateway failed to receive the message at this place.
    Skipped,
}

#[derive(Clone)]
pub struct Entry {
    /// Its number in the global order of arrival.
    pub arrival: u64,
    /// The place of its message, or of the last message before it.
    pub place: Place,
    pub what: What,
}

impl Entry {
    fn bytes(&self) -> u64 {
        match &self.what {
            What::Message(message) => (message.body.len() as u64).saturating_add(BESIDE),
            What::Ended | What::Skipped => BESIDE,
        }
    }
}

pub struct Log {
    entries: VecDeque<Entry>,
    /// The position of the first entry, counted from the beginning of the log.
    pub first: u64,
    bytes: u64,
    /// Whether the name has a publisher that has sent a message.
    pub joined: bool,
    pub incarnation: u64,
    /// The number of this incarnation's last message, received or missed.
    last: u64,
    /// The place of the last message, received or missed.
    pub place: Place,
    /// The place of the last dropped message.
    pub evicted: Place,
    pub newest: Option<Arc<Published>>,
    /// Messages skipped since the last message. The next message reports them as missed.
    skipped: u64,
    /// When the last publisher ended; `None` with a publisher.
    ended: Option<u64>,
    pub is_forgotten: bool,
}

impl Default for Log {
    fn default() -> Log {
        Log {
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            joined: false,
            incarnation: 0,
            last: 0,
            place: ORIGIN,
            evicted: 0,
            newest: None,
            skipped: 0,
            ended: None,
            is_forgotten: false,
        }
    }
}

impl Log {
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.entries.len() as u64)
    }

    pub fn entry(&self, position: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(position.checked_sub(self.first)?).ok()?)
    }

    /// Returns the arrival of the first entry at or after a position.
    pub fn arrival(&self, position: u64) -> Option<u64> {
        self.entry(position.max(self.first)).map(|entry| entry.arrival)
    }

    /// Returns the place of a number of this incarnation. Numbers before the log have places before [`ORIGIN`].
    pub fn place_of(&self, number: u64) -> Place {
        self.place.saturating_sub(self.last.saturating_sub(number).into())
    }

    /// Returns the position of the first entry with a message after a place.
    pub fn position_after(&self, place: Place) -> u64 {
        let at = self.entries.partition_point(|entry| entry.place <= place);
        self.first.saturating_add(at as u64)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn ended(&self) -> Option<u64> {
        self.ended
    }

    fn push(&mut self, arrival: u64, what: What) {
        let entry = Entry { arrival, place: self.place, what };
        self.bytes = self.bytes.saturating_add(entry.bytes());
        self.entries.push_back(entry);
    }

    /// Drops the oldest entry; returns whether it was a message.
    fn drop_oldest(&mut self) -> Option<bool> {
        let entry = self.entries.pop_front()?;
        self.first = self.first.saturating_add(1);
        self.bytes = self.bytes.saturating_sub(entry.bytes());
        if !matches!(entry.what, What::Ended) {
            self.evicted = entry.place;
        }
        Some(matches!(entry.what, What::Message(_)))
    }

    pub(super) fn take(&mut self, arrival: u64, message: &Message, held: &Arc<HeldBytes>) {
        let (number, incarnation) = (message.sequence(), message.incarnation());
        let is_other = self.incarnation != incarnation || self.newest.is_none();
        if is_other {
            // The first message of an incarnation reports how many messages before it were missed.
            let missed = message.missed().saturating_sub(self.skipped);
            self.last = number.saturating_sub(1).saturating_sub(missed);
        }
        self.skipped = 0;
        self.ended = None;
        let was_joined = std::mem::replace(&mut self.joined, true);
        if is_other && was_joined && self.newest.is_some() {
            self.push(arrival, What::Ended);
        }
        self.incarnation = incarnation;
        self.place = self.place.saturating_add(number.saturating_sub(self.last).max(1).into());
        self.last = number.max(self.last);
        let body = message.body().clone();
        held.add((body.len() as u64).saturating_add(BESIDE));
        let published = Arc::new(Published {
            number,
            incarnation,
            sent: message.sent(),
            place: self.place,
            schema: message.schema_id(),
            encoding: message.encoding(),
            body,
            values: Default::default(),
            viewed: OnceLock::new(),
            held: held.clone(),
        });
        self.newest = Some(published.clone());
        self.push(arrival, What::Message(published));
    }

    /// Records that a publisher began or ended. The incarnation is known after its first message.
    pub(super) fn take_event(&mut self, arrival: u64, is_there: bool) {
        self.ended = (!is_there).then_some(arrival);
        if !is_there && std::mem::take(&mut self.joined) {
            self.push(arrival, What::Ended);
        }
    }

    /// Counts an unreceivable message, to report it before the next message arrives.
    pub(super) fn skip(&mut self, arrival: u64) {
        self.last = self.last.saturating_add(1);
        self.skipped = self.skipped.saturating_add(1);
        self.place = self.place.saturating_add(1);
        self.push(arrival, What::Skipped);
    }

    /// Drops the oldest entries above this many bytes, but keeps the newest. Returns the number of dropped messages.
    pub(super) fn evict(&mut self, most: u64) -> u64 {
        let mut dropped: u64 = 0;
        while self.entries.len() > 1 && self.bytes > most {
            dropped = dropped.saturating_add(u64::from(self.drop_oldest() == Some(true)));
        }
        dropped
    }

    pub(super) fn forget(&mut self) {
        while self.drop_oldest().is_some() {}
        (self.newest, self.joined, self.is_forgotten) = (None, false, true);
    }
}
