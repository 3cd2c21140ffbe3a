//! The meaning of a received frame for the caller.

use super::{Reads, Receiving, Turn};
use crate::channel::conn::{Conn, Received};
use crate::channel::link::{Checks, is_answer_to};
use crate::deadline::Waiting;
use crate::error::Result;
use crate::frame::Incoming;
use crate::message::Message;
use crate::sys::poll::next_round;

/// The call checks its deadline after this many polls in a row without a message.
const MAX_EMPTY_POLLS: u32 = 64;
/// The limit for a call that does not wait: more than honest peers send between two messages.
const MAX_EMPTY_POLLS_AT_ONCE: u32 = 4096;

impl Receiving {
    /// Counts a poll without a message; checks deadline and signals after many such polls.
    ///
    /// A peer therefore cannot hold the caller with frames without messages, or with parts of a frame.
    pub fn count_empty_poll(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.empty_polls += 1;
        if self.empty_polls < if waiting.is_none() { MAX_EMPTY_POLLS_AT_ONCE } else { MAX_EMPTY_POLLS } {
            return Ok(());
        }
        self.empty_polls = 0;
        // The next call continues after these frames.
        let round =
            if waiting.deadline().has_passed() { Err(waiting.timed_out()) } else { next_round(waiting) };
        // Frames may be left, so the event loop must wake for them.
        round.inspect_err(|_| self.update_readiness(true))
    }

    #[cfg(test)]
    pub fn empty_polls(&self) -> u32 {
        self.empty_polls
    }

    /// Returns a message to the caller, or keeps an answer for another call.
    ///
    /// An answer that no call will take is counted as dropped.
    pub fn route(
        &mut self,
        message: Message,
        answer_to: u64,
        conn: &Conn,
        waiting: &mut Waiting<'_>,
    ) -> Result<Turn> {
        let header = message.header();
        if !header.kind.is_answer() || is_answer_to(header, answer_to) {
            self.empty_polls = 0;
            return Ok(Turn::Message(message));
        }
        self.file_answer(message, conn, waiting)
    }

    #[inline(never)]
    fn file_answer(&mut self, message: Message, conn: &Conn, waiting: &mut Waiting<'_>) -> Result<Turn> {
        let session_state = &conn.links.session_state;
        session_state.finished(message.session(), message.number());
        // The lock is free while the dropped messages free their memory.
        let dropped = session_state.halves().calls.file(message);
        dropped.iter().for_each(|_| conn.event_log.count(&conn.event_log.dropped));
        // An event loop may wait for that answer.
        self.has_filed = self.watched;
        self.count_empty_poll(waiting)?;
        Ok(Turn::Ack)
    }

    /// Handles one frame. Returns none for example for a duplicate.
    pub(super) fn dispatch(
        &mut self,
        frame: Incoming,
        reads: &mut Reads,
        conn: &Conn,
    ) -> Result<Option<Turn>> {
        let Some(part) = &mut self.part else { return Ok(None) };
        let mut want = reads.want();
        let (schema, reply_schema) = (self.schema.as_ref(), self.reply_schema.as_ref());
        let checks = Checks { limits: self.limits, schema, reply_schema };
        let received = conn.receive(part, frame, &mut want, checks);
        reads.consume = want.consume;
        Ok(match received? {
            Received::Message(message) => {
                conn.event_log.count_exclusive(&conn.event_log.received);
                self.set.note_message();
                self.update_readiness(true);
                if self.watched && message.header().kind.is_answer() {
                    self.keep_readable_for_filed(conn);
                }
                Some(Turn::Message(message))
            }
            Received::Bye => Some(Turn::Bye),
            Received::Ack(withdrawn) => {
                withdrawn.iter().for_each(|request| self.withdraw(*request, conn));
                Some(Turn::Ack)
            }
            Received::Nothing => None,
        })
    }

    /// An event loop may take one kept answer at each wake-up.
    #[cold]
    fn keep_readable_for_filed(&mut self, conn: &Conn) {
        if conn.links.session_state.halves().calls.has_answers() {
            self.waker.wake();
        }
    }

    fn withdraw(&mut self, request: u64, conn: &Conn) {
        let session_state = &conn.links.session_state;
        let session = session_state.halves().inbox.session();
        let is_it =
            |kept: &Message| kept.is_request() && kept.number() == request && kept.session() == session;
        if let Some(place) = self.inbox.iter().position(is_it) {
            self.inbox.remove(place);
            conn.event_log.count(&conn.event_log.dropped);
            session_state.finished(session, request);
            self.update_readiness(false);
        }
    }
}
