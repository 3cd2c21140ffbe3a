//! A subscriber's side of slots: views of elements in the publisher's files, or copies once it has as many views as it may.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::super::references::Reference;
use super::super::segment::SHARE;
use super::super::slots::{MAX_OVERSIZE, max_file_length};
use super::super::views::{Elements, Presence, SlotFiles, ViewCounter};
use super::claims;
use crate::body::{Body, OneOrMany, Part, Rest};
use crate::buffers;
use crate::error::{Result, memory};
use crate::frame::{Header, Incoming};
use crate::sys::fork::{self, Guarded};
use crate::sys::memory::MemoryFile;

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

/// The files of a publisher's slots; without `Viewing` all elements are copied.
pub(super) type PublishedFiles = SlotFiles<Option<Viewing>>;

/// How many views of each slot this subscriber has, as its page tells the publisher. Shared by the subscriber and its
/// views, behind one reference count.
#[derive(Clone, Debug)]
pub(super) struct Viewing(Arc<Shared>);

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

impl ViewCounter for Option<Viewing> {
    fn end_view(&self, slot: usize) {
        // In a forked child the page is absent, and the view is the parent's.
        if let Some(Viewing(shared)) = self
            && fork::generation() == shared.generation
        {
            claims::end_view(&*shared.page, slot);
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

    /// The number of views, for the receiving thread.
    pub fn count(&self) -> usize {
        // Acquire: the ends in the page come before.
        self.0.begun.load(Ordering::Relaxed).wrapping_sub(self.0.ended.load(Ordering::Acquire))
    }

    /// Begins a view of what `filling` brought; false if the slot was written again.
    fn begin(&self, elements: &Elements<Option<Viewing>>, filling: u64) -> bool {
        let (file, word) = (&elements.file, elements.file.filling());
        // The publisher wrote both cache lines last; fetching them overlaps with the store to this side's page.
        file.memory.prefetch(word);
        file.memory.prefetch(elements.from);
        let has_begun = claims::begin_view(&*self.0.page, &file.memory, word, file.slot, filling);
        // Only the receiving thread adds views.
        let begun = self.0.begun.load(Ordering::Relaxed).wrapping_add(usize::from(has_begun));
        self.0.begun.store(begun, Ordering::Relaxed);
        has_begun
    }
}

impl PublishedFiles {
    /// Without files; `session` is that of the publisher, and messages above `limit` bytes are not read.
    pub fn of(session: u64, limit: u64, viewing: Option<Viewing>) -> PublishedFiles {
        SlotFiles::new(session, max_file_length(limit).saturating_mul(MAX_OVERSIZE), viewing)
    }

    /// Returns the frame with its elements: views as far as there may be more of them, else copies. `fetch` reads files that wait in the
    /// socket. `Malformed` if a reference names nothing that an honest publisher has; `OutOfMemory` if this process cannot map or copy the elements.
    pub fn resolve(
        &mut self,
        frame: Referring,
        mut fetch: impl FnMut() -> Result<Option<OwnedFd>>,
    ) -> Result<Resolved> {
        let Referring { header, rest, references } = frame;
        let mut parts = OneOrMany::new();
        for reference in references.iter() {
            match self.find(reference, &mut fetch)? {
                Presence::Here => {}
                Presence::Replaced => return Ok(Resolved::Overtaken),
                Presence::Absent => return Ok(Resolved::FileAbsent),
            }
            let elements = self.elements(reference)?;
            let bytes = match self.counter.as_ref().filter(|viewing| viewing.count() < SHARE) {
                Some(viewing) => viewing.begin(&elements, reference.filling).then(|| elements.view()),
                None => copy(&elements, reference.filling)?,
            };
            let Some(bytes) = bytes else { return Ok(Resolved::Overtaken) };
            parts.push(Part { at: reference.at as usize, bytes });
        }
        Ok(Resolved::Frame(Incoming { header, extension: Bytes::new(), body: Body::of_parts(rest, parts) }))
    }
}

/// Copies the elements into memory of this process; `None` if the slot was written again.
fn copy(elements: &Elements<Option<Viewing>>, filling: u64) -> Result<Option<Bytes>> {
    let (memory, word) = (&elements.file.memory, elements.file.filling());
    if memory.load(word, Ordering::Acquire) != filling {
        return Ok(None);
    }
    // Copied from a whole word on.
    let before = elements.from % 8;
    let length = before + elements.length;
    let mut bytes = buffers::take(length);
    memory::reserve(&mut bytes, length)?;
    memory.copy_out_racing(elements.from - before, &mut bytes.spare_capacity_mut()[..length]);
    // SAFETY: the reservation made room for them, and `copy_out_racing` has just initialised them all.
    unsafe { bytes.set_len(length) };
    Ok(claims::was_whole(memory, word, filling).then(|| buffers::bytes(bytes).slice(before..)))
}
