//! Who is let in to a channel or a server, and the queue of those who were.

use std::any::Any;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rustix::event::PollFlags;

use super::agreement;
use super::greeting::{self, Greeting, Pattern};
use super::options::{Delivery, Framing, Options, Use};
use super::plain;
use super::record::Record;
use super::session::{Hello, Identity, Owner};
use super::session_registry::SessionRegistry;
use super::session_state::SessionState;
use crate::deadline::{Deadline, Waiting};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::sys::eventfd::EventFd;
use crate::sys::fork::Guarded;
use crate::sys::peer::Credentials;
use crate::sys::poll::wait_any;
use crate::sys::user;
use crate::transport::acceptor::{
    self, Answer, HandshakeHandler, IncomingHandshake, ListenSource, ListenerRegistration, RawConnection,
};
use crate::transport::connectionless::{self, ConnectOptions, ConnectionlessLink};
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::fifo;
use crate::transport::hello;
use crate::transport::place::{Access, Place};
use crate::transport::stream::Stream;
use crate::transport::tcp;
use crate::transport::{Account, Offer, Rx, Tx};
use crate::value::{Map, Value};

/// Who is on the other side.
#[derive(Clone, Debug)]
pub struct Peer {
    /// How it is called as the source of messages.
    pub source: Arc<str>,
    /// What the name is for, as it said.
    pub pattern: Pattern,
    /// The longest message that both sides take.
    pub limit: u64,
    /// The number of its incarnation, as it said; 0 where it said no hello.
    pub session: u64,
    /// Whose it is.
    pub owner: Owner,
    /// Whether a bridge hands on what it says: the link may be cut while both sides live.
    pub relayed: bool,
}

impl Peer {
    /// One that said this, and who it is as far as that does not rest on its word.
    pub fn new(greeting: &Greeting, options: &Options, owner: Owner) -> Peer {
        Peer {
            source: owner.mark(greeting.source()).into(),
            pattern: greeting.pattern,
            limit: greeting.limit.min(options.limit),
            session: greeting.session,
            owner,
            relayed: greeting.machine.is_some(),
        }
    }
}

impl Owner {
    /// Who is on the other side of a connection.
    pub fn of(stream: &Stream, credentials: Option<&Credentials>) -> Owner {
        match (stream.key_name(), credentials) {
            (Some(key), _) => Owner::Key(key.into()),
            (None, Some(who)) => Owner::User(who.uid),
            (None, None) => Owner::Anyone,
        }
    }

    /// The source of its messages, from what it calls itself: one on another machine is called after its key, too, and one of
    /// another user after that.
    pub fn mark(&self, said: String) -> String {
        match self {
            Owner::Key(key) => format!("{said}@{key}"),
            Owner::User(uid) if *uid != rustix::process::geteuid().as_raw() => {
                format!("{said}@{}", user::name_of_user(*uid).unwrap_or_else(|| uid.to_string()))
            }
            Owner::User(_) | Owner::Anyone => said,
        }
    }
}

impl Peer {
    /// Whoever is at the other end of a link that leads to many: each frame says who sent it.
    pub fn anybody(pattern: Pattern, options: &Options) -> Peer {
        Peer {
            source: "".into(),
            pattern,
            limit: options.limit,
            session: 0,
            owner: Owner::Anyone,
            relayed: false,
        }
    }
}

/// What ends without a hello are told about us.
pub fn connect_options(options: &Options, pattern: Pattern) -> Result<ConnectOptions> {
    let greeting = Greeting::new(pattern, options.client_id.clone(), options.limit)?;
    Ok(ConnectOptions {
        source: greeting.source(),
        named: options.client_id.is_some(),
        session: greeting.session,
        limit: options.limit,
        encoding: options.encoding(),
        mode: options.mode,
        group: options.group,
        buffer: options.buffer,
        durable: options.durable || options.delivery == Some(Delivery::Durable),
        shared: options.shared,
        pattern: pattern.name(),
    })
}

