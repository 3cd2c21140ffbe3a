//! CBOR to values: a walk over the bytes that drives a Sink.
//!
//! The Meter's depth limit and a fixed depth of tags bound the stack. An error carries the innermost item's offset.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::borrow::Cow;

use super::count::count;
use super::head::{BREAK, Head, head};
use crate::body::Parts;
use crate::codec::input::{Input, ItemCounts, malformed, unsupported, utf8};
use crate::error::{Error, ErrorKind, Result, memory};
use crate::value::{BigInt, Limits, Sink, Source};

/// Sends the one value of `bytes`, with `parts` between them, to `sink`, which enforces the limits.
pub(crate) fn decode<S: Sink>(bytes: &[u8], parts: Parts<'_>, limits: &Limits, sink: &mut S) -> Result<()> {
    first(Input::new(bytes).with_parts(parts), limits, sink)?.finish()
}

fn first<'a, S: Sink>(input: Input<'a>, limits: &Limits, sink: &mut S) -> Result<Input<'a>> {
    let nodes = limits.most_nodes();
    let counts = ItemCounts::up_to(nodes.saturating_add(8));
    let mut decoder = Decoder { input, sink, counts, nodes };
    decoder.value()?;
    Ok(decoder.input)
}

pub(crate) fn decode_first<S: Sink>(bytes: &[u8], limits: &Limits, sink: &mut S) -> Result<usize> {
    Ok(first(Input::new(bytes), limits, sink)?.at)
}

/// Takes the content of a string or of a chunk.
type Take<'a> = fn(&mut Input<'a>, u64, usize) -> Result<&'a [u8]>;

pub(super) struct Decoder<'a, 's, S> {
    pub(super) input: Input<'a>,
    pub(super) sink: &'s mut S,
    /// The counts of the indefinite containers in the last counted part.
    counts: ItemCounts,
    nodes: u64,
}

