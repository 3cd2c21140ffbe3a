//! The links of a session, for its sending direction: of a channel, or of a server's client.

use crate::channel::event_log::EventLog;
use crate::channel::link::TxPart;
use crate::channel::reconnector::Reconnector;
use crate::channel::session_state::SessionState;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::Result;

pub trait Links {
    /// Whether a sending state continues with the newest link; otherwise it belongs to one link.
    const JOINS: bool = false;

    fn session_state(&self) -> &SessionState;

    /// Returns the sending half of a link newer than `held`, and updates `held`. May make a link.
    ///
    /// # Errors
    /// Errors of the connection. `Timeout` if links cannot be made and another sending state has the newest one.
    fn next_link(&self, _held: &mut u64, _event_log: &EventLog, waiting: &mut Waiting<'_>) -> Result<TxPart> {
        Err(waiting.timed_out())
    }

    /// Waits until the link has room; `InvalidState` once the object is closed.
    fn wait_room(&self, part: &mut TxPart, waiting: &mut Waiting<'_>) -> Result<()> {
        drive::space(&mut part.tx, waiting)
    }

    fn are_closed(&self) -> bool {
        false
    }

    /// Called when a part of a frame stays on this side. Returns whether a thread writes that part.
    fn left_over(&self) -> bool {
        false
    }
}

impl Links for Reconnector {
    const JOINS: bool = true;

    fn session_state(&self) -> &SessionState {
        &self.session_state
    }

    fn next_link(&self, held: &mut u64, event_log: &EventLog, waiting: &mut Waiting<'_>) -> Result<TxPart> {
        self.reconnect_tx(held, event_log, waiting)
    }

    fn wait_room(&self, part: &mut TxPart, waiting: &mut Waiting<'_>) -> Result<()> {
        // Closing the channel ends the waits of other threads. The closing thread continues to wait.
        if self.is_closed() {
            return self.check_links().and_then(|()| drive::space(&mut part.tx, waiting));
        }
        waiting.wakes_on(&self.wake);
        drive::space(&mut part.tx, waiting).and_then(|()| self.check_links())
    }

    fn are_closed(&self) -> bool {
        self.is_closed()
    }

    fn left_over(&self) -> bool {
        self.rest_is_left()
    }
}
