//! Converts any `Serialize` to a value.
//!
//! Errors carry the path of the value that failed: each level adds its key or index on the way out.

use serde::ser::{self, Serialize, Serializer};

use super::{ESCAPED, foreign, resolve};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{BigInt, Map, Sink, Source, Value};

/// Returns the value of any type that serde can serialize.
///
/// Structs and maps become maps, tuples and sequences become arrays. Enums have the form of serde_json, and `Option`'s
/// `None` is null. [`Value`], [`Timestamp`](crate::Timestamp), [`NdArray`](crate::NdArray), [`Decimal`](crate::Decimal)
/// and [`BigInt`] inside keep their kind.
///
/// # Errors
///
/// `Unsupported` with the path for CBOR tags and BSON types without a form here, from `ciborium::Value` and
/// `bson::Document`. `Unsupported` also for keys that are not text, numbers or bools, and for errors of the type
/// itself.
pub fn to_value<T: Serialize + ?Sized>(from: &T) -> Result<Value> {
    from.serialize(ToValue)
}

/// A value of the program's own type, for sending: `out.send(&Serde(&reading))`.
///
/// Sending builds the tree of the value first. `Message::to` is the opposite direction.
///
/// ```
/// # extern crate linkspan_value as linkspan;
/// use linkspan::{Encoding, Serde, codec};
///
/// #[derive(serde::Serialize)]
/// struct Reading {
///     celsius: f64,
/// }
///
/// let sent = codec::encode(&Serde(&Reading { celsius: 21.5 }), Encoding::Json)?;
/// assert_eq!(sent, br#"{"celsius":21.5}"#);
/// # Ok::<(), linkspan::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Serde<T>(pub T);

impl<T: Serialize> Source for Serde<T> {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        to_value(&self.0)?.walk(sink)
    }
}

// The format is not human-readable, so that bytes and floats pass unchanged.
struct ToValue;

impl Serializer for ToValue {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    fn is_human_readable(&self) -> bool {
        false
    }
    fn serialize_bool(self, value: bool) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_i8(self, value: i8) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_i128(self, value: i128) -> Result<Value> {
        BigInt::parse(&value.to_string())
    }
    fn serialize_u8(self, value: u8) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_u128(self, value: u128) -> Result<Value> {
        BigInt::parse(&value.to_string())
    }
    fn serialize_f32(self, value: f32) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_f64(self, value: f64) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_char(self, value: char) -> Result<Value> {
        Ok(Value::Text(value.into()))
    }
    fn serialize_str(self, value: &str) -> Result<Value> {
        Ok(value.into())
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<Value> {
        Ok(Value::Bytes(bytes::Bytes::copy_from_slice(value)))
    }
    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value> {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value> {
        Ok(variant.into())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Value> {
        // Restores the kinds of a `Value` inside the user's type.
        let content = value.serialize(ToValue)?;
        if name == ESCAPED { resolve(&content) } else { Ok(content) }
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value> {
        let value = value.serialize(ToValue).map_err(|e| e.under_key(variant))?;
        Ok(Value::map([(variant, value)]))
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Items> {
        Ok(Items { items: Vec::with_capacity(len.unwrap_or(0).min(1024)), variant: None })
    }
    fn serialize_tuple(self, len: usize) -> Result<Items> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items> {
        let variant = if name == foreign::TAG { name } else { variant };
        Ok(Items { variant: Some(variant), ..self.serialize_seq(Some(len))? })
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Entries> {
        Ok(Entries { entries: Map::with_capacity(len.unwrap_or(0).min(1024)), key: None, variant: None })
    }
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Entries> {
        let variant = foreign::is_of_bson(name).then_some(name);
        Ok(Entries { variant, ..self.serialize_map(Some(len))? })
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Entries> {
        Ok(Entries { variant: Some(variant), ..self.serialize_map(Some(len))? })
    }
}

fn in_variant(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::map([(variant, value)]),
        None => value,
    }
}

struct Items {
    items: Vec<Value>,
    variant: Option<&'static str>,
}

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let value = value.serialize(ToValue).map_err(|e| e.under_index(self.items.len()))?;
        self.items.push(value);
        Ok(())
    }

    fn finish(self) -> Result<Value> {
        match self.variant {
            Some(foreign::TAG) => foreign::tagged(self.items),
            variant => Ok(in_variant(variant, Value::Array(self.items))),
        }
    }
}

struct Entries {
    entries: Map,
    key: Option<String>,
    variant: Option<&'static str>,
}

impl Entries {
    fn put<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<()> {
        let value = value.serialize(ToValue).map_err(|e| e.under_key(key))?;
        self.entries.insert(key.to_owned(), value);
        Ok(())
    }

    fn finish(self) -> Result<Value> {
        match self.variant {
            Some(name) if foreign::is_of_bson(name) => foreign::of_bson(name, &self.entries),
            variant => Ok(in_variant(variant, Value::Map(self.entries))),
        }
    }
}

macro_rules! items {
    ($($with:ident::$put:ident),*) => {$(
        impl ser::$with for Items {
            type Ok = Value;
            type Error = Error;
            fn $put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.push(value)
            }
            fn end(self) -> Result<Value> {
                self.finish()
            }
        }
    )*};
}
items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($with:ident),*) => {$(
        impl ser::$with for Entries {
            type Ok = Value;
            type Error = Error;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
                self.put(key, value)
            }
            fn end(self) -> Result<Value> {
                self.finish()
            }
        }
    )*};
}
fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Entries {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        // A number as a key becomes its text, as in serde_json.
        self.key = Some(match key.serialize(ToValue)? {
            Value::Text(key) => key,
            Value::Int(key) => key.to_string(),
            Value::Uint(key) => key.to_string(),
            Value::BigInt(key) => key.to_string(),
            Value::Bool(key) => key.to_string(),
            other => {
                let text = format!("a key is text, here is {}", other.type_name());
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        match self.key.take() {
            Some(key) => self.put(&key, value),
            None => Err(Error::new(ErrorKind::Internal, "a value came into a map without its key")),
        }
    }

    fn end(self) -> Result<Value> {
        self.finish()
    }
}
