//! A connected client of a server, as the serving thread uses it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::client_tx::ClientTx;
use crate::channel::event_log::EventLog;
use crate::channel::link::{Checks, RxPart, Taken, Want};
use crate::channel::session_state::SessionHalves;
use crate::channel::{Acknowledge, Options};
use crate::error::Result;
use crate::frame::{Incoming, Kind};
use crate::message::{Message, ReusedMessage};
use crate::session::inbox::{AckTrigger, Fate};
use crate::transport::Rx;

/// A connected client, with its receiving half.
pub struct Client {
    pub part: RxPart,
    pub client_tx: Arc<ClientTx>,
    /// Whether the link wakes the epoll set when a frame arrives.
    pub parked: bool,
    /// Whether its token is in `ready_queue`.
    pub queued: bool,
    /// Whether the client is closing, and waits for the acknowledgement.
    pub bye_received: bool,
    /// The descriptor that reports room, while answers wait. A duplicate, because the link's own descriptor may
    /// be in the epoll set already.
    pub room: Option<OwnedFd>,
    /// Whether the client has closed its sending side and only waits for answers.
    pub half_closed: bool,
}

impl Client {
    /// Returns whether answers wait, or a descriptor for their room is in the epoll set.
    pub fn is_unflushed(&self) -> bool {
        self.room.is_some() || self.client_tx.conn.links.pending.load(Ordering::Acquire)
    }

    /// Returns the next message if it has arrived and needs no further checks, and records it as delivered. Records the
    /// requests before it as consumed, unless the caller has done that already (`is_recorded`).
    #[inline]
    pub fn take(&mut self, options: &Options, is_recorded: bool) -> Option<Taken> {
        let (trigger, part) = (self.trigger(), &mut self.part);
        if options.checks_received().is_some() || !part.rx.is_ready_in_place() {
            return None;
        }
        let consume = (!is_recorded).then_some(trigger);
        let limits = options.limits();
        let mut halves = self.client_tx.conn.links.session_state.halves();
        if halves.has_violation() {
            return None;
        }
        let want = Want { data: true, requests: true, replies: false, delivers: true, consume, awaited: 0 };
        part.take_fast(Kind::Request, ReusedMessage::take, &mut halves, &limits, consume)
            .or_else(|| part.take(&mut halves, &limits, want))
    }

    /// Completes a message that was taken under the lock, and returns it.
    #[inline]
    pub fn finish(&self, taken: Taken) -> Message {
        taken.done().unwrap_or_else(|taken| self.client_tx.conn.finish(taken))
    }

    /// Records that the program calls again: the delivered requests are consumed. Acknowledges them if that is
    /// due.
    pub fn consumed(&mut self, options: &Options) {
        if options.ack == Acknowledge::Auto || !self.part.rx.keeps() {
            self.part.rx.consumed();
        }
        if self.part.negotiated.is_some() {
            self.client_tx.conn.consumed(self.trigger());
        }
    }

    /// Returns the trigger with which the delivered requests are recorded as consumed.
    #[inline]
    fn trigger(&self) -> AckTrigger {
        if self.bye_received { AckTrigger::Requested } else { AckTrigger::Receive }
    }

    /// Acknowledges if `trigger` makes that due.
    pub fn send_ack(&self, trigger: AckTrigger) {
        if self.part.negotiated.is_some() {
            self.client_tx.conn.send_ack(trigger);
        }
    }

    /// Returns the message of this frame, and records it as delivered; none for a duplicate.
    ///
    /// # Errors
    /// `Malformed` for an impossible number: the caller ends the link.
    pub fn accept(
        &mut self,
        frame: Incoming,
        options: &Options,
        event_log: &EventLog,
    ) -> Result<Option<Message>> {
        let checks =
            Checks { limits: options.limits(), schema: options.checks_received(), reply_schema: None };
        let no_violation = |halves: &mut SessionHalves, _: &mut Rx| halves.violation().map_or(Ok(()), Err);
        self.part.accept(frame, Fate::Delivered, checks, event_log, no_violation)
    }

    /// Returns whether the caller of this request has withdrawn it. Records a withdrawn request as consumed.
    #[inline]
    pub fn is_withdrawn(&mut self, message: &Message) -> bool {
        let is_withdrawn = message.is_request() && self.part.is_withdrawn(message.number());
        if is_withdrawn {
            self.client_tx.conn.links.session_state.finished(message.session(), message.number());
        }
        is_withdrawn
    }
}
