//! The receiving side of slots: views of elements that are in the peer's memory files.
//!
//! The files come as descriptors over the socket, each before the first record that refers to it
//! (`signals` queues them, `link::arrays` brings them here). A view is a [`Bytes`] whose memory is
//! the peer's file: it stays readable after the link, and even the peer, is gone. Its drop adds one
//! to the slot's word in this side's page, and that is all the peer learns of it.
//!
//! The peer keeps writing rights to its file, so a hostile one can change elements under a reader.
//! Only numbers are ever read through a view, of which every bit pattern is one; text and structure
//! are copied out of the ring before they are decoded. Seals make sure that the file never shrinks.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;

use super::references::Reference;
use super::segment::{PAGE, SLOTS, at};
use super::slot_page::{self, FileName};
use super::slots::{max_file_length, release};
use crate::body::{OneOrMany, Part};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::arc_owner::{ArcOwner, ArcRef};
use crate::sys::fork;
use crate::sys::memory::{MemoryFile, PeerMemory};

/// The files of the peer's slots, owned by the receiving half; one thread at a time uses it. Views
/// themselves may be held and dropped by any thread.
#[derive(Debug)]
pub(super) struct Views {
    /// This side's header page, where released references are counted.
    page: Arc<MemoryFile>,
    /// The peer's session.
    session: u64,
    /// The file of each slot with its number.
    files: [Option<(u64, PeerSlotFile)>; SLOTS],
    /// The longest file in bytes that is mapped; a longer one is `Malformed`.
    max_file_length: usize,
}

/// The file of one slot.
#[derive(Debug)]
enum PeerSlotFile {
    /// Checked and mapped read-only.
    Mapped(ArcOwner<Mapped>),
    /// This process had no memory to map it; mapping is tried again when a reference names it.
    Unmapped(OwnedFd),
}

/// A mapped file, and where its references are released. The table lends it to views: to the first without counting, which
/// gives it back with one exchange.
#[derive(Debug)]
struct Mapped {
    memory: PeerMemory,
    /// This side's header page.
    page: Arc<MemoryFile>,
    /// The index of the slot, for the word in `page`.
    slot: usize,
}

/// Elements in a slot of the peer's, whose reference was checked and not taken over yet.
#[derive(Debug)]
pub(super) struct SlotElements {
    /// How many bytes of the rest of the body come before the elements.
    at: usize,
    file: ArcRef<Mapped>,
    /// The offset in bytes of the elements in the file.
    from: usize,
    /// The length of the elements in bytes.
    length: usize,
}

/// Elements in a slot of the peer's. The drop releases the reference.
struct SlotView {
    file: ArcRef<Mapped>,
    /// The offset in bytes of the elements in the file.
    from: usize,
    /// The length of the elements in bytes.
    length: usize,
    /// The fork generation that received the reference.
    generation: u64,
}

impl SlotElements {
    /// Takes the reference over: the drop of what is returned releases it.
    pub fn view(self) -> Part {
        let SlotElements { at, file, from, length } = self;
        let view = SlotView { file, from, length, generation: fork::generation() };
        Part { at, bytes: Bytes::from_owner(view) }
    }
}

impl AsRef<[u8]> for SlotView {
    fn as_ref(&self) -> &[u8] {
        self.file.memory.elements(self.from, self.length)
    }
}

impl Drop for SlotView {
    fn drop(&mut self) {
        // In a forked child the page is absent, and the reference belongs to the parent.
        if fork::generation() == self.generation {
            release(&*self.file.page, self.file.slot);
        }
    }
}

impl Views {
    /// No files yet. Each may be as long as messages of `limit` bytes need it.
    pub fn new(page: Arc<MemoryFile>, session: u64, limit: u64) -> Views {
        let max_file_length = max_file_length(limit).saturating_add(PAGE);
        Views { page, session, files: Default::default(), max_file_length }
    }

    /// Takes the file that arrived for a slot, in place of an earlier one; views of that one stay
    /// valid.
    ///
    /// # Errors
    /// `Malformed` for a slot that does not exist, or a descriptor that is no sealed, allocated
    /// memory file of an allowed length. A lack of memory to map it is no error here, see
    /// [`PeerSlotFile::Unmapped`].
    pub fn insert(&mut self, file: OwnedFd) -> Result<()> {
        let FileName { slot, number } = slot_page::name_of(file.as_fd(), self.session)?;
        let place = &mut self.files[slot];
        // Unmapped first, which may make room for the new one.
        *place = None;
        let file = match PeerMemory::open_for_arrays(file.as_fd(), PAGE, self.max_file_length) {
            Ok(memory) => {
                PeerSlotFile::Mapped(ArcOwner::new(Mapped { memory, page: self.page.clone(), slot }))
            }
            Err(e) if e.kind() == ErrorKind::OutOfMemory => PeerSlotFile::Unmapped(file),
            Err(e) => return Err(e),
        };
        *place = Some((number, file));
        Ok(())
    }

