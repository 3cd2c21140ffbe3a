//! The writing end of a ring: frames become records, large ones a train of pieces.

use std::sync::atomic::Ordering;

use super::memory::{Memory, OwnMemory};
use super::record::{COMPACT, GRANULE, LINKED, Record, Shape, WORD};
use super::segment::{PAGE, at};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Outgoing, flags};
use crate::transport::Sent;

/// The writing end. A record is written in this order: a zero where the next header will be, payload, this header with
/// release. So a reader that finds a header finds all of it, and finds zero behind it until there is more. One granule
/// always stays free, so the zero never falls on what is not read yet. The zero comes first because its cache line may
/// be elsewhere: waiting for it between payload and header would give the reader, who polls the header, time to take
/// that line away again.
#[derive(Debug)]
pub(super) struct Writer<M, P> {
    mine: M,
    peer: P,
    ring: u64,
    /// The same as a power of two: laps are counted for each record, and a division takes as long as all the rest.
    shift: u32,
    /// Bytes that one record may take, header included: an eighth of the ring, so that copying in and out overlap.
    largest: u64,
    /// Where the next record goes, counted from the beginning of time.
    tail: u64,
    /// The peer's head when it was looked at last.
    head: u64,
    /// The head at which what was blocked last will fit.
    needed: u64,
    /// Frames handed over, and how many of them the peer had consumed when it was looked at last.
    frames: u64,
    consumed: u64,
    /// The last sequence number that was sent.
    sequence: u64,
    train: Train,
}

/// A frame that is too large for one record.
#[derive(Debug)]
enum Train {
    None,
    /// So many bytes of its extension and body are in the ring; the caller holds the rest.
    Lent(usize),
    /// The rest is ours, and so many bytes of it are in the ring.
    Adopted(Vec<u8>, usize),
}

impl<M: OwnMemory, P: Memory> Writer<M, P> {
    /// At most so many bytes are fetched ahead: more would fill the store buffer.
    const WARM: u64 = 1024;

    /// The writing end of the ring of `ring` bytes in `mine`, fresh; `peer` tells how far it has been read.
    pub fn new(mine: M, peer: P, ring: usize) -> Writer<M, P> {
        Writer {
            mine,
            peer,
            ring: ring as u64,
            shift: ring.trailing_zeros(),
            largest: ring as u64 / 8,
            tail: 0,
            head: 0,
            needed: 0,
            frames: 0,
            consumed: 0,
            sequence: 0,
            train: Train::None,
        }
    }

    /// The same with records of half the ring, so that a model of few words laps it.
    #[cfg(all(test, loom))]
    pub fn in_halves(mine: M, peer: P, ring: usize) -> Writer<M, P> {
        Writer { largest: ring as u64 / 2, ..Writer::new(mine, peer, ring) }
    }

    /// Hands over a frame, the contract's `try_send`. After anything but `Blocked` the ring may hold more than before.
    #[inline]
    pub fn try_write(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if !matches!(self.train, Train::None) {
            return self.go_on(frame);
        }
        let (shape, prefix, length) = self.form(frame);
        if length as u64 > self.largest - WORD {
            return self.start(frame);
        }
        let Some(record) = self.fill(frame, shape, prefix, length)? else { return Ok(Sent::Blocked) };
        self.finish(record);
        self.count(&frame.header);
        Ok(Sent::Whole)
    }

    /// Hands over a message that is one above the last in number and has neither correlation, flags nor extension. False where it was
    /// not: there is no room, it is large, or a train is under way; [`Writer::try_write`] tells those apart.
    #[inline]
    pub fn try_write_next(&mut self, header: &Header, body: &[u8]) -> Result<bool> {
        debug_assert!(is_plain(header) && header.flags == 0 && header.correlation == 0);
        let length = COMPACT + body.len();
        if !matches!(self.train, Train::None)
            || length as u64 > self.largest - WORD
            || header.sequence != self.sequence.wrapping_add(1)
        {
            return Ok(false);
        }
        let record = Record::new(Shape::Compact, header.kind, header.encoding, 0, length as u32);
        let Some(at) = self.begin(record.size())? else { return Ok(false) };
        self.mine.store(at, header.sent.cast_unsigned(), Ordering::Relaxed);
        self.mine.copy_in(at + COMPACT, body);
        self.finish(record);
        self.frames += 1;
        self.sequence = header.sequence;
        Ok(true)
    }

