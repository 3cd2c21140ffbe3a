//! The options of channels, listeners, servers, publishers and subscribers: the same names in every language.
//!
//! Bindings pass options by name ([`Options::set`]), Rust programs use builders (`builder`). [`Options::check`]
//! checks all values and the transport's capabilities when an object is made. A promise that the transport cannot
//! keep, such as `durable`, is refused. A setting without a meaning there, such as `replay_count` without a session,
//! is ignored: a program may use another endpoint. `effects` lists both.

mod builder;
mod check;
#[cfg(test)]
mod effects;
pub(crate) mod nearest;
pub(super) mod set;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::pattern::Pattern;
use crate::codec::Encoding;
use crate::deadline::{OnWait, Timeout, Wait, Waiting};
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::PreparedSchema;
pub use crate::session::Acknowledge;
use crate::transport::BodyViews;
use crate::value::{Limits, Timestamp};

/// The delivery guarantee of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// A reader sees the newest value; older ones may be skipped.
    Latest,
    /// In order, never twice; losses are counted and reported.
    BestEffort,
    /// In order; sent again to the receiver's next incarnation until it has consumed it.
    AtLeastOnce,
    /// Like `AtLeastOnce`, and messages survive the death of both programs and of the machine.
    Durable,
}

/// Called with the number of messages that a peer had not consumed when a channel ended.
pub type OnUnconsumed = std::sync::Arc<dyn Fn(u64) + Send + Sync>;

/// How messages are divided on a stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// With Linkspan's header.
    Linkspan,
    /// One JSON text a line, for programs without Linkspan.
    Lines,
    /// Bytes as they arrive, without boundaries.
    Raw,
}

/// Which values are checked against the schema of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validate {
    /// Sent values, while they are encoded.
    Send,
    /// Received values, while they are decoded.
    Receive,
    /// Both.
    Both,
}

/// Where a subscriber to a journal begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartAt {
    /// At the oldest kept message.
    First,
    /// At the newest.
    Newest,
    /// At the message of this number.
    Sequence(u64),
    /// At the first message that was sent at this time or later.
    Time(Timestamp),
}

impl Framing {
    /// Returns the name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            Framing::Linkspan => "linkspan",
            Framing::Lines => "lines",
            Framing::Raw => "raw",
        }
    }
}

impl Delivery {
    /// Returns the name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            Delivery::Latest => "latest",
            Delivery::BestEffort => "best_effort",
            Delivery::AtLeastOnce => "at_least_once",
            Delivery::Durable => "durable",
        }
    }
}

