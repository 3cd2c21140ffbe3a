//! CBOR's arrays of numbers (RFC 8746) to N-d arrays.
//!
//! Little-endian elements reach the sink as a slice of the message. Big-endian elements, binary16 elements and plain
//! arrays of numbers are converted in a buffer, which the sink counts while it exists.

use std::borrow::Cow;

use super::decode::Decoder;
use super::head::{Head, head};
use super::{COLUMN_MAJOR, COMPLEX, HOMOGENEOUS, ROW_MAJOR};
use crate::codec::input::f16_to_f32;
use crate::codec::input::{malformed, unsupported};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{DType, NdArrayRef, Order, Sink};

type Elements<'a> = (DType, Cow<'a, [u8]>);

impl<'a, S: Sink> Decoder<'a, '_, S> {
    /// Decodes an array: tag 40 or 1040 with its shape, or a typed array of one dimension.
    ///
    /// # Errors
    ///
    /// `Malformed` if shape and elements disagree, `TooLarge` over the rank limit, `Unsupported` for elements without a
    /// form here.
    pub(super) fn ndarray(&mut self, tag: Head) -> Result<()> {
        let order = match tag.n {
            ROW_MAJOR => Order::Row,
            COLUMN_MAJOR => Order::Column,
            _ => {
                let (dtype, data) = self.elements(tag)?;
                let count = data.len() as u64 / dtype.size() as u64;
                self.sink.ndarray(NdArrayRef::new(dtype, Order::Row, &[count], &data)?)?;
                self.release(data);
                return Ok(());
            }
        };
        const WHAT: &str = "an N-d array is an array of its shape and its elements";
        let pair = self.expect(4, WHAT)?;
        if self.items(pair)? != 2 {
            return Err(malformed(pair.at, WHAT));
        }
        let dimensions = self.expect(4, "the shape of an N-d array is an array")?;
        let rank = self.items(dimensions)?;
        if rank > NdArrayRef::MAX_RANK {
            let text =
                format!("over the rank limit: {rank} dimensions asked, {} allowed", NdArrayRef::MAX_RANK);
            return Err(Error::new(ErrorKind::TooLarge, text).at(dimensions.at));
        }
        // On the stack: the rank was checked against the limit.
        let mut shape = [0; NdArrayRef::MAX_RANK];
        for dimension in &mut shape[..rank] {
            *dimension = self.expect(0, "a dimension is an integer without sign")?.n;
        }
        self.end(dimensions)?;
        let content = head(&mut self.input)?;
        let (dtype, data) = match content.major {
            // RFC 8746 also allows a plain array of numbers as the elements.
            4 => self.plain(content)?,
            6 => self.elements(content)?,
            _ => return Err(malformed(content.at, WHAT)),
        };
        // The pair, and an array of any kind, may have an indefinite length.
        self.end(pair)?;
        self.sink.ndarray(NdArrayRef::new(dtype, order, &shape[..rank], &data)?)?;
        self.release(data);
        Ok(())
    }

    fn elements(&mut self, tag: Head) -> Result<Elements<'a>> {
        match tag.n {
            HOMOGENEOUS => {
                let content = self.expect(4, "a homogeneous array is an array")?;
                self.plain(content)
            }
            COMPLEX => {
                let content = self.expect(6, "complex numbers are a typed array here")?;
                let (parts, data) = self.typed(content)?;
                // The typed array alternates real and imaginary parts.
                let dtype = match parts {
                    DType::F32 => DType::C64,
                    DType::F64 => DType::C128,
                    _ => return Err(unsupported(content.at, "complex numbers have float parts here")),
                };
                whole_elements(dtype, &data, tag)?;
                Ok((dtype, data))
            }
            64..=87 => self.typed(tag),
            n => Err(unsupported(tag.at, format!("tag {n} holds no array of numbers"))),
        }
    }

    /// Takes a typed array. Its tag is `010 float signed little length`, RFC 8746 section 2.1.
    fn typed(&mut self, tag: Head) -> Result<Elements<'a>> {
        let dtype = match tag.n {
            // 68 is U8 with clamped arithmetic, which concerns only the program.
            64 | 68 => DType::U8,
            65 | 69 => DType::U16,
            66 | 70 => DType::U32,
            67 | 71 => DType::U64,
            72 => DType::I8,
            73 | 77 => DType::I16,
            74 | 78 => DType::I32,
            75 | 79 => DType::I64,
            80 | 81 | 84 | 85 => DType::F32,
            82 | 86 => DType::F64,
            76 => return Err(unsupported(tag.at, "tag 76 is reserved")),
            83 | 87 => return Err(unsupported(tag.at, "arrays of binary128 have no form here")),
            n => return Err(unsupported(tag.at, format!("tag {n} holds no array of numbers"))),
        };
        let content = self.expect(2, "a typed array is tagged bytes")?;
        let data = self.element_bytes(content)?;
        let data = match tag.n {
            80 | 84 => {
                // 80 is big-endian, 84 little-endian.
                let bits = if tag.n == 80 { u16::from_be_bytes } else { u16::from_le_bytes };
                if !data.len().is_multiple_of(2) {
                    return Err(malformed(tag.at, "a typed array ends within an element"));
                }
                let mut wide = self.start_joining(&[], data.len() * 2)?;
                wide.extend(data.chunks_exact(2).flat_map(|c| f16_to_f32(bits([c[0], c[1]])).to_le_bytes()));
                self.release(data);
                Cow::Owned(wide)
            }
            65..=67 | 73..=75 | 81 | 82 => {
                whole_elements(dtype, &data, tag)?;
                // Joined chunks are reversed in place; borrowed bytes are copied first.
                let mut data = match data {
                    Cow::Owned(data) => data,
                    Cow::Borrowed(bytes) => self.start_joining(bytes, bytes.len())?,
                };
                data.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
                Cow::Owned(data)
            }
            _ => data,
        };
        whole_elements(dtype, &data, tag)?;
        Ok((dtype, data))
    }

    /// Takes the elements of a plain array: all bools, all integers of 64 bits with sign, or all floats.
    ///
    /// Mixed kinds are `Unsupported`, because no element type keeps all values. An empty array becomes an array of
    /// bools.
    fn plain(&mut self, array: Head) -> Result<Elements<'a>> {
        let count = self.items(array)?;
        let mut data = Vec::new();
        let mut dtype: Option<DType> = None;
        for _ in 0..count {
            let at = self.input.at;
            let next = self.input.peek().ok_or_else(|| self.input.ended())?;
            let (found, bits) = match next {
                0xf4 | 0xf5 => {
                    self.input.byte()?;
                    (DType::Bool, u64::from(next & 1))
                }
                0x00..0x40 => {
                    let item = head(&mut self.input)?;
                    let n = i64::try_from(item.n).map_err(|_| {
                        unsupported(at, "a plain array of integers beyond 64 bits with sign has no form here")
                    })?;
                    // Major type 1 is -1 - n, the complement of n.
                    (DType::I64, if item.major == 0 { n } else { !n }.cast_unsigned())
                }
                0xf9..=0xfb => {
                    let item = head(&mut self.input)?;
                    (DType::F64, item.float().to_bits())
                }
                _ => return Err(unsupported(at, "an array of numbers holds something else")),
            };
            // The sink counts the memory of all elements before the first is stored.
            if dtype.is_none() {
                data = self.start_joining(&[], count.saturating_mul(found.size()))?;
            }
            if *dtype.get_or_insert(found) != found {
                return Err(unsupported(at, "an array of numbers mixes bools, integers and floats"));
            }
            if found == DType::Bool {
                data.push(bits as u8)
            } else {
                data.extend_from_slice(&bits.to_le_bytes())
            }
        }
        self.end(array)?;
        Ok((dtype.unwrap_or(DType::Bool), Cow::Owned(data)))
    }
}

