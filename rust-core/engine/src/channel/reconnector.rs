//! Makes a new link when the old one breaks, for two threads that use its halves independently.
//!
//! Each direction holds its half and the link's generation number. It takes a half of the newest link if the session
//! knows a higher number ([`Reconnector::is_newer`]), or after its own half ended. So the sending half may be newer
//! than the receiving half, which first reads the older link to its end.
//!
//! The first thread that needs a link makes it, with the permit of the seat (`new_link`) that holds the newest
//! halves. Others wait in line.
//!
//! Closing has three steps:
//!
//! 1. [`Reconnector::close`] ends all waits and refuses new calls.
//! 2. [`Reconnector::begin_close`] lets only the closing thread make links, to get its messages acknowledged.
//! 3. [`Reconnector::finish_close`] releases the name.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::acceptor::{ChannelAcceptor, connect_options};
use super::asking::{Admitted, Attempt};
use super::dial::{Dialler, Dialling, same_place};
use super::direction::{Direction, Permit};
use super::event_log::EventLog;
use super::handshake::Hello;
use super::link::{ConnectionGuard, Link, Peer, RxPart, TxPart, owner_of};
use super::options::{Acknowledge, Framing, Options};
use super::plain;
use super::retry::Retry;
use super::schema_negotiation;
use super::session_state::{Negotiated, SessionHalves, SessionState};
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::session::Identity;
use crate::sys::eventfd::EventFd;
use crate::sys::memory::PeerFile;
use crate::transport::Offer;
use crate::transport::connectionless::ConnectionlessLink;
use crate::transport::endpoint::Endpoint;

pub enum LinkSource {
    /// This side connects, and connects again.
    Dial(Dialler),
    /// The peer connects; this side holds the name.
    Acceptor(ChannelAcceptor),
    /// A listener accepted the link; it is not replaced.
    Accepted,
    /// A connectionless transport, whose links lead to a place in the file system.
    ///
    /// The event ends the wait while the place cannot be opened.
    Place(Retry),
}

impl LinkSource {
    /// Notes that the receiving direction needs another link. An accepted link announces itself.
    pub fn is_due(&self) {
        match self {
            LinkSource::Dial(dialler) => dialler.retry().is_due(),
            LinkSource::Place(retry) => retry.is_due(),
            LinkSource::Acceptor(_) | LinkSource::Accepted => {}
        }
    }

    pub fn is_armed(&self) -> bool {
        match self {
            LinkSource::Dial(dialler) => dialler.retry().is_armed(),
            LinkSource::Place(retry) => retry.is_armed(),
            LinkSource::Acceptor(_) | LinkSource::Accepted => true,
        }
    }

    /// Notes that the receiving direction must take its half of a new link.
    fn is_made(&self) {
        match self {
            LinkSource::Acceptor(acceptor) => acceptor.queue.waker().wake(),
            LinkSource::Dial(_) | LinkSource::Place(_) | LinkSource::Accepted => self.is_due(),
        }
    }

    /// Notes that the receiving direction has the newest link.
    pub fn is_settled(&self) {
        match self {
            LinkSource::Dial(dialler) => dialler.retry().connected(),
            LinkSource::Place(retry) => retry.connected(),
            LinkSource::Acceptor(acceptor) => acceptor.queue.settle(),
            LinkSource::Accepted => {}
        }
    }
}

pub struct Reconnector {
    pub origin: LinkSource,
    pub session_state: Arc<SessionState>,
    endpoint: Endpoint,
    options: Options,
    /// The untaken halves of the newest link. Its permit allows a thread to make the next link.
    new_link: Direction<NewLink>,
    /// The unanswered attempt to connect, for the thread with that permit.
    under_way: Attempt<Offer>,
    closed: AtomicBool,
    numbers: Arc<AtomicU64>,
    /// Whether the closing thread still makes links, to get its messages acknowledged.
    closing: AtomicBool,
    pub watched: AtomicBool,
    pub wake: Arc<EventFd>,
    on_rest: OnceLock<Box<dyn Fn() -> bool + Send + Sync>>,
}

#[derive(Default)]
struct NewLink {
    tx: Option<TxPart>,
    rx: Option<RxPart>,
}

impl Reconnector {
    /// Returns a reconnector without a link; `OutOfMemory` if the process has no descriptors left.
    pub fn new(
        origin: LinkSource,
        session_state: Arc<SessionState>,
        endpoint: Endpoint,
        options: Options,
    ) -> Result<Reconnector> {
        Ok(Reconnector {
            origin,
            new_link: Direction::new(NewLink::default(), &session_state),
            under_way: Attempt::default(),
            session_state,
            endpoint,
            options,
            closed: AtomicBool::new(false),
            numbers: Arc::default(),
            closing: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            wake: Arc::new(EventFd::new()?),
            on_rest: OnceLock::new(),
        })
    }

    /// Sets the function for the rest of a frame. It returns whether a thread writes the rest.
    pub fn on_rest(&self, left: impl Fn() -> bool + Send + Sync + 'static) {
        // A channel calls this once, when it is made.
        let _ = self.on_rest.set(Box::new(left));
    }

