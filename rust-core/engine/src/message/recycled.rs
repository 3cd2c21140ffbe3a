//! Recycles dropped messages for the next messages of this thread.
//!
//! The last owner of a message leaves its allocation here, with the memory of a short body. The next body often has an
//! equal length, and reuses the memory.

use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use super::{BodyMemory, Message, MessageInner, ReceivedFrom, UNCHECKED};
use crate::body::Body;
use crate::buffers;
use crate::codec::Encoding;
use crate::frame::{Header, Incoming, Kind};
use crate::sys::once::Once;
use crate::value::{Limits, Value};

impl Message {
    pub(crate) fn new(frame: Incoming, origin: ReceivedFrom<'_>, limits: Limits) -> Message {
        let ReceivedFrom { source, session, schemas } = origin;
        let Incoming { header, body, .. } = frame;
        let mut last = take_recycled();
        if let Some(place) = last.as_mut().and_then(triomphe::Arc::get_mut) {
            if let Some(last) = std::mem::replace(&mut place.body, body).into_whole() {
                buffers::keep_short(last);
            }
            // Compares the text first: a thread that alternates between subscribers would otherwise change two
            // reference counts for each message.
            if !Arc::ptr_eq(&place.source, source) && place.source != *source {
                place.source.clone_from(source);
            }
            (place.header, place.limits, place.missed) = (header, limits, 0);
            (place.session, place.schemas) = (session, schemas);
            place.value.take();
            *place.flat.get_mut() = UNCHECKED;
            (place.schema, place.owns_body) = (None, false);
            return Message(last);
        }
        let value = OnceLock::new();
        Message(Some(triomphe::Arc::new(MessageInner {
            header,
            body,
            source: source.clone(),
            origin: None,
            limits,
            missed: 0,
            session,
            schemas,
            value,
            array: Once::new(Value::Null),
            flat: AtomicU8::new(UNCHECKED),
            schema: None,
            owns_body: false,
            is_counted: false,
        })))
    }

    /// Returns a short message whose body `fill` writes, in recycled memory if possible. Bytes in a ring are copied
    /// once, to the place where the program reads them.
    // Always inline: a header passed in memory is stored by fields and loaded at once in long words, so the processor
    // waits for the stores.
    pub(crate) fn filled(
        header: Header,
        origin: ReceivedFrom<'_>,
        limits: &Limits,
        fill: impl FnOnce(&mut [u8]),
    ) -> Message {
        let source = origin.source;
        if let Some(mut place) =
            take_recycled().and_then(|last| ReusedMessage::of(last, header.body as usize))
        {
            fill(place.body());
            return place.finish_with(header, origin, limits);
        }
        let mut last = take_recycled();
        let mut place = last.as_mut().and_then(triomphe::Arc::get_mut);
        let spare = match &mut place {
            Some(place) if place.owns_body => {
                std::mem::take(&mut place.body).into_whole().unwrap_or_default()
            }
            _ => Bytes::new(),
        };
        let body = Body::from(refill(spare, header.body as usize, fill));
        if let Some(place) = place {
            let last_body = std::mem::replace(&mut place.body, body);
            place.is_counted = false;
            if std::mem::replace(&mut place.owns_body, true) {
                // The old body is an empty block, so forgetting it leaks nothing.
                std::mem::forget(last_body);
            }
            if !Arc::ptr_eq(&place.source, source) && place.source != *source {
                place.source.clone_from(source);
            }
            (place.header, place.limits, place.missed) = (header, *limits, 0);
            (place.session, place.schemas) = (origin.session, origin.schemas);
            debug_assert!(place.value.get().is_none());
            *place.flat.get_mut() = UNCHECKED;
            place.schema = None;
            return Message(last);
        }
        Message::first_filled(header, body, origin, limits)
    }

    #[cold]
    fn first_filled(header: Header, body: Body, origin: ReceivedFrom<'_>, limits: &Limits) -> Message {
        let ReceivedFrom { source, session, schemas } = origin;
        let source = source.clone();
        let (limits, missed, value, schema) = (*limits, 0, OnceLock::new(), None);
        let owns_body = true;
        Message(Some(triomphe::Arc::new(MessageInner {
            header,
            body,
            source,
            origin: None,
            limits,
            missed,
            session,
            schemas,
            value,
            array: Once::new(Value::Null),
            flat: AtomicU8::new(UNCHECKED),
            schema,
            owns_body,
            is_counted: false,
        })))
    }
}

