//! References into slots: the places of a message's long arrays, or of its whole body.
//!
//! Channels and publishers use one format. References to arrays follow the message header: their number, then six words
//! for each, then the rest of the body. A reference to a whole body follows the header without a number.

use crate::body::{OneOrMany, Rest};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Header;

pub(super) const COUNT: usize = 8;
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
    pub slot: u64,
    pub file: u64,
    /// The offset of the elements in the file.
    pub from: u64,
    /// The filling number of the file when it held these elements.
    pub filling: u64,
}

impl Reference {
    pub fn words(&self) -> [u64; REFERENCE / 8] {
        let Reference { at, length, slot, file, from, filling } = *self;
        [at, length, slot, file, from, filling]
    }

    pub fn to_bytes(self) -> Rest {
        Rest::filled(REFERENCE, |to| put(self.words().into_iter(), to))
    }
}

fn put(words: impl Iterator<Item = u64>, to: &mut [u8]) {
    for (place, word) in to.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
}

pub(super) fn words_of(bytes: &[u8]) -> [u64; REFERENCE / 8] {
    let mut words = [0; _];
    for (word, eight) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*eight);
    }
    words
}

/// Checks the reference to a whole body, with `behind` bytes of the record after it.
///
/// # Errors
/// `Malformed` unless it is the whole body, and `behind` is the length of the extension map.
pub(super) fn of_body(header: &Header, words: [u64; REFERENCE / 8], behind: usize) -> Result<Reference> {
    let [at, length, slot, file, from, filling] = words;
    if at != 0 || length == 0 || length != header.body || behind != header.extension {
        let (body, extension) = (header.body, header.extension);
        let text = format!(
            "the peer's ring holds a reference to {length} bytes of a body of {body}, and {behind} bytes of an extension of {extension}"
        );
        return Err(Error::new(ErrorKind::Malformed, text));
    }
    Ok(Reference { at, length, slot, file, from, filling })
}

pub(super) const fn bytes_of(references: usize) -> usize {
    COUNT + references * REFERENCE
}

pub(super) fn to_bytes(references: &[Reference]) -> Rest {
    Rest::filled(bytes_of(references.len()), |to| {
        put([references.len() as u64].into_iter().chain(references.iter().flat_map(Reference::words)), to);
    })
}

