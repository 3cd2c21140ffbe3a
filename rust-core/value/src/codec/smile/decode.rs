//! Smile to values: a walk over the bytes that drives a Sink.
//!
//! The decoder rebuilds the tables of names and values.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use super::count::count;
use super::number::{from_twos_complement, take, take_bits, take_safe, take_signed};
use super::token::{KeyToken, ValueToken, header, long_text, text};
use super::{END_OF_CONTENT, TABLE, feature};
use crate::codec::input::{Input, ItemCounts, malformed};
use crate::codec::{containers, levels, too_deep};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Decimal, Limits, Sink, Source, Value};

pub(crate) fn decode<S: Sink>(bytes: &[u8], limits: &Limits, sink: &mut S) -> Result<()> {
    let mut input = Input::new(bytes);
    // The first pass also begins after the header.
    let features = header(&mut input)?;
    let levels = levels(limits);
    let counts = count(input.clone(), levels as usize, containers(limits), sink);
    let mut decoder = Decoder {
        input,
        sink,
        counts,
        levels,
        nodes: limits.most_nodes(),
        names: TextTable::new(features & feature::SHARED_NAMES != 0),
        values: TextTable::new(features & feature::SHARED_VALUES != 0),
        raw_binary: features & feature::RAW_BINARY != 0,
    };
    decoder.value()?;
    // The end marker is optional.
    if decoder.input.peek() == Some(END_OF_CONTENT) {
        decoder.input.at = decoder.input.at.saturating_add(1);
    }
    decoder.input.finish()
}

/// The texts that a reference may name.
///
/// One table is for names and one for values; the header declares the tables of the document.
/// Entries are slices of the message, so a table takes no copies.
struct TextTable<'a> {
    is_declared: bool,
    entries: Vec<&'a str>,
}

impl<'a> TextTable<'a> {
    fn new(is_declared: bool) -> TextTable<'a> {
        TextTable { is_declared, entries: Vec::new() }
    }

    fn add(&mut self, text: &'a str) {
        if !self.is_declared {
            return;
        }
        if self.entries.len() == TABLE {
            self.entries.clear();
        }
        self.entries.push(text);
    }

    fn get(&self, number: usize, at: usize) -> Result<&'a str> {
        self.entries.get(number).copied().ok_or_else(|| {
            malformed(at, format!("a reference to text {number}, and the table has {}", self.entries.len()))
        })
    }
}

struct Decoder<'a, 's, S> {
    input: Input<'a>,
    sink: &'s mut S,
    counts: ItemCounts,
    /// The number of containers that may still be opened inside the innermost one.
    levels: u32,
    nodes: u64,
    names: TextTable<'a>,
    values: TextTable<'a>,
    raw_binary: bool,
}

