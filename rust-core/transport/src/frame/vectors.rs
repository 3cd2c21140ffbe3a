//! The conformance vectors of the header, for other implementations.
//!
//! `tests/vectors/headers.json` lists headers with their bytes, and refused bytes with the offset of the
//! error. `LINKSPAN_WRITE_VECTORS=1 cargo test -p linkspan vectors` writes it. Without the variable, a
//! difference between file and code fails the test.

use super::{Encoding, HEADER, Header, Kind, flags};
use crate::codec::{decode, encode};
use crate::value::Value;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn fields(header: &Header) -> Value {
    Value::map([
        ("kind", Value::from(format!("{:?}", header.kind).to_lowercase())),
        ("encoding", header.encoding.name().into()),
        ("flags", header.flags.into()),
        ("extension", (header.extension as u64).into()),
        ("body", header.body.into()),
        ("sequence", header.sequence.into()),
        ("correlation", header.correlation.into()),
        ("sent", header.sent.into()),
        ("schema", header.schema.into()),
        ("body_check", header.body_check.into()),
        ("body_offset", (header.body_offset() as u64).into()),
    ])
}

/// Returns valid headers: each kind, encoding and flag, and the extremes of each number.
fn good() -> Vec<(String, Header)> {
    let plain = Header { sequence: 1, ..Header::new(Kind::Data, Encoding::Cbor) };
    let mut good = vec![("the least".to_owned(), plain)];
    for kind in Kind::ALL {
        good.push((format!("kind {kind:?}").to_lowercase(), Header { kind, ..plain }));
    }
    for encoding in Encoding::ALL {
        good.push((format!("encoding {}", encoding.name()), Header { encoding, ..plain }));
    }
    for bit in 0..5 {
        good.push((format!("flag {}", 1 << bit), Header { flags: 1 << bit, ..plain }));
    }
    for extension in [8, 64, 4096] {
        good.push((format!("extension of {extension} bytes"), Header { extension, ..plain }));
    }
    let most = Header {
        flags: flags::ALL,
        extension: 4096,
        body: u64::MAX,
        sequence: u64::MAX,
        correlation: u64::MAX,
        sent: i64::MAX,
        schema: u64::MAX,
        body_check: u32::MAX,
        ..Header::new(Kind::Event, Encoding::Smile)
    };
    good.push(("the most".to_owned(), most));
    good.push(("sent before 1970".to_owned(), Header { sent: i64::MIN, ..plain }));
    let reply = Header {
        correlation: 7,
        body: 4096,
        sent: 1_251_082_000_250_000_000,
        schema: 0x0102_0304_0506_0708,
        ..plain
    };
    good.push(("a reply".to_owned(), Header { kind: Kind::Reply, ..reply }));
    good
}

/// Changes of a valid header: the offset and the new byte, whether the check sum is computed again,
/// and the offset of the error.
const BAD: [(&str, usize, u8, bool, u64); 14] = [
    ("another magic", 0, b'X', true, 0),
    ("another magic, last byte", 3, b'p', true, 0),
    ("version 0", 4, 0, true, 4),
    ("version 2", 4, 2, true, 4),
    ("a kind without a meaning", 5, 9, true, 5),
    ("an encoding without a meaning", 6, 5, true, 6),
    ("a reserved byte", 7, 1, true, 7),
    ("a flag without a meaning", 8, 32, true, 8),
    ("a flag without a meaning, high byte", 9, 1, true, 8),
    ("an extension that is too long", 11, 3, true, 10),
    ("a reserved field", 63, 1, true, 60),
    ("a wrong check sum", 12, 0, false, 12),
    ("a changed sequence number", 24, 9, false, 12),
    ("a changed body check", 56, 9, false, 12),
];

#[test]
fn header_vectors_are_those_of_the_code() {
    let mut cases = Vec::new();
    for (name, header) in good() {
        let bytes = header.to_bytes();
        assert_eq!(Header::from_bytes(&bytes).unwrap(), header, "{name}");
        cases.push(Value::map([
            ("name", Value::from(name)),
            ("hex", hex(&bytes).into()),
            ("fields", fields(&header)),
        ]));
    }
    for (name, at, byte, checked, offset) in BAD {
        let mut bytes = good()[0].1.to_bytes();
        bytes[at] = byte;
        if checked {
            bytes[12..16].fill(0);
            let check = crc32c::crc32c(&bytes).to_le_bytes();
            bytes[12..16].copy_from_slice(&check);
        }
        let error = Header::from_bytes(&bytes).expect_err(name);
        assert_eq!(error.offset(), Some(offset), "{name}");
        cases.push(Value::map([
            ("name", Value::from(name)),
            ("hex", hex(&bytes).into()),
            ("kind", error.kind().name().into()),
            ("code", error.kind().code().into()),
            ("offset", offset.into()),
        ]));
    }
    let line = |case| String::from_utf8(encode(case, Encoding::Json).unwrap()).unwrap();
    let new = format!("[\n{}\n]\n", cases.iter().map(line).collect::<Vec<_>>().join(",\n"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/headers.json");
    if std::env::var_os("LINKSPAN_WRITE_VECTORS").is_some() {
        std::fs::write(path, &new).unwrap();
    }
    let old = std::fs::read_to_string(path).unwrap();
    for (number, (old, new)) in old.lines().zip(new.lines()).enumerate() {
        assert_eq!(
            old,
            new,
            "headers.json line {}: the code no longer writes what the vectors have",
            number + 1
        );
    }
    assert_eq!(old.len(), new.len());
    assert_eq!(decode(old.as_bytes(), Encoding::Json).unwrap(), Value::Array(cases));
    assert_eq!(HEADER, 64);
}
