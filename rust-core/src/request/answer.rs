//! A request, its one answer, and the way back to the client that asked.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::sleeper::Sleeper;
use crate::channel::Options;
use crate::channel::acceptor::Negotiated;
use crate::channel::record::Record;
use crate::channel::session::RetransmitClass;
use crate::channel::session::inbox::AckTrigger;
use crate::channel::session_state::{Kept, SessionState, class};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, RemoteFailure, Result};
use crate::frame::{Header, Kind, Outgoing, flags};
use crate::message::failure::{self, INTERNAL_ERROR};
use crate::message::{Message, Payload};
use crate::transport::{Sent, Tx};
use crate::value::{Source, Timestamp};

/// The way back to one client. Answers that it does not take at once wait here, so that a client that reads slowly, or
/// not at all, keeps nobody else waiting.
pub struct Outlet {
    state: Mutex<Outbound>,
    /// Whether answers wait.
    pub pending: AtomicBool,
    /// The server, which brings the rest away.
    server: Arc<Sleeper>,
    /// Counts answers where there is no session.
    sequence: AtomicU64,
    negotiated: Option<Negotiated>,
    /// Requests that have no answer yet.
    open: AtomicU64,
    /// Whether the client says nothing more, and only waits for what it asked.
    listens_only: AtomicBool,
    limit: u64,
    options: Options,
    record: Arc<Record>,
}

struct Outbound {
    tx: Option<Tx>,
    /// The answer that the link has a part of; what comes after it waits behind it.
    under_way: Option<(Header, Payload)>,
    backlog: VecDeque<(Header, Payload)>,
    bytes: u64,
}

impl Outlet {
    /// The way back over this link. Answers that the client has not consumed go first.
    pub fn new(
        tx: Tx,
        limit: u64,
        negotiated: Option<&Negotiated>,
        options: &Options,
        record: Arc<Record>,
        server: Arc<Sleeper>,
    ) -> Result<Outlet> {
        let (mut backlog, mut bytes) = (VecDeque::new(), 0);
        if let Some(negotiated) = negotiated {
            negotiated.session_state.link_up(negotiated, &record)?;
            let mut halves = negotiated.session_state.halves();
            while let Some((kept, number)) = halves.outbox.to_replay() {
                bytes += kept.payload.body().len() as u64;
                backlog.push_back((kept.header(number), kept.payload.clone()));
                halves.outbox.replayed(number);
            }
        }
        Ok(Outlet {
            pending: AtomicBool::new(!backlog.is_empty()),
            state: Mutex::new(Outbound { tx: Some(tx), under_way: None, backlog, bytes }),
            server,
            sequence: AtomicU64::new(0),
            open: AtomicU64::new(0),
            listens_only: AtomicBool::new(false),
            negotiated: negotiated.cloned(),
            limit,
            options: options.clone(),
            record,
        })
    }

    fn session_state(&self) -> Option<&Arc<SessionState>> {
        self.negotiated.as_ref().map(|negotiated| &negotiated.session_state)
    }

    fn state(&self) -> MutexGuard<'_, Outbound> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a message that has been taken over, by the link or to be brought away later.
    fn number(&self, header: Header, payload: &Payload) -> u64 {
        let Some(session_state) = self.session_state() else {
            return self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        };
        let kept = || Kept::new(&header, payload);
        let (class, bytes) = (class(header.kind, header.flags), payload.body().len());
        let mut halves = session_state.halves();
        if class == RetransmitClass::IdempotentAnswer {
            // It is kept where there is room.
            halves.has_room(RetransmitClass::Data, bytes);
        }
        halves.outbox.sent(class, bytes, kept)
    }

    fn next_number(&self) -> u64 {
        match self.session_state() {
            Some(session_state) => session_state.halves().outbox.offer(),
            None => self.sequence.load(Ordering::Relaxed) + 1,
        }
    }

    /// Says how far the program has come with this client's messages. What the link does not take now is said later.
    pub fn say(&self, session: u64, trigger: AckTrigger) {
        let Some(session_state) = self.session_state() else { return };
        let Some(number) = session_state.halves().ack_due(trigger, session) else { return };
        let mut state = self.state();
        let Outbound { tx: Some(sender), under_way: None, backlog, .. } = &mut *state else { return };
        if !backlog.is_empty() {
            return;
        }
        let header = Header { correlation: number, ..Header::new(Kind::Ack, Encoding::Raw) };
        let frame = Outgoing::new(header, &[]);
        match sender.try_send(&frame) {
            Ok(Sent::Whole) => {}
            Ok(Sent::Part) => {
                sender.adopt(&frame);
                self.pending.store(true, Ordering::Release);
                self.server.tell();
            }
            // One who has gone is noticed where it is heard.
            Ok(Sent::Blocked) | Err(_) => return,
        }
        session_state.halves().inbox.said_alone(session, number);
    }

