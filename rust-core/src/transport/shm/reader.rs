//! The reading end of a ring: records become frames, and nothing that a peer writes becomes more than an error.

use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::memory::{Memory, OwnMemory};
use super::record::{COMPACT, GRANULE, LINKED, Record, Shape, WORD, garbage};
use super::segment::{PAGE, at};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result, memory};
use crate::frame::spare::{self, aligned};
use crate::frame::{HEADER, Header, Incoming, Kind};
use crate::transport::admission::Claimant;
use crate::transport::partial::Partial;

/// The reading end: the ring is the peer's, the head is ours.
///
/// Every record header is loaded once and checked before anything is done with it; what it says is then ours, whatever
/// the peer does to its memory meanwhile.
#[derive(Debug)]
pub(super) struct Reader<M, P> {
    mine: M,
    peer: P,
    ring: u64,
    /// The same as a power of two: laps are counted for each record, and a division takes as long as all the rest.
    shift: u32,
    /// Up to where this side has read, counted from the beginning of time, and up to where the peer knows it.
    at: u64,
    head: u64,
    /// Frames given, and how many of them the peer knows to be consumed.
    frames: u64,
    consumed: u64,
    /// The last sequence number that came.
    sequence: u64,
    limit: u64,
    /// Whose the messages are.
    pub sender: Claimant,
    assembly: Option<Assembly>,
}

/// A large frame of which pieces are still to come.
#[derive(Debug)]
struct Assembly {
    header: Header,
    extension: Vec<u8>,
    /// None once it was refused: nothing is kept then, and it is only waited out.
    body: Option<Partial>,
    /// Bytes of extension and body that are still to come.
    missing: u64,
}

/// A short message in one record whose header word has been checked: [`Reader::take_small`] copies it out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Small {
    record: Record,
    /// What it is for.
    pub kind: Kind,
    encoding: Encoding,
    /// Its number in the sender's session, as the record says.
    pub sequence: u64,
    /// The number that it answers, or acknowledges; 0 for none.
    pub correlation: u64,
    sent: i64,
    prefix: usize,
}

impl Small {
    /// The longest body.
    pub const LONGEST: usize = spare::LONGEST;

    /// Bytes of the body.
    #[inline]
    pub fn length(&self) -> usize {
        self.record.length() - self.prefix
    }

    /// When it was sent, ns since 1970, as the record says.
    #[inline]
    pub fn sent(&self) -> i64 {
        self.sent
    }

    /// Its header.
    #[inline]
    pub fn header(&self) -> Header {
        let Small { record, kind, encoding, sequence, correlation, sent, .. } = *self;
        let (flags, body) = (record.flags(), self.length() as u64);
        Header { flags, body, sequence, correlation, sent, ..Header::new(kind, encoding) }
    }
}

/// What one look into the ring gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A frame in one record, to be had from [`Reader::take`]. (Returned from here it would be moved once more, and moving
    /// what has just been written costs more than all the rest of a small message.)
    Frame(Record),
    /// A frame that has been put together, to be had from [`Reader::take_assembled`].
    Assembled,
    /// A piece of one: there is room again, and the next step goes on.
    Piece,
    /// Nothing yet.
    Empty,
}

impl<M: OwnMemory, P: Memory> Reader<M, P> {
    /// The reading end of the ring of `ring` bytes in `peer`, fresh; bodies above `limit` are refused.
    pub fn new(mine: M, peer: P, ring: usize, limit: u64) -> Reader<M, P> {
        Reader {
            mine,
            peer,
            ring: ring as u64,
            shift: ring.trailing_zeros(),
            at: 0,
            head: 0,
            frames: 0,
            consumed: 0,
            sequence: 0,
            limit,
            sender: Claimant::Unknown,
            assembly: None,
        }
    }

    #[inline]
    fn place(&self) -> usize {
        PAGE + (self.at & (self.ring - 1)) as usize
    }

