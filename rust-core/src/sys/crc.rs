//! The CRC-32C of a header or a short body: one instruction for eight bytes where the processor has it.
//!
//! The crate `crc32c` is made for long blocks; for 64 bytes, its choice of a method takes longer than the
//! checksum.

/// The longest block for which the crate is slower, in bytes: it computes three sums side by side.
const SHORT: usize = 256;

/// Returns the CRC-32C of these bytes.
#[inline]
pub fn of_bytes(bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() <= SHORT && std::is_x86_feature_detected!("sse4.2") {
        return of_short(bytes);
    }
    crc32c::crc32c(bytes)
}

/// For a processor with SSE 4.2.
#[cfg(target_arch = "x86_64")]
fn of_short(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = u64::from(u32::MAX);
    for word in words {
        let word = u64::from_le_bytes(*word);
        // SAFETY: computes in registers alone; the caller has found that the processor has the instruction.
        unsafe {
            std::arch::asm!("crc32 {0}, {1}", inout(reg) sum, in(reg) word, options(pure, nomem, nostack, preserves_flags));
        }
    }
    let mut sum = sum as u32;
    for byte in rest {
        // SAFETY: as above.
        unsafe {
            std::arch::asm!("crc32 {0:e}, {1}", inout(reg) sum, in(reg_byte) *byte, options(pure, nomem, nostack, preserves_flags));
        }
    }
    !sum
}

/// Returns the CRC-32C of these words' bytes, the lowest of each first.
// Always: as a function to call, it gets the words in memory.
#[inline(always)]
pub fn of_words(words: &[u64; 8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("sse4.2") {
        return by_instruction(words);
    }
    by_bytes(words)
}

/// For a processor with SSE 4.2. Not the intrinsic function: the compiler inlines it only where the whole program
/// is built for such processors, and the words would have to go through memory.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn by_instruction(words: &[u64; 8]) -> u32 {
    let mut sum = u64::from(u32::MAX);
    for word in words {
        // SAFETY: computes in registers alone; the caller has found that the processor has the instruction.
        unsafe {
            std::arch::asm!("crc32 {0}, {1}", inout(reg) sum, in(reg) *word, options(pure, nomem, nostack, preserves_flags));
        }
    }
    !(sum as u32)
}

#[cold]
fn by_bytes(words: &[u64; 8]) -> u32 {
    words.iter().fold(0, |sum, word| crc32c::crc32c_append(sum, &word.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_have_the_check_sum_of_their_bytes(words in any::<[u64; 8]>()) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            prop_assert_eq!(of_words(&words), crc32c::crc32c(&bytes));
            prop_assert_eq!(by_bytes(&words), crc32c::crc32c(&bytes));
        }

        #[test]
        fn bytes_have_the_check_sum_that_the_crate_computes(bytes in prop::collection::vec(any::<u8>(), 0..2 * SHORT)) {
            prop_assert_eq!(of_bytes(&bytes), crc32c::crc32c(&bytes));
        }
    }
}