    /// Sends, or keeps for later. What is meant for a client that has gone is dropped and counted, unless it may come back
    /// for it.
    pub fn send(&self, kind: Kind, correlation: u64, flags: u16, payload: &Payload) -> Result<()> {
        payload.check(self.limit)?;
        let mut state = self.state();
        let mut header =
            Header { correlation, flags, sent: Timestamp::now().0, ..Header::new(kind, payload.encoding()) };
        let Outbound { tx, under_way, backlog, bytes } = &mut *state;
        let Some(sender) = tx else {
            if self.negotiated.is_some() && class(kind, flags) == RetransmitClass::IdempotentAnswer {
                self.number(header, payload);
            } else {
                self.record.count(&self.record.dropped);
            }
            return Ok(());
        };
        header.sequence = self.next_number();
        let frame = Outgoing::new(header, payload.body());
        let sent = if under_way.is_some() || !backlog.is_empty() {
            Ok(Sent::Blocked)
        } else {
            send_while_taken(sender, &frame)
        };
        match sent {
            Ok(Sent::Whole) => {
                self.number(header, payload);
                let lost = sender.take_lost() > 0;
                self.record.count(if lost { &self.record.dropped } else { &self.record.sent });
                return Ok(());
            }
            // Not adopted: that would copy the rest.
            Ok(Sent::Part) => {
                *under_way = Some((header, payload.clone()));
                self.number(header, payload);
                self.record.count(&self.record.sent);
            }
            Ok(Sent::Blocked) if *bytes + payload.body().len() as u64 <= self.options.limit => {
                *bytes += payload.body().len() as u64;
                self.number(header, payload);
                backlog.push_back((header, payload.clone()));
            }
            // It is about this answer alone.
            Err(error) if sender.goes_on_after(&error) => return Err(error),
            // A client that asks and asks and never reads: it is let go of, the others are not kept waiting.
            Ok(Sent::Blocked) | Err(_) => {
                self.record.dropped.fetch_add(1 + backlog.len() as u64, Ordering::Relaxed);
                (*tx, *under_way) = (None, None);
                backlog.clear();
                return Ok(());
            }
        }
        self.pending.store(true, Ordering::Release);
        self.server.tell();
        Ok(())
    }

    /// Brings away what waits; true when nothing is left, or nobody to bring it to.
    pub fn flush(&self) -> bool {
        let mut state = self.state();
        let Outbound { tx, under_way, backlog, bytes } = &mut *state;
        let Some(sender) = tx else { return self.settled() };
        let brought = (|| -> Result<bool> {
            if let Some((header, payload)) = under_way {
                let frame = Outgoing::new(*header, payload.body());
                if send_while_taken(sender, &frame)? != Sent::Whole {
                    return Ok(false);
                }
                *under_way = None;
            }
            if !sender.flush()? {
                return Ok(false);
            }
            while let Some((header, payload)) = backlog.front() {
                let frame = Outgoing::new(*header, payload.body());
                let sent = sender.try_send(&frame)?;
                if sent == Sent::Blocked {
                    return Ok(false);
                }
                *bytes -= payload.body().len() as u64;
                self.record.count(&self.record.sent);
                let taken = backlog.pop_front();
                if sent == Sent::Part {
                    *under_way = taken;
                    return Ok(false);
                }
            }
            Ok(true)
        })();
        match brought {
            Ok(true) => self.settled(),
            Ok(false) => false,
            Err(_) => {
                self.record.dropped.fetch_add(backlog.len() as u64, Ordering::Relaxed);
                backlog.clear();
                (*tx, *under_way) = (None, None);
                self.settled()
            }
        }
    }

    fn settled(&self) -> bool {
        self.pending.store(false, Ordering::Release);
        true
    }

    /// A request has been answered, or never will be.
    fn answered(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
        if self.listens_only.load(Ordering::Acquire) {
            // The server may sleep, and now has nobody to keep the connection for.
            self.server.tell();
        }
    }