/// Returns the `count` references of a record and the length of the rest of the body.
///
/// `available`: bytes of the record after its header. `words` loads the words of each reference once, at an offset
/// after the header. Checks that the frame is CBOR without an extension map, that places ascend, and that the lengths
/// add up. `views` checks whether the slots have such elements.
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
    let malformed = || {
        let (body, encoding) = (header.body, header.encoding);
        let text = format!(
            "the peer's ring holds {count} references into slots that are not those of a body of {body} bytes in {encoding:?}"
        );
        Error::new(ErrorKind::Malformed, text)
    };
    let is_cbor = header.extension == 0 && header.encoding == Encoding::Cbor;
    if !is_cbor || count == 0 || count > MOST as u64 || bytes_of(count as usize) > available {
        return Err(malformed());
    }
    let (mut rest, mut last, mut behind) = (header.body, 0, COUNT);
    let references = OneOrMany::try_of(&[(); MOST][..count as usize], |()| {
        let [at, length, slot, file, from, filling] = words(behind);
        behind += REFERENCE;
        (rest, last) = (rest.checked_sub(length)?, (at >= last && length > 0).then_some(at)?);
        Some(Reference { at, length, slot, file, from, filling })
    });
    match references {
        Some(references) if last <= rest && (available - behind) as u64 == rest => {
            Ok((references, rest as usize))
        }
        _ => Err(malformed()),
    }
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

    /// Decodes the words of a record whose body has `rest` more bytes.
    fn from_words(header: &Header, words: &[u64], rest: usize) -> Result<(OneOrMany<Reference>, usize)> {
        let (count, available) = (words.first().copied().unwrap_or(0), words.len() * 8 + rest);
        decode(header, count, available, |at| std::array::from_fn(|i| words[at / 8 + i]))
    }

    fn words_of(references: &[Reference]) -> Vec<u64> {
        to_bytes(references).as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
    }

    #[test]
    fn references_decode_to_what_was_encoded() {
        let all = [reference(0, 100), reference(0, 1), reference(20, 65536)];
        assert_eq!(to_bytes(&all).len(), COUNT + 3 * REFERENCE);
        assert_eq!(
            from_words(&header(100 + 1 + 65536 + 20), &words_of(&all), 20).unwrap(),
            (OneOrMany::from(&all[..]), 20)
        );
    }

    #[test]
    fn invalid_references_are_malformed() {
        let refused = |header: Header, words: &[u64], rest: usize| {
            assert_eq!(from_words(&header, words, rest).unwrap_err().kind(), ErrorKind::Malformed);
        };
        refused(header(0), &words_of(&[]), 0);
        refused(header(17), &words_of(&[reference(0, 1); MOST + 1]), 0);
        refused(header(1), &words_of(&[reference(0, 1)])[..REFERENCE / 8], 0);
        refused(header(12), &words_of(&[reference(5, 1), reference(4, 1)]), 10);
        refused(header(5), &words_of(&[reference(5, 0)]), 5);
        // The first place is beyond the rest, the second beyond the message.
        refused(header(105), &words_of(&[reference(6, 100)]), 5);
        refused(header(99), &words_of(&[reference(0, 100)]), 0);
        refused(header(99), &words_of(&[reference(0, u64::MAX), reference(0, u64::MAX)]), 0);
        refused(Header { encoding: Encoding::Json, ..header(100) }, &words_of(&[reference(0, 100)]), 0);
        refused(Header { extension: 8, ..header(100) }, &words_of(&[reference(0, 100)]), 0);
        // The record has another length.
        refused(header(105), &words_of(&[reference(5, 100)]), 4);
        refused(header(105), &words_of(&[reference(5, 100)]), 6);
    }

    #[test]
    fn reference_to_a_body_is_to_all_of_it() {
        let refused = |header: Header, reference: Reference, behind: usize| {
            assert_eq!(of_body(&header, reference.words(), behind).unwrap_err().kind(), ErrorKind::Malformed);
        };
        let json = Header { encoding: Encoding::Json, ..header(100) };
        let extended = Header { extension: 8, ..json };
        for (header, behind) in [(header(100), 0), (json, 0), (extended, 8)] {
            assert_eq!(of_body(&header, reference(0, 100).words(), behind).unwrap(), reference(0, 100));
            refused(header, reference(1, 100), behind);
            refused(header, reference(0, 99), behind);
            refused(header, reference(0, u64::MAX), behind);
            refused(header, reference(0, 100), behind + 1);
        }
        refused(header(0), reference(0, 0), 0);
        refused(extended, reference(0, 100), 7);
    }

    /// Any word, or a word near the allowed ones.
    fn word() -> impl Strategy<Value = u64> {
        prop_oneof![4 => 0..40u64, 1 => any::<u64>()]
    }

    proptest! {
        #[test]
        fn any_words_are_references_within_their_message_or_malformed(
            count in word(),
            references in prop::collection::vec((word(), word()), 0..20),
            rest in 0..40usize,
            body in prop::option::of(any::<u64>()),
        ) {
            let references: Vec<_> = references.into_iter().map(|(at, length)| reference(at, length)).collect();
            let mut words = words_of(&references);
            if body.is_some() {
                words[0] = count;
            }
            let total = references.iter().fold(rest as u64, |sum, one| sum.wrapping_add(one.length));
            let body = body.unwrap_or(total);
            if let Ok((references, rest)) = from_words(&header(body), &words, rest) {
                let total = references.iter().map(|one| u128::from(one.length)).sum::<u128>();
                prop_assert_eq!(total + rest as u128, u128::from(body));
                prop_assert!(references.iter().all(|one| one.at <= rest as u64));
            }
        }
    }
}
