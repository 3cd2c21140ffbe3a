//! The record of a broadcast ring, padded to a multiple of 16 bytes. It begins with two words: what it is, and the
//! sequence number of its message.
//!
//! Nearly all messages are in *compact* records: behind the two words stand the time of sending and the body. A message
//! that needs more of its header (an extension, flags, a schema) is in a *full* one: the 64-byte message header, the
//! extension map and the body. Unlike the records of a channel's ring, a broadcast record is never split: a reader needs
//! the whole message in one piece to validate it with one check.

use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Kind, MAX_EXTENSION, Outgoing};

/// Records begin at multiples of this, which is also the length of the two header words.
pub(super) const GRANULE: u64 = 16;
/// Bytes of the first word.
pub(super) const WORD: usize = 8;
/// Bytes in front of the extension of a full record: two words and a message header.
pub(super) const FULL: u64 = GRANULE + HEADER as u64;
/// Bytes in front of the body of a compact record: two words and the time of sending, ns since 1970.
pub(super) const COMPACT: u64 = GRANULE + 8;
/// The longest body, in bytes, that the fast paths of writing and reading take. Copying a longer one takes so long
/// that the general path adds little.
pub(super) const SHORT: u64 = 256;

/// The decoded first word of a record.
///
/// | bits | field |
/// |---|---|
/// | 0–42 | bytes of the whole record, a multiple of 16; of a compact one without its padding |
/// | 43–45 | the encoding of a compact record, else 0 |
/// | 46 | set for a compact record |
/// | 47 | set where references into slots stand between header and body |
/// | 48 | set for a pad, which fills the rest of the lap |
/// | 49–63 | the low 15 bits of the lap number, so that a record of an earlier lap is not accepted |
///
/// The second word is the sequence number of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// Bytes of the whole record, with header words and padding.
    pub size: u64,
    /// What it holds.
    pub shape: BroadcastShape,
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BroadcastShape {
    /// No message: the next record begins the next lap.
    Pad,
    /// A message header, an extension and a body.
    Full,
    /// The same with references into slots between header and body; the body is without the arrays in the slots.
    Refers,
    /// A time of sending and a body of so many bytes.
    Compact {
        /// Bytes of the body.
        body: u64,
        /// How it is encoded.
        encoding: Encoding,
    },
}

/// The bits of the length.
const LENGTH: u64 = (1 << ENCODING) - 1;
/// Where the encoding begins, and the bits of the shapes.
const ENCODING: u32 = 43;
const IS_COMPACT: u64 = 1 << 46;
const REFERS: u64 = 1 << 47;
const IS_PAD: u64 = 1 << 48;
const LAP: u32 = 49;

/// The bits that tell a compact record of a lap from all others.
const FORM: u64 = !(LENGTH | 7 << ENCODING);

/// Bytes of the record with this word, which was valid when it was written.
#[inline]
pub(super) fn size_of(word: u64) -> u64 {
    (word & LENGTH).next_multiple_of(GRANULE)
}

impl RecordHeader {
    /// The header of a full record for a message with an extension map and a body of these lengths in bytes.
    #[inline]
    pub(crate) fn full(extension: usize, body: usize) -> RecordHeader {
        let size = (FULL + extension as u64 + body as u64).next_multiple_of(GRANULE);
        RecordHeader { size, shape: BroadcastShape::Full }
    }

    /// The header of a compact record for a body of so many bytes.
    #[inline]
    pub(crate) fn compact(encoding: Encoding, body: usize) -> RecordHeader {
        let body = body as u64;
        let size = (COMPACT + body).next_multiple_of(GRANULE);
        RecordHeader { size, shape: BroadcastShape::Compact { body, encoding } }
    }

    /// The header of the record for a frame; where long arrays of it are in slots, its extension is the references.
    #[inline]
    pub(crate) fn of(frame: &Outgoing<'_>) -> RecordHeader {
        let Header { kind, flags, correlation, schema, body_check, encoding, .. } = frame.header;
        let full = RecordHeader::full(frame.extension.len(), frame.body.len());
        if frame.split.is_some() {
            return RecordHeader { shape: BroadcastShape::Refers, ..full };
        }
        let needs_header = flags != 0 || correlation != 0 || schema != 0 || body_check != 0;
        if kind != Kind::Data || needs_header || !frame.extension.is_empty() {
            return full;
        }
        RecordHeader::compact(encoding, frame.body.len())
    }

    /// The header of a pad of so many bytes, up to the end of a lap.
    pub(crate) fn pad(size: u64) -> RecordHeader {
        RecordHeader { size, shape: BroadcastShape::Pad }
    }

