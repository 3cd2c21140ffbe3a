//! The channel: two ends, messages both ways, requests and replies.
//!
//! A [`Channel`] joins the modules beside it: the `reconnector` makes links, `sending` and `receiving` use
//! their halves of a link, `session_state` numbers and acknowledges messages. This file decides the order of the
//! steps: which lock or direction a call takes, when it leaves the fast path, and what an error means to the caller.
//!
//! | what | lives in |
//! |---|---|
//! | connect, listen, receive with waiting, support for event loops | here |
//! | sending and receiving without waiting | `in_place` |
//! | receiving over a stream | `in_stream` |
//! | receiving into memory of the program | `recv_into` |
//! | sending one message | `send` |
//! | several messages in one call | `batch` |
//! | calls and replies | `call` |
//! | a short request without waiting | `call_in_place` |
//! | several channels whose listener paces the program | `paced` |
//! | a request under way, which its drop withdraws | `pending_reply` |
//! | closing | `close` |
//! | the rest of a frame whose sender went on | `rest` |
//! | calls for one thread that serves many channels | `poll` |
//! | waiting for room | `room` |
//!
//! Every public method first checks the process (a channel does not survive `fork`) and that the
//! channel is open, then takes a direction. After it has released the sending direction, it calls
//! `flush_deferred`, because a receiving thread may have left an acknowledgement for it to send.

pub(crate) mod batch;
mod call;
mod call_in_place;
mod close;
mod in_place;
mod in_stream;
mod linger;
mod paced;
mod pending_reply;
mod poll;
mod recv_into;
mod rest;
mod room;
mod send;

use std::fmt;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::acceptor::ChannelAcceptor;
use super::dial::Dialler;
use super::direction::{Direction, Lease, Operation};
use super::event_log::{Event, EventLog};
use super::link::Link;
use super::loan::{BytesLoan, Loan, LoanMemory};
use super::lockstep;
use super::open_names;
use super::options::{Options, Use};
use super::pattern::Pattern;
use super::receiving::{ORIGIN, ReceivedFrame, Receiving};
use super::reconnector::{LinkSource, Reconnector, Seen};
use super::retry::Retry;
use super::sending::{AckSender, Sending};
use super::session_state::SessionState;
use crate::codec::Encoding;
use crate::deadline::{Deadline, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::session::inbox::AckTrigger;
use crate::sys::fork::{self, Descriptor, OfProcess};
use crate::sys::poll::Epoll;
use crate::sys::random;
use crate::transport::endpoint::Endpoint;
use crate::transport::table;
use crate::value::{DType, Element, Order, Value};

pub use pending_reply::PendingReply;
pub use poll::RequestInfo;
pub use rest::LINGER;

/// Which end of a channel this is. It does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Holds the name. The peer connects, and reconnects.
    Listener,
    /// Connects, and reconnects after the listener has restarted.
    Connector,
}

impl Role {
    /// Returns the name of the role, which is the same in every language.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Listener => "listener",
            Role::Connector => "connector",
        }
    }
}

/// One end of a connection between two programs, both of which can send and receive.
///
/// Any number of threads may [`send`](Channel::send): they take turns in the order of their calls, each within its own time-out. Any
/// number may [`call`](Channel::call): their requests are in flight at the same time, and each call returns its own answer, in whatever
/// order the answers arrive. One thread at a time may [`recv`](Channel::recv); a call of another thread that receives or calls meanwhile
/// fails with `InvalidState` at once.
///
/// The channel outlives its link: when the peer restarts, or the link breaks, the channel reconnects and
/// sends unacknowledged messages again.
pub struct Channel {
    inner: Arc<Inner>,
}

