//! Messages in one record, on two fast paths: found without a change, then copied in one step.
//!
//! [`Reader::peek_fast`] takes fast-path records whose place needs no other check, [`Reader::peek_small`] all short
//! ones. `Reader::step` handles the rest.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::super::memory::{Memory, OwnMemory};
use super::super::record::{COMPACT, FastKind, FastLinked, FastRecord, LINKED, Shape, Small, WORD};
use super::{Reader, as_uninit};
use crate::buffers::aligned;
use crate::frame::{Header, Incoming, Kind};

impl<M: OwnMemory, P: Memory> Reader<M, P> {
    /// The next record, if it is a fast-path message of this form. Nothing changes.
    #[inline]
    pub fn peek_fast(&self, form: FastKind) -> Option<FastRecord> {
        // The memory checks the place.
        let at = self.offset();
        let word = self.peer.load(at, Ordering::Acquire);
        // One comparison checks lap, shape, kind and flags. A zero word has no shape.
        if !FastRecord::is(word, form, self.fast) {
            return None;
        }
        let fast = FastRecord::new(word, at, form)?;
        let is_fast = self.position.wrapping_add(fast.size()) <= self.fast_end;
        (is_fast && fast.length() as u64 <= self.limit).then_some(fast)
    }

    /// Copies the body of data or a request that [`Reader::peek_fast`] has just found.
    ///
    /// Returns the sending time, ns since 1970.
    #[inline]
    pub fn take_fast(&mut self, fast: &FastRecord, body: &mut [u8]) -> i64 {
        let sent = self.peer.copy_out_behind(fast.at().wrapping_add(WORD as usize), as_uninit(body));
        self.pass_fast(fast, self.next_sequence());
        sent.cast_signed()
    }

    /// [`Reader::take_fast`] for data, with a newly allocated body.
    pub fn take_whole(&mut self, fast: &FastRecord) -> Incoming {
        let content = fast.at().wrapping_add(WORD as usize);
        let (sequence, sent) = (self.next_sequence(), self.word(content).cast_signed());
        let body = aligned(self.copy(content.wrapping_add(COMPACT), fast.length()));
        self.pass_fast(fast, sequence);
        let of = Header::new(Kind::Data, fast.encoding());
        let header = Header { body: body.len() as u64, sequence, sent, ..of };
        Incoming { header, extension: Bytes::new(), body: body.into() }
    }

    /// [`Reader::peek_fast`] for a reply, with the other words of its record, each loaded once.
    #[inline]
    pub fn peek_reply(&self) -> Option<FastLinked> {
        let fast = self.peek_fast(FastKind::Reply)?;
        let [sent, sequence, correlation] = self.peer.load_words(fast.at().wrapping_add(WORD as usize));
        Some(FastLinked { fast, sent: sent.cast_signed(), sequence, correlation })
    }

    /// Copies the body that [`Reader::peek_reply`] has just found.
    #[inline]
    pub fn take_reply(&mut self, reply: &FastLinked, body: &mut [u8]) {
        let content = reply.fast.at().wrapping_add(WORD as usize);
        self.peer.copy_out(content.wrapping_add(LINKED), as_uninit(body));
        // As for every record: number 0 leaves the last one.
        let sequence = if reply.sequence == 0 { self.sequence } else { reply.sequence };
        self.pass_fast(&reply.fast, sequence);
    }

    #[inline]
    fn pass_fast(&mut self, fast: &FastRecord, sequence: u64) {
        // Nothing overflows: the position is below `fast_end`.
        self.position = self.position.wrapping_add(fast.size());
        self.frames = self.frames.wrapping_add(1);
        self.sequence = sequence;
    }

    pub fn next_sequence(&self) -> u64 {
        self.sequence.wrapping_add(1)
    }

    /// Sets how far fast-path records can be read in this lap. No large message is under way.
    pub(super) fn renew_fast_end(&mut self) {
        let lap_end = self.ring.lap_end(self.position);
        self.fast_end = lap_end.min(self.filled);
        self.fast = FastRecord::word(self.ring.lap(self.position));
    }

    /// The next record, if it is a short message. Nothing changes.
    #[inline]
    pub fn peek_small(&self) -> Option<Small> {
        let offset = self.offset();
        let word = self.peer.load(offset, Ordering::Acquire);
        if word == 0 || self.assembly.is_some() {
            return None;
        }
        let record = self.check_record(word).ok()?;
        let content = offset + WORD as usize;
        let (prefix, sequence, correlation) = match record.shape()? {
            Shape::Compact => (COMPACT, self.sequence.wrapping_add(1), 0),
            Shape::Linked => (LINKED, self.word(content + 8), self.word(content + 16)),
            _ => return None,
        };
        let small = Small {
            record,
            kind: record.kind()?,
            encoding: record.encoding()?,
            sequence,
            correlation,
            sent: self.word(content).cast_signed(),
            prefix,
            at: content + prefix,
        };
        let length = small.length();
        (length <= Small::LONGEST && length as u64 <= self.limit).then_some(small)
    }

    /// Copies the body that [`Reader::peek_small`] has just found.
    #[inline]
    pub fn take_small(&mut self, small: &Small, body: &mut [u8]) {
        self.peer.copy_out(small.at, as_uninit(body));
        self.advance(small.record, small.sequence);
        if self.position >= self.fast_end {
            self.renew_fast_end();
        }
    }
}
