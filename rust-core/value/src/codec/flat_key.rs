//! The keys of flat records, encoded once.

use super::output::Output;
use super::{cbor, json};
use crate::value::escape::Plain;
use crate::value::{Limits, Sink};

/// The limits of keys and of flat records: their caller has the limit of the message.
pub(super) const UNLIMITED: Limits = Limits::for_message(u64::MAX);

/// The key of an entry of flat records, encoded.
#[derive(Clone, Debug)]
pub struct FlatKey {
    pub(super) cbor: Encoded,
    /// With a comma before it, quotes and colon; `None` for a key with which a map of one entry looks like an escape.
    pub(super) json: Option<Encoded>,
}

impl FlatKey {
    /// Returns the key; `None` for one that is longer than the limit.
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

    /// Returns the key in CBOR with zeros behind it, and its length; `None` for a long one.
    pub(super) fn short_cbor(&self) -> Option<(&[u8; SHORT], usize)> {
        match &self.cbor {
            Encoded::Short { bytes, length } => Some((bytes.first_chunk()?, *length)),
            Encoded::Long(_) => None,
        }
    }
}

/// Encoded keys of up to this many bytes are appended by a copy of constant length.
pub(super) const SHORT: usize = 32;

/// A key in one encoding.
#[derive(Clone, Debug)]
pub(super) enum Encoded {
    /// Zeros follow the key, so that `SHORT` bytes begin at its second one, too.
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

    /// Returns the key.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Encoded::Short { bytes, length } => &bytes[..*length],
            Encoded::Long(bytes) => bytes,
        }
    }

    /// Appends the key.
    pub(super) fn append(&self, out: &mut Output<'_>) {
        self.append_from::<0>(out);
    }

    /// Appends the key without its first `FROM` bytes, 0 or 1.
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
