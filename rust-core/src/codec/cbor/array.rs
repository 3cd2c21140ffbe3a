//! CBOR's arrays of numbers (RFC 8746) to N-d arrays.

use std::borrow::Cow;

use super::decode::Decoder;
use super::head::{Head, head};
use super::{COLUMN_MAJOR, COMPLEX, HOMOGENEOUS, ROW_MAJOR};
use crate::codec::float::f16_to_f32;
use crate::codec::input::{malformed, unsupported};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{DType, NdArrayRef, Order, Sink};

/// The elements of an array and their type.
type Elements<'a> = (DType, Cow<'a, [u8]>);

impl<'a, S: Sink> Decoder<'a, '_, S> {
    /// The array that this tag begins, with its shape or as one dimension.
    pub(super) fn ndarray(&mut self, tag: Head) -> Result<()> {
        let order = match tag.n {
            ROW_MAJOR => Order::Row,
            COLUMN_MAJOR => Order::Column,
            _ => {
                let (dtype, data) = self.elements(tag)?;
                let count = data.len() as u64 / dtype.size() as u64;
                self.sink.ndarray(NdArrayRef::new(dtype, Order::Row, &[count], &data)?)?;
                self.done_with(data);
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
        let mut shape = [0; NdArrayRef::MAX_RANK];
        for dimension in &mut shape[..rank] {
            *dimension = self.expect(0, "a dimension is an integer without sign")?.n;
        }
        self.end(dimensions)?;
        let content = head(&mut self.input)?;
        let (dtype, data) = match content.major {
            4 => self.plain(content)?,
            6 => self.elements(content)?,
            _ => return Err(malformed(content.at, WHAT)),
        };
        self.end(pair)?;
        self.sink.ndarray(NdArrayRef::new(dtype, order, &shape[..rank], &data)?)?;
        self.done_with(data);
        Ok(())
    }

    /// The elements under the tag of a typed array, a homogeneous array or complex numbers.
    fn elements(&mut self, tag: Head) -> Result<Elements<'a>> {
        match tag.n {
            HOMOGENEOUS => {
                let content = self.expect(4, "a homogeneous array is an array")?;
                self.plain(content)
            }
            COMPLEX => {
                let content = self.expect(6, "complex numbers are a typed array here")?;
                let (parts, data) = self.typed(content)?;
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

    /// A typed array: the tag is `010 float signed little length`, RFC 8746 section 2.1.
    fn typed(&mut self, tag: Head) -> Result<Elements<'a>> {
        let dtype = match tag.n {
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
        let data = self.bytes(content)?;
        let data = match tag.n {
            80 | 84 => {
                let bits = if tag.n == 80 { u16::from_be_bytes } else { u16::from_le_bytes };
                if !data.len().is_multiple_of(2) {
                    return Err(malformed(tag.at, "a typed array ends within an element"));
                }
                let mut wide = self.begin_whole(&[], data.len() * 2)?;
                wide.extend(data.chunks_exact(2).flat_map(|c| f16_to_f32(bits([c[0], c[1]])).to_le_bytes()));
                self.done_with(data);
                Cow::Owned(wide)
            }
            65..=67 | 73..=75 | 81 | 82 => {
                whole_elements(dtype, &data, tag)?;
                let mut data = match data {
                    Cow::Owned(data) => data,
                    Cow::Borrowed(bytes) => self.begin_whole(bytes, bytes.len())?,
                };
                data.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
                Cow::Owned(data)
            }
            _ => data,
        };
        whole_elements(dtype, &data, tag)?;
        Ok((dtype, data))
    }

    /// The elements of a plain array: all bools, all integers of 64 bits with sign, or all floats.
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
                    (DType::I64, if item.major == 0 { n } else { !n }.cast_unsigned())
                }
                0xf9..=0xfb => {
                    let item = head(&mut self.input)?;
                    (DType::F64, item.float().to_bits())
                }
                _ => return Err(unsupported(at, "an array of numbers holds something else")),
            };
            // The limit is asked for all of them before the first is kept.
            if dtype.is_none() {
                data = self.begin_whole(&[], count.saturating_mul(found.size()))?;
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
