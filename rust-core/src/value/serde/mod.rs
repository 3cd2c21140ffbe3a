//! Values and users' own Rust types, by way of serde, both ways.
//!
//! | what | lives in |
//! |---|---|
//! | [`to_value`], [`Serde`]: any `Serialize` to a [`Value`], or to be sent | `to_value` |
//! | [`from_value`]: a [`Value`] to any `Deserialize` | `from_value` |
//! | [`Value`], [`Timestamp`], [`NdArray`] and the like inside such types, and in other formats | `trees` |
//!
//! In another format (serde_json, say) a value is written as our own JSON has it: what the format has no form for is an
//! escape such as `{"$time": …}`.
//!
//! [`Timestamp`]: super::Timestamp
//! [`NdArray`]: super::NdArray

mod from_value;
mod to_value;
mod trees;

pub use from_value::from_value;
pub use to_value::{Serde, to_value};

use super::unescape::Unescape;
use super::{Source, Value, ValueBuilder};
use crate::error::{Error, ErrorKind, Result, quoted};

/// The name of the newtype under which a value with its escapes travels through serde. Formats pass its content on;
/// our own two ends know it, and take the escapes in it for what they stand for.
const ESCAPED: &str = "$linkspan";

/// The value that this tree writes with escapes.
fn resolve(escaped: &Value) -> Result<Value> {
    let mut sink = Unescape::new(ValueBuilder::new());
    escaped.walk(&mut sink)?;
    sink.into_inner().finish()
}

impl serde::ser::Error for Error {
    fn custom<T: std::fmt::Display>(text: T) -> Error {
        Error::new(ErrorKind::Unsupported, text.to_string())
    }
}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(text: T) -> Error {
        Error::new(ErrorKind::WrongType, text.to_string())
    }

    fn invalid_value(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Error {
        Error::new(ErrorKind::OutOfRange, format!("{found} is there, {expected} was asked for"))
    }

    fn missing_field(field: &'static str) -> Error {
        Error::new(ErrorKind::Missing, format!("there is no {field}", field = quoted(field)))
    }

    fn duplicate_field(field: &'static str) -> Error {
        Error::new(ErrorKind::Malformed, format!("{field} is there twice", field = quoted(field)))
    }
}
