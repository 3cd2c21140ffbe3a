//! References into slots: where the long arrays of a message are. A record of a channel's ring and one of a publisher's
//! hold them alike, between the message header and the rest of the body: how many there are, then six words for each.

use crate::body::{OneOrMany, Rest};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Header;

/// Bytes of the number of references.
pub(super) const COUNT: usize = 8;
/// Bytes of a reference.
pub(super) const REFERENCE: usize = 48;
/// The most references in a record.
pub(super) const MOST: usize = 16;

/// The place of elements in a slot, in the order of the words on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// How many bytes of the rest of the body come before the elements.
    pub at: u64,
    /// The length of the elements in bytes, not 0.
    pub length: u64,
    /// The index of the slot.
    pub slot: u64,
    /// The number of the slot's file.
    pub file: u64,
    /// The offset of the elements in the file.
    pub from: u64,
    /// Which filling of the file brought them.
    pub filling: u64,
}

impl Reference {
    /// Returns the words of a record.
    #[inline]
    pub fn words(&self) -> [u64; REFERENCE / 8] {
        let Reference { at, length, slot, file, from, filling } = *self;
        [at, length, slot, file, from, filling]
    }
}

/// Returns the bytes of so many references and their number.
#[inline]
pub(super) const fn bytes_of(references: usize) -> usize {
    COUNT + references * REFERENCE
}

/// Encodes references and their number.
pub(super) fn to_bytes(references: &[Reference]) -> Rest {
    Rest::filled(bytes_of(references.len()), |to| {
        let words = [references.len() as u64].into_iter().chain(references.iter().flat_map(Reference::words));
        for (place, word) in to.as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
    })
}

/// Returns the `count` references in a record that has `available` bytes behind this message header, and the length of the
/// rest of the body. `words` is called once for each reference, with its offset behind the header, and loads its words.
///
/// Checks that places ascend and are in the rest, and that the lengths of the arrays and of the rest add up to the body's.
/// Whether the rest is as long as its record says is for the caller to check, and whether the slots have such elements, for
/// those who read them.
///
/// # Errors
/// `Malformed`.
#[inline]
pub(super) fn decode(
    header: &Header,
    count: u64,
    available: usize,
    words: impl Fn(usize) -> [u64; REFERENCE / 8],
) -> Result<(OneOrMany<Reference>, usize)> {
    if header.extension != 0 || header.encoding != Encoding::Cbor {
        return malformed("beside an extension, or in a body that is not CBOR");
    }
    if count == 0 || count > MOST as u64 || bytes_of(count as usize) > available {
        return malformed("of which there are none, too many, or fewer than it says");
    }
    let (mut rest, mut last, mut behind) = (header.body, 0, COUNT);
    let references = OneOrMany::try_of(&[(); MOST][..count as usize], |()| {
        let [at, length, slot, file, from, filling] = words(behind);
        behind += REFERENCE;
        if at < last || length == 0 {
            return None;
        }
        (rest, last) = (rest.checked_sub(length)?, at);
        Some(Reference { at, length, slot, file, from, filling })
    });
    match (references, usize::try_from(rest)) {
        (Some(references), Ok(rest)) if last <= rest as u64 => Ok((references, rest)),
        _ => malformed("whose places do not ascend in the rest, or whose lengths are not their message's"),
    }
}

#[cold]
fn malformed<T>(what: &str) -> Result<T> {
    let text = format!("the peer's ring holds references into slots {what}");
    Err(Error::new(ErrorKind::Malformed, text))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::frame::Kind;
    use proptest::prelude::*;

    fn header(body: u64) -> Header {
        Header { body, ..Header::new(Kind::Data, Encoding::Cbor) }
    }

    fn reference(at: u64, length: u64) -> Reference {
        Reference { at, length, slot: 3, file: 7, from: 4096, filling: 9 }
    }

    fn from_words(header: &Header, words: &[u64]) -> Result<(OneOrMany<Reference>, usize)> {
        let count = words.first().copied().unwrap_or(0);
        decode(header, count, words.len() * 8, |at| std::array::from_fn(|i| words[at / 8 + i]))
    }

    fn words_of(references: &[Reference]) -> Vec<u64> {
        to_bytes(references).as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
    }

    #[test]
    fn references_decode_to_what_was_encoded() {
        let all = [reference(0, 100), reference(0, 1), reference(20, 65536)];
        assert_eq!(to_bytes(&all).len(), COUNT + 3 * REFERENCE);
        assert_eq!(
            from_words(&header(100 + 1 + 65536 + 20), &words_of(&all)).unwrap(),
            (OneOrMany::from(&all[..]), 20)
        );
    }

    #[test]
    fn invalid_references_are_malformed() {
        let refused = |header: Header, words: &[u64]| {
            assert_eq!(from_words(&header, words).unwrap_err().kind(), ErrorKind::Malformed);
        };
        refused(header(0), &words_of(&[]));
        refused(header(17), &words_of(&[reference(0, 1); MOST + 1]));
        refused(header(1), &words_of(&[reference(0, 1)])[..REFERENCE / 8]);
        refused(header(12), &words_of(&[reference(5, 1), reference(4, 1)]));
        refused(header(5), &words_of(&[reference(5, 0)]));
        // The first place is behind the rest, the second beyond the message.
        refused(header(105), &words_of(&[reference(6, 100)]));
        refused(header(99), &words_of(&[reference(0, 100)]));
        refused(header(99), &words_of(&[reference(0, u64::MAX), reference(0, u64::MAX)]));
        refused(Header { encoding: Encoding::Json, ..header(100) }, &words_of(&[reference(0, 100)]));
        refused(Header { extension: 8, ..header(100) }, &words_of(&[reference(0, 100)]));
    }

    proptest! {
        #[test]
        fn any_words_are_references_within_their_message_or_malformed(
            count in prop_oneof![1..4u64, any::<u64>()], words: Vec<u64>, body: u64
        ) {
            let words = [vec![count], words].concat();
            if let Ok((references, rest)) = from_words(&header(body), &words) {
                let total = references.iter().map(|one| u128::from(one.length)).sum::<u128>();
                prop_assert_eq!(total + rest as u128, u128::from(body));
                prop_assert!(references.iter().all(|one| one.at <= rest as u64));
            }
        }
    }
}
