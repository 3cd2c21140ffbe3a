//! Memory of short loans, which a thread reuses, and their path into a message without an encoder.
//!
//! | bytes | memory | in CBOR |
//! |---|---|---|
//! | at most [`SMALL`] | of the allocator, which keeps such blocks for the thread | copied after their head |
//! | less than 64 KiB | a block of this thread's list, with room for a head | the head is written there |
//!
//! A block enters the list when its writing ends. The thread lends it again after every other owner has released it.

use std::cell::{Cell, RefCell};

use bytes::{Bytes, BytesMut};

use crate::body::PLACED_FROM;
use crate::codec::{self, Encoding};
use crate::error::{Result, memory};
use crate::value::{Source, Value};

/// Up to this length allocating and a copy cost less than to share a block.
const SMALL: usize = 1 << 10;
/// Source of small zeroed blocks. A copied block comes from the thread's own list of the allocator.
///
/// Zeroed memory of the allocator does not.
static ZEROS: [u8; SMALL] = [0; SMALL];
/// The room before the bytes in a block.
const BEFORE: usize = 16;
/// The lengths of blocks are multiples of this: loans of similar length share a block.
const STEP: usize = 1024;
/// The number of blocks that each thread keeps. Each has less than 64 KiB and a step.
const PLACES: usize = 8;

