//! A request, its one answer, and the sending half to the client that sent it.
//!
//! A [`Request`] holds a reference to the [`ClientTx`] of its client, so that any thread can answer after the
//! server has received other requests. Answers go out at once if the link has room; the rest waits here and
//! the serving thread sends it when there is room (`pending`). At most `max_message_size` bytes wait for one
//! client: a client that sends requests and never reads answers is disconnected, and its answers are counted
//! as dropped.
//!
//! A request that is dropped without an answer is answered with an error, so that no client waits
//! for a handler that panicked.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::server_waker::ServerWaker;
use crate::channel::event_log::EventLog;
use crate::channel::session::RetransmitClass;
use crate::channel::session::inbox::AckTrigger;
use crate::channel::session_state::{Negotiated, SessionState, SlotLender, class};
use crate::channel::stored_message::StoredMessage;
use crate::channel::{Loan, LoanMemory, Options};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, RemoteFailure, Result};
use crate::frame::{Header, Kind, Outgoing, flags};
use crate::message::failure::{self, INTERNAL_ERROR};
use crate::message::{Lender, Message, Payload};
use crate::sys::clock::since_boot;
use crate::transport::{Sent, Tx};
use crate::value::{DType, Element, Order, Source, Timestamp};

/// The sending half to one client. Shared by the serving thread and the requests of that client.
pub struct ClientTx {
    state: Mutex<TxState>,
    /// Whether answers wait. Read by the serving thread without the lock.
    pub pending: AtomicBool,
    /// Wakes the serving thread, which flushes what waits.
    server_waker: Arc<ServerWaker>,
    /// The client's token, by which the serving thread finds it.
    token: u64,
    /// Numbers the answers on a link without a session.
    sequence: AtomicU64,
    negotiated: Option<Negotiated>,
    /// Number of requests without an answer.
    unanswered: AtomicU64,
    /// Whether the client has closed its sending side and only waits for answers.
    half_closed: AtomicBool,
    /// Whether the client has disconnected.
    closed: AtomicBool,
    /// Requests that the client withdrew after the program had got them, the newest last.
    withdrawn: Mutex<VecDeque<u64>>,
    /// Whether `withdrawn` has been used. Read without the lock.
    has_withdrawn: AtomicBool,
    /// Bytes of the longest message that the client accepts.
    max_message_size: u64,
    options: Options,
    event_log: Arc<EventLog>,
}

/// The state under the lock.
struct TxState {
    /// None once the client has disconnected.
    tx: Option<Tx>,
    /// The answer of which the link has taken a part; later ones wait behind it.
    partial: Option<(Header, Payload)>,
    /// Answers of which nothing was sent, in order.
    backlog: VecDeque<(Header, Payload)>,
    /// Bytes of the bodies in `backlog`.
    bytes: u64,
}

impl ClientTx {
    /// Starts sending to a client over this link. Answers that it had not acknowledged on an earlier
    /// link go first.
    ///
    /// # Errors
    /// `Malformed` if the client's hello claims what is impossible.
    pub fn new(
        tx: Tx,
        max_message_size: u64,
        negotiated: Option<&Negotiated>,
        options: &Options,
        event_log: Arc<EventLog>,
        server_waker: Arc<ServerWaker>,
        token: u64,
    ) -> Result<ClientTx> {
        let (mut backlog, mut bytes) = (VecDeque::new(), 0);
        if let Some(negotiated) = negotiated {
            negotiated.session_state.link_up(negotiated, &event_log)?;
            let mut halves = negotiated.session_state.halves();
            while let Some((kept, number)) = halves.outbox.to_replay() {
                let payload = kept.payload();
                bytes += payload.len() as u64;
                backlog.push_back((kept.header(number), payload));
                halves.outbox.replayed(number);
            }
        }
        let is_pending = !backlog.is_empty();
        if is_pending {
            server_waker.add_pending(token);
        }
        Ok(ClientTx {
            pending: AtomicBool::new(is_pending),
            state: Mutex::new(TxState { tx: Some(tx), partial: None, backlog, bytes }),
            server_waker,
            token,
            sequence: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            half_closed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            withdrawn: Mutex::default(),
            has_withdrawn: AtomicBool::new(false),
            negotiated: negotiated.cloned(),
            max_message_size,
            options: options.clone(),
            event_log,
        })
    }

