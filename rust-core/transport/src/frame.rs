//! The 64-byte message header, followed by extension and body.
//!
//! A transport never decodes a body. `docs/wire-format.md` has the layout, `tests/vectors/headers.json` the bytes.
//! Reading checks a header completely, because the peer may be hostile or newer.

use bytes::Bytes;

use crate::body::{Body, Split};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};

/// The length of the header, in bytes.
pub const HEADER: usize = 64;
pub(crate) const WORDS: usize = HEADER / 8;
/// Word 1 has the checksum above this bit.
const CHECK: u32 = 32;
/// The only version of the wire format that this library writes and reads.
pub const VERSION: u8 = 1;
/// The greatest length of an extension map, in bytes.
pub const MAX_EXTENSION: usize = 4096;

const MAGIC: [u8; 4] = *b"LKSP";
// The unit of the body's offset: a cache line.
const ALIGN: usize = 64;

/// The purpose of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A value that was sent or published.
    Data = 0,
    /// A request that expects a reply.
    Request = 1,
    /// The reply to a request.
    Reply = 2,
    /// The reply of a handler that failed, or the refusal of a connection.
    Error = 3,
    /// Up to this number the receiving program has consumed messages.
    Ack = 4,
    /// The description of a program, at connect.
    Hello = 5,
    /// The sender closes and sends nothing more.
    Bye = 6,
    /// A command to a service.
    Command = 7,
    /// A message between services, controllers and their clients that expects no answer.
    Event = 8,
}

impl Kind {
    /// Returns whether this answers a request.
    pub const fn is_answer(self) -> bool {
        matches!(self, Kind::Reply | Kind::Error)
    }

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

    /// Returns the kind of this number in a header.
    pub const fn from_number(number: u8) -> Option<Kind> {
        if (number as usize) < Kind::ALL.len() { Some(Kind::ALL[number as usize]) } else { None }
    }
}

/// The bits of [`Header::flags`].
pub mod flags {
    /// The field `body_check` contains the CRC-32C of the body.
    pub const BODY_CHECKED: u16 = 1;
    /// The body continues in the next frame. Not sent by this version.
    pub const MORE: u16 = 2;
    /// A request that may be carried out twice, or its reply.
    pub const IDEMPOTENT: u16 = 4;
    /// The request expects no reply. Not sent by this version.
    pub const NO_REPLY: u16 = 8;
    /// Not new: the latest value from before the subscriber connected.
    pub const RETAINED: u16 = 16;
    /// Every bit that has a meaning.
    pub const ALL: u16 = 31;
}

/// The header of one message, field by field as in wire-format.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The purpose of the message.
    pub kind: Kind,
    /// The encoding of the body.
    pub encoding: Encoding,
    /// The bits of [`flags`].
    pub flags: u16,
    /// The length of the extension map in bytes, a multiple of 8.
    pub extension: usize,
    /// The length of the body in bytes.
    pub body: u64,
    /// The number in the sender's session, from 1. 0 for messages outside the order (hello, ack, bye).
    pub sequence: u64,
    /// In an answer, the request's number; else the last number that the sender's program has consumed.
    pub correlation: u64,
    /// The time of sending, ns since 1970, by the sender's clock.
    pub sent: i64,
    /// In a record of a journal, the first 8 bytes of its schema's fingerprint; 0 without a schema.
    pub schema: u64,
    /// The CRC-32C of the body, if [`flags::BODY_CHECKED`] is set.
    pub body_check: u32,
}

impl Header {
    /// Returns a header with all other fields zero.
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

    /// Returns the offset of the body from the start of the header: a multiple of 64.
    #[inline]
    pub const fn body_offset(&self) -> usize {
        (HEADER + self.extension).next_multiple_of(ALIGN)
    }

    /// Returns the 64 bytes.
    #[inline]
    pub fn to_bytes(&self) -> [u8; HEADER] {
        to_bytes(&self.words(check_sum))
    }

    /// Returns the 64 bytes, with the check sum of this function, as for [`Header::words`].
    pub(crate) fn bytes_with(&self, check_sum: impl Fn(&[u64; WORDS]) -> u32) -> [u8; HEADER] {
        to_bytes(&self.words(check_sum))
    }

