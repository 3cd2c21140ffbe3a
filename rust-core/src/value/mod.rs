//! What can be said: the kinds of value, and the one pair of traits that everything carrying values has.
//!
//! | kind | lives in |
//! |---|---|
//! | null, bool, integers, floats, text, bytes, array, map | [`Value`] in `tree`, [`Map`] in `map` |
//! | integers beyond 64 bits | [`BigInt`] in `bigint` |
//! | exact decimal numbers | [`Decimal`] in `decimal` |
//! | instants | [`Timestamp`] in `timestamp` |
//! | N-d arrays of numbers | [`NdArray`] in `ndarray` |
//! | events and who gives them | [`Sink`], [`Source`] in `sink` |
//! | what a peer may ask of us | [`Limits`], [`Meter`] in `limits`, `budget`, `seen` |
//! | values that an encoding has no form for, as maps of one key | `escape`, `unescape` |
//! | generated Rust types, without a tree in between | [`typed`] |
//! | users' own Rust types, by way of serde | [`to_value`], [`from_value`] in `serde` |

mod bigint;
mod budget;
mod decimal;
pub(crate) mod escape;
mod limits;
mod map;
mod ndarray;
mod path;
mod seen;
mod serde;
mod sink;
pub(crate) mod stack;
mod timestamp;
mod tree;
pub mod typed;
pub(crate) mod unescape;

/// Shared memory of a message: the type of blocks of bytes.
pub use bytes::Bytes;

pub use bigint::BigInt;
pub use decimal::{Decimal, DecimalParts};
pub use limits::{Keys, Limits, Meter};
pub use map::Map;
pub use ndarray::{DType, Element, NdArray, NdArrayRef, Order};
pub use path::Path;
pub use seen::repeated_key;
pub use serde::{Serde, from_value, to_value};
pub use sink::{Sink, Source};
pub use timestamp::Timestamp;
pub use tree::{Value, ValueBuilder};