    pub fn rest_is_left(&self) -> bool {
        self.on_rest.get().is_some_and(|left| left())
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake.wake();
    }

    pub fn begin_close(&self) {
        self.closing.store(true, Ordering::Release);
        // The wake-up was for other threads, which have left the channel by now.
        self.wake.drain();
    }

    /// Stops making links: removes the name, and drops untaken halves, so that the peer sees the end.
    pub fn finish_close(&self) {
        self.closing.store(false, Ordering::Release);
        // A program that waits on the descriptor calls again and learns that the channel is closed.
        self.wake.wake();
        if let LinkSource::Acceptor(acceptor) = &self.origin {
            acceptor.close();
        }
        *self.new_link.borrow() = NewLink::default();
        self.under_way.give_up();
    }

    pub fn may_reconnect(&self) -> bool {
        let is_lasting =
            |halves: &SessionHalves| halves.outbox.peer().is_some_and(|(identity, _)| identity.is_lasting());
        match self.origin {
            LinkSource::Dial(_) => true,
            LinkSource::Acceptor(_) => is_lasting(&self.session_state.halves()),
            LinkSource::Accepted | LinkSource::Place(_) => false,
        }
    }

    /// Fails with `InvalidState` once the channel is closed, except for the closing thread.
    pub fn check_links(&self) -> Result<()> {
        if self.closing.load(Ordering::Acquire) { Ok(()) } else { self.check_open() }
    }

    pub fn is_manual_ack(&self) -> bool {
        self.options.ack == Acknowledge::Manual
    }

    pub fn check_open(&self) -> Result<()> {
        if self.is_closed() {
            return Err(Error::new(ErrorKind::InvalidState, "the channel is closed"));
        }
        Ok(())
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub fn put(&self, link: Link) {
        let has_session = link.negotiated.is_some();
        // Over TCP or through a bridge, a link may break while both sides live.
        let breaks = self.endpoint.transport().capabilities().cuts || link.peer.machine.is_some();
        let (tx, rx) = link.split(None);
        let mut new_link = self.new_link.borrow();
        // The next call that sends or receives checks for replays.
        self.session_state.halves().link_made(has_session, breaks);
        *new_link = NewLink { tx: Some(tx), rx: Some(rx) };
        if self.watched.load(Ordering::Acquire) {
            self.origin.is_made();
        }
    }

    pub fn is_newer(&self, than: u64) -> bool {
        self.session_state.halves().is_newer(than)
    }

    /// Returns the sending half of a link newer than `held`, and updates `held`. May make a link.
    ///
    /// # Errors
    /// `NotFound` or `Timeout` if no peer came until the deadline; `Disconnected` if a peer was there before;
    /// `InvalidState` once the channel is closed; errors of the connection.
    pub fn reconnect_tx(
        &self,
        held: &mut u64,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
    ) -> Result<TxPart> {
        self.reconnect(held, event_log, waiting, |new_link| new_link.tx.take())
    }

    pub fn reconnect_rx(
        &self,
        held: &mut u64,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
    ) -> Result<RxPart> {
        self.reconnect(held, event_log, waiting, |new_link| new_link.rx.take())
    }

    fn reconnect<T>(
        &self,
        held: &mut u64,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
        take: impl Fn(&mut NewLink) -> Option<T>,
    ) -> Result<T> {
        loop {
            {
                let mut new_link = self.new_link.borrow();
                let newest = self.session_state.halves().newest();
                if newest > *held {
                    *held = newest;
                    if let Some(part) = take(&mut new_link) {
                        return Ok(part);
                    }
                }
            }
            let than = *held;
            if let Some(making) = drive::turn(&self.new_link, waiting, |halves| halves.is_newer(than))? {
                self.make(making, event_log, waiting)?;
            }
        }
    }

    fn make(
        &self,
        making: Permit<'_, NewLink>,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        if let Some(link) = self.connect(event_log, waiting)? {
            // The receiving direction reads a link to its end and reports it. If that half was never taken, a sending
            // thread found the end.
            if self.new_link.borrow().rx.is_some() {
                let text = "the peer disconnected before anything was received from it";
                event_log.disconnected(text.to_owned());
            }
            event_log.connected(&link.peer.source);
            // This comes before another thread may make a link, which would wait for a second peer.
            self.put(link);
        }
        drop(making);
        Ok(())
    }

    pub fn reconnects(&self) -> bool {
        !(self.options.once || matches!(self.origin, LinkSource::Accepted))
    }

