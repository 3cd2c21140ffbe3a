//! The column of a field while rows are added. Its type is that of the values that came: integers become floats beside
//! floats if none loses a digit, and what has no common type becomes text in JSON, so that nothing is lost.

use std::borrow::Cow;

use bytes::Bytes;
use linkspan::{DType, Encoding, Error, Limits, NdArray, Order, Payload, Result, Value};

use super::layout::{Buffer, Column};

/// Integers up to this one are floats without a loss.
const EXACT: u64 = 1 << 53;

/// Rows of a field.
#[derive(Debug, Default)]
pub struct Field {
    pub path: String,
    valid: Bits,
    data: Data,
    /// Whether a row was ever null: lists of one length are none then.
    had_nulls: bool,
    /// Whether the type is that of the schema alone: no value came yet.
    is_hint: bool,
    /// What it was before the row that was added last.
    before: Option<Before>,
}

/// What a row may change of the rows before it, so that it can be given up.
#[derive(Debug)]
struct Before {
    /// This row.
    row: usize,
    /// The rows in the type that they had, where it became another one.
    data: Option<Data>,
    is_hint: bool,
    /// The length of all arrays, where they have one dimension.
    length: Option<u64>,
}

/// The type that a schema gives a field.
#[derive(Clone, Copy, Debug)]
pub enum Hint {
    /// 64 bits without sign.
    Unsigned,
    /// A float.
    Float,
}

/// Bits, eight in a byte.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    length: usize,
    zeros: usize,
}

impl Bits {
    /// Adds so many that are not set.
    fn push_zeros(&mut self, count: usize) {
        self.length = self.length.saturating_add(count);
        self.zeros = self.zeros.saturating_add(count);
        self.bytes.resize(self.length.div_ceil(8), 0);
    }

    fn push(&mut self, is_set: bool) {
        let bit = self.length % 8;
        if bit == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(is_set) << bit;
        }
        self.zeros = self.zeros.saturating_add(usize::from(!is_set));
        self.length = self.length.saturating_add(1);
    }

    fn get(&self, at: usize) -> bool {
        self.bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    }

    fn truncate(&mut self, length: usize) {
        while self.length > length {
            self.length = self.length.saturating_sub(1);
            self.zeros = self.zeros.saturating_sub(usize::from(!self.get(self.length)));
            if let Some(byte) = self.bytes.get_mut(self.length / 8) {
                *byte &= !(1 << (self.length % 8));
            }
        }
        self.bytes.truncate(self.length.div_ceil(8));
    }
}

/// Values of any length: the end of each, behind a zero, and their bytes.
#[derive(Debug)]
struct Long {
    ends: Vec<i64>,
    bytes: Vec<u8>,
}

impl Default for Long {
    fn default() -> Long {
        Long { ends: vec![0], bytes: Vec::new() }
    }
}

impl Long {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.end_at(self.bytes.len());
    }

    fn end_at(&mut self, end: usize) {
        // No memory has more bytes than an i64 counts.
        self.ends.push(i64::try_from(end).unwrap_or(i64::MAX));
    }

    fn truncate(&mut self, count: usize) {
        self.ends.truncate(count.saturating_add(1));
        let end = self.ends.last().and_then(|end| usize::try_from(*end).ok()).unwrap_or(0);
        self.bytes.truncate(end);
    }

    fn push_empty(&mut self, count: usize) {
        let end = self.ends.last().copied().unwrap_or(0);
        self.ends.resize(self.ends.len().saturating_add(count), end);
    }

    fn buffers(self, validity: Option<Buffer>) -> Vec<Option<Buffer>> {
        vec![validity, Some(Buffer::I64(self.ends)), Some(Buffer::Bytes(self.bytes.into()))]
    }

    fn get(&self, at: usize) -> &[u8] {
        let end = |at: usize| self.ends.get(at).and_then(|end| usize::try_from(*end).ok()).unwrap_or(0);
        self.bytes.get(end(at)..end(at.saturating_add(1))).unwrap_or_default()
    }
}

/// Arrays of one element type, or lists of numbers.
#[derive(Debug)]
struct Arrays {
    dtype: DType,
    /// The shape of all, as long as it is the same.
    shape: Option<Vec<u64>>,
    order: Order,
    /// Whether each is a list, of one dimension.
    are_lists: bool,
    elements: Long,
    /// The shape of each as 64-bit integers, where there are several that the length does not say; all are row-major
    /// then.
    shapes: Option<Long>,
}

