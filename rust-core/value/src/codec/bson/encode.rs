//! Values to BSON: the [`Plain`] part; `Escape` handles the other kinds before it.
//!
//! A document's length and an element's type precede them, so they are filled in later.

use std::num::NonZeroUsize;

use super::{
    ARRAY, BINARY, BOOLEAN, DECIMAL128, DOCUMENT, DOUBLE, INT32, INT64, NULL, STRING, cstring, decimal128,
    skip, subtype,
};
use crate::codec::input::Input;
use crate::codec::output::{Output, SHORT};
use crate::error::{Error, ErrorKind, Result};
use crate::value::Stack;
use crate::value::escape::{Plain, name};
use crate::value::{Decimal, Timestamp};

pub(crate) struct Encoder<'a> {
    out: Output<'a>,
    open: Stack<OpenDocument>,
    /// The last key's type byte. Never 0: a document's length precedes it.
    kind_at: Option<NonZeroUsize>,
    /// Whether the top document wraps a value that is not a map.
    wrapped: bool,
}

#[derive(Clone, Copy)]
struct OpenDocument {
    length_at: usize,
    /// The key of the next item of an array, or [`MAP`] for a map.
    next: usize,
}

const MAP: usize = usize::MAX;

impl<'a> Encoder<'a> {
    pub(crate) fn new(out: Output<'a>) -> Encoder<'a> {
        Encoder { out, open: Stack::new(), kind_at: None, wrapped: false }
    }

    pub(crate) fn finish(&mut self) -> Result<()> {
        if self.wrapped {
            self.close()?;
        }
        self.out.finish()
    }

    /// Begins an element: type, and key if `key` has not written it. Wraps a top value except a map.
    fn element(&mut self, kind: u8) {
        match self.kind_at.take() {
            Some(at) => self.out.overwrite(at.get(), [kind]),
            None => self.item(kind, 0),
        }
    }

    /// Begins an item of an array or a value at the top: type, key and `zeros` bytes of zero, at most 8.
    #[inline(never)]
    fn item(&mut self, kind: u8, zeros: usize) {
        let Some(array) = self.open.last_mut() else {
            self.wrap(kind);
            return self.out.put_first(&[0; 8], zeros);
        };
        let n = array.next;
        array.next += 1;
        // Positions of up to three digits are written with type and NUL as one number.
        let digit = |n: usize, place: u32| u64::from(b'0' + (n % 10) as u8) << (8 * place);
        let (digits, length) = match n {
            0..10 => (digit(n, 1), 1),
            10..100 => (digit(n / 10, 1) | digit(n, 2), 2),
            100..1000 => (digit(n / 100, 1) | digit(n / 10, 2) | digit(n, 3), 3),
            _ => return self.distant_item(kind, n, zeros),
        };
        let element = u128::from(u64::from(kind) | digits).to_le_bytes();
        self.out.put_first(&element, length + 2 + zeros);
    }

    #[inline(never)]
    fn distant_item(&mut self, kind: u8, n: usize, zeros: usize) {
        self.out.push(kind);
        self.out.put_all(itoa::Buffer::new().format(n).as_bytes());
        self.out.put_first(&[0; 16], 1 + zeros);
    }

    /// Begins the document of a value at the top that is not a map: `{"$value": …}`.
    #[cold]
    fn wrap(&mut self, kind: u8) {
        self.wrapped = true;
        self.open(MAP);
        self.out.push(kind);
        self.out.put_all(name::VALUE.as_bytes());
        self.out.push(0);
    }

    #[inline]
    fn open(&mut self, next: usize) {
        self.open.push(OpenDocument { length_at: self.out.position(), next });
        self.out.put(&[0; 4]);
    }

    fn open_element(&mut self, kind: u8, next: usize) {
        if self.kind_at.is_some() {
            self.element(kind);
            return self.open(next);
        }
        self.item(kind, 4);
        self.open.push(OpenDocument { length_at: self.out.position().saturating_sub(4), next });
    }

    /// Ends a document or array and fills in its whole length. `TooLarge` beyond 31 bits.
    #[inline]
    fn close(&mut self) -> Result<()> {
        self.out.push(0);
        let Some(open) = self.open.pop() else {
            return Err(Error::new(ErrorKind::Internal, "an end came without its beginning"));
        };
        // Without memory the message has no content, and the position may be lower.
        let length = length(self.out.position().saturating_sub(open.length_at))?;
        self.out.overwrite(open.length_at, length);
        Ok(())
    }

    #[inline(never)]
    fn any_key(&mut self, key: &str) -> Result<bool> {
        if self.holds_key(key) { self.key(key).map(|()| true) } else { Ok(false) }
    }

    fn binary(&mut self, kind: u8, content: &[u8]) -> Result<()> {
        self.element(BINARY);
        self.out.put(&length(content.len())?);
        self.out.push(kind);
        self.out.block(content)
    }

    fn string(&mut self, value: &str) -> Result<()> {
        self.out.block_around(length(value.len() + 1)?, value.as_bytes(), [0])
    }
}

fn has_no_zero(word: u64) -> bool {
    // The lowest and the highest bit of each byte.
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // A zero byte borrows from its high bit.
    word.wrapping_sub(ONES) & !word & HIGH == 0
}

fn length(bytes: usize) -> Result<[u8; 4]> {
    match i32::try_from(bytes) {
        Ok(length) => Ok(length.to_le_bytes()),
        Err(_) => {
            let text = format!("BSON's lengths have 31 bits: {bytes} bytes asked; choose cbor");
            Err(Error::new(ErrorKind::TooLarge, text))
        }
    }
}

impl Plain for Encoder<'_> {
    fn null(&mut self) -> Result<()> {
        self.element(NULL);
        Ok(())
    }

