//! The halves of a link where a long body that is in one block is in a slot as a whole: the sending half puts it there,
//! and the receiving half copies it out in one piece, or passes a view on to a call that copies it into memory of the
//! program.
//!
//! Whatever is in it: text, structure, or bytes that nothing of the library looks at. It is examined and decoded only
//! in the copy, in memory that the peer cannot write. A body that finds no slot goes through the ring in pieces, as one
//! for a peer without slots does.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::super::record::Record;
#[cfg(test)]
use super::super::references::Reference;
use super::super::signals::send_file;
use super::super::views::{Elements, Presence, ViewCounter, malformed};
use super::arrays::no_slots;
use super::receiving::ShmRx;
use super::sending::ShmTx;
use crate::body::{Body, Part, Rest, Split};
use crate::buffers::{self, aligned};
use crate::error::{Result, memory};
#[cfg(test)]
use crate::frame::Header;
use crate::frame::{Incoming, Kind, Outgoing};
use crate::sys::memory::MemoryFile;
use crate::{LongBodies, Sent};

impl ShmTx {
    /// Writes a frame with a long body: a reference to it in a slot, to which it is copied unless it is in one already;
    /// or the whole frame, where there is none. Like the contract's `try_send`.
    #[cold]
    pub(super) fn try_write_long(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if self.slots.is_none() || !self.writer.accepts_placed(frame.extension.len()) {
            return self.writer.try_write(frame);
        }
        // Before the copy, which would be made again for each try.
        if !self.writer.has_room_for_placed(frame.extension.len())? {
            return Ok(Sent::Blocked);
        }
        if self.try_place(frame)? {
            self.long_bodies.in_slots += 1;
            return Ok(Sent::Whole);
        }
        let sent = self.writer.try_write(frame)?;
        self.long_bodies.without_slot += u64::from(sent != Sent::Blocked);
        Ok(sent)
    }

    /// Writes a record with a reference to the body in a slot, for which the ring has room. False where there is no
    /// slot, or the peer cannot be sent its file.
    fn try_place(&mut self, frame: &Outgoing<'_>) -> Result<bool> {
        let Some(slots) = &self.slots else { return Ok(false) };
        let Some(bytes) = slots.in_place_or_copy(frame.body, None) else { return Ok(false) };
        let split = Split::new(Rest::from(Bytes::new()), vec![Part { at: 0, bytes }]);
        let socket = self.shared.liveness.socket();
        let announce = |slot: usize, file: &MemoryFile| send_file(socket, slot, file.fd());
        let Some(references) = slots.refer(&split, announce) else { return Ok(false) };
        let Some(reference) = references.first() else { return Ok(false) };
        let written = self.writer.try_write_placed(&frame.header, frame.extension, reference);
        if !matches!(written, Ok(true)) {
            slots.cancel(&references);
        }
        written
    }

    /// Writes a reference to a body without any check, as a hostile peer does.
    #[cfg(test)]
    pub(in super::super) fn write_placed(
        &mut self,
        header: &Header,
        extension: &[u8],
        reference: &Reference,
    ) {
        assert!(self.writer.try_write_placed(header, extension, reference).unwrap());
    }

    /// Returns how long bodies were sent since the last call.
    pub(crate) fn take_long_bodies(&mut self) -> LongBodies {
        std::mem::take(&mut self.long_bodies)
    }
}

impl ShmRx {
    /// From now on the body of data, or of a reply, that is in a slot as a whole is returned as a part that views it;
    /// or copied again. For a layer above that copies it at once and looks at nothing of it before: a peer may change
    /// it meanwhile.
    pub fn view_bodies(&mut self, data: bool, replies: bool) {
        self.views_bodies = (data, replies);
    }

    /// Returns the frame of a record whose body is in one of the peer's slots, copied out of it. Errors as `try_recv`.
    #[cold]
    pub(super) fn receive_placed(&mut self, record: Record) -> Result<Option<Incoming>> {
        self.note_frame();
        let frame = self.read_placed(record).map_err(|error| self.failed(error))?;
        self.shared.last_received.store(frame.header.sent, Ordering::Relaxed);
        Ok(Some(frame))
    }

    /// Decodes the record, maps the file that it names, and copies the body; does not wait. The peer sent the file
    /// before the record.
    fn read_placed(&mut self, record: Record) -> Result<Incoming> {
        let Some(files) = &mut self.views else {
            return self.reader.take(record).and_then(|_| Err(no_slots()));
        };
        let (header, extension, reference) = self.reader.take_placed(record)?;
        if files.find(&reference, || self.shared.signals.take_file())? != Presence::Here {
            return Err(malformed("a file that has not come", &reference));
        }
        let limit = self.reader.check_limit(&header);
        let found = limit.and_then(|()| files.elements(&reference));
        let views = match header.kind {
            Kind::Data => self.views_bodies.0,
            Kind::Reply => self.views_bodies.1,
            _ => false,
        };
        if views
            && extension.is_empty()
            && let Ok(elements) = found
        {
            // Its drop frees the slot.
            let body = Body::of_parts(Bytes::new(), vec![Part { at: 0, bytes: elements.view() }]);
            return Ok(Incoming { header, extension, body });
        }
        let body = found.and_then(|body| copied(&body));
        // The slot is free for the peer, also where the message is skipped.
        files.counter.end_view(reference.slot as usize);
        Ok(Incoming { header, extension, body: body?.into() })
    }
}

/// Copies a body out of its slot into memory of this process. `OutOfMemory` where there is none.
fn copied<C>(body: &Elements<C>) -> Result<Bytes> {
    let mut bytes = buffers::take(body.length);
    memory::reserve(&mut bytes, body.length)?;
    body.file.memory.copy_out(body.from, &mut bytes.spare_capacity_mut()[..body.length]);
    // SAFETY: the reservation made room for them, and `copy_out` has just initialised them all.
    unsafe { bytes.set_len(body.length) };
    Ok(aligned(bytes))
}