    /// Whether there is a record: `true` is worth a [`Reader::step`].
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.peer.load(self.place(), Ordering::Relaxed) != 0
    }

    /// The same, ordered behind this side's park word.
    pub fn is_ready_fenced(&self) -> bool {
        self.peer.load_fenced(self.place()) != 0
    }

    /// Whether a large frame has begun and not ended.
    #[cfg(test)]
    pub fn is_inside_a_frame(&self) -> bool {
        self.assembly.is_some()
    }

    /// How many bytes of the body of a large frame have come.
    #[cfg(test)]
    pub fn come(&self) -> usize {
        let of =
            |assembly: &Assembly| Some(assembly.header.body as usize - assembly.body.as_ref()?.missing());
        self.assembly.as_ref().and_then(of).unwrap_or(0)
    }

    /// Looks for the next record. `Malformed` is for good; `TooLarge` and `OutOfMemory` are about one frame, which is
    /// skipped.
    #[inline(always)]
    pub fn step(&mut self) -> Result<Step> {
        let mut word = self.peer.load(self.place(), Ordering::Acquire);
        if word == 0 {
            return Ok(Step::Empty);
        }
        let mut record = self.check(word)?;
        // The lines behind the header come while it is being looked at.
        let place = self.place();
        let end = place + (record.size() as usize).min(256);
        let mut line = (place | 63) + 1;
        while line < end {
            self.peer.prefetch(line);
            line += 64;
        }
        if record.shape() == Some(Shape::Pad) {
            self.skip_pad(word, record)?;
            word = self.peer.load(self.place(), Ordering::Acquire);
            if word == 0 {
                return Ok(Step::Empty);
            }
            record = self.check(word)?;
        }
        match (record.shape(), &self.assembly) {
            (Some(Shape::Compact | Shape::Linked | Shape::Full), None) => Ok(Step::Frame(record)),
            (Some(Shape::First), None) => self.first(record),
            (Some(Shape::Piece), Some(_)) => self.piece(record),
            (Some(Shape::Piece), None) => Err(garbage(word, "a piece of no message")),
            (Some(Shape::Pad), _) | (None, _) => Err(garbage(word, "a pad follows a pad")),
            (_, Some(_)) => Err(garbage(word, "a message in the middle of another")),
        }
    }

    /// The next record, where it is a short message that [`Reader::take_small`] can copy out; nothing has changed by the look. None
    /// for all else, which [`Reader::step`] tells apart.
    #[inline(always)]
    pub fn peek_small(&self) -> Option<Small> {
        let place = self.place();
        let word = self.peer.load(place, Ordering::Acquire);
        if word == 0 || self.assembly.is_some() {
            return None;
        }
        let record = self.check(word).ok()?;
        let content = place + WORD as usize;
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
        };
        let length = small.length();
        (length <= Small::LONGEST && length as u64 <= self.limit).then_some(small)
    }

    /// Copies out the body of what [`Reader::peek_small`] has just found, to a place of its length.
    #[inline(always)]
    pub fn take_small(&mut self, small: &Small, body: &mut [u8]) {
        self.peer.copy_out(self.place() + WORD as usize + small.prefix, as_uninit(body));
        self.pass(small.record, small.sequence);
    }

    /// The frame in the record that the last step found; errors as there. Never `None`: the type is that of what is
    /// returned in the end, so that the frame is built where it is wanted.
    #[inline]
    pub fn take(&mut self, record: Record) -> Result<Option<Incoming>> {
        let content = self.place() + WORD as usize;
        let (prefix, sequence, correlation) = match record.shape() {
            Some(Shape::Compact) => (COMPACT, self.sequence.wrapping_add(1), 0),
            Some(Shape::Linked) => (LINKED, self.word(content + 8), self.word(content + 16)),
            _ => return self.take_full(record, content),
        };
        let (Some(kind), Some(encoding)) = (record.kind(), record.encoding()) else {
            return Err(Error::new(ErrorKind::Internal, "a record was taken that had not been checked"));
        };
        let sent = self.word(content).cast_signed();
        let length = record.length() - prefix;
        self.pass(record, sequence);
        if length as u64 > self.limit {
            return Err(too_large(length as u64, self.limit));
        }
        Ok(Some(Incoming {
            header: Header {
                kind,
                encoding,
                flags: record.flags(),
                extension: 0,
                body: length as u64,
                sequence,
                correlation,
                sent,
                schema: 0,
                body_check: 0,
            },
            extension: Bytes::new(),
            body: aligned(self.copy(content + prefix, length)),
        }))
    }

    fn take_full(&mut self, record: Record, content: usize) -> Result<Option<Incoming>> {
        let header = self.header(content)?;
        let prefix = HEADER + header.extension;
        if (prefix as u64).checked_add(header.body) != Some(record.length() as u64) {
            let text = "the peer's ring holds a message whose lengths are not its record's";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        self.pass(record, header.sequence);
        if header.body > self.limit {
            return Err(too_large(header.body, self.limit));
        }
        let extension = self.copy(content + HEADER, header.extension).into();
        let body = aligned(self.copy(content + prefix, header.body as usize));
        Ok(Some(Incoming { header, extension, body }))
    }

    /// The frame that the last step completed.
    #[cold]
    pub fn take_assembled(&mut self) -> Result<Option<Incoming>> {
        match self.assembly.take_if(|a| a.missing == 0) {
            Some(Assembly { header, extension, body: Some(body), .. }) => {
                let body = aligned(body.finish()?);
                Ok(Some(Incoming { header, extension: extension.into(), body }))
            }
            _ => Err(Error::new(ErrorKind::Internal, "a frame was taken that was not complete")),
        }
    }

    #[inline]
    fn word(&self, at: usize) -> u64 {
        self.peer.load(at, Ordering::Relaxed)
    }

    fn header(&self, content: usize) -> Result<Header> {
        let mut bytes = [0; HEADER];
        // Seen as perhaps uninitialised, which asks less of it; only initialised bytes are written.
        self.peer.copy_out(content, as_uninit(&mut bytes));
        Header::from_bytes(&bytes)
    }

    /// The first record of a large frame: what it announces is checked, and only then is memory taken for it.
    #[cold]
    fn first(&mut self, record: Record) -> Result<Step> {
        let content = self.place() + WORD as usize;
        let header = self.header(content)?;
        let here = record.length() as u64 - HEADER as u64;
        let total = header.body.checked_add(header.extension as u64).filter(|total| *total > here);
        let Some(total) = total else {
            let text = "the peer's ring holds the first piece of a message that would end with it";
            return Err(Error::new(ErrorKind::Malformed, text));
        };
        let mut assembly = Assembly { header, extension: Vec::new(), body: None, missing: total };
        let mut refusal = None;
        if header.body > self.limit {
            refusal = Some(too_large(header.body, self.limit));
        } else if let Err(e) = memory::reserve(&mut assembly.extension, header.extension) {
            refusal = Some(e);
        } else {
            assembly.body = Some(Partial::begin(header.body as usize, self.limit, self.sender.clone()));
        }
        refusal = self.put(&mut assembly, content + HEADER, here as usize)?.or(refusal);
        self.assembly = Some(assembly);
        self.at += record.size();
        self.release();
        refusal.map_or(Ok(Step::Piece), Err)
    }

    #[cold]
    fn piece(&mut self, record: Record) -> Result<Step> {
        let content = self.place() + WORD as usize;
        let Some(mut assembly) = self.assembly.take() else { return Ok(Step::Empty) };
        if record.length() as u64 > assembly.missing {
            let text = "the peer's ring holds more pieces of a message than its header announced";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        let refusal = self.put(&mut assembly, content, record.length())?;
        if assembly.missing > 0 {
            self.assembly = Some(assembly);
            self.at += record.size();
            self.release();
            return refusal.map_or(Ok(Step::Piece), Err);
        }
        self.pass(record, assembly.header.sequence);
        if assembly.body.is_none() {
            self.release();
            return refusal.map_or(Ok(Step::Piece), Err);
        }
        self.assembly = Some(assembly);
        Ok(Step::Assembled)
    }

    /// Copies `length` bytes, which are not more than are missing, into the frame. Gives why it is refused from now on, where
    /// there is no memory for them; an error is for good.
    fn put(&self, assembly: &mut Assembly, content: usize, length: usize) -> Result<Option<Error>> {
        assembly.missing -= length as u64;
        let Some(body) = &mut assembly.body else { return Ok(None) };
        let of_extension = length.min(assembly.header.extension - assembly.extension.len());
        self.append(&mut assembly.extension, content, of_extension);
        let (mut from, end) = (content + of_extension, content + length);
        while from < end {
            let appended = body.append(|bytes, most| {
                let here = most.min(end - from);
                self.append(bytes, from, here);
                Ok(Some(here))
            });
            match appended {
                Ok(here) => from += here.unwrap_or(0),
                Err(e) if e.kind() == ErrorKind::OutOfMemory => {
                    assembly.body = None;
                    return Ok(Some(e));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    fn append(&self, to: &mut Vec<u8>, from: usize, length: usize) {
        to.reserve(length);
        self.peer.copy_out(from, &mut to.spare_capacity_mut()[..length]);
        // SAFETY: `reserve` made room for them, and `copy_out` has just initialised them all.
        unsafe { to.set_len(to.len() + length) };
    }

    #[inline]
    fn copy(&self, from: usize, length: usize) -> Vec<u8> {
        let mut bytes = spare::buffer(length);
        self.append(&mut bytes, from, length);
        bytes
    }

    /// Reads a header word, and whether its record lies where an honest writer can have put it.
    #[inline(always)]
    fn check(&self, word: u64) -> Result<Record> {
        let record = Record::from_word(word, self.at >> self.shift)?;
        let (size, left) = (record.size(), self.ring - (self.at & (self.ring - 1)));
        // What is read and not released, this record, and the granule that is always free.
        if size > left || self.at - self.head + size + GRANULE > self.ring {
            return Err(garbage(word, "the record is longer than the room that the peer had"));
        }
        Ok(record)
    }

    #[cold]
    fn skip_pad(&mut self, word: u64, record: Record) -> Result<()> {
        let offset = self.at & (self.ring - 1);
        if offset == 0 || offset + record.size() != self.ring {
            return Err(garbage(word, "a pad that does not end a lap"));
        }
        self.at += record.size();
        Ok(())
    }

    /// Behind the last record of a frame.
    #[inline]
    fn pass(&mut self, record: Record, sequence: u64) {
        self.at += record.size();
        self.frames += 1;
        if sequence != 0 {
            self.sequence = sequence;
        }
    }

    /// Tells the peer that what has been read is free again.
    fn release(&mut self) {
        self.head = self.at;
        self.mine.store_fenced(at::HEAD, self.head);
    }

    /// Tells the peer that every frame given so far has been consumed; false when it knew.
    #[inline]
    pub fn consume(&mut self) -> bool {
        if self.consumed == self.frames && self.head == self.at {
            return false;
        }
        self.consumed = self.frames;
        self.mine.store(at::CONSUMED, self.consumed, Ordering::Release);
        self.release();
        true
    }

    /// Up to where the peer knows its ring to be free.
    pub fn head(&self) -> u64 {
        self.head
    }
}

fn as_uninit(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    let (start, length) = (bytes.as_mut_ptr().cast(), bytes.len());
    // SAFETY: the same bytes, borrowed alike; `Memory::copy_out` writes initialised bytes only.
    unsafe { std::slice::from_raw_parts_mut(start, length) }
}

#[cold]
pub(super) fn too_large(bytes: u64, limit: u64) -> Error {
    let text = format!("a message of {bytes} bytes came, {limit} are allowed (option limit); it was skipped");
    Error::new(ErrorKind::TooLarge, text)
}