    #[inline]
    fn bool(&mut self, value: bool) -> Result<()> {
        self.element(BOOLEAN);
        self.out.push(value.into());
        Ok(())
    }

    #[inline]
    fn int(&mut self, value: i64) -> Result<()> {
        if let Ok(value) = i32::try_from(value) {
            self.element(INT32);
            self.out.put(&value.to_le_bytes());
        } else {
            self.element(INT64);
            self.out.put(&value.to_le_bytes());
        }
        Ok(())
    }

    #[inline]
    fn float(&mut self, value: f64) -> Result<bool> {
        self.element(DOUBLE);
        self.out.put(&value.to_bits().to_le_bytes());
        Ok(true)
    }

    fn text(&mut self, value: &str) -> Result<()> {
        self.element(STRING);
        self.string(value)
    }

    fn bytes(&mut self, value: &[u8]) -> Result<bool> {
        self.binary(subtype::GENERIC, value).map(|()| true)
    }

    /// BSON's datetime has milliseconds; Linkspan's subtype keeps the nanoseconds.
    fn timestamp(&mut self, value: Timestamp) -> Result<bool> {
        self.binary(subtype::TIMESTAMP, &value.nanoseconds().to_le_bytes()).map(|()| true)
    }

    fn uuid(&mut self, value: [u8; 16]) -> Result<bool> {
        self.binary(subtype::UUID, &value).map(|()| true)
    }

    /// Writes an escape if decimal128 would round.
    fn decimal(&mut self, value: &Decimal) -> Result<bool> {
        let Some(bytes) = decimal128::write(value) else { return Ok(false) };
        self.element(DECIMAL128);
        self.out.put(&bytes);
        Ok(true)
    }

    fn elements(&mut self, value: &[u8]) -> Result<()> {
        self.binary(subtype::GENERIC, value)
    }

    fn begin_array(&mut self, _: usize) -> Result<()> {
        self.open_element(ARRAY, 0);
        Ok(())
    }

    fn end_array(&mut self) -> Result<()> {
        self.close()
    }

    /// The top document is not an element.
    fn begin_map(&mut self, _: usize) -> Result<()> {
        if self.open.is_empty() {
            self.open(MAP);
        } else {
            self.open_element(DOCUMENT, MAP);
        }
        Ok(())
    }

    /// The type byte is zero until the value is written.
    #[inline]
    fn key(&mut self, key: &str) -> Result<()> {
        self.kind_at = NonZeroUsize::new(self.out.position());
        self.out.block_around([0], key.as_bytes(), [0])
    }

    fn end_map(&mut self) -> Result<()> {
        self.close()
    }

