//! Types and defaults in C++.

use linkspan::schema::Width;
use linkspan::value::{DType, Value};

use super::super::native::{self, inside, literal};
use super::super::{Definition, Shape};
use super::generator::Cpp;

impl Cpp<'_> {
    pub(super) fn type_of(&self, shape: &Shape, is_field: bool) -> String {
        match shape {
            Shape::Any => "std::shared_ptr<linkspan::message>".to_owned(),
            Shape::Bool => "bool".to_owned(),
            Shape::Integer(width) => integer(*width),
            Shape::F32 => "float".to_owned(),
            Shape::F64 => "double".to_owned(),
            Shape::Text(_) => "std::string".to_owned(),
            Shape::Decimal => "linkspan::decimal".to_owned(),
            Shape::Bytes(_) => "std::vector<std::uint8_t>".to_owned(),
            Shape::Timestamp => "linkspan::timestamp".to_owned(),
            Shape::Uuid => "linkspan::uuid".to_owned(),
            Shape::List(of, _) => format!("std::vector<{}>", self.type_of(&of.shape, false)),
            Shape::Map(of) => format!("std::map<std::string, {}>", self.type_of(&of.shape, false)),
            Shape::NdArray { dtype, .. } => {
                let element = element(*dtype);
                match inside(self.plan, shape, is_field) {
                    Some(lengths) => lengths
                        .iter()
                        .rev()
                        .fold(element.to_owned(), |of, length| format!("std::array<{of}, {length}>")),
                    None => format!("linkspan::ndarray<{element}>"),
                }
            }
            Shape::Named(at) => self.plan.types[*at].name.clone(),
        }
    }

    pub(super) fn initial(&self, shape: &Shape, value: &Value) -> String {
        match (shape, value) {
            (Shape::Named(at), Value::Text(name)) => {
                let def = &self.plan.types[*at];
                let Definition::Enum(values) = &def.definition else { return String::new() };
                let value = values.iter().find(|(_, wire)| wire == name);
                value.map_or(String::new(), |(value, _)| format!("{}::{value}", def.name))
            }
            (Shape::Text(_), Value::Text(text)) => sized(text.as_bytes()),
            (Shape::Decimal, Value::Decimal(number)) => format!("\"{}\"", number.as_str()),
            (Shape::Bytes(_), Value::Bytes(bytes)) => {
                bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
            }
            (Shape::Timestamp, Value::Timestamp(_)) => {
                let number = native::number(shape, value).unwrap_or_default();
                format!("std::chrono::nanoseconds({number})")
            }
            (Shape::List(of, _), Value::Array(items)) => items
                .iter()
                .map(|item| {
                    format!("{}{{{}}}", self.type_of(&of.shape, false), self.initial(&of.shape, item))
                })
                .collect::<Vec<_>>()
                .join(", "),
            (Shape::Map(of), Value::Map(entries)) => entries
                .iter()
                .map(|(key, item)| {
                    let of_item = self.type_of(&of.shape, false);
                    format!("{{{}, {of_item}{{{}}}}}", literal(key.as_bytes()), self.initial(&of.shape, item))
                })
                .collect::<Vec<_>>()
                .join(", "),
            (shape, value) => native::number(shape, value).unwrap_or_default(),
        }
    }
}

pub(super) fn integer(width: Width) -> String {
    match width.name().split_at(1) {
        ("u", bits) => format!("std::uint{bits}_t"),
        (_, bits) => format!("std::int{bits}_t"),
    }
}

pub(super) fn element(dtype: DType) -> &'static str {
    match dtype {
        DType::I8 => "std::int8_t",
        DType::I16 => "std::int16_t",
        DType::I32 => "std::int32_t",
        DType::I64 => "std::int64_t",
        // A vector of bool is not contiguous memory of bools.
        DType::Bool | DType::U8 => "std::uint8_t",
        DType::U16 => "std::uint16_t",
        DType::U32 => "std::uint32_t",
        DType::U64 => "std::uint64_t",
        DType::F32 => "float",
        DType::C64 => "std::complex<float>",
        DType::C128 => "std::complex<double>",
        _ => "double",
    }
}

/// Returns a text literal with its length, because it may contain NUL.
pub(super) fn sized(bytes: &[u8]) -> String {
    if bytes.contains(&0) { format!("{}, {}", literal(bytes), bytes.len()) } else { literal(bytes) }
}

pub(super) fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
