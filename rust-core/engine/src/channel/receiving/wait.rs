//! How a receiving thread waits: a short wait first, of the transport or of the epoll set, then the set with
//! the time-out of the call.
//!
//! The pending acknowledgement is sent before the wait. Parking announces to the transport that this side
//! has to be woken; it is undone after every wait, unless the program itself waits on the descriptor.

use super::{First, Reads, Receiving};
use crate::channel::conn::Conn;
use crate::channel::link::RxPart;
use crate::channel::lockstep;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{ErrorKind, Result};
use crate::session::inbox::AckTrigger;
use crate::transport::{Polled, Waited};

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
        let has_session = self.part.as_ref().is_none_or(|part| part.negotiated.is_some());
        if has_session && (std::mem::take(&mut reads.first) != First::Wait || !pauses) {
            conn.send_ack(if pauses { AckTrigger::Pause } else { AckTrigger::Park });
        }
        let waited = self.wait_soon(reads, waiting)?;
        match waited {
            Waited::Ready => return self.check_open(conn),
            Waited::Passed => self.set.note_passed(),
            Waited::Omitted => {}
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
        waited?;
        self.check_open(conn)
    }

    /// Fails where another thread has closed the channel while this one slept.
    fn check_open(&self, conn: &Conn) -> Result<()> {
        if self.closing { Ok(()) } else { conn.links.check_open() }
    }

    /// Waits for a call that waits first. Polls for about a microsecond, if that is known to succeed on a link over
    /// shared memory; the room of earlier messages is free meanwhile. Over a stream whose last polls found nothing,
    /// waits for a few milliseconds. Returns whether a message may be there.
    ///
    /// # Errors
    /// Those of the tick.
    #[inline(always)]
    pub(super) fn wait_first(
        &mut self,
        reads: &Reads,
        conn: &Conn,
        waiting: &mut Waiting<'_>,
    ) -> Result<bool> {
        let Some(part) = self.part.as_mut().filter(|part| !part.parked) else { return Ok(false) };
        match part.rx.poll_first() {
            Polled::Found => Ok(true),
            Polled::Nothing => Ok(false),
            Polled::Repeatedly => self.wait_instead(reads, conn, waiting),
        }
    }

    /// Reads what has arrived over a stream, for a call that has to say something before it waits. Returns whether a
    /// message may be there.
    pub(super) fn read_first(&mut self) -> bool {
        let part = self.readable_part().filter(|part| !part.parked && part.read_ahead.is_empty());
        part.is_some_and(|part| part.rx.poll_once() == Polled::Found)
    }

    /// Waits for a few milliseconds, where another look would probably find nothing.
    #[inline(never)]
    fn wait_instead(&mut self, reads: &Reads, conn: &Conn, waiting: &mut Waiting<'_>) -> Result<bool> {
        match self.wait_soon(reads, waiting) {
            Ok(Waited::Ready) => return Ok(true),
            Ok(Waited::Passed) => {
                self.set.note_passed();
                conn.send_ack(AckTrigger::Park);
            }
            Ok(Waited::Omitted) => {}
            // The link is read once more before that is reported.
            Err(e) if e.kind() == ErrorKind::Timeout => {}
            Err(e) => return Err(e),
        }
        Ok(false)
    }

    /// Waits for a few milliseconds at most, where the transport or a dialogue makes that worth it: without the lock,
    /// which a call over a stream takes once before it and once after it.
    #[inline(always)]
    fn wait_soon(&mut self, reads: &Reads, waiting: &mut Waiting<'_>) -> Result<Waited> {
        let Some(part) = self.part.as_mut().filter(|_| !waiting.is_none()) else {
            return Ok(Waited::Omitted);
        };
        if reads.is_lent {
            // A thread of the program that needs a lent direction is seen by the epoll set alone.
            return Ok(if part.rx.spin() { Waited::Ready } else { Waited::Omitted });
        }
        let waited = match part.rx.sole_descriptor() {
            // The timer would make a watched descriptor readable.
            Some(_) if self.watched => return Ok(Waited::Omitted),
            Some(link) => self.set.wait_short(Some(link), waiting)?,
            None => drive::data_soon(&mut part.rx, waiting)?,
        };
        if waited == Waited::Ready
            && let Some(connection) = part.rx.connection()
        {
            if self.link_in_set && !self.watched && self.set.is_in_dialogue() {
                // No sleep of the next waits is on the set.
                self.set.remove(connection);
                self.link_in_set = false;
            }
            part.rx.fill();
        }
        Ok(waited)
    }

    /// Waits in the epoll set. An acknowledgement that waits for the program's answer is sent after a short wait, which
    /// there may have been (`waited`).
    fn wait_in_epoll(
        &mut self,
        waited: Waited,
        reads: &Reads,
        conn: &Conn,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let mut waited = waited;
        self.watch_link()?;
        // Shared memory has had its own short wait, and a descriptor that is slept on alone; but who wants a direction
        // that is on loan signals another one. The timer would make a watched descriptor readable.
        let had =
            |part: &RxPart| part.rx.is_in_memory() || !reads.is_lent && part.rx.sole_descriptor().is_some();
        if waited == Waited::Omitted && !self.watched && self.part.as_ref().is_some_and(|part| !had(part)) {
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
