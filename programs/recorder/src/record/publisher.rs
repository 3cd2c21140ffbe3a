//! The publishers of received messages, shared by the receiving and the writing thread.
//!
//! The receiving thread limits how many are kept. They are freed when neither thread holds them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use linkspan::schema::Schema;
use linkspan::{Encoding, Message};
use linkspan_recording::ChannelRecord;
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;

/// A name and its bytes in the queue.
#[derive(Debug)]
pub struct Endpoint {
    pub name: Arc<str>,
    pub queued: AtomicU64,
}

impl Endpoint {
    pub fn new(name: &str) -> Arc<Endpoint> {
        Arc::new(Endpoint { name: name.into(), queued: AtomicU64::new(0) })
    }

    pub fn topic(&self) -> &str {
        topic(&self.name)
    }

    pub fn bytes(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub struct Publisher {
    pub endpoint: Arc<Endpoint>,
    pub source: String,
    pub incarnation: u64,
    /// Whether its messages come from a store, which can deliver a message again.
    pub is_stored: bool,
    /// Whether it may have published before this recorder subscribed, because it is the first of its name.
    pub is_older: bool,
    written: Mutex<Written>,
}

/// The progress of the writing thread for a publisher.
#[derive(Debug, Default)]
pub struct Written {
    /// The cursor: the number after the last message that was recorded, or recorded as missed or skipped. `None` before
    /// the first message.
    pub next: Option<u64>,
    /// The number after the last message that reached the writing thread. `--on` holds or dropped the messages from the
    /// cursor to here.
    pub received: u64,
    /// Messages and bytes that the counters lack.
    pub new: (u64, u64),
    /// Whether descending numbers were already reported.
    pub is_reported: bool,
}

impl Written {
    /// Returns whether received messages are neither recorded nor reported.
    pub fn is_open(&self) -> bool {
        self.next.is_some_and(|next| next < self.received)
    }
}

impl Publisher {
    pub fn new(
        endpoint: &Arc<Endpoint>,
        source: &str,
        incarnation: u64,
        is_stored: bool,
        is_older: bool,
    ) -> Publisher {
        let (endpoint, source) = (endpoint.clone(), source.to_owned());
        Publisher { endpoint, source, incarnation, is_stored, is_older, written: Mutex::default() }
    }

    pub fn written(&self) -> MutexGuard<'_, Written> {
        // No code panics while it holds the lock.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages of a publisher in one encoding, which form one channel.
#[derive(Debug)]
pub struct Origin {
    pub publisher: Arc<Publisher>,
    pub encoding: Encoding,
    /// The first message from a store, which identifies its schema.
    pub first: Mutex<Option<Message>>,
    /// The beginning of the fingerprint of the sender's schema.
    pub schema_id: Option<String>,
    /// The channel and its key, made by the writing thread.
    pub channel: OnceLock<(u64, Arc<ChannelRecord>)>,
    /// The schema, if the channel has one for viewers.
    pub schema: OnceLock<Schema>,
    /// The channel for messages that do not match the viewers' schema.
    pub without_viewers: OnceLock<(u64, Arc<ChannelRecord>)>,
}

/// Consecutive unrecorded messages, counted by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    pub overtaken: u64,
    pub dropped: u64,
    /// Received while the recorder was paused. Such messages never share a gap with others.
    pub paused: u64,
    /// Lost with their publisher.
    pub ended: u64,
    pub failed: u64,
    pub text: String,
}

const OVERTAKEN: &str = "the publisher overtook the recorder, or the messages were lost on the way";
const DROPPED: &str = "dropped: the disk was slower than the messages, and the share of the buffer that the name has was full; --buffer makes it larger";
const ENDED: &str = "the publisher ended while the recorder was behind, and they ended with it";
const PAUSED: &str = "not recorded: the recorder was paused";

impl Gap {
    pub fn count(&self) -> u64 {
        let all = [self.overtaken, self.dropped, self.paused, self.ended, self.failed];
        all.into_iter().fold(0, u64::saturating_add)
    }

    /// Returns whether the messages were missed, or skipped on request.
    pub fn kind(&self) -> Kind {
        if self.paused > 0 { Kind::Skipped } else { Kind::Missed }
    }

    pub fn reason(&self) -> String {
        let failed = format!("they cannot be received: {}", self.text);
        let all = [
            (self.overtaken, OVERTAKEN),
            (self.dropped, DROPPED),
            (self.paused, PAUSED),
            (self.ended, ENDED),
            (self.failed, &failed),
        ];
        let found: Vec<_> = all.into_iter().filter(|(count, _)| *count > 0).collect();
        match found.as_slice() {
            [(_, text)] => (*text).to_owned(),
            several => {
                several.iter().map(|(count, text)| format!("{count}: {text}")).collect::<Vec<_>>().join("; ")
            }
        }
    }
}
