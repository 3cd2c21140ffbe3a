//! The reading end of a broadcast ring: it copies a record and then checks whether it was overwritten.
//!
//! A record counts only if, after the copy, `reserved` (see `ring_writer`) is at most one ring ahead of its position.
//! Before that check the bytes may mix two records, so the reader derives nothing from them: no error, and no
//! allocation beyond `limit`. A record that is invalid after the check is `Malformed`.
//!
//! An overtaken reader may skip any number of bytes; the sequence number keeps the count in `Lagged` exact. Nothing
//! here blocks. All words of the publisher are hostile input: any value gives an error or wrong contents, and every
//! loop is bounded.

mod copying;
mod fast;

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use super::super::memory::{Memory, fence};
use super::super::record::{GRANULE, Record, Shape, WORD, garbage};
use super::super::ring::Ring;
use super::super::segment::{self, at, state};
use super::views::{Referring, Resolved};
use crate::body::PLACED_FROM;
use crate::broadcast::received::{Received, Start, not_rising};
use crate::error::{Error, ErrorKind, Result, memory};
use crate::frame::{Incoming, flags};
use crate::sys::memory::PeerMemory;

/// The reading end. One thread at a time uses it.
#[derive(Debug)]
pub struct RingReader<P> {
    peer: P,
    ring: Ring,
    /// The longest body in bytes; longer messages are skipped with `TooLarge`.
    limit: u64,
    /// The longest body of a fast-path record, in bytes.
    fast_limit: u64,
    /// The [`FastRecord::FORM`] bits of this lap, valid below `fast_end`: the lap's end, or 0 for none.
    fast: u64,
    fast_end: u64,
    position: u64,
    /// The record that gets the flag `RETAINED`, because it is older than this subscription.
    retained: Option<Retained>,
    /// The message after a reported gap, with its record and number.
    ///
    /// It was read early to see whether its slots were overwritten.
    behind_gap: Option<(Record, u64, Incoming)>,
    /// The last sequence number returned or reported as missed; `None` before the first record.
    sequence: Option<u64>,
    /// The numbers up to this one may come once more: this side read them in an earlier ring.
    before: u64,
    /// The number of the last message, if it was in slots. The publisher may write it again for readers without
    /// slots.
    rewritable: Option<u64>,
}

/// Which record is older than the subscription.
#[derive(Clone, Copy, Debug)]
enum Retained {
    At(u64),
    Numbered(u64),
}

/// Why a record could not be read.
enum ReadError {
    Overtaken,
    /// This side lacks the record's slot file; the publisher sends it in the answer to a new hello.
    FileAbsent,
    /// The record was whole, but is invalid or too large, or memory is lacking.
    Failed(Error),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> ReadError {
        ReadError::Failed(error)
    }
}

/// Returns the elements that a record refers to.
pub(super) type Resolve<'a> = dyn FnMut(Referring) -> Result<Resolved> + 'a;

#[cfg(any(test, fuzzing))]
fn no_slots(_: Referring) -> Result<Resolved> {
    Err(Error::new(ErrorKind::Malformed, "the publisher refers to slots, which this reader has not"))
}

/// How often a read is repeated because the publisher overwrote the record during the copy.
const MAX_ATTEMPTS: u32 = 8;

impl RingReader<PeerMemory> {
    /// Checks and maps the ring that a publisher of this session sent.
    ///
    /// # Errors
    /// `Malformed` unless it is a sealed ring of this session, `VersionMismatch` for another layout, `OutOfMemory` if
    /// mapping fails.
    pub fn open(file: OwnedFd, session: u64, limit: u64, start: Start) -> Result<RingReader<PeerMemory>> {
        let (memory, ring) = segment::open(&file.into(), segment::BROADCAST, session)?;
        Ok(RingReader::new(memory, ring, limit, start))
    }
}

impl<P: Memory> RingReader<P> {
    pub fn new(peer: P, ring: usize, limit: u64, start: Start) -> RingReader<P> {
        let mut ring_reader = RingReader {
            peer,
            ring: Ring::new(ring),
            limit,
            fast_limit: limit.min(PLACED_FROM as u64 - 1),
            fast: 0,
            fast_end: 0,
            position: 0,
            retained: None,
            behind_gap: None,
            sequence: None,
            before: 0,
            rewritable: None,
        };
        match start {
            Start::Newest if ring_reader.word(at::COUNT) > 0 => {
                ring_reader.position = ring_reader.word(at::LATEST);
                ring_reader.retained = Some(Retained::At(ring_reader.position));
            }
            // Nothing was published yet, so the first message has the number 1, and none is missed.
            Start::Newest => ring_reader.sequence = Some(0),
            Start::With(sequence) => {
                ring_reader.retained = Some(Retained::Numbered(sequence));
                ring_reader.start_after(sequence.saturating_sub(1));
            }
            Start::After(sequence) => ring_reader.start_after(sequence),
        }
        ring_reader.renew_fast_end();
        ring_reader
    }

