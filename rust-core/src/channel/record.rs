//! What happened to an object: events for the program to read, and counters.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// Messages that were sent are lost: the client for which they were kept cannot come back, because it has no `client_id`, or
    /// they are kept no longer, because too many others are away or too much is kept for them.
    Forgotten,
    /// A program called whose schema does not fit; it was not let in.
    SchemaMismatch,
}

impl EventKind {
    /// The name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            EventKind::Connected => "connected",
            EventKind::Disconnected => "disconnected",
            EventKind::Lagged => "lagged",
            EventKind::Back => "back",
            EventKind::Forgotten => "forgotten",
            EventKind::SchemaMismatch => "schema_mismatch",
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
    /// How many messages were missed, for [`EventKind::Lagged`], or are lost, for [`EventKind::Forgotten`].
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
    /// Requests and answers whose caller had given up, and messages that were meant for a peer that had gone.
    pub dropped: AtomicU64,
    /// Of those, the ones that were kept for a client that may still come back.
    pub forgotten: AtomicU64,
    /// How many are connected now, where there may be several.
    pub present: AtomicU64,
    /// What the last program said whose schema does not fit, and how many said so.
    mismatch: Mutex<Option<String>>,
    pub mismatches: AtomicU64,
    /// Whether a server's program works on a request, and does not ask for the next one.
    pub busy: AtomicBool,
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

    /// Messages that were kept for a client that is away are lost.
    pub fn forgot(&self, client: &str, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
        self.forgotten.fetch_add(messages, Ordering::Relaxed);
        let text = format!(
            "{messages} messages that were kept for {client}, which is away: more clients are away than absent_clients allows, or more is kept for them than replay_bytes"
        );
        self.push(EventKind::Forgotten, messages, text);
    }

    /// A program called whose schema does not fit.
    pub fn mismatched(&self, said: String) {
        self.mismatches.fetch_add(1, Ordering::Relaxed);
        *self.mismatch.lock().unwrap_or_else(PoisonError::into_inner) = Some(said.clone());
        self.push(EventKind::SchemaMismatch, 0, said);
    }

    /// What a listing shows of the last such program; nothing where there was none.
    pub fn add_mismatch(&self, state: &mut Map) {
        if let Some(said) = self.mismatch.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            state.insert("mismatch".into(), said.into());
        }
    }

    /// Messages that were kept for a peer that cannot come back are lost.
    pub fn gave_up(&self, messages: u64) {
        let text =
            format!("{messages} messages that the other side had not said to have consumed before it went");
        self.push(EventKind::Forgotten, messages, text);
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
        #[cfg(feature = "log")]
        {
            let worse = matches!(kind, EventKind::Lagged | EventKind::Forgotten | EventKind::SchemaMismatch);
            let level = if worse { log::Level::Warn } else { log::Level::Info };
            log::log!(target: "linkspan", level, "{}: {text}", kind.name());
        }
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

    /// The same for several at once.
    #[inline]
    pub fn count_alone_by(&self, counter: &AtomicU64, count: u64) {
        counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
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
            ("forgotten".to_owned(), of(&self.forgotten)),
            ("connections".to_owned(), of(&self.connected)),
            ("schema_mismatches".to_owned(), of(&self.mismatches)),
        ])
    }
}

#[cfg(all(test, feature = "log"))]
mod tests {
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
        let record = Record::default();
        record.connected("logger-4711-of-this-test");
        record.lagged(123_456_789);
        let written = WRITTEN.lock().unwrap();
        let has = |level, text: &str| written.contains(&(level, text.to_owned()));
        assert!(has(log::Level::Info, "connected: logger-4711-of-this-test"), "{written:?}");
        assert!(has(log::Level::Warn, "lagged: 123456789 messages missed"), "{written:?}");
    }
}
