//! The bytes of a body around its parts: in place if they are few, so that they need no allocation.

use std::ops::Deref;

use bytes::Bytes;

use crate::buffers;

/// The bytes of a body except its parts.
#[derive(Clone, Debug)]
pub struct Rest(RestRepr);

#[derive(Clone, Debug)]
enum RestRepr {
    Short(Short),
    Long(Bytes),
}

/// Bytes in place: the first `length` bytes.
#[derive(Clone, Debug)]
// Short arrays are aligned to 8 from the beginning of a body, and readers use them in place.
#[repr(align(8))]
struct Short {
    bytes: [u8; Rest::SHORT],
    length: u8,
}

impl Rest {
    /// The greatest length in place, in bytes: a map of one or two arrays.
    pub const SHORT: usize = 119;

    /// Returns bytes in place: as many as `write` returns; `None` if it returns `None`.
    pub fn written(write: impl FnOnce(&mut [u8; Rest::SHORT]) -> Option<usize>) -> Option<Rest> {
        let mut bytes = [0; Rest::SHORT];
        let length = write(&mut bytes)?.min(Rest::SHORT) as u8;
        Some(Rest(RestRepr::Short(Short { bytes, length })))
    }

    /// Returns `length` bytes, which `fill` writes.
    #[inline]
    pub fn filled(length: usize, fill: impl FnOnce(&mut [u8])) -> Rest {
        if length <= Rest::SHORT {
            let mut bytes = [0; Rest::SHORT];
            fill(&mut bytes[..length]);
            return Rest(RestRepr::Short(Short { bytes, length: length as u8 }));
        }
        let mut bytes = vec![0; length];
        fill(&mut bytes);
        Rest(RestRepr::Long(buffers::bytes(bytes)))
    }

    /// Returns the bytes as a block; bytes in place are copied.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            RestRepr::Short(_) => Bytes::copy_from_slice(&self),
            RestRepr::Long(bytes) => bytes,
        }
    }

    /// Returns the shareable block of the bytes; `None` for bytes in place.
    pub fn block(&self) -> Option<&Bytes> {
        match &self.0 {
            RestRepr::Short(_) => None,
            RestRepr::Long(bytes) => Some(bytes),
        }
    }
}

impl Deref for Rest {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            RestRepr::Short(Short { bytes, length }) => &bytes[..usize::from(*length)],
            RestRepr::Long(bytes) => bytes,
        }
    }
}

impl From<Bytes> for Rest {
    fn from(bytes: Bytes) -> Rest {
        if bytes.len() <= Rest::SHORT { bytes[..].into() } else { Rest(RestRepr::Long(bytes)) }
    }
}

impl From<Vec<u8>> for Rest {
    fn from(bytes: Vec<u8>) -> Rest {
        if bytes.len() <= Rest::SHORT {
            bytes[..].into()
        } else {
            Rest(RestRepr::Long(buffers::bytes(bytes)))
        }
    }
}

impl From<&[u8]> for Rest {
    fn from(bytes: &[u8]) -> Rest {
        Rest::filled(bytes.len(), |to| to.copy_from_slice(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_has_its_bytes_whatever_their_number() {
        for length in [0, 1, 8, Rest::SHORT - 1, Rest::SHORT, Rest::SHORT + 1, 5000] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let filled = Rest::filled(length, |to| to.copy_from_slice(&bytes));
            for rest in [filled, Bytes::from(bytes.clone()).into(), bytes.clone().into(), bytes[..].into()] {
                assert_eq!((&rest[..], &rest.clone()[..]), (&bytes[..], &bytes[..]));
                assert_eq!(rest.block().is_none(), length <= Rest::SHORT);
                assert!(length > Rest::SHORT || rest.as_ptr().addr().is_multiple_of(8), "alignment");
                assert_eq!(rest.into_bytes(), bytes);
            }
            let written = Rest::written(|to| {
                to.get_mut(..length)?.copy_from_slice(&bytes);
                Some(length)
            });
            assert_eq!(written.is_some(), length <= Rest::SHORT);
            assert!(written.is_none_or(|rest| rest[..] == bytes));
        }
    }
}
