//! Kinds of value that other crates pass through serde in their own forms.
//!
//! These are tags of CBOR from `ciborium` and types of BSON from `bson`. Each keeps its meaning, or is refused with the
//! reason.

use std::str::FromStr;

use num_bigint::BigInt as Number;

use crate::error::{Error, ErrorKind, Result};
use crate::value::{BigInt, Decimal, Map, Timestamp, Value};

/// The variant that `ciborium` uses for a tag and its content.
pub(super) const TAG: &str = "@@TAG@@";

/// Returns the value of a CBOR tag and its content.
///
/// # Errors
///
/// `Unsupported` for a tag without a form here; `Malformed` for content that does not match its tag.
pub(super) fn tagged(parts: Vec<Value>) -> Result<Value> {
    let [tag, content] = <[Value; 2]>::try_from(parts)
        .map_err(|_| Error::new(ErrorKind::Malformed, "a tag of CBOR has a number and a content"))?;
    let tag = tag.as_u64()?;
    match (tag, content) {
        (0, Value::Text(text)) => Ok(Value::Timestamp(Timestamp::from_str(&text)?)),
        (1, Value::Int(seconds)) => Ok(Value::Timestamp(Timestamp::from_parts(seconds, 0)?)),
        (1, Value::Float(seconds)) if seconds.abs() < 9e9 => {
            let whole = seconds.floor();
            Ok(Value::Timestamp(Timestamp::from_parts(
                whole as i64,
                ((seconds - whole) * 1e9).round() as i64,
            )?))
        }
        (2, Value::Bytes(magnitude)) => BigInt::from_parts(false, &magnitude),
        (3, Value::Bytes(magnitude)) => {
            let number: Number = -Number::from_bytes_be(num_bigint::Sign::Plus, &magnitude) - 1;
            BigInt::parse(&number.to_string())
        }
        (4, Value::Array(parts)) => match &parts[..] {
            [exponent, mantissa] => decimal(exponent, mantissa),
            _ => Err(Error::new(ErrorKind::Malformed, "a decimal fraction has an exponent and a mantissa")),
        },
        (37, Value::Bytes(bytes)) => {
            let bytes = <[u8; 16]>::try_from(&bytes[..])
                .map_err(|_| Error::new(ErrorKind::Malformed, "a UUID has 16 bytes"))?;
            Ok(Value::Uuid(bytes))
        }
        (55_799, content) => Ok(content),
        (tag @ (0 | 1 | 2 | 3 | 37), content) => {
            let text = format!("CBOR's tag {tag} does not go with {}", content.type_name());
            Err(Error::new(ErrorKind::Malformed, text))
        }
        (tag, _) => {
            let text = format!(
                "CBOR's tag {tag} has no form by way of serde; convert the value with the feature ciborium, or its bytes with codec::decode"
            );
            Err(Error::new(ErrorKind::Unsupported, text))
        }
    }
}

fn decimal(exponent: &Value, mantissa: &Value) -> Result<Value> {
    let exponent = i32::try_from(exponent.as_i64()?)
        .map_err(|_| Error::new(ErrorKind::OutOfRange, "the exponent of a decimal number has 32 bits"))?;
    let digits = match mantissa {
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::BigInt(number) => number.to_string(),
        other => {
            let text =
                format!("the mantissa of a decimal number is an integer, here is {}", other.type_name());
            return Err(Error::new(ErrorKind::WrongType, text));
        }
    };
    let (negative, digits) = digits.strip_prefix('-').map_or((false, &*digits), |digits| (true, digits));
    Decimal::from_parts(negative, digits, exponent).map(Value::Decimal)
}

pub(super) fn is_of_bson(name: &str) -> bool {
    matches!(
        name,
        "$oid"
            | "$date"
            | "$binary"
            | "$numberDecimal"
            | "$timestamp"
            | "$regularExpression"
            | "$code"
            | "$codeWithScope"
            | "$symbol"
            | "$undefined"
            | "$maxKey"
            | "$minKey"
            | "$dbPointer"
    )
}

/// Returns the value of a struct that [`is_of_bson`] has recognized by its name.
///
/// # Errors
///
/// `Unsupported` for a type without a form here; `Malformed` for contents that the crate does not write.
pub(super) fn of_bson(name: &str, fields: &Map) -> Result<Value> {
    let field = |name: &str| {
        fields.get(name).ok_or_else(|| Error::new(ErrorKind::Malformed, format!("there is no {name} in it")))
    };
    match name {
        "$date" => {
            let millis = field(name)?.at("$numberLong")?.as_text()?;
            let millis: i64 = millis
                .parse()
                .map_err(|_| Error::new(ErrorKind::Malformed, "a date is a number of milliseconds"))?;
            let at = Timestamp::from_parts(millis.div_euclid(1000), millis.rem_euclid(1000) * 1_000_000)?;
            Ok(Value::Timestamp(at))
        }
        "$numberDecimal" => {
            let bytes = <[u8; 16]>::try_from(&field("$numberDecimalBytes")?.as_bytes()?[..])
                .map_err(|_| Error::new(ErrorKind::Malformed, "a decimal number of BSON has 16 bytes"))?;
            decimal128(u128::from_le_bytes(bytes)).map(Value::Decimal)
        }
        "$binary" if field(name)?.at("subType")?.as_text()? == "04" => {
            use base64::Engine;
            let text = field(name)?.at("base64")?.as_text()?;
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok();
            let bytes = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
            bytes.map(Value::Uuid).ok_or_else(|| Error::new(ErrorKind::Malformed, "a UUID has 16 bytes"))
        }
        other => {
            let text = format!(
                "BSON's type {other} has no form in a message; convert it to a text or a number first"
            );
            Err(Error::new(ErrorKind::Unsupported, text))
        }
    }
}

fn decimal128(bits: u128) -> Result<Decimal> {
    const COEFFICIENT: u128 = (1 << 113) - 1;
    const BIAS: i32 = 6176;
    if bits >> 125 & 0b11 == 0b11 {
        return Err(Error::new(ErrorKind::Unsupported, "a decimal number is finite"));
    }
    let exponent = (bits >> 113 & 0x3fff) as i32 - BIAS;
    Decimal::from_parts(bits >> 127 == 1, &(bits & COEFFICIENT).to_string(), exponent)
}