/// The options of a channel, listener, server, publisher or subscriber. [`Options::set`] sets them by name.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// The encoding of values: CBOR by default, JSON with `framing="lines"`, raw bytes with `framing="raw"`.
    pub encoding: Encoding,
    /// Whether the encoding was given by name, which overrides the choice of the framing.
    pub(crate) encoding_given: bool,
    /// How long a call waits if it is given no time-out: 30 s.
    pub timeout: Timeout,
    /// A name that stays the same when the program is restarted; none by default.
    pub client_id: Option<String>,
    /// Bytes of a shared-memory ring, rounded up to a power of two.
    ///
    /// The default is 256 KiB per direction, and 1 MiB for a publisher.
    pub buffer: Option<usize>,
    /// Bytes of the longest message that is sent or accepted: 64 MiB.
    pub max_message_size: u64,
    /// The delivery guarantee of messages; the default depends on the pattern.
    pub delivery: Option<Delivery>,
    /// The mode of the socket's file: 0600, or 0660 in a directory that a group shares.
    pub mode: Option<u32>,
    /// The users that may connect; empty for all whom the mode admits.
    pub allow_uids: Vec<u32>,
    /// The groups that may connect; empty for all whom the mode admits.
    pub allow_gids: Vec<u32>,
    /// How long a receiver polls shared memory before it parks: 20 µs; at most [`Options::MAX_SPIN`].
    pub spin: Duration,
    /// How long a channel that ends without `close` waits for the peer's consumption.
    ///
    /// It then reports the number of unconsumed messages on one line of stderr. By default it does not wait, and
    /// reports only for a peer that has gone and left more than one message: the peer's program may have handled the
    /// last one.
    pub linger: Duration,
    /// Also called with that number, on the thread that drops the channel.
    pub on_unconsumed: Option<OnUnconsumed>,
    /// When a message counts as consumed: at the next `recv`.
    pub ack: Acknowledge,
    /// Whether requests may be carried out twice. A request then goes to a dead server's next incarnation.
    pub idempotent: bool,
    /// The most unacknowledged messages kept for replay: 65,536. Beyond that, `send` waits.
    pub replay_count: usize,
    /// The most bytes of those messages: 64 MiB. A single longer message is kept alone.
    pub replay_bytes: u64,
    /// The number of disconnected clients for which a listener keeps sessions: 256.
    ///
    /// Beyond that, sessions without kept messages are dropped first, then the longest disconnected. `events()`
    /// reports and `stats()` counts the latter.
    pub absent_clients: usize,
    /// How messages are divided on a stream of bytes.
    pub framing: Framing,
    /// Whether accepted messages survive the death of both programs and of the machine.
    pub durable: bool,
    /// The group of files that are created.
    pub group: Option<u32>,
    /// Where a subscriber to a journal begins.
    ///
    /// A subscriber with a `client_id` continues where it stopped, and begins here only if its name is new. By
    /// default a new name begins with the first message, and a subscriber without a name with the newest. By name,
    /// the value is a number, a timestamp (or its text in RFC 3339), "first" or "newest".
    pub from: Option<StartAt>,
    /// Bytes of a journal's segment: 32 MiB, less if `retain_bytes` is small.
    ///
    /// A journal deletes only whole segments.
    pub segment_bytes: Option<u64>,
    /// Bytes of a journal. While it has more, it deletes the oldest segments. None keeps all.
    pub retain_bytes: Option<u64>,
    /// How long a journal keeps messages: it deletes a segment whose newest message is older. None keeps all.
    pub retain_seconds: Option<Duration>,
    /// Whether a journal deletes segments that every subscriber with a `client_id` has consumed.
    pub retain_consumed: bool,
    /// Whether a `file:` is written in place under its own lock, for programs that use fcntl locks.
    pub locked: bool,
    /// Whether several processes may serve a name, each with this option: they share its requests.
    pub shared: bool,
    /// Whether a publisher takes over the name of another publisher of this process.
    ///
    /// Its subscribers stay connected, or come back before anything is published. The other publisher is closed.
    pub replace: bool,
    /// Whether long byte strings of received messages stay in the sender's memory.
    ///
    /// See [`Options::with_view_bytes`].
    pub view_bytes: bool,
    /// See [`Options::with_schema`]. By name, it is the path of a file, or the schema's text.
    pub(crate) schema: Option<Arc<PreparedSchema>>,
    /// See [`Options::with_reply_schema`].
    pub(crate) reply_schema: Option<Arc<PreparedSchema>>,
    /// Which values are checked against the schema; none by default.
    pub validate: Option<Validate>,
    /// The machine of the name, if the name stands for one there: see [`Options::with_machine`].
    pub(crate) machine: Option<Arc<str>>,
    /// Called about every 100 ms while a call waits.
    pub on_wait: Option<OnWait>,
    /// The most connections that wait to be accepted: 128. Layers above may set more.
    pub(crate) queue: usize,
    pub(crate) pattern: Pattern,
    /// See [`Options::with_lockstep`].
    pub(crate) lockstep: bool,
    /// Whether a connecting channel ends with its first link, because the layer above makes the next one.
    pub(crate) once: bool,
    /// See [`Options::view_bodies`].
    pub(crate) views_bodies: bool,
    /// See [`Options::bind_briefly`].
    pub(crate) binds_briefly: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            encoding: Encoding::Cbor,
            encoding_given: false,
            timeout: Timeout::After(Duration::from_secs(30)),
            client_id: None,
            buffer: None,
            max_message_size: Limits::default().message,
            delivery: None,
            mode: None,
            allow_uids: Vec::new(),
            allow_gids: Vec::new(),
            spin: Duration::from_micros(20),
            linger: Duration::ZERO,
            on_unconsumed: None,
            ack: Acknowledge::Auto,
            idempotent: false,
            replay_count: 1 << 16,
            replay_bytes: 64 << 20,
            absent_clients: 256,
            framing: Framing::Linkspan,
            durable: false,
            group: None,
            from: None,
            segment_bytes: None,
            retain_bytes: None,
            retain_seconds: None,
            retain_consumed: false,
            locked: false,
            shared: false,
            replace: false,
            schema: None,
            reply_schema: None,
            validate: None,
            machine: None,
            on_wait: None,
            queue: 128,
            pattern: Pattern::Channel,
            lockstep: false,
            once: false,
            views_bodies: false,
            binds_briefly: false,
            view_bytes: false,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("encoding", &self.encoding)
            .field("timeout", &self.timeout)
            .field("client_id", &self.client_id)
            .field("buffer", &self.buffer)
            .field("max_message_size", &self.max_message_size)
            .field("delivery", &self.delivery)
            .field("mode", &self.mode)
            .field("allow_uids", &self.allow_uids)
            .field("allow_gids", &self.allow_gids)
            .field("spin", &self.spin)
            .field("linger", &self.linger)
            .field("ack", &self.ack)
            .field("idempotent", &self.idempotent)
            .field("replay", &(self.replay_count, self.replay_bytes))
            .field("absent_clients", &self.absent_clients)
            .field("framing", &self.framing)
            .field("durable", &self.durable)
            .field("group", &self.group)
            .field("from", &self.from)
            .field("segment_bytes", &self.segment_bytes)
            .field("retain", &(self.retain_bytes, self.retain_seconds, self.retain_consumed))
            .field("locked", &self.locked)
            .field("shared", &self.shared)
            .field("view_bytes", &self.view_bytes)
            .field("schema", &self.schema)
            .field("reply_schema", &self.reply_schema)
            .field("validate", &self.validate)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Leaves the long bodies of received messages in the sender's slots from now on.
    ///
    /// For a binding that makes an [`Uncopied`](crate::Uncopied) of each message at once; no other call may look at
    /// the message. With `view_bytes`, the program views bytes as usual, and an `Uncopied` has nothing to copy.
    #[doc(hidden)]
    pub fn view_bodies(&mut self) {
        self.views_bodies = true;
    }

    /// Limits the wait for a name that another program is releasing to 20 ms.
    ///
    /// The default is half a second, which a busy machine may need. For event loops, which must not be held up.
    #[doc(hidden)]
    pub fn bind_briefly(&mut self) {
        self.binds_briefly = true;
    }

    pub(crate) fn body_views(&self) -> BodyViews {
        match (self.view_bytes, self.views_bodies) {
            (true, _) => BodyViews::Bytes,
            (false, true) => BodyViews::Whole,
            (false, false) => BodyViews::None,
        }
    }

    /// Refuses `ack()` for an object that acknowledges by itself, because its program believes otherwise.
    pub(crate) fn check_manual(&self) -> Result<()> {
        match self.ack {
            Acknowledge::Manual => Ok(()),
            Acknowledge::Auto => {
                let text = "ack() is for an object that was opened with ack=\"manual\"; with ack=\"auto\" a message counts as consumed at \
                            the next call that receives, or at the reply to it";
                Err(Error::new(ErrorKind::InvalidState, text))
            }
        }
    }

    pub(crate) fn start<'a>(&self, wait: impl Into<Wait<'a>>) -> Waiting<'a> {
        drive::begin(wait.into(), self.timeout).on_wait(&self.on_wait)
    }

    /// Returns the limits for decoding one message.
    pub fn limits(&self) -> Limits {
        Limits::for_message(self.max_message_size)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Channel,
    Request,
    Publish,
    Subscribe,
}