    /// Returns the client's session, if it has one.
    fn session_state(&self) -> Option<&Arc<SessionState>> {
        self.negotiated.as_ref().map(|negotiated| &negotiated.session_state)
    }

    /// Returns the slots of the client's link, if it has a session.
    fn lender(&self) -> Option<SlotLender<'_>> {
        Some(self.session_state()?.lender(&self.event_log))
    }

    fn state(&self) -> MutexGuard<'_, TxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a message that was sent, or will be, its number, and keeps it if its class requires it.
    fn number(&self, header: Header, payload: &Payload) -> u64 {
        let Some(session_state) = self.session_state() else {
            return self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        };
        let kept = || StoredMessage::new(&header, payload);
        let (class, bytes) = (class(header.kind, header.flags), payload.len());
        let mut halves = session_state.halves();
        if class == RetransmitClass::IdempotentAnswer {
            // It is kept only if there is room, so room is made if possible.
            halves.has_room(RetransmitClass::Data, bytes);
        }
        halves.outbox.sent(class, bytes, kept)
    }

    /// Returns the number that the next message gets.
    fn next_number(&self) -> u64 {
        match self.session_state() {
            Some(session_state) => session_state.halves().outbox.assign_number(),
            None => self.sequence.load(Ordering::Relaxed) + 1,
        }
    }

    /// Acknowledges the client's messages if that is due. What the link does not take now is sent on
    /// a later occasion.
    pub fn send_ack(&self, session: u64, trigger: AckTrigger) {
        let Some(session_state) = self.session_state() else { return };
        let Some(number) = session_state.halves().ack_due(trigger, session) else { return };
        let mut state = self.state();
        let TxState { tx: Some(sender), partial: None, backlog, .. } = &mut *state else { return };
        if !backlog.is_empty() {
            return;
        }
        let header = Header { correlation: number, ..Header::new(Kind::Ack, Encoding::Raw) };
        let frame = Outgoing::new(header, &[]);
        match sender.try_send(&frame) {
            Ok(Sent::Whole) => {}
            Ok(Sent::Part) => {
                sender.adopt(&frame);
                self.set_pending();
            }
            // The receiving half notices a client that has disconnected.
            Ok(Sent::Blocked) | Err(_) => return,
        }
        session_state.halves().inbox.ack_frame_sent(session, number);
    }

    /// Sends an answer, or keeps it until there is room. An answer to a client that has disconnected is
    /// dropped and counted, unless it answers an idempotent request of a client that may reconnect.
    ///
    /// # Errors
    /// An error about this answer alone, such as `TooLarge`: another answer may be given.
    pub fn send(&self, kind: Kind, correlation: u64, flags: u16, payload: &Payload) -> Result<()> {
        payload.check(self.max_message_size)?;
        let mut state = self.state();
        let mut header =
            Header { correlation, flags, sent: Timestamp::now().0, ..Header::new(kind, payload.encoding()) };
        let TxState { tx, partial, backlog, bytes } = &mut *state;
        let Some(sender) = tx else {
            if self.negotiated.is_some() && class(kind, flags) == RetransmitClass::IdempotentAnswer {
                self.number(header, payload);
            } else {
                self.event_log.count(&self.event_log.dropped);
            }
            return Ok(());
        };
        header.sequence = self.next_number();
        let frame = Outgoing::of(header, payload.memory());
        let sent = if partial.is_some() || !backlog.is_empty() {
            Ok(Sent::Blocked)
        } else {
            send_while_read(sender, &frame)
        };
        match sent {
            Ok(Sent::Whole) => {
                self.number(header, payload);
                let lost = sender.take_lost() > 0;
                self.event_log.count(if lost { &self.event_log.dropped } else { &self.event_log.sent });
                return Ok(());
            }
            // Kept here rather than adopted by the transport, which would copy the rest.
            Ok(Sent::Part) => {
                *partial = Some((header, payload.clone()));
                self.number(header, payload);
                self.event_log.count(&self.event_log.sent);
            }
            Ok(Sent::Blocked) if *bytes + payload.len() as u64 <= self.options.max_message_size => {
                *bytes += payload.len() as u64;
                self.number(header, payload);
                backlog.push_back((header, payload.clone()));
            }
            // An error about this answer alone.
            Err(error) if sender.goes_on_after(&error) => return Err(error),
            // The client reads no answers, so it is disconnected.
            Ok(Sent::Blocked) | Err(_) => {
                self.event_log.dropped.fetch_add(1 + backlog.len() as u64, Ordering::Relaxed);
                (*tx, *partial) = (None, None);
                backlog.clear();
                return Ok(());
            }
        }
        self.set_pending();
        Ok(())
    }

    /// Sends waiting answers. True if none is left, or the client has disconnected.
    pub fn flush(&self) -> bool {
        let mut state = self.state();
        let TxState { tx, partial, backlog, bytes } = &mut *state;
        let Some(sender) = tx else { return self.clear_pending() };
        let flushed = (|| -> Result<bool> {
            if let Some((header, payload)) = partial {
                let frame = Outgoing::of(*header, payload.memory());
                if send_while_read(sender, &frame)? != Sent::Whole {
                    return Ok(false);
                }
                *partial = None;
            }
            if !sender.flush()? {
                return Ok(false);
            }
            while let Some((header, payload)) = backlog.front() {
                let frame = Outgoing::of(*header, payload.memory());
                let sent = sender.try_send(&frame)?;
                if sent == Sent::Blocked {
                    return Ok(false);
                }
                *bytes -= payload.len() as u64;
                self.event_log.count(&self.event_log.sent);
                let taken = backlog.pop_front();
                if sent == Sent::Part {
                    *partial = taken;
                    return Ok(false);
                }
            }
            Ok(true)
        })();
        match flushed {
            Ok(true) => self.clear_pending(),
            Ok(false) => false,
            Err(_) => {
                self.event_log.dropped.fetch_add(backlog.len() as u64, Ordering::Relaxed);
                backlog.clear();
                (*tx, *partial) = (None, None);
                self.clear_pending()
            }
        }
    }

    /// Records that an answer waits, and wakes the serving thread. The caller holds the lock of `state`, so
    /// that [`ClientTx::flush`] does not clear it in between.
    fn set_pending(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.server_waker.add_pending(self.token);
        }
        self.server_waker.wake();
    }

    /// Records that nothing waits.
    fn clear_pending(&self) -> bool {
        self.pending.store(false, Ordering::Release);
        true
    }

    /// Records that a request has its answer, or never will.
    fn answered(&self) {
        self.unanswered.fetch_sub(1, Ordering::AcqRel);
        if self.half_closed.load(Ordering::Acquire) {
            // The serving thread may be parked, and this may have been the last answer of the connection.
            self.server_waker.wake();
        }
    }

    /// Records that the client has closed its sending side. Returns whether it still waits for
    /// answers.
    pub fn half_closed(&self) -> bool {
        self.half_closed.store(true, Ordering::Release);
        self.has_unfinished()
    }

    /// Returns whether no request is unanswered and no answer waits, so that the next event can
    /// only come from the client.
    pub fn is_idle(&self) -> bool {
        !self.has_unfinished()
    }

    /// Returns whether a request is unanswered or an answer waits.
    pub fn has_unfinished(&self) -> bool {
        self.unanswered.load(Ordering::Acquire) > 0 || self.pending.load(Ordering::Acquire)
    }

    /// Records that the client has withdrawn a request, which the program may have got already. Only a
    /// server that stands for one of another machine can still do something about it.
    pub fn note_withdrawal(&self, request: u64) {
        /// Further ones are not recorded, and end with their deadlines.
        const MOST: usize = 1024;
        if self.options.machine.is_none() {
            return;
        }
        let mut withdrawn = self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.unanswered.load(Ordering::Acquire) == 0 {
            // The answer has crossed the withdrawal.
            withdrawn.clear();
        } else {
            if withdrawn.len() >= MOST {
                withdrawn.pop_front();
            }
            withdrawn.push_back(request);
        }
        self.has_withdrawn.store(!withdrawn.is_empty(), Ordering::Release);
    }

    /// Returns whether the client has withdrawn this request.
    fn has_withdrawn(&self, request: u64) -> bool {
        self.has_withdrawn.load(Ordering::Acquire)
            && self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner).contains(&request)
    }

    /// Records that this request is consumed.
    fn finished(&self, message: &Message) {
        if let Some(session_state) = self.session_state() {
            session_state.finished(message.session(), message.sequence());
        }
    }

    /// Runs `f` with the sending half; none if the client has disconnected.
    pub fn with_tx<R>(&self, f: impl FnOnce(&mut Tx) -> R) -> Option<R> {
        self.state().tx.as_mut().map(f)
    }

    /// Records that the client has disconnected: waiting answers are dropped and counted.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let mut state = self.state();
        self.event_log.dropped.fetch_add(state.backlog.len() as u64, Ordering::Relaxed);
        (state.tx, state.partial) = (None, None);
        state.backlog.clear();
        drop(state);
        self.clear_pending();
        if let Some(negotiated) = &self.negotiated {
            negotiated.session_state.sending_ended(negotiated);
        }
    }
}

