//! Channels in event loops, and calls for a thread that serves many channels without waiting for one.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::{Channel, is_not_ready};
use crate::channel::receiving::Reads;
use crate::channel::sending::Draft;
use crate::deadline::Wait;
use crate::error::{ErrorKind, Result};
use crate::frame::{Kind, flags};
use crate::message::{Message, Payload};
use crate::sys::poll::Interest;

/// The properties of a request that its answer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestInfo {
    /// The session of the requesting peer, which spans all links of one incarnation.
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
    /// Returns whether a message can be received without waiting.
    ///
    /// Fails with `InvalidState` if the peer is a server, which sends only answers. It then drops late answers and
    /// records the server's end as an event, so that the descriptor of [`Channel::fileno`] does not stay readable.
    pub fn poll(&self) -> Result<bool> {
        let peeked = self.peek();
        if peeked.as_ref().is_err_and(|e| e.kind() == ErrorKind::InvalidState) {
            self.drop_late_answers();
        }
        peeked
    }

    /// A found message goes to the inbox.
    fn peek(&self) -> Result<bool> {
        let mut receiving = self.receiving().map_err(|e| e.on(&self.shown))?;
        let reads = Reads { consume: receiving.program_receives(&self.conn), ..Reads::OF_PROGRAM };
        if !receiving.inbox.is_empty() {
            return Ok(true);
        }
        let mut waiting = self.options.start(Wait::none());
        let next =
            receiving.pump(&self.conn, reads, &mut waiting, |receiving, turn| Ok(self.sort(receiving, turn)));
        self.pace(&mut receiving, false);
        match next {
            Ok(message) => {
                receiving.keep_first(message);
                Ok(true)
            }
            Err(e) if is_not_ready(&e) => Ok(false),
            Err(e) => Err(e.on(&self.shown)),
        }
    }

    /// Returns a descriptor for an event loop: readable while [`Channel::try_recv`] has something to do.
    pub fn fileno(&self) -> Result<RawFd> {
        self.receiving()
            .and_then(|mut receiving| receiving.watch(&self.conn.links))
            .map_err(|e| e.on(&self.shown))?;
        // A first read arms the link: later messages make the descriptor readable.
        match self.peek() {
            // A server sends only answers; the read has armed the link anyway.
            Err(e) if e.kind() == ErrorKind::InvalidState && !self.is_closed() => {}
            peeked => drop(peeked?),
        }
        Ok(self.descriptor.as_raw_fd())
    }

    /// Returns whether the link seems to have room for a short message.
    pub fn writable(&self) -> Result<bool> {
        Ok(self.sending().map_err(|e| e.on(&self.shown))?.is_writable())
    }

    /// Sends the reply or error for a request without waiting.
    ///
    /// # Errors
    /// `Full` if the peer has no room; the answer was not sent.
    pub(crate) fn respond(&self, to: RequestInfo, kind: Kind, payload: &Payload) -> Result<()> {
        let flags = if to.idempotent { flags::IDEMPOTENT } else { 0 };
        let draft = Draft { kind, correlation: to.number, flags, to: to.session, ..Draft::data(payload) };
        self.send_draft(&draft, Wait::none()).map(drop)
    }

    /// Arms the descriptor (see [`Channel::fileno`]), and passes it to `watch` for an epoll set.
    pub(crate) fn with_descriptor(&self, watch: impl FnOnce(BorrowedFd<'_>) -> Result<()>) -> Result<()> {
        self.fileno()?;
        watch(self.receiving()?.descriptor().as_fd())
    }

    /// Flushes queued bytes. If some remain or `blocked` is set, returns a descriptor that reports room.
    pub(crate) fn room(&self, blocked: bool) -> Result<Option<(OwnedFd, Interest)>> {
        self.sending()?.room(blocked)
    }

    /// Closes the channel without a bye and without waiting: the peer sees the end of the link.
    pub(crate) fn abandon(&self) {
        if !self.is_of_this_process() {
            return;
        }
        self.conn.links.close();
        self.conn.sending.borrow().drop_part();
        self.rests.end();
        self.receiving.borrow().drop_part();
        self.conn.links.finish_close();
    }
}

/// The descriptor of [`Channel::fileno`].
///
/// If that fails, the descriptor never becomes readable, and the next call reports the reason: the channel is closed,
/// or another thread receives.
impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let _ = self.fileno();
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::Encoding;
    use crate::{Listener, Options};

    /// A call checks its deadline after this many frames without a message, on each path from the link.
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

    /// A peer cannot prolong a wait by fast frames without messages.
    #[test]
    fn wait_whose_time_is_over_ends_at_the_first_check() {
        let endpoint = format!("unix:over-{}", std::process::id());
        let _listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), Duration::from_secs(60)).unwrap();
        let mut receiving = client.receiving.borrow();
        let mut waiting = client.options.start(Duration::from_nanos(1));
        let error = (1..).find_map(|poll| receiving.count_empty_poll(&mut waiting).err().map(|e| (poll, e)));
        let (polls, error) = error.unwrap();
        assert_eq!((polls, error.kind()), (receiving.empty_polls() + 64, ErrorKind::Timeout));
    }
}
