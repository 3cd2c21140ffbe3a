//! The layout of a struct in a small language: `f64 celsius; u32 count; char name[16]; i16 raw[8] @64`.
//!
//! A user writes the description, so every error has its offset.

use std::str::FromStr;

use bytes::Bytes;

use linkspan_value::error::{Error, ErrorKind, Result, quoted};
use linkspan_value::value::{DType, Map, NdArrayRef, Order, Value};

/// The layout of a struct in another program's memory.
///
/// Fields are in order, each ended by `;` or the end of the line; `#` begins a comment. A field is a type, a name, and
/// up to 15 dimensions in brackets; the last dimension varies fastest, as in C. `@` and an offset follow if the field
/// is not directly after the one before.
///
/// | type | in C | value |
/// |---|---|---|
/// | `i8 i16 i32 i64`, `u8 u16 u32 u64` | `int8_t` … | integer; with dimensions an N-d array |
/// | `f32 f64`, `c64 c128` | `float`, `double`, `float complex`, `double complex` | float; an N-d array |
/// | `bool` | `_Bool` | bool; with dimensions an N-d array |
/// | `char` | `char`, `char name[16]` | text up to the first NUL |
/// | `bytes` | `unsigned char blob[16]` | bytes |
/// | `pad[12]` | | nothing: these bytes are skipped |
///
/// As in C on x86-64 and aarch64, a field is at a multiple of its element's size, and the struct's size is a multiple
/// of the largest of these sizes. For complex numbers the size of their parts counts. Before the fields, the word
/// `packed` turns alignment off, and `big` or `little` is the byte order of numbers. The default is the order of this
/// machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    fields: Vec<LayoutField>,
    big: bool,
    end: usize,
    /// The size with the padding at the end: the distance of structs in an array.
    size: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct LayoutField {
    name: String,
    what: FieldType,
    /// Its dimensions; empty for a single number.
    shape: Vec<u64>,
    at: usize,
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum FieldType {
    /// Numbers, or truth values.
    Number(DType),
    Text,
    Bytes,
}

const LONGEST: usize = 1 << 30;

impl Layout {
    /// Returns the distance of two structs in an array, in bytes, as C's `sizeof`.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the names of the fields, each with its offset.
    pub fn offsets(&self) -> impl Iterator<Item = (&str, usize)> {
        self.fields.iter().map(|field| (field.name.as_str(), field.at))
    }

    /// Returns the number of bytes that must exist.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Returns offset and length of the field that counts writes.
    ///
    /// `Missing` without such a field, `WrongType` if it is not an integer.
    pub(super) fn counter(&self, name: &str) -> Result<(usize, usize)> {
        let field = self.fields.iter().find(|field| field.name == name).ok_or_else(|| {
            Error::new(
                ErrorKind::Missing,
                format!("the layout has no field {name} that could count writes", name = quoted(name)),
            )
        })?;
        let counts = |dtype: DType| dtype.name().starts_with(['i', 'u']);
        match field.what {
            FieldType::Number(dtype) if field.shape.is_empty() && counts(dtype) => {
                Ok((field.at, field.length))
            }
            _ => {
                let text = format!(
                    "the field {name} is not an integer, so it cannot count writes",
                    name = quoted(name)
                );
                Err(Error::new(ErrorKind::WrongType, text))
            }
        }
    }

    pub(super) fn is_even(&self, counter: &[u8]) -> bool {
        let lowest = if self.big { counter.last() } else { counter.first() };
        lowest.is_some_and(|byte| byte % 2 == 0)
    }

    pub(super) fn values(&self, bytes: &[u8]) -> Result<Value> {
        let mut map = Map::with_capacity(self.fields.len());
        for field in &self.fields {
            let value = self.value(field, &bytes[field.at..field.at + field.length]);
            map.insert(field.name.clone(), value.map_err(|e| e.under_key(&field.name))?);
        }
        Ok(Value::Map(map))
    }

    fn value(&self, field: &LayoutField, bytes: &[u8]) -> Result<Value> {
        let dtype = match field.what {
            FieldType::Bytes => return Ok(Value::Bytes(Bytes::copy_from_slice(bytes))),
            FieldType::Text => {
                let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
                let text = std::str::from_utf8(&bytes[..end]).map_err(|e| {
                    let text = "the text is not UTF-8; declare the field as bytes";
                    Error::new(ErrorKind::Malformed, text).at(field.at + e.valid_up_to())
                })?;
                return Ok(text.into());
            }
            FieldType::Number(dtype) => dtype,
        };
        let mut bytes = bytes.to_vec();
        if self.big {
            bytes.chunks_exact_mut(part(dtype)).for_each(<[u8]>::reverse);
        }
        if dtype == DType::Bool {
            bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        }
        if field.shape.is_empty() && !matches!(dtype, DType::C64 | DType::C128) {
            return Ok(scalar(dtype, &bytes));
        }
        Ok(Value::NdArray(NdArrayRef::new(dtype, Order::Row, &field.shape, &bytes)?.to_owned()))
    }
}

/// Returns the size that is swapped and aligned: for complex numbers, the size of a part.
fn part(dtype: DType) -> usize {
    match dtype {
        DType::C64 | DType::C128 => dtype.size() / 2,
        _ => dtype.size(),
    }
}

fn scalar(dtype: DType, bytes: &[u8]) -> Value {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let bits = u64::from_le_bytes(wide);
    match dtype {
        DType::Bool => (bits != 0).into(),
        DType::I8 => i64::from(bits as u8 as i8).into(),
        DType::I16 => i64::from(bits as u16 as i16).into(),
        DType::I32 => i64::from(bits as u32 as i32).into(),
        DType::I64 => bits.cast_signed().into(),
        DType::F32 => f64::from(f32::from_bits(bits as u32)).into(),
        DType::F64 => f64::from_bits(bits).into(),
        _ => bits.into(),
    }
}

impl FromStr for Layout {
    type Err = Error;

    /// Parses the description; `Malformed` with the offset of the fault.
    fn from_str(text: &str) -> Result<Layout> {
        let mut layout = Layout { fields: Vec::new(), big: cfg!(target_endian = "big"), end: 0, size: 0 };
        let (mut packed, mut at, mut widest, mut has_field) = (false, 0usize, 1usize, false);
        for statement in statements(text) {
            let mut words = Words { text, at: statement.start, end: statement.end };
            let Some(first) = words.word() else {
                words.expect_end()?;
                continue;
            };
            if let "packed" | "big" | "little" = first {
                if has_field {
                    return Err(words.wrong(&format!(
                        "{first} is behind a field; it belongs in front of all fields",
                        first = quoted(first)
                    )));
                }
                match first {
                    "packed" => packed = true,
                    order => layout.big = order == "big",
                }
                words.expect_end()?;
                continue;
            }
            has_field = true;
            let what = match first {
                "char" => Some(FieldType::Text),
                "bytes" => Some(FieldType::Bytes),
                "pad" => None,
                name => Some(FieldType::Number(DType::from_name(name).ok_or_else(|| {
                    words.wrong(&format!("no type is called {name}; there are i8 to u64, f32, f64, c64, c128, bool, char, bytes and pad", name = quoted(name)))
                })?)),
            };
            let name = match what {
                None => "",
                Some(_) => words.word().ok_or_else(|| words.wrong("a field has a name behind its type"))?,
            };
            if layout.fields.iter().any(|field| field.name == name) {
                return Err(words.wrong(&format!("there are two fields called {name}", name = quoted(name))));
            }
            let mut shape = Vec::new();
            while let Some(length) = words.between('[', ']')? {
                shape.push(length);
            }
            if let Some(offset) = words.behind('@')? {
                at = usize::try_from(offset).unwrap_or(usize::MAX);
            } else if let Some(FieldType::Number(dtype)) = what
                && !packed
            {
                at = at.next_multiple_of(part(dtype));
            }
            words.expect_end()?;
            if matches!(what, None | Some(FieldType::Text | FieldType::Bytes)) && shape.len() > 1 {
                return Err(words.wrong("text, bytes and pad have one dimension at most"));
            }
            let element = match what {
                Some(FieldType::Number(dtype)) => {
                    if !packed {
                        widest = widest.max(part(dtype));
                    }
                    dtype.size()
                }
                _ => 1,
            };
            let length = shape
                .iter()
                .try_fold(element as u64, |product, length| product.checked_mul(*length))
                .filter(|length| at.saturating_add(*length as usize) <= LONGEST)
                .ok_or_else(|| words.wrong(&format!("the struct becomes longer than {LONGEST} bytes")))?
                as usize;
            if shape.len() > NdArrayRef::MAX_RANK {
                return Err(words.wrong("an array has 15 dimensions at most"));
            }
            if let Some(what) = what {
                layout.fields.push(LayoutField { name: name.to_owned(), what, shape, at, length });
                layout.end = layout.end.max(at + length);
            }
            at += length;
            layout.size = layout.size.max(at);
        }
        if layout.fields.is_empty() {
            return Err(malformed("the layout has no field; write one such as \"f64 celsius\"", 0));
        }
        layout.size = layout.size.next_multiple_of(widest);
        Ok(layout)
    }
}

fn malformed(text: &str, at: usize) -> Error {
    Error::new(ErrorKind::Malformed, text).at(at)
}

fn statements(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').flat_map(move |line| {
        let from = start;
        start += line.len();
        let code = line.split('#').next().unwrap_or("").trim_end_matches('\n');
        let mut at = from;
        code.split(';')
            .map(|part| {
                let range = at..at + part.len();
                at = range.end + 1;
                range
            })
            .collect::<Vec<_>>()
    })
}

