//! A connected link, and the properties of its peer.
//!
//! Every way to connect ends in a [`Link`]. The sending direction takes [`Link::tx`], the receiving direction
//! [`Link::rx`].
//!
//! A peer's claims (name, session) are separate from the proof of the kernel or a TLS key ([`Owner`]). The source of
//! a message carries the proven part after an `@`, so no program can send under the name of another user's program.
//!
//! A [`ConnectionGuard`] lives as long as the link. Its drop runs a function of the acceptor, which moves the session
//! to the disconnected clients. The guard has no reference to the registry, so the two do not depend on each other.

mod accept;
mod queue;
mod read_ahead;
mod take;

use std::sync::Arc;
use std::time::Instant;

use super::handshake::Hello;
use super::options::Options;
use super::pattern::Pattern;
use super::session_state::Negotiated;
use crate::error::Result;
use crate::frame::{Incoming, Kind};
use crate::message::{ReceivedFrom, SchemaIds};
use crate::session::Owner;
use crate::session::inbox::AckTrigger;
use crate::sys::peer::Credentials;
use crate::sys::user;
use crate::transport::extension::LastSender;
use crate::transport::stream::Stream;
use crate::transport::{BodyViews, Rx, Tx};

pub use self::accept::Checks;
pub use self::queue::Queue;
use self::read_ahead::ReadAhead;
pub use self::take::{Taken, Want, is_answer_to};

/// The program at the other end of a link.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Source of its messages: `client_id`, or program and process; with `@key` or `@user` if those differ.
    ///
    /// `@key` names another machine, `@user` another user of this machine.
    pub source: Arc<str>,
    /// The pattern of its hello.
    pub pattern: Pattern,
    /// Bytes of the longest message that both sides take.
    pub max_message_size: u64,
    /// The session number of its hello, unique to its incarnation; 0 without a hello.
    pub session: u64,
    /// The owner, as the kernel or the key proves it.
    pub owner: Owner,
    /// The peer's machine, if a bridge relays the link, which may then break while both programs live.
    pub machine: Option<Arc<str>>,
    /// Whether requests carry the time until which their callers wait.
    pub deadlines: bool,
    /// Whether it sends each message after the previous one is consumed.
    pub lockstep: bool,
    /// The schemas of messages and requests: the peer's and this side's.
    pub schemas: SchemaIds,
    /// The schemas of replies.
    pub reply_schemas: SchemaIds,
}

impl Peer {
    pub(crate) fn new(hello: &Hello, options: &Options, owner: Owner) -> Peer {
        Peer {
            source: qualify(&owner, hello.source()).into(),
            pattern: hello.pattern,
            max_message_size: hello.max_message_size.min(options.max_message_size),
            session: hello.session,
            owner,
            machine: hello.machine.as_deref().map(Arc::from),
            deadlines: hello.deadlines,
            lockstep: hello.lockstep,
            schemas: SchemaIds::agreed(hello.schemas.first(), options.schema.as_ref()),
            reply_schemas: SchemaIds::agreed(hello.reply_schemas.first(), options.reply_schema.as_ref()),
        }
    }

    /// Returns a peer without a hello. Its source is empty, because each frame names its sender.
    pub(crate) fn unknown(pattern: Pattern, options: &Options) -> Peer {
        Peer {
            source: "".into(),
            pattern,
            max_message_size: options.max_message_size,
            session: 0,
            owner: Owner::Anyone,
            machine: None,
            deadlines: false,
            lockstep: false,
            schemas: SchemaIds::default(),
            reply_schemas: SchemaIds::default(),
        }
    }
}

impl Peer {
    fn origin(&self, kind: Kind, session: u64) -> ReceivedFrom<'_> {
        let schemas = if kind == Kind::Reply { self.reply_schemas } else { self.schemas };
        ReceivedFrom { source: &self.source, session, schemas }
    }
}

/// Returns the name of the TLS key, or the user that the kernel reports.
pub fn owner_of(stream: &Stream, credentials: Option<&Credentials>) -> Owner {
    match (stream.key_name(), credentials) {
        (Some(key), _) => Owner::Key(key.into()),
        (None, Some(credentials)) => Owner::User(credentials.uid),
        (None, None) => Owner::Anyone,
    }
}

/// Returns the peer's own name with `@key` or `@user`, see [`Peer::source`].
pub fn qualify(owner: &Owner, name: String) -> String {
    match owner {
        Owner::Key(key) => format!("{name}@{key}"),
        Owner::User(uid) if *uid != rustix::process::geteuid().as_raw() => {
            format!("{name}@{}", user::name_of_user(*uid).unwrap_or_else(|| uid.to_string()))
        }
        Owner::User(_) | Owner::Anyone => name,
    }
}

pub struct Link {
    pub tx: Tx,
    pub rx: Rx,
    pub peer: Peer,
    /// None on a connectionless link.
    pub guard: Option<Arc<ConnectionGuard>>,
    pub negotiated: Option<Negotiated>,
}