    /// Begins with the first message above this sequence number, or reports the lost ones.
    ///
    /// The search starts at the beginning of a ring that was not lapped, otherwise at the restart position.
    fn start_after(&mut self, sequence: u64) {
        (self.sequence, self.before) = (Some(sequence), sequence);
        if self.word(at::TAIL) > self.ring.length {
            self.position = self.word(at::RESTART);
        }
    }

    /// A word of the ring's header page. Acquire: the publisher's earlier stores are visible.
    fn word(&self, at: usize) -> u64 {
        self.peer.load(at, Ordering::Acquire)
    }

    /// Whether [`RingReader::read`] would return anything but `Nothing`; for spinning, in relaxed order.
    pub fn is_ready(&self) -> bool {
        self.has_next() || self.peer.load(at::STATE, Ordering::Relaxed) != state::OPEN
    }

    /// [`RingReader::is_ready`] after the store of this side's park word: it decides about sleeping.
    ///
    /// It checks the tail, which the publisher's full fence follows.
    pub fn is_ready_fenced(&self) -> bool {
        self.peer.load_fenced(at::TAIL) > self.position || self.peer.load_fenced(at::STATE) != state::OPEN
    }

    pub fn peer(&self) -> &P {
        &self.peer
    }

    pub fn wakes_from_futex(&self) -> bool {
        self.peer.load(at::POLL_ONLY, Ordering::Relaxed) == 0
    }

    /// Where to continue in the ring that the publisher has moved to.
    pub fn resume(&self) -> Start {
        self.sequence.map_or(Start::Newest, Start::After)
    }

    /// Returns the next frame, `Nothing`, or `Moved` at the end of a ring that the publisher has left.
    ///
    /// Never blocks.
    ///
    /// # Errors
    /// - `Lagged` with the number of missed messages, once for each gap; the next call returns the message after the
    ///   gap.
    /// - `TooLarge`, `OutOfMemory`: one message was skipped. A message without memory counts as missed, which the error
    ///   says.
    /// - `Stalled`: the publisher overwrote the record eight times in a row; the call may be repeated.
    /// - `Disconnected`: the publisher has closed and everything was read.
    /// - `Malformed`: the ring is invalid, and stays so.
    #[cfg(any(test, fuzzing))]
    pub fn read(&mut self) -> Result<Received> {
        self.read_with(&mut no_slots)
    }

    /// [`RingReader::read`] with slots: `resolve` returns the elements that a record refers to.
    #[inline]
    pub(super) fn read_with(&mut self, resolve: &mut Resolve<'_>) -> Result<Received> {
        if let Some((record, sequence, frame)) = self.behind_gap.take() {
            let frame = self.returned(record, sequence, frame);
            self.renew_fast_end();
            return Ok(Received::Frame(frame));
        }
        let (mut attempts, mut skipped) = (0, 0);
        loop {
            let word = self.next_word();
            if word == 0 {
                let ring_state = self.word(at::STATE);
                let tail = self.word(at::TAIL);
                // After the loads of both words, because the publisher stores them after their records' words. A zero
                // before the tail comes from a record that overwrote this one, or from a hostile publisher.
                if self.next_word() == 0 && tail <= self.position {
                    return match ring_state {
                        state::OPEN => Ok(Received::Nothing),
                        state::MOVED => Ok(Received::Moved),
                        _ => Err(Error::new(ErrorKind::Disconnected, "the publisher has closed")),
                    };
                }
            }
            self.ring.prefetch(&self.peer, self.position, Record::size_of(word));
            match self.read_next(resolve) {
                Ok(Some(frame)) => {
                    self.renew_fast_end();
                    return Ok(Received::Frame(frame));
                }
                Ok(None) if skipped <= self.ring.length / GRANULE => skipped += 1,
                Ok(None) => {
                    let text = "the publisher's ring holds more empty or repeated records than fit in it";
                    return Err(Error::new(ErrorKind::Malformed, text));
                }
                Err(ReadError::Failed(error)) => return Err(error),
                Err(ReadError::FileAbsent) => return Ok(Received::Moved),
                Err(ReadError::Overtaken) if attempts == MAX_ATTEMPTS => return Err(stalled()),
                Err(ReadError::Overtaken) => {
                    attempts += 1;
                    self.catch_up();
                }
            }
        }
    }

