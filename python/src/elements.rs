//! Elements of an `NdArray` as Python numbers.

use linkspan::{DType, NdArray as Array, Order};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyTuple};

use crate::made;

/// The positions of an array's elements in memory, in bytes.
pub struct Layout<'a> {
    array: &'a Array,
    /// Meaningless for an empty array.
    strides: Vec<usize>,
}

impl<'a> Layout<'a> {
    /// Saturates, because an empty array may have lengths of any size.
    pub fn of(array: &'a Array) -> Layout<'a> {
        let mut strides = vec![0; array.shape.len()];
        let mut stride = array.dtype.size();
        let mut step = |dimension: usize| {
            strides[dimension] = stride;
            stride = stride.saturating_mul(usize::try_from(array.shape[dimension]).unwrap_or(usize::MAX));
        };
        match array.order {
            Order::Row => (0..array.shape.len()).rev().for_each(&mut step),
            Order::Column => (0..array.shape.len()).for_each(&mut step),
        }
        Layout { array, strides }
    }

    fn shape(&self) -> &'a [u64] {
        &self.array.shape
    }

    /// An index is an integer, or a tuple with at most one per dimension; negative ones count from the end.
    ///
    /// `IndexError` beyond a length, `TypeError` for other types.
    pub fn positions(&self, index: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
        let one = |index: &Bound<'_, PyAny>, dimension: usize| {
            let Some(&length) = self.shape().get(dimension) else {
                let text = format!("the array has {} dimensions", self.shape().len());
                return Err(PyIndexError::new_err(text));
            };
            let refused = |_| {
                PyTypeError::new_err(
                    "an index is an integer or a tuple of integers; for slices use numpy.asarray",
                )
            };
            let given: i64 = index.call_method0("__index__").map_err(refused)?.extract()?;
            let position = i128::from(given).saturating_add(if given < 0 { length.into() } else { 0 });
            if !(0..i128::from(length)).contains(&position) {
                let text =
                    format!("index {given} is outside dimension {dimension}, which has length {length}");
                return Err(PyIndexError::new_err(text));
            }
            Ok(position as usize)
        };
        match index.cast::<PyTuple>() {
            Ok(tuple) => tuple.iter().enumerate().map(|(dimension, index)| one(&index, dimension)).collect(),
            Err(_) => Ok(vec![one(index, 0)?]),
        }
    }

    fn offset(&self, positions: &[usize]) -> usize {
        positions.iter().zip(&self.strides).fold(0, |offset: usize, (position, stride)| {
            offset.saturating_add(position.saturating_mul(*stride))
        })
    }

    /// Shares memory if the remaining dimensions are contiguous.
    pub fn sub_array(&self, positions: &[usize]) -> Array {
        let Array { dtype, order, shape, data } = self.array;
        let shape = shape[positions.len()..].to_vec();
        if data.is_empty() {
            return Array { dtype: *dtype, order: Order::Row, shape, data: data.clone() };
        }
        let from = self.offset(positions);
        if *order == Order::Row {
            let bytes =
                shape.iter().fold(dtype.size(), |bytes, length| bytes.saturating_mul(*length as usize));
            let data = data.slice(from..from.saturating_add(bytes));
            return Array { dtype: *dtype, order: Order::Row, shape, data };
        }
        let mut gathered = Vec::new();
        self.gather(positions.len(), from, &mut gathered);
        Array { dtype: *dtype, order: Order::Row, shape, data: gathered.into() }
    }

    fn inner(&self, dimension: usize, from: usize, position: usize) -> usize {
        from.saturating_add(position.saturating_mul(self.strides[dimension]))
    }

    fn bytes_at(&self, at: usize) -> &[u8] {
        &self.array.data[at..][..self.array.dtype.size()]
    }

    fn gather(&self, dimension: usize, from: usize, into: &mut Vec<u8>) {
        let Some(&length) = self.shape().get(dimension) else {
            return into.extend_from_slice(self.bytes_at(from));
        };
        for position in 0..usize::try_from(length).unwrap_or(usize::MAX) {
            self.gather(dimension.saturating_add(1), self.inner(dimension, from, position), into);
        }
    }

    pub fn element<'py>(&self, py: Python<'py>, positions: &[usize]) -> PyResult<Bound<'py, PyAny>> {
        self.number(py, self.offset(positions))
    }

    /// Raises `ValueError` if an empty array would become too many lists.
    ///
    /// A peer may choose any lengths next to the zero.
    pub fn to_lists<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        const MOST_EMPTY_LISTS: u64 = 1 << 20;
        let before_zero = self.shape().iter().take_while(|length| **length > 0);
        let lists = before_zero.fold(1u64, |product, length| product.saturating_mul(*length));
        if self.array.data.is_empty() && lists > MOST_EMPTY_LISTS {
            let text = format!("an empty array of shape {:?} would be {lists} empty lists", self.array.shape);
            return Err(PyValueError::new_err(text));
        }
        self.lists(py, 0, 0)
    }

    fn lists<'py>(&self, py: Python<'py>, dimension: usize, from: usize) -> PyResult<Bound<'py, PyAny>> {
        let Some(&length) = self.shape().get(dimension) else { return self.number(py, from) };
        let list = made::list(py, std::iter::empty()).map_err(made::raised)?;
        for position in 0..usize::try_from(length).unwrap_or(usize::MAX) {
            let from = self.inner(dimension, from, position);
            list.append(self.lists(py, dimension.saturating_add(1), from)?)?;
        }
        Ok(list.into_any())
    }

    fn number<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        let bytes = self.bytes_at(at);
        macro_rules! first {
            ($number:ty) => {
                <$number>::from_le_bytes(first_bytes(bytes))
            };
        }
        Ok(match self.array.dtype {
            DType::Bool => PyBool::new(py, bytes[0] != 0).to_owned().into_any(),
            DType::I8 => made::int(py, first!(i8).into()).map_err(made::raised)?,
            DType::I16 => made::int(py, first!(i16).into()).map_err(made::raised)?,
            DType::I32 => made::int(py, first!(i32).into()).map_err(made::raised)?,
            DType::I64 => made::int(py, first!(i64)).map_err(made::raised)?,
            DType::U8 => made::uint(py, first!(u8).into()).map_err(made::raised)?,
            DType::U16 => made::uint(py, first!(u16).into()).map_err(made::raised)?,
            DType::U32 => made::uint(py, first!(u32).into()).map_err(made::raised)?,
            DType::U64 => made::uint(py, first!(u64)).map_err(made::raised)?,
            DType::F32 => made::float(py, first!(f32).into()).map_err(made::raised)?,
            DType::F64 => made::float(py, first!(f64)).map_err(made::raised)?,
            DType::C64 => {
                let imaginary = f32::from_le_bytes(first_bytes(&bytes[4..]));
                PyComplex::from_doubles(py, first!(f32).into(), imaginary.into()).into_any()
            }
            DType::C128 => {
                let imaginary = f64::from_le_bytes(first_bytes(&bytes[8..]));
                PyComplex::from_doubles(py, first!(f64), imaginary).into_any()
            }
        })
    }
}

fn first_bytes<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut first = [0; N];
    first.copy_from_slice(&bytes[..N]);
    first
}