#[derive(Debug, Default)]
enum Data {
    /// Nulls alone.
    #[default]
    Nothing,
    Bool(Bits),
    Int(Vec<i64>),
    Uint(Vec<u64>),
    Float(Vec<f64>),
    Time(Vec<i64>),
    Text(Long),
    Bytes(Long),
    Arrays(Arrays),
    /// Each value as JSON.
    Json(Long),
}

impl Field {
    pub fn new(path: &str, hint: Option<Hint>) -> Field {
        let data = match hint {
            None => Data::Nothing,
            Some(Hint::Unsigned) => Data::Uint(Vec::new()),
            Some(Hint::Float) => Data::Float(Vec::new()),
        };
        Field { path: path.to_owned(), data, is_hint: hint.is_some(), ..Field::default() }
    }

    /// Returns how many bytes its values of any length take.
    pub fn long(&self) -> u64 {
        self.data.long()
    }

    /// Adds the value of this row; rows that it skips are null.
    ///
    /// # Errors
    /// `TooLarge` where it would be JSON that is longer than a message may be; [`Field::give_up`] undoes it then.
    pub fn push(&mut self, row: usize, value: &Value, limits: &Limits) -> Result<()> {
        let length = self.data.common_length();
        self.before = Some(Before { row, data: None, is_hint: self.is_hint, length });
        self.pad(row);
        if matches!(value, Value::Null) {
            self.pad(row.saturating_add(1));
            return Ok(());
        }
        if let Data::Nothing = self.data {
            self.begin(row, value);
        }
        if !self.data.push(value, limits)? {
            if self.is_hint {
                // A value that is not of its schema.
                self.begin(row, value);
            } else {
                self.widen(value, limits)?;
            }
            self.data.push(value, limits)?;
        }
        self.is_hint = false;
        self.valid.push(true);
        Ok(())
    }

    /// The same for a text that is not in a value.
    ///
    /// # Errors
    /// As for [`Field::push`].
    pub fn push_text(&mut self, row: usize, text: &str, limits: &Limits) -> Result<()> {
        match &mut self.data {
            Data::Text(texts) if self.valid.length == row => {
                self.before = None;
                texts.push(text.as_bytes());
                self.valid.push(true);
                Ok(())
            }
            _ => self.push(row, &Value::Text(text.to_owned()), limits),
        }
    }

    /// Begins with the type of this value, behind rows that are null.
    fn begin(&mut self, row: usize, value: &Value) {
        let mut data = Data::of(value);
        data.push_nulls(row);
        self.change(data);
    }

    /// Gives all rows another type.
    fn change(&mut self, to: Data) {
        let old = std::mem::replace(&mut self.data, to);
        if let Some(before) = &mut self.before {
            before.data.get_or_insert(old);
        }
    }

    /// Returns about how many bytes are held so that the row that was added last can be given up.
    pub fn kept(&self, cell: u64) -> u64 {
        let of = |data: &Data| (self.valid.length as u64).saturating_mul(cell).saturating_add(data.long());
        self.before.as_ref().and_then(|before| before.data.as_ref()).map_or(0, of)
    }

    /// Keeps the row that was added last.
    pub fn keep(&mut self) {
        self.before = None;
    }

    /// Gives up what was added behind so many rows: one row at most.
    pub fn give_up(&mut self, rows: usize) {
        if let Some(before) = self.before.take_if(|before| before.row == rows) {
            if self.valid.length > rows {
                self.is_hint = before.is_hint;
            }
            if let Some(data) = before.data {
                self.data = data;
            } else if let (Data::Arrays(arrays), Some(length)) = (&mut self.data, before.length) {
                arrays.shape = Some(vec![length]);
            }
        }
        self.valid.truncate(rows);
        self.data.truncate(rows);
    }