/// Sends a frame in parts as long as the client makes room within the time of a spin; a client that
/// reads slowly delays no other client.
fn send_while_read(sender: &mut Tx, frame: &Outgoing<'_>) -> Result<Sent> {
    loop {
        match sender.try_send(frame)? {
            Sent::Part if sender.spin() => {}
            sent => return Ok(sent),
        }
    }
}

/// A request that waits for its answer; it dereferences to its [`Message`].
///
/// If it is dropped without an answer, the client's call fails with `Remote`. Any thread may answer
/// it, also while another thread waits for the next request.
pub struct Request {
    message: Message,
    client_tx: Arc<ClientTx>,
    /// Whether an answer was given; also true for a message that expects none.
    answered: AtomicBool,
    shown: Arc<str>,
    /// Until when its caller waits, by the clock since boot, if the caller has sent it.
    until: Option<Duration>,
}

impl Request {
    /// Returns a request of this client.
    pub(super) fn new(
        message: Message,
        client_tx: Arc<ClientTx>,
        shown: Arc<str>,
        until: Option<Duration>,
    ) -> Request {
        let answered = AtomicBool::new(!message.is_request());
        if message.is_request() {
            client_tx.unanswered.fetch_add(1, Ordering::AcqRel);
        }
        Request { message, client_tx, answered, shown, until }
    }

