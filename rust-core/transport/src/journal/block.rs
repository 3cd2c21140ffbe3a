//! The short blocks in a journal's files: a magic word, a checksum, an identity, numbers.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic: the kind of block |
//! | 8 | 4 | CRC-32C of the block with this field zero |
//! | 12 | 4 | version of the layout |
//! | 16 | 16 | the journal's identity, drawn at random at its creation |
//! | 32 | 8 each | numbers, little-endian |

pub type JournalId = [u8; 16];

pub const BLOCK: usize = 64;

/// The version of the blocks in `committed` and in the consumers' files.
pub const VERSION: u32 = 1;
/// The largest number of a record, a segment or a count, and the largest offset in a file.
///
/// Numbers from files are compared with it, so their sums cannot overflow.
pub const LARGEST: u64 = 1 << 62;

const NUMBERS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<const N: usize> {
    pub version: u32,
    pub id: JournalId,
    pub numbers: [u64; N],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    Damaged,
    Version(u32),
}

/// Returns the bytes of a block, filled up with zeros to `length`.
pub fn write<const N: usize>(magic: [u8; 8], contents: &Block<N>, length: usize) -> Vec<u8> {
    let mut block = vec![0; length];
    block[..8].copy_from_slice(&magic);
    block[12..16].copy_from_slice(&contents.version.to_le_bytes());
    block[16..32].copy_from_slice(&contents.id);
    for (number, into) in contents.numbers.iter().zip(block[NUMBERS..].chunks_exact_mut(8)) {
        into.copy_from_slice(&number.to_le_bytes());
    }
    let check = crc32c::crc32c(&block);
    block[8..12].copy_from_slice(&check.to_le_bytes());
    block
}

/// Decodes a block of exactly these bytes; `newest` is the newest supported version.
///
/// Fuzzing skips the checksum.
pub fn read<const N: usize>(magic: [u8; 8], newest: u32, bytes: &[u8]) -> Result<Block<N>, Flaw> {
    if bytes.len() < NUMBERS + 8 * N || bytes[..8] != magic {
        return Err(Flaw::Damaged);
    }
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let check = crc32c::crc32c_append(crc32c::crc32c(&bytes[..8]), &[0; 4]);
    if !cfg!(fuzzing) && crc32c::crc32c_append(check, &bytes[12..]) != word(8) {
        return Err(Flaw::Damaged);
    }
    let version = word(12);
    if !(1..=newest).contains(&version) {
        return Err(Flaw::Version(version));
    }
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[16..32]);
    let mut numbers = [0; N];
    for (number, from) in numbers.iter_mut().zip(bytes[NUMBERS..].as_chunks::<8>().0) {
        *number = u64::from_le_bytes(*from);
    }
    Ok(Block { version, id, numbers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_is_read_as_written_and_every_damaged_bit_is_noticed() {
        let id = *b"0123456789abcdef";
        let block = Block { version: 2, id, numbers: [1, u64::MAX, 3] };
        let good = write(*b"LKSPTEST", &block, BLOCK);
        assert_eq!(read::<3>(*b"LKSPTEST", 2, &good), Ok(block));
        assert_eq!(read::<3>(*b"LKSPTEST", 3, &good), Ok(block));
        assert_eq!(read::<3>(*b"LKSPTEST", 1, &good), Err(Flaw::Version(2)));
        assert_eq!(read::<3>(*b"LKSPELSE", 2, &good), Err(Flaw::Damaged));
        assert_eq!(read::<3>(*b"LKSPTEST", 2, &good[..40]), Err(Flaw::Damaged));
        for bit in 0..BLOCK * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read::<3>(*b"LKSPTEST", 2, &bad), Err(Flaw::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn documents_draw_the_block() {
        use crate::documents::{check, difference, drawing, fenced};
        let none = Block { version: VERSION, id: [0; 16], numbers: [0, 0] };
        let block = |value: Block<2>| write(*b"LKSPXXXX", &value, BLOCK);
        let plain = block(none);
        let of = |value: Block<2>| difference(&plain, &block(value), 8..12);
        let version = of(Block { version: u32::MAX, ..none });
        let id = of(Block { id: [0xff; 16], ..none });
        let first = of(Block { numbers: [u64::MAX, 0], ..none });
        let second = of(Block { numbers: [0, u64::MAX], ..none });
        assert_eq!(read::<2>(*b"LKSPXXXX", VERSION, &plain), Ok(none));
        let fields = [
            (0, 8, "magic"),
            (8, 4, "CRC-32C of the block, this zero"),
            (version.start, version.len(), "version"),
            (id.start, id.len(), "the journal's identity"),
            (first.start, first.len(), "number"),
            (second.start, second.len(), "number ..."),
        ];
        check("journal block", &fenced(&drawing(&fields)));
    }
}
