//! The link of a receiving direction: taken from the reconnector, in the epoll set, released after its end.

use super::{LINK, Receiving};
use crate::channel::conn::Conn;
use crate::channel::event_log::EventLog;
use crate::channel::reconnector::Reconnector;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::eventfd::EventFd;
use crate::sys::poll::Interest;

impl Receiving {
    /// Takes the receiving half of the newest link if there is none, and waits for one if need be.
    pub fn join(&mut self, conn: &Conn, waiting: &mut Waiting<'_>) -> Result<()> {
        if self.part.is_some() {
            return Ok(());
        }
        self.connect(&conn.links, &conn.event_log, waiting)
    }

    /// Releases the link and takes the receiving half of the next one.
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
            // Without it the link could not wake this side; it is released, and the next call looks for another one.
            let added = self.set.add(fd, LINK, Interest::IN | Interest::RDHUP);
            added.inspect_err(|_| reconnector.origin.is_due())?;
        }
        (self.part, self.link_in_set) = (Some(part), true);
        self.view_bodies(false);
        Ok(())
    }

    /// Adds to the set, once, what a call of the program signals that wants the direction, for a thread that has it on
    /// loan.
    pub fn lend(&mut self, wanted: &EventFd) -> Result<()> {
        if !self.is_lent {
            self.set.add(wanted, LINK, Interest::IN)?;
            self.is_lent = true;
        }
        Ok(())
    }

    /// Adds the link's connection to the set, where a dialogue has taken it out.
    pub(super) fn watch_link(&mut self) -> Result<()> {
        if !self.link_in_set
            && let Some(connection) = self.part.as_ref().and_then(|part| part.rx.connection())
        {
            self.set.add(connection, LINK, Interest::IN | Interest::RDHUP)?;
            self.link_in_set = true;
        }
        Ok(())
    }

    /// Records that the link has ended with this error, and releases it. A link that this side ends while the peer is
    /// connected is hung up: what the peer sends over it is received no more, so nothing is to be sent over it either.
    pub(super) fn link_lost(&mut self, reconnector: &Reconnector, event_log: &EventLog, why: &Error) {
        event_log.disconnected(why.to_string());
        if why.kind() != ErrorKind::Disconnected
            && let Some(guard) = self.part.as_ref().and_then(|part| part.guard.as_ref())
        {
            guard.disconnect();
        }
        // A close reports by itself how many messages were not acknowledged.
        if !self.closing {
            reconnector.session_state.peer_gone(self.generation, event_log);
        }
        self.drop_part();
        if reconnector.reconnects() {
            reconnector.origin.is_due();
        }
        if self.watched {
            // A call that sends may notice the end first: an event loop has to receive to get the event and to connect.
            self.waker.wake();
        }
    }

    /// Releases the link.
    pub fn drop_part(&mut self) {
        let Some(part) = self.part.take() else { return };
        for fd in part.rx.descriptors() {
            self.set.remove(fd);
        }
    }
}
