//! A subscriber's side of slots: views of elements in the publisher's files, or copies once it has as many views as it may.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::super::segment::{PAGE, SHARE, SLOTS};
use super::super::slots::{MAX_OVERSIZE, max_file_length};
use super::claims;
use super::files::{self, FileName};
use super::references::Reference;
use crate::body::{Body, Few, Part, Rest};
use crate::buffers;
use crate::error::{Error, ErrorKind, Result, memory};
use crate::frame::{Header, Incoming};
use crate::sys::fork::{self, Guarded};
use crate::sys::memory::{MemoryFile, PeerMemory};

/// A frame whose long arrays lie in slots.
#[derive(Debug)]
pub(super) struct Referring {
    pub header: Header,
    pub rest: Rest,
    pub references: Few<Reference>,
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
    files: [Option<(u64, File)>; SLOTS],
    /// Bytes of the longest file that is mapped.
    longest: usize,
}

#[derive(Debug)]
enum File {
    Mapped(Arc<PeerMemory>),
    /// No reference into it has arrived, or this process had no memory to map it.
    Unmapped(OwnedFd),
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
    /// The number of views.
    count: AtomicUsize,
    /// The fork generation that subscribed.
    generation: u64,
}

/// Elements in a slot, which the publisher does not write until the drop.
struct View {
    memory: Arc<PeerMemory>,
    from: usize,
    length: usize,
    slot: usize,
    shared: Arc<Shared>,
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        self.memory.elements(self.from, self.length)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // In a forked child the page is absent, and the view is the parent's.
        if fork::generation() == self.shared.generation {
            claims::end_view(&*self.shared.page, self.slot);
            // In this order: the count in the page is never above the share.
            self.shared.count.fetch_sub(1, Ordering::Release);
        }
    }
}

impl Viewing {
    /// Without views. The publisher has `page`, and the other end of `socket`.
    pub fn new(page: Arc<MemoryFile>, socket: Arc<Guarded>) -> Viewing {
        let (count, generation) = (AtomicUsize::new(0), fork::generation());
        Viewing(Arc::new(Shared { page, _socket: socket, count, generation }))
    }

    /// Whether the program has views.
    pub fn has_views(&self) -> bool {
        self.0.count.load(Ordering::Acquire) > 0
    }

    /// Returns a view of these bytes, or `None` if there are as many views as there may be; `None` inside if the slot was written again.
    fn view(&self, memory: &Arc<PeerMemory>, reference: &Place) -> Option<Option<Bytes>> {
        let shared = &self.0;
        // Only the receiving thread adds views.
        if shared.count.load(Ordering::Acquire) >= SHARE {
            return None;
        }
        let Place { slot, from, length, word, filling } = *reference;
        // The publisher wrote both cache lines last; fetching them overlaps with the store to this side's page.
        memory.prefetch(word);
        memory.prefetch(from);
        if !claims::begin_view(&*shared.page, &**memory, word, slot, filling) {
            return Some(None);
        }
        shared.count.fetch_add(1, Ordering::Relaxed);
        let (memory, shared) = (memory.clone(), shared.clone());
        Some(Some(Bytes::from_owner(View { memory, from, length, slot, shared })))
    }
}

/// A reference that was checked against its file.
#[derive(Clone, Copy)]
struct Place {
    slot: usize,
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
        let FileName { slot, number } = files::name_of(file.as_fd(), self.session)?;
        // A file that is sent again is mapped already.
        if self.files[slot].as_ref().is_none_or(|(there, _)| *there < number) {
            self.files[slot] = Some((number, File::Unmapped(file)));
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
        let mut parts = Few::new();
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
            let memory = self.map(slot)?;
            let place = place(&memory, slot, reference)?;
            let elements = match viewing.and_then(|viewing| viewing.view(&memory, &place)) {
                Some(viewed) => viewed,
                None => copy(&memory, &place)?,
            };
            match elements {
                Some(bytes) => parts.push(Part { at: reference.at as usize, bytes }),
                None => return Ok(Resolved::Overtaken),
            }
        }
        Ok(Resolved::Frame(Incoming { header, extension: Bytes::new(), body: Body::of_parts(rest, parts) }))
    }

    fn map(&mut self, slot: usize) -> Result<Arc<PeerMemory>> {
        match &self.files[slot] {
            Some((_, File::Mapped(memory))) => Ok(memory.clone()),
            Some((number, File::Unmapped(file))) => {
                let memory = PeerMemory::open_for_arrays(file.as_fd(), PAGE, self.longest)?;
                let (number, memory) = (*number, Arc::new(memory));
                self.files[slot] = Some((number, File::Mapped(memory.clone())));
                Ok(memory)
            }
            None => Err(Error::new(ErrorKind::Internal, "a slot was looked at whose file had not come")),
        }
    }
}

fn place(memory: &PeerMemory, slot: usize, reference: &Reference) -> Result<Place> {
    let word = memory.length() - PAGE;
    let bounds = usize::try_from(reference.from).ok().zip(usize::try_from(reference.length).ok());
    let inside =
        |(from, length): &(usize, usize)| *from <= word && *length <= word - from && from.is_multiple_of(8);
    match bounds.filter(inside) {
        Some((from, length)) => {
            Ok(Place { slot, from, length, word: word + files::at::FILLING, filling: reference.filling })
        }
        None => Err(malformed("bytes that its file does not have", reference)),
    }
}

/// Copies the elements into memory of this process; `None` if they were overwritten meanwhile.
fn copy(memory: &PeerMemory, place: &Place) -> Result<Option<Bytes>> {
    let Place { from, length, word, filling, .. } = *place;
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