    fn pad(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.valid.length);
        self.valid.push_zeros(missing);
        self.data.push_nulls(missing);
    }

    /// Changes the type of all rows so that this value has a place.
    fn widen(&mut self, value: &Value, limits: &Limits) -> Result<()> {
        let wider = match (&self.data, value) {
            (Data::Int(old), Value::Uint(_)) => {
                old.iter().map(|i| u64::try_from(*i).ok()).collect::<Option<_>>().map(Data::Uint)
            }
            (Data::Int(old), Value::Float(_)) => {
                let is_exact = old.iter().all(|i| i.unsigned_abs() <= EXACT);
                is_exact.then(|| Data::Float(old.iter().map(|i| *i as f64).collect()))
            }
            (Data::Uint(old), Value::Float(_)) => {
                let is_exact = old.iter().all(|i| *i <= EXACT);
                is_exact.then(|| Data::Float(old.iter().map(|i| *i as f64).collect()))
            }
            (Data::Arrays(old), Value::Array(items)) if old.are_lists && numbers(items).is_some() => {
                old.as_floats().map(Data::Arrays)
            }
            (Data::Arrays(old), Value::NdArray(new)) if !old.are_lists && old.dtype == new.dtype => {
                Some(Data::Arrays(old.with_shapes(&self.valid)))
            }
            _ => None,
        };
        let wider = match wider {
            Some(wider) => wider,
            None => {
                let mut all = Long::default();
                for row in 0..self.valid.length {
                    match self.valid.get(row) {
                        true => all.push(json(&self.data.get(row), limits)?.body()),
                        false => all.push(&[]),
                    }
                }
                Data::Json(all)
            }
        };
        self.change(wider);
        Ok(())
    }

    /// Takes the rows as a column, and what it cannot say as another one behind it. Rows that are added then have the
    /// same type, or a wider one.
    pub fn take(&mut self, name: String, rows: usize, unit: Option<String>, all: &mut Vec<Column>) {
        self.pad(rows);
        self.before = None;
        let mut metadata: Vec<_> = unit.map(|unit| ("unit", unit)).into_iter().collect();
        let valid = std::mem::take(&mut self.valid);
        let nulls = valid.zeros;
        self.had_nulls |= nulls > 0;
        let bits = Bytes::from(valid.bytes);
        let validity = (nulls > 0).then(|| Buffer::Bytes(bits.clone()));
        let mut beside = None;
        let emptied = self.data.emptied();
        let (format, buffers, items) = match std::mem::replace(&mut self.data, emptied) {
            Data::Nothing => ("n".to_owned(), Vec::new(), None),
            Data::Bool(bits) => {
                ("b".to_owned(), vec![validity, Some(Buffer::Bytes(bits.bytes.into()))], None)
            }
            Data::Int(words) => ("l".to_owned(), vec![validity, Some(Buffer::I64(words))], None),
            Data::Uint(words) => ("L".to_owned(), vec![validity, Some(Buffer::U64(words))], None),
            Data::Float(words) => ("g".to_owned(), vec![validity, Some(Buffer::F64(words))], None),
            Data::Time(words) => ("tsn:UTC".to_owned(), vec![validity, Some(Buffer::I64(words))], None),
            Data::Text(texts) => ("U".to_owned(), texts.buffers(validity), None),
            Data::Bytes(blocks) => ("Z".to_owned(), blocks.buffers(validity), None),
            Data::Json(texts) => {
                metadata.push(("encoding", "json".to_owned()));
                ("U".to_owned(), texts.buffers(validity), None)
            }
            Data::Arrays(mut arrays) => {
                if let Some(shapes) = arrays.shapes.take() {
                    let bits = (nulls > 0).then(|| Buffer::Bytes(bits.clone()));
                    beside = Some(shapes_beside(&name, rows, nulls, bits, shapes));
                }
                let (format, buffers, items) = arrays.finish(validity, self.had_nulls, &mut metadata);
                (format, buffers, Some(items))
            }
        };
        all.push(Column { name, format, metadata, length: rows, nulls, buffers, items });
        all.extend(beside);
    }
}

impl Data {
    /// The type that a value asks for.
    fn of(value: &Value) -> Data {
        match value {
            Value::Bool(_) => Data::Bool(Bits::default()),
            Value::Int(_) => Data::Int(Vec::new()),
            Value::Uint(_) => Data::Uint(Vec::new()),
            Value::Float(_) => Data::Float(Vec::new()),
            Value::Timestamp(_) => Data::Time(Vec::new()),
            Value::Text(_) => Data::Text(Long::default()),
            Value::Bytes(_) => Data::Bytes(Long::default()),
            Value::NdArray(array) => Data::Arrays(Arrays::of(array)),
            Value::Array(items) => match numbers(items) {
                Some(dtype) => Data::Arrays(Arrays {
                    dtype,
                    shape: None,
                    order: Order::Row,
                    are_lists: true,
                    elements: Long::default(),
                    shapes: None,
                }),
                None => Data::Json(Long::default()),
            },
            _ => Data::Json(Long::default()),
        }
    }

