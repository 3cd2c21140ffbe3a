//! The original machine of a replica: a short file in the journal's directory.
//!
//! Layout: a CBOR map with `machine` (text) and `identity` (16 bytes), in the file `.origin`. A journal
//! without the file belongs to this machine.

use bytes::Bytes;

use super::attached;
use super::place::Place;
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

const NAME: &str = ".origin";
const LIMIT: usize = 4096;

/// The source of the records of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of the machine.
    pub machine: String,
    /// The random identity of its journal.
    pub identity: [u8; 16],
}

/// Reads the file, if it exists.
///
/// # Errors
/// `Corrupt` if it is not such a map.
pub fn read(place: &Place) -> Result<Option<Origin>> {
    let Some(bytes) = attached::read(place, NAME, LIMIT)? else { return Ok(None) };
    let origin = || {
        let map = codec::decode(&bytes, Encoding::Cbor).ok()?;
        let machine = map.at("machine").and_then(Value::as_text).ok()?.to_owned();
        let identity = map.at("identity").and_then(Value::as_bytes).ok()?[..].try_into().ok()?;
        Some(Origin { machine, identity })
    };
    origin().map(Some).ok_or_else(|| {
        let path = place.path().join(NAME);
        let text =
            format!("{} does not say of which machine the journal is; remove the journal", path.display());
        Error::new(ErrorKind::Corrupt, text)
    })
}

pub(crate) fn write(place: &Place, origin: &Origin) -> Result<()> {
    let map = Value::map([
        ("machine", Value::from(origin.machine.as_str())),
        ("identity", Value::Bytes(Bytes::copy_from_slice(&origin.identity))),
    ]);
    attached::write(place, NAME, &codec::encode(&map, Encoding::Cbor)?)
}
