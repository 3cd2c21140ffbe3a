//! The output of an encoder: the end of a buffer, with a limit on its length.
//!
//! Small items are appended without a check, and the limit on nodes bounds their number. Blocks whose length the value
//! decides check the limit first. `finish` refuses a message that is too long.
//!
//! The buffer has zeros ahead of the content, so a small item reserves no memory. The drop removes the zeros.

use std::fmt;

use bytes::Bytes;

use crate::body::{PLACED_FROM, Placer};
use crate::buffers;
use crate::error::{Result, memory};
use crate::value::Limits;

/// The greatest length of a block that is appended without a call.
pub(crate) const SHORT: usize = 16;

const AHEAD: [usize; 2] = [256, 4096];

/// Zeros after a long block, before which few small items follow.
const BEHIND_LONG: usize = 64;

pub(crate) struct Output<'a> {
    /// The buffer: its earlier content, the content of this encoding, and zeros.
    bytes: &'a mut Vec<u8>,
    at: usize,
    ahead: usize,
    start: usize,
    /// The content's greatest length: `start` plus [`Limits::message`], less bytes stored elsewhere.
    most: usize,
    limit: u64,
    placer: Option<&'a mut dyn Placer>,
    elsewhere: usize,
    spilled: usize,
    may_spill: bool,
    /// Bytes without memory: the content is lost, and `finish` reports it.
    lacks: usize,
}

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("at", &self.at).finish_non_exhaustive()
    }
}

/// Removes the zeros, also after an error.
impl Drop for Output<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.at);
    }
}

// Not inlined: the compiler would call `calloc`, which glibc's thread cache does not serve, for a new buffer.
#[inline(never)]
fn write_ahead(bytes: &mut Vec<u8>, count: usize) {
    bytes.resize(bytes.capacity().min(bytes.len().saturating_add(count)), 0);
}

#[inline(never)]
fn write_first(bytes: &mut Vec<u8>) {
    if bytes.capacity() - bytes.len() >= AHEAD[0] {
        bytes.extend_from_slice(&[0; AHEAD[0]]);
    } else {
        write_ahead(bytes, AHEAD[0]);
    }
}

/// Copies at most [`SHORT`] bytes to a slice with that room, by two chunks without a call.
#[inline(always)]
pub(crate) fn copy_short(bytes: &[u8], to: &mut [u8]) {
    let length = bytes.len().min(SHORT);
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        to[..8].copy_from_slice(first);
        to[length - 8..length].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        to[..4].copy_from_slice(first);
        to[length - 4..length].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<2>(), bytes.last_chunk::<2>()) {
        to[..2].copy_from_slice(first);
        to[length - 2..length].copy_from_slice(last);
    } else if let Some(byte) = bytes.first() {
        to[0] = *byte;
    }
}