    /// Hands over frames of which each is one record; gives how many. The reader finds none of them before the last is there, and
    /// then all: the header of the first one is stored last, so one fence does for all of them. As many are taken as fit into an
    /// eighth of the ring, so that the reader copies one batch while the next is written. None where the first one is larger, or
    /// has no room.
    pub fn try_write_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        if !matches!(self.train, Train::None) && !self.flush()? {
            return Ok(0);
        }
        let mut first = None;
        let (mut count, mut taken) = (0, 0);
        for frame in frames {
            let (shape, prefix, length) = self.form(&frame);
            taken += length as u64 + WORD + GRANULE;
            if length as u64 > self.largest - WORD || count > 0 && taken > self.largest {
                break;
            }
            let record = match self.fill(&frame, shape, prefix, length) {
                Ok(Some(record)) => record,
                // What the peer says and cannot be is met again by the next frame; those before it are whole.
                Ok(None) | Err(_) if count > 0 => break,
                Ok(None) => return Ok(0),
                Err(e) => return Err(e),
            };
            let (place, word) = (self.place(self.tail), record.to_word(self.tail >> self.shift));
            if first.is_none() {
                first = Some((place, word));
            } else {
                // Ordered by the first one, without which the reader does not come here.
                self.mine.store(place, word, Ordering::Relaxed);
            }
            self.pass(record);
            self.count(&frame.header);
            count += 1;
        }
        if let Some((place, word)) = first {
            self.mine.store_fenced(place, word);
        }
        Ok(count)
    }

    /// The shape of a frame in one record, the bytes before its body, and all its bytes.
    #[inline]
    fn form(&self, frame: &Outgoing<'_>) -> (Shape, usize, usize) {
        let header = &frame.header;
        let (shape, prefix) = if !is_plain(header) {
            (Shape::Full, HEADER + frame.extension.len())
        } else if header.sequence == self.sequence.wrapping_add(1) && header.correlation == 0 {
            (Shape::Compact, COMPACT)
        } else {
            (Shape::Linked, LINKED)
        };
        (shape, prefix, prefix + frame.body.len())
    }

    /// Writes all of a record but its header word; none where it has no room.
    #[inline]
    fn fill(
        &mut self,
        frame: &Outgoing<'_>,
        shape: Shape,
        prefix: usize,
        length: usize,
    ) -> Result<Option<Record>> {
        let header = &frame.header;
        let flags = if shape == Shape::Full { 0 } else { header.flags };
        let record = Record::new(shape, header.kind, header.encoding, flags, length as u32);
        let Some(at) = self.begin(record.size())? else { return Ok(None) };
        match shape {
            Shape::Full => {
                self.mine.copy_in(at, &header.to_bytes());
                self.mine.copy_in(at + HEADER, frame.extension);
            }
            Shape::Linked => {
                self.mine.store(at, header.sent.cast_unsigned(), Ordering::Relaxed);
                self.mine.store(at + 8, header.sequence, Ordering::Relaxed);
                self.mine.store(at + 16, header.correlation, Ordering::Relaxed);
            }
            _ => self.mine.store(at, header.sent.cast_unsigned(), Ordering::Relaxed),
        }
        self.mine.copy_in(at + prefix, frame.body);
        Ok(Some(record))
    }

    /// Whether a frame without an extension and with a body of so many bytes is one record.
    #[inline]
    pub fn is_one_record(&self, body: usize) -> bool {
        (HEADER + body) as u64 <= self.largest - WORD
    }

    /// The first record of a large frame, and as many more as there is room for.
    fn start(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let header = frame.header.to_bytes();
        let room = (self.largest - WORD) as usize - header.len();
        let take = room.min(frame.extension.len() + frame.body.len());
        let record = Record::bare(Shape::First, (header.len() + take) as u32);
        let Some(at) = self.begin(record.size())? else { return Ok(Sent::Blocked) };
        self.mine.copy_in(at, &header);
        self.copy_part(at + header.len(), frame.extension, frame.body, 0, take);
        self.finish(record);
        self.train = Train::Lent(take);
        self.go_on(frame)
    }

    /// More of a large frame that the caller holds.
    fn go_on(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let Train::Lent(done) = self.train else {
            return if self.flush()? { self.try_write(frame) } else { Ok(Sent::Blocked) };
        };
        let done = self.pieces(frame.extension, frame.body, done)?;
        if done < frame.extension.len() + frame.body.len() {
            self.train = Train::Lent(done);
            return Ok(Sent::Part);
        }
        self.train = Train::None;
        self.count(&frame.header);
        Ok(Sent::Whole)
    }

    /// Keeps a copy of the rest of the frame that was given in part; it counts as sent from now on.
    pub fn adopt(&mut self, frame: &Outgoing<'_>) -> Result<()> {
        let Train::Lent(done) = self.train else {
            return Err(Error::new(
                ErrorKind::Internal,
                "a frame was adopted of which no part had been sent",
            ));
        };
        let of_extension = frame.extension.get(done..).unwrap_or_default();
        let of_body = &frame.body[done.saturating_sub(frame.extension.len())..];
        self.train = Train::Adopted([of_extension, of_body].concat(), 0);
        self.count(&frame.header);
        Ok(())
    }

    /// Brings more of an adopted frame away; true when nothing of one is left.
    pub fn flush(&mut self) -> Result<bool> {
        let (rest, done) = match std::mem::replace(&mut self.train, Train::None) {
            Train::Adopted(rest, done) => (rest, done),
            other => {
                self.train = other;
                return Ok(true);
            }
        };
        let now = self.pieces(&[], &rest, done)?;
        if now < rest.len() {
            self.train = Train::Adopted(rest, now);
            return Ok(false);
        }
        Ok(true)
    }

    /// Writes pieces from `done` on while there is room; gives how far it came.
    fn pieces(&mut self, extension: &[u8], body: &[u8], mut done: usize) -> Result<usize> {
        let total = extension.len() + body.len();
        while done < total {
            let take = (total - done).min((self.largest - WORD) as usize);
            let record = Record::bare(Shape::Piece, take as u32);
            let Some(at) = self.begin(record.size())? else { break };
            self.copy_part(at, extension, body, done, take);
            self.finish(record);
            done += take;
        }
        Ok(done)
    }

    /// Copies `take` bytes from `from` on of extension and body taken as one.
    fn copy_part(&self, at: usize, extension: &[u8], body: &[u8], from: usize, take: usize) {
        let first = extension.get(from..).unwrap_or_default();
        let first = &first[..first.len().min(take)];
        let start = from.saturating_sub(extension.len());
        self.mine.copy_in(at, first);
        self.mine.copy_in(at + first.len(), &body[start..start + take - first.len()]);
    }

    /// Room for a record of `size` bytes, behind a pad if it does not fit this lap: where its content goes in memory.
    #[inline]
    fn begin(&mut self, size: u64) -> Result<Option<usize>> {
        let left = self.ring - (self.tail & (self.ring - 1));
        let pad = if left < size { left } else { 0 };
        if self.ring - (self.tail - self.head) < pad + size + GRANULE {
            self.look_at_head()?;
            if self.ring - (self.tail - self.head) < pad + size + GRANULE {
                self.needed = (self.tail + pad + size + GRANULE).saturating_sub(self.ring);
                return Ok(None);
            }
        }
        self.mine.store(self.place(self.tail + pad + size), 0, Ordering::Relaxed);
        if pad > 0 {
            self.mine.store(self.place(self.tail + pad), 0, Ordering::Relaxed);
            let word = Record::bare(Shape::Pad, (pad - WORD) as u32).to_word(self.tail >> self.shift);
            // Nobody needs to wake for it: a record follows at once.
            self.mine.store(self.place(self.tail), word, Ordering::Release);
            self.tail += pad;
        }
        Ok(Some(self.place(self.tail) + WORD as usize))
    }

    /// Makes the record at the tail visible, and nothing behind it.
    #[inline]
    fn finish(&mut self, record: Record) {
        self.mine.store_fenced(self.place(self.tail), record.to_word(self.tail >> self.shift));
        self.pass(record);
    }

    /// Moves on behind a record.
    #[inline]
    fn pass(&mut self, record: Record) {
        self.tail += record.size();
        self.warm(record.size());
    }

    /// Fetches the cache lines that another record of this size would be written to, by storing into what is free. The
    /// reader had them a lap ago, and getting them back while it polls the first of them takes longer than the copy. That
    /// first one is left alone.
    #[inline]
    fn warm(&self, size: u64) {
        const LINE: u64 = 64;
        let end = self.tail + size.min(Writer::<M, P>::WARM);
        if end + LINE - self.head > self.ring {
            return;
        }
        let mut line = (self.tail | (LINE - 1)) + 1;
        while line <= end {
            self.mine.store(self.place(line), 0, Ordering::Relaxed);
            line += LINE;
        }
    }

    #[inline]
    fn place(&self, position: u64) -> usize {
        PAGE + (position & (self.ring - 1)) as usize
    }

    #[inline]
    fn count(&mut self, header: &Header) {
        self.frames += 1;
        if header.sequence != 0 {
            self.sequence = header.sequence;
        }
    }

    fn look_at_head(&mut self) -> Result<()> {
        let head = self.peer.load_fenced(at::HEAD);
        if head < self.head || head > self.tail || !head.is_multiple_of(GRANULE) {
            let text = format!(
                "the peer says that it has read up to {head}, which is not between {} and {}; the connection is ended",
                self.head, self.tail
            );
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        self.head = head;
        Ok(())
    }

    /// Up to where the peer had read when that was looked at last.
    #[inline]
    pub fn seen_head(&self) -> u64 {
        self.head
    }

    /// Whether what was blocked last may fit now.
    pub fn has_room(&mut self) -> Result<bool> {
        self.look_at_head()?;
        Ok(self.head >= self.needed)
    }

    /// Whether the peer has read everything.
    #[cfg(test)]
    pub fn is_drained(&mut self) -> Result<bool> {
        self.look_at_head()?;
        Ok(self.head == self.tail)
    }

    /// The peer's head from which on this side wants to be woken. In the middle of a large frame half a ring is worth
    /// waking for, because the reader keeps going; otherwise the room that is needed.
    pub fn wanted(&self) -> u64 {
        match self.train {
            Train::None => self.needed,
            _ => self.needed.max(self.tail.saturating_sub(self.ring / 2)),
        }
    }

    /// Frames handed over that the peer has not consumed.
    pub fn unacknowledged(&mut self) -> Result<u64> {
        let consumed = self.peer.load(at::CONSUMED, Ordering::Acquire);
        if consumed < self.consumed || consumed > self.frames {
            let text = format!("the peer says that it has consumed {consumed} of {} frames", self.frames);
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        self.consumed = consumed;
        Ok(self.frames - consumed)
    }
}

/// Whether a header needs no more than the short forms have place for.
#[inline]
fn is_plain(header: &Header) -> bool {
    header.schema == 0 && header.extension == 0 && header.flags & flags::BODY_CHECKED == 0
}
