//! Random values for a schema: values at the edges of every type, and values with one change.

#[path = "../../../../../rust-core/value/tests/vectors/random.rs"]
pub mod random;

use linkspan::schema::{Field, Kind, Length, Range, Schema, Type};
use linkspan::value::NdArrayRef;
use linkspan::{DType, Map, Order, Timestamp, Value};
use random::Random;

pub struct Values<'a> {
    schema: &'a Schema,
    pub random: Random,
    /// The lengths of named dimensions in the current value.
    lengths: Vec<(String, u64)>,
}

impl<'a> Values<'a> {
    pub fn new(schema: &'a Schema, seed: u64) -> Values<'a> {
        Values { schema, random: Random(seed | 1), lengths: Vec::new() }
    }

    /// Returns an accepted value in three of four cases, otherwise a value with a single change.
    pub fn next(&mut self) -> Value {
        let value = self.accepted();
        if self.random.next(4) > 0 { value } else { self.changed(value) }
    }

    pub fn accepted(&mut self) -> Value {
        self.lengths.clear();
        let root = &self.schema.root;
        self.value(root)
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.random.next(all.len())].clone()
    }

    fn value(&mut self, of: &Type) -> Value {
        match &of.kind {
            Kind::Any => self.pick(&[
                Value::Null,
                1.into(),
                "x".into(),
                Value::map([("k", 2.5)]),
                Value::Array(vec![true.into()]),
            ]),
            Kind::Bool => self.pick(&[true, false]).into(),
            Kind::Integer(width) => {
                let (low, high) = match of.range {
                    Some(Range::Integer(low, high)) => (low, high),
                    _ => width.bounds(),
                };
                let some = self.random.next(100) as i128;
                let number = self.pick(&[low, high, low + 1, high - 1, 0, 1, some, -some]).clamp(low, high);
                integer(number)
            }
            Kind::F32 => self.float(of.range, f32::MAX.into(), 1 << 24),
            Kind::F64 => self.float(of.range, f64::MAX, 1 << 53),
            Kind::Text(most) => {
                let text = self.pick(&[
                    "",
                    "a",
                    "volt",
                    "é",
                    "日本語",
                    "\"\\\n\t",
                    "$bytes",
                    "a longer text, of words",
                ]);
                fitting(text, most.unwrap_or(u64::MAX)).into()
            }
            Kind::Bytes(most) => {
                let length = self.random.next(9).min(most.unwrap_or(u64::MAX) as usize);
                Value::Bytes((0..length).map(|at| at as u8 * 31).collect::<Vec<_>>().into())
            }
            Kind::Timestamp => Value::Timestamp(Timestamp(self.pick(&[
                0,
                1,
                -1,
                1_700_000_000_123_456_789,
                -86_400_000_000_000,
                i64::MAX,
                i64::MIN,
            ]))),
            Kind::Uuid => Value::Uuid([self.random.next(256) as u8; 16]),
            Kind::Decimal => {
                let text = self.pick(&[
                    "0",
                    "1.50",
                    "-0.001",
                    "1E+30",
                    "12345678901234567890123456789",
                    "NaN",
                    "-Infinity",
                    "-0",
                ]);
                Value::Decimal(text.parse().unwrap())
            }
            Kind::Enum(values) => self.pick(values).into(),
            Kind::List(of, most) => {
                let count = self.random.next(4).min(most.unwrap_or(u64::MAX) as usize);
                Value::Array((0..count).map(|_| self.value(of)).collect())
            }
            Kind::Map(of) => {
                let keys = self.pick(&[&[][..], &["k"], &["a b", "é"], &["$map"], &["$time"], &["$x", "y"]]);
                Value::Map(keys.iter().map(|key| ((*key).to_owned(), self.value(of))).collect())
            }
            Kind::Record(fields) => self.record(fields),
            Kind::Union(variants) => {
                let variant = &variants[self.random.next(variants.len())];
                Value::map([(variant.name.as_str(), self.value(&variant.of))])
            }
            Kind::Table(columns) => self.table(columns),
            Kind::NdArray { dtype, shape, order } => self.array(*dtype, shape.as_deref(), *order),
            kind => panic!("no values of the kind {}", kind.name()),
        }
    }

    fn float(&mut self, range: Option<Range>, most: f64, exact: i64) -> Value {
        if let Some(Range::Float(low, high)) = range {
            let middle = if high.is_finite() { (low + high) / 2.0 } else { low + 1e6 };
            return match self.random.next(4) {
                0 => (middle.round().clamp(low.ceil(), high.floor()) as i64).into(),
                _ => self.pick(&[low, high, middle]).into(),
            };
        }
        match self.random.next(4) {
            0 => self.pick(&[0, 1, -7, exact, -exact]).into(),
            _ => self
                .pick(&[0.0, -0.0, 1.5, 7.0, -1e-30, most, -most, f64::NAN, f64::INFINITY, f64::NEG_INFINITY])
                .into(),
        }
    }

    fn record(&mut self, fields: &[Field]) -> Value {
        let mut map = Map::new();
        for field in fields {
            let may_be_absent = field.optional || field.default.is_some();
            match self.random.next(8) {
                0 | 1 if may_be_absent => {}
                2 if field.optional => drop(map.insert(field.name.clone(), Value::Null)),
                _ => drop(map.insert(field.name.clone(), self.value(&field.of))),
            }
        }
        Value::Map(map)
    }

