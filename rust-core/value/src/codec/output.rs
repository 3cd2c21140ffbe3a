//! The bytes that are being encoded: where they begin in the buffer, and how many are allowed.
//!
//! Small items are appended with `push`, `put` and `put_around`, without a check; every block whose
//! length the value decides goes through `block` or `elements`, which check the limit first. So the
//! buffer exceeds the limit only by small items, whose number the limit on nodes bounds, before
//! `finish` refuses the message.
//!
//! The buffer is filled with zeros ahead of its content, so that an item of a few pieces reserves
//! memory once and writes them at fixed offsets; the zeros are removed at the end.

use std::fmt;

use bytes::Bytes;

use crate::body::{PLACED_FROM, Placer};
use crate::buffers;
use crate::error::{Result, memory};
use crate::value::Limits;

/// The greatest length of a block that is appended as an item of few pieces, without a call.
pub(crate) const SHORT: usize = 16;

/// The number of zeros that are written ahead at first, and at most.
const AHEAD: [usize; 2] = [256, 4096];

/// The number of zeros that are written behind a long block: few small items follow before the next
/// one, which overwrites what is left of them.
const BEHIND_LONG: usize = 64;

/// The end of the caller's buffer, to which an encoder appends.
pub(crate) struct Output<'a> {
    /// The buffer, with what it contained before, and zeros behind its content.
    bytes: &'a mut Vec<u8>,
    /// The length of the content.
    at: usize,
    /// The number of zeros to write ahead when they are used up.
    ahead: usize,
    /// The length of the buffer when the encoding began.
    start: usize,
    /// The length that the content may have: where it began and [`Limits::message`], less the bytes
    /// that are stored elsewhere.
    most: usize,
    /// [`Limits::message`].
    limit: u64,
    /// The placer that may store long arrays elsewhere, if there is one.
    placer: Option<&'a mut dyn Placer>,
    /// The number of bytes that are stored elsewhere; they count for the limit.
    elsewhere: usize,
    /// The number of those that the placer took of the content itself.
    spilled: usize,
    /// Whether the placer may take more of the content.
    may_spill: bool,
    /// The number of bytes for which there was no memory: the content is lost, and `finish` says so.
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

/// Fills the memory behind the content with up to `count` zeros. Allocates nothing.
// Not inlined: the compiler would combine it with the allocation of a new buffer to a call of `calloc`,
// which takes longer than `malloc` and the zeros, because glibc's thread cache does not serve `calloc`.
#[inline(never)]
fn write_ahead(bytes: &mut Vec<u8>, count: usize) {
    bytes.resize(bytes.capacity().min(bytes.len().saturating_add(count)), 0);
}

/// Fills the memory behind the content with the first zeros, of constant number where there is room.
// Not inlined, as `write_ahead`.
#[inline(never)]
fn write_first(bytes: &mut Vec<u8>) {
    if bytes.capacity() - bytes.len() >= AHEAD[0] {
        bytes.extend_from_slice(&[0; AHEAD[0]]);
    } else {
        write_ahead(bytes, AHEAD[0]);
    }
}