/// What a channel consists of. The requests that are under way refer to it and do not keep it.
#[doc(hidden)]
pub struct Inner {
    endpoint: Endpoint,
    /// The endpoint as text, for errors.
    shown: String,
    options: Options,
    role: Role,
    reconnector: OfProcess<Reconnector>,
    /// The state of sending. Threads take turns.
    sending: OfProcess<Direction<Sending>>,
    /// The state of receiving, for one thread at a time.
    receiving: OfProcess<Direction<Receiving>>,
    event_log: OfProcess<Arc<EventLog>>,
    /// The epoll set of the receiving direction, for `fileno`.
    descriptor: OfProcess<Arc<Descriptor>>,
    /// The fork count of the process that made the channel. Another process must not use it.
    fork_generation: u64,
    /// The thread that writes the rest of a frame whose sender went on.
    rests: OfProcess<rest::Rests>,
    /// Whether the number of unconsumed messages was reported at the end of the channel.
    has_reported: AtomicBool,
    /// Whether this end can send, and whether it can receive: some transports have one direction only.
    /// Cached, because every call checks them.
    sends: bool,
    receives: bool,
    /// Whether it can call.
    calls: bool,
}

#[doc(hidden)]
impl Deref for Channel {
    type Target = Inner;

    #[inline(always)]
    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl Channel {
    /// Connects to the listener at this endpoint, waiting until there is one. The channel reconnects whenever
    /// the listener has restarted.
    ///
    /// # Errors
    /// `NotFound` if no program listens at the endpoint by the deadline; otherwise the error with which the
    /// listener or the transport refused the connection.
    pub fn connect<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Channel> {
        let channel = Channel::dial(endpoint, options)?;
        let connected = channel.first_link(&mut options.start(wait));
        connected.map_err(|e| open_names::named(e, endpoint))?;
        Ok(channel)
    }

    /// Returns a channel that connects when it is first used. For event loops, where [`Channel::poll`] tries
    /// to connect, and [`Channel::fileno`] becomes readable when another attempt may succeed.
    pub fn dial(endpoint: &str, options: &Options) -> Result<Channel> {
        Channel::connector(&endpoint.parse()?, options)
    }

    /// [`Channel::dial`] for an endpoint that is parsed.
    fn connector(endpoint: &Endpoint, options: &Options) -> Result<Channel> {
        options.check(endpoint.transport(), Use::Channel).map_err(|e| e.on(endpoint))?;
        let set = Epoll::new()?;
        let origin = if endpoint.transport().capabilities().connectionless {
            LinkSource::Place(Retry::new(&set, ORIGIN)?)
        } else {
            LinkSource::Dial(Dialler::new(endpoint, options, &set, ORIGIN)?)
        };
        let session_state = SessionState::new(random::number()?, options);
        let reconnector = Reconnector::new(origin, session_state, endpoint.clone(), options.clone())?;
        Channel::over(set, reconnector, None, endpoint, options, Role::Connector)
    }

    /// Connects if there is a listener, and listens otherwise: of two programs that start at the same instant
    /// exactly one listens. The one that listens returns without waiting for its peer.
    ///
    /// # Errors
    /// `AddressInUse` if the listener has its peer already; otherwise as for [`Channel::connect`].
    pub fn open<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Channel> {
        let endpoint: Endpoint = endpoint.parse()?;
        let mut waiting = options.start(wait);
        // The time that a program which holds the name has to answer, before this side tries to listen
        // again.
        let mut answer_time = Wait::TICK;
        if !table::can_listen(&endpoint).map_err(|e| e.on(&endpoint))? {
            let channel = Channel::connector(&endpoint, options)?;
            channel.first_link(&mut waiting)?;
            return Ok(channel);
        }
        loop {
            let session_state = SessionState::new(random::number()?, options);
            match ChannelAcceptor::open(&endpoint, Pattern::Channel, options, Some(&session_state)) {
                Ok(acceptor) => {
                    let endpoint = acceptor.endpoint.clone();
                    let origin = LinkSource::Acceptor(acceptor);
                    let reconnector =
                        Reconnector::new(origin, session_state, endpoint.clone(), options.clone())?;
                    return Channel::over(
                        Epoll::new()?,
                        reconnector,
                        None,
                        &endpoint,
                        options,
                        Role::Listener,
                    );
                }
                Err(e) if e.kind() == ErrorKind::AddressInUse => {}
                Err(e) => return Err(e.on(&endpoint)),
            }
            let channel = Channel::connector(&endpoint, options)?;
            // The program that holds the name may end before it answers; then this side listens.
            let mut turn = Waiting::until(Deadline::after(answer_time).sooner(waiting.deadline()));
            match channel.first_link(&mut turn) {
                Ok(()) => return Ok(channel),
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Timeout) => {
                    waiting.sleep().map_err(|e| e.on(&endpoint))?;
                    waiting.woke(false).map_err(|e| e.on(&endpoint))?;
                }
                // The program is alive and slow, so it has more time to answer, within the deadline.
                Err(e) if e.kind() == ErrorKind::Stalled && !waiting.deadline().has_passed() => {
                    answer_time = Wait::TICK * 20;
                    waiting.woke(false).map_err(|e| e.on(&endpoint))?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Returns a channel over this reconnector, with `link` as its first link if one was accepted
    /// already. `set` is that of the receiving direction.
    pub(super) fn over(
        set: Epoll,
        reconnector: Reconnector,
        link: Option<Link>,
        endpoint: &Endpoint,
        options: &Options,
        role: Role,
    ) -> Result<Channel> {
        let receiving = Receiving::new(set, options, &reconnector)?;
        let event_log = Arc::new(EventLog::of(endpoint));
        if let LinkSource::Acceptor(acceptor) = &reconnector.origin {
            acceptor.answer_with(&event_log);
        }
        if let Some(link) = link {
            event_log.connected(&link.peer.source);
            reconnector.put(link);
        }
        let inner = Inner {
            endpoint: endpoint.clone(),
            shown: endpoint.to_string(),
            options: options.clone(),
            role,
            sending: Direction::new(Sending::new(&event_log), &reconnector.session_state).into(),
            descriptor: receiving.descriptor().into(),
            receiving: Direction::new(receiving, &reconnector.session_state).into(),
            reconnector: reconnector.into(),
            event_log: event_log.into(),
            fork_generation: fork::generation(),
            rests: rest::Rests::default().into(),
            has_reported: AtomicBool::new(false),
            sends: endpoint.check_direction(role == Role::Connector, "send").is_ok(),
            receives: endpoint.check_direction(role == Role::Listener, "recv").is_ok(),
            calls: endpoint.check_direction(role == Role::Listener, "recv").is_ok()
                && options.check_replies(endpoint, "call").is_ok(),
        };
        let inner = Arc::new(inner);
        let of_rests = Arc::downgrade(&inner);
        inner.reconnector.on_rest(move || rest::leave(&of_rests));
        Ok(Channel { inner })
    }

    /// Makes the first link within the deadline.
    fn first_link(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let mut sending = self.sending()?;
        sending.join(&*self.reconnector, &self.event_log, waiting)?;
        if sending.part.as_ref().is_some_and(|part| part.peer.lockstep) {
            // What comes first may be for another channel than the one that the thread waits for.
            lockstep::connected(&self.inner);
        }
        Ok(())
    }

    /// Fails with `InvalidState` in a process other than the one that made the channel, and once the
    /// channel is closed.
    fn check(&self) -> Result<()> {
        fork::check(self.fork_generation)?;
        self.reconnector.check_open()
    }

    /// Fails with `InvalidState` in a process other than the one that made the channel, and with `Unsupported` if this end cannot send.
    /// Whether the channel is open the caller sees as it takes the direction.
    fn check_sends(&self) -> Result<()> {
        fork::check(self.fork_generation)?;
        if self.sends {
            return Ok(());
        }
        self.check()?;
        self.endpoint.check_direction(self.role == Role::Connector, "send")
    }

    /// The same for an end that receives.
    fn check_receives(&self) -> Result<()> {
        fork::check(self.fork_generation)?;
        if self.receives {
            return Ok(());
        }
        self.check()?;
        self.endpoint.check_direction(self.role == Role::Listener, "recv")
    }

    /// Returns whether this process may use the channel.
    #[inline]
    fn is_of_this_process(&self) -> bool {
        fork::generation() == self.fork_generation
    }

    /// Takes the sending direction. Fails with `InvalidState` if another thread holds it.
    fn sending(&self) -> Result<Lease<'_, Sending>> {
        self.check_sends()?;
        let (turn, seen) = self.sending.take(Operation::Send, || {}, Seen::by_sender)?;
        self.reconnector.enter(seen)?;
        Ok(turn)
    }

    /// Takes the sending direction after the threads that called before.
    fn sending_in_turn(&self, waiting: &mut Waiting<'_>) -> Result<Lease<'_, Sending>> {
        self.check_sends()?;
        // The thread that held the direction before may have closed the channel.
        let (turn, seen) = self.sending.take_in_turn(Operation::Send, waiting, Seen::by_sender)?;
        self.reconnector.enter(seen)?;
        Ok(turn)
    }

    /// Takes the receiving direction. Fails with `InvalidState` if another thread of the program holds it.
    fn receiving(&self) -> Result<Lease<'_, Receiving>> {
        self.check_receives()?;
        let interrupt = || self.reconnector.interrupt();
        let (turn, seen) = self.receiving.take(Operation::Receive, interrupt, Seen::by_receiver)?;
        self.reconnector.enter(seen)?;
        Ok(turn)
    }

    /// Lends memory for an array of this shape (row-major), which the program fills and sends. Over
    /// `shm:` the peer views it in place, and nothing is copied. The elements have arbitrary
    /// values at first. If no slot can be lent (another transport, less than 64 KiB, no link yet,
    /// all slots in use) it is ordinary memory, which sending copies.
    ///
    /// [`Loan::into_array`] ends the writing; the array is sent as any other. Dropping a loan
    /// returns its memory.
    ///
    /// # Errors
    /// `TooLarge` above 15 dimensions, or above the longest message; `OutOfMemory`; `InvalidState`
    /// once the channel is closed.
    pub fn loan<T: Element>(&self, shape: &[u64]) -> Result<Loan<T>> {
        Ok(Loan::of(self.loan_memory(T::DTYPE, shape, Order::Row)?))
    }

    /// [`Channel::loan`] for element types and orders that are known at run time: for other
    /// languages.
    pub fn loan_memory(&self, dtype: DType, shape: &[u64], order: Order) -> Result<LoanMemory> {
        let lender = self.reconnector.session_state.lender(&self.event_log);
        let is_cbor = self.options.encoding() == Encoding::Cbor;
        let lend = |length| if is_cbor { lender.lend_writable(length) } else { None };
        fork::check(self.fork_generation)
            .and_then(|()| LoanMemory::new(dtype, shape, order, self.options.max_message_size, lend))
            // A slot is lent while the channel is open.
            .and_then(|memory| if memory.is_shared() { Ok(memory) } else { self.check().map(|()| memory) })
            .map_err(|e| e.on(&self.shown))
    }

    /// Lends memory for `length` opaque bytes, such as a frame of a camera, which the program writes and sends as the bytes
    /// of a value. Over `shm:`, with `encoding="cbor"` or `"raw"`, nothing of them is copied to send them. They have
    /// arbitrary values at first. [`BytesLoan::truncate`] says how many there are in the end; [`BytesLoan::into_bytes`]
    /// ends the writing. Where [`Channel::loan`] gives ordinary memory, this does, too, and sending copies it.
    ///
    /// A message takes one such loan, with at most 4 KiB of other values before and behind it, once: where there is more, and
    /// where the bytes are sent again, they are copied.
    ///
    /// ```no_run
    /// # use linkspan_engine::Channel;
    /// # use linkspan_os::deadline::Timeout;
    /// # use linkspan_value::{Result, Value};
    /// # fn f(channel: &Channel, capture: fn(&mut [u8]) -> usize) -> Result<()> {
    /// let mut frame = channel.loan_bytes(1 << 20)?;
    /// let length = capture(&mut frame);
    /// frame.truncate(length)?;
    /// channel.send(&Value::map([("image", frame.into())]), Timeout::Default)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `TooLarge` above the longest message; `OutOfMemory`; `InvalidState` once the channel is closed.
    pub fn loan_bytes(&self, length: usize) -> Result<BytesLoan> {
        let lender = self.reconnector.session_state.lender(&self.event_log);
        let surrounds = BytesLoan::is_sent_in_place(self.options.encoding());
        let lend = |length| if surrounds { lender.lend_with_margins(length) } else { None };
        self.check()
            .and_then(|()| BytesLoan::new(length, self.options.max_message_size, lend))
            .map_err(|e| e.on(&self.shown))
    }

    /// Acknowledges everything that was received so far, on a channel with `ack="manual"`. A message that is
    /// not acknowledged when this program ends is sent to its next incarnation.
    ///
    /// # Errors
    /// `InvalidState` on a channel without `ack="manual"`.
    pub fn ack(&self) -> Result<()> {
        let mut receiving = self.receiving().map_err(|e| e.on(&self.shown))?;
        self.options.check_manual().map_err(|e| e.on(&self.shown))?;
        receiving.consumed();
        let session = self.reconnector.session_state.halves().inbox.session();
        self.reconnector.session_state.acknowledge(session, u64::MAX);
        self.ack_sender().send_ack(AckTrigger::Close);
        drop(receiving);
        Ok(())
    }

    /// Receives the next message with the receiving direction held. One from the link is recorded as delivered in the
    /// same step.
    fn recv_with_waiting(&self, receiving: &mut Receiving, waiting: &mut Waiting<'_>) -> Result<Message> {
        receiving.program_receives(&self.ack_sender());
        receiving.delivers = true;
        let taken = self.next_message(receiving, waiting);
        receiving.delivers = false;
        receiving.apply_consume(&self.ack_sender());
        taken.inspect(|message| self.note_delivered(receiving, message))
    }

    /// Records that this message was delivered to the program, if it came from the inbox. One from the link was
    /// recorded when it was received.
    fn note_delivered(&self, receiving: &Receiving, message: &Message) {
        if receiving.from_inbox {
            self.reconnector.session_state.halves().inbox.delivered(message.session(), message.number());
        }
    }

    /// Receives without waiting. Fails with `Empty` if there is no message.
    pub fn try_recv(&self) -> Result<Message> {
        self.recv(Wait::none()).map_err(|e| if_not_ready(e, ErrorKind::Empty))
    }

    /// Receives the next message for the program. Drops requests that were withdrawn.
    fn next_message(&self, receiving: &mut Receiving, waiting: &mut Waiting<'_>) -> Result<Message> {
        loop {
            let next = receiving.next(&self.ack_sender(), waiting);
            if receiving.is_lockstep() {
                // Also where nothing is there: in an event loop, a call that receives has made the link.
                lockstep::connected(&self.inner);
            }
            match next? {
                // The caller withdrew this request before the program received it.
                ReceivedFrame::Message(message) if receiving.is_withdrawn(&message) => {
                    self.drop_message(&message);
                }
                ReceivedFrame::Message(message) => {
                    if receiving.is_lockstep() && receiving.delivers {
                        lockstep::gives(&self.inner);
                        receiving.keep_readable();
                    }
                    return Ok(message);
                }
                ReceivedFrame::Bye => self.ack_sender().send_ack(AckTrigger::Requested),
                ReceivedFrame::Ack => {}
            }
        }
    }

    /// Counts a message that the program does not receive as dropped and consumed.
    fn drop_message(&self, message: &Message) {
        self.event_log.count(&self.event_log.dropped);
        self.reconnector.session_state.finished(message.session(), message.number());
    }

    /// Returns whether a message can be received without waiting. A server sends no messages by itself, so
    /// with a server as the peer this fails with `InvalidState`. It then drops late answers and records the end of
    /// the server as an event, so that the descriptor of [`Channel::fileno`] does not stay readable.
    pub fn poll(&self) -> Result<bool> {
        let peeked = self.peek();
        if peeked.as_ref().is_err_and(|e| e.kind() == ErrorKind::InvalidState) {
            self.drop_late_answers();
        }
        peeked
    }

    /// Returns whether a message can be received now. A message that is found goes to the inbox.
    fn peek(&self) -> Result<bool> {
        let mut receiving = self.receiving().map_err(|e| e.on(&self.shown))?;
        receiving.program_receives(&self.ack_sender());
        receiving.apply_consume(&self.ack_sender());
        if !receiving.inbox.is_empty() {
            return Ok(true);
        }
        let mut waiting = self.options.start(Wait::none());
        match self.next_message(&mut receiving, &mut waiting) {
            Ok(message) => {
                receiving.keep_first(message);
                Ok(true)
            }
            Err(e) if is_not_ready(&e) => Ok(false),
            Err(e) => Err(e.on(&self.shown)),
        }
    }

    /// Returns what happened since the last call, oldest first; at most the newest 256 events.
    pub fn events(&self) -> Vec<Event> {
        self.event_log.take()
    }

    /// Returns whether [`Channel::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.reconnector.is_closed()
    }

    /// Returns which end of the channel this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the endpoint, with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// Returns a descriptor for an event loop: readable while [`Channel::try_recv`] has something to do.
    pub fn fileno(&self) -> Result<RawFd> {
        self.receiving()
            .and_then(|mut receiving| receiving.watch(&self.reconnector))
            .map_err(|e| e.on(&self.shown))?;
        // A first read arms the link: later messages make the descriptor readable.
        match self.peek() {
            // A server sends nothing by itself; the read has armed the link all the same.
            Err(e) if e.kind() == ErrorKind::InvalidState && !self.is_closed() => {}
            peeked => drop(peeked?),
        }
        Ok(self.descriptor.as_raw_fd())
    }

    /// Returns whether a small message can be sent without waiting, as far as is known.
    pub fn writable(&self) -> Result<bool> {
        let writable = self.sending().map_err(|e| e.on(&self.shown))?.is_writable();
        self.ack_sender().flush_deferred();
        Ok(writable)
    }

    /// Returns counters and state, as a map.
    pub fn stats(&self) -> Value {
        let mut stats = self.event_log.stats();
        stats.insert("endpoint".into(), self.endpoint.to_string().into());
        stats.insert("role".into(), self.role.name().into());
        if !self.is_of_this_process() {
            return Value::Map(stats);
        }
        self.reconnector.session_state.add_stats(&mut stats);
        self.event_log.add_arrays(&mut stats);
        Value::Map(stats)
    }
}

impl Inner {
    /// Returns access to the sending direction, for acknowledgements.
    fn ack_sender(&self) -> AckSender<'_> {
        AckSender { sending: &self.sending, links: &self.reconnector, event_log: &self.event_log }
    }
}

impl rest::Owner for Inner {
    fn rests(&self) -> &rest::Rests {
        &self.rests
    }

