//! Sending data over a stream in one write between two short locks of the session.
//!
//! The counterpart of `receiving/in_stream`; `ends/in_stream` calls it, and holds the direction in between. The first lock gives the message
//! its number and the acknowledgement that it carries, the second one records that it was sent. The lock is free during
//! the write, so an acknowledgement may come before the record, as on the general path.

use std::sync::atomic::Ordering;

use super::push::push;
use super::{Sending, is_ack_check_due};
use crate::channel::reconnector::Reconnector;
use crate::channel::session::RetransmitClass;
use crate::channel::session_state::SessionHalves;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::message::Payload;
use crate::sys::clock;
use crate::transport::Sent;

/// A data message that has its number and is to be written.
pub struct Begun<'a> {
    payload: &'a Payload,
    body: &'a [u8],
    number: u64,
    /// The number that it acknowledges; 0 for none.
    acked: u64,
    /// The peer's session.
    session: u64,
    /// When it is sent.
    sent: i64,
}

impl Begun<'_> {
    /// Returns the header.
    #[inline(always)]
    fn header(&self) -> Header {
        Header {
            sequence: self.number,
            correlation: self.acked,
            sent: self.sent,
            ..Header::new(Kind::Data, self.payload.encoding())
        }
    }
}

impl Sending {
    /// Returns whether the link is a stream.
    #[inline]
    pub fn is_over_stream(&mut self) -> bool {
        self.part.as_mut().is_some_and(|part| part.tx.stream().is_some())
    }

    /// Gives a data message its number, if a stream can take it now. None for any obstacle; then nothing has changed.
    #[inline(always)]
    pub fn begin_in_stream<'a>(
        &mut self,
        payload: &'a Payload,
        halves: &mut SessionHalves,
        reconnector: &Reconnector,
    ) -> Option<Begun<'a>> {
        let part = self.part.as_mut()?;
        let body = payload.memory().block()?;
        let session = part.negotiated.as_ref()?.hello.session;
        if !part.tx.stream()?.takes_next(body.len())
            || reconnector.is_newer(self.generation)
            || reconnector.session_state.replays.load(Ordering::Acquire)
            || body.len() as u64 > part.peer.max_message_size
            || halves.has_violation()
            || !halves.outbox.has_room(RetransmitClass::Data, body.len())
            // With many messages kept, the general way checks for acknowledgements first.
            || is_ack_check_due(halves.outbox.kept_count())
        {
            return None;
        }
        let (number, acked) = (halves.outbox.assign_number(), halves.to_piggyback(session));
        Some(Begun { payload, body, number, acked, session, sent: clock::now() })
    }

    /// Writes it, without the lock. [`Sent::Blocked`] also after an error, which the general path determines.
    #[inline(always)]
    pub fn write_in_stream(&mut self, begun: &Begun<'_>) -> Sent {
        let half = self.part.as_mut().and_then(|part| part.tx.stream());
        let sent = half.map(|half| half.try_send_next(begun.header(), begun.body));
        if let Some(Ok(sent)) = sent { sent } else { Sent::Blocked }
    }

    /// Writes the rest of it, which has to follow whatever the program does next.
    ///
    /// # Errors
    /// `Disconnected`: the message then goes over the next link.
    #[cold]
    pub fn write_rest_in_stream(
        &mut self,
        begun: &Begun<'_>,
        reconnector: &Reconnector,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let broken = || Error::new(ErrorKind::Disconnected, "the link broke in the middle of a message");
        let part = self.part.as_mut().ok_or_else(broken)?;
        let pushed = push(part, &Outgoing::new(begun.header(), begun.body), reconnector, waiting);
        if pushed.is_err() {
            self.part = None;
        }
        pushed
    }

    /// Records that it was sent, and keeps it. Returns its number.
    #[inline(always)]
    pub fn sent_in_stream(begun: &Begun<'_>, halves: &mut SessionHalves) -> u64 {
        let (number, place) = halves.outbox.sent_to_place(RetransmitClass::Data, begun.body.len());
        if let Some(place) = place {
            place.become_data(begun.payload, begun.body, begun.sent);
        }
        halves.inbox.piggybacked(begun.session, begun.acked);
        number
    }
}
