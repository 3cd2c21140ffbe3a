//! The events and counters of an object, for its program.
//!
//! The object's threads and the acceptor share its [`EventLog`]. Counters are relaxed atomics: each is correct, but
//! two are not a snapshot. The feature `log` also writes events to the log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::counted;
use crate::sys::fork::Born;
use crate::sys::seat;
use crate::transport::{LongBodies, Losses};
use crate::value::{Map, Timestamp, Value};

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The peer connected for the first time.
    Connected,
    /// There is no connection to a program any more, or none could be made; the text has the reason.
    Disconnected,
    /// Messages did not arrive: this side was too slow, or their sender lacks them.
    Lagged,
    /// The peer connected again.
    Reconnected,
    /// Sent messages are lost, because their client cannot return or exceeded the bounds.
    ///
    /// A client without a `client_id` cannot return. `absent_clients` and `replay_bytes` bound disconnected clients.
    Forgotten,
    /// A program whose schema does not fit tried to connect, and was refused.
    SchemaMismatch,
    /// Messages of a publisher were neither received nor counted; the text says which.
    Unseen,
}

impl EventKind {
    /// Returns the name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            EventKind::Connected => "connected",
            EventKind::Disconnected => "disconnected",
            EventKind::Lagged => "lagged",
            EventKind::Reconnected => "reconnected",
            EventKind::Forgotten => "forgotten",
            EventKind::SchemaMismatch => "schema_mismatch",
            EventKind::Unseen => "unseen",
        }
    }
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Messages missed ([`EventKind::Lagged`]) or lost ([`EventKind::Forgotten`]), otherwise 0.
    pub missed: u64,
    /// Details for a person: the peer's source, or a reason.
    pub text: String,
    /// The incarnation of the publisher that connected or disconnected.
    #[doc(hidden)]
    pub incarnation: Option<u64>,
}

/// The end of a publisher whose last messages are or may be missing.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub name: String,
    pub incarnation: u64,
    pub source: String,
    /// The number after the last received or counted message.
    pub first: u64,
    /// The number of its last published message, if known.
    pub last: Option<u64>,
}

impl End {
    /// Returns how many messages are known to be lost with the publisher.
    pub fn lost(&self) -> u64 {
        self.last.map_or(0, |last| last.saturating_sub(self.first).saturating_add(1))
    }
}

/// The most unread ends: one per name of the largest subscriber. Drops and counts the oldest.
const KEPT_ENDS: usize = 4096;

/// The most unread events. Drops the oldest, which the counters still include.
const KEPT: usize = 256;

#[derive(Default)]
pub struct EventLog {
    events: Mutex<VecDeque<Event>>,
    ends: Mutex<VecDeque<End>>,
    dropped_ends: AtomicU64,
    /// For threads and locks that count their own sent messages.
    senders: Mutex<Vec<Arc<AtomicU64>>>,
    connected: AtomicU64,
    pub sent: AtomicU64,
    pub received: AtomicU64,
    /// Overwritten, or lost on the way.
    pub missed: AtomicU64,
    /// Abandoned requests and answers, and messages for a disconnected peer.
    pub dropped: AtomicU64,
    /// The part of `dropped` that was kept for a client that might have returned.
    pub forgotten: AtomicU64,
    /// Long arrays encoded into a slot, and those without a free slot.
    pub arrays_in_slots: AtomicU64,
    pub arrays_without_slot: AtomicU64,
    /// Long bodies sent whole in slots, and those without a slot.
    pub bodies_in_slots: AtomicU64,
    pub bodies_without_slot: AtomicU64,
    /// Peers connected now, for objects with several.
    pub present: AtomicU64,
    mismatch: Mutex<Option<String>>,
    pub mismatches: AtomicU64,
    pub busy: AtomicBool,
    #[cfg(feature = "log")]
    endpoint: String,
    born: Born,
}

/// Adds a peer's claimed number to a counter, which saturates.
pub fn add(counter: &AtomicU64, more: u64) {
    // The closure always returns a value, so this cannot fail.
    let _ =
        counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| Some(count.saturating_add(more)));
}

impl EventLog {
    /// Creates the log of an object. Lines of the crate `log` name the endpoint.
    pub fn of(endpoint: impl std::fmt::Display) -> EventLog {
        #[cfg(feature = "log")]
        return EventLog { endpoint: endpoint.to_string(), ..EventLog::default() };
        #[cfg(not(feature = "log"))]
        {
            let _ = endpoint;
            EventLog::default()
        }
    }

    pub fn connected(&self, who: &str) {
        self.connected_to(who, None);
    }

