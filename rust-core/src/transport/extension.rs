//! The extension map of a frame on a transport without a hello: who sent it, in which incarnation.

use std::sync::Arc;

use crate::codec::{self, Encoding};
use crate::error::Result;
use crate::value::{Map, Value};

/// Who sent a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its `client_id`, else its program's name and process number.
    pub source: Arc<str>,
    /// The number of its incarnation, drawn by chance.
    pub session: u64,
}

/// The map as it stands behind a header: CBOR, `session` before `source`, padded with zeros to a multiple of 8.
pub fn write(source: &str, session: u64) -> Result<Vec<u8>> {
    let mut map = Map::new();
    map.insert("session".into(), session.into());
    map.insert("source".into(), source.into());
    let mut bytes = codec::encode(&Value::Map(map), Encoding::Cbor)?;
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    Ok(bytes)
}

/// Reads it; none where it is empty or says nothing about the sender. Keys that are not known are left aside.
pub fn read(bytes: &[u8]) -> Result<Option<Sender>> {
    // The last value is a text that does not end in zeros, so what ends in zeros is padding.
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    if end == 0 {
        return Ok(None);
    }
    let value = codec::decode(&bytes[..end], Encoding::Cbor)?;
    match (value.at("source"), value.at("session")) {
        (Ok(source), Ok(session)) => {
            Ok(Some(Sender { source: source.as_text()?.into(), session: session.as_u64()? }))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        for source in ["a", "panel-7f3a", "seventeen-letters"] {
            let bytes = write(source, u64::MAX).unwrap();
            assert_eq!(bytes.len() % 8, 0);
            let sender = read(&bytes).unwrap().unwrap();
            assert_eq!((&*sender.source, sender.session), (source, u64::MAX));
        }
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[0; 8]).unwrap(), None);
        read(&[0xff, 1, 2, 3]).unwrap_err();
    }

    #[test]
    fn the_documents_show_one() {
        let bytes = write("driver-4711", 0x0102_0304_0506_0709).unwrap();
        crate::documents::check("extension", &crate::documents::fenced(&crate::documents::dump(&bytes)));
    }
}
