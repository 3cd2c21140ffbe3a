//! N-d arrays of numbers: element type, shape, order, and the elements in one little-endian block.
//!
//! [`NdArray`] owns or shares its memory, [`NdArrayRef`] borrows it. Code that fills the public fields must keep shape
//! and length in agreement.

use bytes::Bytes;

use crate::buffers;
use crate::error::{Error, ErrorKind, Result, memory};

/// The element types of an N-d array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DType {
    /// One byte, 0 or 1.
    Bool = 0,
    /// 8-bit integer.
    I8 = 1,
    /// 16-bit integer.
    I16 = 2,
    /// 32-bit integer.
    I32 = 3,
    /// 64-bit integer.
    I64 = 4,
    /// 8-bit integer without sign.
    U8 = 5,
    /// 16-bit integer without sign.
    U16 = 6,
    /// 32-bit integer without sign.
    U32 = 7,
    /// 64-bit integer without sign.
    U64 = 8,
    /// IEEE 754 binary32.
    F32 = 9,
    /// IEEE 754 binary64.
    F64 = 10,
    /// Two binary32: real, imaginary.
    C64 = 11,
    /// Two binary64: real, imaginary.
    C128 = 12,
}

impl DType {
    /// Every element type, in the order of its number.
    pub const ALL: [DType; 13] = [
        DType::Bool,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::F32,
        DType::F64,
        DType::C64,
        DType::C128,
    ];

    /// Returns the name in every language and on the wire: `f64`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::U8 => "u8",
            DType::U16 => "u16",
            DType::U32 => "u32",
            DType::U64 => "u64",
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::C64 => "c64",
            DType::C128 => "c128",
        }
    }

    /// Returns the element type of this name.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|d| d.name() == name)
    }

    /// Returns the bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::I8 | DType::U8 => 1,
            DType::I16 | DType::U16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::U64 | DType::F64 | DType::C64 => 8,
            DType::C128 => 16,
        }
    }
}

/// The elements' order in memory, which does not change the shape's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Order {
    /// The last index varies fastest: C, and NumPy's default.
    #[default]
    Row = 0,
    /// The first index varies fastest: Fortran.
    Column = 1,
}

impl Order {
    /// Returns `row` or `column`.
    pub const fn name(self) -> &'static str {
        match self {
            Order::Row => "row",
            Order::Column => "column",
        }
    }

    /// Returns `Row` if both orders are the same memory for this shape.
    pub fn for_shape(self, shape: &[u64]) -> Order {
        let is_one_line = || shape.contains(&0) || shape.iter().filter(|length| **length > 1).count() <= 1;
        if self == Order::Row || is_one_line() { Order::Row } else { self }
    }

    /// Returns the order of this name.
    pub fn from_name(name: &str) -> Option<Order> {
        [Order::Row, Order::Column].into_iter().find(|o| o.name() == name)
    }
}

/// An N-d array in borrowed memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NdArrayRef<'a> {
    /// The type of the elements.
    pub dtype: DType,
    /// Their order in memory.
    pub order: Order,
    /// The length of each dimension; empty for a single number.
    pub shape: &'a [u64],
    /// The elements, little-endian, without gaps: `product(shape) × dtype.size()` bytes.
    pub data: &'a [u8],
}

impl<'a> NdArrayRef<'a> {
    /// The greatest number of dimensions.
    pub const MAX_RANK: usize = 15;

    /// Returns an array over this memory, in order `Row` if both orders are the same memory.
    ///
    /// Equal arrays are therefore equal values.
    ///
    /// # Errors
    ///
    /// `Malformed` if shape and length disagree, or a bool is neither 0 nor 1. `TooLarge` above [`Self::MAX_RANK`]
    /// dimensions.
    pub fn new(dtype: DType, order: Order, shape: &'a [u64], data: &'a [u8]) -> Result<NdArrayRef<'a>> {
        let bytes = Self::byte_length(dtype, shape)?;
        if bytes != data.len() as u64 {
            let text = format!(
                "an array of {} with shape {shape:?} takes {bytes} bytes, here are {}",
                dtype.name(),
                data.len()
            );
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        if dtype == DType::Bool && data.iter().any(|b| *b > 1) {
            return Err(Error::new(
                ErrorKind::Malformed,
                "an array of bool holds a byte that is neither 0 nor 1",
            ));
        }
        Ok(NdArrayRef { dtype, order: order.for_shape(shape), shape, data })
    }

