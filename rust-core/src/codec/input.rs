//! Bytes being decoded: a place in them, and errors that name it.
//!
//! The rule for offsets, the same in every encoding:
//!
//! - a byte that cannot stand where it stands: that byte;
//! - bytes that end before the value does: their length (in BSON, the end of the document that ends too early);
//! - a length or count that reaches past the end: the first byte of the item that claims it (in BSON, the
//!   length itself);
//! - an item that is well formed but refused (a repeated key, a type without a form, a limit): its first byte; for a
//!   map of one entry in JSON, BSON and Smile its key, which tells whether it is a map or an escape;
//! - text that is not UTF-8: the first byte that is not.

use crate::error::{Error, ErrorKind, Result};
use crate::value::Sink;

/// A place in the bytes being decoded.
#[derive(Clone)]
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    /// The offset of the next byte.
    pub(crate) at: usize,
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { bytes, at: 0 }
    }

    /// The same place in bytes that end at this offset.
    pub(crate) fn up_to(&self, end: usize) -> Input<'a> {
        Input { bytes: &self.bytes[..end], at: self.at }
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next byte without taking it.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8> {
        match self.bytes.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => Err(self.ended()),
        }
    }

    /// The next `N` bytes, a part of an item whose length is fixed.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.ended()),
        }
    }

    /// The next `count` bytes, as the item that begins at `claimed_at` says.
    #[inline]
    pub(crate) fn take(&mut self, count: u64, claimed_at: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(count).ok().and_then(|count| rest.get(..count)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => Err(self.past_the_end(count, claimed_at)),
        }
    }

    /// The next `count` bytes as text.
    #[inline]
    pub(crate) fn text(&mut self, count: u64, claimed_at: usize) -> Result<&'a str> {
        let bytes = self.take(count, claimed_at)?;
        let from = self.at - bytes.len();
        utf8(bytes, from)
    }

    /// The bytes from `from` up to here.
    pub(crate) fn since(&self, from: usize) -> &'a [u8] {
        &self.bytes[from..self.at]
    }

    /// What is left, without taking it.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Refuses whatever follows the value.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.left() {
            0 => Ok(()),
            left => {
                Err(malformed(self.at, format!("{left} bytes follow the value; a message holds one value")))
            }
        }
    }

    #[cold]
    pub(crate) fn ended(&self) -> Error {
        malformed(self.bytes.len(), "the bytes end before the value does")
    }

    #[cold]
    fn past_the_end(&self, count: u64, claimed_at: usize) -> Error {
        malformed(claimed_at, format!("a length of {count} bytes is claimed and {} are left", self.left()))
    }
}

/// The text that these bytes, which begin at offset `at`, write.
#[inline]
pub(crate) fn utf8(bytes: &[u8], at: usize) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| malformed(at + e.valid_up_to(), "text is not UTF-8"))
}

#[cold]
pub(crate) fn malformed(at: usize, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, text).at(at)
}

#[cold]
pub(crate) fn unsupported(at: usize, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, text).at(at)
}

/// How many items each container has, in the order in which the containers open.
///
/// A sink is promised exact lengths, and JSON, BSON, Smile and CBOR's indefinite forms only say where a container ends:
/// a first pass over the structure counts. It believes nothing and refuses nothing: where it meets bytes that it cannot
/// follow it stops, and the second pass says what is wrong with them, before it asks for a count that is not there.
#[derive(Default)]
pub(crate) struct Counts {
    counts: Vec<u32>,
    next: usize,
    /// How many there may be.
    most: usize,
}

impl Counts {
    /// Counts of at most so many containers.
    pub(crate) fn up_to(most: u64) -> Counts {
        Counts { most: usize::try_from(most).unwrap_or(usize::MAX), ..Counts::default() }
    }

    /// The number that the next container gets; none where there are too many, or no memory for another. The counts
    /// are there until the value is read, so the sink holds them.
    #[inline]
    pub(crate) fn open<S: Sink>(&mut self, sink: &mut S) -> Option<usize> {
        if self.counts.len() == self.counts.capacity() {
            self.grow(sink)?;
        }
        self.counts.push(0);
        Some(self.counts.len() - 1)
    }

    #[cold]
    fn grow<S: Sink>(&mut self, sink: &mut S) -> Option<()> {
        let before = self.counts.capacity();
        let more = before.max(16).min(self.most.checked_sub(before)?);
        sink.hold((before + more) * size_of::<u32>()).ok().filter(|()| more > 0)?;
        self.counts.try_reserve_exact(more).ok()?;
        sink.release(before * size_of::<u32>());
        Some(())
    }

    /// One more item in this container.
    #[inline]
    pub(crate) fn add(&mut self, container: usize) {
        self.counts[container] = self.counts[container].saturating_add(1);
    }

    /// Says how long the string with this number is.
    #[inline]
    pub(crate) fn set(&mut self, string: usize, length: usize) {
        self.counts[string] = u32::try_from(length).unwrap_or(u32::MAX);
    }

    /// Whether every count has been asked for.
    pub(crate) fn is_spent(&self) -> bool {
        self.next == self.counts.len()
    }

    /// Forgets everything, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.counts.clear();
        self.next = 0;
    }

    /// The items of the next container; none where the first pass stopped before it.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<usize> {
        let count = *self.counts.get(self.next)?;
        self.next += 1;
        Some(count as usize)
    }
}