    #[inline]
    pub(crate) fn from_bytes_with(
        bytes: &[u8; HEADER],
        check_sum: impl Fn(&[u64; WORDS]) -> u32,
    ) -> Result<Header> {
        let mut words = [0; WORDS];
        for (word, eight) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*eight);
        }
        Header::try_from_words(&words, check_sum)
    }

    /// Compares the header's check sum with its bytes, whatever its version.
    ///
    /// # Errors
    ///
    /// `Malformed` if they differ.
    pub(crate) fn verify_sum(b: &[u8; HEADER]) -> Result<()> {
        let mut unchecked = *b;
        unchecked[12..16].fill(0);
        let (stored, found) = (u32_at(b, 12), crc32c::crc32c(&unchecked));
        if stored == found {
            return Ok(());
        }
        let text = format!("the header's check sum is {stored:#010x}, that of its bytes is {found:#010x}");
        Err(Error::new(ErrorKind::Malformed, text).at(12))
    }

    /// Parses the 64 bytes.
    ///
    /// # Errors
    ///
    /// `VersionMismatch` for another wire version, with both; `Malformed` with the offset for any other
    /// fault.
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
        Header::verify_sum(b)?;
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
            return malformed(8, format!("the flags {flags:#06x} have a bit without a meaning"));
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

// In registers: a processor cannot forward small stores to long loads or the reverse, which costs more than the check
// sum.
impl Header {
    /// Returns the little-endian words; `check_sum` is the CRC-32C of words whose check sum is 0.
    #[inline]
    pub(crate) fn words(&self, check_sum: impl Fn(&[u64; WORDS]) -> u32) -> [u64; WORDS] {
        let [m0, m1, m2, m3] = MAGIC;
        let first = [m0, m1, m2, m3, VERSION, self.kind as u8, self.encoding as u8, 0];
        let extension = (self.extension / 8) as u16;
        let mut words = [
            u64::from_le_bytes(first),
            u64::from(self.flags) | u64::from(extension) << 16,
            self.body,
            self.sequence,
            self.correlation,
            self.sent.cast_unsigned(),
            self.schema,
            u64::from(self.body_check),
        ];
        words[1] |= u64::from(check_sum(&words)) << CHECK;
        words
    }

    /// Parses a header's words; `None` if [`Header::from_bytes`] refuses it.
    #[inline]
    pub(crate) fn from_words(
        words: &[u64; WORDS],
        check_sum: impl Fn(&[u64; WORDS]) -> u32,
    ) -> Option<Header> {
        if Header::are_valid(words, check_sum) { Header::of_valid_words(words) } else { None }
    }

    /// Whether these are a header's words, ignoring kind and encoding.
    #[inline]
    fn are_valid(words: &[u64; WORDS], check_sum: impl Fn(&[u64; WORDS]) -> u32) -> bool {
        let [m0, m1, m2, m3] = MAGIC;
        let first = u64::from_le_bytes([m0, m1, m2, m3, VERSION, 0, 0, 0]);
        let compared = u64::from_le_bytes([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF]);
        let mut unchecked = *words;
        unchecked[1] &= (1 << CHECK) - 1;
        let extension = (unchecked[1] >> 16) as usize * 8;
        let flags = unchecked[1] as u16;
        words[0] & compared == first
            && flags & !flags::ALL == 0
            && extension <= MAX_EXTENSION
            && words[7] >> 32 == 0
            && (words[1] >> CHECK) as u32 == check_sum(&unchecked)
    }

    fn of_valid_words(words: &[u64; WORDS]) -> Option<Header> {
        let [.., kind, encoding, _] = words[0].to_le_bytes();
        Some(Header {
            kind: Kind::from_number(kind)?,
            encoding: Encoding::from_number(encoding)?,
            flags: words[1] as u16,
            extension: (words[1] >> 16) as u16 as usize * 8,
            body: words[2],
            sequence: words[3],
            correlation: words[4],
            sent: words[5].cast_signed(),
            schema: words[6],
            body_check: words[7] as u32,
        })
    }

    /// [`Header::from_words`] with the error of [`Header::from_bytes`].
    #[inline]
    pub(crate) fn try_from_words(
        words: &[u64; WORDS],
        check_sum: impl Fn(&[u64; WORDS]) -> u32,
    ) -> Result<Header> {
        match Header::from_words(words, check_sum) {
            Some(header) => Ok(header),
            None => Header::from_bytes(&to_bytes(words)),
        }
    }
}

#[inline]
fn to_bytes(words: &[u64; WORDS]) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    for (eight, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *eight = word.to_le_bytes();
    }
    bytes
}