    /// Returns how long its caller still waits, if that is known: callers send it to a server with
    /// [`Options::with_machine`], which stands for one of another machine.
    ///
    /// [`Options::with_machine`]: crate::Options::with_machine
    #[doc(hidden)]
    pub fn remaining(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_sub(since_boot()))
    }

    /// Returns whether its caller waits no longer: it has withdrawn the request, or its connection has ended
    /// and it cannot reconnect for the answer. Known after the server has polled for the next request, and
    /// for withdrawals only to a server with [`Options::with_machine`].
    ///
    /// [`Options::with_machine`]: crate::Options::with_machine
    #[doc(hidden)]
    pub fn is_withdrawn(&self) -> bool {
        let is_idempotent = self.message.header().flags & flags::IDEMPOTENT != 0;
        self.client_tx.has_withdrawn(self.message.sequence())
            || !is_idempotent && self.client_tx.closed.load(Ordering::Acquire)
    }

    /// Acknowledges this message and what its sender sent before it, on a server with
    /// `ack="manual"`. An answer acknowledges too.
    pub fn ack(&self) {
        let Some(session_state) = self.client_tx.session_state() else {
            self.client_tx.with_tx(|tx| tx.consumed_to(self.message.sequence()));
            return;
        };
        session_state.acknowledge(self.message.session(), self.message.sequence());
        self.client_tx.send_ack(self.message.session(), AckTrigger::Close);
    }

    /// Returns the message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Returns whether the sender waits for an answer. False for a message that was sent rather than
    /// called.
    pub fn wants_reply(&self) -> bool {
        self.message.is_request()
    }

    /// Encodes a value as the answer is written: in the encoding of the request, checked against
    /// `reply_schema` if `validate` requires it.
    pub fn encode<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        let (options, lender) = (&self.client_tx.options, self.client_tx.lender());
        let lender = lender.as_ref().map(|lender| lender as &dyn Lender);
        let (schema, limits) = (options.checks_replies_sent(), options.limits());
        Payload::with_schema(schema, value, self.answer_encoding(), &limits, lender)
            .map_err(|e| e.on(&self.shown))
    }

    /// Lends memory for an array of this shape (row-major) of the reply, as
    /// [`Channel::loan`](crate::Channel::loan) does for a message: over `shm:` the client that sent
    /// the request views it without a copy. In a reply to another client it is copied, as any array
    /// is.
    ///
    /// # Errors
    /// `TooLarge` above 15 dimensions, or above the longest message that the client accepts;
    /// `OutOfMemory`.
    pub fn loan<T: Element>(&self, shape: &[u64]) -> Result<Loan<T>> {
        Ok(Loan::of(self.loan_memory(T::DTYPE, shape, Order::Row)?))
    }

    /// [`Request::loan`] for element types and orders that are known at run time: for other
    /// languages.
    pub fn loan_memory(&self, dtype: DType, shape: &[u64], order: Order) -> Result<LoanMemory> {
        let max_message_size = self.client_tx.max_message_size.min(self.client_tx.options.max_message_size);
        let is_cbor = self.answer_encoding() == Encoding::Cbor;
        let lend = |length| self.client_tx.lender().filter(|_| is_cbor)?.lend_writable(length);
        LoanMemory::new(dtype, shape, order, max_message_size, lend).map_err(|e| e.on(&self.shown))
    }

    /// Returns the encoding of the answer.
    fn answer_encoding(&self) -> Encoding {
        self.message.encoding()
    }

    /// Answers with a value. An answer to a client that has disconnected is dropped and counted,
    /// which is no error.
    ///
    /// # Errors
    /// `InvalidState` if the request was answered before, or the message expects no answer;
    /// `TooLarge` and errors of encoding, after which another answer may be given.
    pub fn reply<T: Source + ?Sized>(&self, value: &T) -> Result<()> {
        self.reply_payload(&self.encode(value)?)
    }

    /// Answers with an encoded value: see [`Request::reply`].
    pub fn reply_payload(&self, payload: &Payload) -> Result<()> {
        self.answer(Kind::Reply, payload)
    }

    /// Answers with a failure: the client's call fails with `Remote`. Errors as for
    /// [`Request::reply`].
    pub fn fail(&self, failure: &RemoteFailure) -> Result<()> {
        self.answer(Kind::Error, &failure::to_payload(failure)?)
    }

    /// Sends the one answer.
    fn answer(&self, kind: Kind, payload: &Payload) -> Result<()> {
        if self.answered.swap(true, Ordering::AcqRel) {
            let text = if self.wants_reply() {
                "this request has been answered; a request has one answer"
            } else {
                "this message wants no answer: it was sent, not called"
            };
            return Err(Error::new(ErrorKind::InvalidState, text).on(&self.shown));
        }
        let flags = self.message.header().flags & flags::IDEMPOTENT;
        let sent = self.client_tx.send(kind, self.message.sequence(), flags, payload);
        if sent.is_err() {
            // After an answer that failed, for instance because it is too large, another one may be given.
            self.answered.store(false, Ordering::Release);
        } else {
            self.client_tx.finished(&self.message);
            self.client_tx.answered();
        }
        sent.map_err(|e| e.on(&self.shown))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !*self.answered.get_mut() {
            let failure = RemoteFailure {
                code: INTERNAL_ERROR,
                kind: "linkspan.unanswered".into(),
                text: "the server dropped the request without an answer".into(),
                data: Vec::new(),
            };
            // A drop has no caller to which it could report an error.
            if self.fail(&failure).is_err() {
                self.client_tx.answered();
            }
        }
    }
}

impl Deref for Request {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("endpoint", &self.shown)
            .field("message", &self.message)
            .field("answered", &self.answered)
            .finish_non_exhaustive()
    }
}
