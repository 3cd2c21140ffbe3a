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
    #[inline]
    pub(crate) fn flush(place: &mut Option<SendRest>, stream: &Stream) -> Result<bool> {
        // Nearly always there is none.
        let Some(rest) = place else { return Ok(true) };
        let is_flushed = rest.write(stream)?;
        if is_flushed {
            *place = None;
        }
        Ok(is_flushed)
    }

    /// Writes as much as there is room for; returns whether the kernel has sent all of it.
    #[inline(never)]
    fn write(&mut self, stream: &Stream) -> Result<bool> {
        while self.written < self.bytes.len() {
            match stream.write_bytes(&self.bytes[self.written..])? {
                Some(n) => self.written += n,
                None => return Ok(false),
            }
        }
        stream.flush()
    }
}
