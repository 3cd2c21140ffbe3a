//! The column of a field while rows are added. Its type follows the values.
//!
//! Integers become floats with floats, if no digit is lost. Values without a common type become JSON.

mod arrays;
mod buffers;
mod undo;

use bytes::Bytes;
use linkspan::{Limits, Order, Result, Value};

use self::arrays::{Arrays, numbers, shapes_beside};
use self::buffers::{Bits, EXACT, Long, json};
use super::layout::{Buffer, Column};

/// For floats: NumPy does not see the validity.
const NULL: f64 = f64::NAN;

#[derive(Debug, Default)]
pub struct Field {
    pub path: String,
    valid: Bits,
    data: Data,
    /// Whether any row was null, which excludes lists of fixed length.
    had_nulls: bool,
    /// Whether only the schema has given the type.
    is_hint: bool,
    /// The state before the last row.
    before: Option<Before>,
}

#[derive(Clone, Copy, Debug)]
pub enum Hint {
    Unsigned,
    Float,
}

#[derive(Debug, Default)]
enum Data {
    /// Only nulls.
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

/// The state that is needed to undo a row.
#[derive(Debug)]
struct Before {
    row: usize,
    /// The earlier rows in their old type, if the type changed.
    data: Option<Data>,
    is_hint: bool,
    /// The common length of all arrays, if they have one dimension.
    length: Option<u64>,
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

    pub fn long(&self) -> u64 {
        self.data.long()
    }

    /// Adds this row's value. Skipped rows become null.
    ///
    /// # Errors
    /// `TooLarge` if its JSON exceeds a message's limit; [`Field::give_up`] undoes the row.
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
                // The value violates its schema.
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

    /// As [`Field::push`], for a text.
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

    /// Begins with the type of this value after null rows.
    fn begin(&mut self, row: usize, value: &Value) {
        let mut data = Data::of(value);
        data.push_nulls(row);
        self.change(data);
    }

    fn pad(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.valid.length);
        self.valid.push_zeros(missing);
        self.data.push_nulls(missing);
    }

    /// Changes the type of all rows to admit this value.
    fn widen(&mut self, value: &Value, limits: &Limits) -> Result<()> {
        let wider = match (&self.data, value) {
            (Data::Int(old), Value::Uint(_)) => {
                old.iter().map(|i| u64::try_from(*i).ok()).collect::<Option<_>>().map(Data::Uint)
            }
            (Data::Int(_) | Data::Uint(_), Value::Float(_)) => self.as_floats().map(Data::Float),
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

    /// The numbers as floats, with NaN for null; `None` if one would lose digits.
    fn as_floats(&self) -> Option<Vec<f64>> {
        let float = |row: usize| match self.valid.get(row).then(|| self.data.get(row)) {
            Some(Value::Int(i)) => (i.unsigned_abs() <= EXACT).then_some(i as f64),
            Some(Value::Uint(u)) => (u <= EXACT).then_some(u as f64),
            _ => Some(NULL),
        };
        (0..self.valid.length).map(float).collect()
    }

    /// Takes the rows as a column, perhaps with a column of shapes. Later types are equal or wider.
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
            Data::Float(words) => push(words, count, NULL),
            Data::Text(texts) | Data::Bytes(texts) | Data::Json(texts) => texts.push_empty(count),
            Data::Arrays(arrays) => arrays.push_nulls(count),
        }
    }

    /// Returns false if the type does not admit the value.
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
