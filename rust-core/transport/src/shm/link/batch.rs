//! Several short data messages of one call: checked once before, and published with one fence and at most one wake-up.

use super::super::record::{FastKind, Small};
use super::super::writer::Hidden;
use super::sending::ShmTx;
use crate::codec::Encoding;

/// Messages that are being written; the peer finds them once this is dropped, if not before.
pub struct Batch<'a> {
    half: &'a mut ShmTx,
    hidden: Hidden,
    /// The time of sending of all of them.
    sent: i64,
    has_written: bool,
}

impl ShmTx {
    /// Begins a batch that is sent at this time. `None` for a link that has ended, which [`ShmTx::try_send`] reports.
    #[inline]
    pub fn begin_batch(&mut self, sent: i64) -> Option<Batch<'_>> {
        if self.check().is_err() || self.check_sleeper(sent).is_err() {
            return None;
        }
        Some(Batch { half: self, hidden: Hidden::default(), sent, has_written: false })
    }
}

impl Batch<'_> {
    /// Writes a data message that is one above the last in number. False, with nothing written, for a body that is not
    /// short, or where that is not possible at once: [`ShmTx::try_send`] returns the reason.
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

    /// The slow path of [`Batch::put`]: the peer finds those before this one, and this one.
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
