//! BSON to values: a walk over the bytes that drives a Sink.
//!
//! While a document is open, the input ends at the document's end, so no element reaches beyond its
//! document.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use super::count::count;
use super::{
    ARRAY, BINARY, BOOLEAN, DATETIME, DECIMAL128, DOCUMENT, DOUBLE, INT32, INT64, NULL, STRING, binary,
    cstring, decimal128, length, skip, string, subtype, unsupported_name,
};
use crate::codec::input::{Input, ItemCounts, malformed, unsupported, utf8};
use crate::codec::{containers, levels, too_deep};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Limits, Sink, Timestamp};

pub(crate) fn decode<S: Sink>(bytes: &[u8], limits: &Limits, sink: &mut S) -> Result<()> {
    let levels = levels(limits);
    let counts = count(bytes, levels as usize, containers(limits), sink);
    let mut decoder = Decoder { input: Input::new(bytes), sink, counts, levels, nodes: limits.most_nodes() };
    decoder.document().map_err(|e| e.at(0))?;
    decoder.input.finish()
}

struct Decoder<'a, 's, S> {
    input: Input<'a>,
    sink: &'s mut S,
    counts: ItemCounts,
    /// The number of documents that may still be opened inside the innermost one.
    levels: u32,
    nodes: u64,
}

impl<'a, S: Sink> Decoder<'a, '_, S> {
    fn document(&mut self) -> Result<()> {
        let (outer, count) = self.enter()?;
        self.sink.begin_map(count)?;
        loop {
            let at = self.input.at;
            let kind = self.input.byte()?;
            if kind == 0 {
                break;
            }
            let key_at = self.input.at;
            let key = utf8(cstring(&mut self.input)?, key_at)?;
            self.sink.key(key).map_err(|e| e.at(at).under_key(key))?;
            self.value(kind, at).map_err(|e| e.at(at).under_key(key))?;
        }
        self.leave(outer)?;
        self.sink.end_map()
    }

    fn array(&mut self) -> Result<()> {
        let (outer, count) = self.enter()?;
        self.sink.begin_array(count)?;
        let mut index = 0;
        loop {
            let at = self.input.at;
            let kind = self.input.byte()?;
            if kind == 0 {
                break;
            }
            // The key is the position in decimal digits. Nothing checks it.
            cstring(&mut self.input)?;
            self.value(kind, at).map_err(|e| e.at(at).under_index(index))?;
            index = index.saturating_add(1);
        }
        self.leave(outer)?;
        self.sink.end_array()
    }

    /// Takes the length of a document and narrows the input to it. Returns the outer input and the
    /// count.
    ///
    /// # Errors
    ///
    /// `Malformed` if the length exceeds the enclosing document, `TooLarge` for a document that is
    /// too deep.
    fn enter(&mut self) -> Result<(Input<'a>, usize)> {
        let at = self.input.at;
        let length = length(&mut self.input, 5)?;
        self.input.take(length.saturating_sub(4), at)?;
        let end = self.input.at;
        self.input.at = at.saturating_add(4);
        self.levels = self.levels.checked_sub(1).ok_or_else(|| too_deep(at))?;
        let count = self.counts.take().ok_or_else(|| {
            let text = format!("over the node limit: {} values allowed", self.nodes);
            Error::new(ErrorKind::TooLarge, text).at(at)
        })?;
        let inner = self.input.up_to(end);
        Ok((std::mem::replace(&mut self.input, inner), count))
    }

    /// Restores the input after the document, which must have exactly its announced length.
    fn leave(&mut self, outer: Input<'a>) -> Result<()> {
        if self.input.remaining() > 0 {
            return Err(malformed(
                self.input.at.saturating_sub(1),
                "a document ends before its declared length",
            ));
        }
        let at = self.input.at;
        self.input = outer;
        self.input.at = at;
        self.levels = self.levels.saturating_add(1);
        Ok(())
    }

    fn value(&mut self, kind: u8, at: usize) -> Result<()> {
        match kind {
            DOUBLE => {
                let bits = u64::from_le_bytes(self.input.array()?);
                self.sink.float(f64::from_bits(bits))
            }
            STRING => {
                let bytes = string(&mut self.input)?;
                // The input is after the NUL of the string.
                let text = utf8(bytes, self.input.at.saturating_sub(bytes.len()).saturating_sub(1))?;
                self.sink.text(text)
            }
            DOCUMENT => self.document(),
            ARRAY => self.array(),
            BINARY => self.binary(at),
            BOOLEAN => match self.input.byte()? {
                0 => self.sink.bool(false),
                1 => self.sink.bool(true),
                other => Err(malformed(
                    self.input.at.saturating_sub(1),
                    format!("a boolean is 0 or 1, here is {other}"),
                )),
            },
            DATETIME => {
                let milliseconds = i64::from_le_bytes(self.input.array()?);
                let (seconds, rest) = (milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000));
                self.sink.timestamp(Timestamp::from_parts(seconds, rest.saturating_mul(1_000_000))?)
            }
            NULL => self.sink.null(),
            INT32 => {
                let value = i32::from_le_bytes(self.input.array()?);
                self.sink.int(value.into())
            }
            INT64 => {
                let value = i64::from_le_bytes(self.input.array()?);
                self.sink.int(value)
            }
            DECIMAL128 => {
                let decimal = decimal128::read(self.input.array()?)?;
                self.sink.decimal(&decimal)
            }
            // A type without a form here is `Unsupported`, but only if its content is well formed.
            kind => match unsupported_name(kind) {
                Some(name) => {
                    skip(&mut self.input, kind)?;
                    Err(unsupported(at, format!("{name} (BSON type {kind:#04x}) has no form here")))
                }
                None => Err(malformed(at, format!("no type of element has the number {kind:#04x}"))),
            },
        }
    }

    fn binary(&mut self, at: usize) -> Result<()> {
        let (kind, bytes) = binary(&mut self.input)?;
        match kind {
            subtype::GENERIC => self.sink.bytes(bytes),
            subtype::UUID => match <[u8; 16]>::try_from(bytes) {
                Ok(uuid) => self.sink.uuid(uuid),
                Err(_) => Err(malformed(at, format!("a UUID has 16 bytes, here are {}", bytes.len()))),
            },
            // Linkspan's subtype: nanoseconds since 1970, little-endian.
            subtype::TIMESTAMP if bytes.len() == 8 => {
                let mut nanoseconds = [0; 8];
                nanoseconds.copy_from_slice(bytes);
                self.sink.timestamp(Timestamp(i64::from_le_bytes(nanoseconds)))
            }
            kind => Err(unsupported(at, format!("binary of subtype {kind:#04x} has no form here"))),
        }
    }
}
