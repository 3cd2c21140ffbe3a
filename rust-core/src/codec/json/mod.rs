//! JSON (RFC 8259): compact, with escapes for what JSON has no form for.
//!
//! A number with a point or an exponent is a float, any other an integer of whatever size: 7 and 7.0 stay different.

mod count;
mod decode;
mod encode;
mod number;
mod slices;
mod string;

pub(crate) use decode::decode;
pub(crate) use encode::Encoder;
pub(crate) use slices::{items, members};
