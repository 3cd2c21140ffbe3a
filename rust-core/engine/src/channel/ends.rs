//! The channel: two ends, messages both ways, requests and replies.
//!
//! A [`Channel`] joins its neighbour modules. These modules decide the order of the steps: which lock or direction a
//! call takes, when it leaves the fast path, and what an error means to the caller.
//!
//! | subject | module |
//! |---|---|
//! | the parts of a channel, its checks and directions | here |
//! | opening and closing a channel | `open`, `close` |
//! | receiving, for every call; into memory of the program | `recv`, `recv_into` |
//! | encoding a value; sending one message or several | `encode`, `send`, `batch` |
//! | calls: all turns, and the first turn with its answer's place | `call`, `call_steps` |
//! | a request under way, which its drop withdraws | `pending_reply` |
//! | several channels in lockstep | `paced` |
//! | the rest of a frame whose sender has returned | `rest` |
//! | waits for the peer's consumption, and for room | `linger`, `room` |
//! | event loops, and threads that serve many channels | `event_loop` |
//!
//! Every public method first checks the process (a channel does not survive `fork`) and that the channel is open,
//! then takes a direction.

pub(crate) mod batch;
mod call;
mod call_steps;
mod close;
mod encode;
mod event_loop;
mod linger;
mod open;
mod paced;
mod pending_reply;
mod recv;
mod recv_into;
mod reply_place;
mod rest;
mod room;
mod send;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::conn::Conn;
use super::direction::{Direction, Lease, Operation};
use super::event_log::Event;
use super::loan::{BytesLoan, Loan, LoanMemory};
use super::options::Options;
use super::receiving::Receiving;
use super::sending::Sending;
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::fork::{self, Descriptor, OfProcess};
use crate::transport::endpoint::Endpoint;
use crate::value::{DType, Element, Order, Value};

pub use event_loop::RequestInfo;
pub use pending_reply::PendingReply;
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
/// Any number of threads may [`send`](Channel::send). They take turns in the order of their calls, each within its
/// time-out. Any number may [`call`](Channel::call). Their requests are in flight at the same time, and each call
/// returns its own answer. Only one thread at a time may [`recv`](Channel::recv). During that, another thread that
/// receives or calls fails with `InvalidState` at once.
///
/// The channel outlives its link. When the peer restarts or the link breaks, the channel reconnects and sends
/// unacknowledged messages again.
pub struct Channel {
    inner: Arc<Inner>,
}

/// The parts of a channel. Requests under way refer to it without keeping it.
#[doc(hidden)]
pub struct Inner {
    endpoint: Endpoint,
    shown: String,
    options: Options,
    role: Role,
    pub(crate) conn: OfProcess<Conn>,
    receiving: OfProcess<Direction<Receiving>>,
    pub(crate) descriptor: OfProcess<Arc<Descriptor>>,
    /// The fork count of the process that made the channel. No other process may use it.
    fork_generation: u64,
    rests: OfProcess<rest::Rests>,
    has_reported: AtomicBool,
    /// The unconsumed messages that a failed `flush` has reported for good, and the next message's number.
    told: AtomicU64,
    told_before: AtomicU64,
    /// Whether this end can send and receive: some transports have one direction. Cached for every call.
    sends: bool,
    receives: bool,
    calls: bool,
}

#[doc(hidden)]
impl Deref for Channel {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl Channel {
    /// Fails with `InvalidState` in another process than the channel's, and once the channel is closed.
    fn check(&self) -> Result<()> {
        fork::check(self.fork_generation)?;
        self.conn.links.check_open()
    }

    /// [`Channel::check`], which also fails with `Unsupported` if this end cannot send.
    fn check_sends(&self) -> Result<()> {
        self.check()?;
        if self.sends { Ok(()) } else { self.endpoint.check_direction(self.role == Role::Connector, "send") }
    }

    /// [`Channel::check`], which also fails with `Unsupported` if this end cannot receive.
    fn check_receives(&self) -> Result<()> {
        self.check()?;
        if self.receives {
            Ok(())
        } else {
            self.endpoint.check_direction(self.role == Role::Listener, "recv")
        }
    }

    fn is_of_this_process(&self) -> bool {
        fork::generation() == self.fork_generation
    }

    fn sending(&self) -> Result<Lease<'_, Sending>> {
        self.check_sends()?;
        self.conn.sending.take(Operation::Send)
    }

    fn sending_in_turn(&self, waiting: &mut Waiting<'_>) -> Result<Lease<'_, Sending>> {
        self.check_sends()?;
        let turn = self.conn.sending.take_in_turn(Operation::Send, waiting)?;
        // The thread that held the direction before may have closed the channel.
        self.check()?;
        Ok(turn)
    }

    fn receiving(&self) -> Result<Lease<'_, Receiving>> {
        self.check_receives()?;
        let turn = self.receiving.take(Operation::Receive)?;
        self.check()?;
        Ok(turn)
    }

