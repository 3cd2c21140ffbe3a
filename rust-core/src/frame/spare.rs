//! Memory of small bodies that a thread has done with, for those that come next: messages of one kind have one length.

use std::cell::RefCell;

use bytes::Bytes;

use crate::buffers;

/// Longer bodies are given back to the system: to ask for memory costs little beside copying them.
pub const LONGEST: usize = 256;

/// So many are kept for each thread.
const PLACES: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for so many bytes, and no more where they are few: bytes that fill their buffer become
/// [`Bytes`] without asking for memory.
#[inline]
pub fn buffer(length: usize) -> Vec<u8> {
    if length == 0 || length > LONGEST {
        let mut block = buffers::take(length);
        block.reserve_exact(length);
        return block;
    }
    // At a thread's end there may be none any more.
    let found = SPARE.try_with(|spare| {
        let mut spare = spare.try_borrow_mut().ok()?;
        let at = spare.iter().rposition(|buffer| buffer.capacity() == length)?;
        Some(spare.swap_remove(at))
    });
    found.ok().flatten().unwrap_or_else(|| Vec::with_capacity(length))
}

/// A body of so many bytes, aligned to 8, which `fill` writes: in the memory of `last` where that has this length and nobody else has it. `last` must
/// be one of these, and no view of something larger.
#[inline]
pub fn refill(last: Bytes, length: usize, fill: impl FnOnce(&mut [u8])) -> Bytes {
    let last = if last.len() == length && length > 0 {
        match last.try_into_mut() {
            Ok(mut bytes) => {
                fill(&mut bytes);
                return bytes.freeze();
            }
            Err(last) => last,
        }
    } else {
        last
    };
    fill_anew(last, length, fill)
}

#[cold]
fn fill_anew(last: Bytes, length: usize, fill: impl FnOnce(&mut [u8])) -> Bytes {
    keep(last);
    let mut bytes = buffer(length);
    bytes.resize(length, 0);
    fill(&mut bytes);
    aligned(bytes)
}

/// Keeps the memory of a body for [`buffer`], where nobody else has it.
#[inline]
pub fn keep(body: Bytes) {
    if body.is_empty() || body.len() > LONGEST || !body.is_unique() {
        return;
    }
    let mut buffer = Vec::from(body);
    buffer.clear();
    // A view of a part of something larger is not worth its memory.
    if buffer.capacity() > LONGEST {
        return;
    }
    let _ = SPARE.try_with(|spare| {
        if let Ok(mut spare) = spare.try_borrow_mut() {
            if spare.len() == PLACES {
                // Lengths that do not come any more make room for those that do.
                spare.swap_remove(0);
            }
            spare.push(buffer);
        }
    });
}

/// Bytes whose first one lies at a multiple of 8, which every allocator in use gives anyway.
#[inline]
pub fn aligned(bytes: Vec<u8>) -> Bytes {
    // No bytes lie nowhere.
    if bytes.is_empty() || bytes.as_ptr().addr().is_multiple_of(8) {
        buffers::bytes(bytes)
    } else {
        moved_to_words(&bytes)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn body(length: usize) -> Bytes {
        let mut bytes = buffer(length);
        bytes.resize(length, 7);
        Bytes::from(bytes)
    }

    #[test]
    fn buffer_of_a_body_that_nobody_has_is_used_again() {
        for length in [1, 8, 64, LONGEST] {
            let first = body(length);
            let place = first.as_ptr();
            keep(first);
            assert_eq!(body(length).as_ptr(), place, "{length}");
        }
    }

    #[test]
    fn buffer_of_a_body_that_somebody_has_is_left_to_them() {
        let first = body(64);
        let view = first.slice(8..16);
        keep(first);
        let second = body(64);
        assert_ne!(second.as_ptr().wrapping_add(8), view.as_ptr());
        assert_eq!(&view[..], [7; 8]);
        // The last one who has it, a part of it, gives back the whole.
        drop(second);
        keep(view);
        assert!(buffer(64).capacity() >= 64);
    }

    #[test]
    fn refilled_body_has_the_memory_of_one_of_its_length_that_nobody_has() {
        let write = |with: u8| move |bytes: &mut [u8]| bytes.fill(with);
        for length in [1, 8, 64, LONGEST] {
            let first = refill(Bytes::new(), length, write(1));
            let place = first.as_ptr();
            let second = refill(first, length, write(2));
            assert_eq!((second.as_ptr(), &second[..]), (place, &vec![2; length][..]), "{length}");
            // What the program has of it stays what it was.
            let view = second.slice(..1);
            let third = refill(second, length, write(3));
            assert_eq!((&view[..], &third[..]), (&[2][..], &vec![3; length][..]), "{length}");
            assert_ne!(third.as_ptr(), place);
            let other = refill(third, length - 1, write(4));
            assert_eq!(&other[..], &vec![4; length - 1][..]);
        }
    }

    #[test]
    fn buffers_that_are_kept_are_few_and_small() {
        (1..=3 * PLACES).for_each(|length| keep(Bytes::from(vec![1; length])));
        keep(Bytes::from(vec![1; LONGEST + 1]));
        keep(Bytes::from(vec![1; 1 << 20]).slice(..10));
        SPARE.with_borrow(|spare| {
            assert_eq!(spare.len(), PLACES);
            assert!(spare.iter().all(|buffer| buffer.capacity() <= LONGEST && buffer.is_empty()));
        });
    }
}