/// The last message that this thread dropped, while it becomes another message of equal length.
pub(crate) struct ReusedMessage {
    place: triomphe::Arc<MessageInner>,
    bytes: BytesMut,
}

impl ReusedMessage {
    pub fn take(length: usize) -> Option<ReusedMessage> {
        if length > buffers::SHORT {
            return None;
        }
        ReusedMessage::of(LAST.try_with(Cell::take).ok().flatten()?, length)
    }

    fn of(mut place: triomphe::Arc<MessageInner>, length: usize) -> Option<ReusedMessage> {
        if let Some(inner) = triomphe::Arc::get_mut(&mut place)
            && inner.owns_body
            && let Some(body) = inner.body.block_mut()
            && body.len() == length
            && length > 0
            && body.is_unique()
        {
            let mut bytes = BytesMut::from(std::mem::take(body));
            if !inner.is_counted {
                count(&mut bytes);
                inner.is_counted = true;
            }
            return Some(ReusedMessage { place, bytes });
        }
        recycle(place);
        None
    }

    fn finish_with(self, header: Header, origin: ReceivedFrom<'_>, limits: &Limits) -> Message {
        let source = origin.source;
        let ReusedMessage { mut place, bytes } = self;
        // Always true: the message had only one owner when it was taken.
        if let Some(inner) = triomphe::Arc::get_mut(&mut place) {
            if let Some(body) = inner.body.block_mut() {
                std::mem::forget(std::mem::replace(body, bytes.freeze()));
            }
            inner.header = header;
            if !Arc::ptr_eq(&inner.source, source) {
                inner.change_source(source);
            }
            (inner.limits, inner.missed) = (*limits, 0);
            (inner.session, inner.schemas) = (origin.session, origin.schemas);
            debug_assert!(inner.value.get().is_none());
            *inner.flat.get_mut() = UNCHECKED;
            inner.schema = None;
        }
        Message(Some(place))
    }
}

impl BodyMemory for ReusedMessage {
    type Output = Message;

    fn body(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn finish(
        self,
        (kind, correlation): (Kind, u64),
        (sequence, encoding, sent): (u64, Encoding, i64),
        origin: ReceivedFrom<'_>,
        limits: &Limits,
    ) -> Message {
        let body = self.bytes.len() as u64;
        let header = Header { sequence, body, correlation, sent, ..Header::new(kind, encoding) };
        self.finish_with(header, origin, limits)
    }
}

/// The messages that this thread dropped, while they become others: a single look-up of the lists for all.
#[derive(Default)]
pub(crate) struct Dropped(Vec<triomphe::Arc<MessageInner>>);

impl Dropped {
    #[inline]
    pub fn take() -> Dropped {
        let earlier =
            |earlier: &RefCell<Vec<_>>| earlier.try_borrow_mut().map(|mut list| std::mem::take(&mut *list));
        Dropped(EARLIER.try_with(earlier).ok().and_then(Result::ok).unwrap_or_default())
    }

    /// Takes one if its memory has this length. Otherwise returns `None`, as for an empty list.
    pub fn next(&mut self, length: usize) -> Option<ReusedMessage> {
        ReusedMessage::of(self.0.pop().or_else(|| LAST.try_with(Cell::take).ok().flatten())?, length)
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        let left = std::mem::take(&mut self.0);
        let _ = EARLIER.try_with(|earlier| {
            if let Ok(mut earlier) = earlier.try_borrow_mut()
                && earlier.is_empty()
            {
                *earlier = left;
            }
        });
    }
}

/// Converts the memory into the form with counted owners. From there to a block and back takes a few instructions, from
/// a vector a hundred. The conversion allocates, so it happens at the second use of the memory.
#[cold]
fn count(bytes: &mut BytesMut) {
    drop(bytes.split_off(bytes.len()));
}

impl MessageInner {
    #[inline(never)]
    fn change_source(&mut self, source: &Arc<str>) {
        if self.source != *source {
            self.source.clone_from(source);
        }
    }
}

impl Drop for Message {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut inner) = self.0.take()
            && inner.is_unique()
        {
            // Decoded values and long bodies may be large, and views must be given back: these are not recycled.
            let is_long = inner.body.len() > buffers::SHORT || inner.body.split().is_some();
            if is_long || inner.value.get().is_some() || inner.origin.is_some() {
                let Some(place) = triomphe::Arc::get_mut(&mut inner) else { return };
                place.value.take();
                place.origin = None;
                if is_long {
                    place.array.clear(give_back);
                    (place.body, place.owns_body) = (Body::default(), false);
                }
            }
            recycle(inner);
        }
    }
}

