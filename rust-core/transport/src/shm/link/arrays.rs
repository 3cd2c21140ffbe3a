//! Long arrays in slots: the sending half writes references, and the receiving half returns views.
//!
//! Before the first reference into a file, its descriptor goes over the socket, with one byte that names the slot. So
//! the receiver always finds the file. Without slots, with a rest too long for one record, or with a full socket, the
//! frame goes in one block (see `bodies`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::super::reader::Referring;
use super::super::record::Record;
#[cfg(test)]
use super::super::references::Reference;
use super::super::segment::at;
use super::super::signals::send_file;
use super::super::slots::{ReleaseCounter, Slots};
use super::super::views::{Elements, Presence, malformed};
use super::receiving::ShmRx;
use super::sending::ShmTx;
use crate::Sent;
use crate::body::{Body, OneOrMany, Part, Split};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Outgoing};
use crate::sys::memory::MemoryFile;

impl ShmTx {
    /// Writes references to the parts of a frame, or the whole frame in one block if that is not possible.
    #[cold]
    pub(super) fn try_write_split(&mut self, frame: &Outgoing<'_>, split: &Split) -> Result<Sent> {
        let socket = self.shared.liveness.socket().clone();
        let announce = |slot: usize, file: &MemoryFile| send_file(&socket, slot, file.fd());
        let referred =
            if frame.extension.is_empty() { self.try_refer(&frame.header, split, announce)? } else { None };
        match referred {
            Some(true) => Ok(Sent::Whole),
            Some(false) => Ok(Sent::Blocked),
            None => self.try_write_long(&frame.in_one_block()),
        }
    }

    /// Writes a record with references to the parts of a body.
    ///
    /// `announce` sends the peer a file that it lacks.
    ///
    /// `None` if the parts cannot be referred to, false if the ring has no room; neither leaves anything.
    pub(super) fn try_refer(
        &mut self,
        header: &Header,
        split: &Split,
        announce: impl FnMut(usize, &MemoryFile) -> bool,
    ) -> Result<Option<bool>> {
        let (parts, rest) = (split.parts(), split.rest());
        if !self.writer.accepts_references(parts.len(), rest.len()) {
            return Ok(None);
        }
        let Some(slots) = &self.slots else { return Ok(None) };
        let Some(references) = slots.refer(split, announce) else { return Ok(None) };
        let written = self.writer.try_write_references(header, rest, &references);
        if !matches!(written, Ok(true)) {
            slots.cancel(&references);
        }
        written.map(Some)
    }

    /// The slots for long arrays that this link sends, if the peer accepts them.
    pub(crate) fn slots(&self) -> Option<&Arc<Slots>> {
        self.slots.as_ref()
    }

    #[cfg(test)]
    pub(in super::super) fn write_references(
        &mut self,
        header: &Header,
        rest: &[u8],
        references: &[Reference],
    ) {
        assert!(self.writer.try_write_references(header, rest, references).unwrap());
    }
}

/// A message whose long arrays are in slots that this side has mapped.
#[derive(Debug)]
pub struct InSlots {
    found: Referring,
    /// The elements, each with the number of bytes of the rest before it.
    elements: OneOrMany<(usize, Elements<ReleaseCounter>)>,
}

impl InSlots {
    pub fn header(&self) -> &Header {
        &self.found.header
    }
}

impl ShmRx {
    /// Returns a message whose long arrays are in mapped slots. Nothing changes.
    pub fn peek_in_slots(&mut self) -> Option<InSlots> {
        // Checked before reading: `try_recv` returns what the peer wrote before its end.
        if self.shared.end.get().is_some() {
            return None;
        }
        let (found, files) = (self.reader.peek_references()?, self.views.as_mut()?);
        let elements = OneOrMany::try_of(&found.references, |reference| {
            let elements = files.mapped(reference)?;
            // The peer's cache has these lines; they arrive while this side reads the rest of the message.
            elements.file.memory.prefetch(elements.from);
            elements.file.counter.prefetch(elements.file.slot);
            Some((reference.at as usize, elements))
        })?;
        Some(InSlots { found, elements })
    }

    /// Returns the message that [`ShmRx::peek_in_slots`] has just found.
    pub fn take_in_slots(&mut self, found: InSlots) -> Incoming {
        let InSlots { found, elements } = found;
        let (header, rest) = (found.header, self.reader.take_rest(&found));
        self.note_frame();
        self.shared.last_received.store(header.sent, Ordering::Relaxed);
        // An answer in a slot is likely, and its search for a slot reads both words.
        self.shared.peer.memory.prefetch(at::RELEASED);
        self.shared.peer.memory.prefetch(at::HEAD);
        let parts = elements.map(|(at, elements)| Part { at, bytes: elements.view() });
        Incoming { header, extension: Bytes::new(), body: Body::of_parts(rest, parts) }
    }

    #[cold]
    pub(super) fn receive_with_views(&mut self, record: Record) -> Result<Option<Incoming>> {
        self.note_frame();
        let frame = self.read_views(record).map_err(|error| self.failed(error))?;
        self.shared.last_received.store(frame.header.sent, Ordering::Relaxed);
        Ok(Some(frame))
    }

    /// Decodes the record and maps its files.
    ///
    /// Never waits, because the peer sent the files before the record.
    ///
    /// Nothing changes until all files are mapped: without memory for one, the message stays the next one.
    fn read_views(&mut self, record: Record) -> Result<Incoming> {
        let Some(files) = &mut self.views else {
            return self.reader.take(record).and_then(|_| Err(no_slots()));
        };
        let found = self.reader.read_references(record)?;
        for reference in found.references.iter() {
            if files.find(reference, || self.shared.signals.take_file())? != Presence::Here {
                return Err(malformed("a file that has not come", reference));
            }
        }
        let mut elements = OneOrMany::new();
        for reference in found.references.iter() {
            elements.push((reference.at as usize, files.elements(reference)?));
        }
        let rest = self.reader.take_rest(&found);
        let parts = elements.map(|(at, elements)| Part { at, bytes: elements.view() });
        // After the views: their drop releases the references of a message that is too large.
        self.reader.check_limit(&found.header)?;
        Ok(Incoming { header: found.header, extension: Bytes::new(), body: Body::of_parts(rest, parts) })
    }

    /// Makes this half behave as if the peer's hello had announced no slots.
    #[cfg(test)]
    pub(in super::super) fn forget_slots(&mut self) {
        self.views = None;
    }
}

#[cold]
pub(super) fn no_slots() -> Error {
    Error::new(
        ErrorKind::Malformed,
        "the peer sent references into slots, but its hello did not announce any",
    )
}
