//! A link that is made anew when it breaks, for two threads that use its halves independently.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::acceptor::{ChannelAcceptor, ConnectionGuard, Link, Negotiated, Peer, connect_options};
use super::agreement;
use super::dial::Dialler;
use super::greeting::Greeting;
use super::options::{Acknowledge, Framing, Options};
use super::plain;
use super::record::Record;
use super::session::{Identity, Owner};
use super::session_state::SessionState;
use crate::deadline::{Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::eventfd::EventFd;
use crate::sys::poll::wait_readable;
use crate::transport::connectionless::{self, ConnectionlessLink};
use crate::transport::endpoint::Endpoint;
use crate::transport::{Offer, Rx, Tx};

/// Where a link comes from.
pub enum Origin {
    /// It is dialled, and dialled again.
    Dial(Dialler),
    /// The other side dials; we hold the name.
    Acceptor(ChannelAcceptor),
    /// It was accepted from a listener, and is not replaced.
    Accepted,
    /// The name is a place: whoever is there reads and writes in it.
    Place,
}

/// The receiving half and what belongs to it.
pub struct RxPart {
    pub rx: Rx,
    pub peer: Peer,
    pub negotiated: Option<Negotiated>,
    _guard: Option<Arc<ConnectionGuard>>,
}

/// The sending half and what belongs to it.
pub struct TxPart {
    pub tx: Tx,
    pub peer: Peer,
    pub negotiated: Option<Negotiated>,
}

impl TxPart {
    /// The session of the one at the other end; 0 where there is none.
    pub fn session(&self) -> u64 {
        self.negotiated.as_ref().map_or(0, |negotiated| negotiated.hello.session)
    }
}

impl Drop for TxPart {
    fn drop(&mut self) {
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

/// Gives each half its part of the newest link.
pub struct Reconnector {
    pub origin: Origin,
    /// What we and the peer remember of each other, across links.
    pub session_state: Arc<SessionState>,
    endpoint: Endpoint,
    options: Options,
    /// Counts links; each half knows the number of the one it holds. Raised under the lock below, and looked at without
    /// it before every message.
    generation: AtomicU64,
    fresh: Mutex<NewLink>,
    changed: Condvar,
    closed: AtomicBool,
    /// Counts what comes over links that do not count it themselves.
    numbers: Arc<AtomicU64>,
    /// Whether the newest link may be cut while both sides live, because a bridge hands on what they say.
    relayed: AtomicBool,
    /// Whether the thread that closes still makes links, to bring away what was not acknowledged.
    leaving: AtomicBool,
    /// Whether a thread of the program waits for one that reads on the library's behalf to let it in.
    interrupted: AtomicBool,
    /// Rung when the channel is closed: wakes a thread that waits in it.
    pub wake: Arc<EventFd>,
}

#[derive(Default)]
struct NewLink {
    /// Whether a thread is making a new one.
    in_hand: bool,
    tx: Option<TxPart>,
    rx: Option<RxPart>,
}

/// A thread makes a link; the others may try again once it is done, even if a callback of the program panicked in it.
struct InProgress<'a>(&'a Reconnector);

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.0.fresh().in_hand = false;
        self.0.changed.notify_all();
    }
}

impl Reconnector {
    pub fn new(
        origin: Origin,
        session_state: Arc<SessionState>,
        endpoint: Endpoint,
        options: Options,
    ) -> Result<Reconnector> {
        Ok(Reconnector {
            origin,
            session_state,
            endpoint,
            options,
            generation: AtomicU64::new(0),
            fresh: Mutex::default(),
            changed: Condvar::new(),
            closed: AtomicBool::new(false),
            numbers: Arc::default(),
            relayed: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            wake: Arc::new(EventFd::new()?),
        })
    }

