//! How a receiving thread waits: first a short wait of the transport or the epoll set, then the set.
//!
//! Parking asks the transport to wake this side. Every wait undoes it, except while the program itself waits on the
//! descriptor.

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
    /// A due acknowledgement is sent before the spin. Otherwise a receiver that is killed in a stream of messages
    /// would receive consumed messages again. In a dialogue only one message is at risk. Its acknowledgement follows
    /// after a short wait, because the program's answer can carry it.
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

    fn check_open(&self, conn: &Conn) -> Result<()> {
        if self.closing { Ok(()) } else { conn.links.check_open() }
    }

    /// Makes the first wait of a call. Returns whether a message may have come.
    ///
    /// Polls for about a microsecond if earlier polls of the shared memory succeeded. Over a stream whose last polls
    /// found nothing, waits a few milliseconds.
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

    /// Reads the arrived data of a stream, for a call that must send before it waits.
    pub(super) fn read_first(&mut self) -> bool {
        let part = self.readable_part().filter(|part| !part.parked && part.read_ahead.is_empty());
        part.is_some_and(|part| part.rx.poll_once() == Polled::Found)
    }

    /// Waits a few milliseconds, because another look would probably find nothing.
    #[inline(never)]
    fn wait_instead(&mut self, reads: &Reads, conn: &Conn, waiting: &mut Waiting<'_>) -> Result<bool> {
        match self.wait_soon(reads, waiting) {
            Ok(Waited::Ready) => return Ok(true),
            Ok(Waited::Passed) => {
                self.set.note_passed();
                conn.send_ack(AckTrigger::Park);
            }
            Ok(Waited::Omitted) => {}
            // The link is read once more before the time-out is reported.
            Err(e) if e.kind() == ErrorKind::Timeout => {}
            Err(e) => return Err(e),
        }
        Ok(false)
    }

    /// Waits at most a few milliseconds, if the transport or a dialogue makes that worthwhile.
    ///
    /// Runs without the lock, which a call over a stream takes once before and once after it.
    #[inline(always)]
    fn wait_soon(&mut self, reads: &Reads, waiting: &mut Waiting<'_>) -> Result<Waited> {
        let Some(part) = self.part.as_mut().filter(|_| !waiting.is_none()) else {
            return Ok(Waited::Omitted);
        };
        if reads.is_lent {
            // Only the epoll set sees a program's thread that needs the lent direction.
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
                // The next waits do not sleep on the set.
                self.set.remove(connection);
                self.link_in_set = false;
            }
            part.rx.fill();
        }
        Ok(waited)
    }

    /// Waits in the epoll set, after a short wait unless `waited` was one.
    ///
    /// An acknowledgement that waits for the program's answer is sent after the short wait.
    fn wait_in_epoll(
        &mut self,
        waited: Waited,
        reads: &Reads,
        conn: &Conn,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let mut waited = waited;
        self.watch_link()?;
        // Shared memory and a sole descriptor have had a short wait. A call that wants a lent direction signals
        // another descriptor. The timer would make a watched descriptor readable.
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
            // The pause lets the thread look at its other channels.
            return self.set.wait_pause(waiting).map(drop);
        }
        self.set.wait(waiting)
    }

    /// Leaves the descriptor to a sender without a waiting thread.
    ///
    /// False if a frame has come, or if the descriptor is readable for an event loop.
    pub fn leave_to_sender(&mut self) -> Result<bool> {
        if self.watched && (!self.inbox.is_empty() || self.deferred_error.is_some()) {
            return Ok(false);
        }
        self.set.disarm()?;
        self.watch_link()?;
        let Some(part) = &mut self.part else { return Ok(true) };
        Ok(!part.park()?)
    }

    pub(super) fn unpark(&mut self) {
        if let Some(part) = &mut self.part {
            part.unpark();
        }
    }

    /// With `link`, also polls the link, and parks it if it is empty.
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
