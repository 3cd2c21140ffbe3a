//! Several short data messages of one call, with one check, one fence and at most one wake-up.

use super::super::record::{FastKind, Small};
use super::super::writer::Hidden;
use super::sending::ShmTx;
use crate::codec::Encoding;

/// Messages under way; the peer finds them at the latest after the drop.
pub struct Batch<'a> {
    half: &'a mut ShmTx,
    hidden: Hidden,
    sent: i64,
    has_written: bool,
}

impl ShmTx {
    /// Begins a batch with this sending time. `None` if the link has ended.
    #[inline]
    pub fn begin_batch(&mut self, sent: i64) -> Option<Batch<'_>> {
        if self.check().is_err() || self.check_sleeper(sent).is_err() {
            return None;
        }
        Some(Batch { half: self, hidden: Hidden::default(), sent, has_written: false })
    }
}

impl Batch<'_> {
    /// Writes a data message with the next sequence number.
    ///
    /// False, with nothing written, if the body is not short or [`ShmTx::try_send`] is needed.
    #[inline(always)]
    pub fn put(&mut self, sequence: u64, encoding: Encoding, body: &[u8]) -> bool {
        if body.len() > Small::LONGEST {
            return false;
        }
        let writer = &mut self.half.writer;
        let is_put = writer.try_write_hidden(&mut self.hidden, sequence, self.sent, encoding, body)
            || self.put_next(sequence, encoding, body);
        self.has_written |= is_put;
        is_put
    }

    /// The slow path of [`Batch::put`]: publishes the messages before this one, then writes it.
    #[cold]
    fn put_next(&mut self, sequence: u64, encoding: Encoding, body: &[u8]) -> bool {
        self.half.writer.publish(&mut self.hidden);
        match self.half.writer.try_write_next(FastKind::Data, sequence, 0, self.sent, encoding, body) {
            Ok(true) => true,
            other => self.half.did_not_write(other),
        }
    }
}

impl Drop for Batch<'_> {
    #[inline]
    fn drop(&mut self) {
        self.half.writer.publish(&mut self.hidden);
        if self.has_written {
            self.half.wrote(self.sent);
        }
    }
}
