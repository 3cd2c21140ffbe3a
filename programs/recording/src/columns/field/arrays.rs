//! A field's rows of arrays of one element type, or lists of numbers.

use std::borrow::Cow;

use bytes::Bytes;
use linkspan::{DType, Limits, NdArray, Order, Value};

use super::buffers::{Bits, EXACT, Long, json};
use crate::columns::layout::{Buffer, Column};

#[derive(Debug)]
pub(super) struct Arrays {
    pub(super) dtype: DType,
    /// The common shape, if all are equal.
    pub(super) shape: Option<Vec<u64>>,
    pub(super) order: Order,
    pub(super) are_lists: bool,
    pub(super) elements: Long,
    /// As 64-bit integers, if they differ by more than the length. All arrays are then row-major.
    pub(super) shapes: Option<Long>,
}

impl Arrays {
    pub(super) fn of(array: &NdArray) -> Arrays {
        Arrays {
            dtype: array.dtype,
            shape: Some(array.shape.clone()),
            order: array.order,
            are_lists: false,
            elements: Long::default(),
            shapes: None,
        }
    }

    pub(super) fn push(&mut self, array: &NdArray) -> bool {
        if self.are_lists || array.dtype != self.dtype {
            return false;
        }
        if let Some(shapes) = &mut self.shapes {
            shapes.push(&words(&array.shape));
            self.elements.push(&by_rows(&array.data, &array.shape, array.order, array.dtype.size()));
            return true;
        }
        let is_line = |shape: &[u64]| shape.len() == 1;
        match &self.shape {
            Some(shape) if *shape == array.shape => {
                if array.order == self.order || is_line(shape) {
                    self.elements.push(&array.data);
                } else {
                    self.make_row_major();
                    self.elements.push(&by_rows(&array.data, &array.shape, array.order, array.dtype.size()));
                }
            }
            // The length of a row gives its shape.
            Some(shape) if is_line(shape) && is_line(&array.shape) => {
                self.shape = None;
                self.elements.push(&array.data);
            }
            None if is_line(&array.shape) => self.elements.push(&array.data),
            _ => return false,
        }
        true
    }

    /// Makes arrays of a common shape row-major. The order is not part of their value.
    pub(super) fn make_row_major(&mut self) {
        if self.order == Order::Row {
            return;
        }
        let old = std::mem::take(&mut self.elements);
        let shape = self.shape.clone().unwrap_or_default();
        for row in 0..old.ends.len().saturating_sub(1) {
            self.elements.push(&by_rows(old.get(row), &shape, self.order, self.dtype.size()));
        }
        self.order = Order::Row;
    }

    /// Gives each valid row a shape, before another shape is added.
    pub(super) fn with_shapes(&self, valid: &Bits) -> Arrays {
        let (size, mut elements, mut shapes) = (self.dtype.size(), Long::default(), Long::default());
        for row in 0..valid.length {
            let data = self.elements.get(row);
            if !valid.get(row) {
                elements.push(&[]);
                shapes.push(&[]);
                continue;
            }
            let shape =
                self.shape.clone().unwrap_or_else(|| vec![data.len().checked_div(size).unwrap_or(0) as u64]);
            elements.push(&by_rows(data, &shape, self.order, size));
            shapes.push(&words(&shape));
        }
        Arrays {
            dtype: self.dtype,
            shape: None,
            order: Order::Row,
            are_lists: false,
            elements,
            shapes: Some(shapes),
        }
    }

    pub(super) fn push_list(&mut self, items: &[Value]) -> bool {
        let has_place = self.are_lists
            && numbers(items).is_some_and(|dtype| dtype == self.dtype || self.dtype == DType::F64);
        if has_place {
            for item in items {
                match (self.dtype, item) {
                    (DType::I64, Value::Int(i)) => self.elements.bytes.extend(i.to_le_bytes()),
                    (_, Value::Float(x)) => self.elements.bytes.extend(x.to_le_bytes()),
                    (_, Value::Int(i)) => self.elements.bytes.extend((*i as f64).to_le_bytes()),
                    _ => {}
                }
            }
            self.elements.end_at(self.elements.bytes.len());
        }
        has_place
    }

    pub(super) fn push_nulls(&mut self, count: usize) {
        self.elements.push_empty(count);
        if let Some(shapes) = &mut self.shapes {
            shapes.push_empty(count);
        }
    }

