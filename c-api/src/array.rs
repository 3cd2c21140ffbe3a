//! N-d arrays: conversion between `linkspan_array` and the core's arrays.

use std::ops::DerefMut;

use linkspan::value::NdArrayRef;
use linkspan::{DType, Error, ErrorKind, Order, Result};

use crate::argument::{block, named, place, query};
use crate::error::guard;
use crate::life::Checked;
use crate::status::linkspan_status;

/// The type of an array's elements.
pub type linkspan_dtype = i32;
/// One byte, 0 or 1.
pub const LINKSPAN_BOOL: linkspan_dtype = 0;
/// `int8_t`.
pub const LINKSPAN_I8: linkspan_dtype = 1;
/// `int16_t`.
pub const LINKSPAN_I16: linkspan_dtype = 2;
/// `int32_t`.
pub const LINKSPAN_I32: linkspan_dtype = 3;
/// `int64_t`.
pub const LINKSPAN_I64: linkspan_dtype = 4;
/// `uint8_t`.
pub const LINKSPAN_U8: linkspan_dtype = 5;
/// `uint16_t`.
pub const LINKSPAN_U16: linkspan_dtype = 6;
/// `uint32_t`.
pub const LINKSPAN_U32: linkspan_dtype = 7;
/// `uint64_t`.
pub const LINKSPAN_U64: linkspan_dtype = 8;
/// `float`.
pub const LINKSPAN_F32: linkspan_dtype = 9;
/// `double`.
pub const LINKSPAN_F64: linkspan_dtype = 10;
/// Two `float`: real, imaginary.
pub const LINKSPAN_C64: linkspan_dtype = 11;
/// Two `double`: real, imaginary.
pub const LINKSPAN_C128: linkspan_dtype = 12;

/// The order of an array's elements in memory. It does not change the meaning of shapes.
pub type linkspan_order = i32;
/// The last index runs fastest: C.
pub const LINKSPAN_ROW: linkspan_order = 0;
/// The first index runs fastest: Fortran.
pub const LINKSPAN_COLUMN: linkspan_order = 1;

/// The largest number of dimensions of an array.
pub const LINKSPAN_MAX_RANK: usize = 15;

/// An N-d array of numbers without gaps. Another object or the program owns its memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct linkspan_array {
    /// The type of the elements.
    pub dtype: linkspan_dtype,
    /// The order of the elements. `LINKSPAN_ROW` in a read array that is equal in both orders.
    pub order: linkspan_order,
    /// The number of used entries of `dims`; 0 for a single number.
    pub rank: usize,
    /// The length of each dimension.
    pub dims: [u64; LINKSPAN_MAX_RANK],
    /// The elements, aligned for their type.
    pub data: *const std::ffi::c_void,
    /// The size of the elements in bytes; ignored in a put array.
    pub length: usize,
}

pub(crate) fn dtype(number: linkspan_dtype) -> Result<DType> {
    let known = usize::try_from(number).ok().and_then(|n| DType::ALL.get(n)).copied();
    known.ok_or_else(|| Error::new(ErrorKind::WrongType, format!("no array has dtype {number}")))
}

pub(crate) fn order(number: linkspan_order) -> Result<Order> {
    match number {
        LINKSPAN_ROW => Ok(Order::Row),
        LINKSPAN_COLUMN => Ok(Order::Column),
        _ => Err(Error::new(ErrorKind::WrongType, format!("no array has order {number}"))),
    }
}

impl Checked for linkspan_array {}

impl linkspan_array {
    pub(crate) const NOTHING: linkspan_array = linkspan_array {
        dtype: 0,
        order: 0,
        rank: 0,
        dims: [0; LINKSPAN_MAX_RANK],
        data: std::ptr::null(),
        length: 0,
    };

    pub(crate) fn shape(&self) -> Result<(DType, &[u64])> {
        self.layout().map(|(dtype, _, dims)| (dtype, dims))
    }

    pub(crate) fn layout(&self) -> Result<(DType, Order, &[u64])> {
        let (dtype, order) = (dtype(self.dtype)?, order(self.order)?);
        let dims = self.dims.get(..self.rank).ok_or_else(|| {
            let text =
                format!("over the rank limit: {} dimensions asked, {LINKSPAN_MAX_RANK} allowed", self.rank);
            Error::new(ErrorKind::TooLarge, text)
        })?;
        Ok((dtype, order, dims))
    }

