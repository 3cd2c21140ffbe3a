//! What the sending direction asks of the links of its session.

use super::Sending;
use crate::channel::event_log::EventLog;
use crate::channel::link::TxPart;
use crate::channel::reconnector::Reconnector;
use crate::channel::session_state::SessionState;
use crate::deadline::Waiting;
use crate::error::Result;

/// The links of a session, as its sending direction needs them: those of a channel, or the one of a server's client.
pub trait Links {
    /// Returns the session.
    fn session_state(&self) -> &SessionState;

    /// Returns whether there is a link of a higher generation than this.
    fn is_newer(&self, than: u64) -> bool;

    /// Takes the newest link, for what is sent without the program. Returns whether there is one; none where another sending state
    /// has it.
    fn renew(&self, _sending: &mut Sending, _event_log: &EventLog) -> bool {
        false
    }

    /// Waits until the link has room.
    ///
    /// # Errors
    /// `Timeout`, `Disconnected`, and `InvalidState` once the object is closed.
    fn wait_room(&self, part: &mut TxPart, waiting: &mut Waiting<'_>) -> Result<()> {
        part.tx.wait_room(waiting)
    }

    /// Is told when a part of what was put to the link is left on this side.
    fn left_over(&self) {}
}

impl Links for Reconnector {
    #[inline(always)]
    fn session_state(&self) -> &SessionState {
        &self.session_state
    }

    #[inline(always)]
    fn is_newer(&self, than: u64) -> bool {
        Reconnector::is_newer(self, than)
    }

    fn renew(&self, sending: &mut Sending, event_log: &EventLog) -> bool {
        sending.join(self, event_log, &mut Waiting::at_once()).is_ok()
    }

    fn wait_room(&self, part: &mut TxPart, waiting: &mut Waiting<'_>) -> Result<()> {
        // Closing the channel ends the waits of other threads; those of the closing thread itself go on.
        if self.is_closed() {
            return self.check_links().and_then(|()| part.tx.wait_room(waiting));
        }
        waiting.wakes_on(&self.wake);
        part.tx.wait_room(waiting).and_then(|()| self.check_links())
    }
}