    fn with_sending<R>(&self, f: impl FnOnce(&mut Sending) -> R) -> R {
        let done = f(&mut self.sending.borrow());
        self.ack_sender().flush_deferred();
        done
    }
}

/// The descriptor of [`Channel::fileno`]. If that fails, because the channel is closed or another thread
/// receives, the descriptor never becomes readable, and the next call reports the reason.
impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let _ = self.fileno();
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("endpoint", &self.shown)
            .field("role", &self.role)
            .field("closed", &self.reconnector.is_closed())
            .finish_non_exhaustive()
    }
}

/// Returns whether the error of a call that does not wait means only "not now": no message, no peer, or a
/// peer without room for a connection.
pub fn is_not_ready(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout | ErrorKind::NotFound | ErrorKind::Stalled)
}

/// Converts such an error to `kind`, which is `Empty` or `Full`, for a call that does not wait.
pub fn if_not_ready(error: Error, kind: ErrorKind) -> Error {
    match error.kind() {
        _ if is_not_ready(&error) => {
            let text = match kind {
                ErrorKind::Empty => "no message has arrived, and the call was not to wait",
                _ => "there is no room, and the call was not to wait",
            };
            let renamed = Error::new(kind, text);
            match error.endpoint() {
                Some(endpoint) => renamed.on(endpoint),
                None => renamed,
            }
        }
        _ => error,
    }
}
