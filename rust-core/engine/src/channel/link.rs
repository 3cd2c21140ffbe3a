//! A connected link, and the properties of the peer at its other end.
//!
//! Every way of connecting ends in a [`Link`]: the acceptor makes one from an accepted hello, the reconnector
//! from an answered one, `plain` from a connection without a hello. A channel or a server takes it apart: its
//! sending direction has [`Link::tx`], its receiving direction [`Link::rx`].
//!
//! What a peer claims (name, session) is kept apart from what the kernel or a TLS key proves
//! ([`Owner`]): the source of a message carries the proven part behind an `@`, so that no program can send
//! under the name of another user's program.
//!
//! A [`ConnectionGuard`] lives as long as the link. Dropping it runs the function that the acceptor gave it,
//! which moves the peer's session to those of disconnected clients; the guard itself has no reference to a
//! registry, so registry and guard do not depend on each other.

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
    /// Source of its messages: its `client_id` or its program and process, with `@key` of another machine or `@user` of
    /// another user.
    pub source: Arc<str>,
    /// The pattern of its hello.
    pub pattern: Pattern,
    /// Bytes of the longest message that both sides take.
    pub max_message_size: u64,
    /// The session number in its hello, unique to its incarnation; 0 without a hello.
    pub session: u64,
    /// The owner, as the kernel or the key proves it.
    pub owner: Owner,
    /// The machine that the peer runs on, if a bridge relays the link: the link may then break while both
    /// programs live.
    pub machine: Option<Arc<str>>,
    /// Whether requests carry the time until which their callers wait.
    pub deadlines: bool,
    /// Whether it sends each message once the one before is consumed.
    pub lockstep: bool,
    /// The schemas of messages and requests, its own and that of this side.
    pub schemas: SchemaIds,
    /// The schemas of replies.
    pub reply_schemas: SchemaIds,
}

impl Peer {
    /// Returns the peer that sent this hello over a connection of this owner.
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

    /// Returns a peer without a hello, such as that of a connectionless link, which leads to any number of programs.
    /// Its source is empty, because each frame names its sender.
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
    /// Returns the origin of a message of this kind with a number of this session.
    fn origin(&self, kind: Kind, session: u64) -> ReceivedFrom<'_> {
        let schemas = if kind == Kind::Reply { self.reply_schemas } else { self.schemas };
        ReceivedFrom { source: &self.source, session, schemas }
    }
}

/// Returns the owner of a connection: the name of the TLS key if there is one, otherwise the user that
/// the kernel reports.
pub fn owner_of(stream: &Stream, credentials: Option<&Credentials>) -> Owner {
    match (stream.key_name(), credentials) {
        (Some(key), _) => Owner::Key(key.into()),
        (None, Some(credentials)) => Owner::User(credentials.uid),
        (None, None) => Owner::Anyone,
    }
}

/// Returns the source of a peer's messages: the name that the peer gave itself, with `@key` for another
/// machine and `@user` for another user of this machine.
pub fn qualify(owner: &Owner, name: String) -> String {
    match owner {
        Owner::Key(key) => format!("{name}@{key}"),
        Owner::User(uid) if *uid != rustix::process::geteuid().as_raw() => {
            format!("{name}@{}", user::name_of_user(*uid).unwrap_or_else(|| uid.to_string()))
        }
        Owner::User(_) | Owner::Anyone => name,
    }
}

/// A connected pair of sending and receiving halves, and the peer at the other end.
pub struct Link {
    pub tx: Tx,
    pub rx: Rx,
    pub peer: Peer,
    /// None on a connectionless link.
    pub guard: Option<Arc<ConnectionGuard>>,
    /// The result of the two hellos for the session; none without a hello.
    pub negotiated: Option<Negotiated>,
}

impl Link {
    /// Returns its halves. The sending one has this queue.
    pub fn split(self, queue: Option<Queue>) -> (TxPart, RxPart) {
        let Link { tx, rx, peer, guard, negotiated } = self;
        let tx = TxPart { tx, peer: peer.clone(), negotiated: negotiated.clone(), queue };
        let read_ahead = ReadAhead::default();
        let last_sender = LastSender::default();
        let (parked, bye_received) = (false, false);
        (tx, RxPart { rx, peer, negotiated, guard, read_ahead, last_sender, parked, bye_received })
    }
}