    fn next_word(&self) -> u64 {
        self.peer.load(self.ring.offset_of(self.position), Ordering::Acquire)
    }

    /// Reads the record at the position.
    ///
    /// `None` after a pad, or after a message that comes once more (see [`RingReader::comes_again`]). Frames with the
    /// number 0 are outside the sequence and always returned.
    ///
    /// # Errors
    /// `Malformed` for any other number that does not rise: the publisher's gaps could not be counted.
    fn read_next(&mut self, resolve: &mut Resolve<'_>) -> std::result::Result<Option<Incoming>, ReadError> {
        let (record, sequence) = self.read_header(self.position)?;
        let is_pad = record.shape() == Some(Shape::Pad);
        let ordered = !is_pad && sequence != 0;
        let last = self.sequence.filter(|last| ordered && sequence <= *last);
        if let Some(last) = last
            && !self.comes_again(sequence)
        {
            return Err(not_rising(sequence, last).into());
        }
        if is_pad || last.is_some() {
            self.pass(record);
            return Ok(None);
        }
        if let Some(last) = self.sequence.filter(|last| ordered && sequence - last > 1) {
            // A message whose slot was overwritten belongs to the gap before it.
            if matches!(record.shape(), Some(Shape::Slots | Shape::Placed)) {
                match self.take_record(self.position, record, resolve) {
                    Ok(Some(frame)) => self.behind_gap = Some((record, sequence, frame)),
                    Ok(None) => {
                        self.pass(record);
                        return Ok(None);
                    }
                    // The next call returns the error.
                    Err(_) => {}
                }
            }
            self.sequence = Some(sequence - 1);
            return Err(Error::lagged(sequence - last - 1).into());
        }
        match self.take_record(self.position, record, resolve) {
            // A message that is too large still counts as read.
            Err(ReadError::Failed(e)) if e.kind() == ErrorKind::TooLarge => {
                self.read_to(record, sequence);
                Err(e.into())
            }
            // The publisher does not wait until this process has memory, so the message is missed.
            Err(ReadError::Failed(e)) if e.kind() == ErrorKind::OutOfMemory => {
                self.read_to(record, sequence);
                Err(memory::missed(e, 0).into())
            }
            Ok(Some(frame)) => Ok(Some(self.returned(record, sequence, frame))),
            // The slots were overwritten; the next sequence number shows the gap.
            Ok(None) => {
                self.pass(record);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether an honest publisher may write this number once more, after this side has read it.
    fn comes_again(&mut self, sequence: u64) -> bool {
        sequence <= self.before || self.rewritable.take_if(|number| *number == sequence).is_some()
    }

    fn returned(&mut self, record: Record, sequence: u64, mut frame: Incoming) -> Incoming {
        if self.read_to(record, sequence) {
            frame.header.flags |= flags::RETAINED;
        }
        frame
    }

    /// Moves past the record; returns whether its message is older than this subscription.
    fn read_to(&mut self, record: Record, sequence: u64) -> bool {
        let ordered = sequence != 0;
        let retained = match self.retained.take() {
            Some(Retained::At(position)) => position == self.position,
            Some(Retained::Numbered(number)) => ordered && number == sequence,
            None => false,
        };
        self.pass(record);
        if ordered {
            self.sequence = Some(sequence);
            let is_in_slots = matches!(record.shape(), Some(Shape::Slots | Shape::Placed));
            self.rewritable = is_in_slots.then_some(sequence);
        }
        retained
    }

    /// Moves past a record. Saturating: a hostile publisher's position may be the maximum.
    fn pass(&mut self, record: Record) {
        self.position = self.position.saturating_add(record.size());
    }

    /// Returns the newest frame with the flag `RETAINED`, `Nothing` before the first, or `Moved`.
    ///
    /// # Errors
    /// `Stalled` if the publisher overwrote the record during eight copies; `TooLarge`, `OutOfMemory`, `Malformed` as
    /// for [`RingReader::read`].
    #[cfg(any(test, fuzzing))]
    pub fn latest(&self) -> Result<Received> {
        self.latest_with(&mut no_slots)
    }

    /// [`RingReader::latest`] with slots.
    pub(super) fn latest_with(&self, resolve: &mut Resolve<'_>) -> Result<Received> {
        for _ in 0..MAX_ATTEMPTS {
            if self.word(at::STATE) == state::MOVED {
                return Ok(Received::Moved);
            }
            let copied = match self.newest() {
                Ok(None) => return Ok(Received::Nothing),
                Ok(Some((position, record))) => self.take_record(position, record, resolve),
                Err(error) => Err(error),
            };
            match copied {
                Ok(Some(mut frame)) => {
                    frame.header.flags |= flags::RETAINED;
                    return Ok(Received::Frame(frame));
                }
                Err(ReadError::Failed(error)) => return Err(error),
                Err(ReadError::FileAbsent) => return Ok(Received::Moved),
                Ok(None) | Err(ReadError::Overtaken) => {}
            }
        }
        Err(stalled())
    }

    /// Returns position and record of the newest message.
    fn newest(&self) -> std::result::Result<Option<(u64, Record)>, ReadError> {
        /// The most records after the one that the publisher names; a hostile publisher could go on forever.
        const MOST: u32 = 8192;
        let count = self.word(at::COUNT);
        let mut position = self.word(at::LATEST);
        let mut newest = None;
        // A subscriber may have read a record that the publisher does not name yet; this result must not be older.
        for _ in 0..MOST {
            let is_absent = self.peer.load(self.ring.offset_of(position), Ordering::Relaxed) == 0;
            if is_absent && (newest.is_some() || count == 0) {
                break;
            }
            let (record, _) = self.read_header(position)?;
            if record.shape() != Some(Shape::Pad) {
                newest = Some((position, record));
            } else if newest.is_none() {
                let text = "the publisher's newest record is a pad";
                return Err(Error::new(ErrorKind::Malformed, text).into());
            }
            // As in `pass`.
            position = position.saturating_add(record.size());
        }
        Ok(newest)
    }

    #[cfg(all(test, loom))]
    pub fn newest_sequence(&self) -> u64 {
        match self.newest() {
            Ok(Some((position, _))) => self.read_header(position).map_or(0, |(_, sequence)| sequence),
            _ => 0,
        }
    }

    /// Moves an overtaken reader to the restart position, which leaves time to read.
    ///
    /// A reader that has returned nothing misses no messages, and moves to the newest record.
    fn catch_up(&mut self) {
        let to = self.word(if self.sequence.is_none() { at::LATEST } else { at::RESTART });
        self.position = self.position.max(to);
        // The publisher's word may be no place of a record: the general path checks it.
        self.fast_end = 0;
    }

    /// Validates the header word at `position`, and loads the record's sequence number, 0 for a pad.
    fn read_header(&self, position: u64) -> std::result::Result<(Record, u64), ReadError> {
        if !position.is_multiple_of(GRANULE) {
            let text = format!("the publisher's ring has a record at {position}, between two granules");
            return Err(ReadError::Failed(Error::new(ErrorKind::Malformed, text)));
        }
        let offset = self.ring.offset_of(position);
        let word = self.peer.load(offset, Ordering::Acquire);
        // Checked before decoding: a word of the next lap is no fault of the publisher.
        if !self.is_intact(position) {
            return Err(ReadError::Overtaken);
        }
        let record = Record::from_word(word, self.ring.lap(position))?;
        let (size, left) = (record.size(), self.ring.left(position));
        let sequence = match (record.shape(), record.sequence_at()) {
            (Some(Shape::Pad), _) if size == left => 0,
            (_, Some(at)) if size <= left => self.peer.load(offset + WORD as usize + at, Ordering::Relaxed),
            _ => return Err(garbage(word, "no publisher stores such a record at this position").into()),
        };
        if !self.is_intact(position) {
            return Err(ReadError::Overtaken);
        }
        Ok((record, sequence))
    }

    /// Whether the publisher has not begun to overwrite the record at `position`.
    ///
    /// The acquire fence orders the check after the loads of the record, and pairs with the release fence of
    /// `RingWriter::reserve`. Saturating, as in [`RingReader::pass`].
    pub(super) fn is_intact(&self, position: u64) -> bool {
        fence(Ordering::Acquire);
        self.peer.load(at::RESERVED, Ordering::Relaxed) <= position.saturating_add(self.ring.length)
    }
}

#[cold]
fn stalled() -> Error {
    let text = "the publisher overwrote the message eight times while it was being copied; try again, or give it a larger buffer";
    Error::new(ErrorKind::Stalled, text)
}
