//! Types and values in PHP: declarations, readers, expressions for `send`, literals.

use linkspan::Value;
use linkspan::schema::{Length, Width};

use super::generator::Php;
use crate::generate::plan::{Definition, Member, Shape, Slot};
use crate::generate::text::{escaped, is_hidden};

impl Php<'_> {
    pub(super) fn of(&self, slot: &Slot) -> String {
        match &slot.shape {
            Shape::Any => "mixed".into(),
            Shape::Bool => "bool".into(),
            Shape::Integer(Width::U64) => "int|\\Linkspan\\BigInt".into(),
            Shape::Integer(_) => "int".into(),
            Shape::F32 | Shape::F64 => "float".into(),
            Shape::Text(_) => "string".into(),
            Shape::Bytes(_) => "\\Linkspan\\Bytes".into(),
            Shape::Timestamp => "\\Linkspan\\Timestamp".into(),
            Shape::Uuid => "\\Linkspan\\Uuid".into(),
            Shape::Decimal => "\\Linkspan\\Decimal".into(),
            Shape::List(..) | Shape::Map(_) => "array".into(),
            Shape::NdArray { .. } => "\\Linkspan\\NdArray".into(),
            Shape::Named(at) => self.plan.types[*at].name.clone(),
        }
    }

    pub(super) fn documented(&self, slot: &Slot) -> String {
        match &slot.shape {
            Shape::List(of, _) => format!("list<{}>", self.documented(of)),
            Shape::Map(of) => format!("array<string, {}>", self.documented(of)),
            _ => self.of(slot),
        }
    }

    pub(super) fn optional(&self, member: &Member) -> String {
        let of = self.of(&member.slot);
        match (&member.slot.shape, member.optional) {
            (Shape::Any, _) | (_, false) => of,
            _ if of.contains('|') => of + "|null",
            _ => format!("?{of}"),
        }
    }

    pub(super) fn read(&self, slot: &Slot) -> String {
        let reader = &self.reader;
        match &slot.shape {
            Shape::Integer(width) => {
                let (low, high) = match width {
                    Width::U64 => return format!("{reader}::u64(...)"),
                    Width::I64 => ("PHP_INT_MIN".to_owned(), "PHP_INT_MAX".to_owned()),
                    _ => (width.bounds().0.to_string(), width.bounds().1.to_string()),
                };
                format!("{reader}::integer('{}', {low}, {high})", width.name())
            }
            Shape::List(of, _) => format!("{reader}::items({})", self.read(of)),
            Shape::Map(of) => format!("{reader}::entries({})", self.read(of)),
            Shape::NdArray { dtype, shape, order } => {
                let shape = shape.as_ref().map_or("null".to_owned(), |shape| {
                    let lengths = shape.iter().map(|length| match length {
                        Length::Fixed(length) => length.to_string(),
                        _ => "null".to_owned(),
                    });
                    format!("[{}]", lengths.collect::<Vec<_>>().join(", "))
                });
                let order = order.map_or("null".to_owned(), |order| format!("'{}'", order.name()));
                format!("{reader}::array('{}', {shape}, {order})", dtype.name())
            }
            Shape::Named(at) => {
                let of = &self.plan.types[*at];
                match of.definition {
                    Definition::Enum(_) => format!("{reader}::name({}::class)", of.name),
                    _ => format!("{}::fromWire(...)", of.name),
                }
            }
            Shape::Any => format!("{reader}::anything(...)"),
            Shape::Bool => format!("{reader}::boolean(...)"),
            Shape::F32 | Shape::F64 => {
                format!("{reader}::{}(...)", if slot.shape == Shape::F32 { "f32" } else { "f64" })
            }
            Shape::Text(_) => format!("{reader}::text(...)"),
            _ => format!("{reader}::object({}::class)", self.of(slot)),
        }
    }

    /// Returns the expression that converts `value` to the form for `send`.
    pub(super) fn wire(&self, slot: &Slot, value: &str) -> String {
        match &slot.shape {
            Shape::List(of, _) => match self.wire(of, "$item") {
                plain if plain == "$item" => value.to_owned(),
                each => format!("array_map(static fn ({} $item): mixed => {each}, {value})", self.of(of)),
            },
            Shape::Map(of) => match self.wire(of, "$item") {
                plain if plain == "$item" => format!("(object) {value}"),
                each => {
                    format!("(object) array_map(static fn ({} $item): mixed => {each}, {value})", self.of(of))
                }
            },
            Shape::Named(at) if !matches!(self.plan.types[*at].definition, Definition::Enum(_)) => {
                format!("{value}->toWire()")
            }
            _ => value.to_owned(),
        }
    }

    pub(super) fn value(&self, value: &Value, slot: &Slot) -> String {
        match (value, &slot.shape) {
            (Value::Text(name), Shape::Named(at)) => {
                let of = &self.plan.types[*at];
                let Definition::Enum(values) = &of.definition else { return literal(name) };
                let found = values.iter().find(|(_, value)| value == name);
                format!("{}::{}", of.name, found.map_or(name, |(identifier, _)| identifier))
            }
            (Value::Bool(value), _) => value.to_string(),
            (Value::Int(number), Shape::F32 | Shape::F64) => format!("{number}.0"),
            (Value::Int(i64::MIN), _) => "PHP_INT_MIN".into(),
            (Value::Int(number), _) => number.to_string(),
            (Value::Uint(number), _) => format!("new \\Linkspan\\BigInt('{number}')"),
            (Value::Float(number), _) if number.is_nan() => "NAN".into(),
            (Value::Float(number), _) if number.is_infinite() => {
                if *number < 0.0 { "-INF" } else { "INF" }.into()
            }
            (Value::Float(number), _) => format!("{number:?}"),
            (Value::Text(text), _) => literal(text),
            (Value::Bytes(bytes), _) => {
                let hex: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
                format!("new \\Linkspan\\Bytes(\"{hex}\")")
            }
            (Value::Timestamp(at), _) => format!("new \\Linkspan\\Timestamp({})", at.0),
            (Value::Decimal(number), _) => format!("new \\Linkspan\\Decimal('{number}')"),
            (Value::Array(items), Shape::List(of, _)) => {
                format!("[{}]", items.iter().map(|item| self.value(item, of)).collect::<Vec<_>>().join(", "))
            }
            (Value::Map(entries), Shape::Map(of)) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("{} => {}", literal(key), self.value(value, of)))
                    .collect();
                format!("[{}]", entries.join(", "))
            }
            _ => "null".into(),
        }
    }
}

/// Returns a string literal: in single quotes, or in double quotes if a character needs an escape.
pub(super) fn literal(text: &str) -> String {
    if text.contains(is_hidden) {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
        return format!("\"{}\"", escaped(&text, |c| format!("\\u{{{:x}}}", u32::from(c))));
    }
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