impl<'a> Output<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a mut Vec<u8>, limits: &Limits) -> Output<'a> {
        Output::with_placer(bytes, limits, None)
    }

    /// Returns the end of this buffer; the placer may store long arrays elsewhere.
    pub(crate) fn with_placer(
        bytes: &'a mut Vec<u8>,
        limits: &Limits,
        placer: Option<&'a mut dyn Placer>,
    ) -> Output<'a> {
        let (at, limit) = (bytes.len(), limits.message);
        let most = at.saturating_add(usize::try_from(limit).unwrap_or(usize::MAX));
        write_first(bytes);
        let (spilled, may_spill) = (0, false);
        Output {
            bytes,
            at,
            ahead: AHEAD[0],
            start: at,
            most,
            limit,
            placer,
            elsewhere: 0,
            spilled,
            may_spill,
            lacks: 0,
        }
    }

    /// Lets the placer take long content, then in reach of only [`Output::overwrite`] and `pieces`.
    pub(crate) fn spilling(mut self) -> Output<'a> {
        self.may_spill = self.placer.is_some();
        self
    }

    /// Passes long content, and the bytes after it, to the placer; false if the caller appends these bytes.
    #[cold]
    #[inline(never)]
    fn spill(&mut self, behind: &[&[u8]]) -> bool {
        let Some(placer) = &mut self.placer else { return false };
        let content = [&self.bytes[self.start..self.at]];
        let behind_length: usize = behind.iter().map(|piece| piece.len()).sum();
        if behind_length >= PLACED_FROM {
            placer.expect(self.spilled + content[0].len() + behind_length);
        }
        let mut taken = 0;
        for piece in content.iter().chain(behind) {
            if !placer.spill(piece) {
                break;
            }
            taken += piece.len();
        }
        let length = content[0].len();
        if taken < length {
            self.may_spill = false;
            return false;
        }
        self.bytes.truncate(self.start);
        self.at = self.start;
        self.count_spilled(taken);
        // The placer took a part; the content takes it back.
        let all = length + behind_length;
        if taken < all {
            self.take_back();
            self.truncate(self.at - (taken - length));
            return false;
        }
        true
    }

    fn count_spilled(&mut self, count: usize) {
        self.spilled += count;
        self.elsewhere += count;
        self.most = self.most.saturating_sub(count);
    }

    #[cold]
    #[inline(never)]
    fn take_back(&mut self) {
        self.may_spill = false;
        let Some(placer) = self.placer.as_mut().filter(|_| self.spilled > 0) else { return };
        let count = self.spilled;
        self.bytes.truncate(self.at);
        if !buffers::reserve(self.bytes, count) && self.bytes.try_reserve_exact(count).is_err() {
            return self.lose(count);
        }
        let spilled = placer.spilled();
        self.bytes.resize(self.at + spilled.len(), 0);
        self.bytes.copy_within(self.start..self.at, self.start + spilled.len());
        self.bytes[self.start..self.start + spilled.len()].copy_from_slice(spilled);
        placer.drop_spilled();
        self.at = self.bytes.len();
        self.elsewhere -= count;
        self.most = self.most.saturating_add(count);
        self.spilled = 0;
    }

    /// Removes and returns the written bytes from this position on.
    ///
    /// # Errors
    ///
    /// `OutOfMemory`.
    pub(crate) fn take_from(&mut self, position: usize) -> Result<Vec<u8>> {
        self.take_back();
        if self.lacks > 0 {
            return Err(memory::out_of_memory(self.lacks));
        }
        let content = &self.bytes[self.start + position..self.at];
        let mut taken = Vec::new();
        memory::reserve(&mut taken, content.len())?;
        taken.extend_from_slice(content);
        self.truncate(self.start + position);
        self.may_spill = self.placer.is_some();
        Ok(taken)
    }

    /// Returns the number of written bytes, in the buffer and elsewhere.
    pub(crate) fn written(&self) -> usize {
        self.at - self.start + self.elsewhere
    }

    /// Returns the next byte's position, with bytes that the placer took.
    pub(crate) fn position(&self) -> usize {
        self.at - self.start + self.spilled
    }

    /// Overwrites bytes that one call wrote; nothing if the content was given up.
    pub(crate) fn overwrite<const N: usize>(&mut self, position: usize, bytes: [u8; N]) {
        let content = match position.checked_sub(self.spilled) {
            Some(behind) => self.bytes.get_mut(self.start + behind..),
            None => self.spilled().get_mut(position..),
        };
        if let Some(to) = content.and_then(<[u8]>::first_chunk_mut::<N>) {
            *to = bytes;
        }
    }

    #[cold]
    fn spilled(&mut self) -> &mut [u8] {
        match &mut self.placer {
            Some(placer) => placer.spilled(),
            None => &mut [],
        }
    }

    /// Returns the placer's part and the rest. No call's bytes are divided.
    pub(crate) fn pieces(&mut self) -> [&[u8]; 2] {
        let content = &self.bytes[self.start..self.at];
        match &mut self.placer {
            Some(placer) if self.spilled > 0 => [placer.spilled(), content],
            _ => [&[], content],
        }
    }

    fn truncate(&mut self, at: usize) {
        self.bytes.truncate(at);
        self.at = at;
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.put(&[byte]);
    }

    pub(crate) fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        match self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<N>) {
            Some(to) => {
                *to = *bytes;
                self.at += N;
            }
            None => self.extend(bytes),
        }
    }

    /// Appends the first `length` bytes, by a copy of constant length if there is room.
    pub(crate) fn put_first<const N: usize>(&mut self, bytes: &[u8; N], length: usize) {
        match self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<N>) {
            Some(to) => {
                *to = *bytes;
                self.at += length.min(N);
            }
            None => self.extend(&bytes[..length]),
        }
    }

    /// Appends a small item: `write` gets `N` bytes and returns the number that it wrote.
    ///
    /// It writes into the buffer: an item assembled elsewhere is loaded in other pieces than stored, and the processor
    /// waits.
    pub(crate) fn put_item<const N: usize>(&mut self, write: impl FnOnce(&mut [u8; N]) -> usize) {
        match self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<N>) {
            Some(to) => self.at += write(to).min(N),
            None => {
                let mut item = [0; N];
                let length = write(&mut item);
                self.extend(&item[..length]);
            }
        }
    }

    /// Appends the first `used` bytes of `before` and an item, as [`Output::put_item`].
    ///
    /// Returns false without room for both. The next offset, which the next item waits for, is stored once.
    pub(crate) fn try_item_behind<const B: usize, const N: usize>(
        &mut self,
        before: &[u8; B],
        used: usize,
        write: impl FnOnce(&mut [u8; N]) -> usize,
    ) -> bool {
        let Some(to) = self.bytes.get_mut(self.at..).and_then(|to| to.get_mut(..B + N)) else {
            return false;
        };
        let used = used.min(B);
        to[..B].copy_from_slice(before);
        let Some(item) = to[used..].first_chunk_mut::<N>() else { return false };
        self.at += used + write(item).min(N);
        true
    }

    /// Appends a small item, as [`Output::put_item`].
    ///
    /// Returns false if `write` returns `None` or there is no room for `N` bytes.
    #[inline]
    pub(crate) fn try_write<const N: usize>(
        &mut self,
        write: impl FnOnce(&mut [u8; N]) -> Option<usize>,
    ) -> bool {
        let to = self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<N>);
        let written = to.and_then(write);
        self.at += written.unwrap_or(0).min(N);
        written.is_some()
    }

    #[cold]
    #[inline(never)]
    fn extend(&mut self, bytes: &[u8]) {
        if self.may_spill && self.at - self.start + bytes.len() >= PLACED_FROM && self.spill(&[bytes]) {
            return;
        }
        self.bytes.truncate(self.at);
        if !self.grow(bytes.len()) {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        self.at = self.bytes.len();
        // Small items that use up the zeros are likely to be followed by more small items.
        self.ahead = if bytes.len() < AHEAD[0] { (self.ahead * 2).min(AHEAD[1]) } else { BEHIND_LONG };
        write_ahead(self.bytes, self.ahead);
    }

    /// Makes room for `count` bytes after the content.
    ///
    /// Returns false if memory ran out and the content is lost.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, count: usize) -> bool {
        if self.bytes.capacity() - self.at >= count {
            return true;
        }
        // The next small item does not move the content again.
        let more = count.saturating_add(AHEAD[0]);
        // Long content doubles in the pool's memory, or grows by the needed bytes.
        if (self.at >= buffers::LONG && buffers::reserve(self.bytes, more.max(self.at)))
            || self.bytes.try_reserve(more).is_ok()
            || self.bytes.try_reserve_exact(more).is_ok()
        {
            return true;
        }
        self.lose(more);
        false
    }

    /// Gives up the content for lack of memory; `finish` returns the reason.
    #[cold]
    fn lose(&mut self, lacks: usize) {
        self.truncate(self.start);
        self.may_spill = false;
        (self.lacks, self.most, self.elsewhere) = (lacks, 0, usize::MAX / 2);
    }

    /// Appends the first `used` bytes of `before`, then at most [`SHORT`] `bytes`, then `after`.
    #[inline]
    pub(crate) fn put_around<const B: usize, const A: usize>(
        &mut self,
        before: [u8; B],
        used: usize,
        bytes: &[u8],
        after: [u8; A],
    ) {
        if !self.try_around(before, used, bytes, after) {
            self.extend_around(&before[..used], bytes, &after);
        }
    }

    /// As [`Output::put_around`]; returns false without room ahead.
    pub(crate) fn try_around<const B: usize, const A: usize>(
        &mut self,
        before: [u8; B],
        used: usize,
        bytes: &[u8],
        after: [u8; A],
    ) -> bool {
        let (used, length) = (used.min(B), bytes.len().min(SHORT));
        let Some(to) = self.bytes.get_mut(self.at..).and_then(|to| to.get_mut(..B + SHORT + A)) else {
            return false;
        };
        to[..B].copy_from_slice(&before);
        let content = &mut to[used..];
        copy_short(bytes, content);
        content[length..length + A].copy_from_slice(&after);
        self.at += used + length + A;
        true
    }

    #[cold]
    #[inline(never)]
    fn extend_around(&mut self, before: &[u8], bytes: &[u8], after: &[u8]) {
        self.put_all(before);
        self.put_all(bytes);
        self.put_all(after);
    }

    pub(crate) fn put_all(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.at..).and_then(|to| to.get_mut(..bytes.len())) {
            Some(to) => {
                to.copy_from_slice(bytes);
                self.at += bytes.len();
            }
            None => self.extend(bytes),
        }
    }

    pub(crate) fn room(&mut self, count: usize) -> Result<&mut [u8]> {
        self.check_room(count)?;
        if self.may_spill && self.at - self.start >= PLACED_FROM {
            self.spill(&[]);
        }
        let more = count.saturating_sub(self.bytes.len() - self.at);
        self.bytes.try_reserve(more).map_err(|_| memory::out_of_memory(count))?;
        let from = self.at;
        self.at += count;
        if self.at > self.bytes.len() {
            self.bytes.resize(self.at, 0);
        }
        Ok(&mut self.bytes[from..self.at])
    }

    pub(crate) fn block(&mut self, bytes: &[u8]) -> Result<()> {
        self.block_around([], bytes, [])
    }

    #[inline]
    pub(crate) fn block_around<const B: usize, const A: usize>(
        &mut self,
        before: [u8; B],
        bytes: &[u8],
        after: [u8; A],
    ) -> Result<()> {
        self.check_room(bytes.len())?;
        if bytes.len() <= SHORT {
            self.put_around(before, B, bytes, after);
            return Ok(());
        }
        if bytes.len() >= AHEAD[0] {
            return self.long_block(before, bytes, after);
        }
        self.put(&before);
        self.put_all(bytes);
        self.put(&after);
        Ok(())
    }

    /// Appends a long block, with the bytes before and after it; it would overwrite the zeros.
    #[inline(never)]
    fn long_block<const B: usize, const A: usize>(
        &mut self,
        before: [u8; B],
        bytes: &[u8],
        after: [u8; A],
    ) -> Result<()> {
        let length = bytes.len().saturating_add(B + A);
        if self.may_spill && length >= PLACED_FROM && self.spill(&[&before, bytes, &after]) {
            return Ok(());
        }
        self.bytes.truncate(self.at);
        if length >= buffers::LONG && !buffers::reserve(self.bytes, length) {
            return Err(memory::out_of_memory(bytes.len()));
        }
        if self.bytes.capacity() - self.at < length && !self.grow(length) {
            return Err(memory::out_of_memory(bytes.len()));
        }
        self.bytes.extend_from_slice(&before);
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(&after);
        self.at = self.bytes.len();
        self.ahead = BEHIND_LONG;
        if self.bytes.capacity() - self.at >= BEHIND_LONG {
            // A constant length, so that no call writes the zeros.
            self.bytes.extend_from_slice(&[0; BEHIND_LONG]);
        } else {
            write_ahead(self.bytes, BEHIND_LONG);
        }
        Ok(())
    }

    /// Appends an array's elements, or passes long elements to the placer.
    ///
    /// The caller has checked the limit with `room`. `shared` is the elements with their owner.
    pub(crate) fn elements(&mut self, elements: &[u8], shared: Option<&Bytes>) -> Result<()> {
        if elements.len() >= PLACED_FROM && self.placer.is_some() {
            // The elements' place is a position in the content.
            self.take_back();
        }
        if elements.len() >= PLACED_FROM
            && let Some(placer) = &mut self.placer
            // The placer may refuse, for instance with full memory.
            && placer.place(self.at - self.start, elements, shared)
        {
            self.elsewhere += elements.len();
            self.most = self.most.saturating_sub(elements.len());
            return Ok(());
        }
        self.bytes.truncate(self.at);
        // Includes room for the break, which would move the elements.
        let more = elements.len().saturating_add(AHEAD[0]);
        if self.bytes.try_reserve(more).is_err() && self.bytes.try_reserve_exact(more).is_err() {
            return Err(memory::out_of_memory(elements.len()));
        }
        self.put_all(elements);
        Ok(())
    }

    /// Appends a byte string, as [`Output::block`], or leaves it in place for the placer.
    pub(crate) fn byte_string(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() >= PLACED_FROM
            && self.has_room(bytes.len())
            && let Some(placer) = &mut self.placer
            && placer.surround(self.at - self.start, bytes)
        {
            self.elsewhere += bytes.len();
            self.most = self.most.saturating_sub(bytes.len());
            return Ok(());
        }
        self.block(bytes)
    }

    pub(crate) fn check_room(&self, count: usize) -> Result<()> {
        if self.has_room(count) { Ok(()) } else { self.beyond(count) }
    }

    pub(crate) fn has_room(&self, count: usize) -> bool {
        // An overflow is beyond every limit.
        self.at.saturating_add(count) <= self.most
    }

    #[cold]
    #[inline(never)]
    fn beyond(&self, count: usize) -> Result<()> {
        if self.lacks > 0 {
            return Err(memory::out_of_memory(self.lacks));
        }
        Limits::for_message(self.limit).check_message(self.written().saturating_add(count) as u64)
    }

    /// Checks the length of the complete message; `TooLarge` over the limit.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.written() as u64 <= self.limit && self.lacks == 0 { Ok(()) } else { self.beyond(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn content_that_was_given_up_for_lack_of_memory_is_refused_with_the_reason() {
        for limit in [1 << 20, u64::MAX] {
            let mut bytes = b"before".to_vec();
            let mut out = Output::new(&mut bytes, &Limits::for_message(limit)).spilling();
            out.block(&[7; 300_000]).unwrap();
            out.lose(1234);
            for _ in 0..100_000 {
                out.put(b"short");
            }
            for refused in [out.block(&[1; 20]), out.elements(&[1; 20], None).and(out.finish()), out.finish()]
            {
                let refused = refused.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::OutOfMemory);
                assert!(refused.to_string().contains("1234 bytes"), "{refused}");
            }
            drop(out);
            assert!(bytes.starts_with(b"before"));
        }
    }

    #[test]
    fn output_of_a_buffer_of_any_capacity_has_only_its_content() {
        let text: Vec<u8> = (1..=100).collect();
        for capacity in [0, 1, 7, 40, 300, 5000] {
            let (mut bytes, mut expected) = (Vec::with_capacity(capacity), Vec::new());
            bytes.extend_from_slice(b"before");
            expected.extend_from_slice(b"before");
            let mut out = Output::new(&mut bytes, &Limits::default());
            for length in 0..=100 {
                let block = &text[..length];
                out.block_around(*b"<[", block, *b"]>").unwrap();
                expected.extend_from_slice(&[b"<[", block, b"]>"].concat());
                if length <= SHORT {
                    for used in 0..=2 {
                        out.put_around(*b"ab", used, block, []);
                        expected.extend_from_slice(&[&b"ab"[..used], block].concat());
                    }
                }
                out.put_all(block);
                out.push(7);
                out.room(3).unwrap().copy_from_slice(b"xyz");
                expected.extend_from_slice(&[block, b"\x07xyz"].concat());
                assert_eq!((out.position(), out.written()), (expected.len() - 6, expected.len() - 6));
                assert_eq!(out.pieces(), [&[], &expected[6..]]);
            }
            out.finish().unwrap();
            drop(out);
            assert_eq!(bytes, expected, "capacity {capacity}");
        }
    }

    #[test]
    fn output_uses_the_memory_of_the_buffer_before_it_allocates() {
        let mut bytes = Vec::with_capacity(100);
        let capacity = bytes.capacity();
        let mut out = Output::new(&mut bytes, &Limits::default());
        (0..capacity).for_each(|_| out.push(1));
        drop(out);
        assert_eq!((bytes.len(), bytes.capacity()), (capacity, capacity));
    }

    #[test]
    fn blocks_over_the_limit_are_refused() {
        for length in [1, SHORT, SHORT + 1, buffers::LONG] {
            let mut bytes = b"before".to_vec();
            let mut out = Output::new(&mut bytes, &Limits { message: length as u64, ..Limits::default() });
            let block = vec![1; length];
            out.block(&block).unwrap();
            out.finish().unwrap();
            assert_eq!(out.block(&[1]).unwrap_err().kind(), ErrorKind::TooLarge, "{length}");
            assert_eq!(out.room(1).unwrap_err().kind(), ErrorKind::TooLarge, "{length}");
            out.push(1);
            assert_eq!(out.finish().unwrap_err().kind(), ErrorKind::TooLarge, "{length}");
        }
    }
}
