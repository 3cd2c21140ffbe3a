//! The header word of each record in a ring: length, meaning, and whether the record exists yet.
//!
//! A record is this word, the content, and padding to a multiple of 16 bytes. A short message costs a word and its
//! sending time ([`Shape::Compact`]) instead of the 64-byte header: sequence and correlation follow from the ring's
//! order.
//!
//! A publisher's readers begin anywhere. Its records therefore have numbers ([`Shape::Linked`]) and are never split: a
//! reader validates a record by one check after its copy.
//!
//! The writer stores the word last, with release order, and the reader loads it first, with acquire order. A reader
//! that finds the word therefore finds the whole record. Zero means "no record yet"; no valid word is zero.
//!
//! `fast` has the records of the fast paths. The tests compare the layout with `docs/transports.md`.

mod fast;

use super::references;
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Kind, flags};

pub use self::fast::{FastKind, FastLinked, FastRecord, Small};

/// The alignment of records, in bytes.
pub(super) const GRANULE: u64 = 16;
pub(super) const WORD: u64 = 8;
/// Bytes of a [`Shape::Compact`] record between the word and the body: the sending time, ns since 1970.
pub(super) const COMPACT: usize = 8;
/// Bytes of a [`Shape::Linked`] record before the body: sending time, sequence and correlation.
pub(super) const LINKED: usize = 24;
/// The offset of the sequence in a message header, in bytes.
const SEQUENCE: usize = 24;

/// How a record holds its frame, or a part of a frame. The values are those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Shape {
    /// No frame: the rest of this lap is empty, and the next record begins the next lap.
    Pad = 1,
    /// The sending time and the body. The sequence follows the previous record's; the correlation is 0.
    Compact = 2,
    /// The sending time, the sequence, the correlation and the body.
    Linked = 3,
    /// The 64-byte message header, the extension map and the body.
    Full = 4,
    /// The first part of a frame that is too large for one record, with the message header.
    First = 5,
    /// The next bytes of its extension map and body.
    Piece = 6,
    /// Message header, number of references, references into slots, and the rest of the body.
    Slots = 7,
    /// Message header, a reference to the slot with the whole body, and the extension map.
    Placed = 8,
}

/// A checked record header without its lap number.
///
/// | bits | field |
/// |---|---|
/// | 0–31 | bytes after the word, without padding |
/// | 32–35 | shape |
/// | 36–39 | kind of message |
/// | 40–42 | encoding |
/// | 43–47 | flags |
/// | 48–63 | the low 16 bits of the lap number, which exclude records of an earlier lap |
///
/// One word in memory as well: storing fields and then loading the word would stall for longer than a short copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record(u64);

/// The lowest bit of the lap number.
const LAP: u32 = 48;
const WITHOUT_LAP: u64 = (1 << LAP) - 1;

/// The bytes of the fixed part, by bits 32 to 42 (shape, kind, encoding): one load checks all three.
static LEAST: [u8; 1 << 11] = {
    let mut least = [IMPOSSIBLE; 1 << 11];
    let mut bits = 0;
    while bits < least.len() {
        let record = Record((bits as u64) << 32);
        if let (Some(shape), Some(_), Some(_)) = (record.shape(), record.kind(), record.encoding()) {
            least[bits] = match shape {
                Shape::Pad => 0,
                Shape::Compact => COMPACT as u8,
                Shape::Linked => LINKED as u8,
                Shape::Full | Shape::First => HEADER as u8,
                Shape::Piece => 1,
                Shape::Slots => (HEADER + references::COUNT) as u8,
                Shape::Placed => (HEADER + references::REFERENCE) as u8,
            };
        }
        bits += 1;
    }
    least
};
/// Marks a number without a meaning in [`LEAST`].
const IMPOSSIBLE: u8 = u8::MAX;

impl Record {
    pub fn new(shape: Shape, kind: Kind, encoding: Encoding, flags: u16, length: u32) -> Record {
        let what = (shape as u64) << 32 | (kind as u64) << 36 | (encoding as u64) << 40;
        Record(u64::from(length) | what | u64::from(flags) << 43)
    }

    /// The record of a whole frame, with `length` bytes after its word. The length saturates at 32 bits.
    pub fn of_frame(shape: Shape, header: &Header, length: usize) -> Record {
        // The other shapes contain the message header, which has the flags.
        let flags = if matches!(shape, Shape::Compact | Shape::Linked) { header.flags } else { 0 };
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Record::new(shape, header.kind, header.encoding, flags, length)
    }

    /// A record whose word describes no message: a pad, or a record with a message header.
    pub fn bare(shape: Shape, length: u32) -> Record {
        Record::new(shape, Kind::Data, Encoding::Raw, 0, length)
    }