/// A connected pair of ends and who is at the other.
pub struct Link {
    pub tx: Tx,
    pub rx: Rx,
    pub peer: Peer,
    /// None where the link leads to whoever is there.
    pub guard: Option<Arc<ConnectionGuard>>,
    /// What its hello said of its session; none where there was no hello.
    pub negotiated: Option<Negotiated>,
}

/// Who was met at the other end of a link, and what we remember of it.
#[derive(Clone)]
pub struct Negotiated {
    pub hello: Hello,
    pub identity: Identity,
    pub session_state: Arc<SessionState>,
    /// Where each side reads how far the other one has come; none where only frames say it.
    pub account: Option<Arc<Account>>,
}

/// Taken while a link lives: a channel made by `open` has one for its one peer.
pub struct ConnectionGuard {
    stream: Stream,
    /// Who remembers the peer once the link has ended.
    session_registry: Option<(Weak<SessionRegistry>, Identity)>,
    /// Who is told what is lost by its going.
    losses: Arc<OnceLock<Arc<Record>>>,
}

impl ConnectionGuard {
    pub fn new(stream: Stream) -> ConnectionGuard {
        ConnectionGuard { stream, session_registry: None, losses: Arc::default() }
    }

    /// ConnectionlessLink the link, which the other side knows to be cut.
    pub fn hang_up(&self) {
        self.stream.hang_up();
    }

    /// Whether the peer has gone without our having noticed yet.
    pub fn is_abandoned(&self) -> bool {
        self.stream.is_deserted()
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let Some((session_registry, identity)) = self.session_registry.take() else { return };
        let Some(session_registry) = session_registry.upgrade() else { return };
        for (who, lost) in session_registry.leave(&identity, self) {
            match self.losses.get() {
                Some(record) if who.is_lasting() => record.forgot(&who.shown(), lost),
                // Only the same program could have come back for it.
                Some(record) => drop(record.dropped.fetch_add(lost, Ordering::Relaxed)),
                None => {}
            }
        }
    }
}

/// Where newcomers wait for `accept`.
pub struct Queue {
    links: Mutex<VecDeque<Link>>,
    waker: EventFd,
    closed: AtomicBool,
    /// Of a channel with one peer: why that was not let in, until the program is told.
    refused: Mutex<Option<Error>>,
}

impl Queue {
    /// Tells a thread that waits for the one peer why it was not let in.
    fn refuse(&self, error: Error) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = Some(error);
        self.waker.wake();
    }

    /// Why the one peer was not let in; told once.
    pub fn take_refusal(&self) -> Option<Error> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let error = refused.take()?;
        if self.links().is_empty() {
            self.waker.drain();
        }
        Some(error)
    }

    fn links(&self) -> MutexGuard<'_, VecDeque<Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next, if somebody waits.
    pub fn pop(&self) -> Option<Link> {
        let mut links = self.links();
        let link = links.pop_front()?;
        // Whoever finds the queue empty leaves the waker alone: it was drained with the last one, and a server looks
        // here before every request.
        if links.is_empty() {
            self.waker.drain();
        }
        Some(link)
    }

    /// The next, once somebody comes; `InvalidState` once the acceptor is closed.
    pub fn wait(&self, waiting: &mut Waiting<'_>) -> Result<Link> {
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Err(Error::new(ErrorKind::InvalidState, "the listener is closed"));
            }
            if let Some(link) = self.pop() {
                return Ok(link);
            }
            wait_any(waiting, [(self.waker.as_fd(), PollFlags::IN)])?;
        }
    }

    /// Readable while somebody waits.
    pub fn waker(&self) -> &EventFd {
        &self.waker
    }
}

/// A name at which somebody is let in. Its end takes the name away.
pub struct ChannelAcceptor {
    pub queue: Arc<Queue>,
    /// Where it is: with the port that it got where the program left that open.
    pub endpoint: Endpoint,
    record: Arc<OnceLock<Arc<Record>>>,
    losses: Arc<OnceLock<Arc<Record>>>,
    /// What holds the name where nobody has to answer at it, or tells of it: that goes while the name is still ours.
    kept: Mutex<Option<Box<dyn Any + Send + Sync>>>,
    registration: Mutex<Option<ListenerRegistration>>,
}