impl<'a, S: Sink> Decoder<'a, '_, S> {
    pub(super) fn value(&mut self) -> Result<()> {
        self.item()
    }

    /// Loops over arrays and maps decode the most frequent kinds in place.
    fn item(&mut self) -> Result<()> {
        if let Some(value) = self.input.double() {
            let at = self.input.at.saturating_sub(9);
            return self.sink.float(value).map_err(|e| e.at(at));
        }
        let head = head(&mut self.input)?;
        match head.major {
            // Major types 0, 3 and 7: integers, text, floats and simple values.
            0 => self.unsigned(head.n),
            3 if !head.is_indefinite() => match self.input.text(head.n, head.at) {
                Ok(text) => self.sink.text(text),
                Err(error) => Err(error),
            },
            7 => self.simple(head),
            _ => self.other(head),
        }
        .map_err(|e| e.at(head.at))
    }

    #[inline(never)]
    fn other(&mut self, head: Head) -> Result<()> {
        match head.major {
            // Major types 1, 2, 4, 5 and 6: negative integers, bytes, arrays, maps, tags.
            1 => self.negative(head.n),
            2 if !head.is_indefinite() => {
                let bytes = self.input.byte_string(head.n, head.at)?;
                self.sink.bytes(bytes)
            }
            4 => self.array(head),
            5 => self.map(head),
            6 => self.tagged(head),
            _ => self.chunks(head),
        }
    }

    #[cold]
    fn chunks(&mut self, head: Head) -> Result<()> {
        if head.major == 2 {
            let bytes = self.bytes(head)?;
            self.sink.bytes(&bytes).map(|()| self.release(bytes))
        } else {
            let text = self.text(head)?;
            self.sink.text(&text).map(|()| self.release(text))
        }
    }

    fn unsigned(&mut self, n: u64) -> Result<()> {
        match i64::try_from(n) {
            Ok(n) => self.sink.int(n),
            Err(_) => self.sink.uint(n),
        }
    }

    pub(super) fn negative(&mut self, n: u64) -> Result<()> {
        match i64::try_from(n) {
            Ok(n) => self.sink.int(!n),
            Err(_) => {
                // -1 - n needs 65 bits.
                let magnitude = u128::from(n) + 1;
                BigInt::from_parts(true, &magnitude.to_be_bytes())?.walk(self.sink)
            }
        }
    }

    fn simple(&mut self, head: Head) -> Result<()> {
        match (head.info, head.n) {
            (20, _) => self.sink.bool(false),
            (21, _) => self.sink.bool(true),
            (22, _) => self.sink.null(),
            (23, _) => Err(unsupported(head.at, "undefined has no form here; null has")),
            // Simple values below 32 must not have a second byte.
            (24, 0..32) => Err(malformed(head.at, format!("simple value {} has two bytes", head.n))),
            (25..=27, _) => self.sink.float(head.float()),
            (_, n) => Err(unsupported(head.at, format!("simple value {n} has no form here"))),
        }
    }

    fn array(&mut self, head: Head) -> Result<()> {
        // The sink learns the length before any item, so that it can reserve.
        let count = self.items(head)?;
        self.sink.begin_array(count)?;
        for i in 0..count {
            self.item().map_err(|e| e.under_index(i))?;
        }
        self.end(head)?;
        self.sink.end_array()
    }

    fn map(&mut self, head: Head) -> Result<()> {
        let count = self.items(head)?;
        self.sink.begin_map(count)?;
        for _ in 0..count {
            // Keys are decoded in place: nearly all are definite text.
            let name = super::head::head(&mut self.input)?;
            if name.major != 3 || name.is_indefinite() {
                self.entry_in_chunks(name)?;
                continue;
            }
            let key = self.input.take(name.n, name.at)?;
            // One of the sink's own keys is valid text.
            let taken = match self.sink.known_key(key) {
                Ok(true) => Ok(()),
                Ok(false) => self.sink.key(utf8(key, self.input.at.saturating_sub(key.len()))?),
                Err(error) => Err(error),
            };
            taken.map_err(|e| under_key(e.at(name.at), key))?;
            self.item().map_err(|e| under_key(e, key))?;
        }
        self.end(head)?;
        self.sink.end_map()
    }

    /// Decodes an entry with a key in chunks; `Unsupported` if it is not text.
    #[cold]
    fn entry_in_chunks(&mut self, head: Head) -> Result<()> {
        if head.major != 3 {
            return Err(unsupported(head.at, "a key that is not text has no form here"));
        }
        let key = self.text(head)?;
        self.sink.key(&key).map_err(|e| e.at(head.at).under_key(&key))?;
        self.value().map_err(|e| e.under_key(&key))?;
        self.release(key);
        Ok(())
    }

    pub(super) fn items(&mut self, head: Head) -> Result<usize> {
        if !head.is_indefinite() {
            // Each item takes at least one byte, so a greater claim is false.
            let least = if head.major == 5 { 2 } else { 1 };
            if head.n.saturating_mul(least) > self.input.remaining() as u64 {
                let text =
                    format!("{} items are claimed and {} bytes are left", head.n, self.input.remaining());
                return Err(malformed(head.at, text));
            }
            return Ok(head.n as usize);
        }
        // One pass counts the outermost indefinite container and those inside.
        if self.counts.is_spent() {
            let mut from = self.input.clone();
            from.at = head.at;
            self.counts.clear();
            count(from, &mut self.counts, self.sink);
        }
        self.counts.take().ok_or_else(|| {
            let text = format!("over the node limit: {} values allowed", self.nodes);
            Error::new(ErrorKind::TooLarge, text).at(head.at)
        })
    }

    pub(super) fn end(&mut self, head: Head) -> Result<()> {
        if !head.is_indefinite() {
            return Ok(());
        }
        let at = self.input.at;
        match self.input.byte()? {
            BREAK => Ok(()),
            _ => Err(malformed(at, "an indefinite item continues after its last item")),
        }
    }

    pub(super) fn bytes(&mut self, head: Head) -> Result<Cow<'a, [u8]>> {
        self.byte_string(head, Input::byte_string)
    }

    /// Takes an array's bytes, perhaps stored elsewhere.
    pub(super) fn element_bytes(&mut self, head: Head) -> Result<Cow<'a, [u8]>> {
        self.byte_string(head, Input::elements)
    }

    /// Takes the content of a byte string.
    ///
    /// At most one chunk with content is borrowed: the encoder pads aligned elements with empty chunks. Several are
    /// joined in a counted buffer.
    fn byte_string(&mut self, head: Head, take: Take<'a>) -> Result<Cow<'a, [u8]>> {
        if !head.is_indefinite() {
            return Ok(Cow::Borrowed(take(&mut self.input, head.n, head.at)?));
        }
        // The look ahead makes one allocation of the exact size enough.
        let length = self.length_of_chunks(head, take)?;
        let mut whole: Cow<'a, [u8]> = Cow::Borrowed(&[]);
        while let Some(chunk) = self.chunk(head)? {
            let bytes = take(&mut self.input, chunk.n, chunk.at)?;
            if whole.is_empty() {
                whole = Cow::Borrowed(bytes);
            } else if !bytes.is_empty() {
                // The second chunk with content: from here on the content is a copy.
                if let Cow::Borrowed(first) = whole {
                    whole = Cow::Owned(self.start_joining(first, length)?);
                }
                whole.to_mut().extend_from_slice(bytes);
            }
        }
        Ok(whole)
    }

    /// Returns counted room for several chunks, with the first chunk in it.
    pub(super) fn start_joining(&mut self, first: &[u8], length: usize) -> Result<Vec<u8>> {
        self.sink.hold(length)?;
        let mut whole = Vec::new();
        memory::reserve(&mut whole, length)?;
        whole.extend_from_slice(first);
        Ok(whole)
    }

    /// Returns the length of the chunks from here; an invalid chunk's error comes when they are taken.
    fn length_of_chunks(&self, string: Head, take: Take<'a>) -> Result<usize> {
        let mut ahead = self.input.clone();
        let mut length = 0;
        while ahead.peek() != Some(BREAK) {
            let Ok(chunk) = head(&mut ahead) else { break };
            if chunk.major != string.major || chunk.is_indefinite() {
                break;
            }
            let Ok(bytes) = take(&mut ahead, chunk.n, chunk.at) else { break };
            length = bytes.len().saturating_add(length);
        }
        Ok(length)
    }

    /// Releases the buffer of [`Self::bytes`] or [`Self::text`].
    pub(super) fn release<T: ToOwned + ?Sized>(&mut self, content: Cow<'a, T>)
    where
        T::Owned: AsRef<[u8]>,
    {
        if let Cow::Owned(whole) = content {
            self.sink.release(whole.as_ref().len());
        }
    }

    /// Takes text. Each chunk must be valid (RFC 8949), so a divided character is `Malformed`.
    pub(super) fn text(&mut self, head: Head) -> Result<Cow<'a, str>> {
        if !head.is_indefinite() {
            return Ok(Cow::Borrowed(self.input.text(head.n, head.at)?));
        }
        let length = self.length_of_chunks(head, Input::take)?;
        let mut whole: Cow<'a, str> = Cow::Borrowed("");
        while let Some(chunk) = self.chunk(head)? {
            let bytes = self.input.take(chunk.n, chunk.at)?;
            let text = utf8(bytes, self.input.at.saturating_sub(bytes.len()))?;
            if whole.is_empty() {
                whole = Cow::Borrowed(text);
            } else if !text.is_empty() {
                if let Cow::Borrowed(first) = whole {
                    self.sink.hold(length)?;
                    let mut room = String::new();
                    room.try_reserve_exact(length).map_err(|_| memory::out_of_memory(length))?;
                    room.push_str(first);
                    whole = Cow::Owned(room);
                }
                whole.to_mut().push_str(text);
            }
        }
        Ok(whole)
    }

    fn chunk(&mut self, string: Head) -> Result<Option<Head>> {
        if self.input.peek() == Some(BREAK) {
            self.input.byte()?;
            return Ok(None);
        }
        let chunk = head(&mut self.input)?;
        if chunk.major != string.major || chunk.is_indefinite() {
            return Err(malformed(
                chunk.at,
                "a chunk of an indefinite string is a definite string of the same kind",
            ));
        }
        Ok(Some(chunk))
    }
}

#[cold]
fn under_key(error: Error, key: &[u8]) -> Error {
    error.under_key(&String::from_utf8_lossy(key))
}
