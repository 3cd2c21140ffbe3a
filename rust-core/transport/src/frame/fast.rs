//! The fast-path frame of a stream: data without an extension, as in almost every message.
//!
//! Its header is compared with fixed words; the encoding, the lengths and the numbers remain to be read.

use super::{CHECK, HEADER, Header, Kind, MAGIC, VERSION, WORDS, flags};
use crate::codec::Encoding;

/// The first word of a fast-path frame whose encoding is 0: magic, version, kind and the reserved byte.
const FORM: u64 = {
    let [m0, m1, m2, m3] = MAGIC;
    u64::from_le_bytes([m0, m1, m2, m3, VERSION, Kind::Data as u8, 0, 0])
};

/// The first bit of the encoding in the first word.
const ENCODING: u32 = 48;

impl Header {
    /// Parses the 64 bytes of a fast-path frame, with this function for the check sum.
    ///
    /// Returns `None` for any other bytes.
    #[inline]
    pub(crate) fn of_fast_frame(
        bytes: &[u8; HEADER],
        check_sum: impl Fn(&[u64; WORDS]) -> u32,
    ) -> Option<Header> {
        let mut words = [0; WORDS];
        for (word, eight) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*eight);
        }
        let [first, second, body, sequence, correlation, sent, schema, last] = words;
        let encoding = Encoding::from_number((first >> ENCODING) as u8)?;
        words[1] &= (1 << CHECK) - 1;
        // All at once: almost always each condition holds. Flags and extension are the rest of the second
        // word.
        let is_fast = (first & !(0xFF << ENCODING) == FORM)
            & (words[1] & !u64::from(flags::BODY_CHECKED) == 0)
            & (schema | last >> 32 == 0)
            & ((second >> CHECK) as u32 == check_sum(&words));
        if !is_fast {
            return None;
        }
        Some(Header {
            flags: second as u16,
            body,
            sequence,
            correlation,
            sent: sent.cast_signed(),
            body_check: last as u32,
            ..Header::new(Kind::Data, encoding)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::check_sum;
    use super::*;

    proptest! {
        #[test]
        fn fast_frames_are_those_of_their_form(
            numbers in any::<([u64; 3], i64, u32)>(),
            (kind, encoding) in (0..3u8, 0..5u8),
            (flag, extension, schema) in (0..3u16, 0..2usize, 0..2u64),
            change in prop::option::of((0..HEADER, any::<u8>())),
            keeps_check in any::<bool>(),
        ) {
            let ([body, sequence, correlation], sent, body_check) = numbers;
            let header = Header {
                flags: flag,
                extension: extension * 8,
                body,
                sequence,
                correlation,
                sent,
                schema,
                body_check,
                ..Header::new(Kind::from_number(kind).unwrap(), Encoding::from_number(encoding).unwrap())
            };
            let mut bytes = header.to_bytes();
            if let Some((at, byte)) = change {
                bytes[at] = byte;
            }
            if !keeps_check {
                bytes[12..16].fill(0);
                let check = crc32c::crc32c(&bytes).to_le_bytes();
                bytes[12..16].copy_from_slice(&check);
            }
            let read = Header::from_bytes(&bytes).ok().filter(|header| {
                let is_short = header.extension == 0 && header.schema == 0;
                header.kind == Kind::Data && header.flags & !flags::BODY_CHECKED == 0 && is_short
            });
            prop_assert_eq!(Header::of_fast_frame(&bytes, check_sum), read);
        }
    }
}
