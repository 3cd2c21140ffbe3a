//! Defaults as Rust expressions.

use linkspan::Value;

use super::generator::Rust;
use crate::generate::plan::{Definition, Shape, Slot};

impl Rust<'_> {
    /// Returns an expression of the slot's type, in a function that returns a `linkspan::Result`.
    pub(super) fn default(&self, value: &Value, slot: &Slot) -> String {
        match (value, &slot.shape) {
            (Value::Text(name), Shape::Named(at)) => match &self.plan.types[*at].definition {
                Definition::Enum(values) => {
                    let identifier =
                        values.iter().find(|(_, value)| value == name).map(|(identifier, _)| identifier);
                    format!("{}::{}", self.plan.types[*at].name, identifier.unwrap_or(name))
                }
                _ => format!("{name:?}"),
            },
            (Value::Float(number), Shape::F32) => float(*number, "f32"),
            (Value::Float(number), _) => float(*number, "f64"),
            (Value::Int(number), Shape::F32 | Shape::F64) => format!("{number}.0"),
            (Value::Int(number), _) => number.to_string(),
            (Value::Uint(number), _) => number.to_string(),
            (Value::Bool(value), _) => value.to_string(),
            (Value::Text(text), _) => format!("{text:?}.to_owned()"),
            (Value::Bytes(bytes), _) => format!("linkspan::value::Bytes::from_static(&{:?})", bytes.as_ref()),
            (Value::Timestamp(at), _) => format!("linkspan::Timestamp({})", at.0),
            (Value::Decimal(number), _) => format!("\"{number}\".parse()?"),
            (Value::Array(items), Shape::List(of, _)) => {
                let items: Vec<_> = items.iter().map(|item| self.default(item, of)).collect();
                format!("vec![{}]", items.join(", "))
            }
            (Value::Map(entries), Shape::Map(of)) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("({key:?}.to_owned(), {})", self.default(value, of)))
                    .collect();
                format!("std::collections::BTreeMap::from([{}])", entries.join(", "))
            }
            (other, _) => format!("{other:?}"),
        }
    }
}

fn float(number: f64, of: &str) -> String {
    if number.is_nan() {
        format!("{of}::NAN")
    } else if number.is_infinite() {
        format!("{of}::{}INFINITY", if number < 0.0 { "NEG_" } else { "" })
    } else {
        format!("{number:?}")
    }
}