    /// Nobody waits in it any longer, and no call begins.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake.wake();
    }

    /// Asks the thread that reads on the library's behalf to let us in.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Release);
        self.wake.wake();
    }

    /// Whether somebody knocks.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    /// We are in.
    pub fn let_in(&self) {
        if self.is_interrupted() && self.interrupted.swap(false, Ordering::AcqRel) {
            self.wake.drain();
            if self.is_closed() {
                // It was woken for that, too.
                self.wake.wake();
            }
        }
    }

    /// The thread that closes it has it for itself now, and still makes links.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        // It was woken for others, who have gone.
        self.wake.drain();
    }

    /// No links any more: the name is given away.
    pub fn seal(&self) {
        self.leaving.store(false, Ordering::Release);
        if let Origin::Acceptor(acceptor) = &self.origin {
            acceptor.close();
        }
        self.drop_parts();
    }

    /// Whether a peer that went may come back as another incarnation.
    pub fn may_return(&self) -> bool {
        let lasts = |halves: &super::session_state::SessionHalves| {
            halves.outbox.peer().is_some_and(|(identity, _)| identity.is_lasting())
        };
        match self.origin {
            Origin::Dial(_) => true,
            Origin::Acceptor(_) => lasts(&self.session_state.halves()),
            Origin::Accepted | Origin::Place => false,
        }
    }

    /// The link has ended. What is kept for a peer that cannot come back is dropped and counted.
    pub fn lost(&self, record: &Record) {
        let cuts = self.endpoint.transport().capabilities().cuts || self.relayed.load(Ordering::Acquire);
        if self.may_return() || cuts {
            return;
        }
        let lasts =
            self.session_state.halves().outbox.peer().is_none_or(|(identity, _)| identity.is_lasting());
        if !lasts {
            self.session_state.drop_kept(record);
        }
    }

    /// Refuses to go on making and using links once it is closed, but for the thread that closes it.
    pub fn check_links(&self) -> Result<()> {
        if self.leaving.load(Ordering::Acquire) { Ok(()) } else { self.check_open() }
    }

    /// Whether the program says itself what it has consumed.
    pub fn is_acknowledged_by_hand(&self) -> bool {
        self.options.ack == Acknowledge::Manual
    }

    /// Refuses once it is closed.
    pub fn check_open(&self) -> Result<()> {
        if self.is_closed() {
            return Err(Error::new(ErrorKind::InvalidState, "the channel is closed"));
        }
        Ok(())
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Puts a first link in.
    pub fn put(&self, link: Link) {
        let mut fresh = self.fresh();
        self.generation.fetch_add(1, Ordering::Release);
        // Whoever comes to send or receive next looks whether something is to be sent again.
        self.session_state.replays.store(link.negotiated.is_some(), Ordering::Release);
        self.relayed.store(link.peer.relayed, Ordering::Release);
        fresh.tx = Some(TxPart { tx: link.tx, peer: link.peer.clone(), negotiated: link.negotiated.clone() });
        fresh.rx =
            Some(RxPart { rx: link.rx, peer: link.peer, negotiated: link.negotiated, _guard: link.guard });
        self.changed.notify_all();
    }

    fn fresh(&self) -> MutexGuard<'_, NewLink> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a newer link than this one is there.
    pub fn is_newer(&self, than: u64) -> bool {
        self.generation.load(Ordering::Acquire) > than
    }

    /// Lets go of halves that were never used: the other side is to see that the link has ended.
    fn drop_parts(&self) {
        let mut fresh = self.fresh();
        (fresh.tx, fresh.rx) = (None, None);
    }

    /// The sending half of a newer link than `held`; makes one if need be.
    pub fn reconnect_tx(&self, held: &mut u64, record: &Record, waiting: &mut Waiting<'_>) -> Result<TxPart> {
        self.reconnect(held, record, waiting, |fresh| fresh.tx.take())
    }

    /// The receiving half of a newer link than `held`; makes one if need be.
    pub fn reconnect_rx(&self, held: &mut u64, record: &Record, waiting: &mut Waiting<'_>) -> Result<RxPart> {
        self.reconnect(held, record, waiting, |fresh| fresh.rx.take())
    }

    fn reconnect<T>(
        &self,
        held: &mut u64,
        record: &Record,
        waiting: &mut Waiting<'_>,
        take: impl Fn(&mut NewLink) -> Option<T>,
    ) -> Result<T> {
        let mut fresh = self.fresh();
        loop {
            let generation = self.generation.load(Ordering::Acquire);
            if generation > *held {
                *held = generation;
                if let Some(part) = take(&mut fresh) {
                    return Ok(part);
                }
            }
            if fresh.in_hand {
                let step = waiting.sleep()?.map_or(Wait::TICK, |left| left.min(Wait::TICK));
                fresh = self.pause(fresh, step);
                waiting.woke(false)?;
                continue;
            }
            fresh.in_hand = true;
            drop(fresh);
            let in_hand = InProgress(self);
            let link = self.make(record, waiting)?;
            record.connected(&link.peer.source);
            // Before another thread may make one: it would wait for a further peer, and this one has come.
            self.put(link);
            drop(in_hand);
            fresh = self.fresh();
        }
    }

    fn pause<'a>(&self, fresh: MutexGuard<'a, NewLink>, step: Duration) -> MutexGuard<'a, NewLink> {
        self.changed.wait_timeout(fresh, step).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Whether a link that has ended is followed by another one.
    pub fn goes_on(&self) -> bool {
        !(self.options.once || matches!(self.origin, Origin::Accepted))
    }

    fn make(&self, record: &Record, waiting: &mut Waiting<'_>) -> Result<Link> {
        let made = match &self.origin {
            Origin::Dial(_) if self.options.once && self.is_newer(0) => {
                Err(Error::new(ErrorKind::Disconnected, "the other side went away"))
            }
            Origin::Dial(dialler) => self.dial(dialler, waiting),
            Origin::Acceptor(acceptor) => self.next_in_queue(acceptor, waiting),
            Origin::Place => self.join_place(waiting),
            Origin::Accepted => {
                let text = "the other side went away; accept the next connection of the listener";
                Err(Error::new(ErrorKind::Disconnected, text))
            }
        };
        made.map_err(|e| match e.kind() {
            // Where there was somebody once, "nobody listens" is told as what it means to the caller.
            ErrorKind::NotFound | ErrorKind::Timeout if record.was_connected() && !waiting.is_none() => {
                let text = "the other side went away and did not come back within the time given; try again, or see why it ended";
                Error::new(ErrorKind::Disconnected, text).on(&self.endpoint)
            }
            _ => e.on(&self.endpoint),
        })
    }

    fn next_in_queue(&self, acceptor: &ChannelAcceptor, waiting: &mut Waiting<'_>) -> Result<Link> {
        loop {
            self.check_links()?;
            if let Some(link) = acceptor.queue.pop() {
                return Ok(link);
            }
            if let Some(refusal) = acceptor.queue.take_refusal() {
                return Err(refusal);
            }
            wait_readable(waiting, &[acceptor.queue.waker().as_fd(), self.wake.as_fd()])?;
        }
    }

    fn join_place(&self, waiting: &mut Waiting<'_>) -> Result<Link> {
        let connect_options = connect_options(&self.options, self.options.pattern)?;
        let ConnectionlessLink { tx, rx, place, .. } =
            connectionless::connect(&self.endpoint, &connect_options, waiting)?;
        if let Some(place) = &place {
            agreement::stored::check_kept(&self.options, place)?;
        }
        Ok(Link {
            tx,
            rx,
            peer: Peer::anybody(self.options.pattern, &self.options),
            guard: None,
            negotiated: None,
        })
    }

    /// Why a wait was ended that found nobody: the channel was closed.
    fn ended(&self) -> Error {
        let text = "a wait was ended although the channel is open";
        self.check_open().err().unwrap_or_else(|| Error::new(ErrorKind::Internal, text))
    }

    fn dial(&self, dialler: &Dialler, waiting: &mut Waiting<'_>) -> Result<Link> {
        let options = &self.options;
        if options.framing != Framing::Linkspan {
            let Some(stream) = dialler.reach(&[self.wake.as_fd()], waiting)? else {
                return Err(self.ended());
            };
            return plain::link(stream, options.pattern, options, &self.numbers, true);
        }
        let id = options.client_id.clone();
        let ours = Greeting::of_session(options.pattern, id, options.limit, self.session_state.hello())?;
        let offer = || {
            let offer = Offer::new(self.endpoint.transport(), ours.session, options.buffer)?;
            let descriptors = offer.descriptors()?;
            Ok((offer, descriptors))
        };
        let dialled = dialler.dial(&ours, offer, &[self.wake.as_fd()], waiting)?;
        let Some((called, theirs, offer)) = dialled else {
            return Err(self.ended());
        };
        let guard = Arc::new(ConnectionGuard::new(called.stream.clone()));
        let owner = Owner::of(&called.stream, called.credentials.as_ref());
        let peer = Peer::new(&theirs, options, owner);
        let (tx, rx) = offer.join(
            called.stream,
            // Where several listen, the kernel names the one that was first.
            called.process.filter(|_| !theirs.shared),
            theirs.session,
            called.descriptors,
            options.limit,
            options.spin,
        )?;
        let (hello, session_state) = (theirs.hello(), self.session_state.clone());
        let negotiated =
            Some(Negotiated { hello, identity: Identity::Listener, session_state, account: tx.account() });
        Ok(Link { tx, rx, peer, guard: Some(guard), negotiated })
    }
}