thread_local! {
    /// The blocks of this thread's loans, the oldest first.
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
    /// This thread's buffer for heads before small bytes.
    static ENCODED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Memory of a loan whose writing has ended.
struct Block {
    all: Bytes,
    /// The head begins here, and the bytes end there.
    head: usize,
    to: usize,
}

/// Memory for a loan of less than 64 KiB, which is being written.
pub(super) enum ShortLoan {
    Small(Vec<u8>),
    Block(BytesMut),
}

impl ShortLoan {
    /// Lends memory for this many bytes, which have any values.
    ///
    /// # Errors
    /// `OutOfMemory`.
    #[inline]
    pub fn new(length: usize) -> Result<ShortLoan> {
        if length > SMALL {
            return Ok(ShortLoan::Block(take(length).map_or_else(|| make(length), Ok)?));
        }
        // At least one byte, which gives each loan a unique address.
        Ok(ShortLoan::Small(ZEROS[..length.max(1)].to_vec()))
    }

    /// Returns the first `length` bytes.
    #[inline]
    pub fn bytes(&self, length: usize) -> &[u8] {
        match self {
            ShortLoan::Small(small) => &small[..length],
            ShortLoan::Block(all) => &all[BEFORE..][..length],
        }
    }

    /// Returns the writable bytes of the loan.
    #[inline]
    pub fn bytes_mut(&mut self, length: usize) -> &mut [u8] {
        match self {
            ShortLoan::Small(small) => &mut small[..length],
            ShortLoan::Block(all) => &mut all[BEFORE..][..length],
        }
    }

    /// Ends the writing and returns the first `length` bytes.
    #[inline]
    pub fn into_bytes(self, length: usize) -> Bytes {
        match self {
            ShortLoan::Small(mut small) => {
                small.truncate(length);
                small.into()
            }
            ShortLoan::Block(all) => share(all, length),
        }
    }
}

/// Writes the head of the first `length` bytes of a block, keeps the block, and returns the bytes.
fn share(mut all: BytesMut, length: usize) -> Bytes {
    let (bytes, count) = codec::byte_string_head(length as u64);
    let (head, to) = (BEFORE - count, BEFORE + length);
    all[head..BEFORE].copy_from_slice(&bytes[..count]);
    let all = all.freeze();
    let bytes = all.slice(BEFORE..to);
    keep(Block { all, head, to });
    bytes
}

/// Takes the newest block that is long enough and that nothing else has.
fn take(length: usize) -> Option<BytesMut> {
    let needed = length + BEFORE;
    BLOCKS
        .try_with(|blocks| {
            let mut blocks = blocks.try_borrow_mut().ok()?;
            let at = blocks.iter().rposition(|block| block.all.len() >= needed && block.all.is_unique())?;
            blocks.remove(at).all.try_into_mut().ok()
        })
        .ok()
        .flatten()
}

#[cold]
fn make(length: usize) -> Result<BytesMut> {
    let length = (length + BEFORE).next_multiple_of(STEP);
    let mut block = Vec::new();
    memory::reserve(&mut block, length)?;
    block.resize(length, 0);
    let mut all = BytesMut::from(Bytes::from(block));
    // From now on it has counted owners: between writing and sharing it takes no allocation.
    drop(all.split_off(length));
    Ok(all)
}

/// Keeps a block, instead of the oldest one if there are many. At a thread's end the list may be gone already.
fn keep(block: Block) {
    let _ = BLOCKS.try_with(|blocks| {
        let Ok(mut blocks) = blocks.try_borrow_mut() else { return };
        if blocks.len() == PLACES {
            blocks.remove(0);
        }
        blocks.push(block);
    });
}

/// Calls `send` with the encoded value if the value is one short byte string.
///
/// In `raw`, any byte string qualifies. In CBOR, it must be small, or a loan that this thread wrote. Returns `None` and
/// calls nothing for every other value.
#[inline]
pub(crate) fn send_encoded<T: Source + ?Sized, R>(
    value: &T,
    encoding: Encoding,
    send: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    if !matches!(encoding, Encoding::Raw | Encoding::Cbor) {
        return None;
    }
    let (mut send, mut sent) = (Some(send), None);
    value.with_any(&mut |any| {
        if let Some(Value::Bytes(bytes)) = any.downcast_ref()
            && let Some(send) = send.take()
        {
            sent = match encoding {
                _ if bytes.len() >= PLACED_FROM => None,
                Encoding::Raw => Some(send(bytes)),
                _ if bytes.len() <= SMALL => Some(send_small(bytes, send)),
                _ => send_block(bytes, send),
            };
        }
    });
    sent
}

/// Calls `send` with small bytes and their head.
#[inline]
fn send_small<R>(bytes: &[u8], send: impl FnOnce(&[u8]) -> R) -> R {
    // Taken out during the call, because a callback may send other values.
    let mut encoded = ENCODED.try_with(Cell::take).unwrap_or_default();
    let (head, count) = codec::byte_string_head(bytes.len() as u64);
    encoded.clear();
    encoded.extend_from_slice(&head[..count]);
    encoded.extend_from_slice(bytes);
    let sent = send(&encoded);
    let _ = ENCODED.try_with(|place| place.set(encoded));
    sent
}

/// Calls `send` with these bytes and their head, if they are in a block of this thread.
fn send_block<R>(bytes: &Bytes, send: impl FnOnce(&[u8]) -> R) -> Option<R> {
    // Taken out of the list during the call, because a callback may lend and send others.
    let block = BLOCKS
        .try_with(|blocks| {
            let mut blocks = blocks.try_borrow_mut().ok()?;
            let is_it = |block: &Block| block.all[BEFORE..block.to].as_ptr_range() == bytes.as_ptr_range();
            let at = blocks.iter().rposition(is_it)?;
            Some(blocks.remove(at))
        })
        .ok()
        .flatten()?;
    let sent = send(&block.all[block.head..block.to]);
    keep(block);
    Some(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent(length: usize, with: u8) -> Bytes {
        let mut loan = ShortLoan::new(length).unwrap();
        loan.bytes_mut(length).fill(with);
        assert_eq!(loan.bytes(length), vec![with; length]);
        loan.into_bytes(length)
    }

    #[test]
    fn bytes_of_a_loan_are_sent_as_the_encoder_writes_them() {
        for length in [0, 1, 23, 24, 255, 256, SMALL, SMALL + 1, 5000, PLACED_FROM - 1] {
            let value = Value::Bytes(lent(length, 7));
            for encoding in [Encoding::Raw, Encoding::Cbor] {
                let encoded = codec::encode(&value, encoding).unwrap();
                assert_eq!(send_encoded(&value, encoding, |bytes| bytes == encoded), Some(true), "{length}");
            }
            assert!(send_encoded(&value, Encoding::Json, |_| ()).is_none());
        }
        let other = Value::Bytes(vec![7; SMALL + 1].into());
        assert!(send_encoded(&other, Encoding::Cbor, |_| ()).is_none());
        assert!(send_encoded(&Value::Bytes(vec![7; PLACED_FROM].into()), Encoding::Raw, |_| ()).is_none());
        assert!(send_encoded(&Value::from(1), Encoding::Raw, |_| ()).is_none());
    }

    #[test]
    fn block_is_lent_again_once_nothing_has_its_bytes() {
        let first = lent(2000, 1);
        let place = first.as_ptr();
        assert_ne!(lent(2000, 2).as_ptr(), place, "the first is still there");
        assert_eq!(&first[..], [1; 2000]);
        let part = first.slice(50..60);
        drop(first);
        assert_ne!(lent(2000, 3).as_ptr(), place);
        assert_eq!(&part[..], [1; 10]);
        drop(part);
        assert!((0..2).map(|_| lent(1900, 4)).collect::<Vec<_>>().iter().any(|one| one.as_ptr() == place));
    }

    #[test]
    fn part_of_a_loan_is_not_taken_for_the_whole() {
        let bytes = lent(2000, 1);
        for part in [bytes.slice(..1999), bytes.slice(1..)] {
            assert!(send_encoded(&Value::Bytes(part), Encoding::Cbor, |_| ()).is_none());
        }
    }

    #[test]
    fn few_blocks_are_kept() {
        let held: Vec<_> = (0..3 * PLACES).map(|_| lent(PLACED_FROM - 1, 1)).collect();
        BLOCKS.with_borrow(|blocks| {
            assert_eq!(blocks.len(), PLACES);
            assert!(blocks.iter().all(|block| block.all.len() <= PLACED_FROM + STEP));
        });
        drop(held);
    }

    #[test]
    fn loan_within_the_call_that_sends_another_one_leaves_that_as_it_is() {
        for length in [64, 2000] {
            let value = Value::Bytes(lent(length, 1));
            let sent = send_encoded(&value, Encoding::Cbor, |bytes| {
                let within = Value::Bytes(lent(length, 2));
                let ends = |bytes: &[u8], with| bytes.ends_with(&vec![with; length]);
                let sent = send_encoded(&within, Encoding::Cbor, |bytes| ends(bytes, 2));
                (sent, ends(bytes, 1))
            });
            assert_eq!(sent, Some((Some(true), true)));
        }
    }
}
