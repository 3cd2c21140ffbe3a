//! Admits callers to a channel, listener or server, and finds their sessions.
//!
//! The process's acceptor thread (`transport::acceptor`) calls `check_user` before it reads a byte, `check_hello`
//! before it takes the peer's descriptors, then `answer`. No step waits or runs the program's code, because that
//! thread serves every listener of the process.
//!
//! `answer` refuses with `Full` or `AddressInUse` without room. It finds the session of the single peer, or of the
//! client's last connection in the [`SessionRegistry`]. The closure `admitted` queues the link after the answer was
//! sent, because nothing may precede the answer on the socket.
//!
//! A hello with `ask` is a query from a listing, or from a process that wants to share the name. Its answer has
//! counters and admits no peer.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::accept_queue::AcceptQueue;
use super::event_log::EventLog;
use super::handshake::{self, Hello};
use super::link::{ConnectionGuard, Link, OnDisconnect, Peer, owner_of, qualify};
use super::options::{Framing, Options};
use super::pattern::Pattern;
use super::peers::{self, PeerFacts};
use super::plain;
use super::schema_negotiation;
use super::session_registry::SessionRegistry;
use super::session_state::{Negotiated, SessionState};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::session::Identity;
use crate::sys::fork::Guarded;
use crate::sys::peer::Credentials;
use crate::transport::acceptor::{HandshakeAnswer, HandshakeHandler, IncomingHandshake, RawConnection};
use crate::transport::endpoint::Endpoint;
use crate::value::{Map, Value};

/// Empty until the object that owns the name exists.
#[derive(Default)]
pub struct OwnerLogs {
    pub counters: OnceLock<Arc<EventLog>>,
    /// For lost messages of disconnected clients, and for schema mismatches.
    pub losses: OnceLock<Arc<EventLog>>,
}

pub struct ListenerHandler {
    endpoint: Endpoint,
    pattern: Pattern,
    options: Options,
    queue: Arc<AcceptQueue>,
    logs: Arc<OwnerLogs>,
    single_peer: Option<SinglePeer>,
    session_registry: Arc<SessionRegistry>,
    /// Continues across connections of a single peer without a hello.
    numbers: Arc<AtomicU64>,
    /// The listening socket, if other processes may share it (option `shared`).
    shared_socket: Option<Arc<Guarded>>,
}

/// The peer of a channel made by `open`, which admits one at a time.
struct SinglePeer {
    /// Upgrades while the peer is connected.
    guard: Mutex<Weak<ConnectionGuard>>,
    session_state: Arc<SessionState>,
}

impl ListenerHandler {
    pub fn new(
        endpoint: Endpoint,
        pattern: Pattern,
        options: &Options,
        queue: Arc<AcceptQueue>,
        logs: Arc<OwnerLogs>,
        shared_socket: Option<Arc<Guarded>>,
        single_peer: Option<&Arc<SessionState>>,
    ) -> ListenerHandler {
        let single_peer = single_peer.cloned();
        ListenerHandler {
            endpoint,
            pattern,
            options: options.clone(),
            queue,
            logs,
            single_peer: single_peer
                .map(|session_state| SinglePeer { guard: Mutex::default(), session_state }),
            session_registry: SessionRegistry::new(options),
            numbers: Arc::default(),
            shared_socket,
        }
    }

    fn state(&self) -> Map {
        let mut state = described(&self.options);
        state.insert("waiting".into(), (self.queue.len() as u64).into());
        if let Some(event_log) = self.logs.counters.get() {
            let messages = event_log.received.load(Ordering::Relaxed).saturating_add(event_log.sent_by_all());
            state.insert("messages".into(), messages.into());
            let peers = match &self.single_peer {
                Some(_) => u64::from(self.check_unoccupied(None).is_err()),
                None => event_log.present.load(Ordering::Relaxed),
            };
            state.insert("peers".into(), Value::from(peers));
        }
        if let Some(losses) = self.logs.losses.get() {
            state.insert("forgotten".into(), losses.forgotten.load(Ordering::Relaxed).into());
            losses.add_mismatch(&mut state);
        }
        state
    }

    /// Reports to the program that a peer found a schema mismatch, which its query contains.
    fn report_mismatch(&self, peer_hello: &Hello, handshake: &IncomingHandshake) {
        let owner = owner_of(&handshake.stream, handshake.credentials.as_ref());
        let source = qualify(&owner, peer_hello.source());
        let Some(mismatch) = schema_negotiation::reported_mismatch(peer_hello, &source) else {
            return;
        };
        // A channel would wait for its single peer until the deadline, so its call fails with the reason.
        if self.single_peer.is_some() && self.check_unoccupied(None).is_ok() {
            self.queue.refuse(schema_negotiation::refused(&mismatch));
        }
        if let Some(losses) = self.logs.losses.get() {
            losses.mismatched(mismatch);
        }
    }