    /// # Safety
    /// `data` points to as many elements as `dims` require.
    pub(crate) unsafe fn lend(&self) -> Result<NdArrayRef<'_>> {
        let (dtype, order, dims) = self.layout()?;
        let length = NdArrayRef::byte_length(dtype, dims)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        // SAFETY: by contract.
        let data = unsafe { block(self.data.cast(), length, "array->data") }?;
        NdArrayRef::new(dtype, order, dims, data)
    }

    /// Returns the memory of the elements for writing.
    ///
    /// # Safety
    /// `data` has room for as many elements as `dims` require, which outlives `'a`, and nothing else uses it.
    pub(crate) unsafe fn room<'a>(&self) -> Result<&'a mut [u8]> {
        let (dtype, _, dims) = self.layout()?;
        let bytes = usize::try_from(NdArrayRef::byte_length(dtype, dims)?).unwrap_or(usize::MAX);
        // SAFETY: by contract.
        let bytes = unsafe { block(self.data.cast(), bytes, "to->data") }?.len();
        if bytes == 0 {
            return Ok(&mut []);
        }
        // SAFETY: not NULL, a possible length, and room by contract.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.data.cast_mut().cast::<u8>(), bytes) })
    }

    pub(crate) fn unaligned(array: NdArrayRef<'_>) -> linkspan_array {
        let mut seen = linkspan_array::NOTHING;
        seen.describe(array);
        seen
    }

    /// Describes an array in place, aligned or not. `self` must be empty.
    pub(crate) fn describe(&mut self, array: NdArrayRef<'_>) {
        self.dtype = array.dtype as linkspan_dtype;
        self.order = array.order as linkspan_order;
        self.rank = array.shape.len();
        match array.shape {
            // Faster for most arrays than a call that copies eight bytes.
            [length] => self.dims[0] = *length,
            lengths => self.dims[..lengths.len()].copy_from_slice(lengths),
        }
        self.data = array.data.as_ptr().cast();
        self.length = array.data.len();
    }

    /// Describes an array for C; unaligned data is first copied into `aligned`. `self` must be empty.
    pub(crate) fn view<A: DerefMut<Target = Aligned>>(
        &mut self,
        array: NdArrayRef<'_>,
        aligned: impl FnOnce() -> A,
    ) -> Result<()> {
        let data = if array.data.is_empty() {
            // C may form an empty array from an aligned pointer that is not NULL.
            std::ptr::without_provenance(8)
        } else if array.data.as_ptr().addr().is_multiple_of(alignment(array.dtype)) {
            array.data.as_ptr()
        } else {
            aligned().copy(array.data)?
        };
        self.describe(array);
        self.data = data.cast();
        Ok(())
    }
}

/// A complex number has the alignment of its parts.
fn alignment(dtype: DType) -> usize {
    match dtype {
        DType::C64 => 4,
        dtype => dtype.size().min(8),
    }
}

/// Aligned copies of array data, found by the original's address. They live as long as their message.
///
/// Encodings other than the default produce unaligned data, which C cannot read in place.
#[derive(Default)]
pub(crate) struct Aligned(Vec<(usize, usize, Box<[u64]>)>);

impl Aligned {
    fn copy(&mut self, data: &[u8]) -> Result<*const u8> {
        let (place, length) = (data.as_ptr().addr(), data.len());
        let known = self.0.iter().position(|(p, l, _)| (*p, *l) == (place, length));
        if let Some(at) = known {
            return Ok(self.0[at].2.as_ptr().cast());
        }
        let words = length.div_ceil(8);
        let mut copy: Vec<u64> = Vec::new();
        copy.try_reserve_exact(words).map_err(|_| {
            let text = format!("no memory for {length} bytes of an array that did not come aligned");
            Error::new(ErrorKind::OutOfMemory, text)
        })?;
        copy.extend(data.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word).to_le()
        }));
        let at = copy.as_ptr().cast();
        self.0.push((place, length, copy.into_boxed_slice()));
        Ok(at)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Gets the length in bytes of an array's elements from `dtype`, `rank` and `dims`.
