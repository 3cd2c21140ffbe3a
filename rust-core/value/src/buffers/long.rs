//! Long blocks, shared by all threads: successive messages often have the same length.
//!
//! The allocator returns long blocks to the kernel, which then allocates and clears every page of the next
//! one: for 1 MB that takes longer than copying it three times. At most `PLACES` blocks with `BYTES`
//! together are kept in a process. While another thread has the lock, the allocator is used. So a process that was
//! forked while a thread held the lock loses these blocks and nothing else.

use std::sync::{Mutex, MutexGuard, TryLockError};

/// The least capacity of a long block that is kept, in bytes: the allocator does not return shorter ones
/// one by one.
pub const LONG: usize = 128 << 10;
/// The greatest capacity of a block that is kept, in bytes; longer ones go back to the kernel.
pub const LONGEST: usize = 16 << 20;
/// The greatest number of blocks that are kept.
const PLACES: usize = 8;
/// The greatest sum of their capacities, in bytes.
const BYTES: usize = 32 << 20;
/// A block is used only for a length of at least its capacity divided by this.
pub const FRACTION: usize = 4;

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
pub fn is_kept(capacity: usize) -> bool {
    (LONG..=LONGEST).contains(&capacity)
}

/// Returns an empty block with room for `length` bytes, which is a length that is kept; one without capacity where
/// there is none.
pub fn take(length: usize) -> Vec<u8> {
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
            let removed = spare.keep(block(LONG + i));
            assert_eq!(removed.len(), usize::from(i >= PLACES));
        }
        let oldest = spare.0[0].capacity();
        assert_eq!((spare.0.len(), oldest), (PLACES, LONG + 100 - PLACES));
        for _ in 0..5 {
            spare.keep(block(LONGEST));
            assert!(spare.0.iter().map(Vec::capacity).sum::<usize>() <= BYTES);
        }
        assert_eq!(spare.0.len(), 2);
    }
}
