//! Copying long bytes between memory of this process and the slots of a link.
//!
//! - A loop of vector instructions copies 2 KiB to 2 MiB on AMD's processors with a slow `rep movsb`, which glibc
//!   before 2.39 uses. It takes up to fifteen times as long if the destination begins some bytes later in its page than
//!   the source. 300 kB take 150 µs instead of 10. A slot's content begins with a page, and allocators place long
//!   blocks 16 bytes after the beginning. On an Intel Xeon `memcpy` is faster, because `rep movsb` does not fetch the
//!   lines that it writes.
//! - [`stream`] writes whole lines past the caches: ordinary stores wait for lines in a distant processor's caches.
//!
//! Records of a ring use `memcpy`: their places in a page vary.

use std::mem::MaybeUninit;
use std::ops::Range;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use std::sync::OnceLock;

/// As for glibc's `rep movsb`, up to the second cache's size.
///
/// Debug builds slow the loop down many times.
const IN_A_LOOP: Range<usize> = if cfg!(debug_assertions) { 0..0 } else { 2 << 10..2 << 20 };

/// Copies bytes that do not overlap.
///
/// # Safety
/// Both ranges are valid for this length, and distinct.
#[inline]
unsafe fn copy_raw(from: *const u8, to: *mut u8, length: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if IN_A_LOOP.contains(&length) {
        // SAFETY: as for this function.
        return unsafe { copy_long(from, to, length) };
    }
    // SAFETY: as for this function.
    unsafe { std::ptr::copy_nonoverlapping(from, to, length) }
}

/// [`copy_raw`] of long bytes.
///
/// # Safety
/// As there.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(never)]
unsafe fn copy_long(from: *const u8, to: *mut u8, length: usize) {
    if has_slow_movsb() {
        // SAFETY: as for this function; the processor has the instructions.
        unsafe { copy_in_vectors(from, to, length) }
    } else {
        // SAFETY: as for this function.
        unsafe { std::ptr::copy_nonoverlapping(from, to, length) }
    }
}

/// Whether it is of AMD's first four generations, or a licensee's, and has the loop's instructions.
///
/// The fifth, family 26, has a fast `rep movsb` from any place.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn has_slow_movsb() -> bool {
    static HAS_SLOW_MOVSB: OnceLock<bool> = OnceLock::new();
    *HAS_SLOW_MOVSB.get_or_init(|| {
        let maker = std::arch::x86_64::__cpuid(0);
        let name = [maker.ebx, maker.edx, maker.ecx].map(u32::to_le_bytes);
        let is_of_amd = matches!(name.as_flattened(), b"AuthenticAMD" | b"HygonGenuine");
        let signature = std::arch::x86_64::__cpuid(1).eax;
        let family = (signature >> 8 & 15) + (signature >> 20 & 255);
        is_of_amd && family < 26 && std::arch::is_x86_feature_detected!("avx")
    })
}

/// Whether `rep movsb` is the fastest copy of long bytes, from any place.
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(super) fn has_fast_movsb() -> bool {
    static HAS_FAST_MOVSB: OnceLock<bool> = OnceLock::new();
    *HAS_FAST_MOVSB.get_or_init(|| std::arch::is_x86_feature_detected!("ermsb") && !has_slow_movsb())
}

/// [`copy_raw`] in a loop of 128 bytes.
///
/// # Safety
/// As for [`copy_raw`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx")]
unsafe fn copy_in_vectors(from: *const u8, to: *mut u8, length: usize) {
    use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_storeu_si256};
    const STEP: usize = 4 * size_of::<__m256i>();
    let steps = length / STEP;
    // SAFETY: each step is inside both ranges; no alignment is needed.
    unsafe {
        for step in 0..steps {
            let (from, to) = (from.add(step * STEP).cast::<__m256i>(), to.add(step * STEP).cast::<__m256i>());
            let (a, b) = (_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1)));
            let (c, d) = (_mm256_loadu_si256(from.add(2)), _mm256_loadu_si256(from.add(3)));
            _mm256_storeu_si256(to, a);
            _mm256_storeu_si256(to.add(1), b);
            _mm256_storeu_si256(to.add(2), c);
            _mm256_storeu_si256(to.add(3), d);
        }
        let copied = steps * STEP;
        std::ptr::copy_nonoverlapping(from.add(copied), to.add(copied), length - copied);
    }
}

/// Copies between equal lengths. Not faster than `copy_from_slice` for short ones.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn copy(from: &[u8], to: &mut [u8]) {
    assert_eq!(from.len(), to.len(), "a copy to memory of another length");
    // SAFETY: borrowed, one for writing, of one length.
    unsafe { copy_raw(from.as_ptr(), to.as_mut_ptr(), from.len()) }
}

