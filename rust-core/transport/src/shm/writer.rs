//! The writing end of a channel's ring: frames become records, and large frames become pieces.
//!
//! The writer stores a zero as the next header, then the content, then this record's header word with release order. A
//! reader that finds a header therefore finds the whole record, and a zero after it. One granule always stays free, so
//! the zero never overwrites an unread record. The zero comes first because another processor may have its cache line.
//! A wait for that line between content and header would let the polling reader take the header's line away.
//!
//! A head in the peer's page that goes back, exceeds the written records or is not a multiple of 16 is `Malformed` and
//! ends the link. If the peer never reads, `try_write` returns `Blocked`; no call blocks.

mod batch;
mod fast;
mod large;
mod references;

use std::sync::atomic::Ordering;

pub(super) use self::batch::Hidden;
use super::memory::{Memory, OwnMemory};
use super::record::{GRANULE, Record, Shape, WORD};
use super::ring::{self, Ring};
use super::segment::at;
use crate::Sent;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Outgoing};
use crate::tail::Tail;

const LINE: u64 = 64;

/// The writing end. One thread at a time uses it.
#[derive(Debug)]
pub(super) struct Writer<M, P> {
    mine: M,
    /// The peer's page, with its head.
    peer: P,
    /// The most bytes of one record: an eighth of the ring, because writing and reading should overlap.
    largest: u64,
    /// The position of the next record.
    tail: u64,
    /// The peer's head at the last load; loaded again only when the ring seems full.
    head: u64,
    /// The end of the room with this head: a ring ahead, minus the granule that stays free.
    room: u64,
    /// The earlier end of the tail's lap and of the room; 0 while no short record may be written.
    ///
    /// A record that ends before it needs no load of the head and no pad. The value is conservative: a tail that has
    /// left the lap is at or after it, and room only grows.
    fast_end: u64,
    /// The lap bits of a header word, valid while the tail is below `fast_end`.
    lap: u64,
    /// The last blocked record fits from this head on.
    needed: u64,
    frames: u64,
    consumed: u64,
    /// The last sequence number sent; the next record in order omits its number.
    sequence: u64,
    /// The rest of the last large frame. Boxed, to keep the fields that each message changes together.
    tail_of_frame: Option<Box<Tail>>,
    /// Last field: before the fields that each message changes, it costs a round trip 6 %.
    ring: Ring,
}

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    /// The most bytes whose cache lines are fetched ahead: more would fill the store buffer.
    const FETCH_LIMIT: u64 = 1024;

    pub fn new(mine: M, peer: P, ring: usize) -> Writer<M, P> {
        Writer {
            mine,
            peer,
            ring: Ring::new(ring),
            largest: ring as u64 / 8,
            tail: 0,
            head: 0,
            room: ring as u64 - GRANULE,
            fast_end: 0,
            lap: 0,
            needed: 0,
            frames: 0,
            consumed: 0,
            sequence: 0,
            tail_of_frame: None,
        }
    }

    /// [`Writer::new`] with records of up to half of the ring: a model with few words laps it.
    #[cfg(all(test, loom))]
    pub fn in_halves(mine: M, peer: P, ring: usize) -> Writer<M, P> {
        Writer { largest: ring as u64 / 2, ..Writer::new(mine, peer, ring) }
    }

    /// Writes a frame: the contract's `try_send`.
    ///
    /// `Blocked` leaves nothing in the ring. After `Started`, [`Writer::flush`] writes the rest.
    ///
    /// # Errors
    /// `Malformed` for an impossible head; the caller must end the link.
    pub fn try_write(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if self.has_rest() && !self.flush()? {
            return Ok(Sent::Blocked);
        }
        let record = self.record_of(frame);
        if record.length() as u64 > self.largest - WORD {
            return self.start_large(frame);
        }
        if !self.write_content(frame, record)? {
            return Ok(Sent::Blocked);
        }
        self.commit(record);
        self.count_frame(&frame.header);
        Ok(Sent::Whole)
    }

    fn record_of(&self, frame: &Outgoing<'_>) -> Record {
        ring::record_of(frame, frame.header.sequence == self.sequence.wrapping_add(1))
    }

    /// Writes a record except its header word. False without room.
    fn write_content(&mut self, frame: &Outgoing<'_>, record: Record) -> Result<bool> {
        let Some(at) = self.reserve(record.size())? else { return Ok(false) };
        ring::store_content(&self.mine, at, record, frame, |at, bytes| self.mine.copy_in(at, bytes));
        Ok(true)
    }

    /// Whether a frame with such a body, and no extension map, fits one record of any shape.
    pub fn is_one_record(&self, body: usize) -> bool {
        (HEADER + body) as u64 <= self.largest - WORD
    }

    /// Makes room for a record of `size` bytes, after a pad if it does not fit this lap.
    ///
    /// Returns the offset of its content. `None` without room; `needed` is then the head to wait for.
    #[inline]
    fn reserve(&mut self, size: u64) -> Result<Option<usize>> {
        let left = self.ring.left(self.tail);
        let pad = if size > left { left } else { 0 };
        let end = self.tail + pad + size;
        if !self.has_room_to(end)? {
            return Ok(None);
        }
        // The zero after the record. Relaxed: the record's header orders it.
        self.mine.store(self.ring.offset_of(end), 0, Ordering::Relaxed);
        if pad > 0 {
            self.mine.store(self.ring.offset_of(self.tail + pad), 0, Ordering::Relaxed);
            let word = Record::bare(Shape::Pad, (pad - WORD) as u32).to_word(self.ring.lap(self.tail));
            // No wake-up for a pad, because a record follows at once.
            self.mine.store(self.ring.offset_of(self.tail), word, Ordering::Release);
            self.tail += pad;
        }
        Ok(Some(self.ring.offset_of(self.tail) + WORD as usize))
    }

    fn has_room_to(&mut self, end: u64) -> Result<bool> {
        if end > self.room {
            self.load_head()?;
            if end > self.room {
                self.needed = (end + GRANULE).saturating_sub(self.ring.length);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes the record at the tail visible.
    ///
    /// The full fence lets the caller check whether the reader sleeps.
    #[inline]
    fn commit(&mut self, record: Record) {
        self.mine.store_fenced(self.ring.offset_of(self.tail), record.to_word(self.ring.lap(self.tail)));
        self.advance(record);
    }

    fn advance(&mut self, record: Record) {
        self.tail += record.size();
        self.obtain_next_lines(record.size());
    }

    /// Fetches the cache lines of another record of this size, by storing zeros into free memory.
    ///
    /// The reader had them a lap ago, and fetching them under its polling takes longer than the copy. The first line
    /// stays untouched, because the reader polls its zero.
    #[inline]
    fn obtain_next_lines(&self, size: u64) {
        let end = self.tail + size.min(Writer::<M, P>::FETCH_LIMIT);
        if end + LINE > self.room + GRANULE {
            return;
        }
        let mut line = (self.tail | (LINE - 1)) + 1;
        while line <= end {
            self.mine.store(self.ring.offset_of(line), 0, Ordering::Relaxed);
            line += LINE;
        }
    }

    fn count_frame(&mut self, header: &Header) {
        self.frames += 1;
        if header.sequence != 0 {
            self.sequence = header.sequence;
        }
    }

    /// Loads and checks the peer's head.
    ///
    /// # Errors
    /// `Malformed` if it goes back, exceeds the tail, or is no multiple of a granule.
    fn load_head(&mut self) -> Result<()> {
        let head = self.peer.load_fenced(at::HEAD);
        if head < self.head || head > self.tail || !head.is_multiple_of(GRANULE) {
            let text = format!(
                "the peer's page claims that it has read up to {head}, which is not between {} and {}; the connection is ended",
                self.head, self.tail
            );
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        (self.head, self.room) = (head, head + self.ring.length - GRANULE);
        Ok(())
    }

    /// The peer's head at the last load. It moves during a large frame, which shows that the peer lives.
    pub fn seen_head(&self) -> u64 {
        self.head
    }

    /// Whether the last blocked record fits now.
    ///
    /// A full fence precedes the load, so it decides about sleeping.
    pub fn has_room(&mut self) -> Result<bool> {
        self.load_head()?;
        Ok(self.head >= self.needed)
    }

    #[cfg(test)]
    pub fn is_drained(&mut self) -> Result<bool> {
        self.load_head()?;
        Ok(self.head == self.tail)
    }

    /// The peer's head that should wake this side: it then has the room that it needs.
    ///
    /// Within a large frame it is half a ring, because the reader continues in parallel.
    pub fn wake_threshold(&self) -> u64 {
        if !self.has_rest() {
            return self.needed;
        }
        self.needed.max(self.tail.saturating_sub(self.ring.length / 2))
    }

    /// How many frames the peer has not consumed.
    ///
    /// # Errors
    /// `Malformed` for a count that goes back or exceeds the frames sent.
    pub fn unacknowledged(&mut self) -> Result<u64> {
        let consumed = self.peer.load(at::CONSUMED, Ordering::Acquire);
        if consumed < self.consumed || consumed > self.frames {
            let text =
                format!("the peer's page claims that it has consumed {consumed} of {} frames", self.frames);
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        self.consumed = consumed;
        Ok(self.frames - consumed)
    }
}
