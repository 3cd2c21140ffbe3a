//! The 64-byte message header, and where extension and body lie behind it.

use bytes::Bytes;

use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of the header.
pub const HEADER: usize = 64;
/// The version of the wire format that this library writes, and the only one that it reads.
pub const VERSION: u8 = 1;
/// The most bytes of an extension map that a reader takes.
pub const MAX_EXTENSION: usize = 4096;

const MAGIC: [u8; 4] = *b"LKSP";
const ALIGN: usize = 64;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A value that was sent or published.
    Data = 0,
    /// A request that wants an answer.
    Request = 1,
    /// The answer.
    Reply = 2,
    /// The answer of a handler that failed.
    Error = 3,
    /// What was consumed up to here.
    Ack = 4,
    /// Who is there.
    Hello = 5,
    /// The sender leaves and sends nothing more.
    Bye = 6,
    /// A command to a service.
    Command = 7,
    /// Something that happened.
    Event = 8,
}

impl Kind {
    const ALL: [Kind; 9] = [
        Kind::Data,
        Kind::Request,
        Kind::Reply,
        Kind::Error,
        Kind::Ack,
        Kind::Hello,
        Kind::Bye,
        Kind::Command,
        Kind::Event,
    ];

    /// The kind of this number in a header.
    pub const fn from_number(number: u8) -> Option<Kind> {
        if (number as usize) < Kind::ALL.len() { Some(Kind::ALL[number as usize]) } else { None }
    }
}

/// The bits of [`Header::flags`].
pub mod flags {
    /// The field `body_check` holds the CRC-32C of the body.
    pub const BODY_CHECKED: u16 = 1;
    /// The body goes on in the next frame.
    pub const MORE: u16 = 2;
    /// The request may be carried out twice.
    pub const IDEMPOTENT: u16 = 4;
    /// The request wants no answer.
    pub const NO_REPLY: u16 = 8;
    /// Not new: the value that was there before the subscriber came.
    pub const RETAINED: u16 = 16;
    /// Every bit that has a meaning.
    pub const ALL: u16 = 31;
}

/// The header of one message, field by field as wire-format.md draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the message is for.
    pub kind: Kind,
    /// How the body is written.
    pub encoding: Encoding,
    /// See [`flags`].
    pub flags: u16,
    /// Bytes of the extension map, a multiple of 8.
    pub extension: usize,
    /// Bytes of the body.
    pub body: u64,
    /// Counted in the sender's session, from 1; 0 for what has no place in the order (hello, ack, bye).
    pub sequence: u64,
    /// The sequence number of the request that this answers, else 0.
    pub correlation: u64,
    /// When it was sent: nanoseconds since 1970.
    pub sent: i64,
    /// The first 8 bytes of the schema's fingerprint, 0 for none.
    pub schema: u64,
    /// CRC-32C of the body, when flagged.
    pub body_check: u32,
}

impl Header {
    /// A header with everything else zero.
    pub const fn new(kind: Kind, encoding: Encoding) -> Header {
        Header {
            kind,
            encoding,
            flags: 0,
            extension: 0,
            body: 0,
            sequence: 0,
            correlation: 0,
            sent: 0,
            schema: 0,
            body_check: 0,
        }
    }

    /// Where the body begins, counted from the start of the header: a multiple of 64.
    pub const fn body_offset(&self) -> usize {
        (HEADER + self.extension).next_multiple_of(ALIGN)
    }

