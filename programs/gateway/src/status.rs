//! Counters of the gateway, for `get data`, `gateway/status`, `/metrics` and the doctor. They contain neither tokens
//! nor values.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use linkspan::Value;

#[derive(Default)]
pub struct Counters {
    /// Current clients over WebSocket, and their total since the start.
    pub clients: AtomicU64,
    pub clients_ever: AtomicU64,
    /// Current subscriptions, publishers, served names and calls.
    pub subscriptions: AtomicU64,
    pub publishers: AtomicU64,
    pub servers: AtomicU64,
    pub calls: AtomicU64,
    pub sent: AtomicU64,
    pub sent_bytes: AtomicU64,
    pub frames: AtomicU64,
    /// Missed messages that were reported to clients.
    pub lagged: Arc<AtomicU64>,
    /// Completed calls and published messages of clients.
    pub called: AtomicU64,
    pub published: AtomicU64,
    /// Refusals (wrong tokens, other origins, names without a right), and clients that read nothing.
    pub wrong_tokens: AtomicU64,
    pub other_origins: AtomicU64,
    pub refused: AtomicU64,
    pub unread: AtomicU64,
    pub no_descriptor: AtomicU64,
}

/// Counts an object while it exists.
pub struct Counted(Arc<Counters>, fn(&Counters) -> &AtomicU64);

impl Counted {
    pub fn new(counters: &Arc<Counters>, which: fn(&Counters) -> &AtomicU64) -> Counted {
        which(counters).fetch_add(1, Ordering::Relaxed);
        Counted(counters.clone(), which)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

pub fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    fn all(&self) -> [(&'static str, &'static str, bool, u64); 17] {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("clients", "Clients over WebSocket", false, of(&self.clients)),
            ("clients_ever", "Clients over WebSocket since the start", true, of(&self.clients_ever)),
            ("subscriptions", "Subscriptions of clients", false, of(&self.subscriptions)),
            ("publishers", "Publishers of clients", false, of(&self.publishers)),
            ("servers", "Names that clients serve", false, of(&self.servers)),
            ("calls", "Calls under way", false, of(&self.calls)),
            ("sent", "Frames sent to clients", true, of(&self.sent)),
            ("sent_bytes", "Bytes of frames sent to clients", true, of(&self.sent_bytes)),
            ("frames", "Frames received from clients", true, of(&self.frames)),
            ("lagged", "Messages that clients were told to have missed", true, of(&self.lagged)),
            ("called", "Calls that were sent for clients", true, of(&self.called)),
            ("published", "Messages that were published for clients", true, of(&self.published)),
            ("wrong_tokens", "Wrong tokens", true, of(&self.wrong_tokens)),
            ("other_origins", "Requests of other origins and for other hosts", true, of(&self.other_origins)),
            ("refused", "Names that a token does not allow", true, of(&self.refused)),
            ("unread", "Clients disconnected because they read nothing", true, of(&self.unread)),
            ("no_descriptor", "Connections refused for lack of descriptors", true, of(&self.no_descriptor)),
        ]
    }

    pub fn to_value(&self) -> Value {
        Value::map(self.all().map(|(name, _, _, count)| (name, count)))
    }

    pub fn metrics(&self, more: &[(&str, &str, u64)]) -> String {
        let mut text = String::new();
        let more = more.iter().map(|(name, what, count)| (*name, *what, false, *count));
        for (name, what, grows, count) in self.all().into_iter().chain(more) {
            let (kind, ending) = if grows { ("counter", "_total") } else { ("gauge", "") };
            let name = format!("linkspan_gateway_{name}{ending}");
            let _ = writeln!(text, "# HELP {name} {what}.\n# TYPE {name} {kind}\n{name} {count}");
        }
        text
    }
}
