//! Middling and long blocks, shared by all threads: successive messages often have one length.
//!
//! The allocator returns long blocks to the kernel, which clears every page of the next block; for 1 MB that takes
//! longer than three copies. It returns middling blocks when several neighbours are free, as after an acknowledgement.
//! A child that was forked while a thread held the lock loses only these blocks.

use std::sync::{Mutex, MutexGuard, TryLockError};

/// The least capacity of a kept middling block, in bytes; shorter blocks take few pages together.
pub const MIDDLING: usize = 4 << 10;
/// The least capacity of a kept long block, in bytes: the allocator returns such blocks one by one.
pub const LONG: usize = 128 << 10;
/// The greatest capacity of a kept block, in bytes; longer blocks go back to the kernel.
pub const LONGEST: usize = 16 << 20;
/// A block is used only for at least its capacity divided by this number.
pub const FRACTION: usize = 4;

static MIDDLING_BLOCKS: Pool = Pool::new(32, 1 << 20);
static LONG_BLOCKS: Pool = Pool::new(8, 32 << 20);

#[derive(Debug)]
struct Pool(Mutex<Spare>);

#[derive(Debug)]
struct Spare {
    blocks: Vec<Vec<u8>>,
    places: usize,
    bytes: usize,
}

impl Spare {
    const fn new(places: usize, bytes: usize) -> Spare {
        Spare { blocks: Vec::new(), places, bytes }
    }

    /// Removes and returns the shortest block with room for `length` bytes that is not much longer.
    ///
    /// Of several, it is the last kept one, which is in the processor's caches.
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let fits = |capacity: usize| (length..=length.saturating_mul(FRACTION)).contains(&capacity);
        let found = self.blocks.iter().enumerate().rev().filter(|(_, block)| fits(block.capacity()));
        let (at, _) = found.min_by_key(|(_, block)| block.capacity())?;
        Some(self.blocks.remove(at))
    }

    fn keep(&mut self, mut block: Vec<u8>) -> Vec<Vec<u8>> {
        block.clear();
        let mut removed = Vec::new();
        let bytes = |blocks: &[Vec<u8>]| blocks.iter().map(Vec::capacity).sum::<usize>();
        while self.blocks.len() >= self.places || bytes(&self.blocks) + block.capacity() > self.bytes {
            // The oldest block goes first, so that unused lengths make room.
            removed.push(self.blocks.remove(0));
        }
        self.blocks.push(block);
        removed
    }
}

impl Pool {
    const fn new(places: usize, bytes: usize) -> Pool {
        Pool(Mutex::new(Spare::new(places, bytes)))
    }

    fn of(capacity: usize) -> Option<&'static Pool> {
        match capacity {
            MIDDLING..LONG => Some(&MIDDLING_BLOCKS),
            LONG..=LONGEST => Some(&LONG_BLOCKS),
            _ => None,
        }
    }

    /// Locks the pool; `None` if another thread has the lock, or had it when this process was forked.
    fn spare(&self) -> Option<MutexGuard<'_, Spare>> {
        /// The number of attempts: a holder keeps the lock for a few instructions.
        const ATTEMPTS: usize = 100;
        for _ in 0..ATTEMPTS {
            match self.0.try_lock() {
                Ok(spare) => return Some(spare),
                Err(TryLockError::Poisoned(spare)) => return Some(spare.into_inner()),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        None
    }
}

pub fn is_kept(capacity: usize) -> bool {
    Pool::of(capacity).is_some()
}

/// Returns an empty block with room for `length` bytes; without one, a block without capacity.
pub fn take(length: usize) -> Vec<u8> {
    Pool::of(length).and_then(Pool::spare).and_then(|mut spare| spare.take(length)).unwrap_or_default()
}

/// Adds the memory of a block to the pool.
pub fn keep(block: Vec<u8>) {
    let Some(pool) = Pool::of(block.capacity()) else { return };
    let removed = pool.spare().map(|mut spare| spare.keep(block));
    // Frees the memory after the lock is released, because freeing takes time.
    drop(removed);
}

/// Returns the kept long blocks to the kernel. Returns whether there were any.
#[cold]
pub fn give_back() -> bool {
    let blocks = LONG_BLOCKS.spare().map(|mut spare| std::mem::take(&mut spare.blocks));
    blocks.is_some_and(|blocks| !blocks.is_empty())
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
        let mut spare = Spare::new(8, 32 << 20);
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
    fn pool_returns_of_equal_blocks_the_last_one() {
        let mut spare = Spare::new(8, 1 << 20);
        let (first, last) = (block(10_000), block(10_000));
        let places = [last.as_ptr(), first.as_ptr()];
        spare.keep(first);
        spare.keep(last);
        let taken = places.map(|_| spare.take(10_000).unwrap());
        assert_eq!([taken[0].as_ptr(), taken[1].as_ptr()], places);
    }

    #[test]
    fn pool_is_bounded_in_number_and_bytes() {
        const PLACES: usize = 8;
        const BYTES: usize = 32 << 20;
        let mut spare = Spare::new(PLACES, BYTES);
        for i in 0..100 {
            let removed = spare.keep(block(LONG + i));
            assert_eq!(removed.len(), usize::from(i >= PLACES));
        }
        let oldest = spare.blocks[0].capacity();
        assert_eq!((spare.blocks.len(), oldest), (PLACES, LONG + 100 - PLACES));
        for _ in 0..5 {
            spare.keep(block(LONGEST));
            assert!(spare.blocks.iter().map(Vec::capacity).sum::<usize>() <= BYTES);
        }
        assert_eq!(spare.blocks.len(), 2);
    }

    #[test]
    fn middling_and_long_blocks_do_not_displace_each_other() {
        for capacity in [MIDDLING, LONG - 1] {
            assert!(std::ptr::eq(Pool::of(capacity).unwrap(), &MIDDLING_BLOCKS), "{capacity}");
        }
        for capacity in [LONG, LONGEST] {
            assert!(std::ptr::eq(Pool::of(capacity).unwrap(), &LONG_BLOCKS), "{capacity}");
        }
        assert!(Pool::of(MIDDLING - 1).is_none() && Pool::of(LONGEST + 1).is_none());
    }
}