    /// The word as it is stored. `lap` is the position of the record divided by the length of the
    /// ring.
    #[inline]
    pub(crate) fn to_word(self, lap: u64) -> u64 {
        let bits = match self.shape {
            BroadcastShape::Full => self.size,
            BroadcastShape::Refers => self.size | REFERS,
            BroadcastShape::Pad => self.size | IS_PAD,
            BroadcastShape::Compact { body, encoding } => {
                (COMPACT + body) | (encoding as u64) << ENCODING | IS_COMPACT
            }
        };
        bits | lap << LAP
    }

    /// Decodes the word of a record with `left` bytes between its beginning and the end of the lap.
    ///
    /// # Errors
    /// `Malformed` where no honest publisher stores such a word: another lap, a length that is no
    /// multiple of 16 or that passes the end of the lap, a pad that does not end the lap. A caller
    /// that may have been overtaken checks that first, because an overwritten word is just as
    /// invalid.
    pub(crate) fn from_word(word: u64, lap: u64, left: u64) -> Result<RecordHeader> {
        RecordHeader::valid(word, lap, left).ok_or_else(|| invalid(word))
    }

    /// [`RecordHeader::from_word`] without the error.
    #[inline]
    fn valid(word: u64, lap: u64, left: u64) -> Option<RecordHeader> {
        let length = word & LENGTH;
        let (shape, is_whole) = match word & (IS_COMPACT | REFERS | IS_PAD) {
            IS_COMPACT => {
                let encoding = Encoding::from_number((word >> ENCODING) as u8 & 7)?;
                (BroadcastShape::Compact { body: length.checked_sub(COMPACT)?, encoding }, true)
            }
            0 => (BroadcastShape::Full, length >= FULL),
            REFERS => (BroadcastShape::Refers, length >= FULL),
            IS_PAD => (BroadcastShape::Pad, length == left),
            _ => return None,
        };
        let is_aligned = word & IS_COMPACT != 0 || word & ((GRANULE - 1) | (7 << ENCODING)) == 0;
        let size = size_of(word);
        let is_valid = is_whole && is_aligned && size <= left && (word ^ lap << LAP) >> LAP == 0;
        is_valid.then_some(RecordHeader { size, shape })
    }

    /// Whether a message header with these lengths belongs to this full record. The lengths come from
    /// the publisher's memory, so the sum is checked for overflow.
    pub(crate) fn holds(self, extension: usize, body: u64) -> bool {
        let total = body.checked_add(FULL + extension as u64);
        extension <= MAX_EXTENSION
            && total.and_then(|total| total.checked_next_multiple_of(GRANULE)) == Some(self.size)
    }
}

/// A compact record with a short body in this lap, as nearly all are. One word and its offset, so that it stays in
/// registers.
#[derive(Clone, Copy, Debug)]
pub struct BroadcastFastRecord {
    word: u64,
    /// The offset of the record in the publisher's memory.
    pub(super) at: usize,
    /// The encoding of the body.
    pub encoding: Encoding,
    /// The sequence number of the message.
    pub sequence: u64,
    /// The time of sending, ns since 1970.
    pub sent: i64,
}

impl BroadcastFastRecord {
    /// The word of compact records of this lap, without length and encoding.
    pub(super) fn word(lap: u64) -> u64 {
        IS_COMPACT | lap << LAP
    }

    /// Whether the record with this word is a compact one of the lap of `form`. A word of zeros is none.
    #[inline(always)]
    pub(super) fn is(word: u64, form: u64) -> bool {
        (word ^ form) & FORM == 0
    }

    /// The compact record at this offset with these first words, where its body has at most `limit` bytes, which is at most
    /// [`SHORT`].
    #[inline(always)]
    pub(super) fn new(
        word: u64,
        [sequence, sent]: [u64; 2],
        at: usize,
        limit: u64,
    ) -> Option<BroadcastFastRecord> {
        let encoding = Encoding::from_number((word >> ENCODING) as u8 & 7)?;
        let fast = BroadcastFastRecord { word, at, encoding, sequence, sent: sent.cast_signed() };
        // What is too short has the greatest length.
        (fast.length() as u64 <= limit).then_some(fast)
    }

    /// Bytes of the body.
    #[inline(always)]
    pub fn length(&self) -> usize {
        (self.word & LENGTH).wrapping_sub(COMPACT) as usize
    }

