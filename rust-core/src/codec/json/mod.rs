//! JSON (RFC 8259): compact, with escapes for values that JSON has no form for.
//!
//! | what | defined in |
//! |---|---|
//! | text to values | `decode`, with numbers in `number` and strings in `string` |
//! | the first pass over the text, which counts items | `count` |
//! | short texts to trees in one pass | `short` |
//! | values to text | `encode`, with short numbers in `digits` |
//! | members and items as slices of the text, for JSON-RPC | `slices` |
//! | searches for the end of a string, several bytes at a time | `scan` |
//!
//! A number with a point or an exponent is a float, any other an integer of whatever size: 7 and
//! 7.0 stay different.

mod count;
mod decode;
mod digits;
mod encode;
mod number;
mod scan;
mod short;
mod slices;
mod string;

pub(crate) use decode::decode;
pub(crate) use encode::Encoder;
pub(crate) use short::decode_short;
pub(crate) use slices::{items, members};