/// Releases the elements of the array that was looked up, but keeps the memory of its shape.
fn give_back(array: &mut Value) {
    if let Value::NdArray(array) = array {
        array.data = Bytes::new();
    }
}

thread_local! {
    /// The last message that this thread dropped. A program that handles one message at a time needs no more.
    static LAST: Cell<Option<triomphe::Arc<MessageInner>>> = const { Cell::new(None) };
    static EARLIER: RefCell<Vec<triomphe::Arc<MessageInner>>> = const { RefCell::new(Vec::new()) };
}

const BATCH: usize = 64;

fn take_recycled() -> Option<triomphe::Arc<MessageInner>> {
    LAST.try_with(Cell::take).ok().flatten().or_else(take_earlier)
}

#[inline(never)]
fn take_earlier() -> Option<triomphe::Arc<MessageInner>> {
    EARLIER.try_with(|earlier| earlier.try_borrow_mut().ok()?.pop()).ok().flatten()
}

/// Keeps a dropped message without another owner. At a thread's end the lists may already be destroyed.
#[inline]
fn recycle(message: triomphe::Arc<MessageInner>) {
    if let Ok(Some(before)) = LAST.try_with(|last| last.replace(Some(message))) {
        recycle_earlier(before);
    }
}

#[inline(never)]
fn recycle_earlier(message: triomphe::Arc<MessageInner>) {
    let _ = EARLIER.try_with(|earlier| {
        if let Ok(mut earlier) = earlier.try_borrow_mut()
            && earlier.len() < BATCH
        {
            earlier.push(message);
        }
    });
}

/// Returns a body of `length` bytes, aligned to 8, that `fill` writes. Uses the memory of `last` if it has this length
/// and no other owner. `last` must be a result of this function, not a view of a larger block.
fn refill(last: Bytes, length: usize, fill: impl FnOnce(&mut [u8])) -> Bytes {
    if last.len() == length && length > 0 && last.is_unique() {
        // Without another owner a block becomes a vector, and a full vector a block, in place.
        let mut bytes = Vec::from(last);
        fill(&mut bytes);
        return Bytes::from(bytes);
    }
    fill_anew(last, length, fill)
}

#[cold]
fn fill_anew(last: Bytes, length: usize, fill: impl FnOnce(&mut [u8])) -> Bytes {
    buffers::keep_short(last);
    let mut bytes = buffers::with_room(length);
    bytes.resize(length, 0);
    fill(&mut bytes);
    buffers::aligned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refill_reuses_an_unshared_body_of_the_same_length() {
        let write = |with: u8| move |bytes: &mut [u8]| bytes.fill(with);
        for length in [1, 8, 64, buffers::SHORT] {
            let first = refill(Bytes::new(), length, write(1));
            let place = first.as_ptr();
            let second = refill(first, length, write(2));
            assert_eq!(&second[..], &vec![2; length][..], "{length}");
            // Miri's allocator aligns bytes to 1, so bodies move there; the system's allocator aligns to 16.
            assert!(cfg!(miri) || second.as_ptr() == place, "{length}");
            let view = second.slice(..1);
            let third = refill(second, length, write(3));
            assert_eq!((&view[..], &third[..]), (&[2][..], &vec![3; length][..]), "{length}");
            assert_ne!(third.as_ptr(), view.as_ptr());
            let other = refill(third, length - 1, write(4));
            assert_eq!(&other[..], &vec![4; length - 1][..]);
        }
    }
}