    /// The lists as floats; `None` if a number would lose digits.
    pub(super) fn as_floats(&self) -> Option<Arrays> {
        let words = self.elements.bytes.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word));
        let exact = |i: i64| (i.unsigned_abs() <= EXACT).then_some((i as f64).to_le_bytes());
        let bytes = words.map(exact).collect::<Option<Vec<_>>>()?.concat();
        let elements = Long { ends: self.elements.ends.clone(), bytes };
        (self.dtype == DType::I64).then_some(Arrays {
            dtype: DType::F64,
            shape: None,
            order: Order::Row,
            are_lists: true,
            elements,
            shapes: None,
        })
    }

    pub(super) fn get(&self, row: usize) -> Value {
        let data = self.elements.get(row);
        if self.are_lists {
            let words = data.as_chunks::<8>().0.iter();
            let number = |word: &[u8; 8]| match self.dtype {
                DType::I64 => Value::Int(i64::from_le_bytes(*word)),
                _ => Value::Float(f64::from_le_bytes(*word)),
            };
            return Value::Array(words.map(number).collect());
        }
        let of_length = || vec![data.len().checked_div(self.dtype.size()).unwrap_or(0) as u64];
        let shape = match &self.shapes {
            Some(shapes) => {
                shapes.get(row).as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
            }
            None => self.shape.clone().unwrap_or_else(of_length),
        };
        let data = Bytes::copy_from_slice(data);
        Value::NdArray(NdArray { dtype: self.dtype, order: self.order, shape, data })
    }

    /// Format, buffers and items. Equal shapes give lists of fixed length.
    pub(super) fn finish(
        self,
        validity: Option<Buffer>,
        has_nulls: bool,
        metadata: &mut Vec<(&'static str, String)>,
    ) -> (String, Vec<Option<Buffer>>, Box<Column>) {
        let size = self.dtype.size();
        let Long { ends, bytes } = self.elements;
        let items = items(self.dtype, bytes);
        if let Some(shape) = &self.shape {
            let lengths: Vec<_> = shape.iter().map(|length| Value::from(*length)).collect();
            let shape = json(&Value::Array(lengths), &Limits::default());
            let shape = shape.map(|shape| String::from_utf8_lossy(shape.body()).into_owned());
            metadata.push(("shape", shape.unwrap_or_default()));
            metadata.push(("order", self.order.name().to_owned()));
        }
        let product = |shape: &Vec<u64>| shape.iter().try_fold(1u64, |all, length| all.checked_mul(*length));
        let count = self.shape.as_ref().and_then(product).filter(|count| *count > 0);
        if let (Some(count), false) = (count, has_nulls) {
            return (format!("+w:{count}"), vec![validity], Box::new(items));
        }
        let size = i64::try_from(size).unwrap_or(1);
        let of_elements = |end: i64| end.checked_div(size).unwrap_or(0);
        let ends = ends.into_iter().map(of_elements).collect();
        ("+L".to_owned(), vec![validity, Some(Buffer::I64(ends))], Box::new(items))
    }
}

pub(super) fn shapes_beside(
    of: &str,
    rows: usize,
    nulls: usize,
    validity: Option<Buffer>,
    shapes: Long,
) -> Column {
    let items = items(DType::I64, shapes.bytes);
    let ends = shapes.ends.into_iter().map(|end| end / 8).collect();
    Column {
        name: format!("{of}~shape"),
        format: "+L".to_owned(),
        metadata: vec![("beside", of.to_owned())],
        length: rows,
        nulls,
        buffers: vec![validity, Some(Buffer::I64(ends))],
        items: Some(Box::new(items)),
    }
}

fn words(shape: &[u64]) -> Vec<u8> {
    shape.iter().flat_map(|length| length.to_le_bytes()).collect()
}

/// Returns the elements of an array in row-major order.
fn by_rows<'a>(data: &'a [u8], shape: &[u64], order: Order, size: usize) -> Cow<'a, [u8]> {
    if order.for_shape(shape) == Order::Row {
        return data.into();
    }
    // The distance to the next element in each dimension.
    let steps: Vec<u64> = shape
        .iter()
        .scan(1u64, |step, length| Some(std::mem::replace(step, step.saturating_mul(*length))))
        .collect();
    let mut out = Vec::with_capacity(data.len());
    let mut index = vec![0u64; shape.len()];
    for _ in 0..data.len().checked_div(size).unwrap_or(0) {
        let places = index.iter().zip(&steps).map(|(at, step): (&u64, &u64)| at.saturating_mul(*step));
        let at = places.fold(0u64, u64::saturating_add);
        let begin = usize::try_from(at).unwrap_or(usize::MAX).saturating_mul(size);
        out.extend_from_slice(data.get(begin..begin.saturating_add(size)).unwrap_or_default());
        for (at, length) in index.iter_mut().zip(shape).rev() {
            *at = at.saturating_add(1);
            if *at < *length {
                break;
            }
            *at = 0;
        }
    }
    out.into()
}

/// A column of elements, with complex numbers as pairs.
fn items(dtype: DType, bytes: Vec<u8>) -> Column {
    let format = match dtype {
        // A byte each; Arrow's own booleans are bits.
        DType::Bool | DType::U8 => "C",
        DType::I8 => "c",
        DType::I16 => "s",
        DType::I32 => "i",
        DType::I64 => "l",
        DType::U16 => "S",
        DType::U32 => "I",
        DType::U64 => "L",
        DType::F32 | DType::C64 => "f",
        DType::F64 | DType::C128 => "g",
    };
    let is_complex = matches!(dtype, DType::C64 | DType::C128);
    let parts = if is_complex { 2 } else { 1 };
    let length = dtype.size().checked_div(parts).and_then(|size| bytes.len().checked_div(size)).unwrap_or(0);
    let numbers = Column {
        name: "item".to_owned(),
        format: format.to_owned(),
        metadata: vec![("dtype", dtype.name().to_owned())],
        length,
        nulls: 0,
        buffers: vec![None, Some(Buffer::Bytes(bytes.into()))],
        items: None,
    };
    if !is_complex {
        return numbers;
    }
    Column {
        name: "item".to_owned(),
        format: "+w:2".to_owned(),
        metadata: Vec::new(),
        length: length / 2,
        nulls: 0,
        buffers: vec![None],
        items: Some(Box::new(numbers)),
    }
}

/// A list's element type: integers, or floats that hold them exactly.
pub(super) fn numbers(items: &[Value]) -> Option<DType> {
    let mut found = DType::I64;
    for item in items {
        match item {
            Value::Int(_) => {}
            Value::Float(_) => found = DType::F64,
            _ => return None,
        }
    }
    let is_exact = |item: &Value| !matches!(item, Value::Int(i) if i.unsigned_abs() > EXACT);
    (!items.is_empty() && (found == DType::I64 || items.iter().all(is_exact))).then_some(found)
}
