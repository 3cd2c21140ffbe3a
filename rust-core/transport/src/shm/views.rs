//! The receiving side of slots: a peer's files, and views of elements in them.
//!
//! The files come as descriptors over the socket, each before the first record that refers to it. A view is a [`Bytes`]
//! whose memory is the peer's file; it stays readable after the end of link and peer. [`ViewCounter`] keeps the peer
//! from writing viewed elements; `link::arrays` has a channel's rules, `broadcast::views` a subscriber's.
//!
//! A hostile peer can still change elements in its file. A view therefore shows only numbers, where every bit pattern
//! is valid, and opaque bytes, which this library does not read. Text and structure are copied before decoding. Seals
//! prevent the file from shrinking.

use std::cmp::Ordering;
use std::os::fd::{AsFd, OwnedFd};

use bytes::Bytes;

use super::references::Reference;
use super::segment::{PAGE, SLOTS};
use super::slot_page::{self, FileName};
use crate::body::{Body, Part};
use crate::buffers;
use crate::codec::{self, Encoding, Outline};
use crate::error::{Error, ErrorKind, Result, memory};
use crate::sys::arc_owner::{ArcOwner, ArcRef};
use crate::sys::memory::PeerMemory;

/// Which bytes of a body a reader leaves in its slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyViews {
    /// None: the reader copies the body.
    #[default]
    None,
    /// The opaque bytes: a raw body, or CBOR's long byte strings. The reader copies the rest.
    Bytes,
    /// The whole body as one part, for a layer above that copies it before reading.
    Whole,
}

impl BodyViews {
    pub(super) fn views(self, encoding: Encoding) -> bool {
        match self {
            BodyViews::None => false,
            BodyViews::Bytes => matches!(encoding, Encoding::Raw | Encoding::Cbor),
            BodyViews::Whole => true,
        }
    }

    /// Which bytes of a body stay in its slot. `None` if the whole body must be copied.
    pub(super) fn left(self, encoding: Encoding, slot: &[u8]) -> Option<Left> {
        match (self, encoding) {
            (BodyViews::Whole, _) => Some(Left::Whole),
            (BodyViews::Bytes, Encoding::Raw) => Some(Left::Opaque),
            (BodyViews::Bytes, Encoding::Cbor) => codec::outline(slot).map(Left::Strings),
            _ => None,
        }
    }
}

pub(super) enum Left {
    /// The whole body; a layer above copies it before reading it.
    Whole,
    /// The whole body, as opaque bytes.
    Opaque,
    /// The long byte strings.
    Strings(Outline),
}

impl Left {
    pub(super) fn body(self, slot: Bytes) -> Body {
        let rest = Bytes::new();
        match self {
            Left::Whole => Body::of_parts(rest, vec![Part { at: 0, bytes: slot }]),
            Left::Opaque => Body::of_opaque_parts(rest, vec![Part { at: 0, bytes: slot }]),
            Left::Strings(outline) => outline.with_bytes_in_place(&slot),
        }
    }
}

pub(super) fn copied(slot: &[u8]) -> Result<Bytes> {
    let mut bytes = buffers::take(slot.len());
    memory::reserve(&mut bytes, slot.len())?;
    crate::sys::memory::append(&mut bytes, slot);
    Ok(buffers::aligned(bytes))
}

/// Counts the views of one reader.
///
/// Any thread may end a view, also in a forked child, which counts nothing.
pub(super) trait ViewCounter: Clone + Send + Sync + 'static {
    fn end_view(&self, slot: usize);
}

/// The files of a peer's slots. One thread at a time uses it; any thread may hold and drop views.
#[derive(Debug)]
pub(super) struct SlotFiles<C> {
    session: u64,
    files: [Option<(u64, PeerSlotFile<C>)>; SLOTS],
    /// The most bytes of a file that this side maps.
    longest: usize,
    pub counter: C,
}

#[derive(Debug)]
enum PeerSlotFile<C> {
    /// Checked and mapped read-only.
    Mapped(ArcOwner<Mapped<C>>),
    /// No reference into it has arrived, or this process lacked memory to map it.
    Unmapped(OwnedFd),
}

/// A mapped file and the counter of its views. The table lends it to the first view without counting.
#[derive(Debug)]
pub(super) struct Mapped<C> {
    pub memory: PeerMemory,
    pub slot: usize,
    pub counter: C,
}

#[derive(Debug)]
pub(super) struct Elements<C> {
    pub file: ArcRef<Mapped<C>>,
    pub from: usize,
    pub length: usize,
}

/// Elements that end their counted view when dropped.
pub(super) struct View<C: ViewCounter>(pub Elements<C>);

