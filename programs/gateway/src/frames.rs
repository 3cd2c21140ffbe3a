//! Frames of `linkspan.v1`: maps in CBOR or JSON. docs/gateway-protocol.md describes each one.

use bytes::{BufMut, Bytes, BytesMut};
use linkspan::codec::EncodeOptions;
use linkspan::{Encoding, Error, ErrorKind, Limits, Result, Value, codec};

use crate::shown::without_paths;

pub const VERSION: u64 = 1;
/// Each frame type has a section in docs/gateway-protocol.md.
pub const OF_CLIENTS: [&str; 16] = [
    "hello",
    "subscribe",
    "credit",
    "unsubscribe",
    "latest",
    "names",
    "schema",
    "call",
    "cancel",
    "publish",
    "data",
    "unpublish",
    "serve",
    "answer",
    "unserve",
    "ping",
];
pub const OF_THE_GATEWAY: [&str; 12] = [
    "welcome", "message", "lagged", "joined", "ended", "closed", "reply", "names", "error", "ack", "request",
    "pong",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Cbor,
    Json,
}

impl Format {
    pub const ALL: [(&'static str, Format); 2] =
        [("linkspan.v1.cbor", Format::Cbor), ("linkspan.v1.json", Format::Json)];

    pub fn encoding(self) -> Encoding {
        match self {
            Format::Cbor => Encoding::Cbor,
            Format::Json => Encoding::Json,
        }
    }

    /// Converts a received body to this format.
    ///
    /// The limits grow with the body, which the gateway has already accepted: its text may be longer than its bytes.
    ///
    /// # Errors
    /// `Malformed` and others if the body is not a value or this format cannot represent it.
    pub fn transcode(self, body: &[u8], from: Encoding) -> Result<Bytes> {
        let usual = Limits::default();
        let longest = (body.len() as u64).saturating_mul(2).max(usual.message);
        codec::transcode_within(body, from, self.encoding(), &Limits::for_message(longest)).map(Bytes::from)
    }
}

enum Field {
    Plain(Value),
    Encoded(Bytes),
}

/// Values and levels that a frame adds around its value.
///
/// The limits of values apply to the value. If it exceeds them slightly, the client gets an error and keeps its
/// connection.
const VALUES_AROUND: u64 = 64;
const LEVELS_AROUND: u32 = 2;

/// Returns the limits for a frame of this many bytes.
///
/// Many short values need more memory than their bytes; the usual limit of their number applies.
fn limits(bytes: usize) -> Limits {
    let usual = Limits::default();
    let mut limits = Limits::for_message(usual.message.max(bytes as u64));
    limits.nodes = limits.nodes.saturating_add(VALUES_AROUND);
    limits.depth = limits.depth.saturating_add(LEVELS_AROUND);
    limits
}

pub struct Frame {
    kind: &'static str,
    fields: Vec<(&'static str, Field)>,
}

impl Frame {
    pub fn new(kind: &'static str) -> Frame {
        debug_assert!(OF_THE_GATEWAY.contains(&kind), "{kind}");
        Frame { kind, fields: Vec::with_capacity(6) }
    }

    pub fn of(kind: &'static str, id: u64) -> Frame {
        Frame::new(kind).with("id", id)
    }

    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Frame {
        self.fields.push((key, Field::Plain(value.into())));
        self
    }

    /// Adds a value that is already in the encoding of the connection.
    pub fn with_encoded(mut self, key: &'static str, value: Bytes) -> Frame {
        self.fields.push((key, Field::Encoded(value)));
        self
    }

    /// Returns the frame's bytes.
    ///
    /// # Errors
    /// The format cannot represent a value.
    pub fn encode(&self, format: Format) -> Result<Bytes> {
        self.write(format, None)
    }

    /// Returns the frame's bytes in pieces, without copying the encoded values.
    ///
    /// # Errors
    /// As [`Frame::encode`].
    pub fn pieces(&self, format: Format) -> Result<Vec<Bytes>> {
        let mut pieces = Vec::new();
        let last = self.write(format, Some(&mut pieces))?;
        pieces.push(last);
        Ok(pieces)
    }

    /// Returns the bytes after the last piece; with `None`, returns all bytes.
    fn write(&self, format: Format, mut pieces: Option<&mut Vec<Bytes>>) -> Result<Bytes> {
        let long: usize = self
            .fields
            .iter()
            .map(|(_, field)| match field {
                Field::Encoded(bytes) if pieces.is_none() => bytes.len(),
                _ => 24,
            })
            .sum();
        let mut out = BytesMut::with_capacity(long.saturating_add(64));
        let options = EncodeOptions::within(limits(0));
        let mut text = Vec::new();
        let mut plain = |out: &mut BytesMut, value: &Value| -> Result<()> {
            text.clear();
            codec::encode_into(value, format.encoding(), &options, &mut text)?;
            out.put_slice(&text);
            Ok(())
        };
        if format == Format::Cbor {
            // A map head for at most 23 entries; frames never have more.
            out.put_u8(0xa0 | u8::try_from(self.fields.len().saturating_add(1)).unwrap_or(0));
        }
        let kind = ("type", &Field::Plain(self.kind.into()));
        let entries = std::iter::once(kind).chain(self.fields.iter().map(|(key, field)| (*key, field)));
        for (at, (key, field)) in entries.enumerate() {
            if format == Format::Json {
                out.put_slice(if at == 0 { b"{" } else { b"," });
            }
            plain(&mut out, &key.into())?;
            if format == Format::Json {
                out.put_u8(b':');
            }
            match field {
                Field::Plain(value) => plain(&mut out, value)?,
                Field::Encoded(bytes) => match &mut pieces {
                    Some(pieces) => pieces.extend([out.split().freeze(), bytes.clone()]),
                    None => out.put_slice(bytes),
                },
            }
        }
        if format == Format::Json {
            out.put_u8(b'}');
        }
        Ok(out.freeze())
    }
}

/// Returns an error for clients: kind, number, text, whether to retry, and the handler's failure.
pub fn error_value(error: &Error) -> Value {
    let mut fields = vec![
        ("code", Value::from(u64::from(error.kind().code()))),
        ("kind", error.kind().name().into()),
        ("text", without_paths(error.text()).into()),
        ("retry", error.retryable().into()),
    ];
    if let Some(path) = error.path() {
        fields.push(("path", path.into()));
    }
    if let Some(failure) = error.remote_failure() {
        let details = codec::decode(&failure.data, Encoding::Cbor).unwrap_or(Value::Null);
        fields.push((
            "failure",
            Value::map([
                ("code", Value::from(failure.code)),
                ("kind", failure.kind.as_str().into()),
                ("text", failure.text.as_str().into()),
                ("data", details),
            ]),
        ));
    }
    Value::map(fields)
}

/// Returns an error as a frame; `id` is the id of the frame that it answers.
pub fn error_frame(id: Option<u64>, error: &Error) -> Frame {
    let mut frame = Frame::new("error").with("id", id);
    if let Value::Map(map) = error_value(error) {
        for (key, value) in map {
            if let Some(key) =
                ["code", "kind", "text", "retry", "path", "failure"].into_iter().find(|known| **known == key)
            {
                frame = frame.with(key, value);
            }
        }
    }
    frame
}

/// A client's value in its encoded form. As a tree it may need a hundred times the memory.
#[derive(Clone, Debug)]
pub struct Written(Bytes);

impl Written {
    /// Encodes a value.
    ///
    /// # Errors
    /// `TooLarge` if it exceeds the limits of values.
    pub fn new(value: &Value) -> Result<Written> {
        let mut bytes = Vec::new();
        let options = EncodeOptions::within(limits(0));
        codec::encode_into(value, Encoding::Cbor, &options, &mut bytes)?;
        Ok(Written(bytes.into()))
    }

    pub fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// The value exceeds the limits of values.
    pub fn value(&self) -> Result<Value> {
        codec::decode_shared(&self.0, Encoding::Cbor, &limits(self.0.len()))
    }
}

pub struct Received {
    fields: Value,
    value: Option<Written>,
}

impl Received {
    /// Decodes a frame.
    ///
    /// # Errors
    /// `Malformed` and `TooLarge` for bytes that are not a value, `WrongType` if the value is not a map.
    pub fn decode(bytes: &Bytes, format: Format) -> Result<Received> {
        let value = codec::decode_shared(bytes, format.encoding(), &limits(bytes.len()))?;
        match value {
            Value::Map(mut map) => {
                let value = map.shift_remove("value").filter(|value| !matches!(value, Value::Null));
                let value = value.map(|value| Written::new(&value)).transpose()?;
                Ok(Received { fields: Value::Map(map), value })
            }
            _ => Err(Error::new(ErrorKind::WrongType, "a frame is a map with its type: {\"type\": …}")),
        }
    }

    /// Returns the frame's type.
    ///
    /// # Errors
    /// `Missing` and `WrongType`.
    pub fn kind(&self) -> Result<&str> {
        self.fields.at("type")?.as_text()
    }

    /// Returns a field; `None` if it is absent or null.
    pub fn field(&self, key: &str) -> Option<&Value> {
        match &self.fields {
            Value::Map(map) => map.get(key).filter(|value| !matches!(value, Value::Null)),
            _ => None,
        }
    }

    pub fn required(&self, key: &str) -> Result<&Value> {
        self.field(key).ok_or_else(|| {
            Error::new(ErrorKind::Missing, format!("the frame {} needs {key}", self.kind().unwrap_or("?")))
        })
    }

    /// Returns the client's id for the subject of the frame.
    ///
    /// # Errors
    /// `Missing`; `OutOfRange` if a JavaScript number cannot hold it.
    pub fn id(&self) -> Result<u64> {
        let id = self.required("id")?.as_u64()?;
        if id >= 1 << 53 {
            return Err(Error::new(ErrorKind::OutOfRange, "an id is a number from 0 to 2^53 - 1"));
        }
        Ok(id)
    }

    /// Takes the value out, for `call`, `data` and `answer`. An absent value is null.
    pub fn take_value(&mut self) -> Written {
        // Null in CBOR.
        self.value.take().unwrap_or(Written(Bytes::from_static(&[0xf6])))
    }
}

#[cfg(test)]
#[path = "../tests/support/any_frame.rs"]
mod any_frame;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuzz_seeds_of_frames_are_read_or_refused() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/frames");
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 12, "{files:?}");
        for file in files {
            any_frame::take(&std::fs::read(file).unwrap());
        }
    }