struct ListenerHandler {
    endpoint: Endpoint,
    pattern: Pattern,
    options: Options,
    queue: Arc<Queue>,
    /// The counters of the object behind the acceptor.
    record: Arc<OnceLock<Arc<Record>>>,
    losses: Arc<OnceLock<Arc<Record>>>,
    /// For a channel with one peer.
    one: Option<SinglePeer>,
    session_registry: Arc<SessionRegistry>,
    /// Counts what comes over the links to that one peer, where they do not count themselves.
    numbers: Arc<AtomicU64>,
    /// The listening socket, where other processes may listen at it, too.
    shared: Option<Arc<Guarded>>,
}

/// A channel that takes one peer at a time, whoever it is.
struct SinglePeer {
    guard: Mutex<Weak<ConnectionGuard>>,
    session_state: Arc<SessionState>,
}

impl ChannelAcceptor {
    /// Listens at an endpoint; with `one`, for one peer at a time.
    pub fn open(
        endpoint: &Endpoint,
        pattern: Pattern,
        options: &Options,
        one: Option<&Arc<SessionState>>,
    ) -> Result<ChannelAcceptor> {
        let queue = Arc::new(Queue {
            links: Mutex::default(),
            waker: EventFd::new()?,
            closed: AtomicBool::new(false),
            refused: Mutex::default(),
        });
        let (record, losses): (Arc<OnceLock<_>>, Arc<OnceLock<_>>) = Default::default();
        options.check(
            endpoint.transport(),
            if pattern == Pattern::Request { Use::Request } else { Use::Channel },
        )?;
        let mut acceptor = ChannelAcceptor {
            queue: queue.clone(),
            endpoint: endpoint.clone(),
            record: record.clone(),
            losses: losses.clone(),
            registration: Mutex::default(),
            kept: Mutex::default(),
        };
        if endpoint.transport().is_connectionless() {
            let ConnectionlessLink { tx, rx, keeps, place } =
                connectionless::listen(endpoint, &connect_options(options, pattern)?)?;
            if let Some(place) = &place {
                agreement::stored::keep(options, place, pattern)?;
            }
            queue.links().push_back(Link {
                tx,
                rx,
                peer: Peer::anybody(pattern, options),
                guard: None,
                negotiated: None,
            });
            queue.waker.wake();
            acceptor.kept = Mutex::new(keeps);
            return Ok(acceptor);
        }
        if endpoint.transport() == Transport::Fifo && options.framing != Framing::Linkspan {
            // One pipe for all who write: there is one link, from the beginning.
            let stream = fifo::open_plain(endpoint, &connect_options(options, pattern)?)?;
            queue.links().push_back(plain::link(stream, pattern, options, &Arc::default(), false)?);
            queue.waker.wake();
            return Ok(acceptor);
        }
        let (claim, endpoint) = claim(endpoint, pattern, options, one.is_some())?;
        let handler = ListenerHandler {
            endpoint: endpoint.clone(),
            pattern,
            options: options.clone(),
            queue,
            record,
            losses,
            one: one.map(|session_state| SinglePeer {
                guard: Mutex::default(),
                session_state: session_state.clone(),
            }),
            session_registry: SessionRegistry::new(options),
            numbers: Arc::default(),
            shared: if options.shared { claim.socket() } else { None },
        };
        // Under the claim's lock. Nobody can be asked at a name where no hello is said.
        let owner_record = match claim.place() {
            Some(place) => plain::owner_record(&endpoint, place, pattern, options)?,
            None => None,
        };
        acceptor.registration = Mutex::new(Some(acceptor::open(claim, Arc::new(handler))?));
        (acceptor.endpoint, acceptor.kept) = (endpoint, Mutex::new(owner_record));
        Ok(acceptor)
    }