    pub fn connected_to(&self, who: &str, incarnation: Option<u64>) {
        let first = self.connected.fetch_add(1, Ordering::Relaxed) == 0;
        let kind = if first { EventKind::Connected } else { EventKind::Reconnected };
        self.push_of(kind, 0, who.to_owned(), incarnation);
    }

    pub fn disconnected(&self, why: String) {
        self.push(EventKind::Disconnected, 0, why);
    }

    pub fn unseen(&self, what: String) {
        self.push(EventKind::Unseen, 0, what);
    }

    pub fn disconnected_from(&self, why: String, incarnation: Option<u64>) {
        self.push_of(EventKind::Disconnected, 0, why, incarnation);
    }

    pub fn ended(&self, end: Option<End>) {
        let Some(end) = end else { return };
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.len() == KEPT_ENDS {
            ends.pop_front();
            self.dropped_ends.fetch_add(1, Ordering::Relaxed);
        }
        ends.push_back(end);
    }

    pub fn take_ends(&self) -> Vec<End> {
        if !self.born.is_here() {
            return Vec::new();
        }
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    pub fn take_dropped_ends(&self) -> u64 {
        self.dropped_ends.swap(0, Ordering::Relaxed)
    }

    pub fn lagged(&self, missed: u64) {
        add(&self.missed, missed);
        self.push(EventKind::Lagged, missed, format!("{missed} messages missed"));
    }

    pub fn lagged_at(&self, name: &str, missed: u64) {
        add(&self.missed, missed);
        self.push(EventKind::Lagged, missed, format!("{name}: {missed} messages missed"));
    }

    /// Records an event of a name. [`EventLog::lagged_at`] records missed messages.
    pub fn pass_on(&self, name: &str, event: Event) {
        match event.kind {
            EventKind::Lagged => return,
            EventKind::Connected | EventKind::Reconnected => {
                self.connected.fetch_add(1, Ordering::Relaxed);
            }
            EventKind::Disconnected
            | EventKind::Unseen
            | EventKind::Forgotten
            | EventKind::SchemaMismatch => {}
        }
        self.push_of(event.kind, event.missed, format!("{name}: {}", event.text), event.incarnation);
    }

    /// Records the loss of messages for a disconnected client that exceeded the bounds.
    pub fn removed_client(&self, client: &str, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
        self.forgotten.fetch_add(messages, Ordering::Relaxed);
        let text = format!(
            "{messages} messages that were kept for {client}, which is disconnected: more clients are disconnected than absent_clients allows, or more is kept for them than replay_bytes"
        );
        self.push(EventKind::Forgotten, messages, text);
    }

    pub fn mismatched(&self, text: String) {
        self.mismatches.fetch_add(1, Ordering::Relaxed);
        *self.mismatch.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
        self.push(EventKind::SchemaMismatch, 0, text);
    }

    pub fn add_mismatch(&self, state: &mut Map) {
        if let Some(text) = self.mismatch.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            state.insert("mismatch".into(), text.into());
        }
    }

    /// Counts messages for a peer that cannot return. Records promised messages as lost.
    pub fn dropped_for_peer(&self, dropped: u64, messages: u64) {
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        if messages == 0 {
            return;
        }
        let what = "that the peer had not acknowledged before it disconnected";
        let text = counted(messages, what, what);
        self.push(EventKind::Forgotten, messages, text);
    }

    pub fn lost(&self, losses: Losses) {
        if losses.missed > 0 {
            self.lagged(losses.missed);
        }
        self.dropped.fetch_add(losses.refused, Ordering::Relaxed);
    }