/// [`copy`] to memory that it initialises.
///
/// # Panics
/// As [`copy`].
#[inline]
pub fn copy_to_uninit(from: &[u8], to: &mut [MaybeUninit<u8>]) {
    assert_eq!(from.len(), to.len(), "a copy to memory of another length");
    // SAFETY: borrowed, one for writing, of one length.
    unsafe { copy_raw(from.as_ptr(), to.as_mut_ptr().cast(), from.len()) }
}

/// Adds bytes to the end of a block.
#[inline]
pub fn append(block: &mut Vec<u8>, from: &[u8]) {
    block.reserve(from.len());
    let length = block.len();
    copy_to_uninit(from, &mut block.spare_capacity_mut()[..from.len()]);
    // SAFETY: there was room for them, and they have just been initialised.
    unsafe { block.set_len(length + from.len()) };
}

/// Whether [`stream`] differs from [`copy`].
pub const STREAMS: bool = cfg!(all(target_arch = "x86_64", not(miri)));

/// [`copy`] past the caches: other processors drop their lines of the destination.
///
/// All its stores precede the following ones.
///
/// # Panics
/// As [`copy`].
pub fn stream(from: &[u8], to: &mut [u8]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_sfence, _mm_stream_si128};
        /// The bytes of a cache line.
        const LINE: usize = 64;
        assert_eq!(from.len(), to.len(), "a copy to memory of another length");
        let head = to.as_ptr().align_offset(LINE).min(to.len());
        let (first, from) = from.split_at(head);
        let (to_first, to) = to.split_at_mut(head);
        to_first.copy_from_slice(first);
        let (lines, rest) = from.as_chunks::<LINE>();
        let (to_lines, to_rest) = to.as_chunks_mut::<LINE>();
        for (line, to) in lines.iter().zip(to_lines) {
            let (line, to) = (line.as_ptr().cast::<__m128i>(), to.as_mut_ptr().cast::<__m128i>());
            // SAFETY: a line each; the destination is aligned, and loads need no alignment.
            unsafe {
                let (a, b) = (_mm_loadu_si128(line), _mm_loadu_si128(line.add(1)));
                let (c, d) = (_mm_loadu_si128(line.add(2)), _mm_loadu_si128(line.add(3)));
                _mm_stream_si128(to, a);
                _mm_stream_si128(to.add(1), b);
                _mm_stream_si128(to.add(2), c);
                _mm_stream_si128(to.add(3), d);
            }
        }
        to_rest.copy_from_slice(rest);
        // SAFETY: orders the stores, which no release store does.
        unsafe { _mm_sfence() };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    copy(from, to);
}

#[cfg(test)]
mod tests {
    use super::*;

    type Way = fn(&[u8], &mut [u8]);

    fn in_a_loop(from: &[u8], to: &mut [u8]) {
        assert_eq!(from.len(), to.len());
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if std::arch::is_x86_feature_detected!("avx") {
            // SAFETY: borrowed, one for writing, of one length; the processor has the instructions.
            unsafe { copy_in_vectors(from.as_ptr(), to.as_mut_ptr(), from.len()) };
            return;
        }
        copy(from, to);
    }

    #[test]
    fn copies_are_exact_at_every_length_and_offset() {
        let from: Vec<u8> = (0..9000_u32).map(|i| (i * 7 + i / 256) as u8).collect();
        let ways = [copy as Way, in_a_loop, stream];
        for length in (0..300).chain(1900..2400).chain([8000]) {
            for (begin, to_begin) in [(0, 0), (1, 0), (0, 16), (16, 0), (5, 64), (33, 7), (64, 63)] {
                let mut expected = vec![0xA5; 9000];
                expected[to_begin..to_begin + length].copy_from_slice(&from[begin..begin + length]);
                for (number, way) in ways.iter().enumerate() {
                    let mut to = vec![0xA5; 9000];
                    way(&from[begin..begin + length], &mut to[to_begin..to_begin + length]);
                    assert!(to == expected, "way {number}, {length} from {begin} to {to_begin}");
                }
            }
        }
    }

    #[test]
    fn bytes_are_added_behind_those_of_a_block() {
        let from = vec![7; 3001];
        let mut block = vec![1, 2, 3];
        append(&mut block, &from);
        append(&mut block, &[9]);
        assert_eq!((&block[..3], block.len(), block.last()), (&[1, 2, 3][..], 3005, Some(&9)));
        assert_eq!(block[3..3004], from);
    }

    #[test]
    #[should_panic(expected = "another length")]
    fn copy_to_memory_of_another_length_panics() {
        stream(&[1; 100], &mut [0; 99]);
    }
}