///
/// `WrongType` or `TooLarge` if these are invalid. `InvalidState` if there are elements and `data` is NULL.
///
/// # Safety
/// `array->data` has the elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_array_length(
    array: *const linkspan_array,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(array, place!(length), |array| Ok(array.lend()?.data.len())) }
}

/// Copies an array's elements into the caller's memory; each keeps its indexes.
///
/// `to` has the requested order and type, which must hold all values: integers widen to integers and floats, `float` to
/// `double`, complex numbers to wider ones, real numbers to complex ones. `WrongType` for other types, or if `rank` and
/// `dims` differ. `OutOfRange` if a 64-bit integer is not exact as a `double`; `to->data` is then partly written.
///
/// # Safety
/// Both arrays have their elements and do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_array_copy(
    from: *const linkspan_array,
    to: *const linkspan_array,
) -> linkspan_status {
    guard(|| {
        // SAFETY: by contract.
        let (from, to) = unsafe { (named(from, "from")?.lend()?, named(to, "to")?) };
        let (dtype, order, dims) = to.layout()?;
        if dims != from.shape {
            let text = format!("expected an array of shape {dims:?}, found one of {:?}", from.shape);
            return Err(Error::new(ErrorKind::WrongType, text));
        }
        // SAFETY: by contract.
        copy_elements(from, dtype, order, unsafe { to.room() }?)
    })
}

/// Returns whether both orders are equal in memory.
pub(crate) fn same_in_both_orders(shape: &[u64]) -> bool {
    shape.contains(&0) || shape.iter().filter(|length| **length > 1).count() < 2
}

pub(crate) fn copy_elements(from: NdArrayRef<'_>, dtype: DType, order: Order, to: &mut [u8]) -> Result<()> {
    if from.dtype == dtype && (from.order == order || same_in_both_orders(from.shape)) {
        to.copy_from_slice(from.data);
        return Ok(());
    }
    let Some(widen) = widening(from.dtype, dtype) else {
        let text = format!(
            "found an array of {}, which is not converted to {}: request a type that holds each of its values",
            from.dtype.name(),
            dtype.name()
        );
        return Err(Error::new(ErrorKind::WrongType, text));
    };
    if to.is_empty() {
        // The other dimensions of an empty array may have any length.
        return Ok(());
    }
    let (size_from, size_to) = (from.dtype.size(), dtype.size());
    let count = to.len() / size_to;
    // The strides of `from` in elements, for an index in the order of `to`, the fastest dimension first.
    let mut strides = vec![0; from.shape.len()];
    let mut step = 1;
    let fastest = |o: Order, i: usize| if o == Order::Column { i } else { from.shape.len() - 1 - i };
    for i in 0..strides.len() {
        let dimension = fastest(from.order, i);
        strides[dimension] = step;
        step *= from.shape[dimension] as usize;
    }
    let mut index = vec![0u64; from.shape.len()];
    let mut at = 0;
    for n in 0..count {
        let element = &from.data[at * size_from..(at + 1) * size_from];
        if !widen(element, &mut to[n * size_to..(n + 1) * size_to]) {
            return Err(inexact(from.dtype, dtype, at));
        }
        for i in 0..index.len() {
            let dimension = fastest(order, i);
            index[dimension] += 1;
            at += strides[dimension];
            if index[dimension] < from.shape[dimension] {
                break;
            }
            at -= strides[dimension] * index[dimension] as usize;
            index[dimension] = 0;
        }
    }
    Ok(())
}

#[cold]
fn inexact(from: DType, to: DType, at: usize) -> Error {
    let text = format!(
        "found an array of {}, and the element at position {at} of its memory is no {} without loss",
        from.name(),
        to.name()
    );
    Error::new(ErrorKind::OutOfRange, text)
}

/// Writes an element as a wider type. Returns false if the value would change.
type Widen = fn(&[u8], &mut [u8]) -> bool;