    /// Bytes of the record.
    #[inline(always)]
    pub(super) fn size(&self) -> u64 {
        // Nothing overflows: the length is short.
        (self.word & LENGTH).wrapping_add(GRANULE - 1) & !(GRANULE - 1)
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
            RecordHeader::full(8, 100),
            RecordHeader { shape: BroadcastShape::Refers, ..RecordHeader::full(56, 3) },
            RecordHeader::pad(16),
            RecordHeader::compact(Encoding::Smile, 0),
            RecordHeader::compact(Encoding::Cbor, 77),
        ] {
            let left = if record.shape == BroadcastShape::Pad { 16 } else { 4096 };
            let word = record.to_word(0x8001);
            assert_eq!(RecordHeader::from_word(word, 0x8001, left).unwrap(), record);
            assert_eq!(size_of(word), record.size);
            assert!(RecordHeader::from_word(record.to_word(1), 2, left).is_err());
            assert!(RecordHeader::from_word(word, 0x8001, record.size - 1).is_err());
        }
        assert!(RecordHeader::full(8, 100).holds(8, 100));
        assert!(!RecordHeader::full(8, 100).holds(8, 120));
        assert!(!RecordHeader::full(8, 100).holds(8, u64::MAX));
    }

    #[test]
    fn compact_record_is_for_data_that_needs_no_more_of_its_header() {
        let header = Header { sequence: 7, sent: 8, ..Header::new(Kind::Data, Encoding::Cbor) };
        let shape = |header| RecordHeader::of(&Outgoing::new(header, b"body")).shape;
        assert_eq!(shape(header), BroadcastShape::Compact { body: 4, encoding: Encoding::Cbor });
        for other in [
            Header { kind: Kind::Event, ..header },
            Header { flags: 1, ..header },
            Header { correlation: 1, ..header },
            Header { schema: 1, ..header },
            Header { body_check: 1, ..header },
        ] {
            assert_eq!(shape(other), BroadcastShape::Full, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn record_header_any_word_is_within_the_lap_or_malformed(word: u64, lap: u64, granules in 1u64..1024, of_lap: bool) {
            let left = granules * GRANULE;
            let word = if of_lap { word & (0xFFFF | FORM & !(!0 << LAP) | 7 << ENCODING) | lap << LAP } else { word };
            match RecordHeader::from_word(word, lap, left) {
                Ok(record) => {
                    prop_assert!(record.size >= GRANULE && record.size <= left && record.size % GRANULE == 0);
                    prop_assert_eq!(record.to_word(lap), word);
                    if let BroadcastShape::Compact { body, .. } = record.shape {
                        prop_assert!(COMPACT + body <= record.size);
                    }
                }
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Malformed),
            }
        }

        /// A word of a fast-path record is a valid word of a compact record with the same meaning.
        #[test]
        fn fast_record_is_a_compact_one(length in 0u64..600, encoding in 0u64..8, lap: u64, other: u64, random: bool) {
            let word = if random { other } else { length | encoding << ENCODING | BroadcastFastRecord::word(lap) };
            let is_fast = BroadcastFastRecord::is(word, BroadcastFastRecord::word(lap));
            let fast = BroadcastFastRecord::new(word, [5, 6], 0, SHORT).filter(|_| is_fast);
            let compact = RecordHeader::from_word(word, lap, 4096).ok().filter(|record| {
                matches!(record.shape, BroadcastShape::Compact { body, .. } if body <= SHORT)
            });
            prop_assert_eq!(fast.is_some(), compact.is_some());
            if let Some((fast, compact)) = fast.zip(compact) {
                let shape = BroadcastShape::Compact { body: fast.length() as u64, encoding: fast.encoding };
                prop_assert_eq!((fast.size(), shape), (compact.size, compact.shape));
            }
        }
    }

    #[test]
    fn documents_have_the_record_header() {
        let shift = |word: u64| word.trailing_zeros();
        let none = RecordHeader { size: 0, shape: BroadcastShape::Full };
        let refers = shift(RecordHeader { shape: BroadcastShape::Refers, ..none }.to_word(0));
        let compact = refers - 1;
        let word = |encoding| RecordHeader::compact(encoding, 0).to_word(0);
        let encoding = shift(word(Encoding::Raw) ^ word(Encoding::Json));
        assert_eq!(word(Encoding::Raw) >> compact, 1);
        let (pad, lap) = (shift(RecordHeader::pad(0).to_word(0)), shift(none.to_word(1)));
        assert_eq!(RecordHeader { size: 1, ..none }.to_word(0), 1);
        let rows = [
            (
                format!("0–{}", encoding - 1),
                "bytes of the whole record, a multiple of 16; of a compact one without its padding",
            ),
            (format!("{encoding}–{}", compact - 1), "the encoding of a compact record, else 0"),
            (compact.to_string(), "set for a compact record"),
            (refers.to_string(), "set where references into slots stand between header and body"),
            (pad.to_string(), "set for a pad, which fills the rest of the lap"),
            (format!("{lap}–63"), "the lap's number, its low bits"),
        ]
        .map(|(bits, meaning)| [bits, meaning.to_owned()]);
        let mut text = crate::documents::table(["bits of the first word", "field"], rows);
        text += &format!(
            "\nThe second word is the sequence of the message. In a compact record the time of sending (ns since 1970) stands at {GRANULE}, and the body begins at {COMPACT}: \
             data without extension, flags and schema. In all others the message's header of {HEADER} bytes begins at {GRANULE}, then come extension and body.\n"
        );
        crate::documents::check("broadcast record", &text);
    }
}
