//! Encodes any bytes as messages, which must all have a form for viewers. A fuzzing target and its seeds share this.

use linkspan::{Encoding, Value, codec};
use linkspan_ros2::Messages;

/// Reads the bytes as CBOR and encodes the value, or each item of a list: one by one, and with a type for all.
pub fn write(bytes: &[u8]) {
    let Ok(value) = codec::decode(bytes, Encoding::Cbor) else { return };
    let messages = match &value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let (mut live, mut known) = (Messages::new("lab/any", None), Messages::new("lab/any", None));
    for message in messages {
        known.look(message, 0);
    }
    for message in messages {
        for written in [live.encode_next(message, 0), known.encode(message, 0)] {
            let Ok((encoder, bytes)) = written else { panic!("{message:?} has no form: {written:?}") };
            // The four bytes with the encoding of the rest.
            assert!(!encoder.is_cdr() || bytes.starts_with(&[0, 1, 0, 0]), "{bytes:?}");
        }
    }
}
