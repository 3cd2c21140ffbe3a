//! The mask for bodies with bytes that look like a record.
//!
//! After a damaged record a search checks every multiple of 64 bytes for a record's first four bytes. A body
//! that contains those bytes at such an offset is stored with a mask: an exclusive or on the first four bytes
//! of each 64. The mask is drawn such that no result is the beginning of a record; the record's extension
//! holds it.

use crate::error::Result;
use crate::sys::random;

/// Records begin and end at multiples of this many bytes.
pub const ALIGN: u64 = 64;

pub type Mask = [u8; 4];

const MAGIC: [u8; 4] = *b"LKSP";
const STEP: usize = ALIGN as usize;
/// The size of the parts that are searched and added to the checksum within the processor's cache.
const PART: usize = 16 << 10;

/// Returns the CRC-32C of a body, and whether it needs a mask.
pub fn inspect(body: &[u8]) -> (u32, bool) {
    let (mut check, mut needs_mask) = (0, false);
    for part in body.chunks(PART) {
        check = crc32c::crc32c_append(check, part);
        needs_mask |= holds(part, MAGIC);
    }
    (check, needs_mask)
}

fn holds(body: &[u8], beginning: [u8; 4]) -> bool {
    body.chunks(STEP).any(|step| step.starts_with(&beginning))
}

/// Applies the mask to a body, or to a part that begins at a multiple of 64.
///
/// Applying it twice restores the body.
pub fn apply(mask: Mask, body: &mut [u8]) {
    for step in body.chunks_mut(STEP) {
        // Fewer than four bytes at the end of a body cannot begin a record.
        if let Some(first) = step.first_chunk_mut::<4>() {
            *first = combined(*first, mask);
        }
    }
}

/// Draws a mask under which no step of this body looks like the beginning of a record.
///
/// It is random, so the body's writer cannot force repeated draws.
pub fn draw(body: &[u8]) -> Result<Mask> {
    loop {
        let mask = random::bytes()?;
        if !holds(body, combined(MAGIC, mask)) {
            return Ok(mask);
        }
    }
}

fn combined(a: [u8; 4], b: Mask) -> [u8; 4] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_body_holds_no_magic_and_unmasks_to_itself() {
        for length in [4, 63, 64, 68, 100, 130, PART + 64 + 4, 100_000] {
            let mut body: Vec<u8> = b"LKSP, and so on. ".iter().copied().cycle().take(length).collect();
            for step in body.chunks_mut(STEP).filter(|step| step.len() >= 4) {
                step[..4].copy_from_slice(&MAGIC);
            }
            let (check, needs_mask) = inspect(&body);
            assert!(needs_mask && check == crc32c::crc32c(&body), "{length}");
            let (mask, mut stored) = (draw(&body).unwrap(), body.clone());
            apply(mask, &mut stored);
            assert!(!holds(&stored, MAGIC) && stored != body, "{length}");
            apply(mask, &mut stored);
            assert_eq!(stored, body);
        }
        // A search does not check offsets other than multiples of 64.
        for body in [&b""[..], b"LKS", b" LKSP", &[0; 200]] {
            assert!(!inspect(body).1);
        }
    }
}
