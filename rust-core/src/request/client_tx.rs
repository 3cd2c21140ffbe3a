//! The sending half to one client of a server.
//!
//! Answers go out at once if the link has room; the rest waits here and the serving thread sends it when there
//! is room (`pending`). At most `max_message_size` bytes wait for one client: a client that sends requests and
//! never reads answers is disconnected, and its answers are counted as dropped.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::server_waker::ServerWaker;

use crate::channel::event_log::EventLog;
use crate::channel::session::RetransmitClass;
use crate::channel::session::inbox::AckTrigger;
use crate::channel::session_state::admission::{Obstacle, Terms, Ticket};
use crate::channel::session_state::{Negotiated, SessionState, SlotLender, class};
use crate::channel::{Borrowed, Direction, Options};
use crate::codec::Encoding;
use crate::error::Result;
use crate::frame::{Header, Kind, Outgoing, flags};
use crate::message::{Message, Payload, StoredMessage};
use crate::sys::clock;
use crate::transport::{Sent, Tx};

/// The sending half to one client. Shared by the serving thread and the requests of that client.
pub struct ClientTx {
    /// Its gate is the lock of the client's session: a short answer takes that lock alone (`reply`).
    pub(super) state: Direction<TxState>,
    /// Whether answers wait. Read by the serving thread without the lock.
    pub pending: AtomicBool,
    /// Wakes the serving thread, which flushes what waits.
    server_waker: Arc<ServerWaker>,
    /// The client's token, by which the serving thread finds it.
    token: u64,
    /// The client's session; without a hello one of which nothing but the numbers is used.
    pub(super) session_state: Arc<SessionState>,
    pub(super) negotiated: Option<Negotiated>,
    /// Number of requests that need an answer. Written by the serving thread.
    requests: AtomicU64,
    /// Number of those that have their answer, or never will. Written with `state`, read without it.
    answers: AtomicU64,
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
    /// Answers that the link has taken. Written with `state`.
    sent: Arc<AtomicU64>,
    /// The endpoint, for errors.
    pub(super) shown: Arc<str>,
}

/// The state under the lock.
pub(super) struct TxState {
    /// None once the client has disconnected.
    pub(super) tx: Option<Tx>,
    /// The answer of which the link has taken a part; later ones wait behind it.
    pub(super) partial: Option<(Header, Payload)>,
    /// Answers of which nothing was sent, in order.
    pub(super) backlog: VecDeque<(Header, Payload)>,
    /// Bytes of the bodies in `backlog`.
    bytes: u64,
}

impl ClientTx {
    /// Starts sending to a client over this link. Answers that it had not acknowledged on an earlier
    /// link go first.
    ///
    /// # Errors
    /// `Malformed` if the client's hello claims what is impossible.
    #[allow(clippy::too_many_arguments, reason = "what a connection is made of, known in one place alone")]
    pub fn new(
        tx: Tx,
        max_message_size: u64,
        negotiated: Option<&Negotiated>,
        options: &Options,
        event_log: Arc<EventLog>,
        server_waker: Arc<ServerWaker>,
        token: u64,
        shown: Arc<str>,
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
        let state = TxState { tx: Some(tx), partial: None, backlog, bytes };
        let session_state = match negotiated {
            Some(negotiated) => negotiated.session_state.clone(),
            None => SessionState::new(0, options),
        };
        Ok(ClientTx {
            pending: AtomicBool::new(is_pending),
            state: Direction::new(state, &session_state),
            session_state,
            server_waker,
            token,
            requests: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            half_closed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            withdrawn: Mutex::default(),
            has_withdrawn: AtomicBool::new(false),
            negotiated: negotiated.cloned(),
            max_message_size,
            options: options.clone(),
            sent: event_log.add_sender(),
            event_log,
            shown,
        })
    }

    /// Returns the client's session, if it has one.
    pub fn session_state(&self) -> Option<&Arc<SessionState>> {
        self.negotiated.as_ref().map(|negotiated| &negotiated.session_state)
    }

