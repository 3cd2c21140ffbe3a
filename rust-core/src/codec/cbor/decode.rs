//! CBOR to values: a walk over the bytes that drives a Sink.

use std::borrow::Cow;

use super::count::count;
use super::head::{BREAK, Head, head};
use crate::codec::input::{Counts, Input, malformed, unsupported, utf8};
use crate::error::{Error, ErrorKind, Result, memory};
use crate::value::{BigInt, Limits, Sink, Source};

/// Sends the one value that `bytes` hold to `sink`, which holds the limits.
pub(crate) fn decode<S: Sink>(bytes: &[u8], limits: &Limits, sink: &mut S) -> Result<()> {
    first(bytes, limits, sink)?.finish()
}

/// Decodes the value that the bytes begin with, and gives what is left.
fn first<'a, S: Sink>(bytes: &'a [u8], limits: &Limits, sink: &mut S) -> Result<Input<'a>> {
    let nodes = limits.most_nodes();
    let counts = Counts::up_to(nodes.saturating_add(8));
    let mut decoder = Decoder { input: Input::new(bytes), sink, counts, nodes };
    decoder.value()?;
    Ok(decoder.input)
}

/// The same, and gives the number of bytes that the value takes.
pub(crate) fn decode_first<S: Sink>(bytes: &[u8], limits: &Limits, sink: &mut S) -> Result<usize> {
    Ok(first(bytes, limits, sink)?.at)
}

pub(super) struct Decoder<'a, 's, S> {
    pub(super) input: Input<'a>,
    pub(super) sink: &'s mut S,
    counts: Counts,
    nodes: u64,
}