/// Copies at most [`SHORT`] bytes to the beginning of a slice with room for [`SHORT`].
///
/// They are written as two chunks of a fixed size, which overlap, because a call of `memcpy` takes
/// longer than these few instructions.
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
    /// Returns the end of this buffer.
    #[inline]
    pub(crate) fn new(bytes: &'a mut Vec<u8>, limits: &Limits) -> Output<'a> {
        Output::with_placer(bytes, limits, None)
    }

    /// Returns the same with a placer that may store long arrays elsewhere.
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

    /// Lets the placer take long content: for encoders that return to what they have written by [`Output::overwrite`]
    /// and [`Output::pieces`] alone.
    pub(crate) fn spilling(mut self) -> Output<'a> {
        self.may_spill = self.placer.is_some();
        self
    }

    /// Passes the content, if it is long, and these bytes behind it to the placer. Returns false where the bytes are
    /// still to be appended.
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
        // A piece of those behind that was not taken: all of them are with the content again.
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

    /// Gets everything back that the placer took of the content, and leaves it here.
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
        // In front of what was written since.
        self.bytes.resize(self.at + spilled.len(), 0);
        self.bytes.copy_within(self.start..self.at, self.start + spilled.len());
        self.bytes[self.start..self.start + spilled.len()].copy_from_slice(spilled);
        placer.drop_spilled();
        self.at = self.bytes.len();
        self.elsewhere -= count;
        self.most = self.most.saturating_add(count);
        self.spilled = 0;
    }

    /// Returns what is written from this position on, and removes it.
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

    /// Returns the number of bytes written so far, in the buffer and elsewhere.
    pub(crate) fn written(&self) -> usize {
        self.at - self.start + self.elsewhere
    }

    /// Returns the position of the next byte among those that are written here or taken of them by the placer.
    pub(crate) fn position(&self) -> usize {
        self.at - self.start + self.spilled
    }

    /// Writes these bytes over as many at this position, which were written by one call. Nothing where the content was
    /// given up.
    pub(crate) fn overwrite<const N: usize>(&mut self, position: usize, bytes: [u8; N]) {
        let content = match position.checked_sub(self.spilled) {
            Some(behind) => self.bytes.get_mut(self.start + behind..),
            None => self.spilled().get_mut(position..),
        };
        if let Some(to) = content.and_then(<[u8]>::first_chunk_mut::<N>) {
            *to = bytes;
        }
    }

    /// What the placer took of the content.
    #[cold]
    fn spilled(&mut self) -> &mut [u8] {
        match &mut self.placer {
            Some(placer) => placer.spilled(),
            None => &mut [],
        }
    }

    /// Returns what was written: what the placer took of it, and what is behind that. What was written by one call is
    /// in one of both.
    pub(crate) fn pieces(&mut self) -> [&[u8]; 2] {
        let content = &self.bytes[self.start..self.at];
        match &mut self.placer {
            Some(placer) if self.spilled > 0 => [placer.spilled(), content],
            _ => [&[], content],
        }
    }

    /// Removes what is behind this offset in the buffer.
    fn truncate(&mut self, at: usize) {
        self.bytes.truncate(at);
        self.at = at;
    }

    /// Appends one byte.
    pub(crate) fn push(&mut self, byte: u8) {
        self.put(&[byte]);
    }

    /// Appends bytes of a small item.
    pub(crate) fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        match self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<N>) {
            Some(to) => {
                *to = *bytes;
                self.at += N;
            }
            None => self.extend(bytes),
        }
    }

    /// Appends the first `length` of these bytes, by a copy of constant length where there is room.
    pub(crate) fn put_first<const N: usize>(&mut self, bytes: &[u8; N], length: usize) {
        match self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<N>) {
            Some(to) => {
                *to = *bytes;
                self.at += length.min(N);
            }
            None => self.extend(&bytes[..length]),
        }
    }

    /// Appends a small item: the first bytes of `N`, as many as `write` returns.
    ///
    /// They are written directly into the buffer. Assembled elsewhere first, they would be loaded in other pieces than
    /// they were stored in, and the processor would wait until the stores have reached the cache.
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

    /// Appends the first `used` bytes of `before` and a small item, as [`Output::put_item`], where there is room ahead
    /// for all of both; else appends nothing and returns false. The offset of the next byte, which the next item waits
    /// for, is stored once.
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

    /// Appends the first bytes of `N`, as many as `write` returns; nothing, and returns false, where `write` returns
    /// `None` or there is no room ahead for all `N`.
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

    /// Appends bytes that the zeros have no room for.
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
        // Small items that used up the zeros are likely to be followed by more of them.
        self.ahead = if bytes.len() < AHEAD[0] { (self.ahead * 2).min(AHEAD[1]) } else { BEHIND_LONG };
        write_ahead(self.bytes, self.ahead);
    }

    /// Makes room for so many bytes behind the content. Returns false where there is no memory for them and the content
    /// was given up.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, count: usize) -> bool {
        if self.bytes.capacity() - self.at >= count {
            return true;
        }
        // With room for what follows, the next small item does not move the content again.
        let more = count.saturating_add(AHEAD[0]);
        // A long content grows to twice its length in memory of the pool; without memory for that, by what it needs.
        if (self.at >= buffers::LONG && buffers::reserve(self.bytes, more.max(self.at)))
            || self.bytes.try_reserve(more).is_ok()
            || self.bytes.try_reserve_exact(more).is_ok()
        {
            return true;
        }
        self.lose(more);
        false
    }

    /// Gives the content up, for lack of memory: nothing more fits, and `finish` returns the reason.
    #[cold]
    fn lose(&mut self, lacks: usize) {
        self.truncate(self.start);
        self.may_spill = false;
        (self.lacks, self.most, self.elsewhere) = (lacks, 0, usize::MAX / 2);
    }

    /// Appends the first `used` of the bytes `before`, then `bytes`, of which there are at most
    /// [`SHORT`], and `after`.
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

    /// As [`Output::put_around`] where there is room ahead; else appends nothing and returns false.
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

    /// Appends three pieces that the zeros have no room for.
    #[cold]
    #[inline(never)]
    fn extend_around(&mut self, before: &[u8], bytes: &[u8], after: &[u8]) {
        self.put_all(before);
        self.put_all(bytes);
        self.put_all(after);
    }

    /// Appends bytes of any length, within the limit.
    pub(crate) fn put_all(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.at..).and_then(|to| to.get_mut(..bytes.len())) {
            Some(to) => {
                to.copy_from_slice(bytes);
                self.at += bytes.len();
            }
            None => self.extend(bytes),
        }
    }

    /// Appends `count` bytes and returns them: the caller writes to each.
    ///
    /// # Errors
    ///
    /// `TooLarge` where they exceed the limit of the message, `OutOfMemory` where the buffer cannot grow.
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

    /// Appends a block whose length the value decides.
    ///
    /// # Errors
    ///
    /// `TooLarge` where it exceeds the limit of the message, `OutOfMemory` where the buffer cannot
    /// grow.
    pub(crate) fn block(&mut self, bytes: &[u8]) -> Result<()> {
        self.block_around([], bytes, [])
    }

    /// As [`Output::block`], with some bytes before and behind the block.
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

    /// Appends a long block that is within the limit of the message, with what is before and behind it.
    ///
    /// The pieces and the zeros behind them are appended to the buffer one after the other, and memory is
    /// reserved once for all of them: a block is longer than the zeros ahead, which it would overwrite.
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
            // Of constant length, so that no call writes them.
            self.bytes.extend_from_slice(&[0; BEHIND_LONG]);
        } else {
            write_ahead(self.bytes, BEHIND_LONG);
        }
        Ok(())
    }

    /// Appends the elements of an array, or has them stored elsewhere where they are long. The
    /// caller has checked the limit with `room`; `shared` is the elements where it has them with their owner.
    pub(crate) fn elements(&mut self, elements: &[u8], shared: Option<&Bytes>) -> Result<()> {
        if elements.len() >= PLACED_FROM && self.placer.is_some() {
            // The place of the elements is one in the content.
            self.take_back();
        }
        if elements.len() >= PLACED_FROM
            && let Some(placer) = &mut self.placer
            // The placer may refuse, for instance when its memory is full.
            && placer.place(self.at - self.start, elements, shared)
        {
            self.elsewhere += elements.len();
            self.most = self.most.saturating_sub(elements.len());
            return Ok(());
        }
        self.bytes.truncate(self.at);
        // With room for the break behind them, which would move all of them.
        let more = elements.len().saturating_add(AHEAD[0]);
        if self.bytes.try_reserve(more).is_err() && self.bytes.try_reserve_exact(more).is_err() {
            return Err(memory::out_of_memory(elements.len()));
        }
        self.put_all(elements);
        Ok(())
    }

    /// Appends a byte string, as [`Output::block`], or has it left where it is and the rest written around it.
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

    /// Checks that `count` more bytes fit the limit of the message; else `TooLarge`.
    pub(crate) fn check_room(&self, count: usize) -> Result<()> {
        if self.has_room(count) { Ok(()) } else { self.beyond(count) }
    }

    /// Returns whether `count` more bytes fit the limit of the message.
    pub(crate) fn has_room(&self, count: usize) -> bool {
        // An overflow counts as beyond every limit.
        self.at.saturating_add(count) <= self.most
    }

    /// Returns the error of `count` more bytes, which do not fit.
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
