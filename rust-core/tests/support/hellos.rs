//! The first bytes of a hand-written peer: a hello like the library's own, which a case then spoils.

use linkspan::codec::encode;
use linkspan::frame::{Header, Kind, VERSION};
use linkspan::{Encoding, Map, Value};

pub fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
    let header = Header { body: body.len() as u64, ..Header::new(kind, Encoding::Cbor) };
    [&header.to_bytes()[..], body].concat()
}

/// Returns the hello of a client of a channel.
pub fn hello_map() -> Map {
    let entries = [
        ("versions", Value::from(vec![i64::from(VERSION), i64::from(VERSION)])),
        ("pattern", "channel".into()),
        ("session", 4711i64.into()),
        ("limit", (64i64 << 20).into()),
        ("pid", 1i64.into()),
        ("title", "hostile".into()),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub fn hello(map: Map) -> Vec<u8> {
    frame(Kind::Hello, &encode(&Value::Map(map), Encoding::Cbor).unwrap())
}