impl<'a, S: Sink> Decoder<'a, '_, S> {
    pub(super) fn value(&mut self) -> Result<()> {
        let head = head(&mut self.input)?;
        let at = head.at;
        match head.major {
            0 => self.unsigned(head.n),
            1 => self.negative(head.n),
            2 if !head.is_indefinite() => {
                let bytes = self.input.take(head.n, at)?;
                self.sink.bytes(bytes)
            }
            3 if !head.is_indefinite() => {
                let text = self.input.text(head.n, at)?;
                self.sink.text(text)
            }
            2 | 3 => self.chunks(head),
            4 => self.array(head),
            5 => self.map(head),
            6 => self.tagged(head),
            _ => self.simple(head),
        }
        .map_err(|e| e.at(at))
    }

    /// A string in chunks.
    #[cold]
    fn chunks(&mut self, head: Head) -> Result<()> {
        if head.major == 2 {
            let bytes = self.bytes(head)?;
            self.sink.bytes(&bytes).map(|()| self.done_with(bytes))
        } else {
            let text = self.text(head)?;
            self.sink.text(&text).map(|()| self.done_with(text))
        }
    }

    #[inline]
    fn unsigned(&mut self, n: u64) -> Result<()> {
        match i64::try_from(n) {
            Ok(n) => self.sink.int(n),
            Err(_) => self.sink.uint(n),
        }
    }

    /// The integer -1 - n.
    pub(super) fn negative(&mut self, n: u64) -> Result<()> {
        match i64::try_from(n) {
            Ok(n) => self.sink.int(!n),
            Err(_) => {
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
            (24, 0..32) => Err(malformed(head.at, format!("simple value {} stands in two bytes", head.n))),
            (25..=27, _) => self.sink.float(head.float()),
            (_, n) => Err(unsupported(head.at, format!("simple value {n} has no form here"))),
        }
    }

    fn array(&mut self, head: Head) -> Result<()> {
        let count = self.items(head)?;
        self.sink.begin_array(count)?;
        for i in 0..count {
            self.value().map_err(|e| e.under_index(i))?;
        }
        self.end(head)?;
        self.sink.end_array()
    }

    fn map(&mut self, head: Head) -> Result<()> {
        let count = self.items(head)?;
        self.sink.begin_map(count)?;
        for _ in 0..count {
            let name = super::head::head(&mut self.input)?;
            if name.major != 3 || name.is_indefinite() {
                self.entry_in_chunks(name)?;
                continue;
            }
            let key = self.input.take(name.n, name.at)?;
            // One that the sink knows as a key of its own needs no look at its text.
            let taken = match self.sink.known_key(key) {
                Ok(true) => Ok(()),
                Ok(false) => self.sink.key(utf8(key, self.input.at - key.len())?),
                Err(error) => Err(error),
            };
            taken.map_err(|e| under_key(e.at(name.at), key))?;
            self.value().map_err(|e| under_key(e, key))?;
        }
        self.end(head)?;
        self.sink.end_map()
    }

    /// An entry whose key comes in chunks.
    #[cold]
    fn entry_in_chunks(&mut self, head: Head) -> Result<()> {
        if head.major != 3 {
            return Err(unsupported(head.at, "a key that is not text has no form here"));
        }
        let key = self.text(head)?;
        self.sink.key(&key).map_err(|e| e.at(head.at).under_key(&key))?;
        self.value().map_err(|e| e.under_key(&key))?;
        self.done_with(key);
        Ok(())
    }

    /// How many items the array or entries the map has.
    #[inline]
    pub(super) fn items(&mut self, head: Head) -> Result<usize> {
        if !head.is_indefinite() {
            // Each item takes a byte at least, so a claim beyond what is left is false.
            let least = if head.major == 5 { 2 } else { 1 };
            if head.n > self.input.left() as u64 / least {
                let text = format!("{} items are claimed and {} bytes are left", head.n, self.input.left());
                return Err(malformed(head.at, text));
            }
            return Ok(head.n as usize);
        }
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

    /// Takes the break of an indefinite array or map once its items are read.
    #[inline]
    pub(super) fn end(&mut self, head: Head) -> Result<()> {
        if !head.is_indefinite() {
            return Ok(());
        }
        let at = self.input.at;
        match self.input.byte()? {
            BREAK => Ok(()),
            _ => Err(malformed(at, "an indefinite item goes on after its last item")),
        }
    }

    /// The content of a byte string.
    pub(super) fn bytes(&mut self, head: Head) -> Result<Cow<'a, [u8]>> {
        if !head.is_indefinite() {
            return Ok(Cow::Borrowed(self.input.take(head.n, head.at)?));
        }
        let length = self.length_of_chunks(head)?;
        let mut whole: Cow<'a, [u8]> = Cow::Borrowed(&[]);
        while let Some(chunk) = self.chunk(head)? {
            let bytes = self.input.take(chunk.n, chunk.at)?;
            if whole.is_empty() {
                whole = Cow::Borrowed(bytes);
            } else if !bytes.is_empty() {
                if let Cow::Borrowed(first) = whole {
                    whole = Cow::Owned(self.begin_whole(first, length)?);
                }
                whole.to_mut().extend_from_slice(bytes);
            }
        }
        Ok(whole)
    }

    /// Room for a string that came in chunks, with the first of them; the sink holds it until [`Self::done_with`].
    pub(super) fn begin_whole(&mut self, first: &[u8], length: usize) -> Result<Vec<u8>> {
        self.sink.hold(length)?;
        let mut whole = Vec::new();
        memory::reserve(&mut whole, length)?;
        whole.extend_from_slice(first);
        Ok(whole)
    }

    /// The length of an indefinite string whose chunks begin here. What is wrong with them is said when they are read.
    fn length_of_chunks(&self, string: Head) -> Result<usize> {
        let mut ahead = self.input.clone();
        let mut length = 0;
        while ahead.peek() != Some(BREAK) {
            let Ok(chunk) = head(&mut ahead) else { break };
            if chunk.major != string.major || chunk.is_indefinite() {
                break;
            }
            let Ok(bytes) = ahead.take(chunk.n, chunk.at) else { break };
            length += bytes.len();
        }
        Ok(length)
    }

    /// Gives back what [`Self::bytes`] or [`Self::text`] asked for, once the sink has its content.
    #[inline]
    pub(super) fn done_with<T: ToOwned + ?Sized>(&mut self, content: Cow<'a, T>)
    where
        T::Owned: AsRef<[u8]>,
    {
        if let Cow::Owned(whole) = content {
            self.sink.release(whole.as_ref().len());
        }
    }

    /// The content of a text string; each chunk is valid text by itself.
    #[inline]
    pub(super) fn text(&mut self, head: Head) -> Result<Cow<'a, str>> {
        if !head.is_indefinite() {
            return Ok(Cow::Borrowed(self.input.text(head.n, head.at)?));
        }
        let length = self.length_of_chunks(head)?;
        let mut whole: Cow<'a, str> = Cow::Borrowed("");
        while let Some(chunk) = self.chunk(head)? {
            let bytes = self.input.take(chunk.n, chunk.at)?;
            let text = utf8(bytes, self.input.at - bytes.len())?;
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

    /// The head of the next chunk of an indefinite string; none after its break.
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

/// The error under a key that the sink has taken.
#[cold]
fn under_key(error: Error, key: &[u8]) -> Error {
    error.under_key(&String::from_utf8_lossy(key))
}
