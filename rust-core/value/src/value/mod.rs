//! The value model: the kinds of value in a message, and the two traits that convert values.
//!
//! | what | defined in |
//! |---|---|
//! | null, bool, integers, floats, text, bytes, array, map | [`Value`] and [`Map`] in `tree`; the operations of a map in `map` |
//! | integers beyond 64 bits; exact decimal numbers | [`BigInt`], [`Decimal`] in `number`; the constructors of integers in `integer` |
//! | instants | [`Timestamp`] in `timestamp` |
//! | N-d arrays of numbers | [`NdArray`] in `ndarray` |
//! | events, their receiver and their sender | [`Sink`], [`Source`] in `sink` |
//! | a tree from events | [`ValueBuilder`] in `builder` |
//! | resource limits of one value | [`Limits`], [`Meter`] in `limits`, `budget`, `seen` |
//! | values without a form in an encoding, as maps of one key | `escape`, `unescape` |
//! | generated Rust types, without a tree in between | [`typed`] |
//! | classes that bindings make of schemas while a program runs | [`plan`] |
//! | users' own Rust types, by way of serde | [`to_value`], [`from_value`] in `serde` |
//!
//! This module performs no input or output and knows no encoding. A codec drives a Sink to decode, and is a Sink to
//! encode.

mod budget;
mod builder;
pub(crate) mod escape;
mod integer;
mod limits;
mod map;
mod ndarray;
mod number;
mod path;
pub mod plan;
mod seen;
mod serde;
mod sink;
mod timestamp;
mod tree;
pub mod typed;
pub(crate) mod unescape;

/// Shared memory of a message: the type of blocks of bytes.
pub use bytes::Bytes;

pub use builder::ValueBuilder;
pub use limits::{Keys, Limits, Meter};
pub use ndarray::{DType, Element, NdArray, NdArrayRef, Order};
pub use number::{BigInt, Decimal, DecimalParts};
pub use path::Path;
pub use seen::repeated_key;
pub use serde::{Serde, from_value, to_value};
pub use sink::{Sink, Source};
pub use timestamp::Timestamp;
pub use tree::{Map, Value};

/// The state of each open array and map, innermost last; few values are deep enough to allocate.
pub(crate) type Stack<T> = smallvec::SmallVec<[T; 8]>;
