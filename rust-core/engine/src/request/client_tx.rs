//! The answers of a server to one client, and the counters of that client.
//!
//! An answer is sent at once if the link has room. Otherwise it waits in the queue of the link, and the serving thread
//! sends it when there is room (`pending`). At most `max_message_size` bytes wait for one client, and four times as
//! many for all of them ([`WaitingAnswers`]): a client that sends requests and does not read the answers is
//! disconnected, and its answers are counted as dropped.
//!
//! A link over which no answer can be sent any more is not used for requests either: both sides are told
//! ([`ClientTx::give_up`]).

mod requests;
mod unread;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::server_waker::ServerWaker;
use super::waiting_answers::WaitingAnswers;

use crate::channel::conn::Conn;
use crate::channel::event_log::EventLog;
use crate::channel::link::{ConnectionGuard, TxPart};
use crate::channel::sending::{Admitted, Draft, Links, Passed, Put, Sending};
use crate::channel::session_state::admission::{Obstacle, Ticket};
use crate::channel::session_state::{SessionState, SlotLender};
use crate::channel::{Operation, Options};
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::message::{Message, Payload};
use crate::session::Owner;
use crate::session::inbox::AckTrigger;

/// A token among those of clients with waiting answers: an answer was kept for a client that may have reconnected under
/// another token.
pub const KEPT: u64 = 0;

/// The sending side of one client. Shared by the serving thread and the requests of that client.
pub struct ClientTx {
    /// A short answer takes the lock of the client's session alone.
    pub conn: Conn<ClientLink>,
    /// The guard of the link, which this side may hang up; dangling for a link that all clients share.
    guard: Weak<ConnectionGuard>,
    /// Why this side has given up the link while the client was still connected.
    given_up: OnceLock<Error>,
    /// Who the client is, for events.
    source: Arc<str>,
    /// Whose client it is.
    owner: Owner,
    /// What waits for all clients of the server.
    waiting_answers: Arc<WaitingAnswers>,
    /// Bytes of that which wait for this one, and since which moment of the server's. Written with `sending` locked.
    waiting_bytes: AtomicU64,
    waits_since: AtomicU64,
    /// The client's session, kept after the link has ended; 0 without a hello.
    peer_session: u64,
    /// Bytes of the longest message that both sides accept.
    limit: u64,
    /// The number of requests that need an answer. The serving thread writes it.
    requests: AtomicU64,
    /// The number of requests that have been answered or never will be. Written with `sending` locked, read without it.
    answers: AtomicU64,
    /// Whether the client has closed its sending side and only waits for answers.
    half_closed: AtomicBool,
    /// Whether the client has disconnected.
    closed: AtomicBool,
    /// Requests that the client withdrew after the program had received them, the newest last.
    withdrawn: Mutex<VecDeque<u64>>,
    options: Options,
    /// The endpoint, for errors.
    pub(super) shown: Arc<str>,
}

/// The link of one client.
pub struct ClientLink {
    /// The client's session; for a link without a hello, a session of which only the numbers are used.
    pub session_state: Arc<SessionState>,
    /// Whether answers wait. Written with the sending state locked; the serving thread reads it without.
    pub pending: AtomicBool,
    /// Wakes the serving thread, which flushes waiting answers.
    server_waker: Arc<ServerWaker>,
    /// The client's token, by which the serving thread finds it.
    token: u64,
}

impl ClientTx {
    /// Starts sending to a client over this link of this generation. Answers that it did not acknowledge on an earlier
    /// link are sent first.
    ///
    /// # Errors
    /// `Malformed` if the client's hello acknowledges messages that were not sent.
    pub fn new(
        (part, generation): (TxPart, u64),
        options: &Options,
        event_log: Arc<EventLog>,
        (server_waker, waiting_answers): (Arc<ServerWaker>, Arc<WaitingAnswers>),
        token: u64,
        guard: Weak<ConnectionGuard>,
        shown: Arc<str>,
    ) -> Result<Arc<ClientTx>> {
        let (peer_session, limit) = (part.session(), part.peer.max_message_size);
        let session_state = match &part.negotiated {
            Some(negotiated) => {
                negotiated.session_state.link_up(generation, negotiated, &event_log)?;
                negotiated.session_state.clone()
            }
            None => SessionState::new(0, options),
        };
        let (source, owner) = (part.peer.source.clone(), part.peer.owner.clone());
        let sending = Sending { part: Some(part), generation, ..Sending::new(&event_log) };
        let link = ClientLink { session_state, pending: AtomicBool::new(false), server_waker, token };
        let client_tx = Arc::new(ClientTx {
            conn: Conn::new(sending, link, event_log),
            peer_session,
            limit,
            guard,
            given_up: OnceLock::new(),
            source,
            owner,
            waiting_answers,
            waiting_bytes: AtomicU64::new(0),
            waits_since: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            half_closed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            withdrawn: Mutex::default(),
            options: options.clone(),
            shown,
        });
        Conn::on_left(&client_tx, |client_tx| &client_tx.conn);
        let weak = Arc::downgrade(&client_tx);
        client_tx.waiting_answers.add(weak);
        client_tx.conn.send_ack(AckTrigger::Receive);
        Ok(client_tx)
    }