    /// Returns the slots of the client's link, if it has a session.
    pub fn lender(&self) -> Option<SlotLender<'_>> {
        Some(self.session_state()?.lender(&self.event_log))
    }

    fn state(&self) -> Borrowed<'_, TxState> {
        self.state.lock()
    }

    /// Returns what the link to the client demands of answers.
    #[inline(always)]
    pub(super) fn terms(&self) -> Terms {
        let session = self.negotiated.as_ref().map_or(0, |negotiated| negotiated.hello.session);
        // What is sent again goes first, in the backlog.
        Terms { session, limit: self.max_message_size, replays: false, looked: true }
    }

    /// Records an answer that the link has, or will have, and keeps it if its class requires that.
    fn record(&self, ticket: &Ticket, header: &Header, payload: &Payload) {
        if let (_, Some(place)) = self.session_state.halves().sent(ticket) {
            *place = StoredMessage::new(header, payload);
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
        self.send_with(&mut self.state(), kind, correlation, flags, payload)
    }

    /// [`ClientTx::send`] for the one answer to a request, which counts. `answered` is whether there was one already, and
    /// changes only with the state.
    ///
    /// # Errors
    /// Those of [`ClientTx::send`]. None if the request was answered before.
    pub fn send_answer(
        &self,
        answered: &AtomicBool,
        kind: Kind,
        request: &Message,
        payload: &Payload,
    ) -> Option<Result<()>> {
        let mut state = self.state();
        if answered.load(Ordering::Relaxed) {
            return None;
        }
        let flags = request.header().flags & flags::IDEMPOTENT;
        let sent = self.send_with(&mut state, kind, request.sequence(), flags, payload);
        if sent.is_ok() {
            answered.store(true, Ordering::Relaxed);
            self.count_answer();
        }
        drop(state);
        if sent.is_ok() {
            self.finished(request);
            self.wake_if_half_closed();
        }
        Some(sent)
    }

    /// [`ClientTx::send`] with the state.
    fn send_with(
        &self,
        state: &mut TxState,
        kind: Kind,
        correlation: u64,
        flags: u16,
        payload: &Payload,
    ) -> Result<()> {
        let mut header =
            Header { correlation, flags, sent: clock::now(), ..Header::new(kind, payload.encoding()) };
        let TxState { tx, partial, backlog, bytes } = state;
        let admitted = self.session_state.halves().admit(&self.terms(), kind, flags, payload.len());
        let ticket = match admitted {
            Ok(ticket) => ticket,
            Err(Obstacle::TooLong) => return Err(payload.too_long(self.max_message_size)),
            // The client has violated the protocol, which ends its link.
            Err(_) => {
                let violation = self.session_state.halves().violation();
                if let (Some(sender), Some(violation)) = (tx, violation) {
                    sender.end_link(&violation);
                }
                self.event_log.count(&self.event_log.dropped);
                return Ok(());
            }
        };
        header.sequence = ticket.number;
        let Some(sender) = tx else {
            if self.negotiated.is_some() && class(kind, flags) == RetransmitClass::IdempotentAnswer {
                self.record(&ticket, &header, payload);
            } else {
                self.event_log.count(&self.event_log.dropped);
            }
            return Ok(());
        };
        let frame = Outgoing::of(header, payload.memory());
        let sent = if partial.is_some() || !backlog.is_empty() {
            Ok(Sent::Blocked)
        } else {
            send_while_read(sender, &frame)
        };
        match sent {
            Ok(Sent::Whole) => {
                self.record(&ticket, &header, payload);
                let lost = sender.take_lost() > 0;
                if lost {
                    self.event_log.count(&self.event_log.dropped)
                } else {
                    self.count_sent()
                }
                return Ok(());
            }
            // Kept here rather than adopted by the transport, which would copy the rest.
            Ok(Sent::Part) => {
                *partial = Some((header, payload.clone()));
                self.record(&ticket, &header, payload);
                self.count_sent();
            }
            Ok(Sent::Blocked) if *bytes + payload.len() as u64 <= self.options.max_message_size => {
                *bytes += payload.len() as u64;
                self.record(&ticket, &header, payload);
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
                self.count_sent();
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

    /// Returns the options of the server.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the bytes of the longest message that both sides accept.
    pub fn max_message_size(&self) -> u64 {
        self.max_message_size.min(self.options.max_message_size)
    }

    /// Returns whether the client has disconnected.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Counts a request that needs an answer. For the serving thread.
    #[inline]
    pub fn request_received(&self) {
        self.requests.store(self.requests.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Counts an answer. The caller has the state.
    #[inline]
    pub(super) fn count_answer(&self) {
        self.answers.store(self.answers.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Counts an answer that the link has taken. The caller has the state.
    #[inline]
    pub(super) fn count_sent(&self) {
        self.event_log.count_exclusive(&self.sent);
    }

    /// Records that a request will never have an answer.
    pub fn never_answered(&self) {
        let state = self.state();
        self.count_answer();
        drop(state);
        self.wake_if_half_closed();
    }

    /// Wakes the serving thread for an answer to a client that only waits for answers.
    #[inline]
    pub(super) fn wake_if_half_closed(&self) {
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
        self.has_unanswered() || self.pending.load(Ordering::Acquire)
    }

    /// Returns whether a request is unanswered. A request is counted before its answer is.
    fn has_unanswered(&self) -> bool {
        let answers = self.answers.load(Ordering::Acquire);
        self.requests.load(Ordering::Acquire) > answers
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
        if !self.has_unanswered() {
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
    pub fn has_withdrawn(&self, request: u64) -> bool {
        self.has_withdrawn.load(Ordering::Acquire)
            && self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner).contains(&request)
    }

    /// Records that this request is consumed.
    pub fn finished(&self, message: &Message) {
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
        self.event_log.remove_sender(&self.sent);
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
