//! A connected client of a server, as the serving thread uses it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::client_tx::ClientTx;
use super::read_ahead::ReadAhead;
use crate::channel::link::{RxPart, Taken, Want};
use crate::channel::session::inbox::{AckTrigger, Fate};
use crate::channel::session_state::SessionHalves;
use crate::channel::{Acknowledge, Options};
use crate::error::Result;
use crate::frame::{Incoming, Kind};
use crate::message::{Message, Rewritten};

/// A connected client, with its receiving half.
pub struct Client {
    pub part: RxPart,
    pub read_ahead: ReadAhead,
    pub client_tx: Arc<ClientTx>,
    /// Whether the link is to wake the epoll set.
    pub parked: bool,
    /// Whether its token is in `ready_queue`.
    pub queued: bool,
    /// Whether the client closes and waits for the acknowledgement.
    pub bye_received: bool,
    /// While answers wait: the descriptor that reports room. A duplicate, because the link's own may
    /// be in the epoll set already.
    pub room: Option<OwnedFd>,
    /// Whether the client has closed its sending side and only waits for answers.
    pub half_closed: bool,
}

impl Client {
    /// Returns whether answers wait, or a descriptor for their room is in the epoll set.
    pub fn is_unflushed(&self) -> bool {
        self.room.is_some() || self.client_tx.pending.load(Ordering::Acquire)
    }

    /// Returns the next message if it has arrived and needs no further checks, and records it as delivered. Its receipt also consumes the
    /// requests before it, unless the caller has recorded that already (`is_recorded`).
    #[inline]
    pub fn take(&mut self, options: &Options, is_recorded: bool) -> Option<Taken> {
        let (trigger, part) = (self.trigger(), &mut self.part);
        if options.checks_received().is_some() || !self.read_ahead.is_empty() || !part.rx.is_ready_in_place()
        {
            return None;
        }
        let consume = (!is_recorded).then_some(trigger);
        let limits = options.limits();
        let mut halves = self.client_tx.session_state.halves();
        if halves.has_violation() {
            return None;
        }
        let want = Want { data: true, requests: true, replies: false, delivers: true, consume };
        part.take_plain(Kind::Request, Rewritten::take, &mut halves, &limits, consume)
            .or_else(|| part.take(&mut halves, &limits, want, 0))
    }

    /// Does what is left to do for a message that was taken, and returns it.
    #[inline]
    pub fn finish(&self, taken: Taken) -> Message {
        taken.done().unwrap_or_else(|taken| self.client_tx.ack_sender().finish(taken))
    }

    /// Records that the program calls again, which consumes the delivered requests; acknowledges if
    /// that is due.
    pub fn consumed(&mut self, options: &Options) {
        if options.ack == Acknowledge::Auto || !self.part.rx.keeps() {
            self.part.rx.consumed();
        }
        if self.part.negotiated.is_some() {
            self.client_tx.ack_sender().consumed(self.trigger());
        }
    }

    /// Returns the occasion on which the delivered requests are recorded as consumed.
    #[inline]
    fn trigger(&self) -> AckTrigger {
        if self.bye_received { AckTrigger::Requested } else { AckTrigger::Receive }
    }

    /// Acknowledges if `trigger` makes that due.
    pub fn send_ack(&self, trigger: AckTrigger) {
        if self.part.negotiated.is_some() {
            self.client_tx.ack_sender().send_ack(trigger);
        }
    }

    /// Returns the session of a message, and how many messages before it are missing; none for a
    /// duplicate.
    pub fn record_received(&self, frame: &Incoming) -> Result<Option<(u64, u64)>> {
        let Some(negotiated) = &self.part.negotiated else { return Ok(Some((0, 0))) };
        let no_violation = |halves: &mut SessionHalves| halves.violation().map_or(Ok(()), Err);
        negotiated.session_state.accept(&frame.header, frame.body.len(), Fate::Delivered, no_violation)
    }

    /// Returns whether the caller of this request has withdrawn it; then it counts as consumed.
    #[inline]
    pub fn is_withdrawn(&mut self, message: &Message) -> bool {
        let number = message.sequence();
        let is_withdrawn = self.part.negotiated.is_some()
            && message.is_request()
            && self.read_ahead.is_withdrawn(number, &mut self.part.rx);
        if is_withdrawn {
            self.client_tx.session_state.finished(message.session(), number);
        }
        is_withdrawn
    }
}
