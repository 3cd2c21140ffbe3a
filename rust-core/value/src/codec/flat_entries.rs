//! The entries of a map of scalars in CBOR, for a reader that expects certain keys in a certain order.
//!
//! Bindings read maps with it that have the keys of the maps before them: each key is compared with the encoded
//! one, and no events are sent. A map with other keys or other values is left to the decoder, which reads it from its
//! beginning.

use super::cbor::{FLAT_LONGEST, FlatValue, flat_scalar, flat_text};
use super::flat_key::FlatKey;
use crate::value::Limits;

/// The entries that have not been read yet.
#[derive(Clone, Copy, Debug)]
pub struct FlatEntries<'a> {
    bytes: &'a [u8],
    at: usize,
    count: usize,
}

impl<'a> FlatEntries<'a> {
    /// Returns the entries of the map that the bytes begin with, which are not checked yet; `None` for a map of no entry
    /// or of more than 23, and for bytes that are longer than a limit allows.
    #[inline]
    pub fn of(bytes: &'a [u8], limits: &Limits) -> Option<FlatEntries<'a>> {
        let count = usize::from(bytes.first()?.checked_sub(0xa0)?);
        let is_short =
            (1..=23).contains(&count) && bytes.len() <= FLAT_LONGEST && limits.allow_flat(bytes.len());
        is_short.then_some(FlatEntries { bytes, at: 1, count })
    }

    /// Returns the number of entries of the map.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the bytes of the next key, which may not be UTF-8.
    #[inline]
    pub fn next_key(&self) -> Option<&'a [u8]> {
        flat_text(self.bytes, self.at).map(|(key, _)| key)
    }

    /// Reads the next entry if it has this key and a scalar value.
    #[inline]
    pub fn next(&mut self, key: &FlatKey) -> Option<FlatValue<'a>> {
        let at = self.at + key.begins(self.bytes.get(self.at..)?)?;
        let (value, behind) = flat_scalar(self.bytes, at)?;
        self.at = behind;
        Some(value)
    }

    /// Returns whether nothing is behind the entries that were read.
    #[inline]
    pub fn is_end(&self) -> bool {
        self.at == self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoding, decode, encode};
    use crate::value::Value;

    /// Reads a map of these keys; `None` where it is not as expected.
    fn read(bytes: &[u8], keys: &[&str]) -> Option<Value> {
        let mut entries = FlatEntries::of(bytes, &Limits::default()).filter(|e| e.count() == keys.len())?;
        let mut read = Vec::new();
        for key in keys {
            let next = entries.next_key();
            read.push(((*key).to_owned(), entries.next(&FlatKey::new(key)?)?.to_value()));
            assert_eq!(next, Some(key.as_bytes()));
        }
        entries.is_end().then(|| Value::map(read))
    }

    /// Keys of every length that is compared in another way.
    fn keys() -> Vec<String> {
        [0, 1, 2, 3, 6, 7, 8, 14, 15, 16, 22, 23, 24, 30, 31, 32, 100].map(|n| "k".repeat(n)).into()
    }

    fn example() -> (Vec<u8>, Vec<String>) {
        let values: [Value; 6] =
            [Value::Null, true.into(), (-300).into(), 2.5.into(), "text".into(), i64::MAX.into()];
        let entries = keys().into_iter().zip(values.into_iter().cycle());
        (encode(&Value::map(entries), Encoding::Cbor).unwrap(), keys())
    }

    #[test]
    fn flat_entries_read_what_the_decoder_gives() {
        let (bytes, keys) = example();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        assert_eq!(read(&bytes, &keys), decode(&bytes, Encoding::Cbor).ok());
        for at in 0..keys.len() {
            let mut others = keys.clone();
            let other = format!("{}x", &keys[at][..keys[at].len().saturating_sub(1)]);
            others[at] = &other;
            assert_eq!(read(&bytes, &others), None, "{at}");
        }
    }

    #[test]
    fn flat_entries_of_changed_bytes_are_refused_or_those_of_the_decoder() {
        let (bytes, keys) = example();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        for at in 0..bytes.len() {
            assert_eq!(read(&bytes[..at], &keys), None, "cut at {at}");
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                if let Some(value) = read(&changed, &keys) {
                    let decoded = decode(&changed, Encoding::Cbor).unwrap();
                    assert_eq!(format!("{value:?}"), format!("{decoded:?}"), "bit {bit} of byte {at}");
                }
            }
        }
        assert_eq!(read(&[&bytes[..], &[0]].concat(), &keys), None);
    }

    #[test]
    fn flat_entries_beyond_a_limit_are_left_to_the_decoder() {
        let (bytes, _) = example();
        assert!(FlatEntries::of(&bytes, &Limits::default()).is_some());
        assert!(FlatEntries::of(&bytes, &Limits::for_message(bytes.len() as u64 - 1)).is_none());
        assert!(FlatEntries::of(&[0xa0], &Limits::default()).is_none());
        assert!(FlatEntries::of(&[0xb8, 24], &Limits::default()).is_none());
        assert!(FlatEntries::of(&[0x80], &Limits::default()).is_none());
    }
}
