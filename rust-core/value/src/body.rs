//! The body of a message: one block of bytes, or a rest and parts that are stored elsewhere.
//!
//! An encoder with a [`Placer`] leaves long arrays out and records their positions. Over shared memory a long array is
//! therefore written once.

mod one_or_many;
mod rest;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::buffers;

pub use one_or_many::OneOrMany;
pub use rest::Rest;

/// Arrays of at least this length may be stored elsewhere; a copy of a shorter array is cheaper.
pub const PLACED_FROM: usize = 64 << 10;

/// An array's elements or a byte string, and their position.
#[derive(Clone, Debug)]
pub struct Part {
    /// The number of bytes of the rest before them.
    pub at: usize,
    /// The elements, or the content.
    pub bytes: Bytes,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts<'a> {
    pub(crate) list: &'a [Part],
    pub(crate) are_opaque: bool,
}

/// Chooses the place of a long array's elements for an encoder.
pub trait Placer {
    /// Stores elements that belong after the first `at` bytes of the rest. Returns whether it did.
    ///
    /// A placer that leaves the elements in place keeps `shared`, their owner.
    fn place(&mut self, at: usize, elements: &[u8], shared: Option<&Bytes>) -> bool;

    /// Leaves a byte string in place, after the first `at` bytes. Returns whether it did.
    fn surround(&mut self, _at: usize, _bytes: &[u8]) -> bool {
        false
    }

    /// Announces the least length of the rest, before [`Placer::spill`], because of a long byte string.
    fn expect(&mut self, _length: usize) {}

    /// Takes the next bytes of the rest; returns whether it keeps them. It keeps earlier bytes anyway.
    fn spill(&mut self, _bytes: &[u8]) -> bool {
        false
    }

    /// Returns the bytes of [`Placer::spill`], for names and lengths.
    fn spilled(&mut self) -> &mut [u8] {
        &mut []
    }

    /// Drops the bytes that [`Placer::spill`] took.
    fn drop_spilled(&mut self) {}
}

/// A body whose long arrays or byte strings are stored elsewhere.
#[derive(Debug)]
pub struct Split {
    rest: Rest,
    parts: OneOrMany<Part>,
    are_opaque: bool,
    length: usize,
    whole: OnceLock<Bytes>,
}

impl Split {
    /// Returns a body of this rest and these parts, whose positions ascend.
    #[inline]
    pub fn new(rest: impl Into<Rest>, parts: impl Into<OneOrMany<Part>>) -> Split {
        let (rest, parts) = (rest.into(), parts.into());
        debug_assert!(parts.is_sorted_by_key(|part| part.at) && parts.iter().all(|p| p.at <= rest.len()));
        let length = rest.len() + parts.iter().map(|part| part.bytes.len()).sum::<usize>();
        Split { rest, parts, are_opaque: false, length, whole: OnceLock::new() }
    }

    /// Returns the bytes except the parts.
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Returns the parts.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns whether the parts may be byte strings: see [`Body::of_opaque_parts`].
    pub fn are_opaque(&self) -> bool {
        self.are_opaque
    }

    /// Returns the body in one block, copied at the first call.
    pub fn whole(&self) -> &Bytes {
        self.whole.get_or_init(|| {
            let mut whole = buffers::take(self.length);
            whole.reserve_exact(self.length);
            let mut from = 0;
            for part in self.parts.iter() {
                whole.extend_from_slice(&self.rest[from..part.at]);
                whole.extend_from_slice(&part.bytes);
                from = part.at;
            }
            whole.extend_from_slice(&self.rest[from..]);
            buffers::bytes(whole)
        })
    }
}

/// The body of a message. Clones share its memory.
#[derive(Clone, Debug)]
pub struct Body(BodyRepr);

#[derive(Clone, Debug)]
enum BodyRepr {
    Whole(Bytes),
    Split(Arc<Split>),
}

// Every message has a body, so a body holds its parts through a pointer.
const _: () = assert!(size_of::<Body>() == size_of::<Bytes>());

impl Body {
    /// Returns a body of this rest and these parts, if any.
    #[doc(hidden)]
    #[inline]
    pub fn of_parts(rest: impl Into<Rest>, parts: impl Into<OneOrMany<Part>>) -> Body {
        let (rest, parts) = (rest.into(), parts.into());
        if parts.is_empty() {
            return rest.into_bytes().into();
        }
        Body(BodyRepr::Split(Arc::new(Split::new(rest, parts))))
    }

    /// As [`Body::of_parts`], with parts that may be byte strings.
    ///
    /// Only this process can write their memory, or the program has declared that it views them (`view_bytes`).
    #[doc(hidden)]
    pub fn of_opaque_parts(rest: impl Into<Rest>, parts: impl Into<OneOrMany<Part>>) -> Body {
        let (rest, parts) = (rest.into(), parts.into());
        if parts.is_empty() {
            return rest.into_bytes().into();
        }
        Body(BodyRepr::Split(Arc::new(Split { are_opaque: true, ..Split::new(rest, parts) })))
    }

    /// Returns the bytes in one block, copied at the first call if arrays are stored elsewhere.
    pub fn whole(&self) -> &Bytes {
        match &self.0 {
            BodyRepr::Whole(bytes) => bytes,
            BodyRepr::Split(split) => split.whole(),
        }
    }

    /// Returns the number of bytes.
    #[allow(clippy::len_without_is_empty, reason = "a body without bytes is of no use to any caller")]
    pub fn len(&self) -> usize {
        match &self.0 {
            BodyRepr::Whole(bytes) => bytes.len(),
            BodyRepr::Split(split) => split.length,
        }
    }