    /// Gives the name away and lets go of those who were not accepted; wakes who waits for one.
    pub fn close(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.registration.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.queue.closed.store(true, Ordering::Release);
        self.queue.links().clear();
        self.queue.waker.wake();
    }

    /// What is lost of what was kept for peers that are away is told here.
    pub fn tells_losses_to(&self, record: &Arc<Record>) {
        let _ = self.losses.set(record.clone());
    }

    /// Whoever asks about the name is told these counters.
    pub fn tells_of(&self, record: &Arc<Record>) {
        // A acceptor belongs to one object for its life.
        let _ = self.record.set(record.clone());
        self.tells_losses_to(record);
    }
}

/// Takes the name of an endpoint for this pattern, and gives it as it is now called. With `at_once` for one who calls
/// whoever has the name instead.
pub fn claim(
    endpoint: &Endpoint,
    pattern: Pattern,
    options: &Options,
    at_once: bool,
) -> Result<(ListenSource, Endpoint)> {
    let named = || Place::of(endpoint);
    let access =
        Access { carries: endpoint.transport().carries(), shared: options.shared, ..options.access() };
    let claim = match endpoint.transport() {
        Transport::Shm | Transport::Unix if at_once => named()?.try_claim(access)?.into(),
        Transport::Shm | Transport::Unix if options.shared => {
            let place = named()?;
            place.claim_shared(access, || ask_to_join(&place, pattern))?.into()
        }
        Transport::Shm | Transport::Unix => named()?.claim(access)?.into(),
        Transport::Fifo => fifo::Claim::take(endpoint, &connect_options(options, pattern)?, at_once)?.into(),
        Transport::Tcp => {
            let program = options.client_id.clone().unwrap_or_else(greeting::title);
            let more = Map::from_iter([("encoding".to_owned(), options.encoding().name().into())]);
            let expects_hello = options.framing == Framing::Linkspan;
            let (claim, endpoint) = tcp::listen(endpoint, expects_hello, pattern.name(), &program, more)?;
            return Ok((claim.into(), endpoint));
        }
        other => return Err(other.unavailable()),
    };
    Ok((claim, endpoint.clone()))
}

/// Asks a process that serves a name for its listening socket; none where it has gone, or is just ending.
fn ask_to_join(place: &Place, pattern: Pattern) -> Result<Option<OwnedFd>> {
    /// How long it may take: its acceptor answers while its program works.
    const TIMEOUT: Duration = Duration::from_secs(5);
    let mut hello = Greeting::new(pattern, None, 0)?;
    (hello.ask, hello.shared) = (true, true);
    let mut waiting = Waiting::until(Deadline::after(TIMEOUT));
    let heard = hello::ask_for_socket(place, &hello.to_frame()?, &mut waiting)?;
    let Some(mut heard) = heard else { return Ok(None) };
    let theirs = greeting::read_answer(&heard.answer)?;
    theirs.pattern.fits(pattern)?;
    Ok(heard.descriptors.pop())
}

/// Refuses users and groups that the options do not list.
pub fn check_allowed(options: &Options, who: Option<&Credentials>) -> Result<()> {
    // Where the kernel cannot say who it is, lists were refused when the name was taken.
    let Some(who) = who else { return Ok(()) };
    let by_user = options.allow_uids.contains(&who.uid);
    let by_group = options.allow_gids.iter().any(|g| *g == who.gid || who.groups.contains(g));
    let listed = !options.allow_uids.is_empty() || !options.allow_gids.is_empty();
    if !listed || by_user || by_group {
        return Ok(());
    }
    let text = format!(
        "uid {} with gid {} is not on the listener's list (allow_uids {:?}, allow_gids {:?}); have it added there",
        who.uid, who.gid, options.allow_uids, options.allow_gids
    );
    Err(Error::new(ErrorKind::PermissionDenied, text))
}