    /// Returns how many bytes values of any length take.
    fn long(&self) -> u64 {
        let all = match self {
            Data::Text(long) | Data::Bytes(long) | Data::Json(long) => long.bytes.len(),
            Data::Arrays(arrays) => {
                let shapes = arrays.shapes.as_ref().map_or(0, |shapes| shapes.bytes.len());
                arrays.elements.bytes.len().saturating_add(shapes)
            }
            _ => 0,
        };
        all as u64
    }

    /// The same type without rows.
    fn emptied(&self) -> Data {
        match self {
            Data::Nothing => Data::Nothing,
            Data::Bool(_) => Data::Bool(Bits::default()),
            Data::Int(_) => Data::Int(Vec::new()),
            Data::Uint(_) => Data::Uint(Vec::new()),
            Data::Float(_) => Data::Float(Vec::new()),
            Data::Time(_) => Data::Time(Vec::new()),
            Data::Text(_) => Data::Text(Long::default()),
            Data::Bytes(_) => Data::Bytes(Long::default()),
            Data::Json(_) => Data::Json(Long::default()),
            Data::Arrays(arrays) => Data::Arrays(Arrays {
                dtype: arrays.dtype,
                shape: arrays.shape.clone(),
                order: arrays.order,
                are_lists: arrays.are_lists,
                elements: Long::default(),
                shapes: arrays.shapes.as_ref().map(|_| Long::default()),
            }),
        }
    }

    fn push_nulls(&mut self, count: usize) {
        fn push<T: Copy>(words: &mut Vec<T>, count: usize, null: T) {
            words.resize(words.len().saturating_add(count), null);
        }
        match self {
            Data::Nothing => {}
            Data::Bool(bits) => bits.push_zeros(count),
            Data::Int(words) | Data::Time(words) => push(words, count, 0),
            Data::Uint(words) => push(words, count, 0),
            Data::Float(words) => push(words, count, f64::NAN),
            Data::Text(texts) | Data::Bytes(texts) | Data::Json(texts) => texts.push_empty(count),
            Data::Arrays(arrays) => arrays.push_nulls(count),
        }
    }

    /// Gives up what is behind so many rows.
    fn truncate(&mut self, rows: usize) {
        match self {
            Data::Nothing => {}
            Data::Bool(bits) => bits.truncate(rows),
            Data::Int(words) | Data::Time(words) => words.truncate(rows),
            Data::Uint(words) => words.truncate(rows),
            Data::Float(words) => words.truncate(rows),
            Data::Text(texts) | Data::Bytes(texts) | Data::Json(texts) => texts.truncate(rows),
            Data::Arrays(arrays) => {
                arrays.elements.truncate(rows);
                if let Some(shapes) = &mut arrays.shapes {
                    shapes.truncate(rows);
                }
            }
        }
    }

    /// Returns the length of all arrays, where they have one dimension.
    fn common_length(&self) -> Option<u64> {
        let Data::Arrays(Arrays { shape: Some(shape), .. }) = self else { return None };
        let [length] = &shape[..] else { return None };
        Some(*length)
    }