    /// Copies the bytes to memory of their exact length.
    #[doc(hidden)]
    pub fn copy_to(&self, into: &mut [u8]) {
        let BodyRepr::Split(split) = &self.0 else { return into.copy_from_slice(self.whole()) };
        let (mut into, mut from) = (into, 0);
        let mut put = |bytes: &[u8]| {
            let (to, behind) = std::mem::take(&mut into).split_at_mut(bytes.len());
            to.copy_from_slice(bytes);
            into = behind;
        };
        for part in split.parts() {
            put(&split.rest[from..part.at]);
            put(&part.bytes);
            from = part.at;
        }
        put(&split.rest[from..]);
    }

    /// Returns the parts, if the body has any.
    #[doc(hidden)]
    pub fn split(&self) -> Option<&Split> {
        match &self.0 {
            BodyRepr::Whole(_) => None,
            BodyRepr::Split(split) => Some(split),
        }
    }

    /// Returns the block to decode, and its parts; none if the body exists in one block.
    pub(crate) fn to_decode(&self) -> (&[u8], Parts<'_>) {
        match &self.0 {
            BodyRepr::Whole(bytes) => (bytes, Parts::default()),
            BodyRepr::Split(split) => match split.whole.get() {
                Some(whole) => (whole, Parts::default()),
                None => (&split.rest, Parts { list: &split.parts, are_opaque: split.are_opaque }),
            },
        }
    }

    /// Returns a body's only part without a rest, if it may be a byte string.
    pub(crate) fn opaque(&self) -> Option<&Bytes> {
        let split = self.split().filter(|split| split.are_opaque && split.rest.is_empty())?;
        if let [part] = &*split.parts { Some(&part.bytes) } else { None }
    }

    /// Returns the block, if the body is one.
    #[doc(hidden)]
    pub fn block(&self) -> Option<&Bytes> {
        match &self.0 {
            BodyRepr::Whole(bytes) => Some(bytes),
            BodyRepr::Split(_) => None,
        }
    }

    /// Returns the block for replacement, if the body is one.
    #[doc(hidden)]
    pub fn block_mut(&mut self) -> Option<&mut Bytes> {
        match &mut self.0 {
            BodyRepr::Whole(bytes) => Some(bytes),
            BodyRepr::Split(_) => None,
        }
    }

    /// Returns the block, if the body is one.
    #[doc(hidden)]
    pub fn into_whole(self) -> Option<Bytes> {
        match self.0 {
            BodyRepr::Whole(bytes) => Some(bytes),
            BodyRepr::Split(_) => None,
        }
    }

    /// Returns the owner of these elements, if they are a part of the body.
    #[doc(hidden)]
    pub fn part(&self, elements: &[u8]) -> Option<Bytes> {
        let parts = self.split()?.parts();
        let found = parts.iter().find(|part| part.bytes.as_ptr_range() == elements.as_ptr_range());
        found.map(|part| part.bytes.clone())
    }

    /// Returns a view of these bytes of the body; `None` for bytes in place, which are less than a block.
    pub fn view(&self, slice: &[u8]) -> Option<Bytes> {
        let of = |origin: &Bytes| is_within(origin, slice).then(|| origin.slice_ref(slice));
        match &self.0 {
            BodyRepr::Whole(bytes) => of(bytes),
            BodyRepr::Split(split) => {
                let blocks = split.parts.iter().map(|part| &part.bytes);
                blocks.chain(split.rest.block()).chain(split.whole.get()).find_map(of)
            }
        }
    }
}

fn is_within(outer: &[u8], inner: &[u8]) -> bool {
    let (outer, inner) = (outer.as_ptr_range(), inner.as_ptr_range());
    outer.start <= inner.start && inner.end <= outer.end
}

impl Default for Body {
    fn default() -> Body {
        Bytes::new().into()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body(BodyRepr::Whole(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Bytes::from(bytes).into()
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.whole()
    }
}

impl<T: AsRef<[u8]>> PartialEq<T> for Body {
    fn eq(&self, other: &T) -> bool {
        self.whole() == other.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split() -> Body {
        let part = |at, bytes: &'static [u8]| Part { at, bytes: Bytes::from_static(bytes) };
        Body::of_parts(Bytes::from_static(b"abcdef"), vec![part(0, b"1"), part(4, b"22"), part(6, b"333")])
    }

    #[test]
    fn whole_body_has_the_parts_at_their_places() {
        let body = split();
        assert_eq!(body.len(), 12);
        assert_eq!(&body.whole()[..], b"1abcd22ef333");
        assert_eq!(body.whole().as_ptr(), body.clone().whole().as_ptr(), "is made once");
        let plain = Body::of_parts(Bytes::from_static(b"plain"), Vec::new());
        assert_eq!((&plain.whole()[..], plain.split().is_none()), (&b"plain"[..], true));
    }

    #[test]
    fn view_shares_memory_of_enclosing_body() {
        let body = split();
        let (rest, parts) = body.to_decode();
        assert!(body.view(&rest[1..3]).is_none(), "is in place");
        let slice = &parts.list[2].bytes[1..];
        assert_eq!(body.view(slice).unwrap().as_ptr(), slice.as_ptr());
        let long = Body::of_parts(vec![1; 2 * Rest::SHORT], parts.list.to_vec());
        let slice = &long.to_decode().0[1..3];
        assert_eq!(long.view(slice).unwrap().as_ptr(), slice.as_ptr());
        assert!(body.view(b"elsewhere").is_none());
        let whole = body.whole().clone();
        assert_eq!(body.view(&whole[2..9]).unwrap().as_ptr(), whole[2..].as_ptr());
        assert!(body.to_decode().1.list.is_empty(), "decoding now uses the one block");
    }
}
