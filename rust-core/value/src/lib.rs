//! The values of Linkspan, their encodings and their schemas: the contents of messages.
//!
//! Programs use this crate through `linkspan`, under equal names. It knows no channels, shared memory or sockets. Its
//! only input is reading files that a user names, such as schemas. Hidden items are only for the core's crates and
//! change without notice.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![deny(missing_debug_implementations)]
#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod body;
#[doc(hidden)]
pub mod buffers;
pub mod codec;
mod convert;
#[cfg(test)]
#[path = "../../engine/src/documents.rs"]
#[allow(dead_code, reason = "most blocks of the documents are those of `linkspan-engine`")]
mod documents;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod files;
#[cfg(test)]
#[path = "../../engine/src/histories.rs"]
mod histories;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(not(feature = "schema"))]
#[doc(hidden)]
#[path = "schema/absent.rs"]
pub mod schema;
pub mod value;

pub use body::Body;
pub use codec::Encoding;
#[doc(hidden)]
pub use error::is_unseen;
pub use error::{
    Error, ErrorKind, OneLine, Quoted, RemoteFailure, Result, in_seconds, one_line, quoted, several_lines,
};
pub use value::{BigInt, DType, Decimal, Limits, Map, NdArray, Order, Serde, Timestamp, Value};
