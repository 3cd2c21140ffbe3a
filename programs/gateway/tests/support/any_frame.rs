//! Reads any bytes as a client's frame in both formats, for fuzzing and the replay of its seeds.

use bytes::Bytes;
use linkspan::{Value, codec};

use crate::frames::{Format, Frame, Received};
use crate::names::Name;

/// Decodes, encodes and decodes again; frames and names must stay equal.
pub fn take(bytes: &[u8]) {
    for (_, format) in Format::ALL {
        let Ok(mut frame) = Received::decode(&Bytes::copy_from_slice(bytes), format) else { continue };
        let _ = (frame.kind().is_ok(), frame.id().is_ok(), frame.required("n").is_ok());
        for key in ["name", "names", "pattern"] {
            match frame.field(key) {
                Some(Value::Array(names)) => names.iter().for_each(name),
                Some(one) => name(one),
                None => {}
            }
        }
        let Ok(value) = frame.take_value().value() else { continue };
        let Ok(written) = codec::encode(&value, format.encoding()) else { continue };
        let encoded =
            Frame::of("message", 1).with_encoded("value", Bytes::from(written.clone())).encode(format);
        let again = encoded.and_then(|frame| Received::decode(&frame, format));
        let Ok(mut again) = again else { panic!("a frame with a value that was read is none: {value:?}") };
        let again = again.take_value().value().and_then(|again| codec::encode(&again, format.encoding()));
        assert_eq!(again.ok(), Some(written), "{value:?}");
    }
}

fn name(value: &Value) {
    let Ok(text) = value.as_text() else { return };
    for may_match in [false, true] {
        if let Ok(name) = Name::parse(text, may_match) {
            assert_eq!(Name::parse(&name.text(), may_match).ok(), Some(name), "{text:?}");
        }
    }
}
