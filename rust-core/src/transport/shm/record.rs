//! The record header: one word that says what lies behind it in the ring, and whether it is there yet.

use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Kind, flags};

/// Records begin at multiples of this.
pub(super) const GRANULE: u64 = 16;
/// Bytes of the record header.
pub(super) const WORD: u64 = 8;
/// Bytes behind the record header of a [`Shape::Compact`] record, before the body: the time of sending.
pub(super) const COMPACT: usize = 8;
/// The same for [`Shape::Linked`]: the time of sending, sequence, correlation.
pub(super) const LINKED: usize = 24;

/// How a record holds its part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Shape {
    /// Nothing: the rest of this lap is empty.
    Pad = 1,
    /// Time of sending, body; the sequence number is one above the last.
    Compact = 2,
    /// Time of sending, sequence, correlation, body.
    Linked = 3,
    /// The 64-byte header, extension, body.
    Full = 4,
    /// The beginning of a frame that is too large for one record: the 64-byte header and what follows it.
    First = 5,
    /// More of it.
    Piece = 6,
}

/// What a record header says.
///
/// | bits | field |
/// |---|---|
/// | 0–31 | bytes behind the header, without the fill up to a granule |
/// | 32–35 | shape |
/// | 36–39 | kind of message |
/// | 40–42 | encoding |
/// | 43–47 | flags |
/// | 48–63 | the lap's number: what an earlier lap left is never taken for this one's |
///
/// It stays one word in here, too: as a struct of small fields it would be passed through memory, written field by field
/// and read as a whole at once, which stalls the processor for longer than copying a small message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record(u64);

const LAP: u32 = 48;
const WITHOUT_LAP: u64 = (1 << LAP) - 1;

impl Record {
    /// A record with so many bytes behind its header.
    #[inline]
    pub fn new(shape: Shape, kind: Kind, encoding: Encoding, flags: u16, length: u32) -> Record {
        let what = (shape as u64) << 32 | (kind as u64) << 36 | (encoding as u64) << 40;
        Record(u64::from(length) | what | u64::from(flags) << 43)
    }

    /// A record that says nothing about a message.
    pub fn bare(shape: Shape, length: u32) -> Record {
        Record::new(shape, Kind::Data, Encoding::Raw, 0, length)
    }

    /// How it holds its part of a frame; `None` for a number without a meaning.
    #[inline]
    pub fn shape(self) -> Option<Shape> {
        Some(match self.0 >> 32 & 0xF {
            1 => Shape::Pad,
            2 => Shape::Compact,
            3 => Shape::Linked,
            4 => Shape::Full,
            5 => Shape::First,
            6 => Shape::Piece,
            _ => return None,
        })
    }

    /// The kind of message; `None` for a number without a meaning.
    #[inline]
    pub fn kind(self) -> Option<Kind> {
        Kind::from_number((self.0 >> 36 & 0xF) as u8)
    }

    /// How the body is written; `None` for a number without a meaning.
    #[inline]
    pub fn encoding(self) -> Option<Encoding> {
        Encoding::from_number((self.0 >> 40 & 0x7) as u8)
    }

    /// The message's flags.
    #[inline]
    pub fn flags(self) -> u16 {
        (self.0 >> 43 & 0x1F) as u16
    }

    /// Bytes behind the header.
    #[inline]
    pub fn length(self) -> usize {
        self.0 as u32 as usize
    }

    /// Bytes that it takes in the ring.
    #[inline]
    pub fn size(self) -> u64 {
        (WORD + self.length() as u64).next_multiple_of(GRANULE)
    }

    /// The word for this lap; never zero, which means "nothing yet".
    #[inline]
    pub fn to_word(self, lap: u64) -> u64 {
        self.0 | lap << LAP
    }

    /// Reads the word of this lap; `Malformed` when no honest writer leaves such a word here. So of a record that came from
    /// here, shape, kind and encoding are there.
    #[inline(always)]
    pub fn from_word(word: u64, lap: u64) -> Result<Record> {
        let record = Record(word & WITHOUT_LAP);
        let least = match record.shape() {
            Some(Shape::Pad) => 0,
            Some(Shape::Compact) => COMPACT,
            Some(Shape::Linked) => LINKED,
            Some(Shape::Full | Shape::First) => HEADER,
            Some(Shape::Piece) => 1,
            None => return Err(garbage(word, "no such shape of record")),
        };
        if (word ^ lap << LAP) >> LAP != 0 {
            return Err(garbage(word, "the record is stamped with another lap"));
        }
        if record.kind().is_none() {
            return Err(garbage(word, "no such kind of message"));
        }
        if record.encoding().is_none() {
            return Err(garbage(word, "no such encoding"));
        }
        if record.length() < least {
            return Err(garbage(word, "the record is too short for its shape"));
        }
        if record.flags() & flags::BODY_CHECKED != 0 {
            return Err(garbage(word, "a compact record has no room for a body check sum"));
        }
        Ok(record)
    }
}

/// The error for a record header that makes no sense.
#[cold]
pub(super) fn garbage(word: u64, why: &str) -> Error {
    let text =
        format!("the peer's ring holds the record header {word:#018x}: {why}; the connection is ended");
    Error::new(ErrorKind::Malformed, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_survives_its_word() {
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
        fn any_word_is_a_record_or_malformed(word: u64, lap: u64) {
            match Record::from_word(word, lap) {
                Ok(record) => prop_assert_eq!(record.to_word(lap), word),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Malformed),
            }
        }
    }

    #[test]
    fn no_record_looks_like_nothing() {
        assert_ne!(Record::bare(Shape::Pad, 0).to_word(0), 0);
        assert_eq!(Record::bare(Shape::Pad, 0).size(), 16);
    }

    /// Kinds, encodings and flags must fit the bits set aside for them.
    #[test]
    fn the_word_has_room_for_all_that_it_says() {
        const { assert!(flags::ALL < 1 << 5) };
        const { assert!(Encoding::ALL.len() <= 1 << 3) };
        assert!(Kind::from_number(15).is_none());
    }

    #[test]
    fn the_documents_have_the_word() {
        let plain = Record::new(Shape::Compact, Kind::Data, Encoding::Raw, 0, 0).to_word(0);
        let bare = plain - ((Shape::Compact as u64) << 32);
        assert_eq!(bare, 0, "nothing but the shape is set");
        let shift = |word: u64| (word ^ plain).trailing_zeros();
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
            .map(|((at, says), end)| [format!("{at}–{}", end - 1), (*says).to_owned()]);
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
        ];
        let rows = shapes
            .map(|(shape, says)| [(shape as u8).to_string(), format!("{shape:?}").to_lowercase(), says]);
        text += &crate::documents::table(["shape", "name", "what lies behind the word"], rows);
        crate::documents::check("ring record", &text);
    }
}
