//! Long bodies in slots: the sending half puts a whole body into a slot; the receiving half copies it.
//!
//! Bytes that the layer above wants to view may stay in the slot. All other content is decoded only in the copy, which
//! the peer cannot write. Without a free slot, a body goes through the ring in pieces.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::super::record::Record;
#[cfg(test)]
use super::super::references::Reference;
use super::super::segment::SLOTS;
use super::super::signals::send_file;
use super::super::views::{BodyViews, Presence, ViewCounter, copied, malformed};
use super::arrays::no_slots;
use super::receiving::ShmRx;
use super::sending::ShmTx;
use super::shared::RingReader;
use crate::body::{OneOrMany, Part, Rest, Split};
use crate::error::Result;
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::sys::memory::MemoryFile;
use crate::{LongBodies, Sent};

impl ShmTx {
    /// Writes a frame with a long body: a reference to its slot or, without a free slot, the whole frame.
    #[cold]
    pub(super) fn try_write_long(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if self.slots.is_none() || !self.writer.accepts_placed(frame.extension.len()) {
            return self.writer.try_write(frame);
        }
        // Before the copy, because a retry must not repeat it.
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

    /// Copies the body to a slot and writes a record that refers to it; the ring has room.
    ///
    /// False without a free slot, or if the peer cannot be sent its file.
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

    #[cfg(test)]
    pub(in super::super) fn write_placed(
        &mut self,
        header: &Header,
        extension: &[u8],
        reference: &Reference,
    ) {
        assert!(self.writer.try_write_placed(header, extension, reference).unwrap());
    }

    pub(crate) fn take_long_bodies(&mut self) -> LongBodies {
        std::mem::take(&mut self.long_bodies)
    }
}

impl ShmRx {
    /// Sets which bytes of a body stay in its slot. Requests use `data`, except [`BodyViews::Whole`].
    pub fn view_bodies(&mut self, data: BodyViews, replies: BodyViews) {
        self.body_views = (data, replies);
    }

    #[cold]
    pub(super) fn receive_placed(&mut self, record: Record) -> Result<Option<Incoming>> {
        self.note_frame();
        let frame = self.read_placed(record).map_err(|error| self.failed(error))?;
        self.shared.last_received.store(frame.header.sent, Ordering::Relaxed);
        Ok(Some(frame))
    }

    /// Decodes the record, maps its file and copies the body.
    ///
    /// Never waits, because the peer sent the file before.
    ///
    /// Nothing changes until there is memory for both: the message stays the next one.
    fn read_placed(&mut self, record: Record) -> Result<Incoming> {
        let Some(files) = &mut self.views else {
            return self.reader.take(record).and_then(|_| Err(no_slots()));
        };
        let (header, extension, reference) = self.reader.read_placed(record)?;
        if files.find(&reference, || self.shared.signals.take_file())? != Presence::Here {
            return Err(malformed("a file that has not come", &reference));
        }
        if let Err(too_large) = self.reader.check_limit(&header) {
            files.counter.end_view(reference.slot as usize);
            self.reader.pass(record, &header);
            return Err(too_large);
        }
        let elements = files.elements(&reference)?;
        let views = match header.kind {
            Kind::Data => self.body_views.0,
            Kind::Reply => self.body_views.1,
            // The server reads a request's body.
            Kind::Request if self.body_views.0 == BodyViews::Bytes => BodyViews::Bytes,
            _ => BodyViews::None,
        };
        let views = if extension.is_empty() { views } else { BodyViews::None };
        let body = match views.left(header.encoding, elements.bytes()) {
            Some(left) => left.body(elements.view()),
            None => {
                let copy = copied(elements.bytes())?;
                files.counter.end_view(reference.slot as usize);
                copy.into()
            }
        };
        self.reader.pass(record, &header);
        Ok(Incoming { header, extension, body })
    }

    /// Skips the message that did not fit the memory, if `may` allows that. Returns its header.
    ///
    /// # Errors
    /// `Malformed`, which ends the link.
    #[cold]
    pub(crate) fn skip_if(&mut self, may: impl Fn(&Header) -> bool) -> Result<Option<Header>> {
        let Some(record) = self.reader.next_in_slots()? else { return self.reader.give_up_assembly(may) };
        let is_placed = RingReader::is_placed(record);
        let (header, references) = if is_placed {
            let (header, _, reference) = self.reader.read_placed(record)?;
            let mut references = OneOrMany::new();
            references.push(reference);
            (header, references)
        } else {
            let found = self.reader.read_references(record)?;
            (found.header, found.references)
        };
        if !may(&header) {
            return Ok(None);
        }
        if let Some(files) = &self.views {
            let slots = references.iter().filter_map(|one| usize::try_from(one.slot).ok());
            slots.filter(|slot| *slot < SLOTS).for_each(|slot| files.counter.end_view(slot));
        }
        self.reader.pass(record, &header);
        Ok(Some(header))
    }
}
