//! Converts a value to any `Deserialize`.
//!
//! The `Deserializer` presents plain values to the user's own types. Inside the newtype [`ESCAPED`]
//! it presents escapes, to a [`Value`] or a kind that serde lacks. Errors carry the path of the
//! value that failed.

use serde::de::value::{SeqDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::ESCAPED;
use super::keys::Key;
use crate::error::{Error, ErrorKind, Result};
use crate::value::escape::{name, uuid_text};
use crate::value::{DType, NdArray, Value};

/// Returns the type that serde builds from this value: the inverse of
/// [`to_value`](super::to_value).
///
/// An array of one dimension also fills a `Vec` of numbers.
///
/// # Errors
///
/// `WrongType`, `OutOfRange` or `Missing` with the path.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    T::deserialize(FromValue { value, escaped: false })
}

/// A value as serde sees it.
struct FromValue {
    value: Value,
    escaped: bool,
}

impl FromValue {
    fn plain(value: Value) -> FromValue {
        FromValue { value, escaped: false }
    }

    fn wrong<T>(&self, expected: &str) -> Result<T> {
        let text = format!("expected {expected}, found {}", self.value.type_name());
        Err(Error::new(ErrorKind::WrongType, text))
    }
}

fn escape<'de, V: Visitor<'de>>(visitor: V, name: &str, content: impl Into<Value>) -> Result<V::Value> {
    visitor.visit_map(Entries::new([(name.to_owned(), content.into())].into_iter().collect(), true))
}

impl<'de> Deserializer<'de> for FromValue {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let escaped = self.escaped;
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(v) => visitor.visit_bool(v),
            Value::Int(v) => visitor.visit_i64(v),
            Value::Uint(v) => visitor.visit_u64(v),
            Value::BigInt(v) => {
                let text = v.to_string();
                // An integer beyond 64 bits may fill an `i128` or a `u128`, but not where escapes are presented.
                match (text.parse::<i128>(), text.parse::<u128>()) {
                    (Ok(v), _) if !escaped => visitor.visit_i128(v),
                    (_, Ok(v)) if !escaped => visitor.visit_u128(v),
                    _ => escape(visitor, name::INT, text),
                }
            }
            Value::Float(v) => visitor.visit_f64(v),
            Value::Text(v) => visitor.visit_string(v),
            Value::Bytes(v) => visitor.visit_byte_buf(v.into()),
            Value::Timestamp(v) => escape(visitor, name::TIME, v.to_string()),
            Value::Uuid(v) => escape(visitor, name::UUID, uuid_text(v)),
            Value::Decimal(v) => escape(visitor, name::DECIMAL, v.to_string()),
            Value::NdArray(v) => {
                let fields = [
                    ("dtype", Value::from(v.dtype.name())),
                    ("shape", v.shape.into()),
                    ("order", v.order.name().into()),
                    ("data", v.data.into()),
                ];
                // The content of an escape contains no escapes.
                let content = Value::map(fields);
                visitor.visit_map(Entries::new(
                    [(name::NDARRAY.to_owned(), content)].into_iter().collect(),
                    false,
                ))
            }
            Value::Array(items) => visit_items(visitor, items, escaped),
            Value::Map(entries) => {
                let user_escape = entries.len() == 1 && entries.keys().all(|key| key.starts_with('$'));
                if escaped && user_escape {
                    let wrapped = [(name::MAP.to_owned(), Value::Map(entries))].into_iter().collect();
                    return visitor.visit_map(Entries { inside: Inside::Map, ..Entries::new(wrapped, true) });
                }
                visitor.visit_map(Entries::new(entries, escaped))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        let escaped = self.escaped || name == ESCAPED;
        visitor.visit_newtype_struct(FromValue { escaped, ..self })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Array(items) => visit_items(visitor, items, self.escaped),
            // A `Vec<u8>` requests a sequence.
            Value::Bytes(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.into_iter())),
            Value::NdArray(array) if array.shape.len() == 1 && !self.escaped => {
                visit_items(visitor, numbers(&array)?, false)
            }
            _ => self.wrong("an array"),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.value {
            Value::Text(name) => visitor.visit_enum(name.into_deserializer()),
            Value::Map(entries) if entries.len() == 1 => match entries.into_iter().next() {
                Some((name, content)) => visitor.visit_enum(Variant { name, content }),
                None => Err(Error::new(ErrorKind::Internal, "a map of one entry has none")),
            },
            _ => self.wrong("the name of a variant, or a map of one"),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct map struct
        identifier ignored_any
    }
}

