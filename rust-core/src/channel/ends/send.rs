//! Sends one message that `in_place` could not: at once if possible, else after earlier work.
//!
//! The order of attempts: at once over any link, and then the general way with its waits for a link, for replays
//! and for room. Each attempt holds the sending direction, so that
//! messages of one thread keep their order and those of other threads stay behind. A loss of earlier data is
//! reported first.

use super::losses::lost_before;
use super::{Channel, if_not_ready};
use crate::buffers;
use crate::channel::direction::Lease;
use crate::channel::sending::{Draft, Sending, Until, is_ack_check_due};
use crate::channel::session::RetransmitClass;
use crate::channel::session_state::class;
use crate::deadline::{Wait, Waiting};
use crate::error::{ErrorKind, Result};
use crate::frame::Kind;
use crate::message::Payload;
use crate::value::Source;

impl Channel {
    /// Sends without waiting. Fails with `Full` if the peer has no room.
    pub fn try_send<T: Source + ?Sized>(&self, value: &T) -> Result<u64> {
        self.try_send_payload(&self.encode(value)?)
    }

    /// Sends an encoded value without waiting: see [`Channel::try_send`].
    pub fn try_send_payload(&self, payload: &Payload) -> Result<u64> {
        self.send_payload(payload, Wait::none()).map_err(|e| if_not_ready(e, ErrorKind::Full))
    }

    /// Sends a message of another kind than data and requests, such as a command or an event.
    pub(crate) fn send_as<'a>(
        &self,
        kind: Kind,
        payload: &Payload,
        wait: impl Into<Wait<'a>>,
    ) -> Result<u64> {
        self.send_kind(kind, 0, payload, &mut self.start(wait))
    }

    /// Sends a message of this kind.
    pub(super) fn send_kind(
        &self,
        kind: Kind,
        correlation: u64,
        payload: &Payload,
        waiting: &mut Waiting<'_>,
    ) -> Result<u64> {
        self.send_draft(&Draft { kind, correlation, flags: 0, to: 0, payload, until: Until::Never }, waiting)
            .map_err(|e| e.on(&self.shown))
    }

    /// Sends a message. Before data, reports a loss of earlier data, once.
    pub(super) fn send_draft(&self, draft: &Draft<'_>, waiting: &mut Waiting<'_>) -> Result<u64> {
        if draft.kind != Kind::Data {
            return self.send_in_turn(draft, waiting);
        }
        // The program gets the error of a loss before it sends what follows the lost messages.
        let lost = self.reconnector.session_state.take_unreported_losses();
        if lost > 0 {
            return Err(lost_before(lost));
        }
        let put = self.send_in_turn(draft, waiting);
        if put.is_ok() { put } else { self.with_losses(put) }
    }

    /// Sends a message in turn with other threads.
    fn send_in_turn(&self, draft: &Draft<'_>, waiting: &mut Waiting<'_>) -> Result<u64> {
        let sending = self.sending_in_turn(waiting)?;
        self.send_with_guard(sending, draft, waiting)
    }

    /// Sends a message with the direction held: at once, or with waiting.
    fn send_with_guard(
        &self,
        mut sending: Lease<'_, Sending>,
        draft: &Draft<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<u64> {
        if let Some(number) = sending.send_at_once(draft, &self.reconnector, &self.event_log, waiting) {
            drop(sending);
            self.ack_sender().flush_deferred();
            return Ok(number);
        }
        self.send_with_waiting(sending, draft, waiting)
    }

    /// Sends a message when something is in the way: a link is missing, messages have to be
    /// replayed, or there is no room. The claim is kept all the time, so that messages of other
    /// threads stay behind; the state is released while this thread waits for room.
    #[cold]
    fn send_with_waiting(
        &self,
        sending: Lease<'_, Sending>,
        draft: &Draft<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<u64> {
        let (class, bytes) = (class(draft.kind, draft.flags), draft.payload.len());
        let (_claim, mut sending) = sending.split();
        loop {
            let (room, open) = {
                let mut halves = self.reconnector.session_state.halves();
                let room = halves.has_room(class, bytes);
                // A long message needs the slot of one that was consumed.
                if is_ack_check_due(halves.outbox.kept_count()) || bytes >= buffers::SHORTEST {
                    halves.read_peer_page();
                }
                if let Some(error) = halves.violation() {
                    sending.end_link(&error);
                    return Err(error);
                }
                (room, halves.outbox.kept_count())
            };
            if room {
                let sent =
                    sending.send(draft, &self.reconnector, &self.event_log, &|| self.collect_acks(), waiting);
                drop(sending);
                self.ack_sender().flush_deferred();
                let number = sent?;
                if class == RetransmitClass::Data && is_ack_check_due(open) {
                    self.collect_acks();
                }
                return Ok(number);
            }
            // Without a link the peer cannot acknowledge.
            let joined = sending.join(&self.reconnector, &self.event_log, waiting);
            drop(sending);
            self.ack_sender().flush_deferred();
            joined?;
            self.wait_for_room(class, bytes, waiting)?;
            sending = self.sending.lock();
            if let Some(number) = sending.send_at_once(draft, &self.reconnector, &self.event_log, waiting) {
                drop(sending);
                self.ack_sender().flush_deferred();
                return Ok(number);
            }
        }
    }
}