    fn socket_for(&self, credentials: Option<&Credentials>) -> Result<OwnedFd> {
        let is_same_user = credentials.is_some_and(|peer| peer.uid == rustix::process::geteuid().as_raw());
        match &self.shared_socket {
            Some(socket) if is_same_user => {
                socket.as_fd().try_clone_to_owned().doing("duplicating a listening socket")
            }
            Some(_) => {
                let text = "another user serves the name; each user serves its own names";
                Err(Error::new(ErrorKind::PermissionDenied, text))
            }
            None => {
                let text = "one process serves the name alone; give each that serves it the option shared";
                Err(Error::new(ErrorKind::AddressInUse, text))
            }
        }
    }

    /// Fails without room for a newcomer: `AddressInUse` for a second peer, `Full` for a full queue.
    fn check_room(&self, newcomer: Option<(&Identity, u64)>) -> Result<()> {
        self.check_unoccupied(newcomer)?;
        let capacity = self.options.queue;
        if self.queue.len() >= capacity {
            let text = format!("{capacity} connections wait to be accepted; try again later");
            return Err(Error::new(ErrorKind::Full, text));
        }
        Ok(())
    }

    /// Fails with `AddressInUse` if the single peer is connected.
    ///
    /// A newcomer with its identity and session is that peer, which noticed a broken connection first. This shuts the
    /// old connection down.
    fn check_unoccupied(&self, newcomer: Option<(&Identity, u64)>) -> Result<()> {
        let Some(single_peer) = &self.single_peer else { return Ok(()) };
        let guard = single_peer.guard.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let Some(guard) = guard.filter(|guard| !guard.is_abandoned()) else { return Ok(()) };
        if newcomer.is_some() && single_peer.session_state.halves().outbox.peer() == newcomer {
            guard.disconnect();
            return Ok(());
        }
        Err(Error::new(ErrorKind::AddressInUse, "this channel has its peer; it takes one"))
    }

    fn answer_query(&self, peer_hello: &Hello, handshake: &IncomingHandshake) -> Result<HandshakeAnswer> {
        let mut hello =
            Hello::new(self.pattern, self.options.client_id.clone(), self.options.max_message_size)?;
        hello.shared = self.shared_socket.is_some();
        self.report_mismatch(peer_hello, handshake);
        let mut state = self.state();
        if let Some(after) = peer_hello.peers_after {
            peers::add_page(&mut state, after, self.session_registry.clients());
        }
        schema_negotiation::negotiate(&self.options, self.endpoint.transport(), peer_hello, &mut hello);
        let mut answer = answer_with_state(hello, state)?;
        if peer_hello.shared {
            answer.descriptors.push(self.socket_for(handshake.credentials.as_ref())?);
        }
        Ok(answer)
    }

    /// Returns the function that runs at the end of this client's link.
    ///
    /// It moves the session to the disconnected clients, and reports lost messages.
    fn on_disconnect(&self, identity: &Identity) -> OnDisconnect {
        let registry = Arc::downgrade(&self.session_registry);
        let (identity, logs) = (identity.clone(), self.logs.clone());
        Box::new(move |guard| {
            let Some(registry) = registry.upgrade() else { return };
            for (client, lost) in registry.disconnected(&identity, guard) {
                match logs.losses.get() {
                    Some(event_log) if client.is_lasting() => event_log.removed_client(&client.shown(), lost),
                    // A client without a name cannot reconnect to receive them, so they are only counted.
                    Some(event_log) => drop(event_log.dropped.fetch_add(lost, Ordering::Relaxed)),
                    None => {}
                }
            }
        })
    }
}

impl HandshakeHandler for ListenerHandler {
    fn ended(&self, error: &Error) {
        self.queue.fail(error);
    }

    fn check_user(&self, credentials: Option<&Credentials>) -> Result<()> {
        check_allowed(&self.options, credentials)
    }

    fn check_hello(&self, hello: &Incoming) -> Result<()> {
        Hello::from_frame(hello).map(drop)
    }

