//! Memory of long blocks that the program has done with, for those that come next: messages of one kind have one length.
//!
//! The allocator gives long blocks back to the kernel, which then finds and clears page after page for the next one: for 1 MB
//! that takes longer than to copy it three times. At most [`PLACES`] blocks with [`BYTES`] together are kept in a process.

use std::sync::{Mutex, MutexGuard, TryLockError};

use bytes::Bytes;

/// Shorter blocks stay with the allocator, which does not give them back one by one.
pub const SHORTEST: usize = 128 << 10;
/// Longer ones go back to the kernel.
const LONGEST: usize = 16 << 20;
/// So many blocks are kept ...
const PLACES: usize = 8;
/// ... and so many bytes.
const BYTES: usize = 32 << 20;
/// A block serves for one that needs a fraction of it, but not for less.
const FRACTION: usize = 4;
/// Room behind a long block for what follows it.
const SLACK: usize = 1024;

static SPARE: Mutex<Spare> = Mutex::new(Spare(Vec::new()));

/// What is kept, the oldest first.
#[derive(Debug)]
struct Spare(Vec<Vec<u8>>);

impl Spare {
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let fits = |capacity: usize| (length..=length.saturating_mul(FRACTION)).contains(&capacity);
        let found = self.0.iter().enumerate().filter(|(_, block)| fits(block.capacity()));
        let (at, _) = found.min_by_key(|(_, block)| block.capacity())?;
        Some(self.0.remove(at))
    }

    /// Keeps a block; gives those that have to go for it.
    fn keep(&mut self, mut block: Vec<u8>) -> Vec<Vec<u8>> {
        block.clear();
        let mut gone = Vec::new();
        let bytes = |blocks: &[Vec<u8>]| blocks.iter().map(Vec::capacity).sum::<usize>();
        while self.0.len() >= PLACES || bytes(&self.0) + block.capacity() > BYTES {
            // Lengths that do not come any more make room for those that do.
            gone.push(self.0.remove(0));
        }
        self.0.push(block);
        gone
    }
}

/// None where another thread has it, or had it when this process was forked: then there is nothing to spare.
fn spare() -> Option<MutexGuard<'static, Spare>> {
    /// Nobody has it for longer than a few instructions.
    const LOOKS: usize = 100;
    for _ in 0..LOOKS {
        match SPARE.try_lock() {
            Ok(spare) => return Some(spare),
            Err(TryLockError::Poisoned(spare)) => return Some(spare.into_inner()),
            Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
        }
    }
    None
}

fn is_kept(capacity: usize) -> bool {
    (SHORTEST..=LONGEST).contains(&capacity)
}

/// An empty block with room for so many bytes, if one is kept; else one without any room.
#[inline]
pub fn take(length: usize) -> Vec<u8> {
    if !is_kept(length) {
        return Vec::new();
    }
    spare().and_then(|mut spare| spare.take(length)).unwrap_or_default()
}

/// Keeps the memory of a block for [`take`].
pub fn keep(block: Vec<u8>) {
    if !is_kept(block.capacity()) {
        return;
    }
    let gone = spare().map(|mut spare| spare.keep(block));
    // Behind the lock: giving memory back takes time.
    drop(gone);
}

/// Makes room for so many bytes more behind what a block holds; where those are many, in memory that is kept.
#[inline]
pub fn reserve(block: &mut Vec<u8>, more: usize) {
    if more < SHORTEST || block.capacity() - block.len() >= more {
        return;
    }
    // What follows a long block is short: without room for that the next byte would double everything.
    let more = more.saturating_add(SLACK);
    let mut longer = take(block.len().saturating_add(more));
    if longer.capacity() > 0 {
        longer.extend_from_slice(block);
        keep(std::mem::replace(block, longer));
    } else {
        block.reserve_exact(more);
    }
}

/// The bytes of a block. Its memory is kept once nobody has them any more.
#[inline]
pub fn bytes(block: Vec<u8>) -> Bytes {
    if !is_kept(block.capacity()) {
        return block.into();
    }
    if block.len() < block.capacity() / FRACTION {
        let exact = Bytes::copy_from_slice(&block);
        keep(block);
        return exact;
    }
    Bytes::from_owner(Lent(block))
}

/// A copy of these bytes.
pub fn copy(bytes: &[u8]) -> Bytes {
    if bytes.len() < SHORTEST {
        return Bytes::copy_from_slice(bytes);
    }
    let mut block = take(bytes.len());
    block.reserve_exact(bytes.len());
    block.extend_from_slice(bytes);
    self::bytes(block)
}

/// A block that somebody looks at.
struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        keep(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(capacity: usize) -> Vec<u8> {
        let mut block = Vec::with_capacity(capacity);
        block.push(7);
        block
    }

    #[test]
    fn block_that_is_kept_serves_for_one_that_needs_most_of_it() {
        let mut spare = Spare(Vec::new());
        let (small, large) = (block(1 << 20), block(2 << 20));
        let places = [small.as_ptr(), large.as_ptr()];
        assert!(spare.keep(large).is_empty() && spare.keep(small).is_empty());
        assert!(spare.take((1 << 20) / FRACTION - 1).is_none(), "far too long");
        assert!(spare.take((2 << 20) + 1).is_none(), "too short");
        let taken = spare.take(900 << 10).unwrap();
        assert_eq!((taken.as_ptr(), taken.len()), (places[0], 0), "the shortest that has room");
        let taken = spare.take(900 << 10).unwrap();
        assert_eq!(taken.as_ptr(), places[1]);
        assert!(spare.take(900 << 10).is_none());
    }

    #[test]
    fn blocks_that_are_kept_are_bounded_in_number_and_bytes() {
        let mut spare = Spare(Vec::new());
        for i in 0..100 {
            let gone = spare.keep(block(SHORTEST + i));
            assert_eq!(gone.len(), usize::from(i >= PLACES));
        }
        let oldest = spare.0[0].capacity();
        assert_eq!((spare.0.len(), oldest), (PLACES, SHORTEST + 100 - PLACES));
        for _ in 0..5 {
            spare.keep(block(LONGEST));
            assert!(spare.0.iter().map(Vec::capacity).sum::<usize>() <= BYTES);
        }
        assert_eq!(spare.0.len(), 2);
    }

    #[test]
    fn bytes_come_back_when_nobody_has_them_any_more_and_short_ones_hold_no_long_block() {
        let mut content = block(SHORTEST * 3);
        content.resize(SHORTEST * 3, 5);
        let place = content.as_ptr();
        let all = bytes(content);
        let view = all.slice(100..200);
        drop(all);
        assert_eq!((view.as_ptr(), &view[..]), (place.wrapping_add(100), &[5; 100][..]));
        let short = bytes(block(SHORTEST * 8));
        assert_eq!(short[..], [7]);
        assert_eq!(copy(&[1; SHORTEST])[..], [1; SHORTEST]);
        let mut grown = vec![9; 10];
        reserve(&mut grown, SHORTEST);
        assert_eq!(grown, [9; 10]);
    }
}
