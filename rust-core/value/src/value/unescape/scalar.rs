//! The escapes that hold one scalar: from their text to the value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, ErrorKind, Result, memory, quoted};
use crate::value::escape::{PLAIN_NAN, name};
use crate::value::{BigInt, Decimal, Sink, Source, Timestamp};

pub(super) const NAMES: [&str; 6] =
    [name::BYTES, name::INT, name::FLOAT, name::TIME, name::UUID, name::DECIMAL];

pub(super) enum EscapedScalar<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    /// An integer, for instance a dimension of a shape.
    Int(i64),
    Uint(u64),
    /// Any other value, by its name.
    Other(&'static str),
}

impl EscapedScalar<'_> {
    pub(super) fn name(&self) -> &'static str {
        match self {
            EscapedScalar::Text(_) => "text",
            EscapedScalar::Bytes(_) => "bytes",
            EscapedScalar::Int(_) | EscapedScalar::Uint(_) => "integer",
            EscapedScalar::Other(name) => name,
        }
    }
}

/// Sends the value of the escape with this name and content.
///
/// # Errors
///
/// `Malformed` if the text does not have the escape's form; the errors of the sink.
pub(super) fn send<S: Sink>(name: &'static str, found: EscapedScalar<'_>, sink: &mut S) -> Result<()> {
    let text = match found {
        EscapedScalar::Text(text) => text,
        EscapedScalar::Bytes(bytes) if name == name::BYTES => return sink.bytes(bytes),
        found => return Err(malformed(format!("{name} holds text, {} was found", found.name()))),
    };
    match name {
        name::BYTES => {
            let bytes = base64(text, sink)?;
            sink.bytes(&bytes)?;
            sink.release(bytes.capacity());
            Ok(())
        }
        name::INT => BigInt::parse(text)?.walk(sink),
        name::FLOAT => sink.float(float(text)?),
        name::TIME => sink.timestamp(text.parse::<Timestamp>()?),
        name::UUID => sink.uuid(uuid(text)?),
        _ => sink.decimal(&text.parse::<Decimal>()?),
    }
}

/// Decodes base64: the standard alphabet, padded.
///
/// The sink [holds](Sink::hold) the capacity of the result until the caller releases it.
pub(super) fn base64<S: Sink>(text: &str, sink: &mut S) -> Result<Vec<u8>> {
    let room = base64::decoded_len_estimate(text.len());
    sink.hold(room)?;
    let mut bytes = memory::zeroed(room)?;
    let length =
        STANDARD.decode_slice(text, &mut bytes).map_err(|e| malformed(format!("text is not base64: {e}")))?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Decodes the content of `$float`: `nan`, `inf`, `-inf`, or `0x` and the 16 digits of its bits.
fn float(text: &str) -> Result<f64> {
    let bits = match text {
        "nan" => PLAIN_NAN,
        "inf" => f64::INFINITY.to_bits(),
        "-inf" => f64::NEG_INFINITY.to_bits(),
        _ => {
            let digits =
                text.strip_prefix("0x").filter(|d| d.len() == 16 && d.bytes().all(|c| c.is_ascii_hexdigit()));
            digits.and_then(|d| u64::from_str_radix(d, 16).ok()).ok_or_else(|| not("$float", text))?
        }
    };
    Ok(f64::from_bits(bits))
}

/// Decodes the content of `$uuid`: 36 characters, with dashes as in RFC 9562.
fn uuid(text: &str) -> Result<[u8; 16]> {
    let bytes = text.as_bytes();
    let dashes = [8, 13, 18, 23];
    if bytes.len() != 36 || !dashes.iter().all(|i| bytes[*i] == b'-') {
        return Err(not("$uuid", text));
    }
    let mut digits = (0..36).filter(|i| !dashes.contains(i)).map(|i| char::from(bytes[i]).to_digit(16));
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        let pair = digits.next().flatten().zip(digits.next().flatten());
        let (high, low) = pair.ok_or_else(|| not("$uuid", text))?;
        *byte = (high << 4 | low) as u8;
    }
    Ok(uuid)
}

#[cold]
fn not(name: &str, text: &str) -> Error {
    malformed(format!("{text} is not a valid content of {name}", text = quoted(text)))
}

#[cold]
pub(super) fn malformed(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, text)
}
