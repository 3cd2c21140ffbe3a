//! One record of a journal: a message in its wire format, padded to a multiple of 64 bytes.
//!
//! The extension names the writer. It is a CBOR map of fixed shape, so no decoder is needed:
//!
//! | key | value | meaning |
//! |---|---|---|
//! | `check` | 4 bytes | CRC-32C of the journal's identity and then of the extension with these bytes zero |
//! | `after` | unsigned, 8 bytes | every record up to this number was on the disk when this one was written |
//! | `session` | unsigned, 8 bytes | the writer's incarnation |
//! | `source` | text | the writer's name |
//! | `mask` | 4 bytes | the mask of the body, see [`super::mask`]; only for a masked body |
//!
//! The checksum rejects records of another journal inside a message. `after` separates damage from the
//! effects of a crash: a bad record is damage if a later record proves that it was safe (`tail`).

use super::block::{JournalId, LARGEST};
pub use super::mask::ALIGN;
use super::mask::Mask;
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Kind, MAX_EXTENSION, flags};

/// The offsets of the checksum in the extension, and below of its other values.
const CHECK: std::ops::Range<usize> = 8..12;
const AFTER: std::ops::Range<usize> = 19..27;
const SESSION: std::ops::Range<usize> = 36..44;
const SOURCE: usize = 51;
/// Everything before the source, with its three values zero.
const SHAPE: &[u8; SOURCE] =
    b"\xa4\x65check\x44\0\0\0\0\x65after\x1b\0\0\0\0\0\0\0\0\x67session\x1b\0\0\0\0\0\0\0\0\x66source";
/// The first byte of a map with one pair more, the mask.
const MASKED: u8 = 0xa5;
/// The bytes before a mask: its key and its length.
const MASK: &[u8; 6] = b"\x64mask\x44";

#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    pub id: &'a JournalId,
    pub sequence: u64,
    pub sent: i64,
    pub after: u64,
    pub session: u64,
    pub source: &'a str,
    /// The first 8 bytes of the fingerprint of its schema; 0 without a schema.
    pub schema: u64,
    pub mask: Option<Mask>,
}

/// Appends everything before a record's body: header, extension, fill.
pub fn write_head(into: &mut Vec<u8>, encoding: Encoding, body: u64, body_check: u32, stamp: &Stamp<'_>) {
    let start = into.len();
    let mut extension = SHAPE.to_vec();
    extension[AFTER].copy_from_slice(&stamp.after.to_be_bytes());
    extension[SESSION].copy_from_slice(&stamp.session.to_be_bytes());
    // One byte of length is enough for the names of programs.
    let source = short(stamp.source).as_bytes();
    match source.len() as u8 {
        length @ 0..24 => extension.push(0x60 | length),
        length => extension.extend([0x78, length]),
    }
    extension.extend_from_slice(source);
    if let Some(mask) = stamp.mask {
        extension[0] = MASKED;
        extension.extend_from_slice(MASK);
        extension.extend_from_slice(&mask);
    }
    extension.resize(extension.len().next_multiple_of(8), 0);
    let check = crc32c::crc32c_append(crc32c::crc32c(stamp.id), &extension);
    extension[CHECK].copy_from_slice(&check.to_le_bytes());
    let header = Header {
        flags: flags::BODY_CHECKED,
        extension: extension.len(),
        body,
        sequence: stamp.sequence,
        sent: stamp.sent,
        body_check,
        schema: stamp.schema,
        ..Header::new(Kind::Data, encoding)
    };
    into.extend_from_slice(&header.to_bytes());
    into.extend_from_slice(&extension);
    into.resize(start + header.body_offset(), 0);
}

/// Returns the first 255 bytes of a name, cut between two characters.
fn short(source: &str) -> &str {
    let mut end = source.len().min(255);
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    &source[..end]
}

pub fn head_length(source: &str, is_masked: bool) -> usize {
    let source = short(source).len();
    let mask = if is_masked { MASK.len() + size_of::<Mask>() } else { 0 };
    let extension = SOURCE + if source < 24 { 1 } else { 2 } + source + mask;
    (HEADER + extension.next_multiple_of(8)).next_multiple_of(ALIGN as usize)
}

/// Returns the length of a record. It is at most [`LARGEST`] if the body is.
pub fn length(head: usize, body: u64) -> u64 {
    (head as u64 + body).next_multiple_of(ALIGN)
}

/// Returns the end of a record that begins at `at`. `None` if no file can be that long.
pub fn end(at: u64, header: &Header) -> Option<u64> {
    Some(at.saturating_add(length(header.body_offset(), header.body))).filter(|end| *end <= LARGEST)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordExtension<'a> {
    pub after: u64,
    pub session: u64,
    pub source: &'a str,
    pub mask: Option<Mask>,
}

/// Decodes and checks a record's header.
///
/// # Errors
/// `VersionMismatch` for a whole header of another wire version; `Malformed`. The text names the fault.
pub fn read_header(bytes: &[u8; HEADER]) -> Result<Header> {
    let header = Header::from_bytes(bytes);
    if header.as_ref().is_err_and(|e| e.kind() == ErrorKind::VersionMismatch) {
        // A damaged byte is not a version.
        Header::verify_sum(bytes)?;
    }
    let header = header?;
    let fits = header.kind == Kind::Data
        && header.flags & flags::BODY_CHECKED != 0
        && (1..=LARGEST).contains(&header.sequence)
        && header.body <= LARGEST
        && (SOURCE..=MAX_EXTENSION).contains(&header.extension);
    if fits {
        Ok(header)
    } else {
        Err(Error::new(ErrorKind::Malformed, "the message is not a record of a journal"))
    }
}

