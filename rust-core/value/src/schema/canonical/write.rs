//! From the model to the canonical form.
//!
//! The form omits absent attributes. A new attribute of the format therefore changes no fingerprint of a schema that
//! does not use it.

use crate::codec::{Encoding, encode};
use crate::error::Result;
use crate::schema::model::{Field, Kind, Length, Range, Schema, Type};
use crate::value::{Map, Value};

pub(super) const FORMAT: i64 = 1;

pub(super) fn schema(schema: &Schema) -> Result<Vec<u8>> {
    let layout = schema.packed.then(|| ("layout", "packed".into()));
    let value = map(layout.into_iter().chain([
        ("format", FORMAT.into()),
        ("schema", schema.name.as_str().into()),
        ("type", of_type(&schema.root)),
        ("version", schema.version.into()),
    ]));
    // The limits on types and their depth keep a parsed schema below every limit of the codec. A model that a program
    // builds may exceed them.
    encode(&value, Encoding::Cbor)
}

/// Returns a map in the order of RFC 8949: shorter keys first, equal lengths by their bytes.
fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let mut entries: Vec<(&str, Value)> = entries.into_iter().collect();
    entries.sort_by_key(|(key, _)| (key.len(), *key));
    Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map>())
}

/// Returns the map of a type: its kind, the attributes of the kind, unit and range.
///
/// Each use of a record is written in full, so equal trees have equal bytes even if their texts differ.
fn of_type(of: &Type) -> Value {
    let mut entries = vec![("kind", of.kind.name().into())];
    match &of.kind {
        Kind::Text(Some(most)) | Kind::Bytes(Some(most)) => entries.push(("max", (*most).into())),
        Kind::Enum(values) => entries.push(("values", values.clone().into())),
        Kind::List(each, most) => {
            entries.push(("of", of_type(each)));
            entries.extend(most.map(|most| ("max", most.into())));
        }
        Kind::Map(each) => entries.push(("of", of_type(each))),
        Kind::Record(fields) | Kind::Union(fields) | Kind::Table(fields) => {
            entries.push(("fields", Value::Array(fields.iter().map(of_field).collect())));
        }
        Kind::NdArray { dtype, shape, order } => {
            entries.push(("dtype", dtype.name().into()));
            entries.extend(order.map(|order| ("order", order.name().into())));
            entries.extend(
                shape.as_ref().map(|shape| ("shape", Value::Array(shape.iter().map(of_length).collect()))),
            );
        }
        _ => {}
    }
    entries.extend(of.unit.as_deref().map(|unit| ("unit", unit.into())));
    entries.extend(of.range.map(|range| {
        let ends = match range {
            Range::Integer(low, high) => [integer(low), integer(high)],
            Range::Float(low, high) => [low.into(), high.into()],
        };
        ("range", Value::Array(ends.into()))
    }));
    map(entries)
}

fn of_length(length: &Length) -> Value {
    match length {
        Length::Fixed(length) => (*length).into(),
        Length::Named(name) => name.as_str().into(),
        Length::Any => "*".into(),
    }
}

/// Returns the map of a field, with its attributes.
///
/// The order of fields is part of the meaning: messages have this order.
fn of_field(field: &Field) -> Value {
    let mut entries = vec![("name", field.name.as_str().into()), ("type", of_type(&field.of))];
    if !field.aliases.is_empty() {
        entries.push(("alias", field.aliases.clone().into()));
    }
    if field.optional {
        entries.push(("optional", true.into()));
    }
    entries.extend(field.default.as_ref().map(|default| ("default", sorted(default))));
    map(entries)
}

/// Returns a default with its maps in canonical order; its own maps have the order of the text.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Map(entries) => map(entries.iter().map(|(key, value)| (key.as_str(), sorted(value)))),
        plain => plain.clone(),
    }
}

fn integer(number: i128) -> Value {
    match i64::try_from(number) {
        Ok(number) => number.into(),
        Err(_) => u64::try_from(number).unwrap_or(u64::MAX).into(),
    }
}
