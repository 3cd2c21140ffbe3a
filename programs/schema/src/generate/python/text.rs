//! Literals and docstrings in Python.

use linkspan::Value;

use super::generator::Python;
use crate::generate::plan::{Definition, Shape, Slot};
use crate::generate::text::is_hidden;

impl Python<'_> {
    pub(super) fn value(&self, value: &Value, slot: &Slot) -> String {
        match (value, &slot.shape) {
            (Value::Text(name), Shape::Named(at)) => {
                let of = &self.plan.types[*at];
                let Definition::Enum(values) = &of.definition else { return literal(name) };
                let found = values.iter().find(|(_, value)| value == name);
                format!("{}.{}", of.name, found.map_or(name, |(identifier, _)| identifier))
            }
            (Value::Bool(true), _) => "True".into(),
            (Value::Bool(false), _) => "False".into(),
            (Value::Int(number), Shape::F32 | Shape::F64) => format!("{number}.0"),
            (Value::Int(number), _) => number.to_string(),
            (Value::Uint(number), _) => number.to_string(),
            (Value::Float(number), _) if number.is_finite() => format!("{number:?}"),
            (Value::Float(number), _) => format!("float(\"{number}\")"),
            (Value::Text(text), _) => literal(text),
            (Value::Bytes(bytes), _) => {
                let hex: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
                format!("b\"{hex}\"")
            }
            (Value::Timestamp(at), _) => format!("Timestamp({})", at.0),
            (Value::Decimal(number), _) => format!("Decimal(\"{number}\")"),
            (Value::Array(items), Shape::List(of, _)) => {
                format!("[{}]", items.iter().map(|item| self.value(item, of)).collect::<Vec<_>>().join(", "))
            }
            (Value::Map(entries), Shape::Map(of)) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", literal(key), self.value(value, of)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
            _ => "None".into(),
        }
    }
}

/// Returns text that is safe in a docstring, with any end.
pub(super) fn safe(text: &str) -> String {
    let text = text.trim_end().replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"");
    if text.ends_with('"') { text + " " } else { text }
}

/// Returns a string literal. Python has all escapes of JSON.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c == '\t' || is_hidden(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

pub(super) fn triple(text: &str) -> String {
    format!("\"\"\"\\\n{}\"\"\"", text.replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\""))
}
