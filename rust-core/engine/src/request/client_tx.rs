//! The answers of a server to one client, and the client's counters.
//!
//! If the link is full, an answer waits in the link's queue, and the serving thread sends it later (`pending`). At most
//! `max_message_size` bytes wait for one client, and four times as many for all clients ([`WaitingAnswers`]). A client
//! that sends requests without reading answers is disconnected, and its answers are counted as dropped.
//!
//! A link that cannot carry answers any more does not receive requests either: [`ClientTx::give_up`] tells both sides.

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

/// A token for the waiting clients: an answer was kept for a client that may have reconnected under another token.
pub const KEPT: u64 = 0;

pub struct ClientTx {
    /// A short answer takes only the lock of the client's session.
    pub conn: Conn<ClientLink>,
    /// The guard of the link, which this side may hang up. Dangling if all clients share the link.
    guard: Weak<ConnectionGuard>,
    given_up: OnceLock<Error>,
    source: Arc<str>,
    owner: Owner,
    waiting_answers: Arc<WaitingAnswers>,
    /// The bytes that wait for this client. Written with `sending` locked, like `waits_since`, a moment of the server.
    waiting_bytes: AtomicU64,
    waits_since: AtomicU64,
    /// The client's session, which outlives the link; 0 without a hello.
    peer_session: u64,
    /// The longest message that both sides accept, in bytes.
    limit: u64,
    requests: AtomicU64,
    /// Requests that were answered or never will be. Written with `sending` locked, read without it.
    answers: AtomicU64,
    half_closed: AtomicBool,
    closed: AtomicBool,
    withdrawn: Mutex<VecDeque<u64>>,
    options: Options,
    pub(super) shown: Arc<str>,
}

pub struct ClientLink {
    pub session_state: Arc<SessionState>,
    /// Whether answers wait. Written with the sending state locked; the serving thread reads it without.
    pub pending: AtomicBool,
    server_waker: Arc<ServerWaker>,
    token: u64,
}

impl ClientTx {
    /// Starts sending to a client over this link of this generation.
    ///
    /// Sends first the answers that the client did not acknowledge on an earlier link. `Malformed` if its hello
    /// acknowledges messages that were never sent.
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

    /// Refuses acknowledgements by the program if the server lacks `ack="manual"`.
    pub fn check_manual(&self) -> Result<()> {
        self.options.check_manual()
    }

    pub fn session(&self) -> Option<&SessionState> {
        (self.peer_session != 0).then_some(&self.conn.links.session_state)
    }

    pub fn lender(&self) -> Option<SlotLender<'_>> {
        Some(self.session()?.lender(&self.conn.event_log))
    }

    /// Sends an answer, or keeps it until there is room. Without a connection the answer is kept if the request is
    /// idempotent and the client may reconnect, and otherwise dropped and counted. After an error about this answer,
    /// the program may give another.
    pub fn send(&self, draft: &Draft<'_>) -> Result<()> {
        let sent = self.send_on(*draft, None, None).unwrap_or(Ok(()));
        self.bound_waiting();
        sent
    }

    /// [`ClientTx::send`] for the answer to a request, which is counted. Returns `None` if `answered` is already true;
    /// `answered` changes only while the state is locked.
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
            // The client has reconnected: the serving thread sends the answer over the newest link.
            self.conn.links.server_waker.add_pending(KEPT);
        }
        Some(sent)
    }

    fn note_answer(&self, answered: &AtomicBool) {
        answered.store(true, Ordering::Relaxed);
        self.count_answer();
    }

    /// Passes an answer to the link or its queue, after admission if there is no ticket. Returns `None` without a link;
    /// then the answer is kept, or dropped and counted.
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
            let violation = sending.end_violated(&self.conn.links.session_state).err();
            self.give_up(sending, violation.unwrap_or(why));
        }
    }

    /// Keeps an answer for the client's next link if its class requires that. Otherwise drops and counts it.
    fn keep(&self, draft: &Draft<'_>) -> Result<()> {
        let EventLog { sent, dropped, .. } = &*self.conn.event_log;
        match Sending::keep(draft, (self.peer_session, self.limit), &self.conn.links.session_state) {
            Ok(true) => {
                self.conn.event_log.count(sent);
                self.conn.links.server_waker.add_pending(KEPT);
            }
            Err(Obstacle::TooLong) => return Err(draft.content.too_long(self.limit)),
            Ok(false) | Err(_) => self.conn.event_log.count(dropped),
        }
        Ok(())
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn max_message_size(&self) -> u64 {
        self.limit
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

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

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.waiting_answers.remove(self);
        let mut sending = self.conn.sending.borrow();
        self.lose_link(&mut sending);
        self.conn.event_log.remove_sender(&sending.sent);
    }
}

const NOT_ACKNOWLEDGED: &str = "the client does not acknowledge its answers, of which as many are kept as replay_count and replay_bytes allow, so it was disconnected";

impl Links for ClientLink {
    fn session_state(&self) -> &SessionState {
        &self.session_state
    }

    /// Records that answers wait, and wakes the serving thread. The caller has locked the state, so [`ClientTx::flush`]
    /// cannot clear `pending` in between.
    fn left_over(&self) -> bool {
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.server_waker.add_pending(self.token);
        }
        true
    }
}
