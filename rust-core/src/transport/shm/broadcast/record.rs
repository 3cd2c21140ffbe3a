//! The record of a broadcast ring: two header words, then the 64-byte message header, the extension
//! map and the body, all together padded to a multiple of 16 bytes.
//!
//! The first word gives the length, the second the sequence number of the message. Unlike the
//! records of a channel's ring, a broadcast record is never split: a reader needs the whole message
//! in one piece to validate it with one check.

use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, MAX_EXTENSION};

/// Records begin at multiples of this, which is also the length of the two header words.
pub(super) const GRANULE: u64 = 16;
/// The smallest record that is not a pad: two header words and a message header.
pub(super) const MIN_RECORD: u64 = GRANULE + HEADER as u64;
/// The longest body, in bytes, that the short ways of writing and reading take. Copying a longer one takes so long
/// that the general way adds little.
pub(super) const SHORT: u64 = 256;

/// The decoded first word of a record.
///
/// | bits | field |
/// |---|---|
/// | 0–46 | bytes of the whole record, a multiple of 16 |
/// | 47 | set where references into slots stand between header and body |
/// | 48 | set for a pad, which fills the rest of the lap |
/// | 49–63 | the low 15 bits of the lap number, so that a record of an earlier lap is not accepted |
///
/// The second word is the sequence number of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// Bytes of the whole record, header words included.
    pub size: u64,
    /// Whether the record is a pad: it holds no message, and the next record begins the next lap.
    pub pad: bool,
    /// Whether references into slots stand between header and body; the body is then without the arrays in the slots.
    pub refers: bool,
}

/// The bits of the length.
pub(super) const SIZE: u64 = (1 << 47) - 1;

impl RecordHeader {
    /// The header of a record for a message with an extension map and a body of these lengths in
    /// bytes.
    pub fn of(extension: usize, body: usize) -> RecordHeader {
        let size = (MIN_RECORD + extension as u64 + body as u64).next_multiple_of(GRANULE);
        RecordHeader { size, pad: false, refers: false }
    }

    /// The header of a pad of so many bytes, up to the end of a lap.
    pub fn pad(size: u64) -> RecordHeader {
        RecordHeader { size, pad: true, refers: false }
    }

    /// The word as it is stored. `lap` is the position of the record divided by the length of the
    /// ring.
    pub fn to_word(self, lap: u64) -> u64 {
        self.size | u64::from(self.refers) << 47 | u64::from(self.pad) << 48 | (lap & 0x7FFF) << 49
    }

    /// Decodes the word of a record with `left` bytes between its beginning and the end of the lap.
    ///
    /// # Errors
    /// `Malformed` where no honest publisher stores such a word: another lap, a length that is no
    /// multiple of 16 or that passes the end of the lap, a pad that does not end the lap. A caller
    /// that may have been overtaken checks that first, because an overwritten word is just as
    /// invalid.
    pub fn from_word(word: u64, lap: u64, left: u64) -> Result<RecordHeader> {
        RecordHeader::valid(word, lap, left).ok_or_else(|| invalid(word))
    }

    /// [`RecordHeader::from_word`] without the error.
    #[inline]
    pub fn valid(word: u64, lap: u64, left: u64) -> Option<RecordHeader> {
        let record =
            RecordHeader { size: word & SIZE, pad: word >> 48 & 1 == 1, refers: word >> 47 & 1 == 1 };
        let fits = if record.pad {
            record.size == left && !record.refers
        } else {
            (MIN_RECORD..=left).contains(&record.size)
        };
        let is_valid = word >> 49 == lap & 0x7FFF && fits && record.size.is_multiple_of(GRANULE);
        is_valid.then_some(record)
    }

    /// Whether a message header with these lengths belongs to this record. The lengths come from
    /// the publisher's memory, so the sum is checked for overflow.
    pub fn holds(self, extension: usize, body: u64) -> bool {
        let total = body.checked_add(MIN_RECORD + extension as u64);
        extension <= MAX_EXTENSION
            && total.and_then(|total| total.checked_next_multiple_of(GRANULE)) == Some(self.size)
    }
}

#[cold]
fn invalid(word: u64) -> Error {
    let text = format!(
        "the publisher's ring holds the record header {word:#018x}, which is invalid at this position"
    );
    Error::new(ErrorKind::Malformed, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn record_header_decodes_to_what_was_encoded() {
        for record in [
            RecordHeader::of(8, 100),
            RecordHeader { refers: true, ..RecordHeader::of(56, 3) },
            RecordHeader::pad(16),
        ] {
            let left = if record.pad { 16 } else { 4096 };
            assert_eq!(RecordHeader::from_word(record.to_word(0x8001), 0x8001, left).unwrap(), record);
            assert!(RecordHeader::from_word(record.to_word(1), 2, left).is_err());
        }
        assert!(RecordHeader::of(8, 100).holds(8, 100));
        assert!(!RecordHeader::of(8, 100).holds(8, 120));
        assert!(!RecordHeader::of(8, 100).holds(8, u64::MAX));
    }

    proptest! {
        #[test]
        fn record_header_any_word_is_within_the_lap_or_malformed(word: u64, lap: u64, granules in 1u64..1024) {
            let left = granules * GRANULE;
            match RecordHeader::from_word(word, lap, left) {
                Ok(record) => prop_assert!(record.size >= GRANULE && record.size <= left && record.size % GRANULE == 0),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Malformed),
            }
        }
    }

    #[test]
    fn documents_have_the_record_header() {
        let shift = |record: RecordHeader, lap| record.to_word(lap).trailing_zeros();
        let none = RecordHeader { size: 0, pad: false, refers: false };
        let refers = shift(RecordHeader { refers: true, ..none }, 0);
        let (pad, lap) = (shift(RecordHeader::pad(0), 0), shift(none, 1));
        assert_eq!(RecordHeader { size: 1, ..none }.to_word(0), 1);
        let rows = [
            (format!("0–{}", refers - 1), "bytes of the whole record, a multiple of 16"),
            (refers.to_string(), "set where references into slots stand between header and body"),
            (pad.to_string(), "set for a pad, which fills the rest of the lap"),
            (format!("{lap}–63"), "the lap's number, its low bits"),
        ]
        .map(|(bits, meaning)| [bits, meaning.to_owned()]);
        let mut text = crate::documents::table(["bits of the first word", "field"], rows);
        text += &format!(
            "\nThe second word is the sequence of the message; at {GRANULE} begins its header of {HEADER} bytes, then extension and body. The smallest record has {MIN_RECORD} bytes.\n"
        );
        crate::documents::check("broadcast record", &text);
    }
}
