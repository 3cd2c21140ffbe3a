//! A pool of memory for the bodies of messages.
//!
//! It has short blocks of each thread, and long blocks that all threads share.

mod long;
mod short;

use bytes::Bytes;

pub use self::long::{LONG, MIDDLING, give_back};
pub use self::short::{SHORT, keep as keep_short};

/// The room after a long block for the following bytes.
const SLACK: usize = 1024;

/// Returns an empty kept block with room for `length` bytes; without one, a block without capacity.
#[inline]
pub fn take(length: usize) -> Vec<u8> {
    match length {
        1..=SHORT => short::take(length),
        MIDDLING..=long::LONGEST => long::take(length),
        _ => Vec::new(),
    }
}

/// Returns an empty block with room for `length` bytes. The capacity is exactly that if it is short.
pub fn with_room(length: usize) -> Vec<u8> {
    let block = take(length);
    // Takes fewer steps than reserving the room in an empty block.
    if block.capacity() == 0 { Vec::with_capacity(length) } else { block }
}

/// Makes room for `more` bytes after the content; for many bytes, with memory of the pool.
///
/// Returns false if memory runs out.
#[must_use]
pub fn reserve(block: &mut Vec<u8>, more: usize) -> bool {
    if more < LONG || block.capacity() - block.len() >= more {
        return true;
    }
    // Without slack, a short item after it would double the capacity.
    let more = more.saturating_add(SLACK);
    let mut longer = take(block.len().saturating_add(more));
    if longer.capacity() > 0 {
        longer.extend_from_slice(block);
        long::keep(std::mem::replace(block, longer));
        return true;
    }
    block.try_reserve_exact(more).is_ok()
}

/// Returns the content as `Bytes`. Its memory goes to the pool with the last view.
#[inline]
pub fn bytes(block: Vec<u8>) -> Bytes {
    if !long::is_kept(block.capacity()) {
        return block.into();
    }
    // A short content must not keep a long block.
    if block.len() < block.capacity() / long::FRACTION {
        let exact = Bytes::copy_from_slice(&block);
        long::keep(block);
        return exact;
    }
    Bytes::from_owner(PooledBlock(block))
}

/// Returns the bytes at an address that is a multiple of 8.
///
/// The allocators in use return only such addresses, so a copy is rare.
#[inline]
pub fn aligned(bytes: Vec<u8>) -> Bytes {
    // An empty block has no address.
    if bytes.is_empty() || bytes.as_ptr().addr().is_multiple_of(8) {
        self::bytes(bytes)
    } else {
        moved_to_words(&bytes)
    }
}

/// Copies bytes to memory that is aligned to 8: readers of arrays of numbers rely on it.
#[cold]
fn moved_to_words(bytes: &[u8]) -> Bytes {
    let mut words = vec![0u64; bytes.len().div_ceil(8)];
    bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
    struct Words(Vec<u64>);
    impl AsRef<[u8]> for Words {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }
    Bytes::from_owner(Words(words)).slice(..bytes.len())
}

/// Returns a copy of these bytes.
pub fn copy(bytes: &[u8]) -> Bytes {
    if bytes.len() < MIDDLING {
        return Bytes::copy_from_slice(bytes);
    }
    let mut block = with_room(bytes.len());
    block.extend_from_slice(bytes);
    self::bytes(block)
}

struct PooledBlock(Vec<u8>);

impl AsRef<[u8]> for PooledBlock {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for PooledBlock {
    fn drop(&mut self) {
        long::keep(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_view_returns_its_block_and_short_content_keeps_no_long_block() {
        let content = vec![5; LONG * 3];
        let place = content.as_ptr();
        let all = bytes(content);
        let view = all.slice(100..200);
        drop(all);
        assert_eq!((view.as_ptr(), &view[..]), (place.wrapping_add(100), &[5; 100][..]));
        let mut block = Vec::with_capacity(LONG * 8);
        block.push(7);
        let short = bytes(block);
        assert_eq!(short[..], [7]);
        assert_eq!(copy(&[1; LONG])[..], [1; LONG]);
        let mut grown = vec![9; 10];
        assert!(reserve(&mut grown, LONG));
        assert_eq!(grown, [9; 10]);
    }
}
