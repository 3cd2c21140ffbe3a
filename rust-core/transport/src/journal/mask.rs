//! Bodies that contain bytes that look like a record, and the mask with which they are stored.
//!
//! A search for the next record behind a damaged one checks every multiple of 64 bytes for a
//! record's first four bytes. A body that has them there, because it is a copy of the journal or
//! forged, would be taken for a record. So such a body is stored with the first four bytes of each
//! 64 combined (exclusive or) with a mask, which is in the record's extension, and which is drawn
//! so that none of the results is the beginning of a record. All other bodies, nearly all in
//! practice, are stored as they are. A body begins at a multiple of 64, and so does each of its
//! steps.

use crate::error::Result;
use crate::sys::random;

/// Records begin and end at multiples of this many bytes.
pub const ALIGN: u64 = 64;

/// The bytes that are combined with the first four bytes of each 64 of a body.
pub type Mask = [u8; 4];

/// The first bytes of a record.
const MAGIC: [u8; 4] = *b"LKSP";
/// The distance of the offsets that a search checks.
const STEP: usize = ALIGN as usize;
/// The number of bytes that are searched before they are added to the checksum, while they are
/// still in the processor's cache.
const PART: usize = 16 << 10;

/// Returns the CRC-32C of a body, and whether it has to be stored with a mask.
pub fn inspect(body: &[u8]) -> (u32, bool) {
    let (mut check, mut needs_mask) = (0, false);
    for part in body.chunks(PART) {
        check = crc32c::crc32c_append(check, part);
        needs_mask |= holds(part, MAGIC);
    }
    (check, needs_mask)
}

/// Returns whether one of the 64-byte steps begins with these bytes.
fn holds(body: &[u8], beginning: [u8; 4]) -> bool {
    body.chunks(STEP).any(|step| step.starts_with(&beginning))
}

/// Combines the mask with a body, or with a part of one that begins at a multiple of 64. Applying
/// it twice restores the body.
pub fn apply(mask: Mask, body: &mut [u8]) {
    for step in body.chunks_mut(STEP) {
        // Fewer than four bytes at the end of a body cannot begin a record.
        if let Some(first) = step.first_chunk_mut::<4>() {
            *first = combined(*first, mask);
        }
    }
}

/// Draws a mask under which no step of this body looks like the beginning of a record. It is
/// random: the writer of the body cannot predict it, and so cannot make this process draw often.
pub fn draw(body: &[u8]) -> Result<Mask> {
    loop {
        let mask = random::bytes()?;
        if !holds(body, combined(MAGIC, mask)) {
            return Ok(mask);
        }
    }
}

/// Exclusive or, byte by byte.
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
        // At offsets that are no multiples of 64, these bytes are not searched for.
        for body in [&b""[..], b"LKS", b" LKSP", &[0; 200]] {
            assert!(!inspect(body).1);
        }
    }
}
