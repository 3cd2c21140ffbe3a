//! How a receiving thread waits: a short wait first, of the transport or of the epoll set, then the set with
//! the time-out of the call.
//!
//! The pending acknowledgement is sent before the wait. Parking announces to the transport that this side
//! has to be woken; it is undone after every wait, unless the program itself waits on the descriptor.

use super::{Reads, Receiving};
use crate::channel::conn::Conn;
use crate::channel::lockstep;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::Result;
use crate::session::inbox::AckTrigger;
use crate::transport::Waited;

impl Receiving {
    /// Waits until the link may have a frame.
    ///
    /// A due acknowledgement is sent first, before the spin: a receiver that is killed while messages keep
    /// arriving would otherwise have consumed some without an acknowledgement, and its next incarnation would
    /// receive them again. In a dialogue that is one message, whose acknowledgement is sent after a short wait,
    /// because the program's answer can carry it.
    pub(super) fn wait_for_frame(
        &mut self,
        reads: &mut Reads,
        conn: &Conn,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.apply_consume(reads, conn);
        let is_paced = self.lockstep && !reads.is_lent && (!waiting.is_none() || self.watched);
        let has_others = is_paced && lockstep::waits(&conn.links.session_state);
        if has_others && waiting.is_none() && self.set.wake_later().is_err() {
            // The process has no descriptors left: the program tries again.
            self.waker.wake();
        }
        let pauses = !waiting.is_none() && !reads.is_lent;
        conn.send_ack(if pauses { AckTrigger::Pause } else { AckTrigger::Park });
        let mut waited = Waited::Omitted;
        if let Some(part) = self.part.as_mut().filter(|_| !waiting.is_none()) {
            // A thread of the program that needs a lent direction is seen by the epoll set alone.
            let soon = if reads.is_lent {
                (!part.rx.spin()).then_some(Waited::Omitted)
            } else {
                drive::data_soon(&mut part.rx, waiting)?
            };
            let Some(passed) = soon else { return Ok(()) };
            waited = passed;
        }
        if waited == Waited::Passed {
            self.set.note_passed();
        }
        let Some(part) = &mut self.part else { return Ok(()) };
        if waiting.is_none() && !self.watched {
            return Err(waiting.timed_out());
        }
        self.waker.drain();
        if part.park()? {
            return Ok(());
        }
        if waiting.is_none() {
            // The link stays parked: the program waits on the descriptor.
            if std::mem::take(&mut self.has_filed) {
                self.waker.wake();
            }
            return Err(waiting.timed_out());
        }
        let waited = self.wait_in_epoll(waited, reads, conn, waiting);
        self.unpark();
        waited
    }

    /// Waits in the epoll set. An acknowledgement that waits for the program's answer is sent after a
    /// short wait, which the transport may have had (`waited`).
    fn wait_in_epoll(
        &mut self,
        waited: Waited,
        reads: &Reads,
        conn: &Conn,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let mut waited = waited;
        // Shared memory has had its own short wait; the timer would make a watched descriptor readable.
        let in_place = self.part.as_ref().is_none_or(|part| part.rx.is_in_place());
        let mut is_short_due = waited == Waited::Omitted && !in_place && !self.watched;
        // Who wants a direction that is on loan signals another descriptor.
        let part = self.part.as_ref().filter(|_| is_short_due && !reads.is_lent);
        if let Some(link) = part.and_then(|part| part.rx.sole_descriptor()) {
            waited = self.set.wait_short(Some(link), waiting)?;
            is_short_due = false;
        }
        if waited != Waited::Ready {
            self.watch_link()?;
        }
        if is_short_due {
            waited = self.set.wait_short(None, waiting)?;
        }
        match waited {
            Waited::Ready => return Ok(()),
            Waited::Passed => conn.send_ack(AckTrigger::Park),
            Waited::Omitted if conn.is_ack_due(AckTrigger::Park) => {
                if self.set.wait_pause(waiting)? {
                    return Ok(());
                }
                conn.send_ack(AckTrigger::Park);
            }
            Waited::Omitted => {}
        }
        if self.lockstep && !reads.is_lent {
            // What comes over the other channels meanwhile is looked at in between.
            return self.set.wait_pause(waiting).map(drop);
        }
        self.set.wait(waiting)
    }

    /// Leaves the descriptor to a sender for which no thread waits. False where a frame has come, and where the
    /// descriptor is readable for what an event loop has not received.
    pub fn leave_to_sender(&mut self) -> Result<bool> {
        if self.watched && (!self.inbox.is_empty() || self.deferred_error.is_some()) {
            return Ok(false);
        }
        self.set.disarm()?;
        self.watch_link()?;
        let Some(part) = &mut self.part else { return Ok(true) };
        Ok(!part.park()?)
    }

    /// Takes back the request to be woken.
    pub(super) fn unpark(&mut self) {
        if let Some(part) = &mut self.part {
            part.unpark();
        }
    }

    /// Keeps the descriptor readable while something is in the inbox. With `link`, the link is polled, too,
    /// and parked if it has nothing.
    pub(super) fn update_readiness(&mut self, link: bool) {
        if !self.watched {
            return;
        }
        let more = match &mut self.part {
            Some(part) if link => part.park().unwrap_or(true) || !part.read_ahead.is_empty(),
            _ => false,
        };
        let is_filed = std::mem::take(&mut self.has_filed);
        if more || is_filed || !self.inbox.is_empty() || self.deferred_error.is_some() {
            self.waker.wake();
        } else if link {
            self.waker.drain();
        }
    }
}