/// The receiving half of a link. It holds the guard of the connection: the link ends for the
/// acceptor when this half is dropped.
pub struct RxPart {
    pub rx: Rx,
    pub peer: Peer,
    pub negotiated: Option<Negotiated>,
    /// None on a link that all clients of a server share.
    pub guard: Option<Arc<ConnectionGuard>>,
    /// What was read before its turn.
    pub read_ahead: ReadAhead,
    /// The sender that the last frame named, on a link without a hello.
    last_sender: LastSender,
    /// Whether the link is to wake this side.
    pub parked: bool,
    /// Whether the peer closes and waits for the acknowledgement.
    pub bye_received: bool,
}

impl RxPart {
    /// Announces a sleep. Returns whether a frame has come meanwhile; then this side does not sleep.
    ///
    /// # Errors
    /// Those of the transport.
    pub fn park(&mut self) -> Result<bool> {
        let has_come = self.rx.park();
        self.parked = matches!(has_come, Ok(false));
        has_come
    }

    /// Takes back the request to be woken.
    pub fn unpark(&mut self) {
        if self.parked {
            self.rx.unpark();
        }
        self.parked = false;
    }

    /// Returns the occasion on which a program that receives again has consumed what was delivered.
    pub fn trigger(&self) -> AckTrigger {
        if self.bye_received { AckTrigger::Requested } else { AckTrigger::Receive }
    }

    /// From now on this much of a body that is in a slot of the peer's is left there: of data and, but for the whole,
    /// requests; and of replies.
    pub fn view_bodies(&mut self, data: BodyViews, replies: BodyViews) {
        self.rx.view_bodies(data, replies);
    }

    /// Returns who has sent this frame. The sender that it names itself counts only on a link without a hello.
    pub fn source_of(&mut self, frame: &Incoming) -> Arc<str> {
        if !self.peer.source.is_empty() {
            return self.peer.source.clone();
        }
        let sender = self.last_sender.read(&frame.extension).ok().flatten();
        sender.map_or_else(|| "".into(), |sender| sender.source.clone())
    }
}

/// The sending half of a link.
pub struct TxPart {
    pub tx: Tx,
    pub peer: Peer,
    pub negotiated: Option<Negotiated>,
    /// What waits for room, where the sender does not.
    pub queue: Option<Queue>,
}

impl TxPart {
    /// Returns whether messages wait for room.
    pub fn has_queue(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !queue.is_empty())
    }

    /// Returns whether anything waits for room: messages, or the rest of a frame that was begun.
    pub fn is_waiting(&self) -> bool {
        self.has_queue() || self.tx.has_rest()
    }

    /// Returns the bytes of what waits for room.
    pub fn waiting_bytes(&self) -> u64 {
        self.queue.as_ref().map_or(0, |queue| queue.bytes).saturating_add(self.tx.rest_bytes() as u64)
    }

    /// Returns since when the first of it waits.
    pub fn waits_since(&self) -> Option<Instant> {
        self.queue.as_ref()?.waits_since(&self.tx)
    }

    /// Sends what waits for room. Returns whether nothing is left.
    pub fn flush(&mut self) -> Result<bool> {
        match &mut self.queue {
            Some(queue) => queue.flush(&mut self.tx),
            None => self.tx.flush(),
        }
    }

    /// Returns the peer's session; 0 without one.
    pub fn session(&self) -> u64 {
        self.negotiated.as_ref().map_or(0, |negotiated| negotiated.hello.session)
    }
}

impl Drop for TxPart {
    fn drop(&mut self) {
        // The answer of which the peer has a part gets lost with those that wait.
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

/// The function that a guard runs when it is dropped. Its argument is the guard's address, by which a
/// registry distinguishes the last connection of a peer from one that has replaced it.
pub type OnDisconnect = Box<dyn Fn(*const ConnectionGuard) + Send + Sync>;

/// Exists while a link is in use: dropping it ends the link for the acceptor that admitted it.
pub struct ConnectionGuard {
    stream: Stream,
    on_disconnect: Option<OnDisconnect>,
}

impl ConnectionGuard {
    /// Returns a guard for a connection that no registry lists.
    pub fn new(stream: Stream) -> ConnectionGuard {
        ConnectionGuard { stream, on_disconnect: None }
    }

    /// Returns a guard that calls `on_disconnect` once, on the thread that drops the last reference.
    pub fn with_on_disconnect(stream: Stream, on_disconnect: OnDisconnect) -> ConnectionGuard {
        ConnectionGuard { stream, on_disconnect: Some(on_disconnect) }
    }

    /// Shuts the connection down in both directions; the peer sees its end.
    pub fn disconnect(&self) {
        self.stream.disconnect();
    }

    /// Returns whether the kernel already reports the end of the connection, even if no read has returned it yet.
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
