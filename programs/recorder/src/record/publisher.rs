//! Who published what was received. The thread that receives makes these, the one that writes has its numbers in them,
//! and they are freed when neither of both holds them: what is kept of a name that has gone is bounded by what the
//! receiving thread remembers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use linkspan::schema::Schema;
use linkspan::{Encoding, Message};
use linkspan_recording::ChannelRecord;
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;

/// A name, and the bytes of it that are in the queue.
#[derive(Debug)]
pub struct Endpoint {
    pub name: Arc<str>,
    pub queued: AtomicU64,
}

impl Endpoint {
    /// One of which nothing is in the queue.
    pub fn new(name: &str) -> Arc<Endpoint> {
        Arc::new(Endpoint { name: name.into(), queued: AtomicU64::new(0) })
    }

    /// The name without its transport.
    pub fn topic(&self) -> &str {
        topic(&self.name)
    }

    /// Bytes of it in the queue.
    pub fn bytes(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }
}

/// A publisher of a name.
#[derive(Debug)]
pub struct Publisher {
    pub endpoint: Arc<Endpoint>,
    pub source: String,
    pub incarnation: u64,
    /// Whether its messages are in a store, which may give again what it gave before.
    pub is_stored: bool,
    /// Whether it may have published before this recorder subscribed: it is the first one of its name.
    pub is_older: bool,
    written: Mutex<Written>,
}

/// What the writing thread knows of a publisher.
#[derive(Debug, Default)]
pub struct Written {
    /// The cursor: the number after the last one that is in the recording, as a message or as one that was missed or
    /// skipped. `None` before the first.
    pub next: Option<u64>,
    /// The number after the last one that came to the writing thread. From the cursor to here are messages that
    /// `--on` holds, or has given up.
    pub received: u64,
    /// Messages and bytes that the counters do not have yet.
    pub new: (u64, u64),
    /// Whether it was said that its numbers go back.
    pub is_reported: bool,
}

impl Written {
    /// Returns whether messages came that are neither in the recording nor told.
    pub fn is_open(&self) -> bool {
        self.next.is_some_and(|next| next < self.received)
    }
}

impl Publisher {
    /// One of which nothing is written.
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

    /// What the writing thread knows of it.
    pub fn written(&self) -> MutexGuard<'_, Written> {
        // Nothing panics while it holds the lock.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has one channel in a recording: the messages of a publisher in one encoding.
#[derive(Debug)]
pub struct Origin {
    pub publisher: Arc<Publisher>,
    pub encoding: Encoding,
    /// The first message, of a store: it says which schema it was written with.
    pub first: Mutex<Option<Message>>,
    /// What the fingerprint of the sender's schema begins with.
    pub schema_id: Option<String>,
    /// By which the parts know its channel, and how that is written: made by the writing thread.
    pub channel: OnceLock<(u64, Arc<ChannelRecord>)>,
    /// The schema, where that of the channel is one for viewers.
    pub schema: OnceLock<Schema>,
    /// The same channel for messages that its schema does not admit.
    pub without_viewers: OnceLock<(u64, Arc<ChannelRecord>)>,
}

/// Messages that follow each other and are not recorded, by the reasons for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    pub overtaken: u64,
    pub dropped: u64,
    /// They were received while the recorder was paused. Others are not in a gap with those.
    pub paused: u64,
    /// They were lost with their publisher.
    pub ended: u64,
    /// They could not be received.
    pub failed: u64,
    /// Why not.
    pub text: String,
}

/// Why messages are not recorded.
const OVERTAKEN: &str = "the publisher overtook the recorder, or the messages were lost on the way";
const DROPPED: &str = "dropped: the disk was slower than the messages, and the share of the buffer that the name has was full; --buffer makes it larger";
const ENDED: &str = "the publisher ended while the recorder was behind, and they ended with it";
const PAUSED: &str = "not recorded: the recorder was paused";

impl Gap {
    /// Returns how many messages it has.
    pub fn count(&self) -> u64 {
        let all = [self.overtaken, self.dropped, self.paused, self.ended, self.failed];
        all.into_iter().fold(0, u64::saturating_add)
    }

    /// Returns whether they were missed, or skipped as the recorder was asked.
    pub fn kind(&self) -> Kind {
        if self.paused > 0 { Kind::Skipped } else { Kind::Missed }
    }

    /// Returns the reasons, with how many have each where there are several.
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
