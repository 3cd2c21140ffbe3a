//! The extension of a frame. It follows the 64-byte header.
//!
//! On a transport without a hello it holds the sender; a recorded message also has its number in the
//! recording. A request to a bridge has its deadline.
//!
//! Layout: a CBOR map with `session` before `source`, and `sequence` before both; or `until` before `clock`.
//! Zero bytes pad it to a multiple of 8. `docs/wire-format.md` shows an example.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{self, Encoding};
use crate::error::Result;
use crate::value::{Map, Value};

const BOOT: &str = "boottime";

/// The sender of a frame, as it names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its `client_id`, or the program's name and process number.
    pub source: Arc<str>,
    /// The random number of its incarnation.
    pub session: u64,
}

/// Encodes the map of a sender, padded.
pub fn write(source: &str, session: u64) -> Result<Vec<u8>> {
    let mut map = Map::new();
    map.insert("session".into(), session.into());
    map.insert("source".into(), source.into());
    pad(codec::encode(&Value::Map(map), Encoding::Cbor)?)
}

/// Encodes the sender of a recorded message and its number in the recording, padded.
pub fn write_recorded(source: &str, session: u64, sequence: u64) -> Result<Vec<u8>> {
    let mut map = Map::new();
    map.insert("sequence".into(), sequence.into());
    map.insert("session".into(), session.into());
    map.insert("source".into(), source.into());
    pad(codec::encode(&Value::Map(map), Encoding::Cbor)?)
}

/// Decodes the sender and the number of a recorded message. `None` if the map lacks a field.
pub fn read_recorded(bytes: &[u8]) -> Option<(Sender, u64)> {
    let value = decode(bytes).ok()??;
    let number = |key| value.at(key).and_then(Value::as_u64).ok();
    let source = value.at("source").and_then(Value::as_text).ok()?.into();
    Some((Sender { source, session: number("session")? }, number("sequence")?))
}

/// Encodes the deadline of a request, by [`crate::sys::clock::since_boot`], padded.
pub fn write_until(until: Duration) -> Result<Vec<u8>> {
    let mut map = Map::new();
    map.insert("until".into(), u64::try_from(until.as_nanos()).unwrap_or(u64::MAX).into());
    map.insert("clock".into(), BOOT.into());
    pad(codec::encode(&Value::Map(map), Encoding::Cbor)?)
}

/// Decodes the deadline of a request, if it has one by this machine's clock.
pub fn read_until(bytes: &[u8]) -> Option<Duration> {
    let value = decode(bytes).ok()??;
    let is_ours = value.at("clock").and_then(Value::as_text).is_ok_and(|clock| clock == BOOT);
    value.at("until").and_then(Value::as_u64).ok().filter(|_| is_ours).map(Duration::from_nanos)
}

fn pad(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    Ok(bytes)
}

/// Decodes the map; `None` if it is empty. The map's last byte is not zero, so trailing zeros are padding.
fn decode(bytes: &[u8]) -> Result<Option<Value>> {
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    if end == 0 { Ok(None) } else { codec::decode(&bytes[..end], Encoding::Cbor).map(Some) }
}

/// Decodes the sender. Returns `None` if the map is empty or names no sender; ignores unknown keys.
///
/// # Errors
/// `Malformed` if it is not CBOR, and the errors of a wrong type.
pub fn read(bytes: &[u8]) -> Result<Option<Sender>> {
    let Some(value) = decode(bytes)? else { return Ok(None) };
    match (value.at("source"), value.at("session")) {
        (Ok(source), Ok(session)) => {
            Ok(Some(Sender { source: source.as_text()?.into(), session: session.as_u64()? }))
        }
        _ => Ok(None),
    }
}

/// The last decoded sender: consecutive messages mostly have an equal sender.
#[derive(Debug, Default)]
pub struct LastSender {
    bytes: Bytes,
    sender: Option<Sender>,
}

impl LastSender {
    /// Decodes the sender as [`read`] does, except if the bytes are unchanged.
    ///
    /// # Errors
    /// The errors of [`read`].
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<&Sender>> {
        if self.sender.is_none() || self.bytes != bytes {
            self.sender = read(bytes)?;
            self.bytes = Bytes::copy_from_slice(bytes);
        }
        Ok(self.sender.as_ref())
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_sender_is_the_one_of_the_bytes() {
        let mut last = LastSender::default();
        let (one, other) = (write("one", 1).unwrap(), write("other", 2).unwrap());
        for bytes in [&one, &one, &other, &one] {
            assert_eq!(last.read(bytes).unwrap().cloned(), read(bytes).unwrap());
            assert_eq!(last.bytes(), bytes);
        }
        assert!(last.read(&[]).unwrap().is_none());
        assert!(last.read(&[0xff]).is_err());
        assert_eq!(last.read(&other).unwrap().unwrap().session, 2);
    }

    #[test]
    fn extension_is_read_as_it_was_written() {
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
    fn deadline_is_read_as_it_was_written() {
        for until in [0, 1, 256, 0x0100_0000_0000_0000, u64::MAX].map(Duration::from_nanos) {
            let bytes = write_until(until).unwrap();
            assert_eq!(bytes.len() % 8, 0);
            assert_eq!((read_until(&bytes), read(&bytes).unwrap()), (Some(until), None));
        }
        assert_eq!(read_until(&write("a", 7).unwrap()), None);
        for wrong in [&[][..], &[0; 8], &[0xff, 1, 2, 3]] {
            assert_eq!(read_until(wrong), None);
        }
    }

    #[test]
    fn documents_show_one() {
        let bytes = write("driver-4711", 0x0102_0304_0506_0709).unwrap();
        crate::documents::check("extension", &crate::documents::fenced(&crate::documents::dump(&bytes)));
    }
}
