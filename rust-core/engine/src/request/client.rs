//! A connected client of a server, as the serving thread uses it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::answer::Request;
use super::client_tx::ClientTx;
use crate::channel::conn::Received;
use crate::channel::link::{Checks, RxPart, Taken, Want};
use crate::channel::sending::Draft;
use crate::channel::{Acknowledge, Options};
use crate::error::{Error, RemoteFailure, Result};
use crate::frame::Kind;
use crate::message::{Message, Payload};
use crate::session::inbox::{AckTrigger, Fate};
use crate::transport::extension;

pub struct Client {
    pub part: RxPart,
    pub client_tx: Arc<ClientTx>,
    pub queued: bool,
    /// Reports room while answers wait. A duplicate, because the link's descriptor may already be in the epoll set.
    pub room: Option<OwnedFd>,
    pub half_closed: bool,
    /// Whether the last look found no frame. Earlier deliveries are then already recorded as consumed.
    pub had_nothing: bool,
}

impl Client {
    pub fn is_unflushed(&self) -> bool {
        self.room.is_some() || self.client_tx.conn.links.pending.load(Ordering::Acquire)
    }

    /// Returns the request in the next frame. Records the requests delivered earlier as consumed in the same step.
    /// `None` for other frames, and without a frame (`had_nothing`).
    #[inline]
    pub fn next(&mut self, options: &Options) -> Result<Option<Request>> {
        if self.half_closed {
            self.had_nothing = true;
            return Ok(None);
        }
        self.part.unpark();
        let consume = self.begin(options);
        match self.take(options, consume) {
            Some(taken) => Ok(self.finish(taken)),
            None => self.receive(options, consume),
        }
    }

    /// Returns the trigger for recording delivered requests as consumed with the next frame. `None` if they are already
    /// recorded. Without a session, records them at once.
    pub fn begin(&mut self, options: &Options) -> Option<AckTrigger> {
        if std::mem::take(&mut self.had_nothing) {
            return None;
        }
        if self.part.negotiated.is_some() {
            return Some(self.part.trigger());
        }
        if options.ack == Acknowledge::Auto || !self.part.rx.keeps() {
            self.part.rx.consumed();
        }
        None
    }

    pub fn consume(&mut self, consume: Option<AckTrigger>) {
        if let Some(trigger) = consume {
            self.client_tx.conn.consume(&mut self.part, trigger);
        }
    }

    /// Takes the next message if it has arrived and needs no further checks. Records its delivery and the consumed
    /// requests.
    #[inline]
    fn take(&mut self, options: &Options, consume: Option<AckTrigger>) -> Option<Taken> {
        let part = &mut self.part;
        if options.checks_received().is_some() || !part.rx.may_take_at_once() {
            return None;
        }
        let limits = options.limits();
        let mut halves = self.client_tx.conn.links.session_state.halves();
        if halves.has_violation() {
            return None;
        }
        part.take(&mut halves, &limits, Want { consume, ..REQUESTS })
    }

    #[inline]
    fn finish(&mut self, taken: Taken) -> Option<Request> {
        let message = taken.done().unwrap_or_else(|taken| self.client_tx.conn.finish(taken));
        self.deliver(message, None)
    }

    /// Receives the next frame after [`Client::take`] took none, and records the consumed requests. Fails for one
    /// frame, which is skipped, or with the reason for the end of the link.
    #[inline(never)]
    fn receive(&mut self, options: &Options, consume: Option<AckTrigger>) -> Result<Option<Request>> {
        let conn = &self.client_tx.conn;
        let mut refusal = None;
        let next = conn.next_frame(&mut self.part).or_else(|error| {
            // Other clients still have to be served, so the frame does not stay first; its caller gets the error.
            let frame = conn.without_body(&mut self.part, error.clone(), |_| true)?;
            refusal = Some(error);
            Ok(Some(frame))
        });
        let frame = match next {
            Ok(Some(frame)) => frame,
            got => {
                self.consume(consume);
                self.had_nothing = got.is_ok();
                return got.map(|_| None);
            }
        };
        if frame.header.kind == Kind::Error && self.part.rx.is_plain() {
            // The error reply to an invalid line (JSON-RPC) goes back without the program.
            conn.event_log.count(&conn.event_log.dropped);
            let (correlation, encoding) = (frame.header.sequence, frame.header.encoding);
            let reply = Payload::from_body(encoding, frame.body);
            let draft = Draft { kind: Kind::Error, correlation, ..Draft::data(&reply) };
            return self.client_tx.send(&draft).map(|()| None);
        }
        let until = extension::read_until(&frame.extension);
        let checks =
            Checks { limits: options.limits(), schema: options.checks_received(), reply_schema: None };
        let mut want = Want { consume, ..REQUESTS };
        let received = conn.receive(&mut self.part, frame, &mut want, checks);
        self.consume(want.consume);
        match received? {
            Received::Message(message) => {
                return match refusal {
                    Some(error) => self.refuse(message, &error),
                    None => Ok(self.deliver(message, until)),
                };
            }
            Received::Ack(Some(request)) => self.client_tx.note_withdrawal(request),
            Received::Ack(None) | Received::Bye | Received::Nothing => {}
        }
        Ok(None)
    }

    /// Returns the request of this message, which ends at `until` if known. A withdrawn request is consumed instead.
    fn deliver(&mut self, message: Message, until: Option<Duration>) -> Option<Request> {
        let event_log = &self.client_tx.conn.event_log;
        if message.is_request() && self.part.is_withdrawn(message.number()) {
            self.client_tx.conn.links.session_state.finished(message.session(), message.number());
            event_log.count(&event_log.dropped);
            return None;
        }
        event_log.count_exclusive(&event_log.received);
        Some(Request::new(message, self.client_tx.clone(), until))
    }

    /// Answers a request with this error because there was no memory for it. Counts it as dropped. For a message that
    /// wants no reply, an event reports the loss.
    #[cold]
    fn refuse(&self, message: Message, error: &Error) -> Result<Option<Request>> {
        let conn = &self.client_tx.conn;
        conn.event_log.count(&conn.event_log.dropped);
        let request = Request::new(message, self.client_tx.clone(), None);
        if request.wants_reply() {
            request.fail(&RemoteFailure::of(error))?;
        } else {
            conn.event_log.lagged(1);
        }
        Ok(None)
    }

    pub fn send_ack(&self, trigger: AckTrigger) {
        if self.part.negotiated.is_some() {
            self.client_tx.conn.send_ack(trigger);
        }
    }
}

const REQUESTS: Want =
    Want { data: true, requests: true, replies: false, fate: Fate::Delivered, consume: None, answer_to: 0 };
