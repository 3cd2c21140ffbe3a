//! The reading end of a broadcast ring: it copies, and then sees whether the publisher was faster.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::super::memory::{Memory, fence};
use super::super::reader::too_large;
use super::super::segment::{self, PAGE, at, state};
use super::record::{GRANULE, Mark};
use crate::buffers;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::spare::{self, aligned};
use crate::frame::{HEADER, Header, Incoming, flags};
use crate::sys::memory::PeerMemory;

/// What a look into the ring gave.
#[derive(Debug)]
pub(crate) enum Received {
    /// A frame.
    Frame(Incoming),
    /// Nothing new.
    Nothing,
    /// The publisher goes on in a larger file: ask it for that one.
    Moved,
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the newest record, which it gets flagged as retained.
    Newest,
    /// With the message of this sequence number, which it gets flagged as retained; with 0, with the first message of all.
    With(u64),
    /// Behind the message of this sequence number, which it has had from the file before.
    After(u64),
}

/// The reading end.
#[derive(Debug)]
pub(crate) struct RingReader<P> {
    peer: P,
    ring: u64,
    limit: u64,
    /// The next record, counted from the beginning of time.
    at: u64,
    /// The record that was the newest at the beginning.
    retained: Option<Retained>,
    /// The last sequence number that was given or reported missed; `None` before the first, whichever that is.
    sequence: Option<u64>,
}

/// Which record was there before its reader.
#[derive(Clone, Copy, Debug)]
enum Retained {
    /// The one at this position.
    At(u64),
    /// The one with this sequence number.
    Numbered(u64),
}

/// Why a record was not taken.
enum Miss {
    /// The publisher has overwritten it.
    Overtaken,
    /// For an error's sake.
    Error(Error),
}

impl From<Error> for Miss {
    fn from(error: Error) -> Miss {
        Miss::Error(error)
    }
}

/// How often a record is tried that the publisher keeps overwriting.
const TRIES: u32 = 8;

impl RingReader<PeerMemory> {
    /// Checks and maps the ring that a publisher of this session sent. Bodies above `limit` are refused.
    pub fn open(file: OwnedFd, session: u64, limit: u64, start: Start) -> Result<RingReader<PeerMemory>> {
        let (memory, ring) = segment::open(file.as_fd(), segment::BROADCAST, session)?;
        Ok(RingReader::new(memory, ring, limit, start))
    }
}

impl<P: Memory> RingReader<P> {
    /// The reading end of the ring of `ring` bytes in `peer`.
    pub fn new(peer: P, ring: usize, limit: u64, start: Start) -> RingReader<P> {
        let mut ring_reader =
            RingReader { peer, ring: ring as u64, limit, at: 0, retained: None, sequence: None };
        match start {
            Start::Newest if ring_reader.word(at::COUNT) > 0 => {
                ring_reader.at = ring_reader.word(at::LATEST);
                ring_reader.retained = Some(Retained::At(ring_reader.at));
            }
            // Nothing yet, so the first to come is number 1.
            Start::Newest => ring_reader.sequence = Some(0),
            Start::With(sequence) => {
                ring_reader.retained = Some(Retained::Numbered(sequence));
                ring_reader.begin_behind(sequence.saturating_sub(1));
            }
            Start::After(sequence) => ring_reader.begin_behind(sequence),
        }
        ring_reader
    }

    fn begin_behind(&mut self, sequence: u64) {
        self.sequence = Some(sequence);
        if self.word(at::TAIL) > self.ring {
            self.at = self.word(at::RESTART);
        }
    }

    fn word(&self, at: usize) -> u64 {
        self.peer.load(at, Ordering::Acquire)
    }

