//! Attaches a link to the receiving direction and its epoll set, and releases it.

use super::{Copied, LINK, Receiving};
use crate::channel::conn::Conn;
use crate::channel::event_log::EventLog;
use crate::channel::reconnector::Reconnector;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::eventfd::EventFd;
use crate::sys::poll::Interest;

impl Receiving {
    /// Takes the receiving half of the newest link if needed. May wait.
    pub fn join(&mut self, conn: &Conn, waiting: &mut Waiting<'_>) -> Result<()> {
        if self.part.is_some() {
            return Ok(());
        }
        self.connect(&conn.links, &conn.event_log, waiting)
    }

    pub(super) fn connect(
        &mut self,
        reconnector: &Reconnector,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.drop_part();
        // A tick that is due does not end the attempt.
        let part = waiting
            .running_tick(|waiting| reconnector.reconnect_rx(&mut self.generation, event_log, waiting))?;
        reconnector.origin.is_settled();
        self.lockstep = part.peer.lockstep;
        if let Some(negotiated) = &part.negotiated {
            reconnector.session_state.begin_receiving(self.generation, negotiated);
        }
        for fd in part.rx.descriptors() {
            // The link could not wake this side. The error releases it, and the next call looks for another link.
            let added = self.set.add(fd, LINK, Interest::IN | Interest::RDHUP);
            added.inspect_err(|_| reconnector.origin.is_due())?;
        }
        (self.part, self.link_in_set) = (Some(part), true);
        self.view_bodies(Copied::Nothing);
        Ok(())
    }

    pub fn lend(&mut self, wanted: &EventFd) -> Result<()> {
        if !self.is_lent {
            self.set.add(wanted, LINK, Interest::IN)?;
            self.is_lent = true;
        }
        Ok(())
    }

    /// Adds the link's connection to the set again after a dialogue.
    pub(super) fn watch_link(&mut self) -> Result<()> {
        if !self.link_in_set
            && let Some(connection) = self.part.as_ref().and_then(|part| part.rx.connection())
        {
            self.set.add(connection, LINK, Interest::IN | Interest::RDHUP)?;
            self.link_in_set = true;
        }
        Ok(())
    }

    /// Releases a link that ended with this error.
    ///
    /// If the peer is still connected, this side hangs up: it receives nothing more, so nothing may be sent either.
    pub(super) fn link_lost(&mut self, reconnector: &Reconnector, event_log: &EventLog, why: &Error) {
        event_log.disconnected(why.to_string());
        if why.kind() != ErrorKind::Disconnected
            && let Some(guard) = self.part.as_ref().and_then(|part| part.guard.as_ref())
        {
            guard.disconnect();
        }
        // A close itself reports the count of unacknowledged messages.
        if !self.closing {
            reconnector.session_state.peer_gone(self.generation, event_log);
        }
        self.drop_part();
        if reconnector.reconnects() {
            reconnector.origin.is_due();
        }
        if self.watched {
            // A sending call may notice the end first. The event loop must receive to get the event and to connect.
            self.waker.wake();
        }
    }

    pub fn drop_part(&mut self) {
        let Some(part) = self.part.take() else { return };
        for fd in part.rx.descriptors() {
            self.set.remove(fd);
        }
    }
}
