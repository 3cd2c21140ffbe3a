//! A pool of long blocks of memory, shared by all threads: successive messages often have the same length.
//!
//! The allocator returns long blocks to the kernel, which then allocates and clears every page of the next
//! one: for 1 MB that takes longer than copying it three times. At most `PLACES` blocks with `BYTES`
//! together are kept in a process. The pool is optional at every point: without a fitting block, or while
//! another thread has the lock, the allocator is used. So a process that was forked while a thread held the
//! lock loses the pool and nothing else.

use std::sync::{Mutex, MutexGuard, TryLockError};

use bytes::Bytes;

/// The least capacity of a block that is kept, in bytes: the allocator does not return shorter ones
/// one by one.
pub const SHORTEST: usize = 128 << 10;
/// The greatest capacity of a block that is kept, in bytes; longer ones go back to the kernel.
const LONGEST: usize = 16 << 20;
/// The greatest number of blocks that are kept.
const PLACES: usize = 8;
/// The greatest sum of their capacities, in bytes.
const BYTES: usize = 32 << 20;
/// A block is used only for a length of at least its capacity divided by this.
const FRACTION: usize = 4;
/// The room behind a long block for what follows it, in bytes.
const SLACK: usize = 1024;

static SPARE: Mutex<Spare> = Mutex::new(Spare(Vec::new()));

/// The blocks that are kept, the oldest first.
#[derive(Debug)]
struct Spare(Vec<Vec<u8>>);

impl Spare {
    /// Removes and returns the shortest block with room for `length` bytes that is not much longer.
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let fits = |capacity: usize| (length..=length.saturating_mul(FRACTION)).contains(&capacity);
        let found = self.0.iter().enumerate().filter(|(_, block)| fits(block.capacity()));
        let (at, _) = found.min_by_key(|(_, block)| block.capacity())?;
        Some(self.0.remove(at))
    }

    /// Adds a block, and returns those that are removed for it.
    fn keep(&mut self, mut block: Vec<u8>) -> Vec<Vec<u8>> {
        block.clear();
        let mut removed = Vec::new();
        let bytes = |blocks: &[Vec<u8>]| blocks.iter().map(Vec::capacity).sum::<usize>();
        while self.0.len() >= PLACES || bytes(&self.0) + block.capacity() > BYTES {
            // The oldest goes first, so that lengths that are no longer used make room.
            removed.push(self.0.remove(0));
        }
        self.0.push(block);
        removed
    }
}

/// Locks the pool; `None` where another thread holds the lock, or held it when this process was
/// forked.
fn spare() -> Option<MutexGuard<'static, Spare>> {
    /// The number of attempts: a holder keeps the lock for a few instructions.
    const ATTEMPTS: usize = 100;
    for _ in 0..ATTEMPTS {
        match SPARE.try_lock() {
            Ok(spare) => return Some(spare),
            Err(TryLockError::Poisoned(spare)) => return Some(spare.into_inner()),
            Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
        }
    }
    None
}

/// Returns whether blocks of this capacity are kept.
fn is_kept(capacity: usize) -> bool {
    (SHORTEST..=LONGEST).contains(&capacity)
}

/// Returns an empty block with room for `length` bytes, if one is kept; else one without capacity.
#[inline]
pub fn take(length: usize) -> Vec<u8> {
    if !is_kept(length) {
        return Vec::new();
    }
    spare().and_then(|mut spare| spare.take(length)).unwrap_or_default()
}

/// Adds the memory of a block to the pool.
pub fn keep(block: Vec<u8>) {
    if !is_kept(block.capacity()) {
        return;
    }
    let removed = spare().map(|mut spare| spare.keep(block));
    // After the lock is released: freeing memory takes time.
    drop(removed);
}

/// Makes room for `more` bytes behind the content of a block; for many bytes, with memory of the pool.
/// Returns false if there is no memory for them.
#[inline]
#[must_use]
pub fn reserve(block: &mut Vec<u8>, more: usize) -> bool {
    if more < SHORTEST || block.capacity() - block.len() >= more {
        return true;
    }
    // Without slack, a short item that follows would double the capacity.
    let more = more.saturating_add(SLACK);
    let mut longer = take(block.len().saturating_add(more));
    if longer.capacity() > 0 {
        longer.extend_from_slice(block);
        keep(std::mem::replace(block, longer));
        return true;
    }
    block.try_reserve_exact(more).is_ok()
}

/// Returns the content of a block as `Bytes`. Its memory goes to the pool when the last view is
/// dropped.
#[inline]
pub fn bytes(block: Vec<u8>) -> Bytes {
    if !is_kept(block.capacity()) {
        return block.into();
    }
    // A short content must not keep a long block.
    if block.len() < block.capacity() / FRACTION {
        let exact = Bytes::copy_from_slice(&block);
        keep(block);
        return exact;
    }
    Bytes::from_owner(PooledBlock(block))
}

/// Returns a copy of these bytes.
pub fn copy(bytes: &[u8]) -> Bytes {
    if bytes.len() < SHORTEST {
        return Bytes::copy_from_slice(bytes);
    }
    let mut block = take(bytes.len());
    block.reserve_exact(bytes.len());
    block.extend_from_slice(bytes);
    self::bytes(block)
}

/// A block of the pool behind `Bytes`; dropped with the last view.
struct PooledBlock(Vec<u8>);

impl AsRef<[u8]> for PooledBlock {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for PooledBlock {
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
    fn pool_returns_the_shortest_block_that_fits() {
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
    fn pool_is_bounded_in_number_and_bytes() {
        let mut spare = Spare(Vec::new());
        for i in 0..100 {
            let removed = spare.keep(block(SHORTEST + i));
            assert_eq!(removed.len(), usize::from(i >= PLACES));
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
    fn last_view_returns_its_block_and_short_content_keeps_no_long_block() {
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
        assert!(reserve(&mut grown, SHORTEST));
        assert_eq!(grown, [9; 10]);
    }
}
