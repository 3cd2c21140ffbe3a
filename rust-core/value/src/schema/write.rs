//! From the model to the notation: the text that `linkspan schema show` prints.
//!
//! Parsing the text yields an equal schema; tests compare both. A type without attributes is one
//! word, any other type a table.

use std::fmt::Write as _;

use base64::Engine as _;

use super::model::{Field, Kind, Length, Range, Schema, Type};
use crate::value::Value;

impl Schema {
    /// Returns the schema in the notation, with every name resolved. Parsing it yields an equal
    /// schema.
    pub fn to_toml(&self) -> String {
        let mut out = format!("name = {}\nversion = {}\n", quote(&self.name), self.version);
        if !self.doc.is_empty() {
            line(&mut out, "doc", &quote(&self.doc));
        }
        // Comments with the layout, for writing the struct in C or Fortran.
        if let Some(layout) = self.layout() {
            line(&mut out, "layout", "\"packed\"");
            let _ = writeln!(
                out,
                "# {} bytes, aligned to {}; offset and size of each field:",
                layout.size, layout.alignment
            );
            for place in &layout.fields {
                let _ =
                    writeln!(out, "# {:>6} {:>6}  {}: {}", place.offset, place.size, place.path, place.of);
            }
        }
        // A record at the top needs no `type`.
        if !matches!(self.root.kind, Kind::Record(_)) {
            attributes(&mut out, &self.root);
        }
        parts(&mut out, "", &self.root);
        out
    }
}

fn line(out: &mut String, key: &str, value: &str) {
    let _ = writeln!(out, "{key} = {value}");
}

/// Appends the lines of a type's own table: kind, limits, unit, range.
///
/// The tables of its inner types follow, see [`parts`].
fn attributes(out: &mut String, of: &Type) {
    line(out, "type", &quote(of.kind.name()));
    let most = |out: &mut String, most: Option<u64>| {
        if let Some(most) = most {
            line(out, "max_length", &most.to_string());
        }
    };
    match &of.kind {
        Kind::Text(length) | Kind::Bytes(length) => most(out, *length),
        Kind::List(each, length) => {
            most(out, *length);
            if let Some(word) = in_a_word(each) {
                line(out, "of", &quote(&word));
            }
        }
        Kind::Map(each) => {
            if let Some(word) = in_a_word(each) {
                line(out, "of", &quote(&word));
            }
        }
        Kind::Enum(values) => line(out, "values", &list(values.iter().map(|value| quote(value)))),
        Kind::NdArray { dtype, shape, order } => {
            line(out, "dtype", &quote(dtype.name()));
            if let Some(shape) = shape {
                let lengths = shape.iter().map(|length| match length {
                    Length::Fixed(length) => length.to_string(),
                    other => quote(&other.to_string()),
                });
                line(out, "shape", &list(lengths));
            }
            if let Some(order) = order {
                line(out, "order", &quote(order.name()));
            }
        }
        _ => {}
    }
    if let Some(unit) = &of.unit {
        line(out, "unit", &quote(unit));
    }
    match of.range {
        // A point makes readers see a float.
        Some(Range::Float(low, high)) => line(out, "range", &list([low, high].map(float))),
        Some(range @ Range::Integer(..)) => line(out, "range", &range.to_string()),
        None => {}
    }
}

/// Appends the tables below a type's own: its fields, variants or columns, or the type of its
/// values.
fn parts(out: &mut String, path: &str, of: &Type) {
    let (key, fields) = match &of.kind {
        Kind::Record(fields) => ("fields", fields),
        Kind::Union(fields) => ("variants", fields),
        Kind::Table(fields) => ("columns", fields),
        Kind::List(each, _) | Kind::Map(each) => {
            if in_a_word(each).is_none() {
                let path = format!("{path}of");
                let _ = write!(out, "\n[{path}]\n");
                attributes(out, each);
                parts(out, &(path + "."), each);
            }
            return;
        }
        _ => return,
    };
    for field in fields {
        // TOML needs no quotes for names of fields.
        let path = format!("{path}{key}.{}", field.name);
        let _ = write!(out, "\n[{path}]\n");
        attributes(out, &field.of);
        beside(out, field);
        parts(out, &(path + "."), &field.of);
    }
}

fn beside(out: &mut String, field: &Field) {
    if !field.aliases.is_empty() {
        line(out, "alias", &list(field.aliases.iter().map(|alias| quote(alias))));
    }
    if field.optional {
        line(out, "optional", "true");
    }
    if let Some(default) = &field.default {
        line(out, "default", &toml(default));
    }
    if !field.doc.is_empty() {
        line(out, "doc", &quote(&field.doc));
    }
}

/// Returns the word of a type that needs no table: `f64`, `list of text`.
///
/// `None` for a type with attributes or fields.
fn in_a_word(of: &Type) -> Option<String> {
    let plain = of.unit.is_none() && of.range.is_none();
    match &of.kind {
        _ if !plain => None,
        Kind::List(each, None) => Some(format!("list of {}", in_a_word(each)?)),
        Kind::Map(each) => Some(format!("map of {}", in_a_word(each)?)),
        Kind::Text(Some(_)) | Kind::Bytes(Some(_)) | Kind::List(..) | Kind::Enum(_) => None,
        Kind::Record(_) | Kind::Union(_) | Kind::Table(_) | Kind::NdArray { .. } => None,
        kind => Some(kind.name().to_owned()),
    }
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

fn float(number: f64) -> String {
    format!("{number:?}").replace("NaN", "nan")
}

fn toml(value: &Value) -> String {
    match value {
        Value::Text(text) => quote(text),
        Value::Float(number) => float(*number),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Timestamp(at) => quote(&at.to_string()),
        Value::Decimal(number) => quote(number.as_str()),
        Value::Bytes(bytes) => quote(&base64::engine::general_purpose::STANDARD.encode(bytes)),
        Value::Array(items) => list(items.iter().map(toml)),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{} = {}", quote(key), toml(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        // No other value is a default.
        other => quote(other.type_name()),
    }
}

fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // TOML allows no control characters in a string.
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