    pub fn was_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed) > 0
    }

    fn push(&self, kind: EventKind, missed: u64, text: String) {
        self.push_of(kind, missed, text, None);
    }

    fn push_of(&self, kind: EventKind, missed: u64, text: String, incarnation: Option<u64>) {
        #[cfg(feature = "log")]
        {
            let worse = matches!(kind, EventKind::Lagged | EventKind::Forgotten | EventKind::SchemaMismatch);
            let level = if worse { log::Level::Warn } else { log::Level::Info };
            log::log!(target: "linkspan", level, "{}: {}: {text}", self.endpoint, kind.name());
        }
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == KEPT {
            events.pop_front();
        }
        // A store has no incarnation.
        let incarnation = incarnation.filter(|incarnation| *incarnation != 0);
        events.push_back(Event { kind, at: Timestamp::now(), missed, text, incarnation });
    }

    /// Returns the events since the last call, oldest first; none in a forked child.
    pub fn take(&self) -> Vec<Event> {
        if !self.born.is_here() {
            return Vec::new();
        }
        self.events.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    /// Raises a counter that only the caller writes, under its direction or lock.
    ///
    /// This is cheaper than an atomic addition.
    pub fn count_exclusive(&self, counter: &AtomicU64) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    pub fn add_sender(&self) -> Arc<AtomicU64> {
        let counter = Arc::default();
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counter));
        counter
    }

    /// Adds such a counter to `sent`, once, after its last change.
    pub fn remove_sender(&self, counter: &Arc<AtomicU64>) {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = senders.iter().position(|sender| Arc::ptr_eq(sender, counter)) {
            senders.swap_remove(at);
            self.sent.fetch_add(counter.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Returns the messages sent by all; in a forked child, only a part.
    pub fn sent_by_all(&self) -> u64 {
        if !self.born.is_here() {
            return self.sent.load(Ordering::Relaxed);
        }
        let senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let each = senders.iter().map(|sender| sender.load(Ordering::Relaxed));
        each.fold(self.sent.load(Ordering::Relaxed), u64::saturating_add)
    }

    pub fn add_exclusive(&self, counter: &AtomicU64, count: u64) {
        counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// Raises a counter that several threads write.
    pub fn count(&self, counter: &AtomicU64) {
        seat::note_locked();
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_bodies(&self, LongBodies { in_slots, without_slot }: LongBodies) {
        for (counter, count) in [(&self.bodies_in_slots, in_slots), (&self.bodies_without_slot, without_slot)]
        {
            if count > 0 {
                seat::note_locked();
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    pub fn add_arrays(&self, stats: &mut Map) {
        for (name, count) in [
            ("arrays_in_slots", &self.arrays_in_slots),
            ("arrays_without_slot", &self.arrays_without_slot),
            ("bodies_in_slots", &self.bodies_in_slots),
            ("bodies_without_slot", &self.bodies_without_slot),
        ] {
            stats.insert(name.into(), Value::from(count.load(Ordering::Relaxed)));
        }
    }

    pub fn stats(&self) -> Map {
        let of = |counter: &AtomicU64| Value::from(counter.load(Ordering::Relaxed));
        Map::from_iter([
            ("sent".to_owned(), Value::from(self.sent_by_all())),
            ("received".to_owned(), of(&self.received)),
            ("missed".to_owned(), of(&self.missed)),
            ("dropped".to_owned(), of(&self.dropped)),
            ("forgotten".to_owned(), of(&self.forgotten)),
            ("connections".to_owned(), of(&self.connected)),
            ("schema_mismatches".to_owned(), of(&self.mismatches)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_messages_beyond_the_largest_number_stay_that() {
        let log = EventLog::of("shm:lab/*");
        log.lagged(u64::MAX - 1);
        log.lagged_at("shm:lab/a", 3);
        log.lagged(1);
        assert_eq!(log.missed.load(Ordering::Relaxed), u64::MAX);
    }

    #[test]
    fn ends_beyond_those_that_are_kept_are_counted() {
        let log = EventLog::of("shm:lab/*");
        let end = |incarnation| End {
            name: "unix:lab/a".into(),
            incarnation,
            source: String::new(),
            first: 1,
            last: Some(2),
        };
        let more = 3;
        (0..KEPT_ENDS as u64 + more).for_each(|one| log.ended(Some(end(one))));
        assert_eq!((log.take_dropped_ends(), log.take_dropped_ends()), (more, 0));
        let kept = log.take_ends();
        assert_eq!((kept.len(), kept[0].incarnation), (KEPT_ENDS, more), "the oldest are dropped");
    }
}

#[cfg(all(test, feature = "log"))]
mod log_tests {
    use super::*;

    static WRITTEN: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

    struct Keeps;

    impl log::Log for Keeps {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            if record.target() == "linkspan" {
                WRITTEN.lock().unwrap().push((record.level(), record.args().to_string()));
            }
        }
        fn flush(&self) {}
    }

    #[test]
    fn events_are_written_to_the_log() {
        log::set_logger(&Keeps).unwrap();
        log::set_max_level(log::LevelFilter::Info);
        let log = EventLog::of("shm:lab/a");
        log.connected("logger-4711-of-this-test");
        log.lagged(123_456_789);
        let written = WRITTEN.lock().unwrap();
        let has = |level, text: &str| written.contains(&(level, text.to_owned()));
        assert!(has(log::Level::Info, "shm:lab/a: connected: logger-4711-of-this-test"), "{written:?}");
        assert!(has(log::Level::Warn, "shm:lab/a: lagged: 123456789 messages missed"), "{written:?}");
    }
}
