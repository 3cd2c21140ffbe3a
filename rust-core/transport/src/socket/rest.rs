//! The rest of a message that was sent in part when a deadline passed. The message counts as sent,
//! so the rest has to be written whatever its sender does next.

use crate::error::Result;
use crate::stream::Stream;

/// Bytes that are still to be written.
pub struct SendRest {
    bytes: Vec<u8>,
    /// How many of them the kernel has.
    written: usize,
}

impl SendRest {
    /// Returns a rest of these bytes.
    pub(crate) fn new(bytes: Vec<u8>) -> SendRest {
        SendRest { bytes, written: 0 }
    }

    /// Writes as much of a rest as there is room for; returns true once there is none.
    ///
    /// # Errors
    /// `Disconnected`.
    pub(crate) fn flush(place: &mut Option<SendRest>, stream: &Stream) -> Result<bool> {
        let Some(rest) = place else { return Ok(true) };
        while rest.written < rest.bytes.len() {
            match stream.write_bytes(&rest.bytes[rest.written..])? {
                Some(n) => rest.written += n,
                None => return Ok(false),
            }
        }
        let is_flushed = stream.flush()?;
        if is_flushed {
            *place = None;
        }
        Ok(is_flushed)
    }
}