impl<'a, S: Sink> Decoder<'a, '_, S> {
    fn value(&mut self) -> Result<()> {
        let at = self.input.at;
        let byte = self.input.byte()?;
        match ValueToken::of(byte) {
            Some(token) => self.token(token, at).map_err(|e| e.at(at)),
            None => Err(malformed(at, format!("no value begins with {byte:#04x}"))),
        }
    }

    /// Decodes the value that begins with this token at offset `at`. An error of the sink has this
    /// offset.
    fn token(&mut self, token: ValueToken, at: usize) -> Result<()> {
        match token {
            ValueToken::Null => self.sink.null(),
            ValueToken::Bool(value) => self.sink.bool(value),
            ValueToken::Int(value) => self.sink.int(value),
            ValueToken::Int32 => {
                // Other readers would truncate a longer integer under a token of 32 bits, so it is
                // refused.
                let value = take_signed(&mut self.input)?;
                if i32::try_from(value).is_err() {
                    return Err(malformed(
                        at,
                        format!("{value} is written as an integer of 32 bits and has more"),
                    ));
                }
                self.sink.int(value)
            }
            ValueToken::Int64 => {
                let value = take_signed(&mut self.input)?;
                self.sink.int(value)
            }
            ValueToken::BigInteger => {
                let value = self.big_integer(at)?;
                value.walk(self.sink)
            }
            ValueToken::BigDecimal => {
                let decimal = self.decimal(at)?;
                self.sink.decimal(&decimal)
            }
            ValueToken::Float32 => {
                // 32 bits in five bytes of seven, a NaN kept bit by bit.
                let bits = take_bits::<5>(&mut self.input, 32)?;
                self.sink.float(crate::codec::input::from_f32(bits as u32))
            }
            ValueToken::Float64 => {
                let bits = take_bits::<10>(&mut self.input, 64)?;
                self.sink.float(f64::from_bits(bits))
            }
            ValueToken::Empty => self.sink.text(""),
            ValueToken::Short(length, ascii) => {
                let bytes = self.input.take(length, at)?;
                let value = text(bytes, at.saturating_add(1), ascii)?;
                // Text of 65 bytes also has a short token, but is not shared.
                if bytes.len() <= 64 {
                    self.values.add(value);
                }
                self.sink.text(value)
            }
            ValueToken::Long(ascii) => {
                let value = text(long_text(&mut self.input)?, at.saturating_add(1), ascii)?;
                self.sink.text(value)
            }
            ValueToken::Reference(number) => {
                let value = self.values.get(number, at)?;
                self.sink.text(value)
            }
            ValueToken::LongReference(high) => {
                // Ten bits: two in the token, eight in the next byte.
                let number = high | usize::from(self.input.byte()?);
                let value = self.values.get(number, at)?;
                self.sink.text(value)
            }
            ValueToken::SafeBinary => {
                // The decoded bytes are in a separate buffer until the sink has them.
                let bytes = take_safe(&mut self.input, at, self.sink)?;
                self.sink.bytes(&bytes)?;
                self.sink.release(bytes.len());
                Ok(())
            }
            ValueToken::RawBinary if self.raw_binary => {
                let length = take(&mut self.input)?;
                let bytes = self.input.take(length, at)?;
                self.sink.bytes(bytes)
            }
            ValueToken::RawBinary => Err(malformed(at, "raw binary occurs, which the header excludes")),
            ValueToken::BeginArray => self.array(at),
            ValueToken::BeginObject => self.object(at),
            ValueToken::EndArray => Err(malformed(at, "the end of an array is in the place of a value")),
        }
    }

    /// Takes the integer in the 7-bit binary: a two's complement, most significant byte first.
    ///
    /// The sink counts its bytes during the conversion.
    fn big_integer(&mut self, at: usize) -> Result<Value> {
        let bytes = take_safe(&mut self.input, at, self.sink)?;
        let held = bytes.len();
        let value = from_twos_complement(bytes)?;
        self.sink.release(held);
        Ok(value)
    }

    /// Takes a decimal number: its scale and its digits as a big integer.
    ///
    /// # Errors
    ///
    /// `OutOfRange` for a scale beyond 32 bits, `TooLarge` for too many digits.
    fn decimal(&mut self, at: usize) -> Result<Decimal> {
        let scale = take_signed(&mut self.input)?;
        // Java's BigDecimal: scale, then the digits as a big integer.
        let digits = match self.big_integer(at)? {
            Value::Uint(n) => n.to_string(),
            Value::BigInt(n) => n.to_string(),
            other => other.as_i64()?.to_string(),
        };
        // The scale is the number of digits after the point: the negated exponent.
        let exponent = scale.checked_neg().and_then(|e| i32::try_from(e).ok()).ok_or_else(|| {
            Error::new(ErrorKind::OutOfRange, "the exponent of a decimal number has 32 bits").at(at)
        })?;
        match digits.strip_prefix('-') {
            Some(digits) => Decimal::from_parts(true, digits, exponent),
            None => Decimal::from_parts(false, &digits, exponent),
        }
    }

    fn enter(&mut self, at: usize) -> Result<usize> {
        self.levels = self.levels.checked_sub(1).ok_or_else(|| too_deep(at))?;
        self.counts.take().ok_or_else(|| {
            let text = format!("over the node limit: {} values allowed", self.nodes);
            Error::new(ErrorKind::TooLarge, text).at(at)
        })
    }

    /// Decodes an array. The first pass counted its items, so the end mark is checked only at the
    /// end.
    fn array(&mut self, at: usize) -> Result<()> {
        let count = self.enter(at)?;
        self.sink.begin_array(count)?;
        for index in 0..count {
            self.value().map_err(|e| e.under_index(index))?;
        }
        let end = self.input.at;
        if ValueToken::of(self.input.byte()?) != Some(ValueToken::EndArray) {
            return Err(malformed(end, "an item or the end of an array is expected"));
        }
        self.levels = self.levels.saturating_add(1);
        self.sink.end_array()
    }

    fn object(&mut self, at: usize) -> Result<()> {
        let count = self.enter(at)?;
        self.sink.begin_map(count)?;
        while let Some(key) = self.key()? {
            self.value().map_err(|e| e.under_key(key))?;
        }
        self.levels = self.levels.saturating_add(1);
        self.sink.end_map()
    }

    /// Takes the next key and passes it to the sink; `None` at the end of the object.
    ///
    /// A new key enters the table of names, as in the encoder.
    fn key(&mut self) -> Result<Option<&'a str>> {
        let at = self.input.at;
        let byte = self.input.byte()?;
        let Some(name) = KeyToken::of(byte) else {
            return Err(malformed(at, format!("no key begins with {byte:#04x}")));
        };
        let key = match name {
            KeyToken::EndObject => return Ok(None),
            KeyToken::Empty => "",
            KeyToken::Reference(number) => self.names.get(number, at)?,
            KeyToken::LongReference(high) => {
                let number = high | usize::from(self.input.byte()?);
                self.names.get(number, at)?
            }
            KeyToken::Short(length, ascii) => {
                let key = text(self.input.take(length, at)?, at.saturating_add(1), ascii)?;
                self.names.add(key);
                key
            }
            KeyToken::Long => {
                let key = text(long_text(&mut self.input)?, at.saturating_add(1), false)?;
                self.names.add(key);
                key
            }
        };
        match self.sink.key(key) {
            Ok(()) => Ok(Some(key)),
            Err(e) => Err(e.at(at).under_key(key)),
        }
    }
}
