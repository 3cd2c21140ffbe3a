//! A subscriber's side of slots: views of elements that lie in the publisher's files, or copies where it views as many as it may.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::super::segment::{PAGE, SHARE, SLOTS};
use super::super::slots::{MAX_OVERSIZE, max_file_length};
use super::claims;
use super::files::{self, FileName};
use super::references::Reference;
use crate::body::{Body, Few, Part};
use crate::buffers;
use crate::error::{Error, ErrorKind, Result, memory};
use crate::frame::{Header, Incoming};
use crate::sys::fork::{self, Guarded};
use crate::sys::memory::{MemoryFile, PeerMemory};

/// A frame whose long arrays lie in slots.
#[derive(Debug)]
pub(super) struct Referring {
    pub header: Header,
    pub rest: Bytes,
    pub references: Few<Reference>,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Resolved {
    Frame(Incoming),
    /// A slot holds something else by now.
    Overtaken,
    /// The file of a slot has not come.
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
    /// No reference into it has come, or this process had no memory to map it in.
    Unmapped(OwnedFd),
}

/// What a subscriber says that it views.
#[derive(Debug)]
pub(super) struct Viewing(Arc<Shared>);

/// What the subscriber and its views share: one reference count for each view to change.
#[derive(Debug)]
struct Shared {
    page: Arc<MemoryFile>,
    /// Its end tells the publisher that nothing is viewed any more.
    _socket: Arc<Guarded>,
    /// How many views there are.
    count: AtomicUsize,
    /// The process that subscribed, as a count of forks.
    generation: u64,
}

/// Elements that lie in a slot, which the publisher leaves as they are until the drop.
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
            // In this order: what the page says is never more than the share.
            self.shared.count.fetch_sub(1, Ordering::Release);
        }
    }
}

impl Viewing {
    /// Nothing is viewed yet. The publisher has `page`, and the other end of `socket`.
    pub fn new(page: Arc<MemoryFile>, socket: Arc<Guarded>) -> Viewing {
        let (count, generation) = (AtomicUsize::new(0), fork::generation());
        Viewing(Arc::new(Shared { page, _socket: socket, count, generation }))
    }

    /// Whether the program has views.
    pub fn has_views(&self) -> bool {
        self.0.count.load(Ordering::Acquire) > 0
    }

    /// A view of these bytes, where one more may be viewed; `None` in it where they are not there any more.
    fn view(&self, memory: &Arc<PeerMemory>, reference: &Place) -> Option<Option<Bytes>> {
        let shared = &self.0;
        // Whoever receives is alone in adding to it.
        if shared.count.load(Ordering::Acquire) >= SHARE {
            return None;
        }
        let Place { slot, from, length, word, filling } = *reference;
        // The publisher wrote both lines last: they come while that of the page does.
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
    /// Where the file says which filling it has.
    word: usize,
    filling: u64,
}

impl SlotFiles {
    /// None yet, of the publisher of this session; of messages of more than `limit` bytes nothing is read.
    pub fn new(session: u64, limit: u64) -> SlotFiles {
        let longest = max_file_length(limit).saturating_mul(MAX_OVERSIZE).saturating_add(PAGE);
        SlotFiles { session, files: Default::default(), longest }
    }

    /// Takes a file that the publisher sent. `Malformed` where it is none of a slot.
    pub fn put(&mut self, file: OwnedFd) -> Result<()> {
        let FileName { slot, number } = files::name_of(file.as_fd(), self.session)?;
        // One that comes again is mapped already.
        if self.files[slot].as_ref().is_none_or(|(there, _)| *there < number) {
            self.files[slot] = Some((number, File::Unmapped(file)));
        }
        Ok(())
    }

    /// The frame with its elements: views of what lies in the slots as far as `viewing` may have more of them, else copies. `fetch` gives files
    /// that wait in the socket. `Malformed` where the references name nothing that an honest publisher has; `OutOfMemory` where this
    /// process cannot map or copy them.
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
                // The publisher has given it up.
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

/// The elements in memory of this process; none where they were overwritten meanwhile.
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