    pub const fn shape(self) -> Option<Shape> {
        Some(match self.0 >> 32 & 0xF {
            1 => Shape::Pad,
            2 => Shape::Compact,
            3 => Shape::Linked,
            4 => Shape::Full,
            5 => Shape::First,
            6 => Shape::Piece,
            7 => Shape::Slots,
            8 => Shape::Placed,
            _ => return None,
        })
    }

    pub const fn kind(self) -> Option<Kind> {
        Kind::from_number((self.0 >> 36 & 0xF) as u8)
    }

    pub const fn encoding(self) -> Option<Encoding> {
        Encoding::from_number((self.0 >> 40 & 0x7) as u8)
    }

    pub fn flags(self) -> u16 {
        (self.0 >> 43 & 0x1F) as u16
    }

    /// The message header of a compact or linked record. The arguments are the fields that the word lacks.
    pub fn header(self, sequence: u64, correlation: u64, sent: i64, body: u64) -> Result<Header> {
        let (Some(kind), Some(encoding)) = (self.kind(), self.encoding()) else {
            return Err(Error::new(ErrorKind::Internal, "a record was taken that had not been checked"));
        };
        let flags = self.flags();
        Ok(Header { flags, body, sequence, correlation, sent, ..Header::new(kind, encoding) })
    }

    pub fn length(self) -> usize {
        self.0 as u32 as usize
    }

    /// Bytes of the record in the ring: word, content and padding.
    #[inline]
    pub fn size(self) -> u64 {
        (WORD + self.length() as u64).next_multiple_of(GRANULE)
    }

    /// [`Record::size`] of a word that may be invalid.
    pub fn size_of(word: u64) -> u64 {
        Record(word).size()
    }

    /// The offset of the sequence number after the word, if the record has one and holds a whole frame.
    pub fn sequence_at(self) -> Option<usize> {
        match self.shape()? {
            Shape::Linked => Some(8),
            Shape::Full | Shape::Slots | Shape::Placed => Some(SEQUENCE),
            Shape::Pad | Shape::Compact | Shape::First | Shape::Piece => None,
        }
    }

    pub fn to_bits(self) -> u64 {
        self.0
    }

    pub const fn lap_bits(lap: u64) -> u64 {
        lap << LAP
    }

    /// The word for this lap. Never zero, because no shape is 0.
    pub fn to_word(self, lap: u64) -> u64 {
        self.0 | lap << LAP
    }

    /// Decodes the word of this lap, and checks shape, kind, encoding and the least length of the shape.
    ///
    /// The reader must also check that the record fits the ring. `Malformed` for a word that no honest writer stores.
    #[inline]
    pub fn from_word(word: u64, lap: u64) -> Result<Record> {
        let record = Record(word & WITHOUT_LAP);
        let least = LEAST[(word >> 32) as usize % LEAST.len()];
        let is_valid = least != IMPOSSIBLE
            && (word ^ lap << LAP) >> LAP == 0
            && record.length() >= usize::from(least)
            && record.flags() & flags::BODY_CHECKED == 0;
        if is_valid { Ok(record) } else { Err(record.refused(word, lap)) }
    }

    #[cold]
    fn refused(self, word: u64, lap: u64) -> Error {
        let why = match () {
            () if self.shape().is_none() => "no such shape of record",
            () if (word ^ lap << LAP) >> LAP != 0 => "the record is stamped with another lap",
            () if self.kind().is_none() => "no such kind of message",
            () if self.encoding().is_none() => "no such encoding",
            () if self.flags() & flags::BODY_CHECKED != 0 && !self.is_too_short() => {
                "a record header cannot carry the flag of a body check sum"
            }
            () => "the record is too short for its shape",
        };
        garbage(word, why)
    }

    fn is_too_short(self) -> bool {
        self.length() < usize::from(LEAST[(self.0 >> 32) as usize % LEAST.len()])
    }
}

#[cold]
pub(super) fn garbage(word: u64, why: &str) -> Error {
    let text =
        format!("the peer's ring holds the record header {word:#018x}: {why}; the connection is ended");
    Error::new(ErrorKind::Malformed, text)
}