/// Presents an array. An error if the visitor, a tuple, takes fewer items.
fn visit_items<'de, V: Visitor<'de>>(visitor: V, items: Vec<Value>, escaped: bool) -> Result<V::Value> {
    let mut items = Items { remaining: items.into_iter(), at: 0, escaped };
    let value = visitor.visit_seq(&mut items)?;
    match items.remaining.len() {
        0 => Ok(value),
        remaining => Err(de::Error::custom(format!("the array has {remaining} items too many"))),
    }
}

struct Items {
    remaining: std::vec::IntoIter<Value>,
    at: usize,
    escaped: bool,
}

impl<'de> SeqAccess<'de> for &mut Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(value) = self.remaining.next() else { return Ok(None) };
        let at = self.at;
        self.at += 1;
        seed.deserialize(FromValue { value, escaped: self.escaped }).map(Some).map_err(|e| e.under_index(at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.remaining.len())
    }
}

enum Inside {
    Plain,
    Escaped,
    /// The only value is the map inside `$map`, which is not wrapped again.
    Map,
}

struct Entries {
    remaining: std::vec::IntoIter<(String, Value)>,
    current: Option<(String, Value)>,
    inside: Inside,
}

impl Entries {
    fn new(entries: crate::value::Map, escaped: bool) -> Entries {
        let inside = if escaped { Inside::Escaped } else { Inside::Plain };
        Entries { remaining: entries.into_iter(), current: None, inside }
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((key, value)) = self.remaining.next() else { return Ok(None) };
        let read = seed.deserialize(Key(&key)).map(Some).map_err(|e| e.under_key(&key));
        self.current = Some((key, value));
        read
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        let Some((key, value)) = self.current.take() else {
            return Err(Error::new(ErrorKind::Internal, "a value was requested before its key"));
        };
        let done = match (&self.inside, value) {
            (Inside::Plain, value) => seed.deserialize(FromValue::plain(value)),
            (Inside::Map, Value::Map(entries)) => seed.deserialize(Wrapped(Entries::new(entries, true))),
            (_, value) => seed.deserialize(FromValue { value, escaped: true }),
        };
        done.map_err(|e| e.under_key(&key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.remaining.len())
    }
}

struct Wrapped(Entries);

impl<'de> Deserializer<'de> for Wrapped {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Returns the elements of an array as single values; a complex number becomes an array of two.
fn numbers(array: &NdArray) -> Result<Vec<Value>> {
    fn list<T: crate::value::Element>(array: &NdArray) -> Result<Vec<Value>>
    where
        Value: From<T>,
    {
        Ok(array.elements::<T>()?.iter().map(|n| Value::from(*n)).collect())
    }
    match array.dtype {
        DType::Bool => Ok(array.data.iter().map(|b| Value::Bool(*b != 0)).collect()),
        DType::I8 => list::<i8>(array),
        DType::I16 => list::<i16>(array),
        DType::I32 => list::<i32>(array),
        DType::I64 => list::<i64>(array),
        DType::U8 => list::<u8>(array),
        DType::U16 => list::<u16>(array),
        DType::U32 => list::<u32>(array),
        DType::U64 => list::<u64>(array),
        DType::F32 => list::<f32>(array),
        DType::F64 => list::<f64>(array),
        DType::C64 => Ok(array.elements::<[f32; 2]>()?.iter().map(|n| Value::from(n.to_vec())).collect()),
        DType::C128 => Ok(array.elements::<[f64; 2]>()?.iter().map(|n| Value::from(n.to_vec())).collect()),
    }
}

struct Variant {
    name: String,
    content: Value,
}

impl<'de> de::EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = VariantContent;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, VariantContent)> {
        let deserializer: StringDeserializer<Error> = self.name.clone().into_deserializer();
        Ok((seed.deserialize(deserializer)?, VariantContent { name: self.name, content: self.content }))
    }
}

struct VariantContent {
    name: String,
    content: Value,
}

impl<'de> de::VariantAccess<'de> for VariantContent {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        match self.content {
            // A unit variant may be a map, `{"Name": null}`.
            Value::Null => Ok(()),
            other => FromValue::plain(other).wrong("nothing").map_err(|e| e.under_key(&self.name)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(FromValue::plain(self.content)).map_err(|e| e.under_key(&self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        FromValue::plain(self.content).deserialize_seq(visitor).map_err(|e| e.under_key(&self.name))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        FromValue::plain(self.content).deserialize_any(visitor).map_err(|e| e.under_key(&self.name))
    }
}