    /// Makes a link from the origin; none if the wait was ended and the closing thread continues.
    fn connect(&self, event_log: &EventLog, waiting: &mut Waiting<'_>) -> Result<Option<Link>> {
        let wakers = [self.wake.as_fd()];
        let connected = match &self.origin {
            LinkSource::Dial(_) if self.options.once && self.is_newer(0) => {
                Err(Error::new(ErrorKind::Disconnected, "the peer disconnected"))
            }
            LinkSource::Dial(dialler) if self.options.framing != Framing::Linkspan => {
                dialler.attempt(|dialling| self.reach(dialling, &wakers, waiting))
            }
            LinkSource::Dial(dialler) => self.dial(dialler, &wakers, waiting),
            LinkSource::Acceptor(acceptor) => self.next_in_queue(acceptor, waiting).map(Some),
            LinkSource::Place(retry) => retry.attempt(None, || self.connect_place(waiting).map(Some)),
            LinkSource::Accepted => {
                let text = "the peer disconnected; accept the next connection of the listener";
                Err(Error::new(ErrorKind::Disconnected, text))
            }
        };
        connected.map_err(|e| match e.kind() {
            // After an earlier connection, "no listener" means that the peer has ended.
            ErrorKind::NotFound | ErrorKind::Timeout if event_log.was_connected() && !waiting.is_none() => {
                let text = "the peer disconnected and did not reconnect within the time given; try again, or see why it ended";
                Error::new(ErrorKind::Disconnected, text).on(&self.endpoint)
            }
            _ => e.on(&self.endpoint),
        })
    }

    fn next_in_queue(&self, acceptor: &ChannelAcceptor, waiting: &mut Waiting<'_>) -> Result<Link> {
        let on = [self.wake.as_fd(), acceptor.queue.waker().as_fd()];
        loop {
            self.check_links()?;
            if let Some(link) = acceptor.queue.pop() {
                return Ok(link);
            }
            if let Some(refusal) = acceptor.queue.take_refusal() {
                return Err(refusal);
            }
            // The signal may be for a link whose receiving half was not taken; another link replaces it now.
            acceptor.queue.settle();
            drive::link_event(&on, waiting).map_err(|error| match error.kind() {
                ErrorKind::Timeout => self.not_connected(waiting),
                _ => error,
            })?;
        }
    }

    #[cold]
    fn not_connected(&self, waiting: &Waiting<'_>) -> Error {
        let (sought, advice) = (waiting.sought(), same_place(&self.endpoint));
        let text = format!("no program is connected: one {sought}; start one that connects, and {advice}");
        Error::new(ErrorKind::Timeout, text)
    }

    fn connect_place(&self, waiting: &mut Waiting<'_>) -> Result<Link> {
        let connect_options = connect_options(&self.options, self.options.pattern)?;
        let driver = self.endpoint.transport().connectionless()?;
        let ConnectionlessLink { tx, rx, place, .. } =
            drive::link(|| driver.connect(&self.endpoint, &connect_options, waiting))?;
        if let Some(place) = &place {
            schema_negotiation::stored::check_kept(&self.options, place)?;
        }
        Ok(Link {
            tx,
            rx,
            peer: Peer::unknown(self.options.pattern, &self.options),
            guard: None,
            negotiated: None,
        })
    }

    fn reach(
        &self,
        dialling: &Dialling<'_>,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Link>> {
        let Some(stream) = dialling.reach(wakers, waiting)? else {
            return self.check_links().map(|()| None);
        };
        plain::link(stream, self.options.pattern, &self.options, &self.numbers, true).map(Some)
    }

    fn dial(
        &self,
        dialler: &Dialler,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Link>> {
        let options = &self.options;
        let hello = || {
            let (id, longest) = (options.client_id.clone(), options.max_message_size);
            let mut hello = Hello::of_session(options.pattern, id, longest, self.session_state.hello())?;
            hello.slots = self.endpoint.transport().capabilities().slots;
            Ok(hello)
        };
        let offer = |hello: &Hello| {
            let offer = self.endpoint.transport().connections()?.offer(hello.session, options.buffer)?;
            let descriptors = offer.descriptors()?;
            Ok((offer, descriptors))
        };
        let connected = dialler.connect(&self.under_way, hello, offer, wakers, waiting)?;
        let Some(Admitted { called, peer_hello, own_hello, own: offer }) = connected else {
            return self.check_links().map(|()| None);
        };
        let guard = Arc::new(ConnectionGuard::new(called.stream.clone()));
        let owner = owner_of(&called.stream, called.credentials.as_ref());
        let peer = Peer::new(&peer_hello, options, owner);
        let (tx, rx) = offer.join(
            called.stream,
            // If several processes share a socket, the kernel reports the process that bound it, maybe another one.
            called.process.filter(|_| !peer_hello.shared),
            peer_hello.session,
            called.descriptors.into_iter().map(PeerFile::from).collect(),
            options.max_message_size,
            own_hello.slots_with(&peer_hello),
            options.spin,
        )?;
        let (hello, session_state) = (peer_hello.hello(), self.session_state.clone());
        let negotiated = Some(Negotiated {
            hello,
            identity: Identity::Listener,
            session_state,
            ack_words: tx.ack_words(),
            slots: tx.slots(),
        });
        Ok(Some(Link { tx, rx, peer, guard: Some(guard), negotiated }))
    }
}
