//! Short blocks of each thread, for programs that receive short messages in a loop.
//!
//! Such messages often have one length.

use std::cell::RefCell;

use bytes::Bytes;

/// The greatest length of a short body in bytes: for longer bodies the copy costs more than allocating.
pub const SHORT: usize = 256;
const PLACES: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns an empty block of exactly this capacity; without such a block, one without capacity.
#[inline]
pub fn take(length: usize) -> Vec<u8> {
    // At a thread's end the pool may be destroyed already. Only a block of exactly this capacity fits: bytes that fill
    // their block become `Bytes` without an allocation.
    let found = SPARE.try_with(|spare| {
        let mut spare = spare.try_borrow_mut().ok()?;
        let at = spare.iter().rposition(|buffer| buffer.capacity() == length)?;
        Some(spare.swap_remove(at))
    });
    found.ok().flatten().unwrap_or_default()
}

/// Adds the memory of a body to the pool, if this is its last owner.
pub fn keep(body: Bytes) {
    if body.is_empty() || body.len() > SHORT || !body.is_unique() {
        return;
    }
    let mut buffer = Vec::from(body);
    buffer.clear();
    // A small view of a large block must not keep the block.
    if buffer.capacity() > SHORT {
        return;
    }
    let _ = SPARE.try_with(|spare| {
        if let Ok(mut spare) = spare.try_borrow_mut() {
            if spare.len() == PLACES {
                // Removes a buffer: unused lengths make room.
                spare.swap_remove(0);
            }
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::with_room;
    use super::*;

    fn body(length: usize) -> Bytes {
        let mut bytes = with_room(length);
        bytes.resize(length, 7);
        Bytes::from(bytes)
    }

    #[test]
    fn buffer_of_a_dropped_body_is_reused() {
        for length in [1, 8, 64, SHORT] {
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
        // The last owner has only a part, but returns the whole block.
        drop(second);
        keep(view);
        assert!(with_room(64).capacity() >= 64);
    }

    #[test]
    fn pool_keeps_few_and_small_buffers() {
        (1..=3 * PLACES).for_each(|length| keep(Bytes::from(vec![1; length])));
        keep(Bytes::from(vec![1; SHORT + 1]));
        keep(Bytes::from(vec![1; 1 << 20]).slice(..10));
        SPARE.with_borrow(|spare| {
            assert_eq!(spare.len(), PLACES);
            assert!(spare.iter().all(|buffer| buffer.capacity() <= SHORT && buffer.is_empty()));
        });
    }
}
