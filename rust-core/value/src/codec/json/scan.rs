//! Searches in the text of JSON strings, several bytes at a time.
//!
//! The searches compare eight bytes as one integer ("SIMD within a register"). For longer runs the
//! compiler or `memchr` uses vector instructions.

use memchr::memchr2;

use crate::codec::output::SHORT;

const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = byte >= 0x20 && byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

/// Returns the number of bytes before the first quote, backslash or control character.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let mut at = 0;
    // Most strings end within two words, before a comparison of 32 bytes pays.
    while at < 16
        && let Some(chunk) = bytes[at..].first_chunk::<8>()
    {
        let found = odd_lanes(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(chunk) = bytes[at..].first_chunk::<32>() {
        // Without a branch for each byte, so that the compiler vectorizes it.
        if chunk.iter().fold(false, |odd, b| odd | (*b < 0x20) | (*b == b'"') | (*b == b'\\')) {
            break;
        }
        at += 32;
    }
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let found = odd_lanes(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    // The last word overlaps bytes that are known to be plain.
    if at == bytes.len() {
        return at;
    } else if let Some(last) = bytes.last_chunk::<8>() {
        let found = odd_lanes(u64::from_le_bytes(*last));
        return bytes.len() - 8 + if found == 0 { 8 } else { found.trailing_zeros() as usize / 8 };
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // Four to seven bytes: the two halves overlap in the middle.
        let word = u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
        if odd_lanes(word) == 0 {
            return bytes.len();
        }
    }
    at + bytes[at..].iter().take_while(|b| PLAIN[usize::from(**b)]).count()
}

/// Returns the high bit of each byte that is a quote, a backslash or a control character.
///
/// The lowest of these bits is exact; above it, borrows may set too many.
fn odd_lanes(word: u64) -> u64 {
    quotes_and_backslashes(word) | (word.wrapping_sub(ONES * 0x20) & !word & HIGH)
}

pub(super) fn is_short_and_plain(bytes: &[u8]) -> bool {
    if bytes.len() > SHORT {
        return false;
    }
    let word = if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return odd_lanes(u64::from_le_bytes(*first)) | odd_lanes(u64::from_le_bytes(*last)) == 0;
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<2>(), bytes.last_chunk::<2>()) {
        let (first, last) = (u16::from_le_bytes(*first), u16::from_le_bytes(*last));
        // Spaces, which are plain, fill the rest of the word.
        SPACES << 32 | u64::from(last) << 16 | u64::from(first)
    } else {
        SPACES << 8 | u64::from(bytes.first().copied().unwrap_or(b' '))
    };
    odd_lanes(word) == 0
}

const SPACES: u64 = ONES * b' ' as u64;

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// Returns the high bit of each byte that is a quote or a backslash; the lowest bit is exact.
fn quotes_and_backslashes(word: u64) -> u64 {
    // An equal byte becomes zero, and a zero byte borrows from its high bit.
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    ((quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash)) & HIGH
}

/// Returns the offset after the closing quote of the string around `at`, or the text's end.
pub(super) fn skip_string(text: &[u8], mut at: usize) -> usize {
    loop {
        at = unescaped_run(text, at);
        match text.get(at) {
            Some(b'"') => return at + 1,
            // The byte after a backslash is part of an escape, even if it is a quote.
            Some(_) => at += 2,
            None => return text.len(),
        }
    }
}

/// Returns the offset of the next quote or backslash, or the text's end.
pub(super) fn unescaped_run(text: &[u8], mut at: usize) -> usize {
    // Most strings are short: a call of memchr costs more than this loop.
    for _ in 0..IN_PLACE / 8 {
        let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) else { break };
        let found = quotes_and_backslashes(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    memchr2(b'"', b'\\', rest).map_or(text.len(), |found| at + found)
}

const IN_PLACE: usize = 64;