    #[test]
    fn frames_are_maps_in_both_formats() {
        let value = Bytes::from_static(b"[1,2]");
        let frame = Frame::of("message", 7).with("name", "lab/\"<a>").with("time", Value::Null);
        let json = frame.with_encoded("value", value).encode(Format::Json).unwrap();
        assert_eq!(&json[..], br#"{"type":"message","id":7,"name":"lab/\"<a>","time":null,"value":[1,2]}"#);
        let cbor = Frame::of("ack", 1).with_encoded("value", Bytes::from_static(&[0x82, 1, 2]));
        let decoded = codec::decode(&cbor.encode(Format::Cbor).unwrap(), Encoding::Cbor).unwrap();
        let expected =
            Value::map([("type", Value::from("ack")), ("id", 1.into()), ("value", vec![1, 2].into())]);
        assert_eq!(decoded, expected);
    }

    #[test]
    fn every_kind_of_error_has_its_frame() {
        for kind in ErrorKind::ALL {
            let error = Error::new(*kind, "why");
            let bytes = error_frame(Some(3), &error).encode(Format::Json).unwrap();
            let decoded = codec::decode(&bytes, Encoding::Json).unwrap();
            assert_eq!(decoded.at("kind").unwrap().as_text().unwrap(), kind.name());
            assert_eq!(decoded.at("code").unwrap().as_u64().unwrap(), u64::from(kind.code()));
            assert_eq!(decoded.at("retry").unwrap().as_bool().unwrap(), kind.retryable());
        }
        assert_eq!(ErrorKind::ALL.len(), 27);
        let placed = Error::new(ErrorKind::WrongType, "why").under_key("rows");
        let bytes = error_frame(Some(3), &placed).encode(Format::Json).unwrap();
        assert_eq!(
            codec::decode(&bytes, Encoding::Json).unwrap().at("path").unwrap().as_text().unwrap(),
            "rows"
        );
    }

    #[test]
    fn frames_that_are_none_are_refused() {
        for (text, kind) in [
            ("", ErrorKind::Malformed),
            ("[]", ErrorKind::WrongType),
            ("{\"type\":\"credit\"", ErrorKind::Malformed),
        ] {
            let error = Received::decode(&Bytes::from(text), Format::Json).err().unwrap();
            assert_eq!(error.kind(), kind, "{text}");
        }
        let frame =
            Received::decode(&Bytes::from("{\"type\":\"credit\",\"id\":-1,\"n\":null}"), Format::Json)
                .unwrap();
        assert_eq!(frame.kind().unwrap(), "credit");
        assert_eq!(frame.id().unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(frame.required("n").unwrap_err().kind(), ErrorKind::Missing);
    }

    #[test]
    fn documented_frames_are_those_of_the_code() {
        let page = include_str!("../../../docs/gateway-protocol.md");
        let described = |part: &str| -> Vec<String> {
            let (_, rest) = page.split_once(&format!("## {part}\n")).unwrap();
            let rest = rest.split("\n## ").next().unwrap();
            rest.lines()
                .filter_map(|line| line.strip_prefix("### "))
                .map(|line| line.trim_matches('`').to_owned())
                .collect()
        };
        assert_eq!(described("Frames of a client"), OF_CLIENTS);
        assert_eq!(described("Frames of the gateway"), OF_THE_GATEWAY);
        for kind in ErrorKind::ALL {
            assert!(page.contains(&format!("| {} | `{}` |", kind.code(), kind.name())), "{kind}");
        }
        for (subprotocol, _) in Format::ALL {
            assert!(page.contains(subprotocol));
        }
    }
}