/// The answer to a caller who only asks: it is told, and nobody is let in.
pub fn told(mut greeting: Greeting, state: Map) -> Result<Answer> {
    greeting.state = Some(state);
    Ok(Answer { frame: greeting.to_frame()?, descriptors: Vec::new(), admitted: Box::new(|| {}) })
}

impl ListenerHandler {
    fn state(&self) -> Map {
        let mut state = Map::new();
        state.insert("encoding".into(), self.options.encoding().name().into());
        agreement::add_titles(&self.options, &mut state);
        if let Some(machine) = &self.options.machine {
            state.insert("machine".into(), (**machine).into());
        }
        state.insert("waiting".into(), (self.queue.links().len() as u64).into());
        if let Some(record) = self.record.get() {
            let messages =
                record.received.load(Ordering::Relaxed).saturating_add(record.sent.load(Ordering::Relaxed));
            state.insert("messages".into(), messages.into());
            let peers = match &self.one {
                Some(_) => u64::from(self.check_unoccupied(None).is_err()),
                None => record.present.load(Ordering::Relaxed),
            };
            state.insert("peers".into(), Value::from(peers));
        }
        if let Some(losses) = self.losses.get() {
            state.insert("forgotten".into(), losses.forgotten.load(Ordering::Relaxed).into());
            losses.add_mismatch(&mut state);
        }
        state
    }

    /// A caller says that its schema does not fit ours: the program is told.
    fn note_mismatch(&self, theirs: &Greeting, handshake: &IncomingHandshake) {
        let owner = Owner::of(&handshake.stream, handshake.credentials.as_ref());
        let Some(said) = agreement::said_mismatch(theirs, &owner.mark(theirs.source())) else { return };
        if self.one.is_some() && self.check_unoccupied(None).is_ok() {
            self.queue.refuse(agreement::refused(&said));
        }
        if let Some(losses) = self.losses.get() {
            losses.mismatched(said);
        }
    }

