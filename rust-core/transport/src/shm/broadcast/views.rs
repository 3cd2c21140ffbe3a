//! A subscriber's side of slots: views of elements in the publisher's files, or copies once it has as many views as it
//! may, and copies of whole bodies.
//!
//! A slot counts as viewed while it is copied: without that, the slot of a subscriber that copies more slowly than the
//! publisher publishes would be written again during each copy, and it would receive nothing.

use std::os::fd::OwnedFd;
use std::slice::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::super::references::Reference;
use super::super::segment::SHARE;
use super::super::slots::{MAX_OVERSIZE, max_file_length};
use super::super::views::{BodyViews, Elements, Presence, SlotFiles, View, ViewCounter, copied};
use super::claims;
use crate::body::{Body, OneOrMany, Part, Rest};
use crate::buffers;
use crate::error::{Result, memory};
use crate::frame::{Header, Incoming};
use crate::sys::fork::{self, Guarded};
use crate::sys::memory::MemoryFile;

/// A frame that is in slots, or of which long arrays are.
#[derive(Debug)]
pub(super) struct Referring {
    pub header: Header,
    pub content: Content,
}

/// What a record has instead of a body.
#[derive(Debug)]
pub(super) enum Content {
    /// What is around the arrays, and where they are.
    Arrays(Rest, OneOrMany<Reference>),
    /// Where the whole body is.
    Body(Reference),
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

/// How many views a subscriber has of the slots of one incarnation of a publisher, over all its connections to it: it
/// connects again where the ring has moved or a file is missing, and its views outlive the connection.
#[derive(Clone, Debug, Default)]
pub struct ViewCount {
    /// The session of that incarnation.
    session: u64,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// How many views have begun; the receiving thread alone writes it.
    begun: AtomicUsize,
    /// How many of them have ended.
    ended: AtomicUsize,
}

impl ViewCount {
    /// Counts views of the incarnation with this session from now on: those of an earlier one keep none of its slots.
    pub(super) fn of(&mut self, session: u64) -> &ViewCount {
        if self.session != session {
            *self = ViewCount { session, counts: Arc::default() };
        }
        self
    }

    /// The number of views, for the receiving thread.
    pub(super) fn get(&self) -> usize {
        // Acquire: the ends in the page come before.
        self.counts.begun.load(Ordering::Relaxed).wrapping_sub(self.counts.ended.load(Ordering::Acquire))
    }
}

/// Which slots this subscriber views, as its page tells the publisher. Shared by the subscriber and its
/// views, behind one reference count.
#[derive(Clone, Debug)]
pub(super) struct Viewing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    page: Arc<MemoryFile>,
    /// Closing it tells the publisher that there are no views any more.
    _socket: Arc<Guarded>,
    views: ViewCount,
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
            shared.views.counts.ended.fetch_add(1, Ordering::Release);
        }
    }
}

impl Viewing {
    /// Without views in this page, which the publisher has, as it has the other end of `socket`.
    pub fn new(page: Arc<MemoryFile>, socket: Arc<Guarded>, views: &ViewCount) -> Viewing {
        let (views, generation) = (views.clone(), fork::generation());
        Viewing(Arc::new(Shared { page, _socket: socket, views, generation }))
    }

    /// The number of views, for the receiving thread.
    pub fn count(&self) -> usize {
        self.0.views.get()
    }

    /// Begins a view of what `filling` brought; false if the slot was written again.
    fn begin(&self, elements: &Elements<Option<Viewing>>, filling: u64) -> bool {
        let (file, word) = (&elements.file, elements.file.filling());
        // The publisher wrote both cache lines last; fetching them overlaps with the store to this side's page.
        file.memory.prefetch(word);
        file.memory.prefetch(elements.from);
        let has_begun = claims::begin_view(&*self.0.page, &file.memory, word, file.slot, filling);
        // Only the receiving thread adds views.
        let begun = &self.0.views.counts.begun;
        begun.store(begun.load(Ordering::Relaxed).wrapping_add(usize::from(has_begun)), Ordering::Relaxed);
        has_begun
    }
}

impl PublishedFiles {
    /// Without files; `session` is that of the publisher, and messages above `limit` bytes are not read.
    pub fn of(session: u64, limit: u64, viewing: Option<Viewing>) -> PublishedFiles {
        SlotFiles::new(session, max_file_length(limit).saturating_mul(MAX_OVERSIZE), viewing)
    }

