//! A subscriber's side of slots: views up to its share, copies of further elements and of bodies.
//!
//! A slot counts as viewed during a copy. Otherwise a fast publisher would overwrite it during each copy of a slow
//! subscriber, which would receive nothing.

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

/// A frame whose body, or whose long arrays, are in slots.
#[derive(Debug)]
pub(super) struct Referring {
    pub header: Header,
    pub content: Content,
}

/// A record's references instead of a body.
#[derive(Debug)]
pub(super) enum Content {
    /// The bytes around the arrays, and references to the arrays.
    Arrays(Rest, OneOrMany<Reference>),
    Body(Reference),
}

#[derive(Debug)]
pub(super) enum Resolved {
    Frame(Incoming),
    Overtaken,
    FileAbsent,
}

/// The files of a publisher's slots; without `Viewing` all elements are copied.
pub(super) type PublishedFiles = SlotFiles<Option<Viewing>>;

/// The number of views of one publisher incarnation's slots, over all connections of a subscriber.
#[derive(Clone, Debug, Default)]
pub struct ViewCount {
    session: u64,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Views begun; only the receiving thread writes it.
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl ViewCount {
    /// The count for this session; an earlier incarnation's views do not protect its slots.
    pub(super) fn of(&mut self, session: u64) -> &ViewCount {
        if self.session != session {
            *self = ViewCount { session, counts: Arc::default() };
        }
        self
    }

    pub(super) fn get(&self) -> usize {
        // Acquire: the ends in the page precede this.
        self.counts.begun.load(Ordering::Relaxed).wrapping_sub(self.counts.ended.load(Ordering::Acquire))
    }
}

/// The slots that this subscriber views, as its page tells the publisher.
#[derive(Clone, Debug)]
pub(super) struct Viewing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    page: Arc<MemoryFile>,
    /// Its close tells the publisher that all views have ended.
    _socket: Arc<Guarded>,
    views: ViewCount,
    generation: u64,
}

impl ViewCounter for Option<Viewing> {
    fn end_view(&self, slot: usize) {
        // In a forked child the page is absent, and the view is the parent's.
        if let Some(Viewing(shared)) = self
            && fork::generation() == shared.generation
        {
            claims::end_view(&*shared.page, slot);
            // In this order the count in the page never exceeds the share.
            shared.views.counts.ended.fetch_add(1, Ordering::Release);
        }
    }
}

impl Viewing {
    pub fn new(page: Arc<MemoryFile>, socket: Arc<Guarded>, views: &ViewCount) -> Viewing {
        let (views, generation) = (views.clone(), fork::generation());
        Viewing(Arc::new(Shared { page, _socket: socket, views, generation }))
    }

    pub fn count(&self) -> usize {
        self.0.views.get()
    }

    /// Begins a view of this filling; false if the slot was overwritten.
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
    pub fn of(session: u64, limit: u64, viewing: Option<Viewing>) -> PublishedFiles {
        SlotFiles::new(session, max_file_length(limit).saturating_mul(MAX_OVERSIZE), viewing)
    }

    /// Returns the frame with views of its elements, or copies if the subscriber has used up its views.
    ///
    /// A whole body is copied, except the bytes that `body_views` leaves in its slot. `fetch` reads files from the
    /// socket. `Malformed` if a reference is invalid; `OutOfMemory` if this process cannot map or copy the elements.
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
            // Text and structure may be examined only in memory that the publisher cannot write.
            Content::Body(reference) => self.copied(&reference)?.map(Body::from),
        };
        let frame = body.map(|body| Incoming { header, extension: Bytes::new(), body });
        Ok(frame.map_or(Resolved::Overtaken, Resolved::Frame))
    }

    /// The body with these arrays. `None` if a slot was overwritten.
    fn arrays(&mut self, rest: Rest, references: &[Reference]) -> Result<Option<Body>> {
        let mut parts = OneOrMany::new();
        for reference in references {
            let bytes = if self.may_view() { self.viewed(reference)? } else { self.copied(reference)? };
            let Some(bytes) = bytes else { return Ok(None) };
            parts.push(Part { at: reference.at as usize, bytes });
        }
        Ok(Some(Body::of_parts(rest, parts)))
    }

    fn may_view(&self) -> bool {
        self.counter.as_ref().is_some_and(|viewing| viewing.count() < SHARE)
    }

    /// A view of a reference's elements. `None` if the slot was overwritten.
    fn viewed(&mut self, reference: &Reference) -> Result<Option<Bytes>> {
        let elements = self.elements(reference)?;
        let begun = self.counter.as_ref().filter(|viewing| viewing.begin(&elements, reference.filling));
        Ok(begun.map(|_| elements.view()))
    }

    /// A copy of a reference's elements. `None` if the slot was overwritten.
    fn copied(&mut self, reference: &Reference) -> Result<Option<Bytes>> {
        let elements = self.elements(reference)?;
        let (word, filling) = (elements.file.filling(), reference.filling);
        if let Some(viewing) = &self.counter {
            let held = viewing.begin(&elements, filling).then(|| View(elements));
            // No honest publisher writes a viewed slot.
            let copy = |held: View<_>| {
                #[cfg(test)]
                during_copy::run();
                copied(held.as_ref())
            };
            return held.map(copy).transpose();
        }
        // A reader of only the newest message counts its views in no page.
        let memory = &elements.file.memory;
        if memory.load(word, Ordering::Acquire) != filling {
            return Ok(None);
        }
        let bytes = copy_racing(&elements)?;
        Ok(claims::was_whole(memory, word, filling).then_some(bytes))
    }
}

/// Copies elements that the publisher may overwrite, beginning at a whole word.
fn copy_racing(elements: &Elements<Option<Viewing>>) -> Result<Bytes> {
    #[cfg(test)]
    during_copy::run();
    let before = elements.from % 8;
    let length = before + elements.length;
    let mut bytes = buffers::take(length);
    memory::reserve(&mut bytes, length)?;
    elements.file.memory.copy_out_racing(elements.from - before, &mut bytes.spare_capacity_mut()[..length]);
    // SAFETY: the reservation made room for these bytes, and `copy_out_racing` has just initialised them all.
    unsafe { bytes.set_len(length) };
    let bytes = buffers::bytes(bytes).slice(before..);
    Ok(if bytes.as_ptr().addr().is_multiple_of(8) { bytes } else { buffers::copy(&bytes) })
}

/// A test's step during copies by this thread.
#[cfg(test)]
pub(super) mod during_copy {
    use std::cell::RefCell;

    thread_local! {
        static STEP: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
    }

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
