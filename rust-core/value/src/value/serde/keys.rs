//! Keys of maps: text in a value, and any type with a text form in a user's own type.

use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::error::{Error, ErrorKind, Result, quoted};

/// A key: an integer or a truth value if the type is one, in the form of `to_value`.
pub(super) struct Key<'a>(pub &'a str);

impl Key<'_> {
    fn parse<T: std::str::FromStr>(&self, what: &str) -> Result<T> {
        self.0.parse().map_err(|_| {
            Error::new(ErrorKind::WrongType, format!("expected {what} as a key, found {}", quoted(self.0)))
        })
    }
}

macro_rules! parsed {
    ($($method:ident => $visit:ident, $what:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.$visit(self.parse($what)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_str(self.0)
    }

    parsed! {
        deserialize_bool => visit_bool, "true or false";
        deserialize_i8 => visit_i8, "an integer of 8 bits";
        deserialize_i16 => visit_i16, "an integer of 16 bits";
        deserialize_i32 => visit_i32, "an integer of 32 bits";
        deserialize_i64 => visit_i64, "an integer of 64 bits";
        deserialize_i128 => visit_i128, "an integer of 128 bits";
        deserialize_u8 => visit_u8, "an integer of 8 bits without sign";
        deserialize_u16 => visit_u16, "an integer of 16 bits without sign";
        deserialize_u32 => visit_u32, "an integer of 32 bits without sign";
        deserialize_u64 => visit_u64, "an integer of 64 bits without sign";
        deserialize_u128 => visit_u128, "an integer of 128 bits without sign";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