    /// Returns the frame with its elements: views as far as there may be more of them, else copies; or with a copy of
    /// its whole body but for what `body_views` leaves there, where there may be one more view. `fetch` reads files
    /// that wait in the socket. `Malformed` if a reference names nothing that an honest publisher has; `OutOfMemory` if
    /// this process cannot map or copy the elements.
    pub fn resolve(
        &mut self,
        frame: Referring,
        body_views: BodyViews,
        mut fetch: impl FnMut() -> Result<Option<OwnedFd>>,
    ) -> Result<Resolved> {
        let Referring { header, content } = frame;
        let references = match &content {
            Content::Arrays(_, references) => references,
            Content::Body(reference) => from_ref(reference),
        };
        for reference in references {
            match self.find(reference, &mut fetch)? {
                Presence::Here => {}
                Presence::Replaced => return Ok(Resolved::Overtaken),
                Presence::Absent => return Ok(Resolved::FileAbsent),
            }
        }
        let body = match content {
            Content::Arrays(rest, references) => self.arrays(rest, &references)?,
            Content::Body(reference) if body_views.views(header.encoding) && self.may_view() => {
                let slot = self.viewed(&reference)?;
                slot.map(|slot| match body_views.left(header.encoding, &slot) {
                    Some(left) => Ok(left.body(slot)),
                    None => copied(&slot).map(Body::from),
                })
                .transpose()?
            }
            // Text and structure, which are examined only where the publisher cannot write.
            Content::Body(reference) => self.copied(&reference)?.map(Body::from),
        };
        let frame = body.map(|body| Incoming { header, extension: Bytes::new(), body });
        Ok(frame.map_or(Resolved::Overtaken, Resolved::Frame))
    }

    /// Returns the body that has these arrays, whose files are here. `None` if one of their slots was written again.
    fn arrays(&mut self, rest: Rest, references: &[Reference]) -> Result<Option<Body>> {
        let mut parts = OneOrMany::new();
        for reference in references {
            let bytes = if self.may_view() { self.viewed(reference)? } else { self.copied(reference)? };
            let Some(bytes) = bytes else { return Ok(None) };
            parts.push(Part { at: reference.at as usize, bytes });
        }
        Ok(Some(Body::of_parts(rest, parts)))
    }

    /// Whether this subscriber may view one slot more.
    fn may_view(&self) -> bool {
        self.counter.as_ref().is_some_and(|viewing| viewing.count() < SHARE)
    }

    /// Returns a view of the elements that a reference names, whose file is here. `None` if the slot was written again.
    fn viewed(&mut self, reference: &Reference) -> Result<Option<Bytes>> {
        let elements = self.elements(reference)?;
        let begun = self.counter.as_ref().filter(|viewing| viewing.begin(&elements, reference.filling));
        Ok(begun.map(|_| elements.view()))
    }

    /// Returns a copy of the elements that a reference names, whose file is here. `None` if the slot was written again.
    fn copied(&mut self, reference: &Reference) -> Result<Option<Bytes>> {
        let elements = self.elements(reference)?;
        let (word, filling) = (elements.file.filling(), reference.filling);
        if let Some(viewing) = &self.counter {
            let held = viewing.begin(&elements, filling).then(|| View(elements));
            // No honest publisher writes what is held.
            let copy = |held: View<_>| {
                #[cfg(test)]
                during_copy::run();
                copied(held.as_ref())
            };
            return held.map(copy).transpose();
        }
        // A reader of the newest message alone has no page in which the publisher would look.
        let memory = &elements.file.memory;
        if memory.load(word, Ordering::Acquire) != filling {
            return Ok(None);
        }
        let bytes = copy_racing(&elements)?;
        Ok(claims::was_whole(memory, word, filling).then_some(bytes))
    }
}

/// Copies elements that the publisher may write again meanwhile into memory of this process, from a whole word on, and
/// once more where they do not begin at one.
fn copy_racing(elements: &Elements<Option<Viewing>>) -> Result<Bytes> {
    #[cfg(test)]
    during_copy::run();
    let before = elements.from % 8;
    let length = before + elements.length;
    let mut bytes = buffers::take(length);
    memory::reserve(&mut bytes, length)?;
    elements.file.memory.copy_out_racing(elements.from - before, &mut bytes.spare_capacity_mut()[..length]);
    // SAFETY: the reservation made room for them, and `copy_out_racing` has just initialised them all.
    unsafe { bytes.set_len(length) };
    let bytes = buffers::bytes(bytes).slice(before..);
    Ok(if bytes.as_ptr().addr().is_multiple_of(8) { bytes } else { buffers::copy(&bytes) })
}

/// What a test does while this thread copies out of a slot.
#[cfg(test)]
pub(super) mod during_copy {
    use std::cell::RefCell;

    thread_local! {
        static STEP: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
    }

    /// Calls `body`, with this step in each copy that it makes.
    pub fn with<T>(step: impl FnMut() + 'static, body: impl FnOnce() -> T) -> T {
        STEP.set(Some(Box::new(step)));
        let result = body();
        STEP.set(None);
        result
    }

    pub fn run() {
        STEP.with_borrow_mut(|step| step.iter_mut().for_each(|step| step()));
    }
}
