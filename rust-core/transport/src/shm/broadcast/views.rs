//! A subscriber's side of slots: views of elements in the publisher's files, or copies once it has as many views as it may.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::super::references::Reference;
use super::super::segment::{PAGE, SHARE, SLOTS};
use super::super::slot_page::{self, FileName};
use super::super::slots::{MAX_OVERSIZE, max_file_length};
use super::claims;
use crate::body::{Body, OneOrMany, Part, Rest};
use crate::buffers;
use crate::error::{Error, ErrorKind, Result, memory};
use crate::frame::{Header, Incoming};
use crate::sys::arc_owner::{ArcOwner, ArcRef};
use crate::sys::fork::{self, Guarded};
use crate::sys::memory::{MemoryFile, PeerMemory};

/// A frame whose long arrays are in slots.
#[derive(Debug)]
pub(super) struct Referring {
    pub header: Header,
    pub rest: Rest,
    pub references: OneOrMany<Reference>,
}

/// The result of reading a frame's references.
#[derive(Debug)]
pub(super) enum Resolved {
    Frame(Incoming),
    /// A slot was written again.
    Overtaken,
    /// The file of a slot has not arrived.
    FileAbsent,
}

/// The files of a publisher's slots.
#[derive(Debug)]
pub(super) struct SlotFiles {
    session: u64,
    files: [Option<(u64, ViewedFile)>; SLOTS],
    /// Bytes of the longest file that is mapped.
    longest: usize,
}

#[derive(Debug)]
enum ViewedFile {
    Mapped(ArcOwner<Mapped>),
    /// No reference into it has arrived, or this process had no memory to map it.
    Unmapped(OwnedFd),
}

/// A mapped file, and who counts its views. The table lends it to views: to the first without counting, which gives it
/// back with one exchange.
#[derive(Debug)]
struct Mapped {
    memory: PeerMemory,
    slot: usize,
    /// Of the reader that mapped it; `None` where that views nothing.
    shared: Option<Arc<Shared>>,
}

/// How many views of each slot this subscriber has, as its page tells the publisher.
#[derive(Debug)]
pub(super) struct Viewing(Arc<Shared>);

/// Shared by the subscriber and its views, behind one reference count.
#[derive(Debug)]
struct Shared {
    page: Arc<MemoryFile>,
    /// Closing it tells the publisher that there are no views any more.
    _socket: Arc<Guarded>,
    /// How many views have begun; the receiving thread alone writes it.
    begun: AtomicUsize,
    /// How many of them have ended.
    ended: AtomicUsize,
    /// The fork generation that subscribed.
    generation: u64,
}

/// Elements in a slot, which the publisher does not write until the drop.
struct PublishedView {
    file: ArcRef<Mapped>,
    from: usize,
    length: usize,
}

impl AsRef<[u8]> for PublishedView {
    fn as_ref(&self) -> &[u8] {
        self.file.memory.elements(self.from, self.length)
    }
}

impl Drop for PublishedView {
    fn drop(&mut self) {
        let Mapped { slot, shared, .. } = &*self.file;
        // In a forked child the page is absent, and the view is the parent's.
        if let Some(shared) = shared
            && fork::generation() == shared.generation
        {
            claims::end_view(&*shared.page, *slot);
            // In this order: the count in the page is never above the share.
            shared.ended.fetch_add(1, Ordering::Release);
        }
    }
}

impl Viewing {
    /// Without views. The publisher has `page`, and the other end of `socket`.
    pub fn new(page: Arc<MemoryFile>, socket: Arc<Guarded>) -> Viewing {
        let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Viewing(Arc::new(Shared { page, _socket: socket, begun, ended, generation: fork::generation() }))
    }

    /// Whether the program has views.
    pub fn has_views(&self) -> bool {
        self.0.count() > 0
    }

    /// Returns a view of these bytes, or `None` if there are as many views as there may be; `None` inside if the slot was written again.
    fn view(&self, file: &mut ArcOwner<Mapped>, reference: &CheckedReference) -> Option<Option<Bytes>> {
        let Mapped { memory, slot, shared } = &**file;
        // What ends a view has to find it in the page in which it began.
        let shared = shared.as_ref().filter(|shared| Arc::ptr_eq(shared, &self.0))?;
        if shared.count() >= SHARE {
            return None;
        }
        let CheckedReference { from, length, word, filling } = *reference;
        // The publisher wrote both cache lines last; fetching them overlaps with the store to this side's page.
        memory.prefetch(word);
        memory.prefetch(from);
        if !claims::begin_view(&*shared.page, memory, word, *slot, filling) {
            return Some(None);
        }
        // Only the receiving thread adds views.
        shared.begun.store(shared.begun.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        Some(Some(Bytes::from_owner(PublishedView { file: file.lend(), from, length })))
    }
}

impl Shared {
    /// The number of views, for the receiving thread.
    fn count(&self) -> usize {
        // Acquire: the ends in the page come before.
        self.begun.load(Ordering::Relaxed).wrapping_sub(self.ended.load(Ordering::Acquire))
    }
}

/// A reference that was checked against its file.
#[derive(Clone, Copy)]
struct CheckedReference {
    from: usize,
    length: usize,
    /// The word of the file that gives its filling.
    word: usize,
    filling: u64,
}

impl SlotFiles {
    /// Without files; `session` is that of the publisher, and messages above `limit` bytes are not read.
    pub fn new(session: u64, limit: u64) -> SlotFiles {
        let longest = max_file_length(limit).saturating_mul(MAX_OVERSIZE).saturating_add(PAGE);
        SlotFiles { session, files: Default::default(), longest }
    }

