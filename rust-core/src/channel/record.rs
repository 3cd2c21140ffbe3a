//! What happened to an object: events for the program to read, and counters.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::transport::Losses;
use crate::value::{Map, Timestamp, Value};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The other side is there for the first time.
    Connected,
    /// It went away.
    Disconnected,
    /// Messages were overwritten before they were read, or did not come through.
    Lagged,
    /// It is there again.
    Back,
}

impl EventKind {
    /// The name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            EventKind::Connected => "connected",
            EventKind::Disconnected => "disconnected",
            EventKind::Lagged => "lagged",
            EventKind::Back => "back",
        }
    }
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// How many messages were missed, for [`EventKind::Lagged`].
    pub missed: u64,
    /// More for a person: who came, why it went.
    pub text: String,
}

/// Events not yet read, at most: the oldest go first, and the counters still tell of them.
const KEPT: usize = 256;

#[derive(Default)]
pub struct Record {
    events: Mutex<VecDeque<Event>>,
    connected: AtomicU64,
    pub sent: AtomicU64,
    pub received: AtomicU64,
    pub missed: AtomicU64,
    /// Answers and messages that came for a caller who had given up, or were meant for a peer that had gone.
    pub dropped: AtomicU64,
    /// How many are connected now, where there may be several.
    pub present: AtomicU64,
}

impl Record {
    pub fn connected(&self, who: &str) {
        let first = self.connected.fetch_add(1, Ordering::Relaxed) == 0;
        self.push(if first { EventKind::Connected } else { EventKind::Back }, 0, who.to_owned());
    }

    pub fn disconnected(&self, why: String) {
        self.push(EventKind::Disconnected, 0, why);
    }

    pub fn lagged(&self, missed: u64) {
        self.missed.fetch_add(missed, Ordering::Relaxed);
        self.push(EventKind::Lagged, missed, format!("{missed} messages missed"));
    }

    /// Counts what did not come through where nothing is sent again.
    pub fn lost(&self, losses: Losses) {
        if losses.missed > 0 {
            self.lagged(losses.missed);
        }
        self.dropped.fetch_add(losses.refused, Ordering::Relaxed);
    }

    /// Whether the other side was ever there.
    pub fn was_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed) > 0
    }

    fn push(&self, kind: EventKind, missed: u64, text: String) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == KEPT {
            events.pop_front();
        }
        events.push_back(Event { kind, at: Timestamp::now(), missed, text });
    }

    /// What happened since the last call.
    pub fn take(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    /// Counts where the caller holds the direction that alone raises this counter, which spares an atomic exchange.
    #[inline]
    pub fn count_alone(&self, counter: &AtomicU64) {
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn stats(&self) -> Map {
        let of = |counter: &AtomicU64| Value::from(counter.load(Ordering::Relaxed));
        Map::from_iter([
            ("sent".to_owned(), of(&self.sent)),
            ("received".to_owned(), of(&self.received)),
            ("missed".to_owned(), of(&self.missed)),
            ("dropped".to_owned(), of(&self.dropped)),
            ("connections".to_owned(), of(&self.connected)),
        ])
    }
}