fn whole_elements(dtype: DType, data: &[u8], tag: Head) -> Result<()> {
    if data.len().is_multiple_of(dtype.size()) {
        return Ok(());
    }
    Err(malformed(tag.at, "a typed array ends within an element"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::body::{Body, Part};
    use crate::codec::{Encoding, decode_body};
    use crate::error::{ErrorKind, Result};
    use crate::value::{Limits, NdArray, Value, ValueBuilder};

    fn decoded(rest: &[u8], at: usize) -> Result<Value> {
        let part = Part { at, bytes: Bytes::from_static(&[1; 16]) };
        let body = Body::of_parts(Bytes::copy_from_slice(rest), vec![part]);
        decode_body(&body, Encoding::Cbor, &Limits::default(), ValueBuilder::default())?.finish()
    }

    #[test]
    fn only_elements_of_typed_arrays_may_be_stored_elsewhere() {
        let bytes = Value::NdArray(NdArray::vector(&[1u8; 16]));
        let words = Value::NdArray(NdArray::vector(&[0x0101u16; 8]));
        let list = Value::Array(vec![bytes.clone()]);
        assert_eq!(decoded(b"\xd8\x40\x50", 3).unwrap(), bytes);
        assert_eq!(decoded(b"\xd8\x45\x5f\x40\x50\xff", 5).unwrap(), words, "a chunk behind an empty one");
        assert_eq!(
            decoded(b"\x9f\xd8\x40\x50\xff", 4).unwrap(),
            list,
            "inside an item that is counted first"
        );
        let cases: [(&str, &[u8], usize); 11] = [
            ("bytes", b"\x50", 1),
            ("bytes in chunks", b"\x5f\x50\xff", 2),
            ("text", b"\x70", 1),
            ("a key", b"\xa1\x70\x00", 2),
            ("a big integer", b"\xc2\x50", 2),
            ("a negative big integer", b"\xc3\x50", 2),
            ("a UUID", b"\xd8\x25\x50", 3),
            ("a decimal number", b"\xc4\x82\x00\xc2\x50", 5),
            ("bytes inside an item that is counted first", b"\x9f\x50\xff", 2),
            ("more than the array has", b"\xd8\x40\x4f", 3),
            ("in front of the array", b"\xd8\x40\x50", 2),
        ];
        for (what, rest, at) in cases {
            assert_eq!(decoded(rest, at).unwrap_err().kind(), ErrorKind::Malformed, "{what}");
            // If enough bytes follow, the item is valid and the part remains unused.
            let more = [rest, &[0x61; 17]].concat();
            assert_eq!(decoded(&more, at).unwrap_err().kind(), ErrorKind::Malformed, "{what}");
        }
    }

    /// A part that only this process writes may be the content of a byte string, but of no examined item.
    #[test]
    fn byte_strings_may_be_stored_elsewhere_in_memory_that_nobody_else_writes() {
        let own = |rest: &[u8], at| {
            let part = Part { at, bytes: Bytes::from_static(&[1; 16]) };
            let body = Body::of_opaque_parts(Bytes::copy_from_slice(rest), vec![part]);
            decode_body(&body, Encoding::Cbor, &Limits::default(), ValueBuilder::default())?.finish()
        };
        let bytes = Value::Bytes(vec![1; 16].into());
        assert_eq!(own(b"\x50", 1).unwrap(), bytes);
        assert_eq!(own(b"\x5f\x50\xff", 2).unwrap(), bytes);
        assert_eq!(own(b"\x9f\x50\xff", 2).unwrap(), Value::Array(vec![bytes]));
        for (what, rest, at) in
            [("text", &b"\x70"[..], 1), ("a key", b"\xa1\x70\x00", 2), ("another length", b"\x4f", 1)]
        {
            assert_eq!(own(rest, at).unwrap_err().kind(), ErrorKind::Malformed, "{what}");
        }
    }
}
