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
use super::memory::Memory;
use super::options::{Delivery, Framing, Options, Use};
use super::plain;
use super::record::Record;
use super::register::Register;
use super::session::{Hello, Identity, Owner};
use crate::deadline::{Deadline, Waiting};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::sys::eventfd::EventFd;
use crate::sys::fork::Guarded;
use crate::sys::peer::Credentials;
use crate::sys::poll::wait_any;
use crate::sys::user;
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::fifo;
use crate::transport::harbour::{self, Answer, Arrival, Berth, Doorman, Entrant, Mooring};
use crate::transport::hello;
use crate::transport::loose::{self, Ends, Terms};
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
pub fn terms(options: &Options, pattern: Pattern) -> Result<Terms> {
    let greeting = Greeting::new(pattern, options.client_id.clone(), options.limit)?;
    Ok(Terms {
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
    pub seat: Option<Arc<Seat>>,
    /// What its hello said of its session; none where there was no hello.
    pub met: Option<Met>,
}

/// Who was met at the other end of a link, and what we remember of it.
#[derive(Clone)]
pub struct Met {
    pub hello: Hello,
    pub identity: Identity,
    pub memory: Arc<Memory>,
    /// Where each side reads how far the other one has come; none where only frames say it.
    pub account: Option<Arc<Account>>,
}

/// Taken while a link lives: a channel made by `open` has one for its one peer.
pub struct Seat {
    stream: Stream,
    /// Who remembers the peer once the link has ended.
    register: Option<(Weak<Register>, Identity)>,
    /// Who is told what is lost by its going.
    losses: Arc<OnceLock<Arc<Record>>>,
}

impl Seat {
    pub fn new(stream: Stream) -> Seat {
        Seat { stream, register: None, losses: Arc::default() }
    }

    /// Ends the link, which the other side knows to be cut.
    pub fn hang_up(&self) {
        self.stream.hang_up();
    }

    /// Whether the peer has gone without our having noticed yet.
    pub fn is_abandoned(&self) -> bool {
        self.stream.is_deserted()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((register, identity)) = self.register.take() else { return };
        let Some(register) = register.upgrade() else { return };
        for (who, lost) in register.leave(&identity, self) {
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
    bell: EventFd,
    closed: AtomicBool,
    /// Of a channel with one peer: why that was not let in, until the program is told.
    refused: Mutex<Option<Error>>,
}

impl Queue {
    /// Tells a thread that waits for the one peer why it was not let in.
    fn refuse(&self, error: Error) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = Some(error);
        self.bell.ring();
    }

    /// Why the one peer was not let in; told once.
    pub fn take_refusal(&self) -> Option<Error> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let error = refused.take()?;
        if self.links().is_empty() {
            self.bell.drain();
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
        // Whoever finds the queue empty leaves the bell alone: it was drained with the last one, and a server looks
        // here before every request.
        if links.is_empty() {
            self.bell.drain();
        }
        Some(link)
    }

    /// The next, once somebody comes; `InvalidState` once the door is closed.
    pub fn wait(&self, waiting: &mut Waiting<'_>) -> Result<Link> {
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Err(Error::new(ErrorKind::InvalidState, "the listener is closed"));
            }
            if let Some(link) = self.pop() {
                return Ok(link);
            }
            wait_any(waiting, [(self.bell.as_fd(), PollFlags::IN)])?;
        }
    }

    /// Readable while somebody waits.
    pub fn bell(&self) -> &EventFd {
        &self.bell
    }
}

/// A name at which somebody is let in. Its end takes the name away.
pub struct Door {
    pub queue: Arc<Queue>,
    /// Where it is: with the port that it got where the program left that open.
    pub endpoint: Endpoint,
    record: Arc<OnceLock<Arc<Record>>>,
    losses: Arc<OnceLock<Arc<Record>>>,
    /// What holds the name where nobody has to answer at it, or tells of it: that goes while the name is still ours.
    kept: Mutex<Option<Box<dyn Any + Send + Sync>>>,
    berth: Mutex<Option<Berth>>,
}

struct Keeper {
    endpoint: Endpoint,
    pattern: Pattern,
    options: Options,
    queue: Arc<Queue>,
    /// The counters of the object behind the door.
    record: Arc<OnceLock<Arc<Record>>>,
    losses: Arc<OnceLock<Arc<Record>>>,
    /// For a channel with one peer.
    one: Option<One>,
    register: Arc<Register>,
    /// Counts what comes over the links to that one peer, where they do not count themselves.
    numbers: Arc<AtomicU64>,
    /// The listening socket, where other processes may listen at it, too.
    shared: Option<Arc<Guarded>>,
}

/// A channel that takes one peer at a time, whoever it is.
struct One {
    seat: Mutex<Weak<Seat>>,
    memory: Arc<Memory>,
}

impl Door {
    /// Listens at an endpoint; with `one`, for one peer at a time.
    pub fn open(
        endpoint: &Endpoint,
        pattern: Pattern,
        options: &Options,
        one: Option<&Arc<Memory>>,
    ) -> Result<Door> {
        let queue = Arc::new(Queue {
            links: Mutex::default(),
            bell: EventFd::new()?,
            closed: AtomicBool::new(false),
            refused: Mutex::default(),
        });
        let (record, losses): (Arc<OnceLock<_>>, Arc<OnceLock<_>>) = Default::default();
        options.check(
            endpoint.transport(),
            if pattern == Pattern::Request { Use::Request } else { Use::Channel },
        )?;
        if endpoint.transport().is_loose() {
            let Ends { tx, rx, keeps, place } = loose::listen(endpoint, &terms(options, pattern)?)?;
            if let Some(place) = &place {
                agreement::stored::keep(options, place, pattern)?;
            }
            queue.links().push_back(Link {
                tx,
                rx,
                peer: Peer::anybody(pattern, options),
                seat: None,
                met: None,
            });
            queue.bell.ring();
            let (endpoint, kept) = (endpoint.clone(), Mutex::new(keeps));
            return Ok(Door { queue, endpoint, record, losses, berth: Mutex::default(), kept });
        }
        if endpoint.transport() == Transport::Fifo && options.framing != Framing::Linkspan {
            // One pipe for all who write: there is one link, from the beginning.
            let stream = fifo::open_plain(endpoint, &terms(options, pattern)?)?;
            queue.links().push_back(plain::link(stream, pattern, options, &Arc::default(), false)?);
            queue.bell.ring();
            let (endpoint, kept) = (endpoint.clone(), Mutex::default());
            return Ok(Door { queue, endpoint, record, losses, berth: Mutex::default(), kept });
        }
        let (claim, endpoint) = claim(endpoint, pattern, options, one.is_some())?;
        let keeper = Keeper {
            endpoint: endpoint.clone(),
            pattern,
            options: options.clone(),
            queue: queue.clone(),
            record: record.clone(),
            losses: losses.clone(),
            one: one.map(|memory| One { seat: Mutex::default(), memory: memory.clone() }),
            register: Register::new(options),
            numbers: Arc::default(),
            shared: if options.shared { claim.socket() } else { None },
        };
        // Under the claim's lock. Nobody can be asked at a name where no hello is said.
        let about = match claim.place() {
            Some(place) => plain::about(&endpoint, place, pattern, options)?,
            None => None,
        };
        let berth = harbour::open(claim, Arc::new(keeper))?;
        Ok(Door { queue, endpoint, record, losses, berth: Mutex::new(Some(berth)), kept: Mutex::new(about) })
    }

    /// Gives the name away and lets go of those who were not accepted; wakes who waits for one.
    pub fn close(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.berth.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.queue.closed.store(true, Ordering::Release);
        self.queue.links().clear();
        self.queue.bell.ring();
    }

    /// What is lost of what was kept for peers that are away is told here.
    pub fn tells_losses_to(&self, record: &Arc<Record>) {
        let _ = self.losses.set(record.clone());
    }

    /// Whoever asks about the name is told these counters.
    pub fn tells_of(&self, record: &Arc<Record>) {
        // A door belongs to one object for its life.
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
) -> Result<(Mooring, Endpoint)> {
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
        Transport::Fifo => fifo::Claim::take(endpoint, &terms(options, pattern)?, at_once)?.into(),
        Transport::Tcp => {
            let program = options.client_id.clone().unwrap_or_else(greeting::title);
            let more = Map::from_iter([("encoding".to_owned(), options.encoding().name().into())]);
            let greets = options.framing == Framing::Linkspan;
            let (claim, endpoint) = tcp::listen(endpoint, greets, pattern.name(), &program, more)?;
            return Ok((claim.into(), endpoint));
        }
        other => return Err(other.unavailable()),
    };
    Ok((claim, endpoint.clone()))
}

/// Asks a process that serves a name for its listening socket; none where it has gone, or is just ending.
fn ask_to_join(place: &Place, pattern: Pattern) -> Result<Option<OwnedFd>> {
    /// How long it may take: its acceptor answers while its program works.
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut hello = Greeting::new(pattern, None, 0)?;
    (hello.ask, hello.shared) = (true, true);
    let mut waiting = Waiting::until(Deadline::after(PATIENCE));
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

impl Keeper {
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
                Some(_) => u64::from(self.check_seat(None).is_err()),
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
    fn note_mismatch(&self, theirs: &Greeting, arrival: &Arrival) {
        let owner = Owner::of(&arrival.stream, arrival.credentials.as_ref());
        let Some(said) = agreement::said_mismatch(theirs, &owner.mark(theirs.source())) else { return };
        if self.one.is_some() && self.check_seat(None).is_ok() {
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
        self.check_seat(newcomer)?;
        let most = self.options.queue;
        if self.queue.links().len() >= most {
            let text = format!("{most} connections wait to be accepted; try again later");
            return Err(Error::new(ErrorKind::Full, text));
        }
        Ok(())
    }

    /// Refuses a second peer while the first one lives. The first one itself, whose link was cut, is let in.
    fn check_seat(&self, newcomer: Option<(&Identity, u64)>) -> Result<()> {
        let Some(one) = &self.one else { return Ok(()) };
        let seat = one.seat.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let Some(seat) = seat.filter(|seat| !seat.is_abandoned()) else { return Ok(()) };
        if newcomer.is_some() && one.memory.both().outbox.peer() == newcomer {
            seat.hang_up();
            return Ok(());
        }
        Err(Error::new(ErrorKind::AddressInUse, "this channel has its peer; it takes one"))
    }
}

impl Doorman for Keeper {
    fn check_user(&self, who: Option<&Credentials>) -> Result<()> {
        check_allowed(&self.options, who)
    }

    fn check_hello(&self, hello: &Incoming) -> Result<()> {
        Greeting::from_frame(hello).map(drop)
    }

    fn answer(&self, arrival: Arrival) -> Result<Answer> {
        let theirs = Greeting::from_frame(&arrival.hello)?;
        if theirs.ask {
            let mut ours = Greeting::new(self.pattern, self.options.client_id.clone(), self.options.limit)?;
            ours.shared = self.shared.is_some();
            self.note_mismatch(&theirs, &arrival);
            agreement::meet(&self.options, self.endpoint.transport(), &theirs, &mut ours);
            let mut told = told(ours, self.state())?;
            if theirs.shared {
                told.descriptors.push(self.socket_for(arrival.credentials.as_ref())?);
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
        let owner = Owner::of(&arrival.stream, arrival.credentials.as_ref());
        let name = theirs.stable_name();
        let identity = match &self.one {
            Some(_) => Identity::of_other_end(owner.clone(), name.as_deref()),
            None => Identity::of_dialler(owner.clone(), name.as_deref(), theirs.session),
        };
        self.check_room(Some((&identity, theirs.session)))?;
        let memory = match &self.one {
            Some(one) => one.memory.clone(),
            None => self.register.recall(&identity, theirs.session)?,
        };
        let id = self.options.client_id.clone();
        let mut ours = Greeting::of_session(self.pattern, id, self.options.limit, memory.hello())?;
        ours.shared = self.shared.is_some();
        (ours.schemas, ours.reply_schemas) = schemas;
        let offer = Offer::new(self.endpoint.transport(), ours.session, self.options.buffer)?;
        let descriptors = offer.descriptors()?;
        let register = self.one.is_none().then(|| (Arc::downgrade(&self.register), identity.clone()));
        let stream = arrival.stream.clone();
        let seat = Arc::new(Seat { stream, register, losses: self.losses.clone() });
        let peer = Peer::new(&theirs, &self.options, owner);
        let (tx, rx) = offer.join(
            arrival.stream,
            arrival.process,
            theirs.session,
            arrival.descriptors,
            self.options.limit,
            self.options.spin,
        )?;
        match &self.one {
            Some(one) => *one.seat.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&seat),
            None => self.register.arrive(&identity, &memory, &seat),
        }
        let met = Some(Met { hello: theirs.hello(), identity, memory, account: tx.account() });
        let queue = self.queue.clone();
        let link = Link { tx, rx, peer, seat: Some(seat), met };
        let admitted = Box::new(move || {
            let mut links = queue.links();
            links.push_back(link);
            queue.bell.ring();
        });
        Ok(Answer { frame: ours.to_frame()?, descriptors, admitted })
    }

    fn greets(&self) -> bool {
        self.options.framing == Framing::Linkspan
    }

    fn hesitates(&self) -> Option<Duration> {
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

    fn enter(&self, Entrant { stream, .. }: Entrant) -> Result<()> {
        self.check_room(None)?;
        let numbers = if self.one.is_some() { self.numbers.clone() } else { Arc::default() };
        let link = plain::link(stream, self.pattern, &self.options, &numbers, false)?;
        if let (Some(one), Some(seat)) = (&self.one, &link.seat) {
            *one.seat.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(seat);
        }
        self.queue.links().push_back(link);
        self.queue.bell.ring();
        Ok(())
    }

    fn refusal(&self, error: &Error) -> Vec<u8> {
        greeting::refusal(error)
    }
}
