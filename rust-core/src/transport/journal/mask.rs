//! Bodies that contain what looks like a record: they are stored so that they do not (decision 19).
//!
//! A search for the next record behind a damaged one checks every multiple of 64 bytes for a
//! record's first four bytes. A body that has them there, because somebody sent a copy of the
//! journal, or forged one, would be taken for a record. So such a body is stored with the first
//! four bytes of each 64 combined (exclusive or) with a mask, which the record's extension names
//! and which is drawn so that none of them comes out as a record's beginning. All other bodies,
//! nearly all in practice, are stored as they are. A body begins at a multiple of 64, and so does
//! each of its steps.

use crate::error::Result;
use crate::sys::random;

/// Records begin and end at multiples of this many bytes.
pub const ALIGN: u64 = 64;

/// What is combined with the first four bytes of each 64 of a body.
pub type Mask = [u8; 4];

/// What a record begins with.
const MAGIC: [u8; 4] = *b"LKSP";
/// The distance of the places where a search looks.
const STEP: usize = ALIGN as usize;
/// So much of a body is searched before its check sum is made, because it is still in the
/// processor's cache then.
const PART: usize = 16 << 10;

/// The CRC-32C of a body, and whether it has to be stored with a mask.
pub fn inspect(body: &[u8]) -> (u32, bool) {
    let (mut check, mut needs_mask) = (0, false);
    for part in body.chunks(PART) {
        check = crc32c::crc32c_append(check, part);
        needs_mask |= holds(part, MAGIC);
    }
    (check, needs_mask)
}

/// Whether one of the 64-byte steps begins with these bytes.
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
/// random: whoever wrote the body cannot know it, and so cannot make this side draw often.
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
        // Anywhere else than at a multiple of 64 nobody looks for it.
        for body in [&b""[..], b"LKS", b" LKSP", &[0; 200]] {
            assert!(!inspect(body).1);
        }
    }
}