    /// The listening socket, for another process of this user that serves the name, too.
    fn socket_for(&self, who: Option<&Credentials>) -> Result<OwnedFd> {
        let is_ours = who.is_some_and(|who| who.uid == rustix::process::geteuid().as_raw());
        match &self.shared {
            Some(socket) if is_ours => {
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

    /// Refuses a newcomer for whom there is no place.
    fn check_room(&self, newcomer: Option<(&Identity, u64)>) -> Result<()> {
        self.check_unoccupied(newcomer)?;
        let most = self.options.queue;
        if self.queue.links().len() >= most {
            let text = format!("{most} connections wait to be accepted; try again later");
            return Err(Error::new(ErrorKind::Full, text));
        }
        Ok(())
    }

    /// Refuses a second peer while the first one lives. The first one itself, whose link was cut, is let in.
    fn check_unoccupied(&self, newcomer: Option<(&Identity, u64)>) -> Result<()> {
        let Some(one) = &self.one else { return Ok(()) };
        let guard = one.guard.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let Some(guard) = guard.filter(|guard| !guard.is_abandoned()) else { return Ok(()) };
        if newcomer.is_some() && one.session_state.halves().outbox.peer() == newcomer {
            guard.hang_up();
            return Ok(());
        }
        Err(Error::new(ErrorKind::AddressInUse, "this channel has its peer; it takes one"))
    }
}

impl HandshakeHandler for ListenerHandler {
    fn check_user(&self, who: Option<&Credentials>) -> Result<()> {
        check_allowed(&self.options, who)
    }

    fn check_hello(&self, hello: &Incoming) -> Result<()> {
        Greeting::from_frame(hello).map(drop)
    }

    fn answer(&self, handshake: IncomingHandshake) -> Result<Answer> {
        let theirs = Greeting::from_frame(&handshake.hello)?;
        if theirs.ask {
            let mut ours = Greeting::new(self.pattern, self.options.client_id.clone(), self.options.limit)?;
            ours.shared = self.shared.is_some();
            self.note_mismatch(&theirs, &handshake);
            agreement::meet(&self.options, self.endpoint.transport(), &theirs, &mut ours);
            let mut told = told(ours, self.state())?;
            if theirs.shared {
                told.descriptors.push(self.socket_for(handshake.credentials.as_ref())?);
            }
            return Ok(told);
        }
        self.pattern.admits(theirs.pattern)?;
        let mut ours = Greeting::new(self.pattern, self.options.client_id.clone(), self.options.limit)?;
        let transport = self.endpoint.transport();
        if !agreement::meet(&self.options, transport, &theirs, &mut ours) {
            return agreement::told(&ours);
        }
        let schemas = (ours.schemas, ours.reply_schemas);
        let owner = Owner::of(&handshake.stream, handshake.credentials.as_ref());
        let name = theirs.stable_name();
        let identity = match &self.one {
            Some(_) => Identity::of_other_end(owner.clone(), name.as_deref()),
            None => Identity::of_dialler(owner.clone(), name.as_deref(), theirs.session),
        };
        self.check_room(Some((&identity, theirs.session)))?;
        let session_state = match &self.one {
            Some(one) => one.session_state.clone(),
            None => self.session_registry.recall(&identity, theirs.session)?,
        };
        let id = self.options.client_id.clone();
        let mut ours = Greeting::of_session(self.pattern, id, self.options.limit, session_state.hello())?;
        ours.shared = self.shared.is_some();
        (ours.schemas, ours.reply_schemas) = schemas;
        let offer = Offer::new(self.endpoint.transport(), ours.session, self.options.buffer)?;
        let descriptors = offer.descriptors()?;
        let session_registry =
            self.one.is_none().then(|| (Arc::downgrade(&self.session_registry), identity.clone()));
        let stream = handshake.stream.clone();
        let guard = Arc::new(ConnectionGuard { stream, session_registry, losses: self.losses.clone() });
        let peer = Peer::new(&theirs, &self.options, owner);
        let (tx, rx) = offer.join(
            handshake.stream,
            handshake.process,
            theirs.session,
            handshake.descriptors,
            self.options.limit,
            self.options.spin,
        )?;
        match &self.one {
            Some(one) => *one.guard.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&guard),
            None => self.session_registry.arrive(&identity, &session_state, &guard),
        }
        let negotiated =
            Some(Negotiated { hello: theirs.hello(), identity, session_state, account: tx.account() });
        let queue = self.queue.clone();
        let link = Link { tx, rx, peer, guard: Some(guard), negotiated };
        let admitted = Box::new(move || {
            let mut links = queue.links();
            links.push_back(link);
            queue.waker.wake();
        });
        Ok(Answer { frame: ours.to_frame()?, descriptors, admitted })
    }

    fn expects_hello(&self) -> bool {
        self.options.framing == Framing::Linkspan
    }

    fn accept_delay(&self) -> Option<Duration> {
        /// For each client that is here already, and at most for so many of them.
        const EACH: Duration = Duration::from_micros(250);
        const MOST: u64 = 8;
        /// While the program works.
        const BUSY: Duration = Duration::from_millis(3);
        self.shared.as_ref()?;
        let (present, busy) = match self.record.get() {
            Some(record) => (record.present.load(Ordering::Relaxed), record.busy.load(Ordering::Relaxed)),
            None => (0, false),
        };
        let clients = present.saturating_add(self.queue.links().len() as u64).min(MOST) as u32;
        Some(EACH * clients + if busy { BUSY } else { Duration::ZERO })
    }

    fn admit_without_hello(&self, RawConnection { stream, .. }: RawConnection) -> Result<()> {
        self.check_room(None)?;
        let numbers = if self.one.is_some() { self.numbers.clone() } else { Arc::default() };
        let link = plain::link(stream, self.pattern, &self.options, &numbers, false)?;
        if let (Some(one), Some(guard)) = (&self.one, &link.guard) {
            *one.guard.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(guard);
        }
        self.queue.links().push_back(link);
        self.queue.waker.wake();
        Ok(())
    }

    fn refusal(&self, error: &Error) -> Vec<u8> {
        greeting::refusal(error)
    }
}