    /// Whether [`RingReader::read`] would give anything but `Nothing`.
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.peer.load(at::TAIL, Ordering::Relaxed) != self.at
            || self.peer.load(at::STATE, Ordering::Relaxed) != state::OPEN
    }

    /// The same, ordered behind this side's park word.
    pub fn is_ready_fenced(&self) -> bool {
        self.peer.load_fenced(at::TAIL) != self.at || self.peer.load_fenced(at::STATE) != state::OPEN
    }

    /// The publisher's memory.
    pub fn peer(&self) -> &P {
        &self.peer
    }

    /// Whether the publisher wakes those who sleep in the futex.
    pub fn wakes_from_futex(&self) -> bool {
        self.peer.load(at::POLL_ONLY, Ordering::Relaxed) == 0
    }

    /// Where to go on in the ring that the publisher has moved to.
    pub fn resume(&self) -> Start {
        self.sequence.map_or(Start::Newest, Start::After)
    }

    /// The next frame. `Lagged` once when the publisher was faster, and then on with the oldest that is safe;
    /// `TooLarge` and `OutOfMemory` skip one frame; `Stalled` may be tried again; other errors are for good.
    pub fn read(&mut self) -> Result<Received> {
        let (mut tries, mut skipped) = (0, 0);
        loop {
            // Before the tail: what was written before the move is still read.
            let said = self.word(at::STATE);
            let tail = self.word(at::TAIL);
            if tail == self.at {
                return match said {
                    state::OPEN => Ok(Received::Nothing),
                    state::MOVED => Ok(Received::Moved),
                    _ => Err(Error::new(ErrorKind::Disconnected, "the publisher has closed")),
                };
            }
            if tail < self.at || !tail.is_multiple_of(GRANULE) {
                let text = format!("the publisher's ring ends at {tail}, before {}, which was read", self.at);
                return Err(Error::new(ErrorKind::Malformed, text));
            }
            self.warm(tail);
            match self.next(tail) {
                Ok(Some(frame)) => return Ok(Received::Frame(frame)),
                Ok(None) if skipped <= self.ring / GRANULE => skipped += 1,
                Ok(None) => {
                    let text =
                        "the publisher's ring holds more records that say nothing than it has room for";
                    return Err(Error::new(ErrorKind::Malformed, text));
                }
                Err(Miss::Error(error)) => return Err(error),
                Err(Miss::Overtaken) if tries == TRIES => return Err(stalled()),
                Err(Miss::Overtaken) => {
                    tries += 1;
                    self.catch_up();
                }
            }
        }
    }

    /// Asks for all that the next record is read from at once: the publisher had written to these lines last, and they would come
    /// one after the other.
    #[inline]
    fn warm(&self, tail: u64) {
        const LINE: u64 = 64;
        /// What is behind it is fetched while the beginning is being looked at.
        const MOST: u64 = 256;
        self.peer.prefetch(at::RESERVED);
        let mut line = self.at & !(LINE - 1);
        let end = tail.min(self.at + MOST);
        while line < end {
            self.peer.prefetch(self.place(line));
            line += LINE;
        }
    }

    /// The record at the position, or `None` when that has only moved on.
    fn next(&mut self, tail: u64) -> std::result::Result<Option<Incoming>, Miss> {
        let (mark, sequence) = self.look(self.at, tail)?;
        let ordered = !mark.pad && sequence != 0;
        let had = self.sequence.is_some_and(|had| ordered && sequence <= had);
        if mark.pad || had {
            self.at += mark.size;
            return Ok(None);
        }
        if let Some(had) = self.sequence.filter(|had| ordered && sequence - had > 1) {
            self.sequence = Some(sequence - 1);
            return Err(Error::lagged(sequence - had - 1).into());
        }
        let frame = match self.copy(self.at, mark) {
            Err(Miss::Error(e)) if matches!(e.kind(), ErrorKind::TooLarge | ErrorKind::OutOfMemory) => Err(e),
            other => Ok(other?),
        };
        let retained = match self.retained.take() {
            Some(Retained::At(position)) => position == self.at,
            Some(Retained::Numbered(number)) => ordered && number == sequence,
            None => false,
        };
        self.at += mark.size;
        if ordered {
            self.sequence = Some(sequence);
        }
        let mut frame = frame?;
        if retained {
            frame.header.flags |= flags::RETAINED;
        }
        Ok(Some(frame))
    }

    /// The newest frame, flagged as retained; does not move the position. `Stalled` when the publisher overwrote it
    /// eight times while it was being copied.
    pub fn latest(&self) -> Result<Received> {
        for _ in 0..TRIES {
            match self.word(at::STATE) {
                state::MOVED => return Ok(Received::Moved),
                _ if self.word(at::COUNT) == 0 => return Ok(Received::Nothing),
                _ => {}
            }
            let position = self.word(at::LATEST);
            // Behind the newest there may be newer ones by now, so the tail is no bound; the lap is.
            let copied = self.look(position, u64::MAX).and_then(|(mark, _)| {
                if mark.pad {
                    let text = "the publisher's newest record is a pad";
                    return Err(Miss::Error(Error::new(ErrorKind::Malformed, text)));
                }
                self.copy(position, mark)
            });
            match copied {
                Ok(mut frame) => {
                    frame.header.flags |= flags::RETAINED;
                    return Ok(Received::Frame(frame));
                }
                Err(Miss::Error(error)) => return Err(error),
                Err(Miss::Overtaken) => {}
            }
        }
        Err(stalled())
    }

    /// After being overtaken: on to a record that leaves time to be read.
    fn catch_up(&mut self) {
        let to = self.word(if self.sequence.is_none() { at::LATEST } else { at::RESTART });
        self.at = self.at.max(to);
    }

    /// The two words of the record at `position`.
    fn look(&self, position: u64, tail: u64) -> std::result::Result<(Mark, u64), Miss> {
        if !position.is_multiple_of(GRANULE) {
            let text = format!("the publisher's ring has a record at {position}, between two granules");
            return Err(Miss::Error(Error::new(ErrorKind::Malformed, text)));
        }
        let place = self.place(position);
        let word = self.peer.load(place, Ordering::Relaxed);
        let sequence = self.peer.load(place + 8, Ordering::Relaxed);
        if !self.is_intact(position) {
            return Err(Miss::Overtaken);
        }
        let left = self.ring - (position & (self.ring - 1));
        let mark = Mark::from_word(word, position / self.ring, left)?;
        if mark.size > tail - position {
            let text = "the publisher's ring holds a record that goes on behind its end";
            return Err(Miss::Error(Error::new(ErrorKind::Malformed, text)));
        }
        Ok((mark, sequence))
    }

    /// A frame in memory of our own, whole or not at all.
    fn copy(&self, position: u64, mark: Mark) -> std::result::Result<Incoming, Miss> {
        let place = self.place(position) + GRANULE as usize;
        let mut header = [0; HEADER];
        for (i, word) in header.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&self.peer.load(place + i * 8, Ordering::Relaxed).to_le_bytes());
        }
        if !self.is_intact(position) {
            return Err(Miss::Overtaken);
        }
        let header = Header::from_bytes(&header)?;
        if !mark.holds(header.extension, header.body) {
            let text = "the publisher's ring holds a message whose lengths are not its record's";
            return Err(Miss::Error(Error::new(ErrorKind::Malformed, text)));
        }
        if header.body > self.limit {
            return Err(too_large(header.body, self.limit).into());
        }
        let extension = self.copy_bytes(place + HEADER, header.extension)?;
        let body = self.copy_bytes(place + HEADER + header.extension, header.body as usize)?;
        if !self.is_intact(position) {
            return Err(Miss::Overtaken);
        }
        let extension = if extension.is_empty() { Bytes::new() } else { extension.into() };
        Ok(Incoming { header, extension, body: aligned(body) })
    }

    fn copy_bytes(&self, from: usize, length: usize) -> Result<Vec<u8>> {
        let mut bytes = if length <= spare::LONGEST { spare::buffer(length) } else { buffers::take(length) };
        if bytes.try_reserve_exact(length).is_err() {
            let text = format!("no memory for a message of {length} bytes, which was skipped");
            return Err(Error::new(ErrorKind::OutOfMemory, text));
        }
        self.peer.copy_out_racing(from, &mut bytes.spare_capacity_mut()[..length]);
        // SAFETY: the reservation made room for them, and `copy_out_racing` has just initialised them all.
        unsafe { bytes.set_len(length) };
        Ok(bytes)
    }

    /// Whether what has been read of the record at `position` was not being overwritten meanwhile.
    pub(super) fn is_intact(&self, position: u64) -> bool {
        fence(Ordering::Acquire);
        self.peer.load(at::RESERVED, Ordering::Relaxed) <= position.saturating_add(self.ring)
    }

    fn place(&self, position: u64) -> usize {
        PAGE + (position & (self.ring - 1)) as usize
    }
}

#[cold]
fn stalled() -> Error {
    let text = "the publisher overwrote what was being read eight times in a row; try again, or give it a larger buffer";
    Error::new(ErrorKind::Stalled, text)
}
