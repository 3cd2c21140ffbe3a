//! Short blocks of each thread: messages of one kind have one length, so a program that receives short messages in a
//! loop allocates nothing.

use std::cell::RefCell;

use bytes::Bytes;

/// The greatest length of a short body in bytes: allocating costs little beside copying longer ones.
pub const SHORT: usize = 256;
/// The number of buffers that are kept for each thread.
const PLACES: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns an empty block of exactly this capacity; one without capacity where there is none.
#[inline]
pub fn take(length: usize) -> Vec<u8> {
    // At a thread's end the pool may be destroyed already. Selects the last block of exactly this capacity: bytes that
    // fill their block become `Bytes` without an allocation.
    let found = SPARE.try_with(|spare| {
        let mut spare = spare.try_borrow_mut().ok()?;
        let at = spare.iter().rposition(|buffer| buffer.capacity() == length)?;
        Some(spare.swap_remove(at))
    });
    found.ok().flatten().unwrap_or_default()
}

/// Adds the memory of a body to the pool, if it has no other owner.
pub fn keep(body: Bytes) {
    if body.is_empty() || body.len() > SHORT || !body.is_unique() {
        return;
    }
    let mut buffer = Vec::from(body);
    buffer.clear();
    // A small view of a large block must not keep it.
    if buffer.capacity() > SHORT {
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
        // The last owner, of a part of it, returns the whole.
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