impl Link {
    pub fn split(self, queue: Option<Queue>) -> (TxPart, RxPart) {
        let Link { tx, rx, peer, guard, negotiated } = self;
        let tx = TxPart { tx, peer: peer.clone(), negotiated: negotiated.clone(), queue };
        let read_ahead = ReadAhead::default();
        let last_sender = LastSender::default();
        let (parked, bye_received) = (false, false);
        (tx, RxPart { rx, peer, negotiated, guard, read_ahead, last_sender, parked, bye_received })
    }
}

/// The link ends for the acceptor when this half drops its guard.
pub struct RxPart {
    pub rx: Rx,
    pub peer: Peer,
    pub negotiated: Option<Negotiated>,
    /// None on a link that all clients of a server share.
    pub guard: Option<Arc<ConnectionGuard>>,
    /// Frames that were read before their turn.
    pub read_ahead: ReadAhead,
    last_sender: LastSender,
    /// Whether the link must wake this side.
    pub parked: bool,
    /// Whether the peer closes and waits for the acknowledgement.
    pub bye_received: bool,
}

impl RxPart {
    /// Announces a sleep. Returns whether a frame has come; then this side does not sleep.
    pub fn park(&mut self) -> Result<bool> {
        let has_come = self.rx.park();
        self.parked = matches!(has_come, Ok(false));
        has_come
    }

    pub fn unpark(&mut self) {
        if self.parked {
            self.rx.unpark();
        }
        self.parked = false;
    }

    pub fn trigger(&self) -> AckTrigger {
        if self.bye_received { AckTrigger::Requested } else { AckTrigger::Receive }
    }

    /// Sets which bodies stay in the peer's slots. Requests follow `data`, but are never whole.
    pub fn view_bodies(&mut self, data: BodyViews, replies: BodyViews) {
        self.rx.view_bodies(data, replies);
    }

    /// Returns the sender of this frame. A sender in the frame counts only on a link without a hello.
    pub fn source_of(&mut self, frame: &Incoming) -> Arc<str> {
        if !self.peer.source.is_empty() {
            return self.peer.source.clone();
        }
        let sender = self.last_sender.read(&frame.extension).ok().flatten();
        sender.map_or_else(|| "".into(), |sender| sender.source.clone())
    }
}

pub struct TxPart {
    pub tx: Tx,
    pub peer: Peer,
    pub negotiated: Option<Negotiated>,
    /// Messages that wait for room, for a sender that does not wait.
    pub queue: Option<Queue>,
}

impl TxPart {
    pub fn has_queue(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !queue.is_empty())
    }

    pub fn is_waiting(&self) -> bool {
        self.has_queue() || self.tx.has_rest()
    }

    pub fn waiting_bytes(&self) -> u64 {
        self.queue.as_ref().map_or(0, |queue| queue.bytes).saturating_add(self.tx.rest_bytes() as u64)
    }

    pub fn waits_since(&self) -> Option<Instant> {
        self.queue.as_ref()?.waits_since(&self.tx)
    }

    pub fn flush(&mut self) -> Result<bool> {
        match &mut self.queue {
            Some(queue) => queue.flush(&mut self.tx),
            None => self.tx.flush(),
        }
    }

    pub fn session(&self) -> u64 {
        self.negotiated.as_ref().map_or(0, |negotiated| negotiated.hello.session)
    }
}

impl Drop for TxPart {
    fn drop(&mut self) {
        // A partly sent answer is lost together with the waiting messages.
        if let (Some(queue), Some(kind)) = (&self.queue, self.tx.kind_of_rest())
            && kind != Kind::Ack
        {
            queue.count_dropped(1);
        }
        if let Some(negotiated) = &self.negotiated {
            negotiated.session_state.sending_ended(negotiated);
        }
    }
}

impl Drop for RxPart {
    fn drop(&mut self) {
        if let Some(negotiated) = &self.negotiated {
            negotiated.session_state.receiving_ended(negotiated);
        }
    }
}

/// A function that takes the address of the dropped guard.
///
/// A registry compares it to tell a peer's last connection from its replacement.
pub type OnDisconnect = Box<dyn Fn(*const ConnectionGuard) + Send + Sync>;

/// A guard, whose drop ends the link for the acceptor that admitted it.
pub struct ConnectionGuard {
    stream: Stream,
    on_disconnect: Option<OnDisconnect>,
}

impl ConnectionGuard {
    pub fn new(stream: Stream) -> ConnectionGuard {
        ConnectionGuard { stream, on_disconnect: None }
    }

    /// Calls `on_disconnect` once, on the thread that drops the last reference.
    pub fn with_on_disconnect(stream: Stream, on_disconnect: OnDisconnect) -> ConnectionGuard {
        ConnectionGuard { stream, on_disconnect: Some(on_disconnect) }
    }

    pub fn disconnect(&self) {
        self.stream.disconnect();
    }

    /// Returns whether the kernel reports the end of the connection, even before a read has returned it.
    pub fn is_abandoned(&self) -> bool {
        self.stream.is_peer_gone()
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        if let Some(on_disconnect) = self.on_disconnect.take() {
            on_disconnect(self);
        }
    }
}
