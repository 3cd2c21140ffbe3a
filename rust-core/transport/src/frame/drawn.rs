//! The header in `docs/wire-format.md`: drawing, fields, kinds, flags and example frames, produced from the
//! code.
//!
//! Two headers that differ in only one field give its offset and length, so the document cannot differ from
//! `to_bytes`.

use super::*;
use crate::documents::{check, difference, drawing, dump, fenced, table};

/// The bytes of the check sum, which change with every field.
const CHECK: std::ops::Range<usize> = 12..16;

fn with(set: impl FnOnce(&mut Header)) -> [u8; HEADER] {
    let mut header = Header::new(Kind::Data, Encoding::Raw);
    set(&mut header);
    header.to_bytes()
}

fn fields() -> Vec<(usize, usize, &'static str, &'static str)> {
    let plain = with(|_| {});
    let all = [
        ("kind", "what it is for: below", with(|h| h.kind = Kind::Event)),
        ("encoding", "how the body is written: below", with(|h| h.encoding = Encoding::Smile)),
        ("flags", "below; any other bit is refused", with(|h| h.flags = u16::MAX)),
        ("extension", "bytes of the extension map, divided by 8", with(|h| h.extension = 0xffff * 8)),
        ("body length", "bytes", with(|h| h.body = u64::MAX)),
        (
            "sequence",
            "counted in the sender's session, from 1; 0 in hello, ack and bye",
            with(|h| h.sequence = u64::MAX),
        ),
        (
            "correlation",
            "reply, error: the request's sequence; others: all up to here has been consumed",
            with(|h| h.correlation = u64::MAX),
        ),
        ("sent", "nanoseconds since 1970 UTC, with sign", with(|h| h.sent = -1)),
        (
            "schema",
            "of a record in a journal the first 8 bytes of the fingerprint of its [schema](schema.md); 0: no schema",
            with(|h| h.schema = u64::MAX),
        ),
        (
            "body check",
            "CRC-32C of the body where its flag is set, else 0",
            with(|h| h.body_check = u32::MAX),
        ),
    ];
    let mut fields = vec![
        (0, 4, "magic", "`LKSP`"),
        (4, 1, "version", "1"),
        (CHECK.start, 4, "header check", "CRC-32C of the 64 bytes with this field zero"),
    ];
    assert_eq!((&plain[..4], plain[4]), (&MAGIC[..], VERSION));
    for (name, meaning, bytes) in all {
        assert_ne!(bytes[CHECK], plain[CHECK], "{name} is checked");
        let range = difference(&plain, &bytes, CHECK);
        fields.push((range.start, range.len(), name, meaning));
    }
    fields.sort_unstable();
    let mut whole = Vec::new();
    let mut end = 0;
    for field in fields.into_iter().chain([(HEADER, 0, "", "")]) {
        assert!(end <= field.0, "{} begins inside another field", field.2);
        if end < field.0 {
            whole.push((end, field.0 - end, "zero", "reserved; anything else is refused"));
        }
        end = field.0 + field.1;
        whole.extend((field.1 > 0).then_some(field));
    }
    whole
}

#[test]
fn documents_show_the_header() {
    let fields = fields();
    let drawn: Vec<_> = fields
        .iter()
        .map(|(at, size, name, _)| (*at, *size, if *name == "encoding" { "encod." } else { *name }))
        .collect();
    check("header", &fenced(&drawing(&drawn)));
    let row = |(at, size, name, meaning): &(usize, usize, &str, &str)| {
        [at.to_string(), size.to_string(), (*name).to_owned(), (*meaning).to_owned()]
    };
    check("header fields", &table(["offset", "bytes", "field", "meaning"], fields.iter().map(row)));
}

/// The tables of kinds, flags and encodings. A new kind needs a row, because the match lacks a default.
#[test]
fn documents_list_kinds_and_flags() {
    let kinds = Kind::ALL.map(|kind| {
        let meaning = match kind {
            Kind::Data => "a value that was sent or published",
            Kind::Request => "a request that expects a reply",
            Kind::Reply => "the reply",
            Kind::Error => {
                "the reply of a handler that failed; instead of a hello: why the connection is refused"
            }
            Kind::Ack => "the number up to which messages were consumed",
            Kind::Hello => "the description of a program, at connect",
            Kind::Bye => "the sender closes and sends nothing more; it waits for the last acknowledgement",
            Kind::Command => "a command of a controller to a service",
            Kind::Event => "a message between services, controllers and their clients that expects no answer",
        };
        [(kind as u8).to_string(), format!("{kind:?}").to_lowercase(), meaning.to_owned()]
    });
    check("kinds", &table(["number", "kind", "what it is for"], kinds));
    let flags = [
        (flags::BODY_CHECKED, "the field body check is set"),
        (flags::MORE, "the body continues in the next frame; not sent by this version"),
        (flags::IDEMPOTENT, "a request that may be carried out twice, or its reply"),
        (flags::NO_REPLY, "not sent by this version: messages without a reply are sent as data"),
        (flags::RETAINED, "not new: the latest value from before the subscriber connected"),
    ];
    // No flag is missing in the list.
    assert_eq!(flags.iter().fold(0, |all, (bit, _)| all | bit), flags::ALL);
    let rows = flags.map(|(bit, meaning)| [format!("{bit:#06x}"), meaning.to_owned()]);
    check("flags", &table(["bit", "meaning"], rows));
    let encodings = Encoding::ALL.map(|e| [(e as u8).to_string(), e.name().to_owned()]);
    check("encodings", &table(["number", "encoding"], encodings));
}

#[test]
fn documents_show_frames() {
    let body = crate::codec::encode(&crate::value::Value::map([("x", 7)]), Encoding::Cbor).unwrap();
    let header = Header {
        flags: flags::BODY_CHECKED,
        sequence: 5,
        correlation: 3,
        sent: 1_700_000_000_000_000_000,
        body_check: crc32c::crc32c(&body),
        ..Header::new(Kind::Data, Encoding::Cbor)
    };
    let frame = Outgoing::new(header, &body);
    check("data", &fenced(&dump(&[&frame.head()[..], &body].concat())));
    let ack = Header { correlation: 5, ..Header::new(Kind::Ack, Encoding::Raw) };
    check("acknowledgement", &fenced(&dump(&ack.to_bytes())));
}
