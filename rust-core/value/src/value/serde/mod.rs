//! Values and users' own Rust types, converted by serde in both directions.
//!
//! | what | defined in |
//! |---|---|
//! | [`to_value`], [`Serde`]: any `Serialize` to a [`Value`], or sent | `to_value` |
//! | [`from_value`]: a [`Value`] to any `Deserialize` | `from_value` |
//! | keys of maps | `keys` |
//! | tags of CBOR and types of BSON, from those crates' own values | `foreign` |
//! | [`Value`], [`Timestamp`], [`NdArray`] and other kinds inside such types, and in other formats | `trees` |
//!
//! Serde lacks kinds for timestamps, decimals, big integers and N-d arrays. Inside serde these are escapes such as
//! `{"$time": …}` in a newtype with a reserved name. The conversions here restore the kind; other formats contain the
//! escape.
//!
//! [`Timestamp`]: super::Timestamp [`NdArray`]: super::NdArray

mod foreign;
mod from_value;
mod keys;
mod to_value;
mod trees;

pub use from_value::from_value;
pub use to_value::{Serde, to_value};

use super::unescape::Unescape;
use super::{Source, Value, ValueBuilder};
use crate::error::{Error, ErrorKind, Result, quoted};

/// The name of the newtype in which a value with escapes passes through serde.
///
/// `to_value` and `from_value` recognize the name and resolve the escapes. Other formats pass the content on.
const ESCAPED: &str = "$linkspan";

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
        Error::new(ErrorKind::OutOfRange, format!("expected {expected}, found {found}"))
    }

    fn missing_field(field: &'static str) -> Error {
        Error::new(ErrorKind::Missing, format!("there is no {field}", field = quoted(field)))
    }

    fn duplicate_field(field: &'static str) -> Error {
        Error::new(ErrorKind::Malformed, format!("{field} is there twice", field = quoted(field)))
    }
}
