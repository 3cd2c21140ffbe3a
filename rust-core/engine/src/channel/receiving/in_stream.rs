//! The short path of receiving over a stream: one lock before a short wait, one read, and one lock for the message.
//!
//! `ends/in_stream` holds the direction in between. As over shared memory (`in_place`), only messages that need no
//! further checks are taken; otherwise nothing has changed except what the general path does first, too.

use super::Receiving;
use super::in_place::{MORE, NEXT};
use crate::channel::conn::Conn;
use crate::channel::event_log::EventLog;
use crate::channel::link::Taken;
use crate::channel::pattern::Pattern;
use crate::channel::session_state::SessionHalves;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{ErrorKind, Result};
use crate::session::inbox::AckTrigger;
use crate::transport::Waited;

/// What a call that receives over a stream does next.
pub enum InStream {
    /// It returns this message, which an earlier read has taken.
    Taken(Taken),
    /// It waits for a few milliseconds. The consumed messages are recorded.
    Waits,
    /// It takes the general path.
    General,
}

impl Receiving {
    /// Returns whether the link is a stream.
    pub fn is_over_stream(&mut self) -> bool {
        self.part.as_mut().is_some_and(|part| part.rx.stream().is_some())
    }

    /// Returns the message that an earlier read has taken, or records which messages the program has consumed before a
    /// short wait in a dialogue; for a call of the program that has the lock. The general path follows if an
    /// acknowledgement or anything else has to come before the wait.
    #[inline(always)]
    pub fn begin_in_stream(
        &mut self,
        halves: &mut SessionHalves,
        conn: &Conn,
        waiting: &Waiting<'_>,
    ) -> InStream {
        if self.watched || self.is_general_due() {
            return InStream::General;
        }
        let Some(part) =
            self.part.as_mut().filter(|part| part.negotiated.is_some() && part.read_ahead.is_empty())
        else {
            return InStream::General;
        };
        let Some(half) = part.rx.stream() else { return InStream::General };
        if part.peer.pattern == Pattern::Request {
            return InStream::General;
        }
        if half.holds_bytes() {
            let taken = self.take_in_stream(halves, &conn.event_log, NEXT);
            return taken.map_or(InStream::General, InStream::Taken);
        }
        if waiting.is_none() || !half.last_polls_were_empty() {
            return InStream::General;
        }
        halves.inbox.consumed();
        if halves.is_ack_due(AckTrigger::Receive)
            || halves.is_ack_due(AckTrigger::Pause)
            || halves.has_replays()
        {
            return InStream::General;
        }
        InStream::Waits
    }

    /// Waits for a few milliseconds at most, without the lock, and reads. Returns whether
    /// [`Receiving::take_after_wait`] may find a message.
    ///
    /// # Errors
    /// Those of the tick.
    pub fn wait_in_stream(&mut self, conn: &Conn, waiting: &mut Waiting<'_>) -> Result<bool> {
        let Some(half) = self.part.as_mut().and_then(|part| part.rx.stream()) else { return Ok(false) };
        if self.link_in_set && self.set.is_in_dialogue() {
            self.set.remove(half.descriptor());
            self.link_in_set = false;
        }
        let waited = match half.sole_descriptor() {
            Some(link) => self.set.wait_short(Some(link), waiting),
            None => drive::data_in_read(half, waiting),
        };
        match waited {
            Ok(Waited::Ready) => {}
            Ok(Waited::Passed) => {
                self.set.note_passed();
                conn.send_ack(AckTrigger::Park);
                return Ok(false);
            }
            Ok(Waited::Omitted) => return Ok(false),
            // The general path reads once more before it reports that.
            Err(e) if e.kind() == ErrorKind::Timeout => return Ok(false),
            Err(e) => return Err(e),
        }
        if conn.links.is_closed() {
            return Ok(false);
        }
        half.fill();
        Ok(true)
    }

    /// Returns the message that the read has taken, for a call that has the lock again.
    pub fn take_after_wait(&mut self, halves: &mut SessionHalves, event_log: &EventLog) -> Option<Taken> {
        self.take_in_stream(halves, event_log, MORE)
    }

    /// Returns whether something else comes before the next message of the link.
    pub(super) fn is_general_due(&self) -> bool {
        // One expression without early returns: nearly always each condition is false.
        !self.inbox.is_empty()
            | self.deferred_error.is_some()
            | self.lockstep
            | self.closing
            | self.part.as_ref().is_some_and(|part| part.parked | part.bye_received)
    }
}