    /// Checks a short key while writing it, as words that overlap.
    fn try_key(&mut self, key: &str) -> Result<bool> {
        let (at, bytes) = (self.out.position(), key.as_bytes());
        let length = bytes.len();
        let written = (length <= SHORT && self.out.has_room(length))
            && self.out.try_write::<{ SHORT + 2 }>(|to| {
                let holds = if let (Some(first), Some(last)) =
                    (bytes.first_chunk::<8>(), bytes.last_chunk::<8>())
                {
                    *to.get_mut(1..)?.first_chunk_mut()? = *first;
                    *to.get_mut(length - 7..)?.first_chunk_mut()? = *last;
                    has_no_zero(u64::from_le_bytes(*first)) & has_no_zero(u64::from_le_bytes(*last))
                } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>())
                {
                    *to.get_mut(1..)?.first_chunk_mut()? = *first;
                    *to.get_mut(length - 3..)?.first_chunk_mut()? = *last;
                    let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
                    has_no_zero(u64::from(first) | u64::from(last) << 32)
                } else {
                    to[1] = *bytes.first()?;
                    to[1 + length / 2] = bytes[length / 2];
                    to[length] = *bytes.last()?;
                    (to[1] != 0) & (to[1 + length / 2] != 0) & (to[length] != 0)
                };
                to[0] = 0;
                *to.get_mut(length + 1)? = 0;
                holds.then_some(length + 2)
            });
        if written {
            self.kind_at = NonZeroUsize::new(at);
            return Ok(true);
        }
        self.any_key(key)
    }

    /// Type, short key and length are one item.
    #[inline]
    fn try_text_entry(&mut self, key: &str, value: &str) -> Result<bool> {
        if key.len() > SHORT || !self.holds_key(key) {
            return if self.any_key(key)? { self.text(value).map(|()| true) } else { Ok(false) };
        }
        let [a, b, c, d] = length(value.len() + 1)?;
        self.out.put_around([STRING], 1, key.as_bytes(), [0, a, b, c, d]);
        self.out.block_around([], value.as_bytes(), [0]).map(|()| true)
    }

    fn holds_key(&self, key: &str) -> bool {
        // Overlapping words are faster than a call.
        let key = key.as_bytes();
        if key.len() > 16 {
            return memchr::memchr(0, key).is_none();
        }
        if let (Some(first), Some(last)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            return has_no_zero(u64::from_le_bytes(*first)) & has_no_zero(u64::from_le_bytes(*last));
        }
        if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            return has_no_zero(u64::from(first) | u64::from(last) << 32);
        }
        key.iter().all(|byte| *byte != 0)
    }

    /// Writes a map's entries again as pairs, by parsing them: a key with NUL is rare.
    fn turn_into_pairs(&mut self) -> Result<()> {
        let Some(map) = self.open.last() else {
            return Err(Error::new(ErrorKind::Internal, "a key came outside a map"));
        };
        let from = map.length_at + 4;
        let written = self.out.take_from(from)?;
        self.key(name::MAP)?;
        self.begin_array(0)?;
        let mut input = Input::new(&written);
        // This encoder wrote every entry, so the types and the end are valid.
        while let Ok(kind) = input.byte() {
            let key = cstring(&mut input)?;
            let from = input.at;
            skip(&mut input, kind)?;
            self.begin_array(2)?;
            self.element(STRING);
            self.out.put(&length(key.len() + 1)?);
            self.out.put_all(key);
            self.out.push(0);
            self.element(kind);
            self.out.put_all(input.since(from));
            self.end_array()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoding, encode};
    use crate::value::Value;

    #[test]
    fn items_of_an_array_have_their_positions_as_keys() {
        let item = |i: usize| match i % 4 {
            0 => Value::Null,
            1 => Value::map([("x", Value::Null), ("y", Value::Bool(true))]),
            2 => Value::Array(vec![Value::Int(1)]),
            _ => Value::from("text"),
        };
        let items: Vec<Value> = (0..1101).map(item).collect();
        let bytes = encode(&Value::Array(items), Encoding::Bson).unwrap();
        let mut input = Input::new(&bytes);
        input.take(4, 0).unwrap();
        assert_eq!((input.byte().unwrap(), cstring(&mut input).unwrap()), (ARRAY, name::VALUE.as_bytes()));
        let length = i32::from_le_bytes(input.array().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), input.remaining() + 4 - 1);
        for i in 0..1101 {
            let kind = input.byte().unwrap();
            assert_eq!(kind, [NULL, DOCUMENT, ARRAY, STRING][i % 4]);
            assert_eq!(cstring(&mut input).unwrap(), i.to_string().as_bytes());
            skip(&mut input, kind).unwrap();
        }
        assert_eq!(input.rest(), [0, 0]);
    }
}