/// Decodes a record's extension. `None` if it is damaged or belongs to another journal.
pub fn read_extension<'a>(bytes: &'a [u8], id: &JournalId) -> Option<RecordExtension<'a>> {
    if bytes.len() <= SOURCE {
        return None;
    }
    let check = crc32c::crc32c_append(crc32c::crc32c(id), &bytes[..CHECK.start]);
    let check = crc32c::crc32c_append(crc32c::crc32c_append(check, &[0; 4]), &bytes[CHECK.end..]);
    if !cfg!(fuzzing) && check.to_le_bytes() != bytes[CHECK] {
        return None;
    }
    let number = |range: std::ops::Range<usize>| Some(u64::from_be_bytes(bytes[range].try_into().ok()?));
    let (length, start) = match bytes[SOURCE] {
        short @ 0x60..0x78 => (usize::from(short & 31), SOURCE + 1),
        0x78 => (usize::from(*bytes.get(SOURCE + 1)?), SOURCE + 2),
        _ => return None,
    };
    let source = std::str::from_utf8(bytes.get(start..start + length)?).ok()?;
    let mask = match bytes[0] {
        MASKED => Some(*bytes.get(start + length..)?.strip_prefix(MASK)?.first_chunk()?),
        _ => None,
    };
    Some(RecordExtension { after: number(AFTER)?, session: number(SESSION)?, source, mask })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension;

    fn head(source: &str, mask: Option<Mask>) -> Vec<u8> {
        let id = *b"0123456789abcdef";
        let stamp =
            Stamp { id: &id, sequence: 7, sent: 5, after: 6, session: u64::MAX - 1, source, schema: 3, mask };
        let mut head = Vec::new();
        write_head(&mut head, Encoding::Cbor, 3, 9, &stamp);
        head
    }

    fn header(head: &[u8]) -> Header {
        read_header(head[..HEADER].try_into().unwrap()).unwrap()
    }

    #[test]
    fn record_is_a_message_on_the_wire() {
        for (source, mask) in [
            ("", None),
            ("a", Some(*b"\0\x01\x02\x03")),
            ("seventeen-letters", None),
            (&*"x".repeat(64), Some([0xff; 4])),
            (&*"é".repeat(200), None),
        ] {
            let head = head(source, mask);
            let header = header(&head);
            let length = head_length(source, mask.is_some());
            assert_eq!((head.len(), length), (header.body_offset(), header.body_offset()));
            assert_eq!((header.sequence, header.sent, header.body, header.body_check), (7, 5, 3, 9));
            assert_eq!(header.schema, 3);
            let bytes = &head[HEADER..HEADER + header.extension];
            let extension = read_extension(bytes, b"0123456789abcdef").unwrap();
            let kept = short(source);
            assert_eq!(extension, RecordExtension { after: 6, session: u64::MAX - 1, source: kept, mask });
            assert_eq!(read_extension(bytes, b"another journal!"), None);
            // A reader without support for journals finds the same sender here.
            let sender = extension::read(bytes).unwrap().unwrap();
            assert_eq!((&*sender.source, sender.session), (kept, u64::MAX - 1));
        }
    }

    #[test]
    fn extension_with_any_damaged_bit_is_refused() {
        let good = head("logger", Some(*b"mask"));
        let bytes = &good[HEADER..HEADER + header(&good).extension];
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_extension(&bad, b"0123456789abcdef"), None, "bit {bit}");
        }
    }

    #[test]
    fn record_with_impossible_number_or_length_is_refused() {
        let usual = header(&head("logger", None));
        let reads = |header: Header| read_header(&header.to_bytes()).is_ok();
        assert!(reads(usual) && reads(Header { sequence: LARGEST, body: LARGEST, ..usual }));
        for header in [
            Header { sequence: 0, ..usual },
            Header { sequence: LARGEST + 1, ..usual },
            Header { sequence: u64::MAX, ..usual },
            Header { body: LARGEST + 1, ..usual },
            Header { body: u64::MAX, ..usual },
        ] {
            assert!(!reads(header), "{header:?}");
        }
        assert_eq!(end(4096, &usual), Some(4096 + 192));
        assert_eq!(end(4096, &Header { body: LARGEST, ..usual }), None);
        assert_eq!(end(u64::MAX, &usual), None);
    }

    #[test]
    fn documents_show_a_record() {
        let id = [0x11; 16];
        let body = b"\xa1\x61x\x07";
        let stamp = Stamp {
            id: &id,
            sequence: 5,
            sent: 1_700_000_000_000_000_000,
            after: 4,
            session: 0x0102_0304_0506_0709,
            source: "driver",
            schema: 0,
            mask: None,
        };
        let mut record = Vec::new();
        write_head(&mut record, Encoding::Cbor, body.len() as u64, crc32c::crc32c(body), &stamp);
        record.extend_from_slice(body);
        record.resize(record.len().next_multiple_of(ALIGN as usize), 0);
        let ranges = [
            (CHECK, "CRC-32C, little-endian"),
            (AFTER, "after, big-endian"),
            (SESSION, "session, big-endian"),
        ]
        .map(|(range, meaning)| {
            [format!("{}–{}", HEADER + range.start, HEADER + range.end - 1), meaning.to_owned()]
        });
        let text = crate::documents::fenced(&crate::documents::dump(&record))
            + "\n"
            + &crate::documents::table(["bytes", "value"], ranges);
        crate::documents::check("journal record", &text);
    }
}
