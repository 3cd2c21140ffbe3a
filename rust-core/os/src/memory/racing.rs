//! Copies of bytes that another process may access at the same time; readers validate the result.
//!
//! A data race has no meaning in Rust, so the words are atomic. Vector instructions of the assembler, which may race,
//! copy most of long bytes: word by word takes twice as long.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(all(target_arch = "x86_64", not(miri)))]
use super::copying::has_fast_movsb;

/// From this length on `rep movsb` stores bytes, if it is fast.
///
/// It does not fetch the lines that it writes whole, which are in the readers' caches. 10 kB there and back take 590 ns
/// instead of 980.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const BY_MOVSB_FROM: usize = 2 << 10;
const STEP: usize = 128;

/// Copies whole words to the beginning of these places.
#[inline]
pub(super) fn words_in(from: &[[u8; 8]], places: &[AtomicU64]) {
    let places = &places[..from.len()];
    let (source, to, length) = (from.as_ptr().cast(), places.as_ptr().cast_mut().cast(), from.len() * 8);
    // SAFETY: as many places as words; they are shared and may be written.
    let done =
        unsafe { if is_by_movsb(length) { movsb(source, to, length) } else { vectors(source, to, length) } }
            / 8;
    let copy = |place: &AtomicU64, word: &[u8; 8]| {
        place.store(u64::from_le_bytes(*word), Ordering::Relaxed);
    };
    // The compiler does not unroll a loop of atomic stores.
    let (places_of_fours, places_of_few) = places[done..].as_chunks::<4>();
    let (fours, few) = from[done..].as_chunks::<4>();
    for ([to_a, to_b, to_c, to_d], [a, b, c, d]) in places_of_fours.iter().zip(fours) {
        copy(to_a, a);
        copy(to_b, b);
        copy(to_c, c);
        copy(to_d, d);
    }
    for (place, word) in places_of_few.iter().zip(few) {
        copy(place, word);
    }
}

/// Copies whole words from the beginning of these places.
#[inline]
pub(super) fn words_out(places: &[AtomicU64], into: &mut [[MaybeUninit<u8>; 8]]) {
    let places = &places[..into.len()];
    // SAFETY: as many words as places, borrowed for writing.
    let done = unsafe { vectors(places.as_ptr().cast(), into.as_mut_ptr().cast(), into.len() * 8) } / 8;
    let copy = |word: &mut [MaybeUninit<u8>; 8], place: &AtomicU64| {
        // SAFETY: eight bytes that are borrowed for writing; no alignment is needed.
        unsafe { word.as_mut_ptr().cast::<u64>().write_unaligned(place.load(Ordering::Relaxed).to_le()) };
    };
    // The compiler does not unroll a loop of atomic loads.
    let (places_of_fours, places_of_few) = places[done..].as_chunks::<4>();
    let (fours, few) = into[done..].as_chunks_mut::<4>();
    for ([a, b, c, d], [from_a, from_b, from_c, from_d]) in fours.iter_mut().zip(places_of_fours) {
        copy(a, from_a);
        copy(b, from_b);
        copy(c, from_c);
        copy(d, from_d);
    }
    for (word, place) in few.iter_mut().zip(places_of_few) {
        copy(word, place);
    }
}

/// Copies whole steps in ascending order; returns the number of bytes.
///
/// # Safety
/// In this process, both ranges are valid for this length and distinct.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
unsafe fn vectors(from: *const u8, to: *mut u8, length: usize) -> usize {
    let steps = length / STEP;
    if steps == 0 || !std::arch::is_x86_feature_detected!("avx") {
        return 0;
    }
    // SAFETY: each step is inside both ranges. The block names its changes, and code assumes nothing of memory across
    // it. It clears the registers' upper halves, which would slow other instructions down.
    unsafe {
        std::arch::asm!(
            "2:",
            "vmovdqu ymm0, [{from}]",
            "vmovdqu ymm1, [{from} + 32]",
            "vmovdqu ymm2, [{from} + 64]",
            "vmovdqu ymm3, [{from} + 96]",
            "vmovdqu [{to}], ymm0",
            "vmovdqu [{to} + 32], ymm1",
            "vmovdqu [{to} + 64], ymm2",
            "vmovdqu [{to} + 96], ymm3",
            "add {from}, 128",
            "add {to}, 128",
            "dec {steps}",
            "jnz 2b",
            "vzeroupper",
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            steps = inout(reg) steps => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack),
        );
    }
    length / STEP * STEP
}

/// Whether `rep movsb` stores this many bytes.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn is_by_movsb(length: usize) -> bool {
    length >= BY_MOVSB_FROM && has_fast_movsb()
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn is_by_movsb(_: usize) -> bool {
    false
}

/// Copies in any order, before all following stores; returns the number of bytes.
///
/// # Safety
/// As [`vectors`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
unsafe fn movsb(from: *const u8, to: *mut u8, length: usize) -> usize {
    // SAFETY: as for this function; the block names its changes.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") length => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags),
        );
    }
    length
}

/// Copies nothing: the words do.
///
/// # Safety
/// None is needed.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
unsafe fn movsb(_: *const u8, _: *mut u8, _: usize) -> usize {
    0
}

/// Copies nothing: the words do.
///
/// # Safety
/// None is needed.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
unsafe fn vectors(_: *const u8, _: *mut u8, _: usize) -> usize {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive_in_their_places_and_no_others_change() {
        for count in [0, 1, 15, 16, 17, 33, 1250] {
            let from: Vec<[u8; 8]> = (0..count as u64).map(|i| (i * 0x0101_0101 + 1).to_le_bytes()).collect();
            let places: Vec<AtomicU64> = (0..count + 2).map(|_| AtomicU64::new(u64::MAX)).collect();
            words_in(&from, &places[1..]);
            let stored: Vec<u64> = places.iter().map(|place| place.load(Ordering::Relaxed)).collect();
            let words: Vec<u64> = from.iter().map(|word| u64::from_le_bytes(*word)).collect();
            assert_eq!(stored[1..=count], words);
            assert_eq!([stored[0], stored[count + 1]], [u64::MAX; 2]);
            let mut into = vec![[MaybeUninit::new(0xEE); 8]; count + 1];
            words_out(&places[1..], &mut into[..count]);
            // SAFETY: initialised from the beginning.
            let read: Vec<[u8; 8]> =
                into.iter().map(|word| word.map(|byte| unsafe { byte.assume_init() })).collect();
            assert_eq!(read[..count], from);
            assert_eq!(read[count], [0xEE; 8]);
        }
    }
}