    /// Lends memory for an array of this shape (row-major), which the program fills and sends.
    ///
    /// Over `shm:` the peer views the memory in place, without a copy. The elements have arbitrary values at first.
    /// If no slot is available, the loan is ordinary memory, which sending copies. This happens on another transport,
    /// below 64 KiB, without a link, or when all slots are in use.
    ///
    /// [`Loan::into_array`] ends the writing. Dropping a loan returns its memory.
    ///
    /// # Errors
    /// `TooLarge` above 15 dimensions or the maximum message size; `OutOfMemory`; `InvalidState` once the channel is
    /// closed.
    pub fn loan<T: Element>(&self, shape: &[u64]) -> Result<Loan<T>> {
        Ok(Loan::of(self.loan_memory(T::DTYPE, shape, Order::Row)?))
    }

    /// [`Channel::loan`] for other languages, with element type and order known at run time.
    pub fn loan_memory(&self, dtype: DType, shape: &[u64], order: Order) -> Result<LoanMemory> {
        let lender = self.conn.links.session_state.lender(&self.conn.event_log);
        let is_cbor = self.options.encoding() == Encoding::Cbor;
        let lend = |length| if is_cbor { lender.lend_writable(length) } else { None };
        self.check()
            .and_then(|()| LoanMemory::new(dtype, shape, order, self.options.max_message_size, lend))
            .map_err(|e| e.on(&self.shown))
    }

    /// Lends memory for `length` opaque bytes, which the program fills and sends as the bytes of a value.
    ///
    /// Over `shm:` with `encoding="cbor"` or `"raw"`, sending copies nothing. The bytes have arbitrary values at
    /// first. [`BytesLoan::truncate`] sets the final length; [`BytesLoan::into_bytes`] ends the writing. As with
    /// [`Channel::loan`], the loan may be ordinary memory, which sending copies.
    ///
    /// A message takes one such loan, with at most 4 KiB of other values before and after it, once. With more, or
    /// when the bytes are sent again, they are copied.
    ///
    /// ```no_run
    /// # use linkspan_engine::Channel;
    /// # use linkspan_os::deadline::Timeout;
    /// # use linkspan_value::{Result, Value};
    /// # fn f(channel: &Channel, capture: fn(&mut [u8]) -> usize) -> Result<()> {
    /// let mut frame = channel.loan_bytes(1 << 20)?;
    /// let length = capture(&mut frame);
    /// frame.truncate(length)?;
    /// channel.send(&Value::map([("image", frame)]), Timeout::Default)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `TooLarge` above the maximum message size; `OutOfMemory`; `InvalidState` once the channel is closed.
    pub fn loan_bytes(&self, length: usize) -> Result<BytesLoan> {
        let lender = self.conn.links.session_state.lender(&self.conn.event_log);
        let surrounds = BytesLoan::is_sent_in_place(self.options.encoding());
        let lend = |length| if surrounds { lender.lend_with_margins(length) } else { None };
        self.check()
            .and_then(|()| BytesLoan::new(length, self.options.max_message_size, lend))
            .map_err(|e| e.on(&self.shown))
    }

    /// Returns the events since the last call, oldest first; at most the newest 256.
    pub fn events(&self) -> Vec<Event> {
        self.conn.event_log.take()
    }

    /// Returns whether [`Channel::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.conn.links.is_closed()
    }

    /// Returns which end of the channel this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the endpoint, with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// Returns counters and state, as a map.
    pub fn stats(&self) -> Value {
        let mut stats = self.conn.event_log.stats();
        stats.insert("endpoint".into(), self.endpoint.to_string().into());
        stats.insert("role".into(), self.role.name().into());
        if !self.is_of_this_process() {
            return Value::Map(stats);
        }
        self.conn.links.session_state.add_stats(&mut stats);
        self.conn.event_log.add_arrays(&mut stats);
        Value::Map(stats)
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
            .field("closed", &self.conn.links.is_closed())
            .finish_non_exhaustive()
    }
}

/// Returns whether the error of a call that does not wait only means "not now".
///
/// That is: no message, no peer, or a peer without room for a connection.
pub fn is_not_ready(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout | ErrorKind::NotFound | ErrorKind::Stalled)
}

/// Converts such an error to `kind` (`Empty` or `Full`), for a call that does not wait.
pub fn if_not_ready(error: Error, kind: ErrorKind) -> Error {
    match error.kind() {
        _ if is_not_ready(&error) => {
            let renamed = match kind {
                ErrorKind::Empty => Error::new(kind, "no message has arrived, and the call was not to wait"),
                // Without a link, the text names the missing program and the remedy.
                _ => Error::new(kind, format!("not sent: {}", error.text())),
            };
            match error.endpoint() {
                Some(endpoint) => renamed.on(endpoint),
                None => renamed,
            }
        }
        _ => error,
    }
}