    /// Returns columns of equal length, which a named dimension or a limit may determine.
    fn table(&mut self, columns: &[Field]) -> Value {
        let mut length = self.random.next(4) as u64;
        for column in columns {
            match &column.of.kind {
                Kind::List(_, Some(most)) => length = length.min(*most),
                Kind::NdArray { shape: Some(shape), .. } => length = self.length_or(&shape[0], length),
                _ => {}
            }
        }
        let mut map = Map::new();
        for column in columns {
            let value = match &column.of.kind {
                Kind::List(of, _) => Value::Array((0..length).map(|_| self.value(of)).collect()),
                Kind::NdArray { dtype, order, .. } => array(*dtype, &[length], order.unwrap_or(Order::Row)),
                kind => panic!("no column of the kind {}", kind.name()),
            };
            map.insert(column.name.clone(), value);
        }
        Value::Map(map)
    }

    fn array(&mut self, dtype: DType, shape: Option<&[Length]>, order: Option<Order>) -> Value {
        let lengths: Vec<u64> = match shape {
            None => (0..self.random.next(4)).map(|_| self.random.next(4) as u64).collect(),
            Some(shape) => shape
                .iter()
                .map(|length| {
                    let any = self.random.next(4) as u64;
                    self.length_or(length, any)
                })
                .collect(),
        };
        let order = order.unwrap_or_else(|| self.pick(&[Order::Row, Order::Column]));
        array(dtype, &lengths, order)
    }

    /// Returns this name's length. A new name gets the length `any`.
    fn length_or(&mut self, length: &Length, any: u64) -> u64 {
        match length {
            Length::Fixed(length) => *length,
            Length::Named(name) => match self.lengths.iter().find(|(known, _)| known == name) {
                Some((_, length)) => *length,
                None => {
                    self.lengths.push((name.clone(), any));
                    any
                }
            },
            _ => any,
        }
    }

    fn changed(&mut self, value: Value) -> Value {
        match value {
            Value::Map(map) if !map.is_empty() && self.random.next(8) > 0 => {
                let at = self.random.next(map.len());
                let entries = map.into_iter().enumerate();
                let mut changed: Map = Map::new();
                for (i, (key, value)) in entries {
                    match (i == at, self.random.next(6)) {
                        (true, 0) => {}
                        (true, 1) => drop(changed.insert(key + "_", value)),
                        (true, _) => drop(changed.insert(key, self.changed(value))),
                        _ => drop(changed.insert(key, value)),
                    }
                }
                if self.random.next(12) == 0 {
                    changed.insert("more".into(), 1.into());
                }
                Value::Map(changed)
            }
            Value::Array(mut items) if !items.is_empty() && self.random.next(4) > 0 => {
                let at = self.random.next(items.len());
                items[at] = self.changed(items[at].clone());
                Value::Array(items)
            }
            Value::Array(items) if self.random.next(2) == 0 => {
                Value::Array(items.iter().cycle().take(5).cloned().collect())
            }
            Value::Int(number) => match self.random.next(4) {
                0 => (number as f64).into(),
                1 => number.saturating_mul(70_000).into(),
                2 => number.saturating_sub(1_001).into(),
                _ => self.other(),
            },
            Value::Float(number) => match self.random.next(3) {
                0 => (number * 1e5 - 1.0).into(),
                1 => (number.clamp(-1e18, 1e18) as i64).into(),
                _ => self.other(),
            },
            Value::Text(text) => match self.random.next(3) {
                0 => [&text[..], "ééééé"].concat().into(),
                1 => text.to_lowercase().into(),
                _ => self.other(),
            },
            Value::Bytes(bytes) if self.random.next(2) == 0 => {
                Value::Bytes([&bytes[..], b"12345"].concat().into())
            }
            Value::NdArray(found) => {
                let found = found.as_ref();
                let mut shape = found.shape.to_vec();
                match self.random.next(4) {
                    0 => shape.push(1),
                    1 => shape.iter_mut().for_each(|length| *length += 1),
                    2 => return array(DType::F64, &shape, found.order),
                    _ => return self.other(),
                }
                array(found.dtype, &shape, found.order)
            }
            _ => self.other(),
        }
    }

    fn other(&mut self) -> Value {
        self.pick(&[
            Value::Null,
            true.into(),
            (-1).into(),
            300.into(),
            u64::MAX.into(),
            2.5.into(),
            f64::NAN.into(),
            1e300.into(),
            "other".into(),
            Value::Bytes(vec![1, 2].into()),
            Value::Timestamp(Timestamp(5)),
            Value::Uuid([7; 16]),
            Value::Decimal("1.5".parse().unwrap()),
            Value::Array(vec![]),
            Value::Array(vec![1.into(), "x".into()]),
            Value::Map(Map::new()),
            Value::map([("a", 1), ("b", 2)]),
            array(DType::F32, &[2, 3], Order::Row),
        ])
    }
}

fn integer(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| u64::try_from(number).unwrap().into(), Value::from)
}

/// Returns the longest prefix that fits.
fn fitting(text: &str, most: u64) -> &str {
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(text.len());
    &text[..(0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)]
}

fn array(dtype: DType, shape: &[u64], order: Order) -> Value {
    let length = NdArrayRef::byte_length(dtype, shape).unwrap() as usize;
    let data: Vec<u8> =
        (0..length).map(|at| if dtype == DType::Bool { at as u8 & 1 } else { at as u8 }).collect();
    Value::NdArray(NdArrayRef::new(dtype, order, shape, &data).unwrap().to_owned())
}
