//! The canonical form of a schema: one sequence of bytes for one meaning, and its fingerprint.
//!
//! The bytes are CBOR in the core deterministic encoding of RFC 8949, section 4.2.1, but that floats have 64 bits: a map
//! `{"type": …, "format": 1, "schema": name, "version": …}`. Texts that describe are left out; units, ranges, defaults and aliases are in it.

mod read;

use std::fmt;

use sha2::{Digest, Sha256};

use super::model::{Field, Kind, Length, Range, Schema, Type};
use crate::codec::{Encoding, encode};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::value::{Map, Value};

/// The number of this canonical form.
const FORMAT: i64 = 1;

/// SHA-256 of a schema's canonical form: equal fingerprints, equal meaning.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Schema {
    /// The canonical form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let layout = self.packed.then(|| ("layout", "packed".into()));
        let value = map(layout.into_iter().chain([
            ("format", FORMAT.into()),
            ("schema", self.name.as_str().into()),
            ("type", of_type(&self.root)),
            ("version", self.version.into()),
        ]));
        // A schema of any size that its constructors allow is far below every limit of the codec.
        encode(&value, Encoding::Cbor).unwrap_or_default()
    }

    /// SHA-256 of the canonical form.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.to_bytes()).into())
    }

    /// The schema of this canonical form. `Malformed` where the bytes are anything else, also where they mean a schema and write it
    /// in another way: so one fingerprint stands for one schema.
    pub fn from_bytes(bytes: &[u8]) -> Result<Schema> {
        let schema = read::schema(bytes)?;
        if schema.to_bytes() != bytes {
            let text = format!("the bytes of the schema {} are not its canonical form", quoted(&schema.name));
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        Ok(schema)
    }
}

/// A map in the order of RFC 8949: shorter keys first, equal lengths by their bytes.
fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let mut entries: Vec<(&str, Value)> = entries.into_iter().collect();
    entries.sort_by_key(|(key, _)| (key.len(), *key));
    Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map>())
}

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

/// A default with its maps in canonical order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Map(entries) => map(entries.iter().map(|(key, value)| (key.as_str(), sorted(value)))),
        plain => plain.clone(),
    }
}

/// The end of a range of integers, which fits 64 bits with or without sign.
fn integer(number: i128) -> Value {
    match i64::try_from(number) {
        Ok(number) => number.into(),
        Err(_) => u64::try_from(number).unwrap_or(u64::MAX).into(),
    }
}
