//! A pool of buffers for small bodies, one for each thread: messages of one kind have one length.
//!
//! A body of at most [`LONGEST`] bytes is received into a buffer that the thread used before, so a
//! program that receives small messages in a loop allocates nothing. (`message/recycled` reuses the buffer
//! of the message that was dropped last without a search.) Longer bodies come from [`buffers`] or
//! the allocator.

use std::cell::RefCell;

use bytes::Bytes;

use crate::buffers;

/// The greatest length of a body whose buffer is kept, in bytes: allocating costs little beside
/// copying longer ones.
pub const LONGEST: usize = 256;

/// The number of buffers that are kept for each thread.
const PLACES: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns an empty buffer of exactly this capacity where it is small: bytes that fill their buffer
/// become [`Bytes`] without an allocation.
#[inline]
pub fn buffer(length: usize) -> Vec<u8> {
    if length == 0 || length > LONGEST {
        let mut block = buffers::take(length);
        block.reserve_exact(length);
        return block;
    }
    // At a thread's end the pool may be destroyed already. Selects the last buffer of exactly this capacity:
    // messages of one kind have one length.
    let found = SPARE.try_with(|spare| {
        let mut spare = spare.try_borrow_mut().ok()?;
        let at = spare.iter().rposition(|buffer| buffer.capacity() == length)?;
        Some(spare.swap_remove(at))
    });
    found.ok().flatten().unwrap_or_else(|| Vec::with_capacity(length))
}

/// Adds the memory of a body to the pool, if it has no other owner.
#[inline]
pub fn keep(body: Bytes) {
    if body.is_empty() || body.len() > LONGEST || !body.is_unique() {
        return;
    }
    let mut buffer = Vec::from(body);
    buffer.clear();
    // A small view of a large block must not keep it.
    if buffer.capacity() > LONGEST {
        return;
    }
    let _ = SPARE.try_with(|spare| {
        if let Ok(mut spare) = spare.try_borrow_mut() {
            if spare.len() == PLACES {
                // A buffer is removed, so that lengths that are no longer used make room.
                spare.swap_remove(0);
            }
            spare.push(buffer);
        }
    });
}

/// Returns the bytes at an address that is a multiple of 8, at which every allocator in use puts
/// them anyway.
#[inline]
pub fn aligned(bytes: Vec<u8>) -> Bytes {
    // An empty block has no address.
    if bytes.is_empty() || bytes.as_ptr().addr().is_multiple_of(8) {
        buffers::bytes(bytes)
    } else {
        moved_to_words(&bytes)
    }
}

/// Copies bytes to memory that is aligned to 8: readers of arrays of numbers rely on it.
#[cold]
fn moved_to_words(bytes: &[u8]) -> Bytes {
    // A `Vec` of words is aligned to 8.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn body(length: usize) -> Bytes {
        let mut bytes = buffer(length);
        bytes.resize(length, 7);
        Bytes::from(bytes)
    }

    #[test]
    fn buffer_of_a_dropped_body_is_reused() {
        for length in [1, 8, 64, LONGEST] {
            let first = body(length);
            let place = first.as_ptr();
            keep(first);
            assert_eq!(body(length).as_ptr(), place, "{length}");
        }
    }

    #[test]
    fn buffer_of_a_shared_body_is_not_reused() {
        let first = body(64);
        let view = first.slice(8..16);
        keep(first);
        let second = body(64);
        assert_ne!(second.as_ptr().wrapping_add(8), view.as_ptr());
        assert_eq!(&view[..], [7; 8]);
        // The last owner, of a part of it, returns the whole.
        drop(second);
        keep(view);
        assert!(buffer(64).capacity() >= 64);
    }

    #[test]
    fn pool_keeps_few_and_small_buffers() {
        (1..=3 * PLACES).for_each(|length| keep(Bytes::from(vec![1; length])));
        keep(Bytes::from(vec![1; LONGEST + 1]));
        keep(Bytes::from(vec![1; 1 << 20]).slice(..10));
        SPARE.with_borrow(|spare| {
            assert_eq!(spare.len(), PLACES);
            assert!(spare.iter().all(|buffer| buffer.capacity() <= LONGEST && buffer.is_empty()));
        });
    }
}