struct Words<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Words<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..self.end];
        self.at = self.end - rest.trim_start().len();
        &self.text[self.at..self.end]
    }

    fn wrong(&self, what: &str) -> Error {
        malformed(what, self.at)
    }

    fn word(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if length == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.at += length;
        Some(&rest[..length])
    }

    /// Takes a number, decimal or hexadecimal.
    fn number(&mut self) -> Result<u64> {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let number = match rest[..length].strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => rest[..length].parse().ok(),
        };
        let number = number.ok_or_else(|| self.wrong("a number is expected here, such as 16 or 0x10"))?;
        self.at += length;
        Ok(number)
    }

    /// Takes a sign and its number, if the sign is next.
    fn behind(&mut self, sign: char) -> Result<Option<u64>> {
        if !self.rest().starts_with(sign) {
            return Ok(None);
        }
        self.at += 1;
        self.number().map(Some)
    }

    fn between(&mut self, open: char, close: char) -> Result<Option<u64>> {
        let Some(number) = self.behind(open)? else { return Ok(None) };
        if !self.rest().starts_with(close) {
            return Err(self.wrong(&format!("{close:?} is expected here")));
        }
        self.at += 1;
        Ok(Some(number))
    }

    fn expect_end(&mut self) -> Result<()> {
        match self.rest() {
            "" => Ok(()),
            rest => {
                let what = format!(
                    "{rest} is not understood here; a field is a type, a name, [length] and @offset",
                    rest = quoted(rest)
                );
                Err(self.wrong(&what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(text: &str) -> (Vec<usize>, usize) {
        let layout: Layout = text.parse().unwrap();
        (layout.offsets().map(|(_, at)| at).collect(), layout.size())
    }

    #[test]
    fn offsets_are_those_of_c() {
        assert_eq!(offsets("u8 a; f64 b; i16 c"), (vec![0, 8, 16], 24));
        assert_eq!(offsets("packed; u8 a; f64 b; i16 c"), (vec![0, 1, 9], 11));
        assert_eq!(offsets("char name[5]\nu32 n # a comment; with a semicolon\nc64 z"), (vec![0, 8, 12], 20));
        assert_eq!(offsets("u32 a; i16 raw[8] @ 0x40; u8 b;"), (vec![0, 64, 80], 84));
        assert_eq!(offsets("u8 a; pad[3]; u8 b; u16 m[2][3]"), (vec![0, 4, 6], 18));
    }

    #[test]
    fn values_are_read_in_either_byte_order() {
        let bytes = [0xff, 0xfe, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 2, 0, 3];
        let layout: Layout = "big; packed; i16 a; f64 b; bool c; u16 d[1]".parse().unwrap();
        let value = layout.values(&bytes).unwrap();
        assert_eq!(value.at("a").unwrap(), &Value::Int(-2));
        assert_eq!(value.at("b").unwrap().as_f64().unwrap(), 1.5);
        assert_eq!(value.at("c").unwrap(), &Value::Bool(true));
        assert_eq!(value.at("d").unwrap().as_ndarray().unwrap().elements::<u16>().unwrap()[..], [3]);
        let little: Layout = "little; i16 a; u64 b @2".parse().unwrap();
        let value = little.values(&bytes).unwrap();
        assert_eq!(value.at("a").unwrap(), &Value::Int(i64::from(0xfeffu16 as i16)));
        assert_eq!(value.at("b").unwrap().as_u64().unwrap(), 0xf83f);
        let high: Layout = "little; u64 b".parse().unwrap();
        assert_eq!(high.values(&[0xff; 8]).unwrap().at("b").unwrap().as_u64().unwrap(), u64::MAX);
    }

    #[test]
    fn layout_errors_have_their_offset() {
        for (text, at, what) in [
            ("", 0, "no field"),
            ("f64 x; f63 y", 10, "f63"),
            ("f64", 3, "a name"),
            ("f64 x[", 6, "a number"),
            ("f64 x[3", 7, "is expected"),
            ("f64 x[3] y", 9, "not understood"),
            ("f64 x @y", 7, "a number"),
            ("f64 x; f64 x", 12, "two fields"),
            ("f64 x; packed", 13, "in front"),
            ("u8 x[2000000000]", 16, "longer"),
            ("f64 x[18446744073709551615]", 27, "longer"),
            ("char x[2][2]", 12, "one dimension"),
        ] {
            let error = text.parse::<Layout>().unwrap_err();
            assert_eq!((error.kind(), error.offset()), (ErrorKind::Malformed, Some(at)), "{text}: {error}");
            assert!(error.text().contains(what), "{text}: {error}");
        }
    }
}