    /// The client says nothing more. True where it still waits for answers.
    pub fn listens_only(&self) -> bool {
        self.listens_only.store(true, Ordering::Release);
        self.waits()
    }

    /// Whether no answer is owed or waits, so that there is nothing to do but to hear the client.
    pub fn is_idle(&self) -> bool {
        !self.waits()
    }

    /// Whether the client waits for answers.
    pub fn waits(&self) -> bool {
        self.open.load(Ordering::Acquire) > 0 || self.pending.load(Ordering::Acquire)
    }

    /// This message has been answered.
    fn finished(&self, message: &Message) {
        if let Some(session_state) = self.session_state() {
            session_state.finished(message.session(), message.sequence());
        }
    }

    /// Looks at the way out itself.
    pub fn with_tx<R>(&self, f: impl FnOnce(&mut Tx) -> R) -> Option<R> {
        self.state().tx.as_mut().map(f)
    }

    /// The client has gone.
    pub fn close(&self) {
        let mut state = self.state();
        self.record.dropped.fetch_add(state.backlog.len() as u64, Ordering::Relaxed);
        (state.tx, state.under_way) = (None, None);
        state.backlog.clear();
        drop(state);
        self.settled();
        if let Some(negotiated) = &self.negotiated {
            negotiated.session_state.sending_ended(negotiated);
        }
    }
}

/// Sends as much as the other side takes while it is looked for: each time it has made room for a piece in the time of a spin, so
/// that one which reads slowly keeps nobody waiting.
fn send_while_taken(sender: &mut Tx, frame: &Outgoing<'_>) -> Result<Sent> {
    loop {
        match sender.try_send(frame)? {
            Sent::Part if sender.spin() => {}
            sent => return Ok(sent),
        }
    }
}

/// A request that waits for its answer; a [`Message`] besides. Dropped unanswered, it is answered `Remote`. Any thread may answer
/// it, also while another one waits for the next.
pub struct Request {
    message: Message,
    outlet: Arc<Outlet>,
    answered: AtomicBool,
    shown: Arc<str>,
}

impl Request {
    pub(super) fn new(message: Message, outlet: Arc<Outlet>, shown: Arc<str>) -> Request {
        let answered = AtomicBool::new(!message.is_request());
        if message.is_request() {
            outlet.open.fetch_add(1, Ordering::AcqRel);
        }
        Request { message, outlet, answered, shown }
    }

    /// Says that this message, and what its sender sent before it, has been consumed: for a server with `ack="manual"`. An
    /// answer says so, too.
    pub fn ack(&self) {
        let Some(session_state) = self.outlet.session_state() else {
            self.outlet.with_tx(|tx| tx.consumed_to(self.message.sequence()));
            return;
        };
        session_state.acknowledge(self.message.session(), self.message.sequence());
        self.outlet.say(self.message.session(), AckTrigger::Leaving);
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Whether the sender waits for an answer; otherwise it was sent, not called.
    pub fn wants_reply(&self) -> bool {
        self.message.is_request()
    }

    /// Encodes a value as the answer is written: in the encoding of the request.
    pub fn encode<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        let options = &self.outlet.options;
        Payload::held_to(options.checks_replies_sent(), value, self.answer_encoding(), &options.limits())
            .map_err(|e| e.on(&self.shown))
    }

    fn answer_encoding(&self) -> Encoding {
        self.message.encoding()
    }

    /// Answers with a value. An answer to a client that has gone meanwhile is dropped and counted, and no error.
    pub fn reply<T: Source + ?Sized>(&self, value: &T) -> Result<()> {
        self.reply_payload(&self.encode(value)?)
    }

    /// Answers with what is encoded already.
    pub fn reply_payload(&self, payload: &Payload) -> Result<()> {
        self.answer(Kind::Reply, payload)
    }

    /// Answers that it failed; the client's call gives `Remote` with this.
    pub fn fail(&self, failure: &RemoteFailure) -> Result<()> {
        self.answer(Kind::Error, &failure::to_payload(failure)?)
    }

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
        let sent = self.outlet.send(kind, self.message.sequence(), flags, payload);
        if sent.is_err() {
            // An answer that could not be given, too large for instance, leaves the request open for another one.
            self.answered.store(false, Ordering::Release);
        } else {
            self.outlet.finished(&self.message);
            self.outlet.answered();
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
            // Nobody is left to tell that it could not be said.
            if self.fail(&failure).is_err() {
                self.outlet.answered();
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
