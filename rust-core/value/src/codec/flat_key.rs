//! The keys of flat records, encoded once.

use super::output::Output;
use super::{cbor, json};
use crate::value::escape::Plain;
use crate::value::{Limits, Sink};

/// No limits: the caller of keys and flat records has the limit of the message.
pub(super) const UNLIMITED: Limits = Limits::for_message(u64::MAX);

/// The key of an entry of flat records, encoded.
#[derive(Clone, Debug)]
pub struct FlatKey {
    pub(super) cbor: Encoded,
    /// With a comma before it, quotes and colon.
    ///
    /// `None` for a key that makes a map of one entry look like an escape.
    pub(super) json: Option<Encoded>,
}

impl FlatKey {
    /// Returns the key; `None` if it is too long.
    pub fn new(key: &str) -> Option<FlatKey> {
        if key.len() > Limits::default().key {
            return None;
        }
        let encode = |write: &dyn Fn(Output<'_>) -> crate::Result<()>| {
            let mut bytes = Vec::with_capacity(key.len() + 4);
            write(Output::new(&mut bytes, &UNLIMITED)).ok().map(|()| Encoded::new(&bytes))
        };
        let cbor = encode(&|out| cbor::Encoder::new(out, false).key(key))?;
        let json =
            encode(&|out| json::Encoder::new(out).after_item().key(key)).filter(|_| !key.starts_with('$'));
        Some(FlatKey { cbor, json })
    }

    /// Returns a short key in CBOR, followed by zeros, and its length; `None` for a long key.
    pub(super) fn short_cbor(&self) -> Option<(&[u8; SHORT], usize)> {
        match &self.cbor {
            Encoded::Short { bytes, length } => Some((bytes.first_chunk()?, *length)),
            Encoded::Long(_) => None,
        }
    }
}

/// An encoded key of at most this length in bytes is appended by a copy of constant length.
pub(super) const SHORT: usize = 32;

#[derive(Clone, Debug)]
pub(super) enum Encoded {
    /// Zeros follow the key: `SHORT` bytes are then readable from its second byte as well.
    Short {
        bytes: [u8; SHORT + 1],
        length: usize,
    },
    Long(Box<[u8]>),
}

impl Encoded {
    fn new(encoded: &[u8]) -> Encoded {
        let length = encoded.len();
        if length > SHORT {
            return Encoded::Long(encoded.into());
        }
        let mut bytes = [0; SHORT + 1];
        bytes[..length].copy_from_slice(encoded);
        Encoded::Short { bytes, length }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Encoded::Short { bytes, length } => &bytes[..*length],
            Encoded::Long(bytes) => bytes,
        }
    }

    pub(super) fn append(&self, out: &mut Output<'_>) {
        self.append_from::<0>(out);
    }

    pub(super) fn append_from<const FROM: usize>(&self, out: &mut Output<'_>) {
        match self {
            Encoded::Short { bytes, length } => {
                if let Some(chunk) = bytes[FROM..].first_chunk::<SHORT>() {
                    out.put_first(chunk, length - FROM);
                }
            }
            Encoded::Long(bytes) => out.put_all(&bytes[FROM..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_key_refuses_keys_over_the_limit() {
        let most = Limits::default().key;
        assert!(FlatKey::new(&"k".repeat(most)).is_some());
        assert!(FlatKey::new(&"k".repeat(most + 1)).is_none());
    }
}
