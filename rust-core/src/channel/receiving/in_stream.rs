//! The short way to receive over a stream: one lock before a short wait, one read, and one lock for the message.
//!
//! As over shared memory (`in_place`), it takes only messages that need no further checks, and for anything else
//! returns none before it has changed anything but what the general path does first, too.

use std::ops::DerefMut;
use std::sync::atomic::Ordering;

use super::Receiving;
use super::in_place::{Taken, record_received};
use crate::channel::event_log::EventLog;
use crate::channel::pattern::Pattern;
use crate::channel::sending::AckSender;
use crate::channel::session::inbox::AckTrigger;
use crate::channel::session_state::{SessionHalves, urgency};
use crate::deadline::Waiting;
use crate::error::{ErrorKind, Result};
use crate::frame::Kind;
use crate::message::Message;
use crate::transport::Waited;

impl Receiving {
    /// For a call of the program in a dialogue: records what it has consumed, waits for a few milliseconds at most, and
    /// returns the message that arrived. None for the general path, if an acknowledgement is due before the wait,
    /// nothing arrived, or something else than a message did.
    ///
    /// # Errors
    /// Those of the tick.
    pub fn receive_in_dialogue(
        &mut self,
        ack_sender: &AckSender<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Message>> {
        let AckSender { reconnector, event_log, .. } = *ack_sender;
        let session_state = &reconnector.session_state;
        if waiting.is_none() || self.watched || self.is_general_due() {
            return Ok(None);
        }
        let Some(part) = self.part.as_mut().filter(|part| part.negotiated.is_some()) else { return Ok(None) };
        let Some(half) = part.rx.stream() else { return Ok(None) };
        if part.peer.pattern == Pattern::Request || !half.is_likely_empty() {
            return Ok(None);
        }
        let mut halves = session_state.halves();
        halves.inbox.consumed();
        let is_ack_due = halves.is_ack_due(AckTrigger::Receive) || halves.is_ack_due(AckTrigger::Pause);
        drop(halves);
        if is_ack_due || session_state.replays.load(Ordering::Acquire) {
            return Ok(None);
        }
        if self.link_in_set && self.set.is_in_dialogue() {
            self.set.remove(half.descriptor());
            self.link_in_set = false;
        }
        let waited = match half.sole_descriptor() {
            Some(link) => self.set.wait_short(Some(link), waiting),
            None => half.read_briefly(waiting),
        };
        match waited {
            Ok(Waited::Ready) => {}
            Ok(Waited::Passed) => {
                self.set.note_passed();
                ack_sender.send_ack(AckTrigger::Park);
                return Ok(None);
            }
            Ok(Waited::Omitted) => return Ok(None),
            // The general path reads once more before it reports that.
            Err(e) if e.kind() == ErrorKind::Timeout => return Ok(None),
            Err(e) => return Err(e),
        }
        if reconnector.is_closed() {
            return Ok(None);
        }
        half.fill();
        let taken =
            self.take_in_stream(|| session_state.halves(), event_log, |kind| kind == Kind::Data, None, true);
        if taken.is_some() {
            self.empty_polls = 0;
        }
        Ok(taken.map(|taken| taken.finish(ack_sender)))
    }

    /// Returns whether something else than the next message of the link is due first.
    pub(super) fn is_general_due(&self) -> bool {
        // All at once: nearly always none is the case.
        !self.inbox.is_empty()
            | self.deferred_error.is_some()
            | self.parked
            | self.bye_received
            | self.closing
    }

    /// Returns the message that a read has taken from a stream, if its kind is `wanted`; as
    /// [`Receiving::take_in_place`], which calls this.
    #[inline(never)]
    pub(super) fn take_in_stream<H: DerefMut<Target = SessionHalves>>(
        &mut self,
        halves: impl FnOnce() -> H,
        event_log: &EventLog,
        wanted: impl FnOnce(Kind) -> bool,
        consume: Option<AckTrigger>,
        delivers: bool,
    ) -> Option<Taken> {
        let part = self.part.as_mut().filter(|part| part.negotiated.is_some())?;
        let half = part.rx.stream()?;
        let header = half.peek()?;
        let acknowledged = match header.kind {
            Kind::Data | Kind::Request if self.schema.is_none() => header.correlation,
            Kind::Reply if self.reply_schema.is_none() => 0,
            _ => return None,
        };
        if !wanted(header.kind) || part.peer.source.is_empty() {
            return None;
        }
        let mut halves = halves();
        // The general path ends the link for an impossible number.
        if !halves.inbox.is_new(header.sequence)
            || acknowledged > 0 && halves.outbox.acknowledged(acknowledged).is_err()
        {
            return None;
        }
        let session = halves.inbox.session();
        let source = &part.peer.source;
        let message = match half.take_whole() {
            Some(frame) => Message::new(frame, source, self.limits, session),
            None => Message::filled(header, source, &self.limits, session, |body| half.take_short(body)),
        };
        let received = (header.sequence, header.body as usize, urgency(header.kind, header.flags));
        let (is_ack_due, missed) = record_received(&mut halves, &mut part.rx, consume, delivers, received);
        drop(halves);
        event_log.count_exclusive(&event_log.received);
        self.set.note_message();
        Some(Taken { message, is_ack_due, missed, acknowledges: acknowledged > 0 })
    }
}