    /// Refuses an acknowledgement by the program where the server acknowledges by itself.
    pub fn check_manual(&self) -> Result<()> {
        self.options.check_manual()
    }

    /// Returns the client's session, if it has one.
    pub fn session(&self) -> Option<&SessionState> {
        (self.peer_session != 0).then_some(&self.conn.links.session_state)
    }

    /// Returns the slots of the client's link, if it has a session.
    pub fn lender(&self) -> Option<SlotLender<'_>> {
        Some(self.session()?.lender(&self.conn.event_log))
    }

    /// Sends an answer, or keeps it until there is room. An answer to a client that has disconnected is
    /// dropped and counted, unless it answers an idempotent request of a client that may reconnect.
    ///
    /// # Errors
    /// An error that concerns this answer alone, such as `TooLarge`; another answer may be given.
    pub fn send(&self, draft: &Draft<'_>) -> Result<()> {
        let sent = self.send_on(*draft, None, None).unwrap_or(Ok(()));
        self.bound_waiting();
        sent
    }

    /// [`ClientTx::send`] for the answer to a request, which is counted. `answered` is whether the request has been
    /// answered; it changes only while the state is locked. Returns `None` if the request was answered before.
    ///
    /// # Errors
    /// Those of [`ClientTx::send`].
    #[inline]
    pub fn send_answer(
        &self,
        answered: &AtomicBool,
        kind: Kind,
        request: &Message,
        payload: &Payload,
    ) -> Option<Result<()>> {
        let draft = Draft::answer(kind, request, payload);
        let sent = match self.send_step(answered, &draft) {
            Ok(()) => Some(Ok(())),
            Err(admitted) => self.send_on(draft, admitted, Some(answered)),
        };
        self.bound_waiting();
        self.wake_if_half_closed();
        sent
    }

    /// Makes the first attempt, under the session's lock. The error is what [`ClientTx::send_on`] goes on with.
    #[inline]
    fn send_step(
        &self,
        answered: &AtomicBool,
        draft: &Draft<'_>,
    ) -> std::result::Result<(), Option<Admitted<'_>>> {
        if draft.kind != Kind::Reply {
            return Err(None);
        }
        let mut entered = self.conn.sending.enter().ok_or(None)?;
        let (sending, halves) = entered.parts();
        if answered.load(Ordering::Relaxed) || sending.part.as_ref().is_none_or(TxPart::has_queue) {
            return Err(None);
        }
        let put = sending.send_step(draft, halves, &self.conn.event_log);
        if let Put::Sent(_) = put {
            self.note_answer(answered);
        }
        put.leave(entered).map(drop)
    }

    /// Sends an answer that is admitted, or in turn with the threads that send others.
    #[inline(never)]
    fn send_on(
        &self,
        draft: Draft<'_>,
        admitted: Option<Admitted<'_>>,
        answered: Option<&AtomicBool>,
    ) -> Option<Result<()>> {
        let (mut sending, ticket) = match admitted {
            Some((sending, ticket)) => (sending, Some(ticket)),
            None => {
                let mut patient = Waiting::until(Deadline::NEVER);
                match self.conn.sending.take_in_turn(Operation::Send, &mut patient) {
                    Ok(sending) => (sending, None),
                    Err(error) => return Some(Err(error)),
                }
            }
        };
        if answered.is_some_and(|answered| answered.load(Ordering::Relaxed)) {
            return None;
        }
        let passed = self.pass(&mut sending, &draft, ticket);
        let mut ending = sending.enter();
        let (state, halves) = ending.parts();
        let sent = passed.map(|passed| {
            if let Some(passed) = passed {
                state.record(&draft, passed, halves, &self.conn.event_log, &Waiting::at_once());
            }
            if let Some(answered) = answered {
                self.note_answer(answered);
            }
        });
        let is_left = halves.has_replays();
        ending.end();
        if is_left {
            // The client has connected again meanwhile: the serving thread sends it over the newest link.
            self.conn.links.server_waker.add_pending(KEPT);
        }
        Some(sent)
    }

    /// Notes that a request is answered. The caller has the state.
    fn note_answer(&self, answered: &AtomicBool) {
        answered.store(true, Ordering::Relaxed);
        self.count_answer();
    }

    /// Passes an answer to the link or to its queue; admits it first where there is no ticket. Returns `None` if there
    /// is no link any more; then the answer is kept, or dropped and counted.
    ///
    /// # Errors
    /// Those of [`ClientTx::send`].
    fn pass(
        &self,
        sending: &mut Sending,
        draft: &Draft<'_>,
        mut ticket: Option<Ticket>,
    ) -> Result<Option<Passed>> {
        let goes_on_after = |sending: &Sending, error: &Error| {
            sending.part.as_ref().is_some_and(|part| part.tx.goes_on_after(error))
        };
        loop {
            let mut at_once = Waiting::at_once();
            let why = match sending.put(
                draft,
                ticket.take(),
                true,
                &self.conn.links,
                &self.conn.event_log,
                &mut at_once,
            ) {
                Ok(passed) => return Ok(Some(passed)),
                Err(Obstacle::TooLong) => return Err(draft.content.too_long(self.limit)),
                Err(Obstacle::Failed(error)) if goes_on_after(sending, &error) => return Err(error),
                Err(Obstacle::NoLink) => return self.keep(draft).map(|()| None),
                Err(Obstacle::Replay) => match sending.replay(&self.conn.links, &mut at_once) {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(Obstacle::Failed(error)) => error,
                Err(
                    Obstacle::Violation | Obstacle::Acknowledgements | Obstacle::NoRoom | Obstacle::Losses,
                ) => Error::new(ErrorKind::Full, NOT_ACKNOWLEDGED),
                Err(Obstacle::Another) => Error::new(ErrorKind::Disconnected, "another client has connected"),
            };
            // The client may have violated the protocol, which ends the link, too.
            let violation = sending.end_violated(&self.conn.links.session_state).err();
            self.give_up(sending, violation.unwrap_or(why));
        }
    }

    /// Keeps an answer for the next link of the client if its class requires that. Otherwise drops and counts it.
    ///
    /// # Errors
    /// `TooLarge`.
    fn keep(&self, draft: &Draft<'_>) -> Result<()> {
        let EventLog { sent, dropped, .. } = &*self.conn.event_log;
        match Sending::keep(draft, (self.peer_session, self.limit), &self.conn.links.session_state) {
            Ok(true) => {
                self.conn.event_log.count(sent);
                // The client may have reconnected.
                self.conn.links.server_waker.add_pending(KEPT);
            }
            Err(Obstacle::TooLong) => return Err(draft.content.too_long(self.limit)),
            Ok(false) | Err(_) => self.conn.event_log.count(dropped),
        }
        Ok(())
    }

    /// Returns the options of the server.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the bytes of the longest message that both sides accept.
    pub fn max_message_size(&self) -> u64 {
        self.limit
    }

    /// Returns whether the client has disconnected.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Acknowledges this message and those that the client sent before it, on a server with `ack="manual"`.
    pub fn acknowledge(&self, message: &Message) {
        let number = message.number();
        match self.session() {
            Some(session_state) => {
                session_state.acknowledge(message.session(), number);
                self.conn.send_ack(AckTrigger::Close);
            }
            None => {
                if let Some(part) = &mut self.conn.sending.borrow().part {
                    part.tx.consumed_to(number);
                }
            }
        }
    }

    /// Records that the client has disconnected: waiting answers are dropped and counted.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.waiting_answers.remove(self);
        let mut sending = self.conn.sending.borrow();
        self.lose_link(&mut sending);
        self.conn.event_log.remove_sender(&sending.sent);
    }
}

/// The reason for giving up the link of a client that acknowledges nothing.
const NOT_ACKNOWLEDGED: &str = "the client does not acknowledge its answers, of which as many are kept as replay_count and replay_bytes allow, so it was disconnected";

impl Links for ClientLink {
    fn session_state(&self) -> &SessionState {
        &self.session_state
    }

    /// Records that answers wait, and wakes the serving thread. The caller has locked the state, so that
    /// [`ClientTx::flush`] cannot clear `pending` in between.
    fn left_over(&self) -> bool {
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.server_waker.add_pending(self.token);
        }
        true
    }
}
