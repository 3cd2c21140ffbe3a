//! What one thread needs that tends many channels in a loop of its own, and waits for none of them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Channel;
use crate::channel::sending::Draft;
use crate::deadline::Wait;
use crate::error::Result;
use crate::frame::{Kind, flags};
use crate::message::{Message, Payload};
use crate::sys::poll::Interest;

/// What an answer has to know of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestInfo {
    /// The session of whoever asks: it stays the same over all links of one incarnation.
    pub session: u64,
    /// The number of the request in it.
    pub number: u64,
    /// Whether the one that asks asks again elsewhere if this side dies.
    pub idempotent: bool,
}

impl RequestInfo {
    /// That of a request.
    pub fn of(request: &Message) -> RequestInfo {
        RequestInfo {
            session: request.session(),
            number: request.sequence(),
            idempotent: request.header().flags & flags::IDEMPOTENT != 0,
        }
    }
}

impl Channel {
    /// Answers a question, with a reply or an error, without waiting: `Timeout` or `Full` where there is no room.
    pub(crate) fn respond(&self, to: RequestInfo, kind: Kind, payload: &Payload) -> Result<()> {
        let flags = if to.idempotent { flags::IDEMPOTENT } else { 0 };
        let draft = Draft { kind, correlation: to.number, flags, to: to.session, payload };
        self.put_flagged(&draft, &mut self.start(Wait::none())).map_err(|e| e.on(&self.shown))?;
        self.reconnector.session_state.finished(to.session, to.number);
        Ok(())
    }

    /// Keeps the descriptor readable from now on while something can be received, and gives it away to be watched.
    pub(crate) fn with_descriptor(&self, watch: impl FnOnce(BorrowedFd<'_>) -> Result<()>) -> Result<()> {
        self.fileno()?;
        watch(self.receiving()?.epoll().as_fd())
    }

    /// Brings away what the link has taken over. Where that does not go, or something was `blocked` before: what becomes
    /// ready once there is room, and for what.
    pub(crate) fn room(&self, blocked: bool) -> Result<Option<(OwnedFd, Interest)>> {
        let room = self.sending()?.room(blocked)?;
        self.ack_sender().flush_deferred();
        Ok(room)
    }

    /// Ends it without taking leave and without waiting: the other side sees that the link has ended.
    pub(crate) fn abandon(&self) {
        self.reconnector.close();
        self.sending.lock().drop_part();
        self.receiving.lock().drop_part();
        self.reconnector.seal();
    }
}
