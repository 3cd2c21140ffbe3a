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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub shape: Shape,
    pub kind: Kind,
    pub encoding: Encoding,
    pub flags: u16,
    pub length: u32,
}

impl Record {
    /// A record that says nothing about a message.
    pub fn bare(shape: Shape, length: u32) -> Record {
        Record { shape, kind: Kind::Data, encoding: Encoding::Raw, flags: 0, length }
    }

    /// Bytes that it takes in the ring.
    #[inline]
    pub fn size(&self) -> u64 {
        (WORD + u64::from(self.length)).next_multiple_of(GRANULE)
    }

    /// The word for this lap; never zero, which means "nothing yet".
    #[inline]
    pub fn to_word(self, lap: u64) -> u64 {
        u64::from(self.length)
            | (self.shape as u64) << 32
            | (self.kind as u64) << 36
            | (self.encoding as u64) << 40
            | u64::from(self.flags) << 43
            | (lap & 0xFFFF) << 48
    }

    /// Reads the word of this lap; `Malformed` when no honest writer leaves such a word here.
    // Always: passed through memory, its small fields would be written one by one and read at once, which stalls.
    #[inline(always)]
    pub fn from_word(word: u64, lap: u64) -> Result<Record> {
        let shape = match word >> 32 & 0xF {
            1 => Shape::Pad,
            2 => Shape::Compact,
            3 => Shape::Linked,
            4 => Shape::Full,
            5 => Shape::First,
            6 => Shape::Piece,
            _ => return Err(garbage(word, "no such shape of record")),
        };
        if word >> 48 != lap & 0xFFFF {
            return Err(garbage(word, "the record is stamped with another lap"));
        }
        let Some(kind) = Kind::from_number((word >> 36 & 0xF) as u8) else {
            return Err(garbage(word, "no such kind of message"));
        };
        let Some(encoding) = Encoding::from_number((word >> 40 & 0x7) as u8) else {
            return Err(garbage(word, "no such encoding"));
        };
        let length = word as u32;
        let least = match shape {
            Shape::Pad => 0,
            Shape::Compact => COMPACT,
            Shape::Linked => LINKED,
            Shape::Full | Shape::First => HEADER,
            Shape::Piece => 1,
        };
        if (length as usize) < least {
            return Err(garbage(word, "the record is too short for its shape"));
        }
        let flags = (word >> 43 & 0x1F) as u16;
        if flags & flags::BODY_CHECKED != 0 {
            return Err(garbage(word, "a compact record has no room for a body check sum"));
        }
        Ok(Record { shape, kind, encoding, flags, length })
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
        let record = Record {
            shape: Shape::Linked,
            kind: Kind::Event,
            encoding: Encoding::Smile,
            flags: flags::MORE | flags::RETAINED,
            length: 77,
        };
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

    #[test]
    fn the_compact_header_carries_what_it_leaves_out_of_the_64_bytes() {
        // Kinds, encodings and flags must fit the bits set aside for them.
        assert!(flags::ALL < 1 << 5);
        assert!(Encoding::ALL.len() <= 1 << 3);
        assert!(Kind::from_number(16).is_none());
    }
}
