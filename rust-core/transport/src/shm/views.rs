//! The receiving side of slots: a peer's files, and views of elements in them.
//!
//! The files come as descriptors over the socket, each before the first record that refers to it (`signals` queues
//! them). A view is a [`Bytes`] whose memory is the peer's file: it stays readable after the link, and even the peer,
//! is gone. How a view is counted, so that the peer does not write what is viewed, differs ([`ViewCounter`]):
//! `link::arrays` has what a channel does, `broadcast::views` what a subscriber does.
//!
//! The peer keeps writing rights to its file, so a hostile one can change elements under a reader. Only numbers are
//! ever read through a view, of which every bit pattern is one, and opaque bytes, of which nothing is read here; text
//! and structure are copied before they are decoded. Seals make sure that the file never shrinks.

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

/// What a reader leaves in a slot that holds a whole body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyViews {
    /// Nothing: the body is copied.
    #[default]
    None,
    /// Its opaque bytes, as long as the program has the message: a raw body, and the long byte strings of CBOR. What is
    /// around them is copied.
    Bytes,
    /// The body as a part without a rest, for a layer above that copies it at once and looks at nothing of it before.
    Whole,
}

impl BodyViews {
    /// Whether something of a body in this encoding may be left in its slot.
    pub(super) fn views(self, encoding: Encoding) -> bool {
        match self {
            BodyViews::None => false,
            BodyViews::Bytes => matches!(encoding, Encoding::Raw | Encoding::Cbor),
            BodyViews::Whole => true,
        }
    }

    /// Returns what of a body in this encoding is left in its slot; `None` where it is to be copied.
    pub(super) fn left(self, encoding: Encoding, slot: &[u8]) -> Option<Left> {
        match (self, encoding) {
            (BodyViews::Whole, _) => Some(Left::Whole),
            (BodyViews::Bytes, Encoding::Raw) => Some(Left::Opaque),
            (BodyViews::Bytes, Encoding::Cbor) => codec::outline(slot).map(Left::Strings),
            _ => None,
        }
    }
}

/// What of a body is left in its slot.
pub(super) enum Left {
    /// All of it, at which nothing looks before it is copied.
    Whole,
    /// All of it: opaque bytes.
    Opaque,
    /// Its long byte strings.
    Strings(Outline),
}

impl Left {
    /// Returns the body whose slot is viewed so.
    pub(super) fn body(self, slot: Bytes) -> Body {
        let rest = Bytes::new();
        match self {
            Left::Whole => Body::of_parts(rest, vec![Part { at: 0, bytes: slot }]),
            Left::Opaque => Body::of_opaque_parts(rest, vec![Part { at: 0, bytes: slot }]),
            Left::Strings(outline) => outline.with_bytes_in_place(&slot),
        }
    }
}

/// Copies what no honest peer writes now out of its slot into memory of this process. `OutOfMemory` where there is
/// none.
pub(super) fn copied(slot: &[u8]) -> Result<Bytes> {
    let mut bytes = buffers::take(slot.len());
    memory::reserve(&mut bytes, slot.len())?;
    crate::sys::memory::append(&mut bytes, slot);
    Ok(buffers::aligned(bytes))
}

/// Where the views of one reader are counted. Any thread may end a view, also in a forked child, where nothing is
/// counted.
pub(super) trait ViewCounter: Clone + Send + Sync + 'static {
    /// Notes the end of a view of this slot.
    fn end_view(&self, slot: usize);
}

/// The files of a peer's slots. One thread at a time uses it; views may be held and dropped by any.
#[derive(Debug)]
pub(super) struct SlotFiles<C> {
    /// The peer's session.
    session: u64,
    /// The file of each slot with its number.
    files: [Option<(u64, PeerSlotFile<C>)>; SLOTS],
    /// Bytes of the longest file that is mapped.
    longest: usize,
    pub counter: C,
}

/// The file of one slot.
#[derive(Debug)]
enum PeerSlotFile<C> {
    /// Checked and mapped read-only.
    Mapped(ArcOwner<Mapped<C>>),
    /// No reference into it has arrived, or this process had no memory to map it.
    Unmapped(OwnedFd),
}

/// A mapped file, and where its views are counted. The table lends it to views: to the first without counting, which
/// gives it back with one exchange.
#[derive(Debug)]
pub(super) struct Mapped<C> {
    pub memory: PeerMemory,
    pub slot: usize,
    pub counter: C,
}

/// Elements in a slot of the peer's, whose reference was checked.
#[derive(Debug)]
pub(super) struct Elements<C> {
    pub file: ArcRef<Mapped<C>>,
    /// The offset in bytes of the elements in the file.
    pub from: usize,
    /// The length of the elements in bytes.
    pub length: usize,
}

/// Elements whose view is counted until the drop.
pub(super) struct View<C: ViewCounter>(pub Elements<C>);

/// Whether the file that a reference names is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    /// The slot has a later file.
    Replaced,
    Absent,
}

impl<C> Mapped<C> {
    /// The offset of the word that says which filling the file has.
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
    /// Returns a view, which was counted.
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
    /// Without files. `session` is that of the peer; files with more than `longest` bytes of elements are not mapped.
    pub fn new(session: u64, longest: usize, counter: C) -> SlotFiles<C> {
        SlotFiles { session, files: Default::default(), longest: longest.saturating_add(PAGE), counter }
    }

    /// Takes a file that the peer sent, instead of an earlier one; views of that one stay valid. `Malformed` if it is
    /// no file of a slot.
    pub fn put(&mut self, file: OwnedFd) -> Result<()> {
        let FileName { slot, number } = slot_page::name_of(file.as_fd(), self.session)?;
        // A file that is sent again may be mapped already.
        if self.files[slot].as_ref().is_none_or(|(there, _)| *there < number) {
            self.files[slot] = Some((number, PeerSlotFile::Unmapped(file)));
        }
        Ok(())
    }

    /// Returns whether the file that a reference names is here, after reading those that `fetch` returns as long as it
    /// has not come. `Malformed` for a slot that does not exist.
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

    /// Returns the elements that a reference names, if its file is mapped and has them.
    pub fn mapped(&mut self, reference: &Reference) -> Option<Elements<C>> {
        match self.files.get_mut(usize::try_from(reference.slot).ok()?)?.as_mut()? {
            (number, PeerSlotFile::Mapped(file)) if *number == reference.file => elements(file, reference),
            _ => None,
        }
    }

    /// Returns the elements that a reference names, whose file is mapped if it was not yet.
    ///
    /// # Errors
    /// `Malformed` where the reference names no file that is here or is outside of it, and for a descriptor that is no
    /// sealed, allocated memory file of an allowed length. `OutOfMemory` where this process cannot map the file.
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

/// The place of a reference in its file; `None` where it is outside.
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
