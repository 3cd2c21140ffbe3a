//! The fast path of a subscriber: a short linked record with the next number in this lap, copied once.
//!
//! It changes nothing before all checks have passed, and leaves all other records and errors to the general path.

use std::sync::atomic::Ordering;

#[cfg(any(test, fuzzing))]
use bytes::Bytes;

use super::super::super::memory::Memory;
use super::super::super::reader::as_uninit;
use super::super::super::record::{FastKind, FastLinked, FastRecord, GRANULE, LINKED, WORD};
use super::RingReader;
#[cfg(any(test, fuzzing))]
use crate::broadcast::received::Received;
#[cfg(any(test, fuzzing))]
use crate::buffers::aligned;
#[cfg(any(test, fuzzing))]
use crate::error::Result;
#[cfg(any(test, fuzzing))]
use crate::frame::{Header, Incoming, Kind};

impl<P: Memory> RingReader<P> {
    /// Whether the publisher has stored something at the position. Relaxed.
    #[inline]
    pub fn has_next(&self) -> bool {
        self.peer.load(self.ring.offset_of(self.position), Ordering::Relaxed) != 0
    }

    /// Returns the next record if it is a fast-path record; valid only after [`RingReader::take_fast`].
    #[inline]
    pub fn peek_fast(&self) -> Option<FastLinked> {
        // A pad at the end of a lap may be shorter than the words loaded here.
        if self.position.saturating_add(WORD + LINKED as u64) > self.fast_end {
            return None;
        }
        let at = self.ring.offset_of(self.position);
        // The writer stored the whole record before this word. The check for overwriting comes after the copy.
        let word = self.peer.load(at, Ordering::Acquire);
        if !FastRecord::is(word, FastKind::Published, self.fast) {
            return None;
        }
        let [sent, sequence, correlation] = self.peer.load_words(at.wrapping_add(WORD as usize));
        let fast = FastRecord::new(word, at, FastKind::Published)?;
        let end = self.position.saturating_add(fast.size());
        let is_next = self.sequence.is_some_and(|last| last.checked_add(1) == Some(sequence));
        let is_fast = is_next && correlation == 0 && fast.length() as u64 <= self.fast_limit;
        (is_fast && end <= self.fast_end).then_some(FastLinked {
            fast,
            sent: sent.cast_signed(),
            sequence,
            correlation,
        })
    }

    /// Copies the body of the record that [`RingReader::peek_fast`] has just returned.
    ///
    /// False, without a change, if the publisher has begun to overwrite it.
    #[inline]
    pub fn take_fast(&mut self, linked: &FastLinked, body: &mut [u8]) -> bool {
        let fast = &linked.fast;
        self.peer.copy_out_racing(fast.at().wrapping_add(WORD as usize + LINKED), as_uninit(body));
        if !self.is_intact(self.position) {
            return false;
        }
        // Nothing overflows: the position is below `fast_end`.
        self.position = self.position.wrapping_add(fast.size());
        self.sequence = Some(linked.sequence);
        true
    }

    /// Sets how far fast-path records can be read in this lap.
    pub(super) fn renew_fast_end(&mut self) {
        if self.position < self.fast_end {
            return;
        }
        let can_be_fast =
            self.retained.is_none() && self.sequence.is_some() && self.position.is_multiple_of(GRANULE);
        self.fast_end = if can_be_fast { self.ring.lap_end(self.position) } else { 0 };
        self.fast = FastRecord::word(self.ring.lap(self.position));
    }
}

#[cfg(any(test, fuzzing))]
impl<P: Memory> RingReader<P> {
    /// [`RingReader::read`] with the fast path before it.
    pub fn read_shortest(&mut self) -> Result<Received> {
        if let Some(fast) = self.peek_fast() {
            let mut body = vec![0; fast.length()];
            if self.take_fast(&fast, &mut body) {
                let FastLinked { sequence, sent, .. } = fast;
                let of = Header::new(Kind::Data, fast.encoding());
                let header = Header { sequence, sent, body: body.len() as u64, ..of };
                return Ok(Received::Frame(Incoming {
                    header,
                    extension: Bytes::new(),
                    body: aligned(body).into(),
                }));
            }
        }
        self.read()
    }
}