    /// Takes a file that the publisher sent. `Malformed` if it is not the file of a slot.
    pub fn put(&mut self, file: OwnedFd) -> Result<()> {
        let FileName { slot, number } = slot_page::name_of(file.as_fd(), self.session)?;
        // A file that is sent again is mapped already.
        if self.files[slot].as_ref().is_none_or(|(there, _)| *there < number) {
            self.files[slot] = Some((number, ViewedFile::Unmapped(file)));
        }
        Ok(())
    }

    /// Returns the frame with its elements: views as far as `viewing` may have more of them, else copies. `fetch` reads files that wait in the
    /// socket. `Malformed` if a reference names nothing that an honest publisher has; `OutOfMemory` if this process cannot map or copy the elements.
    pub fn resolve(
        &mut self,
        frame: Referring,
        viewing: Option<&Viewing>,
        mut fetch: impl FnMut() -> Result<Option<OwnedFd>>,
    ) -> Result<Resolved> {
        let Referring { header, rest, references } = frame;
        let mut parts = OneOrMany::new();
        for reference in references.iter() {
            let slot = usize::try_from(reference.slot).ok().filter(|slot| *slot < SLOTS);
            let Some(slot) = slot else { return Err(malformed("no slot", reference)) };
            let there = loop {
                match self.files[slot].as_ref().map(|(number, _)| *number) {
                    Some(number) if number >= reference.file => break Some(number),
                    _ => match fetch()? {
                        Some(file) => self.put(file)?,
                        None => break None,
                    },
                }
            };
            match there {
                None => return Ok(Resolved::FileAbsent),
                // The publisher has replaced the file.
                Some(number) if number > reference.file => return Ok(Resolved::Overtaken),
                Some(_) => {}
            }
            let file = self.map(slot, viewing)?;
            let place = place(&file.memory, reference)?;
            let elements = match viewing.and_then(|viewing| viewing.view(file, &place)) {
                Some(viewed) => viewed,
                None => copy(&file.memory, &place)?,
            };
            match elements {
                Some(bytes) => parts.push(Part { at: reference.at as usize, bytes }),
                None => return Ok(Resolved::Overtaken),
            }
        }
        Ok(Resolved::Frame(Incoming { header, extension: Bytes::new(), body: Body::of_parts(rest, parts) }))
    }

    /// The file of a slot, which is mapped if it was not yet; `viewing` counts its views.
    #[inline]
    fn map(&mut self, slot: usize, viewing: Option<&Viewing>) -> Result<&mut ArcOwner<Mapped>> {
        let (_, file) = self.files[slot].as_mut().ok_or_else(absent)?;
        if let ViewedFile::Unmapped(fd) = file {
            let memory = PeerMemory::open_for_arrays(fd.as_fd(), PAGE, self.longest)?;
            let shared = viewing.map(|viewing| viewing.0.clone());
            *file = ViewedFile::Mapped(ArcOwner::new(Mapped { memory, slot, shared }));
        }
        match file {
            ViewedFile::Mapped(mapped) => Ok(mapped),
            ViewedFile::Unmapped(_) => Err(absent()),
        }
    }
}

#[cold]
fn absent() -> Error {
    Error::new(ErrorKind::Internal, "a slot was read whose file had not come")
}

fn place(memory: &PeerMemory, reference: &Reference) -> Result<CheckedReference> {
    let word = memory.length() - PAGE;
    let bounds = usize::try_from(reference.from).ok().zip(usize::try_from(reference.length).ok());
    let inside =
        |(from, length): &(usize, usize)| *from <= word && *length <= word - from && from.is_multiple_of(8);
    match bounds.filter(inside) {
        Some((from, length)) => Ok(CheckedReference {
            from,
            length,
            word: word + slot_page::at::FILLING,
            filling: reference.filling,
        }),
        None => Err(malformed("bytes that its file does not have", reference)),
    }
}

/// Copies the elements into memory of this process; `None` if they were overwritten meanwhile.
fn copy(memory: &PeerMemory, place: &CheckedReference) -> Result<Option<Bytes>> {
    let CheckedReference { from, length, word, filling, .. } = *place;
    if memory.load(word, Ordering::Acquire) != filling {
        return Ok(None);
    }
    let mut bytes = buffers::take(length);
    memory::reserve(&mut bytes, length)?;
    memory.copy_out_racing(from, &mut bytes.spare_capacity_mut()[..length]);
    // SAFETY: the reservation made room for them, and `copy_out_racing` has just initialised them all.
    unsafe { bytes.set_len(length) };
    Ok(claims::was_whole(memory, word, filling).then(|| buffers::bytes(bytes)))
}

#[cold]
fn malformed(what: &str, reference: &Reference) -> Error {
    let text = format!("the publisher's ring refers to {what}: {reference:?}");
    Error::new(ErrorKind::Malformed, text)
}
