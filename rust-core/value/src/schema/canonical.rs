//! The canonical form of a schema: one sequence of bytes for one meaning, and its fingerprint.
//!
//! The bytes are CBOR in the core deterministic encoding of RFC 8949, section 4.2.1, except that floats have 64 bits: a
//! map `{"type": …, "format": 1, "schema": name, "version": …}`. It contains units, ranges, defaults and aliases,
//! but no descriptions. Programs exchange these bytes at connect and store them with journals, so a changed form
//! needs a new format number.

mod read;
mod write;

use std::fmt;

use sha2::{Digest, Sha256};

use super::model::Schema;
use crate::error::{Error, ErrorKind, Result, quoted};

/// The SHA-256 of a schema's canonical form: equal fingerprints mean equal schemas.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Schema {
    /// Returns the canonical form.
    ///
    /// # Errors
    ///
    /// `TooLarge` for types nested deeper than CBOR allows, or for a form over the limits of the codec. Only a model
    /// that the program built itself can cause it.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        write::schema(self)
    }

    /// Returns the SHA-256 of the canonical form.
    ///
    /// # Errors
    ///
    /// As [`Schema::to_bytes`].
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        Ok(Fingerprint(Sha256::digest(self.to_bytes()?).into()))
    }

    /// Returns the schema of this canonical form.
    ///
    /// # Errors
    ///
    /// `Malformed` for any other bytes, even if they describe a schema in another way: one fingerprint identifies one
    /// schema. `TooLarge` for bytes over the limit, `VersionMismatch` for another format number.
    pub fn from_bytes(bytes: &[u8]) -> Result<Schema> {
        let schema = read::schema(bytes)?;
        if schema.to_bytes()? != bytes {
            let text = format!("the bytes of the schema {} are not its canonical form", quoted(&schema.name));
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        Ok(schema)
    }
}