/// Returns the conversion to a wider little-endian element; `None` if not allowed.
fn widening(from: DType, to: DType) -> Option<Widen> {
    use DType::{C64, C128, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    fn same(from: &[u8], to: &mut [u8]) -> bool {
        to.copy_from_slice(from);
        true
    }
    fn unsigned(from: &[u8], to: &mut [u8]) -> bool {
        to[..from.len()].copy_from_slice(from);
        to[from.len()..].fill(0);
        true
    }
    fn signed(from: &[u8], to: &mut [u8]) -> bool {
        to[..from.len()].copy_from_slice(from);
        to[from.len()..].fill(sign(from));
        true
    }
    fn sign(from: &[u8]) -> u8 {
        if from[from.len() - 1] & 0x80 == 0 { 0 } else { 0xff }
    }
    fn floats(from: &[u8], to: &mut [u8]) -> bool {
        for (from, to) in from.chunks_exact(4).zip(to.chunks_exact_mut(8)) {
            let wide = f64::from(f32::from_le_bytes([from[0], from[1], from[2], from[3]]));
            to.copy_from_slice(&wide.to_le_bytes());
        }
        true
    }
    fn complex(from: &[u8], to: &mut [u8]) -> bool {
        to.fill(0);
        to[..from.len()].copy_from_slice(from);
        true
    }
    fn wider_complex(from: &[u8], to: &mut [u8]) -> bool {
        to.fill(0);
        floats(from, &mut to[..8])
    }
    /// Writes an integer of up to 64 bits as a float with exactly that value.
    fn float(from: &[u8], to: &mut [u8], fill: u8) -> bool {
        const EXACT: u64 = 1 << 53;
        let mut wide = [fill; 8];
        wide[..from.len()].copy_from_slice(from);
        let (magnitude, value) = if fill == 0 {
            (u64::from_le_bytes(wide), u64::from_le_bytes(wide) as f64)
        } else {
            (i64::from_le_bytes(wide).unsigned_abs(), i64::from_le_bytes(wide) as f64)
        };
        match to.len() {
            // Only integers of 8 and 16 bits arrive here.
            4 => to.copy_from_slice(&(value as f32).to_le_bytes()),
            _ => to.copy_from_slice(&value.to_le_bytes()),
        }
        magnitude <= EXACT
    }
    fn signed_float(from: &[u8], to: &mut [u8]) -> bool {
        float(from, to, sign(from))
    }
    fn unsigned_float(from: &[u8], to: &mut [u8]) -> bool {
        float(from, to, 0)
    }
    match (from, to) {
        (a, b) if a == b => Some(same),
        (U8, I16 | I32 | I64 | U16 | U32 | U64) => Some(unsigned),
        (U16, I32 | I64 | U32 | U64) | (U32, I64 | U64) => Some(unsigned),
        (I8, I16 | I32 | I64) | (I16, I32 | I64) | (I32, I64) => Some(signed),
        (I8 | I16, F32 | F64) | (I32 | I64, F64) => Some(signed_float),
        (U8 | U16, F32 | F64) | (U32 | U64, F64) => Some(unsigned_float),
        (F32, F64) | (C64, C128) => Some(floats),
        (F32, C64) | (F64, C128) => Some(complex),
        (F32, C128) => Some(wider_complex),
        _ => None,
    }
}

/// Checks type, order and shape. `u64::MAX` in `lengths` means any length.
pub(crate) fn array_fits(
    array: &NdArrayRef<'_>,
    dtype: DType,
    order: Option<Order>,
    lengths: Option<&[u64]>,
) -> Result<()> {
    let one_order = order.is_none_or(|order| order == array.order) || same_in_both_orders(array.shape);
    let fits = array.dtype == dtype
        && one_order
        && lengths.is_none_or(|lengths| {
            lengths.len() == array.shape.len()
                && lengths.iter().zip(array.shape).all(|(wanted, is)| *wanted == u64::MAX || wanted == is)
        });
    if fits {
        return Ok(());
    }
    let shown = lengths.map_or(String::new(), |lengths| {
        let lengths: Vec<_> = lengths
            .iter()
            .map(|length| if *length == u64::MAX { "*".into() } else { length.to_string() })
            .collect();
        format!(" [{}]", lengths.join(", "))
    });
    let text = format!(
        "an N-d array of {}{shown} is expected, one of {} {:?} in {} order was found",
        dtype.name(),
        array.dtype.name(),
        array.shape,
        array.order.name()
    );
    Err(Error::new(ErrorKind::WrongType, text))
}
