//! The writing end of a channel's ring: frames become records, a large frame becomes a sequence of
//! pieces.
//!
//! A record is written in this order: a zero where the next header will be, the content, then this
//! record's header word with release order. So a reader that finds a header finds all of the
//! record, and finds zero behind it until there is more. One granule always stays free, so the zero
//! never falls on what is not read yet. The zero comes first because its cache line may be at
//! another processor: waiting for it between content and header would give the reader, who polls
//! the header, time to take that line away again.
//!
//! What the peer can do here: it publishes in its own page how far it has read (`head`) and how
//! many frames it has dealt with. A head that goes back, is ahead of what was written or is no
//! multiple of 16 is `Malformed` and ends the link. A peer that never reads makes `try_write`
//! return `Blocked`; nothing blocks.
//!
//! `link` calls this: `try_write` (and its shortcut `try_write_fast`) for each frame, `flush`
//! for the rest of a large one, and `has_room` and `wake_threshold` around a
//! sleep.

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

/// Bytes of a cache line.
const LINE: u64 = 64;

/// The writing end. One thread at a time uses it: the sending half of the link.
#[derive(Debug)]
pub(super) struct Writer<M, P> {
    /// This side's page and ring.
    mine: M,
    /// The peer's page, where its head is.
    peer: P,
    /// The most bytes of one record, header included: an eighth of the ring, so that the reader
    /// copies one piece while the next is written.
    largest: u64,
    /// Where the next record goes, in bytes since the creation of the ring.
    tail: u64,
    /// The peer's head when it was loaded last; loaded again only when there seems to be no room.
    head: u64,
    /// Up to where records may be written with this head: a ring ahead, but for the granule that stays free.
    room: u64,
    /// Where the lap of the tail ends or the room does, whichever comes first: a record that ends before has all its
    /// words and the zero behind it at places for which only the lap's base is needed, without loading the head or
    /// writing a pad. Conservative: a tail that has left the lap is at it or behind, and room only grows. 0 while no
    /// short record may be written.
    fast_end: u64,
    /// The lap number of the tail in the place that it has in a record's header, while the tail is below `fast_end`.
    lap: u64,
    /// The head at which the record that was blocked last will fit.
    needed: u64,
    /// Frames handed over so far.
    frames: u64,
    /// How many of them the peer had dealt with when that was loaded last.
    consumed: u64,
    /// The last sequence number that was sent; the next in order needs no number in its record.
    sequence: u64,
    /// The rest of the large frame that was begun last. Boxed, because what each message changes is beside it.
    tail_of_frame: Option<Box<Tail>>,
    /// The places of positions in `mine`. Last: in front of what each message changes it costs a round trip 6 %.
    ring: Ring,
}

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    /// The most bytes whose cache lines are fetched ahead: more would fill the store buffer.
    const FETCH_LIMIT: u64 = 1024;

    /// The writing end of the fresh ring of `ring` bytes in `mine`; `peer` has the words of the
    /// side that reads it.
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

    /// The same with records of up to half of the ring, so that a model with few words laps it.
    #[cfg(all(test, loom))]
    pub fn in_halves(mine: M, peer: P, ring: usize) -> Writer<M, P> {
        Writer { largest: ring as u64 / 2, ..Writer::new(mine, peer, ring) }
    }

    /// Writes a frame: the contract's `try_send`. `Blocked` leaves nothing of it in the ring; after `Started`,
    /// [`Writer::flush`] writes the rest.
    ///
    /// # Errors
    /// `Malformed` for a head that cannot be; the link is then to be ended.
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

    /// The record of a frame, if one has room for it.
    fn record_of(&self, frame: &Outgoing<'_>) -> Record {
        ring::record_of(frame, frame.header.sequence == self.sequence.wrapping_add(1))
    }

    /// Writes all of a record but its header word, which [`Writer::commit`] stores. False where
    /// there is no room.
    fn write_content(&mut self, frame: &Outgoing<'_>, record: Record) -> Result<bool> {
        let Some(at) = self.reserve(record.size())? else { return Ok(false) };
        ring::store_content(&self.mine, at, record, frame, |at, bytes| self.mine.copy_in(at, bytes));
        Ok(true)
    }

    /// Whether a frame without an extension and with a body of so many bytes fits in one record of
    /// any shape.
    pub fn is_one_record(&self, body: usize) -> bool {
        (HEADER + body) as u64 <= self.largest - WORD
    }

    /// Makes room for a record of `size` bytes, behind a pad where it does not fit in this lap.
    /// Returns the offset of its content; `None` where the peer has not read far enough, and then
    /// `needed` holds the head to wait for.
    #[inline]
    fn reserve(&mut self, size: u64) -> Result<Option<usize>> {
        let left = self.ring.left(self.tail);
        let pad = if size > left { left } else { 0 };
        let end = self.tail + pad + size;
        if !self.has_room_to(end)? {
            return Ok(None);
        }
        // The zero behind the record, see the head of this file. Relaxed: the record's header
        // orders it.
        self.mine.store(self.ring.offset_of(end), 0, Ordering::Relaxed);
        if pad > 0 {
            self.mine.store(self.ring.offset_of(self.tail + pad), 0, Ordering::Relaxed);
            let word = Record::bare(Shape::Pad, (pad - WORD) as u32).to_word(self.ring.lap(self.tail));
            // No wake-up for a pad: a record follows at once.
            self.mine.store(self.ring.offset_of(self.tail), word, Ordering::Release);
            self.tail += pad;
        }
        Ok(Some(self.ring.offset_of(self.tail) + WORD as usize))
    }

    /// Whether the peer has read so far that records may be written up to `end`; if not, `needed` holds the head to
    /// wait for.
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

    /// Makes the record at the tail visible, and nothing behind it. The full fence lets the caller
    /// check whether the reader sleeps.
    #[inline]
    fn commit(&mut self, record: Record) {
        self.mine.store_fenced(self.ring.offset_of(self.tail), record.to_word(self.ring.lap(self.tail)));
        self.advance(record);
    }

    /// Moves the tail behind a record that was written.
    fn advance(&mut self, record: Record) {
        self.tail += record.size();
        self.obtain_next_lines(record.size());
    }

    /// Fetches the cache lines that another record of this size would be written to, by storing
    /// zeros into free memory. The reader had them a lap ago, and getting them back while it polls
    /// the first of them takes longer than the copy. That first line, which has the zero that the
    /// reader polls, is left alone.
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

    /// Counts a frame that is complete in the ring, or begun.
    fn count_frame(&mut self, header: &Header) {
        self.frames += 1;
        if header.sequence != 0 {
            self.sequence = header.sequence;
        }
    }

    /// Loads the peer's head and checks it.
    ///
    /// # Errors
    /// `Malformed` where it goes back, is ahead of the tail, or is no multiple of a granule.
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

    /// The peer's head when it was loaded last. It moves also while one large frame is read, which
    /// shows that the peer lives.
    pub fn seen_head(&self) -> u64 {
        self.head
    }

    /// Whether what was blocked last fits now. Loads the head behind a full fence, so it decides
    /// whether to sleep.
    pub fn has_room(&mut self) -> Result<bool> {
        self.load_head()?;
        Ok(self.head >= self.needed)
    }

    /// Whether the peer has read everything.
    #[cfg(test)]
    pub fn is_drained(&mut self) -> Result<bool> {
        self.load_head()?;
        Ok(self.head == self.tail)
    }

    /// The peer's head from which on this side wants to be woken. Within a large frame half a ring
    /// is worth waking for, because the reader continues meanwhile; otherwise the room that is
    /// needed.
    pub fn wake_threshold(&self) -> u64 {
        if !self.has_rest() {
            return self.needed;
        }
        self.needed.max(self.tail.saturating_sub(self.ring.length / 2))
    }

    /// How many frames were handed over that the peer has not dealt with.
    ///
    /// # Errors
    /// `Malformed` for a count that goes back or is higher than what was sent.
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