    /// Returns the length in bytes of an array of this shape.
    ///
    /// # Errors
    ///
    /// `TooLarge` above [`Self::MAX_RANK`] dimensions or 64 bits, also for an empty array's other lengths: callers can
    /// multiply in any order.
    pub fn byte_length(dtype: DType, shape: &[u64]) -> Result<u64> {
        if shape.len() > Self::MAX_RANK {
            let text =
                format!("over the rank limit: {} dimensions asked, {} allowed", shape.len(), Self::MAX_RANK);
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let elements = shape.iter().try_fold(1u64, |n, d| n.checked_mul((*d).max(1)));
        let elements = if shape.contains(&0) { elements.map(|_| 0) } else { elements };
        elements
            .and_then(|n| n.checked_mul(dtype.size() as u64))
            .ok_or_else(|| Error::new(ErrorKind::TooLarge, format!("the shape {shape:?} overflows 64 bits")))
    }

    /// Returns a copy that owns its memory.
    ///
    /// # Errors
    ///
    /// `OutOfMemory`.
    #[doc(hidden)]
    pub fn try_to_owned(self) -> Result<NdArray> {
        if self.data.len() < buffers::MIDDLING {
            return Ok(self.to_owned());
        }
        let mut block = buffers::take(self.data.len());
        memory::reserve(&mut block, self.data.len())?;
        block.extend_from_slice(self.data);
        let (dtype, order, shape) = (self.dtype, self.order, self.shape.to_vec());
        Ok(NdArray { dtype, order, shape, data: buffers::bytes(block) })
    }

    /// Returns a copy that owns its memory.
    pub fn to_owned(self) -> NdArray {
        NdArray {
            dtype: self.dtype,
            order: self.order,
            shape: self.shape.to_vec(),
            data: buffers::copy(self.data),
        }
    }
}

/// An N-d array that owns its memory, or shares it.
#[derive(Clone, Debug, Eq)]
pub struct NdArray {
    /// The type of the elements.
    pub dtype: DType,
    /// Their order in memory.
    pub order: Order,
    /// The length of each dimension.
    pub shape: Vec<u64>,
    /// The elements, little-endian, without gaps.
    pub data: Bytes,
}

impl PartialEq for NdArray {
    fn eq(&self, other: &NdArray) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl NdArray {
    /// Returns an array with a copy of these elements; `Malformed` for another shape.
    pub fn from_slice<T: Element>(elements: &[T], shape: &[u64], order: Order) -> Result<NdArray> {
        NdArrayRef::new(T::DTYPE, order, shape, bytemuck::cast_slice(elements)).map(NdArrayRef::to_owned)
    }

    /// Returns a one-dimensional array with a copy of these elements.
    pub fn vector<T: Element>(elements: &[T]) -> NdArray {
        NdArray {
            dtype: T::DTYPE,
            order: Order::Row,
            shape: vec![elements.len() as u64],
            data: buffers::copy(bytemuck::cast_slice(elements)),
        }
    }

    /// Returns this array, borrowed.
    pub fn as_ref(&self) -> NdArrayRef<'_> {
        NdArrayRef {
            dtype: self.dtype,
            order: self.order.for_shape(&self.shape),
            shape: &self.shape,
            data: &self.data,
        }
    }

    /// Returns the elements in memory order, borrowed if aligned; `WrongType` for another type.
    pub fn elements<T: Element>(&self) -> Result<std::borrow::Cow<'_, [T]>> {
        if self.dtype != T::DTYPE {
            let text =
                format!("expected an array of {}, found one of {}", T::DTYPE.name(), self.dtype.name());
            return Err(Error::new(ErrorKind::WrongType, text));
        }
        Ok(match bytemuck::try_cast_slice(&self.data) {
            Ok(elements) => elements.into(),
            Err(_) => self.data.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect(),
        })
    }
}

/// A Rust type that is one element.
pub trait Element: bytemuck::Pod {
    /// The element type of this Rust type.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty = $dtype:ident),*) => {
        $(impl Element for $rust { const DTYPE: DType = DType::$dtype; })*
    };
}
elements!(i8 = I8, i16 = I16, i32 = I32, i64 = I64, u8 = U8, u16 = U16, u32 = U32, u64 = U64);
elements!(f32 = F32, f64 = F64, [f32; 2] = C64, [f64; 2] = C128);

#[cfg(target_endian = "big")]
compile_error!("array elements lie in memory as they lie on the wire: little-endian");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_and_bytes_must_agree() {
        let array = NdArray::from_slice(&[1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3], Order::Column).unwrap();
        assert_eq!(array.data.len(), 48);
        assert_eq!(array.elements::<f64>().unwrap()[5], 6.0);
        assert_eq!(array.elements::<f32>().unwrap_err().kind(), ErrorKind::WrongType);
        assert_eq!(
            NdArray::from_slice(&[1u8; 5], &[2, 3], Order::Row).unwrap_err().kind(),
            ErrorKind::Malformed
        );
        assert_eq!(
            NdArrayRef::byte_length(DType::F64, &[u64::MAX, 2]).unwrap_err().kind(),
            ErrorKind::TooLarge
        );
        for (dtype, shape) in [
            (DType::F64, &[u64::MAX, 2, 0][..]),
            (DType::U8, &[1 << 40, 1 << 40, 0]),
            (DType::U8, &[0, 1 << 40, 1 << 40]),
            (DType::U8, &[1 << 40, 0, 1 << 40]),
            (DType::U8, &[0, 1 << 63, 2]),
        ] {
            let error = NdArrayRef::byte_length(dtype, shape).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge, "{shape:?}");
            assert_eq!(
                NdArrayRef::new(dtype, Order::Row, shape, &[]).unwrap_err().kind(),
                ErrorKind::TooLarge
            );
        }
        for shape in [&[0, u64::MAX][..], &[1 << 63, 0], &[0, 0], &[0]] {
            assert_eq!(NdArrayRef::byte_length(DType::U8, shape).unwrap(), 0, "{shape:?}");
        }
        assert_eq!(NdArrayRef::byte_length(DType::U8, &[1; 16]).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn order_of_a_contiguous_line_is_row() {
        for (shape, order) in [
            (&[2u64, 3][..], Order::Column),
            (&[2, 1, 3], Order::Column),
            (&[6], Order::Row),
            (&[1, 6, 1], Order::Row),
            (&[], Order::Row),
            (&[5, 0], Order::Row),
        ] {
            let bytes = vec![0; shape.iter().product::<u64>() as usize];
            assert_eq!(
                NdArrayRef::new(DType::U8, Order::Column, shape, &bytes).unwrap().order,
                order,
                "{shape:?}"
            );
        }
    }

    #[test]
    fn names_and_numbers_are_one_to_one() {
        for (i, dtype) in DType::ALL.into_iter().enumerate() {
            assert_eq!(dtype as usize, i);
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
        }
    }
}