/// Whether the file that a reference names has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    /// The slot has a later file.
    Replaced,
    Absent,
}

impl<C> Mapped<C> {
    pub fn filling(&self) -> usize {
        self.memory.length() - PAGE + slot_page::at::FILLING
    }
}

impl<C> Elements<C> {
    /// The bytes, in memory that the peer can write.
    pub fn bytes(&self) -> &[u8] {
        self.file.memory.elements(self.from, self.length)
    }
}

impl<C: ViewCounter> Elements<C> {
    /// Returns a view; the caller has counted it.
    pub fn view(self) -> Bytes {
        Bytes::from_owner(View(self))
    }
}

impl<C: ViewCounter> AsRef<[u8]> for View<C> {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl<C: ViewCounter> Drop for View<C> {
    fn drop(&mut self) {
        let Mapped { slot, counter, .. } = &*self.0.file;
        counter.end_view(*slot);
    }
}

impl<C: ViewCounter> SlotFiles<C> {
    /// Without files. Files with more than `longest` bytes of elements are not mapped.
    pub fn new(session: u64, longest: usize, counter: C) -> SlotFiles<C> {
        SlotFiles { session, files: Default::default(), longest: longest.saturating_add(PAGE), counter }
    }

    /// Takes a peer's file instead of an earlier one, whose views stay valid.
    ///
    /// `Malformed` if it cannot be a slot's file.
    pub fn put(&mut self, file: OwnedFd) -> Result<()> {
        let FileName { slot, number } = slot_page::name_of(file.as_fd(), self.session)?;
        // A file may arrive twice, and may then be mapped already.
        if self.files[slot].as_ref().is_none_or(|(there, _)| *there < number) {
            self.files[slot] = Some((number, PeerSlotFile::Unmapped(file)));
        }
        Ok(())
    }

    /// Looks for a reference's file, and takes files from `fetch` until it has come.
    ///
    /// `Malformed` if the slot does not exist.
    pub fn find(
        &mut self,
        reference: &Reference,
        mut fetch: impl FnMut() -> Result<Option<OwnedFd>>,
    ) -> Result<Presence> {
        let Some(slot) = usize::try_from(reference.slot).ok().filter(|slot| *slot < SLOTS) else {
            return Err(malformed("no slot", reference));
        };
        loop {
            match self.files[slot].as_ref().map(|(number, _)| number.cmp(&reference.file)) {
                Some(Ordering::Equal) => return Ok(Presence::Here),
                Some(Ordering::Greater) => return Ok(Presence::Replaced),
                Some(Ordering::Less) | None => {}
            }
            match fetch()? {
                Some(file) => self.put(file)?,
                None => return Ok(Presence::Absent),
            }
        }
    }

    /// The elements of a reference, if its file is mapped and contains them.
    pub fn mapped(&mut self, reference: &Reference) -> Option<Elements<C>> {
        match self.files.get_mut(usize::try_from(reference.slot).ok()?)?.as_mut()? {
            (number, PeerSlotFile::Mapped(file)) if *number == reference.file => elements(file, reference),
            _ => None,
        }
    }

    /// The elements of a reference, after mapping the file if necessary.
    ///
    /// # Errors
    /// `Malformed` if the file is missing, lacks such elements, or is not a sealed memory file of an allowed length.
    /// `OutOfMemory` if mapping fails.
    pub fn elements(&mut self, reference: &Reference) -> Result<Elements<C>> {
        let slot = usize::try_from(reference.slot).unwrap_or(SLOTS);
        if let Some(Some((_, file))) = self.files.get_mut(slot)
            && let PeerSlotFile::Unmapped(fd) = file
        {
            let memory = PeerMemory::open_for_arrays(fd.as_fd(), PAGE, self.longest)?;
            *file =
                PeerSlotFile::Mapped(ArcOwner::new(Mapped { memory, slot, counter: self.counter.clone() }));
        }
        self.mapped(reference).ok_or_else(|| malformed("bytes that its file does not have", reference))
    }
}

#[inline]
fn elements<C>(file: &mut ArcOwner<Mapped<C>>, reference: &Reference) -> Option<Elements<C>> {
    let (from, length) = (usize::try_from(reference.from).ok()?, usize::try_from(reference.length).ok()?);
    let bytes = file.memory.length() - PAGE;
    let is_inside = from <= bytes && length <= bytes - from;
    is_inside.then(|| Elements { file: file.lend(), from, length })
}

#[cold]
pub(super) fn malformed(what: &str, reference: &Reference) -> Error {
    Error::new(ErrorKind::Malformed, format!("the peer's ring refers to {what}: {reference:?}"))
}
