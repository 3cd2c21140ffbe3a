//! Calls for one thread that serves many channels in its own event loop and must not wait for one of them, such as
//! that of the controller or of a service.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Channel;
use crate::channel::sending::{ANY, Draft};
use crate::deadline::Wait;
use crate::error::Result;
use crate::frame::{Kind, flags};
use crate::message::{Message, Payload};
use crate::sys::poll::Interest;

/// The properties of a request that its answer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestInfo {
    /// The session of the peer that sent it; the same over all links of one incarnation.
    pub session: u64,
    /// The number of the request in that session.
    pub number: u64,
    /// Whether the peer sends the request to another incarnation if this side ends.
    pub idempotent: bool,
}

impl RequestInfo {
    /// Returns the properties of this request.
    pub fn of(request: &Message) -> RequestInfo {
        RequestInfo {
            session: request.session(),
            number: request.number(),
            idempotent: request.header().flags & flags::IDEMPOTENT != 0,
        }
    }
}

impl Channel {
    /// Sends the reply or error for a request without waiting.
    ///
    /// # Errors
    /// `Full` if the peer has no room; the answer was not sent.
    pub(crate) fn respond(&self, to: RequestInfo, kind: Kind, payload: &Payload) -> Result<()> {
        let flags = if to.idempotent { flags::IDEMPOTENT } else { 0 };
        let draft = Draft { kind, correlation: to.number, flags, to: to.session, ..Draft::data(payload) };
        self.send_draft::<ANY>(&draft, Wait::none()).map(drop)
    }

    /// Arms the descriptor (see [`Channel::fileno`]) and passes it to `watch`, to be added to an
    /// epoll set.
    pub(crate) fn with_descriptor(&self, watch: impl FnOnce(BorrowedFd<'_>) -> Result<()>) -> Result<()> {
        self.fileno()?;
        watch(self.receiving()?.descriptor().as_fd())
    }

    /// Flushes the bytes that the link has queued. If some remain, or if `blocked` is true, returns a descriptor and
    /// the event that reports room.
    pub(crate) fn room(&self, blocked: bool) -> Result<Option<(OwnedFd, Interest)>> {
        let room = self.sending()?.room(blocked)?;
        self.ack_sender().flush_deferred();
        Ok(room)
    }

    /// Closes the channel without a bye and without waiting: for the peer the link ends.
    pub(crate) fn abandon(&self) {
        if !self.is_of_this_process() {
            return;
        }
        self.reconnector.close();
        self.sending.borrow().drop_part();
        self.rests.end();
        self.receiving.borrow().drop_part();
        self.reconnector.finish_close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::Encoding;
    use crate::{Listener, Options};

    /// A call checks its deadline after so many frames that are none to it, whichever way takes them from the link.
    #[test]
    fn answers_to_no_request_are_counted_as_frames_without_a_message() {
        for transport in ["shm", "unix"] {
            let endpoint = format!("{transport}:no-request-{}", std::process::id());
            let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
            let client = Channel::connect(&endpoint, &Options::default(), Duration::from_secs(60)).unwrap();
            let peer = listener.accept(Duration::from_secs(60)).unwrap();
            for number in 1..=10 {
                let to = RequestInfo { session: 0, number: number << 40, idempotent: false };
                peer.respond(to, Kind::Reply, &Payload::from_bytes(Encoding::Raw, vec![7].into())).unwrap();
            }
            client.recv(Duration::from_millis(50)).unwrap_err();
            let counted = client.receiving.borrow().empty_polls();
            assert!(counted >= 10, "{transport}: {counted} of 10 answers");
        }
    }
}