#[cfg(test)]
mod tests {
    use super::references::{COUNT, MOST, REFERENCE};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn record_header_decodes_to_what_was_encoded() {
        let record =
            Record::new(Shape::Linked, Kind::Event, Encoding::Smile, flags::MORE | flags::RETAINED, 77);
        assert_eq!(record.shape(), Some(Shape::Linked));
        assert_eq!((record.kind(), record.encoding()), (Some(Kind::Event), Some(Encoding::Smile)));
        assert_eq!((record.flags(), record.length()), (flags::MORE | flags::RETAINED, 77));
        let word = record.to_word(0x1_2345);
        assert_eq!(Record::from_word(word, 0x1_2345).unwrap(), record);
        assert_eq!(record.size(), 96);
        assert_eq!(Record::from_word(word, 0x1_2346).unwrap_err().kind(), ErrorKind::Malformed);
    }

    proptest! {
        #[test]
        fn record_header_any_word_is_a_record_or_malformed(word: u64, lap: u64) {
            match Record::from_word(word, lap) {
                Ok(record) => prop_assert_eq!(record.to_word(lap), word),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Malformed),
            }
        }
    }

    #[test]
    fn record_of_a_frame_beyond_its_length_is_longer_than_every_ring() {
        let header = Header::new(Kind::Data, Encoding::Raw);
        for length in [1 << 32, (1 << 32) + 100, usize::MAX] {
            assert!(
                Record::of_frame(Shape::Full, &header, length).size()
                    > super::super::segment::MAX_RING as u64
            );
        }
    }

    #[test]
    fn record_header_is_never_zero() {
        assert_ne!(Record::bare(Shape::Pad, 0).to_word(0), 0);
        assert_eq!(Record::bare(Shape::Pad, 0).size(), 16);
    }

    #[test]
    fn record_header_fields_fit_their_bits() {
        const { assert!(flags::ALL < 1 << 5) };
        const { assert!(Encoding::ALL.len() <= 1 << 3) };
        assert!(Kind::from_number(15).is_none());
    }

    #[test]
    fn documents_have_the_record_header() {
        let fast = Record::new(Shape::Compact, Kind::Data, Encoding::Raw, 0, 0).to_word(0);
        let bare = fast - ((Shape::Compact as u64) << 32);
        assert_eq!(bare, 0, "nothing but the shape is set");
        let shift = |word: u64| (word ^ fast).trailing_zeros();
        let fields = [
            (0, "bytes behind this word, without the fill up to a multiple of 16"),
            (Record::bare(Shape::Pad, 0).to_word(0).trailing_zeros(), "shape"),
            (
                shift(Record::new(Shape::Compact, Kind::Request, Encoding::Raw, 0, 0).to_word(0)),
                "kind of message",
            ),
            (shift(Record::new(Shape::Compact, Kind::Data, Encoding::Json, 0, 0).to_word(0)), "encoding"),
            (shift(Record::new(Shape::Compact, Kind::Data, Encoding::Raw, 1, 0).to_word(0)), "flags"),
            (
                shift(Record::new(Shape::Compact, Kind::Data, Encoding::Raw, 0, 0).to_word(1)),
                "the lap's number, its low 16 bits",
            ),
        ];
        assert_eq!(shift(Record::new(Shape::Compact, Kind::Data, Encoding::Raw, 0, 1).to_word(0)), 0);
        let ends = fields.iter().skip(1).map(|(at, _)| *at).chain([64]);
        let rows = fields
            .iter()
            .zip(ends)
            .map(|((at, meaning), end)| [format!("{at}–{}", end - 1), (*meaning).to_owned()]);
        let mut text = crate::documents::table(["bits", "field"], rows) + "\n";
        let shapes = [
            (Shape::Pad, "nothing: the rest of this lap is empty".to_owned()),
            (
                Shape::Compact,
                format!("sent ({COMPACT} bytes), body; the sequence is one above the last, correlation 0"),
            ),
            (Shape::Linked, format!("sent, sequence, correlation ({LINKED} bytes together), body")),
            (Shape::Full, format!("the header of {HEADER} bytes, extension, body")),
            (
                Shape::First,
                format!(
                    "the header of {HEADER} bytes, then as much of extension and body as there is room for"
                ),
            ),
            (Shape::Piece, "more of that extension and body".to_owned()),
            (
                Shape::Slots,
                format!(
                    "the header of {HEADER} bytes, the number of references ({COUNT} bytes, at most {MOST}), \
                     the references ({REFERENCE} bytes each), the rest of the body"
                ),
            ),
            (
                Shape::Placed,
                format!(
                    "the header of {HEADER} bytes, a reference ({REFERENCE} bytes) to the whole body, the extension"
                ),
            ),
        ];
        let rows = shapes.map(|(shape, meaning)| {
            [(shape as u8).to_string(), format!("{shape:?}").to_lowercase(), meaning]
        });
        text += &crate::documents::table(["shape", "name", "what lies behind the word"], rows);
        crate::documents::check("ring record", &text);
    }
}