    /// Adds a value; returns whether it has a place here.
    fn push(&mut self, value: &Value, limits: &Limits) -> Result<bool> {
        match (self, value) {
            (Data::Bool(bits), Value::Bool(is)) => bits.push(*is),
            (Data::Int(words), Value::Int(i)) => words.push(*i),
            (Data::Uint(words), Value::Uint(u)) => words.push(*u),
            (Data::Uint(words), Value::Int(i)) if *i >= 0 => words.push(i.unsigned_abs()),
            (Data::Float(words), Value::Float(x)) => words.push(*x),
            (Data::Float(words), Value::Int(i)) if i.unsigned_abs() <= EXACT => words.push(*i as f64),
            (Data::Time(words), Value::Timestamp(time)) => words.push(time.0),
            (Data::Text(texts), Value::Text(text)) => texts.push(text.as_bytes()),
            (Data::Bytes(blocks), Value::Bytes(block)) => blocks.push(block),
            (Data::Arrays(arrays), Value::NdArray(array)) => return Ok(arrays.push(array)),
            (Data::Arrays(arrays), Value::Array(items)) => return Ok(arrays.push_list(items)),
            (Data::Json(texts), value) => texts.push(json(value, limits)?.body()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A row as a value. Null where it has none.
    fn get(&self, row: usize) -> Value {
        let text = |texts: &Long| String::from_utf8_lossy(texts.get(row)).into_owned();
        match self {
            Data::Nothing | Data::Json(_) => Value::Null,
            Data::Bool(bits) => Value::Bool(bits.get(row)),
            Data::Int(words) => words.get(row).map_or(Value::Null, |i| Value::Int(*i)),
            Data::Uint(words) => words.get(row).map_or(Value::Null, |u| Value::Uint(*u)),
            Data::Float(words) => words.get(row).map_or(Value::Null, |x| Value::Float(*x)),
            Data::Time(words) => {
                words.get(row).map_or(Value::Null, |time| Value::Timestamp(linkspan::Timestamp(*time)))
            }
            Data::Text(texts) => Value::Text(text(texts)),
            Data::Bytes(blocks) => Value::Bytes(Bytes::copy_from_slice(blocks.get(row))),
            Data::Arrays(arrays) => arrays.get(row),
        }
    }
}

impl Arrays {
    fn of(array: &NdArray) -> Arrays {
        Arrays {
            dtype: array.dtype,
            shape: Some(array.shape.clone()),
            order: array.order,
            are_lists: false,
            elements: Long::default(),
            shapes: None,
        }
    }

    fn push(&mut self, array: &NdArray) -> bool {
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
            // The length of a row says its shape.
            Some(shape) if is_line(shape) && is_line(&array.shape) => {
                self.shape = None;
                self.elements.push(&array.data);
            }
            None if is_line(&array.shape) => self.elements.push(&array.data),
            _ => return false,
        }
        true
    }

    /// Makes arrays of one shape, which are column-major, row-major ones. What order they had is no part of their
    /// value.
    fn make_row_major(&mut self) {
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

    /// The same arrays with a shape each, in rows of which these are not null, before an array of another shape comes.
    fn with_shapes(&self, valid: &Bits) -> Arrays {
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

    fn push_list(&mut self, items: &[Value]) -> bool {
        let has_place = self.are_lists
            && numbers(items).is_some_and(|dtype| dtype == self.dtype || self.dtype == DType::F64);
        if has_place {
            for item in items {
                match (self.dtype, item) {
                    (DType::I64, Value::Int(i)) => self.elements.bytes.extend(i.to_le_bytes()),
                    (_, Value::Float(x)) => self.elements.bytes.extend(x.to_le_bytes()),
                    (_, Value::Int(i)) => self.elements.bytes.extend((*i as f64).to_le_bytes()),
                    // `numbers` has seen that there is none.
                    _ => {}
                }
            }
            self.elements.end_at(self.elements.bytes.len());
        }
        has_place
    }

    fn push_nulls(&mut self, count: usize) {
        self.elements.push_empty(count);
        if let Some(shapes) = &mut self.shapes {
            shapes.push_empty(count);
        }
    }

    /// The same lists with floats; `None` where a number would lose digits.
    fn as_floats(&self) -> Option<Arrays> {
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

    fn get(&self, row: usize) -> Value {
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

    /// The format, the buffers and the items: of one length where all have the same shape.
    fn finish(
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

/// The column with the shape of each array of another column.
fn shapes_beside(of: &str, rows: usize, nulls: usize, validity: Option<Buffer>, shapes: Long) -> Column {
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

/// A shape as 64-bit integers.
fn words(shape: &[u64]) -> Vec<u8> {
    shape.iter().flat_map(|length| length.to_le_bytes()).collect()
}

/// The elements of an array in the order of its rows.
fn by_rows<'a>(data: &'a [u8], shape: &[u64], order: Order, size: usize) -> Cow<'a, [u8]> {
    if order.for_shape(shape) == Order::Row {
        return data.into();
    }
    // How far the next element of each dimension is.
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

/// The elements of arrays as a column: complex numbers as pairs.
fn items(dtype: DType, bytes: Vec<u8>) -> Column {
    let format = match dtype {
        // A byte each; Arrow's own truth values are bits.
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

/// Returns the element type of a list that holds numbers alone: integers, or floats and integers that are floats
/// without a loss.
fn numbers(items: &[Value]) -> Option<DType> {
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

/// A value as JSON: a cell of a column of values of several types.
fn json(value: &Value, limits: &Limits) -> Result<Payload> {
    Payload::new(value, Encoding::Json, limits).map_err(|error| {
        let text = format!(
            "a column of values of several types, or of lists, has them as JSON, and as that one is {error}: lines of JSON have it"
        );
        Error::new(error.kind(), text)
    })
}
