//! Values of programs without Linkspan: checked on arrival, and JSON for names of `encoding` patterns.
//!
//! A value goes to the engine in its local sender's encoding, but a JSON-only program cannot read CBOR, and often
//! does not declare its encoding. For names of these patterns, everything outgoing is therefore JSON by the core's
//! rules, and incoming bytes without an encoding count as JSON.

use linkspan::{Encoding, Limits, Result, codec};

use crate::engine::{Body, LONGEST};

/// Returns a local value for the engine: converted to JSON if `is_json`.
///
/// # Errors
/// Errors of the core's codecs for a value without a JSON form, and `Malformed` for bytes that are not a value.
pub fn departing(body: Body, is_json: bool) -> Result<Body> {
    if !is_json || body.encoding == Encoding::Json {
        return Ok(body);
    }
    let bytes = codec::transcode(&body.bytes, body.encoding, Encoding::Json)?;
    Ok(Body { encoding: Encoding::Json, bytes: bytes.into() })
}

/// Returns a value of a program without Linkspan, checked for local programs.
///
/// # Errors
/// `Malformed`, or another error of the core's codecs, for bytes that are not a value in their encoding.
pub fn arrived(body: Body, is_json: bool) -> Result<Body> {
    let encoding = match body.encoding {
        Encoding::Raw if is_json => Encoding::Json,
        // Any bytes are a raw value.
        Encoding::Raw => return Ok(body),
        encoding => encoding,
    };
    // The receiving programs have their own limits.
    let mut limits = Limits::default();
    (limits.message, limits.memory, limits.nodes) = (LONGEST, 4 * LONGEST, u64::MAX);
    codec::decode_shared(&body.bytes, encoding, &limits)?;
    Ok(Body { encoding, bytes: body.bytes })
}

#[cfg(test)]
mod tests {
    use linkspan::{ErrorKind, Value};

    use super::*;

    fn body(encoding: Encoding, bytes: &'static [u8]) -> Body {
        Body { encoding, bytes: bytes.into() }
    }

    #[test]
    fn values_of_other_encodings_become_json_and_json_stays_as_it_is() {
        let value = Value::map([("a", Value::from(vec![1.5, 2.0])), ("b", Value::Bytes(vec![1, 2].into()))]);
        for encoding in Encoding::ALL.into_iter().filter(|it| *it != Encoding::Raw) {
            let bytes = codec::encode(&value, encoding).unwrap();
            let sent = departing(Body { encoding, bytes: bytes.clone().into() }, true).unwrap();
            let expected = codec::transcode(&bytes, encoding, Encoding::Json).unwrap();
            assert_eq!((sent.encoding, &sent.bytes[..]), (Encoding::Json, &expected[..]));
            let same = departing(Body { encoding, bytes: bytes.clone().into() }, false).unwrap();
            assert_eq!((same.encoding, &same.bytes[..]), (encoding, &bytes[..]));
        }
        let spaced = body(Encoding::Json, b"[1, 2]");
        assert_eq!(departing(spaced.clone(), true).unwrap(), spaced);
    }

    #[test]
    fn bytes_that_are_no_value_are_refused() {
        for encoding in Encoding::ALL.into_iter().filter(|it| *it != Encoding::Raw) {
            assert!(arrived(body(encoding, b"\xff{"), false).is_err(), "{encoding:?}");
        }
        let raw = body(Encoding::Raw, b"\xff{");
        assert_eq!(arrived(raw.clone(), false).unwrap(), raw);
        assert_eq!(arrived(raw, true).unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(arrived(body(Encoding::Raw, b"[1]"), true).unwrap().encoding, Encoding::Json);
    }
}
