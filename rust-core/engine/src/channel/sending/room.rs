//! Room in the link: what waits for it in the sending half, and what reports it.

use std::os::fd::OwnedFd;

use super::push::leave;
use super::{Links, Sending};
use crate::channel::link::TxPart;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Doing, Result};
use crate::sys::poll::Interest;

impl Sending {
    /// Returns whether a short message can be sent now, as far as is known.
    pub fn is_writable(&mut self) -> bool {
        self.part.as_mut().is_some_and(|part| part.tx.flush().unwrap_or(false))
    }

    /// Flushes the rest of what was begun, and what waits for the link. If that does not succeed at once, or with
    /// `blocked` in any case, returns a descriptor and the event that reports room; none if there is room after all.
    pub fn room(&mut self, blocked: bool) -> Result<Option<(OwnedFd, Interest)>> {
        let Some(part) = &mut self.part else { return Ok(None) };
        if part.flush()? && !blocked || part.tx.park_room()? {
            return Ok(None);
        }
        let (fd, what) = part.tx.room_descriptor()?;
        // A duplicate, because the link's own descriptor may be in the epoll set already.
        let own = fd.try_clone_to_owned().doing("duplicating a descriptor")?;
        Ok(Some((own, what)))
    }

    /// Sends what waits for room, without waiting. Returns what reports room for what is left; none where nothing is.
    ///
    /// # Errors
    /// Why the link has ended; `OutOfMemory` if the process has no descriptors left.
    pub fn send_waiting(&mut self) -> Result<Option<(OwnedFd, Interest)>> {
        while self.part.as_ref().is_some_and(TxPart::is_waiting) {
            let room = self.room(false)?;
            if room.is_some() {
                return Ok(room);
            }
        }
        Ok(None)
    }

    /// Flushes the rest of what was begun, until the deadline. Returns whether some of it is still on this side.
    pub fn flush(&mut self, waiting: &mut Waiting<'_>) -> bool {
        let Some(part) = &mut self.part else { return false };
        while matches!(part.tx.flush(), Ok(false)) && drive::space(&mut part.tx, waiting).is_ok() {}
        drive::taken_over(&part.tx, waiting.deadline())
    }

    /// Leaves what waits in the sending half to be written without this call.
    pub fn leave_rest(&self, links: &impl Links) {
        if let Some(part) = &self.part {
            leave(part, links);
        }
    }

    /// Returns whether the half has the rest of a frame.
    pub fn has_rest(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.tx.has_rest())
    }
}
