//! A connected client of a server, as the serving thread uses it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::client_tx::ClientTx;
use super::read_ahead::ReadAhead;
use crate::channel::link::{ConnectionGuard, Peer};
use crate::channel::session::inbox::{AckTrigger, Fate};
use crate::channel::session_state::{Negotiated, SessionHalves, SessionState};
use crate::error::Result;
use crate::frame::{Incoming, Kind};
use crate::sys::lent::Owner;
use crate::transport::Rx;

/// A connected client, with its receiving half.
pub struct Client {
    pub rx: Rx,
    pub read_ahead: ReadAhead,
    pub peer: Peer,
    pub client_tx: Owner<ClientTx>,
    /// Whether the link is to wake the epoll set.
    pub parked: bool,
    /// Whether its token is in `ready_queue`.
    pub queued: bool,
    /// The result of the hellos; none without a hello.
    pub negotiated: Option<Negotiated>,
    /// Whether the client closes and waits for the acknowledgement.
    pub bye_received: bool,
    /// While answers wait: the descriptor that reports room. A duplicate, because the link's own may
    /// be in the epoll set already.
    pub room: Option<OwnedFd>,
    /// Whether the client has closed its sending side and only waits for answers.
    pub half_closed: bool,
    /// The number of the last message that was received over this link; 0 before the first.
    pub last: u64,
    /// None for a link that all clients share.
    pub guard: Option<Arc<ConnectionGuard>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(negotiated) = &self.negotiated {
            negotiated.session_state.receiving_ended(negotiated);
        }
    }
}

impl Client {
    /// Returns whether answers wait, or a descriptor for their room is in the epoll set.
    pub fn is_unflushed(&self) -> bool {
        self.room.is_some() || self.client_tx.pending.load(Ordering::Acquire)
    }

    /// Records that the program calls again, which consumes the delivered requests; acknowledges if
    /// that is due.
    pub fn consumed(&self) {
        let Some(negotiated) = &self.negotiated else { return };
        // The peer closes, or has something to be recorded; else this is no lock.
        if !self.bye_received && self.is_answered(&negotiated.session_state) {
            return;
        }
        let trigger = if self.bye_received { AckTrigger::Requested } else { AckTrigger::Receive };
        if negotiated.session_state.consumed(trigger) {
            self.send_ack(trigger);
        }
    }

    /// Returns whether each message of this link was answered, and nothing is to be recorded.
    #[inline]
    pub fn is_answered(&self, session_state: &SessionState) -> bool {
        self.last != 0 && session_state.answered_to.load(Ordering::Acquire) == self.last
    }

    /// Acknowledges if `trigger` makes that due.
    pub fn send_ack(&self, trigger: AckTrigger) {
        if let Some(negotiated) = &self.negotiated {
            self.client_tx.send_ack(negotiated.hello.session, trigger);
        }
    }

    /// Returns the session of a message, and how many messages before it are missing; none for a
    /// duplicate.
    pub fn record_received(&mut self, frame: &Incoming) -> Result<Option<(u64, u64)>> {
        let Some(negotiated) = &self.negotiated else { return Ok(Some((0, 0))) };
        let no_violation = |halves: &mut SessionHalves| halves.violation().map_or(Ok(()), Err);
        let header = &frame.header;
        let accepted =
            negotiated.session_state.accept(header, frame.body.len(), Fate::Delivered, no_violation)?;
        self.last = if accepted.is_some() { header.sequence } else { self.last };
        Ok(accepted)
    }

    /// Returns whether the caller of this request has withdrawn it; then it counts as consumed.
    #[inline]
    pub fn is_withdrawn(&mut self, kind: Kind, number: u64, session: u64) -> bool {
        let Some(negotiated) = self.negotiated.as_ref().filter(|_| kind == Kind::Request) else {
            return false;
        };
        let is_withdrawn = self.read_ahead.is_withdrawn(number, &mut self.rx);
        if is_withdrawn {
            negotiated.session_state.finished(session, number);
        }
        is_withdrawn
    }
}
