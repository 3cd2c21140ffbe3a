//! Room in the link: pending output of the sending half, and the descriptor that reports room.

use std::os::fd::OwnedFd;

use super::push::leave;
use super::{Links, Sending};
use crate::channel::link::TxPart;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Doing, Result};
use crate::sys::poll::Interest;

impl Sending {
    /// Returns whether the link seems to have room for a short message.
    pub fn is_writable(&mut self) -> bool {
        self.part.as_mut().is_some_and(|part| part.tx.flush().unwrap_or(false))
    }

    /// Flushes pending output. Returns a descriptor and event that report room, or none if the link has room.
    ///
    /// With `blocked`, a successful flush does not count as room.
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

    /// Sends pending output without waiting. Returns the report of room for the remainder, if any.
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

    /// Flushes the rest of a begun frame until the deadline. Returns whether a part is still here.
    pub fn flush(&mut self, waiting: &mut Waiting<'_>) -> bool {
        let Some(part) = &mut self.part else { return false };
        while matches!(part.tx.flush(), Ok(false)) && drive::space(&mut part.tx, waiting).is_ok() {}
        drive::taken_over(&part.tx, waiting.deadline())
    }

    pub fn leave_rest(&self, links: &impl Links) {
        if let Some(part) = &self.part {
            leave(part, links);
        }
    }

    pub fn has_rest(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.tx.has_rest())
    }
}
