//! The references of a record to long arrays in slots.

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

/// The place of elements in a slot: six words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// How many bytes of the rest of the body come before the elements.
    pub at: u64,
    pub length: u64,
    pub slot: u64,
    /// The number of the slot's file.
    pub file: u64,
    /// The offset of the elements in the file.
    pub from: u64,
    /// The number of the filling that brought them.
    pub filling: u64,
}

/// Encodes the references as a record holds them, between header and rest.
pub(super) fn to_bytes(references: &[Reference]) -> Rest {
    Rest::filled(COUNT + references.len() * REFERENCE, |to| {
        let count = references.len() as u64;
        let words = references.iter().flat_map(|Reference { at, length, slot, file, from, filling }| {
            [*at, *length, *slot, *file, *from, *filling]
        });
        for (place, word) in to.as_chunks_mut().0.iter_mut().zip([count].into_iter().chain(words)) {
            *place = word.to_le_bytes();
        }
    })
}

/// Returns the references in a record with this header, and how many bytes of the rest follow them. Checks that their
/// places ascend and are in the rest, and that the lengths of the references and of the rest add up to the body's.
pub(super) fn from_bytes(header: &Header, bytes: &[u8]) -> Result<(OneOrMany<Reference>, usize)> {
    let malformed = |what: &str| {
        let text = format!("the publisher's ring holds references into slots {what}");
        Err(Error::new(ErrorKind::Malformed, text))
    };
    if header.extension != 0 || header.encoding != Encoding::Cbor {
        return malformed("beside an extension, or in a body that is not CBOR");
    }
    let words = bytes.as_chunks::<8>().0;
    let count = words.first().and_then(|count| usize::try_from(u64::from_le_bytes(*count)).ok()).unwrap_or(0);
    if count == 0 || count > MOST || words.len() < 1 + count * REFERENCE / 8 {
        return malformed("of which there are none, too many, or fewer than it says");
    }
    let mut references = OneOrMany::new();
    let (mut total, mut last) = (0u64, 0);
    for one in words[1..].as_chunks::<{ REFERENCE / 8 }>().0.iter().take(count) {
        let word = |i: usize| u64::from_le_bytes(one[i]);
        let (at, length, slot, file, from, filling) = (word(0), word(1), word(2), word(3), word(4), word(5));
        let reference = Reference { at, length, slot, file, from, filling };
        if reference.at < last || reference.length == 0 {
            return malformed("whose places do not ascend, or that have no bytes");
        }
        last = reference.at;
        total = total.saturating_add(reference.length);
        references.push(reference);
    }
    match header.body.checked_sub(total).filter(|rest| last <= *rest).map(usize::try_from) {
        Some(Ok(rest)) => Ok((references, rest)),
        _ => malformed("whose lengths are not their message's"),
    }
}

#[cfg(test)]
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

    #[test]
    fn references_decode_to_what_was_encoded() {
        let all = [reference(0, 100), reference(0, 1), reference(20, 65536)];
        let bytes = to_bytes(&all);
        assert_eq!(bytes.len(), COUNT + 3 * REFERENCE);
        assert_eq!(
            from_bytes(&header(100 + 1 + 65536 + 20), &bytes).unwrap(),
            (OneOrMany::from(&all[..]), 20)
        );
    }

    #[test]
    fn invalid_references_are_malformed() {
        let bytes = |all: &[Reference]| to_bytes(all);
        let refused = |header: Header, bytes: &[u8]| {
            assert_eq!(from_bytes(&header, bytes).unwrap_err().kind(), ErrorKind::Malformed);
        };
        refused(header(0), &bytes(&[]));
        refused(header(17), &bytes(&[reference(0, 1); MOST + 1]));
        refused(header(1), &bytes(&[reference(0, 1)])[..COUNT + REFERENCE - 8]);
        refused(header(12), &bytes(&[reference(5, 1), reference(4, 1)]));
        refused(header(5), &bytes(&[reference(5, 0)]));
        // The first place is behind the rest, the second beyond the message.
        refused(header(105), &bytes(&[reference(6, 100)]));
        refused(header(99), &bytes(&[reference(0, 100)]));
        refused(header(99), &bytes(&[reference(0, u64::MAX), reference(0, u64::MAX)]));
        refused(Header { encoding: Encoding::Json, ..header(100) }, &bytes(&[reference(0, 100)]));
        refused(Header { extension: 8, ..header(100) }, &bytes(&[reference(0, 100)]));
    }

    proptest! {
        #[test]
        fn any_words_are_references_within_their_message_or_malformed(words: Vec<u64>, body: u64) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            if let Ok((references, rest)) = from_bytes(&header(body), &bytes) {
                let total = references.iter().map(|one| u128::from(one.length)).sum::<u128>();
                prop_assert_eq!(total + rest as u128, u128::from(body));
                prop_assert!(references.iter().all(|one| one.at <= rest as u64));
            }
        }
    }
}
