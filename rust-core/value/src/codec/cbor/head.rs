//! The head of a CBOR item: its major type and its number.

use crate::codec::input::{Input, malformed};
use crate::codec::input::{from_f16, from_f32};
use crate::error::{Error, Result};

pub(super) const BREAK: u8 = 0xff;

#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) at: usize,
    /// The major type, 0 to 7.
    pub(super) major: u8,
    /// The low five bits: the number itself, or the length of the number.
    pub(super) info: u8,
    /// The number: a value, a length, a count, a tag or bits of a float. Zero for an indefinite
    /// length.
    pub(super) n: u64,
}

impl Head {
    pub(super) fn is_indefinite(self) -> bool {
        self.info == 31
    }

    pub(super) fn float(self) -> f64 {
        match self.info {
            25 => from_f16(self.n as u16),
            26 => from_f32(self.n as u32),
            _ => f64::from_bits(self.n),
        }
    }
}

/// Takes the next head; `Malformed` if it is reserved or cut off.
///
/// Only strings, arrays and maps may have an indefinite length.
#[inline]
pub(super) fn head(input: &mut Input<'_>) -> Result<Head> {
    let at = input.at;
    let first = input.byte()?;
    let (major, info) = (first >> 5, first & 31);
    let n = if info < 24 { info.into() } else { long_number(input, at, major, info)? };
    Ok(Head { at, major, info, n })
}

#[inline(never)]
fn long_number(input: &mut Input<'_>, at: usize, major: u8, info: u8) -> Result<u64> {
    match info {
        24 => Ok(input.byte()?.into()),
        25 => Ok(u16::from_be_bytes(input.array()?).into()),
        26 => Ok(u32::from_be_bytes(input.array()?).into()),
        27 => Ok(u64::from_be_bytes(input.array()?)),
        31 if (2..=5).contains(&major) => Ok(0),
        _ => Err(reserved(at, major, info)),
    }
}

#[cold]
fn reserved(at: usize, major: u8, info: u8) -> Error {
    match (info, major) {
        (31, 7) => malformed(at, "a break is outside of an indefinite item"),
        (31, _) => malformed(at, format!("major type {major} has no indefinite form")),
        _ => malformed(at, format!("additional information {info} is reserved")),
    }
}