fn check_sum(words: &[u64; WORDS]) -> u32 {
    crc32c::crc32c(&to_bytes(words))
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

/// A message to send, borrowed from the sender.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The header, with the lengths of the fields below.
    pub header: Header,
    /// The extension map, padded with zeros to a multiple of 8.
    pub extension: &'a [u8],
    /// The body, without the long arrays that are stored elsewhere.
    pub body: &'a [u8],
    pub(crate) split: Option<&'a Split>,
    /// The owner of a body in one block, which may be kept without a copy.
    pub(crate) owner: Option<&'a Bytes>,
}

impl<'a> Outgoing<'a> {
    /// Returns a frame without extension, and sets the header's lengths.
    pub fn new(mut header: Header, body: &'a [u8]) -> Outgoing<'a> {
        header.extension = 0;
        header.body = body.len() as u64;
        Outgoing { header, extension: &[], body, split: None, owner: None }
    }

    /// Like [`Outgoing::new`], with a body whose long arrays may be stored elsewhere.
    #[inline]
    pub fn of(header: Header, body: &'a Body) -> Outgoing<'a> {
        match body.split() {
            None => Outgoing { owner: Some(body.whole()), ..Outgoing::new(header, body.whole()) },
            Some(split) => {
                let header = Header { extension: 0, body: body.len() as u64, ..header };
                Outgoing { header, extension: &[], body: split.rest(), split: Some(split), owner: None }
            }
        }
    }

    /// Returns this frame with its body in one block.
    #[inline(always)]
    pub fn in_one_block(&self) -> Outgoing<'a> {
        match self.split {
            None => *self,
            Some(split) => Outgoing { body: split.whole(), split: None, owner: Some(split.whole()), ..*self },
        }
    }

    /// Returns everything before the body on a stream: header, extension, padding.
    pub fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(self.header.body_offset());
        self.append_head(&mut head);
        head
    }

    /// Appends the bytes of [`Outgoing::head`] to `to`.
    #[inline]
    pub fn append_head(&self, to: &mut Vec<u8>) {
        let begin = to.len();
        to.extend_from_slice(&self.header.to_bytes());
        to.extend_from_slice(self.extension);
        to.resize(begin + self.header.body_offset(), 0);
    }
}

/// A received message, in this process's memory or in views of memory shared with the sender.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The header.
    pub header: Header,
    /// The extension map with its padding.
    pub extension: Bytes,
    /// The body; begins at an address that is a multiple of 8.
    pub body: Body,
}

mod fast;

#[cfg(test)]
mod drawn;
#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn header_bytes_round_trip() {
        let header = example();
        assert_eq!(Header::from_bytes(&header.to_bytes()).unwrap(), header);
        assert_eq!(header.body_offset(), 128);
        assert_eq!(Header::new(Kind::Data, Encoding::Cbor).body_offset(), 64);
    }

    #[test]
    fn header_detects_every_flipped_bit() {
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
    fn header_refuses_undefined_values_at_their_offset() {
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

    fn words_of(bytes: &[u8; HEADER]) -> [u64; WORDS] {
        std::array::from_fn(|i| u64::from_le_bytes(bytes[i * 8..][..8].try_into().unwrap()))
    }

    fn header() -> impl Strategy<Value = Header> {
        let numbers = any::<([u64; 4], i64, u32)>();
        let small = (0..9u8, 0..5u8, 0..64u16, 0..600usize);
        (numbers, small).prop_map(|(numbers, small)| {
            let ([body, sequence, correlation, schema], sent, body_check) = numbers;
            let (kind, encoding, flags, extension) = small;
            let (kind, encoding) =
                (Kind::from_number(kind).unwrap(), Encoding::from_number(encoding).unwrap());
            let extension = extension * 8;
            Header { kind, encoding, flags, extension, body, sequence, correlation, sent, schema, body_check }
        })
    }

    proptest! {
        #[test]
        fn header_words_and_bytes_are_accepted_alike(
            header in header(),
            changes in proptest::collection::vec((0..HEADER, any::<u8>()), 0..3),
            keep_check in any::<bool>(),
        ) {
            let mut bytes = header.to_bytes();
            prop_assert_eq!(words_of(&bytes), header.words(check_sum));
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            if !keep_check {
                bytes[12..16].fill(0);
                let check = crc32c::crc32c(&bytes).to_le_bytes();
                bytes[12..16].copy_from_slice(&check);
            }
            let words = words_of(&bytes);
            prop_assert_eq!(Header::from_words(&words, check_sum), Header::from_bytes(&bytes).ok());
            let (words, bytes) = (Header::try_from_words(&words, check_sum), Header::from_bytes(&bytes));
            prop_assert_eq!(words.map_err(|e| e.to_string()), bytes.map_err(|e| e.to_string()));
        }
    }
}