    /// The 64 bytes.
    pub fn to_bytes(&self) -> [u8; HEADER] {
        let mut b = [0; HEADER];
        b[0..4].copy_from_slice(&MAGIC);
        b[4] = VERSION;
        b[5] = self.kind as u8;
        b[6] = self.encoding as u8;
        b[8..10].copy_from_slice(&self.flags.to_le_bytes());
        b[10..12].copy_from_slice(&((self.extension / 8) as u16).to_le_bytes());
        b[16..24].copy_from_slice(&self.body.to_le_bytes());
        b[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        b[32..40].copy_from_slice(&self.correlation.to_le_bytes());
        b[40..48].copy_from_slice(&self.sent.to_le_bytes());
        b[48..56].copy_from_slice(&self.schema.to_le_bytes());
        b[56..60].copy_from_slice(&self.body_check.to_le_bytes());
        let check = crc32c::crc32c(&b);
        b[12..16].copy_from_slice(&check.to_le_bytes());
        b
    }

    /// Reads the 64 bytes. `VersionMismatch` shows both versions; everything else is `Malformed` with its offset.
    pub fn from_bytes(b: &[u8; HEADER]) -> Result<Header> {
        let malformed = |offset: usize, text: String| Err(Error::new(ErrorKind::Malformed, text).at(offset));
        if b[0..4] != MAGIC {
            return malformed(
                0,
                format!("a message begins with LKSP, here is {:?}", b[0..4].escape_ascii().to_string()),
            );
        }
        if b[4] != VERSION {
            let text = format!("the message has wire version {}, this library reads version {VERSION}", b[4]);
            return Err(Error::new(ErrorKind::VersionMismatch, text).at(4));
        }
        let mut unchecked = *b;
        unchecked[12..16].fill(0);
        let (said, found) = (u32_at(b, 12), crc32c::crc32c(&unchecked));
        if said != found {
            return malformed(
                12,
                format!("the header's check sum is {said:#010x}, its bytes give {found:#010x}"),
            );
        }
        let Some(kind) = Kind::from_number(b[5]) else {
            return malformed(5, format!("no kind of message has the number {}", b[5]));
        };
        let Some(encoding) = Encoding::from_number(b[6]) else {
            return malformed(6, format!("no encoding has the number {}", b[6]));
        };
        if b[7] != 0 {
            return malformed(7, "a reserved byte is not zero".into());
        }
        let flags = u16_at(b, 8);
        if flags & !flags::ALL != 0 {
            return malformed(8, format!("the flags {flags:#06x} hold a bit without a meaning"));
        }
        let extension = usize::from(u16_at(b, 10)) * 8;
        if extension > MAX_EXTENSION {
            return malformed(10, format!("an extension of {extension} bytes, {MAX_EXTENSION} are allowed"));
        }
        if u32_at(b, 60) != 0 {
            return malformed(60, "a reserved field is not zero".into());
        }
        Ok(Header {
            kind,
            encoding,
            flags,
            extension,
            body: u64_at(b, 16),
            sequence: u64_at(b, 24),
            correlation: u64_at(b, 32),
            sent: u64_at(b, 40).cast_signed(),
            schema: u64_at(b, 48),
            body_check: u32_at(b, 56),
        })
    }
}

fn u16_at(b: &[u8; HEADER], at: usize) -> u16 {
    u16::from_le_bytes([b[at], b[at + 1]])
}

fn u32_at(b: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

fn u64_at(b: &[u8; HEADER], at: usize) -> u64 {
    u64::from(u32_at(b, at)) | u64::from(u32_at(b, at + 4)) << 32
}

/// A message on its way out: lent by the sender, copied or written by the transport.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The header; its lengths agree with the two below.
    pub header: Header,
    /// The extension map, padded with zeros to a multiple of 8.
    pub extension: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Outgoing<'a> {
    /// A frame without extension; the header's lengths are set.
    pub fn new(mut header: Header, body: &'a [u8]) -> Outgoing<'a> {
        header.extension = 0;
        header.body = body.len() as u64;
        Outgoing { header, extension: &[], body }
    }

    /// Everything before the body as it stands on a stream: header, extension, padding.
    pub fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(self.header.body_offset());
        self.append_head(&mut head);
        head
    }

    /// Appends the same to bytes that are there.
    pub fn append_head(&self, to: &mut Vec<u8>) {
        let begin = to.len();
        to.extend_from_slice(&self.header.to_bytes());
        to.extend_from_slice(self.extension);
        to.resize(begin + self.header.body_offset(), 0);
    }
}

/// A message that has arrived, in memory of our own.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The header.
    pub header: Header,
    /// The extension map with its padding.
    pub extension: Bytes,
    /// The body; begins at an address that is a multiple of 8.
    pub body: Bytes,
}

pub(crate) mod spare;

#[cfg(test)]
mod drawn;
#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Header {
        Header {
            flags: flags::IDEMPOTENT,
            extension: 24,
            body: 4096,
            sequence: 7,
            correlation: 3,
            sent: 1_251_082_000_250_000_000,
            schema: 0x0102_0304_0506_0708,
            ..Header::new(Kind::Reply, Encoding::Smile)
        }
    }

    #[test]
    fn bytes_and_back() {
        let header = example();
        assert_eq!(Header::from_bytes(&header.to_bytes()).unwrap(), header);
        assert_eq!(header.body_offset(), 128);
        assert_eq!(Header::new(Kind::Data, Encoding::Cbor).body_offset(), 64);
    }

    #[test]
    fn every_damaged_bit_is_noticed() {
        let good = example().to_bytes();
        for bit in 0..HEADER * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            let error = Header::from_bytes(&bad).unwrap_err();
            let expected = if bit / 8 == 4 { ErrorKind::VersionMismatch } else { ErrorKind::Malformed };
            assert_eq!(error.kind(), expected, "bit {bit}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused_at_its_offset() {
        for (at, value) in [(5, 9u8), (6, 5), (7, 1), (9, 0xff), (11, 0xff), (60, 1)] {
            let mut b = example().to_bytes();
            b[at] = value;
            b[12..16].fill(0);
            let check = crc32c::crc32c(&b).to_le_bytes();
            b[12..16].copy_from_slice(&check);
            let offset = Header::from_bytes(&b).unwrap_err().offset().unwrap();
            assert_eq!(offset, if at == 9 || at == 11 { at as u64 - 1 } else { at as u64 });
        }
    }
}