    /// Whether the file that a reference names has arrived.
    pub fn has(&mut self, reference: &Reference) -> bool {
        self.file_mut(reference).is_some()
    }

    /// The slot and the file that a reference names; `None` where the slot has another file or
    /// none.
    fn file_mut(&mut self, reference: &Reference) -> Option<(usize, &mut PeerSlotFile)> {
        let slot = usize::try_from(reference.slot).ok()?;
        let (number, file) = self.files.get_mut(slot)?.as_mut()?;
        (*number == reference.file).then_some((slot, file))
    }

    /// Returns views of the elements that these references name, mapping their files where needed.
    ///
    /// # Errors
    /// `Malformed` where a reference names no file or is outside of it; that ends the link.
    /// `OutOfMemory` where this process cannot map a file: the message is skipped, and all its
    /// references are released.
    pub fn view_all(&mut self, references: &[Reference]) -> Result<OneOrMany<Part>> {
        let mut parts = OneOrMany::new();
        for reference in references {
            match self.view(reference) {
                Ok(place) => parts.push(place.view()),
                Err(e) => {
                    // The drop of `parts` releases those that were viewed; the others are released
                    // here.
                    let rest = references[parts.len()..].iter();
                    let slots = rest.filter_map(|one| usize::try_from(one.slot).ok());
                    slots.filter(|slot| *slot < SLOTS).for_each(|slot| release(&*self.page, slot));
                    return Err(e);
                }
            }
        }
        Ok(parts)
    }

    /// The place that a reference names, if its file is mapped and has such elements; nothing changes.
    pub fn place_of(&mut self, reference: &Reference) -> Option<SlotElements> {
        match self.file_mut(reference)?.1 {
            PeerSlotFile::Mapped(file) => {
                let place = place(file, reference)?;
                // The peer wrote them last; they come while the rest of the message is read. So does the line in which
                // the reference is released, which the peer has read: an atomic addition waits for it.
                place.file.memory.prefetch(place.from);
                place.file.page.prefetch(at::RELEASED + place.file.slot * 8);
                Some(place)
            }
            PeerSlotFile::Unmapped(_) => None,
        }
    }

    /// The place of one reference, whose file is mapped if it was not yet.
    fn view(&mut self, reference: &Reference) -> Result<SlotElements> {
        let (page, max_file_length) = (self.page.clone(), self.max_file_length);
        let Some((slot, file)) = self.file_mut(reference) else {
            let Reference { slot, file, .. } = reference;
            return Err(malformed(format!("a reference to file {file} in slot {slot}, which has not come")));
        };
        if let PeerSlotFile::Unmapped(fd) = file {
            let memory = PeerMemory::open_for_arrays(fd.as_fd(), PAGE, max_file_length)?;
            *file = PeerSlotFile::Mapped(ArcOwner::new(Mapped { memory, page, slot }));
        }
        // It was mapped just now, if it was not before.
        let PeerSlotFile::Mapped(file) = file else {
            return Err(malformed(format!("slot {slot} without its file")));
        };
        place(file, reference).ok_or_else(|| {
            let (Reference { from, length, .. }, bytes) = (reference, file.memory.length());
            malformed(format!("{length} bytes from {from} on in a file of {bytes} bytes"))
        })
    }
}

/// The place of a reference in its file; `None` where it is outside, or has no bytes: no honest peer puts an empty
/// array into a slot.
fn place(file: &mut ArcOwner<Mapped>, reference: &Reference) -> Option<SlotElements> {
    let from = usize::try_from(reference.from).ok()?;
    let length = usize::try_from(reference.length).ok()?;
    let bytes = file.memory.length() - PAGE;
    let is_inside = length > 0 && from <= bytes && length <= bytes - from;
    is_inside.then(|| SlotElements { at: reference.at as usize, file: file.lend(), from, length })
}

#[cold]
fn malformed(what: String) -> Error {
    Error::new(ErrorKind::Malformed, format!("the peer's ring holds {what}; the connection is ended"))
}
