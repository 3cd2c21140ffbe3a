//! A record of a broadcast ring: two words, then the 64-byte header, the extension and the body.

use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, MAX_EXTENSION};

/// Records begin at multiples of this, which is also the length of the two words.
pub(super) const GRANULE: u64 = 16;
/// The smallest record: two words and a header.
pub(super) const LEAST: u64 = GRANULE + HEADER as u64;

/// What the first word says.
///
/// | bits | field |
/// |---|---|
/// | 0–47 | bytes of the whole record, a multiple of 16 |
/// | 48 | set for a pad, which ends a lap |
/// | 49–63 | the lap's number: what an earlier lap left is never taken for this one's |
///
/// The second word is the sequence number of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub size: u64,
    pub pad: bool,
}

impl Mark {
    /// The record of a frame with so many bytes of extension and body.
    pub fn of(extension: usize, body: usize) -> Mark {
        Mark { size: (LEAST + extension as u64 + body as u64).next_multiple_of(GRANULE), pad: false }
    }

    pub fn to_word(self, lap: u64) -> u64 {
        self.size | u64::from(self.pad) << 48 | (lap & 0x7FFF) << 49
    }

    /// Reads the word; `left` bytes are left of the lap. `Malformed` when no honest publisher leaves such a word here.
    pub fn from_word(word: u64, lap: u64, left: u64) -> Result<Mark> {
        let mark = Mark { size: word & ((1 << 48) - 1), pad: word >> 48 & 1 == 1 };
        let fits = if mark.pad { mark.size == left } else { (LEAST..=left).contains(&mark.size) };
        if word >> 49 != lap & 0x7FFF || !fits || !mark.size.is_multiple_of(GRANULE) {
            let text = format!(
                "the publisher's ring holds the record header {word:#018x}, which makes no sense here"
            );
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        Ok(mark)
    }

    /// Whether the lengths that a message header gives are those of this record.
    pub fn holds(self, extension: usize, body: u64) -> bool {
        let total = body.checked_add(LEAST + extension as u64);
        extension <= MAX_EXTENSION
            && total.and_then(|total| total.checked_next_multiple_of(GRANULE)) == Some(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mark_survives_its_word() {
        for mark in [Mark::of(8, 100), Mark { size: 16, pad: true }] {
            let left = if mark.pad { 16 } else { 4096 };
            assert_eq!(Mark::from_word(mark.to_word(0x8001), 0x8001, left).unwrap(), mark);
            assert!(Mark::from_word(mark.to_word(1), 2, left).is_err());
        }
        assert!(Mark::of(8, 100).holds(8, 100));
        assert!(!Mark::of(8, 100).holds(8, 120));
        assert!(!Mark::of(8, 100).holds(8, u64::MAX));
    }

    proptest! {
        #[test]
        fn any_word_is_a_mark_within_the_lap_or_malformed(word: u64, lap: u64, granules in 1u64..1024) {
            let left = granules * GRANULE;
            match Mark::from_word(word, lap, left) {
                Ok(mark) => prop_assert!(mark.size >= GRANULE && mark.size <= left && mark.size % GRANULE == 0),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Malformed),
            }
        }
    }

    #[test]
    fn the_documents_have_the_words() {
        let shift = |mark: Mark, lap| mark.to_word(lap).trailing_zeros();
        let (pad, lap) = (shift(Mark { size: 0, pad: true }, 0), shift(Mark { size: 0, pad: false }, 1));
        assert_eq!(Mark { size: 1, pad: false }.to_word(0), 1);
        let rows = [
            (format!("0–{}", pad - 1), "bytes of the whole record, a multiple of 16"),
            (pad.to_string(), "set for a pad, which fills the rest of the lap"),
            (format!("{lap}–63"), "the lap's number, its low bits"),
        ]
        .map(|(bits, says)| [bits, says.to_owned()]);
        let mut text = crate::documents::table(["bits of the first word", "field"], rows);
        text += &format!(
            "\nThe second word is the sequence of the message; at {GRANULE} begins its header of {HEADER} bytes, then extension and body. The smallest record has {LEAST} bytes.\n"
        );
        crate::documents::check("broadcast record", &text);
    }
}
