//! `Serialize` and `Deserialize` for values, and for the kinds of value that serde lacks.
//!
//! Serializing writes escapes for kinds without a form in the format, see [`super::ESCAPED`].
//! Deserializing builds the tree with escapes as plain maps, then resolves them: a format announces
//! no type, so nothing can be decided earlier.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ESCAPED, resolve};
use crate::error::quoted;
use crate::value::escape::{float_text, name, uuid_text};
use crate::value::{BigInt, Decimal, Map, NdArray, Timestamp, Value};

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(ESCAPED, &Escaped(self))
    }
}

struct Escaped<'a>(&'a Value);

impl Serialize for Escaped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(v) => serializer.serialize_bool(*v),
            Value::Int(v) => serializer.serialize_i64(*v),
            Value::Uint(v) => serializer.serialize_u64(*v),
            Value::BigInt(v) => escape(serializer, name::INT, &v.to_string()),
            // Human-readable formats, such as JSON, lack infinities and NaN.
            Value::Float(v) if !v.is_finite() && serializer.is_human_readable() => {
                escape(serializer, name::FLOAT, &*float_text(*v))
            }
            Value::Float(v) => serializer.serialize_f64(*v),
            Value::Text(v) => serializer.serialize_str(v),
            Value::Bytes(v) if serializer.is_human_readable() => escape(serializer, name::BYTES, &Block(v)),
            Value::Bytes(v) => serializer.serialize_bytes(v),
            Value::Timestamp(v) => escape(serializer, name::TIME, &v.to_string()),
            Value::Uuid(v) => escape(serializer, name::UUID, &uuid_text(*v)),
            Value::Decimal(v) => escape(serializer, name::DECIMAL, v.as_str()),
            Value::NdArray(v) => escape(serializer, name::NDARRAY, &Fields(v)),
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&Escaped(item))?;
                }
                seq.end()
            }
            Value::Map(entries) => match entries.first() {
                // Wraps a map that looks like an escape, as in `escape`.
                Some((key, _)) if entries.len() == 1 && key.starts_with('$') => {
                    escape(serializer, name::MAP, &Entries(entries))
                }
                _ => Entries(entries).serialize(serializer),
            },
        }
    }
}

fn escape<S: Serializer, T: Serialize + ?Sized>(
    serializer: S,
    name: &str,
    content: &T,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, content)?;
    map.end()
}

/// A map in a user's own type: each entry is a separate [`Value`].
impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        deserializer.deserialize_map(UserMap)
    }
}

struct UserMap;

impl<'de> Visitor<'de> for UserMap {
    type Value = Map;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Map, A::Error> {
        entries_of(map, |map| map.next_value())
    }
}

/// Collects the entries of a map; an error for a repeated key.
fn entries_of<'de, A: MapAccess<'de>>(
    mut map: A,
    mut value: impl FnMut(&mut A) -> Result<Value, A::Error>,
) -> Result<Map, A::Error> {
    let mut entries = Map::new();
    while let Some(key) = map.next_key::<String>()? {
        if entries.contains_key(&key) {
            let text = format!("the key {key} occurs twice in one map", key = quoted(&key));
            return Err(de::Error::custom(text));
        }
        let value = value(&mut map)?;
        entries.push(key, value);
    }
    Ok(entries)
}

struct Entries<'a>(&'a Map);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, &Escaped(value))?;
        }
        map.end()
    }
}

/// Bytes: base64 in human-readable formats.
struct Block<'a>(&'a [u8]);

impl Serialize for Block<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(self.0))
        } else {
            serializer.serialize_bytes(self.0)
        }
    }
}

struct Fields<'a>(&'a NdArray);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("dtype", self.0.dtype.name())?;
        map.serialize_entry("shape", &self.0.shape)?;
        map.serialize_entry("order", self.0.order.name())?;
        map.serialize_entry("data", &Block(&self.0.data))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let escaped = deserializer.deserialize_newtype_struct(ESCAPED, Tree)?;
        resolve(&escaped).map_err(de::Error::custom)
    }
}

/// Builds the tree of any content; escapes stay maps until [`resolve`].
struct Tree;

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    /// A value has no level for `Option` and newtypes.
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    /// The digits decide the kind of an integer of 128 bits.
    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        BigInt::parse(&value.to_string()).map_err(E::custom)
    }
    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        BigInt::parse(&value.to_string()).map_err(E::custom)
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }
    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes::Bytes::copy_from_slice(value)))
    }
    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(value.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Tree)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        entries_of(map, |map| map.next_value_seed(Tree)).map(Value::Map)
    }
}

// Kinds of value that serde lacks. Each is serialized as a [`Value`], and must be a value of its
// kind when it is deserialized.
macro_rules! kinds {
    ($($kind:ident, $what:literal;)*) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Value::$kind(self.clone()).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$kind, D::Error> {
                match Value::deserialize(deserializer)? {
                    Value::$kind(value) => Ok(value),
                    other => {
                        let text = format!("expected {}, found {}", $what, other.type_name());
                        Err(de::Error::custom(text))
                    }
                }
            }
        }
    )*};
}
kinds! {
    Timestamp, "a timestamp";
    Decimal, "a decimal number";
    BigInt, "an integer beyond 64 bits";
    NdArray, "an N-d array";
}