    fn answer(&self, handshake: IncomingHandshake) -> Result<HandshakeAnswer> {
        let peer_hello = Hello::from_frame(&handshake.hello)?;
        if peer_hello.ask {
            return self.answer_query(&peer_hello, &handshake);
        }
        self.pattern.admits(peer_hello.pattern)?;
        let mut hello =
            Hello::new(self.pattern, self.options.client_id.clone(), self.options.max_message_size)?;
        let transport = self.endpoint.transport();
        if !schema_negotiation::negotiate(&self.options, transport, &peer_hello, &mut hello) {
            return schema_negotiation::answer(&hello);
        }
        let schemas = (hello.schemas, hello.reply_schemas);
        let owner = owner_of(&handshake.stream, handshake.credentials.as_ref());
        let name = peer_hello.stable_name();
        let identity = match &self.single_peer {
            Some(_) => Identity::of_other_end(owner.clone(), name.as_deref()),
            None => Identity::of_dialler(owner.clone(), name.as_deref(), peer_hello.session),
        };
        self.check_room(Some((&identity, peer_hello.session)))?;
        let session_state = match &self.single_peer {
            Some(single_peer) => single_peer.session_state.clone(),
            None => self.session_registry.recall(&identity, peer_hello.session)?,
        };
        let id = self.options.client_id.clone();
        let mut hello =
            Hello::of_session(self.pattern, id, self.options.max_message_size, session_state.hello())?;
        hello.shared = self.shared_socket.is_some();
        hello.deadlines = self.pattern == Pattern::Request && self.options.machine.is_some();
        hello.lockstep = self.options.lockstep;
        hello.slots = transport.capabilities().slots;
        (hello.schemas, hello.reply_schemas) = schemas;
        let offer = transport.connections()?.offer(hello.session, self.options.buffer)?;
        let descriptors = offer.descriptors()?;
        let stream = handshake.stream.clone();
        let guard = Arc::new(match &self.single_peer {
            Some(_) => ConnectionGuard::new(stream),
            None => ConnectionGuard::with_on_disconnect(stream, self.on_disconnect(&identity)),
        });
        let facts = PeerFacts::new(Some(&peer_hello), &handshake.stream, handshake.credentials.as_ref());
        let peer = Peer::new(&peer_hello, &self.options, owner);
        let (tx, rx) = offer.join(
            handshake.stream,
            handshake.process,
            peer_hello.session,
            handshake.descriptors,
            self.options.max_message_size,
            hello.slots_with(&peer_hello),
            self.options.spin,
        )?;
        match &self.single_peer {
            Some(single_peer) => {
                *single_peer.guard.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&guard);
            }
            None => self.session_registry.connected(&identity, &session_state, &guard, facts),
        }
        let negotiated = Some(Negotiated {
            hello: peer_hello.hello(),
            identity,
            session_state,
            ack_words: tx.ack_words(),
            slots: tx.slots(),
        });
        let queue = self.queue.clone();
        let link = Link { tx, rx, peer, guard: Some(guard), negotiated };
        let admitted = Box::new(move || queue.push(link));
        Ok(HandshakeAnswer { frame: hello.to_frame()?, descriptors, admitted })
    }

    fn expects_hello(&self) -> bool {
        self.options.framing == Framing::Linkspan
    }

    /// Delays accepting at a shared socket. An idle process thus accepts a new client before a busy one.
    fn accept_delay(&self) -> Option<Duration> {
        const PER_CLIENT: Duration = Duration::from_micros(250);
        const MAX_CLIENTS: u64 = 8;
        const BUSY: Duration = Duration::from_millis(3);
        self.shared_socket.as_ref()?;
        let (present, busy) = match self.logs.counters.get() {
            Some(event_log) => {
                (event_log.present.load(Ordering::Relaxed), event_log.busy.load(Ordering::Relaxed))
            }
            None => (0, false),
        };
        let clients = present.saturating_add(self.queue.len() as u64).min(MAX_CLIENTS) as u32;
        Some(PER_CLIENT * clients + if busy { BUSY } else { Duration::ZERO })
    }

    fn admit_without_hello(&self, RawConnection { stream, .. }: RawConnection) -> Result<()> {
        self.check_room(None)?;
        let numbers = if self.single_peer.is_some() { self.numbers.clone() } else { Arc::default() };
        let link = plain::link(stream, self.pattern, &self.options, &numbers, false)?;
        if let (Some(single_peer), Some(guard)) = (&self.single_peer, &link.guard) {
            *single_peer.guard.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(guard);
        }
        self.queue.push(link);
        Ok(())
    }

    fn refusal(&self, error: &Error) -> Vec<u8> {
        handshake::refusal(error)
    }
}

/// Checks a peer against `allow_uids` and `allow_gids`: its user, group and supplementary groups.
///
/// # Errors
/// `PermissionDenied` if these options list others.
pub fn check_allowed(options: &Options, credentials: Option<&Credentials>) -> Result<()> {
    // A transport without the peer's user has refused these options at binding.
    let Some(peer) = credentials else { return Ok(()) };
    let by_user = options.allow_uids.contains(&peer.uid);
    let by_group = options.allow_gids.iter().any(|g| *g == peer.gid || peer.groups.contains(g));
    let listed = !options.allow_uids.is_empty() || !options.allow_gids.is_empty();
    if !listed || by_user || by_group {
        return Ok(());
    }
    let text = format!(
        "uid {} with gid {} is not on the listener's list (allow_uids {:?}, allow_gids {:?}); have it added there",
        peer.uid, peer.gid, options.allow_uids, options.allow_gids
    );
    Err(Error::new(ErrorKind::PermissionDenied, text))
}

pub fn described(options: &Options) -> Map {
    let mut state = Map::new();
    state.insert("encoding".into(), options.encoding().name().into());
    schema_negotiation::add_titles(options, &mut state);
    if let Some(machine) = &options.machine {
        state.insert("machine".into(), (**machine).into());
    }
    state
}

/// Returns the answer to a query: a hello with these counters, which admits no peer.
pub fn answer_with_state(mut hello: Hello, state: Map) -> Result<HandshakeAnswer> {
    hello.state = Some(state);
    schema_negotiation::answer(&hello)
}
